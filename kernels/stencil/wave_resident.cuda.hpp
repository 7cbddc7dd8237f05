// SPDX-License-Identifier: MIT
// Resident schedule of the 2-D wave steps: the time loop is inside the kernel. For wave_schedule.cuda.hpp.
//
// A shot is cut into slabs of whole rows, one block a slab. The block holds its rows of the field at two times and c in
// shared memory; R rows around them belong to its neighbours and are brought after every step. Two ways:
//   flags    all blocks of the launch are resident. A block computes the rows along its edges first, writes them to the
//            field in device memory (two times in turn), raises its flag and goes on with its other rows; it waits for
//            the flags of its two neighbours only. No two blocks are ever more than one step apart.
//   cluster  the slabs of a shot are a cluster (sm_90 and newer): a block writes its edge rows into its neighbours'
//            shared memory, and one barrier of the cluster ends the step.
// The strips of the absorbing layer stay in device memory, where the second copy of phi serves the neighbours as well.
// Reference for the first way: Zhang et al. (2023), PERKS: a locality-optimized execution model for iterative
// memory-bound GPU applications, ICS.
#pragma once

#include "kernels/stencil/wave_slab.cuda.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

// One step of a slab and what its neighbours need of it. Step:
//   advance(first, last), inject(first, last)   rows [first, last); injects(): is there anything to inject
//   publish(), fetch()                          edge rows to memory, those of the neighbours from there (flags)
//   push()                                      edge rows to the neighbours (cluster)
// flag: of this block, those of its neighbours beside it; done: steps with this one.
template <bool Cluster, class T, class Step>
__device__ __forceinline__ void slab_step(const Slab<T>& slab, const Step& step, unsigned* flag, unsigned done,
                                          int thread) {
  // Rows before `above` and from `below` on come first.
  const int above = slab.above ? slab.z0 + early_above : slab.z0;
  const int below = !slab.below ? slab.z1 : (slab.z1 - early_below > above ? slab.z1 - early_below : above);
  if constexpr (Cluster) {
    step.advance(slab.z0, slab.z1);
    __syncthreads();
    if (step.injects()) {
      step.inject(slab.z0, slab.z1);
      __syncthreads();
    }
    step.push();
    cluster_sync();
  } else {
    for (int part = 0; part < 3; ++part) {
      if (part == 2) {
        __syncthreads();
        if (step.injects()) {
          step.inject(slab.z0, above);
          step.inject(below, slab.z1);
          __syncthreads();
        }
        step.publish();
        __syncthreads();
        if (thread == 0) raise_flag(flag, done);
      }
      const int first = part == 0 ? slab.z0 : part == 1 ? below : above;
      const int last = part == 0 ? above : part == 1 ? slab.z1 : below;
      step.advance(first, last);
    }
    if (thread == 0 && slab.above) wait_for_flag(flag - 1, done);
    if (thread == 32 && slab.below) wait_for_flag(flag + 1, done);
    __syncthreads();
    step.inject(above, below);
    step.fetch();
    __syncthreads();
  }
}

// All blocks of the shot have their fields.
template <bool Cluster>
__device__ __forceinline__ void slabs_filled() {
  if constexpr (Cluster) {
    cluster_sync();
  } else {
    __syncthreads();
  }
}

template <int R, bool Cluster, class T>
struct ForwardSlab {
  const WaveForward<T>& a;
  const ResidentPlan& plan;
  const Slab<T>& slab;
  const TouchedRows<T>&sources, &receivers;
  Index shot, n;
  FieldRows<T> field;
  T* memory;  // the next field
  int thread, threads;

  TERRANE_HD void advance(int first, int last) const {
    advance_rows<R>(a, shot, n, plan.box, slab, field, first, last, thread, threads);
  }
  TERRANE_HD bool injects() const { return sources.any(); }
  TERRANE_HD void inject(int first, int last) const {
    sources.for_each(first, last, thread, threads,
                     [&](Index k, int z, int x) { inject_source(a, shot, n, field, k, z, x); });
  }
  TERRANE_HD void publish() const {
    publish_rows(slab, field.next, memory, thread, threads);
    publish_touched(slab, field.next, memory, receivers, thread, threads);
  }
  TERRANE_HD void fetch() const { fetch_rows(slab, memory, field.next, thread, threads); }
  __device__ __forceinline__ void push() const { push_rows(slab, plan, a.setup.g.nz, n + 1, 0, thread, threads); }
};

