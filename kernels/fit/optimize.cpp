// SPDX-License-Identifier: MIT
#include "kernels/fit/optimize.hpp"

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {

// clang-format off
template <class T> void adam_step(Stream& s, const AdamStep<T>& f) { parallel_for(s, f.n, f); }
template <class T> void momentum_step(Stream& s, const MomentumStep<T>& f) { parallel_for(s, f.n, f); }
template <class T> void clamp_values(Stream& s, const Clamp<T>& f) { parallel_for(s, f.n, f); }
// clang-format on

TERRANE_INSTANTIATE(adam_step, AdamStep)
TERRANE_INSTANTIATE(momentum_step, MomentumStep)
TERRANE_INSTANTIATE(clamp_values, Clamp)

}  // namespace terrane::TERRANE_BACKEND
