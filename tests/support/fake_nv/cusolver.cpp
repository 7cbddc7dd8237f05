// SPDX-License-Identifier: MIT
// Plain textbook algorithms (Golub, Van Loan 2013), column-major: one-sided Jacobi SVD, cyclic Jacobi eigenvalues,
// Householder QR, unblocked Cholesky. Small matrices only.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "tests/support/fake_nv/cusolverDn.h"

struct FakeSolver {
  cudaStream_t stream = nullptr;
};
struct FakeSolverParams {
  int unused = 0;
};

namespace {

using Int = std::int64_t;

std::size_t size_of(cudaDataType type) { return type == CUDA_R_32F ? sizeof(float) : sizeof(double); }

// Device matrix (rows, columns) with leading dimension ld.
bool matrix_on_device(const void* p, Int rows, Int columns, Int ld, std::size_t element) {
  if (rows <= 0 || columns <= 0) return true;
  return fake_nv_is_device_range(p, static_cast<std::size_t>(ld * (columns - 1) + rows) * element);
}

struct Work {
  void* device;
  std::size_t device_bytes;
  void* host;
  std::size_t host_bytes;
  int* info;
};

// Bytes that the queries ask for; arbitrary but not zero, so that a caller who ignores them fails.
std::size_t device_bytes(Int m, Int n, cudaDataType type) {
  return static_cast<std::size_t>(m + n + 64) * size_of(type);
}
constexpr std::size_t host_bytes = 48;

cusolverStatus_t check(cusolverDnHandle_t handle, cusolverDnParams_t params, const Work& w, std::size_t needed) {
  if (handle == nullptr || params == nullptr) return CUSOLVER_STATUS_NOT_INITIALIZED;
  if (w.device_bytes < needed || w.host_bytes < host_bytes || w.host == nullptr) return CUSOLVER_STATUS_INVALID_VALUE;
  if (!fake_nv_is_stream(handle->stream) || fake_nv_is_recording(handle->stream) ||  // not kept here
      !fake_nv_is_device_range(w.device, w.device_bytes) || !fake_nv_is_device_range(w.info, sizeof(int))) {
    return CUSOLVER_STATUS_EXECUTION_FAILED;
  }
  std::fill_n(static_cast<unsigned char*>(w.device), needed, static_cast<unsigned char>(0xff));
  return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t give_sizes(cusolverDnHandle_t handle, cusolverDnParams_t params, Int m, Int n, cudaDataType type,
                            std::size_t* on_device, std::size_t* on_host) {
  if (handle == nullptr || params == nullptr) return CUSOLVER_STATUS_NOT_INITIALIZED;
  if (on_device == nullptr || on_host == nullptr) return CUSOLVER_STATUS_INVALID_VALUE;
  *on_device = device_bytes(m, n, type);
  *on_host = host_bytes;
  return CUSOLVER_STATUS_SUCCESS;
}

// Rotates columns p, q of x (rows) by c, s.
void rotate(double* p, double* q, Int rows, double c, double s) {
  for (Int i = 0; i < rows; ++i) {
    const double a = p[i], b = q[i];
    p[i] = c * a - s * b;
    q[i] = s * a + c * b;
  }
}

// x (m, n), m >= n, becomes U S; v (n, n) gets V. False if 60 sweeps were not enough.
bool one_sided_jacobi(Int m, Int n, std::vector<double>& x, std::vector<double>& v) {
  v.assign(static_cast<std::size_t>(n * n), 0.0);
  for (Int i = 0; i < n; ++i) v[static_cast<std::size_t>(i * n + i)] = 1;
  for (int sweep = 0; sweep < 60; ++sweep) {
    bool rotated = false;
    for (Int p = 0; p < n; ++p) {
      for (Int q = p + 1; q < n; ++q) {
        double* a = x.data() + p * m;
        double* b = x.data() + q * m;
        const double aa = std::inner_product(a, a + m, a, 0.0), bb = std::inner_product(b, b + m, b, 0.0);
        const double ab = std::inner_product(a, a + m, b, 0.0);
        if (!std::isfinite(aa + bb + ab)) return false;
        if (std::abs(ab) <= 1e-15 * std::sqrt(aa * bb) || ab == 0) continue;
        const double tau = (bb - aa) / (2 * ab);
        const double t = (tau >= 0 ? 1 : -1) / (std::abs(tau) + std::sqrt(1 + tau * tau));
        const double c = 1 / std::sqrt(1 + t * t);
        rotate(a, b, m, c, c * t);
        rotate(v.data() + p * n, v.data() + q * n, n, c, c * t);
        rotated = true;
      }
    }
    if (!rotated) return true;
  }
  return false;
}

// An orthonormal column j of u (m, .) for a singular value of zero: Gram-Schmidt on unit vectors.
void complete_column(Int m, Int j, double* u) {
  double* x = u + j * m;
  for (Int e = 0; e < m; ++e) {
    std::fill_n(x, m, 0.0);
    x[e] = 1;
    for (int twice = 0; twice < 2; ++twice) {
      for (Int k = 0; k < j; ++k) {
        const double d = std::inner_product(x, x + m, u + k * m, 0.0);
        for (Int i = 0; i < m; ++i) x[i] -= d * u[k * m + i];
      }
    }
    const double norm = std::sqrt(std::inner_product(x, x + m, x, 0.0));
    if (norm < 0.1) continue;
    for (Int i = 0; i < m; ++i) x[i] /= norm;
    return;
  }
}

template <class T>
int gesvd(bool vectors, Int m, Int n, T* a, Int lda, T* s, T* u, Int ldu, T* vt, Int ldvt) {
  std::vector<double> x(static_cast<std::size_t>(m * n)), v;
  for (Int j = 0; j < n; ++j) {
    for (Int i = 0; i < m; ++i) {
      x[static_cast<std::size_t>(j * m + i)] = static_cast<double>(a[j * lda + i]);
      a[j * lda + i] = std::nanf("");  // the library destroys A
    }
  }
  if (!one_sided_jacobi(m, n, x, v)) return 1;
  std::vector<double> value(static_cast<std::size_t>(n)), left(static_cast<std::size_t>(m * n));
  std::vector<Int> order(static_cast<std::size_t>(n));
  for (Int j = 0; j < n; ++j) {
    const double* c = x.data() + j * m;
    value[static_cast<std::size_t>(j)] = std::sqrt(std::inner_product(c, c + m, c, 0.0));
  }
  std::iota(order.begin(), order.end(), Int{0});
  std::stable_sort(order.begin(), order.end(), [&](Int p, Int q) {
    return value[static_cast<std::size_t>(p)] > value[static_cast<std::size_t>(q)];
  });
  const double largest = value[static_cast<std::size_t>(order[0])];
  for (Int k = 0; k < n; ++k) {
    const Int j = order[static_cast<std::size_t>(k)];
    const double sigma = value[static_cast<std::size_t>(j)];
    s[k] = static_cast<T>(sigma);
    if (!vectors) continue;
    if (sigma > 1e-14 * largest) {
      for (Int i = 0; i < m; ++i)
        left[static_cast<std::size_t>(k * m + i)] = x[static_cast<std::size_t>(j * m + i)] / sigma;
    } else {
      complete_column(m, k, left.data());
    }
    for (Int i = 0; i < m; ++i) u[k * ldu + i] = static_cast<T>(left[static_cast<std::size_t>(k * m + i)]);
    for (Int i = 0; i < n; ++i) vt[i * ldvt + k] = static_cast<T>(v[static_cast<std::size_t>(j * n + i)]);
  }
  return 0;
}

// Cyclic Jacobi on x (n, n), symmetric; v gets the eigenvectors in columns.
bool jacobi_eigen(Int n, std::vector<double>& x, std::vector<double>& v) {
  v.assign(static_cast<std::size_t>(n * n), 0.0);
  for (Int i = 0; i < n; ++i) v[static_cast<std::size_t>(i * n + i)] = 1;
  const auto at = [&](Int i, Int j) -> double& { return x[static_cast<std::size_t>(j * n + i)]; };
  double norm = 0;
  for (const double e : x) norm += e * e;
  if (!std::isfinite(norm)) return false;
  for (int sweep = 0; sweep < 60; ++sweep) {
    double off = 0;
    for (Int p = 0; p < n; ++p) {
      for (Int q = p + 1; q < n; ++q) off += at(p, q) * at(p, q);
    }
    if (off <= 1e-32 * norm) return true;
    for (Int p = 0; p < n; ++p) {
      for (Int q = p + 1; q < n; ++q) {
        if (at(p, q) == 0) continue;
        const double tau = (at(q, q) - at(p, p)) / (2 * at(p, q));
        const double t = (tau >= 0 ? 1 : -1) / (std::abs(tau) + std::sqrt(1 + tau * tau));
        const double c = 1 / std::sqrt(1 + t * t), s = c * t;
        rotate(x.data() + p * n, x.data() + q * n, n, c, s);
        for (Int j = 0; j < n; ++j) {
          const double a = at(p, j), b = at(q, j);
          at(p, j) = c * a - s * b;
          at(q, j) = s * a + c * b;
        }
        rotate(v.data() + p * n, v.data() + q * n, n, c, s);
      }
    }
  }
  return false;
}

template <class T>
int syevd(bool vectors, bool upper, Int n, T* a, Int lda, T* w) {
  std::vector<double> x(static_cast<std::size_t>(n * n)), v;
  for (Int j = 0; j < n; ++j) {
    for (Int i = 0; i < n; ++i) {
      const bool stored = upper ? i <= j : i >= j;  // the other triangle is not read
      x[static_cast<std::size_t>(j * n + i)] = static_cast<double>(stored ? a[j * lda + i] : a[i * lda + j]);
    }
  }
  if (!jacobi_eigen(n, x, v)) return 1;
  std::vector<Int> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), Int{0});
  std::stable_sort(order.begin(), order.end(), [&](Int p, Int q) {
    return x[static_cast<std::size_t>(p * n + p)] < x[static_cast<std::size_t>(q * n + q)];
  });
  for (Int k = 0; k < n; ++k) {
    const Int j = order[static_cast<std::size_t>(k)];
    w[k] = static_cast<T>(x[static_cast<std::size_t>(j * n + j)]);
    for (Int i = 0; i < n; ++i) {
      a[k * lda + i] = vectors ? static_cast<T>(v[static_cast<std::size_t>(j * n + i)]) : static_cast<T>(std::nanf(""));
    }
  }
  return 0;
}

