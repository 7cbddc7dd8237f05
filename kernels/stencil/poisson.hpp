// SPDX-License-Identifier: MIT
// div(sigma grad u) = -q on the nodes of a tensor grid for sixteen right-hand sides at once: the operator, what one
// multigrid cycle and one step of conjugate gradients do at a node, and the sums that derivatives need.
//
//   (A u)_n = d_n u_n - sum over the six neighbours m of c_nm u_m,   d_n = sum_m c_nm + extra_n
//   c_nm    conductance of the edge; 0 towards nodes that are not there. A node without any has d = 0 and stays 0.
// Arrays of fields are (nodes, 16), node (z, y, x) at z plane + y row + x; `row` and `plane` are odd, so that the
// colour of a node, the parity of z + y + x, is that of its number. Every array has `plane` more nodes before and after
// that are zero: a neighbour is read without asking whether it is there.
//
// Coarse nodes are a subset of the fine ones along each axis. A fine node between two coarse ones along some axes is
// interpolated from its neighbours along these, weighted with the conductances towards them; first nodes between along
// one axis, then two, then three. Restriction is the transpose of it. Reference for the weights: Alcouffe, Brandt,
// Dendy and Painter (1981), The multi-grid method for the diffusion equation with strongly discontinuous coefficients.
#pragma once

#include <cstdint>

#include "kernels/runtime/hd.hpp"

namespace terrane {

inline constexpr Index poisson_lanes = 16;
inline constexpr Index poisson_block = 256;  // nodes of a partial sum

template <class T>
struct PoissonOperator {
  const T *x = nullptr, *y = nullptr, *z = nullptr;  // (nodes) to the next node along the axis
  const T *diagonal = nullptr, *inverse = nullptr;   // (nodes); inverse: 1 / diagonal, 0 where that is 0
  Index row = 0, plane = 0, nodes = 0;

  // sum_m c_nm u_m
  template <class L>
  TERRANE_HD auto around(Index n, const T* u, const L& l) const {
    const T* at = u + n * poisson_lanes;
    return (x[n] * l.load(at + poisson_lanes) + x[n - 1] * l.load(at - poisson_lanes)) +
           (y[n] * l.load(at + row * poisson_lanes) + y[n - row] * l.load(at - row * poisson_lanes)) +
           (z[n] * l.load(at + plane * poisson_lanes) + z[n - plane] * l.load(at - plane * poisson_lanes));
  }
  template <class L>
  TERRANE_HD auto product(Index n, const T* u, const L& l) const {
    return diagonal[n] * l.load(u + n * poisson_lanes) - around(n, u, l);
  }
};

// y = A x and, where asked for, partial (block, 16) = sums of x y over blocks of nodes.
template <class T>
struct PoissonApply {
  PoissonOperator<T> a;
  const T* x;
  T* y;
  double* partial = nullptr;
  template <class L>
  TERRANE_HD void operator()(Index block, const L& l) const {
    const Index begin = block * poisson_block, last = begin + poisson_block, end = last < a.nodes ? last : a.nodes;
    auto sum = l.template zero<double>();
    for (Index n = begin; n < end; ++n) {
      const auto v = a.product(n, x, l);
      l.store(y + n * poisson_lanes, v);
      if (partial != nullptr) sum += l.template cast<double>(v * l.load(x + n * poisson_lanes));
    }
    if (partial != nullptr) l.store(partial + block * poisson_lanes, sum);
  }
};

// Gauss-Seidel on the nodes of one colour. first: u of the other colour is taken as zero.
template <class T>
struct PoissonSmooth {
  PoissonOperator<T> a;
  const T* f;
  T* u;
  int colour = 0;
  bool first = false;
  template <class L>
  TERRANE_HD void operator()(Index half, const L& l) const {
    const Index n = 2 * half + colour;
    if (n >= a.nodes) return;
    const auto b = l.load(f + n * poisson_lanes);
    l.store(u + n * poisson_lanes, first ? b * a.inverse[n] : (b + a.around(n, u, l)) * a.inverse[n]);
  }
};

// r = f - A u on the nodes of one colour, 0 on the other, whose residual a sweep has just removed.
template <class T>
struct PoissonResidual {
  PoissonOperator<T> a;
  const T *f, *u;
  T* r;
  int colour = 0;
  template <class L>
  TERRANE_HD void operator()(Index n, const L& l) const {
    if (n % 2 == colour) {
      l.store(r + n * poisson_lanes, l.load(f + n * poisson_lanes) - a.product(n, u, l));
    } else {
      l.store(r + n * poisson_lanes, l.template zero<T>());
    }
  }
};

// One stage of the transfer between a fine and the next coarse grid.
template <class T>
struct PoissonTransfer {
  PoissonOperator<T> a;                   // fine
  const T* weight = nullptr;              // (nodes) 1 / sum of the conductances along the axes in `between`
  const std::uint8_t* between = nullptr;  // (nodes) bits 1, 2, 4: between two coarse nodes along x, y, z
  const std::int32_t* list = nullptr;     // (count) fine nodes of this stage
  Index count = 0;
  T* fine = nullptr;    // restriction: residual, changed on the way; prolongation: correction
  T* coarse = nullptr;  // of the nodes in `list`, at coarse_node, in the stage that has them
  const std::int32_t* coarse_node = nullptr;
  T* u = nullptr;  // prolongation: the correction is added to this

