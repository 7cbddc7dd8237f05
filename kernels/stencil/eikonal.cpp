// SPDX-License-Identifier: MIT
#include "kernels/stencil/eikonal.hpp"

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {

template <class T>
void eikonal_model(Stream& s, const EikonalModel<T>& f) {
  parallel_for_2d(s, f.g.n[0] * f.g.n[1], f.g.n[2], f);
  parallel_sum(s, f.g.nodes(), EikonalBad<T>{f}, f.bad);
}
TERRANE_INSTANTIATE(eikonal_model, EikonalModel)

// clang-format off
template <class T>
void eikonal_model_tangent(Stream& s, const EikonalModelTangent<T>& f) { parallel_for(s, f.g.nodes(), f); }
template <class T>
void eikonal_gradient(Stream& s, const EikonalGradient<T>& f) { parallel_for_2d(s, f.g.n[0] * f.g.n[1], f.g.n[2], f); }
template <class T>
void eikonal_seed(Stream& s, const EikonalSeed<T>& f) { parallel_for(s, f.sources, f); }
template <class T>
void eikonal_record(Stream& s, const EikonalRecord<T>& f) { parallel_for(s, f.pairs, f); }
template <class T>
void eikonal_inject(Stream& s, const EikonalInject<T>& f) { parallel_for(s, f.sources, f); }
template <class T>
void eikonal_times(Stream& s, const EikonalTimes<T>& f) { parallel_for(s, f.s.g.nodes(), f); }
// clang-format on

TERRANE_INSTANTIATE(eikonal_model_tangent, EikonalModelTangent)
TERRANE_INSTANTIATE(eikonal_gradient, EikonalGradient)
TERRANE_INSTANTIATE(eikonal_seed, EikonalSeed)
TERRANE_INSTANTIATE(eikonal_record, EikonalRecord)
TERRANE_INSTANTIATE(eikonal_inject, EikonalInject)
TERRANE_INSTANTIATE(eikonal_times, EikonalTimes)

}  // namespace terrane::TERRANE_BACKEND
