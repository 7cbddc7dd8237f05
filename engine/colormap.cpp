// SPDX-License-Identifier: MIT
#include "engine/colormap.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

constexpr int last_anchor = 32;
constexpr std::uint32_t viridis_anchors[last_anchor + 1] = {
    0x440154, 0x470d60, 0x48186a, 0x482374, 0x472d7b, 0x453781, 0x424086, 0x3e4989, 0x3b528b, 0x375b8d, 0x33638d,
    0x2f6b8e, 0x2c728e, 0x297a8e, 0x26828e, 0x23898e, 0x21918c, 0x1f988b, 0x1fa088, 0x22a785, 0x28ae80, 0x32b67a,
    0x3fbc73, 0x4ec36b, 0x5ec962, 0x70cf57, 0x84d44b, 0x98d83e, 0xaddc30, 0xc2df23, 0xd8e219, 0xece51b, 0xfde725};
constexpr std::uint32_t magma_anchors[last_anchor + 1] = {
    0x000004, 0x030312, 0x0a0822, 0x130d34, 0x1d1147, 0x29115a, 0x36106b, 0x440f76, 0x51127c, 0x5d177f, 0x6a1c81,
    0x762181, 0x832681, 0x902a81, 0x9c2e7f, 0xaa337d, 0xb73779, 0xc43c75, 0xd0416f, 0xdc4869, 0xe75263, 0xef5d5e,
    0xf56b5c, 0xf9795d, 0xfc8961, 0xfd9869, 0xfea772, 0xfeb67c, 0xfec488, 0xfed395, 0xfde2a3, 0xfcf0b2, 0xfcfdbf};

std::uint8_t byte(double x) { return static_cast<std::uint8_t>(std::lround(std::clamp(x, 0.0, 255.0))); }

Color interpolate(const std::uint32_t* anchors, double t) {
  const double x = t * last_anchor;
  const int i = std::min(static_cast<int>(x), last_anchor - 1);
  const double w = x - i;
  const auto channel = [&](int shift) {
    return byte((1 - w) * ((anchors[i] >> shift) & 255) + w * ((anchors[i + 1] >> shift) & 255));
  };
  return {channel(16), channel(8), channel(0)};
}

double srgb(double linear) {
  linear = std::clamp(linear, 0.0, 1.0);
  return 255 * (linear <= 0.0031308 ? 12.92 * linear : 1.055 * std::pow(linear, 1 / 2.4) - 0.055);
}

// Oklab lightness, chroma, hue (radians) to sRGB.
Color oklch(double lightness, double chroma, double hue) {
  const double a = chroma * std::cos(hue), b = chroma * std::sin(hue);
  const double l = std::pow(lightness + 0.3963377774 * a + 0.2158037573 * b, 3);
  const double m = std::pow(lightness - 0.1055613458 * a - 0.0638541728 * b, 3);
  const double s = std::pow(lightness - 0.0894841775 * a - 1.2914855480 * b, 3);
  return {byte(srgb(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s)),
          byte(srgb(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s)),
          byte(srgb(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s))};
}

Color diverging(double t) {
  const double x = 2 * t - 1, a = std::fabs(x);
  const double hue = x < 0 ? 4.45 : 0.45;  // blue, red
  return oklch(0.985 - 0.56 * a, 0.185 * std::pow(a, 0.85) * (1 - 0.28 * a * a), hue);
}

}  // namespace

Color map_color(Colormap map, double t) {
  if (std::isnan(t)) return {204, 204, 204};
  t = std::clamp(t, 0.0, 1.0);
  switch (map) {
    case Colormap::viridis:
      return interpolate(viridis_anchors, t);
    case Colormap::magma:
      return interpolate(magma_anchors, t);
    case Colormap::diverging:
      return diverging(t);
    case Colormap::gray:
      return oklch(1 - t, 0, 0);
  }
  return {};
}

Colormap parse_colormap(std::string_view name) {
  if (name == "viridis") return Colormap::viridis;
  if (name == "magma") return Colormap::magma;
  if (name == "diverging") return Colormap::diverging;
  if (name == "gray") return Colormap::gray;
  throw Error(ErrorCode::config,
              "unknown colour map '" + std::string(name) + "' (viridis, magma, diverging and gray exist)");
}

}  // namespace terrane
