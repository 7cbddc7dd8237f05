// SPDX-License-Identifier: MIT
#include "physics/geology/openfwi.hpp"

#include <algorithm>

#include "kernels/geology/draw_scene.hpp"
#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

constexpr Index slice_maps = 256;

void check(const GeologyBatch& batch, const GeologyOptions& o) {
  const char* where = "geology";
  require(static_cast<int>(batch.family) >= 0 && static_cast<int>(batch.family) < geology_families, ErrorCode::config,
          "there is no such family", where);
  require(batch.count >= 0, ErrorCode::config, "the number of maps must not be negative", where);
  require(o.size >= 1 && o.size <= 8192, ErrorCode::config, "a map has 1 to 8192 pixels a side", where);
  require(o.samples >= 1 && o.samples <= 64, ErrorCode::config, "a pixel has 1 to 64 samples an axis", where);
  require(o.layers == 0 || (o.layers >= 2 && o.layers <= geology_max_layers), ErrorCode::config,
          "a map has 2 to 8 layers", where);
  require(o.layers == 0 || !is_style(batch.family), ErrorCode::config, "a Style map has no layers to count", where);
}

// Letters and digits in lower case.
std::string bare(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c >= 'A' && c <= 'Z') out += static_cast<char>(c - 'A' + 'a');
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) out += c;
  }
  return out;
}

}  // namespace

const std::vector<std::string>& geology_family_names() {
  static const std::vector<std::string> names = {"flat-vel-a",   "flat-vel-b",   "curve-vel-a",   "curve-vel-b",
                                                 "flat-fault-a", "flat-fault-b", "curve-fault-a", "curve-fault-b",
                                                 "style-a",      "style-b"};
  return names;
}

std::string_view to_string(GeologyFamily family) { return geology_family_names().at(static_cast<std::size_t>(family)); }

std::optional<GeologyFamily> find_geology_family(std::string_view name) {
  const std::string wanted = bare(name);
  for (std::size_t k = 0; k < geology_family_names().size(); ++k) {
    if (bare(geology_family_names()[k]) == wanted) return static_cast<GeologyFamily>(k);
  }
  return std::nullopt;
}

std::string openfwi_name(GeologyFamily family) {
  static const char* const names[] = {"FlatVel", "CurveVel", "FlatFault", "CurveFault", "Style"};
  return std::string(names[static_cast<int>(family) / 2]) + (is_b(family) ? "_B" : "_A");
}

std::string_view geology_evidence(GeologyFamily family) {
  const bool measured = family == GeologyFamily::flat_vel_a || family == GeologyFamily::curve_vel_a ||
                        family == GeologyFamily::flat_fault_a;
  return measured ? "measured" : "inferred";
}

std::vector<int> geology_layer_counts(GeologyFamily family) {
  if (!is_fault(family)) return {0};
  return is_b(family) ? std::vector<int>{6, 7, 8} : std::vector<int>{2, 3, 4};
}

GeologyScene geology_scene(GeologyFamily family, std::uint64_t seed, std::uint64_t index, int layers) {
  GeologyScene scene{};
  draw_scene(scene, family, seed, index, layers);
  return scene;
}

template <class T>
void render_geology(Stream& s, const GeologyBatch& batch, const GeologyOptions& options, T* vp, std::uint8_t* labels) {
  check(batch, options);
  const Index slice = std::min(batch.count, slice_maps), pixels = options.size * options.size;
  const Buffer<GeologyScene> scenes(s, slice);
  const bool blurred = batch.family == GeologyFamily::style_a;
  const Buffer<double> lattice(s, blurred ? slice * style_lattice * style_lattice : 0);
  for (Index begin = 0; begin < batch.count; begin += slice) {
    const Index count = std::min(slice, batch.count - begin);
    geology_scenes(
        s, GeologyScenes<T>{batch.family, batch.seed, batch.first + static_cast<std::uint64_t>(begin) * batch.step,
                            batch.step, options.layers, count, scenes.data()});
    geology_render(s,
                   GeologyRender<T>{scenes.data(), batch.family, count, options.size, options.samples, lattice.data(),
                                    vp + begin * pixels, labels != nullptr ? labels + begin * pixels : nullptr});
  }
  s.synchronize();  // the scenes are released here
}

std::vector<float> geology_maps(Stream& s, const GeologyBatch& batch, const GeologyOptions& options) {
  check(batch, options);
  const Buffer<float> vp(s, batch.count * options.size * options.size);
  render_geology(s, batch, options, vp.data());
  return to_host(s, vp);
}

template void render_geology<float>(Stream&, const GeologyBatch&, const GeologyOptions&, float*, std::uint8_t*);
template void render_geology<double>(Stream&, const GeologyBatch&, const GeologyOptions&, double*, std::uint8_t*);

}  // namespace terrane
