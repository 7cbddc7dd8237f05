// SPDX-License-Identifier: MIT
// Parts of the CUDA emulator: what a thread of a block is on the host, and which barriers the environment leaves out.
// For cuda_emulator.cpp.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <source_location>
#include <string>
#include <vector>

#include "tests/support/cuda_emulator.hpp"

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace terrane::emulator {
namespace {

constexpr std::size_t stack_bytes = 256 * 1024;

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

enum class State { ready, waiting_block, waiting_warp, waiting_cluster, waiting_flag, returned };

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
  const unsigned* flag = nullptr;  // waited for, until it is at least `mask`
  std::source_location where;
  std::vector<AsyncCopy> copies;  // started, not waited for
};

bool same_place(const std::source_location& a, const std::source_location& b) {
  return a.line() == b.line() && a.column() == b.column() &&
         (a.file_name() == b.file_name() || std::strcmp(a.file_name(), b.file_name()) == 0);
}

// What the environment asks for: a barrier to leave out, a file that lists the barriers met (cuda_emulator.hpp).
class Removal {
 public:
  void read() {
    const char* text = std::getenv("TERRANE_EMULATOR_SKIP");
    skip_ = text != nullptr ? text : "";
    const auto colon = skip_.find(':');
    line_ = colon != std::string::npos ? std::strtoul(skip_.c_str() + colon + 1, nullptr, 10) : 0;
    text = std::getenv("TERRANE_EMULATOR_PLACES");
    file_ = text != nullptr ? text : "";
    if (file_.empty()) met_.clear();
  }
  bool skips(const std::source_location& w) {
    if (!file_.empty()) note(w);
    return w.line() == line_ && text_of(w) == skip_;
  }

 private:
  static std::string text_of(const std::source_location& w) {
    const std::string file = w.file_name();
    return file.substr(file.rfind('/') + 1) + ":" + std::to_string(w.line()) + ":" + std::to_string(w.column());
  }
  void note(const std::source_location& w) {
    for (const std::source_location& m : met_) {
      if (same_place(m, w)) return;
    }
    met_.push_back(w);
    if (std::FILE* out = std::fopen(file_.c_str(), "a"); out != nullptr) {
      std::fprintf(out, "%s\n", text_of(w).c_str());
      std::fclose(out);
    }
  }
  std::string skip_, file_;
  unsigned long line_ = 0;  // of skip_: most places differ in it
  std::vector<std::source_location> met_;
};

std::string place(const std::source_location& w) {
  const std::string file = w.file_name();
  return file.substr(file.rfind('/') + 1) + ":" + std::to_string(w.line());
}

}  // namespace
}  // namespace terrane::emulator
