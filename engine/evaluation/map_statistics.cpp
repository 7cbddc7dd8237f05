// SPDX-License-Identifier: MIT
#include "engine/evaluation/map_statistics.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <set>

#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

constexpr double jump_mps = 25;

// (v - 1500) / 3000 less the mean.
std::vector<double> centred(const ModelSet& set, const std::vector<double>& mean) {
  std::vector<double> a(set.values.size());
  for (std::size_t p = 0; p < a.size(); ++p) {
    a[p] = (static_cast<double>(set.values[p]) - 1500) / 3000 - mean[p % mean.size()];
  }
  return a;
}

void normalise(std::vector<double>& histogram) {
  double sum = 0;
  for (const double v : histogram) sum += v;
  for (double& v : histogram) v = sum > 0 ? v / sum : 0;
}

void add_to(std::vector<double>& histogram, double position) {
  const double last = static_cast<double>(histogram.size()) - 1;
  histogram[static_cast<std::size_t>(std::clamp(std::floor(position), 0.0, last))] += 1;
}

struct Counts {
  double steps = 0, step_squares = 0, columns = 0, monotone = 0;
};

// One column, `row` values apart.
void add_column(const float* v, Index height, Index row, double tolerance, MapStatistics& m, Counts& c) {
  Index jumps = 0, last = -1;
  bool monotone = true;
  for (Index i = 0; i + 1 < height; ++i) {
    const double step = static_cast<double>(v[(i + 1) * row]) - v[i * row];
    monotone = monotone && step >= -tolerance;
    if (std::abs(step) <= jump_mps) {
      c.steps += 1;
      c.step_squares += step * step;
      continue;
    }
    ++jumps;
    add_to(m.steps, std::abs(step) / 100);
    if (last >= 0) add_to(m.thickness, static_cast<double>(i - last - 1));
    last = i;
  }
  add_to(m.jumps, static_cast<double>(jumps));
  c.columns += 1;
  c.monotone += monotone ? 1 : 0;
}

Index transition_bin(float v) {
  return std::clamp<Index>(static_cast<Index>(std::floor((static_cast<double>(v) - 1500) / 375)), 0,
                           transition_bins - 1);
}

void add_transitions(const float* v, Index height, Index row, std::vector<double>& joint) {
  for (std::size_t l = 0; l < transition_lags.size(); ++l) {
    for (Index i = 0; i + transition_lags[l] < height; ++i) {
      const Index a = transition_bin(v[i * row]), b = transition_bin(v[(i + transition_lags[l]) * row]);
      joint[static_cast<std::size_t>((static_cast<Index>(l) * transition_bins + a) * transition_bins + b)] += 1;
    }
  }
}

// Orthonormal cosine transform of second kind, (n, n): row k holds frequency k.
std::vector<double> cosine_matrix(Index n) {
  std::vector<double> c(static_cast<std::size_t>(n * n));
  for (Index k = 0; k < n; ++k) {
    for (Index i = 0; i < n; ++i) {
      c[static_cast<std::size_t>(k * n + i)] =
          std::sqrt((k == 0 ? 1.0 : 2.0) / static_cast<double>(n)) *
          std::cos(std::numbers::pi * (static_cast<double>(i) + 0.5) * static_cast<double>(k) / static_cast<double>(n));
    }
  }
  return c;
}

// Half mean squared differences of values `lag` apart along an axis of `n` values; `other` lines.
double variogram(const float* v, Index n, Index step, Index other, Index other_step, Index lag) {
  double sum = 0;
  for (Index o = 0; o < other; ++o) {
    for (Index i = 0; i + lag < n; ++i) {
      const double d = static_cast<double>(v[o * other_step + (i + lag) * step]) - v[o * other_step + i * step];
      sum += d * d;
    }
  }
  return n > lag ? sum / (2 * static_cast<double>(other * (n - lag))) : 0;
}

Features pixels(const ModelSet& set) {
  Features f;
  f.columns = set.points();
  f.values.assign(set.values.begin(), set.values.end());
  return f;
}

