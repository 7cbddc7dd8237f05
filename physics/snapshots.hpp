// SPDX-License-Identifier: MIT
// What a time-domain adjoint keeps of the forward run, chosen before anything is allocated.
//
//   all         every snapshot                                     memory n w
//   every-k     every k-th snapshot, imaged k-fold: an approximation of the gradient   n w / k
//   checkpoint  the state every `segment` steps and the snapshots of one segment, which is computed again: exact,
//               one more forward run                               (n / segment) state + segment w
//   ring        the cells beside the absorbing layers at every step, and checkpoints of the layers; the rest is stepped
//               backwards: exact up to rounding                                    n ring + checkpoints of the layers
//   disk        the same with the ring in a file, of which a segment is in memory: the bits of `ring`, in the memory of
//               the checkpoints of the layers
//   host        the same with the ring in the memory of the host instead of a file: for GPUs
// Snapshots and ring are kept in the scalar of the run or as bfloat16 (half of float, 3 digits).
// automatic: `all` where it fits the budget, else `ring` where the physics has it and it fits, else the smaller of
// `ring` and `checkpoint`.
#pragma once

#include <string>
#include <string_view>

#include "kernels/runtime/hd.hpp"

namespace terrane {

enum class Storage { automatic, all, every_k, checkpoint, ring, disk, host };

inline bool is_outside(Storage s) { return s == Storage::disk || s == Storage::host; }  // of the device
inline bool has_ring(Storage s) { return s == Storage::ring || is_outside(s); }

// "auto", "all", "every-k", "checkpoint", "ring", "disk", "host"; throws Error{config} otherwise.
Storage parse_storage(std::string_view name);
std::string_view to_string(Storage storage);

enum class StoragePrecision { full, bf16 };

// "full", "bf16"; throws Error{config} otherwise.
StoragePrecision parse_storage_precision(std::string_view name);
std::string_view to_string(StoragePrecision precision);

// Bytes of the boundary ring, all shots unless stated.
struct RingCost {
  Index step_bytes = 0;     // ring of one sample
  Index state_bytes = 0;    // saved state of the layers
  Index segment_bytes = 0;  // w and skirt of one step, of the shots that run backwards at a time
  Index group_bytes = 0;    // ring of one sample, of the same shots
};

struct StoragePlan {
  Storage policy = Storage::all;  // never automatic
  Index every = 1;                // steps between snapshots
  Index slots = 0;                // snapshots held for a shot (ring: of the layers)
  Index segment = 0;              // steps of a segment (even); the whole run unless checkpoint or ring
  Index segments = 1;
  Index states = 0;         // saved states (checkpoint, ring)
  Index bytes = 0;          // snapshots, ring and saved states of all shots, in memory of the device
  Index outside_bytes = 0;  // ring of all shots in the file or on the host

  bool outside() const { return is_outside(policy); }
  bool ring() const { return has_ring(policy); }
  Index disk_bytes() const { return policy == Storage::disk ? outside_bytes : 0; }
  Index host_bytes() const { return policy == Storage::host ? outside_bytes : 0; }
};

// steps: time steps of the run; snapshot_bytes, state_bytes: of all shots. budget_bytes 0: default_storage_budget.
// ring: null where the physics has none. Throws Error{budget} with the memory that would be needed, Error{config} for a
// policy that is not available.
StoragePlan plan_storage(Storage policy, Index every, Index steps, Index snapshot_bytes, Index state_bytes,
                         Index budget_bytes, const RingCost* ring = nullptr);

inline constexpr Index default_storage_budget = Index{4} << 30;

}  // namespace terrane
