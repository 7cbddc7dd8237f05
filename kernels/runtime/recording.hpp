// SPDX-License-Identifier: MIT
// Launches that come again and again with the same arrays, as one graph of the GPU: a whole iteration for the price of
// one launch.
//
//   Recording r;
//   for (...) { upload what changes; r.run(s, [&] { tape.forward(); ... }); r.check(); read results; }
//
// The first run() runs the launches (their buffers are made then), the second records and replays them, later ones
// replay. Equal calls must mean equal launches: the same kernels, sizes and pointers; numbers that change belong into
// device memory. Without graphs (CPU, shadow) and for work that no graph can hold the launches simply run each time:
// memory that is allocated, results that the host reads to decide what comes next. why_not() names the first of them.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "kernels/runtime/stream.hpp"

namespace terrane {

class Recording {
 public:
  // Returns before the device is done.
  void run(Stream& s, const std::function<void()>& launches);
  // Host checks that the recorded operations left for later (Stream::after_replay); waits for the device. Throws what
  // they throw. After runs that were not replayed there is nothing to check: the operations have done it themselves.
  void check();
  // The next run starts anew: something that the launches depend on has changed.
  void forget();

  bool replays() const { return graph_ != nullptr; }
  const std::string& why_not() const { return why_not_; }

 private:
  bool record(Stream& s, const std::function<void()>& launches);
  std::shared_ptr<void> graph_;
  Stream::HostWork work_;
  Index runs_ = 0, scratch_bytes_ = 0;
  bool replayed_ = false;
  std::string why_not_;
};

}  // namespace terrane
