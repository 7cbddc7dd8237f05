// SPDX-License-Identifier: MIT
#include "physics/resistivity/resistivity.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>

#include "kernels/runtime/error.hpp"
#include "physics/resistivity/band_cholesky.hpp"
#include "physics/resistivity/pole_rows.hpp"

namespace terrane {

namespace {

using Vector = std::vector<double>;

}  // namespace

template <class T>
Resistivity<T>::Resistivity(const TensorMesh& mesh, const DcSurvey& survey, const ResistivityOptions& options)
    : mesh_(mesh),
      survey_(survey),
      property_(options.property),
      padding_(options.padding),
      padding_siemens_per_m_(options.padding_siemens_per_m),
      wavenumbers_(options.wavenumbers) {
  mesh_.check();
  survey_.check();
  core_ = options.core.value_or(MeshCore::all(mesh_));
  require(core_.row0 >= 0 && core_.row1 <= mesh_.nz() && core_.column0 >= 0 && core_.column1 <= mesh_.nx() &&
              core_.rows() > 0 && core_.columns() > 0,
          ErrorCode::config, "the core must be a part of the mesh with at least one cell", "resistivity");
  require(padding_ != DcPadding::frozen || core_.cells() == mesh_.cells() ||
              (std::isfinite(padding_siemens_per_m_) && padding_siemens_per_m_ > 0),
          ErrorCode::config, "frozen padding needs a positive conductivity: give it in S/m, or extend the core",
          "resistivity");
  if (wavenumbers_.k_per_m.empty()) wavenumbers_ = choose_wavenumbers(mesh_);
  wavenumbers_ = with_errors(std::move(wavenumbers_), mesh_.smallest_m() / 4, 4 * mesh_.extent_m());
  require(options.air.empty() || static_cast<Index>(options.air.size()) == mesh_.cells(), ErrorCode::config,
          "the air mask must have one value for each cell of the mesh", "resistivity");
  make_axes();
  make_cells(options.air);
  make_poles();
  const auto [least, most] = std::minmax_element(survey_.electrodes.begin(), survey_.electrodes.end(),
                                                 [](const Point3& a, const Point3& b) { return a.x_m < b.x_m; });
  make_faces(options.origin.value_or(DcOrigin{(least->x_m + most->x_m) / 2, mesh_.z_m.front()}));
  if (!options.remove_singularity) return;
  require(std::find(options.air.begin(), options.air.end(), std::uint8_t{1}) == options.air.end(), ErrorCode::config,
          "the removal of the singularity refers to a half-space with a flat surface; leave it off where there is air",
          "resistivity");
  correction_ = make_correction();
}

template <class T>
DcCorrection Resistivity<T>::make_correction() const {
  const Vector ones(at(mesh_.cells()), 1.0);
  BandCholesky a((fast_ + 1) * (slow_ + 1), fast_ + 1);
  Vector u, v, unit(at(static_cast<Index>(stencil_.size()) * columns_));
  for (Index j = 0; j < wavenumbers_.size(); ++j) {
    solve_poles(ones, wavenumbers_.k_per_m[at(j)], a, u);
    sample(u, v);
    for (std::size_t i = 0; i < unit.size(); ++i) unit[i] += wavenumbers_.weight_per_m[at(j)] * v[i];
  }
  std::vector<DcCorrection::Weights> near(pole_.size());
  Vector cell_m(pole_.size());
  for (std::size_t e = 0; e < near.size(); ++e) {
    if (pole_[e] < 0) continue;
    const Stencil& s = stencil_[at(pole_[e])];
    for (int i = 0; i < s.count; ++i) {
      const Index slow = s.node[i] / (fast_ + 1), fast = s.node[i] % (fast_ + 1);
      std::vector<Index> around;
      for (const Index b : {slow - 1, slow}) {
        for (const Index f : {fast - 1, fast}) {
          if (b < 0 || f < 0 || b >= slow_ || f >= fast_) continue;
          around.push_back(b * fast_ + f);
          cell_m[e] = std::max({cell_m[e], h_slow_[at(b)], h_fast_[at(f)]});
        }
      }
      for (const Index c : around) near[e].emplace_back(c, s.weight[i] / static_cast<double>(around.size()));
    }
  }
  return DcCorrection(survey_, mesh_.z_m.front(), std::move(near), cell_m,
                      [&](Index m, Index c) { return unit[at(pole_[at(m)] * columns_ + pole_[at(c)])]; });
}

// Columns of the solutions for the electrodes that are used, ordered along the slow axis.
template <class T>
void Resistivity<T>::make_poles() {
  std::vector<Stencil> of_electrode;
  std::vector<Index> first;
  for (std::size_t e = 0; e < survey_.electrodes.size(); ++e) {
    of_electrode.push_back(stencil(survey_.electrodes[e], "electrode " + std::to_string(e)));
    first.push_back(*std::min_element(of_electrode.back().node, of_electrode.back().node + of_electrode.back().count));
  }
  std::vector<char> used(of_electrode.size());
  for (const DcDatum& d : survey_.data) {
    for (const Index e : {d.a, d.b, d.m, d.n}) {
      if (e >= 0) used[at(e)] = 1;
    }
  }
  std::vector<Index> order;
  for (std::size_t e = 0; e < used.size(); ++e) {
    if (used[e] != 0) order.push_back(static_cast<Index>(e));
  }
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return first[at(a)] < first[at(b)]; });
  pole_.assign(used.size(), -1);
  for (const Index e : order) {
    pole_[at(e)] = static_cast<Index>(stencil_.size());
    if (pole_[at(e)] % BandCholesky::rhs_tile == 0) start_.push_back(first[at(e)]);
    stencil_.push_back(of_electrode[at(e)]);
  }
  columns_ = static_cast<Index>(start_.size()) * BandCholesky::rhs_tile;
}

