// SPDX-License-Identifier: MIT
#include "engine/evaluation/map_geometry.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "engine/median.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

constexpr double step_mps = 25;  // what counts as an interface or a fault
constexpr double on_line_px = 1.5;
constexpr Index cycles = 8, beside_px = 2;
constexpr std::size_t anchors = 64;  // about as many points are tried as ends of the line

struct EdgePoint {
  double x, z;
};

// x = offset + slope z
struct Line {
  double offset = 0, slope = 0;
  double at(double z) const { return offset + slope * z; }
  bool holds(const EdgePoint& p) const { return std::abs(p.x - at(p.z)) <= on_line_px * std::sqrt(1 + slope * slope); }
};

std::vector<EdgePoint> lateral_steps(const float* v, Index height, Index width) {
  std::vector<EdgePoint> points;
  for (Index i = 0; i < height; ++i) {
    Index best = -1;
    double largest = step_mps;
    for (Index j = 0; j + 1 < width; ++j) {
      const double step = std::abs(static_cast<double>(v[i * width + j + 1]) - static_cast<double>(v[i * width + j]));
      if (step > largest) largest = step, best = j;
    }
    if (best >= 0) points.push_back({static_cast<double>(best) + 0.5, static_cast<double>(i)});
  }
  return points;
}

std::vector<EdgePoint> on_line(const std::vector<EdgePoint>& points, const Line& line) {
  std::vector<EdgePoint> out;
  std::copy_if(points.begin(), points.end(), std::back_inserter(out),
               [&](const EdgePoint& p) { return line.holds(p); });
  return out;
}

Line fit_line(const std::vector<EdgePoint>& points) {
  double x = 0, z = 0, zz = 0, xz = 0;
  const auto n = static_cast<double>(points.size());
  for (const EdgePoint& p : points) x += p.x / n, z += p.z / n;
  for (const EdgePoint& p : points) zz += (p.z - z) * (p.z - z), xz += (p.x - x) * (p.z - z);
  const double slope = zz > 0 ? xz / zz : 0;
  return {x - slope * z, slope};
}

// Value to the left (-1) or right (1) of the line at depth z, null outside.
const float* beside(const float* v, Index height, Index width, const Line& line, Index z, int side) {
  const auto x = static_cast<Index>(std::lround(line.at(static_cast<double>(z)))) + side * beside_px;
  return z < 0 || z >= height || x < 0 || x >= width ? nullptr : v + z * width + x;
}

Index best_throw(const float* v, Index height, Index width, const Line& line) {
  const Index most = height / 5;
  Index best = -1;
  double least = std::numeric_limits<double>::infinity();
  for (Index size = 0; size <= most; ++size) {  // the smaller one of equals
    for (const Index s : {size, -size}) {
      double sum = 0, count = 0;
      for (Index z = 0; z < height; ++z) {
        // The block on the right has moved along the fault: rows are compared that stood side by side before.
        const float *left = beside(v, height, width, line, z, -1), *right = beside(v, height, width, line, z + s, 1);
        if (left == nullptr || right == nullptr) continue;
        sum += std::abs(static_cast<double>(*left) - static_cast<double>(*right));
        ++count;
      }
      if (count >= 0.5 * static_cast<double>(height) && sum / count < least) least = sum / count, best = size;
    }
  }
  return best;
}

// Depth of the first step of every column; empty if one has none.
std::vector<double> first_interface(const float* v, Index height, Index width) {
  std::vector<double> depth;
  for (Index j = 0; j < width; ++j) {
    Index i = 1;
    while (i < height && std::abs(v[i * width + j] - v[(i - 1) * width + j]) <= step_mps) ++i;
    if (i == height) return {};
    depth.push_back(static_cast<double>(i));
  }
  return depth;
}

