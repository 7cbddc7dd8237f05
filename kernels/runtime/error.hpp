// SPDX-License-Identifier: MIT
// One exception type. Libraries throw it, public verbs turn it into an exit code or a C status, nobody calls exit().
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace terrane {

// The values are the documented exit codes of the command line.
enum class ErrorCode : int {
  failed = 1,         // the run failed
  config = 2,         // usage or configuration; nothing was computed
  data = 3,           // input data unreadable, inconsistent or outside the grid
  budget = 4,         // forecast exceeds the memory or disk budget
  device = 5,         // no usable device
  diverged = 6,       // misfit or model became NaN, infinite or grew without bound
  stopped = 75,       // stopped by a signal, checkpoint written
  interrupted = 130,  // Ctrl-C, checkpoint written
};

// what(): a one-line message with the remedy. where(): file:line:column, file and byte, or a verb; may be empty.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& what, std::string where = {})
      : std::runtime_error(what), code_(code), where_(std::move(where)) {}
  ErrorCode code() const noexcept { return code_; }
  const std::string& where() const noexcept { return where_; }
  // "where: what", or "what" alone.
  std::string message() const { return where_.empty() ? what() : where_ + ": " + what(); }

 private:
  ErrorCode code_;
  std::string where_;
};

// What is being recorded (kernels/runtime/recording.hpp) does something that no recording can hold.
class NotRecordable : public Error {
 public:
  explicit NotRecordable(const std::string& what) : Error(ErrorCode::failed, what, "recording") {}
};

// Checks the contract of a public verb; not for inner loops.
inline void require(bool ok, ErrorCode code, const char* what, const char* where = "") {
  if (!ok) throw Error(code, what, where);
}

}  // namespace terrane
