// SPDX-License-Identifier: MIT
#include "engine/diffusion/augmentation.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "kernels/runtime/error.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {
namespace {

constexpr std::uint32_t purpose_augmentation = 67;  // beyond those of the other files of the generators
constexpr std::size_t warps = 2;                    // half waves of the displacement along each axis

float interpolated(const float* v, Index height, Index width, double z, double x) {
  z = std::clamp(z, 0.0, static_cast<double>(height - 1));
  x = std::clamp(x, 0.0, static_cast<double>(width - 1));
  const auto i = std::min(static_cast<Index>(z), std::max<Index>(height - 2, 0)),
             j = std::min(static_cast<Index>(x), std::max<Index>(width - 2, 0));
  const double a = z - static_cast<double>(i), b = x - static_cast<double>(j);
  const auto at = [&](Index r, Index c) {
    return static_cast<double>(v[std::min(r, height - 1) * width + std::min(c, width - 1)]);
  };
  return static_cast<float>((1 - a) * ((1 - b) * at(i, j) + b * at(i, j + 1)) +
                            a * ((1 - b) * at(i + 1, j) + b * at(i + 1, j + 1)));
}

}  // namespace

void check_augmentation(const Augmentation& a) {
  require(a.scale >= 0 && a.scale < 1 && a.crop >= 0 && a.crop < 1 && a.elastic_px >= 0 && a.rotation_deg >= 0,
          ErrorCode::config, "shares of an augmentation lie in [0, 1), its sizes are not negative");
}

std::vector<float> augmented_map(const float* values, Index height, Index width, const Augmentation& a,
                                 std::uint64_t seed, Index number) {
  const Random random(seed, purpose_augmentation);
  const auto key = static_cast<std::uint64_t>(number);
  const double zoom = 1 + random.uniform(key, 0, -a.scale, a.scale), f = 1 - random.uniform(key, 1, 0, a.crop);
  const double angle = random.uniform(key, 2, -a.rotation_deg, a.rotation_deg) * std::numbers::pi / 180;
  const double h = static_cast<double>(height), w = static_cast<double>(width);
  const double middle_z = (h - 1) / 2, middle_x = (w - 1) / 2;
  const double shift_z = random.uniform(key, 3, -0.5, 0.5) * (1 - f) * h,
               shift_x = random.uniform(key, 4, -0.5, 0.5) * (1 - f) * w;
  std::array<double, 2 * warps * warps> coefficient{};
  // The mean square of each product of sines is a quarter.
  const double size = a.elastic_px * 2 / static_cast<double>(warps);
  for (std::size_t k = 0; k < coefficient.size(); ++k) {
    coefficient[k] = size * random.normal(key, static_cast<std::uint32_t>(5 + k));
  }
  // sin(pi (p + 1) (i + 1/2) / n) of every line i.
  const auto half_waves = [](Index n) {
    std::vector<std::array<double, warps>> v(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < v.size(); ++i) {
      for (std::size_t p = 0; p < warps; ++p) {
        v[i][p] = std::sin(std::numbers::pi * static_cast<double>(p + 1) * (static_cast<double>(i) + 0.5) /
                           static_cast<double>(n));
      }
    }
    return v;
  };
  const auto wave_z = half_waves(height), wave_x = half_waves(width);
  const double cosine = std::cos(angle) * f / zoom, sine = std::sin(angle) * f / zoom;
  std::vector<float> out;
  out.reserve(static_cast<std::size_t>(height * width));
  for (Index i = 0; i < height; ++i) {
    for (Index j = 0; j < width; ++j) {
      const double z = static_cast<double>(i) - middle_z, x = static_cast<double>(j) - middle_x;
      double from_z = middle_z + shift_z + cosine * z - sine * x, from_x = middle_x + shift_x + sine * z + cosine * x;
      for (std::size_t p = 0; p < warps && a.elastic_px > 0; ++p) {
        for (std::size_t q = 0; q < warps; ++q) {
          const double s = wave_z[static_cast<std::size_t>(i)][p] * wave_x[static_cast<std::size_t>(j)][q];
          const std::size_t k = 2 * (warps * p + q);
          from_z += coefficient[k] * s;
          from_x += coefficient[k + 1] * s;
        }
      }
      out.push_back(interpolated(values, height, width, from_z, from_x));
    }
  }
  return out;
}

}  // namespace terrane
