// SPDX-License-Identifier: MIT
#include "engine/compression/context_coder.hpp"

#include <algorithm>
#include <cmath>

#include "engine/compression/layered.hpp"
#include "kernels/runtime/math.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {

// A map being coded: values, and for every pixel how many rows up its column has kept the value.
struct ContextModel::MapState {
  std::vector<std::uint32_t>& bits;
  Index nz, nx;
  double bound;
  std::vector<int> kept;
  std::vector<std::uint32_t> palette;  // newest first

  std::uint32_t at(Index r, Index i) const {
    return bits[static_cast<std::size_t>(r * nx + std::clamp<Index>(i, 0, nx - 1))];
  }
  int kept_at(Index r, Index i) const {
    return kept[static_cast<std::size_t>(r * nx + std::clamp<Index>(i, 0, nx - 1))];
  }
  bool matches(std::uint32_t candidate, std::uint32_t value) const {
    if (candidate == value) return true;
    const auto difference = static_cast<double>(float_of(candidate)) - static_cast<double>(float_of(value));
    return bound > 0 && std::abs(difference) <= bound;
  }
};

namespace {

constexpr std::size_t weight_sets = 4 * 32;
constexpr std::size_t longest_palette = 1024;

int capped(Index n, int most) { return static_cast<int>(std::min<Index>(n, most)); }

std::uint32_t mixed(std::uint32_t h, std::uint32_t v) {
  h = (h ^ v) * 0x9E3779B1u;
  return h ^ (h >> 15);
}

// Distance from column i to the next column of row r, right (step 1) or left (step -1), with another value.
template <class Map>
int edge_distance(const Map& map, Index r, Index i, Index step, int most) {
  int n = 0;
  for (Index k = i; n < most && k + step >= 0 && k + step < map.nx; k += step, ++n) {
    if (map.at(r, k + step) != map.at(r, k)) return n;
  }
  return most;
}

// Layers bent by a parabola and displaced by a plane: the start of all frequencies.
std::vector<std::uint32_t> starting_map(std::uint64_t index, Index n) {
  const Random random(20, static_cast<std::uint32_t>(RandomPurpose::geology));
  const auto draw = [&](std::uint32_t k, double lo, double hi) { return random.uniform(index, k, lo, hi); };
  const double slope = draw(0, -0.8, 0.8), bend = draw(1, -0.02, 0.02), vertex = draw(2, 0, 70);
  const double dip = draw(3, -0.7, 0.7), place = draw(4, 10, 60), offset = draw(5, -12, 12);
  std::vector<std::uint32_t> bits;
  for (Index r = 0; r < n; ++r) {
    for (Index i = 0; i < n; ++i) {
      const auto x = static_cast<double>(i), z = static_cast<double>(r);
      double s = z + slope * (x - 35) + bend * (x - vertex) * (x - vertex);
      const bool moved = x > place + dip * (z - 35);
      if (moved) s += offset;
      const double layer = std::floor((s + 100) / 11);
      bits.push_back(bits_of(static_cast<float>(1500 + 17 * layer + (moved ? 5 : 0))));
    }
  }
  return bits;
}

}  // namespace

ContextModel::ContextModel() : weights_(weight_sets) {
  for (auto& t : tables_) t.resize(std::size_t{1} << table_bits);
  for (auto& w : weights_) w.fill(0.3);
  for (std::uint64_t k = 0; k < 12; ++k) {
    SliceRecorder nowhere;
    std::vector<std::uint32_t> bits = starting_map(k, 70);
    code(nowhere, bits, 70, 70, 0);
  }
  // The start counts for little against what a file shows.
  for (auto& t : tables_) {
    for (Frequency& f : t) f.count = std::min<std::uint16_t>(f.count, 6);
  }
  rank_ = {};
  fresh_ = {};
}

bool ContextModel::decide(SymbolCoder& coder, bool value, const Slots& slots, std::size_t weight_set) {
  std::array<Frequency*, models> f{};
  std::array<double, models> x{};
  auto& w = weights_[weight_set];
  double sum = 0;
  for (std::size_t k = 0; k < models; ++k) {
    f[k] = &tables_[k][slots[k] >> (32 - table_bits)];
    // A frequency is believed the more, the more often it was used.
    x[k] = f[k]->count == 0 ? 0 : logit((static_cast<double>(f[k]->p) + 0.5) / probability_one);
    sum += w[k] * x[k];
  }
  const double p = sigmoid(std::clamp(sum, -11.0, 11.0));
  value = coder.bit(value, std::clamp<std::uint32_t>(static_cast<std::uint32_t>(p * probability_one), 2, 65534));
  const double error = (value ? 1 : 0) - p;
  for (std::size_t k = 0; k < models; ++k) {
    w[k] += 0.005 * error * x[k];
    const double rate = 1.0 / (static_cast<double>(f[k]->count) + 1.6);
    const double target = value ? 65535 : 0;
    f[k]->p = static_cast<std::uint16_t>(f[k]->p + (target - f[k]->p) * rate);
    if (f[k]->count < 250) ++f[k]->count;
  }
  return value;
}

