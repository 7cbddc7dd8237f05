// SPDX-License-Identifier: MIT
// gemm against a triple loop in long double; decompositions by their defining equations and known values; on every
// device. Bounds: a product of length k in precision eps stays within 4 k eps of the absolute product; backward-stable
// decompositions reproduce A to 50 max(m, n) eps ||A||.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "kernels/kernels.hpp"
#include "kernels/runtime/random.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace linalg_test {

template <class T>
std::vector<T> random_values(Index n, std::uint64_t seed) {
  const Random random(seed, RandomPurpose::test);
  std::vector<T> v(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = static_cast<T>(random.normal(i));
  return v;
}

template <class T>
constexpr double eps = static_cast<double>(std::numeric_limits<T>::epsilon());

// Row-major (m, k) times (k, n) in long double, rounded to double.
template <class T>
std::vector<double> product(const std::vector<T>& a, const std::vector<T>& b, Index m, Index k, Index n) {
  std::vector<double> c(at(m * n));
  for (Index i = 0; i < m; ++i) {
    for (Index j = 0; j < n; ++j) {
      long double sum = 0;
      for (Index p = 0; p < k; ++p)
        sum += static_cast<long double>(a[at(i * k + p)]) * static_cast<long double>(b[at(p * n + j)]);
      c[at(i * n + j)] = static_cast<double>(sum);
    }
  }
  return c;
}

template <class T>
std::vector<T> transposed(const std::vector<T>& a, Index rows, Index columns) {
  std::vector<T> b(a.size());
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < columns; ++j) b[at(j * rows + i)] = a[at(i * columns + j)];
  }
  return b;
}

template <class T, class U>
double largest_difference(const std::vector<T>& a, const std::vector<U>& b) {
  EXPECT_EQ(a.size(), b.size());
  double d = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double e = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    d = e <= d ? d : e;  // NaN wins
  }
  return d;
}

template <class T>
double norm(const std::vector<T>& a) {
  double sum = 0;
  for (const T v : a) sum += static_cast<double>(v) * static_cast<double>(v);
  return std::sqrt(sum);
}

// ||X^T X - I||_max for row-major (m, n)
template <class T>
double orthogonality(const std::vector<T>& x, Index m, Index n) {
  std::vector<double> gram = product(transposed(x, m, n), x, n, m, n);
  for (Index i = 0; i < n; ++i) gram[at(i * n + i)] -= 1;
  return largest_difference(gram, std::vector<double>(gram.size(), 0.0));
}

template <class T>
std::vector<T> scaled_columns(std::vector<T> x, const std::vector<T>& s) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] *= s[i % s.size()];
  return x;
}

struct Shape {
  Index m, n, k;
};

