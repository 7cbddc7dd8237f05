// SPDX-License-Identifier: MIT
// Dense decompositions and block subspace iteration.
#include "analysis/spectra.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <type_traits>

#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {

namespace {

constexpr const char* spectra_where = "spectra";

template <class T>
double default_tolerance(double given) {
  if (given > 0) return given;
  return std::is_same_v<T, double> ? 1e-10 : 1e-5;
}

// B = M M^T by way of a buffer; `first` is applied to the vectors of length n, `second` leads back.
template <class T>
SymmetricMap<T> product_map(Stream& s, Index n, Index middle, std::function<void(Stream& on, const T* x, T* y)> first,
                            std::function<void(Stream& on, const T* x, T* y)> second) {
  const auto between = std::make_shared<Buffer<T>>(s, middle);
  return {n, [=](Stream& on, Index count, const T* x, T* y) {
            for (Index j = 0; j < count; ++j) {
              first(on, x + j * n, between->data());
              second(on, between->data(), y + j * n);
            }
          }};
}

// Rows of x (count, n) become orthonormal with the same span (of the transpose: x^T = Q R).
template <class T>
class Orthonormalizer {
 public:
  Orthonormalizer(Stream& s, Index count, Index n)
      : s_(s), count_(count), n_(n), columns_(s, count * n), q_(s, count * n), r_(s, count * count) {}
  void operator()(T* x) const {
    transpose(s_, TransposeCopy<T>{x, columns_.data(), count_, n_});
    qr(s_, Qr<T>{n_, count_, columns_.data(), q_.data(), r_.data()});
    transpose(s_, TransposeCopy<T>{q_.data(), x, n_, count_});
  }

 private:
  Stream& s_;
  Index count_, n_;
  Buffer<T> columns_, q_, r_;
};

// Eigenpairs of a small symmetric matrix h (m, m) on the host: values descending, vectors as rows.
void small_eigenpairs(Stream& s, const std::vector<double>& h, Index m, std::vector<double>& values,
                      std::vector<double>& vectors) {
  const Buffer<double> a = to_device(s, h), w(s, m), v(s, m * m);
  eigh(s, Eigh<double>{m, a.data(), w.data(), v.data()});
  values = to_host(s, w);
  const std::vector<double> ascending = to_host(s, v);
  std::reverse(values.begin(), values.end());
  vectors.clear();
  for (Index j = m; j-- > 0;) {
    vectors.insert(vectors.end(), ascending.begin() + j * m, ascending.begin() + (j + 1) * m);
  }
}

template <class T>
double norm_of(Stream& s, const T* x, Index n, const Buffer<T>& one) {
  dot(s, Dot<T>{x, x, one.data(), n});
  return std::sqrt(static_cast<double>(to_host(s, one)[0]));
}

// ||y - value x||; y is overwritten by the difference.
template <class T>
double residual_of(Stream& s, const T* x, T* y, double value, Index n, const Buffer<T>& one) {
  axpby(s, Axpby<T>{static_cast<T>(-value), x, T(1), y, n});
  return norm_of(s, y, n, one);
}

template <class T>
std::vector<double> host_double(Stream& s, const T* x, Index n) {
  const std::vector<T> host = to_host(s, x, n);
  return {host.begin(), host.end()};
}

// The iteration itself; x (block, n) holds the eigenvectors of the first `count` pairs afterwards.
template <class T>
class SubspaceIteration {
 public:
  SubspaceIteration(Stream& s, const SymmetricMap<T>& b, const SubspaceOptions& o)
      : s_(s), b_(b), o_(o), n_(b.n), block_(block_of(b.n, o)), orthonormalize_(s, block_, b.n) {
    for (Buffer<T>* v : {&x_, &y_, &turned_}) *v = Buffer<T>(s, block_ * n_);
    h_ = Buffer<T>(s, block_ * block_);
    one_ = Buffer<T>(s, 1);
  }

