// SPDX-License-Identifier: MIT
#include "physics/resistivity/resistivity3d.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "kernels/runtime/error.hpp"
#include "physics/resistivity/resistivity3d_direct.hpp"

namespace terrane {

namespace {

const char* const where = "3-D resistivity";
// The top of the mesh in the middle of the electrodes.
Point3 middle_of(const DcSurvey& survey, double z_m) {
  Point3 low{HUGE_VAL, 0, HUGE_VAL}, high{-HUGE_VAL, 0, -HUGE_VAL};
  for (const Point3& p : survey.electrodes) {
    low = {std::min(low.x_m, p.x_m), 0, std::min(low.y_m, p.y_m)};
    high = {std::max(high.x_m, p.x_m), 0, std::max(high.y_m, p.y_m)};
  }
  return {(low.x_m + high.x_m) / 2, z_m, (low.y_m + high.y_m) / 2};
}

}  // namespace

template <class T>
Resistivity3d<T>::Resistivity3d(Stream& s, const TensorMesh3& mesh, const DcSurvey& survey,
                                const Resistivity3dOptions& options)
    : mesh_(mesh), survey_(survey), options_(options) {
  mesh_.check();
  survey_.check(false);
  core_ = options_.core.value_or(MeshCore3::all(mesh_));
  check_options();
  hierarchy_ = std::make_shared<DcHierarchy>(mesh_, options_.origin.value_or(middle_of(survey_, mesh_.z_m.front())));
  make_cells();
  make_poles();
  if (options_.remove_singularity) correction_ = make_correction(s);
}

template <class T>
DcCorrection Resistivity3d<T>::make_correction(Stream& s) const {
  const DcLevel& l = hierarchy_->levels[0];
  Resistivity3dState unit;
  unit.sigma.assign(at(mesh_.cells()), 1.0);
  const std::vector<double> between = solve(s, false, unit);
  std::vector<DcCorrection::Weights> near(pole_.size());
  std::vector<double> cell_m(pole_.size());
  for (std::size_t e = 0; e < near.size(); ++e) {
    if (pole_[e] < 0) continue;
    const DcPoint& p = points_[at(pole_[e])];
    for (int i = 0; i < 8 && p.weight[i] > 0; ++i) {
      Index node[3] = {p.node[i] / l.step[0], p.node[i] % l.step[0] / l.step[1], p.node[i] % l.step[1]};
      std::vector<Index> around;
      for (int corner = 0; corner < 8; ++corner) {
        const Index z = node[0] - (corner >> 2), y = node[1] - (corner >> 1 & 1), x = node[2] - (corner & 1);
        if (z < 0 || y < 0 || x < 0 || z >= l.n[0] || y >= l.n[1] || x >= l.n[2]) continue;
        around.push_back(l.cell(z, y, x));
        cell_m[e] = std::max({cell_m[e], l.h_m[0][at(z)], l.h_m[1][at(y)], l.h_m[2][at(x)]});
      }
      for (const Index c : around) near[e].emplace_back(c, p.weight[i] / static_cast<double>(around.size()));
    }
  }
  return DcCorrection(survey_, mesh_.z_m.front(), std::move(near), cell_m,
                      [&](Index m, Index a) { return between[pair(m, a)]; });
}

template <class T>
void Resistivity3d<T>::check_options() const {
  require(core_.row0 >= 0 && core_.row1 <= mesh_.nz() && core_.line0 >= 0 && core_.line1 <= mesh_.ny() &&
              core_.column0 >= 0 && core_.column1 <= mesh_.nx() && core_.rows() > 0 && core_.lines() > 0 &&
              core_.columns() > 0,
          ErrorCode::config, "the core must be a part of the mesh with at least one cell", where);
  require(options_.padding != DcPadding::frozen || core_.cells() == mesh_.cells() ||
              (std::isfinite(options_.padding_siemens_per_m) && options_.padding_siemens_per_m > 0),
          ErrorCode::config, "frozen padding needs a positive conductivity: give it in S/m, or extend the core", where);
  require(options_.air.empty() || static_cast<Index>(options_.air.size()) == mesh_.cells(), ErrorCode::config,
          "the air mask must have one value for each cell of the mesh", where);
  require(options_.tolerance > 0 && options_.tolerance < 1 && options_.most_steps > 0, ErrorCode::config,
          "the tolerance of the solver must lie between 0 and 1 and its number of steps must be positive", where);
  const bool flat = std::none_of(options_.air.begin(), options_.air.end(), [](std::uint8_t a) { return a != 0; });
  require(!options_.remove_singularity || flat, ErrorCode::config,
          "the removal of the singularity refers to a half-space with a flat surface; leave it off where there is air",
          where);
  require(DcLevelArray<double>::size(DcLevel({std::vector<double>(at(mesh_.nz())), std::vector<double>(at(mesh_.ny())),
                                              std::vector<double>(at(mesh_.nx()))}),
                                     1) < (Index{1} << 31),
          ErrorCode::config, "the mesh has more nodes than 32-bit numbers", where);
}

// The core cell whose value a cell outside the core continues: the nearest one, or the nearest one of its column that
// is no air, first downwards; -1 where the whole column is air.
template <class T>
Index Resistivity3d<T>::continued(Index z, Index y, Index x) const {
  const Index line = std::clamp(y, core_.line0, core_.line1 - 1);
  const Index column = std::clamp(x, core_.column0, core_.column1 - 1);
  const auto air = [&](Index row) { return is_air((row * mesh_.ny() + line) * mesh_.nx() + column); };
  const Index nearest = std::clamp(z, core_.row0, core_.row1 - 1);
  Index row = nearest;
  while (row < core_.row1 && air(row)) ++row;
  if (row == core_.row1) row = nearest - 1;
  while (row >= core_.row0 && air(row)) --row;
  if (row < core_.row0) return -1;
  return ((row - core_.row0) * core_.lines() + line - core_.line0) * core_.columns() + column - core_.column0;
}

template <class T>
void Resistivity3d<T>::make_cells() {
  const DcLevel& l = hierarchy_->levels[0];
  core_of_cell_.assign(at(mesh_.cells()), frozen_cell);
  ground_.assign(at(l.nodes), 0);
  bool any = false;
  for (Index z = 0; z < mesh_.nz(); ++z) {
    for (Index y = 0; y < mesh_.ny(); ++y) {
      for (Index x = 0; x < mesh_.nx(); ++x) {
        Index& of = core_of_cell_[at(l.cell(z, y, x))];
        if (is_air(l.cell(z, y, x))) {
          of = air_cell;
          continue;
        }
        for (int corner = 0; corner < 8; ++corner) {
          ground_[at(l.node(z + (corner >> 2), y + (corner >> 1 & 1), x + (corner & 1)))] = 1;
        }
        const bool inside = z >= core_.row0 && z < core_.row1 && y >= core_.line0 && y < core_.line1 &&
                            x >= core_.column0 && x < core_.column1;
        any = any || inside;
        if (!inside && options_.padding == DcPadding::frozen) continue;
        of = continued(z, y, x);
        require(of >= 0, ErrorCode::config,
                "a column of the core is all air, so that the padding beside it cannot continue it; enlarge the core",
                where);
      }
    }
  }
  require(any, ErrorCode::config, "the core of the mesh is all air", where);
}

template <class T>
void Resistivity3d<T>::make_poles() {
  std::vector<char> used(survey_.electrodes.size());
  for (const DcDatum& d : survey_.data) {
    for (const Index e : {d.a, d.b, d.m, d.n}) {
      if (e >= 0) used[at(e)] = 1;
    }
  }
  pole_.assign(used.size(), -1);
  for (std::size_t e = 0; e < used.size(); ++e) {
    const DcPoint p = point(survey_.electrodes[e], "electrode " + std::to_string(e));
    if (used[e] == 0) continue;
    pole_[e] = poles();
    points_.push_back(p);
  }
}

template <class T>
DcPoint Resistivity3d<T>::point(const Point3& p, const std::string& name) const {
  Index cell[3];
  double in[3];
  for (int a = 0; a < 3; ++a) {
    if (locate_cell(mesh_.nodes_m(a), p.at(a), cell[a], in[a])) continue;
    char text[240];
    std::snprintf(text, sizeof text,
                  " lies outside the mesh, x %g..%g m, y %g..%g m, z %g..%g m (z down); move it or enlarge the mesh",
                  mesh_.x_m.front(), mesh_.x_m.back(), mesh_.y_m.front(), mesh_.y_m.back(), mesh_.z_m.front(),
                  mesh_.z_m.back());
    throw Error(ErrorCode::data, name + " at " + to_string(p) + text, where);
  }
  DcPoint out;
  int count = 0;
  double total = 0;
  for (int corner = 0; corner < 8; ++corner) {
    double weight = 1;
    Index index[3];
    for (int a = 0; a < 3; ++a) {
      const bool far = (corner >> a & 1) != 0;
      weight *= far ? in[a] : 1 - in[a];
      index[a] = cell[a] + (far ? 1 : 0);
    }
    const Index n = hierarchy_->levels[0].node(index[0], index[1], index[2]);
    if (!(weight > 0) || ground_[at(n)] == 0) continue;
    out.node[count] = static_cast<std::int32_t>(n);
    out.weight[count++] = weight;
    total += weight;
  }
  if (count == 0) {
    throw Error(ErrorCode::data,
                name + " at " + to_string(p) + " lies in the air; put it on the ground or correct the topography",
                where);
  }
  for (int i = 0; total != 1 && i < count; ++i) out.weight[i] /= total;
  for (int i = count; i < 8; ++i) out.node[i] = out.node[0];
  return out;
}

template <class T>
Index Resistivity3d<T>::memory_bytes() const {
  const DcLevel& l = hierarchy_->levels[0];
  const Index fields = DcLevelArray<double>::size(l, dc_batch) * batches() + 4 * l.nodes;
  return static_cast<Index>(sizeof(double)) * fields + DcSolver::memory_bytes(*hierarchy_);
}

template <class T>
std::string Resistivity3d<T>::describe() const {
  char text[240];
  std::snprintf(
      text, sizeof text, "3-D resistivity, %lld x %lld x %lld cells (core %lld x %lld x %lld), %lld poles, %s, %.0f MB",
      static_cast<long long>(mesh_.nz()), static_cast<long long>(mesh_.ny()), static_cast<long long>(mesh_.nx()),
      static_cast<long long>(core_.rows()), static_cast<long long>(core_.lines()),
      static_cast<long long>(core_.columns()), static_cast<long long>(poles()),
      options_.solution == DcSolution::direct
          ? "direct solver"
          : ("multigrid of " + std::to_string(hierarchy_->levels.size()) + " levels").c_str(),
      static_cast<double>(memory_bytes()) / 1e6);
  return text;
}

// Values of the core on the mesh; 0 elsewhere.
template <class T>
std::vector<double> Resistivity3d<T>::spread(const std::vector<double>& core) const {
  std::vector<double> out(at(mesh_.cells()));
  for (std::size_t c = 0; c < out.size(); ++c) {
    if (core_of_cell_[c] >= 0) out[c] = core[at(core_of_cell_[c])];
  }
  return out;
}

template <class T>
void Resistivity3d<T>::set_model(const std::vector<T>& m, Resistivity3dState& state) const {
  std::vector<double> core(m.size());
  state.slope.assign(m.size(), 0.0);
  for (std::size_t i = 0; i < m.size(); ++i) {
    const Index column = static_cast<Index>(i) % core_.columns(), rest = static_cast<Index>(i) / core_.columns();
    const Index line = rest % core_.lines(), row = rest / core_.lines();
    if (is_air(((core_.row0 + row) * mesh_.ny() + core_.line0 + line) * mesh_.nx() + core_.column0 + column)) continue;
    const auto v = static_cast<double>(m[i]);
    if (dc_conductivity(options_.property, v, core[i], state.slope[i])) continue;
    char text[240];
    std::snprintf(text, sizeof text,
                  "the model holds the %s %g in cell (row %lld, line %lld, column %lld) of its core; the conductivity "
                  "must be positive and finite: bound the field or correct the start model",
                  unit_of(options_.property), v, static_cast<long long>(row), static_cast<long long>(line),
                  static_cast<long long>(column));
    throw Error(ErrorCode::diverged, text, where);
  }
  state.sigma = spread(core);
  for (std::size_t c = 0; c < state.sigma.size(); ++c) {
    if (core_of_cell_[c] == frozen_cell) state.sigma[c] = options_.padding_siemens_per_m;
  }
}

// Place of a pair of electrodes in a matrix (potential pole, current pole).
template <class T>
std::size_t Resistivity3d<T>::pair(Index e, Index c) const {
  return at(pole_[at(e)] * batches() * dc_batch + pole_[at(c)]);
}

template <class T>
std::vector<double> Resistivity3d<T>::data_of(const std::vector<double>& between) const {
  std::vector<double> out;
  for (const DcDatum& d : survey_.data) {
    double sum = 0;
    for_each_pole_pair(d, [&](Index e, Index c, double sign) { sum += sign * between[pair(e, c)]; });
    out.push_back(sum);
  }
  return out;
}

// Solves all poles for state.sigma. Returns the potential at pole p of pole r (poles, 16 batches). With the residual
// R_r = q_r - A U_r it is taken as q_p . U_r + U_p . R_r, whose error is the product of the errors of U_p and U_r; that
// is symmetric in p and r, so a batch needs the ones before it only.
template <class T>
std::vector<double> Resistivity3d<T>::solve(Stream& s, bool keep, Resistivity3dState& state) const {
  const DcLevel& l = hierarchy_->levels[0];
  const Index columns = batches() * dc_batch;
  const bool iterate = options_.solution == DcSolution::multigrid;
  state.kept = false;
  if (state.solver == nullptr) state.solver = std::make_unique<DcSolver>(s, hierarchy_);
  if (keep && state.products.empty()) {
    state.products = Buffer<double>(s, 4 * l.nodes);
    state.mixture = Buffer<double>(s, dc_batch * dc_batch);
  }
  while (static_cast<Index>(state.potential.size()) < batches()) state.potential.emplace_back(s, l, dc_batch);
  std::unique_ptr<DcDirect> direct;
  if (iterate) {
    state.solver->set_medium(s, state.sigma);
  } else {
    DcCoefficients c;
    assemble(*hierarchy_, state.sigma, c);
    direct = std::make_unique<DcDirect>(l, c);
  }
  std::vector<double> between(at(columns * columns));
  state.steps = 0;
  for (Index b = 0; b < batches(); ++b) {
    const DcPoint* sources = points_.data() + b * dc_batch;
    const Index count = std::min(dc_batch, poles() - b * dc_batch);
    const DcLevelArray<double>& u = state.potential[at(b)];
    if (iterate) {
      const Index steps = state.solver->solve(s, sources, count, options_.tolerance, options_.most_steps, u.data());
      state.steps = std::max(state.steps, steps);
    } else {
      u.set(s, direct->solve(sources, count));
    }
    const std::vector<double> sampled = state.solver->sample(s, points_, u.data());
    for (Index a = 0; a <= b; ++a) {
      const std::vector<double> rest =
          iterate ? state.solver->gram(s, state.potential[at(a)].data(), state.solver->residual())
                  : std::vector<double>(at(dc_batch * dc_batch));
      for (Index p = a * dc_batch; p < std::min((a + 1) * dc_batch, poles()); ++p) {
        for (Index r = 0; r < count; ++r) {
          const double v = sampled[at(p * dc_batch + r)] + rest[at((p - a * dc_batch) * dc_batch + r)];
          between[at(p * columns + b * dc_batch + r)] = v;
          if (a < b) between[at((b * dc_batch + r) * columns + p)] = v;
        }
      }
    }
  }
  state.kept = keep;
  if (!keep) state.potential.clear();
  return between;
}

template <class T>
void Resistivity3d<T>::forward(Stream& s, const T* m, T* data, bool keep, Resistivity3dState& state) const {
  set_model(to_host(s, m, core_.cells()), state);
  std::vector<double> values = data_of(solve(s, keep, state));
  if (!correction_.empty()) correction_.add(state.sigma, values);
  const std::vector<T> out(values.begin(), values.end());
  copy(s, std::span<const T>(out), data);
}

template <class T>
void Resistivity3d<T>::require_kept(const Resistivity3dState& state) const {
  require(state.kept, ErrorCode::failed, "derivatives need a forward call that keeps its state", where);
}

// With A(sigma) U = Q, A symmetric and phi = Q^T U: d phi = -U^T dA U. Collecting the cotangents of all data in a
// matrix Y (potential pole, current pole) and P = U Y,
//   d_sigma = -(transpose of assemble)( sum over the poles of (diff P)(diff U) per edge, of P U per node )
template <class T>
void Resistivity3d<T>::vjp(Stream& s, const T*, const Resistivity3dState& state, const T* d_data, T* d_m) const {
  require_kept(state);
  const std::vector<T> given = to_host(s, d_data, survey_.size());
  const std::vector<double> d(given.begin(), given.end());
  const Index columns = batches() * dc_batch;
  std::vector<double> y(at(columns * columns));
  for (std::size_t i = 0; i < d.size(); ++i) {
    for_each_pole_pair(survey_.data[i], [&](Index e, Index c, double sign) { y[pair(e, c)] += sign * d[i]; });
  }
  const DcLevel& l = hierarchy_->levels[0];
  double* p = state.solver->spare(0);
  fill(s, Fill<double>{state.products.data(), 0.0, 4 * l.nodes});
  for (Index b = 0; b < batches(); ++b) {
    fill(s, Fill<double>{p, 0.0, l.nodes * dc_batch});
    for (Index a = 0; a < batches(); ++a) {
      std::vector<double> block;
      for (Index i = 0; i < dc_batch; ++i) {
        const auto from = y.begin() + (a * dc_batch + i) * columns + b * dc_batch;
        block.insert(block.end(), from, from + dc_batch);
      }
      copy(s, std::span<const double>(block), state.mixture.data());
      poisson_mix(s, PoissonMix<double>{state.potential[at(a)].data(), state.mixture.data(), p, l.nodes});
    }
    poisson_products(s, PoissonProducts<double>{p, state.potential[at(b)].data(), l.step[1], l.step[0], l.nodes,
                                                state.products.data()});
  }
  const std::vector<double> g = assemble_transpose(*hierarchy_, to_host(s, state.products.data(), 4 * l.nodes));
  std::vector<double> core(at(core_.cells()));
  for (std::size_t c = 0; c < g.size(); ++c) {
    if (core_of_cell_[c] >= 0) core[at(core_of_cell_[c])] -= g[c];
  }
  if (!correction_.empty()) {
    correction_.adjoint(state.sigma, d, [&](Index cell, double v) {
      if (core_of_cell_[at(cell)] >= 0) core[at(core_of_cell_[at(cell)])] += v;
    });
  }
  std::vector<T> out = to_host(s, d_m, core_.cells());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] += static_cast<T>(core[i] * state.slope[i]);
  copy(s, std::span<const T>(out), d_m);
}

