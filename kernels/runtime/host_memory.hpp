// SPDX-License-Identifier: MIT
// Memory of the host to copy to and from: page-locked where the back end of a stream can do that, so that copies run at
// the rate of the bus. Move-only. Contents are undefined when fresh.
#pragma once

#include <memory>

#include "kernels/runtime/stream.hpp"

namespace terrane {

class HostMemory {
 public:
  HostMemory() = default;
  // Error{budget} where the host has no room for `bytes`.
  HostMemory(Stream& s, Index bytes);
  ~HostMemory();
  HostMemory(HostMemory&& other) noexcept;
  HostMemory& operator=(HostMemory&& other) noexcept;

  char* data() const { return data_.get(); }
  Index bytes() const { return bytes_; }

 private:
  std::unique_ptr<char[]> data_;
  Index bytes_ = 0;
  const char* (*unlock_)(void* host) = nullptr;  // null: not locked
};

}  // namespace terrane
