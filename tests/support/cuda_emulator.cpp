// SPDX-License-Identifier: MIT
#include <array>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <memory>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "tests/support/cuda_emulator_fiber.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace terrane::emulator {
namespace {

[[maybe_unused]] constexpr std::size_t entry_bytes = 4096;  // of a stack, used by the frames that start a thread
constexpr Index max_threads = 1024, static_limit = 48 * 1024, shared_limit = 227 * 1024, guard_bytes = 64;
constexpr Index shared_bytes_of_block = shared_limit + 16 * 1024;  // with guards and gaps
constexpr unsigned char poison = 0xff, guard = 0xa5;

std::atomic<std::uint64_t> seed_value{[] {
  const char* text = std::getenv("TERRANE_EMULATOR_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 0ull;
}()};
std::atomic<std::uint64_t> switch_count{0};

std::uint64_t mix(std::uint64_t x) {  // splitmix64 finaliser
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

struct Rng {
  std::uint64_t state;
  std::uint64_t below(std::uint64_t n) {
    state = mix(state);
    return state % n;
  }
};

#if defined(__x86_64__)
// Saves the callee-saved registers of the System V ABI on this stack and continues on another.
extern "C" void terrane_switch_stack(void** save, void* load);
asm(R"(
.text
.hidden terrane_switch_stack
.globl terrane_switch_stack
.type terrane_switch_stack, @function
terrane_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size terrane_switch_stack, .-terrane_switch_stack
)");
#endif

void fiber_entry();

// Everything one host thread needs to run the blocks that are resident together: one, a cluster, or a whole grid.
class Scheduler {
 public:
  void run_grid(const char* kernel, dim3 grid, dim3 block, Index shared_bytes, unsigned together,
                void (*thread)(const void*), const void* context);
  std::uint64_t collect(Collective kind, unsigned mask, std::uint64_t value, int argument, int width,
                        const std::source_location& where);
  void flag_wait(const unsigned* flag, unsigned at_least, const std::source_location& where);
  void flag_release(unsigned* flag, unsigned value, const std::source_location& where);
  void* shared_memory(const void* key, Index bytes);
  void* shared_of_peer(const void* mine, unsigned rank);
  unsigned cluster_rank() const { return static_cast<unsigned>(block_of(current_)); }
  void async_copy(const AsyncCopy& copy);
  void async_wait_all(const std::source_location& where);
  void run_thread() noexcept;  // body of a fiber
  bool running() const { return current_ >= 0; }

 private:
  struct Shared {
    const void* key;
    Index offset, bytes;
  };
  struct Block {
    uint3 index{};
    int waiting = 0, returned = 0;
    std::vector<int> ready;
    std::vector<Shared> regions;
    Index shared_used = 0;
    std::unique_ptr<unsigned char[]> shared;
  };

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::failed, "emulator: kernel " + std::string(kernel_) + ", block (" +
                                       std::to_string(blockIdx.x) + "," + std::to_string(blockIdx.y) + "," +
                                       std::to_string(blockIdx.z) + "): " + what);
  }
  void run_together(std::span<const Index> linear, dim3 grid, dim3 block);
  void start_block(Block& b, int number, Index linear, dim3 grid, dim3 block);
  int pick();
  void start_fiber(Fiber& f);
  void resume(int i);
  void suspend(bool last);
  Fiber& fiber(int i) { return fibers_[static_cast<std::size_t>(i)]; }
  const Fiber& fiber(int i) const { return fibers_[static_cast<std::size_t>(i)]; }
  int block_of(int i) const { return i / threads_; }
  Block& block(int b) { return blocks_[static_cast<std::size_t>(b)]; }
  void make_ready(int i) {
    fiber(i).state = State::ready;
    block(block_of(i)).ready.push_back(i);
    ++ready_count_;
  }
  void release_block(Collective kind, int first);
  void release_cluster();
  void try_release_warp(int i);
  void resolve_warp(std::span<const int> members, Collective kind);
  [[noreturn]] void report_deadlock() const;
  void* shared_region(Block& b, const void* key, Index bytes);
  void check_guards(const Block& b) const;

  const char* kernel_ = "";
  void (*thread_)(const void*) = nullptr;
  const void* context_ = nullptr;
  Index shared_bytes_ = 0;
  std::vector<Fiber> fibers_;
  std::vector<Block> blocks_;
  int threads_ = 0, active_ = 0, current_ = -1, waiting_cluster_ = 0, ready_count_ = 0, favourite_ = 0;
  int late_warp_ = -1;
  Rng rng_{0};
  std::exception_ptr error_;
  Removal removal_;
#if defined(__x86_64__)
  void* sp_ = nullptr;
#else
  ucontext_t context_of_scheduler_;
#endif
  [[maybe_unused]] void* fake_stack_ = nullptr;
  [[maybe_unused]] const void* host_stack_ = nullptr;
  [[maybe_unused]] std::size_t host_stack_bytes_ = 0;
  std::uint64_t launches_ = 0;
};

Scheduler& scheduler() {
  static thread_local Scheduler s;
  return s;
}

void fiber_entry() {
  scheduler().run_thread();  // never returns
  std::abort();              // unreachable: a finished fiber is not resumed
}

void Scheduler::run_thread() noexcept {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &host_stack_, &host_stack_bytes_);
#endif
  try {
    thread_(context_);
    if (!fiber(current_).copies.empty()) fail("a thread returned before its copies arrived");
  } catch (...) {
    if (error_ == nullptr) error_ = std::current_exception();
  }
  fiber(current_).state = State::returned;
  ++block(block_of(current_)).returned;
  suspend(true);
}

