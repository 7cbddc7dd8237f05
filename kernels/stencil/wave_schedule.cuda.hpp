// SPDX-License-Identifier: MIT
// Which schedule a run of the 2-D wave takes on the GPU, and the key of its graph. For wave.cuda.cu and
// wave_adjoint.cuda.cu. The first that grid and device allow: slabs in a cluster, slabs with flags
// (wave_resident.cuda.hpp), streaming (wave_stream.cuda.hpp). All give the same bits of fields and data.
// TERRANE_WAVE_SCHEDULE in the environment (cluster, flags, stream) names the first to try, for measurements and tests.
#pragma once

#include <cstdlib>
#include <string_view>

#include "kernels/stencil/wave_resident.cuda.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

template <class T>
void add_setup(GraphKey& key, const WaveSetup<T>& s) {
  const WaveLayout& g = s.g;
  key.add(g.nz, g.nx, g.radius, g.pitch, g.field, g.cells, g.free_surface, g.z_strips, g.x_strips, g.z_field,
          g.x_field);
  for (const WaveStrip* strips : {g.z, g.x}) {
    for (int k = 0; k < 2; ++k) key.add(strips[k].begin, strips[k].end, strips[k].inner, strips[k].outer);
  }
  for (const FdAxis<T>* f : {&s.fz, &s.fx}) key.add(f->center, f->second, f->first);
  for (const CpmlProfile<T>* p : {&s.pz, &s.px}) key.add(p->a, p->b, p->db);
  for (const WavePoints<T>* p : {&s.sources, &s.receivers}) {
    key.add(p->per_shot, p->most_touched, p->first, p->count, p->start, p->cell, p->weight, p->touch_first,
            p->touch_count, p->touch_cell, p->touch_start, p->touch_location, p->touch_weight);
  }
  key.add(s.c, s.shots, s.shot, s.nt);
}

template <class T>
void add_fields(GraphKey& key, const WaveFields<T>& f) {
  key.add(f.u, f.phi_z, f.phi_x, f.eta_z, f.eta_x);
}
template <class T>
void add_kept(GraphKey& key, const WaveStore<T>& store) {
  key.add(store.w.full, store.w.half, store.slots, store.first, store.every);
}
template <class T>
void add_ring(GraphKey& key, const WaveRing<T>& r) {  // its layout follows from that of the fields
  key.add(r.ring.full, r.ring.half, r.skirt, r.w, r.slots, r.first, r.held, r.held_first);
}

template <class T>
GraphKey key_of(const WaveForward<T>& a) {
  GraphKey key;
  add_setup(key, a.setup);
  add_fields(key, a.fields);
  add_kept(key, a.store);
  add_kept(key, a.background);
  add_ring(key, a.ring);
  return key.add('f', sizeof(T), a.n0, a.n1, a.wavelet, a.wavelet_stride, a.data, a.tangent, a.strips_only);
}
template <class T>
GraphKey key_of(const WaveAdjoint<T>& a) {
  GraphKey key;
  add_setup(key, a.setup);
  add_fields(key, a.fields);
  add_fields(key, a.background);
  add_kept(key, a.store);
  add_ring(key, a.ring);
  return key.add('a', sizeof(T), a.n0, a.n1, a.d_data, a.d_wavelet, a.image, a.wavelet, a.wavelet_stride);
}

enum class Schedule { cluster, flags, stream };
Schedule first_schedule() {
  const char* text = std::getenv("TERRANE_WAVE_SCHEDULE");
  const std::string_view name = text != nullptr ? text : "";
  return name == "stream" ? Schedule::stream : name == "flags" ? Schedule::flags : Schedule::cluster;
}

// Runs a on slabs if its grid and the device allow; fields: at two times in shared memory. The kernels differ in how
// slabs meet: in_cluster, by flags.
template <class T, class Run, class Kernel>
bool on_slabs(Stream& stream, const Run& a, const InnerBox& box, int fields, Kernel in_cluster, Kernel by_flags) {
  const Schedule first = first_schedule();
  if (first == Schedule::stream || a.n1 - a.n0 < 2) return false;
  const WaveLayout& g = a.setup.g;
  if (first == Schedule::cluster) {
    const ResidentPlan plan = plan_cluster<T>(stream, g, box, fields, a.setup.shots, in_cluster);
    if (plan.slabs > 0) return launch_resident<T>(stream, plan, in_cluster, a), true;
  }
  const ResidentPlan plan = plan_flags<T>(stream, g, box, fields, a.setup.shots, by_flags);
  if (plan.slabs > 0) launch_resident<T>(stream, plan, by_flags, a);
  return plan.slabs > 0;
}

}  // namespace
}  // namespace terrane::TERRANE_BACKEND
