// SPDX-License-Identifier: MIT
// Solves A(sigma) U = Q of the 3-D resistivity problem for batches of sixteen point sources: conjugate gradients in
// double precision, preconditioned by one multigrid V-cycle in single precision (one red-black Gauss-Seidel sweep
// before and one in reverse order after the coarse correction, a dense inverse on the coarsest mesh). Every source has
// its own step lengths and stops on its own. All arrays live on the device of the stream; sums run in fixed blocks, so
// the bits do not depend on the number of threads.
//
// The step beta is that of Polak and Ribiere, which tolerates that a cycle in single precision is not quite symmetric.
// Reference: Tatebe (1993), The multigrid preconditioned conjugate gradient method.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "kernels/kernels.hpp"
#include "physics/resistivity/resistivity3d_levels.hpp"

namespace terrane {

inline constexpr Index dc_batch = poisson_lanes;

// A point: up to eight nodes and their weights; unused ones have weight 0 and repeat a node.
struct DcPoint {
  std::int32_t node[8] = {};
  double weight[8] = {};
};

// An array on the nodes of a level with the zero nodes around it that the kernels read.
template <class T>
class DcLevelArray {
 public:
  DcLevelArray() = default;
  DcLevelArray(Stream& s, const DcLevel& l, Index width);
  static Index size(const DcLevel& l, Index width) { return (l.nodes + 2 * l.step[0]) * width; }
  T* data() const { return data_; }
  void set(Stream& s, const std::vector<T>& values) const { copy(s, std::span<const T>(values), data_); }

 private:
  Buffer<T> buffer_;
  T* data_ = nullptr;
};

// Coefficients of one level on the device.
template <class T>
struct DcOperator {
  DcLevelArray<T> x, y, z, diagonal, inverse;
  PoissonOperator<T> op;
  DcOperator(Stream& s, const DcLevel& l);
  void set(Stream& s, const DcCoefficients& c);
};

class DcSolver {
 public:
  DcSolver(Stream& s, std::shared_ptr<const DcHierarchy> hierarchy);
  // Bytes of everything that a solver allocates on its device.
  static Index memory_bytes(const DcHierarchy& hierarchy);

  void set_medium(Stream& s, const std::vector<double>& sigma);
  // u (nodes, 16) of at most sixteen sources. Returns the number of steps of the slowest one. Throws Error{diverged}
  // when the residual of a source is not below `tolerance` of its right-hand side after `most_steps`.
  Index solve(Stream& s, const DcPoint* sources, Index count, double tolerance, Index most_steps, double* u);
  // (nodes, 16) of the latest solution: q - A u.
  const double* residual() const { return r_.data(); }
  // v = A u with other coefficients of the finest level; the medium must be set again before the next solution.
  void set_coefficients(Stream& s, const DcCoefficients& c) { op_.set(s, c); }
  void apply(Stream& s, const double* u, double* v) { poisson_apply(s, PoissonApply<double>{op_.op, u, v}); }
  // out (16, 16): sums over the nodes of u_i v_j.
  std::vector<double> gram(Stream& s, const double* u, const double* v);
  // out (points, 16): the fields at given points
  std::vector<double> sample(Stream& s, const std::vector<DcPoint>& points, const double* u);
  double* spare(int i) const { return (i == 0 ? r_ : i == 1 ? p_ : y_).data(); }  // (nodes, 16), free between solutions

 private:
  struct Level {
    DcOperator<float> a;
    DcLevelArray<float> weight, f, u, r;
    DcLevelArray<std::uint8_t> between;
    std::array<Buffer<std::int32_t>, 4> stage;
    Buffer<std::int32_t> coarse_node;
    Level(Stream& s, const DcLevel& l);
  };
  void set_coarsest(Stream& s, const DcCoefficients& c);
  void cycle(Stream& s, std::size_t i);
  std::vector<double> combined(Stream& s, Index count);
  void put_points(Stream& s, const DcPoint* points, Index count);

  std::shared_ptr<const DcHierarchy> hierarchy_;
  std::vector<Level> levels_;
  DcOperator<double> op_;
  DcLevelArray<double> r_, p_, y_;
  Index blocks_ = 0, coarsest_size_ = 0;
  Buffer<double> partial_, sums_, factor_, point_weight_, sampled_;
  Buffer<std::int32_t> point_node_, coarsest_list_;
  Buffer<float> coarsest_;
};

}  // namespace terrane
