// SPDX-License-Identifier: MIT
// Nodal finite volumes for div(sigma grad u) = -q on a 3-D tensor mesh and on the coarser meshes of a multigrid cycle:
// geometry, conductances of the edges, and their transpose. On the host, double precision.
//
//   c_edge   sum over the (up to four) cells around the edge of sigma (area across it) / (4 length)
//   extra_n  Robin condition: a boundary face of area S adds S alpha sigma / 4 to each of its nodes,
//            alpha = (r_hat . n) / r, r from `origin` to the middle of the face: what a pole at the origin would have
// Axes are numbered 0 z, 1 y, 2 x. Cells (nz, ny, nx) are dense; nodes are laid out as kernels/stencil/poisson.hpp
// wants them, with `row` and `plane` odd.
//
// A coarser mesh joins pairs of neighbouring cells of an axis whose joint width is at most a limit that doubles from
// mesh to mesh. Wide cells (padding, the longer axes of flat cells) so stay as they are until the others have caught
// up: the couplings that are strong on a level are those along the axes it coarsens, and plain point smoothing
// suffices. The conductances of the coarser mesh come from those of the finer one, axis by axis: edges along the axis
// in series; the edges across at a vanished node go to its two neighbours in the proportion of the conductances towards
// them.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "physics/resistivity/resistivity3d_mesh.hpp"

namespace terrane {

struct DcFace {
  Index cell, node[4];
  double factor;  // S alpha / 4, metres
};

struct DcLevel {
  std::array<std::vector<double>, 3> h_m;  // widths of the cells
  std::array<Index, 3> n{}, step{};        // cells; distance of neighbouring nodes in memory
  Index nodes = 0;                         // with unused ones
  // To the next coarser level; empty on the last one.
  std::array<std::vector<Index>, 3> first;         // first cell of each joint cell, and the end
  std::vector<std::uint8_t> between;               // (nodes) bits 1, 2, 4: not kept along x, y, z
  std::array<std::vector<std::int32_t>, 4> stage;  // nodes between coarse ones along 0, 1, 2, 3 axes
  std::vector<std::int32_t> coarse_node;           // of stage[0]

  explicit DcLevel(const std::array<std::vector<double>, 3>& widths);
  Index cells() const { return n[0] * n[1] * n[2]; }
  Index cell(Index z, Index y, Index x) const { return (z * n[1] + y) * n[2] + x; }
  Index node(Index z, Index y, Index x) const { return z * step[0] + y * step[1] + x; }
  double geometry(int axis, Index z, Index y, Index x) const;  // (area across) / (4 length) of a cell, metres
  bool last() const { return stage[0].empty(); }
};

struct DcHierarchy {
  std::vector<DcLevel> levels;
  std::vector<DcFace> faces;  // of the finest level
  DcHierarchy(const TensorMesh3& mesh, const Point3& origin);
};

// Coefficients of one level.
struct DcCoefficients {
  std::array<std::vector<double>, 3> edge;  // (nodes) conductance to the next node along each axis
  std::vector<double> extra, diagonal;      // (nodes)
};

// Finest level, any sigma (cells): linear in it. Sets edge, extra and diagonal.
void assemble(const DcHierarchy& h, const std::vector<double>& sigma, DcCoefficients& out);
// All levels of a medium.
std::vector<DcCoefficients> assemble_levels(const DcHierarchy& h, const std::vector<double>& sigma);
// Transpose of assemble: g (cells) = derivative with respect to sigma of sum over edges of edge x products[axis] and
// sum over nodes of extra x products[3]; products (4, nodes) in the order x, y, z, node.
std::vector<double> assemble_transpose(const DcHierarchy& h, const std::vector<double>& products);

}  // namespace terrane
