// SPDX-License-Identifier: MIT
#include "engine/diffusion/conditions.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "engine/io/file.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/text_rows.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

// Fills the numbers of one layout; rows and columns are those of its image.
class ConditionImage {
 public:
  explicit ConditionImage(const ConditionLayout& layout)
      : o_(layout), values_(static_cast<std::size_t>(layout.values()), 0.0F) {}

  void add_well(const WellColumn& well) {
    require(well.column >= 0 && well.column < o_.size && static_cast<Index>(well.vp_mps.size()) == o_.size,
            ErrorCode::config, "a well lies outside the model");
    const Index j = o_.planar ? well.column * o_.side / o_.size : well.column + padding();
    for (Index i = 0; i < o_.side; ++i) {
      at(i, j, 0) = 1;
      at(i, j, 1) = map_value(well.vp_mps[static_cast<std::size_t>(pixel(i))]);
    }
  }
  void add_reflectivity(const std::vector<float>& r) {
    require(static_cast<Index>(r.size()) == o_.size * o_.size, ErrorCode::config,
            "the reflectivity is not of the size of the models");
    const Index channel = o_.kinds.wells > 0 ? 2 : 0;
    for (Index i = 0; i < o_.side; ++i) {
      const bool inside = o_.planar || (i >= padding() && i < padding() + o_.size);
      for (Index j = 0; inside && j < o_.side; ++j) at(i, j, channel) = o_.planar ? strongest(r, i, j) : r_at(r, i, j);
    }
  }
  std::vector<float> take() { return std::move(values_); }

 private:
  float& at(Index i, Index j, Index channel) {
    const Index k =
        o_.planar ? (channel * o_.side + i) * o_.side + j : (i * o_.side + j) * o_.kinds.channels() + channel;
    return values_[static_cast<std::size_t>(k)];
  }
  Index padding() const { return (o_.side - o_.size) / 2; }
  // Row or column of the model that one of the image stands for.
  Index pixel(Index i) const {
    if (o_.planar) return (2 * i + 1) * o_.size / (2 * o_.side);
    return std::clamp<Index>(i - padding(), 0, o_.size - 1);
  }
  float r_at(const std::vector<float>& r, Index i, Index j) const {
    return r[static_cast<std::size_t>(pixel(i) * o_.size + pixel(j))];
  }
  float strongest(const std::vector<float>& r, Index i, Index j) const {
    const auto begin = [&](Index k) { return k * o_.size / o_.side; };
    const auto end = [&](Index k) { return std::max(begin(k) + 1, (k + 1) * o_.size / o_.side); };
    float best = 0;
    for (Index a = begin(i); a < end(i); ++a) {
      for (Index b = begin(j); b < end(j); ++b) {
        const float v = r[static_cast<std::size_t>(a * o_.size + b)];
        if (std::abs(v) > std::abs(best)) best = v;
      }
    }
    return best;
  }
  const ConditionLayout& o_;
  std::vector<float> values_;
};

}  // namespace

std::vector<Index> ConditionLayout::groups() const {
  std::vector<Index> g = kinds.groups();
  if (planar) {
    for (Index& n : g) n *= side * side;
  }
  return g;
}

nlohmann::ordered_json ConditionLayout::to_json() const {
  return {
      {"wells", kinds.wells}, {"reflectivity", kinds.reflectivity}, {"size", size}, {"side", side}, {"planar", planar}};
}

ConditionLayout condition_layout(const nlohmann::ordered_json& section, const std::string& path) {
  try {
    ConditionLayout o;
    o.kinds.wells = section.at("wells");
    o.kinds.reflectivity = section.at("reflectivity");
    o.size = section.at("size");
    o.side = section.at("side");
    o.planar = section.at("planar");
    return o;
  } catch (const nlohmann::ordered_json::exception& e) {
    throw Error(ErrorCode::data, e.what(), path);
  }
}

ModelConditions conditions_of(const float* model, const ConditionLayout& o, const std::vector<Index>& columns) {
  ModelConditions c;
  for (const Index j : columns) {
    WellColumn well{j, {}};
    for (Index i = 0; i < o.size; ++i) well.vp_mps.push_back(model[i * o.size + j]);
    c.wells.push_back(std::move(well));
  }
  if (o.kinds.reflectivity) c.reflectivity = reflectivity(model, o.size, o.size);
  return c;
}

