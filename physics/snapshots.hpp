// SPDX-License-Identifier: MIT
// What a time-domain adjoint keeps of the forward run, chosen before anything is allocated.
//
//   all         every snapshot                                     memory n w
//   every-k     every k-th snapshot, imaged k-fold: an approximation of the gradient   n w / k
//   checkpoint  the state every `segment` steps and the snapshots of one segment, which is computed again: exact,
//               one more forward run                               (n / segment) state + segment w
//   ring        boundary ring (reserved, not available yet)
// automatic: `all` where it fits the budget, else `checkpoint`.
#pragma once

#include <string>
#include <string_view>

#include "kernels/runtime/hd.hpp"

namespace terrane {

enum class Storage { automatic, all, every_k, checkpoint, ring };

// "auto", "all", "every-k", "checkpoint", "ring"; throws Error{config} otherwise.
Storage parse_storage(std::string_view name);
std::string_view to_string(Storage storage);

struct StoragePlan {
  Storage policy = Storage::all;  // never automatic
  Index every = 1;                // steps between snapshots
  Index slots = 0;                // snapshots held for a shot
  Index segment = 0;              // steps of a segment (even); the whole run unless checkpoint
  Index segments = 1;
  Index states = 0;  // saved states (checkpoint)
  Index bytes = 0;   // snapshots and saved states of all shots
};

// steps: time steps of the run; snapshot_bytes, state_bytes: of all shots. budget_bytes 0: default_storage_budget.
// Throws Error{budget} with the memory that would be needed, Error{config} for a policy that is not available.
StoragePlan plan_storage(Storage policy, Index every, Index steps, Index snapshot_bytes, Index state_bytes,
                         Index budget_bytes);

inline constexpr Index default_storage_budget = Index{4} << 30;

}  // namespace terrane
