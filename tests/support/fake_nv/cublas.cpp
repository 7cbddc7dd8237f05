// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "tests/support/fake_nv/cublas_v2.h"

struct FakeBlas {
  cudaStream_t stream = nullptr;
};

namespace {

// Elements of a column-major (rows, columns) matrix with leading dimension ld, from its first to its last.
std::int64_t extent(std::int64_t rows, std::int64_t columns, std::int64_t ld) {
  return rows > 0 && columns > 0 ? ld * (columns - 1) + rows : 0;
}

template <class T>
bool on_device(const T* p, std::int64_t elements) {
  return elements <= 0 || fake_nv_is_device_range(p, static_cast<std::size_t>(elements) * sizeof(T));
}

// The nearest number of 24 - dropped bits, ties to even.
float rounded(float x, int dropped) {
  if (dropped == 0 || !std::isfinite(x)) return x;
  std::uint32_t u = 0;
  std::memcpy(&u, &x, sizeof u);
  const std::uint32_t half = (1U << (dropped - 1)) - 1, odd = (u >> dropped) & 1U;
  u = (u + half + odd) & ~((1U << dropped) - 1);
  std::memcpy(&x, &u, sizeof u);
  return x;
}
double rounded(double x, int) { return x; }

template <class T>
cublasStatus_t gemm(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, std::int64_t m,
                    std::int64_t n, std::int64_t k, const T* alpha, const T* a, std::int64_t lda, long long stride_a,
                    const T* b, std::int64_t ldb, long long stride_b, const T* beta, T* c, std::int64_t ldc,
                    long long stride_c, std::int64_t batch, int dropped = 0) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  const bool ta = op_a != CUBLAS_OP_N, tb = op_b != CUBLAS_OP_N;
  const std::int64_t a_rows = ta ? k : m, a_columns = ta ? m : k, b_rows = tb ? n : k, b_columns = tb ? k : n;
  if (m < 0 || n < 0 || k < 0 || batch < 0 || lda < std::max<std::int64_t>(1, a_rows) ||
      ldb < std::max<std::int64_t>(1, b_rows) || ldc < std::max<std::int64_t>(1, m) || alpha == nullptr ||
      beta == nullptr) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (m == 0 || n == 0 || batch == 0) return CUBLAS_STATUS_SUCCESS;
  if (c == nullptr || (k > 0 && (a == nullptr || b == nullptr))) return CUBLAS_STATUS_INVALID_VALUE;
  if (batch > 1 && stride_c < extent(m, n, ldc)) return CUBLAS_STATUS_INVALID_VALUE;  // overlapping outputs
  if (!fake_nv_is_stream(handle->stream) || !on_device(a, extent(a_rows, a_columns, lda) + (batch - 1) * stride_a) ||
      !on_device(b, extent(b_rows, b_columns, ldb) + (batch - 1) * stride_b) ||
      !on_device(c, extent(m, n, ldc) + (batch - 1) * stride_c)) {
    return CUBLAS_STATUS_EXECUTION_FAILED;
  }
  const auto run = [=, alpha = *alpha, beta = *beta] {  // both lie on the host and are read by the call
    for (std::int64_t q = 0; q < batch; ++q) {
      const T* x = a + q * stride_a;
      const T* y = b + q * stride_b;
      for (std::int64_t j = 0; j < n; ++j) {
        for (std::int64_t i = 0; i < m; ++i) {
          T sum = 0;
          for (std::int64_t p = 0; p < k; ++p) {
            sum += rounded(ta ? x[i * lda + p] : x[p * lda + i], dropped) *
                   rounded(tb ? y[p * ldb + j] : y[j * ldb + p], dropped);
          }
          T& z = c[q * stride_c + j * ldc + i];
          z = beta == T(0) ? alpha * sum : alpha * sum + beta * z;
        }
      }
    }
  };
  if (fake_nv_is_recording(handle->stream)) {
    fake_nv_record(handle->stream, run);
  } else {
    run();
  }
  return CUBLAS_STATUS_SUCCESS;
}

// Solves op(A) x = b in place for one vector with stride.
template <class T>
void solve_triangular(bool upper, bool transpose, bool unit, std::int64_t n, const T* a, std::int64_t lda, T* b,
                      std::int64_t stride) {
  const bool forward = upper == transpose;  // lower triangular after op
  for (std::int64_t step = 0; step < n; ++step) {
    const std::int64_t i = forward ? step : n - 1 - step;
    T sum = b[i * stride];
    for (std::int64_t done = 0; done < step; ++done) {
      const std::int64_t j = forward ? done : n - 1 - done;
      sum -= (transpose ? a[i * lda + j] : a[j * lda + i]) * b[j * stride];
    }
    b[i * stride] = unit ? sum : sum / a[i * lda + i];
  }
}

