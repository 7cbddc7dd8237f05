// SPDX-License-Identifier: MIT
// Checkpoints of a run: DIR/checkpoint/NNNNNN/{state.safetensors, meta.json} and DIR/checkpoint/latest.
//
// A checkpoint is written to NNNNNN.tmp.PID, flushed and renamed, then `latest` (one line, the number) is replaced. So
// a kill or a full disk at any moment leaves the previous one readable. meta.json holds the SHA-256 of the state and of
// its own content. The caller holds the lock of DIR (DirectoryLock).
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/io/safetensors.hpp"
#include "kernels/runtime/log.hpp"

namespace terrane {

struct CheckpointState {
  Index iteration = 0;
  TensorMap tensors;    // bit-exact
  nlohmann::json meta;  // anything else; finite numbers round-trip exactly
};

// Writes `state` under DIR, then removes all but the `keep` (at least 1) newest and those in `keep_iterations`.
// Error{failed} with reason and remedy; nothing older has been touched then.
void save_checkpoint(const std::string& directory, const CheckpointState& state, Index keep,
                     const std::vector<Index>& keep_iterations = {});

// The checkpoint that `latest` names; if it is damaged, the newest other one that is whole, with a warning for each one
// passed over. None: no checkpoint has been written. Error{data} when all are damaged.
std::optional<CheckpointState> load_latest(const std::string& directory, const Log& log);

// One checkpoint, verified. Error{data} naming the file that does not check.
CheckpointState load_checkpoint(const std::string& directory, Index iteration);

// Iterations on disk in increasing order, whole or not; leftovers of interrupted writes are not among them.
std::vector<Index> list_checkpoints(const std::string& directory);

// "DIR/checkpoint/000400"
std::string checkpoint_path(const std::string& directory, Index iteration);

}  // namespace terrane