template <class T>
void check_gemm(Stream& s, const Shape& shape, bool ta, bool tb, T alpha, T beta) {
  const auto [m, n, k] = shape;
  const Index pad = 3, batch = 2;  // leading dimensions larger than the rows
  const Index a_rows = ta ? k : m, a_columns = ta ? m : k, b_rows = tb ? n : k, b_columns = tb ? k : n;
  Gemm<T> f;
  f.m = m, f.n = n, f.k = k, f.transpose_a = ta, f.transpose_b = tb, f.alpha = alpha, f.beta = beta, f.batch = batch;
  f.lda = a_columns + pad, f.ldb = b_columns + pad, f.ldc = n + pad;
  f.stride_a = a_rows * f.lda + 5, f.stride_b = b_rows * f.ldb, f.stride_c = m * f.ldc + 1;
  const auto a = random_values<T>(batch * f.stride_a, 1), b = random_values<T>(batch * f.stride_b, 2);
  auto c = random_values<T>(batch * f.stride_c, 3);
  if (beta == T(0)) std::fill(c.begin(), c.end(), std::numeric_limits<T>::quiet_NaN());  // must not be read
  const Buffer<T> da = to_device(s, a), db = to_device(s, b), dc = to_device(s, c);
  f.a = da.data(), f.b = db.data(), f.c = dc.data();
  gemm(s, f);
  const std::vector<T> got = to_host(s, dc);
  double worst = 0;
  for (Index q = 0; q < batch; ++q) {
    for (Index i = 0; i < m; ++i) {
      for (Index j = 0; j < n; ++j) {
        long double sum = 0, size = 0;
        for (Index p = 0; p < k; ++p) {
          const T x = a[at(q * f.stride_a + (ta ? p * f.lda + i : i * f.lda + p))];
          const T y = b[at(q * f.stride_b + (tb ? j * f.ldb + p : p * f.ldb + j))];
          sum += static_cast<long double>(x) * static_cast<long double>(y);
          size += std::abs(static_cast<long double>(x) * static_cast<long double>(y));
        }
        const Index at_c = q * f.stride_c + i * f.ldc + j;
        long double want = static_cast<long double>(alpha) * sum;
        size *= std::abs(static_cast<long double>(alpha));
        if (beta != T(0)) {
          want += static_cast<long double>(beta) * static_cast<long double>(c[at(at_c)]);
          size += std::abs(static_cast<long double>(beta) * static_cast<long double>(c[at(at_c)]));
        }
        const double bound = 4.0 * static_cast<double>(k + 2) * eps<T> * static_cast<double>(size) + 1e-300;
        const double error = std::abs(static_cast<double>(want - static_cast<long double>(got[at(at_c)]))) / bound;
        worst = error <= worst ? worst : error;
      }
      for (Index j = n; j < f.ldc && q * f.stride_c + i * f.ldc + j < batch * f.stride_c; ++j) {  // padding untouched
        const Index p = q * f.stride_c + i * f.ldc + j;
        EXPECT_EQ(std::memcmp(&got[at(p)], &c[at(p)], sizeof(T)), 0);
      }
    }
  }
  EXPECT_LE(worst, 1.0) << m << " x " << n << " x " << k << " ta " << ta << " tb " << tb;
}

TEST(Gemm, AgreesWithTripleLoop) {
  for_each_device([](Stream& s) {
    for (const Shape shape :
         {Shape{1, 1, 1}, {5, 7, 3}, {13, 33, 17}, {64, 64, 64}, {31, 3, 300}, {100, 130, 1}, {2, 65, 5}}) {
      for (const int t : {0, 1, 2, 3}) {
        check_gemm<double>(s, shape, (t & 1) != 0, (t & 2) != 0, 1.0, 0.0);
        check_gemm<float>(s, shape, (t & 1) != 0, (t & 2) != 0, -0.5f, 2.0f);
      }
    }
  });
}

// Rounded factors on a GPU, in float alone: within half a unit of 11 and of 8 bits each; nothing elsewhere.
TEST(Gemm, RoundsFactorsOnRequest) {
  const Index m = 9, n = 20, k = 30;
  const auto a = random_values<float>(m * k, 1), b = random_values<float>(k * n, 2);
  for_each_device([&](Stream& s) {
    const bool gpu = runs_gpu_code(s);
    const Buffer<float> da = to_device(s, a), db = to_device(s, b), c(s, m * n);
    const auto product = [&](FactorPrecision factors) {
      Gemm<float> f{m, n, k, da.data(), k, false, db.data(), n, false, c.data(), n};
      f.factors = factors;
      gemm(s, f);
      return to_host(s, c);
    };
    const std::vector<float> full = product(FactorPrecision::full);
    for (const auto& [factors, bits] : {std::pair{FactorPrecision::tf32, 11}, {FactorPrecision::bf16, 8}}) {
      const std::vector<float> got = product(factors);
      EXPECT_EQ(got != full, gpu);
      for (Index i = 0; i < m; ++i) {
        for (Index j = 0; j < n; ++j) {
          double size = 0;
          for (Index p = 0; p < k; ++p) size += std::abs(static_cast<double>(a[at(i * k + p)]) * b[at(p * n + j)]);
          EXPECT_NEAR(got[at(i * n + j)], full[at(i * n + j)], std::ldexp(2.2, -bits) * size) << bits;
        }
      }
    }
    const auto wide = [&](FactorPrecision factors) {
      const Buffer<double> x = to_device(s, std::vector<double>(a.begin(), a.end())),
                           y = to_device(s, std::vector<double>(b.begin(), b.end())), z(s, m * n);
      Gemm<double> f{m, n, k, x.data(), k, false, y.data(), n, false, z.data(), n};
      f.factors = factors;
      gemm(s, f);
      return to_host(s, z);
    };
    EXPECT_EQ(wide(FactorPrecision::bf16), wide(FactorPrecision::full));
  });
}