template <class T>
void Resistivity3d<T>::jvp(Stream& s, const T*, const Resistivity3dState& state, const T* t_m, T* t_data) const {
  require_kept(state);
  const std::vector<T> t = to_host(s, t_m, core_.cells());
  std::vector<double> core(t.size());
  for (std::size_t i = 0; i < core.size(); ++i) core[i] = static_cast<double>(t[i]) * state.slope[i];
  DcCoefficients c;
  const std::vector<double> t_sigma = spread(core);
  assemble(*hierarchy_, t_sigma, c);
  DcSolver& solver = *state.solver;
  solver.set_coefficients(s, c);
  const Index columns = batches() * dc_batch;
  std::vector<double> between(at(columns * columns));
  for (Index b = 0; b < batches(); ++b) {
    solver.apply(s, state.potential[at(b)].data(), solver.spare(0));
    for (Index a = 0; a < batches(); ++a) {
      const std::vector<double> block = solver.gram(s, state.potential[at(a)].data(), solver.spare(0));
      for (Index i = 0; i < dc_batch; ++i) {
        std::copy_n(block.begin() + i * dc_batch, dc_batch,
                    between.begin() + (a * dc_batch + i) * columns + b * dc_batch);
      }
    }
  }
  std::vector<double> values = data_of(between);
  for (double& v : values) v = -v;
  if (!correction_.empty()) correction_.add_tangent(state.sigma, t_sigma, values);
  const std::vector<T> out(values.begin(), values.end());
  copy(s, std::span<const T>(out), t_data);
}

template class Resistivity3d<float>;
template class Resistivity3d<double>;

}  // namespace terrane
