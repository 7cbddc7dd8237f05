// SPDX-License-Identifier: MIT
// Auto-decoder of velocity models: one network of sines for all models, told apart by a code z of K numbers each.
//
//   h_0 = sin(w0 (W_0 x + b_0 + s_0)),  h_l = sin(w0 (W_l h_{l-1} + b_l + s_l)),  v = offset + scale (W_o h_L + b_o)
//   s = M z: shifts of every layer, or of the first one only, which is a code concatenated to the coordinates
//
// or, with a code that lies on a grid of cells^d nodes with C channels, K = C cells^d: no shifts, and the first layer
// sees (x, c(x)), c the code at x by linear interpolation (kernels/encode/local_code.hpp).
//
// Coordinates x are (z, x) or (z, y, x) in [-1, 1], pixel i of N at 2 (i + 1/2) / N - 1, at any resolution.
// References: Park et al., CVPR 2019 (auto-decoders); Sitzmann et al., NeurIPS 2020 (sines); Dupont et al., ICML 2022
// (shift modulation).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/encode/local_code.hpp"
#include "kernels/mlp/mlp.hpp"
#include "kernels/runtime/stream.hpp"

namespace terrane {

struct DecoderShape {
  Index dims = 2;             // coordinates: 2 or 3
  Index code = 256;           // K
  Index width = 512;          // of the layers of sines
  int hidden = 5;             // layers of sines
  bool concatenated = false;  // shifts of the first layer only
  double omega = 30;          // w0
  Index cells = 0;            // along each axis, of a code on a grid; 0: the code is the same everywhere

  MlpShape network() const;
  Index channels() const { return local(1, 1).channels; }  // of a code on a grid
  // The code's grid for models of n points.
  LocalCodeShape local(Index models, Index n) const {
    LocalCodeShape s{models, n, dims, cells, 1};
    s.channels = cells > 0 ? code / s.nodes() : 0;
    return s;
  }
  int shifted_layers() const { return cells > 0 ? 0 : concatenated ? 1 : hidden; }
  Index shifts() const { return static_cast<Index>(shifted_layers()) * width; }
  Index network_parameters() const { return network().parameters(); }
  // Of the file: network, then M^T as (K, shifts).
  Index parameters() const { return network_parameters() + code * shifts(); }
  bool operator==(const DecoderShape&) const = default;
};
// Error{config} for sizes that make no decoder.
void check_decoder_shape(const DecoderShape& shape);

// A box of pixels: extents (z, y, x), y = 1 for planes, and the part of the model they cover, in [-1, 1]. The value of
// a pixel is that at its centre, or with q samples an axis the mean over the centres of its q^dims equal parts: what a
// map of area means holds.
struct DecoderWindow {
  std::array<Index, 3> extent{70, 1, 70};
  std::array<double, 3> low{-1, -1, -1}, high{1, 1, 1};
  std::array<Index, 3> samples{1, 1, 1};  // of a pixel along each axis; along y of volumes alone

  Index points() const { return extent[0] * extent[1] * extent[2]; }
  Index samples_a_pixel(Index dims) const { return samples[0] * (dims == 3 ? samples[1] : 1) * samples[2]; }
};
// As many samples along every axis.
inline std::array<Index, 3> samples_each(Index q) { return {q, q, q}; }
// The same part of the model at another extent, with as many samples along an axis of the model, at least one a pixel;
// centres stay centres.
DecoderWindow window_at(DecoderWindow window, const std::array<Index, 3>& extent);

// Coordinates of the samples of the pixels, (points, samples a pixel, dims).
std::vector<float> window_coordinates(const DecoderWindow& window, Index dims);

// Distribution of the codes of the training models, one value a number of the code: scale of the quantiser and prior
// of the entropy coder.
struct CodeStatistics {
  std::vector<float> mean, deviation, lowest, highest;  // (K)
};
CodeStatistics code_statistics(const std::vector<float>& codes, Index length);

struct AutoDecoder {
  DecoderShape shape;
  double offset_mps = 3000, scale_mps = 1500;
  std::vector<float> parameters;  // (shape.parameters())
  CodeStatistics statistics;
  std::vector<float> training_codes;  // (models, K): starts for the codes of other models; may be empty

  // First 8 bytes of the SHA-256 of all that decoding and the code files depend on.
  std::uint64_t identity() const;
};

// Values (count, points of the window) from codes (count, K).
std::vector<float> decode_models(Stream& s, const AutoDecoder& decoder, const std::vector<float>& codes,
                                 const DecoderWindow& window);

// decoder.safetensors. Reading checks sizes and identity; Error{data} naming the file.
void write_decoder(const std::string& path, const AutoDecoder& decoder);
AutoDecoder read_decoder(const std::string& path);

}  // namespace terrane