// H = I - tau v v^T with v = (1, stored below the diagonal), as LAPACK.
template <class T>
void geqrf(Int m, Int n, T* a, Int lda, T* tau) {
  for (Int k = 0; k < std::min(m, n); ++k) {
    T* x = a + k * lda;
    double tail = 0;
    for (Int i = k + 1; i < m; ++i) tail += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    if (tail == 0) {
      tau[k] = 0;
      continue;
    }
    const double alpha = static_cast<double>(x[k]);
    const double beta = (alpha >= 0 ? -1 : 1) * std::sqrt(alpha * alpha + tail);
    tau[k] = static_cast<T>((beta - alpha) / beta);
    for (Int i = k + 1; i < m; ++i) x[i] = static_cast<T>(static_cast<double>(x[i]) / (alpha - beta));
    x[k] = static_cast<T>(beta);
    for (Int j = k + 1; j < n; ++j) {
      T* y = a + j * lda;
      double d = static_cast<double>(y[k]);
      for (Int i = k + 1; i < m; ++i) d += static_cast<double>(x[i]) * static_cast<double>(y[i]);
      d *= static_cast<double>(tau[k]);
      y[k] -= static_cast<T>(d);
      for (Int i = k + 1; i < m; ++i) y[i] -= static_cast<T>(d * static_cast<double>(x[i]));
    }
  }
}