template <class T>
void Resistivity<T>::make_axes() {
  z_fast_ = mesh_.nz() <= mesh_.nx();
  Vector wide, high;
  for (Index i = 0; i < mesh_.nx(); ++i) wide.push_back(mesh_.width_m(i));
  for (Index i = 0; i < mesh_.nz(); ++i) high.push_back(mesh_.height_m(i));
  h_fast_ = z_fast_ ? high : wide;
  h_slow_ = z_fast_ ? wide : high;
  fast_ = static_cast<Index>(h_fast_.size());
  slow_ = static_cast<Index>(h_slow_.size());
}

template <class T>
void Resistivity<T>::make_cells(const std::vector<std::uint8_t>& air) {
  const auto is_air = [&](Index z, Index x) { return !air.empty() && air[at(z * mesh_.nx() + x)] != 0; };
  core_of_cell_.assign(at(mesh_.cells()), frozen_cell);
  ground_.assign(at((fast_ + 1) * (slow_ + 1)), 0);
  bool any = false;
  for (Index z = 0; z < mesh_.nz(); ++z) {
    for (Index x = 0; x < mesh_.nx(); ++x) {
      Index& of = core_of_cell_[at(cell(z, x))];
      if (is_air(z, x)) {
        of = air_cell;
        continue;
      }
      for (const Index n : {node(z, x), node(z, x + 1), node(z + 1, x), node(z + 1, x + 1)}) ground_[at(n)] = 1;
      Index row = std::clamp(z, core_.row0, core_.row1 - 1);
      const Index column = std::clamp(x, core_.column0, core_.column1 - 1);
      const bool padding = row != z || column != x;
      any = any || !padding;
      if (padding && padding_ == DcPadding::frozen) continue;
      const Index clamped = row;  // the nearest cell of the core column that is no air, first downwards
      while (row < core_.row1 && is_air(row, column)) ++row;
      if (row == core_.row1) row = clamped - 1;
      while (row >= core_.row0 && is_air(row, column)) --row;
      require(row >= core_.row0, ErrorCode::config,
              "a column of the core is all air, so that the padding beside it cannot continue it; enlarge the core",
              "resistivity");
      of = (row - core_.row0) * core_.columns() + column - core_.column0;
    }
  }
  require(any, ErrorCode::config, "the core of the mesh is all air", "resistivity");
}

