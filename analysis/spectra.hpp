// SPDX-License-Identifier: MIT
// Eigenvalues and singular values: dense, by subspace iteration and by Lanczos, and numbers that describe a spectrum.
//
//   symmetric operator  B x = lambda x     B >= 0 for Gram matrices; a SymmetricMap applies B to a block of vectors
//   linear map          J v = sigma u, J^T u = sigma v
//   Gram matrix         K = J J^T: sigma = sqrt(lambda), left singular vectors = eigenvectors of K. Singular values
//                       below sqrt(eps) of the largest are rounding noise of K
// Every iterative result carries its residuals ||B x - lambda x|| (|| J v - sigma u ||), by which every lambda lies
// within that distance of an eigenvalue of B. Vectors of the algorithms are on the device of the stream, results on the
// host, in descending order; signs of vectors are free. The same seed, device and build give the same bits.
// Errors: Error{config} options out of range; Error{failed} where an iteration does not reach its tolerance.
// References: Golub, Van Loan, Matrix Computations (2013), ch. 8, 10; Halko, Martinsson, Tropp, SIAM Rev. 53 (2011);
// Ubaru, Chen, Saad, SIAM J. Matrix Anal. Appl. 38 (2017), stochastic Lanczos quadrature; Roy, Vetterli, EUSIPCO 2007,
// effective rank.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "autodiff/linear_map.hpp"

