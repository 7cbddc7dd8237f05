// SPDX-License-Identifier: MIT
// NPY arrays, header versions 1.0, 2.0 and 3.0.
//
// Read: floats of 4 and 8 bytes, signed and unsigned integers of 1 to 8 bytes, bool; little and big endian; C and
// Fortran order (values are always returned in C order, last axis fastest). Object arrays are refused: they are
// pickles. The size of the file is checked before anything is allocated. Errors are Error{data} naming file and byte.
// Write: little endian, C order, header padded so that the data begin at a multiple of 64 bytes; atomic.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/runtime/hd.hpp"

namespace terrane {

template <class T>
struct NdArray {
  std::vector<Index> shape;  // empty: a scalar
  std::vector<T> values;     // C order
};

struct NpyInfo {
  std::vector<Index> shape;
  char kind = 'f';  // f float, i signed, u unsigned, b bool
  int item_bytes = 4;
  bool big_endian = false;
  bool fortran_order = false;
  Index data_offset = 0;      // bytes before the first value
  Index count = 0;            // values
  std::string dtype() const;  // "<f4"
};

// Reads and checks the header and the file size, not the values.
NpyInfo npy_info(const std::string& path);
// The same for an array in memory, header and values; `where` names it in errors.
NpyInfo npy_info_of(std::string_view bytes, const std::string& where);

// T: float, double, int64_t, uint64_t. Integers that T cannot hold exactly, and floats read as integers, are refused
// for integer T; for floating T values are rounded to nearest (a finite double beyond the float range is refused).
template <class T>
NdArray<T> read_npy(const std::string& path);

// The same for an array in memory.
template <class T>
NdArray<T> parse_npy(std::string_view bytes, const std::string& where);

// Entries [first, first + count) of the first axis only; T: float, double. A few shots of a large data set.
template <class T>
NdArray<T> read_npy_part(const std::string& path, Index first, Index count);

// T: float, double, int64_t, uint64_t.
template <class T>
void write_npy(const std::string& path, const std::vector<Index>& shape, const T* values);

template <class T>
void write_npy(const std::string& path, const NdArray<T>& a) {
  write_npy(path, a.shape, a.values.data());
}

// The bytes before the values, for files that are written in pieces.
template <class T>
std::string npy_header(const std::vector<Index>& shape);

// "(51, 100)"; "()" for a scalar, "(5,)" for one axis.
std::string shape_text(const std::vector<Index>& shape);

}  // namespace terrane
