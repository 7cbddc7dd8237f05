// SPDX-License-Identifier: MIT
// Smallness and smoothness of a model m (nz, ny, nx; x fastest) with norms p in [0, 2], minimised by iteratively
// reweighted least squares (IRLS). With the weights R held fixed it is a quadratic form:
//
//   phi_m = sum_t alpha_t / 2 sum_i R_ti^2 W_ti^2 f_ti^2,      t: small, z, y, x
//   f = m - m_ref (small), or its forward difference divided by the spacing (spacing 1: differences per cell)
//   R^2 = c (f^2 + eps^2)^(p/2 - 1),      c = 1, or with `scaled`
//   c = max|f| / [f* (f*^2 + eps^2)^(p/2 - 1)],   f* = max|f| for p >= 1, eps / sqrt(1 - p) for p < 1
//
// W^2 is given for cells and averaged to the faces between them. With c = 1 and fixed eps, phi_m with R of the current
// model has the gradient of `measure` = sum_t alpha_t sum_i W_ti^2 [(f^2 + eps^2)^(p/2) - eps^p] / p (its limit, a
// logarithm, for p = 0) and lies above it elsewhere, so that a decrease of one is a decrease of the other. p = 1 on the
// differences is total variation: sum alpha (sqrt(f^2 + eps^2) - eps).
// The sparse norms and their scaling: Fournier and Oldenburg (2019), Geophys. J. Int. 218; majorisation: Lange (2016).
// Everything is host double in fixed order: the same bits for every device and number of threads.
// Errors: Error{config} for sizes, alpha < 0, p outside [0, 2], weights that are not positive, eps = 0 where needed.
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "kernels/runtime/random.hpp"
#include "kernels/runtime/view.hpp"
#include "physics/grid3.hpp"

namespace terrane {

struct NormTerm {
  double alpha = 0;  // 0: the term is absent
  double p = 2;
  double eps = 0;  // in units of f; the start value where it is cooled
};

// What f of a difference is compared with eps: the difference itself; the length of the gradient at the node, with
// alpha inside, sum_i W_i^2 [(sum_t alpha_t f_ti^2 + eps^2)^(p/2) - eps^p] / p; or the sum over the axes of
// |difference| averaged to the cell (half of one face at the rim), averaged back to the face.
enum class NormCoupling : int { separate, isotropic, total };

struct ModelNormOptions {
  Index nz = 0, ny = 1, nx = 0;
  double dz = 1, dy = 1, dx = 1;  // m, or 1 for differences per cell
  NormTerm small, z, y, x;
  NormCoupling coupling = NormCoupling::separate;
  bool scaled = false;
  std::vector<double> reference;  // (cells), empty: 0
  bool reference_in_smoothness = false;
  std::vector<double> cell_weights;  // W^2 (cells), empty: 1; volume x sensitivity or depth weight
};

// On a grid, with differences per smallest side of a cell; no norms yet.
ModelNormOptions norms_on(const Grid3& grid);

class ModelNorms {
 public:
  explicit ModelNorms(ModelNormOptions options);

  const ModelNormOptions& options() const { return o_; }
  Index cells() const { return o_.nz * o_.ny * o_.nx; }
  // A norm other than 2 is present.
  bool sparse() const;

  // R = 1: all norms are 2.
  void reset_weights();
  // R from the model (cells) with the current eps.
  void update_weights(const std::vector<double>& m);
  // eps of all terms from the model: max|m - m_ref|, for differences divided by the smallest spacing.
  void start_eps(const std::vector<double>& m);
  void cool_eps(double factor);
  // Of small, z, y, x.
  const std::array<double, 4>& eps() const { return eps_; }

  // phi_m with the current R.
  double value(const std::vector<double>& m) const;
  // Its gradient (cells), overwrites.
  void gradient(const std::vector<double>& m, std::vector<double>& g) const;
  // Its Hessian times v (cells), overwrites.
  void hessian(const std::vector<double>& v, std::vector<double>& hv) const;
  void hessian_diagonal(std::vector<double>& d) const;
  // x (cells) = S z with S S^T the Hessian and z random signs: the mean of x^2 is its diagonal.
  void probe(const Random& random, std::uint32_t draw, std::vector<double>& x) const;
  // The true measure at the current eps, without c.
  double measure(const std::vector<double>& m) const;

  // Named arrays: eps and R^2. restore throws Error{data}.
  std::map<std::string, std::vector<double>> state() const;
  void restore(const std::map<std::string, std::vector<double>>& state);

 private:
  const NormTerm& term(int t) const { return t == 0 ? o_.small : t == 1 ? o_.z : t == 2 ? o_.y : o_.x; }
  bool present(int t) const { return term(t).alpha > 0; }
  Index extent(int axis) const { return axis == 1 ? o_.nz : axis == 2 ? o_.ny : o_.nx; }
  Index stride(int axis) const { return axis == 1 ? o_.ny * o_.nx : axis == 2 ? o_.nx : 1; }
  double spacing(int axis) const { return axis == 1 ? o_.dz : axis == 2 ? o_.dy : o_.dx; }
  void check() const;
  void make_cell_factors();
  void refresh();
  // f of term t (cells; 0 where a difference has no second cell).
  void values(int t, const std::vector<double>& q, std::vector<double>& f) const;
  // q += D_t^T f
  void scatter(int t, const std::vector<double>& f, std::vector<double>& q) const;
  std::vector<double> minus_reference(const std::vector<double>& m, bool smoothness) const;
  std::array<std::vector<double>, 4> all_values(const std::vector<double>& m) const;
  std::vector<double> compared(int t, const std::array<std::vector<double>, 4>& f) const;

  ModelNormOptions o_;
  std::array<double, 4> eps_{};
  std::array<std::vector<double>, 4> cell_factor_;  // alpha W^2
  std::array<std::vector<double>, 4> r2_;           // R^2
  std::array<std::vector<double>, 4> factor_;       // alpha W^2 R^2
};

// Weight of depth for cells of `axis_cells` rows of `row_cells` each: w = (z0 / (z + z0))^exponent, z (m) the depth of
// the row's centre below the first row's, z0_m > 0.
std::vector<double> depth_weights(Index axis_cells, Index row_cells, double dz_m, double z0_m, double exponent);

// Weight of sensitivity: sqrt(diagonal) / volume over its largest value, at least `floor`. diagonal (cells): of
// J^T W^2 J; volumes (cells, m^3 or m^2), empty: equal.
std::vector<double> sensitivity_weights(const std::vector<double>& diagonal, const std::vector<double>& volumes,
                                        double floor = 1e-12);

}  // namespace terrane
