// SPDX-License-Identifier: MIT
#include "physics/resistivity/resistivity3d_direct.hpp"

#include <Eigen/SparseCholesky>

#include "kernels/runtime/error.hpp"

namespace terrane {

namespace {

using Matrix = Eigen::SparseMatrix<double, Eigen::ColMajor, int>;

struct Box {
  Index begin[3], end[3];  // nodes
};

// Nested dissection: the halves of the longest axis first, the plane between them last.
void dissect(const DcLevel& l, const Box& b, const DcCoefficients& c, std::vector<Index>& order) {
  int axis = 0;
  for (int a = 1; a < 3; ++a) {
    if (b.end[a] - b.begin[a] > b.end[axis] - b.begin[axis]) axis = a;
  }
  if (b.end[axis] - b.begin[axis] < 3) {
    for (Index z = b.begin[0]; z < b.end[0]; ++z) {
      for (Index y = b.begin[1]; y < b.end[1]; ++y) {
        for (Index x = b.begin[2]; x < b.end[2]; ++x) {
          const Index n = l.node(z, y, x);
          if (c.diagonal[static_cast<std::size_t>(n)] > 0) order.push_back(n);
        }
      }
    }
    return;
  }
  const Index middle = (b.begin[axis] + b.end[axis]) / 2;
  Box low = b, high = b, between = b;
  low.end[axis] = between.begin[axis] = middle;
  high.begin[axis] = between.end[axis] = middle + 1;
  dissect(l, low, c, order);
  dissect(l, high, c, order);
  // The separator is a plane; its order matters little, as it becomes dense.
  for (Index z = between.begin[0]; z < between.end[0]; ++z) {
    for (Index y = between.begin[1]; y < between.end[1]; ++y) {
      for (Index x = between.begin[2]; x < between.end[2]; ++x) {
        const Index n = l.node(z, y, x);
        if (c.diagonal[static_cast<std::size_t>(n)] > 0) order.push_back(n);
      }
    }
  }
}

}  // namespace

struct DcDirect::Factors {
  std::vector<Index> order;  // (unknown) its node
  std::vector<int> number;   // (node) its unknown, -1: none
  Eigen::SimplicialLDLT<Matrix, Eigen::Lower, Eigen::NaturalOrdering<int>> ldlt;
};

DcDirect::~DcDirect() = default;

DcDirect::DcDirect(const DcLevel& l, const DcCoefficients& c) : factors_(std::make_unique<Factors>()) {
  Factors& f = *factors_;
  dissect(l, {{0, 0, 0}, {l.n[0] + 1, l.n[1] + 1, l.n[2] + 1}}, c, f.order);
  f.number.assign(static_cast<std::size_t>(l.nodes), -1);
  for (std::size_t i = 0; i < f.order.size(); ++i) f.number[static_cast<std::size_t>(f.order[i])] = static_cast<int>(i);
  std::vector<Eigen::Triplet<double>> entries;
  for (std::size_t i = 0; i < f.order.size(); ++i) {
    const auto n = static_cast<std::size_t>(f.order[i]);
    const auto row = static_cast<int>(i);
    entries.emplace_back(row, row, c.diagonal[n]);
    for (std::size_t a = 0; a < 3; ++a) {
      if (!(c.edge[a][n] > 0)) continue;
      const int other = f.number[n + static_cast<std::size_t>(l.step[a])];
      entries.emplace_back(std::max(row, other), std::min(row, other), -c.edge[a][n]);
    }
  }
  const auto size = static_cast<Eigen::Index>(f.order.size());
  Matrix a(size, size);
  a.setFromTriplets(entries.begin(), entries.end());
  f.ldlt.compute(a);
  require(f.ldlt.info() == Eigen::Success && f.ldlt.vectorD().minCoeff() > 0, ErrorCode::diverged,
          "the equations of the potential are not positive definite in double precision; the conductivities span too "
          "many decades: bound the field",
          "3-D resistivity");
}

std::vector<double> DcDirect::solve(const DcPoint* sources, Index count) const {
  const Factors& f = *factors_;
  std::vector<double> u(f.number.size() * static_cast<std::size_t>(dc_batch));
  for (Index k = 0; k < count; ++k) {
    Eigen::VectorXd q = Eigen::VectorXd::Zero(static_cast<Eigen::Index>(f.order.size()));
    for (int i = 0; i < 8; ++i) {
      const int row = f.number[static_cast<std::size_t>(sources[k].node[i])];
      if (row >= 0) q[row] += sources[k].weight[i];
    }
    const Eigen::VectorXd v = f.ldlt.solve(q);
    for (std::size_t i = 0; i < f.order.size(); ++i) {
      u[static_cast<std::size_t>(f.order[i] * dc_batch + k)] = v[static_cast<Eigen::Index>(i)];
    }
  }
  return u;
}

}  // namespace terrane
