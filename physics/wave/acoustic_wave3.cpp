// SPDX-License-Identifier: MIT
#include "physics/wave/acoustic_wave3.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "kernels/kernels.hpp"

namespace terrane {

template <class T>
struct WaveWork3 {
  WaveUse use = WaveUse::forward;
  bool ready = false, kept = false;
  Index stored_segment = -1;      // whose snapshots are in `snapshots`
  std::vector<Index> host_shots;  // of the last forward
  Buffer<Index> shots;
  Buffer<T> c, fields, snapshots, states, scratch, inner_wavelet, inner_data;
  Buffer<T> adjoint_fields, image, image_total, d_wavelet, d_source;
  Buffer<T> tangent_fields, tangent_model, tangent_wavelet, flag;

  // Allocates what `needed` asks for and is not there yet.
  void ensure(Stream& s, const WavePlan3& plan, WaveUse needed) {
    if (ready && needed <= use) return;
    const WaveSizes n = wave_sizes(plan, needed);
    const auto make = [&](Buffer<T>& b, Index size) {
      if (b.size() != size) b = Buffer<T>(s, size);
    };
    if (shots.size() != plan.shots) shots = Buffer<Index>(s, plan.shots);
    make(c, n.coefficient);
    make(fields, n.fields);
    make(snapshots, n.snapshots);
    make(states, n.states);
    make(scratch, n.scratch);
    make(inner_wavelet, n.inner_wavelet);
    make(inner_data, n.inner_data);
    make(adjoint_fields, n.adjoint_fields);
    make(image, n.image);
    make(image_total, n.image_total);
    make(d_wavelet, n.d_wavelet);
    make(d_source, n.d_source);
    make(tangent_fields, n.tangent_fields);
    make(tangent_model, n.tangent_model);
    make(tangent_wavelet, n.tangent_wavelet);
    make(flag, n.flag);
    ready = true;
    use = needed;
  }
};

template <class T>
WaveState3<T>::WaveState3() : work(std::make_unique<WaveWork3<T>>()) {}
template <class T>
WaveState3<T>::~WaveState3() = default;
template <class T>
WaveState3<T>::WaveState3(WaveState3&&) noexcept = default;
template <class T>
WaveState3<T>& WaveState3<T>::operator=(WaveState3&&) noexcept = default;

namespace {

template <class T>
void zero(Stream& s, T* y, Index n) {
  fill(s, Fill<T>{y, T(0), n});
}

// Order of the parts of one block; what an even step holds comes first (WaveSizes::state).
template <class T>
WaveFields3<T> split_fields(const WaveLayout3& g, Index shots, T* block) {
  WaveFields3<T> f;
  const auto take = [&](Index size) {
    T* part = block;
    block += shots * size;
    return part;
  };
  f.u[0] = take(g.field);
  f.u[1] = take(g.field);
  for (int p = 0; p < 2; ++p) {
    f.phi_z[p] = take(g.z_field);
    f.phi_y[p] = take(g.y_field);
    f.phi_x[p] = take(g.x_field);
    f.eta_z[p] = take(g.z_field);
    f.eta_y[p] = take(g.y_field);
    f.eta_x[p] = take(g.x_field);
  }
  return f;
}

// Lists of sources or receivers. scale multiplies every weight; nodes outside the padded grid are dropped.
template <class T>
PointLists<T> point_lists(Stream& s, const WavePlan3& plan, const Survey3& survey, bool sources, double scale) {
  std::vector<std::vector<Point3>> positions;
  for (const Shot3& shot : survey.shots) positions.push_back(sources ? shot.sources : shot.receivers);
  const DistinctLists<Point3> distinct(positions);
  const ModelFrame3& f = plan.frame;
  PointNodes lists;
  for (const std::vector<Point3>& list : distinct.lists) {
    lists.emplace_back();
    for (const Point3& point : list) {
      std::vector<CellWeight>& nodes = lists.back().emplace_back();
      for (const InterpolationNode3& node : interpolation_nodes(plan.grid, point, f.free_surface)) {
        const Index z = node.z + f.z.before, y = node.y + f.y.before, x = node.x + f.x.before;
        if (z < 0 || z >= f.z.cells || y < 0 || y >= f.y.cells || x < 0 || x >= f.x.cells) continue;
        nodes.push_back({z * f.plane + y * f.pitch + x, scale * node.weight});
      }
    }
  }
  return PointLists<T>(s, lists, distinct.of_shot);
}

}  // namespace

template <class T>
AcousticWave3<T>::AcousticWave3(Stream& s, const Grid3& grid, const Survey3& survey, const WaveOptions3& options,
                                Index batch)
    : survey_(survey), plan_(make_wave_plan(grid, survey, options, batch, static_cast<Index>(sizeof(T)))) {
  sources_ = point_lists<T>(s, plan_, survey, true, 1 / (grid.dz_m * grid.dy_m * grid.dx_m));
  receivers_ = point_lists<T>(s, plan_, survey, false, 1.0);
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
Index AcousticWave3<T>::memory_bytes(WaveUse use) const {
  return sources_.bytes() + receivers_.bytes() + plan_.shots * static_cast<Index>(sizeof(Index)) +
         wave_sizes(plan_, use).total() * static_cast<Index>(sizeof(T));
}

template <class T>
void AcousticWave3<T>::check_model(Stream& s, const T* vp, WaveWork3<T>& work) const {
  const double vmax = plan_.options.vmax_mps;
  const Index n = plan_.grid.cells();
  count_outside(s, CountOutside<T>{vp, T(0), static_cast<T>(vmax * (1 + 1e-6)), work.flag.data(), n});
  if (to_host(s, work.flag)[0] == T(0)) return;
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
}

template <class T>
Index AcousticWave3<T>::segment_end(Index segment) const {
  return segment + 1 == plan_.storage.segments ? plan_.inner_nt : (segment + 1) * plan_.storage.segment;
}

template <class T>
WaveSetup3<T> AcousticWave3<T>::setup(const WaveWork3<T>& work) const {
  WaveSetup3<T> a;
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
  return a;
}

template <class T>
WaveForward3<T> AcousticWave3<T>::forward_args(const WaveWork3<T>& work, T* fields) const {
  WaveForward3<T> a;
  a.setup = setup(work);
  a.fields = split_fields(plan_.layout, plan_.shots, fields);
  a.n1 = plan_.inner_nt;
  a.wavelet_stride = plan_.options.shared_wavelet ? 0 : plan_.inner_nt;
  return a;
}

template <class T>
const T* AcousticWave3<T>::to_inner_wavelet(Stream& s, const T* wavelet, T* inner) const {
  if (plan_.substeps == 1 || wavelet == nullptr) return wavelet;
  const Index rows = plan_.options.shared_wavelet ? 1 : plan_.survey_shots * plan_.sources;
  ResampleUp<T> up{{taps_.data(), plan_.substeps, resample_half_width * plan_.substeps, rows, plan_.nt, plan_.inner_nt,
                    wavelet, inner, T(1), false}};
  resample_up(s, up);
  return inner;
}

template <class T>
WaveState3<T> AcousticWave3<T>::forward(Stream& s, const T* vp, const T* wavelet, T* data, bool keep) const {
  WaveState3<T> state;
  forward(s, {}, vp, wavelet, data, keep, state);
  return state;
}

template <class T>
void AcousticWave3<T>::forward(Stream& s, std::span<const Index> shots, const T* vp, const T* wavelet, T* data,
                               bool keep, WaveState3<T>& state) const {
  WaveWork3<T>& work = *state.work;
  work.ensure(s, plan_, keep ? WaveUse::gradient : WaveUse::forward);
  work.kept = false;
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
  check_model(s, vp, work);
  wave3_coefficient(s, WaveCoefficient3<T>{plan_.frame, vp, static_cast<T>(plan_.inner_dt_s), work.c.data()});
  zero(s, work.fields.data(), work.fields.size());

  const StoragePlan& storage = plan_.storage;
  WaveForward3<T> a = forward_args(work, work.fields.data());
  a.wavelet = plan_.sources > 0 ? to_inner_wavelet(s, wavelet, work.inner_wavelet.data()) : nullptr;
  a.data = plan_.substeps == 1 ? data : work.inner_data.data();
  const Index state_size = wave_sizes(plan_, WaveUse::forward).state;
  for (Index k = 0; k < storage.segments; ++k) {
    a.n0 = k * storage.segment;
    a.n1 = segment_end(k);
    if (keep && storage.states > 0) {
      copy_values(s, CopyValues<T>{work.fields.data(), work.states.data() + k * state_size, state_size});
    }
    // The last segment is the first one that the adjoint needs, so its snapshots are kept at once.
    if (keep && k + 1 == storage.segments) {
      a.store = WaveStore3<T>{work.snapshots.data(), storage.slots, a.n0, storage.every};
      work.stored_segment = k;
    }
    wave3_forward(s, a);
  }
  work.kept = keep;
  if (plan_.substeps > 1 && plan_.receivers > 0) {
    ResampleDown<T> down{{taps_.data(), plan_.substeps, resample_half_width * plan_.substeps,
                          plan_.shots * plan_.receivers, plan_.nt, plan_.inner_nt, work.inner_data.data(), data,
                          T(1) / static_cast<T>(plan_.substeps), false}};
    resample_down(s, down);
  }
}

// Snapshots of one segment, computed again from its saved state unless they are there.
template <class T>
void AcousticWave3<T>::run_background(Stream& s, WaveWork3<T>& work, const T* wavelet, Index segment) const {
  if (work.stored_segment == segment) return;
  const Index state_size = wave_sizes(plan_, WaveUse::forward).state;
  copy_values(s, CopyValues<T>{work.states.data() + segment * state_size, work.fields.data(), state_size});
  WaveForward3<T> a = forward_args(work, work.fields.data());
  // The resampled wavelet of the forward call is still in place.
  a.wavelet = plan_.sources == 0 ? nullptr : (plan_.substeps == 1 ? wavelet : work.inner_wavelet.data());
  a.n0 = segment * plan_.storage.segment;
  a.n1 = segment_end(segment);
  a.store = WaveStore3<T>{work.snapshots.data(), plan_.storage.slots, a.n0, plan_.storage.every};
  wave3_forward(s, a);
  work.stored_segment = segment;
}

template <class T>
void AcousticWave3<T>::vjp(Stream& s, const T* vp, const T* wavelet, const WaveState3<T>& state, const T* d_data,
                           T* d_vp, T* d_wavelet) const {
  WaveWork3<T>& work = *state.work;
  require(work.kept, ErrorCode::failed, "the derivative needs a forward call with keep = true", "wave");
  const bool wants_wavelet = d_wavelet != nullptr && plan_.sources > 0;
  if (plan_.receivers == 0 || (d_vp == nullptr && !wants_wavelet)) return;
  const StoragePlan& storage = plan_.storage;
  Buffer<T>& block = storage.states > 0 ? work.adjoint_fields : work.fields;
  zero(s, block.data(), block.size());
  WaveAdjoint3<T> a;
  a.setup = setup(work);
  a.fields = split_fields(plan_.layout, plan_.shots, block.data());
  a.d_wavelet = wants_wavelet ? work.d_wavelet.data() : nullptr;
  a.image = d_vp != nullptr ? work.image.data() : nullptr;
  if (a.image != nullptr) zero(s, a.image, work.image.size());
  a.d_data = d_data;
  if (plan_.substeps > 1) {
    ResampleUp<T> up{{taps_.data(), plan_.substeps, resample_half_width * plan_.substeps, plan_.shots * plan_.receivers,
                      plan_.nt, plan_.inner_nt, d_data, work.inner_data.data(), T(1) / static_cast<T>(plan_.substeps),
                      false}};
    resample_up(s, up);
    a.d_data = work.inner_data.data();
  }
  for (Index k = storage.segments - 1; k >= 0; --k) {
    a.n0 = k * storage.segment;
    a.n1 = segment_end(k);
    if (a.image != nullptr) run_background(s, work, wavelet, k);
    a.store = WaveStore3<T>{work.snapshots.data(), storage.slots, a.n0, storage.every};
    wave3_adjoint(s, a);
  }
  if (d_vp != nullptr) {
    const T* total = work.image.data();
    if (plan_.shots > 1) {
      wave_image_sum(s, WaveImageSum<T>{total, work.image_total.data(), plan_.shots, plan_.layout.cells});
      total = work.image_total.data();
    }
    wave3_model_gradient(s, WaveModelGradient3<T>{plan_.frame, total, vp, static_cast<T>(storage.every), d_vp});
  }
  if (wants_wavelet) accumulate_wavelet(s, work, d_wavelet);
}

// d_wavelet += transpose of the resampling (and of sharing) applied to the gradient at the inner time step.
template <class T>
void AcousticWave3<T>::accumulate_wavelet(Stream& s, WaveWork3<T>& work, T* d_wavelet) const {
  const Index length = plan_.inner_nt, rows = plan_.shots * plan_.sources;
  ResampleDown<T> down{{taps_.data(), plan_.substeps, resample_half_width * plan_.substeps, 1, plan_.nt, length,
                        work.d_source.data(), d_wavelet, T(1), true}};
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
void AcousticWave3<T>::jvp(Stream& s, const T* vp, const T* wavelet, const WaveState3<T>& state, const T* t_vp,
                           const T* t_wavelet, T* t_data) const {
  WaveWork3<T>& work = *state.work;
  require(work.kept, ErrorCode::failed, "the derivative needs a forward call with keep = true", "wave");
  const StoragePlan& storage = plan_.storage;
  work.ensure(s, plan_, WaveUse::tangent);
  Buffer<T>& block = storage.states > 0 ? work.tangent_fields : work.fields;
  zero(s, block.data(), block.size());
  WaveForward3<T> a = forward_args(work, block.data());
  if (t_vp != nullptr) {
    wave3_tangent_model(s, WaveTangentModel3<T>{plan_.frame, vp, t_vp, work.tangent_model.data()});
    a.tangent = work.tangent_model.data();
  }
  a.wavelet = plan_.sources > 0 ? to_inner_wavelet(s, t_wavelet, work.tangent_wavelet.data()) : nullptr;
  a.data = plan_.substeps == 1 ? t_data : work.inner_data.data();
  for (Index k = 0; k < storage.segments; ++k) {
    a.n0 = k * storage.segment;
    a.n1 = segment_end(k);
    if (t_vp != nullptr) {
      run_background(s, work, wavelet, k);
      a.background = WaveStore3<T>{work.snapshots.data(), storage.slots, a.n0, storage.every};
    }
    wave3_forward(s, a);
  }
  if (plan_.substeps > 1 && plan_.receivers > 0) {
    ResampleDown<T> down{{taps_.data(), plan_.substeps, resample_half_width * plan_.substeps,
                          plan_.shots * plan_.receivers, plan_.nt, plan_.inner_nt, work.inner_data.data(), t_data,
                          T(1) / static_cast<T>(plan_.substeps), false}};
    resample_down(s, down);
  }
}

template struct WaveState3<float>;
template struct WaveState3<double>;
template class AcousticWave3<float>;
template class AcousticWave3<double>;

}  // namespace terrane
