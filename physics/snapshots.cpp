// SPDX-License-Identifier: MIT
#include "physics/snapshots.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

constexpr std::string_view names[] = {"auto", "all", "every-k", "checkpoint", "ring", "disk", "host"};

constexpr std::string_view precisions[] = {"full", "bf16"};

// Saved states and the snapshots of one segment in the least memory.
StoragePlan plan_segments(Storage policy, Index steps, Index snapshot_bytes, Index state_bytes) {
  StoragePlan plan;
  plan.policy = policy;
  // (steps / segment) state + segment snapshot is least at segment = sqrt(steps state / snapshot).
  const double best = std::sqrt(static_cast<double>(steps) * static_cast<double>(state_bytes) /
                                static_cast<double>(std::max<Index>(1, snapshot_bytes)));
  plan.segment = std::clamp<Index>(2 * static_cast<Index>(std::llround(best / 2)), 2, steps + steps % 2);
  plan.segments = (steps + plan.segment - 1) / plan.segment;
  plan.states = plan.segments;
  plan.slots = std::min(plan.segment, steps);
  plan.bytes = plan.states * state_bytes + plan.slots * snapshot_bytes;
  return plan;
}

StoragePlan plan_ring(Index steps, const RingCost& ring) {
  StoragePlan plan = plan_segments(Storage::ring, steps, ring.segment_bytes, ring.state_bytes);
  plan.bytes += (steps + 1) * ring.step_bytes;
  return plan;
}

StoragePlan plan_outside(Storage policy, Index steps, const RingCost& ring) {
  StoragePlan plan = plan_segments(policy, steps, ring.segment_bytes + ring.group_bytes, ring.state_bytes);
  // A segment needs one sample more on each side; the forward run at least two of all shots.
  plan.bytes += std::max(2 * ring.group_bytes, 2 * ring.step_bytes - plan.slots * ring.group_bytes);
  plan.outside_bytes = (steps + 1) * ring.step_bytes;
  return plan;
}

std::string gigabytes(Index bytes) {
  char text[64];
  std::snprintf(text, sizeof text, "%.3g GB", static_cast<double>(bytes) * 1e-9);
  return text;
}

}  // namespace

Storage parse_storage(std::string_view name) {
  for (std::size_t i = 0; i < std::size(names); ++i) {
    if (names[i] == name) return static_cast<Storage>(i);
  }
  throw Error(ErrorCode::config, "unknown storage policy '" + std::string(name) +
                                     "'; one of: auto, all, every-k, checkpoint, ring, disk, host");
}

std::string_view to_string(Storage storage) { return names[static_cast<std::size_t>(storage)]; }

StoragePrecision parse_storage_precision(std::string_view name) {
  for (std::size_t i = 0; i < std::size(precisions); ++i) {
    if (precisions[i] == name) return static_cast<StoragePrecision>(i);
  }
  throw Error(ErrorCode::config, "unknown storage precision '" + std::string(name) + "'; one of: full, bf16");
}

std::string_view to_string(StoragePrecision precision) { return precisions[static_cast<std::size_t>(precision)]; }

StoragePlan plan_storage(Storage policy, Index every, Index steps, Index snapshot_bytes, Index state_bytes,
                         Index budget_bytes, const RingCost* ring) {
  require(!has_ring(policy) || ring != nullptr, ErrorCode::config,
          "this physics has no storage 'ring', 'disk' or 'host'; use auto, all, every-k or checkpoint", "storage");
  const Index budget = budget_bytes > 0 ? budget_bytes : default_storage_budget;
  StoragePlan plan;
  plan.segment = steps + steps % 2;
  plan.policy = policy == Storage::every_k ? Storage::every_k : Storage::all;
  if (policy == Storage::every_k) {
    require(every >= 1, ErrorCode::config, "storage 'every-k' needs an interval of at least 1 step", "storage");
    plan.every = every;
  }
  plan.slots = (steps + plan.every - 1) / plan.every;
  plan.bytes = plan.slots * snapshot_bytes;
  const bool too_large = policy == Storage::automatic && plan.bytes > budget;
  if (policy == Storage::ring || (too_large && ring != nullptr)) plan = plan_ring(steps, *ring);
  if (is_outside(policy)) plan = plan_outside(policy, steps, *ring);
  if (policy == Storage::checkpoint || (too_large && plan.bytes > budget)) {
    const StoragePlan checkpoint = plan_segments(Storage::checkpoint, steps, snapshot_bytes, state_bytes);
    if (policy == Storage::checkpoint || checkpoint.bytes < plan.bytes) plan = checkpoint;
  }
  if (budget_bytes > 0 && plan.bytes > budget) {
    throw Error(ErrorCode::budget,
                "storage '" + std::string(to_string(plan.policy)) + "' of the wavefields needs " +
                    gigabytes(plan.bytes) + ", the budget is " + gigabytes(budget) +
                    "; use fewer shots at a time, storage ring, disk, host or checkpoint, or a larger budget");
  }
  return plan;
}

}  // namespace terrane
