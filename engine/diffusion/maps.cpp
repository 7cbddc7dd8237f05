// SPDX-License-Identifier: MIT
#include "engine/diffusion/maps.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/runtime/error.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {
namespace {

// Streams of random numbers of this file; beyond those of RandomPurpose, of the codecs and of the trainer.
constexpr std::uint32_t purpose_epoch = 61, purpose_flip = 62, purpose_wells = 63;
constexpr float offset_mps = 3000, scale_mps = 1500;

struct Epoch {
  Index number = -1;
  std::vector<Index> order;
};

Index map_of(Epoch& epoch, Index number, Index count, std::uint64_t seed) {
  if (epoch.number != number / count) {
    epoch.number = number / count;
    epoch.order.resize(static_cast<std::size_t>(count));
    std::iota(epoch.order.begin(), epoch.order.end(), Index{0});
    const Random random(seed, purpose_epoch);
    for (std::size_t k = epoch.order.size() - 1; k > 0; --k) {
      const auto at = random.integer(static_cast<std::uint64_t>(epoch.number), static_cast<std::uint32_t>(k), k + 1);
      std::swap(epoch.order[k], epoch.order[at]);
    }
  }
  return epoch.order[static_cast<std::size_t>(number % count)];
}

// Appends sample `number`, made from one map.
void append(TrainingBatch& batch, const float* map, Index height, Index width, Index number, const MapOptions& o) {
  const auto key = static_cast<std::uint64_t>(number);
  const bool flipped = o.flip && Random(o.seed, purpose_flip).integer(key, 0, 2) == 1;
  std::vector<float> changed;
  if (o.augmentation.any()) {
    changed = augmented_map(map, height, width, o.augmentation, o.seed, number);
    map = changed.data();
  }
  const std::vector<float> y = padded_map(map, height, width, o, flipped);
  batch.x.insert(batch.x.end(), y.begin(), y.end());
  if (o.conditions.channels() == 0) return;
  std::vector<Index> columns = well_columns(o.seed, number, o.conditions.wells, width);
  for (Index& c : columns) c += (o.width - width) / 2;
  const std::vector<float> c = map_condition(y, columns, o);
  batch.condition.insert(batch.condition.end(), c.begin(), c.end());
}

void check(Index height, Index width, const MapOptions& o) {
  require(height >= 1 && width >= 1 && height <= o.height && width <= o.width, ErrorCode::config,
          "the maps are larger than the images of the network");
  require(o.conditions.wells >= 0, ErrorCode::config, "the number of wells is not negative");
  check_augmentation(o.augmentation);
}

}  // namespace

std::vector<Index> MapConditions::groups() const {
  std::vector<Index> g;
  if (wells > 0) g.push_back(2);
  if (reflectivity) g.push_back(1);
  return g;
}

float map_value(float vp_mps) { return (vp_mps - offset_mps) / scale_mps; }

std::vector<Index> well_columns(std::uint64_t seed, Index number, Index wells, Index width) {
  const Random random(seed, purpose_wells);
  std::vector<Index> columns;
  for (Index w = 0; w < wells; ++w) {
    columns.push_back(static_cast<Index>(random.integer(
        static_cast<std::uint64_t>(number), static_cast<std::uint32_t>(w), static_cast<std::uint64_t>(width))));
  }
  return columns;
}

std::vector<float> reflectivity(const float* v, Index height, Index width) {
  std::vector<float> r(static_cast<std::size_t>(height * width), 0.0F);
  float largest = 0;
  for (Index k = 0; k + width < height * width; ++k) {
    const float a = v[k], b = v[k + width];
    r[static_cast<std::size_t>(k)] = (b - a) / (b + a);
    largest = std::max(largest, std::abs(r[static_cast<std::size_t>(k)]));
  }
  if (largest == 0) return r;
  for (float& e : r) e /= largest;
  return r;
}

std::vector<float> padded_map(const float* values, Index height, Index width, const MapOptions& o, bool flipped) {
  std::vector<float> y;
  const Index above = (o.height - height) / 2, left = (o.width - width) / 2;
  for (Index i = 0; i < o.height; ++i) {
    const Index r = std::clamp<Index>(i - above, 0, height - 1);
    for (Index j = 0; j < o.width; ++j) {
      const Index c = std::clamp<Index>(j - left, 0, width - 1);
      y.push_back(map_value(values[r * width + (flipped ? width - 1 - c : c)]));
    }
  }
  return y;
}

