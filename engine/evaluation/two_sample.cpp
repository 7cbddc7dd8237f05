// SPDX-License-Identifier: MIT
#include "engine/evaluation/two_sample.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/median.hpp"
#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {
namespace {

constexpr std::uint32_t purpose_labels = 64;  // beyond those of RandomPurpose, of the codecs and of engine/diffusion

void check(const Features& x, const Features& g, Index least) {
  require(x.columns >= 1 && x.columns == g.columns, ErrorCode::data, "two samples need the same features");
  require(x.rows() >= least && g.rows() >= least, ErrorCode::data, "a sample has too few rows to be compared");
}

// Pooled rows: those of x, then those of g.
Features pooled(const Features& x, const Features& g) {
  Features all = x;
  all.values.insert(all.values.end(), g.values.begin(), g.values.end());
  return all;
}

// Distance of every row to its k-th neighbour in the same set.
std::vector<double> neighbour_radii(Stream& s, const Features& x, Index k) {
  const std::vector<double> d = squared_distances(s, x, x);
  const Index n = x.rows();
  std::vector<double> radius;
  for (Index i = 0; i < n; ++i) {
    std::vector<double> row(d.begin() + i * n, d.begin() + (i + 1) * n);
    row[static_cast<std::size_t>(i)] = -1;  // itself comes first
    std::nth_element(row.begin(), row.begin() + k, row.end());
    radius.push_back(row[static_cast<std::size_t>(k)]);
  }
  return radius;
}

// Columns and their squares, of unit deviation in the pooled sample, and a 1.
struct Design {
  std::vector<double> shift, scale;
  Index columns = 0;

  explicit Design(const Features& all) : columns(2 * all.columns + 1) {
    const auto d = static_cast<std::size_t>(2 * all.columns);
    shift.assign(d, 0);
    scale.assign(d, 0);
    const auto n = static_cast<double>(all.rows());
    for (int pass = 0; pass < 2; ++pass) {
      for (Index r = 0; r < all.rows(); ++r) {
        for (std::size_t c = 0; c < d; ++c) {
          const double v = raw(all, r, c);
          (pass == 0 ? shift : scale)[c] += pass == 0 ? v / n : (v - shift[c]) * (v - shift[c]) / n;
        }
      }
    }
    for (double& v : scale) v = v > 0 ? 1 / std::sqrt(v) : 0;
  }
  static double raw(const Features& f, Index r, std::size_t c) {
    const auto n = static_cast<std::size_t>(f.columns);
    const double v = f.values[static_cast<std::size_t>(r) * n + c % n];
    return c < n ? v : v * v;
  }
  std::vector<double> row(const Features& f, Index r) const {
    std::vector<double> out;
    for (std::size_t c = 0; c < shift.size(); ++c) out.push_back((raw(f, r, c) - shift[c]) * scale[c]);
    out.push_back(1);
    return out;
  }
};

double inner(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

// Newton's method for the ridge-regularised logistic loss.
std::vector<double> fit_logistic(Stream& s, const std::vector<std::vector<double>>& rows,
                                 const std::vector<int>& label) {
  const auto d = static_cast<Index>(rows[0].size());
  const auto size = static_cast<std::size_t>(d);
  std::vector<double> beta(size, 0.0);
  const double ridge = 1e-3 * static_cast<double>(rows.size());
  for (int iteration = 0; iteration < 30; ++iteration) {
    std::vector<double> gradient(size, 0.0), hessian(size * size, 0.0);
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const double p = 1 / (1 + std::exp(-std::clamp(inner(rows[r], beta), -40.0, 40.0)));
      const double error = p - label[r], weight = std::max(p * (1 - p), 1e-10);
      for (std::size_t a = 0; a < size; ++a) {
        gradient[a] += error * rows[r][a];
        for (std::size_t b = 0; b <= a; ++b) hessian[a * size + b] += weight * rows[r][a] * rows[r][b];
      }
    }
    for (std::size_t a = 0; a < size; ++a) {
      gradient[a] += ridge * beta[a];
      hessian[a * size + a] += ridge;
    }
    const Buffer<double> h = to_device(s, hessian), x = to_device(s, gradient);
    cholesky(s, Cholesky<double>{d, h.data(), h.data()});
    cholesky_solve(s, CholeskySolve<double>{d, 1, h.data(), x.data()});
    const std::vector<double> step = to_host(s, x);
    double length = 0;
    for (std::size_t a = 0; a < size; ++a) {
      beta[a] -= step[a];
      length += step[a] * step[a];
    }
    if (length < 1e-16) break;
  }
  return beta;
}

}  // namespace

