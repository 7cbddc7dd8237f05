// SPDX-License-Identifier: MIT
#include "physics/resistivity/wavenumbers.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/runtime/error.hpp"

namespace terrane {

namespace {

constexpr Index distances = 100;
constexpr double rough_search = 1e-2, fine = 1e-5;  // changes of the misfit that end the search
constexpr double least_gap = 0.3;                   // between log k, of the mean
using Vector = std::vector<double>;

Vector log_spaced(double first, double last, Index count) {
  Vector v;
  for (Index i = 0; i < count; ++i) {
    const double t = count > 1 ? static_cast<double>(i) / static_cast<double>(count - 1) : 0;
    v.push_back(first * std::pow(last / first, t));
  }
  return v;
}

double r_k0(double r, double k) { return r * std::exp(-k * r) * scaled_bessel_k(0, k * r); }

// Householder QR of a matrix (rows, columns) by columns; applies Q^T to vectors.
class WeightFit {
 public:
  WeightFit(Index rows, Index columns, Vector a) : m_(rows), n_(columns), a_(std::move(a)) {
    for (Index j = 0; j < n_; ++j) {
      double* v = column(j);
      double norm = 0;
      for (Index i = j; i < m_; ++i) norm += v[i] * v[i];
      norm = std::sqrt(norm);
      const double r = v[j] > 0 ? -norm : norm;
      v[j] -= r;
      diagonal_.push_back(r);
      double square = 0;
      for (Index i = j; i < m_; ++i) square += v[i] * v[i];
      factor_.push_back(square > 0 ? 2 / square : 0);
      for (Index c = j + 1; c < n_; ++c) reflect(j, column(c));
    }
  }
  void to_q(double* x) const {  // x <- Q^T x
    for (Index j = 0; j < n_; ++j) reflect(j, x);
  }
  void from_q(double* x) const {
    for (Index j = n_ - 1; j >= 0; --j) reflect(j, x);
  }
  // min ||A w - b||; b becomes the residual b - A w.
  Vector solve(Vector& b) const {
    to_q(b.data());
    Vector w(static_cast<std::size_t>(n_));
    for (Index j = n_ - 1; j >= 0; --j) {
      double v = b[static_cast<std::size_t>(j)];
      for (Index c = j + 1; c < n_; ++c) v -= column(c)[j] * w[static_cast<std::size_t>(c)];
      const double d = diagonal_[static_cast<std::size_t>(j)];
      w[static_cast<std::size_t>(j)] = d != 0 ? v / d : 0;
    }
    project(b);
    return w;
  }
  // Of a vector already given as Q^T x: the part orthogonal to the columns of A, as x.
  void project(Vector& x) const {
    std::fill_n(x.begin(), n_, 0.0);
    from_q(x.data());
  }

