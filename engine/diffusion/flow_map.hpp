// SPDX-License-Identifier: MIT
// The samples of a flow as a differentiable map of their noise, for inversions whose unknowns are that noise z:
//
//   x_0 = z,  x_{k+1} = x_k + v(x_k, k / n) / n,  k < n;   sample = x_n
//
// (Euler steps of process.hpp, what the sampler "euler" computes.) Where the network is exact and n large, z is
// standard normal exactly when x_n is distributed as the training data, so that |z|^2 / 2 is the prior's penalty.
// References: Lipman et al., ICLR 2023; Ben-Hamu et al., D-Flow, ICML 2024.
#pragma once

#include "engine/diffusion/generator.hpp"

namespace terrane {

struct FlowMap {
  Denoiser network;
  std::vector<float> parameters;
  Index steps = 8;
  int family = -1;  // row of the table; -1: none

  // (1, values) from (1, values), in the units of the network; every step is recorded, the weights are constants.
  template <class T>
  Var record(Tape<T>& tape, Var z) const;
};

// Error{config} for a process other than flow, a network of images or a family that there is not.
FlowMap make_flow_map(const Generator& generator, Index steps, int family);

}  // namespace terrane