void Scheduler::start_fiber(Fiber& f) {
  if (f.stack == nullptr) f.stack = std::make_unique<Stack>();
  f.fake_stack = nullptr;
  f.copies.clear();
#if defined(__SANITIZE_ADDRESS__)
  // The frames of a fiber's entry never return, those of an abandoned fiber neither: their red zones must go.
  const std::size_t stale = f.state == State::returned ? entry_bytes : stack_bytes;
  ASAN_UNPOISON_MEMORY_REGION(f.stack->bottom() + stack_bytes - stale, stale);
#endif
#if defined(__x86_64__)
  auto** sp = reinterpret_cast<void**>(f.stack->bottom() + stack_bytes);
  *--sp = nullptr;  // return address of fiber_entry: end of the stack for debuggers
  *--sp = reinterpret_cast<void*>(&fiber_entry);
  for (int r = 0; r < 6; ++r) *--sp = nullptr;
  f.sp = sp;
#else
  getcontext(&f.context);
  f.context.uc_stack.ss_sp = f.stack->bottom();
  f.context.uc_stack.ss_size = stack_bytes;
  f.context.uc_link = nullptr;
  makecontext(&f.context, &fiber_entry, 0);
#endif
}

void Scheduler::resume(int i) {
  Fiber& f = fiber(i);
  current_ = i;
  threadIdx = f.thread;
  blockIdx = block(block_of(i)).index;
  switch_count.fetch_add(1, std::memory_order_relaxed);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&fake_stack_, f.stack->bottom(), stack_bytes);
#endif
#if defined(__x86_64__)
  terrane_switch_stack(&sp_, f.sp);
#else
  swapcontext(&context_of_scheduler_, &f.context);
#endif
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack_, nullptr, nullptr);
#endif
  current_ = -1;
}

void Scheduler::suspend([[maybe_unused]] bool last) {
  Fiber& f = fiber(current_);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(last ? nullptr : &f.fake_stack, host_stack_, host_stack_bytes_);
#endif
#if defined(__x86_64__)
  terrane_switch_stack(&f.sp, sp_);
#else
  swapcontext(&f.context, &context_of_scheduler_);
#endif
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(f.fake_stack, &host_stack_, &host_stack_bytes_);
#endif
}

void Scheduler::run_grid(const char* kernel, dim3 grid, dim3 block, Index shared_bytes, unsigned together,
                         void (*thread)(const void*), const void* context) {
  if (current_ >= 0) fail("a kernel launched a kernel");
  kernel_ = kernel;
  thread_ = thread;
  context_ = context;
  shared_bytes_ = shared_bytes;
  const LoopOrder order = loop_order(kernel, grid, block);
  if (shared_bytes < 0 || shared_bytes > shared_limit) fail("dynamic shared memory is not between 0 and 227 KiB");
  const Index gang = together == 0 ? order.blocks : together;
  if (order.blocks % gang != 0) fail("the grid is not a multiple of its clusters");
  threads_ = static_cast<int>(block.x * block.y * block.z);
  if (fibers_.size() < static_cast<std::size_t>(gang * threads_))
    fibers_.resize(static_cast<std::size_t>(gang * threads_));
  if (blocks_.size() < static_cast<std::size_t>(gang)) blocks_.resize(static_cast<std::size_t>(gang));
  gridDim = grid;
  blockDim = block;
  removal_.read();
  rng_.state = mix(seed_value.load() + 0x51ed27ull * ++launches_);
  std::vector<Index> linear(static_cast<std::size_t>(gang));
  const Index gangs = order.blocks / gang;
  for (Index i = 0, b = order.start; i < order.blocks; ++i, b = (b + order.step) % order.blocks) {
    if (b >= gangs) continue;  // clusters are numbered as their first blocks would be
    std::iota(linear.begin(), linear.end(), b * gang);
    run_together(linear, grid, block);
  }
}

