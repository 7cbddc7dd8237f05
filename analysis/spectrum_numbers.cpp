// SPDX-License-Identifier: MIT
// Numbers that describe a spectrum, and the wavenumbers of an image.
#include <algorithm>
#include <cmath>

#include "analysis/spectra.hpp"
#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {

namespace {

constexpr const char* numbers_where = "spectra";

double checked_sum(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) {
    require(v >= 0, ErrorCode::data, "the values of a spectrum must not be negative", numbers_where);
    sum += v;
  }
  require(sum > 0, ErrorCode::data, "the spectrum is empty or zero", numbers_where);
  return sum;
}

// Frequency of bin k of n, in cycles over the whole length.
double signed_bin(Index k, Index n) { return static_cast<double>(2 * k <= n ? k : k - n); }

// |X|^2 (shape) of the values minus their mean.
std::vector<double> power_of(Stream& s, const std::vector<double>& values, const std::vector<Index>& shape) {
  const auto all = static_cast<Index>(values.size());
  double mean = 0;
  for (const double v : values) mean += v / static_cast<double>(values.size());
  std::vector<double> x(2 * values.size(), 0.0), turned(x.size());
  for (std::size_t i = 0; i < values.size(); ++i) x[2 * i] = values[i] - mean;
  // The last axis is transformed and becomes the first one, until all have had their turn.
  for (auto n = shape.rbegin(); n != shape.rend(); ++n) {
    const Index columns = *n, rows = all / columns;
    const Buffer<double> device = to_device(s, x);
    fft(s, Fft<double>{FftKind::complex_forward, false, columns, rows, device.data(), device.data()});
    x = to_host(s, device);
    for (Index r = 0; r < rows; ++r) {
      for (Index c = 0; c < columns; ++c) {
        const auto from = static_cast<std::size_t>(2 * (r * columns + c));
        const auto to = static_cast<std::size_t>(2 * (c * rows + r));
        turned[to] = x[from];
        turned[to + 1] = x[from + 1];
      }
    }
    x.swap(turned);
  }
  std::vector<double> power(values.size());
  for (std::size_t i = 0; i < power.size(); ++i) power[i] = x[2 * i] * x[2 * i] + x[2 * i + 1] * x[2 * i + 1];
  return power;
}

// |k| of the value at `place` of an array: `length` holds the extent of each axis.
double radial_wavenumber(Index place, const std::vector<Index>& shape, const std::vector<double>& length) {
  double squares = 0;
  for (std::size_t a = shape.size(); a-- > 0; place /= shape[a]) {
    const double k = signed_bin(place % shape[a], shape[a]) / length[a];
    squares += k * k;
  }
  return std::sqrt(squares);
}

}  // namespace

std::vector<double> singular_values_of(const std::vector<double>& gram_eigenvalues) {
  std::vector<double> sigma;
  for (const double v : gram_eigenvalues) sigma.push_back(std::sqrt(std::max(v, 0.0)));
  return sigma;
}

double vector_cosine(const double* a, const double* b, std::size_t n) {
  double product = 0, own = 0, other = 0;
  for (std::size_t i = 0; i < n; ++i) product += a[i] * b[i], own += a[i] * a[i], other += b[i] * b[i];
  return std::abs(product) / std::sqrt(own * other);
}

double separation(const std::vector<double>& values, std::size_t k) {
  require(k + 1 < values.size(), ErrorCode::config, "the separation of a value needs the one below it");
  const double below = values[k] - values[k + 1], above = k > 0 ? values[k - 1] - values[k] : below;
  return std::min(below, above) / values[0];
}

double participation_rank(const std::vector<double>& values) {
  const double sum = checked_sum(values);
  double squares = 0;
  for (const double v : values) squares += v * v;
  return sum * sum / squares;
}

double entropy_rank(const std::vector<double>& values) {
  const double sum = checked_sum(values);
  double entropy = 0;
  for (const double v : values) {
    if (v > 0) entropy -= v / sum * std::log(v / sum);
  }
  return std::exp(entropy);
}

