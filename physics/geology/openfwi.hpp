// SPDX-License-Identifier: MIT
// Velocity maps of the ten OpenFWI families (Deng et al. 2022) as pure functions of (family, seed, index): no state,
// any order, any number of threads, equal bits on every device. Rules and what they rest on:
// kernels/geology/draw_scene.hpp; sampling of pixels: kernels/geology/geology.hpp. vp in m/s; 700 m x 700 m, so a pixel
// is 700 m / size.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/geology/scene.hpp"
#include "kernels/runtime/stream.hpp"

namespace terrane {

// "flat-vel-a", ..., "style-b", in the order of GeologyFamily.
const std::vector<std::string>& geology_family_names();
std::string_view to_string(GeologyFamily family);
// The family of a name; OpenFWI's spellings (FlatVel_A, flatvel-a) are understood too.
std::optional<GeologyFamily> find_geology_family(std::string_view name);
// OpenFWI's own: "FlatVel_A".
std::string openfwi_name(GeologyFamily family);
// What the rules of a family rest on: "measured" or "inferred".
std::string_view geology_evidence(GeologyFamily family);
// Numbers of layers of a Fault family, taken in turn by the index; of the other families {0}: the rule draws them.
std::vector<int> geology_layer_counts(GeologyFamily family);

struct GeologyOptions {
  Index size = 70;  // pixels a side
  int samples = 1;  // samples a pixel and axis; 1: the value at its centre, q: mean over q x q points
  int layers = 0;   // of every block, 2 to 8; 0: the rule of the family
};

// Maps of indices first, first + step, ... (count of them).
struct GeologyBatch {
  GeologyFamily family{};
  std::uint64_t seed = 0, first = 0, step = 1;
  Index count = 1;
};

// The scene behind a map: layers, interfaces, faults and throws.
GeologyScene geology_scene(GeologyFamily family, std::uint64_t seed, std::uint64_t index, int layers = 0);

// vp (count, size, size) and labels (the same shape, 16 block + layer; may be null) are device memory of the stream.
// Works in slices, so that memory stays small. Throws Error{config} for impossible options.
template <class T>
void render_geology(Stream& s, const GeologyBatch& batch, const GeologyOptions& options, T* vp,
                    std::uint8_t* labels = nullptr);

// The same on the host, on all threads of `s`.
std::vector<float> geology_maps(Stream& s, const GeologyBatch& batch, const GeologyOptions& options);

}  // namespace terrane
