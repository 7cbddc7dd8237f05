// SPDX-License-Identifier: MIT
#include "kernels/fit/optimize.hpp"

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {

// clang-format off
template <class T> void adam_step(Stream& s, const AdamStep<T>& f) { parallel_for(s, f.n, f); }
template <class T> void momentum_step(Stream& s, const MomentumStep<T>& f) { parallel_for(s, f.n, f); }
template <class T> void square_sum(Stream& s, const SquareSum<T>& f) { parallel_sum(s, f.n, f, f.sum); }
template <class T> void begin_step(Stream& s, const BeginStep<T>& f) { parallel_for(s, 1, f); }
template <class T> void adam_scheduled(Stream& s, const ScheduledAdam<T>& f) { parallel_for(s, f.step.n, f); }
template <class T> void momentum_scheduled(Stream& s, const ScheduledMomentum<T>& f) { parallel_for(s, f.step.n, f); }
template <class T> void end_step(Stream& s, const EndStep<T>& f) { parallel_for(s, 1, f); }
template <class T> void running_mean(Stream& s, const RunningMean<T>& f) { parallel_for(s, f.n, f); }
template <class T> void clamp_values(Stream& s, const Clamp<T>& f) { parallel_for(s, f.n, f); }
// clang-format on

TERRANE_INSTANTIATE(adam_step, AdamStep)
TERRANE_INSTANTIATE(momentum_step, MomentumStep)
TERRANE_INSTANTIATE(square_sum, SquareSum)
TERRANE_INSTANTIATE(begin_step, BeginStep)
TERRANE_INSTANTIATE(adam_scheduled, ScheduledAdam)
TERRANE_INSTANTIATE(momentum_scheduled, ScheduledMomentum)
TERRANE_INSTANTIATE(end_step, EndStep)
TERRANE_INSTANTIATE(running_mean, RunningMean)
TERRANE_INSTANTIATE(clamp_values, Clamp)

}  // namespace terrane::TERRANE_BACKEND
