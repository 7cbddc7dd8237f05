// SPDX-License-Identifier: MIT
#include "physics/wave/acoustic_wave.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "physics/model_check.hpp"
#include "physics/wave/wave_work.hpp"

namespace terrane {

template <class T>
WaveState<T>::WaveState() : work(std::make_unique<WaveWork<T>>()) {}
template <class T>
WaveState<T>::~WaveState() = default;
template <class T>
WaveState<T>::WaveState(WaveState&&) noexcept = default;
template <class T>
WaveState<T>& WaveState<T>::operator=(WaveState&&) noexcept = default;

namespace {

template <class T, class AnyGrid, class AnySurvey>
PointLists<T> point_lists(Stream& s, const WavePlan& plan, const AnyGrid& grid, const AnySurvey& survey, bool sources,
                          double scale) {
  std::vector<std::decay_t<decltype(survey.shots[0].sources)>> shots;
  for (const auto& shot : survey.shots) shots.push_back(sources ? shot.sources : shot.receivers);
  return PointLists<T>(s, grid, plan.frame, shots, scale);
}

}  // namespace

template <class T>
AcousticWave<T>::AcousticWave(Stream& s, const Grid2& grid, const Survey& survey, const WaveOptions& options,
                              Index batch)
    : plan_(make_wave_plan(grid, survey, wave_options_on(s, options), batch, static_cast<Index>(sizeof(T)))),
      sources_(point_lists<T>(s, plan_, grid, survey, true, 1 / (grid.dz_m * grid.dx_m))),
      receivers_(point_lists<T>(s, plan_, grid, survey, false, 1.0)) {
  make_tables(s);
}

template <class T>
AcousticWave<T>::AcousticWave(Stream& s, const Grid3& grid, const Survey3& survey, const WaveOptions3& options,
                              Index batch)
    : plan_(make_wave_plan(grid, survey, wave_options_on(s, options), batch, static_cast<Index>(sizeof(T)))),
      sources_(point_lists<T>(s, plan_, grid, survey, true, 1 / (grid.dz_m * grid.dy_m * grid.dx_m))),
      receivers_(point_lists<T>(s, plan_, grid, survey, false, 1.0)) {
  make_tables(s);
}

template <class T>
void AcousticWave<T>::make_tables(Stream& s) {
  std::vector<T> profiles;
  for (int axis = 0; axis < 3; ++axis) {
    const CpmlTables tables = wave_cpml(plan_, axis);
    for (const auto* table : {&tables.a, &tables.b, &tables.db}) {
      for (const double value : *table) profiles.push_back(static_cast<T>(value));
    }
  }
  profiles_ = to_device(s, profiles);
  const T* p = profiles_.data();
  const auto take = [&](Index n) {
    const CpmlProfile<T> profile{p, p + n, p + 2 * n};
    p += 3 * n;
    return profile;
  };
  pz_ = take(plan_.layout.nz);
  py_ = take(plan_.layout.ny);
  px_ = take(plan_.layout.pitch);
  if (plan_.substeps > 1) {
    const std::vector<double> taps = resample_taps(plan_.substeps);
    taps_ = to_device(s, std::vector<T>(taps.begin(), taps.end()));
  }
}

template <class T>
Index AcousticWave<T>::memory_bytes(WaveUse use) const {
  return sources_.bytes() + receivers_.bytes() + plan_.shots * static_cast<Index>(sizeof(Index)) +
         wave_sizes(plan_, use).total() * static_cast<Index>(sizeof(T));
}

template <class T>
void AcousticWave<T>::choose_shots(Stream& s, std::span<const Index> shots, WaveState<T>& state) const {
  WaveWork<T>& work = *state.work;
  std::vector<Index> chosen(shots.begin(), shots.end());
  if (chosen.empty()) {
    chosen.resize(static_cast<std::size_t>(plan_.shots));
    std::iota(chosen.begin(), chosen.end(), Index{0});
  }
  require(static_cast<Index>(chosen.size()) == plan_.shots, ErrorCode::config,
          "the number of shots differs from the batch that the operator was made for", "wave");
  for (const Index i : chosen) {
    require(i >= 0 && i < plan_.survey_shots, ErrorCode::config, "a shot of the batch is not in the survey", "wave");
  }
  if (chosen != work.host_shots) {
    copy(s, std::span<const Index>(chosen), work.shots.data());
    work.host_shots = chosen;
  }
}

template <class T>
void AcousticWave<T>::check_model(Stream& s, const T* vp, WaveWork<T>& work) const {
  const auto vmax = static_cast<T>(plan_.options.vmax_mps * (1 + 1e-6));
  count_outside(s, CountOutside<T>{vp, T(0), vmax, work.flag.data(), plan_.grid.cells()});
  check_count(s, work.flag.data(), [this, &s, vp] { complain(s, vp); });
}

template <class T>
void AcousticWave<T>::complain(Stream& s, const T* vp) const {
  const double vmax = plan_.options.vmax_mps;
  const Index n = plan_.grid.cells();
  for (const T v : to_host(s, vp, n)) {
    if (v > T(0) && static_cast<double>(v) <= vmax * (1 + 1e-6)) continue;
    char text[256];
    std::snprintf(
        text, sizeof text,
        "the model holds %g m/s, outside (0, %g] m/s for which the time step was chosen; bound the field, lower "
        "the learning rate or raise vmax_mps",
        static_cast<double>(v), vmax);
    throw Error(ErrorCode::diverged, text, "wave");
  }
  throw Error(ErrorCode::diverged, "a model of the last iterations was too fast for the time step, or not positive",
              "wave");
}

template <class T>
Index AcousticWave<T>::segment_end(Index segment) const {
  return segment + 1 == plan_.storage.segments ? plan_.inner_nt : (segment + 1) * plan_.storage.segment;
}

template <class T>
WaveSetup<T> AcousticWave<T>::setup(const WaveWork<T>& work) const {
  WaveSetup<T> a;
  a.g = plan_.layout;
  a.fz = fd_axis<T>(plan_.options.order, plan_.grid.dz_m);
  a.fy = fd_axis<T>(plan_.options.order, plan_.grid.dy_m);
  a.fx = fd_axis<T>(plan_.options.order, plan_.grid.dx_m);
  a.pz = pz_;
  a.py = py_;
  a.px = px_;
  a.c = work.c.data();
  a.shots = plan_.shots;
  a.shot = work.shots.data();
  a.nt = plan_.inner_nt;
  a.sources = sources_.points();
  a.receivers = receivers_.points();
  a.scratch = work.scratch.data();
  a.memory = work.memory.get();
  return a;
}

template <class T>
void AcousticWave<T>::run(Stream& s, const WaveForward<T>& a) const {
  plan_.flat() ? wave_forward(s, a) : wave3_forward(s, a);
}
template <class T>
void AcousticWave<T>::run(Stream& s, const WaveAdjoint<T>& a) const {
  plan_.flat() ? wave_adjoint(s, a) : wave3_adjoint(s, a);
}

template <class T>
WaveForward<T> AcousticWave<T>::forward_args(const WaveWork<T>& work, T* fields) const {
  WaveForward<T> a;
  a.setup = setup(work);
  a.fields = split_wave_fields(plan_.layout, plan_.shots, fields);
  a.n1 = plan_.inner_nt;
  a.wavelet_stride = plan_.options.shared_wavelet ? 0 : plan_.inner_nt;
  return a;
}

template <class T>
Resample<T> AcousticWave<T>::resampling(Index rows, const T* from, T* to, T scale) const {
  return {taps_.data(), plan_.substeps, resample_half_width * plan_.substeps, rows, plan_.nt, plan_.inner_nt, from, to,
          scale,        false};
}

template <class T>
const T* AcousticWave<T>::to_inner_wavelet(Stream& s, const T* wavelet, T* inner) const {
  if (plan_.substeps == 1 || wavelet == nullptr) return wavelet;
  const Index rows = plan_.options.shared_wavelet ? 1 : plan_.survey_shots * plan_.sources;
  resample_up(s, ResampleUp<T>{resampling(rows, wavelet, inner, T(1))});
  return inner;
}

// Records at the inner time step to samples of the data.
template <class T>
void AcousticWave<T>::to_data(Stream& s, const WaveWork<T>& work, T* data) const {
  if (plan_.substeps == 1 || plan_.receivers == 0) return;
  const T scale = T(1) / static_cast<T>(plan_.substeps);
  resample_down(s, ResampleDown<T>{resampling(plan_.shots * plan_.receivers, work.inner_data.data(), data, scale)});
}

template <class T>
WaveState<T> AcousticWave<T>::forward(Stream& s, const T* vp, const T* wavelet, T* data, bool keep) const {
  WaveState<T> state;
  forward(s, {}, vp, wavelet, data, keep, state);
  return state;
}

template <class T>
void AcousticWave<T>::forward(Stream& s, std::span<const Index> shots, const T* vp, const T* wavelet, T* data,
                              bool keep, WaveState<T>& state) const {
  WaveWork<T>& work = *state.work;
  work.ensure(s, plan_, keep ? WaveUse::gradient : WaveUse::forward);
  work.kept = false;
  if (!s.recording()) choose_shots(s, shots, state);
  check_model(s, vp, work);
  wave_coefficient(s, WaveCoefficient<T>{plan_.frame, vp, static_cast<T>(plan_.inner_dt_s), work.c.data()});
  zero_values(s, work.fields.data(), work.fields.size());

  const StoragePlan& storage = plan_.storage;
  WaveForward<T> a = forward_args(work, work.fields.data());
  a.wavelet = plan_.sources > 0 ? to_inner_wavelet(s, wavelet, work.inner_wavelet.data()) : nullptr;
  a.data = plan_.substeps == 1 ? data : work.inner_data.data();
  const Index state_size = wave_sizes(plan_, WaveUse::forward).state;
  const bool ring = storage.ring();
  if (keep && ring) a.ring = ring_of(work, 0);
  for (Index k = 0; k < storage.segments; ++k) {
    a.n0 = k * storage.segment;
    a.n1 = segment_end(k);
    if (keep && ring) {
      save_strips(s, work, k);
    } else if (keep && storage.states > 0) {
      copy_values(s, CopyValues<T>{work.fields.data(), work.states.data() + k * state_size, state_size});
    }
    // The last segment is the first one that the adjoint needs, so its snapshots are kept at once.
    if (keep && !ring && k + 1 == storage.segments) {
      a.store = WaveStore<T>{kept_values(plan_, work.snapshots.data()), storage.slots, a.n0, storage.every};
      work.stored_segment = k;
    }
    if (keep && ring) {
      run_kept(s, a, work);
    } else {
      run(s, a);
    }
  }
  work.kept = keep;
  to_data(s, work, data);
}

// Snapshots of one segment, computed again from its saved state unless they are there.
template <class T>
void AcousticWave<T>::run_background(Stream& s, WaveWork<T>& work, const T* wavelet, Index segment) const {
  if (work.stored_segment == segment) return;
  const Index state_size = wave_sizes(plan_, WaveUse::forward).state;
  copy_values(s, CopyValues<T>{work.states.data() + segment * state_size, work.fields.data(), state_size});
  WaveForward<T> a = forward_args(work, work.fields.data());
  a.wavelet = kept_wavelet(work, wavelet);
  a.n0 = segment * plan_.storage.segment;
  a.n1 = segment_end(segment);
  a.store = WaveStore<T>{kept_values(plan_, work.snapshots.data()), plan_.storage.slots, a.n0, plan_.storage.every};
  run(s, a);
  work.stored_segment = segment;
}

template <class T>
void AcousticWave<T>::vjp(Stream& s, const T* vp, const T* wavelet, const WaveState<T>& state, const T* d_data, T* d_vp,
                          T* d_wavelet) const {
  WaveWork<T>& work = *state.work;
  require(work.kept, ErrorCode::failed, "the derivative needs a forward call with keep = true", "wave");
  const bool wants_wavelet = d_wavelet != nullptr && plan_.sources > 0;
  if (plan_.receivers == 0 || (d_vp == nullptr && !wants_wavelet)) return;
  const StoragePlan& storage = plan_.storage;
  Buffer<T>& block = storage.states > 0 ? work.adjoint_fields : work.fields;
  WaveAdjoint<T> a;
  a.setup = setup(work);
  if (!storage.ring()) {
    zero_values(s, block.data(), block.size());
    a.fields = split_wave_fields(plan_.layout, plan_.shots, block.data());
  }
  a.d_wavelet = wants_wavelet ? work.d_wavelet.data() : nullptr;
  a.image = d_vp != nullptr ? work.image.data() : nullptr;
  if (a.image != nullptr) zero_values(s, a.image, work.image.size());
  a.d_data = d_data;
  if (plan_.substeps > 1) {
    const T scale = T(1) / static_cast<T>(plan_.substeps);
    resample_up(s, ResampleUp<T>{resampling(plan_.shots * plan_.receivers, d_data, work.inner_data.data(), scale)});
    a.d_data = work.inner_data.data();
  }
  if (storage.ring()) ring_adjoint(s, work, wavelet, a);
  for (Index k = storage.segments - 1; k >= 0 && !storage.ring(); --k) {
    a.n0 = k * storage.segment;
    a.n1 = segment_end(k);
    if (a.image != nullptr) run_background(s, work, wavelet, k);
    a.store = WaveStore<T>{kept_values(plan_, work.snapshots.data()), storage.slots, a.n0, storage.every};
    run(s, a);
  }
  if (d_vp != nullptr) {
    const T* total = work.image.data();
    if (plan_.shots > 1) {
      wave_image_sum(s, WaveImageSum<T>{total, work.image_total.data(), plan_.shots, plan_.layout.cells});
      total = work.image_total.data();
    }
    wave_model_gradient(s, WaveModelGradient<T>{plan_.frame, total, vp, static_cast<T>(storage.every), d_vp});
  }
  if (wants_wavelet) accumulate_wavelet(s, work, d_wavelet);
}

// d_wavelet += transpose of the resampling (and of sharing) applied to the gradient at the inner time step.
template <class T>
void AcousticWave<T>::accumulate_wavelet(Stream& s, WaveWork<T>& work, T* d_wavelet) const {
  const Index length = plan_.inner_nt, rows = plan_.shots * plan_.sources;
  ResampleDown<T> down{resampling(1, work.d_source.data(), d_wavelet, T(1))};
  down.accumulate = true;
  if (plan_.options.shared_wavelet) {
    const bool fine = plan_.substeps > 1;
    sum_rows(s, SumRows<T>{work.d_wavelet.data(), rows, length, fine ? work.d_source.data() : d_wavelet, !fine});
    if (fine) resample_down(s, down);
    return;
  }
  for (std::size_t i = 0; i < work.host_shots.size(); ++i) {
    const T* from = work.d_wavelet.data() + static_cast<Index>(i) * plan_.sources * length;
    T* to = d_wavelet + work.host_shots[i] * plan_.sources * plan_.nt;
    if (plan_.substeps == 1) {
      axpby(s, Axpby<T>{T(1), from, T(1), to, plan_.sources * plan_.nt});
    } else {
      down.rows = plan_.sources;
      down.in = from;
      down.out = to;
      resample_down(s, down);
    }
  }
}

template <class T>
void AcousticWave<T>::jvp(Stream& s, const T* vp, const T* wavelet, const WaveState<T>& state, const T* t_vp,
                          const T* t_wavelet, T* t_data) const {
  WaveWork<T>& work = *state.work;
  require(work.kept, ErrorCode::failed, "the derivative needs a forward call with keep = true", "wave");
  const StoragePlan& storage = plan_.storage;
  work.ensure(s, plan_, WaveUse::tangent);
  const bool ring = storage.ring();
  Buffer<T>& block = storage.states > 0 ? work.tangent_fields : work.fields;
  zero_values(s, block.data(), block.size());
  WaveForward<T> a = forward_args(work, block.data());
  if (t_vp != nullptr) {
    wave_tangent_model(s, WaveTangentModel<T>{plan_.frame, vp, t_vp, work.tangent_model.data()});
    a.tangent = work.tangent_model.data();
  }
  a.wavelet = plan_.sources > 0 ? to_inner_wavelet(s, t_wavelet, work.tangent_wavelet.data()) : nullptr;
  a.data = plan_.substeps == 1 ? t_data : work.inner_data.data();
  if (ring) ring_tangent(s, work, wavelet, a);
  for (Index k = 0; k < storage.segments && !ring; ++k) {
    a.n0 = k * storage.segment;
    a.n1 = segment_end(k);
    if (t_vp != nullptr) {
      run_background(s, work, wavelet, k);
      a.background = WaveStore<T>{kept_values(plan_, work.snapshots.data()), storage.slots, a.n0, storage.every};
    }
    run(s, a);
  }
  to_data(s, work, t_data);
}

template struct WaveState<float>;
template struct WaveState<double>;
template class AcousticWave<float>;
template class AcousticWave<double>;

}  // namespace terrane
