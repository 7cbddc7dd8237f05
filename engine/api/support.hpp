// SPDX-License-Identifier: MIT
// Shared by the C functions: the error of a thread, and the border that no exception crosses.
#pragma once

#include <cstddef>
#include <cstring>
#include <new>
#include <string>

#include "engine/api/terrane.h"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/log.hpp"

namespace terrane::api {

// Keeps the message for terrane_last_error() and returns the status.
terrane_status fail(ErrorCode code, const std::string& message) noexcept;

// Runs `body`, which may throw; the only way out is a status.
template <class Body>
terrane_status guarded(Body&& body) noexcept {
  try {
    body();
    return TERRANE_OK;
  } catch (const Error& e) {
    return fail(e.code(), e.message());
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::budget, "out of memory: take a smaller grid, fewer shots or \"storage\": \"checkpoint\"");
  } catch (const std::exception& e) {
    return fail(ErrorCode::failed, e.what());
  } catch (...) {
    return fail(ErrorCode::failed, "unknown exception");
  }
}

// The caller's structure in the size of this version: what it does not know yet is zero. Throws Error{failed}.
template <class Options>
Options options_of(const Options* given, const char* name) {
  Options known;
  std::memset(&known, 0, sizeof known);
  known.size = sizeof known;
  if (given == nullptr) return known;
  if (given->size < sizeof(std::size_t) || given->size > 4096) {
    throw Error(ErrorCode::failed,
                std::string(name) + ".size is not set: set all bytes to zero, then size = sizeof(" + name + ")");
  }
  std::memcpy(&known, given, given->size < sizeof known ? given->size : sizeof known);
  known.size = sizeof known;
  return known;
}

inline void need(const void* pointer, const char* name) {
  if (pointer == nullptr) throw Error(ErrorCode::failed, std::string("argument ") + name + " is NULL");
}

// Throws Error{failed} for a number that is no terrane_log_level.
LogLevel log_level_of(int level);
// The caller's function; without one the lines go nowhere (never to stderr).
LogSink sink_of(terrane_log_callback callback, void* user);

}  // namespace terrane::api
