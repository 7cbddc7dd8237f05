// SPDX-License-Identifier: MIT
// Eigenvalues and singular values against matrices whose spectra are known, and against each other.
#include "analysis/spectra.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "autodiff/check.hpp"
#include "kernels/kernels.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace spectra_test {

constexpr double pi = 3.14159265358979323846;

// Q diag(values) Q^T with a random orthogonal Q, (n, n).
template <class T>
Buffer<T> matrix_of(Stream& s, const std::vector<double>& values, std::uint64_t seed,
                    std::vector<double>* vectors = nullptr) {
  const auto n = static_cast<Index>(values.size());
  const Buffer<double> a = to_device(s, random_normal<double>(n * n, seed)), q(s, n * n), r(s, n * n);
  qr(s, Qr<double>{n, n, a.data(), q.data(), r.data()});
  const std::vector<double> columns = to_host(s, q);
  std::vector<T> k(static_cast<std::size_t>(n * n));
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < n; ++j) {
      double sum = 0;
      for (Index c = 0; c < n; ++c) {
        sum += columns[static_cast<std::size_t>(i * n + c)] * values[static_cast<std::size_t>(c)] *
               columns[static_cast<std::size_t>(j * n + c)];
      }
      k[static_cast<std::size_t>(i * n + j)] = static_cast<T>(sum);
    }
  }
  if (vectors != nullptr) *vectors = columns;
  return to_device(s, k);
}

std::vector<double> powers(Index n, double exponent) {
  std::vector<double> v;
  for (Index k = 1; k <= n; ++k) v.push_back(3 * std::pow(static_cast<double>(k), -exponent));
  return v;
}

void expect_values(const std::vector<double>& got, const std::vector<double>& wanted, double tolerance) {
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], wanted[i], tolerance * wanted[0]) << i;
}

template <class T>
void expect_pairs(const Eigenpairs& got, const std::vector<double>& values, const std::vector<double>& columns,
                  Index count, double tolerance) {
  const auto n = static_cast<Index>(values.size());
  ASSERT_EQ(got.values.size(), static_cast<std::size_t>(count));
  ASSERT_EQ(got.vectors.size(), static_cast<std::size_t>(count * n));
  expect_values(got.values, values, tolerance);
  for (Index k = 0; k < count; ++k) {
    double cosine = 0;
    for (Index i = 0; i < n; ++i) {
      cosine += got.vectors[static_cast<std::size_t>(k * n + i)] * columns[static_cast<std::size_t>(i * n + k)];
    }
    EXPECT_NEAR(std::abs(cosine), 1, std::sqrt(tolerance)) << k;
  }
  for (const double r : got.residuals) EXPECT_LE(r, 10 * (sizeof(T) == 8 ? 1e-10 : 1e-5) * values[0]);
}

template <class T>
void check_all_solvers(Stream& s) {
  const Index n = 60;
  const std::vector<double> values = powers(n, 1.5);
  std::vector<double> columns;
  const Buffer<T> k = matrix_of<T>(s, values, 1, &columns);
  const double tolerance = sizeof(T) == 8 ? 1e-12 : 2e-6;
  expect_pairs<T>(dense_eigenpairs(s, k.data(), n, 7), values, columns, 7, tolerance);
  expect_values(dense_eigenpairs(s, k.data(), n, 0, false).values, values, tolerance);
  const SymmetricMap<T> b = symmetric_map(k.data(), n);
  SubspaceOptions subspace;
  subspace.count = 7;
  expect_pairs<T>(subspace_eigenpairs(s, b, subspace), values, columns, 7, tolerance);
  LanczosOptions lanczos;
  lanczos.count = 7;
  expect_pairs<T>(lanczos_eigenpairs(s, b, lanczos), values, columns, 7, tolerance);
}

TEST(Eigenpairs, DenseSubspaceAndLanczosFindTheKnownPairs) {
  for_each_device([](Stream& s) {
    check_all_solvers<double>(s);
    check_all_solvers<float>(s);
  });
}

