// SPDX-License-Identifier: MIT
#include "physics/wave/sponge_wave.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "kernels/kernels.hpp"
#include "physics/wave/wave_plan.hpp"
#include "physics/wave/wavelet.hpp"

namespace terrane {
namespace {

constexpr const char* where = "sponge wave";
constexpr int order = 4;

template <class B>
void make(Stream& s, B& buffer, Index size) {
  if (buffer.size() != size) buffer = B(s, size);
}

// Row or column of a node; Error{config} off the nodes.
Index node(double position_m, double origin_m, double step_m) {
  const double at = (position_m - origin_m) / step_m, nearest = std::round(at);
  require(std::abs(at - nearest) < 1e-6, ErrorCode::config,
          "sources and receivers must lie on the nodes of the grid for this operator", where);
  return static_cast<Index>(nearest);
}

}  // namespace

template <class T>
typename SpongeWave<T>::Points SpongeWave<T>::upload(Stream& s, bool sources) const {
  Points points;
  points.per_shot = sources ? survey_.max_sources() : survey_.max_receivers();
  std::vector<Index> z, x;
  for (const Shot& shot : survey_.shots) {
    const std::vector<Position>& positions = sources ? shot.sources : shot.receivers;
    require(static_cast<Index>(positions.size()) == points.per_shot, ErrorCode::config,
            "every shot needs the same number of sources and of receivers for this operator", where);
    for (const Position& p : positions) {
      z.push_back(node(p.z_m, grid_.z0_m, grid_.dz_m) + options_.width_cells);
      x.push_back(node(p.x_m, grid_.x0_m, grid_.dx_m) + options_.width_cells);
    }
  }
  points.z = to_device(s, z);
  points.x = to_device(s, x);
  return points;
}

template <class T>
SpongeWave<T>::SpongeWave(Stream& s, const Grid2& grid, const Survey& survey, const SpongeOptions& options)
    : grid_(grid), survey_(survey), options_(options) {
  grid_.check();
  survey_.check(grid_);
  require(grid_.dz_m == grid_.dx_m, ErrorCode::config, "the spacings must be equal for this operator", where);
  require(options_.width_cells >= 0, ErrorCode::config, "the width of the damping layer must not be negative", where);
  layout_ = SpongeLayout::of(grid_.nz + 2 * options_.width_cells, grid_.nx + 2 * options_.width_cells);
  frame_.z = {grid_.nz, options_.width_cells, layout_.nz};
  frame_.x = {grid_.nx, options_.width_cells, layout_.nx};
  frame_.pitch = frame_.plane = layout_.pitch;
  sources_ = upload(s, true);
  receivers_ = upload(s, false);
}

template <class T>
Index SpongeWave<T>::memory_bytes(bool gradient) const {
  const Index forward = 2 * layout_.cells + 2 * shots() * layout_.field;
  const Index more = gradient ? (survey_.nt + 1) * layout_.field + 4 * layout_.cells : 0;
  return static_cast<Index>(sizeof(T)) * (forward + more);
}

template <class T>
std::string SpongeWave<T>::describe() const {
  char text[200];
  std::snprintf(text, sizeof text,
                "acoustic 2-D with a sponge of %d cells, order 4, periodic grid of %lld x %lld, dt %.4g ms, %lld steps",
                options_.width_cells, static_cast<long long>(layout_.nz), static_cast<long long>(layout_.nx),
                1e3 * survey_.dt_s, static_cast<long long>(survey_.nt));
  return text;
}

template <class T>
SpongeSetup<T> SpongeWave<T>::setup(const SpongeWork<T>& work, Index in_flight, Index first_shot) const {
  SpongeSetup<T> f;
  f.g = layout_;
  f.a = work.a.data();
  f.k = work.k.data();
  f.area = static_cast<T>(grid_.dx_m * grid_.dx_m);
  f.shots = in_flight;
  f.shots_per_model = std::max<Index>(1, shots());
  f.first_shot = first_shot;
  f.survey_shots = f.shots_per_model;
  f.nt = survey_.nt;
  f.sources = sources_.view();
  f.receivers = receivers_.view();
  f.p[0] = work.fields.data();
  f.p[1] = work.fields.data() + in_flight * layout_.field;
  return f;
}

template <class T>
void SpongeWave<T>::forward(Stream& s, Index models, const T* vp, const T* wavelet, T* data,
                            SpongeState<T>& state) const {
  SpongeWork<T>& work = *state.work;
  const Index cells = grid_.cells();
  work.models = models;
  make(s, work.a, models * layout_.cells);
  make(s, work.k, models * layout_.cells);
  make(s, work.vmin, models);
  make(s, work.lowest, models);
  make(s, work.fields, std::max<Index>(1, models * shots()) * 2 * layout_.field);
  make(s, work.bad, 1);
  const double vmax = wave_stable_dt_s(grid_, order, 1.0) / survey_.dt_s;
  count_outside(s, CountOutside<T>{vp, T(0), static_cast<T>(vmax), work.bad.data(), models * cells});
  if (to_host(s, work.bad)[0] > 0) {
    char text[160];
    std::snprintf(text, sizeof text, "the model has values outside (0, %.0f] m/s, where this time step is stable",
                  vmax);
    throw Error(ErrorCode::diverged, text, where);
  }
  for (Index m = 0; m < models; ++m) {
    wave_coefficient(s, WaveCoefficient<T>{frame_, vp + m * cells, static_cast<T>(survey_.dt_s / grid_.dx_m),
                                           work.a.data() + m * layout_.cells});
  }
  sponge_damping(s, SpongeDamping<T>{models, cells, vp, layout_, options_.width_cells, survey_.dt_s, grid_.dx_m,
                                     work.k.data(), work.lowest.data(), work.vmin.data()});
  SpongeForward<T> run;
  run.setup = setup(work, models * shots(), 0);
  run.wavelet = wavelet;
  run.data = data;
  run.zero_last = options_.zero_last;
  sponge_forward(s, run);
}

// Fills the history of one shot; `record` receives its data.
template <class T>
void SpongeWave<T>::run_background(Stream& s, const T* wavelet, SpongeWork<T>& work, Index shot, T* record) const {
  SpongeForward<T> run;
  run.setup = setup(work, 1, shot);
  run.wavelet = wavelet;
  run.data = record;
  run.zero_last = options_.zero_last;
  run.history = work.history.data();
  sponge_forward(s, run);
}

template <class T>
void SpongeWave<T>::vjp(Stream& s, const T* vp, const T* wavelet, const SpongeState<T>& state, const T* d_data, T* d_vp,
                        T* d_wavelet) const {
  SpongeWork<T>& work = *state.work;
  require(work.models == 1, ErrorCode::failed, "the derivative needs the forward call of one model before it", where);
  const Index traces = receivers() * survey_.nt;
  make(s, work.history, (survey_.nt + 1) * layout_.field);
  make(s, work.image, layout_.cells);
  make(s, work.k_image, layout_.cells);
  make(s, work.total, 1);
  fill(s, Fill<T>{work.image.data(), T(0), layout_.cells});
  fill(s, Fill<T>{work.k_image.data(), T(0), layout_.cells});
  make(s, work.record, traces);
  for (Index shot = 0; shot < shots(); ++shot) {
    run_background(s, wavelet, work, shot, work.record.data());
    SpongeAdjoint<T> run;
    run.setup = setup(work, 1, shot);
    run.wavelet = wavelet;
    run.d_data = d_data + shot * traces;
    run.zero_last = options_.zero_last;
    run.history = work.history.data();
    run.image = work.image.data();
    run.k_image = work.k_image.data();
    run.d_wavelet = d_wavelet;
    sponge_adjoint(s, run);
  }
  if (d_vp == nullptr) return;
  wave_model_gradient(s, WaveModelGradient<T>{frame_, work.image.data(), vp, T(1), d_vp});
  dot(s, Dot<T>{work.k.data(), work.k_image.data(), work.total.data(), layout_.cells});
  sponge_damping_vjp(s, SpongeDampingVjp<T>{work.total.data(), work.vmin.data(), work.lowest.data(), d_vp});
}

template <class T>
void SpongeWave<T>::jvp(Stream& s, const T* vp, const T* wavelet, const SpongeState<T>& state, const T* t_vp,
                        const T* t_wavelet, T* t_data) const {
  SpongeWork<T>& work = *state.work;
  require(work.models == 1, ErrorCode::failed, "the derivative needs the forward call of one model before it", where);
  const Index traces = receivers() * survey_.nt;
  if (t_vp != nullptr) {
    make(s, work.history, (survey_.nt + 1) * layout_.field);
    make(s, work.tangent, layout_.cells);
    make(s, work.tangent_k, layout_.cells);
    wave_tangent_model(s, WaveTangentModel<T>{frame_, vp, t_vp, work.tangent.data()});
    sponge_damping_tangent(s, SpongeDampingTangent<T>{work.k.data(), work.vmin.data(), work.lowest.data(), t_vp,
                                                      work.tangent_k.data(), layout_.cells});
  }
  for (Index shot = 0; shot < shots(); ++shot) {
    if (t_vp != nullptr) run_background(s, wavelet, work, shot, t_data + shot * traces);
    SpongeForward<T> run;
    run.setup = setup(work, 1, shot);
    run.wavelet = t_wavelet;
    run.data = t_data + shot * traces;
    run.zero_last = options_.zero_last;
    if (t_vp != nullptr) {
      run.tangent = work.tangent.data();
      run.tangent_k = work.tangent_k.data();
      run.background_wavelet = wavelet;
      run.background = work.history.data();
    }
    sponge_forward(s, run);
  }
}

Grid2 openfwi_grid() { return Grid2{70, 70, 10, 10}; }

Survey openfwi_survey() {
  std::vector<Position> sources;
  for (const double x_m : {0.0, 170.0, 340.0, 520.0, 690.0}) sources.push_back({x_m, 10});
  return Survey::fixed_spread(sources, line_of_positions(70, 0, 10, 10), 1000, 1e-3);
}

std::vector<double> openfwi_wavelet(Index nt) {
  std::vector<double> w = ricker(15, nt, 1e-3, 0.073);
  for (std::size_t n = 147; n < w.size(); ++n) w[n] = 0;
  return w;
}

template class SpongeWave<float>;
template class SpongeWave<double>;

}  // namespace terrane