template <class T>
Index Resistivity<T>::cell(Index row, Index column) const {
  return z_fast_ ? column * fast_ + row : row * fast_ + column;
}
template <class T>
Index Resistivity<T>::node(Index z, Index x) const {
  return z_fast_ ? x * (fast_ + 1) + z : z * (fast_ + 1) + x;
}

template <class T>
void Resistivity<T>::make_faces(const DcOrigin& origin) {
  const auto add = [&](Index row, Index column, Index node0, Index node1, double length, double x, double z, double nx,
                       double nz) {
    const double dx = x - origin.x_m, dz = z - origin.z_m, r = std::hypot(dx, dz);
    const double cosine = (dx * nx + dz * nz) / r;
    require(r > 0 && cosine >= 0, ErrorCode::config,
            "the origin of the boundary condition must lie inside the mesh, away from its boundary", "resistivity");
    faces_.push_back({cell(row, column), {node0, node1}, length / 2, r, cosine});
  };
  const Vector &x = mesh_.x_m, &z = mesh_.z_m;
  const Index nz = mesh_.nz(), nx = mesh_.nx();
  for (Index i = 0; i < nz; ++i) {
    const double middle = (z[at(i)] + z[at(i + 1)]) / 2, h = mesh_.height_m(i);
    add(i, 0, node(i, 0), node(i + 1, 0), h, x.front(), middle, -1, 0);
    add(i, nx - 1, node(i, nx), node(i + 1, nx), h, x.back(), middle, 1, 0);
  }
  for (Index j = 0; j < nx; ++j) {
    const double middle = (x[at(j)] + x[at(j + 1)]) / 2;
    add(nz - 1, j, node(nz, j), node(nz, j + 1), mesh_.width_m(j), middle, z.back(), 0, 1);
  }
}

template <class T>
typename Resistivity<T>::Stencil Resistivity<T>::stencil(const Point3& p, const std::string& name) const {
  Index x = 0, z = 0;
  double fx = 0, fz = 0;
  if (!locate_cell(mesh_.x_m, p.x_m, x, fx) || !locate_cell(mesh_.z_m, p.z_m, z, fz)) {
    char text[200];
    std::snprintf(text, sizeof text,
                  " lies outside the mesh, x %g..%g m, z %g..%g m (z down); move it or enlarge the mesh",
                  mesh_.x_m.front(), mesh_.x_m.back(), mesh_.z_m.front(), mesh_.z_m.back());
    throw Error(ErrorCode::data, name + " at " + to_string(p) + text, "resistivity");
  }
  Stencil s{};
  double total = 0;
  for (int corner = 0; corner < 4; ++corner) {
    const bool right = (corner & 1) != 0, low = (corner & 2) != 0;
    const double weight = (right ? fx : 1 - fx) * (low ? fz : 1 - fz);
    const Index n = node(z + (low ? 1 : 0), x + (right ? 1 : 0));
    if (!(weight > 0) || ground_[at(n)] == 0) continue;
    s.node[s.count] = n;
    s.weight[s.count++] = weight;
    total += weight;
  }
  if (s.count == 0) {
    throw Error(ErrorCode::data,
                name + " at " + to_string(p) + " lies in the air; put it on the ground or correct the topography",
                "resistivity");
  }
  for (int i = 0; total != 1 && i < s.count; ++i) s.weight[i] /= total;
  return s;
}

