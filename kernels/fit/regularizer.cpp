// SPDX-License-Identifier: MIT
#include "kernels/fit/regularizer.hpp"

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {

template <class T>
void penalty_sum(Stream& s, const PenaltySum<T>& f) {
  parallel_sum(s, f.penalty.nodes(), f, f.out);
}
template <class T>
void penalty_gradient(Stream& s, const PenaltyGradient<T>& f) {
  parallel_for(s, f.penalty.nodes(), f);
}
template <class T>
void penalty_tangent(Stream& s, const PenaltyTangent<T>& f) {
  parallel_sum(s, f.penalty.nodes(), f, f.out);
}

TERRANE_INSTANTIATE(penalty_sum, PenaltySum)
TERRANE_INSTANTIATE(penalty_gradient, PenaltyGradient)
TERRANE_INSTANTIATE(penalty_tangent, PenaltyTangent)

}  // namespace terrane::TERRANE_BACKEND
