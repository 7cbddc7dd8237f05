// SPDX-License-Identifier: MIT
// Diffusion posterior sampling as an optimizer: one sample of a trained generator of pixels on whose way from noise to
// a map the data pull.
//
// The parameters are those of the field "grid", a model in m/s of nz x nx cells no larger than the images of the
// network, one cell a pixel; a smaller one is their middle, as with the regularizer "denoiser". In n iterations the
// share of the noise falls from `noise` to 0 in equal parts. In each, with signal r, noise s, and r', s' of the next:
//   x_0'      the network's estimate of the clean image, within [-1, 1] if `clip`;  model = offset + scale x_0'
//   x         <- r' x_0' + s' (x - r x_0') / s     (a step of Euler, or of DDIM without noise)
//   x         <- x - guidance step,  G = d phi / d x through the network
//     gradient   lr s G / rms(G)
//     residual   lr N G / (2 sqrt(phi phi_0)), N pixels: the gradient of the root of the misfit relative to that of
//                the first iteration
// The last model is x itself. x starts as r m_0 + s e, m_0 the model at the start, e a function of the draw.
// References: Chung et al., ICLR 2023 (DPS); Song, Meng, Ermon, ICLR 2021.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>

#include "engine/optimizer.hpp"
#include "physics/grid.hpp"

namespace terrane {

// `section`: resolved optimizer "posterior"; `iterations`: n. State: x, the iteration, phi_0; a state of another n is
// refused with Error{config}. Error{config} for a generator of codes, a model larger than its images or a family that
// it does not know, Error{data} for its file, Error{diverged} for an answer that is not finite.
template <class T>
std::unique_ptr<Optimizer<T>> make_posterior_sampler(Stream& s, const nlohmann::ordered_json& section,
                                                     const Grid2& grid, Index iterations, std::uint64_t seed);

// The errors of make_posterior_sampler that the section and the grid alone decide.
void check_posterior_sampler(const nlohmann::ordered_json& section, const Grid2& grid);

}  // namespace terrane
