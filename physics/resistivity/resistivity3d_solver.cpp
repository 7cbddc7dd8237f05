// SPDX-License-Identifier: MIT
#include "physics/resistivity/resistivity3d_solver.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "kernels/runtime/error.hpp"

namespace terrane {

namespace {

// Dense inverse of the coarsest mesh: rows and columns of the nodes that conduct.
struct DenseInverse {
  std::vector<std::int32_t> list;
  std::vector<float> m;
};
DenseInverse invert(const DcLevel& l, const DcCoefficients& c) {
  DenseInverse out;
  std::vector<int> number(at(l.nodes), -1);
  for (Index n = 0; n < l.nodes; ++n) {
    if (!(c.diagonal[at(n)] > 0)) continue;
    number[at(n)] = static_cast<int>(out.list.size());
    out.list.push_back(static_cast<std::int32_t>(n));
  }
  const auto size = static_cast<Eigen::Index>(out.list.size());
  Eigen::MatrixXd a = Eigen::MatrixXd::Zero(size, size);
  for (Eigen::Index i = 0; i < size; ++i) {
    const Index n = out.list[static_cast<std::size_t>(i)];
    a(i, i) = c.diagonal[at(n)] * (1 + 1e-9);  // a part of the ground without boundary has no inverse otherwise
    for (std::size_t k = 0; k < 3; ++k) {
      const double edge = c.edge[k][at(n)];
      if (!(edge > 0)) continue;
      const int j = number[at(n + l.step[k])];
      a(i, j) = a(j, i) = -edge;
    }
  }
  const Eigen::MatrixXd inverse = a.llt().solve(Eigen::MatrixXd::Identity(size, size));
  for (Eigen::Index i = 0; i < size; ++i) {
    for (Eigen::Index j = 0; j < size; ++j) out.m.push_back(static_cast<float>((inverse(i, j) + inverse(j, i)) / 2));
  }
  return out;
}

}  // namespace

template <class T>
DcLevelArray<T>::DcLevelArray(Stream& s, const DcLevel& l, Index width) : buffer_(s, size(l, width)) {
  const std::vector<T> zero(at(buffer_.size()));
  copy(s, std::span<const T>(zero), buffer_.data());
  data_ = buffer_.data() + l.step[0] * width;
}
template class DcLevelArray<float>;
template class DcLevelArray<double>;

template <class T>
DcOperator<T>::DcOperator(Stream& s, const DcLevel& l)
    : x(s, l, 1), y(s, l, 1), z(s, l, 1), diagonal(s, l, 1), inverse(s, l, 1) {
  op = {x.data(), y.data(), z.data(), diagonal.data(), inverse.data(), l.step[1], l.step[0], l.nodes};
}
template <class T>
void DcOperator<T>::set(Stream& s, const DcCoefficients& c) {
  const auto converted = [](const std::vector<double>& v) { return std::vector<T>(v.begin(), v.end()); };
  z.set(s, converted(c.edge[0]));
  y.set(s, converted(c.edge[1]));
  x.set(s, converted(c.edge[2]));
  diagonal.set(s, converted(c.diagonal));
  std::vector<T> reciprocal;
  for (const double d : c.diagonal) reciprocal.push_back(static_cast<T>(d > 0 ? 1 / d : 0));
  inverse.set(s, reciprocal);
}
template struct DcOperator<double>;

DcSolver::Level::Level(Stream& s, const DcLevel& l)
    : a(s, l), weight(s, l, 1), f(s, l, dc_batch), u(s, l, dc_batch), r(s, l, dc_batch), between(s, l, 1) {
  if (l.last()) return;
  between.set(s, l.between);
  for (std::size_t i = 0; i < 4; ++i) stage[i] = to_device(s, l.stage[i]);
  coarse_node = to_device(s, l.coarse_node);
}

DcSolver::DcSolver(Stream& s, std::shared_ptr<const DcHierarchy> hierarchy)
    : hierarchy_(std::move(hierarchy)), op_(s, hierarchy_->levels[0]) {
  const DcLevel& fine = hierarchy_->levels[0];
  for (const DcLevel& l : hierarchy_->levels) levels_.emplace_back(s, l);
  r_ = DcLevelArray<double>(s, fine, dc_batch);
  p_ = DcLevelArray<double>(s, fine, dc_batch);
  y_ = DcLevelArray<double>(s, fine, dc_batch);
  blocks_ = (fine.nodes + poisson_block - 1) / poisson_block;
  partial_ = Buffer<double>(s, dc_batch * blocks_ * dc_batch);
  sums_ = Buffer<double>(s, dc_batch * dc_batch);
  factor_ = Buffer<double>(s, dc_batch);
  const Index n = hierarchy_->levels.back().nodes;
  coarsest_ = Buffer<float>(s, n * n);
  coarsest_list_ = Buffer<std::int32_t>(s, n);
}

Index DcSolver::memory_bytes(const DcHierarchy& hierarchy) {
  const DcLevel &fine = hierarchy.levels[0], &coarse = hierarchy.levels.back();
  const auto f4 = static_cast<Index>(sizeof(float)), f8 = static_cast<Index>(sizeof(double));
  Index bytes = f8 * (3 * DcLevelArray<double>::size(fine, dc_batch) + 5 * DcLevelArray<double>::size(fine, 1));
  for (const DcLevel& l : hierarchy.levels) {
    bytes += f4 * (3 * DcLevelArray<float>::size(l, dc_batch) + 6 * DcLevelArray<float>::size(l, 1)) + l.nodes;
    bytes += 4 * l.nodes;  // lists
  }
  return bytes + f8 * dc_batch * (fine.nodes / poisson_block + 1) * dc_batch + f4 * coarse.nodes * coarse.nodes;
}

void DcSolver::set_medium(Stream& s, const std::vector<double>& sigma) {
  const std::vector<DcCoefficients> all = assemble_levels(*hierarchy_, sigma);
  op_.set(s, all[0]);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const DcLevel& l = hierarchy_->levels[i];
    levels_[i].a.set(s, all[i]);
    if (l.last()) break;
    std::vector<float> weight(at(l.nodes));
    const Index step[3] = {1, l.step[1], l.step[0]};
    for (Index n = 0; n < l.nodes; ++n) {
      double sum = 0;
      for (int k = 0; k < 3; ++k) {
        if ((l.between[at(n)] & (1 << k)) == 0) continue;
        const std::vector<double>& edge = all[i].edge[static_cast<std::size_t>(2 - k)];
        sum += edge[at(n)] + edge[at(n - step[k])];
      }
      weight[at(n)] = static_cast<float>(sum > 0 ? 1 / sum : 0);
    }
    levels_[i].weight.set(s, weight);
  }
  const DenseInverse inverse = invert(hierarchy_->levels.back(), all.back());
  coarsest_size_ = static_cast<Index>(inverse.list.size());
  copy(s, std::span<const float>(inverse.m), coarsest_.data());
  copy(s, std::span<const std::int32_t>(inverse.list), coarsest_list_.data());
}

