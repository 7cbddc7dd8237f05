// SPDX-License-Identifier: MIT
#include "engine/diffusion/snap.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

constexpr double bin_mps = 10;

// Sums over bins [0, b): pixels, values, squares.
struct BinSums {
  std::vector<double> count, value, square;
  // Least squared error of bins [a, b) around one centre.
  double error(std::size_t a, std::size_t b) const {
    const double n = count[b] - count[a], v = value[b] - value[a];
    return n > 0 ? square[b] - square[a] - v * v / n : 0;
  }
};

// Of a column, values `stride` apart: those of `centres` with the least squared error whose inner runs are of at least
// `least` rows. A state is a centre and the length of the run so far, which stays at `least` from there on.
class ColumnRuns {
 public:
  ColumnRuns(const std::vector<float>& centres, Index depth, Index least)
      : centres_(centres),
        depth_(static_cast<std::size_t>(depth)),
        least_(static_cast<std::size_t>(least)),
        states_(centres.size() * least_),
        from_(depth_ * states_) {}

  void replace(float* top, Index stride) {
    const std::size_t labels = centres_.size();
    std::vector<double> now(states_, 1e300), next(states_);
    for (std::size_t l = 0; l < labels; ++l)
      now[state(l, least_)] = square(top[0], l);  // the map may cut the first run
    for (std::size_t z = 1; z < depth_; ++z) {
      std::fill(next.begin(), next.end(), 1e300);
      for (std::size_t l = 0; l < labels; ++l) {
        const double cost = square(top[static_cast<Index>(z) * stride], l);
        const auto offer = [&](std::size_t to, std::size_t before) {
          if (now[before] + cost < next[to]) {
            next[to] = now[before] + cost;
            from_[z * states_ + to] = before;
          }
        };
        offer(state(l, least_), state(l, least_));
        for (std::size_t run = 1; run < least_; ++run) offer(state(l, run + 1), state(l, run));
        for (std::size_t other = 0; other < labels; ++other) {
          if (other != l) offer(state(l, 1), state(other, least_));
        }
      }
      std::swap(now, next);
    }
    auto at = static_cast<std::size_t>(std::min_element(now.begin(), now.end()) - now.begin());
    for (std::size_t z = depth_ - 1;; --z) {
      top[static_cast<Index>(z) * stride] = centres_[at / least_];
      if (z == 0) return;
      at = from_[z * states_ + at];
    }
  }

 private:
  std::size_t state(std::size_t label, std::size_t run) const { return label * least_ + run - 1; }
  double square(float v, std::size_t label) const {
    const double d = static_cast<double>(v) - static_cast<double>(centres_[label]);
    return d * d;
  }
  const std::vector<float>& centres_;
  std::size_t depth_, least_, states_;
  std::vector<std::size_t> from_;  // (depth, states): the state a row above
};

void snap(float* map, Index points, Index depth, const SnapOptions& o) {
  const auto [low, high] = std::minmax_element(map, map + points);
  const double from = *low;
  const auto bin = [from](float v) { return static_cast<std::size_t>((v - from) / bin_mps); };
  const std::size_t bins = bin(*high) + 1;
  BinSums sums{std::vector<double>(bins + 1, 0.0), std::vector<double>(bins + 1, 0.0),
               std::vector<double>(bins + 1, 0.0)};
  for (Index p = 0; p < points; ++p) {
    const double v = map[p] - from;
    const std::size_t at = bin(map[p]) + 1;
    sums.count[at] += 1;
    sums.value[at] += v;
    sums.square[at] += v * v;
  }
  for (std::size_t b = 1; b <= bins; ++b) {
    sums.count[b] += sums.count[b - 1];
    sums.value[b] += sums.value[b - 1];
    sums.square[b] += sums.square[b - 1];
  }
  // best[k][b]: least error of bins [0, b) in k intervals; cut[k][b]: where the last of them begins.
  const auto most = static_cast<std::size_t>(o.most);
  std::vector<std::vector<double>> best(most + 1, std::vector<double>(bins + 1, 1e300));
  std::vector<std::vector<std::size_t>> cut(most + 1, std::vector<std::size_t>(bins + 1, 0));
  best[0][0] = 0;
  std::size_t chosen = 1;
  for (std::size_t k = 1; k <= most; ++k) {
    for (std::size_t b = k; b <= bins; ++b) {
      for (std::size_t a = k - 1; a < b; ++a) {
        const double e = best[k - 1][a] + sums.error(a, b);
        if (e < best[k][b]) {
          best[k][b] = e;
          cut[k][b] = a;
        }
      }
    }
    const double each = o.penalty_mps2 * static_cast<double>(points);
    const auto cost = [&](std::size_t c) { return best[c][bins] + static_cast<double>(c) * each; };
    if (cost(k) < cost(chosen)) chosen = k;
  }
  std::vector<float> value(bins), centres;
  for (std::size_t k = chosen, b = bins; k > 0; --k) {
    const std::size_t a = cut[k][b];
    const double n = sums.count[b] - sums.count[a];
    const double centre = from + (n > 0 ? (sums.value[b] - sums.value[a]) / n : 0);
    std::fill(value.begin() + static_cast<std::ptrdiff_t>(a), value.begin() + static_cast<std::ptrdiff_t>(b),
              static_cast<float>(std::round(centre)));
    centres.push_back(static_cast<float>(std::round(centre)));
    b = a;
  }
  if (o.least_rows > 1) {
    ColumnRuns runs(centres, depth, o.least_rows);
    for (Index column = 0; column < points / depth; ++column) runs.replace(map + column, points / depth);
    return;
  }
  for (Index p = 0; p < points; ++p) map[p] = value[bin(map[p])];
}

void check_maps(const std::vector<float>& maps, Index points, Index depth) {
  require(depth >= 1 && points >= depth && points % depth == 0, ErrorCode::config,
          "columns of layers take maps of whole rows");
  for (const float v : maps) {
    require(std::isfinite(v) && std::abs(v) < 1e5F, ErrorCode::data, "a map holds values that are no velocities");
  }
}

}  // namespace

void snap_layers(Stream& s, std::vector<float>& maps, Index points, Index depth, const SnapOptions& o) {
  require(o.most >= 1 && o.most <= 64 && o.penalty_mps2 >= 0 && o.least_rows >= 1, ErrorCode::config,
          "snapping takes 1 to 64 values, a penalty of at least 0 and layers of at least one row");
  check_maps(maps, points, depth);
  const Index count = static_cast<Index>(maps.size()) / points;
#pragma omp parallel for schedule(static) num_threads(s.threads()) if (s.threads() > 1)
  for (Index k = 0; k < count; ++k) snap(maps.data() + k * points, points, depth, o);
}

void sort_downwards(Stream& s, std::vector<float>& maps, Index points, Index depth) {
  check_maps(maps, points, depth);
  const Index count = static_cast<Index>(maps.size()) / points, columns = points / depth;
#pragma omp parallel for schedule(static) num_threads(s.threads()) if (s.threads() > 1)
  for (Index k = 0; k < count * columns; ++k) {
    float* top = maps.data() + k / columns * points + k % columns;
    std::vector<float> column(static_cast<std::size_t>(depth));
    for (Index z = 0; z < depth; ++z) column[static_cast<std::size_t>(z)] = top[z * columns];
    std::sort(column.begin(), column.end());
    for (Index z = 0; z < depth; ++z) top[z * columns] = column[static_cast<std::size_t>(z)];
  }
}

}  // namespace terrane