// Power at 1 .. `cycles` over the width.
std::vector<double> power_of(const std::vector<double>& depth) {
  const auto n = static_cast<double>(depth.size());
  std::vector<double> power;
  for (Index k = 1; k <= cycles; ++k) {
    double re = 0, im = 0;  // of whole cycles: the mean has no part in them
    for (std::size_t x = 0; x < depth.size(); ++x) {
      const double phase = 2 * std::numbers::pi * static_cast<double>(k) * static_cast<double>(x) / n;
      re += depth[x] * std::cos(phase);
      im += depth[x] * std::sin(phase);
    }
    power.push_back(2 * k <= static_cast<Index>(depth.size()) ? re * re + im * im : 0);
  }
  return power;
}

}  // namespace

Fault find_fault(const float* v, Index height, Index width) {
  const std::vector<EdgePoint> points = lateral_steps(v, height, width);
  const auto least = static_cast<std::size_t>(std::max<Index>(8, height / 8));
  if (points.size() < least) return {};
  std::size_t most = 0;
  Line line;
  const std::size_t stride = 1 + points.size() / anchors;
  for (std::size_t a = 0; a < points.size(); a += stride) {
    for (std::size_t b = a + 4 * stride; b < points.size(); b += stride) {  // near rows say little about a slope
      const Line through = fit_line({points[a], points[b]});
      const auto count = static_cast<std::size_t>(
          std::count_if(points.begin(), points.end(), [&](const EdgePoint& p) { return through.holds(p); }));
      if (count > most) most = count, line = through;
    }
  }
  if (most < least || 2 * most < points.size()) return {};
  const std::vector<EdgePoint> own = on_line(points, line);
  if (own.back().z - own.front().z < 0.25 * static_cast<double>(height)) return {};
  line = fit_line(own);
  Fault f;
  f.found = true;
  f.x0 = line.at(0.5 * static_cast<double>(height - 1));
  f.dip_degrees = std::atan2(1.0, std::abs(line.slope)) * 180 / std::numbers::pi;
  f.lean = line.slope < 0 ? -1 : 1;
  f.throw_px = best_throw(v, height, width, line);
  return f;
}

MapGeometry map_geometry(const ModelSet& maps) {
  const Index height = maps.extent[0], width = maps.extent[2], count = maps.count();
  require(count >= 1 && maps.extent[1] == 1, ErrorCode::data, "there are no maps to look for faults in");
  MapGeometry g;
  g.dip.assign(9, 0);
  g.throw_px.assign(static_cast<std::size_t>(height / 5 + 1), 0);
  g.interface_power.assign(static_cast<std::size_t>(cycles), 0);
  double faults = 0, throws = 0;
  std::vector<double> ranges;
  for (Index k = 0; k < count; ++k) {
    const float* v = maps.values.data() + k * maps.points();
    if (const Fault f = find_fault(v, height, width); f.found) {
      ++faults;
      ++g.dip[static_cast<std::size_t>(std::min(f.dip_degrees / 10, 8.0))];
      if (f.throw_px >= 0) ++g.throw_px[static_cast<std::size_t>(f.throw_px)], ++throws;
    }
    const std::vector<double> depth = first_interface(v, height, width);
    if (depth.empty()) continue;
    const auto [low, high] = std::minmax_element(depth.begin(), depth.end());
    if (*high - *low <= 1) continue;
    ranges.push_back(*high - *low);
    const std::vector<double> power = power_of(depth);
    double sum = 0;
    for (const double p : power) sum += p;
    for (std::size_t c = 0; c < power.size(); ++c) g.interface_power[c] += power[c] / sum;
  }
  const auto share = [](std::vector<double>& v, double all) {
    for (double& x : v) x = all > 0 ? x / all : 0;
  };
  share(g.dip, faults);
  share(g.throw_px, throws);
  share(g.interface_power, static_cast<double>(ranges.size()));
  g.faults = static_cast<Index>(faults);
  g.throws = static_cast<Index>(throws);
  g.interfaces = static_cast<Index>(ranges.size());
  g.fault_share = faults / static_cast<double>(count);
  g.interface_share = static_cast<double>(ranges.size()) / static_cast<double>(count);
  g.interface_range_px = median_of(std::move(ranges));
  return g;
}

}  // namespace terrane