template <class T>
cusolverStatus_t orgqr(cusolverDnHandle_t handle, Int m, Int n, Int k, T* a, Int lda, const T* tau, T* work,
                       Int elements, int* info) {
  if (handle == nullptr) return CUSOLVER_STATUS_NOT_INITIALIZED;
  if (m < 0 || n < 0 || n > m || k < 0 || k > n || lda < std::max<Int>(1, m) || elements < n + 8) {
    return CUSOLVER_STATUS_INVALID_VALUE;
  }
  if (!matrix_on_device(a, m, n, lda, sizeof(T)) || !matrix_on_device(tau, k, 1, k, sizeof(T)) ||
      !matrix_on_device(work, elements, 1, elements, sizeof(T)) || !fake_nv_is_device_range(info, sizeof(int))) {
    return CUSOLVER_STATUS_EXECUTION_FAILED;
  }
  std::vector<double> q(static_cast<std::size_t>(m * n), 0.0);
  for (Int j = 0; j < n; ++j) q[static_cast<std::size_t>(j * m + j)] = 1;
  for (Int p = k - 1; p >= 0; --p) {
    const T* x = a + p * lda;
    for (Int j = 0; j < n; ++j) {
      double* y = q.data() + j * m;
      double d = y[p];
      for (Int i = p + 1; i < m; ++i) d += static_cast<double>(x[i]) * y[i];
      d *= static_cast<double>(tau[p]);
      y[p] -= d;
      for (Int i = p + 1; i < m; ++i) y[i] -= d * static_cast<double>(x[i]);
    }
  }
  for (Int j = 0; j < n; ++j) {
    for (Int i = 0; i < m; ++i) a[j * lda + i] = static_cast<T>(q[static_cast<std::size_t>(j * m + i)]);
  }
  *info = 0;
  return CUSOLVER_STATUS_SUCCESS;
}

