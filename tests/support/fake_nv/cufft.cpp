// SPDX-License-Identifier: MIT
// Up to 512 points the defining sums, in double, independent of any transform library; beyond that pocketfft.
#include "tests/support/fake_nv/cufft.h"

#include <cmath>
#include <complex>
#include <map>
#include <mutex>
#include <numbers>
#include <vector>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#define POCKETFFT_NO_MULTITHREADING
#include "tools/third_party/pocketfft/pocketfft_hdronly.h"
#pragma GCC diagnostic pop

namespace {

using Complex = std::complex<double>;

struct Plan {
  bool automatic = true, made = false;
  cufftType type{};
  long long n = 0, batch = 0;
  void* work = nullptr;
  cudaStream_t stream = nullptr;
};

constexpr std::size_t work_bytes_of_plan = 1024;

std::mutex& mutex() {
  static std::mutex m;
  return m;
}
std::map<int, Plan>& plans() {
  static std::map<int, Plan> p;
  return p;
}

Plan* find(cufftHandle handle) {
  const std::lock_guard lock(mutex());
  const auto it = plans().find(handle);
  return it == plans().end() ? nullptr : &it->second;
}

template <class T>
bool on_device(const T* p, long long elements) {
  return fake_nv_is_device_range(p, static_cast<std::size_t>(elements) * sizeof(T));
}

cufftResult usable(const Plan* p, cufftType type) {
  if (p == nullptr || !p->made) return CUFFT_INVALID_PLAN;
  if (p->type != type) return CUFFT_INVALID_TYPE;
  if (!fake_nv_is_stream(p->stream) || fake_nv_is_recording(p->stream)) return CUFFT_EXEC_FAILED;  // not kept here
  if (!p->automatic && !fake_nv_is_device_range(p->work, work_bytes_of_plan)) return CUFFT_NO_WORKSPACE;
  return CUFFT_SUCCESS;
}

// y_k = sum_j x_j exp(sign 2 pi i j k / n)
std::vector<Complex> transform(const std::vector<Complex>& x, int sign) {
  const std::size_t n = x.size();
  std::vector<Complex> twiddle(n), y(n);
  if (n > 512) {
    const pocketfft::stride_t stride{static_cast<std::ptrdiff_t>(sizeof(Complex))};
    pocketfft::c2c({n}, stride, stride, {0}, sign < 0, x.data(), y.data(), 1.0);
    return y;
  }
  for (std::size_t j = 0; j < n; ++j) {
    twiddle[j] = std::polar(1.0, sign * 2 * std::numbers::pi * static_cast<double>(j) / static_cast<double>(n));
  }
  for (std::size_t k = 0; k < n; ++k) {
    for (std::size_t j = 0; j < n; ++j) y[k] += x[j] * twiddle[j * k % n];
  }
  return y;
}

template <class C>
cufftResult complex_rows(cufftHandle handle, cufftType type, C* in, C* out, int direction) {
  const Plan* p = find(handle);
  if (const cufftResult e = usable(p, type); e != CUFFT_SUCCESS) return e;
  if (in == nullptr || out == nullptr || (direction != CUFFT_FORWARD && direction != CUFFT_INVERSE)) {
    return CUFFT_INVALID_VALUE;
  }
  if (!on_device(in, p->n * p->batch) || !on_device(out, p->n * p->batch)) return CUFFT_EXEC_FAILED;
  using T = decltype(in->x);
  std::vector<Complex> row(static_cast<std::size_t>(p->n));
  for (long long b = 0; b < p->batch; ++b) {
    for (std::size_t j = 0; j < row.size(); ++j) {
      const C& v = in[b * p->n + static_cast<long long>(j)];
      row[j] = Complex(static_cast<double>(v.x), static_cast<double>(v.y));
    }
    const std::vector<Complex> y = transform(row, direction);
    for (std::size_t j = 0; j < row.size(); ++j) {
      out[b * p->n + static_cast<long long>(j)] = C{static_cast<T>(y[j].real()), static_cast<T>(y[j].imag())};
    }
  }
  return CUFFT_SUCCESS;
}

template <class T, class C>
cufftResult to_bins(cufftHandle handle, cufftType type, T* in, C* out) {
  const Plan* p = find(handle);
  if (const cufftResult e = usable(p, type); e != CUFFT_SUCCESS) return e;
  const long long bins = p->n / 2 + 1;
  if (in == nullptr || out == nullptr) return CUFFT_INVALID_VALUE;
  if (!on_device(in, p->n * p->batch) || !on_device(out, bins * p->batch)) return CUFFT_EXEC_FAILED;
  for (long long b = 0; b < p->batch; ++b) {
    const std::vector<Complex> y = transform(std::vector<Complex>(in + b * p->n, in + (b + 1) * p->n), CUFFT_FORWARD);
    for (long long k = 0; k < bins; ++k) {
      const Complex v = y[static_cast<std::size_t>(k)];
      out[b * bins + k] = C{static_cast<T>(v.real()), static_cast<T>(v.imag())};
    }
  }
  return CUFFT_SUCCESS;
}

template <class T, class C>
cufftResult from_bins(cufftHandle handle, cufftType type, C* in, T* out) {
  const Plan* p = find(handle);
  if (const cufftResult e = usable(p, type); e != CUFFT_SUCCESS) return e;
  const long long bins = p->n / 2 + 1;
  if (in == nullptr || out == nullptr) return CUFFT_INVALID_VALUE;
  if (!on_device(in, bins * p->batch) || !on_device(out, p->n * p->batch)) return CUFFT_EXEC_FAILED;
  std::vector<Complex> row(static_cast<std::size_t>(p->n));
  for (long long b = 0; b < p->batch; ++b) {
    for (long long k = 0; k < bins; ++k) {
      C& v = in[b * bins + k];
      const Complex x(static_cast<double>(v.x), static_cast<double>(v.y));
      row[static_cast<std::size_t>(k)] = x;
      if (k > 0) row[static_cast<std::size_t>(p->n - k)] = std::conj(x);
      v = C{static_cast<T>(std::nan("")), static_cast<T>(std::nan(""))};
    }
    const std::vector<Complex> y = transform(row, CUFFT_INVERSE);
    for (long long j = 0; j < p->n; ++j) out[b * p->n + j] = static_cast<T>(y[static_cast<std::size_t>(j)].real());
  }
  return CUFFT_SUCCESS;
}

}  // namespace

