// SPDX-License-Identifier: MIT
#include "analysis/metrics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

constexpr double undefined = std::numeric_limits<double>::quiet_NaN();

void check(std::size_t a, std::size_t truth) {
  require(a == truth && a > 0, ErrorCode::data, "the two maps must have the same, non-zero size", "metrics");
}

template <class T, class F>
double mean(std::span<const T> a, std::span<const T> t, F f) {
  check(a.size(), t.size());
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += f(static_cast<double>(a[i]) - static_cast<double>(t[i]));
  return sum / static_cast<double>(a.size());
}

using Map = std::vector<double>;

template <class T>
Map affine(std::span<const T> from, double offset, double scale) {
  Map to(from.size());
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = (static_cast<double>(from[i]) - offset) * scale;
  return to;
}

template <class F>
Map product(const Map& a, const Map& b, F f) {
  Map out(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) out[i] = f(a[i], b[i]);
  return out;
}

std::vector<double> gaussian_window() {
  std::vector<double> w(11);
  double sum = 0;
  for (int i = 0; i < 11; ++i) sum += w[static_cast<std::size_t>(i)] = std::exp(-0.5 * (i - 5) * (i - 5) / 2.25);
  for (double& x : w) x /= sum;
  return w;
}

// Separable windowed mean of (rows, columns), zero outside the map.
Map windowed(const Map& from, Index rows, Index columns, const std::vector<double>& w) {
  const auto half = static_cast<Index>(w.size() / 2);
  Map middle(from.size()), to(from.size());
  const auto pass = [&](const Map& in, Map& out, Index extent, Index stride, Index lines, Index line_stride) {
    for (Index l = 0; l < lines; ++l) {
      for (Index i = 0; i < extent; ++i) {
        double sum = 0;
        for (Index k = std::max<Index>(-half, -i); k <= std::min(half, extent - 1 - i); ++k) {
          sum +=
              w[static_cast<std::size_t>(k + half)] * in[static_cast<std::size_t>(l * line_stride + (i + k) * stride)];
        }
        out[static_cast<std::size_t>(l * line_stride + i * stride)] = sum;
      }
    }
  };
  pass(from, middle, columns, 1, rows, columns);
  pass(middle, to, rows, columns, columns, 1);
  return to;
}

// `border`: points left out on each side. `covariance_scale`: 1 or n / (n - 1).
double ssim(const Map& a, const Map& t, Index rows, Index columns, const std::vector<double>& w, double range,
            Index border, double covariance_scale) {
  if (rows <= 2 * border || columns <= 2 * border) return undefined;
  const auto multiply = [](double x, double y) { return x * y; };
  const Map ma = windowed(a, rows, columns, w), mt = windowed(t, rows, columns, w);
  const Map aa = windowed(product(a, a, multiply), rows, columns, w);
  const Map tt = windowed(product(t, t, multiply), rows, columns, w);
  const Map at = windowed(product(a, t, multiply), rows, columns, w);
  const double c1 = 1e-4 * range * range, c2 = 9e-4 * range * range;
  double sum = 0;
  for (Index r = border; r < rows - border; ++r) {
    for (Index c = border; c < columns - border; ++c) {
      const auto i = static_cast<std::size_t>(r * columns + c);
      const double va = covariance_scale * (aa[i] - ma[i] * ma[i]), vt = covariance_scale * (tt[i] - mt[i] * mt[i]);
      const double vat = covariance_scale * (at[i] - ma[i] * mt[i]);
      sum += (2 * ma[i] * mt[i] + c1) * (2 * vat + c2) / ((ma[i] * ma[i] + mt[i] * mt[i] + c1) * (va + vt + c2));
    }
  }
  return sum / static_cast<double>((rows - 2 * border) * (columns - 2 * border));
}

void check_shape(std::size_t a, std::size_t truth, Index rows, Index columns) {
  check(a, truth);
  require(rows > 0 && columns > 0 && static_cast<Index>(a) == rows * columns, ErrorCode::data,
          "the size of the maps is not rows x columns", "metrics");
}

}  // namespace