template <class T>
int potrf(bool upper, Int n, T* a, Int lda) {
  const auto at = [&](Int i, Int j) -> T& { return upper ? a[i * lda + j] : a[j * lda + i]; };  // lower form, i >= j
  for (Int j = 0; j < n; ++j) {
    for (Int i = j; i < n; ++i) {
      double sum = static_cast<double>(at(i, j));
      for (Int k = 0; k < j; ++k) sum -= static_cast<double>(at(i, k)) * static_cast<double>(at(j, k));
      if (i == j && !(sum > 0)) return static_cast<int>(j) + 1;
      at(i, j) = static_cast<T>(i == j ? std::sqrt(sum) : sum / static_cast<double>(at(j, j)));
    }
  }
  return 0;
}

template <class T>
cusolverStatus_t orgqr_size(cusolverDnHandle_t handle, int m, int n, int k, const T*, int lda, int* elements) {
  if (handle == nullptr) return CUSOLVER_STATUS_NOT_INITIALIZED;
  if (m < 0 || n < 0 || n > m || k < 0 || k > n || lda < std::max(1, m) || elements == nullptr) {
    return CUSOLVER_STATUS_INVALID_VALUE;
  }
  *elements = n + 8;
  return CUSOLVER_STATUS_SUCCESS;
}

}  // namespace

