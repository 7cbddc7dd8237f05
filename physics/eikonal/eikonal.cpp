// SPDX-License-Identifier: MIT
#include "physics/eikonal/eikonal.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "kernels/kernels.hpp"

namespace terrane {

namespace {

constexpr double on_node = 1e-9;  // cells; closer positions are moved to the node
constexpr int selections = 2;     // of the sides at order 2
constexpr double rough = 1e-4;    // relative change that ends the first-order times which the first selection needs

bool runs_on_gpu(const Stream& s) {
  return s.device().kind == DeviceKind::cuda || s.device().kind == DeviceKind::emulated;
}

template <class T>
void resize(Stream& s, Buffer<T>& b, Index n) {
  if (b.size() != n) b = Buffer<T>(s, n);
}

}  // namespace

// Nodes of the cell around a position that are not air, with interpolation weights that sum to one.
template <class T>
struct Eikonal<T>::Corners {
  struct Node {
    Index at[3];
    double weight;
  };
  std::vector<Node> nodes;
};

template <class T>
Eikonal<T>::Eikonal(Stream& s, const Grid3& grid, const TravelSurvey& survey, const EikonalOptions& options)
    : grid_(grid), survey_(survey), options_(options) {
  grid_.check();
  survey_.check();
  require(options.order == 1 || options.order == 2, ErrorCode::config, "the order of the eikonal scheme is 1 or 2",
          "eikonal");
  // Its schedule updates all nodes at once, which does not always settle for the one-sided second differences.
  require(options.order == 1 || s.device().kind != DeviceKind::cuda, ErrorCode::config,
          "order 2 is not available on a GPU in this version: set the order to 1, or use the CPU", "eikonal");
  require(options.max_sweeps > 0 && options.tolerance >= 0, ErrorCode::config,
          "max_sweeps must be positive and the tolerance not negative", "eikonal");
  require(options.air.empty() || static_cast<Index>(options.air.size()) == grid.cells(), ErrorCode::config,
          "the air mask must have one value for each node of the grid", "eikonal");
  require(!survey.sources.empty() && !survey.pairs.empty(), ErrorCode::data, "the survey has no source or no datum",
          "eikonal");
  g_.axes = grid.flat() ? 2 : 3;
  g_.factored = options.factored;
  const Index ghosts = 2 * eikonal_ghosts;
  const Index sizes[3] = {grid.flat() ? 1 : grid.nz, grid.flat() ? grid.nz : grid.ny, grid.nx};
  std::copy(sizes, sizes + 3, g_.n);
  g_.stride[1] = grid.nx + ghosts;
  g_.stride[0] = g_.stride[1] * (g_.n[1] + ghosts);
  g_.points = grid.flat() ? g_.stride[0] : g_.stride[0] * (g_.n[0] + ghosts);
  g_.origin = eikonal_ghosts * (1 + g_.stride[1] + (grid.flat() ? 0 : g_.stride[0]));
  groups_ = (static_cast<Index>(survey.sources.size()) + eikonal_lanes<T> - 1) / eikonal_lanes<T>;
  const double h[3] = {grid.dz_m, grid.flat() ? grid.dz_m : grid.dy_m, grid.dx_m};
  length_m_ = std::max({h[0], h[1], h[2]});
  for (int a = 0; a < 3; ++a) k_[a] = static_cast<T>(length_m_ / h[a]);

  std::vector<std::uint8_t> closed(static_cast<std::size_t>(g_.points), 1);
  for (Index i = 0; i < grid.cells(); ++i) {
    const bool air = !options.air.empty() && options.air[static_cast<std::size_t>(i)] != 0;
    closed[static_cast<std::size_t>(g_.point(i))] = air ? 1 : 0;
  }
  closed_ = to_device(s, closed);
  make_offsets(s);
  make_sources(s);
  make_pairs(s);
}

// Distances along each axis between the nodes and the source of each lane; lanes without a source repeat the last.
template <class T>
void Eikonal<T>::make_offsets(Stream& s) {
  const Index lanes = eikonal_lanes<T>, sources = static_cast<Index>(survey_.sources.size());
  for (int a = 3 - g_.axes; a < 3; ++a) {
    const int axis = g_.axes == 2 && a == 1 ? 0 : a;
    std::vector<T> d;
    for (Index k = 0; k < groups_; ++k) {
      for (Index i = 0; i < g_.n[a]; ++i) {
        for (Index l = 0; l < lanes; ++l) {
          const Point3& p = survey_.sources[static_cast<std::size_t>(std::min(k * lanes + l, sources - 1))];
          double at = (p.at(axis) - grid_.begin_m(axis)) / grid_.spacing_m(axis);
          if (std::fabs(at - std::round(at)) < on_node) at = std::round(at);
          const double cells = static_cast<double>(i) - at;
          d.push_back(g_.factored ? static_cast<T>(cells * grid_.spacing_m(axis) / length_m_) : T(0));
        }
      }
    }
    offset_[a] = to_device(s, d);
  }
}

template <class T>
typename Eikonal<T>::Corners Eikonal<T>::corners(const Point3& p, const std::string& what) const {
  Index low[3] = {0, 0, 0};
  double fraction[3] = {0, 0, 0};
  for (int axis = 0; axis < 3; ++axis) {
    const Index n = grid_.size(axis);
    if (axis == 1 && grid_.flat()) continue;
    double at = (p.at(axis) - grid_.begin_m(axis)) / grid_.spacing_m(axis);
    if (std::fabs(at - std::round(at)) < on_node) at = std::round(at);
    if (!(at >= 0 && at <= static_cast<double>(n - 1))) {
      char text[160];
      std::snprintf(text, sizeof text, " lies outside the grid, %s %g..%g m; move it or enlarge the grid",
                    axis == 0   ? "z"
                    : axis == 1 ? "y"
                                : "x",
                    grid_.begin_m(axis), grid_.end_m(axis));
      throw Error(ErrorCode::data, what + " at " + to_string(p) + text, "eikonal");
    }
    low[axis] = std::min(static_cast<Index>(at), std::max<Index>(n - 2, 0));
    fraction[axis] = at - static_cast<double>(low[axis]);
  }
  Corners c;
  double total = 0;
  for (int corner = 0; corner < 8; ++corner) {
    typename Corners::Node node{{0, 0, 0}, 1};
    for (int axis = 0; axis < 3; ++axis) {
      const bool up = (corner >> (2 - axis) & 1) != 0;
      node.at[axis] = low[axis] + (up ? 1 : 0);
      node.weight *= up ? fraction[axis] : 1 - fraction[axis];
    }
    if (!(node.weight > 0)) continue;
    const Index i = (node.at[0] * grid_.ny + node.at[1]) * grid_.nx + node.at[2];
    if (!options_.air.empty() && options_.air[static_cast<std::size_t>(i)] != 0) continue;
    total += node.weight;
    c.nodes.push_back(node);
  }
  if (c.nodes.empty()) {
    throw Error(ErrorCode::data,
                what + " at " + to_string(p) + " lies in the air; move it to the ground or correct the topography",
                "eikonal");
  }
  for (auto& node : c.nodes) node.weight /= total;
  return c;
}

template <class T>
void Eikonal<T>::make_sources(Stream& s) {
  std::vector<Index> start{0}, nodes;
  std::vector<T> factor, weight;
  for (std::size_t i = 0; i < survey_.sources.size(); ++i) {
    const Point3& p = survey_.sources[i];
    for (const auto& node : corners(p, "source " + std::to_string(i)).nodes) {
      double r2 = 0;
      for (int axis = 0; axis < 3; ++axis) {
        if (axis == 1 && grid_.flat()) continue;
        const double d = grid_.begin_m(axis) + static_cast<double>(node.at[axis]) * grid_.spacing_m(axis) - p.at(axis);
        r2 += d * d;
      }
      nodes.push_back(g_.axes == 2 ? g_.at(0, node.at[0], node.at[2]) : g_.at(node.at[0], node.at[1], node.at[2]));
      factor.push_back(g_.factored ? T(1) : static_cast<T>(std::sqrt(r2) / length_m_));
      weight.push_back(static_cast<T>(node.weight));
    }
    start.push_back(static_cast<Index>(nodes.size()));
  }
  seed_start_ = to_device(s, start);
  seed_node_ = to_device(s, nodes);
  seed_factor_ = to_device(s, factor);
  seed_weight_ = to_device(s, weight);
}

template <class T>
void Eikonal<T>::make_pairs(Stream& s) {
  const Index lanes = eikonal_lanes<T>;
  std::vector<Corners> at;
  for (std::size_t j = 0; j < survey_.receivers.size(); ++j) {
    at.push_back(corners(survey_.receivers[j], "receiver " + std::to_string(j)));
  }
  std::vector<Index> entry{0}, offset, start(survey_.sources.size() + 1, 0), order(survey_.pairs.size());
  std::vector<T> weight;
  for (const TravelPair& pair : survey_.pairs) {
    const Point3 &from = survey_.sources[static_cast<std::size_t>(pair.source)],
                 &to = survey_.receivers[static_cast<std::size_t>(pair.receiver)];
    const double dy = grid_.flat() ? 0 : to.y_m - from.y_m;
    const double r =
        std::sqrt((to.x_m - from.x_m) * (to.x_m - from.x_m) + dy * dy + (to.z_m - from.z_m) * (to.z_m - from.z_m));
    const double scale = g_.factored ? r : length_m_;
    for (const auto& node : at[static_cast<std::size_t>(pair.receiver)].nodes) {
      const Index point = g_.axes == 2 ? g_.at(0, node.at[0], node.at[2]) : g_.at(node.at[0], node.at[1], node.at[2]);
      offset.push_back((pair.source / lanes * g_.points + point) * lanes + pair.source % lanes);
      weight.push_back(static_cast<T>(scale * node.weight));
    }
    entry.push_back(static_cast<Index>(offset.size()));
    ++start[static_cast<std::size_t>(pair.source) + 1];
  }
  for (std::size_t i = 1; i < start.size(); ++i) start[i] += start[i - 1];
  std::vector<Index> next(start.begin(), start.end() - 1);
  for (std::size_t p = 0; p < survey_.pairs.size(); ++p) {
    order[static_cast<std::size_t>(next[static_cast<std::size_t>(survey_.pairs[p].source)]++)] = static_cast<Index>(p);
  }
  entry_ = to_device(s, entry);
  entry_offset_ = to_device(s, offset);
  entry_weight_ = to_device(s, weight);
  pair_start_ = to_device(s, start);
  pair_order_ = to_device(s, order);
}

template <class T>
Index Eikonal<T>::memory_bytes(bool gradient) const {
  const Index value = static_cast<Index>(sizeof(T));
  return values() * (value + 1) + g_.points * (value + 1) + (gradient ? values() * 2 * value + g_.points * value : 0);
}

template <class T>
std::string Eikonal<T>::describe() const {
  char text[200];
  std::snprintf(text, sizeof text, "eikonal %d-D, order %d, %s, %zu sources in %lld groups, %lld data, %.1f MB",
                g_.axes, options_.order, g_.factored ? "factored" : "unfactored", survey_.sources.size(),
                static_cast<long long>(groups_), static_cast<long long>(survey_.data()),
                static_cast<double>(memory_bytes(true)) / 1e6);
  return text;
}

template <class T>
EikonalSetup<T> Eikonal<T>::setup(const EikonalState<T>& state) const {
  EikonalSetup<T> a;
  a.g = g_;
  a.groups = groups_;
  for (int k = 0; k < 3; ++k) {
    a.k[k] = k_[k];
    a.offset[k] = offset_[k].data();
  }
  a.slowness = state.slowness.data();
  a.stencil = state.stencil.data();
  return a;
}

template <class T>
EikonalSeed<T> Eikonal<T>::seed(EikonalSeedMode mode) const {
  EikonalSeed<T> a{};
  a.mode = mode;
  a.sources = static_cast<Index>(survey_.sources.size());
  a.points = g_.points;
  a.start = seed_start_.data();
  a.node = seed_node_.data();
  a.factor = seed_factor_.data();
  a.weight = seed_weight_.data();
  return a;
}

template <class T>
EikonalRecord<T> Eikonal<T>::record() const {
  return {survey_.data(), entry_.data(), entry_offset_.data(), entry_weight_.data(), nullptr, nullptr, false};
}

// GPU schedules iterate between arrays; CPU schedules need none.
template <class T>
T* Eikonal<T>::scratch(Stream& s, EikonalState<T>& state, Index arrays) const {
  if (!runs_on_gpu(s)) return nullptr;
  if (state.scratch.size() < arrays * values() + 1) state.scratch = Buffer<T>(s, arrays * values() + 1);
  return state.scratch.data();
}

template <class T>
void Eikonal<T>::check_sweeps(Stream& s, EikonalState<T>& state, const char* what) const {
  state.most_sweeps = 0;
  for (const T n : to_host(s, state.sweeps)) {
    if (n < T(0)) {
      throw Error(ErrorCode::failed,
                  std::string(what) + " did not converge in " + std::to_string(options_.max_sweeps) +
                      " sweeps; use \"order\": 1, raise max_sweeps, or smooth the model",
                  "eikonal");
    }
    state.most_sweeps = std::max(state.most_sweeps, static_cast<Index>(n));
  }
}

template <class T>
void Eikonal<T>::solve(Stream& s, EikonalState<T>& state, bool frozen) const {
  const double rounding = static_cast<double>(std::numeric_limits<T>::epsilon());
  const double least = options_.order == 2 && !frozen ? rough : 16 * rounding;
  const T tolerance = static_cast<T>(std::max(options_.tolerance, least));
  eikonal_solve(s, EikonalSolve<T>{setup(state), frozen, tolerance, options_.max_sweeps, state.u.data(),
                                   state.sweeps.data(), scratch(s, state, 1)});
  check_sweeps(s, state, "the eikonal solver");
}

template <class T>
void Eikonal<T>::report_model(Stream& s, const T* m) const {
  const std::vector<T> host = to_host(s, m, grid_.cells());
  for (Index i = 0; i < grid_.cells(); ++i) {
    const auto v = static_cast<double>(host[static_cast<std::size_t>(i)]);
    const bool air = !options_.air.empty() && options_.air[static_cast<std::size_t>(i)] != 0;
    if (air || (std::isfinite(v) && v > 0)) continue;
    char text[256];
    std::snprintf(text, sizeof text,
                  "the model holds the %s %g at node (z %lld, y %lld, x %lld); it must be positive and finite: bound "
                  "the field or correct the start model",
                  velocity() ? "velocity" : "slowness", v, static_cast<long long>(i / (grid_.ny * grid_.nx)),
                  static_cast<long long>(i / grid_.nx % grid_.ny), static_cast<long long>(i % grid_.nx));
    throw Error(ErrorCode::diverged, text, "eikonal");
  }
  throw Error(ErrorCode::diverged, "the model holds slownesses outside (0, 1e9) s/m; check its unit", "eikonal");
}

template <class T>
void Eikonal<T>::check_data(Stream& s, const T* data) const {
  const std::vector<T> host = to_host(s, data, survey_.data());
  for (std::size_t p = 0; p < host.size(); ++p) {
    if (host[p] >= T(0)) continue;
    const TravelPair& pair = survey_.pairs[p];
    throw Error(ErrorCode::data,
                "receiver " + std::to_string(pair.receiver) + " at " +
                    to_string(survey_.receivers[static_cast<std::size_t>(pair.receiver)]) +
                    " cannot be reached from source " + std::to_string(pair.source) + " at " +
                    to_string(survey_.sources[static_cast<std::size_t>(pair.source)]) +
                    ": air lies between them; correct the topography or drop the datum",
                "eikonal");
  }
}

template <class T>
void Eikonal<T>::forward(Stream& s, const T* m, T* data, bool keep, EikonalState<T>& state) const {
  resize(s, state.u, values());
  resize(s, state.stencil, values());
  resize(s, state.slowness, g_.points);
  resize(s, state.bad, Index{1});
  resize(s, state.sweeps, groups_);
  state.kept = keep;
  eikonal_model(s, EikonalModel<T>{g_, velocity(), m, closed_.data(), state.slowness.data(), state.bad.data()});
  if (to_host(s, state.bad)[0] != T(0)) report_model(s, m);
  eikonal_start(s, EikonalStart<T>{g_, closed_.data(), state.u.data(), state.stencil.data(), groups_});
  EikonalSeed<T> start = seed(EikonalSeedMode::value);
  start.slowness = state.slowness.data();
  start.u = state.u.data();
  start.stencil = state.stencil.data();
  eikonal_seed(s, start);
  solve(s, state, false);
  for (int k = 0; options_.order == 2 && k < selections; ++k) {
    eikonal_select(s, EikonalSelect<T>{setup(state), 2, state.u.data()});
    solve(s, state, true);
  }
  if (options_.order == 1 && keep) eikonal_select(s, EikonalSelect<T>{setup(state), 1, state.u.data()});
  EikonalRecord<T> rec = record();
  rec.u = state.u.data();
  rec.data = data;
  eikonal_record(s, rec);
  check_data(s, data);
}

// u solves u_i = G_i(u, s) with the sides of the stencil, so (I - W) du = S ds with W = dG/du, S = dG/ds
// (upwind_weights) and data = R u. Hence d_s = S^T lambda, lambda = (I - W)^-T R^T d_data: the cotangents of the
// receivers travel upwind, each node passing W_ij of what it got to its upwind neighbours and keeping S_i of it as its
// share of the gradient, until everything has arrived at the nodes of the source, whose values are known functions of
// s.
template <class T>
void Eikonal<T>::vjp(Stream& s, const T*, const EikonalState<T>& saved, const T* d_data, T* d_m) const {
  require(saved.kept, ErrorCode::failed, "derivatives need a forward call that keeps its state", "eikonal");
  auto& state = const_cast<EikonalState<T>&>(saved);  // work arrays only
  resize(s, state.rho, values());
  resize(s, state.gs, values());
  fill(s, Fill<T>{state.rho.data(), T(0), values()});
  fill(s, Fill<T>{state.gs.data(), T(0), values()});
  eikonal_inject(s, EikonalInject<T>{static_cast<Index>(survey_.sources.size()), pair_start_.data(), pair_order_.data(),
                                     record(), d_data, state.rho.data()});
  eikonal_adjoint(s, EikonalAdjoint<T>{setup(state), state.u.data(), options_.max_sweeps, state.rho.data(),
                                       state.gs.data(), state.sweeps.data(), scratch(s, state, 2 + g_.axes)});
  check_sweeps(s, state, "the adjoint eikonal solver");
  EikonalSeed<T> end = seed(EikonalSeedMode::adjoint);
  end.u = state.rho.data();
  end.gs = state.gs.data();
  eikonal_seed(s, end);
  eikonal_gradient(
      s, EikonalGradient<T>{g_, groups_, velocity(), closed_.data(), state.slowness.data(), state.gs.data(), d_m});
}

template <class T>
void Eikonal<T>::jvp(Stream& s, const T*, const EikonalState<T>& saved, const T* t_m, T* t_data) const {
  require(saved.kept, ErrorCode::failed, "derivatives need a forward call that keeps its state", "eikonal");
  auto& state = const_cast<EikonalState<T>&>(saved);
  resize(s, state.rho, values());
  resize(s, state.t_slowness, g_.points);
  fill(s, Fill<T>{state.rho.data(), T(0), values()});
  eikonal_model_tangent(
      s, EikonalModelTangent<T>{g_, velocity(), closed_.data(), state.slowness.data(), t_m, state.t_slowness.data()});
  EikonalSeed<T> start = seed(EikonalSeedMode::tangent);
  start.slowness = state.t_slowness.data();
  start.u = state.rho.data();
  eikonal_seed(s, start);
  eikonal_tangent(s, EikonalTangent<T>{setup(state), state.u.data(), state.t_slowness.data(), options_.max_sweeps,
                                       state.rho.data(), state.sweeps.data(), scratch(s, state, 2 + g_.axes)});
  check_sweeps(s, state, "the tangent eikonal solver");
  EikonalRecord<T> rec = record();
  rec.u = state.rho.data();
  rec.data = t_data;
  rec.tangent = true;
  eikonal_record(s, rec);
}

template <class T>
std::vector<T> Eikonal<T>::times(Stream& s, const EikonalState<T>& state, Index source) const {
  require(source >= 0 && source < static_cast<Index>(survey_.sources.size()), ErrorCode::failed,
          "there is no source of this number", "eikonal");
  const Buffer<T> out(s, grid_.cells());
  eikonal_times(s, EikonalTimes<T>{setup(state), static_cast<T>(length_m_), source, state.u.data(), out.data()});
  return to_host(s, out);
}

template class Eikonal<float>;
template class Eikonal<double>;

}  // namespace terrane
