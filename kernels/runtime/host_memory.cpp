// SPDX-License-Identifier: MIT
#include "kernels/runtime/host_memory.hpp"

#include <new>
#include <utility>

#include "kernels/runtime/arena.hpp"
#include "kernels/runtime/kernel.hpp"

namespace terrane {

HostMemory::HostMemory(Stream& s, Index bytes) : bytes_(bytes) {
  if (bytes <= 0) return;
  data_.reset(new (std::nothrow) char[static_cast<std::size_t>(bytes)]);
  if (data_ == nullptr) throw out_of_memory("host memory", bytes);
  // Where the system locks no more pages, copies are slower and right.
  const KernelTable& table = s.table();
  if (table.lock_host != nullptr && table.lock_host(data_.get(), bytes) == nullptr) unlock_ = table.unlock_host;
}

HostMemory::~HostMemory() {
  if (unlock_ != nullptr) static_cast<void>(unlock_(data_.get()));
}

HostMemory::HostMemory(HostMemory&& other) noexcept
    : data_(std::move(other.data_)),
      bytes_(std::exchange(other.bytes_, 0)),
      unlock_(std::exchange(other.unlock_, nullptr)) {}

HostMemory& HostMemory::operator=(HostMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(unlock_, other.unlock_);
  return *this;
}

}  // namespace terrane