template <class T>
double mse(std::span<const T> a, std::span<const T> truth) {
  return mean(a, truth, [](double d) { return d * d; });
}

template <class T>
double mae(std::span<const T> a, std::span<const T> truth) {
  return mean(a, truth, [](double d) { return std::fabs(d); });
}

template <class T>
double rmse(std::span<const T> a, std::span<const T> truth) {
  return std::sqrt(mse(a, truth));
}

template <class T>
double relative_l2(std::span<const T> a, std::span<const T> truth) {
  const double difference = mse(a, truth);
  double norm = 0;
  for (const T t : truth) norm += static_cast<double>(t) * static_cast<double>(t);
  return std::sqrt(difference / (norm / static_cast<double>(truth.size())));
}

template <class T>
double psnr(std::span<const T> a, std::span<const T> truth, double range) {
  return 10 * std::log10(range * range / mse(a, truth));
}

template <class T>
double ssim_minmax(std::span<const T> a, std::span<const T> truth, Index rows, Index columns) {
  check_shape(a.size(), truth.size(), rows, columns);
  const auto [lo, hi] = std::minmax_element(truth.begin(), truth.end());
  return ssim_minmax(a, truth, rows, columns, *lo, *hi);
}

template <class T>
double ssim_minmax(std::span<const T> a, std::span<const T> truth, Index rows, Index columns, T minimum, T maximum) {
  check_shape(a.size(), truth.size(), rows, columns);
  if (!(maximum > minimum)) return undefined;
  const double low = static_cast<double>(minimum), scale = 1 / (static_cast<double>(maximum) - low);
  return ssim(affine(a, low, scale), affine(truth, low, scale), rows, columns, gaussian_window(), 1, 5, 1);
}

template <class T>
double ssim_skimage(std::span<const T> a, std::span<const T> truth, Index rows, Index columns, double data_range) {
  check_shape(a.size(), truth.size(), rows, columns);
  require(data_range > 0, ErrorCode::data, "data_range must be positive", "metrics");
  return ssim(affine(a, 0, 1), affine(truth, 0, 1), rows, columns, std::vector<double>(7, 1.0 / 7), data_range, 3,
              49.0 / 48);
}

template <class T>
double ssim_openfwi(std::span<const T> a_mps, std::span<const T> truth_mps, Index rows, Index columns) {
  check_shape(a_mps.size(), truth_mps.size(), rows, columns);
  return ssim(affine(a_mps, 1500, 1.0 / 3000), affine(truth_mps, 1500, 1.0 / 3000), rows, columns, gaussian_window(), 1,
              0, 1);
}

template double mse(std::span<const float>, std::span<const float>);
template double mse(std::span<const double>, std::span<const double>);
template double mae(std::span<const float>, std::span<const float>);
template double mae(std::span<const double>, std::span<const double>);
template double rmse(std::span<const float>, std::span<const float>);
template double rmse(std::span<const double>, std::span<const double>);
template double relative_l2(std::span<const float>, std::span<const float>);
template double relative_l2(std::span<const double>, std::span<const double>);
template double psnr(std::span<const float>, std::span<const float>, double);
template double psnr(std::span<const double>, std::span<const double>, double);
template double ssim_minmax(std::span<const float>, std::span<const float>, Index, Index);
template double ssim_minmax(std::span<const double>, std::span<const double>, Index, Index);
template double ssim_minmax(std::span<const float>, std::span<const float>, Index, Index, float, float);
template double ssim_minmax(std::span<const double>, std::span<const double>, Index, Index, double, double);
template double ssim_skimage(std::span<const float>, std::span<const float>, Index, Index, double);
template double ssim_skimage(std::span<const double>, std::span<const double>, Index, Index, double);
template double ssim_openfwi(std::span<const float>, std::span<const float>, Index, Index);
template double ssim_openfwi(std::span<const double>, std::span<const double>, Index, Index);

}  // namespace terrane
