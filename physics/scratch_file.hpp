// SPDX-License-Identifier: MIT
// Memory on disk: a file of known size without a name. It is unlinked as soon as it is open, so that its space is free
// again when the object or the process ends, however it ends. All of the space is reserved at once: a disk without room
// is an error before anything is computed.
#pragma once

#include <string>

#include "kernels/runtime/hd.hpp"

namespace terrane {

class ScratchFile {
 public:
  ScratchFile() = default;
  // In `directory`; empty: that of temporary files (TMPDIR). Error{budget} without room for `bytes`, Error{failed}
  // where no file can be made.
  ScratchFile(std::string directory, Index bytes);
  ~ScratchFile();
  ScratchFile(ScratchFile&& other) noexcept;
  ScratchFile& operator=(ScratchFile&& other) noexcept;

  Index bytes() const { return bytes_; }
  // [offset, offset + bytes) within the file. Error{failed} with the directory and the reason.
  void write(Index offset, const void* from, Index bytes);
  void read(Index offset, void* to, Index bytes) const;

 private:
  [[noreturn]] void fail(const char* verb, int reason) const;
  std::string directory_;
  int descriptor_ = -1;
  Index bytes_ = 0;
};

}  // namespace terrane
