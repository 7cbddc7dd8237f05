// SPDX-License-Identifier: MIT
#include "physics/scratch_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

const char* const remedy = "; free some space, name another directory (physics.storage_path) or another storage";

bool no_room(int reason) { return reason == ENOSPC || reason == EDQUOT || reason == EFBIG; }

}  // namespace

ScratchFile::ScratchFile(std::string directory, Index bytes) : directory_(std::move(directory)), bytes_(bytes) {
  std::error_code error;
  if (directory_.empty()) directory_ = std::filesystem::temp_directory_path(error).string();
  std::string name = directory_ + "/.terrane-XXXXXX";
  descriptor_ = ::mkostemp(name.data(), O_CLOEXEC);
  if (descriptor_ < 0) fail("create a file", errno);
  ::unlink(name.c_str());
  const int reason = bytes > 0 ? ::posix_fallocate(descriptor_, 0, static_cast<off_t>(bytes)) : 0;
  if (reason == 0) return;
  ::close(std::exchange(descriptor_, -1));
  if (!no_room(reason)) fail("reserve space", reason);
  char size[64];
  std::snprintf(size, sizeof size, "%.3g GB", static_cast<double>(bytes) * 1e-9);
  throw Error(ErrorCode::budget,
              std::string("no room for ") + size + " of wave fields on disk: " + std::strerror(reason) + remedy,
              directory_);
}

ScratchFile::~ScratchFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

ScratchFile::ScratchFile(ScratchFile&& other) noexcept
    : directory_(std::move(other.directory_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      bytes_(std::exchange(other.bytes_, 0)) {}

ScratchFile& ScratchFile::operator=(ScratchFile&& other) noexcept {
  std::swap(directory_, other.directory_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

void ScratchFile::fail(const char* verb, int reason) const {
  throw Error(ErrorCode::failed,
              std::string("cannot ") + verb + " for wave fields on disk: " + std::strerror(reason) + remedy,
              directory_);
}

void ScratchFile::write(Index offset, const void* from, Index bytes) {
  require(offset >= 0 && bytes >= 0 && offset + bytes <= bytes_, ErrorCode::failed, "a write beyond the end",
          directory_.c_str());
  const auto* p = static_cast<const char*>(from);
  while (bytes > 0) {
    const ssize_t done = ::pwrite(descriptor_, p, static_cast<std::size_t>(bytes), static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) fail("write", done < 0 ? errno : ENOSPC);
    p += done;
    offset += done;
    bytes -= done;
  }
}

void ScratchFile::read(Index offset, void* to, Index bytes) const {
  require(offset >= 0 && bytes >= 0 && offset + bytes <= bytes_, ErrorCode::failed, "a read beyond the end",
          directory_.c_str());
  auto* p = static_cast<char*>(to);
  while (bytes > 0) {
    const ssize_t done = ::pread(descriptor_, p, static_cast<std::size_t>(bytes), static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) fail("read", done < 0 ? errno : EIO);
    p += done;
    offset += done;
    bytes -= done;
  }
}

}  // namespace terrane
