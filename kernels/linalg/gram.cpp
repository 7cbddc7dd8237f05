// SPDX-License-Identifier: MIT
#include "kernels/linalg/gram.hpp"

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {

template <class T>
void gram_combine(Stream& s, const GramCombine<T>& f) {
  parallel_for_2d(s, f.rows, f.columns, f);
}
TERRANE_INSTANTIATE(gram_combine, GramCombine)

template <class T>
void gram_links(Stream& s, const GramLinks<T>& f) {
  parallel_for_2d(s, f.rows, f.columns, f);
}
TERRANE_INSTANTIATE(gram_links, GramLinks)

template <class T>
void gram_mirror(Stream& s, const GramMirror<T>& f) {
  constexpr Index tile = GramMirror<T>::tile;
  parallel_for_coarse(s, ((f.rows + tile - 1) / tile) * ((f.columns + tile - 1) / tile), f);
}
TERRANE_INSTANTIATE(gram_mirror, GramMirror)

template <class T>
void transpose(Stream& s, const TransposeCopy<T>& f) {
  parallel_for_2d(s, f.batch * f.rows, f.columns, f);
}
TERRANE_INSTANTIATE(transpose, TransposeCopy)

}  // namespace terrane::TERRANE_BACKEND
