// SPDX-License-Identifier: MIT
// Handles of cuBLAS and cuSOLVER. Creating one takes milliseconds, and one must not be used by two threads, so each
// thread keeps one for each device; it is bound to the stream of the call.
#pragma once

#include <cublas_v2.h>
#include <cusolverDn.h>

#include <map>
#include <string>

#include "kernels/runtime/launch_cuda.hpp"

namespace terrane::TERRANE_BACKEND {

inline void check_cublas(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  const bool memory = status == CUBLAS_STATUS_ALLOC_FAILED;
  throw Error(memory ? ErrorCode::budget : ErrorCode::failed, std::string(what) + ": " + cublasGetStatusString(status));
}

inline void check_cusolver(cusolverStatus_t status, const char* what) {
  if (status == CUSOLVER_STATUS_SUCCESS) return;
  const bool memory = status == CUSOLVER_STATUS_ALLOC_FAILED;
  throw Error(memory ? ErrorCode::budget : ErrorCode::failed,
              std::string(what) + ": cuSOLVER status " + std::to_string(static_cast<int>(status)));
}

class BlasHandle {
 public:
  BlasHandle() { check_cublas(cublasCreate(&handle_), "starting cuBLAS"); }
  ~BlasHandle() { static_cast<void>(cublasDestroy(handle_)); }
  BlasHandle(const BlasHandle&) = delete;
  BlasHandle& operator=(const BlasHandle&) = delete;
  cublasHandle_t get() const { return handle_; }

 private:
  cublasHandle_t handle_ = nullptr;
};

class SolverHandle {
 public:
  SolverHandle() {
    check_cusolver(cusolverDnCreate(&handle_), "starting cuSOLVER");
    check_cusolver(cusolverDnCreateParams(&params_), "starting cuSOLVER");
  }
  ~SolverHandle() {
    static_cast<void>(cusolverDnDestroyParams(params_));
    static_cast<void>(cusolverDnDestroy(handle_));
  }
  SolverHandle(const SolverHandle&) = delete;
  SolverHandle& operator=(const SolverHandle&) = delete;
  cusolverDnHandle_t get() const { return handle_; }
  cusolverDnParams_t params() const { return params_; }

 private:
  cusolverDnHandle_t handle_ = nullptr;
  cusolverDnParams_t params_ = nullptr;
};

inline cublasHandle_t blas(const Stream& s) {
  thread_local std::map<int, BlasHandle> handles;
  const cudaStream_t stream = cuda_stream(s);
  const BlasHandle& h = handles[s.device().index];
  check_cublas(cublasSetStream(h.get(), stream), "cublasSetStream");
  return h.get();
}

inline const SolverHandle& solver(const Stream& s) {
  thread_local std::map<int, SolverHandle> handles;
  const cudaStream_t stream = cuda_stream(s);
  const SolverHandle& h = handles[s.device().index];
  check_cusolver(cusolverDnSetStream(h.get(), stream), "cusolverDnSetStream");
  return h;
}

}  // namespace terrane::TERRANE_BACKEND
