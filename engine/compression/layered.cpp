// SPDX-License-Identifier: MIT
#include "engine/compression/layered.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>

#include "kernels/runtime/error.hpp"
#include "kernels/runtime/math.hpp"

namespace terrane {
namespace {

constexpr int lowest_mps = 1500, range_mps = 3001;
constexpr int value_bits = 12;
constexpr std::uint32_t rare = 128;  // of 2^16
constexpr std::uint32_t common = 65536 - rare;
constexpr std::size_t nodes = 8;
constexpr double rounding_variance = 1.0 / 12;
constexpr double wobble_variance = 1.0 / 3;  // of U(-1, 1)
// Depths of OpenFWI's scene are compared with r + 0.2: a layer of d rows ends at d - 0.3 in the mean.
constexpr double row_phase = 0.3;

using Basis = std::array<double, nodes>;
using Covariance = std::array<Basis, nodes>;

// 1, X, X^2, and (X - k)_+^2 at the knots: a basis of the splines.
Basis powers(double x) {
  Basis b{1, x, x * x};
  const double knots[] = {20, 30, 40, 50, 60};
  for (std::size_t k = 0; k < 5; ++k) {
    const double over = x > knots[k] ? x - knots[k] : 0;
    b[3 + k] = over * over;
  }
  return b;
}

// Rows: the values at X of the splines that are 1 at one node and 0 at the others. Gauss-Jordan with row exchange.
class SplineBasis {
 public:
  SplineBasis() {
    const double places[nodes] = {0, 10, 20, 30, 40, 50, 60, 78};
    double a[nodes][2 * nodes] = {};
    for (std::size_t r = 0; r < nodes; ++r) {
      const Basis b = powers(places[r]);
      for (std::size_t c = 0; c < nodes; ++c) a[r][c] = b[c];
      a[r][nodes + r] = 1;
    }
    for (std::size_t p = 0; p < nodes; ++p) {
      std::size_t best = p;
      for (std::size_t r = p; r < nodes; ++r) {
        if (std::abs(a[r][p]) > std::abs(a[best][p])) best = r;
      }
      std::swap(a[p], a[best]);
      const double scale = a[p][p];
      for (double& v : a[p]) v /= scale;
      for (std::size_t r = 0; r < nodes; ++r) {
        const double f = a[r][p];
        if (r == p || f == 0) continue;
        for (std::size_t c = 0; c < 2 * nodes; ++c) a[r][c] -= f * a[p][c];
      }
    }
    for (std::size_t r = 0; r < nodes; ++r) {
      for (std::size_t c = 0; c < nodes; ++c) inverse_[r][c] = a[r][nodes + c];
    }
  }
  Basis at(double x) const {
    const Basis p = powers(x);
    Basis b{};
    for (std::size_t r = 0; r < nodes; ++r) {
      for (std::size_t c = 0; c < nodes; ++c) b[c] += p[r] * inverse_[r][c];
    }
    return b;
  }

 private:
  double inverse_[nodes][nodes];
};

// Cumulative probability of a depth in [lowest, highest], every depth at least 1 / 2^16.
struct DepthCumulative {
  double mean = 0, deviation = 1;
  Index lowest = 0, n = 1;