cufftResult cufftCreate(cufftHandle* plan) {
  if (plan == nullptr) return CUFFT_INVALID_PLAN;
  const std::lock_guard lock(mutex());
  const int handle = plans().empty() ? 1 : plans().rbegin()->first + 1;
  plans()[handle] = Plan{};
  *plan = handle;
  return CUFFT_SUCCESS;
}

cufftResult cufftDestroy(cufftHandle plan) {
  const std::lock_guard lock(mutex());
  return plans().erase(plan) == 1 ? CUFFT_SUCCESS : CUFFT_INVALID_PLAN;
}

cufftResult cufftSetAutoAllocation(cufftHandle plan, int automatic) {
  Plan* p = find(plan);
  if (p == nullptr || p->made) return CUFFT_INVALID_PLAN;
  p->automatic = automatic != 0;
  return CUFFT_SUCCESS;
}

cufftResult cufftMakePlanMany64(cufftHandle plan, int rank, long long* n, long long* in_embed, long long, long long,
                                long long* out_embed, long long, long long, cufftType type, long long batch,
                                std::size_t* work_bytes) {
  Plan* p = find(plan);
  if (p == nullptr || p->made) return CUFFT_INVALID_PLAN;
  if (rank != 1 || n == nullptr || in_embed != nullptr || out_embed != nullptr || work_bytes == nullptr) {
    return CUFFT_INVALID_VALUE;
  }
  if (*n < 1 || batch < 1) return CUFFT_INVALID_SIZE;
  p->type = type;
  p->n = *n;
  p->batch = batch;
  p->made = true;
  *work_bytes = work_bytes_of_plan;
  return CUFFT_SUCCESS;
}

cufftResult cufftSetStream(cufftHandle plan, cudaStream_t stream) {
  Plan* p = find(plan);
  if (p == nullptr) return CUFFT_INVALID_PLAN;
  p->stream = stream;
  return CUFFT_SUCCESS;
}

cufftResult cufftSetWorkArea(cufftHandle plan, void* work) {
  Plan* p = find(plan);
  if (p == nullptr || !p->made) return CUFFT_INVALID_PLAN;
  p->work = work;
  return CUFFT_SUCCESS;
}

cufftResult cufftExecC2C(cufftHandle plan, cufftComplex* in, cufftComplex* out, int direction) {
  return complex_rows(plan, CUFFT_C2C, in, out, direction);
}
cufftResult cufftExecZ2Z(cufftHandle plan, cufftDoubleComplex* in, cufftDoubleComplex* out, int direction) {
  return complex_rows(plan, CUFFT_Z2Z, in, out, direction);
}
cufftResult cufftExecR2C(cufftHandle plan, cufftReal* in, cufftComplex* out) {
  return to_bins(plan, CUFFT_R2C, in, out);
}
cufftResult cufftExecD2Z(cufftHandle plan, cufftDoubleReal* in, cufftDoubleComplex* out) {
  return to_bins(plan, CUFFT_D2Z, in, out);
}
cufftResult cufftExecC2R(cufftHandle plan, cufftComplex* in, cufftReal* out) {
  return from_bins(plan, CUFFT_C2R, in, out);
}
cufftResult cufftExecZ2D(cufftHandle plan, cufftDoubleComplex* in, cufftDoubleReal* out) {
  return from_bins(plan, CUFFT_Z2D, in, out);
}