template <class T>
Vector Resistivity<T>::face_factors(double k) const {
  Vector factors;
  for (const Face& f : faces_) {
    const double x = k * f.r_m, alpha = k * scaled_bessel_k(1, x) / scaled_bessel_k(0, x) * f.cosine;
    factors.push_back(f.half_length_m * alpha);
  }
  return factors;
}

template <class T>
typename Resistivity<T>::Coefficients Resistivity<T>::coefficients(Index c, double k) const {
  const double hs = h_slow_[at(c / fast_)], hf = h_fast_[at(c % fast_)];
  return {hs / (2 * hf), hf / (2 * hs), k * k * hs * hf / 4};
}

template <class T>
Index Resistivity<T>::memory_bytes(int threads) const {
  const Index nodes = BandCholesky::rows((fast_ + 1) * (slow_ + 1)), band = BandCholesky(1, fast_ + 1).stride();
  return static_cast<Index>(sizeof(double)) *
         (nodes * (columns_ * wavenumbers_.size() + band * threads) + mesh_.cells() * (2 + wavenumbers_.size()));
}

template <class T>
std::string Resistivity<T>::describe() const {
  char text[240];
  std::snprintf(text, sizeof text,
                "2.5-D resistivity, %lld x %lld cells (core %lld x %lld), %zu poles, %lld wavenumbers (error %.1e), "
                "half-bandwidth "
                "%lld, %.0f MB",
                static_cast<long long>(mesh_.nz()), static_cast<long long>(mesh_.nx()),
                static_cast<long long>(core_.rows()), static_cast<long long>(core_.columns()), stencil_.size(),
                static_cast<long long>(wavenumbers_.size()), wavenumbers_.rms_error, static_cast<long long>(fast_ + 1),
                static_cast<double>(memory_bytes()) / 1e6);
  return text;
}

template <class T>
void Resistivity<T>::set_model(const std::vector<T>& m, ResistivityState& state) const {
  Vector core(m.size());
  state.slope.assign(m.size(), 0.0);
  for (std::size_t i = 0; i < m.size(); ++i) {
    const Index row = static_cast<Index>(i) / core_.columns(), column = static_cast<Index>(i) % core_.columns();
    if (core_of_cell_[at(cell(core_.row0 + row, core_.column0 + column))] == air_cell) continue;
    const auto v = static_cast<double>(m[i]);
    double sigma = 0, slope = 0;
    if (!dc_conductivity(property_, v, sigma, slope)) {
      char text[240];
      std::snprintf(text, sizeof text,
                    "the model holds the %s %g in cell (row %lld, column %lld) of its core; the conductivity must be "
                    "positive and finite: bound the field or correct the start model",
                    unit_of(property_), v, static_cast<long long>(row), static_cast<long long>(column));
      throw Error(ErrorCode::diverged, text, "resistivity");
    }
    core[i] = sigma;
    state.slope[i] = slope;
  }
  state.sigma.resize(at(mesh_.cells()));
  for (std::size_t c = 0; c < state.sigma.size(); ++c) {
    const Index of = core_of_cell_[c];
    state.sigma[c] = of >= 0 ? core[at(of)] : of == frozen_cell ? padding_siemens_per_m_ : 0;
  }
}

// The lower band, node by node: with f the fast and s the slow axis, node i is coupled to i + 1 and i + width.
template <class T>
void Resistivity<T>::assemble(const Vector& sigma, double k, BandCholesky& a) const {
  a.clear();
  const Index width = fast_ + 1, stride = a.stride();
  double* band = a.matrix();
  for (Index c = 0; c < fast_ * slow_; ++c) {
    const Coefficients of = coefficients(c, k);
    const double f = sigma[at(c)] * of.along_fast, s = sigma[at(c)] * of.along_slow, n = sigma[at(c)] * of.node;
    const Index n0 = c / fast_ * width + c % fast_;
    for (const Index i : {n0, n0 + 1, n0 + width, n0 + width + 1}) band[i * stride] += f + s + n;
    for (const Index i : {n0, n0 + width}) band[i * stride + 1] -= f;
    for (const Index i : {n0, n0 + 1}) band[i * stride + width] -= s;
  }
  for (std::size_t n = 0; n < ground_.size(); ++n) {
    if (ground_[n] == 0) band[static_cast<Index>(n) * stride] = 1;  // no current, no potential
  }
  const Vector factor = face_factors(k);
  for (std::size_t i = 0; i < faces_.size(); ++i) {
    for (const Index n : faces_[i].node) band[n * stride] += factor[i] * sigma[at(faces_[i].cell)];
  }
}

