// SPDX-License-Identifier: MIT
#include "kernels/stencil/resample.hpp"

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {

template <class T>
void sum_rows(Stream& s, const SumRows<T>& f) {
  parallel_for(s, f.length, f);
}
TERRANE_INSTANTIATE(sum_rows, SumRows)

}  // namespace terrane::TERRANE_BACKEND