cusolverStatus_t cusolverDnCreate(cusolverDnHandle_t* handle) {
  if (handle == nullptr) return CUSOLVER_STATUS_INVALID_VALUE;
  *handle = new FakeSolver;
  return CUSOLVER_STATUS_SUCCESS;
}
cusolverStatus_t cusolverDnDestroy(cusolverDnHandle_t handle) {
  if (handle == nullptr) return CUSOLVER_STATUS_NOT_INITIALIZED;
  delete handle;
  return CUSOLVER_STATUS_SUCCESS;
}
cusolverStatus_t cusolverDnSetStream(cusolverDnHandle_t handle, cudaStream_t stream) {
  if (handle == nullptr) return CUSOLVER_STATUS_NOT_INITIALIZED;
  handle->stream = stream;
  return CUSOLVER_STATUS_SUCCESS;
}
cusolverStatus_t cusolverDnCreateParams(cusolverDnParams_t* params) {
  if (params == nullptr) return CUSOLVER_STATUS_INVALID_VALUE;
  *params = new FakeSolverParams;
  return CUSOLVER_STATUS_SUCCESS;
}
cusolverStatus_t cusolverDnDestroyParams(cusolverDnParams_t params) {
  if (params == nullptr) return CUSOLVER_STATUS_INVALID_VALUE;
  delete params;
  return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnXgesvd_bufferSize(cusolverDnHandle_t handle, cusolverDnParams_t params, signed char,
                                             signed char, Int m, Int n, cudaDataType type, const void*, Int lda,
                                             cudaDataType, const void*, cudaDataType, const void*, Int, cudaDataType,
                                             const void*, Int, cudaDataType, std::size_t* on_device,
                                             std::size_t* on_host) {
  if (n < 0 || m < n || lda < std::max<Int>(1, m)) return CUSOLVER_STATUS_INVALID_VALUE;
  return give_sizes(handle, params, m, n, type, on_device, on_host);
}

cusolverStatus_t cusolverDnXgesvd(cusolverDnHandle_t handle, cusolverDnParams_t params, signed char job_u,
                                  signed char job_vt, Int m, Int n, cudaDataType type, void* a, Int lda,
                                  cudaDataType type_s, void* s, cudaDataType type_u, void* u, Int ldu,
                                  cudaDataType type_vt, void* vt, Int ldvt, cudaDataType compute, void* device_work,
                                  std::size_t device_size, void* host_work, std::size_t host_size, int* info) {
  const Work w{device_work, device_size, host_work, host_size, info};
  if (const auto e = check(handle, params, w, device_bytes(m, n, type)); e != CUSOLVER_STATUS_SUCCESS) return e;
  const bool vectors = job_u == 'S';
  if (n < 0 || m < n || lda < std::max<Int>(1, m) || job_u != job_vt || (job_u != 'S' && job_u != 'N') ||
      type_s != type || type_u != type || type_vt != type || compute != type ||
      (vectors && (ldu < std::max<Int>(1, m) || ldvt < std::max<Int>(1, n)))) {
    return CUSOLVER_STATUS_INVALID_VALUE;
  }
  const std::size_t e = size_of(type);
  if (!matrix_on_device(a, m, n, lda, e) || !matrix_on_device(s, n, 1, n, e) ||
      (vectors && (!matrix_on_device(u, m, n, ldu, e) || !matrix_on_device(vt, n, n, ldvt, e)))) {
    return CUSOLVER_STATUS_EXECUTION_FAILED;
  }
  const auto run = [&](auto* x) {
    using T = std::remove_pointer_t<decltype(x)>;
    return gesvd(vectors, m, n, x, lda, static_cast<T*>(s), static_cast<T*>(u), ldu, static_cast<T*>(vt), ldvt);
  };
  *info = type == CUDA_R_32F ? run(static_cast<float*>(a)) : run(static_cast<double*>(a));
  return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnXsyevd_bufferSize(cusolverDnHandle_t handle, cusolverDnParams_t params, cusolverEigMode_t,
                                             cublasFillMode_t, Int n, cudaDataType type, const void*, Int lda,
                                             cudaDataType, const void*, cudaDataType, std::size_t* on_device,
                                             std::size_t* on_host) {
  if (n < 0 || lda < std::max<Int>(1, n)) return CUSOLVER_STATUS_INVALID_VALUE;
  return give_sizes(handle, params, n, n, type, on_device, on_host);
}

cusolverStatus_t cusolverDnXsyevd(cusolverDnHandle_t handle, cusolverDnParams_t params, cusolverEigMode_t mode,
                                  cublasFillMode_t uplo, Int n, cudaDataType type, void* a, Int lda,
                                  cudaDataType type_w, void* values, cudaDataType compute, void* device_work,
                                  std::size_t device_size, void* host_work, std::size_t host_size, int* info) {
  const Work w{device_work, device_size, host_work, host_size, info};
  if (const auto e = check(handle, params, w, device_bytes(n, n, type)); e != CUSOLVER_STATUS_SUCCESS) return e;
  if (n < 0 || lda < std::max<Int>(1, n) || type_w != type || compute != type) return CUSOLVER_STATUS_INVALID_VALUE;
  if (!matrix_on_device(a, n, n, lda, size_of(type)) || !matrix_on_device(values, n, 1, n, size_of(type))) {
    return CUSOLVER_STATUS_EXECUTION_FAILED;
  }
  const bool vectors = mode == CUSOLVER_EIG_MODE_VECTOR, upper = uplo == CUBLAS_FILL_MODE_UPPER;
  *info = type == CUDA_R_32F ? syevd(vectors, upper, n, static_cast<float*>(a), lda, static_cast<float*>(values))
                             : syevd(vectors, upper, n, static_cast<double*>(a), lda, static_cast<double*>(values));
  return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnXgeqrf_bufferSize(cusolverDnHandle_t handle, cusolverDnParams_t params, Int m, Int n,
                                             cudaDataType type, const void*, Int lda, cudaDataType, const void*,
                                             cudaDataType, std::size_t* on_device, std::size_t* on_host) {
  if (m < 0 || n < 0 || lda < std::max<Int>(1, m)) return CUSOLVER_STATUS_INVALID_VALUE;
  return give_sizes(handle, params, m, n, type, on_device, on_host);
}

cusolverStatus_t cusolverDnXgeqrf(cusolverDnHandle_t handle, cusolverDnParams_t params, Int m, Int n, cudaDataType type,
                                  void* a, Int lda, cudaDataType type_tau, void* tau, cudaDataType compute,
                                  void* device_work, std::size_t device_size, void* host_work, std::size_t host_size,
                                  int* info) {
  const Work w{device_work, device_size, host_work, host_size, info};
  if (const auto e = check(handle, params, w, device_bytes(m, n, type)); e != CUSOLVER_STATUS_SUCCESS) return e;
  if (m < 0 || n < 0 || lda < std::max<Int>(1, m) || type_tau != type || compute != type) {
    return CUSOLVER_STATUS_INVALID_VALUE;
  }
  if (!matrix_on_device(a, m, n, lda, size_of(type)) || !matrix_on_device(tau, std::min(m, n), 1, m, size_of(type))) {
    return CUSOLVER_STATUS_EXECUTION_FAILED;
  }
  if (type == CUDA_R_32F) {
    geqrf(m, n, static_cast<float*>(a), lda, static_cast<float*>(tau));
  } else {
    geqrf(m, n, static_cast<double*>(a), lda, static_cast<double*>(tau));
  }
  *info = 0;
  return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnXpotrf_bufferSize(cusolverDnHandle_t handle, cusolverDnParams_t params, cublasFillMode_t,
                                             Int n, cudaDataType type, const void*, Int lda, cudaDataType,
                                             std::size_t* on_device, std::size_t* on_host) {
  if (n < 0 || lda < std::max<Int>(1, n)) return CUSOLVER_STATUS_INVALID_VALUE;
  return give_sizes(handle, params, n, n, type, on_device, on_host);
}

cusolverStatus_t cusolverDnXpotrf(cusolverDnHandle_t handle, cusolverDnParams_t params, cublasFillMode_t uplo, Int n,
                                  cudaDataType type, void* a, Int lda, cudaDataType compute, void* device_work,
                                  std::size_t device_size, void* host_work, std::size_t host_size, int* info) {
  const Work w{device_work, device_size, host_work, host_size, info};
  if (const auto e = check(handle, params, w, device_bytes(n, n, type)); e != CUSOLVER_STATUS_SUCCESS) return e;
  if (n < 0 || lda < std::max<Int>(1, n) || compute != type) return CUSOLVER_STATUS_INVALID_VALUE;
  if (!matrix_on_device(a, n, n, lda, size_of(type))) return CUSOLVER_STATUS_EXECUTION_FAILED;
  const bool upper = uplo == CUBLAS_FILL_MODE_UPPER;
  *info =
      type == CUDA_R_32F ? potrf(upper, n, static_cast<float*>(a), lda) : potrf(upper, n, static_cast<double*>(a), lda);
  return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnSorgqr_bufferSize(cusolverDnHandle_t handle, int m, int n, int k, const float* a, int lda,
                                             const float*, int* elements) {
  return orgqr_size(handle, m, n, k, a, lda, elements);
}
cusolverStatus_t cusolverDnDorgqr_bufferSize(cusolverDnHandle_t handle, int m, int n, int k, const double* a, int lda,
                                             const double*, int* elements) {
  return orgqr_size(handle, m, n, k, a, lda, elements);
}
cusolverStatus_t cusolverDnSorgqr(cusolverDnHandle_t handle, int m, int n, int k, float* a, int lda, const float* tau,
                                  float* work, int elements, int* info) {
  return orgqr(handle, m, n, k, a, lda, tau, work, elements, info);
}
cusolverStatus_t cusolverDnDorgqr(cusolverDnHandle_t handle, int m, int n, int k, double* a, int lda, const double* tau,
                                  double* work, int elements, int* info) {
  return orgqr(handle, m, n, k, a, lda, tau, work, elements, info);
}
