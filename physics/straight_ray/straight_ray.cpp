// SPDX-License-Identifier: MIT
#include "physics/straight_ray/straight_ray.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "kernels/kernels.hpp"
#include "physics/model_check.hpp"

namespace terrane {

namespace {

void check_inside(const RayGrid& g, const Grid3& grid, const Point3& p, const std::string& what) {
  for (int a = 0; a < 3; ++a) {
    if (a == 1 && grid.flat()) continue;
    const double at = (p.at(a) - g.corner[a]) / g.h[a];
    if (at >= -ray_face && at <= static_cast<double>(g.n[a]) + ray_face) continue;
    char text[160];
    std::snprintf(text, sizeof text, " lies outside the cells, %s %g..%g m; move it or enlarge the grid",
                  a == 0   ? "z"
                  : a == 1 ? "y"
                           : "x",
                  g.corner[a], g.corner[a] + static_cast<double>(g.n[a]) * g.h[a]);
    throw Error(ErrorCode::data, what + " at " + to_string(p) + text, "straight rays");
  }
}

struct CollectRow {
  SparseRows* rows;
  Index first;
  void operator()(Index x, double weight) const {
    if (weight == 0) return;
    rows->column.push_back(first + x);
    rows->weight.push_back(weight);
  }
};

}  // namespace

template <class T>
StraightRays<T>::StraightRays(Stream& s, const Grid3& grid, const TravelSurvey& survey,
                              const StraightRayOptions& options)
    : grid_(grid), survey_(survey), options_(options) {
  grid_.check();
  survey_.check();
  require(!survey.pairs.empty(), ErrorCode::data, "the survey has no datum", "straight rays");
  const bool gaussian = options.kernel == RayKernel::gaussian;
  require(!gaussian || grid.flat(), ErrorCode::config, "the gaussian ray kernel is two-dimensional", "straight rays");
  require(options.width_cells > 0 && options.cutoff > 0, ErrorCode::config,
          "width and cutoff of the gaussian ray kernel must be positive", "straight rays");
  for (int a = 0; a < 3; ++a) {
    g_.n[a] = grid.size(a);
    g_.h[a] = grid.spacing_m(a);
    g_.corner[a] = grid.begin_m(a) - 0.5 * grid.spacing_m(a);
  }
  g_.kernel = options.kernel;
  g_.width = options.width_cells;
  g_.cutoff = options.cutoff;
  for (std::size_t i = 0; i < survey.sources.size(); ++i) {
    check_inside(g_, grid, survey.sources[i], "source " + std::to_string(i));
  }
  for (std::size_t i = 0; i < survey.receivers.size(); ++i) {
    check_inside(g_, grid, survey.receivers[i], "receiver " + std::to_string(i));
  }
  for (std::size_t p = 0; p < survey.pairs.size(); ++p) {
    const Point3 &a = survey.sources[static_cast<std::size_t>(survey.pairs[p].source)],
                 &b = survey.receivers[static_cast<std::size_t>(survey.pairs[p].receiver)];
    if (gaussian && std::fabs(a.x_m - b.x_m) < ray_face * g_.h[2]) {
      throw Error(ErrorCode::data,
                  "datum " + std::to_string(p) + ": the gaussian ray kernel needs source and receiver at different x",
                  "straight rays");
    }
    for (const Point3* e : {&a, &b}) {
      for (int k = 0; k < 3; ++k) host_rays_.push_back(k == 1 && grid.flat() ? 0.0 : e->at(k));
    }
  }
  if (options.sparse) {
    const SparseRows rows = matrix();
    matrix_ = upload(s, rows);
    transposed_ = upload(s, transpose(rows));
  } else {
    rays_ = to_device(s, host_rays_);
  }
}

template <class T>
typename StraightRays<T>::DeviceRows StraightRays<T>::upload(Stream& s, const SparseRows& rows) {
  return {rows.rows(), to_device(s, rows.start), to_device(s, rows.column),
          to_device(s, std::vector<T>(rows.weight.begin(), rows.weight.end()))};
}

template <class T>
SparseRows StraightRays<T>::matrix() const {
  SparseRows rows;
  rows.columns = grid_.cells();
  for (Index p = 0; p < survey_.data(); ++p) {
    const double* ray = host_rays_.data() + 6 * p;
    const RaySpan zs = ray_rows(g_, ray, 0), ys = ray_rows(g_, ray, 1);
    for (Index z = zs.begin; z < zs.end; ++z) {
      for (Index y = ys.begin; y < ys.end; ++y) ray_row(g_, ray, z, y, CollectRow{&rows, (z * g_.n[1] + y) * g_.n[2]});
    }
    rows.start.push_back(static_cast<Index>(rows.column.size()));
  }
  return rows;
}

template <class T>
Index StraightRays<T>::memory_bytes() const {
  const Index value = static_cast<Index>(sizeof(T)), index = static_cast<Index>(sizeof(Index));
  const Index tables = options_.sparse
                           ? matrix_.weight.size() * 2 * (value + index) + (survey_.data() + grid_.cells()) * index
                           : rays_.size() * static_cast<Index>(sizeof(double));
  return tables + (velocity() ? 2 * grid_.cells() * value : 0);
}

template <class T>
std::string StraightRays<T>::describe() const {
  char text[160];
  std::snprintf(text, sizeof text, "straight rays %d-D, %s kernel, %s, %lld data", grid_.flat() ? 2 : 3,
                options_.kernel == RayKernel::length ? "length" : "gaussian",
                options_.sparse ? "sparse matrix" : "matrix-free", static_cast<long long>(survey_.data()));
  return text;
}

template <class T>
void StraightRays<T>::apply(Stream& s, const T* slowness, T* data) const {
  if (options_.sparse) {
    sparse_apply(s, SparseApply<T>{matrix_.rows, matrix_.start.data(), matrix_.column.data(), matrix_.weight.data(),
                                   slowness, data, false});
  } else {
    ray_apply(s, RayApply<T>{g_, survey_.data(), rays_.data(), slowness, data});
  }
}

template <class T>
void StraightRays<T>::adjoint(Stream& s, const T* d_data, T* d_slowness) const {
  if (options_.sparse) {
    sparse_apply(s, SparseApply<T>{transposed_.rows, transposed_.start.data(), transposed_.column.data(),
                                   transposed_.weight.data(), d_data, d_slowness, true});
  } else {
    ray_adjoint(s, RayAdjoint<T>{g_, survey_.data(), rays_.data(), d_data, d_slowness});
  }
}

template <class T>
void StraightRays<T>::forward(Stream& s, const T* m, T* data, StraightRayState<T>& state) const {
  const Index n = grid_.cells();
  if (state.bad.empty()) state.bad = Buffer<T>(s, 2);
  if (velocity()) {
    if (state.slowness.empty()) state.slowness = Buffer<T>(s, n);
    unary_forward(s, UnaryForward<T>{UnaryKind::reciprocal, T(1), T(0), m, state.slowness.data(), n});
    count_outside(s, CountOutside<T>{m, T(0), T(1e30), state.bad.data(), n});
  } else {
    count_bad(s, CountBad<T>{m, state.bad.data(), n});
  }
  check_count(s, state.bad.data(), [this] {
    throw Error(ErrorCode::diverged,
                velocity() ? "the model holds a velocity that is not positive and finite; bound the field"
                           : "the model holds a slowness that is not finite; lower the learning rate",
                "straight rays");
  });
  apply(s, velocity() ? state.slowness.data() : m, data);
}

template <class T>
void StraightRays<T>::vjp(Stream& s, const T* m, const StraightRayState<T>& saved, const T* d_data, T* d_m) const {
  if (!velocity()) return adjoint(s, d_data, d_m);
  auto& state = const_cast<StraightRayState<T>&>(saved);  // work array only
  const Index n = grid_.cells();
  if (state.work.empty()) state.work = Buffer<T>(s, n);
  fill(s, Fill<T>{state.work.data(), T(0), n});
  adjoint(s, d_data, state.work.data());
  unary_chain(s, UnaryChain<T>{UnaryKind::reciprocal, T(1), T(0), m, state.work.data(), d_m, true, n});
}

template <class T>
void StraightRays<T>::jvp(Stream& s, const T* m, const StraightRayState<T>& saved, const T* t_m, T* t_data) const {
  if (!velocity()) return apply(s, t_m, t_data);
  auto& state = const_cast<StraightRayState<T>&>(saved);
  const Index n = grid_.cells();
  if (state.work.empty()) state.work = Buffer<T>(s, n);
  unary_chain(s, UnaryChain<T>{UnaryKind::reciprocal, T(1), T(0), m, t_m, state.work.data(), false, n});
  apply(s, state.work.data(), t_data);
}

template class StraightRays<float>;
template class StraightRays<double>;

}  // namespace terrane