TEST(Gemm, LargeEnoughForEveryBlock) {
  Stream s{Device::parse("cpu")};
  check_gemm<float>(s, {2400, 40, 30}, false, false, 1.0f, 1.0f);
  check_gemm<double>(s, {50, 1100, 530}, true, true, 1.0, 0.0);
}

TEST(Gemm, EmptySumScalesC) {
  for_each_device([](Stream& s) {
    const Buffer<double> c = to_device(s, std::vector<double>{1, 2, 3, 4});
    Gemm<double> f;
    f.m = 2, f.n = 2, f.k = 0, f.lda = 1, f.ldb = 2, f.ldc = 2, f.c = c.data(), f.beta = 3;
    gemm(s, f);
    EXPECT_EQ(to_host(s, c), (std::vector<double>{3, 6, 9, 12}));
    f.beta = 0;
    gemm(s, f);
    EXPECT_EQ(to_host(s, c), (std::vector<double>{0, 0, 0, 0}));
  });
}

TEST(Gemm, BitsDoNotDependOnThreads) {
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 3}) {
    for (const Index batch : {1, 7}) {
      StreamOptions options;
      options.threads = threads;
      Stream s{Device::parse("cpu"), options};
      const Index m = batch == 1 ? 301 : 43, n = 150, k = 260;
      const Buffer<float> a = to_device(s, random_values<float>(batch * m * k, 1));
      const Buffer<float> b = to_device(s, random_values<float>(k * n, 2));
      Buffer<float> c(s, batch * m * n);
      Gemm<float> f;
      f.m = m, f.n = n, f.k = k, f.a = a.data(), f.lda = k, f.b = b.data(), f.ldb = n, f.c = c.data(), f.ldc = n;
      f.batch = batch, f.stride_a = m * k, f.stride_c = m * n;
      gemm(s, f);
      results.push_back(to_host(s, c));
    }
  }
  for (std::size_t i = 2; i < results.size(); ++i) EXPECT_EQ(results[i], results[i % 2]);
  // One product of 7 x 43 rows is the batch of 7 products of 43 rows.
  EXPECT_EQ(std::vector<float>(results[1].begin(), results[1].begin() + 43 * 150),
            std::vector<float>(results[0].begin(), results[0].begin() + 43 * 150));
}

template <class T>
void check_svd(Stream& s, Index m, Index n, const std::vector<T>& a) {
  const Index r = std::min(m, n);
  const Buffer<T> da = to_device(s, a);
  Buffer<T> u(s, m * r), sv(s, r), vt(s, r * n), values(s, r);
  svd(s, Svd<T>{m, n, da.data(), u.data(), sv.data(), vt.data()});
  svd(s, Svd<T>{m, n, da.data(), nullptr, values.data(), nullptr});
  const std::vector<T> hu = to_host(s, u), hs = to_host(s, sv), hvt = to_host(s, vt);
  const double bound = 50.0 * static_cast<double>(std::max(m, n)) * eps<T>, scale = norm(a) + 1e-30;
  EXPECT_LE(largest_difference(product(scaled_columns(hu, hs), hvt, m, r, n), a), bound * scale);
  EXPECT_LE(orthogonality(hu, m, r), bound);
  EXPECT_LE(orthogonality(transposed(hvt, r, n), n, r), bound);
  EXPECT_TRUE(std::is_sorted(hs.rbegin(), hs.rend()));
  EXPECT_GE(hs.back(), T(0));
  EXPECT_LE(largest_difference(hs, to_host(s, values)), bound * scale);
  EXPECT_EQ(to_host(s, da), a) << "the matrix is kept";
}

