// SPDX-License-Identifier: MIT
// What is too large for a device: bytes by their offset, in a file or in the memory of the host.
#pragma once

#include <vector>

#include "kernels/runtime/host_memory.hpp"
#include "physics/scratch_file.hpp"

namespace terrane {

class OutsideMemory {
 public:
  OutsideMemory() = default;
  explicit OutsideMemory(ScratchFile file) : file_(std::move(file)) {}
  explicit OutsideMemory(HostMemory host) : host_(std::move(host)) {}

  Index bytes() const { return host_.bytes() + file_.bytes(); }  // one of them is empty
  // Between [offset, offset + bytes) and memory of the device of `s`, after what the stream has been given before.
  // Error{failed} beyond the end, or with the reason of the file.
  void write(Stream& s, Index offset, const void* device, Index bytes);
  void read(Stream& s, Index offset, void* device, Index bytes);

 private:
  char* within(Index offset, Index bytes) const;
  ScratchFile file_;
  HostMemory host_;
  std::vector<char> staged_;  // between a device and the file
};

}  // namespace terrane
