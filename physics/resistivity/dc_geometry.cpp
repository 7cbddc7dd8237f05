// SPDX-License-Identifier: MIT
#include "physics/resistivity/dc_geometry.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <utility>

namespace terrane {
namespace {

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

struct Term {
  double sign;
  Index current, potential;
};

std::array<Term, 4> terms(const DcDatum& d) { return {{{1, d.a, d.m}, {-1, d.b, d.m}, {-1, d.a, d.n}, {1, d.b, d.n}}}; }

const Point3& electrode(const DcSurvey& survey, Index e) { return survey.electrodes[static_cast<std::size_t>(e)]; }

double distance(const Point3& p, const Point3& q) { return std::hypot(p.x_m - q.x_m, p.z_m - q.z_m, p.y_m - q.y_m); }

bool close(double a, double b) { return std::fabs(a - b) <= 0.01 * std::max(std::fabs(a), std::fabs(b)); }

// Mean of the electrodes that are not at infinity.
Point3 middle(const DcSurvey& survey, Index one, Index two) {
  if (one < 0) return electrode(survey, two);
  if (two < 0) return electrode(survey, one);
  const Point3 &p = electrode(survey, one), &q = electrode(survey, two);
  return {(p.x_m + q.x_m) / 2, (p.z_m + q.z_m) / 2, (p.y_m + q.y_m) / 2};
}

bool buried(const DcDatum& d, const std::vector<double>& depth_m) {
  for (const Index e : {d.a, d.b, d.m, d.n}) {
    if (e >= 0 && depth_m[static_cast<std::size_t>(e)] > 0) return true;
  }
  return false;
}

// Length of the way to each electrode from the first in the order of x.
std::vector<double> along_ground(const std::vector<Point3>& electrodes) {
  std::vector<std::size_t> order(electrodes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](auto i, auto j) { return electrodes[i].x_m < electrodes[j].x_m; });
  std::vector<double> place(electrodes.size(), 0.0);
  for (std::size_t i = 1; i < order.size(); ++i) {
    place[order[i]] = place[order[i - 1]] + distance(electrodes[order[i]], electrodes[order[i - 1]]);
  }
  return place;
}

DcArray array_of(const DcDatum& d, const std::vector<double>& place) {
  const int current = (d.a >= 0 ? 1 : 0) + (d.b >= 0 ? 1 : 0), potential = (d.m >= 0 ? 1 : 0) + (d.n >= 0 ? 1 : 0);
  if (current == 1 && potential == 1) return DcArray::pole_pole;
  if (current + potential == 3) return DcArray::pole_dipole;
  if (current + potential != 4) return DcArray::other;
  const auto x = [&](Index e) { return place[static_cast<std::size_t>(e)]; };
  double a = std::min(x(d.a), x(d.b)), b = std::max(x(d.a), x(d.b));
  double m = std::min(x(d.m), x(d.n)), n = std::max(x(d.m), x(d.n));
  if (b <= m || n <= a) return DcArray::dipole_dipole;
  if (m < a && b < n) {
    std::swap(a, m);
    std::swap(b, n);
  }
  if (!(a < m && n < b)) return DcArray::other;
  if (!close(m - a, b - n)) return DcArray::gradient;
  return close(m - a, n - m) ? DcArray::wenner : DcArray::schlumberger;
}

}  // namespace

double surface_z_m(const std::vector<Point3>& topography, double x_m) {
  if (topography.empty()) return 0;
  const auto right =
      std::lower_bound(topography.begin(), topography.end(), x_m, [](const Point3& p, double x) { return p.x_m < x; });
  if (right == topography.begin()) return topography.front().z_m;
  if (right == topography.end()) return topography.back().z_m;
  const Point3 &a = *(right - 1), &b = *right;
  return std::lerp(a.z_m, b.z_m, (x_m - a.x_m) / (b.x_m - a.x_m));
}

