// SPDX-License-Identifier: MIT
// Work arrays of an acoustic wave operator; for its own sources only.
#pragma once

#include <memory>
#include <vector>

#include "kernels/kernels.hpp"
#include "physics/outside_memory.hpp"
#include "physics/wave/acoustic_wave.hpp"

namespace terrane {

template <class T>
struct WaveWork {
  WaveUse use = WaveUse::forward;
  bool ready = false, kept = false;
  Index stored_segment = -1;      // whose snapshots are in `snapshots`
  std::vector<Index> host_shots;  // of the last forward
  Buffer<Index> shots;
  Buffer<T> c, fields, snapshots, states, scratch, inner_wavelet, inner_data;
  Buffer<T> adjoint_fields, image, image_total, d_wavelet, d_source;
  Buffer<T> tangent_fields, tangent_model, tangent_wavelet, flag;
  Buffer<T> ring, skirt, strips, background;                          // with a ring
  OutsideMemory outside;                                              // (shots, inner_nt, ring.size): `disk`, `host`
  std::unique_ptr<RunMemory> memory = std::make_unique<RunMemory>();  // of the kernels

  // Allocates what `needed` asks for and is not there yet.
  void ensure(Stream& s, const WavePlan& plan, WaveUse needed) {
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
    make(ring, n.ring);
    make(skirt, n.skirt);
    make(strips, n.strips);
    make(background, n.background);
    if (needed >= WaveUse::gradient && outside.bytes() != plan.storage.outside_bytes) {
      outside = plan.storage.policy == Storage::disk
                    ? OutsideMemory(ScratchFile(plan.options.storage_directory, plan.storage.outside_bytes))
                    : OutsideMemory(HostMemory(s, plan.storage.outside_bytes));
    }
    ready = true;
    use = needed;
  }
};

// Order of the parts of one block; what an even step holds comes first (WaveSizes::state).
template <class T>
WaveFields<T> split_wave_fields(const WaveLayout& g, Index shots, T* block) {
  WaveFields<T> f;
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

// Values in the precision of the plan's storage; null stays null.
template <class T>
KeptValues<T> kept_values(const WavePlan& plan, T* values) {
  if (plan.options.storage_precision == StoragePrecision::full) return {values, nullptr};
  return {nullptr, reinterpret_cast<std::uint16_t*>(values)};
}

template <class T>
void zero_values(Stream& s, T* y, Index n) {
  fill(s, Fill<T>{y, T(0), n});
}

}  // namespace terrane