// u = approximately A^-1 f of a level.
void DcSolver::cycle(Stream& s, std::size_t i) {
  Level& l = levels_[i];
  const PoissonOperator<float>& a = l.a.op;
  float *f = l.f.data(), *u = l.u.data(), *r = l.r.data();
  if (i + 1 == levels_.size()) {
    poisson_coarsest(s, PoissonCoarsest<float>{coarsest_.data(), coarsest_list_.data(), coarsest_size_, f, u});
    return;
  }
  poisson_smooth(s, PoissonSmooth<float>{a, f, u, 0, true});
  poisson_smooth(s, PoissonSmooth<float>{a, f, u, 1, false});
  poisson_residual(s, PoissonResidual<float>{a, f, u, r, 0});
  const auto transfer = [&](std::size_t stage) {
    PoissonTransfer<float> t{a, l.weight.data(), l.between.data(), l.stage[stage].data(), l.stage[stage].size(), r};
    if (stage == 0) t.coarse_node = l.coarse_node.data();
    t.u = u;
    return t;
  };
  for (std::size_t stage = 3; stage-- > 0;) {
    PoissonRestrict<float> t{transfer(stage)};
    if (stage == 0) t.coarse = levels_[i + 1].f.data();
    poisson_restrict(s, t);
  }
  cycle(s, i + 1);
  for (std::size_t stage = 0; stage < 4; ++stage) {
    PoissonProlong<float> t{transfer(stage)};
    if (stage == 0) t.coarse = levels_[i + 1].u.data();
    poisson_prolong(s, t);
  }
  poisson_smooth(s, PoissonSmooth<float>{a, f, u, 1, false});
  poisson_smooth(s, PoissonSmooth<float>{a, f, u, 0, false});
}

std::vector<double> DcSolver::combined(Stream& s, Index count) {
  poisson_combine(s, PoissonCombine<double>{partial_.data(), count, blocks_, sums_.data()});
  return to_host(s, sums_.data(), count * dc_batch);
}

