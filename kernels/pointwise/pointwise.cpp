// SPDX-License-Identifier: MIT
#include "kernels/pointwise/pointwise.hpp"

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {

// clang-format off
template <class T> void fill(Stream& s, const Fill<T>& f) { parallel_for(s, f.n, f); }
template <class T> void copy_values(Stream& s, const CopyValues<T>& f) { parallel_for(s, f.n, f); }
template <class T> void axpby(Stream& s, const Axpby<T>& f) { parallel_for(s, f.n, f); }
template <class T> void dot(Stream& s, const Dot<T>& f) { parallel_sum(s, f.n, f, f.out); }
template <class T> void sum(Stream& s, const Sum<T>& f) { parallel_sum(s, f.n, f, f.out); }
template <class T> void normal_noise(Stream& s, const NormalNoise<T>& f) { parallel_for_2d(s, f.rows, f.columns, f); }
template <class T> void gather(Stream& s, const Gather<T>& f) { parallel_for(s, f.n, f); }
template <class T> void gather_adjoint(Stream& s, const GatherAdjoint<T>& f) { parallel_for(s, f.n, f); }
template <class T> void unary_forward(Stream& s, const UnaryForward<T>& f) { parallel_for(s, f.n, f); }
template <class T> void unary_chain(Stream& s, const UnaryChain<T>& f) { parallel_for(s, f.n, f); }
template <class T> void binary_forward(Stream& s, const BinaryForward<T>& f) { parallel_for(s, f.n, f); }
template <class T> void binary_chain(Stream& s, const BinaryChain<T>& f) { parallel_for(s, f.n, f); }
template <class T> void add_scaled(Stream& s, const AddScaled<T>& f) { parallel_for(s, f.n, f); }
template <class T> void count_bad(Stream& s, const CountBad<T>& f) { parallel_sum(s, f.n, f, f.bad); }
// clang-format on

TERRANE_INSTANTIATE(fill, Fill)
TERRANE_INSTANTIATE(copy_values, CopyValues)
TERRANE_INSTANTIATE(axpby, Axpby)
TERRANE_INSTANTIATE(dot, Dot)
TERRANE_INSTANTIATE(sum, Sum)
TERRANE_INSTANTIATE(normal_noise, NormalNoise)
TERRANE_INSTANTIATE(gather, Gather)
TERRANE_INSTANTIATE(gather_adjoint, GatherAdjoint)
TERRANE_INSTANTIATE(unary_forward, UnaryForward)
TERRANE_INSTANTIATE(unary_chain, UnaryChain)
TERRANE_INSTANTIATE(binary_forward, BinaryForward)
TERRANE_INSTANTIATE(binary_chain, BinaryChain)
TERRANE_INSTANTIATE(add_scaled, AddScaled)
TERRANE_INSTANTIATE(count_bad, CountBad)

}  // namespace terrane::TERRANE_BACKEND