// 4 - 2 cos - 2 cos of a second difference in two dimensions: every value of a square grid off the diagonal is double.
TEST(Eigenpairs, LanczosAndSubspaceFindMultipleValues) {
  Stream s{Device{}};
  const Index m = 12, n = m * m;
  SymmetricMap<double> b{
      n, [m, n](Stream& on, Index count, const double* x, double* y) {
        const std::vector<double> from = to_host(on, x, count * n);
        std::vector<double> to(from.size());
        for (Index v = 0; v < count; ++v) {
          const auto value = [&](Index i, Index j) {
            return i < 0 || j < 0 || i == m || j == m ? 0.0 : from[static_cast<std::size_t>(v * n + i * m + j)];
          };
          for (Index i = 0; i < m; ++i) {
            for (Index j = 0; j < m; ++j) {
              to[static_cast<std::size_t>(v * n + i * m + j)] =
                  4 * value(i, j) - value(i - 1, j) - value(i + 1, j) - value(i, j - 1) - value(i, j + 1);
            }
          }
        }
        copy(on, std::span<const double>(to), y);
      }};
  std::vector<double> wanted;
  for (Index i = 1; i <= m; ++i) {
    for (Index j = 1; j <= m; ++j) {
      const double step = pi / static_cast<double>(m + 1);
      wanted.push_back(4 - 2 * std::cos(step * static_cast<double>(i)) - 2 * std::cos(step * static_cast<double>(j)));
    }
  }
  std::sort(wanted.rbegin(), wanted.rend());
  LanczosOptions lanczos;
  lanczos.count = 9;
  lanczos.steps = n;
  lanczos.tolerance = 1e-12;
  SubspaceOptions subspace;
  subspace.count = 9;
  subspace.oversampling = 60;
  expect_values(subspace_eigenpairs(s, b, subspace).values, wanted, 1e-10);
  // All of it: an invariant subspace is left for the second copies.
  lanczos.count = n;
  expect_values(lanczos_eigenpairs(s, b, lanczos).values, wanted, 1e-10);
}

TEST(Eigenpairs, RefusesWhatDoesNotConverge) {
  Stream s{Device{}};
  const Buffer<double> k = matrix_of<double>(s, powers(40, 0.1), 2);
  const SymmetricMap<double> b = symmetric_map(k.data(), 40);
  SubspaceOptions subspace;
  subspace.iterations = 2;
  EXPECT_THROW(subspace_eigenpairs(s, b, subspace), Error);
  LanczosOptions lanczos;
  lanczos.steps = 11;
  EXPECT_THROW(lanczos_eigenpairs(s, b, lanczos), Error);
  subspace.count = 0;
  EXPECT_THROW(subspace_eigenpairs(s, b, subspace), Error);
  EXPECT_THROW(dense_eigenpairs(s, k.data(), 40, 41), Error);
}

LinearMap<double> map_of(const Buffer<double>& a, Index rows, Index columns) {
  LinearMap<double> j;
  j.rows = rows;
  j.columns = columns;
  const double* p = a.data();
  j.apply = [=](Stream& s, const double* v, double* y) {
    gemm(s, Gemm<double>{rows, 1, columns, p, columns, false, v, 1, false, y, 1});
  };
  j.adjoint = [=](Stream& s, const double* w, double* x) {
    gemm(s, Gemm<double>{columns, 1, rows, p, columns, true, w, 1, false, x, 1});
  };
  return j;
}

