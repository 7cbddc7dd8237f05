// SPDX-License-Identifier: MIT
// NPZ: a ZIP archive of NPY arrays, as numpy.savez and numpy.savez_compressed write it.
//
// Members are stored or deflated; ZIP64 is read; sizes and places come from the central directory, and every member's
// size, CRC-32 and NPY header are checked before a value is used. Refused with Error{data} naming file and member:
// encrypted, overlapping, repeated or unknown members, other compressions, archives of several parts, object arrays.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/io/npy.hpp"
#include "engine/io/safetensors.hpp"

namespace terrane {

struct NpzEntry {
  std::string name;  // without ".npy"
  NpyInfo info;
  bool deflated = false;
  Index bytes = 0, packed_bytes = 0;  // of the NPY array; of the same in the archive
};

// In the order of the archive. Every member is unpacked once and checked.
std::vector<NpzEntry> npz_info(const std::string& path);

// T: float, double, int64_t, uint64_t; conversions as in read_npy.
template <class T>
std::map<std::string, NdArray<T>> read_npz(const std::string& path);

// Values as they are: <f4 as float, <f8 as double, signed integers as int64_t, unsigned ones and bool as uint64_t.
TensorMap read_npz_tensors(const std::string& path);

}  // namespace terrane
