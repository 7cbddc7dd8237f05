// SPDX-License-Identifier: MIT
#include "physics/geology/layered.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/runtime/error.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {
namespace {

constexpr double two_pi = 2 * std::numbers::pi;

// What a draw is for; offsets from RandomPurpose::geology. Append, never renumber.
enum class Feature : std::uint32_t {
  layers = 0,
  beds = 1,
  folds = 2,
  faults = 3,
  unconformity = 4,
  cover = 5,
  lateral = 6
};
constexpr std::uint32_t family_layered_faulted = 1;

class Draws {
 public:
  Draws(std::uint64_t seed, std::uint64_t index, Feature part)
      : random_(seed, static_cast<std::uint32_t>(RandomPurpose::geology) + static_cast<std::uint32_t>(part)),
        index_(index) {}
  double uniform(double lo, double hi) {
    return random_.uniform(index_, family_layered_faulted << 24 | next_++, lo, hi);
  }
  int integer(int lo, int hi) {
    return lo + static_cast<int>(random_.integer(index_, family_layered_faulted << 24 | next_++,
                                                 static_cast<std::uint64_t>(hi - lo + 1)));
  }
  bool chance(double p) { return uniform(0, 1) < p; }

 private:
  Random random_;
  std::uint64_t index_;
  std::uint32_t next_ = 0;
};

// All lengths are shares of the height of the scene, velocities shares of [min, max].
struct Layer {
  double bottom, value;
  double wobble, wavelength, phase;  // of its bottom
};
struct Sine {
  double amplitude, wavelength, phase;
  double at(double x) const { return amplitude * std::sin(two_pi * x / wavelength + phase); }
};
struct Fault {
  double x, z, cotangent, curve, throw_z;
  int side;  // +1: the hanging wall is on the right, -1: left
};

struct Scene {
  double width = 1;  // of the section, in heights
  std::vector<Layer> old_layers, cover;
  std::vector<Sine> folds;
  std::vector<Fault> faults;  // youngest first
  std::vector<Sine> erosion;
  double tilt = 0, unconformity = -1, erosion_slope = 0, drape = 0;
  Sine lateral{};
};

std::vector<Layer> make_layers(Draws& d, double top, double bottom, double thin, double thick, double trend_top,
                               double trend_bottom, double contrast) {
  std::vector<Layer> layers;
  int sign = d.chance(0.5) ? 1 : -1;
  for (double z = top; z < bottom;) {
    const double thickness = d.uniform(thin, thick);
    const double trend = trend_top + (trend_bottom - trend_top) * (z + thickness / 2 - top) / (bottom - top);
    // Contrasts mostly alternate, so that neighbouring layers differ.
    const double value = trend + sign * contrast * d.uniform(0.15, 1);
    if (d.chance(0.75)) sign = -sign;
    const double wobble = d.uniform(0, 0.22) * thin;
    layers.push_back({z + thickness, value, wobble, d.uniform(0.5, 1.6), d.uniform(0, two_pi)});
    z += thickness;
  }
  return layers;
}

// Cuts a few thin beds into the layers, fast or slow.
void add_beds(Draws& d, std::vector<Layer>& layers) {
  const int count = d.integer(3, 5);
  for (int k = 0; k < count; ++k) {
    const auto at = static_cast<std::size_t>(d.integer(2, static_cast<int>(layers.size()) - 3));
    const double thickness = d.uniform(0.016, 0.028);
    const double jump = d.chance(0.6) ? d.uniform(0.12, 0.22) : -d.uniform(0.10, 0.18);
    Layer bed = layers[at];
    bed.value += jump;
    Layer& above = layers[at];
    above.bottom -= thickness;  // the bed takes the lowest part of its host and follows its lower boundary
    above.wobble = bed.wobble;
    above.wavelength = bed.wavelength;
    above.phase = bed.phase;
    layers.insert(layers.begin() + static_cast<std::ptrdiff_t>(at) + 1, bed);
  }
}

void add_faults(Draws& d, const LayeredFaultedParams& p, Scene& scene) {
  const int count = d.integer(p.min_faults, p.max_faults);
  int side = d.chance(0.5) ? 1 : -1;
  for (int k = 0; k < count; ++k) {
    // One fault in each equal part of the section, so that they seldom cross.
    const double x = scene.width * (k + d.uniform(0.2, 0.8)) / count;
    const double dip = d.uniform(52, 76) * two_pi / 360;
    scene.faults.push_back(
        {x, 0.5, 1 / std::tan(dip), d.uniform(0.0, 0.25), p.throw_scale * d.uniform(0.035, 0.11), side});
    if (d.chance(0.6)) side = -side;
  }
}

Scene make_scene(const LayeredFaultedParams& p, std::uint64_t seed, std::uint64_t index, double width) {
  Scene scene;
  scene.width = width;
  Draws folds(seed, index, Feature::folds), layers(seed, index, Feature::layers), beds(seed, index, Feature::beds);
  Draws faults(seed, index, Feature::faults), erosion(seed, index, Feature::unconformity),
      cover(seed, index, Feature::cover);
  Draws lateral(seed, index, Feature::lateral);
  scene.folds = {
      {p.fold * folds.uniform(0.05, 0.11), std::max(width, 0.8) * folds.uniform(0.7, 1.4), folds.uniform(0, two_pi)},
      {p.fold * folds.uniform(0.015, 0.04), std::max(width, 0.8) * folds.uniform(0.28, 0.5), folds.uniform(0, two_pi)}};
  scene.tilt = p.fold * folds.uniform(-0.14, 0.14) / std::max(1.0, 0.6 * width);
  scene.old_layers = make_layers(layers, -0.6, 1.7, 0.04, 0.105, -0.10, 1.22, 0.10);
  add_beds(beds, scene.old_layers);
  add_faults(faults, p, scene);
  if (p.unconformity) {
    scene.unconformity = erosion.uniform(0.18, 0.32);
    scene.erosion_slope = erosion.uniform(-0.05, 0.05) / std::max(1.0, width);
    scene.erosion = {{erosion.uniform(0.006, 0.02), width * erosion.uniform(0.35, 0.8), erosion.uniform(0, two_pi)}};
    scene.drape = cover.uniform(0.3, 0.6);
    scene.cover = make_layers(cover, -0.05, 0.6, 0.05, 0.10, 0.03, 0.40, 0.05);
  }
  scene.lateral = {lateral.uniform(0.006, 0.018), width * lateral.uniform(0.6, 1.5), lateral.uniform(0, two_pi)};
  return scene;
}

double layer_value(const std::vector<Layer>& layers, double s, double x) {
  for (const Layer& layer : layers) {
    if (s < layer.bottom + layer.wobble * std::sin(two_pi * x / layer.wavelength + layer.phase)) return layer.value;
  }
  return layers.back().value;
}

// Share of [min, max] at (x, z) in heights.
double value_at(const Scene& scene, double x, double z) {
  const double slow = scene.lateral.at(x) + 0.03 * z;
  if (scene.unconformity >= 0) {
    double relief = scene.erosion_slope * (x - scene.width / 2);
    for (const Sine& s : scene.erosion) relief += s.at(x);
    if (z < scene.unconformity + relief) return layer_value(scene.cover, z - scene.drape * relief, x) + slow;
  }
  double xs = x, zs = z;
  for (const Fault& f : scene.faults) {
    // Listric: the fault flattens with depth.
    const double dz = zs - f.z;
    const double plane = f.x + f.side * (dz * f.cotangent + f.curve * dz * std::max(dz + 0.3, 0.0));
    if (f.side * (xs - plane) <= 0) continue;
    xs -= f.side * f.throw_z * f.cotangent;
    zs -= f.throw_z;
  }
  double s = zs - scene.tilt * (xs - scene.width / 2);
  for (const Sine& fold : scene.folds) s -= fold.at(xs);
  return layer_value(scene.old_layers, s, xs) + slow;
}

void check(const LayeredFaultedParams& p, Index nz, Index nx, double dz_m, double dx_m) {
  const char* where = "layered-faulted";
  require(nz > 0 && nx > 0 && dz_m > 0 && dx_m > 0, ErrorCode::config, "the grid needs nodes and positive spacings",
          where);
  require(p.min_mps > 0 && p.max_mps >= p.min_mps, ErrorCode::config, "0 < min_mps <= max_mps is needed", where);
  require(p.water_depth_m >= 0 && p.water_mps > 0, ErrorCode::config,
          "the water layer needs a depth >= 0 and a velocity > 0", where);
  require(p.min_faults >= 0 && p.max_faults >= p.min_faults && p.max_faults <= 16, ErrorCode::config,
          "0 <= min_faults <= max_faults <= 16 is needed", where);
}

}  // namespace