TEST(SvdTest, ReproducesTheMatrix) {
  for_each_device([](Stream& s) {
    for (const auto& [m, n] :
         std::vector<std::pair<Index, Index>>{{1, 1}, {7, 7}, {12, 5}, {5, 12}, {1, 9}, {9, 1}, {40, 33}}) {
      check_svd<double>(s, m, n, random_values<double>(m * n, 4));
      check_svd<float>(s, m, n, random_values<float>(m * n, 5));
    }
    const std::vector<double> column = random_values<double>(8, 6), row = random_values<double>(6, 7);
    const std::vector<double> rank_one = product(column, row, 8, 1, 6);
    check_svd<double>(s, 8, 6, rank_one);
  });
}

TEST(SvdTest, KnownSingularValues) {  // [[3, 0], [4, 5]] has sqrt(45), sqrt(5)
  for_each_device([](Stream& s) {
    const Buffer<double> a = to_device(s, std::vector<double>{3, 0, 4, 5});
    Buffer<double> sv(s, 2);
    svd(s, Svd<double>{2, 2, a.data(), nullptr, sv.data(), nullptr});
    const std::vector<double> got = to_host(s, sv);
    EXPECT_NEAR(got[0], std::sqrt(45.0), 1e-14);
    EXPECT_NEAR(got[1], std::sqrt(5.0), 1e-14);
  });
}

template <class T>
void check_eigh(Stream& s, Index n) {
  std::vector<T> a = random_values<T>(n * n, 8);
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < i; ++j) a[at(i * n + j)] = a[at(j * n + i)];
  }
  const Buffer<T> da = to_device(s, a);
  Buffer<T> w(s, n), v(s, n * n), values(s, n);
  eigh(s, Eigh<T>{n, da.data(), w.data(), v.data()});
  eigh(s, Eigh<T>{n, da.data(), values.data(), nullptr});
  const std::vector<T> hw = to_host(s, w), rows = to_host(s, v);
  const double bound = 50.0 * static_cast<double>(n) * eps<T>, scale = norm(a);
  const std::vector<T> columns = transposed(rows, n, n);
  EXPECT_LE(largest_difference(product(scaled_columns(columns, hw), rows, n, n, n), a), bound * scale);
  EXPECT_LE(orthogonality(columns, n, n), bound);
  EXPECT_TRUE(std::is_sorted(hw.begin(), hw.end()));
  EXPECT_LE(largest_difference(hw, to_host(s, values)), bound * scale);
  for (const Index top : {Index{1}, n / 2, n}) {  // the largest pairs alone: residual A v - w v
    if (top == 0) continue;
    Buffer<T> few(s, top), some(s, top * n), alone(s, top);
    eigh(s, Eigh<T>{n, da.data(), few.data(), some.data(), top});
    eigh(s, Eigh<T>{n, da.data(), alone.data(), nullptr, top});
    const std::vector<T> largest(hw.end() - top, hw.end()), got = to_host(s, few);
    EXPECT_LE(largest_difference(got, largest), bound * scale);
    EXPECT_LE(largest_difference(to_host(s, alone), largest), bound * scale);
    const std::vector<T> v_few = transposed(to_host(s, some), top, n);
    EXPECT_LE(largest_difference(product(a, v_few, n, n, top), scaled_columns(v_few, got)), bound * scale);
    EXPECT_LE(orthogonality(v_few, n, top), bound);
  }
}

