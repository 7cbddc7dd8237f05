// SPDX-License-Identifier: MIT
#include "tests/support/cuda_emulator.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <memory>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace terrane::emulator {
namespace {

constexpr std::size_t stack_bytes = 256 * 1024;
[[maybe_unused]] constexpr std::size_t entry_bytes = 4096;  // of a stack, used by the frames that start a thread
constexpr Index max_threads = 1024, static_limit = 48 * 1024, shared_limit = 227 * 1024, guard_bytes = 64;
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

// A stack with an inaccessible page below it.
class Stack {
 public:
  Stack() : page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {
    void* p =
        mmap(nullptr, stack_bytes + page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) throw Error(ErrorCode::failed, "emulator: no memory for the stack of a thread");
    base_ = static_cast<char*>(p);
    mprotect(base_, page_, PROT_NONE);
  }
  ~Stack() { munmap(base_, stack_bytes + page_); }
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;
  char* bottom() const { return base_ + page_; }

 private:
  std::size_t page_;
  char* base_ = nullptr;
};

enum class State { ready, waiting_block, waiting_warp, returned };

struct AsyncCopy {
  void* to;
  const void* from;
  Index bytes;
};

struct Fiber {
  std::unique_ptr<Stack> stack;
#if defined(__x86_64__)
  void* sp = nullptr;
#else
  ucontext_t context;
#endif
  void* fake_stack = nullptr;  // of the address sanitizer
  State state = State::ready;
  uint3 thread{};
  Collective kind{};
  unsigned mask = 0;
  std::uint64_t value = 0;
  int argument = 0, width = 0;
  std::source_location where;
  std::vector<AsyncCopy> copies;  // started, not waited for
};

bool same_place(const std::source_location& a, const std::source_location& b) {
  return a.line() == b.line() && a.column() == b.column() && std::strcmp(a.file_name(), b.file_name()) == 0;
}

std::string place(const std::source_location& w) {
  const std::string file = w.file_name();
  return file.substr(file.rfind('/') + 1) + ":" + std::to_string(w.line());
}

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

// Everything one host thread needs to run one block at a time.
class Scheduler {
 public:
  void run_grid(const char* kernel, dim3 grid, dim3 block, Index shared_bytes, void (*thread)(const void*),
                const void* context);
  std::uint64_t collect(Collective kind, unsigned mask, std::uint64_t value, int argument, int width,
                        const std::source_location& where);
  void* shared_memory(const void* key, Index bytes);
  void async_copy(const AsyncCopy& copy);
  void async_wait_all();
  void run_thread() noexcept;  // body of a fiber
  bool running() const { return current_ >= 0; }

 private:
  struct Shared {
    const void* key;
    Index offset, bytes;
  };

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::failed, "emulator: kernel " + std::string(kernel_) + ", block (" +
                                       std::to_string(blockIdx.x) + "," + std::to_string(blockIdx.y) + "," +
                                       std::to_string(blockIdx.z) + "): " + what);
  }
  void run_block(Index linear, dim3 grid, dim3 block);
  void start_fiber(Fiber& f);
  void resume(int i);
  void suspend(bool last);
  void make_ready(int i) {
    fibers_[static_cast<std::size_t>(i)].state = State::ready;
    ready_.push_back(i);
  }
  void release_block(Collective kind);
  void try_release_warp(int i);
  void resolve_warp(std::span<const int> members, Collective kind);
  [[noreturn]] void report_deadlock() const;
  void* shared_region(const void* key, Index bytes);
  void check_guards() const;

  const char* kernel_ = "";
  void (*thread_)(const void*) = nullptr;
  const void* context_ = nullptr;
  Index shared_bytes_ = 0;
  std::vector<Fiber> fibers_ = std::vector<Fiber>(max_threads);
  std::vector<int> ready_;
  int threads_ = 0, current_ = -1, waiting_ = 0, returned_ = 0;
  Rng rng_{0};
  std::exception_ptr error_;
  std::vector<Shared> regions_;
  Index shared_used_ = 0;
  std::unique_ptr<unsigned char[]> shared_;
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
    if (!fibers_[static_cast<std::size_t>(current_)].copies.empty())
      fail("a thread returned before its copies arrived");
  } catch (...) {
    if (error_ == nullptr) error_ = std::current_exception();
  }
  fibers_[static_cast<std::size_t>(current_)].state = State::returned;
  ++returned_;
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
  Fiber& f = fibers_[static_cast<std::size_t>(i)];
  current_ = i;
  threadIdx = f.thread;
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
  Fiber& f = fibers_[static_cast<std::size_t>(current_)];
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