namespace terrane {

// y_j = B x_j for j < count; x, y: (count, n) on the device, rows are vectors.
template <class T>
struct SymmetricMap {
  Index n = 0;
  std::function<void(Stream& s, Index count, const T* x, T* y)> apply;
};

// Of a stored matrix k (n, n), which must outlive it.
template <class T>
SymmetricMap<T> symmetric_map(const T* k, Index n);
// J J^T (rows) and J^T J (columns).
template <class T>
SymmetricMap<T> left_gram_map(Stream& s, const LinearMap<T>& j);
template <class T>
SymmetricMap<T> right_gram_map(Stream& s, const LinearMap<T>& j);

struct Eigenpairs {
  std::vector<double> values;     // descending
  std::vector<double> vectors;    // (values, n), unit length; empty for values only
  std::vector<double> residuals;  // ||B x - lambda x||; empty for a dense decomposition
  int iterations = 0;             // of subspace iteration, or Lanczos steps
  Index applications = 0;         // vectors B was applied to
};

struct SingularTriplets {
  std::vector<double> values;     // descending
  std::vector<double> left;       // (values, rows)
  std::vector<double> right;      // (values, columns)
  std::vector<double> residuals;  // ||J v - sigma u|| + ||J^T u - sigma v||
  int iterations = 0;
  Index applications = 0;  // of J and J^T as a pair
};

// The `top` largest eigenpairs of a stored symmetric matrix k (n, n), all with top = 0: LAPACK (syevr, syevd) or, in a
// build without it, Eigen; cuSOLVER on a GPU. Needs n^2 values of workspace.
template <class T>
Eigenpairs dense_eigenpairs(Stream& s, const T* k, Index n, Index top = 0, bool vectors = true);

struct SubspaceOptions {
  Index count = 10;        // pairs wanted
  Index oversampling = 0;  // more vectors than wanted; 0: max(10, count / 2)
  int iterations = 300;    // at most
  // Of ||B x - lambda x|| / lambda_1 for the wanted pairs; 0: 1e-10 in double, 1e-5 in float
  double tolerance = 0;
  std::uint64_t seed = 0;
};

// Randomised block subspace iteration with Rayleigh-Ritz projection, for B >= 0.
template <class T>
Eigenpairs subspace_eigenpairs(Stream& s, const SymmetricMap<T>& b, const SubspaceOptions& options);

// The same on the smaller of J J^T and J^T J; the other side follows by one application. Residuals of both equations.
// The tolerance is that of the eigenpairs: relative to sigma_1^2.
template <class T>
SingularTriplets subspace_singular(Stream& s, const LinearMap<T>& j, const SubspaceOptions& options);

struct LanczosOptions {
  Index count = 10;
  Index steps = 300;     // at most, and at most n
  double tolerance = 0;  // of residual / lambda_1; 0: 1e-10 in double, 1e-5 in float
  std::uint64_t seed = 0;
  std::function<void(Index done, Index steps)> progress;  // after each step; at the end done = steps
};

// The largest eigenpairs by Lanczos with full reorthogonalisation (twice), one application a step: fewer applications
// than subspace iteration, one vector at a time. An invariant subspace is left by a new random vector, so multiple
// eigenvalues are found.
template <class T>
Eigenpairs lanczos_eigenpairs(Stream& s, const SymmetricMap<T>& b, const LanczosOptions& options);

// Leading singular triplets by Lanczos on the smaller of J^T J and J J^T; the other side follows from the product that
// measures the residual. options.tolerance is that of the eigenvalues sigma^2, relative to the largest.
template <class T>
SingularTriplets lanczos_singular(Stream& s, const LinearMap<T>& j, const LanczosOptions& options);

// Spectral density sum_k delta(x - lambda_k) / n as nodes and weights (sum 1), ascending nodes: the mean of Gauss
// quadratures of `steps` Lanczos steps from `probes` random sign vectors. n sum_i w_i f(x_i) estimates trace f(B).
struct SpectralDensity {
  std::vector<double> nodes, weights;
  // Part of the eigenvalues that is <= x.
  double below(double x) const;
  // n times the quadrature of f.
  double trace(Index n, const std::function<double(double)>& f) const;
};
template <class T>
SpectralDensity lanczos_density(Stream& s, const SymmetricMap<T>& b, Index steps, Index probes, std::uint64_t seed);

// sqrt of the eigenvalues of a Gram matrix, negative ones (rounding) as 0.
std::vector<double> singular_values_of(const std::vector<double>& gram_eigenvalues);

// |a . b| / (|a| |b|) of vectors whose sign is free; n values each, none of them zero.
double vector_cosine(const double* a, const double* b, std::size_t n);

// --- descriptions of a spectrum of non-negative values in descending order ---
// Distance of value k, not the last, to its nearest neighbour over the largest value: how well its vector is defined.
double separation(const std::vector<double>& values, std::size_t k);
// (sum v)^2 / sum v^2: the number of equal values with the same sums.
double participation_rank(const std::vector<double>& values);
// exp(-sum p ln p), p = v / sum v.
double entropy_rank(const std::vector<double>& values);
// a of v_k ~ k^-a: minus the slope of ln v over ln k, least squares over k = first .. last (from 1); values must be >
// 0.
double decay_exponent(const std::vector<double>& values, Index first, Index last);
// How many leading values hold `fraction` of the sum; with `squared` of the sum of squares (energy of singular values).
Index values_holding(const std::vector<double>& values, double fraction, bool squared = false);
// How many values exceed `part` of the largest.
Index values_above(const std::vector<double>& values, double part);

// --- wavenumbers of an array of any number of axes, the last one fastest: a trace, an image, a volume ---
// Power |X|^2 of the transform over all axes of the values minus their mean, summed in rings (shells) of the radial
// wavenumber |k| = sqrt(kz^2 + ... + kx^2) in cycles per unit of the spacings; no window. rings: 0 = up to the largest
// Nyquist number in steps of the smallest fundamental. Error{data} values that are not of that shape.
struct RadialSpectrum {
  std::vector<double> wavenumber;  // centre of each ring
  std::vector<double> power;       // part of the total, sum <= 1 (corners beyond the last ring are left out)
  double mean = 0;                 // sum |k| |X|^2 / sum |X|^2 over all wavenumbers; 0 for constant values
};
RadialSpectrum radial_spectrum(Stream& s, const std::vector<double>& values, const std::vector<Index>& shape,
                               const std::vector<double>& spacing, Index rings = 0);

}  // namespace terrane
