// SPDX-License-Identifier: MIT
// What is inverted for: parameters theta and the coordinates of the grid give a property m (nz, nx) in its SI unit.
//
//   m = map(F_theta(x), m0)      F: a network (siren, mlp, fourier) or one value per node (grid)
//
// Coordinates: xi of node k of n is -1 + 2 k / (n - 1), 0 for n = 1 ("per-axis"), or the distance from the centre over
// the longest half-length ("isotropic"). Fourier features take zeta = (xi + 1) / 2. theta is flat, in groups:
// "inr" (hidden layers), "head" (last linear layer), or "grid".
//
// Initial values come from the counter-based generator (purpose field_init, index = parameter index), so that they are
// equal on every device: siren W_1 ~ U(+-1/n_in), other W ~ U(+-sqrt(6/n_in)/omega_hidden), b ~ U(+-1/sqrt(n_in))
// (Sitzmann et al. 2020, reference code); other networks W, b ~ U(+-1/sqrt(n_in)). Where F = 0 means the start model
// (perturb, bounded-perturb, exp), the last bias is zero.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "autodiff/tape.hpp"
#include "kernels/encode/output_map.hpp"
#include "kernels/mlp/mlp.hpp"
#include "physics/grid.hpp"

namespace terrane {

enum class FieldType { grid, siren, mlp, fourier };

// xi of axis a (0: z, 1: x) of node k is origin[a] + step[a] k.
struct CoordinateScaling {
  bool isotropic = false;
  double origin[2] = {0, 0};
  double step[2] = {0, 0};
  static CoordinateScaling make(const Grid2& grid, bool isotropic);
};

// Networks as shapes, also of other dimensions than the grid's. `hidden`: width of every activated layer.
MlpShape siren_shape(Index dimensions, const std::vector<Index>& hidden, const std::vector<double>& omega,
                     Index outputs = 1);
MlpShape mlp_shape(Index inputs, const std::vector<Index>& hidden, Activation activation, double parameter,
                   Index outputs = 1);

template <class T>
class Field {
 public:
  // `field`: the resolved section. Throws Error{config} with the pointer of the key. `seed` is used where the section
  // has none.
  static Field make(const nlohmann::ordered_json& field, const Grid2& grid, std::uint64_t seed);

  FieldType type() const { return type_; }
  const Grid2& grid() const { return grid_; }
  const OutputMap& map() const { return map_; }
  // Layers of the network; empty for `grid`.
  const MlpShape& network() const { return shape_; }
  Index parameters() const;
  std::vector<ParameterGroup> groups() const;
  // The start of theta. A grid starts from the start model m0 (nz nx), which it needs for the maps that do not hold
  // m0 at F = 0; networks ignore it.
  std::vector<T> initial_parameters(const std::vector<T>& start_model = {}) const;
  // Records m (nz, nx) from theta (parameters) and m0 (nz nx values). `mask` (nz nx, in [0, 1]) keeps m0 where it is 1.
  Var record(Tape<T>& tape, Var theta, Var start_model, Var mask = {}) const;
  // Architecture and coordinate scaling, for weights.safetensors.
  std::map<std::string, std::string> metadata() const;
  // Frozen numbers beside theta: the Fourier frequencies (m, 2), cycles per unit of zeta; empty for the other types.
  const std::vector<double>& frequencies() const { return frequencies_; }
  // Device bytes of record(): coordinates, features, F and m. Gradients and kernel workspace are not counted.
  Index memory_bytes() const;
  // Workspace of one vjp on the CPU with `threads` threads, an upper estimate.
  Index workspace_bytes(int threads) const;

 private:
  Index features() const { return static_cast<Index>(frequencies_.size()) / 2; }
  void read_network(const nlohmann::ordered_json& field);
  void read_map(const nlohmann::ordered_json& transform);
  bool starts_at_zero() const;
  std::vector<T> initial_grid(const std::vector<T>& start_model) const;

  FieldType type_ = FieldType::grid;
  Grid2 grid_;
  CoordinateScaling scaling_;
  MlpShape shape_;
  OutputMap map_;
  std::vector<double> frequencies_;
  double sigma_ = 0;
  bool framework_head_ = false;
  std::uint64_t seed_ = 0;
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