void Scheduler::run_grid(const char* kernel, dim3 grid, dim3 block, Index shared_bytes, void (*thread)(const void*),
                         const void* context) {
  if (current_ >= 0) fail("a kernel launched a kernel");
  kernel_ = kernel;
  thread_ = thread;
  context_ = context;
  shared_bytes_ = shared_bytes;
  const LoopOrder order = loop_order(kernel, grid, block);
  if (shared_bytes < 0 || shared_bytes > shared_limit) fail("dynamic shared memory is not between 0 and 227 KiB");
  if (shared_ == nullptr) shared_ = std::make_unique<unsigned char[]>(static_cast<std::size_t>(4 * shared_limit));
  gridDim = grid;
  blockDim = block;
  rng_.state = mix(seed_value.load() + 0x51ed27ull * ++launches_);
  for (Index i = 0, b = order.start; i < order.blocks; ++i, b = (b + order.step) % order.blocks) {
    run_block(b, grid, block);
  }
}

void Scheduler::run_block(Index linear, dim3 grid, dim3 block) {
  const auto b = static_cast<std::uint64_t>(linear);
  blockIdx = {static_cast<unsigned>(b % grid.x), static_cast<unsigned>(b / grid.x % grid.y),
              static_cast<unsigned>(b / grid.x / grid.y)};
  threads_ = static_cast<int>(block.x * block.y * block.z);
  waiting_ = returned_ = 0;
  error_ = nullptr;
  regions_.clear();
  shared_used_ = 0;
  ready_.clear();
  for (int i = 0; i < threads_; ++i) {
    Fiber& f = fibers_[static_cast<std::size_t>(i)];
    const auto t = static_cast<unsigned>(i);
    f.thread = {t % block.x, t / block.x % block.y, t / block.x / block.y};
    start_fiber(f);
    make_ready(i);
  }
  while (!ready_.empty() && error_ == nullptr) {
    const std::size_t k = rng_.below(ready_.size());
    std::swap(ready_[k], ready_.back());
    const int i = ready_.back();
    ready_.pop_back();
    resume(i);
  }
  if (error_ != nullptr) std::rethrow_exception(std::exchange(error_, nullptr));
  if (returned_ < threads_) report_deadlock();
  check_guards();
}

std::uint64_t Scheduler::collect(Collective kind, unsigned mask, std::uint64_t value, int argument, int width,
                                 const std::source_location& where) {
  if (current_ < 0) {
    throw Error(ErrorCode::failed, "emulator: a barrier or warp collective in a kernel of launch_elementwise",
                place(where));
  }
  const int i = current_;
  Fiber& f = fibers_[static_cast<std::size_t>(i)];
  f.kind = kind;
  f.mask = mask;
  f.value = value;
  f.argument = argument;
  f.width = width;
  f.where = where;
  if (kind <= Collective::block_count) {
    f.state = State::waiting_block;
    if (++waiting_ == threads_) release_block(kind);
  } else {
    if ((mask >> (i % warpSize) & 1u) == 0) fail("the mask of a warp collective lacks its caller at " + place(where));
    if (width != 0 && (width > warpSize || !std::has_single_bit(static_cast<unsigned>(width)))) {
      fail("width of a shuffle is not a power of two up to 32 at " + place(where));
    }
    f.state = State::waiting_warp;
    try_release_warp(i);
  }
  suspend(false);
  return f.value;
}

void Scheduler::release_block(Collective kind) {
  std::uint64_t count = 0;
  for (int i = 0; i < threads_; ++i) {
    const Fiber& f = fibers_[static_cast<std::size_t>(i)];
    if (f.kind != kind || !same_place(f.where, fibers_[0].where)) {
      fail("threads wait at two different barriers, " + place(fibers_[0].where) + " and " + place(f.where));
    }
    count += f.value;
  }
  std::uint64_t result = count;
  if (kind == Collective::block_or) result = count > 0;
  if (kind == Collective::block_and) result = count == static_cast<std::uint64_t>(threads_);
  waiting_ = 0;
  for (int i = 0; i < threads_; ++i) {
    fibers_[static_cast<std::size_t>(i)].value = result;
    make_ready(i);
  }
}