template <class T>
void Resistivity<T>::solve_poles(const Vector& sigma, double k, BandCholesky& a, Vector& u) const {
  assemble(sigma, k, a);
  if (a.factor() >= 0) {
    throw Error(ErrorCode::diverged,
                "the equations of the potential are not positive definite in double precision; the conductivities "
                "span too many decades: bound the field",
                "resistivity");
  }
  u.assign(at(BandCholesky::rows(a.n()) * columns_), 0.0);
  for (std::size_t p = 0; p < stencil_.size(); ++p) {
    const Stencil& s = stencil_[p];
    for (int i = 0; i < s.count; ++i) u[at(s.node[i] * columns_) + p] += s.weight[i];
  }
  a.solve(columns_, start_, u.data());
}

// v[p columns + r] = q_p . U_r
template <class T>
void Resistivity<T>::sample(const Vector& u, Vector& v) const {
  v.assign(at(static_cast<Index>(stencil_.size()) * columns_), 0.0);
  for (std::size_t p = 0; p < stencil_.size(); ++p) {
    const Stencil& s = stencil_[p];
    for (int i = 0; i < s.count; ++i) {
      const double* row = u.data() + s.node[i] * columns_;
      for (std::size_t r = 0; r < stencil_.size(); ++r) v[p * at(columns_) + r] += s.weight[i] * row[r];
    }
  }
}

// phi(m) - phi(n) of +1 A at a and -1 A at b, from a matrix (potential pole, current pole).
template <class T>
double Resistivity<T>::datum(const DcDatum& d, const Vector& between) const {
  double sum = 0;
  for_each_pole_pair(
      d, [&](Index e, Index c, double sign) { sum += sign * between[at(pole_[at(e)] * columns_ + pole_[at(c)])]; });
  return sum;
}

template <class T>
void Resistivity<T>::forward(Stream& s, const T* m, T* data, bool keep, ResistivityState& state) const {
  set_model(to_host(s, m, core_.cells()), state);
  const Index count = wavenumbers_.size(), nodes = (fast_ + 1) * (slow_ + 1);
  state.kept = keep;
  state.potential.resize(at(keep ? count : 0));
  std::vector<Vector> sampled(at(count));
  std::vector<std::exception_ptr> failure(at(count));
#pragma omp parallel num_threads(s.threads()) if (s.threads() > 1)
  {
    std::optional<BandCholesky> a;
    Vector work;
#pragma omp for schedule(dynamic, 1)
    for (Index j = 0; j < count; ++j) {
      try {
        if (!a) a.emplace(nodes, fast_ + 1);
        Vector& u = keep ? state.potential[at(j)] : work;
        solve_poles(state.sigma, wavenumbers_.k_per_m[at(j)], *a, u);
        sample(u, sampled[at(j)]);
      } catch (...) {
        failure[at(j)] = std::current_exception();
      }
    }
  }
  for (const std::exception_ptr& f : failure) {
    if (f) {
      state.kept = false;
      std::rethrow_exception(f);
    }
  }
  Vector values;
  for (const DcDatum& d : survey_.data) {
    double sum = 0;
    for (Index j = 0; j < count; ++j) sum += wavenumbers_.weight_per_m[at(j)] * datum(d, sampled[at(j)]);
    values.push_back(sum);
  }
  if (!correction_.empty()) correction_.add(state.sigma, values);
  const std::vector<T> out(values.begin(), values.end());
  copy(s, std::span<const T>(out), data);
}

