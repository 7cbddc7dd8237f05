// SPDX-License-Identifier: MIT
// GPU: the 2-D wave steps forward.
#include "kernels/stencil/wave_schedule.cuda.hpp"

namespace terrane::TERRANE_BACKEND {

template <class T>
void wave_forward(Stream& stream, const WaveForward<T>& a) {
  with_radius(a.setup.g.radius, [&](auto r) {
    if (!a.strips_only &&
        on_slabs<T>(stream, a, inner_box(a.setup.g, true), 1, &resident_forward_kernel<r.value, true, T>,
                    &resident_forward_kernel<r.value, false, T>)) {
      return;
    }
    replay(stream, a.setup.memory, key_of(a), [&] { stream_forward<r.value>(stream, a); });
  });
}
TERRANE_INSTANTIATE(wave_forward, WaveForward)

}  // namespace terrane::TERRANE_BACKEND
