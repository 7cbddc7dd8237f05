// SPDX-License-Identifier: MIT
#include "physics/geology/breast.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/runtime/error.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {

namespace {

constexpr double pi = 3.14159265358979323846;
constexpr double skin_mps = 1555, fat_mps = 1442, gland_mps = 1520, tumour_mps = 1560, adenoma_mps = 1545,
                 cyst_mps = 1575;
constexpr int waves = 24;

struct Ellipse {
  double x, z, a, b, angle, value;
  bool contains(double px, double pz) const {
    const double dx = px - x, dz = pz - z, c = cosine(angle), s = sine(angle);
    const double u = (c * dx + s * dz) / a, v = (-s * dx + c * dz) / b;
    return u * u + v * v < 1;
  }
};

// Amplitudes and phases of r(t) / r_0 - 1, harmonics 2, 3, ...
struct Outline {
  std::array<double, 6> amplitude{}, phase{};
  double at(double t) const {
    double r = 1;
    for (std::size_t k = 0; k < amplitude.size(); ++k) {
      r += amplitude[k] * cosine(static_cast<double>(k + 2) * t + phase[k]);
    }
    return r;
  }
};

class Phantom {
 public:
  Phantom(const BreastParams& p, std::uint64_t seed, std::uint64_t index)
      : p_(p), random_(seed, RandomPurpose::geology), index_(index) {
    for (std::size_t k = 0; k < 6; ++k) {
      outer_.amplitude[k] = k < 3 ? draw(-0.03, 0.03) : 0;
      outer_.phase[k] = draw(0, 2 * pi);
      gland_.amplitude[k] = draw(-0.11, 0.11);
      gland_.phase[k] = draw(0, 2 * pi);
    }
    for (Wave& w : waves_) {
      const double length = p_.radius_m * draw(1.0 / 6, 0.5), direction = draw(0, 2 * pi);
      w = {2 * pi / length * cosine(direction), 2 * pi / length * sine(direction), draw(0, 2 * pi)};
    }
    const double values[] = {tumour_mps, tumour_mps, adenoma_mps, cyst_mps};
    for (int k = 0; k < 4; ++k) {
      // One in each quadrant of the gland, so that none hides another.
      const double t = (k + draw(0.2, 0.8)) * pi / 2, r = p_.radius_m * draw(0.18, 0.42);
      const double size = p_.radius_m * draw(0.05, 0.11);
      lesions_[static_cast<std::size_t>(k)] = {r * cosine(t),         r * sine(t), size,
                                               size * draw(0.6, 1.0), draw(0, pi), values[k]};
    }
  }
  double at(double x, double z) const {
    const double r = std::sqrt(x * x + z * z), t = std::atan2(z, x);
    const double edge = p_.radius_m * outer_.at(t);
    if (r >= edge) return p_.water_mps;
    if (r >= edge - p_.skin_m) return skin_mps;
    for (const Ellipse& e : lesions_) {
      if (e.contains(x, z)) return e.value;
    }
    if (r >= std::min(0.68 * p_.radius_m * gland_.at(t), edge - 2 * p_.skin_m)) return fat_mps;
    double sum = 0;
    for (const Wave& w : waves_) sum += cosine(w.kx * x + w.kz * z + w.phase);
    // The sum of n unit waves is nearly normal with variance n / 2; 0.524 sigma is its 70 % level.
    return sum > 0.524 * std::sqrt(0.5 * waves) ? fat_mps : gland_mps;
  }

 private:
  struct Wave {
    double kx, kz, phase;
  };
  double draw(double lo, double hi) { return random_.uniform(index_, 0x42000000u + count_++, lo, hi); }
  BreastParams p_;
  Random random_;
  std::uint64_t index_;
  std::uint32_t count_ = 0;
  Outline outer_, gland_;
  std::array<Wave, waves> waves_{};
  std::array<Ellipse, 4> lesions_{};
};

}  // namespace

std::vector<float> breast_phantom(const BreastParams& params, std::uint64_t seed, std::uint64_t index, Index nz,
                                  Index nx, double dz_m, double dx_m) {
  require(nz > 0 && nx > 0 && dz_m > 0 && dx_m > 0, ErrorCode::config, "breast phantom: the grid is empty");
  const double height = static_cast<double>(nz - 1) * dz_m, width = static_cast<double>(nx - 1) * dx_m;
  BreastParams p = params;
  if (p.radius_m == 0) p.radius_m = 0.36 * std::min(height, width);
  require(p.radius_m > 0 && 1.1 * p.radius_m <= 0.5 * std::min(height, width), ErrorCode::config,
          "breast phantom: the radius does not fit into the grid; it may be 0.45 of the shorter side");
  const Phantom phantom(p, seed, index);
  constexpr int points = 4;
  std::vector<float> m(static_cast<std::size_t>(nz * nx));
  for (Index iz = 0; iz < nz; ++iz) {
    for (Index ix = 0; ix < nx; ++ix) {
      double sum = 0;
      for (int k = 0; k < points * points; ++k) {
        const double oz = (k / points + 0.5) / points - 0.5, ox = (k % points + 0.5) / points - 0.5;
        sum += phantom.at((static_cast<double>(ix) + ox) * dx_m - 0.5 * width,
                          (static_cast<double>(iz) + oz) * dz_m - 0.5 * height);
      }
      m[static_cast<std::size_t>(iz * nx + ix)] = static_cast<float>(sum / (points * points));
    }
  }
  return m;
}

}  // namespace terrane