double decay_exponent(const std::vector<double>& values, Index first, Index last) {
  require(first >= 1 && last > first && last <= static_cast<Index>(values.size()), ErrorCode::config,
          "the range of the decay exponent must lie within the spectrum and hold two values", numbers_where);
  double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;
  for (Index k = first; k <= last; ++k) {
    const double v = values[static_cast<std::size_t>(k - 1)];
    require(v > 0, ErrorCode::data, "the decay exponent needs positive values in its range", numbers_where);
    const double x = std::log(static_cast<double>(k)), y = std::log(v);
    n += 1;
    sx += x;
    sy += y;
    sxx += x * x;
    sxy += x * y;
  }
  return -(n * sxy - sx * sy) / (n * sxx - sx * sx);
}

Index values_holding(const std::vector<double>& values, double fraction, bool squared) {
  require(fraction >= 0 && fraction <= 1, ErrorCode::config, "the fraction must lie between 0 and 1", numbers_where);
  checked_sum(values);
  double total = 0, sum = 0;
  for (const double v : values) total += squared ? v * v : v;
  Index count = 0;
  for (const double v : values) {
    if (sum >= fraction * total) break;
    sum += squared ? v * v : v;
    ++count;
  }
  return count;
}

Index values_above(const std::vector<double>& values, double part) {
  if (values.empty()) return 0;
  const double limit = part * *std::max_element(values.begin(), values.end());
  return static_cast<Index>(std::count_if(values.begin(), values.end(), [&](double v) { return v > limit; }));
}

RadialSpectrum radial_spectrum(Stream& s, const std::vector<double>& values, const std::vector<Index>& shape,
                               const std::vector<double>& spacing, Index rings) {
  Index all = shape.empty() ? 0 : 1;
  for (const Index n : shape) all *= n;
  require(all > 0 && static_cast<Index>(values.size()) == all, ErrorCode::data, "the values are not of that shape",
          numbers_where);
  require(spacing.size() == shape.size() && *std::min_element(spacing.begin(), spacing.end()) > 0 && rings >= 0,
          ErrorCode::config, "each axis needs a positive spacing", numbers_where);
  const std::vector<double> power = power_of(s, values, shape);
  std::vector<double> length;
  for (std::size_t a = 0; a < shape.size(); ++a) length.push_back(spacing[a] * static_cast<double>(shape[a]));
  const double nyquist = 0.5 / *std::min_element(spacing.begin(), spacing.end());
  const double step = 1 / *std::max_element(length.begin(), length.end());
  if (rings == 0) rings = std::max<Index>(1, static_cast<Index>(std::ceil(nyquist / step - 1e-9)));
  const double width = nyquist / static_cast<double>(rings);
  RadialSpectrum result;
  result.power.assign(static_cast<std::size_t>(rings), 0.0);
  for (Index r = 0; r < rings; ++r) result.wavenumber.push_back((static_cast<double>(r) + 0.5) * width);
  double total = 0;
  for (std::size_t i = 0; i < power.size(); ++i) {
    const double k = radial_wavenumber(static_cast<Index>(i), shape, length);
    total += power[i];
    result.mean += k * power[i];
    // A wavenumber on the border of two rings belongs to the lower one.
    const auto ring = static_cast<Index>(std::max(0.0, std::ceil(k / width - 1e-9) - 1));
    if (ring < rings) result.power[static_cast<std::size_t>(ring)] += power[i];
  }
  double energy = 0;
  for (const double v : values) energy += v * v;
  if (!(total > 1e-28 * energy * static_cast<double>(values.size()))) {  // constant: rounding of the mean only
    result.mean = 0;
    std::fill(result.power.begin(), result.power.end(), 0.0);
    return result;
  }
  result.mean /= total;
  for (double& p : result.power) p /= total;
  return result;
}

}  // namespace terrane
