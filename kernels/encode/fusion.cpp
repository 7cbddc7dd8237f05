// SPDX-License-Identifier: MIT
#include "kernels/encode/fusion.hpp"

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

// Columns of one task: a vector's worth on the CPU, one a thread on the GPU.
#if defined(TERRANE_CUDA_BACKEND)
constexpr int outer_columns = 1;
#else
constexpr int outer_columns = 16;
#endif

// d_f[i, c0 + c] += sum over the grid points with index i of factor `which`, in their order.
template <class T>
struct OuterColumns {
  OuterProductVjp<T> v;
  Index blocks;  // of columns
  TERRANE_HD void operator()(Index task) const {
    const OuterShape& shape = v.shape;
    const Index i = task / blocks, c0 = task % blocks * outer_columns, k = shape.k;
    const int columns = static_cast<int>(k - c0 < outer_columns ? k - c0 : outer_columns);
    const int m1 = v.which == 0 ? 1 : 0, m2 = v.which == 2 ? 1 : 2;
    Index at[3];
    at[v.which] = i;
    T sum[outer_columns] = {};
    for (Index j1 = 0; j1 < shape.n[m1]; ++j1) {
      at[m1] = j1;
      for (Index j2 = 0; j2 < shape.n[m2]; ++j2) {
        at[m2] = j2;
        const T* d = v.d_out + ((at[0] * shape.n[1] + at[1]) * shape.n[2] + at[2]) * k + c0;
        const T* a = v.f[m1] + j1 * k + c0;
        if (shape.factors == 2) {
          for (int c = 0; c < columns; ++c) sum[c] += d[c] * a[c];
        } else {
          const T* b = v.f[m2] + j2 * k + c0;
          for (int c = 0; c < columns; ++c) sum[c] += d[c] * a[c] * b[c];
        }
      }
    }
    for (int c = 0; c < columns; ++c) v.d_f[i * k + c0 + c] += sum[c];
  }
};

}  // namespace

template <class T>
void copy_columns(Stream& s, const CopyColumns<T>& f) {
  parallel_for_2d(s, f.rows, f.columns, f);
}
TERRANE_INSTANTIATE(copy_columns, CopyColumns)

template <class T>
void outer_product_forward(Stream& s, const OuterProductForward<T>& f) {
  parallel_for_2d(s, f.shape.rows(), f.shape.k, f);
}
TERRANE_INSTANTIATE(outer_product_forward, OuterProductForward)

template <class T>
void outer_product_vjp(Stream& s, const OuterProductVjp<T>& f) {
  const Index blocks = (f.shape.k + outer_columns - 1) / outer_columns;
  parallel_for_coarse(s, f.shape.n[f.which] * blocks, OuterColumns<T>{f, blocks});
}
TERRANE_INSTANTIATE(outer_product_vjp, OuterProductVjp)

template <class T>
void outer_product_jvp(Stream& s, const OuterProductJvp<T>& f) {
  parallel_for_2d(s, f.shape.rows(), f.shape.k, f);
}
TERRANE_INSTANTIATE(outer_product_jvp, OuterProductJvp)

template <class T>
void expand_rows(Stream& s, const ExpandRows<T>& f) {
  parallel_for_2d(s, f.rows, f.columns, f);
}
TERRANE_INSTANTIATE(expand_rows, ExpandRows)

}  // namespace terrane::TERRANE_BACKEND
