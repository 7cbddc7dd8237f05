// SPDX-License-Identifier: MIT
// Lanczos with full reorthogonalisation: q_1 given, beta_{j+1} q_{j+1} = B q_j - alpha_j q_j - beta_j q_{j-1}. The
// eigenvalues theta of the tridiagonal matrix T_m with eigenvectors s approximate those of B; the residual of a Ritz
// pair is beta_{m+1} |s_m|, and sum_i s_{1i}^2 f(theta_i) is the Gauss quadrature of q_1^T f(B) q_1.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <type_traits>

#include "analysis/spectra.hpp"
#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {

namespace {

constexpr const char* lanczos_where = "Lanczos";

template <class T>
class LanczosBasis {
 public:
  LanczosBasis(Stream& s, const SymmetricMap<T>& b, Index steps)
      : s_(s), b_(b), n_(b.n), q_(s, (steps + 1) * b.n), w_(s, b.n), c_(s, steps + 1), one_(s, 1) {}

  // False when start is (nearly) in the span of the basis.
  bool add(const std::vector<T>& start) {
    copy(s_, std::span<const T>(start), w_.data());
    const double before = norm(w_.data());
    orthogonalize();
    const double length = norm(w_.data());
    if (!(length > 1e-3 * before)) return false;
    append(length);
    return true;
  }
  // Extends T by one row. False: the basis spans an invariant subspace; T is complete and beta zero.
  bool step() {
    const Index j = size() - 1;
    b_.apply(s_, 1, q_.data() + j * n_, w_.data());
    dot(s_, Dot<T>{q_.data() + j * n_, w_.data(), one_.data(), n_});
    alpha_.push_back(static_cast<double>(to_host(s_, one_)[0]));
    scale_ = std::max(scale_, norm(w_.data()));
    orthogonalize();
    const double length = norm(w_.data());
    const double rounding = 10 * static_cast<double>(std::numeric_limits<T>::epsilon()) * scale_;
    beta_.push_back(length > rounding ? length : 0);
    if (beta_.back() == 0) return false;
    append(length);
    return true;
  }

  // Vectors in the basis; rows of T are alpha().size().
  Index size() const { return size_; }
  Index rows() const { return static_cast<Index>(alpha_.size()); }
  double last_beta() const { return beta_.back(); }
  const T* vectors() const { return q_.data(); }

  // Of T: values ascending, vectors as rows.
  void ritz(std::vector<double>& values, std::vector<double>& vectors) const {
    const Index m = rows();
    std::vector<double> t(static_cast<std::size_t>(m * m), 0.0);
    for (Index i = 0; i < m; ++i) {
      t[static_cast<std::size_t>(i * m + i)] = alpha_[static_cast<std::size_t>(i)];
      if (i + 1 == m) continue;
      const double beta = beta_[static_cast<std::size_t>(i)];
      t[static_cast<std::size_t>(i * m + i + 1)] = t[static_cast<std::size_t>((i + 1) * m + i)] = beta;
    }
    const Buffer<double> a = to_device(s_, t), w(s_, m), v(s_, m * m);
    eigh(s_, Eigh<double>{m, a.data(), w.data(), v.data()});
    values = to_host(s_, w);
    vectors = to_host(s_, v);
  }

 private:
  double norm(const T* x) {
    dot(s_, Dot<T>{x, x, one_.data(), n_});
    return std::sqrt(static_cast<double>(to_host(s_, one_)[0]));
  }
  // w -= Q^T Q w, twice.
  void orthogonalize() {
    for (int pass = 0; pass < 2 && size_ > 0; ++pass) {
      gemm(s_, Gemm<T>{size_, 1, n_, q_.data(), n_, false, w_.data(), 1, false, c_.data(), 1});
      gemm(s_, Gemm<T>{1, n_, size_, c_.data(), size_, false, q_.data(), n_, false, w_.data(), n_, T(-1), T(1)});
    }
  }
  void append(double length) {
    axpby(s_, Axpby<T>{static_cast<T>(1 / length), w_.data(), T(0), q_.data() + size_ * n_, n_});
    ++size_;
  }

