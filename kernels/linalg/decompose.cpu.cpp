// SPDX-License-Identifier: MIT
// Decompositions by LAPACK where it was found, else by Eigen. A row-major matrix is the column-major transpose, so only
// QR needs a transposed copy. LAPACK runs on one thread: OpenBLAS gives other bits for other thread counts.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kernels/linalg/layout.hpp"
#include "kernels/linalg/linalg.hpp"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

#if defined(TERRANE_HAVE_LAPACKE)
#include <lapacke.h>
#if defined(_OPENMP)
#include <omp.h>
#endif
extern "C" {
__attribute__((weak)) void openblas_set_num_threads(int);
__attribute__((weak)) int openblas_get_num_threads();
}
#else
#include <Eigen/Dense>
#endif

namespace terrane::TERRANE_BACKEND {

namespace {

[[noreturn]] void not_converged(const char* verb) {
  throw Error(ErrorCode::failed, std::string(verb) + " did not converge; check the matrix for NaN or infinite values");
}

[[noreturn]] void not_positive(Index row) {
  throw Error(ErrorCode::failed, "cholesky: the matrix is not positive definite (pivot of row " + std::to_string(row) +
                                     "); add damping to the diagonal");
}

template <class T>
T* scratch_of(Stream& s, Index elements) {
  return static_cast<T*>(s.scratch(elements * static_cast<Index>(sizeof(T))));
}

template <class T>
bool all_finite(const T* x, Index n) {
  for (Index i = 0; i < n; ++i) {
    if (!std::isfinite(x[i])) return false;
  }
  return true;
}

#if defined(TERRANE_HAVE_LAPACKE)

// One thread for the calls in its scope.
class OneThread {
 public:
  OneThread() {
#if defined(_OPENMP)
    omp_ = omp_get_max_threads();
    omp_set_num_threads(1);
#endif
    if (openblas_get_num_threads != nullptr && openblas_set_num_threads != nullptr) {
      blas_ = openblas_get_num_threads();
      openblas_set_num_threads(1);
    }
  }
  ~OneThread() {
    if (blas_ > 0) openblas_set_num_threads(blas_);
#if defined(_OPENMP)
    omp_set_num_threads(omp_);
#endif
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  [[maybe_unused]] int omp_ = 1;
  int blas_ = 0;
};

lapack_int size_of(Index n) {
  if (n > 0x7fffffff) throw Error(ErrorCode::failed, "decompositions take matrices of fewer than 2^31 rows");
  return static_cast<lapack_int>(n);
}

lapack_int gesdd(char job, Index m, Index n, float* a, float* s, float* u, float* vt) {
  return LAPACKE_sgesdd(LAPACK_COL_MAJOR, job, size_of(m), size_of(n), a, size_of(m), s, u, size_of(m), vt,
                        size_of(std::min(m, n)));
}
lapack_int gesdd(char job, Index m, Index n, double* a, double* s, double* u, double* vt) {
  return LAPACKE_dgesdd(LAPACK_COL_MAJOR, job, size_of(m), size_of(n), a, size_of(m), s, u, size_of(m), vt,
                        size_of(std::min(m, n)));
}
lapack_int syevd(char job, Index n, float* a, float* w) {
  return LAPACKE_ssyevd(LAPACK_COL_MAJOR, job, 'L', size_of(n), a, size_of(n), w);
}
lapack_int syevd(char job, Index n, double* a, double* w) {
  return LAPACKE_dsyevd(LAPACK_COL_MAJOR, job, 'L', size_of(n), a, size_of(n), w);
}
// The pairs first .. n (from 1) in ascending order; w has room for n values.
lapack_int syevr(char job, Index n, Index first, float* a, float* w, float* z, lapack_int* support) {
  lapack_int found = 0;
  return LAPACKE_ssyevr(LAPACK_COL_MAJOR, job, 'I', 'L', size_of(n), a, size_of(n), 0, 0, size_of(first), size_of(n), 0,
                        &found, w, z, size_of(n), support);
}
lapack_int syevr(char job, Index n, Index first, double* a, double* w, double* z, lapack_int* support) {
  lapack_int found = 0;
  return LAPACKE_dsyevr(LAPACK_COL_MAJOR, job, 'I', 'L', size_of(n), a, size_of(n), 0, 0, size_of(first), size_of(n), 0,
                        &found, w, z, size_of(n), support);
}
lapack_int geqrf(Index m, Index n, float* a, float* tau) {
  return LAPACKE_sgeqrf(LAPACK_COL_MAJOR, size_of(m), size_of(n), a, size_of(m), tau);
}
lapack_int geqrf(Index m, Index n, double* a, double* tau) {
  return LAPACKE_dgeqrf(LAPACK_COL_MAJOR, size_of(m), size_of(n), a, size_of(m), tau);
}
lapack_int orgqr(Index m, Index r, float* a, const float* tau) {
  return LAPACKE_sorgqr(LAPACK_COL_MAJOR, size_of(m), size_of(r), size_of(r), a, size_of(m), tau);
}
lapack_int orgqr(Index m, Index r, double* a, const double* tau) {
  return LAPACKE_dorgqr(LAPACK_COL_MAJOR, size_of(m), size_of(r), size_of(r), a, size_of(m), tau);
}
lapack_int potrf(Index n, float* a) { return LAPACKE_spotrf(LAPACK_COL_MAJOR, 'U', size_of(n), a, size_of(n)); }
lapack_int potrf(Index n, double* a) { return LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'U', size_of(n), a, size_of(n)); }

// Column-major A^T (n, m) = V S U^T, so that LAPACK's U is V^T row-major and its V^T is U row-major.
template <class T>
void svd_of(const Svd<T>& f, T* a) {
  const OneThread one;
  T none = 0;
  const lapack_int info =
      f.u != nullptr ? gesdd('S', f.n, f.m, a, f.s, f.vt, f.u) : gesdd('N', f.n, f.m, a, f.s, &none, &none);
  if (info != 0) not_converged("svd");
}

template <class T>
void eigh_of(const Eigh<T>& f, T* a) {
  const OneThread one;
  const Index count = f.pairs();
  if (count < f.n) {
    std::vector<T> w(static_cast<std::size_t>(f.n));
    std::vector<lapack_int> support(2 * static_cast<std::size_t>(count));
    const char job = f.vectors != nullptr ? 'V' : 'N';
    if (syevr(job, f.n, f.n - count + 1, a, w.data(), f.vectors, support.data()) != 0) not_converged("eigh");
    std::copy_n(w.begin(), count, f.w);
    return;
  }
  if (syevd(f.vectors != nullptr ? 'V' : 'N', f.n, a, f.w) != 0) not_converged("eigh");
  if (f.vectors != nullptr) std::copy_n(a, f.n * f.n, f.vectors);
}

// a: column-major (m, n): Householder form in place, then Q (m, r) in place.
template <class T>
void householder(Index m, Index n, T* a, T* tau) {
  const OneThread one;
  if (geqrf(m, n, a, tau) != 0) not_converged("qr");
}
template <class T>
void form_q(Index m, Index r, T* a, const T* tau) {
  const OneThread one;
  if (orgqr(m, r, a, tau) != 0) not_converged("qr");
}

template <class T>
Index factor_lower(Index n, T* l) {
  const OneThread one;
  return potrf(n, l);
}

#else

template <class T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;

template <class T>
void svd_of(const Svd<T>& f, T* a) {
  const Index r = std::min(f.m, f.n);
  const unsigned options = f.u != nullptr ? Eigen::ComputeThinU | Eigen::ComputeThinV : 0u;
  const Eigen::BDCSVD<Matrix<T> > svd(Eigen::Map<Matrix<T> >(a, f.n, f.m), options);
  if (svd.info() != Eigen::Success) not_converged("svd");
  std::copy_n(svd.singularValues().data(), r, f.s);
  if (f.u == nullptr) return;
  Eigen::Map<Matrix<T> >(f.vt, f.n, r) = svd.matrixU();
  Eigen::Map<Matrix<T> >(f.u, r, f.m) = svd.matrixV().transpose();
}

template <class T>
void eigh_of(const Eigh<T>& f, T* a) {
  const int job = f.vectors != nullptr ? Eigen::ComputeEigenvectors : Eigen::EigenvaluesOnly;
  const Eigen::SelfAdjointEigenSolver<Matrix<T> > solver(Eigen::Map<Matrix<T> >(a, f.n, f.n), job);
  if (solver.info() != Eigen::Success) not_converged("eigh");
  const Index count = f.pairs(), rest = f.n - count;
  std::copy_n(solver.eigenvalues().data() + rest, count, f.w);
  if (f.vectors != nullptr) std::copy_n(solver.eigenvectors().data() + rest * f.n, count * f.n, f.vectors);
}

template <class T>
void householder(Index m, Index n, T* a, T* tau) {
  const Eigen::HouseholderQR<Matrix<T> > qr(Eigen::Map<Matrix<T> >(a, m, n));
  std::copy_n(qr.matrixQR().data(), m * n, a);
  std::copy_n(qr.hCoeffs().data(), std::min(m, n), tau);
}
template <class T>
void form_q(Index m, Index r, T* a, const T* tau) {
  const Matrix<T> vectors = Eigen::Map<Matrix<T> >(a, m, r);
  const Eigen::Matrix<T, Eigen::Dynamic, 1> h = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, 1> >(tau, r);
  const Matrix<T> q = Eigen::householderSequence(vectors, h) * Matrix<T>::Identity(m, r);
  std::copy_n(q.data(), m * r, a);
}

// Row by row: l_ij = (a_ij - sum_{k<j} l_ik l_jk) / l_jj, sums in 8 fixed lanes. Returns 0, or 1 + row of a bad pivot.
template <class T>
Index factor_lower(Index n, T* l) {
  constexpr int width = 8;
  for (Index i = 0; i < n; ++i) {
    T* x = l + i * n;
    for (Index j = 0; j <= i; ++j) {
      const T* y = l + j * n;
      T lane[width] = {};
      Index k = 0;
      for (; k + width <= j; k += width) {
        for (int q = 0; q < width; ++q) lane[q] += x[k + q] * y[k + q];
      }
      T sum = ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
      for (; k < j; ++k) sum += x[k] * y[k];
      const T rest = x[j] - sum;
      if (i == j && !(rest > T(0))) return i + 1;
      x[j] = i == j ? std::sqrt(rest) : rest / y[j];
    }
  }
  return 0;
}

#endif

}  // namespace

template <class T>
void svd(Stream& s, const Svd<T>& f) {
  if (f.m <= 0 || f.n <= 0) return;
  if (!all_finite(f.a, f.m * f.n)) not_converged("svd");
  T* a = scratch_of<T>(s, f.m * f.n);
  std::copy_n(f.a, f.m * f.n, a);
  svd_of(f, a);
}

template <class T>
void eigh(Stream& s, const Eigh<T>& f) {
  if (f.n <= 0) return;
  if (!all_finite(f.a, f.n * f.n)) not_converged("eigh");
  T* a = scratch_of<T>(s, f.n * f.n);
  std::copy_n(f.a, f.n * f.n, a);
  eigh_of(f, a);
}

template <class T>
void qr(Stream& s, const Qr<T>& f) {
  if (f.m <= 0 || f.n <= 0) return;
  const Index r = std::min(f.m, f.n);
  T* a = scratch_of<T>(s, f.m * f.n + 2 * r);
  T* tau = a + f.m * f.n;
  T* sign = tau + r;
  parallel_for_2d(s, f.m, f.n, TransposeCopy<T>{f.a, a, f.m, f.n});
  householder(f.m, f.n, a, tau);
  parallel_for_2d(s, r, f.n, SignedUpper<T>{a, f.r, sign, f.m, f.n});
  form_q(f.m, r, a, tau);
  parallel_for_2d(s, f.m, r, SignedColumns<T>{a, sign, f.q, f.m, r});
}

template <class T>
void cholesky(Stream& s, const Cholesky<T>& f) {
  if (f.n <= 0) return;
  parallel_for_2d(s, f.n, f.n, LowerCopy<T>{f.a, f.l, f.n});
  if (const Index bad = factor_lower(f.n, f.l); bad != 0) not_positive(bad - 1);
}

template <class T>
void cholesky_solve(Stream&, const CholeskySolve<T>& f) {
  const Index n = f.n, w = f.n_rhs;
  for (Index i = 0; i < n; ++i) {  // L Y = B
    T* x = f.x + i * w;
    for (Index k = 0; k < i; ++k) {
      for (Index c = 0; c < w; ++c) x[c] -= f.l[i * n + k] * f.x[k * w + c];
    }
    for (Index c = 0; c < w; ++c) x[c] /= f.l[i * n + i];
  }
  for (Index i = n - 1; i >= 0; --i) {  // L^T X = Y
    T* x = f.x + i * w;
    for (Index c = 0; c < w; ++c) x[c] /= f.l[i * n + i];
    for (Index k = 0; k < i; ++k) {
      for (Index c = 0; c < w; ++c) f.x[k * w + c] -= f.l[i * n + k] * x[c];
    }
  }
}

TERRANE_INSTANTIATE(svd, Svd)
TERRANE_INSTANTIATE(eigh, Eigh)
TERRANE_INSTANTIATE(qr, Qr)
TERRANE_INSTANTIATE(cholesky, Cholesky)
TERRANE_INSTANTIATE(cholesky_solve, CholeskySolve)

}  // namespace terrane::TERRANE_BACKEND