// flags: (shots of the launch, slabs), zero at the start; steps done.
template <int R, bool Cluster, class T>
__global__ void __launch_bounds__(resident_threads<T>, 1)
    resident_forward_kernel(const WaveForward<T> a, const ResidentPlan plan, const Index first_shot, unsigned* flags) {
  const WaveSetup<T>& s = a.setup;
  const WaveLayout& g = s.g;
  const int thread = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
  const int block = static_cast<int>(blockIdx.x);
  const Index shot = first_shot + block / plan.slabs, which = s.shot[shot];
  const Slab<T> slab(g, plan, shared_dynamic<T>(), block % plan.slabs);
  const auto memory = [&](Index n) { return a.fields.u[n & 1] + shot * g.field + g.origin; };
  fill_slab(slab, 0, memory, thread, threads);
  fill_c(slab, s.c, thread, threads);
  const TouchedRows<T> sources(s.sources, a.wavelet != nullptr, which, slab.z0, slab.z1, g.pitch);
  const TouchedRows<T> receivers(s.receivers, a.data != nullptr, which, slab.z0, slab.z1, g.pitch);
  slabs_filled<Cluster>();
  for (Index n = a.n0; n < a.n1; ++n) {
    const FieldRows<T> field = slab.rows(n, g.free_surface);
    if (a.data != nullptr) {
      const T* next = memory(n);
      if constexpr (Cluster) {
        if (slab.below) next = peer_field(slab, plan, g.nz, slab.slab + 1, n);
      }
      record_slab(s.receivers, which, slab, SlabReader<T>{field.now, next, slab.z1, g.pitch},
                  a.data + shot * s.receivers.per_shot * s.nt, s.nt, n, true, thread, threads);
    }
    if (a.ring.used()) {
      const KeptValues<T> ring = a.ring.ring_at(shot, n);
      for_frame_rows(a.ring.layout.ring, slab.z0, slab.z1, thread, threads,
                     [&](Index place, int z, int x) { ring.put(place, *field.at(z, x)); });
    }
    if (n + 1 == s.nt) break;
    slab_step<Cluster>(
        slab,
        ForwardSlab<R, Cluster, T>{a, plan, slab, sources, receivers, shot, n, field, memory(n + 1), thread, threads},
        flags + block, static_cast<unsigned>(n + 1 - a.n0), thread);
  }
  empty_slab(slab, 0, memory, g.free_surface, thread, threads);
  if constexpr (Cluster) cluster_sync();  // neighbours may still read the last sample
}

template <int R, bool Cluster, bool Rebuild, class T>
struct AdjointSlab {
  const WaveAdjoint<T>& a;
  const ResidentPlan& plan;
  const Slab<T>& slab;
  const TouchedRows<T>&sources, &receivers;
  Index shot, n;
  bool steps;  // false: the last sample, data only
  FieldRows<T> field, back;
  T *memory, *back_memory;  // the next fields
  T* image;
  int thread, threads;

  TERRANE_HD void advance(int first, int last) const {
    if (!steps) return;
    retreat_rows<R, Rebuild>(a, shot, n, plan.box, slab, field, back, image, first, last, thread, threads);
  }
  TERRANE_HD bool injects() const { return receivers.any() || (Rebuild && sources.any()); }
  TERRANE_HD void inject(int first, int last) const {
    if (Rebuild && steps && a.wavelet != nullptr) {
      sources.for_each(first, last, thread, threads, [&](Index k, int z, int x) {
        if (a.ring.layout.core(z, 0, x)) return_source(a, shot, n, *field.at(z, x), back, image, k, z, x);
      });
    }
    receivers.for_each(first, last, thread, threads,
                       [&](Index k, int z, int x) { inject_data(a, shot, n, field, k, z, x); });
  }
  TERRANE_HD void publish() const {
    publish_rows(slab, field.next, memory, thread, threads);
    publish_touched(slab, field.next, memory, sources, thread, threads);
    if constexpr (Rebuild) publish_rows(slab, back.next, back_memory, thread, threads);
  }
  TERRANE_HD void fetch() const {
    fetch_rows(slab, memory, field.next, thread, threads);
    if constexpr (Rebuild) fetch_rows(slab, back_memory, back.next, thread, threads);
  }
  __device__ __forceinline__ void push() const {
    push_rows(slab, plan, a.setup.g.nz, n, 0, thread, threads);
    if constexpr (Rebuild) push_rows(slab, plan, a.setup.g.nz, n + 1, 1, thread, threads);
  }
};