std::vector<float> map_condition(const std::vector<float>& y, const std::vector<Index>& well_columns,
                                 const MapOptions& o) {
  const Index channels = o.conditions.channels(), first = o.conditions.wells > 0 ? 2 : 0;
  std::vector<float> c(static_cast<std::size_t>(o.height * o.width * channels), 0.0F);
  const auto at = [&](Index i, Index j, Index channel) -> float& {
    return c[static_cast<std::size_t>((i * o.width + j) * channels + channel)];
  };
  const auto value = [&](Index i, Index j) { return y[static_cast<std::size_t>(i * o.width + j)]; };
  for (const Index j : well_columns) {
    require(o.conditions.wells > 0 && j >= 0 && j < o.width, ErrorCode::config, "a well lies outside the map");
    for (Index i = 0; i < o.height; ++i) {
      at(i, j, 0) = 1;
      at(i, j, 1) = value(i, j);
    }
  }
  if (!o.conditions.reflectivity) return c;
  std::vector<float> vp;
  for (const float v : y) vp.push_back(offset_mps + scale_mps * v);
  const std::vector<float> r = reflectivity(vp.data(), o.height, o.width);
  for (std::size_t p = 0; p < r.size(); ++p)
    c[p * static_cast<std::size_t>(channels) + static_cast<std::size_t>(first)] = r[p];
  return c;
}

std::vector<float> cropped_maps(const std::vector<float>& samples, Index height, Index width, const MapOptions& o) {
  const Index each = o.height * o.width, above = (o.height - height) / 2, left = (o.width - width) / 2;
  std::vector<float> out;
  for (Index k = 0; k < static_cast<Index>(samples.size()) / each; ++k) {
    for (Index i = 0; i < height; ++i) {
      const auto from = samples.begin() + k * each + (i + above) * o.width + left;
      out.insert(out.end(), from, from + width);
    }
  }
  return out;
}

BatchSource map_source(std::shared_ptr<const LabelledMaps> maps, const MapOptions& o) {
  check(maps->height, maps->width, o);
  const Index count = maps->count(), each = maps->height * maps->width;
  require(count >= 1 && count * each == static_cast<Index>(maps->values.size()), ErrorCode::data,
          "there are no maps of this size to train on");
  require(maps->family.empty() || static_cast<Index>(maps->family.size()) == count, ErrorCode::data,
          "every map has one family");
  for (const float v : maps->values) require(std::isfinite(v), ErrorCode::data, "a map holds NaN or infinity");
  auto epoch = std::make_shared<Epoch>();
  return [maps, o, epoch, count, each](Index first, Index n) {
    TrainingBatch batch;
    for (Index number = first; number < first + n; ++number) {
      const Index k = map_of(*epoch, number, count, o.seed);
      append(batch, maps->values.data() + k * each, maps->height, maps->width, number, o);
      if (!maps->family.empty()) batch.family.push_back(maps->family[static_cast<std::size_t>(k)]);
    }
    return batch;
  };
}

BatchSource procedural_source(Stream& s, const std::vector<GeologyFamily>& families, Index size, Index limit,
                              const MapOptions& o) {
  check(size, size, o);
  require(!families.empty() && limit >= 0, ErrorCode::config, "at least one family of maps is given");
  const auto each = static_cast<Index>(families.size());
  return [&s, families, size, limit, o, each](Index first, Index n) {
    // Sample k of the batch, family after family: one call renders all maps of a family.
    std::vector<std::vector<float>> maps(families.size());
    GeologyOptions geology;
    geology.size = size;
    const auto begin_of = [&](Index f) { return (first - f + each - 1) / each; };  // first index of family f
    for (Index f = 0; f < each; ++f) {
      const Index begin = begin_of(f), end = (first + n - f + each - 1) / each;
      for (Index at = begin; at < end;) {
        const Index index = limit > 0 ? at % limit : at;
        const Index count = limit > 0 ? std::min(end - at, limit - index) : end - at;
        const GeologyBatch part{families[static_cast<std::size_t>(f)], o.seed, static_cast<std::uint64_t>(index), 1,
                                count};
        const std::vector<float> values = geology_maps(s, part, geology);
        auto& all = maps[static_cast<std::size_t>(f)];
        all.insert(all.end(), values.begin(), values.end());
        at += count;
      }
    }
    TrainingBatch batch;
    for (Index number = first; number < first + n; ++number) {
      const Index f = number % each, k = number / each - begin_of(f);
      append(batch, maps[static_cast<std::size_t>(f)].data() + k * size * size, size, size, number, o);
      batch.family.push_back(static_cast<int>(f));
    }
    return batch;
  };
}

}  // namespace terrane