std::vector<double> electrode_depths_m(const std::vector<Point3>& electrodes, const std::vector<Point3>& topography,
                                       std::string* assumed) {
  std::vector<double> depth(electrodes.size(), 0.0);
  double level = 0;
  if (topography.empty()) {
    std::vector<std::pair<double, double>> places;  // x, y
    for (const Point3& p : electrodes) {
      places.emplace_back(p.x_m, p.y_m);
      level = std::min(level, p.z_m);
    }
    std::sort(places.begin(), places.end());
    const bool boreholes = std::adjacent_find(places.begin(), places.end()) != places.end();
    const bool flat = std::all_of(electrodes.begin(), electrodes.end(), [](const Point3& p) { return p.z_m == 0; });
    if (assumed != nullptr && !flat) {
      *assumed = boreholes ? "the surface of the ground is taken for level at z = " + std::to_string(level) + " m"
                           : "all electrodes are taken to lie on the surface of the ground";
    }
    if (!boreholes) return depth;
  }
  for (std::size_t i = 0; i < depth.size(); ++i) {
    const double surface = topography.empty() ? level : surface_z_m(topography, electrodes[i].x_m);
    depth[i] = std::max(0.0, electrodes[i].z_m - surface);
  }
  return depth;
}

std::vector<double> geometric_factors_m(const DcSurvey& survey, const std::vector<double>& depth_m) {
  std::vector<double> factors;
  for (const DcDatum& d : survey.data) {
    double sum = 0, size = 0;
    for (const Term& t : terms(d)) {
      if (t.current < 0 || t.potential < 0) continue;
      const double r = distance(electrode(survey, t.current), electrode(survey, t.potential));
      const double image = std::sqrt(r * r + 4 * depth_m[static_cast<std::size_t>(t.current)] *
                                                 depth_m[static_cast<std::size_t>(t.potential)]);
      const double g = 1 / r + 1 / image;
      sum += t.sign * g;
      size += g;
    }
    const bool cancels = std::fabs(sum) <= 1e-9 * size;
    factors.push_back(!std::isfinite(size) ? nan_value
                      : cancels            ? std::numeric_limits<double>::infinity()
                                           : 4 * std::numbers::pi / sum);
  }
  return factors;
}

const char* to_string(DcArray array) {
  static constexpr const char* names[] = {"Wenner",    "Schlumberger", "dipole-dipole", "pole-dipole",
                                          "pole-pole", "gradient",     "other"};
  return names[static_cast<int>(array)];
}

std::vector<DcArray> dc_arrays(const DcSurvey& survey, const std::vector<double>& depth_m) {
  const std::vector<double> place = along_ground(survey.electrodes);
  std::vector<DcArray> arrays;
  for (const DcDatum& d : survey.data) arrays.push_back(buried(d, depth_m) ? DcArray::other : array_of(d, place));
  return arrays;
}

double median_depth_m(const DcSurvey& survey, const DcDatum& d) {
  std::array<double, 4> r{}, sign{};
  std::size_t count = 0;
  double whole = 0, longest = 0;
  for (const Term& t : terms(d)) {
    if (t.current < 0 || t.potential < 0) continue;
    r[count] = distance(electrode(survey, t.current), electrode(survey, t.potential));
    sign[count] = t.sign;
    whole += t.sign / r[count];
    longest = std::max(longest, r[count++]);
  }
  if (!std::isfinite(whole) || whole == 0) return nan_value;
  // Share of the signal from below z, less a half: falls from 1/2 to -1/2, not always steadily.
  const auto below = [&](double z) {
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) sum += sign[i] / std::sqrt(r[i] * r[i] + 4 * z * z);
    return sum / whole - 0.5;
  };
  double low = 0, high = longest / 64;
  while (below(high) > 0 && high < 64 * longest) {
    low = high;
    high *= 1.25;
  }
  if (below(high) > 0) return nan_value;
  for (int i = 0; i < 60; ++i) {
    const double half = (low + high) / 2;
    (below(half) > 0 ? low : high) = half;
  }
  return (low + high) / 2;
}

std::vector<Point3> pseudosection(const DcSurvey& survey, const std::vector<Point3>& topography) {
  const std::vector<double> depth = electrode_depths_m(survey.electrodes, topography);
  std::vector<Point3> points;
  for (const DcDatum& d : survey.data) {
    const Point3 current = middle(survey, d.a, d.b), potential = middle(survey, d.m, d.n);
    Point3 p{(current.x_m + potential.x_m) / 2, (current.z_m + potential.z_m) / 2, (current.y_m + potential.y_m) / 2};
    const double z = buried(d, depth) ? nan_value : median_depth_m(survey, d);
    if (std::isfinite(z)) p.z_m = (topography.empty() ? p.z_m : surface_z_m(topography, p.x_m)) + z;
    points.push_back(p);
  }
  return points;
}

}  // namespace terrane
