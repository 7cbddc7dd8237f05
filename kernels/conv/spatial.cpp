// SPDX-License-Identifier: MIT
#include "kernels/conv/spatial.hpp"

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

// Channels of one image that a CPU task sums side by side.
template <class T>
struct RowSumTask {
  AddRowsVjp<T> f;
  Index blocks;
  static constexpr Index lanes = 16;
  TERRANE_HD void operator()(Index task) const {
    const Index b = task / blocks, c0 = task % blocks * lanes;
    const Index n = f.channels - c0 < lanes ? f.channels - c0 : lanes;
    const T* row = f.d_y + b * f.pixels * f.channels + c0;
    double sum[lanes] = {};
    for (Index p = 0; p < f.pixels; ++p, row += f.channels) {
      for (Index c = 0; c < n; ++c) sum[c] += static_cast<double>(row[c]);
    }
    for (Index c = 0; c < n; ++c) f.d_e[b * f.channels + c0 + c] += static_cast<T>(sum[c]);
  }
};

}  // namespace

template <class T>
void upsample_forward(Stream& s, const UpsampleForward<T>& f) {
  parallel_for_2d(s, 4 * f.shape.batch * f.shape.height * f.shape.width, f.shape.channels, f);
}
TERRANE_INSTANTIATE(upsample_forward, UpsampleForward)

template <class T>
void upsample_vjp(Stream& s, const UpsampleVjp<T>& f) {
  parallel_for_2d(s, f.shape.batch * f.shape.height * f.shape.width, f.shape.channels, f);
}
TERRANE_INSTANTIATE(upsample_vjp, UpsampleVjp)

template <class T>
void add_rows(Stream& s, const AddRows<T>& f) {
  parallel_for_2d(s, f.batch * f.pixels, f.channels, f);
}
TERRANE_INSTANTIATE(add_rows, AddRows)

template <class T>
void add_rows_vjp(Stream& s, const AddRowsVjp<T>& f) {
#if defined(TERRANE_CUDA_BACKEND)
  parallel_for_2d(s, f.batch, f.channels, f);
#else
  const Index blocks = (f.channels + RowSumTask<T>::lanes - 1) / RowSumTask<T>::lanes;
  parallel_for_coarse(s, f.batch * blocks, RowSumTask<T>{f, blocks});
#endif
}
TERRANE_INSTANTIATE(add_rows_vjp, AddRowsVjp)

}  // namespace terrane::TERRANE_BACKEND