TEST(EighTest, ReproducesTheMatrix) {
  for_each_device([](Stream& s) {
    for (const Index n : {1, 2, 9, 40}) {
      check_eigh<double>(s, n);
      check_eigh<float>(s, n);
    }
  });
}

TEST(EighTest, SecondDifferenceHasCosineSpectrum) {  // 2 - 2 cos(pi k / (n + 1)); only the upper triangle is given
  for_each_device([](Stream& s) {
    const Index n = 20;
    std::vector<double> a(at(n * n), 0.0);
    for (Index i = 0; i < n; ++i) {
      a[at(i * n + i)] = 2;
      if (i + 1 < n) a[at(i * n + i + 1)] = -1;
      for (Index j = 0; j < i; ++j) a[at(i * n + j)] = 777;
    }
    const Buffer<double> da = to_device(s, a);
    Buffer<double> w(s, n);
    eigh(s, Eigh<double>{n, da.data(), w.data(), nullptr});
    const std::vector<double> got = to_host(s, w);
    for (Index k = 0; k < n; ++k) {
      EXPECT_NEAR(got[at(k)], 2 - 2 * std::cos(3.14159265358979323846 * static_cast<double>(k + 1) / 21.0), 1e-13);
    }
  });
}

template <class T>
void check_qr(Stream& s, Index m, Index n) {
  const Index r = std::min(m, n);
  const std::vector<T> a = random_values<T>(m * n, 9);
  const Buffer<T> da = to_device(s, a);
  Buffer<T> q(s, m * r), upper(s, r * n);
  qr(s, Qr<T>{m, n, da.data(), q.data(), upper.data()});
  const std::vector<T> hq = to_host(s, q), hr = to_host(s, upper);
  const double bound = 50.0 * static_cast<double>(std::max(m, n)) * eps<T>;
  EXPECT_LE(largest_difference(product(hq, hr, m, r, n), a), bound * norm(a));
  EXPECT_LE(orthogonality(hq, m, r), bound);
  for (Index i = 0; i < r; ++i) {
    EXPECT_GE(hr[at(i * n + i)], T(0));
    for (Index j = 0; j < i; ++j) EXPECT_EQ(hr[at(i * n + j)], T(0));
  }
}

TEST(QrTest, ReproducesTheMatrix) {
  for_each_device([](Stream& s) {
    for (const auto& [m, n] : std::vector<std::pair<Index, Index>>{{1, 1}, {6, 6}, {20, 7}, {7, 20}, {5, 1}, {1, 5}}) {
      check_qr<double>(s, m, n);
      check_qr<float>(s, m, n);
    }
  });
}

template <class T>
void check_cholesky(Stream& s, Index n, Index n_rhs) {
  const std::vector<T> g = random_values<T>(n * n, 10);
  const std::vector<double> gram = product(g, transposed(g, n, n), n, n, n);
  std::vector<T> a(gram.begin(), gram.end());
  for (Index i = 0; i < n; ++i) a[at(i * n + i)] += static_cast<T>(n);
  std::vector<T> lower_only = a;
  for (Index i = 0; i < n; ++i) {
    for (Index j = i + 1; j < n; ++j) lower_only[at(i * n + j)] = T(-5);  // not read
  }
  const Buffer<T> da = to_device(s, lower_only);
  Buffer<T> l(s, n * n);
  cholesky(s, Cholesky<T>{n, da.data(), l.data()});
  const std::vector<T> hl = to_host(s, l);
  const double bound = 50.0 * static_cast<double>(n) * eps<T>;
  EXPECT_LE(largest_difference(product(hl, transposed(hl, n, n), n, n, n), a), bound * norm(a));
  for (Index i = 0; i < n; ++i) {
    for (Index j = i + 1; j < n; ++j) EXPECT_EQ(hl[at(i * n + j)], T(0));
  }
  const std::vector<T> x = random_values<T>(n * n_rhs, 11);
  const std::vector<double> b = product(a, x, n, n, n_rhs);
  const Buffer<T> dx = to_device(s, std::vector<T>(b.begin(), b.end()));
  cholesky_solve(s, CholeskySolve<T>{n, n_rhs, l.data(), dx.data()});
  EXPECT_LE(largest_difference(to_host(s, dx), x), 10 * bound * norm(a));
  cholesky(s, Cholesky<T>{n, da.data(), da.data()});  // in place
  EXPECT_EQ(to_host(s, da), hl);
}

