// SPDX-License-Identifier: MIT
// cuBLAS is column-major: row-major C = op(A) op(B) is C^T = op(B)^T op(A)^T there, with the operands swapped and the
// same leading dimensions.
#include "kernels/linalg/cuda_library.hpp"
#include "kernels/linalg/linalg.hpp"
#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {

namespace {

cublasStatus_t multiply(cublasHandle_t h, cublasOperation_t op_a, cublasOperation_t op_b, const Gemm<float>& f) {
  if (f.factors == FactorPrecision::full) {
    return cublasSgemmStridedBatched_64(h, op_b, op_a, f.n, f.m, f.k, &f.alpha, f.b, f.ldb, f.stride_b, f.a, f.lda,
                                        f.stride_a, &f.beta, f.c, f.ldc, f.stride_c, f.batch);
  }
  const cublasComputeType_t compute =
      f.factors == FactorPrecision::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F_FAST_16BF;
  return cublasGemmStridedBatchedEx_64(h, op_b, op_a, f.n, f.m, f.k, &f.alpha, f.b, CUDA_R_32F, f.ldb, f.stride_b, f.a,
                                       CUDA_R_32F, f.lda, f.stride_a, &f.beta, f.c, CUDA_R_32F, f.ldc, f.stride_c,
                                       f.batch, compute, CUBLAS_GEMM_DEFAULT);
}
cublasStatus_t multiply(cublasHandle_t h, cublasOperation_t op_a, cublasOperation_t op_b, const Gemm<double>& f) {
  return cublasDgemmStridedBatched_64(h, op_b, op_a, f.n, f.m, f.k, &f.alpha, f.b, f.ldb, f.stride_b, f.a, f.lda,
                                      f.stride_a, &f.beta, f.c, f.ldc, f.stride_c, f.batch);
}

// C *= beta, i over batch * m * n
template <class T>
struct ScaleRows {
  Gemm<T> f;
  TERRANE_HD void operator()(Index i) const {
    T& c = f.c[i / (f.m * f.n) * f.stride_c + i / f.n % f.m * f.ldc + i % f.n];
    c = f.beta == T(0) ? T(0) : f.beta * c;
  }
};

}  // namespace

template <class T>
void gemm(Stream& s, const Gemm<T>& f) {
  if (f.m <= 0 || f.n <= 0 || f.batch <= 0) return;
  if (f.k <= 0) {
    parallel_for(s, f.batch * f.m * f.n, ScaleRows<T>{f});
    return;
  }
  check_cublas(
      multiply(blas(s), f.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N, f.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N, f),
      "gemm");
}

TERRANE_INSTANTIATE(gemm, Gemm)

}  // namespace terrane::TERRANE_BACKEND
