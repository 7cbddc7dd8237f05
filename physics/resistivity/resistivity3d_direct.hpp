// SPDX-License-Identifier: MIT
// L D L^T factors of the 3-D resistivity equations, nodes ordered by nested dissection; for small meshes and as the
// check of the iterative solver. On the host and on one thread.
#pragma once

#include <memory>
#include <vector>

#include "physics/resistivity/resistivity3d_solver.hpp"

namespace terrane {

class DcDirect {
 public:
  DcDirect(const DcLevel& level, const DcCoefficients& c);  // throws Error{diverged}
  ~DcDirect();
  DcDirect(const DcDirect&) = delete;
  DcDirect& operator=(const DcDirect&) = delete;
  // u (nodes, 16) of at most sixteen sources.
  std::vector<double> solve(const DcPoint* sources, Index count) const;

 private:
  struct Factors;
  std::unique_ptr<Factors> factors_;
};

}  // namespace terrane