TEST(CholeskyTest, FactorsAndSolves) {
  for_each_device([](Stream& s) {
    for (const Index n : {1, 3, 17, 50}) {
      for (const Index n_rhs : {1, 4}) {
        check_cholesky<double>(s, n, n_rhs);
        check_cholesky<float>(s, n, n_rhs);
      }
    }
  });
}

std::string failure_text(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::failed);
    return e.message();
  }
  return "no error";
}

TEST(LinalgErrors, NameTheCause) {
  for_each_device([](Stream& s) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const Buffer<double> indefinite = to_device(s, std::vector<double>{4, 2, 0, 2, 5, 0, 0, 0, -1});
    Buffer<double> l(s, 9), w(s, 3);
    EXPECT_NE(failure_text([&] {
                cholesky(s, Cholesky<double>{3, indefinite.data(), l.data()});
              }).find("row 2"),
              std::string::npos);
    const Buffer<double> bad = to_device(s, std::vector<double>{1, nan, 0, nan, 2, 0, 0, 0, 3});
    EXPECT_NE(failure_text([&] {
                svd(s, Svd<double>{3, 3, bad.data(), nullptr, w.data(), nullptr});
              }).find("svd"),
              std::string::npos);
    EXPECT_NE(failure_text([&] {
                eigh(s, Eigh<double>{3, bad.data(), w.data(), nullptr});
              }).find("eigh"),
              std::string::npos);
  });
}

TEST(LinalgErrors, EmulatedLibrariesRefuseWrongLeadingDimensions) {
  std::unique_ptr<Stream> s;
  try {
    s = std::make_unique<Stream>(Device::parse("emulated"));
  } catch (const Error& e) {
    GTEST_SKIP() << e.message();
  }
  const Buffer<double> a = to_device(*s, random_values<double>(12, 1)), b = to_device(*s, random_values<double>(12, 2));
  Buffer<double> c(*s, 9);
  Gemm<double> f;
  f.m = 3, f.n = 3, f.k = 4, f.a = a.data(), f.lda = 3, f.b = b.data(), f.ldb = 3, f.c = c.data(), f.ldc = 3;
  EXPECT_NE(failure_text([&] { gemm(*s, f); }).find("INVALID_VALUE"), std::string::npos);  // lda < k
  f.lda = 4;
  gemm(*s, f);
  f.a += 1;  // reaches past the allocation
  EXPECT_NE(failure_text([&] { gemm(*s, f); }).find("EXECUTION_FAILED"), std::string::npos);
}

TEST(CudaProbe, SaysWhyThereIsNoGpu) {
  const auto reason = [](const char* variable, const char* value) {
    setenv(variable, value, 1);
    std::string text = "usable";
    try {
      const Stream s{Device::parse("emulated")};
    } catch (const Error& e) {
      text = e.message();
    }
    unsetenv(variable);
    return text;
  };
  try {
    const Stream s{Device::parse("emulated")};
  } catch (const Error& e) {
    GTEST_SKIP() << e.message();
  }
  EXPECT_NE(reason("FAKE_NV_DRIVER", "0").find("no GPU"), std::string::npos);
  EXPECT_NE(reason("FAKE_NV_DEVICES", "0").find("no GPU"), std::string::npos);
  EXPECT_NE(reason("FAKE_NV_DRIVER", "12040").find("older than the 580 this build needs"), std::string::npos);
}

}  // namespace linalg_test
}  // namespace terrane