void ContextModel::code_other(SymbolCoder& coder, MapState& map, std::uint32_t& value, const std::uint32_t* tried,
                              Index n_tried) {
  const auto adapt = [&](Frequency& f, bool bit) {
    bit = coder.bit(bit, std::clamp<std::uint32_t>(f.p, 64, 65472));
    const double rate = 1.0 / (static_cast<double>(f.count) + 2);
    f.p = static_cast<std::uint16_t>(f.p + ((bit ? 65535 : 0) - f.p) * rate);
    if (f.count < 60) ++f.count;
    return bit;
  };
  std::vector<std::uint32_t> others;
  for (const std::uint32_t v : map.palette) {
    if (std::find(tried, tried + n_tried, v) == tried + n_tried) others.push_back(v);
  }
  const auto n = static_cast<Index>(others.size());
  Index at = 0;
  while (!coder.decoding() && at < n && !map.matches(others[static_cast<std::size_t>(at)], value)) ++at;
  if (n > 0 && !adapt(fresh_[static_cast<std::size_t>(capped(n, 63))], at == n)) {
    Index k = 0;
    for (; k < n - 1 && k < 12; ++k) {
      if (adapt(rank_[static_cast<std::size_t>(k)], k == at)) break;
    }
    if (k == 12) k += coder.uniform(at - k, n - k);
    value = others[static_cast<std::size_t>(k)];
    const auto found = std::find(map.palette.begin(), map.palette.end(), value);
    std::rotate(map.palette.begin(), found, found + 1);
    return;
  }
  if (map.bound > 0 && !coder.decoding()) {
    const float v = float_of(value);
    const auto step = static_cast<float>(2 * map.bound);
    const float rounded = 1500 + step * std::round((v - 1500) / step);
    if (std::abs(static_cast<double>(rounded) - static_cast<double>(v)) <= map.bound) value = bits_of(rounded);
  }
  value = code_value(coder, value);
  map.palette.insert(map.palette.begin(), value);
  if (map.palette.size() > longest_palette) map.palette.pop_back();
}

void ContextModel::code_pixel(SymbolCoder& coder, MapState& map, Index r, Index i) {
  std::uint32_t& value = map.bits[static_cast<std::size_t>(r * map.nx + i)];
  if (r == 0 && i == 0) return code_other(coder, map, value, nullptr, 0);
  const Index up = std::max<Index>(r - 1, 0), up2 = std::max<Index>(r - 2, 0);
  const std::uint32_t w = i > 0 ? map.at(r, i - 1) : map.at(up, 0), n = r > 0 ? map.at(up, i) : w;
  const std::uint32_t nw = r > 0 ? map.at(up, i - 1) : w, ne = r > 0 ? map.at(up, i + 1) : w;
  const std::uint32_t ww = i > 1 ? map.at(r, i - 2) : w, nn = r > 1 ? map.at(up2, i) : n;
  const std::uint32_t nww = r > 0 ? map.at(up, i - 2) : w, nee = r > 0 ? map.at(up, i + 2) : w;
  const std::uint32_t nne = r > 1 ? map.at(up2, i + 1) : ne, nnw = r > 1 ? map.at(up2, i - 1) : nw;
  std::uint32_t pattern = 0;
  for (const bool same : {w == n, w == nw, w == ne, n == nw, n == ne, w == ww, n == nn, nee == ne, nww == nw, nne == ne,
                          nnw == nw, w == nww}) {
    pattern = 2 * pattern + (same ? 1 : 0);
  }
  const auto basic = pattern >> 5;
  Slots around{};
  if (r > 0) {
    const int right = edge_distance(map, up, i, 1, 10), left = edge_distance(map, up, i, -1, 10);
    const int right2 = edge_distance(map, up2, i, 1, 14), left2 = edge_distance(map, up2, i, -1, 14);
    const Index before = std::max<Index>(i - 1, 0);
    const int run = i > 0 ? edge_distance(map, r, before, -1, 14) : 0;
    const int kept_w = i > 0 ? map.kept_at(r, i - 1) : 0, kept_ww = i > 1 ? map.kept_at(r, i - 2) : 0;
    const int kept_n = map.kept_at(up, i), kept_ne = map.kept_at(up, i + 1);
    const auto u = [](int a, int b, int c) { return static_cast<std::uint32_t>((a * 32 + b) * 32 + c); };
    around[2] = mixed(basic, u(right, right2, capped(run, 6)));
    around[3] = mixed(basic, u(left, left2, capped(run, 14)));
    around[4] = mixed(basic, u(capped(kept_w, 7), capped(kept_ww, 9), capped(kept_n, 20)));
    around[5] = mixed(basic, u(capped(kept_n, 25), capped(kept_ne, 25), capped(kept_w, 3)));
  } else {
    around[2] = mixed(7, static_cast<std::uint32_t>(i > 0 ? edge_distance(map, r, i - 1, -1, 14) : 0));
  }
  around[0] = basic;
  around[1] = mixed(pattern, 77);
  std::uint32_t tried[4];
  Index n_tried = 0;
  for (const std::uint32_t candidate : {w, n, ne, nw}) {
    if (std::find(tried, tried + n_tried, candidate) != tried + n_tried) continue;
    const auto turn = static_cast<std::uint32_t>(n_tried);
    tried[n_tried++] = candidate;
    Slots slots{};
    for (std::size_t k = 0; k < models; ++k) slots[k] = mixed(around[k] + turn, static_cast<std::uint32_t>(k) + 1);
    const bool same = !coder.decoding() && map.matches(candidate, value);
    if (decide(coder, same, slots, turn * 32 + (pattern >> 7))) {
      value = candidate;
      return;
    }
  }
  code_other(coder, map, value, tried, n_tried);
}

void ContextModel::code(SymbolCoder& coder, std::vector<std::uint32_t>& bits, Index nz, Index nx, double bound) {
  MapState map{bits, nz, nx, bound, std::vector<int>(bits.size(), 0), {}};
  for (Index r = 0; r < nz; ++r) {
    for (Index i = 0; i < nx; ++i) {
      code_pixel(coder, map, r, i);
      const auto at = static_cast<std::size_t>(r * nx + i);
      const bool same = r > 0 && bits[at] == bits[at - static_cast<std::size_t>(nx)];
      map.kept[at] = same ? map.kept[at - static_cast<std::size_t>(nx)] + 1 : 0;
    }
  }
}

}  // namespace terrane