template <class T>
void Resistivity<T>::require_kept(const ResistivityState& state) const {
  require(state.kept, ErrorCode::failed, "derivatives need a forward call that keeps its state", "resistivity");
}

// With A(sigma) U = Q, A symmetric and phi = Q^T U: d phi = -U^T dA U, so every derivative follows from the poles that
// are already there (the adjoint field of a potential pole is its own solution). Collecting the cotangents of all data
// in a matrix Y (potential pole, current pole), P = U Y and
//   d_sigma = -sum_k w_k [ along_f sum (diff_f P)(diff_f U) + along_s (the same) + node sum P U + Robin ]
// where the sums run over the poles and over the two edges along each axis and the four nodes of the cell.
template <class T>
void Resistivity<T>::vjp(Stream& s, const T*, const ResistivityState& state, const T* d_data, T* d_m) const {
  require_kept(state);
  const std::vector<T> d = to_host(s, d_data, survey_.size());
  Vector y(at(columns_ * columns_));
  for (std::size_t i = 0; i < d.size(); ++i) {
    for_each_pole_pair(survey_.data[i], [&](Index e, Index c, double sign) {
      y[at(pole_[at(e)] * columns_ + pole_[at(c)])] += sign * static_cast<double>(d[i]);
    });
  }
  const Index count = wavenumbers_.size();
  std::vector<Vector> g(at(count));
#pragma omp parallel for schedule(dynamic, 1) num_threads(s.threads()) if (s.threads() > 1)
  for (Index j = 0; j < count; ++j) gradient(wavenumbers_.k_per_m[at(j)], state.potential[at(j)], y, g[at(j)]);
  Vector core(at(core_.cells()));
  for (Index c = 0; c < mesh_.cells(); ++c) {
    if (core_of_cell_[at(c)] < 0) continue;
    double sum = 0;
    for (Index j = 0; j < count; ++j) sum += wavenumbers_.weight_per_m[at(j)] * g[at(j)][at(c)];
    core[at(core_of_cell_[at(c)])] -= sum;
  }
  if (!correction_.empty()) {
    correction_.adjoint(state.sigma, Vector(d.begin(), d.end()), [&](Index c, double v) {
      if (core_of_cell_[at(c)] >= 0) core[at(core_of_cell_[at(c)])] += v;
    });
  }
  std::vector<T> out = to_host(s, d_m, core_.cells());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] += static_cast<T>(core[i] * state.slope[i]);
  copy(s, std::span<const T>(out), d_m);
}

// g (cells): derivative of sum_(p, r) Y(p, r) U_p^T A U_r with respect to sigma. P is kept for two lines of nodes along
// the fast axis.
template <class T>
void Resistivity<T>::gradient(double k, const Vector& u, const Vector& y, Vector& g) const {
  const Index width = fast_ + 1, line = BandCholesky::rows(width), poles = static_cast<Index>(stencil_.size());
  Vector rows[2], u_line(at(line * columns_)), along_f[2], at_node[2], along_s(at(width)), face_node;
  for (int b = 0; b < 2; ++b) {
    rows[b].resize(at(line * columns_));
    along_f[b].resize(at(fast_));
    at_node[b].resize(at(width));
  }
  g.assign(at(mesh_.cells()), 0.0);
  Vector node_sum(at(width * (slow_ + 1)));
  for (Index i = 0; i <= slow_; ++i) {
    const int now = static_cast<int>(i % 2), before = 1 - now;
    const double* ui = u.data() + i * width * columns_;
    std::copy_n(ui, width * columns_, u_line.data());
    fill_pole_line({width, poles, columns_, u_line.data(), y.data(), i > 0 ? ui - width * columns_ : nullptr,
                    rows[before].data(), rows[now].data(), at_node[now].data(), along_f[now].data(), along_s.data()});
    std::copy_n(at_node[now].data(), width, node_sum.data() + i * width);
    for (Index f = 0; i > 0 && f < fast_; ++f) {
      const Index c = (i - 1) * fast_ + f;
      const Coefficients of = coefficients(c, k);
      const Vector &b = at_node[before], &n = at_node[now];
      g[at(c)] = of.along_fast * (along_f[before][at(f)] + along_f[now][at(f)]) +
                 of.along_slow * (along_s[at(f)] + along_s[at(f + 1)]) +
                 of.node * ((b[at(f)] + b[at(f + 1)]) + (n[at(f)] + n[at(f + 1)]));
    }
  }
  const Vector factor = face_factors(k);
  for (std::size_t i = 0; i < faces_.size(); ++i) {
    g[at(faces_[i].cell)] += factor[i] * (node_sum[at(faces_[i].node[0])] + node_sum[at(faces_[i].node[1])]);
  }
}

