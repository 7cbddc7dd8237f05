// SPDX-License-Identifier: MIT
// The CUDA emulator itself: right kernels give right numbers for every seed, faulty kernels are caught.
#define TERRANE_BACKEND emulator_test

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numeric>
#include <set>
#include <vector>

#include "kernels/runtime/device.hpp"
#include "tests/support/cuda_emulator.cpp"  // this program has its own copy, apart from the emulated module's
#include "tests/support/emulator_kernels.hpp"
#include "tests/support/fake_nv/cuda_runtime.cpp"

namespace terrane {
namespace emulator_test {

using namespace emulator_test;

Stream& cpu() {
  static Stream s{Device{}};
  return s;
}

template <bool barrier>
std::vector<float> transpose(const std::vector<float>& in, int rows, int columns) {
  std::vector<float> out(in.size(), -1.0f);
  const dim3 grid(static_cast<unsigned>((columns + 31) / 32), static_cast<unsigned>((rows + 31) / 32));
  TERRANE_LAUNCH((transpose_kernel<float, barrier>), grid, dim3(32, 8), 0, cpu(), in.data(), out.data(), rows, columns);
  return out;
}

template <bool barrier>
std::vector<double> stencil(const std::vector<double>& in) {
  std::vector<double> out(in.size(), -1.0);
  const int n = static_cast<int>(in.size());
  const dim3 grid(static_cast<unsigned>((n + stencil_threads - 1) / stencil_threads));
  TERRANE_LAUNCH((stencil_kernel<double, barrier>), grid, dim3(stencil_threads), (stencil_threads + 2) * 8, cpu(),
                 in.data(), out.data(), n);
  return out;
}

// NaN must count as different.
template <class T>
bool equal(const std::vector<T>& a, const std::vector<T>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!(a[i] == b[i])) return false;
  }
  return a.size() == b.size();
}

std::string failure_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.message();
  }
  return "no error";
}

TEST(Emulator, TransposeIsRightForEverySeedAndWrongWithoutItsBarrier) {
  const int rows = 45, columns = 70;
  std::vector<float> in(static_cast<std::size_t>(rows * columns)), want(in.size());
  std::iota(in.begin(), in.end(), 1.0f);
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < columns; ++c) {
      want[static_cast<std::size_t>(c * rows + r)] = in[static_cast<std::size_t>(r * columns + c)];
    }
  }
  int caught = 0;
  for (std::uint64_t seed = 0; seed < 25; ++seed) {
    emulator::set_seed(seed);
    EXPECT_TRUE(equal(transpose<true>(in, rows, columns), want)) << "seed " << seed;
    caught += equal(transpose<false>(in, rows, columns), want) ? 0 : 1;
  }
  EXPECT_EQ(caught, 25);
}

TEST(Emulator, StencilIsRightForEverySeedAndWrongWithoutItsBarrier) {
  for (const int n : {1, 63, 64, 65, 1000}) {
    std::vector<double> in(static_cast<std::size_t>(n)), want(in.size());
    for (int i = 0; i < n; ++i) in[static_cast<std::size_t>(i)] = std::sin(0.3 * i);
    for (int i = 0; i < n; ++i) {
      const double left = i > 0 ? in[static_cast<std::size_t>(i - 1)] : 0.0;
      const double right = i + 1 < n ? in[static_cast<std::size_t>(i + 1)] : 0.0;
      want[static_cast<std::size_t>(i)] = left - 2 * in[static_cast<std::size_t>(i)] + right;
    }
    int caught = 0;
    for (std::uint64_t seed = 0; seed < 25; ++seed) {
      emulator::set_seed(seed);
      EXPECT_TRUE(equal(stencil<true>(in), want)) << "seed " << seed;
      caught += equal(stencil<false>(in), want) ? 0 : 1;
    }
    if (n > 32) {
      EXPECT_EQ(caught, 25) << n;
    }
  }
}

