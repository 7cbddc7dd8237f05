// SPDX-License-Identifier: MIT
// Transforms against the defining sums in long double, round trips, and the dot test of every map with its adjoint.
// A transform of length n in precision eps stays within 20 log2(2 n) eps of its largest value for any n here.
#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <limits>
#include <vector>

#include "kernels/kernels.hpp"
#include "kernels/runtime/random.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace fft_test {

const std::vector<Index> lengths = {1, 2, 3, 4, 5, 7, 8, 12, 15, 16, 31, 100, 101, 256};
const FftKind kinds[] = {FftKind::complex_forward, FftKind::complex_inverse, FftKind::real_forward,
                         FftKind::real_inverse};

template <class T>
std::vector<T> random_values(Index n, std::uint64_t seed) {
  const Random random(seed, RandomPurpose::test);
  std::vector<T> v(at(n));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = static_cast<T>(random.normal(i));
  return v;
}

Index input_size(FftKind kind, Index n) {
  if (kind == FftKind::real_forward) return n;
  return kind == FftKind::real_inverse ? 2 * fft_bins(n) : 2 * n;
}
Index output_size(FftKind kind, Index n) {
  if (kind == FftKind::real_inverse) return n;
  return kind == FftKind::real_forward ? 2 * fft_bins(n) : 2 * n;
}

// One row by the definition in the header.
template <class T>
std::vector<double> reference(FftKind kind, Index n, const T* in) {
  using Complex = std::complex<long double>;
  const long double turn = 2 * 3.14159265358979323846264338327950288L / static_cast<long double>(n);
  std::vector<Complex> x(at(n));
  for (Index j = 0; j < n; ++j) {
    if (kind == FftKind::real_forward) {
      x[at(j)] = in[j];
    } else if (kind == FftKind::real_inverse) {
      const bool mirrored = j >= fft_bins(n);
      const Index k = mirrored ? n - j : j;
      const long double imaginary = fft_bin_count(n, k) == 1 ? 0.0L : static_cast<long double>(in[2 * k + 1]);
      x[at(j)] = Complex(in[2 * k], mirrored ? -imaginary : imaginary);
    } else {
      x[at(j)] = Complex(in[2 * j], in[2 * j + 1]);
    }
  }
  const bool inverse = kind == FftKind::complex_inverse || kind == FftKind::real_inverse;
  std::vector<double> out(at(output_size(kind, n)));
  const Index count = kind == FftKind::real_forward ? fft_bins(n) : n;
  for (Index k = 0; k < count; ++k) {
    Complex sum = 0;
    for (Index j = 0; j < n; ++j) {
      sum += x[at(j)] * std::polar(1.0L, (inverse ? 1 : -1) * turn * static_cast<long double>(j * k % n));
    }
    if (inverse) sum /= static_cast<long double>(n);
    if (kind == FftKind::real_inverse) {
      out[at(k)] = static_cast<double>(sum.real());
    } else {
      out[at(2 * k)] = static_cast<double>(sum.real());
      out[at(2 * k + 1)] = static_cast<double>(sum.imag());
    }
  }
  return out;
}

template <class T>
std::vector<T> run(Stream& s, FftKind kind, bool adjoint, Index n, Index batch, const std::vector<T>& in) {
  const Buffer<T> x = to_device(s, in);
  Buffer<T> y(s, batch * (adjoint ? input_size(kind, n) : output_size(kind, n)));
  fft(s, Fft<T>{kind, adjoint, n, batch, x.data(), y.data()});
  EXPECT_EQ(to_host(s, x), in) << "the input is kept";
  return to_host(s, y);
}

