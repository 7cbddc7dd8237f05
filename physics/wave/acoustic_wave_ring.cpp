// SPDX-License-Identifier: MIT
// The wave operator with storage `ring`, `disk` or `host` (kernels/stencil/wave_ring.hpp). Derivatives take groups of
// shots, one after another, so that the snapshots of a segment and the fields of the backward run exist for one group
// only.
//
// Outside of the device the ring has the order of `ring` in memory, (shots, samples, cells): the forward run writes a
// block of steps, one piece a shot, and a group reads the samples of its segment and one more on each side.
#include <algorithm>

#include "physics/wave/wave_work.hpp"

namespace terrane {

// Shots [first, first + count) of the batch.
template <class T>
WaveRing<T> AcousticWave<T>::ring_of(const WaveWork<T>& work, Index first) const {
  WaveRing<T> r;
  r.layout = plan_.ring;
  const bool outside = plan_.storage.outside();
  r.held = outside ? plan_.storage.slots + 2 : plan_.inner_nt;
  r.ring = kept_values(plan_, work.ring.data());
  if (!outside) r.ring = r.ring.at(first * r.held * r.layout.ring.size);
  r.skirt = work.skirt.data();
  r.w = work.strips.data();
  r.slots = plan_.storage.slots;
  return r;
}

// Samples [n0, n1) of shots [first, first + count) between the device, where they are those of `ring`, and outside.
template <class T>
void AcousticWave<T>::move_ring(Stream& s, WaveWork<T>& work, const WaveRing<T>& ring, Index first, Index count,
                                Index n0, Index n1, bool write) const {
  const Index sample = ring.layout.ring.size * (ring.ring.half != nullptr ? Index{2} : Index{sizeof(T)});
  const Index bytes = (n1 - n0) * sample;
  for (Index shot = 0; shot < count; ++shot) {
    const KeptValues<T> at = ring.ring_at(shot, n0);
    void* memory = at.half != nullptr ? static_cast<void*>(at.half) : static_cast<void*>(at.full);
    const Index offset = ((first + shot) * plan_.inner_nt + n0) * sample;
    write ? work.outside.write(s, offset, memory, bytes) : work.outside.read(s, offset, memory, bytes);
  }
}

// Steps n0 .. n1-1 with their ring, which goes outside a block at a time.
template <class T>
void AcousticWave<T>::run_kept(Stream& s, WaveForward<T>& a, WaveWork<T>& work) const {
  if (!plan_.storage.outside()) return run(s, a);
  const Index begin = a.n0, end = a.n1, steps = ring_block_steps(plan_);
  a.ring.held = steps;
  for (a.n0 = begin; a.n0 < end; a.n0 = a.n1) {
    a.n1 = std::min(a.n0 + steps, end);
    a.ring.held_first = a.n0;
    run(s, a);
    move_ring(s, work, a.ring, 0, plan_.shots, a.n0, a.n1, true);
  }
}

// A saved state: u of the strips at both times, then phi and eta, every part for all shots.
template <class T>
void AcousticWave<T>::save_strips(Stream& s, WaveWork<T>& work, Index segment) const {
  const WaveLayout& g = plan_.layout;
  const Index shots = plan_.shots, packed = shots * plan_.ring.strips.size;
  const WaveFields<T> f = split_wave_fields(g, shots, work.fields.data());
  T* to = work.states.data() + segment * wave_sizes(plan_, WaveUse::gradient).strip_state;
  for (T* u : f.u) {
    wave_frame_copy(s, WaveFrameCopy<T>{plan_.ring.strips, g.plane, g.pitch, g.field, g.origin, u, to, shots, false});
    to += packed;
  }
  copy_values(s, CopyValues<T>{f.phi_z[0], to, shots * 2 * (g.z_field + g.y_field + g.x_field)});
}

// Shots [first, first + count) into the fields of the group.
template <class T>
void AcousticWave<T>::load_strips(Stream& s, WaveWork<T>& work, Index segment, Index first, Index count) const {
  const WaveLayout& g = plan_.layout;
  const Index shots = plan_.shots, strips = plan_.ring.strips.size;
  const WaveFields<T> f = split_wave_fields(g, plan_.backward_shots, work.background.data());
  T* from = work.states.data() + segment * wave_sizes(plan_, WaveUse::gradient).strip_state;
  for (T* u : f.u) {
    wave_frame_copy(s, WaveFrameCopy<T>{plan_.ring.strips, g.plane, g.pitch, g.field, g.origin, u,
                                        from + first * strips, count, true});
    from += shots * strips;
  }
  const auto part = [&](T* to, Index size) {
    copy_values(s, CopyValues<T>{from + first * size, to, count * size});
    from += shots * size;
  };
  part(f.phi_z[0], g.z_field);
  part(f.phi_y[0], g.y_field);
  part(f.phi_x[0], g.x_field);
  part(f.eta_z[0], g.z_field);
  part(f.eta_y[0], g.y_field);
  part(f.eta_x[0], g.x_field);
}

template <class T>
void AcousticWave<T>::load_last_states(Stream& s, WaveWork<T>& work, Index first, Index count) const {
  const Index field = plan_.layout.field;
  const WaveFields<T> from = split_wave_fields(plan_.layout, plan_.shots, work.fields.data());
  const WaveFields<T> to = split_wave_fields(plan_.layout, plan_.backward_shots, work.background.data());
  for (int p = 0; p < 2; ++p) copy_values(s, CopyValues<T>{from.u[p] + first * field, to.u[p], count * field});
}

// The resampled wavelet of the forward call is still in place.
template <class T>
const T* AcousticWave<T>::kept_wavelet(const WaveWork<T>& work, const T* wavelet) const {
  if (plan_.sources == 0) return nullptr;
  return plan_.substeps == 1 ? wavelet : work.inner_wavelet.data();
}

// all: arguments of all shots, without fields.
template <class T>
void AcousticWave<T>::ring_adjoint(Stream& s, WaveWork<T>& work, const T* wavelet, WaveAdjoint<T> all) const {
  const StoragePlan& storage = plan_.storage;
  const Index nt = plan_.inner_nt;
  WaveForward<T> strips = forward_args(work, work.background.data());
  strips.fields = split_wave_fields(plan_.layout, plan_.backward_shots, work.background.data());
  strips.wavelet = kept_wavelet(work, wavelet);
  strips.strips_only = true;
  for (Index first = 0; first < plan_.shots; first += plan_.backward_shots) {
    const Index count = std::min(plan_.backward_shots, plan_.shots - first);
    WaveAdjoint<T> a = all;
    a.setup.shots = strips.setup.shots = count;
    a.setup.shot = strips.setup.shot = all.setup.shot + first;
    a.fields = split_wave_fields(plan_.layout, plan_.backward_shots, work.adjoint_fields.data());
    a.d_data = all.d_data + first * plan_.receivers * nt;
    if (a.d_wavelet != nullptr) a.d_wavelet += first * plan_.sources * nt;
    zero_values(s, work.adjoint_fields.data(), work.adjoint_fields.size());
    a.n1 = nt;
    if (a.image == nullptr) {
      run(s, a);
      continue;
    }
    a.image += first * plan_.layout.cells;
    a.background = strips.fields;
    a.wavelet = strips.wavelet;
    a.wavelet_stride = strips.wavelet_stride;
    a.ring = strips.ring = ring_of(work, first);
    zero_values(s, work.background.data(), work.background.size());
    load_last_states(s, work, first, count);
    for (Index k = storage.segments - 1; k >= 0; --k) {
      a.n0 = strips.n0 = a.ring.first = strips.ring.first = k * storage.segment;
      a.n1 = strips.n1 = segment_end(k);
      load_strips(s, work, k, first, count);
      if (storage.outside()) {
        a.ring.held_first = strips.ring.held_first = std::max<Index>(0, a.n0 - 1);
        move_ring(s, work, a.ring, first, count, a.ring.held_first, std::min(a.n1 + 1, nt), false);
      }
      run(s, strips);
      run(s, a);
    }
  }
}

// A tangent goes forward in time, so the forward run goes along, a chunk of steps ahead.
template <class T>
void AcousticWave<T>::ring_tangent(Stream& s, WaveWork<T>& work, const T* wavelet, WaveForward<T> all) const {
  const Index nt = plan_.inner_nt;
  WaveForward<T> background = forward_args(work, work.background.data());
  background.fields = split_wave_fields(plan_.layout, plan_.backward_shots, work.background.data());
  background.wavelet = kept_wavelet(work, wavelet);
  for (Index first = 0; first < plan_.shots; first += plan_.backward_shots) {
    const Index count = std::min(plan_.backward_shots, plan_.shots - first);
    WaveForward<T> a = all;
    a.setup.shots = background.setup.shots = count;
    a.setup.shot = background.setup.shot = all.setup.shot + first;
    a.fields = split_wave_fields(plan_.layout, plan_.backward_shots, work.tangent_fields.data());
    if (a.data != nullptr) a.data += first * plan_.receivers * nt;
    zero_values(s, work.tangent_fields.data(), work.tangent_fields.size());
    zero_values(s, work.background.data(), work.background.size());
    const Index chunk = a.tangent != nullptr ? tangent_chunk : nt;
    for (Index n0 = 0; n0 < nt; n0 += chunk) {
      a.n0 = background.n0 = n0;
      a.n1 = background.n1 = std::min(n0 + chunk, nt);
      if (a.tangent != nullptr) {
        background.store = WaveStore<T>{{work.snapshots.data(), nullptr}, tangent_chunk, n0, 1};
        a.background = background.store;
        run(s, background);
      }
      run(s, a);
    }
  }
}

#define TERRANE_RING_MEMBERS(T)                                                                       \
  template WaveRing<T> AcousticWave<T>::ring_of(const WaveWork<T>&, Index) const;                     \
  template void AcousticWave<T>::run_kept(Stream&, WaveForward<T>&, WaveWork<T>&) const;              \
  template void AcousticWave<T>::save_strips(Stream&, WaveWork<T>&, Index) const;                     \
  template void AcousticWave<T>::load_strips(Stream&, WaveWork<T>&, Index, Index, Index) const;       \
  template void AcousticWave<T>::load_last_states(Stream&, WaveWork<T>&, Index, Index) const;         \
  template const T* AcousticWave<T>::kept_wavelet(const WaveWork<T>&, const T*) const;                \
  template void AcousticWave<T>::ring_adjoint(Stream&, WaveWork<T>&, const T*, WaveAdjoint<T>) const; \
  template void AcousticWave<T>::ring_tangent(Stream&, WaveWork<T>&, const T*, WaveForward<T>) const;
TERRANE_RING_MEMBERS(float)
TERRANE_RING_MEMBERS(double)

}  // namespace terrane