TEST(Emulator, WarpShuffleReduction) {
  const int n = 1000, threads = 256, blocks = 4;
  std::vector<float> in(n);
  for (int i = 0; i < n; ++i) in[static_cast<std::size_t>(i)] = static_cast<float>(i % 17) - 3.0f;
  const double want = std::accumulate(in.begin(), in.end(), 0.0);
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    emulator::set_seed(seed);
    std::vector<double> out(blocks, -1.0);
    TERRANE_LAUNCH(reduce_kernel<float>, dim3(blocks), dim3(threads), 0, cpu(), in.data(), out.data(), n);
    EXPECT_EQ(std::accumulate(out.begin(), out.end(), 0.0), want);
  }
}

TEST(Emulator, AtomicHistogram) {
  const int n = 3001, n_bins = 37;
  std::vector<int> in(n);
  std::vector<unsigned> want(n_bins, 0);
  for (int i = 0; i < n; ++i) {
    in[static_cast<std::size_t>(i)] = (i * i + 3 * i) % n_bins;
    ++want[static_cast<std::size_t>(in[static_cast<std::size_t>(i)])];
  }
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    emulator::set_seed(seed);
    std::vector<unsigned> bins(n_bins, 0);
    TERRANE_LAUNCH(histogram_kernel<int>, dim3(5), dim3(96), n_bins * 4, cpu(), in.data(), bins.data(), n, n_bins);
    EXPECT_EQ(bins, want);
  }
}

TEST(Emulator, ShufflesAndVotesFollowTheCudaDefinition) {
  std::vector<float> in(32), out(256, -1.0f);
  for (int t = 0; t < 32; ++t) in[static_cast<std::size_t>(t)] = static_cast<float>(100 + t);
  TERRANE_LAUNCH(vote_kernel<float>, dim3(1), dim3(32), 0, cpu(), in.data(), out.data());
  unsigned ballot = 0;
  for (unsigned t = 0; t < 32; ++t) ballot |= (t % 3 == 0 ? 1u : 0u) << t;
  for (int t = 0; t < 32; ++t) {
    const auto at = [&](int k) { return out[static_cast<std::size_t>(32 * k + t)]; };
    EXPECT_EQ(at(0), 105.0f);
    EXPECT_EQ(at(1), static_cast<float>(100 + (t % 16 >= 3 ? t - 3 : t)));
    EXPECT_EQ(at(2), static_cast<float>(100 + (t % 16 < 13 ? t + 3 : t)));
    EXPECT_EQ(at(3), static_cast<float>(100 + (t ^ 9)));
    EXPECT_EQ(at(4), static_cast<float>(ballot >> 8 & 0xffffu));
    EXPECT_EQ(at(5), 1.0f);
    EXPECT_EQ(at(6), 8.0f);
    EXPECT_EQ(at(7), 2.0f);
  }
}

// --- kernels with faults ---------------------------------------------------------------------------------------------

struct One {
  float v[4];
};

void read_fresh_shared(float* out) {
  auto& s = shared_storage<One>();
  out[blockIdx.x] = s.v[1];
  s.v[1] = 3.0f;
}
void return_before_barrier(int n) {
  if (static_cast<int>(threadIdx.x) >= n) return;
  __syncthreads();
}
void two_barriers(int n) {
  if (static_cast<int>(threadIdx.x) >= n) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}
void warp_without_caller(int* out) { out[threadIdx.x] = __shfl_sync(0x1u, 1, 0); }
void warp_divergent(int* out) {
  if (threadIdx.x < 16) out[threadIdx.x] = __shfl_sync(0xffffffffu, 1, 0);
}
void write_past_shared(int at) { shared_storage<One>().v[at] = 1.0f; }
void barrier_in_loop() { __syncthreads(); }
void record_order(int* next, int* order) { order[(*next)++] = static_cast<int>(blockIdx.x * 64 + threadIdx.x); }

