// SPDX-License-Identifier: MIT
// Colour maps with evenly increasing lightness. viridis and magma (S. van der Walt, N. Smith, E. Firing; CC0) are
// stored at 33 points and interpolated; `diverging` is computed here in the Oklab space (B. Ottosson 2020): white at
// 0.5, lightness and chroma symmetric on both sides, blue below and red above; `gray` is linear in lightness.
#pragma once

#include <cstdint>
#include <string_view>

namespace terrane {

struct Color {
  std::uint8_t r = 0, g = 0, b = 0;
  bool operator==(const Color&) const = default;
};

enum class Colormap { viridis, magma, diverging, gray };

// t in [0, 1] (clamped); a NaN gives a light gray.
Color map_color(Colormap map, double t);
// Throws Error{config} for an unknown name.
Colormap parse_colormap(std::string_view name);

}  // namespace terrane
