// SPDX-License-Identifier: MIT
// Host stand-in for the part of cuSOLVER (dense) that the project calls; tests only. Column-major. Workspaces must be
// at least as large as the query said and, for the device part, lie on the device; info is a device pointer.
#pragma once

#include <cstdint>

#include "tests/support/fake_nv/cublas_v2.h"

enum cusolverStatus_t {
  CUSOLVER_STATUS_SUCCESS = 0,
  CUSOLVER_STATUS_NOT_INITIALIZED = 1,
  CUSOLVER_STATUS_ALLOC_FAILED = 2,
  CUSOLVER_STATUS_INVALID_VALUE = 3,
  CUSOLVER_STATUS_EXECUTION_FAILED = 6,
};
enum cusolverEigMode_t { CUSOLVER_EIG_MODE_NOVECTOR = 0, CUSOLVER_EIG_MODE_VECTOR = 1 };
using cusolverDnHandle_t = struct FakeSolver*;
using cusolverDnParams_t = struct FakeSolverParams*;

cusolverStatus_t cusolverDnCreate(cusolverDnHandle_t* handle);
cusolverStatus_t cusolverDnDestroy(cusolverDnHandle_t handle);
cusolverStatus_t cusolverDnSetStream(cusolverDnHandle_t handle, cudaStream_t stream);
cusolverStatus_t cusolverDnCreateParams(cusolverDnParams_t* params);
cusolverStatus_t cusolverDnDestroyParams(cusolverDnParams_t params);

cusolverStatus_t cusolverDnXgesvd_bufferSize(cusolverDnHandle_t handle, cusolverDnParams_t params, signed char job_u,
                                             signed char job_vt, std::int64_t m, std::int64_t n, cudaDataType type_a,
                                             const void* a, std::int64_t lda, cudaDataType type_s, const void* s,
                                             cudaDataType type_u, const void* u, std::int64_t ldu, cudaDataType type_vt,
                                             const void* vt, std::int64_t ldvt, cudaDataType compute,
                                             std::size_t* on_device, std::size_t* on_host);
cusolverStatus_t cusolverDnXgesvd(cusolverDnHandle_t handle, cusolverDnParams_t params, signed char job_u,
                                  signed char job_vt, std::int64_t m, std::int64_t n, cudaDataType type_a, void* a,
                                  std::int64_t lda, cudaDataType type_s, void* s, cudaDataType type_u, void* u,
                                  std::int64_t ldu, cudaDataType type_vt, void* vt, std::int64_t ldvt,
                                  cudaDataType compute, void* device_work, std::size_t device_bytes, void* host_work,
                                  std::size_t host_bytes, int* info);
cusolverStatus_t cusolverDnXsyevd_bufferSize(cusolverDnHandle_t handle, cusolverDnParams_t params,
                                             cusolverEigMode_t mode, cublasFillMode_t uplo, std::int64_t n,
                                             cudaDataType type_a, const void* a, std::int64_t lda, cudaDataType type_w,
                                             const void* w, cudaDataType compute, std::size_t* on_device,
                                             std::size_t* on_host);
cusolverStatus_t cusolverDnXsyevd(cusolverDnHandle_t handle, cusolverDnParams_t params, cusolverEigMode_t mode,
                                  cublasFillMode_t uplo, std::int64_t n, cudaDataType type_a, void* a, std::int64_t lda,
                                  cudaDataType type_w, void* w, cudaDataType compute, void* device_work,
                                  std::size_t device_bytes, void* host_work, std::size_t host_bytes, int* info);
cusolverStatus_t cusolverDnXgeqrf_bufferSize(cusolverDnHandle_t handle, cusolverDnParams_t params, std::int64_t m,
                                             std::int64_t n, cudaDataType type_a, const void* a, std::int64_t lda,
                                             cudaDataType type_tau, const void* tau, cudaDataType compute,
                                             std::size_t* on_device, std::size_t* on_host);
cusolverStatus_t cusolverDnXgeqrf(cusolverDnHandle_t handle, cusolverDnParams_t params, std::int64_t m, std::int64_t n,
                                  cudaDataType type_a, void* a, std::int64_t lda, cudaDataType type_tau, void* tau,
                                  cudaDataType compute, void* device_work, std::size_t device_bytes, void* host_work,
                                  std::size_t host_bytes, int* info);
cusolverStatus_t cusolverDnXpotrf_bufferSize(cusolverDnHandle_t handle, cusolverDnParams_t params,
                                             cublasFillMode_t uplo, std::int64_t n, cudaDataType type_a, const void* a,
                                             std::int64_t lda, cudaDataType compute, std::size_t* on_device,
                                             std::size_t* on_host);
cusolverStatus_t cusolverDnXpotrf(cusolverDnHandle_t handle, cusolverDnParams_t params, cublasFillMode_t uplo,
                                  std::int64_t n, cudaDataType type_a, void* a, std::int64_t lda, cudaDataType compute,
                                  void* device_work, std::size_t device_bytes, void* host_work, std::size_t host_bytes,
                                  int* info);
cusolverStatus_t cusolverDnSorgqr_bufferSize(cusolverDnHandle_t handle, int m, int n, int k, const float* a, int lda,
                                             const float* tau, int* elements);
cusolverStatus_t cusolverDnDorgqr_bufferSize(cusolverDnHandle_t handle, int m, int n, int k, const double* a, int lda,
                                             const double* tau, int* elements);
cusolverStatus_t cusolverDnSorgqr(cusolverDnHandle_t handle, int m, int n, int k, float* a, int lda, const float* tau,
                                  float* work, int elements, int* info);
cusolverStatus_t cusolverDnDorgqr(cusolverDnHandle_t handle, int m, int n, int k, double* a, int lda, const double* tau,
                                  double* work, int elements, int* info);