template <class T>
cublasStatus_t trsm(cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t uplo, cublasOperation_t trans,
                    cublasDiagType_t diag, std::int64_t m, std::int64_t n, const T* alpha, const T* a, std::int64_t lda,
                    T* b, std::int64_t ldb) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  const std::int64_t order = side == CUBLAS_SIDE_LEFT ? m : n;
  if (m < 0 || n < 0 || lda < std::max<std::int64_t>(1, order) || ldb < std::max<std::int64_t>(1, m) ||
      alpha == nullptr) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (m == 0 || n == 0) return CUBLAS_STATUS_SUCCESS;
  if (a == nullptr || b == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  if (!fake_nv_is_stream(handle->stream) || !on_device(a, extent(order, order, lda)) ||
      !on_device(b, extent(m, n, ldb))) {
    return CUBLAS_STATUS_EXECUTION_FAILED;
  }
  if (fake_nv_is_recording(handle->stream)) return CUBLAS_STATUS_EXECUTION_FAILED;  // not kept here
  for (std::int64_t j = 0; j < n; ++j) {
    for (std::int64_t i = 0; i < m; ++i) b[j * ldb + i] *= *alpha;
  }
  const bool upper = uplo == CUBLAS_FILL_MODE_UPPER, transpose = trans != CUBLAS_OP_N, unit = diag == CUBLAS_DIAG_UNIT;
  if (side == CUBLAS_SIDE_LEFT) {
    for (std::int64_t j = 0; j < n; ++j) solve_triangular(upper, transpose, unit, m, a, lda, b + j * ldb, 1);
  } else {  // X op(A) = B is op(A)^T X^T = B^T
    for (std::int64_t i = 0; i < m; ++i) solve_triangular(upper, !transpose, unit, n, a, lda, b + i, ldb);
  }
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace

cublasStatus_t cublasCreate(cublasHandle_t* handle) {
  if (handle == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  *handle = new FakeBlas;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy(cublasHandle_t handle) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  handle->stream = stream;
  return CUBLAS_STATUS_SUCCESS;
}

const char* cublasGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED:
      return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
  }
  return "unknown";
}

#define FAKE_GEMM(name, T)                                                                                       \
  cublasStatus_t name(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, std::int64_t m,     \
                      std::int64_t n, std::int64_t k, const T* alpha, const T* a, std::int64_t lda,              \
                      long long stride_a, const T* b, std::int64_t ldb, long long stride_b, const T* beta, T* c, \
                      std::int64_t ldc, long long stride_c, std::int64_t batch) {                                \
    return gemm(handle, op_a, op_b, m, n, k, alpha, a, lda, stride_a, b, ldb, stride_b, beta, c, ldc, stride_c,  \
                batch);                                                                                          \
  }
FAKE_GEMM(cublasSgemmStridedBatched_64, float)
FAKE_GEMM(cublasDgemmStridedBatched_64, double)

cublasStatus_t cublasGemmStridedBatchedEx_64(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b,
                                             std::int64_t m, std::int64_t n, std::int64_t k, const void* alpha,
                                             const void* a, cudaDataType a_type, std::int64_t lda, long long stride_a,
                                             const void* b, cudaDataType b_type, std::int64_t ldb, long long stride_b,
                                             const void* beta, void* c, cudaDataType c_type, std::int64_t ldc,
                                             long long stride_c, std::int64_t batch, cublasComputeType_t compute,
                                             cublasGemmAlgo_t algo) {
  const bool known = (compute == CUBLAS_COMPUTE_32F_FAST_TF32 || compute == CUBLAS_COMPUTE_32F_FAST_16BF) &&
                     algo == CUBLAS_GEMM_DEFAULT;
  if (!known || a_type != CUDA_R_32F || b_type != CUDA_R_32F || c_type != CUDA_R_32F)
    return CUBLAS_STATUS_INVALID_VALUE;
  return gemm(handle, op_a, op_b, m, n, k, static_cast<const float*>(alpha), static_cast<const float*>(a), lda,
              stride_a, static_cast<const float*>(b), ldb, stride_b, static_cast<const float*>(beta),
              static_cast<float*>(c), ldc, stride_c, batch, compute == CUBLAS_COMPUTE_32F_FAST_TF32 ? 13 : 16);
}

#define FAKE_TRSM(name, T)                                                                                          \
  cublasStatus_t name(cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t uplo, cublasOperation_t trans, \
                      cublasDiagType_t diag, std::int64_t m, std::int64_t n, const T* alpha, const T* a,            \
                      std::int64_t lda, T* b, std::int64_t ldb) {                                                   \
    return trsm(handle, side, uplo, trans, diag, m, n, alpha, a, lda, b, ldb);                                      \
  }
FAKE_TRSM(cublasStrsm_64, float)
FAKE_TRSM(cublasDtrsm_64, double)
