// SPDX-License-Identifier: MIT
#include "kernels/fit/misfit.hpp"

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {

// clang-format off
template <class T> void misfit_sum(Stream& s, const MisfitSum<T>& f) { parallel_sum(s, f.n, f, f.out); }
template <class T> void misfit_gradient(Stream& s, const MisfitGradient<T>& f) { parallel_for(s, f.n, f); }
template <class T> void misfit_tangent(Stream& s, const MisfitTangent<T>& f) { parallel_sum(s, f.n, f, f.out); }
template <class T> void trace_products(Stream& s, const TraceProducts<T>& f) { parallel_for_coarse(s, f.traces, f); }
template <class T> void correlation_sum(Stream& s, const CorrelationSum<T>& f) { parallel_sum(s, f.traces, f, f.out); }
template <class T> void correlation_gradient(Stream& s, const CorrelationGradient<T>& f) { parallel_for_2d(s, f.traces, f.nt, f); }
// clang-format on

TERRANE_INSTANTIATE(misfit_sum, MisfitSum)
TERRANE_INSTANTIATE(misfit_gradient, MisfitGradient)
TERRANE_INSTANTIATE(misfit_tangent, MisfitTangent)
TERRANE_INSTANTIATE(trace_products, TraceProducts)
TERRANE_INSTANTIATE(correlation_sum, CorrelationSum)
TERRANE_INSTANTIATE(correlation_gradient, CorrelationGradient)

}  // namespace terrane::TERRANE_BACKEND