  std::uint32_t operator()(Index k) const {
    if (k <= 0) return 0;
    if (k >= n) return probability_one;
    double p = 0, density = 0;
    normal_cdf((static_cast<double>(lowest + k) - 0.5 - mean) / deviation, p, density);
    const double room = static_cast<double>(probability_one - static_cast<std::uint32_t>(n));
    return static_cast<std::uint32_t>(p * room) + static_cast<std::uint32_t>(k);
  }
};

// The Gaussian state of an interface: node depths, or one depth for flat layers.
class InterfaceModel {
 public:
  InterfaceModel(Index nz, Index nx, bool flat) : nz_(nz), flat_(flat), scale_(static_cast<double>(nz) / 70) {
    const SplineBasis spline;
    for (Index i = 0; i < (flat ? 1 : nx); ++i) {
      Basis b{1};
      if (!flat) b = spline.at((static_cast<double>(i) + 0.1) * 70 / static_cast<double>(nx));
      basis_.push_back(b);
    }
  }
  void start(double thickness) {
    mean_.fill(thickness);
    covariance_ = {};
    for (std::size_t k = 0; k < size(); ++k) covariance_[k][k] = thickness * thickness / 12;
  }
  void next(double thickness) {
    for (std::size_t k = 0; k < size(); ++k) {
      mean_[k] += thickness;
      covariance_[k][k] += wobble_variance * scale_ * scale_;
    }
  }
  double mean_depth() const {
    double sum = 0;
    for (const Basis& b : basis_) sum += dot(b, mean_);
    return sum / static_cast<double>(basis_.size());
  }
  // One interface that lies below `above` (columns; null: the top of the map).
  void code(SymbolCoder& coder, const Index* above, Index* depth) {
    for (std::size_t i = 0; i < basis_.size(); ++i) {
      const Basis& b = basis_[i];
      Basis gain{};
      for (std::size_t r = 0; r < size(); ++r) {
        for (std::size_t c = 0; c < size(); ++c) gain[r] += covariance_[r][c] * b[c];
      }
      const double variance = std::max(dot(b, gain), 0.0);
      const double mean = dot(b, mean_) + row_phase;
      const Index lowest = above != nullptr ? above[i] : 0;
      const DepthCumulative p{mean, square_root(variance + 0.0025), lowest, nz_ - lowest + 1};
      depth[i] = lowest + coder.code(depth[i] - lowest, p.n, p);
      if (depth[i] > lowest && depth[i] < nz_) observe(gain, variance, static_cast<double>(depth[i]) - mean);
    }
  }