// Root mean square distance to the nearest map of `to`.
std::vector<double> nearest(Stream& s, const ModelSet& from, const ModelSet& to) {
  const std::vector<double> d = squared_distances(s, pixels(from), pixels(to));
  const Index n = to.count();
  std::vector<double> out;
  for (Index k = 0; k < from.count(); ++k) {
    const double least = *std::min_element(d.begin() + k * n, d.begin() + (k + 1) * n);
    out.push_back(std::sqrt(least / static_cast<double>(from.points())));
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

PrincipalScores::PrincipalScores(Stream& s, const ModelSet& fit, Index rank) : rank_(rank), points_(fit.points()) {
  const Index m = fit.count(), n = points_, least = std::min(m, n);
  require(rank >= 1 && rank < m && rank <= n, ErrorCode::data, "too few maps for this number of components");
  mean_.assign(static_cast<std::size_t>(n), 0.0);
  for (std::size_t p = 0; p < fit.values.size(); ++p) {
    mean_[p % mean_.size()] += (static_cast<double>(fit.values[p]) - 1500) / 3000 / static_cast<double>(m);
  }
  // Eigenvectors of the smaller of A A^T and A^T A.
  const Buffer<double> a = to_device(s, centred(fit, mean_));
  const Buffer<double> gram(s, least * least), w(s, rank), v(s, rank * least), vectors(s, rank * n);
  const bool by_maps = m <= n;
  gemm(s, Gemm<double>{least, least, by_maps ? n : m, a.data(), n, !by_maps, a.data(), n, by_maps, gram.data(), least});
  eigh(s, Eigh<double>{least, gram.data(), w.data(), v.data(), rank});
  if (by_maps) {
    gemm(s, Gemm<double>{rank, n, m, v.data(), m, false, a.data(), n, false, vectors.data(), n});
  } else {
    copy_values(s, CopyValues<double>{v.data(), vectors.data(), rank * n});
  }
  vectors_ = to_host(s, vectors);
  const std::vector<double> squares = to_host(s, w);
  for (Index k = 0; by_maps && k < rank; ++k) {
    const double length = std::sqrt(std::max(squares[static_cast<std::size_t>(k)], 1e-300));
    for (Index p = 0; p < n; ++p) vectors_[static_cast<std::size_t>(k * n + p)] /= length;
  }
  // Directions along which the maps do not differ are none. Ascending from eigh: the leading one first.
  Index none = 0;
  while (none + 1 < rank && !(squares[static_cast<std::size_t>(none)] > 1e-12 * squares.back())) ++none;
  vectors_.erase(vectors_.begin(), vectors_.begin() + none * n);
  rank_ -= none;
  for (Index k = 0; k < rank_ / 2; ++k) {
    std::swap_ranges(vectors_.begin() + k * n, vectors_.begin() + (k + 1) * n, vectors_.begin() + (rank_ - 1 - k) * n);
  }
}

Features PrincipalScores::of(Stream& s, const ModelSet& maps) const {
  require(maps.points() == points_, ErrorCode::data, "the maps are not of the size that the components were fitted on");
  const Buffer<double> a = to_device(s, centred(maps, mean_)), v = to_device(s, vectors_);
  const Buffer<double> out(s, maps.count() * rank_);
  gemm(s, Gemm<double>{maps.count(), rank_, points_, a.data(), points_, false, v.data(), points_, true, out.data(),
                       rank_});
  return {rank_, to_host(s, out)};
}

MapStatistics map_statistics(const ModelSet& maps, double tolerance) {
  const Index height = maps.extent[0], width = maps.extent[2], points = maps.points(), count = maps.count();
  require(count >= 1 && maps.extent[1] == 1, ErrorCode::data, "there are no maps to count in");
  MapStatistics m;
  m.jumps.assign(12, 0);
  m.thickness.assign(static_cast<std::size_t>(height), 0);
  m.steps.assign(30, 0);
  m.values.assign(60, 0);
  m.depth_mean.assign(static_cast<std::size_t>(height), 0);
  constexpr std::size_t joint = transition_bins * transition_bins;
  m.transitions.assign(transition_lags.size() * joint, 0);
  Counts c;
  double square = 0;
  const auto all = static_cast<double>(count);
  for (Index k = 0; k < count; ++k) {
    const float* v = maps.values.data() + k * points;
    std::set<long> distinct;
    for (Index p = 0; p < points; ++p) {
      const double value = v[p];
      m.mean += value;
      square += (value - 3000) * (value - 3000);
      add_to(m.values, (value - 1500) / 50);
      distinct.insert(std::lround(value));
      m.depth_mean[static_cast<std::size_t>(p / width)] += value / (all * static_cast<double>(width));
    }
    m.distinct_values += static_cast<double>(distinct.size()) / all;
    for (Index j = 0; j < width; ++j) {
      add_column(v + j, height, width, tolerance, m, c);
      add_transitions(v + j, height, width, m.transitions);
    }
    for (Index i = 0; i < height; ++i) {
      double mean = 0, spread = 0;
      for (Index j = 0; j < width; ++j) mean += v[i * width + j] / static_cast<double>(width);
      for (Index j = 0; j < width; ++j) spread += std::pow(v[i * width + j] - mean, 2) / static_cast<double>(width);
      m.row_deviation += std::sqrt(spread) / (all * static_cast<double>(height));
    }
    for (std::size_t h = 0; h < variogram_lags.size(); ++h) {
      m.gamma_z[h] += variogram(v, height, width, width, 1, variogram_lags[h]) / all;
      m.gamma_x[h] += variogram(v, width, 1, height, width, variogram_lags[h]) / all;
    }
  }
  const double pixels = all * static_cast<double>(points);
  m.mean /= pixels;
  m.deviation = std::sqrt(std::max(0.0, square / pixels - (m.mean - 3000) * (m.mean - 3000)));
  m.monotone_columns = c.monotone / c.columns;
  m.layer_deviation = c.steps > 0 ? std::sqrt(c.step_squares / c.steps) : 0;
  for (auto* histogram : {&m.jumps, &m.thickness, &m.steps, &m.values}) normalise(*histogram);
  for (auto at = m.transitions.begin(); at != m.transitions.end(); at += joint) {
    std::vector<double> one(at, at + joint);
    normalise(one);
    std::copy(one.begin(), one.end(), at);
  }
  return m;
}

double jensen_shannon(const std::vector<double>& p, const std::vector<double>& q) {
  require(p.size() == q.size(), ErrorCode::data, "two histograms need the same bins");
  double sum = 0;
  for (std::size_t k = 0; k < p.size(); ++k) {
    const double middle = (p[k] + q[k]) / 2;
    if (p[k] > 0) sum += p[k] * std::log(p[k] / middle) / 2;
    if (q[k] > 0) sum += q[k] * std::log(q[k] / middle) / 2;
  }
  return std::max(0.0, sum);
}

double variogram_difference(const std::array<double, 6>& a, const std::array<double, 6>& b) {
  double sum = 0, count = 0;
  for (std::size_t k = 0; k < a.size(); ++k) {
    if (b[k] == 0) continue;
    sum += std::abs(a[k] - b[k]) / b[k];
    count += 1;
  }
  return count > 0 ? sum / count : 0;
}

double transition_difference(const std::vector<double>& a, const std::vector<double>& b) {
  require(a.size() == b.size(), ErrorCode::data, "two transiograms need the same bins");
  constexpr std::size_t n = transition_bins;
  double sum = 0, lags = 0;
  for (std::size_t l = 0; l < transition_lags.size(); ++l) {
    double away = 0, all = 0;
    for (std::size_t r = l * n; r < (l + 1) * n; ++r) {
      const double of_a = std::accumulate(a.begin() + static_cast<std::ptrdiff_t>(r * n),
                                          a.begin() + static_cast<std::ptrdiff_t>((r + 1) * n), 0.0);
      const double of_b = std::accumulate(b.begin() + static_cast<std::ptrdiff_t>(r * n),
                                          b.begin() + static_cast<std::ptrdiff_t>((r + 1) * n), 0.0);
      all += of_b;
      if (of_b == 0) continue;
      double row = of_a == 0 ? 2 : 0;  // a never is in this bin
      for (std::size_t k = r * n; k < (r + 1) * n && of_a > 0; ++k) row += std::abs(a[k] / of_a - b[k] / of_b);
      away += of_b * row / 2;
    }
    if (all == 0) continue;
    sum += away;
    lags += 1;
  }
  return lags > 0 ? sum / lags : 0;
}

Features cosine_band_energies(Stream& s, const ModelSet& maps) {
  constexpr int scales = 8;
  const Index height = maps.extent[0], width = maps.extent[2], points = maps.points(),
              longest = std::max(height, width);
  require(maps.count() >= 1 && maps.extent[1] == 1, ErrorCode::data, "there are no maps to transform");
  // Band of every coefficient but the mean, which stands in none.
  std::vector<int> band(static_cast<std::size_t>(points), -1);
  std::vector<double> members(3 * scales, 0.0);
  for (Index z = 0; z < height; ++z) {
    for (Index x = 0; x < width; ++x) {
      if (z == 0 && x == 0) continue;
      const double k = static_cast<double>(std::max(z * longest / height, x * longest / width));
      const int scale = std::min(
          scales - 1, static_cast<int>(std::log(std::max(k, 1.0)) * scales / std::log(static_cast<double>(longest))));
      const int way = 2 * x <= z ? 0 : 2 * z <= x ? 2 : 1;
      band[static_cast<std::size_t>(z * width + x)] = 3 * scale + way;
      members[static_cast<std::size_t>(3 * scale + way)] += 1;
    }
  }
  const std::vector<double> cz = cosine_matrix(height), cx = cosine_matrix(width);
  std::vector<double> energy(static_cast<std::size_t>(maps.count()) * members.size(), 0.0);
#pragma omp parallel for schedule(static) num_threads(s.threads()) if (s.threads() > 1)
  for (Index m = 0; m < maps.count(); ++m) {
    const float* v = maps.values.data() + m * points;
    std::vector<double> rows(static_cast<std::size_t>(points), 0.0);  // transformed along x
    for (Index i = 0; i < height; ++i) {
      for (Index k = 0; k < width; ++k) {
        double sum = 0;
        for (Index j = 0; j < width; ++j) {
          sum += cx[static_cast<std::size_t>(k * width + j)] * (static_cast<double>(v[i * width + j]) - 1500) / 3000;
        }
        rows[static_cast<std::size_t>(i * width + k)] = sum;
      }
    }
    for (Index q = 0; q < height; ++q) {
      for (Index k = 0; k < width; ++k) {
        const int b = band[static_cast<std::size_t>(q * width + k)];
        if (b < 0) continue;
        double sum = 0;
        for (Index i = 0; i < height; ++i) {
          sum += cz[static_cast<std::size_t>(q * height + i)] * rows[static_cast<std::size_t>(i * width + k)];
        }
        energy[static_cast<std::size_t>(m) * members.size() + static_cast<std::size_t>(b)] += sum * sum;
      }
    }
  }
  Features f;
  f.columns = std::count_if(members.begin(), members.end(), [](double n) { return n > 0; });
  for (std::size_t k = 0; k < energy.size(); ++k) {
    const double n = members[k % members.size()];
    if (n > 0) f.values.push_back(std::log(1e-8 + energy[k] / n));
  }
  return f;
}

Memorisation memorisation(Stream& s, const ModelSet& training, const ModelSet& fresh, const ModelSet& generated) {
  require(training.count() >= 1 && fresh.count() >= 1 && generated.count() >= 1, ErrorCode::data,
          "memorisation is judged from training, fresh and generated maps");
  const std::vector<double> x = nearest(s, fresh, training), g = nearest(s, generated, training);
  Memorisation m;
  m.ratio = g[g.size() / 2] / std::max(x[x.size() / 2], 1e-300);
  const double limit = x[x.size() / 100] / 4;
  m.too_close = std::lower_bound(g.begin(), g.end(), limit) - g.begin();
  return m;
}

}  // namespace terrane