TEST(SingularValues, SubspaceAndLanczosAgreeWithTheDenseDecomposition) {
  for_each_device([](Stream& s) {
    for (const auto& [m, n] : {std::pair<Index, Index>{25, 60}, {60, 25}}) {
      std::vector<double> host = random_normal<double>(m * n, 4);
      for (Index i = 0; i < m * n; ++i)
        host[static_cast<std::size_t>(i)] /= std::pow(static_cast<double>(1 + (m < n ? i / n : i % n)), 1.5);
      const Buffer<double> a = to_device(s, host);
      const Index r = std::min(m, n);
      const Buffer<double> u(s, m * r), values(s, r), vt(s, r * n);
      svd(s, Svd<double>{m, n, a.data(), u.data(), values.data(), vt.data()});
      const LinearMap<double> j = map_of(a, m, n);
      SubspaceOptions subspace;
      LanczosOptions lanczos;
      subspace.count = lanczos.count = 6;
      subspace.tolerance = lanczos.tolerance = 1e-13;
      const std::vector<double> wanted = to_host(s, values), wu = to_host(s, u), wv = to_host(s, vt);
      for (const SingularTriplets& got : {subspace_singular(s, j, subspace), lanczos_singular(s, j, lanczos)}) {
        expect_values(got.values, {wanted.begin(), wanted.begin() + 6}, 1e-12);
        ASSERT_EQ(got.left.size(), static_cast<std::size_t>(6 * m));
        ASSERT_EQ(got.right.size(), static_cast<std::size_t>(6 * n));
        for (Index k = 0; k < 6; ++k) {
          double cl = 0, cr = 0;
          for (Index i = 0; i < m; ++i)
            cl += got.left[static_cast<std::size_t>(k * m + i)] * wu[static_cast<std::size_t>(i * r + k)];
          for (Index i = 0; i < n; ++i)
            cr += got.right[static_cast<std::size_t>(k * n + i)] * wv[static_cast<std::size_t>(k * n + i)];
          EXPECT_NEAR(cl * cr, 1, 1e-9) << k;  // the same sign of both
          EXPECT_LE(got.residuals[static_cast<std::size_t>(k)], 1e-10 * wanted[0]);
        }
      }
      const Buffer<double> gram(s, m * m);
      gemm(s, Gemm<double>{m, m, n, a.data(), n, false, a.data(), n, true, gram.data(), m});
      const std::vector<double> sigma = singular_values_of(dense_eigenpairs(s, gram.data(), m, 6).values);
      expect_values(sigma, {wanted.begin(), wanted.begin() + 6}, 1e-12);
    }
  });
  EXPECT_EQ(singular_values_of({4, -1e-18}), (std::vector<double>{2, 0}));
}

TEST(SpectralDensity, CountsAndTracesOfAKnownSpectrum) {
  for_each_device([](Stream& s) {
    const Index n = 80;
    std::vector<double> values;
    for (Index k = 0; k < n; ++k) values.push_back(k < 20 ? 5.0 : 1.0 + 0.001 * static_cast<double>(k));
    const Buffer<double> k = matrix_of<double>(s, values, 3);
    const SpectralDensity d = lanczos_density(s, symmetric_map(k.data(), n), 20, 100, 9);
    double sum = 0, trace = 0;
    for (const double w : d.weights) sum += w;
    for (const double v : values) trace += v;
    EXPECT_NEAR(sum, 1, 1e-12);
    EXPECT_NEAR(d.below(3), 0.75, 0.03);
    EXPECT_EQ(d.below(0.5), 0);
    EXPECT_NEAR(d.trace(n, [](double x) { return x; }), trace, 0.05 * trace);  // 1.3 % is one deviation
    EXPECT_TRUE(std::is_sorted(d.nodes.begin(), d.nodes.end()));
  });
}

TEST(SpectrumNumbers, KnownSpectra) {
  EXPECT_DOUBLE_EQ(participation_rank({2, 2, 2, 0}), 3);
  EXPECT_NEAR(entropy_rank({2, 2, 2, 0}), 3, 1e-12);
  EXPECT_NEAR(decay_exponent(powers(100, 1.75), 3, 90), 1.75, 1e-12);
  EXPECT_EQ(values_holding({5, 3, 1, 1}, 0.8), 2);
  EXPECT_EQ(values_holding({3, 1, 1}, 0.8, true), 1);
  EXPECT_EQ(values_holding({3, 1, 1}, 1), 3);
  EXPECT_EQ(values_above({10, 1, 0.5, 0.01}, 0.05), 2 + 0);
  EXPECT_THROW(participation_rank({0, 0}), Error);
  EXPECT_THROW(participation_rank({1, -1}), Error);
  EXPECT_THROW(decay_exponent({1, 0.5, 0}, 1, 3), Error);
  EXPECT_THROW(decay_exponent({1, 0.5}, 1, 3), Error);
}

