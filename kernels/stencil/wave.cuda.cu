// SPDX-License-Identifier: MIT
// GPU schedule of the 2-D wave steps: every cell has a thread (wave_steps_cuda.hpp).
#include "kernels/stencil/wave_steps_cuda.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

struct NoInner {
  static constexpr bool flat = true;
  static InnerBox box(const WaveLayout&, bool) { return {}; }
  template <int R, class Args>
  static void forward(Stream&, const Args&, const InnerBox&, Index) {}
  template <int R, class Args>
  static void adjoint(Stream&, const Args&, const InnerBox&, Index) {}
};

}  // namespace

template <class T>
void wave_forward(Stream& stream, const WaveForward<T>& a) {
  with_radius(a.setup.g.radius, [&](auto r) { forward_steps<r.value, NoInner>(stream, a); });
}
TERRANE_INSTANTIATE(wave_forward, WaveForward)

template <class T>
void wave_adjoint(Stream& stream, const WaveAdjoint<T>& a) {
  with_radius(a.setup.g.radius, [&](auto r) { adjoint_steps<r.value, NoInner>(stream, a); });
}
TERRANE_INSTANTIATE(wave_adjoint, WaveAdjoint)

}  // namespace terrane::TERRANE_BACKEND
