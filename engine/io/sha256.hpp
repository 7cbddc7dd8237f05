// SPDX-License-Identifier: MIT
// SHA-256 (FIPS 180-4), for config hashes, input files and checkpoints. Streaming; any length below 2^61 bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace terrane {

class Sha256 {
 public:
  Sha256();
  void update(const void* data, std::size_t bytes);
  void update(std::string_view text) { update(text.data(), text.size()); }
  // Ends the message; the object must not be updated afterwards.
  std::array<std::uint8_t, 32> finish();
  // finish() as 64 lower-case hexadecimal digits.
  std::string finish_hex();

 private:
  void compress(const std::uint8_t* block);  // 64 bytes
  std::array<std::uint32_t, 8> state_;
  std::array<std::uint8_t, 64> block_{};
  std::size_t filled_ = 0;
  std::uint64_t total_bytes_ = 0;
};

std::string sha256_hex(std::string_view bytes);

// Hash of a file, read in pieces of 1 MiB. Throws Error{data} naming the file when it cannot be read.
std::string sha256_file(const std::string& path);

}  // namespace terrane