std::vector<double> squared_distances(Stream& s, const Features& a, const Features& b) {
  require(a.columns >= 1 && a.columns == b.columns, ErrorCode::data, "two samples need the same features");
  const Index m = a.rows(), n = b.rows(), d = a.columns;
  // Around one point, so that the squares do not cancel.
  const std::vector<double> centre = column_means(a);
  const auto around = [&](const Features& f, std::vector<double>& squares) {
    std::vector<double> v = f.values;
    squares.assign(static_cast<std::size_t>(f.rows()), 0.0);
    for (std::size_t i = 0; i < v.size(); ++i) {
      v[i] -= centre[i % centre.size()];
      squares[i / centre.size()] += v[i] * v[i];
    }
    return v;
  };
  std::vector<double> a2, b2;
  const Buffer<double> x = to_device(s, around(a, a2)), y = to_device(s, around(b, b2));
  const Buffer<double> c(s, m * n);
  gemm(s, Gemm<double>{m, n, d, x.data(), d, false, y.data(), d, true, c.data(), n, -2.0});
  std::vector<double> out = to_host(s, c);
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = std::max(0.0, out[i] + a2[i / b2.size()] + b2[i % b2.size()]);
  }
  return out;
}

MmdResult mmd(Stream& s, const Features& x, const Features& g, Index relabellings, std::uint64_t seed) {
  check(x, g, 2);
  const Index m = x.rows(), n = g.rows(), all = m + n;
  const Features both = pooled(x, g);
  std::vector<double> k = squared_distances(s, both, both), upper;
  for (Index i = 0; i < all; ++i) upper.insert(upper.end(), k.begin() + i * all + i + 1, k.begin() + (i + 1) * all);
  const double width = std::max(median_of(std::move(upper)), 1e-300);
  for (double& v : k) {
    double e = std::exp(-v / (32 * width)), sum = e;  // width 4, then half of it four times
    for (int half = 0; half < 4; ++half) {
      e = e * e * e * e;
      sum += e;
    }
    v = sum / 5;
  }
  const double whole = std::accumulate(k.begin(), k.end(), 0.0);
  const auto value_of = [&](const std::vector<char>& real) {
    double xx = 0, xg = 0;  // sums over pairs, the diagonal (1 each) among them
    for (Index i = 0; i < all; ++i) {
      if (real[static_cast<std::size_t>(i)] == 0) continue;
      double same = 0, other = 0;
      const double* row = k.data() + i * all;
      for (Index j = 0; j < all; ++j) (real[static_cast<std::size_t>(j)] != 0 ? same : other) += row[j];
      xx += same;
      xg += other;
    }
    const double gg = whole - xx - 2 * xg;
    const auto a = static_cast<double>(m), b = static_cast<double>(n);
    return (xx - a) / (a * (a - 1)) + (gg - b) / (b * (b - 1)) - 2 * xg / (a * b);
  };
  std::vector<char> real(static_cast<std::size_t>(all), 0);
  std::fill_n(real.begin(), m, char{1});
  MmdResult result;
  result.value = value_of(real);
  if (relabellings <= 0) return result;
  const Random random(seed, purpose_labels);
  double sum = 0, square = 0, above = 0;
  for (Index r = 0; r < relabellings; ++r) {
    for (std::size_t i = real.size() - 1; i > 0; --i) {
      std::swap(real[i], real[random.integer(static_cast<std::uint64_t>(r), static_cast<std::uint32_t>(i), i + 1)]);
    }
    const double v = value_of(real);
    sum += v;
    square += v * v;
    above += v >= result.value ? 1 : 0;
  }
  const auto count = static_cast<double>(relabellings);
  result.deviation = std::sqrt(std::max(0.0, square / count - sum * sum / (count * count)));
  result.p = (above + 1) / (count + 1);
  return result;
}

