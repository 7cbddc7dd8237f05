// SPDX-License-Identifier: MIT
// Transforms by pocketfft, in fixed groups of rows over threads.
#define POCKETFFT_NO_MULTITHREADING
#include "kernels/fft/fft.hpp"

#include <algorithm>
#include <complex>
#include <cstddef>

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include "pocketfft/pocketfft_hdronly.h"
#pragma GCC diagnostic pop

namespace terrane::TERRANE_BACKEND {

namespace {

constexpr Index group_rows = 16;  // rows of one call: enough for every vector width

enum class Transform { complex, to_bins, from_bins };

template <class T>
struct Rows {
  Transform transform;
  bool forward;
  Index n, batch;
  T scale;
  const T* in;
  T* out;

  // Rows [group * group_rows, ...)
  void operator()(Index group) const {
    using Complex = std::complex<T>;
    const Index first = group * group_rows, rows = std::min(group_rows, batch - first);
    const Index bins = fft_bins(n), real = static_cast<Index>(sizeof(T));
    const pocketfft::shape_t shape{static_cast<std::size_t>(rows), static_cast<std::size_t>(n)};
    const pocketfft::stride_t of_real{n * real, real}, of_bins{bins * 2 * real, 2 * real},
        of_complex{n * 2 * real, 2 * real};
    switch (transform) {
      case Transform::complex:
        pocketfft::c2c(shape, of_complex, of_complex, {1}, forward,
                       reinterpret_cast<const Complex*>(in + first * n * 2),
                       reinterpret_cast<Complex*>(out + first * n * 2), scale);
        break;
      case Transform::to_bins:
        pocketfft::r2c(shape, of_real, of_bins, 1, forward, in + first * n,
                       reinterpret_cast<Complex*>(out + first * bins * 2), scale);
        break;
      case Transform::from_bins:
        pocketfft::c2r(shape, of_bins, of_real, 1, forward, reinterpret_cast<const Complex*>(in + first * bins * 2),
                       out + first * n, scale);
        break;
    }
  }
};

}  // namespace

template <class T>
void fft(Stream& s, const Fft<T>& f) {
  if (f.n <= 0 || f.batch <= 0) return;
  const T inverse_n = static_cast<T>(1.0 / static_cast<double>(f.n));
  const bool inverse = f.kind == FftKind::complex_inverse || f.kind == FftKind::real_inverse;
  const bool real = f.kind == FftKind::real_forward || f.kind == FftKind::real_inverse;
  Rows<T> rows{Transform::complex, inverse == f.adjoint, f.n, f.batch, inverse ? inverse_n : T(1), f.in, f.out};
  if (real) rows.transform = rows.forward ? Transform::to_bins : Transform::from_bins;
  const Index bins = f.batch * fft_bins(f.n), groups = (f.batch + group_rows - 1) / group_rows;
  if (f.kind == FftKind::real_forward && f.adjoint) {
    auto* halved = static_cast<T*>(s.scratch(2 * bins * static_cast<Index>(sizeof(T))));
    parallel_for(s, bins, FftWeighBins<T>{f.n, -1, T(1), f.in, halved});
    rows.in = halved;
  }
  parallel_for_coarse(s, groups, rows);
  if (f.kind == FftKind::real_inverse && f.adjoint) {
    parallel_for(s, bins, FftWeighBins<T>{f.n, 1, T(1), f.out, f.out});
  }
}

TERRANE_INSTANTIATE(fft, Fft)

}  // namespace terrane::TERRANE_BACKEND
