// SPDX-License-Identifier: MIT
// The two algorithms of ZIP archives: raw deflate streams (RFC 1951) unpacked, and CRC-32 (polynomial 0xedb88320).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "kernels/runtime/hd.hpp"

namespace terrane {

std::uint32_t crc32(std::string_view bytes);

// Unpacks a deflate stream that holds exactly `bytes` bytes and ends with `packed`. Error{data} with `where` for a
// damaged stream or another size; sizes that no stream of this length can have are refused before allocating.
std::string inflate(std::string_view packed, Index bytes, const std::string& where);

}  // namespace terrane