std::vector<float> condition_values(const ConditionLayout& o, const ModelConditions& given) {
  require(given.wells.empty() || o.kinds.wells > 0, ErrorCode::config, "the generator was trained without wells");
  require(given.reflectivity.empty() || o.kinds.reflectivity, ErrorCode::config,
          "the generator was trained without reflectivity");
  ConditionImage image(o);
  for (const WellColumn& well : given.wells) image.add_well(well);
  if (!given.reflectivity.empty()) image.add_reflectivity(given.reflectivity);
  return image.take();
}

CodeConditions code_conditions(const ConditionLayout& o, std::shared_ptr<const std::vector<float>> models,
                               std::uint64_t seed) {
  return [o, models, seed](Index model, Index number) {
    const float* values = models->data() + model * o.size * o.size;
    return condition_values(o, conditions_of(values, o, well_columns(seed, number, o.kinds.wells, o.size)));
  };
}

std::vector<WellColumn> read_wells(const std::string& path, Index size, double extent_m) {
  const std::string text = read_file(path);
  const TextRows rows(text, path, "#", true);
  std::map<double, std::map<double, double>> wells;  // x, then depth
  for (const TextRow& row : rows.rows) {
    if (row.tokens.size() != 3) rows.fail(row, "a line of a well has three numbers: x, z (m) and velocity (m/s)");
    const double x = rows.number(row, 0), z = rows.number(row, 1), vp = rows.number(row, 2);
    if (x < 0 || x > extent_m) {
      rows.fail(row, "x = " + short_number(x) + " m lies outside the model, 0 to " + short_number(extent_m) + " m");
    }
    if (vp <= 0) rows.fail(row, "a velocity is positive");
    if (!wells[x].emplace(z, vp).second) rows.fail(row, "the well has two values at this depth");
  }
  if (wells.empty()) throw Error(ErrorCode::data, "the file holds no well: lines of x, z (m) and velocity (m/s)", path);
  std::vector<WellColumn> out;
  const double cell = extent_m / static_cast<double>(size);
  for (const auto& [x, log] : wells) {
    WellColumn well{std::min(size - 1, static_cast<Index>(std::floor(x / cell))), {}};
    for (Index i = 0; i < size; ++i) {
      const double z = (static_cast<double>(i) + 0.5) * cell;
      const auto below = log.lower_bound(z);
      double v = below == log.end() ? log.rbegin()->second : below->second;
      if (below != log.end() && below != log.begin()) {
        const auto above = std::prev(below);
        const double share = (z - above->first) / (below->first - above->first);
        v = above->second + share * (below->second - above->second);
      }
      well.vp_mps.push_back(static_cast<float>(v));
    }
    out.push_back(std::move(well));
  }
  return out;
}

std::vector<float> read_reflectivity(const std::string& path, Index size) {
  NdArray<float> a = read_npy<float>(path);
  if (a.shape != std::vector<Index>{size, size}) {
    throw Error(
        ErrorCode::data,
        "the reflectivity is not of the size of the models, " + std::to_string(size) + " x " + std::to_string(size),
        path);
  }
  float largest = 0;
  for (const float v : a.values) {
    if (!std::isfinite(v)) throw Error(ErrorCode::data, "the reflectivity holds NaN or infinity", path);
    largest = std::max(largest, std::abs(v));
  }
  for (float& v : a.values) v = largest > 0 ? v / largest : 0.0F;
  return a.values;
}

PointValues well_points(const std::vector<WellColumn>& wells, Index size) {
  DecoderWindow window;
  window.extent = {size, 1, size};
  const std::vector<float> pixels = window_coordinates(window, 2);
  PointValues known;
  for (const WellColumn& well : wells) {
    for (Index i = 0; i < std::ssize(well.vp_mps); ++i) {
      const auto at = pixels.begin() + 2 * (i * size + well.column);
      known.coordinates.insert(known.coordinates.end(), at, at + 2);
    }
    known.vp_mps.insert(known.vp_mps.end(), well.vp_mps.begin(), well.vp_mps.end());
  }
  return known;
}

ModelConditions conditions_of_source(const nlohmann::ordered_json& source, const ConditionLayout& layout) {
  ModelConditions given;
  if (!source.at("wells").is_null()) given.wells = read_wells(source.at("wells"), layout.size, source.at("extent_m"));
  if (!source.at("reflectivity").is_null()) {
    given.reflectivity = read_reflectivity(source.at("reflectivity"), layout.size);
  }
  return given;
}

}  // namespace terrane