void Scheduler::try_release_warp(int i) {
  const Fiber& f = fibers_[static_cast<std::size_t>(i)];
  const int first = i / warpSize * warpSize;
  if (threads_ - first < warpSize && f.mask >> (threads_ - first) != 0) {
    fail("the mask of a warp collective names a thread outside the block at " + place(f.where));
  }
  std::array<int, 32> members;
  std::size_t count = 0;
  for (int lane = 0; lane < warpSize; ++lane) {
    if ((f.mask >> lane & 1u) == 0) continue;
    const int other = first + lane;
    const Fiber& o = fibers_[static_cast<std::size_t>(other)];
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
  const int first = members.front() / warpSize * warpSize;
  std::array<std::uint64_t, 32> operand;
  operand.fill(~std::uint64_t{0});  // a lane that does not take part gives NaN
  if (kind == Collective::operation) {
    std::array<WarpOperation*, 32> lanes{};
    if (members.size() != lanes.size()) fail("a product of a warp that is not whole");
    for (std::size_t l = 0; l < lanes.size(); ++l) {
      lanes[l] = reinterpret_cast<WarpOperation*>(fibers_[static_cast<std::size_t>(members[l])].value);
    }
    return lanes[0]->run(lanes.data());
  }
  std::uint64_t ballot = 0;
  for (const int m : members) {
    const std::uint64_t v = fibers_[static_cast<std::size_t>(m)].value;
    operand[static_cast<std::size_t>(m - first)] = v;
    ballot |= (v & 1u) << (m - first);
  }
  for (const int m : members) {
    Fiber& f = fibers_[static_cast<std::size_t>(m)];
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
  std::string text = std::to_string(returned_) + " of " + std::to_string(threads_) + " threads have returned";
  std::vector<std::pair<const Fiber*, int>> groups;
  for (int i = 0; i < threads_; ++i) {
    const Fiber& f = fibers_[static_cast<std::size_t>(i)];
    if (f.state == State::returned) continue;
    bool found = false;
    for (auto& [g, count] : groups) {
      if (same_place(g->where, f.where)) found = true, ++count;
    }
    if (!found) groups.emplace_back(&f, 1);
  }
  for (const auto& [f, count] : groups) {
    text += ", " + std::to_string(count) + " wait at " + place(f->where) +
            (f->state == State::waiting_warp ? " (warp)" : " (block)");
  }
  fail("a barrier is not reached by all threads: " + text);
}

void* Scheduler::shared_region(const void* key, Index bytes) {
  for (const Shared& r : regions_) {
    if (r.key == key) return shared_.get() + r.offset;
  }
  Index fixed = key != nullptr ? bytes : 0;
  for (const Shared& r : regions_) fixed += r.key != nullptr ? r.bytes : 0;
  if (fixed > static_limit) fail("more than 48 KiB of static shared memory");
  if (fixed + shared_bytes_ > shared_limit) fail("more than 227 KiB of shared memory");
  const Index offset = (shared_used_ + 127) / 128 * 128;
  std::memset(shared_.get() + offset, poison, static_cast<std::size_t>(bytes));
  std::memset(shared_.get() + offset + bytes, guard, guard_bytes);
  shared_used_ = offset + bytes + guard_bytes;
  regions_.push_back({key, offset, bytes});
  return shared_.get() + offset;
}

void* Scheduler::shared_memory(const void* key, Index bytes) {
  if (current_ < 0) throw Error(ErrorCode::failed, "emulator: shared memory in a kernel of launch_elementwise");
  return shared_region(key, key != nullptr ? bytes : shared_bytes_);
}

// The target must lie in shared memory; it is lost at once, the bytes arrive with the wait.
void Scheduler::async_copy(const AsyncCopy& copy) {
  const auto* to = static_cast<const unsigned char*>(copy.to);
  bool inside = false;
  for (const Shared& r : regions_) {
    inside = inside || (to >= shared_.get() + r.offset && to + copy.bytes <= shared_.get() + r.offset + r.bytes);
  }
  if (!inside) fail("an asynchronous copy to a place outside shared memory");
  const auto address = reinterpret_cast<std::uintptr_t>(copy.to) | reinterpret_cast<std::uintptr_t>(copy.from);
  if (address % static_cast<std::uintptr_t>(copy.bytes) != 0) fail("an asynchronous copy that is not aligned");
  std::memset(copy.to, poison, static_cast<std::size_t>(copy.bytes));
  fibers_[static_cast<std::size_t>(current_)].copies.push_back(copy);
}

void Scheduler::async_wait_all() {
  std::vector<AsyncCopy>& copies = fibers_[static_cast<std::size_t>(current_)].copies;
  for (const AsyncCopy& c : copies) std::memcpy(c.to, c.from, static_cast<std::size_t>(c.bytes));
  copies.clear();
}

void Scheduler::check_guards() const {
  for (const Shared& r : regions_) {
    for (Index i = 0; i < guard_bytes; ++i) {
      if (shared_[static_cast<std::size_t>(r.offset + r.bytes + i)] != guard) {
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
void async_wait_all() { scheduler().async_wait_all(); }

void run_grid(const char* kernel, dim3 grid, dim3 block, Index shared_bytes, void (*thread)(const void*),
              const void* context) {
  scheduler().run_grid(kernel, grid, block, shared_bytes, thread, context);
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
