// SPDX-License-Identifier: MIT
// What is inverted for: parameters theta and the coordinates of the grid give a property m (nz, nx), or (nz, ny,
// nx) in three dimensions, in its SI unit.
//
//   m = map(F_theta(x), m0)
//   grid      F = theta, one value per node
//   siren, mlp, fourier   F = network(xi), the last two also of Fourier features of zeta
//   wire      F = complex Gabor network(xi)
//   low-rank  F = f_z(xi_z) C f_x(xi_x)^T, f networks of sines of one coordinate with r_z and r_x outputs; in three
//             dimensions F = C x_1 f_z x_2 f_y x_3 f_x (Tucker)
//   fusion    F = network([c_g h(zeta), c_b q(xi)]), h a multi-resolution grid, q the branch: nothing (mpe), a network
//             of sines (ig), or f_z(xi_z) o f_x(xi_x), in three dimensions o f_y(xi_y) too (lrg, our
//             definition). c_g = sqrt(alpha) / rms(h), c_b = sqrt(1 -
//             alpha) / rms(q), or the other way round (alpha_on); the rms are constants of the initial parameters, or 1
//             with normalize off.
//   decoder   F = D(x; s(theta)), a trained decoder of models (engine/field_decoder.hpp); brings its own map; two
//             dimensions only
//
// Coordinates: xi of node k of n is -1 + 2 k / (n - 1), 0 for n = 1 ("per-axis"), k / (n - 1) ("unit"), or the distance
// from the centre over the longest half-length ("isotropic"). Fourier features and grids take zeta = (xi + 1) / 2, in
// [0, 1]; "centered" features count their cycles from the centre, zeta - 1/2. theta is flat, in groups:
// "grid" (values or table), "inr" (hidden layers of a network, or the whole branch), "core" (C), "fusion" (hidden
// layers after the fusion), "head" (last linear layer), "code" (of a decoder).
//
// Initial values come from the counter-based generator (purpose field_init, index = parameter index), so that they are
// equal on every device: siren W_1 ~ U(+-1/n_in), other W ~ U(+-sqrt(6/n_in)/omega_hidden), b ~ U(+-1/sqrt(n_in))
// (Sitzmann et al. 2020, reference code); other networks W, b ~ U(+-1/sqrt(n_in)), the complex ones in both parts;
// tables U(+-init); C normal. Where F = 0 means the start model (perturb, bounded-perturb, exp), the last bias is zero.
// Points are evaluated in chunks where the features of all would take too much memory; values do not depend on that.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "autodiff/tape.hpp"
#include "engine/field_decoder.hpp"
#include "engine/property.hpp"
#include "kernels/encode/multigrid.hpp"
#include "kernels/encode/output_map.hpp"
#include "kernels/mlp/gabor.hpp"
#include "kernels/mlp/mlp.hpp"
#include "physics/grid3.hpp"

namespace terrane {

enum class FieldType { grid, siren, mlp, fourier, wire, low_rank, fusion, decoder };
enum class FusionBranch { none, siren, low_rank };

// xi of axis a (z, x or z, y, x) of node k is origin[a] + step[a] k.
struct CoordinateScaling {
  bool isotropic = false;
  double origin[3] = {0, 0, 0};
  double step[3] = {0, 0, 0};
  // zeta = zeta_shift + zeta_scale xi
  double zeta_shift = 0.5, zeta_scale = 0.5;
  static CoordinateScaling make(const Grid3& grid, const std::string& coordinates);  // as in the config
};

// Networks as shapes, also of other dimensions than the grid's. `hidden`: width of every activated layer.
MlpShape siren_shape(Index dimensions, const std::vector<Index>& hidden, const std::vector<double>& omega,
                     Index outputs = 1);
MlpShape mlp_shape(Index inputs, const std::vector<Index>& hidden, Activation activation, double parameter,
                   Index outputs = 1);

// Every layer activated by a sine: features instead of a value.
MlpShape sine_features_shape(Index dimensions, const std::vector<Index>& hidden, double omega);

// Of "precision.network" of a config; fp64 and fp32 are the same to it.
MlpPrecision mlp_precision(const std::string& network);

template <class T>
class Field {
 public:
  // `field`: the resolved section. Throws Error{config} with the pointer of the key. `seed` is used where the section
  // has none.
  static Field make(const nlohmann::ordered_json& field, const Grid3& grid, std::uint64_t seed);
  static Field make(const nlohmann::ordered_json& field, const Grid2& grid, std::uint64_t seed) {
    return make(field, Grid3::of(grid), seed);
  }