 private:
  const double* column(Index j) const { return a_.data() + j * m_; }
  double* column(Index j) { return a_.data() + j * m_; }
  void reflect(Index j, double* x) const {
    const double* v = column(j);
    double sum = 0;
    for (Index i = j; i < m_; ++i) sum += v[i] * x[i];
    sum *= factor_[static_cast<std::size_t>(j)];
    for (Index i = j; i < m_; ++i) x[i] -= sum * v[i];
  }
  Index m_, n_;
  Vector a_, diagonal_, factor_;
};

struct Projected {
  Vector weight, residual;
  double misfit = 0;
};

WeightFit kernel_matrix(const Vector& r, const Vector& log_k) {
  Vector a;
  for (const double l : log_k) {
    for (const double x : r) a.push_back(r_k0(x, std::exp(l)));
  }
  return {static_cast<Index>(r.size()), static_cast<Index>(log_k.size()), std::move(a)};
}

Projected project(const Vector& r, const Vector& log_k) {
  Projected p;
  p.residual.assign(r.size(), 1.0);
  p.weight = kernel_matrix(r, log_k).solve(p.residual);
  for (const double e : p.residual) p.misfit += e * e;
  return p;
}

// Derivatives of the projected residual with respect to log k (Kaufman's form: the weights held, then projected).
Vector projected_jacobian(const Vector& r, const Vector& log_k, const Vector& weight) {
  const WeightFit qr = kernel_matrix(r, log_k);
  Vector jacobian;
  for (std::size_t j = 0; j < log_k.size(); ++j) {
    Vector column;
    for (const double x : r) {
      const double kr = std::exp(log_k[j]) * x;
      column.push_back(weight[j] * x * kr * std::exp(-kr) * scaled_bessel_k(1, kr));
    }
    qr.to_q(column.data());
    qr.project(column);
    jacobian.insert(jacobian.end(), column.begin(), column.end());
  }
  return jacobian;
}

// min || J d + residual ||^2 + damping sum_j (s_j d_j)^2, s_j the norm of column j.
Vector damped_step(const Vector& jacobian, const Vector& residual, double damping) {
  const auto m = static_cast<Index>(residual.size()), n = static_cast<Index>(jacobian.size()) / m;
  Vector a, b(static_cast<std::size_t>(m + n));
  for (Index i = 0; i < m; ++i) b[static_cast<std::size_t>(i)] = -residual[static_cast<std::size_t>(i)];
  for (Index j = 0; j < n; ++j) {
    double square = 0;
    for (Index i = 0; i < m; ++i) {
      a.push_back(jacobian[static_cast<std::size_t>(j * m + i)]);
      square += a.back() * a.back();
    }
    a.resize(a.size() + static_cast<std::size_t>(n));
    a[static_cast<std::size_t>(j * (m + n) + m + j)] = std::sqrt(damping * square) + 1e-300;
  }
  return WeightFit(m + n, n, std::move(a)).solve(b);
}

// Wavenumbers that meet get huge weights of opposite signs, which amplify every other error.
bool apart(Vector log_k) {
  std::sort(log_k.begin(), log_k.end());
  const double mean = (log_k.back() - log_k.front()) / static_cast<double>(std::max<std::size_t>(log_k.size() - 1, 1));
  for (std::size_t j = 1; j < log_k.size(); ++j) {
    if (log_k[j] - log_k[j - 1] < least_gap * mean) return false;
  }
  return true;
}

// Improves log_k until a step changes the misfit by a smaller share than `enough`.
Projected minimise(const Vector& r, double enough, Vector& log_k) {
  Projected now = project(r, log_k);
  double damping = 1e-2;
  for (int pass = 0; pass < 200 && damping < 1e8; ++pass) {
    const Vector jacobian = projected_jacobian(r, log_k, now.weight);
    bool better = false, small = false;
    while (!better && damping < 1e8) {
      Vector trial = log_k;
      const Vector step = damped_step(jacobian, now.residual, damping);
      for (std::size_t j = 0; j < trial.size(); ++j) trial[j] += std::clamp(step[j], -1.0, 1.0);
      Projected next;
      better = apart(trial);
      if (better) next = project(r, trial);
      better = better && next.misfit < now.misfit;
      if (better) {
        small = now.misfit - next.misfit < enough * now.misfit;
        log_k = std::move(trial);
        now = std::move(next);
        damping = std::max(damping / 5, 1e-12);
      } else {
        damping *= 4;
      }
    }
    if (small) break;
  }
  return now;
}

// The start with one wavenumber more: the same curve of log k over the share of wavenumbers below.
Vector one_more(Vector log_k) {
  std::sort(log_k.begin(), log_k.end());
  const auto last = static_cast<double>(log_k.size() - 1);
  Vector more;
  for (std::size_t j = 0; j <= log_k.size(); ++j) {
    const double t = last * static_cast<double>(j) / (last + 1);
    const auto below = std::min(static_cast<std::size_t>(t), log_k.size() - 2);
    more.push_back(std::lerp(log_k[below], log_k[below + 1], t - static_cast<double>(below)));
  }
  return more;
}

}  // namespace

double scaled_bessel_k(int n, double x) {
  const double step = std::min(0.2, 0.5 / std::sqrt(x)), ratio = std::exp(step / 2);
  double sum = 0.5, q = 1;
  for (;;) {
    q *= ratio;
    const double s = (q - 1 / q) / 2, s2 = 2 * s * s;  // sinh(t / 2), cosh(t) - 1
    const double term = std::exp(-x * s2) * (n == 0 ? 1.0 : 1 + s2);
    sum += term;
    if (term < 1e-17 * sum) break;
  }
  return step * sum;
}

void Wavenumbers::check() const {
  require(!k_per_m.empty(), ErrorCode::config, "at least one wavenumber is needed", "wavenumbers");
  require(k_per_m.size() == weight_per_m.size(), ErrorCode::config, "there must be one weight for each wavenumber",
          "wavenumbers");
  for (std::size_t j = 0; j < k_per_m.size(); ++j) {
    require(std::isfinite(k_per_m[j]) && k_per_m[j] > 0 && std::isfinite(weight_per_m[j]), ErrorCode::config,
            "wavenumbers must be positive and weights finite", "wavenumbers");
  }
}

Wavenumbers with_errors(Wavenumbers pairs, double least_m, double most_m) {
  pairs.check();
  pairs.max_error = pairs.rms_error = 0;
  for (const double r : log_spaced(least_m, most_m, distances)) {
    double e = 1;
    for (std::size_t j = 0; j < pairs.k_per_m.size(); ++j) e -= 2 * pairs.weight_per_m[j] * r_k0(r, pairs.k_per_m[j]);
    pairs.max_error = std::max(pairs.max_error, std::fabs(e));
    pairs.rms_error += e * e;
  }
  pairs.rms_error = std::sqrt(pairs.rms_error / static_cast<double>(distances));
  return pairs;
}

Wavenumbers choose_wavenumbers(Index count, double least_m, double most_m) {
  require(count > 0 && count <= distances / 2, ErrorCode::config, "choose between 1 and 50 wavenumbers", "wavenumbers");
  require(least_m > 0 && most_m > least_m && std::isfinite(most_m), ErrorCode::config,
          "the distances of the wavenumbers must be positive and increase", "wavenumbers");
  const Vector r = log_spaced(least_m, most_m, distances);
  Vector log_k;
  for (const double k : log_spaced(1 / most_m, 1 / least_m, std::min<Index>(count, 3))) log_k.push_back(std::log(k));
  Projected now = minimise(r, rough_search, log_k);
  while (static_cast<Index>(log_k.size()) < count) {
    log_k = one_more(log_k);
    now = minimise(r, rough_search, log_k);
  }
  now = minimise(r, fine, log_k);
  std::vector<std::pair<double, double>> pairs;
  for (std::size_t j = 0; j < log_k.size(); ++j) pairs.emplace_back(std::exp(log_k[j]), now.weight[j] / 2);
  std::sort(pairs.begin(), pairs.end());
  Wavenumbers out;
  for (const auto& [k, w] : pairs) {
    out.k_per_m.push_back(k);
    out.weight_per_m.push_back(w);
  }
  return with_errors(std::move(out), least_m, most_m);
}

Wavenumbers choose_wavenumbers(const TensorMesh& mesh, Index count) {
  mesh.check();
  return choose_wavenumbers(count, mesh.smallest_m() / 4, 4 * mesh.extent_m());
}

}  // namespace terrane
