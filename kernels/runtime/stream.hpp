// SPDX-License-Identifier: MIT
// Where and in what order work happens. The first argument of every kernel; carries the device, its memory, the
// kernel table of the back end and the number of threads.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/runtime/arena.hpp"
#include "kernels/runtime/device.hpp"

namespace terrane {

struct KernelTable;
class Trace;

struct StreamOptions {
  int threads = 0;                 // 0: default_threads()
  bool deterministic = true;       // same seed, device and build give the same bits
  void* native = nullptr;          // caller's cudaStream_t; null: the stream makes its own
  std::shared_ptr<Arena> arena{};  // caller's memory; null: the device's own
  Trace* trace = nullptr;          // optional recorder of kernel calls, owned by the caller
};

// Not copyable. Buffers keep the arena alive, so they may outlive the stream. One thread at a time per stream.
class Stream {
 public:
  // Throws Error{device} with the reason when the device cannot be used.
  explicit Stream(Device device = {}, StreamOptions options = {});
  virtual ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  const Device& device() const { return device_; }
  const KernelTable& table() const { return *table_; }
  const std::shared_ptr<Arena>& arena() const { return options_.arena; }
  int threads() const { return options_.threads; }
  bool deterministic() const { return options_.deterministic; }
  void* native() const { return options_.native; }
  Trace* trace() const { return options_.trace; }
  void set_trace(Trace* trace) { options_.trace = trace; }
  virtual void synchronize();

  // True while launches are recorded instead of run (kernels/runtime/recording.hpp). What an operation does on the host
  // it then leaves for later: uploads for before every replay, checks of results for when they are read.
  bool recording() const { return recording_ != nullptr; }
  struct HostWork {
    std::vector<std::function<void()>> before, after;
  };
  void before_replay(std::function<void()> work) { recording_->before.push_back(std::move(work)); }
  void after_replay(std::function<void()> work) { recording_->after.push_back(std::move(work)); }
  void set_recording(HostWork* work) { recording_ = work; }  // of class Recording

  // Device memory of at least `bytes` that is valid until the next call: for reductions and library workspaces.
  void* scratch(Index bytes) {
    if (bytes > scratch_bytes_) grow_scratch(bytes);
    return scratch_;
  }
  Index scratch_bytes() const { return scratch_bytes_; }  // grows; the memory moves when it does

 private:
  // Virtual, so that modules reach the library without linking to it.
  virtual void grow_scratch(Index bytes);
  Device device_;
  StreamOptions options_;
  const KernelTable* table_ = nullptr;
  HostWork* recording_ = nullptr;
  void* scratch_ = nullptr;
  Index scratch_bytes_ = 0;
  bool owns_native_ = false;
};

}  // namespace terrane