template <class T>
double dot_of(const std::vector<T>& a, const std::vector<T>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

template <class T>
void check_definition(Stream& s, FftKind kind, Index n) {
  const Index batch = 3, in_size = input_size(kind, n), out_size = output_size(kind, n);
  const std::vector<T> in = random_values<T>(batch * in_size, 1);
  const std::vector<T> out = run(s, kind, false, n, batch, in);
  for (Index b = 0; b < batch; ++b) {
    const std::vector<double> want = reference(kind, n, in.data() + b * in_size);
    double size = 0, error = 0;
    for (Index i = 0; i < out_size; ++i) {
      size = std::max(size, std::abs(want[at(i)]));
      const double e = std::abs(want[at(i)] - static_cast<double>(out[at(b * out_size + i)]));
      error = e <= error ? error : e;
    }
    const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
    EXPECT_LE(error, 20 * std::log2(2.0 * static_cast<double>(n)) * eps * size) << "n " << n;
  }
}

TEST(FftTest, AgreesWithTheDefinition) {
  for_each_device([](Stream& s) {
    for (const FftKind kind : kinds) {
      for (const Index n : lengths) {
        check_definition<double>(s, kind, n);
        check_definition<float>(s, kind, n);
      }
    }
  });
}

template <class T>
void check_adjoint(Stream& s, FftKind kind, Index n, double bound) {
  const Index batch = 5;
  const std::vector<T> x = random_values<T>(batch * input_size(kind, n), 2);
  const std::vector<T> y = random_values<T>(batch * output_size(kind, n), 3);
  const std::vector<T> fx = run(s, kind, false, n, batch, x), fty = run(s, kind, true, n, batch, y);
  const double scale = std::sqrt(dot_of(fx, fx) * dot_of(y, y));
  EXPECT_LE(std::abs(dot_of(fx, y) - dot_of(x, fty)), bound * scale) << "n " << n << " kind " << static_cast<int>(kind);
}

TEST(FftTest, DotTest) {
  for_each_device([](Stream& s) {
    for (const FftKind kind : kinds) {
      for (const Index n : lengths) {
        check_adjoint<double>(s, kind, n, 1e-13);
        check_adjoint<float>(s, kind, n, 1e-5);
      }
    }
  });
}

TEST(FftTest, RoundTripInPlaceAndSeismicLength) {
  for_each_device([](Stream& s) {
    const Index n = 1500, batch = 33;  // more rows than one group, and a length beyond the small ones
    const std::vector<float> in = random_values<float>(2 * n * batch, 4);
    const Buffer<float> x = to_device(s, in);
    fft(s, Fft<float>{FftKind::complex_forward, false, n, batch, x.data(), x.data()});
    fft(s, Fft<float>{FftKind::complex_inverse, false, n, batch, x.data(), x.data()});
    const std::vector<float> out = to_host(s, x);
    for (std::size_t i = 0; i < in.size(); ++i) ASSERT_NEAR(in[i], out[i], 3e-6f);
  });
}

TEST(FftTest, RealSpectrumOfACosine) {
  for_each_device([](Stream& s) {
    const Index n = 40, k0 = 6;
    std::vector<double> x(at(n));
    for (Index j = 0; j < n; ++j) {
      x[at(j)] = std::cos(2 * 3.14159265358979323846 * static_cast<double>(j * k0 % n) / static_cast<double>(n));
    }
    const std::vector<double> bins = run(s, FftKind::real_forward, false, n, 1, x);
    for (Index k = 0; k < fft_bins(n); ++k) {
      EXPECT_NEAR(bins[at(2 * k)], k == k0 ? 20.0 : 0.0, 1e-13);
      EXPECT_NEAR(bins[at(2 * k + 1)], 0.0, 1e-13);
    }
  });
}

TEST(FftTest, BitsDoNotDependOnThreads) {
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 3}) {
    StreamOptions options;
    options.threads = threads;
    Stream s{Device::parse("cpu"), options};
    const Index n = 243, batch = 50;
    results.push_back(run(s, FftKind::real_forward, false, n, batch, random_values<float>(n * batch, 5)));
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

}  // namespace fft_test
}  // namespace terrane
