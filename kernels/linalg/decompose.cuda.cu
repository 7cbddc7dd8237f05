// SPDX-License-Identifier: MIT
// Decompositions by cuSOLVER (64-bit interface). A row-major matrix is the column-major transpose there; QR, and the
// SVD of a tall matrix (cuSOLVER wants rows >= columns), work on a transposed copy.
#include <algorithm>
#include <cmath>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/linalg/cuda_library.hpp"
#include "kernels/linalg/layout.hpp"
#include "kernels/linalg/linalg.hpp"
#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {

namespace {

template <class T>
constexpr cudaDataType data_type = std::is_same_v<T, float> ? CUDA_R_32F : CUDA_R_64F;

// One piece of scratch memory cut into arrays and a workspace; all of it is valid until the next use of scratch.
template <class T>
class Scratch {
 public:
  // `elements` of T for arrays, then the status word, then `work_bytes` for the library.
  Scratch(Stream& s, Index elements, std::size_t work_bytes) : stream_(s), work_bytes_(work_bytes), host_(1) {
    const Index arrays = (elements * static_cast<Index>(sizeof(T)) + 255) / 256 * 256;
    base_ = static_cast<char*>(s.scratch(arrays + 256 + static_cast<Index>(work_bytes)));
    next_ = reinterpret_cast<T*>(base_);
    info_ = reinterpret_cast<int*>(base_ + arrays);
    work_ = base_ + arrays + 256;
  }
  T* take(Index elements) {
    T* p = next_;
    next_ += elements;
    return p;
  }
  void host_work(std::size_t bytes) { host_.resize(std::max<std::size_t>(1, bytes)); }
  void* work() const { return work_; }
  std::size_t work_bytes() const { return work_bytes_; }
  void* host() { return host_.data(); }
  std::size_t host_bytes() const { return host_.size(); }
  int* info() const { return info_; }
  // Waits for the library and returns its status word.
  int wait_info() const { return fetch(info_, 1).front(); }
  template <class V>
  std::vector<V> fetch(const V* device, Index n) const {
    std::vector<V> v(static_cast<std::size_t>(n));
    const cudaStream_t stream = cuda_stream(stream_);
    check_cuda(cudaMemcpyAsync(v.data(), device, v.size() * sizeof(V), cudaMemcpyDeviceToHost, stream), "copy");
    check_cuda(cudaStreamSynchronize(stream), "decomposition");
    return v;
  }

 private:
  Stream& stream_;
  std::size_t work_bytes_;
  std::vector<unsigned char> host_;
  char* base_ = nullptr;
  char* work_ = nullptr;
  T* next_ = nullptr;
  int* info_ = nullptr;
};

void check_status(int info, const char* verb) {
  if (info == 0) return;
  throw Error(ErrorCode::failed, std::string(verb) + " did not converge; check the matrix for NaN or infinite values");
}

// The library returns NaN instead of a status for a matrix with NaN.
template <class T>
void check_finite(const std::vector<T>& values, const char* verb) {
  const bool finite = std::all_of(values.begin(), values.end(), [](T v) { return std::isfinite(v); });
  check_status(finite ? 0 : 1, verb);
}

template <class T>
void copy_array(Stream& s, const T* from, T* to, Index n) {
  if (from == to) return;
  check_cuda(
      cudaMemcpyAsync(to, from, static_cast<std::size_t>(n) * sizeof(T), cudaMemcpyDeviceToDevice, cuda_stream(s)),
      "copy");
}

cusolverStatus_t orgqr_size(const SolverHandle& h, int m, int r, const float* a, const float* tau, int* n) {
  return cusolverDnSorgqr_bufferSize(h.get(), m, r, r, a, m, tau, n);
}
cusolverStatus_t orgqr_size(const SolverHandle& h, int m, int r, const double* a, const double* tau, int* n) {
  return cusolverDnDorgqr_bufferSize(h.get(), m, r, r, a, m, tau, n);
}
cusolverStatus_t orgqr(const SolverHandle& h, int m, int r, float* a, const float* tau, float* work, int n, int* info) {
  return cusolverDnSorgqr(h.get(), m, r, r, a, m, tau, work, n, info);
}
cusolverStatus_t orgqr(const SolverHandle& h, int m, int r, double* a, const double* tau, double* work, int n,
                       int* info) {
  return cusolverDnDorgqr(h.get(), m, r, r, a, m, tau, work, n, info);
}
cublasStatus_t trsm(cublasHandle_t h, cublasOperation_t op, const CholeskySolve<float>& f) {
  const float one = 1;
  return cublasStrsm_64(h, CUBLAS_SIDE_RIGHT, CUBLAS_FILL_MODE_UPPER, op, CUBLAS_DIAG_NON_UNIT, f.n_rhs, f.n, &one, f.l,
                        f.n, f.x, f.n_rhs);
}
cublasStatus_t trsm(cublasHandle_t h, cublasOperation_t op, const CholeskySolve<double>& f) {
  const double one = 1;
  return cublasDtrsm_64(h, CUBLAS_SIDE_RIGHT, CUBLAS_FILL_MODE_UPPER, op, CUBLAS_DIAG_NON_UNIT, f.n_rhs, f.n, &one, f.l,
                        f.n, f.x, f.n_rhs);
}

}  // namespace