  template <class L, class V>
  TERRANE_HD V pulled(V sum, Index m, T c, int axis, const L& l) const {
    return (between[m] & axis) != 0 ? sum + (c * weight[m]) * l.load(fine + m * poisson_lanes) : sum;
  }
  // r_n + sum over the neighbours of (their weight towards n) r_m
  template <class L>
  TERRANE_HD auto gathered(Index n, const L& l) const {
    auto sum = l.load(fine + n * poisson_lanes);
    sum = pulled(sum, n + 1, a.x[n], 1, l);
    sum = pulled(sum, n - 1, a.x[n - 1], 1, l);
    sum = pulled(sum, n + a.row, a.y[n], 2, l);
    sum = pulled(sum, n - a.row, a.y[n - a.row], 2, l);
    sum = pulled(sum, n + a.plane, a.z[n], 4, l);
    return pulled(sum, n - a.plane, a.z[n - a.plane], 4, l);
  }
  // Weighted mean of the neighbours along the axes of `between`.
  template <class L>
  TERRANE_HD auto interpolated(Index n, const L& l) const {
    auto sum = l.template zero<T>();
    const T* at = fine + n * poisson_lanes;
    const auto add = [&](const T* c, Index step) {
      sum += c[n] * l.load(at + step * poisson_lanes) + c[n - step] * l.load(at - step * poisson_lanes);
    };
    if ((between[n] & 1) != 0) add(a.x, 1);
    if ((between[n] & 2) != 0) add(a.y, a.row);
    if ((between[n] & 4) != 0) add(a.z, a.plane);
    return sum * weight[n];
  }
};

template <class T>
struct PoissonRestrict : PoissonTransfer<T> {
  template <class L>
  TERRANE_HD void operator()(Index i, const L& l) const {
    const Index n = this->list[i];
    T* to = this->coarse != nullptr ? this->coarse + Index{this->coarse_node[i]} * poisson_lanes
                                    : this->fine + n * poisson_lanes;
    l.store(to, this->gathered(n, l));
  }
};

template <class T>
struct PoissonProlong : PoissonTransfer<T> {
  template <class L>
  TERRANE_HD void operator()(Index i, const L& l) const {
    const Index n = this->list[i];
    const auto v = this->coarse != nullptr ? l.load(this->coarse + Index{this->coarse_node[i]} * poisson_lanes)
                                           : this->interpolated(n, l);
    l.store(this->fine + n * poisson_lanes, v);
    l.store(this->u + n * poisson_lanes, l.load(this->u + n * poisson_lanes) + v);
  }
};

// u = M f on the coarsest grid; list (n): its nodes that are not zero.
template <class T>
struct PoissonCoarsest {
  const T* m;  // (n, n)
  const std::int32_t* list;
  Index n;
  const T* f;
  T* u;
  template <class L>
  TERRANE_HD void operator()(Index i, const L& l) const {
    auto sum = l.template zero<T>();
    for (Index j = 0; j < n; ++j) sum += m[i * n + j] * l.load(f + Index{list[j]} * poisson_lanes);
    l.store(u + Index{list[i]} * poisson_lanes, sum);
  }
};

// q of sixteen point sources: r (nodes, 16) += weight (16, 8) at node (16, 8).
template <class T>
struct PoissonInject {
  const std::int32_t* node;
  const double* weight;
  T* r;
  TERRANE_HD void operator()(Index l) const {
    for (Index i = 8 * l; i < 8 * l + 8; ++i) r[node[i] * poisson_lanes + l] += static_cast<T>(weight[i]);
  }
};

// out (points, 16) = sum_i weight (points, 8) u at node (points, 8)
template <class T>
struct PoissonSample {
  const std::int32_t* node;
  const double* weight;
  Index points;
  const T* u;
  double* out;
  template <class L>
  TERRANE_HD void operator()(Index p, const L& l) const {
    auto sum = l.template zero<double>();
    for (Index i = 8 * p; i < 8 * p + 8; ++i) {
      sum += weight[i] * l.template cast<double>(l.load(u + Index{node[i]} * poisson_lanes));
    }
    l.store(out + p * poisson_lanes, sum);
  }
};

// A step of conjugate gradients, one length alpha a lane: x += alpha p, r -= alpha y; z = r in single precision;
// partial (block, 16) = sums of r r.
template <class T>
struct PoissonStep {
  const double* alpha;  // (16)
  const T *p, *y;
  T *x, *r;
  float* z;
  double* partial;
  Index nodes;
  template <class L>
  TERRANE_HD void operator()(Index block, const L& l) const {
    const Index begin = block * poisson_block, last = begin + poisson_block, end = last < nodes ? last : nodes;
    const auto step = l.template cast<T>(l.load(alpha));
    auto sum = l.template zero<double>();
    for (Index i = begin * poisson_lanes; i < end * poisson_lanes; i += poisson_lanes) {
      l.store(x + i, l.load(x + i) + step * l.load(p + i));
      const auto v = l.load(r + i) - step * l.load(y + i);
      l.store(r + i, v);
      l.store(z + i, l.template cast<float>(v));
      sum += l.template cast<double>(v * v);
    }
    l.store(partial + block * poisson_lanes, sum);
  }
};

// partial (2, blocks, 16): sums of z r and of z y.
template <class T>
struct PoissonDots {
  const float* z;
  const T *r, *y;
  double* partial;
  Index nodes, blocks;
  template <class L>
  TERRANE_HD void operator()(Index block, const L& l) const {
    const Index begin = block * poisson_block, last = begin + poisson_block, end = last < nodes ? last : nodes;
    auto with_r = l.template zero<double>(), with_y = with_r;
    for (Index i = begin * poisson_lanes; i < end * poisson_lanes; i += poisson_lanes) {
      const auto v = l.template cast<T>(l.load(z + i));
      with_r += l.template cast<double>(v * l.load(r + i));
      with_y += l.template cast<double>(v * l.load(y + i));
    }
    l.store(partial + block * poisson_lanes, with_r);
    l.store(partial + (blocks + block) * poisson_lanes, with_y);
  }
};

// p = z + beta p, one beta a lane
template <class T>
struct PoissonDirection {
  const double* beta;  // (16)
  const float* z;
  T* p;
  Index nodes;
  template <class L>
  TERRANE_HD void operator()(Index n, const L& l) const {
    const Index i = n * poisson_lanes;
    l.store(p + i, l.template cast<T>(l.load(z + i)) + l.template cast<T>(l.load(beta)) * l.load(p + i));
  }
};

// out (count, 16) = sums of partial (count, blocks, 16) in the order of the blocks
template <class T>
struct PoissonCombine {
  const double* partial;
  Index count, blocks;
  T* out;
  template <class L>
  TERRANE_HD void operator()(Index c, const L& l) const {
    auto sum = l.template zero<double>();
    for (Index b = 0; b < blocks; ++b) sum += l.load(partial + (c * blocks + b) * poisson_lanes);
    l.store(out + c * poisson_lanes, l.template cast<T>(sum));
  }
};

// partial (16, blocks, 16): for pole p of one batch the sums of u_p v_l over blocks of nodes.
template <class T>
struct PoissonGram {
  const T *u, *v;
  double* partial;
  Index nodes, blocks;
  template <class L>
  TERRANE_HD void operator()(Index i, const L& l) const {
    const Index block = i / 4, first = i % 4 * 4;  // four poles a task
    const Index begin = block * poisson_block, last = begin + poisson_block, end = last < nodes ? last : nodes;
    auto s0 = l.template zero<double>(), s1 = s0, s2 = s0, s3 = s0;
    for (Index n = begin; n < end; ++n) {
      const T* a = u + n * poisson_lanes + first;
      const auto b = l.load(v + n * poisson_lanes);
      s0 += l.template cast<double>(a[0] * b);
      s1 += l.template cast<double>(a[1] * b);
      s2 += l.template cast<double>(a[2] * b);
      s3 += l.template cast<double>(a[3] * b);
    }
    l.store(partial + ((first + 0) * blocks + block) * poisson_lanes, s0);
    l.store(partial + ((first + 1) * blocks + block) * poisson_lanes, s1);
    l.store(partial + ((first + 2) * blocks + block) * poisson_lanes, s2);
    l.store(partial + ((first + 3) * blocks + block) * poisson_lanes, s3);
  }
};

// p (nodes, 16) += u y, y (16, 16)
template <class T>
struct PoissonMix {
  const T *u, *y;
  T* p;
  Index nodes;
  template <class L>
  TERRANE_HD void operator()(Index n, const L& l) const {
    auto sum = l.load(p + n * poisson_lanes);
    for (Index k = 0; k < poisson_lanes; ++k) sum += u[n * poisson_lanes + k] * l.load(y + k * poisson_lanes);
    l.store(p + n * poisson_lanes, sum);
  }
};

// Per node, added: sums over the lanes of (p_m - p_n)(u_m - u_n) for the next node m along x, y and z, and of p_n u_n.
template <class T>
struct PoissonProducts {
  const T *p, *u;
  Index row, plane, nodes;
  T* out;  // (4, nodes)
  TERRANE_HD void operator()(Index n) const {
    const T *p0 = p + n * poisson_lanes, *u0 = u + n * poisson_lanes;
    out[n] += edge(p0, u0, 1);
    out[nodes + n] += edge(p0, u0, row);
    out[2 * nodes + n] += edge(p0, u0, plane);
    T lane[poisson_lanes];
    for (Index l = 0; l < poisson_lanes; ++l) lane[l] = p0[l] * u0[l];
    out[3 * nodes + n] += total(lane);
  }
  TERRANE_HD static T edge(const T* p0, const T* u0, Index step) {
    const T *p1 = p0 + step * poisson_lanes, *u1 = u0 + step * poisson_lanes;
    T lane[poisson_lanes];
    for (Index l = 0; l < poisson_lanes; ++l) lane[l] = (p1[l] - p0[l]) * (u1[l] - u0[l]);
    return total(lane);
  }
  TERRANE_HD static T total(T* lane) {
    for (Index width = poisson_lanes / 2; width > 0; width /= 2) {
      for (Index l = 0; l < width; ++l) lane[l] += lane[l + width];
    }
    return lane[0];
  }
};

}  // namespace terrane
