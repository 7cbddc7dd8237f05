// SPDX-License-Identifier: MIT
// Owning memory on one device. Move-only. Contents are undefined when fresh (NaN on shadow).
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "kernels/runtime/stream.hpp"
#include "kernels/runtime/view.hpp"

namespace terrane {

template <class T>
class Buffer {
 public:
  Buffer() = default;
  Buffer(Stream& s, Index n) : arena_(s.arena()), n_(n) {
    if (n > 0) data_ = static_cast<T*>(arena_->allocate(n * static_cast<Index>(sizeof(T))));
  }
  Buffer(Buffer&& o) noexcept
      : arena_(std::move(o.arena_)), data_(std::exchange(o.data_, nullptr)), n_(std::exchange(o.n_, 0)) {}
  Buffer& operator=(Buffer&& o) noexcept {
    if (this != &o) {
      release();
      arena_ = std::move(o.arena_);
      data_ = std::exchange(o.data_, nullptr);
      n_ = std::exchange(o.n_, 0);
    }
    return *this;
  }
  ~Buffer() { release(); }

  T* data() const { return data_; }
  Index size() const { return n_; }
  bool empty() const { return n_ == 0; }
  template <class... N>
  View<T, sizeof...(N)> view(N... extent) const {
    return make_view(data_, extent...);
  }

 private:
  void release() noexcept {
    if (data_ != nullptr) arena_->deallocate(data_, n_ * static_cast<Index>(sizeof(T)));
    data_ = nullptr;
  }
  std::shared_ptr<Arena> arena_;
  T* data_ = nullptr;
  Index n_ = 0;
};

// Byte copies; synchronous with respect to the host. Either side of device_to_device may be the same device only.
void copy_to_device(Stream& s, const void* host, void* device, Index bytes);
void copy_to_host(Stream& s, const void* device, void* host, Index bytes);
void copy_on_device(Stream& s, const void* from, void* to, Index bytes);

template <class T>
void copy(Stream& s, std::span<const T> host, T* device) {
  copy_to_device(s, host.data(), device, static_cast<Index>(host.size_bytes()));
}
template <class T>
Buffer<T> to_device(Stream& s, const std::vector<T>& host) {
  Buffer<T> b(s, static_cast<Index>(host.size()));
  copy(s, std::span<const T>(host), b.data());
  return b;
}
template <class T>
std::vector<T> to_host(Stream& s, const T* device, Index n) {
  std::vector<T> host(static_cast<std::size_t>(n));
  if (n > 0) copy_to_host(s, device, host.data(), n * static_cast<Index>(sizeof(T)));
  return host;
}
template <class T>
std::vector<T> to_host(Stream& s, const Buffer<T>& b) {
  return to_host(s, b.data(), b.size());
}

}  // namespace terrane