TEST(Emulator, SharedMemoryIsPoisonedBeforeEveryBlock) {
  std::vector<float> out(8, 0.0f);
  TERRANE_LAUNCH(read_fresh_shared, dim3(8), dim3(1), 0, cpu(), out.data());
  for (const float v : out) EXPECT_TRUE(std::isnan(v));
}

TEST(Emulator, FaultyKernelsGiveAnErrorInsteadOfHanging) {
  std::vector<int> out(64);
  const auto contains = [](const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  const auto launch = [](auto kernel, unsigned threads, auto... args) {
    return failure_of([&] { TERRANE_LAUNCH(kernel, dim3(2), dim3(threads), 0, cpu(), args...); });
  };
  contains(launch(&return_before_barrier, 64, 40), "24 of 64 threads have returned, 40 wait at emulator_test.cpp");
  contains(launch(&two_barriers, 64, 40), "two different barriers");
  contains(launch(&warp_without_caller, 32, out.data()), "lacks its caller");
  contains(launch(&warp_divergent, 32, out.data()), "returned");
  contains(launch(&warp_divergent, 20, out.data()), "outside the block");
  contains(launch(&write_past_shared, 1, 4), "past the end of 16 bytes");
  contains(launch(&barrier_in_loop, 1025), "invalid configuration");
  contains(failure_of([] { launch_elementwise(cpu(), dim3(1), dim3(4), &barrier_in_loop); }), "launch_elementwise");
  // and a right kernel still runs afterwards
  TERRANE_LAUNCH(barrier_in_loop, dim3(3), dim3(1024), 0, cpu());
}

TEST(Emulator, TheSeedDecidesTheOrder) {
  const auto order_of = [](std::uint64_t seed) {
    emulator::set_seed(seed);
    int next = 0;
    std::vector<int> order(256, -1);
    launch_elementwise(cpu(), dim3(4), dim3(64), &record_order, &next, order.data());
    return order;
  };
  EXPECT_EQ(order_of(3), order_of(3));
  std::set<std::vector<int>> orders;
  for (std::uint64_t seed = 0; seed < 32; ++seed) {
    const std::vector<int> order = order_of(seed);
    EXPECT_EQ(std::set<int>(order.begin(), order.end()).size(), 256u);  // each thread exactly once
    orders.insert(order);
  }
  EXPECT_GT(orders.size(), 4u);
}

TEST(FakeNv, RuntimeRefusesWrongCalls) {
  void* p = nullptr;
  char host[16] = {};
  ASSERT_EQ(cudaMalloc(&p, 16), cudaSuccess);
  EXPECT_EQ(cudaMemcpy(p, host, 17, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpy(host, p, 16, cudaMemcpyDeviceToHost), cudaSuccess);
  EXPECT_EQ(host[3], static_cast<char>(0xff));
  EXPECT_EQ(cudaMemcpy(host, host, 4, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFree(host), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFree(p), cudaSuccess);
  EXPECT_EQ(cudaFree(p), cudaErrorInvalidValue);
  EXPECT_EQ(cudaSetDevice(1), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

TEST(FakeNv, LocksPagesOfTheHost) {
  std::vector<char> host(64);
  EXPECT_EQ(cudaHostRegister(host.data(), 64, cudaHostRegisterDefault), cudaSuccess);
  EXPECT_EQ(cudaHostRegister(host.data(), 64, cudaHostRegisterDefault), cudaErrorInvalidValue);
  EXPECT_EQ(fake_nv_locked_bytes(), 64u);
  EXPECT_EQ(cudaHostUnregister(host.data()), cudaSuccess);
  EXPECT_EQ(cudaHostUnregister(host.data()), cudaErrorInvalidValue);
  static_cast<void>(cudaGetLastError());
}

template <class P, bool wait = true, bool barrier = true>
std::vector<float> product(const std::vector<float>& a, const std::vector<float>& b, int depth) {
  std::vector<float> c(16 * 8, -1.0f);
  const auto kernel = &product_kernel<P, wait, barrier>;
  TERRANE_LAUNCH(kernel, dim3(1), dim3(32), 24 * (depth + 8) * 4, cpu(), a.data(), b.data(), c.data(), depth);
  return c;
}

struct Factors {
  static constexpr int depth = 48;
  alignas(16) std::vector<float> a, b;
  explicit Factors(float (*round)(float)) : a(16 * depth), b(8 * depth) {
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = round(std::sin(1.7f * static_cast<float>(i) + 0.3f));
    for (std::size_t i = 0; i < b.size(); ++i) b[i] = round(std::cos(2.3f * static_cast<float>(i * i % 97)));
  }
  // Largest error against the product in double, relative to the largest element of the sums of absolute terms.
  double error(const std::vector<float>& c) const {
    double worst = 0, size = 0;
    for (std::size_t r = 0; r < 16; ++r) {
      for (std::size_t n = 0; n < 8; ++n) {
        double sum = 0, terms = 0;
        for (std::size_t k = 0; k < depth; ++k) {
          const double t = double{a[r * depth + k]} * double{b[n * depth + k]};
          sum += t;
          terms += std::fabs(t);
        }
        worst = std::fmax(worst, std::fabs(static_cast<double>(c[r * 8 + n]) - sum));
        if (std::isnan(c[r * 8 + n])) return INFINITY;
        size = std::fmax(size, terms);
      }
    }
    return worst / size;
  }
};

TEST(Emulator, TensorProducts) {
  const Factors plain([](float x) { return x; }), tf32([](float x) { return round_tf32(x); }),
      bf16([](float x) { return round_bf16(x); });
  constexpr int depth = Factors::depth;
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    emulator::set_seed(seed);
    // operands that the format holds: only the truncation of the sums is left
    EXPECT_LE(tf32.error(product<Tf32>(tf32.a, tf32.b, depth)), 6 * 1.2e-7);
    EXPECT_LE(bf16.error(product<Bf16>(bf16.a, bf16.b, depth)), 3 * 1.2e-7);
    // operands that it does not hold: two TF32 numbers hold nearly all of a float, one holds 11 bits, cut off here
    EXPECT_LE(plain.error(product<Tf32x3>(plain.a, plain.b, depth)), 5e-7);
    const double cut = plain.error(product<Tf32>(plain.a, plain.b, depth));
    EXPECT_LE(cut, 1e-3);
    EXPECT_GE(cut, 5e-5);
  }
}

TEST(Emulator, TensorProductNeedsItsWaitAndItsBarrier) {
  const Factors f([](float x) { return x; });
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    emulator::set_seed(seed);
    EXPECT_GT(f.error(product<Tf32x3, false, true>(f.a, f.b, Factors::depth)), 0.01);
    EXPECT_GT(f.error(product<Tf32x3, true, false>(f.a, f.b, Factors::depth)), 0.01);
  }
}

TEST(Emulator, Roundings) {
  const float ulp = 1.0f / 1024;                         // of TF32 at 1
  EXPECT_EQ(round_tf32(1.0f + 0.5f * ulp), 1.0f + ulp);  // ties go away from zero
  EXPECT_EQ(round_tf32(-1.0f - 0.5f * ulp), -1.0f - ulp);
  EXPECT_EQ(round_tf32(1.0f + 0.49f * ulp), 1.0f);
  EXPECT_EQ(round_bf16(1.0f + 1.0f / 256), 1.0f);  // ties go to even
  EXPECT_EQ(round_bf16(1.0f + 3.0f / 256), 1.0f + 4.0f / 256);
  EXPECT_EQ(emulator::truncate_to_float(1.0 + 1.9e-7), 1.0f + 1.1920929e-7f);
  EXPECT_EQ(emulator::truncate_to_float(-1.0 - 1.1e-7), -1.0f);
}

template <bool wait>
std::vector<int> chain(const std::vector<int>& in) {
  std::vector<int> out(in.size(), -1000);
  std::vector<unsigned> flags(in.size(), 0);
  const auto kernel = &chain_kernel<wait>;
  TERRANE_LAUNCH_TOGETHER(kernel, dim3(static_cast<unsigned>(in.size())), dim3(64), 0, 0, cpu(), in.data(), out.data(),
                          flags.data());
  return out;
}

TEST(Emulator, FlagsBetweenBlocksThatAreResidentTogether) {
  const std::vector<int> in = {3, 1, 4, 1, 5, 9, 2, 6};
  std::vector<int> want(in.size());
  std::partial_sum(in.begin(), in.end(), want.begin());
  int caught = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    emulator::set_seed(seed);
    EXPECT_EQ(chain<true>(in), want) << "seed " << seed;
    caught += chain<false>(in) == want ? 0 : 1;
  }
  EXPECT_GE(caught, 10);  // for some orders the blocks run one after the other
}

template <bool barrier>
std::vector<int> rotate(int threads, int steps) {
  std::vector<int> in(static_cast<std::size_t>(6 * threads)), out(in.size(), -1);  // two clusters of three blocks
  std::iota(in.begin(), in.end(), 0);
  const auto kernel = &rotate_kernel<barrier>;
  TERRANE_LAUNCH_TOGETHER(kernel, dim3(6), dim3(static_cast<unsigned>(threads)), 8 * threads, 3, cpu(), in.data(),
                          out.data(), steps);
  return out;
}

TEST(Emulator, ClustersShareTheirMemory) {
  constexpr int threads = 40, steps = 5;
  std::vector<int> want;
  for (int i = 0; i < 6 * threads; ++i) {
    const int cluster = i / threads / 3, rank = (i / threads + steps) % 3;
    want.push_back((3 * cluster + rank) * threads + (i + steps) % threads);
  }
  int caught = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    emulator::set_seed(seed);
    EXPECT_EQ(rotate<true>(threads, steps), want) << "seed " << seed;
    try {
      caught += rotate<false>(threads, steps) == want ? 0 : 1;
    } catch (const Error&) {
      ++caught;  // memory of a block that has returned
    }
  }
  EXPECT_GE(caught, 15);
}

void lost_flag(unsigned* flag) {
  if (blockIdx.x == 0 && threadIdx.x == 3) wait_for_flag(flag, 2);
}
void add_one(int* value) { ++*value; }

TEST(Emulator, AFlagThatIsNeverRaisedIsAnError) {
  unsigned flag = 1;
  const std::string text =
      failure_of([&] { TERRANE_LAUNCH_TOGETHER(lost_flag, dim3(2), dim3(8), 0, 0, cpu(), &flag); });
  EXPECT_NE(text.find("15 of 16 threads have returned, 1 wait at emulator_test.cpp"), std::string::npos) << text;
  EXPECT_NE(text.find("(flag)"), std::string::npos) << text;
}

TEST(FakeNv, GraphsKeepLaunchesAndRunThemAgain) {
  cudaStream_t stream = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
  StreamOptions options;
  options.native = stream;
  Stream s(Device{}, options);
  int value = 0;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t made = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  for (int i = 0; i < 3; ++i) launch_elementwise(s, dim3(1), dim3(1), &add_one, &value);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorStreamCaptureUnsupported);
  ASSERT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
  EXPECT_EQ(value, 0);
  ASSERT_EQ(cudaGraphInstantiate(&made, graph, 0), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  EXPECT_EQ(cudaGraphLaunch(made, stream), cudaSuccess);
  EXPECT_EQ(cudaGraphLaunch(made, stream), cudaSuccess);
  EXPECT_EQ(value, 6);
  EXPECT_EQ(cudaGraphExecDestroy(made), cudaSuccess);
  EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
}

}  // namespace emulator_test
}  // namespace terrane
