// SPDX-License-Identifier: MIT
// GPU: the 2-D wave steps backwards.
#include "kernels/stencil/wave_schedule.cuda.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

template <int R, bool Rebuild, class T>
void adjoint(Stream& stream, const WaveAdjoint<T>& a) {
  if constexpr (Rebuild) first_skirt(stream, a);
  if (on_slabs<T>(stream, a, inner_box(a.setup.g, false), Rebuild ? 2 : 1,
                  &resident_adjoint_kernel<R, true, Rebuild, T>, &resident_adjoint_kernel<R, false, Rebuild, T>)) {
    return;
  }
  replay(stream, a.setup.memory, key_of(a), [&] { stream_adjoint<R, Rebuild>(stream, a); });
}

}  // namespace

template <class T>
void wave_adjoint(Stream& stream, const WaveAdjoint<T>& a) {
  with_radius(a.setup.g.radius, [&](auto r) {
    if (a.ring.used() && a.image != nullptr) {
      adjoint<r.value, true>(stream, a);
    } else {
      adjoint<r.value, false>(stream, a);
    }
  });
}
TERRANE_INSTANTIATE(wave_adjoint, WaveAdjoint)

}  // namespace terrane::TERRANE_BACKEND