  Stream& s_;
  const SymmetricMap<T>& b_;
  Index n_, size_ = 0;
  Buffer<T> q_, w_, c_, one_;
  std::vector<double> alpha_, beta_;
  double scale_ = 0;
};

template <class T>
std::vector<T> normal_vector(Index n, std::uint64_t seed, std::uint32_t draw) {
  const Random random(seed, RandomPurpose::probe);
  std::vector<T> x(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(random.normal(i, draw));
  return x;
}

// x (count, n): the last `count` rows of vectors (m, m), largest value first, times the basis.
template <class T>
void ritz_vectors(Stream& s, const LanczosBasis<T>& basis, const std::vector<double>& vectors, Index count, Index n,
                  T* x) {
  const Index m = basis.rows();
  std::vector<T> rows;
  for (Index k = 0; k < count; ++k) {
    const auto row = vectors.begin() + (m - 1 - k) * m;
    rows.insert(rows.end(), row, row + m);
  }
  const Buffer<T> turn = to_device(s, rows);
  gemm(s, Gemm<T>{count, n, m, turn.data(), m, false, basis.vectors(), n, false, x, n});
}

// The leading Ritz pairs of a symmetric map: values (descending) and vectors x (count, n) on the device.
template <class T>
struct RitzPairs {
  std::vector<double> values;
  Buffer<T> x;
  Index steps = 0;
};

template <class T>
RitzPairs<T> lanczos_ritz(Stream& s, const SymmetricMap<T>& b, const LanczosOptions& o) {
  require(b.n > 0 && o.count > 0 && o.steps > 0, ErrorCode::config, "Lanczos needs a count and steps", lanczos_where);
  const Index count = std::min(o.count, b.n), steps = std::min(std::max(o.steps, count), b.n);
  const double tolerance = o.tolerance > 0 ? o.tolerance : std::is_same_v<T, double> ? 1e-10 : 1e-5;
  LanczosBasis<T> basis(s, b, steps);
  std::uint32_t draw = 0;
  basis.add(normal_vector<T>(b.n, o.seed, draw++));
  std::vector<double> values, vectors;
  double worst = 0;
  for (Index m = 1;; ++m) {
    const bool more = basis.step();
    const bool last = m == steps;
    if (m >= count && (last || !more || m % 5 == 0)) {
      basis.ritz(values, vectors);
      worst = 0;
      for (Index k = 0; k < count; ++k) {
        worst = std::max(worst, basis.last_beta() * std::abs(vectors[static_cast<std::size_t>((m - k) * m - 1)]));
      }
      // An invariant subspace makes every residual zero, but it may lack copies of a multiple value: go on from a new
      // vector unless the basis is complete.
      if (more && worst <= tolerance * std::abs(values.back())) break;
    }
    if (last) break;
    if (o.progress) o.progress(m, steps);
    if (more) continue;
    while (draw < 1000 && !basis.add(normal_vector<T>(b.n, o.seed, draw++))) continue;
    if (basis.size() == m) break;
  }
  const double bound = tolerance * std::abs(values.back());
  if (worst > bound && basis.rows() < b.n) {
    throw Error(ErrorCode::failed,
                "the residual is " + std::to_string(worst / std::abs(values.back())) + " of the largest value after " +
                    std::to_string(steps) + " steps; allow more steps or a larger tolerance",
                lanczos_where);
  }
  RitzPairs<T> pairs;
  pairs.steps = basis.rows();
  if (o.progress) o.progress(pairs.steps, pairs.steps);
  pairs.x = Buffer<T>(s, count * b.n);
  ritz_vectors(s, basis, vectors, count, b.n, pairs.x.data());
  pairs.values.assign(values.rbegin(), values.rbegin() + count);
  return pairs;
}

// ||y - value x||; y is overwritten by the difference.
template <class T>
double ritz_residual(Stream& s, const T* x, T* y, double value, Index n, const Buffer<T>& one) {
  axpby(s, Axpby<T>{static_cast<T>(-value), x, T(1), y, n});
  dot(s, Dot<T>{y, y, one.data(), n});
  return std::sqrt(static_cast<double>(to_host(s, one)[0]));
}

}  // namespace

template <class T>
Eigenpairs lanczos_eigenpairs(Stream& s, const SymmetricMap<T>& b, const LanczosOptions& o) {
  const RitzPairs<T> pairs = lanczos_ritz(s, b, o);
  const auto count = static_cast<Index>(pairs.values.size());
  Eigenpairs result;
  result.iterations = static_cast<int>(pairs.steps);
  result.applications = pairs.steps + count;
  result.values = pairs.values;
  const Buffer<T> y(s, count * b.n), one(s, 1);
  b.apply(s, count, pairs.x.data(), y.data());
  for (Index k = 0; k < count; ++k) {
    result.residuals.push_back(ritz_residual(s, pairs.x.data() + k * b.n, y.data() + k * b.n,
                                             pairs.values[static_cast<std::size_t>(k)], b.n, one));
  }
  const std::vector<T> host = to_host(s, pairs.x);
  result.vectors.assign(host.begin(), host.end());
  return result;
}

// With B = J^T J and B v = lambda v + r: u = J v / |J v|, sigma = sqrt(lambda), J^T u - sigma v = r / sigma.
template <class T>
SingularTriplets lanczos_singular(Stream& s, const LinearMap<T>& j, const LanczosOptions& o) {
  const bool by_columns = j.columns <= j.rows;
  const Index n = by_columns ? j.columns : j.rows, m = by_columns ? j.rows : j.columns;
  const RitzPairs<T> pairs = lanczos_ritz(s, by_columns ? right_gram_map(s, j) : left_gram_map(s, j), o);
  SingularTriplets result;
  result.iterations = static_cast<int>(pairs.steps);
  result.applications = pairs.steps + static_cast<Index>(pairs.values.size());
  std::vector<double>& near = by_columns ? result.right : result.left;
  std::vector<double>& far = by_columns ? result.left : result.right;
  const std::vector<T> host = to_host(s, pairs.x);
  near.assign(host.begin(), host.end());
  const Buffer<T> across(s, m), back(s, n), one(s, 1);
  for (std::size_t k = 0; k < pairs.values.size(); ++k) {
    const T* x = pairs.x.data() + static_cast<Index>(k) * n;
    (by_columns ? j.apply : j.adjoint)(s, x, across.data());
    (by_columns ? j.adjoint : j.apply)(s, across.data(), back.data());
    const double residual = ritz_residual(s, x, back.data(), pairs.values[k], n, one);
    const double sigma = std::sqrt(std::max(0.0, pairs.values[k]));
    dot(s, Dot<T>{across.data(), across.data(), one.data(), m});
    const double length = std::sqrt(static_cast<double>(to_host(s, one)[0]));
    result.values.push_back(sigma);
    result.residuals.push_back(sigma > 0 ? std::abs(length - sigma) + residual / sigma : length);
    for (const T v : to_host(s, across)) far.push_back(length > 0 ? static_cast<double>(v) / length : 0);
  }
  return result;
}

template <class T>
SpectralDensity lanczos_density(Stream& s, const SymmetricMap<T>& b, Index steps, Index probes, std::uint64_t seed) {
  require(b.n > 0 && steps > 0 && probes > 0, ErrorCode::config, "the density needs steps and probes", lanczos_where);
  steps = std::min(steps, b.n);
  const Random random(seed, RandomPurpose::probe);
  std::vector<std::pair<double, double>> points;
  for (Index k = 0; k < probes; ++k) {
    std::vector<T> z(static_cast<std::size_t>(b.n));
    for (std::size_t i = 0; i < z.size(); ++i) {
      z[i] = (random.bits(i, static_cast<std::uint32_t>(k)).v[0] & 1u) != 0 ? T(1) : T(-1);
    }
    LanczosBasis<T> basis(s, b, steps);
    basis.add(z);
    for (Index m = 0; m < steps && basis.step(); ++m) continue;
    std::vector<double> values, vectors;
    basis.ritz(values, vectors);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double first = vectors[i * values.size()];
      points.emplace_back(values[i], first * first / static_cast<double>(probes));
    }
  }
  std::sort(points.begin(), points.end());
  SpectralDensity density;
  for (const auto& [node, weight] : points) {
    density.nodes.push_back(node);
    density.weights.push_back(weight);
  }
  return density;
}

double SpectralDensity::below(double x) const {
  double sum = 0;
  for (std::size_t i = 0; i < nodes.size() && nodes[i] <= x; ++i) sum += weights[i];
  return sum;
}

double SpectralDensity::trace(Index n, const std::function<double(double)>& f) const {
  double sum = 0;
  for (std::size_t i = 0; i < nodes.size(); ++i) sum += weights[i] * f(nodes[i]);
  return static_cast<double>(n) * sum;
}

template Eigenpairs lanczos_eigenpairs(Stream&, const SymmetricMap<float>&, const LanczosOptions&);
template Eigenpairs lanczos_eigenpairs(Stream&, const SymmetricMap<double>&, const LanczosOptions&);
template SingularTriplets lanczos_singular(Stream&, const LinearMap<float>&, const LanczosOptions&);
template SingularTriplets lanczos_singular(Stream&, const LinearMap<double>&, const LanczosOptions&);
template SpectralDensity lanczos_density(Stream&, const SymmetricMap<float>&, Index, Index, std::uint64_t);
template SpectralDensity lanczos_density(Stream&, const SymmetricMap<double>&, Index, Index, std::uint64_t);

}  // namespace terrane
