// SPDX-License-Identifier: MIT
#include "kernels/runtime/trace.hpp"

#include <chrono>

namespace terrane {

namespace {
double now_s() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }
}  // namespace

void Trace::add(const char* name, double seconds) {
  Entry& e = entries_[name];
  ++e.calls;
  e.seconds += seconds;
}

KernelCall::KernelCall(Stream& s, const char* name) : stream_(s), name_(name) {
  stream_.arena()->open();
  if (stream_.trace() != nullptr) start_s_ = now_s();
}

KernelCall::~KernelCall() {
  // A launch that is recorded has not run.
  if (Trace* trace = stream_.trace(); trace != nullptr && !stream_.recording()) {
    // A kernel that failed leaves the error to the next call that checks: a destructor must not throw.
    if (trace->synchronous()) {
      try {
        stream_.synchronize();
      } catch (...) {  // NOLINT(bugprone-empty-catch)
      }
    }
    trace->add(name_, now_s() - start_s_);
  }
  stream_.arena()->close();
}

HostCall::HostCall(Stream& s, const char* name) : stream_(s), name_(name) {
  if (stream_.trace() != nullptr) start_s_ = now_s();
}

HostCall::~HostCall() {
  if (Trace* trace = stream_.trace(); trace != nullptr) trace->add(name_, now_s() - start_s_);
}

}  // namespace terrane