// The image of a shot stays in device memory (in practice in the second cache): each cell has one owner.
template <int R, bool Cluster, bool Rebuild, class T>
__global__ void __launch_bounds__(resident_threads<T>, 1)
    resident_adjoint_kernel(const WaveAdjoint<T> a, const ResidentPlan plan, const Index first_shot, unsigned* flags) {
  const WaveSetup<T>& s = a.setup;
  const WaveLayout& g = s.g;
  const int thread = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
  const int block = static_cast<int>(blockIdx.x);
  const Index shot = first_shot + block / plan.slabs, which = s.shot[shot];
  const Slab<T> slab(g, plan, shared_dynamic<T>(), block % plan.slabs);
  const auto memory = [&](Index n) { return a.fields.u[n & 1] + shot * g.field + g.origin; };
  const auto back_memory = [&](Index n) { return a.background.u[n & 1] + shot * g.field + g.origin; };
  fill_slab(slab, 0, memory, thread, threads);
  if constexpr (Rebuild) fill_slab(slab, 1, back_memory, thread, threads);
  fill_c(slab, s.c, thread, threads);
  const TouchedRows<T> sources(s.sources, a.d_wavelet != nullptr || (Rebuild && a.wavelet != nullptr), which, slab.z0,
                               slab.z1, g.pitch);
  const TouchedRows<T> receivers(s.receivers, true, which, slab.z0, slab.z1, g.pitch);
  slabs_filled<Cluster>();
  for (Index n = a.n1 - 1; n >= a.n0; --n) {
    const FieldRows<T> field = slab.rows(n + 1, g.free_surface);
    const FieldRows<T> back = Rebuild ? slab.rows(n, g.free_surface, 1) : FieldRows<T>{};
    const bool steps = n + 1 < s.nt;
    if (a.d_wavelet != nullptr) {
      const T* next = memory(n + 1);
      if constexpr (Cluster) {
        if (slab.below) next = peer_field(slab, plan, g.nz, slab.slab + 1, n + 1);
      }
      record_slab(s.sources, which, slab, SlabReader<T>{field.now, next, slab.z1, g.pitch},
                  a.d_wavelet + shot * s.sources.per_shot * s.nt, s.nt, n, steps, thread, threads);
    }
    if (Rebuild && n > a.n0) {
      const T* skirt = a.ring.skirt_at(shot, n - 1);
      for_frame_rows(a.ring.layout.skirt, slab.z0, slab.z1, thread, threads,
                     [&](Index place, int z, int x) { back.next[z * slab.pitch + x] = skirt[place]; });
    }
    slab_step<Cluster>(
        slab,
        AdjointSlab<R, Cluster, Rebuild, T>{a, plan, slab, sources, receivers, shot, n, steps, field, back, memory(n),
                                            back_memory(n + 1), a.image != nullptr ? a.image + shot * g.cells : nullptr,
                                            thread, threads},
        flags + block, static_cast<unsigned>(a.n1 - n), thread);
  }
  empty_slab(slab, 0, memory, g.free_surface, thread, threads);
  if constexpr (Rebuild) empty_slab(slab, 1, back_memory, g.free_surface, thread, threads);
}

// Fewest and most slabs of a shot on a device with this much shared memory a block; 0: it does not fit.
struct SlabRange {
  int least = 0, most = 0;
};
template <class T>
SlabRange slab_range(const WaveLayout& g, int fields, Index shared_bytes) {
  SlabRange range{1, std::max(1, static_cast<int>(g.nz) / least_slab)};
  while (range.least <= range.most &&
         resident_bytes<T>(g, (g.nz + range.least - 1) / range.least, fields) > shared_bytes) {
    ++range.least;
  }
  return range.least > range.most ? SlabRange{} : range;
}

template <class T>
ResidentPlan plan_of_slabs(const WaveLayout& g, const InnerBox& box, int fields, int slabs) {
  ResidentPlan plan;
  plan.fields = fields;
  plan.box = box;
  plan.slabs = slabs;
  plan.rows = static_cast<int>((g.nz + slabs - 1) / slabs);
  plan.area = static_cast<int>((plan.rows + 2 * g.radius) * g.pitch + 2 * wave_lanes);
  const int quads = static_cast<int>(plan.rows * g.pitch) / 8;
  plan.threads = std::clamp((quads + 31) / 32 * 32, 64, resident_threads<T>);
  return plan;
}

inline int device_value(const Stream& s, cudaDeviceAttr which) {
  int value = 0;
  check_cuda(cudaDeviceGetAttribute(&value, which, s.device().index), "reading the GPU");
  return value;
}

// Lets a kernel have more than 48 KiB of shared memory.
template <class Kernel>
void allow_shared(Kernel kernel, Index bytes) {
  check_cuda(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  static_cast<int>(bytes)),
             "asking for shared memory");
}