 private:
  std::size_t size() const { return flat_ ? 1 : nodes; }
  static double dot(const Basis& a, const Basis& b) {
    double sum = 0;
    for (std::size_t k = 0; k < nodes; ++k) sum += a[k] * b[k];
    return sum;
  }
  void observe(const Basis& gain, double variance, double residual) {
    const double f = 1 / (variance + rounding_variance);
    for (std::size_t r = 0; r < size(); ++r) {
      mean_[r] += gain[r] * f * residual;
      for (std::size_t c = 0; c < size(); ++c) covariance_[r][c] -= gain[r] * f * gain[c];
    }
  }
  Index nz_;
  bool flat_;
  double scale_;
  std::vector<Basis> basis_;
  Basis mean_{};
  Covariance covariance_{};
};

// Increases with the value of a float; total, also for NaN.
std::uint32_t rising(std::uint32_t bits) { return (bits >> 31) != 0 ? ~bits : bits | 0x80000000u; }
bool in_range(std::uint32_t bits) {
  const float v = float_of(bits);
  return v >= lowest_mps && v < lowest_mps + range_mps && static_cast<float>(static_cast<int>(v)) == v;
}
Index offset_of(std::uint32_t bits) { return static_cast<Index>(float_of(bits)) - lowest_mps; }
std::uint32_t bits_at(Index offset) { return bits_of(static_cast<float>(offset + lowest_mps)); }

// P(smallest of `draws` different numbers of [0, n) is below k), a uniform choice of a set.
double smallest_below(Index k, Index draws, Index n) {
  double none = 1;
  for (Index t = 0; t < draws; ++t) {
    none *= static_cast<double>(std::max<Index>(n - k - t, 0)) / static_cast<double>(n - t);
  }
  return 1 - none;
}

// The smallest of `draws` ordered numbers in [first, range): binary decisions from the highest bit.
Index code_smallest(SymbolCoder& coder, Index value, Index first, Index draws) {
  Index lo = 0;
  const Index n = range_mps - first;
  for (int b = value_bits - 1; b >= 0; --b) {
    const Index half = Index{1} << b;
    const double p_lo = smallest_below(lo, draws, n), p_mid = smallest_below(std::min(lo + half, n), draws, n);
    const double p_hi = smallest_below(std::min(lo + 2 * half, n), draws, n);
    const double p = p_hi > p_lo ? (p_hi - p_mid) / (p_hi - p_lo) : 0.5;
    const auto one = static_cast<std::uint32_t>(p * 65534) + 1;
    if (coder.bit(value - first >= lo + half, one)) lo += half;
  }
  return first + lo;
}

void code_values(SymbolCoder& coder, std::vector<std::uint32_t>& values) {
  bool ascending = true;
  for (std::size_t k = 0; k < values.size(); ++k) {
    ascending = ascending && in_range(values[k]) && (k == 0 || offset_of(values[k]) > offset_of(values[k - 1]));
  }
  const auto n = static_cast<Index>(values.size());
  if (coder.bit(ascending, 57344)) {
    Index first = 0;
    for (Index k = 0; k < n; ++k) {
      std::uint32_t& v = values[static_cast<std::size_t>(k)];
      require(range_mps - first >= n - k, ErrorCode::data, "the compressed stream is damaged: value out of range");
      const Index offset = code_smallest(coder, coder.decoding() ? 0 : offset_of(v), first, n - k);
      v = bits_at(offset);
      first = offset + 1;
    }
  } else {
    for (std::uint32_t& v : values) v = code_value(coder, v);
  }
}

// Number of nominal interfaces to skip before the next one, in the encoder: what the mean depth asks for.
Index skips(const InterfaceModel& model, double thickness, const Index* depth, Index columns) {
  const double mean =
      static_cast<double>(std::accumulate(depth, depth + columns, Index{0})) / static_cast<double>(columns);
  const double steps = (mean - model.mean_depth()) / thickness;
  return steps > 0.7 ? static_cast<Index>(steps + 0.3) : 0;
}

void code_interfaces(SymbolCoder& coder, LayeredMap& map, Index m, bool flat) {
  InterfaceModel model(map.nz, map.nx, flat);
  const double thickness = static_cast<double>(map.nz) / static_cast<double>(m);
  const Index columns = flat ? 1 : map.nx;
  model.start(thickness);
  for (Index j = 0; j < map.interfaces(); ++j) {
    Index* depth = map.depth.data() + j * map.nx;
    if (j > 0) model.next(thickness);
    Index left = coder.decoding() ? 0 : skips(model, thickness, depth, columns);
    for (int k = 0; k < 2 * most_layers && coder.bit(left > 0, rare); ++k, --left) model.next(thickness);
    model.code(coder, j > 0 ? depth - map.nx : nullptr, depth);
    if (flat) std::fill(depth, depth + map.nx, depth[0]);
  }
}

bool is_flat(const LayeredMap& map) {
  for (Index j = 0; j < map.interfaces(); ++j) {
    for (Index i = 1; i < map.nx; ++i) {
      if (map.depth[static_cast<std::size_t>(j * map.nx + i)] != map.depth[static_cast<std::size_t>(j * map.nx)]) {
        return false;
      }
    }
  }
  return true;
}

// The nominal number of interfaces with the shortest code: usually the visible ones, or one more.
Index best_nominal(const LayeredMap& map, bool flat) {
  Index best = std::max<Index>(map.interfaces(), 1);
  double least = 1e300;
  const Index visible = best;
  for (const Index more : {0, 1, 2, 3}) {
    SliceRecorder trial;
    LayeredMap copy = map;
    code_interfaces(trial, copy, visible + more, flat);
    const double bits = trial.bits() + (more < 2 ? 1 : 8);
    if (bits < least) {
      least = bits;
      best = visible + more;
    }
    if (more == 1 && least < 200.0 * static_cast<double>(visible)) break;
  }
  return best;
}

}  // namespace

std::uint32_t code_value(SymbolCoder& coder, std::uint32_t bits) {
  if (coder.bit(!coder.decoding() && in_range(bits), common)) {
    return bits_at(coder.uniform(coder.decoding() ? 0 : offset_of(bits), range_mps));
  }
  return static_cast<std::uint32_t>(coder.raw(bits, 32));
}

std::optional<LayeredMap> find_layers(const std::vector<std::uint32_t>& bits, Index nz, Index nx) {
  const auto at = [&](Index r, Index i) { return bits[static_cast<std::size_t>(r * nx + i)]; };
  std::map<std::uint32_t, std::pair<double, double>> seen;  // value: sum of rows, count
  for (Index r = 0; r < nz; ++r) {
    for (Index i = 0; i < nx; ++i) {
      auto& [sum, count] = seen[at(r, i)];
      sum += static_cast<double>(r);
      ++count;
      if (static_cast<Index>(seen.size()) > most_layers) return std::nullopt;
    }
  }
  LayeredMap map{nz, nx, {}, {}};
  for (const auto& [value, unused] : seen) map.values.push_back(value);
  const auto ordered = [&] {
    std::map<std::uint32_t, Index> rank;
    for (const std::uint32_t v : map.values) rank.emplace(v, static_cast<Index>(rank.size()));
    for (Index i = 0; i < nx; ++i) {
      for (Index r = 1; r < nz; ++r) {
        if (rank[at(r, i)] < rank[at(r - 1, i)]) return false;
      }
    }
    return true;
  };
  std::sort(map.values.begin(), map.values.end(), [](auto a, auto b) { return rising(a) < rising(b); });
  if (!ordered()) {
    const auto mean_row = [&](std::uint32_t v) { return seen[v].first / seen[v].second; };
    std::sort(map.values.begin(), map.values.end(), [&](auto a, auto b) { return mean_row(a) < mean_row(b); });
    if (!ordered()) return std::nullopt;
  }
  map.depth.assign(static_cast<std::size_t>(map.interfaces() * nx), nz);
  std::map<std::uint32_t, Index> rank;
  for (const std::uint32_t v : map.values) rank.emplace(v, static_cast<Index>(rank.size()));
  for (Index r = nz - 1; r >= 0; --r) {
    for (Index i = 0; i < nx; ++i) {
      for (Index j = 0; j < rank[at(r, i)]; ++j) map.depth[static_cast<std::size_t>(j * nx + i)] = r;
    }
  }
  return map;
}

std::vector<std::uint32_t> render_layers(const LayeredMap& map) {
  std::vector<std::uint32_t> bits(static_cast<std::size_t>(map.nz * map.nx));
  for (Index i = 0; i < map.nx; ++i) {
    Index j = 0;
    for (Index r = 0; r < map.nz; ++r) {
      while (j < map.interfaces() && map.depth[static_cast<std::size_t>(j * map.nx + i)] <= r) ++j;
      bits[static_cast<std::size_t>(r * map.nx + i)] = map.values[static_cast<std::size_t>(j)];
    }
  }
  return bits;
}

void code_layered(SymbolCoder& coder, LayeredMap& map) {
  const bool decoding = coder.decoding();
  Index layers = static_cast<Index>(map.values.size());
  // 2 .. 9 layers are the usual case.
  const bool usual = coder.bit(!decoding && layers >= 2 && layers <= 9, common);
  layers = usual ? 2 + coder.uniform(layers - 2, 8) : 1 + coder.uniform(layers - 1, most_layers);
  map.values.resize(static_cast<std::size_t>(layers));
  code_values(coder, map.values);
  if (decoding) map.depth.assign(static_cast<std::size_t>(map.interfaces() * map.nx), 0);
  if (layers == 1) return;
  const bool flat = coder.bit(!decoding && is_flat(map), 32768);
  const Index visible = map.interfaces();
  Index m = decoding ? 0 : best_nominal(map, flat);
  const Index more = coder.code(m - visible, 4, [](Index k) {
    constexpr std::uint32_t table[] = {0, 32640, 65280, 65408, 65536};
    return table[k];
  });
  code_interfaces(coder, map, visible + more, flat);
}

}  // namespace terrane
