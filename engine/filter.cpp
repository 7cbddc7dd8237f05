// SPDX-License-Identifier: MIT
#include "engine/filter.hpp"

#include <cmath>
#include <numbers>
#include <string>

#include "kernels/runtime/error.hpp"

namespace terrane {

namespace {

// y = b0 x + s1; s1 = b1 x - a1 y + s2; s2 = b2 x - a2 y  (transposed direct form II)
struct FilterSection {
  double b0, b1, b2, a1, a2;
};

std::vector<FilterSection> butterworth4(double corner_hz, double dt_s, bool highpass) {
  if (!(corner_hz > 0) || corner_hz >= 0.49 / dt_s) {
    throw Error(ErrorCode::config, "a filter corner of " + std::to_string(corner_hz) +
                                       " Hz is not below the Nyquist frequency of the data, " +
                                       std::to_string(0.5 / dt_s) + " Hz");
  }
  const double k = std::tan(std::numbers::pi * corner_hz * dt_s);
  std::vector<FilterSection> sections;
  for (int pair = 0; pair < 2; ++pair) {
    // Damping of the two pole pairs: 2 sin of the pole angle, pi/8 and 3 pi/8.
    const double damping = 2 * std::sin((2 * pair + 1) * std::numbers::pi / 8);
    const double norm = 1 / (1 + damping * k + k * k);
    const double b = highpass ? norm : k * k * norm;
    sections.push_back({b, highpass ? -2 * b : 2 * b, b, 2 * (k * k - 1) * norm, (1 - damping * k + k * k) * norm});
  }
  return sections;
}

}  // namespace

template <class T>
void filter_traces(const Band& band, double dt_s, Index traces, Index nt, T* data) {
  std::vector<FilterSection> sections;
  if (band.lowpass_hz > 0) sections = butterworth4(band.lowpass_hz, dt_s, false);
  if (band.highpass_hz > 0) {
    const auto high = butterworth4(band.highpass_hz, dt_s, true);
    sections.insert(sections.end(), high.begin(), high.end());
  }
  for (Index r = 0; r < traces; ++r) {
    T* x = data + r * nt;
    for (const FilterSection& f : sections) {
      double s1 = 0, s2 = 0;
      for (Index i = 0; i < nt; ++i) {
        const double in = static_cast<double>(x[i]);
        const double out = f.b0 * in + s1;
        s1 = f.b1 * in - f.a1 * out + s2;
        s2 = f.b2 * in - f.a2 * out;
        x[i] = static_cast<T>(out);
      }
    }
  }
}

template void filter_traces<float>(const Band&, double, Index, Index, float*);
template void filter_traces<double>(const Band&, double, Index, Index, double*);

}  // namespace terrane
