// SPDX-License-Identifier: MIT
// Networks of a diffusion model: y = f(x, t, family, condition), y of the shape of x.
//
// unet: residual blocks (group norm, SiLU, 3x3, the time added, group norm, SiLU, 3x3), `blocks` a level on the way
// down and one more on the way up, where each takes the matching output of the way down beside its input; 3x3 of stride
// 2 between levels, nearest doubling and 3x3 on the way up; self-attention after the blocks of chosen levels and in the
// middle. Order of layers and names of the weights are those of UNet2DModel of the diffusers library.
// residual-mlp: x, condition, t -> width; blocks h + W_2 silu(norm(W_1 silu(norm(h)) + T e)); e the embedding of the
// time.
//
// Times are embedded as [cos(w_k t), sin(w_k t)], w_k = 10000^(-k/m), k < m = channels/2, then linear, SiLU, linear; a
// row of a table is added for the family, the last row standing for none. References: Ho, Jain, Abbeel, NeurIPS 2020;
// Nichol, Dhariwal, ICML 2021.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <variant>
#include <vector>

#include "autodiff/tape.hpp"
#include "kernels/linalg/linalg.hpp"

namespace terrane {

struct UnetShape {
  Index height = 64, width = 64;                            // multiples of 2^(levels - 1)
  Index channels_data = 1;                                  // of x and y
  Index channels_condition = 0;                             // images beside x
  Index families = 0;                                       // 0: no family; else rows of the table less one
  std::vector<Index> channels{64, 64, 128, 128, 256, 256};  // of the levels
  std::vector<bool> attention{false, false, false, false, true, false};  // of the levels
  bool attention_middle = true;
  Index blocks = 2;
  Index groups = 32;        // of the norms; must divide all channels
  Index head_channels = 8;  // of attention
  bool planar = false;      // x, y and conditions are planes, (channels, height, width): the layout of codes on a grid
  bool operator==(const UnetShape&) const = default;
};

struct ResidualMlpShape {
  Index values = 64;    // of x and y
  Index condition = 0;  // numbers beside x
  Index families = 0;
  Index width = 256;
  Index blocks = 4;
  bool operator==(const ResidualMlpShape&) const = default;
};

// One weight: its place in the flat parameter vector. Weights of convolutions are (kernel, kernel, in, out), of linear
// layers (in, out).
struct DenoiserWeight {
  std::string name;
  Shape shape;
  Index offset = 0;
  Index fan_in = 0;  // 0: scale of a norm (starts at 1), -1: shift of a norm (0), -2: table (standard normal)
};

struct DenoiserInputs {
  Var x;          // (batch pixels, channels), or (batch, values) for planes and numbers
  Var time;       // (batch, 1)
  Var family;     // (batch, families + 1), one row a unit vector; invalid without families
  Var condition;  // (batch pixels, channels_condition), or (batch, values); invalid without
};

class Denoiser {
 public:
  using Kind = std::variant<UnetShape, ResidualMlpShape>;
  // Error{config} for sizes that make no network.
  explicit Denoiser(Kind kind);
  // "ddpm-2dseisvel": 64 x 64, 28,444,929 weights; "reduced-32": 32 x 32, below 3 million. Error{config} otherwise.
  static Denoiser preset(const std::string& name);
  // From and to the section "network" of a config: {"type": "unet" | "residual-mlp", ...}.
  static Denoiser from_json(const nlohmann::ordered_json& section);
  nlohmann::ordered_json to_json() const;

  const Kind& kind() const { return kind_; }
  const std::vector<DenoiserWeight>& weights() const { return weights_; }
  Index parameters() const { return parameters_; }
  Index families() const;
  Index sample_values() const;     // of one x
  Index condition_values() const;  // of one condition
  Shape sample_shape(Index batch) const;
  Shape condition_shape(Index batch) const;

  // Weights U(-1/sqrt(fan_in), 1/sqrt(fan_in)), biases alike, norms 1 and 0: a function of the seed.
  std::vector<float> initial_parameters(std::uint64_t seed) const;

  // y, of the shape of x. precision: of the products inside the blocks, on a GPU; the first and the last layer, norms
  // and the embedding of times stay in float.
  template <class T>
  Var record(Tape<T>& tape, Var theta, const DenoiserInputs& in, Index batch,
             FactorPrecision precision = FactorPrecision::full) const;

 private:
  Kind kind_;
  std::vector<DenoiserWeight> weights_;
  Index parameters_ = 0;
};

}  // namespace terrane
