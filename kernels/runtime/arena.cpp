// SPDX-License-Identifier: MIT
#include "kernels/runtime/arena.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <new>
#include <string>

#include "kernels/runtime/error.hpp"
#include "kernels/runtime/kernel.hpp"

namespace terrane {

Error out_of_memory(const std::string& where, Index bytes) {
  return Error(ErrorCode::budget, where + " cannot give another " + std::to_string(bytes >> 20) +
                                      " MiB; lower the number of shots in a batch or set physics.storage");
}

namespace {

class CpuArena : public Arena {
 public:
  void* allocate(Index bytes) override {
    // Large arrays start at a huge page and ask for them: a first touch and a stream through them cost far less.
    const std::size_t align = bytes >= Index{4} << 20 ? std::size_t{2} << 20 : 64;
    const auto size = (static_cast<std::size_t>(bytes) + align - 1) / align * align;
    void* p = std::aligned_alloc(align, size);
    if (p == nullptr) throw out_of_memory("host memory", bytes);
    if (align > 64) madvise(p, size, MADV_HUGEPAGE);
    count(bytes);
    return p;
  }
  void deallocate(void* p, Index bytes) noexcept override {
    std::free(p);
    count(-bytes);
  }
};

// One reserved range of addresses; the part in use is made accessible with a single call around each kernel or copy.
// A pointer dereferenced outside faults at once, as a GPU pointer would on the host.
class ShadowArena : public Arena {
 public:
  ShadowArena() : page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {
    void* p = mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) throw out_of_memory("the shadow device", static_cast<Index>(reserved));
    base_ = static_cast<char*>(p);
    free_[0] = reserved;
  }
  ~ShadowArena() override { munmap(base_, reserved); }

  void* allocate(Index bytes) override {
    const std::size_t size = round_up(static_cast<std::size_t>(bytes));
    for (auto it = free_.begin(); it != free_.end(); ++it) {
      if (it->second < size + page_) continue;  // a guard page stays between two allocations
      const std::size_t at = it->first, left = it->second - size - page_;
      free_.erase(it);
      if (left > 0) free_[at + size + page_] = left;
      top_ = std::max(top_, at + size + page_);
      // The array ends at the guard page, so that an overrun faults even inside a kernel; 64-byte alignment is kept.
      char* start = base_ + at;
      mprotect(start, size, PROT_READ | PROT_WRITE);
      std::memset(start, 0xff, size);  // NaN for float and double
      blocks_[at] = size;
      if (depth_ == 0) mprotect(start, size, PROT_NONE);
      count(bytes);
      return start + (size - (static_cast<std::size_t>(bytes) + 63) / 64 * 64);
    }
    throw out_of_memory("the shadow device", bytes);
  }
  void deallocate(void* p, Index bytes) noexcept override {
    const auto offset = static_cast<std::size_t>(static_cast<char*>(p) - base_);
    const auto block = std::prev(blocks_.upper_bound(offset));
    const std::size_t at = block->first, size = block->second;
    blocks_.erase(block);
    mprotect(base_ + at, size, PROT_NONE);
    madvise(base_ + at, size, MADV_DONTNEED);
    insert_free(at, size + page_);
    count(-bytes);
  }
  void open() noexcept override {
    if (depth_++ == 0) protect(PROT_READ | PROT_WRITE);
  }
  void close() noexcept override {
    if (--depth_ == 0) protect(PROT_NONE);
  }

 private:
  static constexpr std::size_t reserved = std::size_t{1} << 38;
  std::size_t round_up(std::size_t n) const { return (std::max<std::size_t>(n, 1) + page_ - 1) / page_ * page_; }
  void protect(int flags) noexcept {
    for (const auto& [at, size] : blocks_) mprotect(base_ + at, size, flags);
  }
  void insert_free(std::size_t at, std::size_t size) {
    auto [it, _] = free_.emplace(at, size);
    if (auto next = std::next(it); next != free_.end() && it->first + it->second == next->first) {
      it->second += next->second;
      free_.erase(next);
    }
    if (it != free_.begin()) {
      if (auto previous = std::prev(it); previous->first + previous->second == it->first) {
        previous->second += it->second;
        free_.erase(it);
      }
    }
  }

  std::size_t page_;
  char* base_ = nullptr;
  std::size_t top_ = 0;
  int depth_ = 0;
  std::map<std::size_t, std::size_t> free_, blocks_;  // offset -> bytes
};

class ModuleArena : public Arena {
 public:
  ModuleArena(const Device& device, const KernelTable& table) : device_(device), table_(table) {}
  void* allocate(Index bytes) override {
    if (refuses()) throw NotRecordable("it allocates memory");
    void* p = nullptr;
    if (table_.allocate(device_.index, bytes, &p) != nullptr) throw out_of_memory(device_.name(), bytes);
    count(bytes);
    return p;
  }
  void deallocate(void* p, Index bytes) noexcept override {
    table_.deallocate(device_.index, p);
    count(-bytes);
  }

 private:
  Device device_;
  const KernelTable& table_;
};

}  // namespace

std::shared_ptr<Arena> make_arena(const Device& device, const KernelTable& table) {
  switch (device.kind) {
    case DeviceKind::cpu:
      return std::make_shared<CpuArena>();
    case DeviceKind::shadow:
      return std::make_shared<ShadowArena>();
    default:
      return std::make_shared<ModuleArena>(device, table);
  }
}

}  // namespace terrane
