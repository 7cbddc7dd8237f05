// SPDX-License-Identifier: MIT
#include "kernels/runtime/stream.hpp"

#include <cstring>

#include "kernels/runtime/buffer.hpp"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/kernel.hpp"

namespace terrane {

namespace {

void check(const char* failure, const Device& device, const char* verb) {
  if (failure != nullptr) throw Error(ErrorCode::device, device.name() + ": " + verb + ": " + failure);
}

// Makes shadow memory accessible for one host copy.
class OpenArena {
 public:
  explicit OpenArena(Arena& arena) : arena_(arena) { arena_.open(); }
  ~OpenArena() { arena_.close(); }
  OpenArena(const OpenArena&) = delete;
  OpenArena& operator=(const OpenArena&) = delete;

 private:
  Arena& arena_;
};

void copy_bytes(Stream& s, const void* from, void* to, Index bytes, const char* verb) {
  if (bytes <= 0) return;
  if (s.recording()) throw NotRecordable(std::string("it waits for a ") + verb);
  if (s.table().copy != nullptr) {
    check(s.table().copy(s.native(), from, to, bytes), s.device(), verb);
    return;
  }
  const OpenArena open(*s.arena());
  std::memmove(to, from, static_cast<std::size_t>(bytes));
}

}  // namespace

Stream::Stream(Device device, StreamOptions options) : device_(device), options_(std::move(options)) {
  table_ = &kernel_table(device_);
  if (options_.threads <= 0) options_.threads = default_threads();
  if (table_->probe != nullptr) {
    char text[256] = {};
    const int devices = table_->probe(device_.index, text, sizeof text);
    if (device_.index >= devices) {
      throw Error(ErrorCode::device, device_.name() + " unusable: " + (text[0] != 0 ? text : "no such GPU"));
    }
  }
  if (options_.arena == nullptr) options_.arena = make_arena(device_, *table_);
  if (table_->stream_create != nullptr && options_.native == nullptr) {
    check(table_->stream_create(device_.index, &options_.native), device_, "creating a stream");
    owns_native_ = true;
  }
}

Stream::~Stream() {
  if (scratch_ != nullptr) options_.arena->deallocate(scratch_, scratch_bytes_);
  if (owns_native_) table_->stream_destroy(options_.native);
}

void Stream::synchronize() {
  if (recording()) throw NotRecordable("it waits for the device");
  if (table_->synchronize != nullptr) check(table_->synchronize(options_.native), device_, "synchronize");
}

void Stream::grow_scratch(Index bytes) {
  if (recording()) throw NotRecordable("it needs more scratch memory than before");
  if (scratch_ != nullptr) {
    synchronize();
    options_.arena->deallocate(scratch_, scratch_bytes_);
    scratch_ = nullptr;
    scratch_bytes_ = 0;
  }
  scratch_ = options_.arena->allocate(bytes);
  scratch_bytes_ = bytes;
}

void copy_to_device(Stream& s, const void* host, void* device, Index bytes) {
  copy_bytes(s, host, device, bytes, "copy to the device");
}
void copy_to_host(Stream& s, const void* device, void* host, Index bytes) {
  copy_bytes(s, device, host, bytes, "copy to the host");
}
void copy_on_device(Stream& s, const void* from, void* to, Index bytes) {
  copy_bytes(s, from, to, bytes, "copy on the device");
}

}  // namespace terrane
