// SPDX-License-Identifier: MIT
#include "physics/snapshots.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

constexpr std::string_view names[] = {"auto", "all", "every-k", "checkpoint", "ring"};

StoragePlan plan_checkpoint(Index steps, Index snapshot_bytes, Index state_bytes) {
  StoragePlan plan;
  plan.policy = Storage::checkpoint;
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
  throw Error(ErrorCode::config,
              "unknown storage policy '" + std::string(name) + "'; one of: auto, all, every-k, checkpoint, ring");
}

std::string_view to_string(Storage storage) { return names[static_cast<std::size_t>(storage)]; }

StoragePlan plan_storage(Storage policy, Index every, Index steps, Index snapshot_bytes, Index state_bytes,
                         Index budget_bytes) {
  require(policy != Storage::ring, ErrorCode::config,
          "storage 'ring' is not available in this version; use auto, all, every-k or checkpoint", "storage");
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
  if (policy == Storage::checkpoint || (policy == Storage::automatic && plan.bytes > budget)) {
    plan = plan_checkpoint(steps, snapshot_bytes, state_bytes);
  }
  if (budget_bytes > 0 && plan.bytes > budget) {
    throw Error(ErrorCode::budget, "storage '" + std::string(to_string(plan.policy)) + "' of the wavefields needs " +
                                       gigabytes(plan.bytes) + ", the budget is " + gigabytes(budget) +
                                       "; use fewer shots at a time, storage checkpoint, or a larger budget");
  }
  return plan;
}

}  // namespace terrane
