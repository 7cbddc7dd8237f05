// SPDX-License-Identifier: MIT
#include "kernels/stencil/poisson.hpp"

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"
#include "kernels/runtime/sixteen.hpp"

namespace terrane::TERRANE_BACKEND {

static_assert(poisson_lanes == sixteen);

inline Index poisson_blocks(Index nodes) { return (nodes + poisson_block - 1) / poisson_block; }

// clang-format off
template <class T>
void poisson_apply(Stream& s, const PoissonApply<T>& f) { for_each_block(s, poisson_blocks(f.a.nodes), f); }
template <class T>
void poisson_smooth(Stream& s, const PoissonSmooth<T>& f) { for_each_row(s, (f.a.nodes + 1) / 2, f); }
template <class T>
void poisson_residual(Stream& s, const PoissonResidual<T>& f) { for_each_row(s, f.a.nodes, f); }
template <class T>
void poisson_restrict(Stream& s, const PoissonRestrict<T>& f) { for_each_row(s, f.count, f); }
template <class T>
void poisson_prolong(Stream& s, const PoissonProlong<T>& f) { for_each_row(s, f.count, f); }
template <class T>
void poisson_coarsest(Stream& s, const PoissonCoarsest<T>& f) { for_each_row(s, f.n, f); }
template <class T>
void poisson_inject(Stream& s, const PoissonInject<T>& f) { parallel_for(s, poisson_lanes, f); }
template <class T>
void poisson_sample(Stream& s, const PoissonSample<T>& f) { for_each_row(s, f.points, f); }
template <class T>
void poisson_step(Stream& s, const PoissonStep<T>& f) { for_each_block(s, poisson_blocks(f.nodes), f); }
template <class T>
void poisson_dots(Stream& s, const PoissonDots<T>& f) { for_each_block(s, f.blocks, f); }
template <class T>
void poisson_direction(Stream& s, const PoissonDirection<T>& f) { for_each_row(s, f.nodes, f); }
template <class T>
void poisson_combine(Stream& s, const PoissonCombine<T>& f) { for_each_block(s, f.count, f); }
template <class T>
void poisson_gram(Stream& s, const PoissonGram<T>& f) { for_each_block(s, 4 * f.blocks, f); }
template <class T>
void poisson_mix(Stream& s, const PoissonMix<T>& f) { for_each_row(s, f.nodes, f); }
template <class T>
void poisson_products(Stream& s, const PoissonProducts<T>& f) { parallel_for(s, f.nodes, f); }
// clang-format on

TERRANE_INSTANTIATE(poisson_apply, PoissonApply)
TERRANE_INSTANTIATE(poisson_smooth, PoissonSmooth)
TERRANE_INSTANTIATE(poisson_residual, PoissonResidual)
TERRANE_INSTANTIATE(poisson_restrict, PoissonRestrict)
TERRANE_INSTANTIATE(poisson_prolong, PoissonProlong)
TERRANE_INSTANTIATE(poisson_coarsest, PoissonCoarsest)
TERRANE_INSTANTIATE(poisson_inject, PoissonInject)
TERRANE_INSTANTIATE(poisson_sample, PoissonSample)
TERRANE_INSTANTIATE(poisson_step, PoissonStep)
TERRANE_INSTANTIATE(poisson_dots, PoissonDots)
TERRANE_INSTANTIATE(poisson_direction, PoissonDirection)
TERRANE_INSTANTIATE(poisson_combine, PoissonCombine)
TERRANE_INSTANTIATE(poisson_gram, PoissonGram)
TERRANE_INSTANTIATE(poisson_mix, PoissonMix)
TERRANE_INSTANTIATE(poisson_products, PoissonProducts)

}  // namespace terrane::TERRANE_BACKEND