template <class T>
void Resistivity<T>::jvp(Stream& s, const T*, const ResistivityState& state, const T* t_m, T* t_data) const {
  require_kept(state);
  const std::vector<T> t = to_host(s, t_m, core_.cells());
  Vector sigma(at(mesh_.cells()));
  for (std::size_t c = 0; c < sigma.size(); ++c) {
    const Index i = core_of_cell_[c];
    sigma[c] = i >= 0 ? static_cast<double>(t[at(i)]) * state.slope[at(i)] : 0;
  }
  const Index count = wavenumbers_.size();
  std::vector<Vector> between(at(count));
#pragma omp parallel for schedule(dynamic, 1) num_threads(s.threads()) if (s.threads() > 1)
  for (Index j = 0; j < count; ++j) {
    tangent(wavenumbers_.k_per_m[at(j)], state.potential[at(j)], sigma, between[at(j)]);
  }
  Vector values;
  for (const DcDatum& d : survey_.data) {
    double sum = 0;
    for (Index j = 0; j < count; ++j) sum -= wavenumbers_.weight_per_m[at(j)] * datum(d, between[at(j)]);
    values.push_back(sum);
  }
  if (!correction_.empty()) correction_.add_tangent(state.sigma, sigma, values);
  const std::vector<T> out(values.begin(), values.end());
  copy(s, std::span<const T>(out), t_data);
}

// v (pole, pole) = U^T A(t) U: sums over edges and nodes of coefficient x outer product of differences or values.
template <class T>
void Resistivity<T>::tangent(double k, const Vector& u, const Vector& t, Vector& v) const {
  const Index width = fast_ + 1, poles = static_cast<Index>(stencil_.size()), nodes = width * (slow_ + 1);
  Vector on_node(at(nodes)), on_fast(at(nodes)), on_slow(at(nodes)), d(at(columns_));
  for (Index c = 0; c < mesh_.cells(); ++c) {
    const Coefficients of = coefficients(c, k);
    const Index n0 = c / fast_ * width + c % fast_;
    for (const Index i : {n0, n0 + 1, n0 + width, n0 + width + 1}) on_node[at(i)] += of.node * t[at(c)];
    for (const Index i : {n0, n0 + width}) on_fast[at(i)] += of.along_fast * t[at(c)];
    for (const Index i : {n0, n0 + 1}) on_slow[at(i)] += of.along_slow * t[at(c)];
  }
  const Vector factor = face_factors(k);
  for (std::size_t i = 0; i < faces_.size(); ++i) {
    for (const Index n : faces_[i].node) on_node[at(n)] += factor[i] * t[at(faces_[i].cell)];
  }
  v.assign(at(poles * columns_), 0.0);
  const auto add_edge = [&](double f, const double* from, const double* to) {
    if (f == 0) return;
    for (Index c = 0; c < columns_; ++c) d[at(c)] = to[c] - from[c];
    add_outer(poles, columns_, f, d.data(), d.data(), v.data());
  };
  for (Index n = 0; n < nodes; ++n) {
    const double* un = u.data() + n * columns_;
    if (on_node[at(n)] != 0) add_outer(poles, columns_, on_node[at(n)], un, un, v.data());
    if (n % width < fast_) add_edge(on_fast[at(n)], un, un + columns_);
    if (n / width < slow_) add_edge(on_slow[at(n)], un, un + width * columns_);
  }
}