// Two plane waves of known wavenumbers and amplitudes on a grid of unequal spacings.
TEST(RadialSpectrum, PlaneWaves) {
  for_each_device([](Stream& s) {
    const Index rows = 30, columns = 48;
    const double dz = 5, dx = 10;
    std::vector<double> image;
    const double kz = 3 / (30 * dz), kx = 4 / (48 * dx), k2 = 10 / (48 * dx);
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < columns; ++j) {
        const double z = dz * static_cast<double>(i), x = dx * static_cast<double>(j);
        image.push_back(7 + 2 * std::cos(2 * pi * (kz * z + kx * x)) + std::sin(2 * pi * k2 * x));
      }
    }
    const RadialSpectrum r = radial_spectrum(s, image, {rows, columns}, {dz, dx});
    const double k1 = std::hypot(kz, kx);
    EXPECT_NEAR(r.mean, 0.8 * k1 + 0.2 * k2, 1e-12);
    double sum = 0;
    for (std::size_t i = 0; i < r.power.size(); ++i) {
      const double half = 0.5 * (r.wavenumber[1] - r.wavenumber[0]);
      const auto in = [&](double k) {
        return k > r.wavenumber[i] - half + 1e-12 && k <= r.wavenumber[i] + half + 1e-12;
      };
      const double wanted = (in(k1) ? 0.8 : 0) + (in(k2) ? 0.2 : 0);
      EXPECT_NEAR(r.power[i], wanted, 1e-12) << r.wavenumber[i];
      sum += r.power[i];
    }
    EXPECT_NEAR(sum, 1, 1e-12);
    EXPECT_EQ(radial_spectrum(s, std::vector<double>(12, 0.1), {3, 4}, {1, 1}).mean, 0);
    EXPECT_THROW(radial_spectrum(s, image, {rows, columns + 1}, {dz, dx}), Error);
    EXPECT_THROW(radial_spectrum(s, image, {rows, columns}, {dz}), Error);
    EXPECT_THROW(radial_spectrum(s, {}, {}, {}), Error);
  });
}

// A plane wave oblique to all three axes, and one along the shortest; the same without an axis of one value.
TEST(RadialSpectrum, Volumes) {
  for_each_device([](Stream& s) {
    const std::vector<Index> shape{10, 7, 12};
    const std::vector<double> spacing{5, 8, 10};
    const double k[3] = {2 / (10 * 5.0), 3 / (7 * 8.0), 1 / (12 * 10.0)};
    std::vector<double> values, image;
    for (Index z = 0; z < shape[0]; ++z) {
      for (Index y = 0; y < shape[1]; ++y) {
        for (Index x = 0; x < shape[2]; ++x) {
          const double at[3] = {5.0 * static_cast<double>(z), 8.0 * static_cast<double>(y),
                                10.0 * static_cast<double>(x)};
          values.push_back(std::cos(2 * pi * (k[0] * at[0] + k[1] * at[1] + k[2] * at[2])) -
                           std::sin(2 * pi * k[1] * at[1]));
        }
      }
    }
    EXPECT_NEAR(radial_spectrum(s, values, shape, spacing).mean, 0.5 * std::hypot(k[0], k[1], k[2]) + 0.5 * k[1],
                1e-12);
    const std::vector<double> plane(values.begin(), values.begin() + 84);
    const RadialSpectrum a = radial_spectrum(s, plane, {7, 12}, {8, 10}),
                         b = radial_spectrum(s, plane, {1, 7, 12}, {9, 8, 10});
    EXPECT_NEAR(a.mean, b.mean, 1e-14);
    EXPECT_EQ(a.power.size(), b.power.size());
  });
}

}  // namespace spectra_test
}  // namespace terrane