  Eigenpairs run() {
    start();
    Eigenpairs result;
    const double tolerance = default_tolerance<T>(o_.tolerance);
    const auto wanted = static_cast<std::size_t>(std::min(o_.count, n_));
    for (result.iterations = 1;; ++result.iterations) {
      b_.apply(s_, block_, x_.data(), y_.data());
      result.applications += block_;
      rotate(result.values);
      result.residuals.clear();
      double worst = 0;
      copy_values(s_, CopyValues<T>{y_.data(), turned_.data(), static_cast<Index>(wanted) * n_});
      for (std::size_t j = 0; j < wanted; ++j) {
        const Index at = static_cast<Index>(j) * n_;
        result.residuals.push_back(residual_of(s_, x_.data() + at, turned_.data() + at, result.values[j], n_, one_));
        worst = std::max(worst, result.residuals.back());
      }
      if (worst <= tolerance * std::abs(result.values[0])) break;
      if (result.iterations >= o_.iterations) {
        throw Error(ErrorCode::failed,
                    "subspace iteration: the residual is " + std::to_string(worst / result.values[0]) +
                        " of the largest value after " + std::to_string(o_.iterations) +
                        " iterations; allow more iterations, more oversampling, or a larger tolerance",
                    spectra_where);
      }
      std::swap(x_, y_);
      orthonormalize_(x_.data());
    }
    result.values.resize(wanted);
    result.vectors = host_double(s_, x_.data(), static_cast<Index>(wanted) * n_);
    return result;
  }
  const T* vectors() const { return x_.data(); }

 private:
  static Index block_of(Index n, const SubspaceOptions& o) {
    require(n > 0 && o.count > 0 && o.oversampling >= 0 && o.iterations > 0, ErrorCode::config,
            "subspace iteration needs a count, iterations and an oversampling that is not negative", spectra_where);
    const Index more = o.oversampling > 0 ? o.oversampling : std::max<Index>(10, o.count / 2);
    return std::min(n, o.count + more);
  }

  void start() {
    const Random random(o_.seed, RandomPurpose::probe);
    std::vector<T> x(static_cast<std::size_t>(block_ * n_));
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(random.normal(i));
    copy(s_, std::span<const T>(x), x_.data());
    orthonormalize_(x_.data());
  }

  // Rayleigh-Ritz: x and y = B x in the basis of the eigenvectors of x B x^T.
  void rotate(std::vector<double>& values) {
    gemm(s_, Gemm<T>{block_, block_, n_, x_.data(), n_, false, y_.data(), n_, true, h_.data(), block_});
    std::vector<double> h = host_double(s_, h_.data(), block_ * block_), v;
    small_eigenpairs(s_, h, block_, values, v);
    const std::vector<T> turn(v.begin(), v.end());
    copy(s_, std::span<const T>(turn), h_.data());
    for (Buffer<T>* z : {&x_, &y_}) {
      gemm(s_, Gemm<T>{block_, n_, block_, h_.data(), block_, false, z->data(), n_, false, turned_.data(), n_});
      std::swap(*z, turned_);
    }
  }

  Stream& s_;
  const SymmetricMap<T>& b_;
  SubspaceOptions o_;
  Index n_, block_;
  Orthonormalizer<T> orthonormalize_;
  Buffer<T> x_, y_, turned_, h_, one_;
};

}  // namespace

template <class T>
SymmetricMap<T> symmetric_map(const T* k, Index n) {
  return {n, [k, n](Stream& s, Index count, const T* x, T* y) {
            gemm(s, Gemm<T>{count, n, n, x, n, false, k, n, false, y, n});
          }};
}

template <class T>
SymmetricMap<T> left_gram_map(Stream& s, const LinearMap<T>& j) {
  return product_map<T>(s, j.rows, j.columns, j.adjoint, j.apply);
}

template <class T>
SymmetricMap<T> right_gram_map(Stream& s, const LinearMap<T>& j) {
  return product_map<T>(s, j.columns, j.rows, j.apply, j.adjoint);
}