// Slabs that wait for flags: as many as the device holds at a time, in equal launches.
template <class T, class Kernel>
ResidentPlan plan_flags(const Stream& s, const WaveLayout& g, const InnerBox& box, int fields, Index shots,
                        Kernel kernel) {
  const Index limit = device_value(s, cudaDevAttrMaxSharedMemoryPerBlockOptin);
  const SlabRange range = slab_range<T>(g, fields, limit);
  if (range.least == 0 || device_value(s, cudaDevAttrCooperativeLaunch) == 0) return {};
  ResidentPlan plan = plan_of_slabs<T>(g, box, fields, range.least);
  allow_shared(kernel, limit);
  int blocks = 0;
  check_cuda(
      cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, reinterpret_cast<const void*>(kernel), plan.threads,
                                                    static_cast<std::size_t>(resident_bytes<T>(g, plan.rows, fields))),
      "asking for the number of resident blocks");
  const Index capacity = Index{blocks} * processors(s);
  if (capacity < range.least) return {};
  const Index launches = (shots * range.least + capacity - 1) / capacity, together = (shots + launches - 1) / launches;
  // More slabs than needed use more processors, with one block on each.
  const Index spread = std::min(capacity, Index{processors(s)}) / together;
  plan = plan_of_slabs<T>(g, box, fields, static_cast<int>(std::clamp<Index>(spread, range.least, range.most)));
  plan.shots = together;
  return plan;
}

// A cluster of 16 or 8 slabs a shot; the larger where the smaller does not hold the shot or leaves processors idle.
template <class T, class Kernel>
ResidentPlan plan_cluster(const Stream& s, const WaveLayout& g, const InnerBox& box, int fields, Index shots,
                          Kernel kernel) {
  const Index limit = device_value(s, cudaDevAttrMaxSharedMemoryPerBlockOptin);
  const SlabRange range = slab_range<T>(g, fields, limit);
  if (range.least == 0 || device_value(s, cudaDevAttrComputeCapabilityMajor) < 9) return {};
  allow_shared(kernel, limit);
  check_cuda(
      cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeNonPortableClusterSizeAllowed, 1),
      "asking for large clusters");
  for (const int slabs : {16, 8}) {
    if (slabs < range.least || slabs > range.most) continue;
    if (slabs == 16 && range.least <= 8 && shots * 16 > processors(s)) continue;
    ResidentPlan plan = plan_of_slabs<T>(g, box, fields, slabs);
    cudaLaunchAttribute attribute{};
    attribute.id = cudaLaunchAttributeClusterDimension;
    attribute.val.clusterDim.x = static_cast<unsigned>(slabs);
    attribute.val.clusterDim.y = attribute.val.clusterDim.z = 1;
    cudaLaunchConfig_t config{};
    config.gridDim = dim3(static_cast<unsigned>(slabs));
    config.blockDim = dim3(static_cast<unsigned>(plan.threads));
    config.dynamicSmemBytes = static_cast<std::size_t>(resident_bytes<T>(g, plan.rows, fields));
    config.attrs = &attribute;
    config.numAttrs = 1;
    int clusters = 0;
    if (cudaOccupancyMaxActiveClusters(&clusters, reinterpret_cast<const void*>(kernel), &config) != cudaSuccess) {
      static_cast<void>(cudaGetLastError());
      continue;
    }
    if (clusters == 0) continue;
    plan.cluster = true;
    plan.shots = shots;
    return plan;
  }
  return {};
}

template <class T>
struct ZeroFlags {
  unsigned* flags;
  TERRANE_HD void operator()(Index i) const { flags[i] = 0; }
};

// One launch for plan.shots shots at a time.
template <class T, class Kernel, class Run>
void launch_resident(Stream& stream, const ResidentPlan& plan, Kernel kernel, const Run& a) {
  const WaveSetup<T>& s = a.setup;
  const Index bytes = resident_bytes<T>(s.g, plan.rows, plan.fields);
  const Index blocks = plan.shots * plan.slabs;
  unsigned* flags = nullptr;
  if (!plan.cluster) flags = static_cast<unsigned*>(stream.scratch(blocks * static_cast<Index>(sizeof(unsigned))));
  for (Index first = 0; first < s.shots; first += plan.shots) {
    const Index shots = std::min(plan.shots, s.shots - first);
    if (!plan.cluster) parallel_for(stream, blocks, ZeroFlags<T>{flags});
    TERRANE_LAUNCH_TOGETHER(kernel, dim3(static_cast<unsigned>(shots * plan.slabs)),
                            dim3(static_cast<unsigned>(plan.threads)), static_cast<std::size_t>(bytes),
                            plan.cluster ? static_cast<unsigned>(plan.slabs) : 0u, stream, a, plan, first, flags);
  }
}

}  // namespace
}  // namespace terrane::TERRANE_BACKEND
