// SPDX-License-Identifier: MIT
// Transforms by cuFFT. Making a plan takes milliseconds, and a plan must not run in two threads at once, so each thread
// keeps its last plans. Their workspace is the stream's scratch memory.
#include <cufft.h>

#include <list>
#include <string>
#include <type_traits>

#include "kernels/fft/fft.hpp"
#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/launch_cuda.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {

namespace {

constexpr std::size_t kept_plans = 16;

void check_cufft(cufftResult status, const char* what) {
  if (status == CUFFT_SUCCESS) return;
  const bool memory = status == CUFFT_ALLOC_FAILED;
  throw Error(memory ? ErrorCode::budget : ErrorCode::failed,
              std::string(what) + ": cuFFT status " + std::to_string(static_cast<int>(status)));
}

struct PlanKey {
  int device;
  cufftType type;
  Index n, batch;
  bool operator==(const PlanKey&) const = default;
};

class Plan {
 public:
  explicit Plan(const PlanKey& key) : key_(key) {
    check_cufft(cufftCreate(&handle_), "fft plan");
    cufftResult status = cufftSetAutoAllocation(handle_, 0);
    long long n = key.n;
    if (status == CUFFT_SUCCESS) {
      status = cufftMakePlanMany64(handle_, 1, &n, nullptr, 1, 0, nullptr, 1, 0, key.type, key.batch, &work_bytes_);
    }
    if (status != CUFFT_SUCCESS) static_cast<void>(cufftDestroy(handle_));
    check_cufft(status, "fft plan");
  }
  ~Plan() { static_cast<void>(cufftDestroy(handle_)); }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
  const PlanKey& key() const { return key_; }
  cufftHandle get() const { return handle_; }
  Index work_bytes() const { return static_cast<Index>(work_bytes_); }

 private:
  PlanKey key_;
  cufftHandle handle_{};
  std::size_t work_bytes_ = 0;
};

const Plan& plan_of(const PlanKey& key) {
  thread_local std::list<Plan> plans;  // most recently used first
  for (auto it = plans.begin(); it != plans.end(); ++it) {
    if (it->key() == key) {
      plans.splice(plans.begin(), plans, it);
      return plans.front();
    }
  }
  plans.emplace_front(key);
  if (plans.size() > kept_plans) plans.pop_back();
  return plans.front();
}

// A complex and a real transform of one type; `forward` picks the direction.
void run_complex(const Plan& p, bool forward, const float* in, float* out) {
  auto* x = reinterpret_cast<cufftComplex*>(const_cast<float*>(in));
  check_cufft(cufftExecC2C(p.get(), x, reinterpret_cast<cufftComplex*>(out), forward ? CUFFT_FORWARD : CUFFT_INVERSE),
              "fft");
}
void run_complex(const Plan& p, bool forward, const double* in, double* out) {
  auto* x = reinterpret_cast<cufftDoubleComplex*>(const_cast<double*>(in));
  auto* y = reinterpret_cast<cufftDoubleComplex*>(out);
  check_cufft(cufftExecZ2Z(p.get(), x, y, forward ? CUFFT_FORWARD : CUFFT_INVERSE), "fft");
}
void run_real(const Plan& p, bool forward, const float* in, float* out) {
  auto* x = const_cast<float*>(in);
  check_cufft(forward ? cufftExecR2C(p.get(), x, reinterpret_cast<cufftComplex*>(out))
                      : cufftExecC2R(p.get(), reinterpret_cast<cufftComplex*>(x), out),
              "fft");
}
void run_real(const Plan& p, bool forward, const double* in, double* out) {
  auto* x = const_cast<double*>(in);
  check_cufft(forward ? cufftExecD2Z(p.get(), x, reinterpret_cast<cufftDoubleComplex*>(out))
                      : cufftExecZ2D(p.get(), reinterpret_cast<cufftDoubleComplex*>(x), out),
              "fft");
}

template <class T>
cufftType type_of(bool real, bool forward) {
  constexpr bool single = std::is_same_v<T, float>;
  if (!real) return single ? CUFFT_C2C : CUFFT_Z2Z;
  if (forward) return single ? CUFFT_R2C : CUFFT_D2Z;
  return single ? CUFFT_C2R : CUFFT_Z2D;
}

}  // namespace

template <class T>
void fft(Stream& s, const Fft<T>& f) {
  if (f.n <= 0 || f.batch <= 0) return;
  const T inverse_n = static_cast<T>(1.0 / static_cast<double>(f.n));
  const bool inverse = f.kind == FftKind::complex_inverse || f.kind == FftKind::real_inverse;
  const bool real = f.kind == FftKind::real_forward || f.kind == FftKind::real_inverse;
  const bool forward = inverse == f.adjoint;
  const T scale = inverse ? inverse_n : T(1);
  const cudaStream_t stream = cuda_stream(s);
  const Plan& plan = plan_of({s.device().index, type_of<T>(real, forward), f.n, f.batch});
  const Index bins = f.batch * fft_bins(f.n), work_bytes = (plan.work_bytes() + 255) / 256 * 256;
  // The complex-to-real transform may overwrite its input, so it reads a weighed copy.
  const bool copies = real && !forward;
  const Index copy_bytes = copies ? 2 * bins * static_cast<Index>(sizeof(T)) : 0;
  char* work = work_bytes + copy_bytes > 0 ? static_cast<char*>(s.scratch(work_bytes + copy_bytes)) : nullptr;
  check_cufft(cufftSetStream(plan.get(), stream), "fft");
  check_cufft(cufftSetWorkArea(plan.get(), work), "fft");
  const T* in = f.in;
  if (copies) {
    auto* weighed = reinterpret_cast<T*>(work + work_bytes);
    parallel_for(s, bins, FftWeighBins<T>{f.n, f.adjoint ? -1 : 0, scale, f.in, weighed});
    in = weighed;
  }
  if (real) {
    run_real(plan, forward, in, f.out);
    if (forward && f.adjoint) parallel_for(s, bins, FftWeighBins<T>{f.n, 1, scale, f.out, f.out});
  } else {
    run_complex(plan, forward, in, f.out);
    if (inverse) parallel_for(s, 2 * f.batch * f.n, FftScale<T>{scale, f.out});
  }
}

TERRANE_INSTANTIATE(fft, Fft)

}  // namespace terrane::TERRANE_BACKEND