template <class T>
Eigenpairs dense_eigenpairs(Stream& s, const T* k, Index n, Index top, bool vectors) {
  require(n > 0 && top >= 0 && top <= n, ErrorCode::config, "the number of eigenpairs must be 0 to n", spectra_where);
  const Index count = top > 0 ? top : n;
  const Buffer<T> w(s, count), v(s, vectors ? count * n : 0);
  eigh(s, Eigh<T>{n, k, w.data(), vectors ? v.data() : nullptr, top});
  Eigenpairs result;
  result.values = host_double(s, w.data(), count);
  std::reverse(result.values.begin(), result.values.end());
  for (Index j = count; vectors && j-- > 0;) {
    const std::vector<double> row = host_double(s, v.data() + j * n, n);
    result.vectors.insert(result.vectors.end(), row.begin(), row.end());
  }
  return result;
}

template <class T>
Eigenpairs subspace_eigenpairs(Stream& s, const SymmetricMap<T>& b, const SubspaceOptions& options) {
  return SubspaceIteration<T>(s, b, options).run();
}

template <class T>
SingularTriplets subspace_singular(Stream& s, const LinearMap<T>& j, const SubspaceOptions& options) {
  const bool left_first = j.rows <= j.columns;
  const SymmetricMap<T> b = left_first ? left_gram_map(s, j) : right_gram_map(s, j);
  SubspaceIteration<T> iteration(s, b, options);
  Eigenpairs pairs = iteration.run();
  SingularTriplets result;
  result.values = singular_values_of(pairs.values);
  result.iterations = pairs.iterations;
  result.applications = pairs.applications;
  const auto& forth = left_first ? j.adjoint : j.apply;
  const auto& back = left_first ? j.apply : j.adjoint;
  const Index other = left_first ? j.columns : j.rows;
  const Buffer<T> u(s, b.n), v(s, other), again(s, b.n), one(s, 1);
  std::vector<double> others;
  for (std::size_t k = 0; k < result.values.size(); ++k) {
    const double sigma = result.values[k];
    const T* x = iteration.vectors() + static_cast<Index>(k) * b.n;
    forth(s, x, v.data());  // sigma v, so that the other equation holds by construction
    const double length = norm_of(s, v.data(), other, one);
    if (length > 0) axpby(s, Axpby<T>{T(0), v.data(), static_cast<T>(1 / length), v.data(), other});
    back(s, v.data(), again.data());
    result.residuals.push_back(residual_of(s, x, again.data(), sigma, b.n, one) + std::abs(length - sigma));
    const std::vector<double> host = host_double(s, v.data(), other);
    others.insert(others.end(), host.begin(), host.end());
  }
  result.left = left_first ? std::move(pairs.vectors) : others;
  result.right = left_first ? std::move(others) : std::move(pairs.vectors);
  return result;
}

template SymmetricMap<float> symmetric_map(const float*, Index);
template SymmetricMap<double> symmetric_map(const double*, Index);
template SymmetricMap<float> left_gram_map(Stream&, const LinearMap<float>&);
template SymmetricMap<double> left_gram_map(Stream&, const LinearMap<double>&);
template SymmetricMap<float> right_gram_map(Stream&, const LinearMap<float>&);
template SymmetricMap<double> right_gram_map(Stream&, const LinearMap<double>&);
template Eigenpairs dense_eigenpairs(Stream&, const float*, Index, Index, bool);
template Eigenpairs dense_eigenpairs(Stream&, const double*, Index, Index, bool);
template Eigenpairs subspace_eigenpairs(Stream&, const SymmetricMap<float>&, const SubspaceOptions&);
template Eigenpairs subspace_eigenpairs(Stream&, const SymmetricMap<double>&, const SubspaceOptions&);
template SingularTriplets subspace_singular(Stream&, const LinearMap<float>&, const SubspaceOptions&);
template SingularTriplets subspace_singular(Stream&, const LinearMap<double>&, const SubspaceOptions&);

}  // namespace terrane