void Scheduler::start_block(Block& b, int number, Index linear, dim3 grid, dim3 shape) {
  const auto l = static_cast<std::uint64_t>(linear);
  b.index = {static_cast<unsigned>(l % grid.x), static_cast<unsigned>(l / grid.x % grid.y),
             static_cast<unsigned>(l / grid.x / grid.y)};
  b.waiting = b.returned = 0;
  b.regions.clear();
  b.ready.clear();
  b.shared_used = 0;
  blockIdx = b.index;
  if (b.shared == nullptr) {
    b.shared = std::make_unique<unsigned char[]>(static_cast<std::size_t>(shared_bytes_of_block));
  }
  if (shared_bytes_ > 0) shared_region(b, nullptr, shared_bytes_);  // first: at the same offset in every block
  for (int i = 0; i < threads_; ++i) {
    Fiber& f = fiber(number * threads_ + i);
    const auto t = static_cast<unsigned>(i);
    f.thread = {t % shape.x, t / shape.x % shape.y, t / shape.x / shape.y};
    start_fiber(f);
    make_ready(number * threads_ + i);
  }
}

// A random fiber. Of several blocks one is ahead of the others for a while. A late warp comes last, but for a rare
// draw: the others then stand at the next barrier, and what they had no right to read or write is seen.
int Scheduler::pick() {
  if (active_ > 1 && rng_.below(256) == 0)
    favourite_ = static_cast<int>(rng_.below(static_cast<std::uint64_t>(active_)));
  int b = favourite_;
  if (active_ > 1 && rng_.below(16) == 0) b = static_cast<int>(rng_.below(static_cast<std::uint64_t>(active_)));
  while (block(b).ready.empty()) b = (b + 1) % active_;
  std::vector<int>& ready = block(b).ready;
  std::size_t at = 0;
  for (int draws = 0; draws < 8; ++draws) {
    at = rng_.below(ready.size());
    if (ready[at] % threads_ / warpSize != late_warp_) break;
  }
  std::swap(ready[at], ready.back());
  const int i = ready.back();
  ready.pop_back();
  --ready_count_;
  return i;
}

void Scheduler::run_together(std::span<const Index> linear, dim3 grid, dim3 shape) {
  active_ = static_cast<int>(linear.size());
  waiting_cluster_ = ready_count_ = favourite_ = 0;
  const auto warps = static_cast<std::uint64_t>((threads_ + warpSize - 1) / warpSize);
  late_warp_ = static_cast<int>(rng_.below(2 * warps));  // in half of the cases there is none
  error_ = nullptr;
  for (int b = 0; b < active_; ++b) start_block(block(b), b, linear[static_cast<std::size_t>(b)], grid, shape);
  while (ready_count_ > 0 && error_ == nullptr) resume(pick());
  if (error_ != nullptr) std::rethrow_exception(std::exchange(error_, nullptr));
  for (int b = 0; b < active_; ++b) {
    blockIdx = block(b).index;
    if (block(b).returned < threads_) report_deadlock();
    check_guards(block(b));
  }
}

