// SPDX-License-Identifier: MIT
// Kernels of an inversion on a tape theta -> m -> d: parameters, model (N_m), data (N_d), at the values of the last
// forward().
//
//   J_f = dm/dtheta, J = dd/dm, J J_f = dd/dtheta          linear maps of the tape
//   K = J_f J_f^T                                          tangent kernel of the field (N_m x N_m); a grid has K = 1
//   Born data J v; sensitivity kernel of datum i: J^T e_i (row i of J); its neural form K J^T e_i, which is the image
//     that a gradient step on datum i leaves in the model
//   wave kernel J J^T, wave tangent kernel J K J^T          symmetric, N_d x N_d: the residual r of a small gradient
//   step
//     of phi = |r|^2 / 2 changes by -eta J K J^T r
//   Gauss-Newton operator J^T W^2 J, its diagonal; illumination: the diagonal over its maximum
// J stands for any physics. The models of the literature take m = slowness squared, ours is the property of the tape:
// kernels of one and the other differ by the factor of the chain rule.
// Errors: Error{failed} where sizes do not fit; Error{config} a datum outside the data, weights of another number.
// References: Tarantola, Geophysics 49 (1984) (Born, Frechet kernels); Jacot, Gabriel, Hongler, NeurIPS 2018; Plessix,
// Mulder, Geophys. J. Int. 157 (2004) (diagonal as illumination); Bekas, Kokiopoulou, Saad, Appl. Numer. Math. 57
// (2007) (random probes of a diagonal). The wave kernels follow arXiv 2603.22362; the neural sensitivity kernel is our
// reading of the abstract of arXiv 2605.14370.
#pragma once

#include <functional>
#include <vector>

#include "analysis/spectra.hpp"
#include "autodiff/tape.hpp"

namespace terrane {

template <class T>
struct InversionMaps {
  LinearMap<T> field;  // J_f  (N_m x parameters)
  LinearMap<T> data;   // J    (N_d x N_m)
  LinearMap<T> total;  // J J_f (N_d x parameters), one sweep each way
};

// m must lie on every path from theta to d. The tape must outlive the maps; one call at a time.
template <class T>
InversionMaps<T> inversion_maps(const Tape<T>& tape, Var theta, Var m, Var d);

// outer(inner(v)).
template <class T>
LinearMap<T> compose(Stream& s, const LinearMap<T>& outer, const LinearMap<T>& inner);
// diag(w) J, w (rows): weights 1 / std of the data.
template <class T>
LinearMap<T> weighted_rows(Stream& s, const LinearMap<T>& j, const std::vector<double>& weights);

// On host vectors: J v and J^T w.
template <class T>
std::vector<T> apply(Stream& s, const LinearMap<T>& j, const std::vector<T>& v);
template <class T>
std::vector<T> adjoint(Stream& s, const LinearMap<T>& j, const std::vector<T>& w);
// J J^T w, which is K w where J = J_f.
template <class T>
std::vector<T> kernel_product(Stream& s, const LinearMap<T>& j, const std::vector<T>& w) {
  return apply(s, j, adjoint(s, j, w));
}

template <class T>
SymmetricMap<T> tangent_kernel(Stream& s, const InversionMaps<T>& maps);  // K
template <class T>
SymmetricMap<T> wave_kernel(Stream& s, const InversionMaps<T>& maps);  // J J^T
template <class T>
SymmetricMap<T> wave_tangent_kernel(Stream& s, const InversionMaps<T>& maps);  // J K J^T
// What the triplets of J (or J J_f) at the start make of the residual r (rows): its part along each u_k times
// factor(sigma_k^2), the rest as it is. Gradient descent: factor(lambda) = (1 - eta lambda)^n, exact where J stands.
std::vector<double> predicted_residual(const SingularTriplets& j, const std::vector<double>& r,
                                       const std::function<double(double lambda)>& factor);
// J^T W^2 J of any Jacobian; empty weights: 1.
template <class T>
SymmetricMap<T> gauss_newton_map(Stream& s, const LinearMap<T>& j, const std::vector<double>& weights = {});

// J^T w (N_m) and K J^T w (N_m): of one datum, or of any combination w of data.
template <class T>
std::vector<T> sensitivity_kernel(Stream& s, const InversionMaps<T>& maps, Index datum);
template <class T>
std::vector<T> sensitivity_kernel(Stream& s, const InversionMaps<T>& maps, const std::vector<T>& w);
template <class T>
std::vector<T> neural_sensitivity_kernel(Stream& s, const InversionMaps<T>& maps, Index datum);
template <class T>
std::vector<T> neural_sensitivity_kernel(Stream& s, const InversionMaps<T>& maps, const std::vector<T>& w);

// Diagonal (columns) of J^T W^2 J, W = diag(weights) (rows): exactly, one adjoint a row (probes = 0), or the mean of
// (J^T W z)^2 over `probes` vectors z of random signs (relative standard deviation at most sqrt(2 / probes)).
template <class T>
std::vector<double> normal_diagonal(Stream& s, const LinearMap<T>& map, const std::vector<double>& weights,
                                    Index probes, std::uint64_t seed);

// normal_diagonal over its maximum, in [0, 1]; zero where no datum sees anything. Empty weights: 1.
template <class T>
std::vector<double> illumination(Stream& s, const LinearMap<T>& j, const std::vector<double>& weights, Index probes,
                                 std::uint64_t seed);

}  // namespace terrane