// For each cell the matrix S (pole, pole) = sum_k w_k U^T (dA / d sigma) U, from which every datum picks its column.
template <class T>
std::vector<double> Resistivity<T>::jacobian(Stream& s, const ResistivityState& state) const {
  require_kept(state);
  const Index width = fast_ + 1, poles = static_cast<Index>(stencil_.size()), cells = core_.cells();
  std::vector<Vector> factor;
  for (const double k : wavenumbers_.k_per_m) factor.push_back(face_factors(k));
  std::vector<std::vector<Index>> cells_of(at(cells)), faces_of(at(mesh_.cells()));
  for (Index c = 0; c < mesh_.cells(); ++c) {
    if (core_of_cell_[at(c)] >= 0) cells_of[at(core_of_cell_[at(c)])].push_back(c);
  }
  for (std::size_t i = 0; i < faces_.size(); ++i) faces_of[at(faces_[i].cell)].push_back(static_cast<Index>(i));
  Vector out(at(survey_.size() * cells));
#pragma omp parallel num_threads(s.threads()) if (s.threads() > 1)
  {
    Vector v(at(poles * columns_)), d(at(columns_));
#pragma omp for schedule(static)
    for (Index i = 0; i < cells; ++i) {
      std::fill(v.begin(), v.end(), 0.0);
      for (const Index c : cells_of[at(i)]) {
        const Index n0 = c / fast_ * width + c % fast_;
        for (Index j = 0; j < wavenumbers_.size(); ++j) {
          const double w = wavenumbers_.weight_per_m[at(j)];
          const Coefficients of = coefficients(c, wavenumbers_.k_per_m[at(j)]);
          const double* u = state.potential[at(j)].data();
          const auto edge = [&](double f, Index from, Index to) {
            for (Index q = 0; q < columns_; ++q) d[at(q)] = u[to * columns_ + q] - u[from * columns_ + q];
            add_outer(poles, columns_, w * f, d.data(), d.data(), v.data());
          };
          const auto point = [&](double f, Index n) {
            add_outer(poles, columns_, w * f, u + n * columns_, u + n * columns_, v.data());
          };
          edge(of.along_fast, n0, n0 + 1);
          edge(of.along_fast, n0 + width, n0 + width + 1);
          edge(of.along_slow, n0, n0 + width);
          edge(of.along_slow, n0 + 1, n0 + width + 1);
          for (const Index n : {n0, n0 + 1, n0 + width, n0 + width + 1}) point(of.node, n);
          for (const Index f : faces_of[at(c)]) {
            for (const Index n : faces_[at(f)].node) point(factor[at(j)][at(f)], n);
          }
        }
      }
      for (Index q = 0; q < survey_.size(); ++q) {
        out[at(q * cells + i)] = -datum(survey_.data[at(q)], v) * state.slope[at(i)];
      }
    }
  }
  if (correction_.empty()) return out;
  for (Index q = 0; q < survey_.size(); ++q) {
    Vector unit(at(survey_.size()));
    unit[at(q)] = 1;
    correction_.adjoint(state.sigma, unit, [&](Index c, double v) {
      const Index i = core_of_cell_[at(c)];
      if (i >= 0) out[at(q * cells + i)] += v * state.slope[at(i)];
    });
  }
  return out;
}

template class Resistivity<float>;
template class Resistivity<double>;

}  // namespace terrane