std::uint64_t Scheduler::collect(Collective kind, unsigned mask, std::uint64_t value, int argument, int width,
                                 const std::source_location& where) {
  if (current_ < 0) {
    throw Error(ErrorCode::failed, "emulator: a barrier or warp collective in a kernel of launch_elementwise",
                place(where));
  }
  const int i = current_, lane = i % threads_ % warpSize;
  Fiber& f = fiber(i);
  if ((kind <= Collective::warp_sync || kind == Collective::cluster_sync) && removal_.skips(where)) return value;
  f.kind = kind;
  f.mask = mask;
  f.value = value;
  f.argument = argument;
  f.width = width;
  f.where = where;
  if (kind <= Collective::block_count) {
    f.state = State::waiting_block;
    if (++block(block_of(i)).waiting == threads_) release_block(kind, block_of(i) * threads_);
  } else if (kind == Collective::cluster_sync) {
    f.state = State::waiting_cluster;
    if (++waiting_cluster_ == threads_ * active_) release_cluster();
  } else {
    if ((mask >> lane & 1u) == 0) fail("the mask of a warp collective lacks its caller at " + place(where));
    if (width != 0 && (width > warpSize || !std::has_single_bit(static_cast<unsigned>(width)))) {
      fail("width of a shuffle is not a power of two up to 32 at " + place(where));
    }
    f.state = State::waiting_warp;
    try_release_warp(i);
  }
  suspend(false);
  return f.value;
}

void Scheduler::release_block(Collective kind, int first) {
  std::uint64_t count = 0;
  for (int i = first; i < first + threads_; ++i) {
    const Fiber& f = fiber(i);
    if (f.kind != kind || !same_place(f.where, fiber(first).where)) {
      fail("threads wait at two different barriers, " + place(fiber(first).where) + " and " + place(f.where));
    }
    count += f.value;
  }
  std::uint64_t result = count;
  if (kind == Collective::block_or) result = count > 0;
  if (kind == Collective::block_and) result = count == static_cast<std::uint64_t>(threads_);
  block(block_of(first)).waiting = 0;
  for (int i = first; i < first + threads_; ++i) {
    fiber(i).value = result;
    make_ready(i);
  }
}

void Scheduler::release_cluster() {
  waiting_cluster_ = 0;
  for (int i = 0; i < threads_ * active_; ++i) {
    if (!same_place(fiber(i).where, fiber(0).where)) {
      fail("threads wait at two different barriers, " + place(fiber(0).where) + " and " + place(fiber(i).where));
    }
  }
  for (int i = 0; i < threads_ * active_; ++i) make_ready(i);
}

void Scheduler::flag_wait(const unsigned* flag, unsigned at_least, const std::source_location& where) {
  if (current_ < 0) throw Error(ErrorCode::failed, "emulator: a flag in a kernel of launch_elementwise", place(where));
  if (removal_.skips(where)) return;
  Fiber& f = fiber(current_);
  if (*flag >= at_least) return;
  f.where = where;
  f.flag = flag;
  f.mask = at_least;
  f.state = State::waiting_flag;
  suspend(false);
}

void Scheduler::flag_release(unsigned* flag, unsigned value, const std::source_location& where) {
  if (current_ < 0) throw Error(ErrorCode::failed, "emulator: a flag in a kernel of launch_elementwise", place(where));
  if (removal_.skips(where)) return;
  *flag = value;
  for (int i = 0; i < threads_ * active_; ++i) {
    const Fiber& f = fiber(i);
    if (f.state == State::waiting_flag && f.flag == flag && value >= f.mask) make_ready(i);
  }
}

void Scheduler::try_release_warp(int i) {
  const Fiber& f = fiber(i);
  const int begin = block_of(i) * threads_, first = begin + (i - begin) / warpSize * warpSize;
  const int lanes = begin + threads_ - first;
  if (lanes < warpSize && f.mask >> lanes != 0) {
    fail("the mask of a warp collective names a thread outside the block at " + place(f.where));
  }
  std::array<int, 32> members;
  std::size_t count = 0;
  for (int lane = 0; lane < warpSize; ++lane) {
    if ((f.mask >> lane & 1u) == 0) continue;
    const int other = first + lane;
    const Fiber& o = fiber(other);
    if (o.state == State::returned) {
      fail("the mask of a warp collective names a thread that has returned at " + place(f.where));
    }
    if (o.state != State::waiting_warp || o.kind != f.kind || o.mask != f.mask || !same_place(o.where, f.where)) return;
    members[count++] = other;
  }
  const std::span<const int> all(members.data(), count);
  resolve_warp(all, f.kind);
  for (const int m : all) make_ready(m);
}