double frechet_distance(Stream& s, const Features& x, const Features& g) {
  check(x, g, 2);
  const Index d = x.columns;
  const JointMoments a = moments_of(s, x), b = moments_of(s, g);
  double distance = 0, trace = 0;
  for (Index c = 0; c < d; ++c) {
    const auto i = static_cast<std::size_t>(c), ii = static_cast<std::size_t>(c * d + c);
    distance += (a.mean[i] - b.mean[i]) * (a.mean[i] - b.mean[i]) + a.covariance[ii] + b.covariance[ii];
  }
  const std::vector<double> root = symmetric_power(s, a.covariance, d, 0.5);
  symmetric_power(s, square_product(s, square_product(s, root, b.covariance, d), root, d), d, 0.5, 0, &trace);
  return distance - 2 * trace;
}

Prdc prdc(Stream& s, const Features& x, const Features& g, Index k) {
  require(k >= 1, ErrorCode::config, "PRDC counts at least one neighbour");
  check(x, g, k + 1);
  const std::vector<double> rx = neighbour_radii(s, x, k), rg = neighbour_radii(s, g, k);
  const std::vector<double> d = squared_distances(s, x, g);
  const Index m = x.rows(), n = g.rows();
  std::vector<char> inside(static_cast<std::size_t>(n), 0);
  Prdc out;
  for (Index i = 0; i < m; ++i) {
    bool recalled = false, covered = false;
    for (Index j = 0; j < n; ++j) {
      const double v = d[static_cast<std::size_t>(i * n + j)];
      recalled = recalled || v <= rg[static_cast<std::size_t>(j)];
      if (v > rx[static_cast<std::size_t>(i)]) continue;
      covered = true;
      inside[static_cast<std::size_t>(j)] = 1;
      out.density += 1;
    }
    out.recall += recalled ? 1 : 0;
    out.coverage += covered ? 1 : 0;
  }
  for (const char c : inside) out.precision += c;
  const auto count_x = static_cast<double>(m), count_g = static_cast<double>(n);
  out.precision /= count_g;
  out.density /= count_g * static_cast<double>(k);
  out.recall /= count_x;
  out.coverage /= count_x;
  return out;
}

double roc_area(std::vector<double> negative, std::vector<double> positive) {
  require(!negative.empty() && !positive.empty(), ErrorCode::data, "a ROC curve needs both classes");
  std::sort(negative.begin(), negative.end());
  double wins = 0;
  for (const double p : positive) {
    const auto low = std::lower_bound(negative.begin(), negative.end(), p);
    const auto high = std::upper_bound(low, negative.end(), p);
    wins += static_cast<double>(low - negative.begin()) + 0.5 * static_cast<double>(high - low);
  }
  return wins / (static_cast<double>(negative.size()) * static_cast<double>(positive.size()));
}

double classifier_auc(Stream& s, const Features& x, const Features& g) {
  check(x, g, 4);
  const Design design(pooled(x, g));
  std::vector<std::vector<double>> rows;
  std::vector<int> label;
  for (const Features* f : {&x, &g}) {
    for (Index r = 0; r < f->rows(); r += 2) {
      rows.push_back(design.row(*f, r));
      label.push_back(f == &g ? 1 : 0);
    }
  }
  const std::vector<double> beta = fit_logistic(s, rows, label);
  std::vector<double> scores[2];
  for (const Features* f : {&x, &g}) {
    for (Index r = 1; r < f->rows(); r += 2) scores[f == &g ? 1 : 0].push_back(inner(design.row(*f, r), beta));
  }
  return roc_area(scores[0], scores[1]);
}

}  // namespace terrane