  // Of the products of real networks on a GPU: "fp32" and "3xtf32" (the same), "tf32", "bf16"; "fp64" changes nothing.
  void set_precision(const std::string& network);
  FieldType type() const { return type_; }
  const Grid3& grid() const { return grid_; }
  const OutputMap& map() const { return map_; }
  // Layers of the network, after the fusion where there is one; empty for `grid`, `wire` and `low-rank`.
  const MlpShape& network() const { return shape_; }
  const MultigridShape& table() const { return table_; }  // of `fusion`
  // Parameters as counted by the authors of continuous-representation FWI, where that differs from parameters():
  // complex numbers once (wire), without the core (low-rank).
  Index published_parameters() const;
  Index parameters() const;
  std::vector<ParameterGroup> groups() const;
  // The start of theta. A grid starts from the start model m0 (one value a node), which it needs for the maps that do
  // not hold m0 at F = 0; networks ignore it.
  std::vector<T> initial_parameters(const std::vector<T>& start_model = {}) const;
  // Records m (shape of the grid) from theta (parameters) and m0 (one value a node). `mask` (the same, in [0, 1]) keeps
  // m0 where it is 1.
  Var record(Tape<T>& tape, Var theta, Var start_model, Var mask = {}) const;
  // Derivatives of the network output at the nodes along each axis, per metre, (axes, nodes): z first. Zero for `grid`.
  std::vector<T> output_gradient(Stream& s, const std::vector<T>& theta) const;
  // RMS of the grid and the branch features of the initial parameters; 1 where nothing is normalised.
  std::array<double, 2> feature_rms(Stream& s) const;
  // Does the map or the start of theta come from a start model?
  bool needs_start() const { return type_ == FieldType::grid || starts_at_zero(); }
  // Architecture and coordinate scaling, for weights.safetensors.
  std::map<std::string, std::string> metadata() const;
  // Frozen numbers beside theta: the Fourier frequencies (m, axes), cycles per unit of zeta; empty for the other types.
  const std::vector<double>& frequencies() const { return frequencies_; }
  // Workspace of one vjp on the CPU with `threads` threads, an upper estimate.
  Index workspace_bytes(int threads) const;

 private:
  // Coordinates that F is recorded from: xi (n, axes), zeta (n, axes), or one per axis (nz, 1), (ny, 1), (nx, 1);
  // invalid where unused.
  struct Points {
    Var xi, zeta, axis[3];
    Index n = 0;
  };
  // A contiguous part of theta.
  struct Part {
    std::string group;
    Index offset = 0, size = 0;
  };
  int axes() const { return grid_.dimensions(); }
  Index nodes(int a) const { return grid_.size(grid_.axis(a)); }  // along the a-th axis
  Index features() const { return static_cast<Index>(frequencies_.size()) / axes(); }
  Index factor_parameters() const;  // of the networks of one coordinate, all axes
  void read_network(const nlohmann::ordered_json& field);
  void read_low_rank(const nlohmann::ordered_json& field);
  void read_decoder(const nlohmann::ordered_json& field);
  void read_fusion(const nlohmann::ordered_json& field, const nlohmann::ordered_json& encoder, FusionBranch branch);
  void read_map(const nlohmann::ordered_json& transform, const PropertyInfo& property);
  bool starts_at_zero() const;
  std::vector<T> initial_grid(const std::vector<T>& start_model) const;
  std::vector<Part> parts() const;
  void fill_network(const MlpShape& shape, Index offset, bool sines, double head_scale, bool zero_last_bias,
                    std::vector<T>& theta) const;
  void fill_gabor(std::vector<T>& theta) const;
  Var slice(Tape<T>& tape, Var theta, Index offset, Shape shape) const;
  // Depths first .. first + n - 1 as coordinates; whole axes for the fields that use them.
  Points points(Tape<T>& tape, Index first, Index n, bool differentiable) const;
  void set_points(Tape<T>& tape, const Points& p, Index first) const;
  std::pair<std::vector<Var>, std::vector<Index>> record_factors(Tape<T>& tape, Var theta, const Points& p,
                                                                 Index at) const;
  Var record_decoder(Tape<T>& tape, Var theta, const Points& p) const;
  Var record_branch(Tape<T>& tape, Var theta, const Points& p) const;
  Var record_output(Tape<T>& tape, Var theta, const Points& p, const std::array<double, 2>& rms) const;
  bool chunked() const;
  Var record_chunked(Tape<T>& tape, Var theta, const std::array<double, 2>& rms) const;

  template <class S>
  friend class ChunkedFieldOp;

  FieldType type_ = FieldType::grid;
  std::string name_ = "grid";  // as in the config
  Grid3 grid_;
  CoordinateScaling scaling_;
  MlpShape shape_;
  OutputMap map_;
  std::vector<double> frequencies_;
  double sigma_ = 0;
  bool framework_head_ = false;
  double head_scale_ = 1;  // of the last layer's initial weights, relative to the framework's
  std::uint64_t seed_ = 0;
  GaborShape gabor_;
  MlpShape factor_[3];         // low-rank nets of z, x or z, y, x
  Index rank_[3] = {1, 1, 1};  // of low-rank
  double core_std_ = 0;        // initial C
  MultigridShape table_;
  double table_init_ = 1e-4;
  FusionBranch branch_ = FusionBranch::none;
  MlpShape branch_shape_;
  std::shared_ptr<const DecoderField> decoder_;
  double alpha_ = 0.5;
  bool alpha_on_grid_ = true, normalize_ = true;
};

struct PrefitReport {
  double rms_before = 0;  // of m - m0, in the unit of m
  double rms_after = 0;
};

// Fits the field to its start model: Adam (eps 1e-8) on |map(F) - m0|^2 / (2 n s^2), s the scale of the map.
// Overwrites theta (host). Optimiser state is dropped afterwards.
template <class T>
PrefitReport prefit(Stream& s, const Field<T>& field, const std::vector<T>& start_model, int iterations, double lr,
                    std::vector<T>& theta);

}  // namespace terrane