void Scheduler::resolve_warp(std::span<const int> members, Collective kind) {
  const int begin = block_of(members.front()) * threads_;
  const int first = begin + (members.front() - begin) / warpSize * warpSize;
  std::array<std::uint64_t, 32> operand;
  operand.fill(~std::uint64_t{0});  // a lane that does not take part gives NaN
  if (kind == Collective::operation) {
    std::array<WarpOperation*, 32> lanes{};
    if (members.size() != lanes.size()) fail("a product of a warp that is not whole");
    for (std::size_t l = 0; l < lanes.size(); ++l) {
      lanes[l] = reinterpret_cast<WarpOperation*>(fiber(members[l]).value);
    }
    return lanes[0]->run(lanes.data());
  }
  std::uint64_t ballot = 0;
  for (const int m : members) {
    const std::uint64_t v = fiber(m).value;
    operand[static_cast<std::size_t>(m - first)] = v;
    ballot |= (v & 1u) << (m - first);
  }
  for (const int m : members) {
    Fiber& f = fiber(m);
    const int lane = m - first, width = f.width != 0 ? f.width : warpSize;
    const int segment = lane / width * width;
    int source = lane;
    switch (kind) {
      case Collective::shuffle:
        source = segment + (f.argument & (width - 1));
        break;
      case Collective::shuffle_up:
        source = lane - f.argument >= segment ? lane - f.argument : lane;
        break;
      case Collective::shuffle_down:
        source = lane + f.argument < segment + width ? lane + f.argument : lane;
        break;
      case Collective::shuffle_xor: {
        const int target = lane ^ f.argument;
        source = target < segment + width ? target : lane;
        break;
      }
      case Collective::ballot:
        f.value = ballot;
        continue;
      case Collective::any:
        f.value = ballot != 0;
        continue;
      case Collective::all:
        f.value = ballot == f.mask;
        continue;
      default:
        continue;
    }
    f.value = operand[static_cast<std::size_t>(source)];
  }
}

void Scheduler::report_deadlock() const {
  int returned = 0;
  std::vector<std::pair<const Fiber*, int>> groups;
  for (int i = 0; i < threads_ * active_; ++i) {
    const Fiber& f = fiber(i);
    if (f.state == State::returned) {
      ++returned;
      continue;
    }
    bool found = false;
    for (auto& [g, count] : groups) {
      if (same_place(g->where, f.where)) found = true, ++count;
    }
    if (!found) groups.emplace_back(&f, 1);
  }
  std::string text = std::to_string(returned) + " of " + std::to_string(threads_ * active_) + " threads have returned";
  for (const auto& [f, count] : groups) {
    const char* kind = f->state == State::waiting_warp      ? " (warp)"
                       : f->state == State::waiting_cluster ? " (cluster)"
                       : f->state == State::waiting_flag    ? " (flag)"
                                                            : " (block)";
    text += ", " + std::to_string(count) + " wait at " + place(f->where) + kind;
  }
  fail("a barrier is not reached by all threads: " + text);
}

void* Scheduler::shared_region(Block& b, const void* key, Index bytes) {
  for (const Shared& r : b.regions) {
    if (r.key == key) return b.shared.get() + r.offset;
  }
  Index fixed = key != nullptr ? bytes : 0;
  for (const Shared& r : b.regions) fixed += r.key != nullptr ? r.bytes : 0;
  if (fixed > static_limit) fail("more than 48 KiB of static shared memory");
  if (fixed + shared_bytes_ > shared_limit) fail("more than 227 KiB of shared memory");
  const Index offset = (b.shared_used + 127) / 128 * 128;
  std::memset(b.shared.get() + offset, poison, static_cast<std::size_t>(bytes));
  std::memset(b.shared.get() + offset + bytes, guard, guard_bytes);
  b.shared_used = offset + bytes + guard_bytes;
  b.regions.push_back({key, offset, bytes});
  return b.shared.get() + offset;
}

void* Scheduler::shared_memory(const void* key, Index bytes) {
  if (current_ < 0) throw Error(ErrorCode::failed, "emulator: shared memory in a kernel of launch_elementwise");
  return shared_region(block(block_of(current_)), key, key != nullptr ? bytes : shared_bytes_);
}

void* Scheduler::shared_of_peer(const void* mine, unsigned rank) {
  const Index offset = static_cast<const unsigned char*>(mine) - block(block_of(current_)).shared.get();
  if (offset < 0 || offset >= shared_bytes_of_block) fail("an address of a peer that is not of dynamic shared memory");
  if (static_cast<int>(rank) >= active_) fail("a block that is not in the cluster");
  if (block(static_cast<int>(rank)).returned > 0) fail("shared memory of a block that has returned");
  return block(static_cast<int>(rank)).shared.get() + offset;
}

