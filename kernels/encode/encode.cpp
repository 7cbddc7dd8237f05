// SPDX-License-Identifier: MIT
#include "kernels/encode/encode.hpp"

#include "kernels/encode/output_map.hpp"
#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {

template <class T>
void grid_coordinates(Stream& s, const GridCoordinates<T>& f) {
  parallel_for(s, f.n, f);
}
TERRANE_INSTANTIATE(grid_coordinates, GridCoordinates)

template <class T>
void fourier_forward(Stream& s, const FourierForward<T>& f) {
  parallel_for_2d(s, f.n, f.m, f);
}
TERRANE_INSTANTIATE(fourier_forward, FourierForward)

template <class T>
void fourier_vjp(Stream& s, const FourierVjp<T>& f) {
  parallel_for_2d(s, f.n, f.d, f);
}
TERRANE_INSTANTIATE(fourier_vjp, FourierVjp)

template <class T>
void fourier_jvp(Stream& s, const FourierJvp<T>& f) {
  parallel_for_2d(s, f.n, f.m, f);
}
TERRANE_INSTANTIATE(fourier_jvp, FourierJvp)

template <class T>
void sparse_apply(Stream& s, const SparseApply<T>& f) {
  parallel_for(s, f.rows, f);
}
TERRANE_INSTANTIATE(sparse_apply, SparseApply)

template <class T>
void output_map_forward(Stream& s, const OutputMapForward<T>& f) {
  parallel_for(s, f.n, f);
}
TERRANE_INSTANTIATE(output_map_forward, OutputMapForward)

template <class T>
void output_map_chain(Stream& s, const OutputMapChain<T>& f) {
  parallel_for(s, f.n, f);
}
TERRANE_INSTANTIATE(output_map_chain, OutputMapChain)

}  // namespace terrane::TERRANE_BACKEND
