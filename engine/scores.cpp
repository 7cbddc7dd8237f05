// SPDX-License-Identifier: MIT
#include "engine/scores.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include "analysis/metrics.hpp"
#include "engine/json.hpp"
#include "engine/property.hpp"

namespace terrane {

namespace {

// Nodes of the largest part of `inside` that is connected through the four neighbours.
std::vector<Index> largest_part(const std::vector<char>& inside, const Grid2& g) {
  std::vector<Index> best;
  std::vector<char> seen(inside.size(), 0);
  for (Index first = 0; first < g.cells(); ++first) {
    if (inside[static_cast<std::size_t>(first)] == 0 || seen[static_cast<std::size_t>(first)] != 0) continue;
    std::vector<Index> part{first};
    seen[static_cast<std::size_t>(first)] = 1;
    for (std::size_t k = 0; k < part.size(); ++k) {
      const Index z = part[k] / g.nx, x = part[k] % g.nx;
      const Index next[4] = {z > 0 ? part[k] - g.nx : -1, z + 1 < g.nz ? part[k] + g.nx : -1, x > 0 ? part[k] - 1 : -1,
                             x + 1 < g.nx ? part[k] + 1 : -1};
      for (const Index n : next) {
        if (n < 0 || inside[static_cast<std::size_t>(n)] == 0 || seen[static_cast<std::size_t>(n)] != 0) continue;
        seen[static_cast<std::size_t>(n)] = 1;
        part.push_back(n);
      }
    }
    if (part.size() > best.size()) best = part;
  }
  return best;
}

// Degrees in [0, 180) from +x towards +z of the longest axis of the nodes.
double principal_axis_deg(const std::vector<Index>& nodes, const Grid2& g) {
  double n = 0, sx = 0, sz = 0, sxx = 0, szz = 0, sxz = 0;
  for (const Index k : nodes) {
    const double x = static_cast<double>(k % g.nx) * g.dx_m, z = static_cast<double>(k / g.nx) * g.dz_m;
    n += 1, sx += x, sz += z, sxx += x * x, szz += z * z, sxz += x * z;
  }
  const double a = sxx / n - sx * sx / n / n, b = szz / n - sz * sz / n / n, c = sxz / n - sx * sz / n / n;
  const double angle = 0.5 * std::atan2(2 * c, a - b) * 180 / 3.14159265358979323846;
  return angle < 0 ? angle + 180 : angle;
}

// What errors are taken of: the value, or log10 of a conductivity or resistivity.
std::vector<double> scored(const std::vector<double>& m, const PropertyInfo& p) {
  if (!p.electric()) return m;
  std::vector<double> decades;
  for (const double v : m) decades.push_back(std::log10(p.value_of(v)));
  return decades;
}
std::string scored_suffix(const PropertyInfo& p) { return p.electric() ? "_log10" : p.suffix(); }

// A score of two maps (nz, nx), in three dimensions its mean over the sections at all y.
template <class F>
double over_sections(const std::vector<double>& a, const std::vector<double>& truth, const Grid3& g, const F& score) {
  if (g.flat()) return score(std::span<const double>(a), std::span<const double>(truth));
  const auto section = [&](const std::vector<double>& m, Index y) {
    std::vector<double> s;
    for (Index z = 0; z < g.nz; ++z) {
      const auto row = m.begin() + (z * g.ny + y) * g.nx;
      s.insert(s.end(), row, row + g.nx);
    }
    return s;
  };
  double sum = 0;
  for (Index y = 0; y < g.ny; ++y) {
    const std::vector<double> one = section(a, y), other = section(truth, y);
    sum += score(std::span<const double>(one), std::span<const double>(other));
  }
  return sum / static_cast<double>(g.ny);
}

double x_of(Index node, const Grid2& g) { return g.x0_m + static_cast<double>(node % g.nx) * g.dx_m; }
double z_of(Index node, const Grid2& g) { return g.z0_m + static_cast<double>(node / g.nx) * g.dz_m; }

bool in_span(double v, const Json& span) {
  const double a = span[0], b = span[1], slack = 1e-9 * std::max({1.0, std::abs(a), std::abs(b)});
  return v >= a - slack && v <= b + slack;
}

// (nodes); all of them without a region. A box without y_m takes every y.
std::vector<char> inside_of(const Json& region, const Grid3& g) {
  std::vector<char> inside(static_cast<std::size_t>(g.cells()), 1);
  if (region.is_null()) return inside;
  const bool disc = region.at("type").get<std::string>() == "disc";
  for (Index k = 0; k < g.cells(); ++k) {
    const auto [iz, iy, ix] = g.place(k);
    const double x = g.at_m(2, ix), y = g.at_m(1, iy), z = g.at_m(0, iz);
    bool in = false;
    if (disc) {
      const double dx = x - region.at("x_m").get<double>(), dz = z - region.at("z_m").get<double>();
      const double r = region.at("radius_m");
      in = dx * dx + dz * dz <= r * r;
    } else {
      in = in_span(x, region.at("x_m")) && in_span(z, region.at("z_m")) &&
           (region.at("y_m").is_null() || in_span(y, region.at("y_m")));
    }
    inside[static_cast<std::size_t>(k)] = in ? 1 : 0;
  }
  return inside;
}

// Line through the centres of the rows, x = a + b z with z up: atan2(1, b) in degrees.
Json dip_deg(const Json& dip, const std::vector<double>& model, const Problem& p) {
  const Grid2 g = p.grid.section();
  const double background =
      convert_property(dip.at("background_siemens_per_m"), Quantity::conductivity, p.property->quantity);
  double w = 0, wz = 0, wx = 0, wzz = 0, wzx = 0;
  for (Index row = 0; row < g.nz; ++row) {
    const double z = -z_of(row * g.nx, g);
    if (!in_span(-z, dip.at("z_m"))) continue;
    double sum = 0, moment = 0;
    for (Index k = row * g.nx; k < (row + 1) * g.nx; ++k) {
      if (!in_span(x_of(k, g), dip.at("x_m"))) continue;
      const double contrast = std::log(p.property->value_of(model[static_cast<std::size_t>(k)]) / background);
      const double weight = std::max(0.0, p.property->quantity == Quantity::resistivity ? -contrast : contrast);
      sum += weight, moment += weight * x_of(k, g);
    }
    if (sum <= 0) continue;
    w += sum, wz += sum * z, wx += moment, wzz += sum * z * z, wzx += moment * z;
  }
  const double spread = w * wzz - wz * wz;
  if (!(spread > 0)) return nullptr;
  return number_or_null(std::atan2(1.0, (w * wzx - wz * wx) / spread) * 180 / 3.14159265358979323846);
}

}  // namespace

Json model_errors(const std::vector<double>& model, const Problem& problem) {
  const Grid3& grid = problem.grid;
  const PropertyInfo& p = *problem.property;
  const std::vector<double> own = scored(model, p), truth = scored(problem.true_model, p);
  const std::span<const double> a(own), t(truth);
  const std::string suffix = scored_suffix(p);
  const double m = mse(a, t);
  const auto [lo, hi] = std::minmax_element(truth.begin(), truth.end());
  Json errors{{"property", p.name}};
  if (p.quantity == Quantity::velocity) errors["mse_km2_s2"] = number_or_null(m * 1e-6);
  errors["mae" + suffix] = number_or_null(mae(a, t));
  errors["rmse" + suffix] = number_or_null(std::sqrt(m));
  if (!p.electric()) errors["relative_l2"] = number_or_null(relative_l2(a, t));
  const double least = *lo, most = *hi;
  using Span = std::span<const double>;
  errors["ssim"] = {{"minmax", number_or_null(over_sections(own, truth, grid, [&](Span m, Span s) {
                       return ssim_minmax(m, s, grid.nz, grid.nx, least, most);
                     }))}};
  if (p.quantity == Quantity::velocity) {
    errors["ssim"]["openfwi"] = number_or_null(
        over_sections(own, truth, grid, [&](Span m, Span s) { return ssim_openfwi(m, s, grid.nz, grid.nx); }));
  }
  errors["ssim"]["skimage"] = number_or_null(over_sections(own, truth, grid, [&](Span m, Span s) {
    return ssim_skimage(m, s, grid.nz, grid.nx, most > least ? most - least : 1.0);
  }));
  if (!grid.flat()) errors["ssim"]["of"] = "mean over the vertical sections (z, x) at all y";
  return errors;
}

NamedError model_rmse(const std::vector<double>& model, const Problem& problem) {
  const std::vector<double> own = scored(model, *problem.property),
                            truth = scored(problem.true_model, *problem.property);
  return {"rmse" + scored_suffix(*problem.property),
          rmse(std::span<const double>(own), std::span<const double>(truth))};
}

Json region_errors(const Json& region, const std::vector<double>& model, const Problem& problem) {
  const PropertyInfo& p = *problem.property;
  const std::vector<double> m = scored(model, p), t = scored(problem.true_model, p), s = scored(problem.start, p);
  const auto inside = inside_of(region, problem.grid);
  double sum = 0, start = 0, absolute = 0, a = 0, b = 0, aa = 0, bb = 0, ab = 0, n = 0;
  for (std::size_t i = 0; i < m.size(); ++i) {
    if (inside[i] == 0) continue;
    const double e = m[i] - t[i], f = s.empty() ? std::nan("") : s[i] - t[i];
    sum += e * e, start += f * f, absolute += std::abs(e), n += 1;
    a += m[i], b += t[i], aa += m[i] * m[i], bb += t[i] * t[i], ab += m[i] * t[i];
  }
  const std::string suffix = scored_suffix(p);
  Json errors{{"nodes", static_cast<Index>(n)},
              {"rmse" + suffix, number_or_null(std::sqrt(sum / n))},
              {"mae" + suffix, number_or_null(absolute / n)},
              {"start_rmse" + suffix, number_or_null(std::sqrt(start / n))}};
  if (n > 1) errors["correlation"] = number_or_null((n * ab - a * b) / std::sqrt((n * aa - a * a) * (n * bb - b * b)));
  return errors;
}

Json body_errors(const Json& body, const Json& region, const std::vector<double>& model, const Problem& problem) {
  const PropertyInfo& p = *problem.property;
  const double threshold = property_value(body, "threshold", p);
  const auto region_nodes = inside_of(region, problem.grid);
  const std::vector<double> own = scored(model, p), truth = scored(problem.true_model, p);
  std::vector<char> found, true_body;
  double both = 0, either = 0, inside = 0, mean = 0, error = 0;
  for (std::size_t i = 0; i < model.size(); ++i) {
    found.push_back(region_nodes[i] != 0 && model[i] > threshold ? 1 : 0);
    true_body.push_back(region_nodes[i] != 0 && problem.true_model[i] > threshold ? 1 : 0);
    both += found[i] * true_body[i];
    either += found[i] | true_body[i];
    inside += true_body[i];
    mean += true_body[i] * model[i];
    error += true_body[i] * (own[i] - truth[i]);
  }
  const auto axis = [&](const std::vector<char>& nodes) {
    const auto part = largest_part(nodes, problem.grid.section());
    return part.size() < 2 ? Json(nullptr) : number_or_null(principal_axis_deg(part, problem.grid.section()));
  };
  Json errors{{"threshold" + p.suffix(), p.value_of(threshold)},
              {"iou", number_or_null(both / either)},
              {"mean" + p.suffix(), number_or_null(p.value_of(mean / inside))},
              {"mean_error" + scored_suffix(p), number_or_null(error / inside)}};
  if (problem.grid.flat()) errors["axis_deg"] = axis(found), errors["true_axis_deg"] = axis(true_body);
  if (!body.at("dip").is_null()) {
    errors["dip_deg"] = dip_deg(body.at("dip"), model, problem);
    errors["true_dip_deg"] = dip_deg(body.at("dip"), problem.true_model, problem);
  }
  return errors;
}

}  // namespace terrane
