// SPDX-License-Identifier: MIT
#include "kernels/stencil/ray.hpp"

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {

template <class T>
void ray_apply(Stream& s, const RayApply<T>& f) {
  parallel_for_coarse(s, f.rays, f);
}
TERRANE_INSTANTIATE(ray_apply, RayApply)

template <class T>
void ray_adjoint(Stream& s, const RayAdjoint<T>& f) {
  parallel_for_coarse(s, f.g.n[0] * f.g.n[1], f);
}
TERRANE_INSTANTIATE(ray_adjoint, RayAdjoint)

}  // namespace terrane::TERRANE_BACKEND