template <class T>
void svd(Stream& s, const Svd<T>& f) {
  if (f.m <= 0 || f.n <= 0) return;
  const SolverHandle& h = solver(s);
  const bool tall = f.m > f.n, vectors = f.u != nullptr;
  const Index rows = std::max(f.m, f.n), columns = std::min(f.m, f.n);
  const signed char job = vectors ? 'S' : 'N';
  constexpr cudaDataType type = data_type<T>;
  std::size_t on_device = 0, on_host = 0;
  check_cusolver(cusolverDnXgesvd_bufferSize(h.get(), h.params(), job, job, rows, columns, type, f.a, rows, type, f.s,
                                             type, f.u, rows, type, f.vt, columns, type, &on_device, &on_host),
                 "svd");
  const Index area = rows * columns, copies = tall && vectors ? area + columns * columns : 0;
  Scratch<T> scratch(s, area + copies, on_device);
  scratch.host_work(on_host);
  T* a = scratch.take(area);
  T* left = tall && vectors ? scratch.take(area) : f.vt;
  T* right = tall && vectors ? scratch.take(columns * columns) : f.u;
  if (tall) {
    parallel_for_2d(s, f.m, f.n, TransposeCopy<T>{f.a, a, f.m, f.n});
  } else {
    copy_array(s, f.a, a, area);
  }
  check_cusolver(cusolverDnXgesvd(h.get(), h.params(), job, job, rows, columns, type, a, rows, type, f.s, type, left,
                                  rows, type, right, columns, type, scratch.work(), scratch.work_bytes(),
                                  scratch.host(), on_host, scratch.info()),
                 "svd");
  check_status(scratch.wait_info(), "svd");
  check_finite(scratch.fetch(f.s, columns), "svd");
  if (tall && vectors) {
    parallel_for_2d(s, columns, rows, TransposeCopy<T>{left, f.u, columns, rows});
    parallel_for_2d(s, columns, columns, TransposeCopy<T>{right, f.vt, columns, columns});
  }
}

template <class T>
void eigh(Stream& s, const Eigh<T>& f) {
  if (f.n <= 0) return;
  const SolverHandle& h = solver(s);
  const cusolverEigMode_t mode = f.vectors != nullptr ? CUSOLVER_EIG_MODE_VECTOR : CUSOLVER_EIG_MODE_NOVECTOR;
  constexpr cudaDataType type = data_type<T>;
  std::size_t on_device = 0, on_host = 0;
  check_cusolver(cusolverDnXsyevd_bufferSize(h.get(), h.params(), mode, CUBLAS_FILL_MODE_LOWER, f.n, type, f.a, f.n,
                                             type, f.w, type, &on_device, &on_host),
                 "eigh");
  // All pairs, of which the largest are kept.
  const bool part = f.pairs() < f.n, own = f.vectors == nullptr || part;
  Scratch<T> scratch(s, (own ? f.n * f.n : 0) + (part ? f.n : 0), on_device);
  scratch.host_work(on_host);
  T* a = own ? scratch.take(f.n * f.n) : f.vectors;
  T* w = part ? scratch.take(f.n) : f.w;
  copy_array(s, f.a, a, f.n * f.n);
  check_cusolver(cusolverDnXsyevd(h.get(), h.params(), mode, CUBLAS_FILL_MODE_LOWER, f.n, type, a, f.n, type, w, type,
                                  scratch.work(), scratch.work_bytes(), scratch.host(), on_host, scratch.info()),
                 "eigh");
  check_status(scratch.wait_info(), "eigh");
  check_finite(scratch.fetch(w, f.n), "eigh");
  if (!part) return;
  const Index rest = f.n - f.pairs();
  copy_array(s, w + rest, f.w, f.pairs());
  if (f.vectors != nullptr) copy_array(s, a + rest * f.n, f.vectors, f.pairs() * f.n);
}

