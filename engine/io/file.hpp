// SPDX-License-Identifier: MIT
// Files that are either the old version or the new one, never half of it, and a lock for an output directory.
// Reading failures are Error{data}; writing failures are Error{failed} with the reason and the remedy.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "kernels/runtime/hd.hpp"

namespace terrane {

// Writes beside the target, then commit(): flush to disk, rename over the target, flush the directory. Without commit
// (or after an error) the temporary is removed and the target is untouched. Temporaries are named NAME.tmp.PID.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  void write(const void* data, std::size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void commit();

 private:
  [[noreturn]] void fail(const char* verb);
  void discard() noexcept;
  std::string path_;
  std::string temporary_;
  int descriptor_ = -1;
};

void write_file_atomic(const std::string& path, std::string_view bytes);
std::string read_file(const std::string& path);
Index file_bytes(const std::string& path);  // throws when it is absent or not a regular file

// Flushes names (created, renamed, removed) of a directory to disk.
void sync_directory(const std::string& path);
// The path itself where it is a directory, else the one that holds it.
std::string directory_of(const std::string& path);
// Like mkdir -p; throws Error{failed}.
void make_directories(const std::string& path);

// Message for an errno of a failed write, with a remedy: "No space left on device; free some space or ...".
std::string write_error_text(int error_number);

// Advisory lock (flock) on DIR/.lock; a second holder, in this or another process, gets Error{config}. The kernel
// releases it when the process ends, however it ends.
class DirectoryLock {
 public:
  explicit DirectoryLock(const std::string& directory);
  ~DirectoryLock();
  DirectoryLock(DirectoryLock&& other) noexcept : descriptor_(other.descriptor_) { other.descriptor_ = -1; }
  DirectoryLock& operator=(DirectoryLock&&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace terrane
