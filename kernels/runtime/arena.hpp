// SPDX-License-Identifier: MIT
// Memory of one device. Explicit: a Buffer lives in one arena, copies are verbs. Counts bytes for the memory report.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "kernels/runtime/device.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {

struct KernelTable;

struct MemoryStats {
  Index current_bytes = 0;
  Index peak_bytes = 0;  // since construction or reset_peak()
  Index allocations = 0;
};

class Arena {
 public:
  virtual ~Arena() = default;
  // 64-byte aligned (256 on CUDA); throws Error{budget} when the device is out of memory.
  virtual void* allocate(Index bytes) = 0;
  virtual void deallocate(void* pointer, Index bytes) noexcept = 0;
  // Shadow memory is readable only between open() and close() (nested calls count).
  virtual void open() noexcept {}
  virtual void close() noexcept {}

  // Until the call with false this thread's allocations are refused: their memory would be gone when the recording is
  // replayed. See kernels/runtime/recording.hpp.
  void refuse(bool on) { recorder_ = on ? std::this_thread::get_id() : std::thread::id(); }

  const MemoryStats& stats() const { return stats_; }
  void reset_peak() { stats_.peak_bytes = stats_.current_bytes; }

 protected:
  bool refuses() const { return recorder_ == std::this_thread::get_id(); }
  void count(Index bytes) {
    stats_.current_bytes += bytes;
    if (stats_.current_bytes > stats_.peak_bytes) stats_.peak_bytes = stats_.current_bytes;
    if (bytes > 0) ++stats_.allocations;
  }

 private:
  MemoryStats stats_;
  std::thread::id recorder_;
};

// Error{budget}: `where` has no room for `bytes` more.
Error out_of_memory(const std::string& where, Index bytes);

// `table` supplies the allocation calls of cuda and emulated.
std::shared_ptr<Arena> make_arena(const Device& device, const KernelTable& table);

}  // namespace terrane