void DcSolver::put_points(Stream& s, const DcPoint* points, Index count) {
  std::vector<std::int32_t> node;
  std::vector<double> weight;
  for (Index i = 0; i < count; ++i) {
    node.insert(node.end(), points[i].node, points[i].node + 8);
    weight.insert(weight.end(), points[i].weight, points[i].weight + 8);
  }
  if (point_node_.size() < 8 * count) {
    point_node_ = Buffer<std::int32_t>(s, 8 * count);
    point_weight_ = Buffer<double>(s, 8 * count);
    sampled_ = Buffer<double>(s, dc_batch * count);
  }
  copy(s, std::span<const std::int32_t>(node), point_node_.data());
  copy(s, std::span<const double>(weight), point_weight_.data());
}

std::vector<double> DcSolver::sample(Stream& s, const std::vector<DcPoint>& points, const double* u) {
  const auto count = static_cast<Index>(points.size());
  put_points(s, points.data(), count);
  poisson_sample(s, PoissonSample<double>{point_node_.data(), point_weight_.data(), count, u, sampled_.data()});
  return to_host(s, sampled_.data(), count * dc_batch);
}

std::vector<double> DcSolver::gram(Stream& s, const double* u, const double* v) {
  poisson_gram(s, PoissonGram<double>{u, v, partial_.data(), op_.op.nodes, blocks_});
  return combined(s, dc_batch);
}

Index DcSolver::solve(Stream& s, const DcPoint* sources, Index count, double tolerance, Index most_steps, double* u) {
  const Index nodes = op_.op.nodes;
  double *r = r_.data(), *p = p_.data(), *y = y_.data();
  float *f = levels_[0].f.data(), *z = levels_[0].u.data();
  for (double* v : {u, r, p, y}) fill(s, Fill<double>{v, 0.0, nodes * dc_batch});
  std::vector<DcPoint> all(sources, sources + count);
  all.resize(at(dc_batch));
  put_points(s, all.data(), dc_batch);
  poisson_inject(s, PoissonInject<double>{point_node_.data(), point_weight_.data(), r});
  std::vector<double> length(at(dc_batch)), zr(at(dc_batch)), goal(at(dc_batch));
  const auto advance = [&](const std::vector<double>& alpha) {  // returns r . r
    copy(s, std::span<const double>(alpha), factor_.data());
    poisson_step(s, PoissonStep<double>{factor_.data(), p, y, u, r, f, partial_.data(), nodes});
    return combined(s, 1);
  };
  std::vector<double> rr = advance(length);
  for (std::size_t l = 0; l < goal.size(); ++l) goal[l] = rr[l] * tolerance * tolerance;
  Index step = 0;
  for (;; ++step) {
    const bool open = std::any_of(rr.begin(), rr.end(), [&, l = std::size_t{0}](double v) mutable {
      const std::size_t i = l++;
      return !(v <= goal[i]);
    });
    if (!open) return step;
    if (step == most_steps) break;
    cycle(s, 0);
    poisson_dots(s, PoissonDots<double>{z, r, y, partial_.data(), nodes, blocks_});
    const std::vector<double> dots = combined(s, 2);
    std::vector<double> beta(at(dc_batch));
    for (std::size_t l = 0; l < zr.size(); ++l) {
      if (step > 0 && zr[l] > 0) beta[l] = -length[l] * dots[at(dc_batch) + l] / zr[l];
      zr[l] = rr[l] > goal[l] ? dots[l] : 0;
    }
    copy(s, std::span<const double>(beta), factor_.data());
    poisson_direction(s, PoissonDirection<double>{factor_.data(), z, p, nodes});
    poisson_apply(s, PoissonApply<double>{op_.op, p, y, partial_.data()});
    const std::vector<double> py = combined(s, 1);
    for (std::size_t l = 0; l < zr.size(); ++l) length[l] = zr[l] > 0 && py[l] > 0 ? zr[l] / py[l] : 0;
    rr = advance(length);
  }
  char text[240];
  double worst = 0;
  for (std::size_t l = 0; l < goal.size(); ++l) {
    if (goal[l] > 0) worst = std::max(worst, std::sqrt(rr[l] / goal[l]) * tolerance);
  }
  std::snprintf(text, sizeof text,
                "the potentials did not converge: relative residual %.1e after %lld steps, %.1e wanted; the "
                "conductivities span too many decades or an electrode is cut off by air: bound the field",
                worst, static_cast<long long>(step), tolerance);
  throw Error(ErrorCode::diverged, text, "3-D resistivity");
}

}  // namespace terrane
