// SPDX-License-Identifier: MIT
// Non-owning, contiguous, row-major array of rank R; the last axis is the fastest. Bounds are checked in debug builds.
#pragma once

#include <cassert>
#include <type_traits>

#include "kernels/runtime/hd.hpp"

namespace terrane {

template <class T, int R>
struct View {
  static_assert(R >= 1 && R <= 5);
  T* data = nullptr;
  Index extent[R] = {};

  TERRANE_HD T& operator[](Index i) const {
    assert(i >= 0 && i < size());
    return data[i];
  }
  template <class... I>
  TERRANE_HD T& operator()(I... index) const {
    static_assert(sizeof...(I) == R);
    const Index at[R] = {static_cast<Index>(index)...};
    Index offset = 0;
    for (int d = 0; d < R; ++d) {
      assert(at[d] >= 0 && at[d] < extent[d]);
      offset = offset * extent[d] + at[d];
    }
    return data[offset];
  }
  TERRANE_HD Index size() const {
    Index n = 1;
    for (int d = 0; d < R; ++d) n *= extent[d];
    return n;
  }
  // A writable view converts to a read-only one.
  TERRANE_HD operator View<const T, R>() const requires(!std::is_const_v<T>) {
    View<const T, R> v;
    v.data = data;
    for (int d = 0; d < R; ++d) v.extent[d] = extent[d];
    return v;
  }
};

template <class T, class... N>
TERRANE_HD View<T, sizeof...(N)> make_view(T* data, N... extent) {
  return View<T, sizeof...(N)>{data, {static_cast<Index>(extent)...}};
}

}  // namespace terrane