template <class T>
void qr(Stream& s, const Qr<T>& f) {
  if (f.m <= 0 || f.n <= 0) return;
  const SolverHandle& h = solver(s);
  const Index r = std::min(f.m, f.n);
  require(f.m < 0x7fffffff && f.n < 0x7fffffff, ErrorCode::failed, "qr takes matrices of fewer than 2^31 rows");
  const int rows = static_cast<int>(f.m), k = static_cast<int>(r);
  constexpr cudaDataType type = data_type<T>;
  std::size_t on_device = 0, on_host = 0;
  int elements = 0;
  check_cusolver(
      cusolverDnXgeqrf_bufferSize(h.get(), h.params(), f.m, f.n, type, f.a, f.m, type, f.q, type, &on_device, &on_host),
      "qr");
  check_cusolver(orgqr_size(h, rows, k, f.a, f.q, &elements), "qr");
  Scratch<T> scratch(s, f.m * f.n + 2 * r, std::max(on_device, static_cast<std::size_t>(elements) * sizeof(T)));
  scratch.host_work(on_host);
  T* a = scratch.take(f.m * f.n);
  T* tau = scratch.take(r);
  T* sign = scratch.take(r);
  parallel_for_2d(s, f.m, f.n, TransposeCopy<T>{f.a, a, f.m, f.n});
  check_cusolver(cusolverDnXgeqrf(h.get(), h.params(), f.m, f.n, type, a, f.m, type, tau, type, scratch.work(),
                                  scratch.work_bytes(), scratch.host(), on_host, scratch.info()),
                 "qr");
  check_status(scratch.wait_info(), "qr");
  parallel_for_2d(s, r, f.n, SignedUpper<T>{a, f.r, sign, f.m, f.n});
  check_cusolver(orgqr(h, rows, k, a, tau, static_cast<T*>(scratch.work()), elements, scratch.info()), "qr");
  check_status(scratch.wait_info(), "qr");
  parallel_for_2d(s, f.m, r, SignedColumns<T>{a, sign, f.q, f.m, r});
}

template <class T>
void cholesky(Stream& s, const Cholesky<T>& f) {
  if (f.n <= 0) return;
  const SolverHandle& h = solver(s);
  constexpr cudaDataType type = data_type<T>;
  std::size_t on_device = 0, on_host = 0;
  check_cusolver(cusolverDnXpotrf_bufferSize(h.get(), h.params(), CUBLAS_FILL_MODE_UPPER, f.n, type, f.l, f.n, type,
                                             &on_device, &on_host),
                 "cholesky");
  Scratch<T> scratch(s, 0, on_device);
  scratch.host_work(on_host);
  parallel_for_2d(s, f.n, f.n, LowerCopy<T>{f.a, f.l, f.n});
  check_cusolver(cusolverDnXpotrf(h.get(), h.params(), CUBLAS_FILL_MODE_UPPER, f.n, type, f.l, f.n, type,
                                  scratch.work(), scratch.work_bytes(), scratch.host(), on_host, scratch.info()),
                 "cholesky");
  if (const int info = scratch.wait_info(); info != 0) {
    throw Error(ErrorCode::failed, "cholesky: the matrix is not positive definite (pivot of row " +
                                       std::to_string(info - 1) + "); add damping to the diagonal");
  }
}

// Row-major X is X^T column-major and A = U^T U with U = L^T column-major: X^T = B^T U^{-1} U^{-T}.
template <class T>
void cholesky_solve(Stream& s, const CholeskySolve<T>& f) {
  if (f.n <= 0 || f.n_rhs <= 0) return;
  check_cublas(trsm(blas(s), CUBLAS_OP_N, f), "cholesky_solve");
  check_cublas(trsm(blas(s), CUBLAS_OP_T, f), "cholesky_solve");
}

TERRANE_INSTANTIATE(svd, Svd)
TERRANE_INSTANTIATE(eigh, Eigh)
TERRANE_INSTANTIATE(qr, Qr)
TERRANE_INSTANTIATE(cholesky, Cholesky)
TERRANE_INSTANTIATE(cholesky_solve, CholeskySolve)

}  // namespace terrane::TERRANE_BACKEND
