// SPDX-License-Identifier: MIT
// safetensors: u64 little-endian header length, JSON header {name: {dtype, shape, data_offsets}, "__metadata__":
// {string: string}}, then raw little-endian values in C order. Offsets count from the end of the header and must tile
// the rest of the file without holes or overlap; whatever does not check is refused with Error{data}.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "engine/io/npy.hpp"

namespace terrane {

// One array of float, double, int64_t or uint64_t.
struct Tensor {
  std::vector<Index> shape;
  std::variant<std::vector<float>, std::vector<double>, std::vector<std::int64_t>, std::vector<std::uint64_t>> values;

  Tensor() = default;
  template <class T>
  Tensor(std::vector<Index> s, std::vector<T> v) : shape(std::move(s)), values(std::move(v)) {}
  template <class T>
  explicit Tensor(NdArray<T> a) : shape(std::move(a.shape)), values(std::move(a.values)) {}
  bool operator==(const Tensor&) const = default;
};

using TensorMap = std::map<std::string, Tensor>;
using StringMap = std::map<std::string, std::string>;

struct Safetensors {
  TensorMap tensors;
  StringMap metadata;
};

// What a header says, without the values.
struct SafetensorsEntry {
  std::string name;
  std::string dtype;  // "F32"
  std::vector<Index> shape;
  Index begin = 0, end = 0;  // bytes from the start of the data
};
struct SafetensorsInfo {
  std::vector<SafetensorsEntry> entries;  // in file order
  StringMap metadata;
  Index data_offset = 0;
};

// Atomic. Returns the SHA-256 of the file in hexadecimal. Values stand at multiples of their size.
std::string write_safetensors(const std::string& path, const TensorMap& tensors, const StringMap& metadata = {});

SafetensorsInfo safetensors_info(const std::string& path);

// F32 F64 I64 U64 as they are; F16 and BF16 as float; I8 I16 I32 as int64_t; U8 U16 U32 BOOL as uint64_t (all exact).
Safetensors read_safetensors(const std::string& path);

// The values of tensor `name` with type T; Error{data} naming `where` if it is missing or of another type.
template <class T>
const std::vector<T>& tensor_values(const TensorMap& tensors, const std::string& name, const std::string& where);

}  // namespace terrane
