// SPDX-License-Identifier: MIT
// Records kernel calls: count and host seconds by name (synchronous when `synchronous`, so that GPU time is included).
#pragma once

#include <map>
#include <string>

#include "kernels/runtime/stream.hpp"

namespace terrane {

class Trace {
 public:
  struct Entry {
    Index calls = 0;
    double seconds = 0;
  };
  explicit Trace(bool synchronous = false) : synchronous_(synchronous) {}
  bool synchronous() const { return synchronous_; }
  void add(const char* name, double seconds);
  const std::map<std::string, Entry>& entries() const { return entries_; }

 private:
  bool synchronous_;
  std::map<std::string, Entry> entries_;
};

// Opens the arena (shadow) for the duration of one kernel and times it when the stream has a trace.
class KernelCall {
 public:
  KernelCall(Stream& s, const char* name);
  ~KernelCall();
  KernelCall(const KernelCall&) = delete;
  KernelCall& operator=(const KernelCall&) = delete;

 private:
  Stream& stream_;
  const char* name_;
  double start_s_ = 0;
};

// Times work of the host that is no kernel, when the stream has a trace.
class HostCall {
 public:
  HostCall(Stream& s, const char* name);
  ~HostCall();
  HostCall(const HostCall&) = delete;
  HostCall& operator=(const HostCall&) = delete;

 private:
  Stream& stream_;
  const char* name_;
  double start_s_ = 0;
};

}  // namespace terrane
