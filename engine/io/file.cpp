// SPDX-License-Identifier: MIT
#include "engine/io/file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

std::string parent_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

}  // namespace

std::string write_error_text(int error_number) {
  std::string text = std::strerror(error_number);
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      return text + "; free some space or choose another --out";
    case EACCES:
    case EPERM:
    case EROFS:
      return text + "; choose an --out that you may write to";
    case EFBIG:
      return text + "; raise the file size limit (ulimit -f) or choose another --out";
    case ENOENT:
    case ENOTDIR:
      return text + "; create the directory first";
    default:
      return text;
  }
}

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  temporary_ = path_ + ".tmp." + std::to_string(::getpid());
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor_ < 0) {
    throw Error(ErrorCode::failed, "cannot create the file: " + write_error_text(errno), path_);
  }
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() noexcept {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
    descriptor_ = -1;
  }
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  temporary_.clear();
}

void AtomicFile::fail(const char* verb) {
  const int reason = errno;
  discard();
  throw Error(ErrorCode::failed, std::string("cannot ") + verb + " the file: " + write_error_text(reason), path_);
}

void AtomicFile::write(const void* data, std::size_t bytes) {
  const auto* p = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t done = ::write(descriptor_, p, bytes);
    if (done < 0) {
      if (errno == EINTR) continue;
      fail("write");
    }
    p += done;
    bytes -= static_cast<std::size_t>(done);
  }
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) fail("flush");
  const int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0) fail("close");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("rename");
  temporary_.clear();
  sync_directory(parent_of(path_));
}

void write_file_atomic(const std::string& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

Index file_bytes(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    throw Error(ErrorCode::data, std::string("cannot open the file: ") + std::strerror(errno), path);
  }
  if (!S_ISREG(info.st_mode)) throw Error(ErrorCode::data, "this is not a regular file", path);
  return static_cast<Index>(info.st_size);
}

std::string read_file(const std::string& path) {
  std::string bytes(static_cast<std::size_t>(file_bytes(path)), '\0');
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) {
    throw Error(ErrorCode::data, std::string("cannot open the file: ") + std::strerror(errno), path);
  }
  const std::size_t got = std::fread(bytes.data(), 1, bytes.size(), file);
  std::fclose(file);
  if (got != bytes.size()) {
    throw Error(ErrorCode::data,
                "expected " + std::to_string(bytes.size()) + " bytes, file ends at byte " + std::to_string(got), path);
  }
  return bytes;
}

void sync_directory(const std::string& path) {
  const int directory = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) throw Error(ErrorCode::failed, "cannot open the directory: " + write_error_text(errno), path);
  // Some network file systems refuse to flush a directory (EINVAL); the rename itself stays atomic there.
  const bool failed = ::fsync(directory) != 0 && errno != EINVAL && errno != ENOTSUP;
  const int reason = errno;
  ::close(directory);
  if (failed) throw Error(ErrorCode::failed, "cannot flush the directory: " + write_error_text(reason), path);
}

std::string directory_of(const std::string& path) {
  return std::filesystem::is_directory(path) ? path : std::filesystem::path(path).parent_path().string();
}

void make_directories(const std::string& path) {
  std::error_code reason;
  std::filesystem::create_directories(path, reason);
  if (reason) throw Error(ErrorCode::failed, "cannot create the directory: " + write_error_text(reason.value()), path);
}

DirectoryLock::DirectoryLock(const std::string& directory) {
  const std::string path = directory + "/.lock";
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0) throw Error(ErrorCode::failed, "cannot lock the directory: " + write_error_text(errno), path);
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  const int reason = errno;
  ::close(descriptor_);
  descriptor_ = -1;
  if (reason == EWOULDBLOCK) {
    throw Error(ErrorCode::config, "another run is using this directory; wait for it or choose another --out",
                directory);
  }
  throw Error(ErrorCode::failed, "cannot lock the directory: " + write_error_text(reason), path);
}

DirectoryLock::~DirectoryLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace terrane