// The target must lie in shared memory; it is lost at once, the bytes arrive with the wait.
void Scheduler::async_copy(const AsyncCopy& copy) {
  const auto* to = static_cast<const unsigned char*>(copy.to);
  bool inside = false;
  const Block& b = block(block_of(current_));
  for (const Shared& r : b.regions) {
    const unsigned char* begin = b.shared.get() + r.offset;
    inside = inside || (to >= begin && to + copy.bytes <= begin + r.bytes);
  }
  if (!inside) fail("an asynchronous copy to a place outside shared memory");
  const auto address = reinterpret_cast<std::uintptr_t>(copy.to) | reinterpret_cast<std::uintptr_t>(copy.from);
  if (address % static_cast<std::uintptr_t>(copy.bytes) != 0) fail("an asynchronous copy that is not aligned");
  std::memset(copy.to, poison, static_cast<std::size_t>(copy.bytes));
  fiber(current_).copies.push_back(copy);
}

void Scheduler::async_wait_all(const std::source_location& where) {
  if (removal_.skips(where)) return;
  std::vector<AsyncCopy>& copies = fiber(current_).copies;
  for (const AsyncCopy& c : copies) std::memcpy(c.to, c.from, static_cast<std::size_t>(c.bytes));
  copies.clear();
}

void Scheduler::check_guards(const Block& b) const {
  for (const Shared& r : b.regions) {
    for (Index i = 0; i < guard_bytes; ++i) {
      if (b.shared[static_cast<std::size_t>(r.offset + r.bytes + i)] != guard) {
        fail("a write past the end of " + std::to_string(r.bytes) + " bytes of shared memory");
      }
    }
  }
}

}  // namespace

void set_seed(std::uint64_t seed) { seed_value.store(seed); }
std::uint64_t switches() { return switch_count.load(); }

std::uint64_t collect(Collective kind, unsigned mask, std::uint64_t value, int argument, int width,
                      const std::source_location& where) {
  return scheduler().collect(kind, mask, value, argument, width, where);
}

void* shared_memory(const void* key, Index bytes) { return scheduler().shared_memory(key, bytes); }

void warp_operation(WarpOperation& operation, const std::source_location& where) {
  const auto value = reinterpret_cast<std::uint64_t>(&operation);
  static_cast<void>(scheduler().collect(Collective::operation, 0xffffffffu, value, 0, 0, where));
}

void async_copy(void* to_shared, const void* from, Index bytes) { scheduler().async_copy({to_shared, from, bytes}); }
void async_wait_all(const std::source_location& where) { scheduler().async_wait_all(where); }

void flag_wait(const unsigned* flag, unsigned at_least, const std::source_location& where) {
  scheduler().flag_wait(flag, at_least, where);
}
void flag_release(unsigned* flag, unsigned value, const std::source_location& where) {
  scheduler().flag_release(flag, value, where);
}
unsigned cluster_rank() { return scheduler().cluster_rank(); }
void* shared_of_peer(const void* mine, unsigned rank) { return scheduler().shared_of_peer(mine, rank); }

void run_grid(const char* kernel, dim3 grid, dim3 block, Index shared_bytes, unsigned together,
              void (*thread)(const void*), const void* context) {
  scheduler().run_grid(kernel, grid, block, shared_bytes, together, thread, context);
}

LoopOrder loop_order(const char* kernel, dim3 grid, dim3 block) {
  const Index threads = Index{block.x} * block.y * block.z;
  const bool shape_ok = grid.x >= 1 && grid.y >= 1 && grid.z >= 1 && grid.x <= 0x7fffffffu && grid.y <= 65535 &&
                        grid.z <= 65535 && block.x >= 1 && block.y >= 1 && block.z >= 1 && block.z <= 64 &&
                        threads <= max_threads;
  if (!shape_ok) {
    throw Error(ErrorCode::device, std::string("emulator: invalid configuration argument in the launch of ") + kernel);
  }
  const Index blocks = Index{grid.x} * grid.y * grid.z;
  // An affine permutation: start + i step mod blocks, step coprime to blocks.
  Rng rng{mix(seed_value.load() ^ static_cast<std::uint64_t>(blocks))};
  const auto n = static_cast<std::uint64_t>(blocks);
  LoopOrder order{blocks, static_cast<Index>(rng.below(n)), static_cast<Index>(rng.below(n)), rng.below(2) == 1};
  while (std::gcd(order.step, blocks) != 1) ++order.step;
  return order;
}

}  // namespace terrane::emulator