std::vector<float> layered_faulted(const LayeredFaultedParams& params, std::uint64_t seed, std::uint64_t index,
                                   Index nz, Index nx, double dz_m, double dx_m) {
  check(params, nz, nx, dz_m, dx_m);
  const double height = params.extent_z_m > 0 ? params.extent_z_m : std::max(1.0, static_cast<double>(nz - 1)) * dz_m;
  const double length = params.extent_x_m > 0 ? params.extent_x_m : std::max(1.0, static_cast<double>(nx - 1)) * dx_m;
  // Below the water the scene fills the rest of the section.
  const double top = std::min(params.water_depth_m, 0.9 * height), rock = height - top;
  const Scene scene = make_scene(params, seed, index, length / rock);
  std::vector<float> vp(static_cast<std::size_t>(nz * nx));
  for (Index iz = 0; iz < nz; ++iz) {
    const double z = static_cast<double>(iz) * dz_m;
    for (Index ix = 0; ix < nx; ++ix) {
      double v = params.water_mps;
      if (z >= params.water_depth_m) {
        const double share = value_at(scene, static_cast<double>(ix) * dx_m / rock, (z - top) / rock);
        v = std::clamp(params.min_mps + (params.max_mps - params.min_mps) * share, params.min_mps, params.max_mps);
      }
      vp[static_cast<std::size_t>(iz * nx + ix)] = static_cast<float>(v);
    }
  }
  return vp;
}

}  // namespace terrane
