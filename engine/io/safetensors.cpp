// SPDX-License-Identifier: MIT
#include "engine/io/safetensors.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/io/file.hpp"
#include "engine/io/sha256.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

using SortedJson = nlohmann::json;
constexpr Index largest_json_header = 100'000'000;

struct TypeName {
  const char* name;
  Index bytes;
};
constexpr TypeName type_names[] = {{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8}, {"I32", 4}, {"I16", 2},
                                   {"I8", 1},  {"U64", 8}, {"U32", 4}, {"U16", 2},  {"U8", 1},  {"BOOL", 1}};

const char* type_of(const Tensor& t) {
  static constexpr const char* names[] = {"F32", "F64", "I64", "U64"};
  return names[t.values.index()];
}

[[noreturn]] void refuse(const std::string& path, const std::string& what) {
  throw Error(ErrorCode::data, what + "; the file is damaged or not safetensors", path);
}

// Parses the header; duplicate names are refused because a JSON parser would silently keep one of them.
SortedJson parse_header(const std::string& text, const std::string& path) {
  std::set<std::string> seen;
  std::string duplicate;
  const auto on_event = [&](int depth, SortedJson::parse_event_t event, SortedJson& parsed) {
    if (event == SortedJson::parse_event_t::key && depth == 1 && !seen.insert(parsed.get<std::string>()).second) {
      duplicate = parsed.get<std::string>();
    }
    return true;
  };
  SortedJson header;
  try {
    header = SortedJson::parse(text, on_event);
  } catch (const SortedJson::exception& e) {
    refuse(path, std::string("the header is not JSON (") + e.what() + ")");
  }
  if (!header.is_object()) refuse(path, "the header is not a JSON object");
  if (!duplicate.empty()) refuse(path, "tensor '" + duplicate + "' appears twice");
  return header;
}

Index integer(const SortedJson& value, const std::string& path, const std::string& name) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > std::uint64_t{1} << 62) {
    refuse(path, "tensor '" + name + "' has an extent or offset that is no non-negative integer");
  }
  return value.get<Index>();
}

SafetensorsEntry parse_entry(const std::string& name, const SortedJson& value, const std::string& path) {
  SafetensorsEntry e;
  e.name = name;
  if (!value.is_object() || value.size() != 3 || !value.contains("dtype") || !value.contains("shape") ||
      !value.contains("data_offsets") || !value["dtype"].is_string() || !value["shape"].is_array() ||
      !value["data_offsets"].is_array() || value["data_offsets"].size() != 2) {
    refuse(path, "tensor '" + name + "' needs exactly dtype, shape and two data_offsets");
  }
  e.dtype = value["dtype"].get<std::string>();
  const auto* type =
      std::find_if(std::begin(type_names), std::end(type_names), [&](const TypeName& t) { return e.dtype == t.name; });
  if (type == std::end(type_names)) refuse(path, "tensor '" + name + "' has unknown dtype '" + e.dtype + "'");
  Index count = 1;
  for (const SortedJson& extent : value["shape"]) {
    const Index n = integer(extent, path, name);
    if (n > 0 && count > std::numeric_limits<Index>::max() / 16 / n) refuse(path, "tensor '" + name + "' is too large");
    count *= n;
    e.shape.push_back(n);
  }
  e.begin = integer(value["data_offsets"][0], path, name);
  e.end = integer(value["data_offsets"][1], path, name);
  if (e.end < e.begin || e.end - e.begin != count * type->bytes) {
    refuse(path, "tensor '" + name + "' " + e.dtype + " " + shape_text(e.shape) + " needs " +
                     std::to_string(count * type->bytes) + " bytes, its offsets span " +
                     std::to_string(e.end - e.begin));
  }
  return e;
}

void check_tiling(SafetensorsInfo& info, Index data_bytes, const std::string& path) {
  std::stable_sort(info.entries.begin(), info.entries.end(),
                   [](const auto& a, const auto& b) { return a.begin != b.begin ? a.begin < b.begin : a.end < b.end; });
  Index at = 0;
  for (const SafetensorsEntry& e : info.entries) {
    if (e.begin != at) {
      refuse(path, "tensor '" + e.name + "' begins at data byte " + std::to_string(e.begin) + ", expected " +
                       std::to_string(at) + (e.begin < at ? " (overlap)" : " (hole)"));
    }
    at = e.end;
  }
  if (at != data_bytes) {
    refuse(path, "expected " + std::to_string(info.data_offset + at) + " bytes, file ends at byte " +
                     std::to_string(info.data_offset + data_bytes));
  }
}

// Exact value of an IEEE binary16.
float half_to_float(std::uint16_t h) {
  const float sign = (h & 0x8000u) != 0 ? -1.0f : 1.0f;
  const int exponent = (h >> 10) & 31;
  const auto fraction = static_cast<float>(h & 0x3ffu);
  if (exponent == 31) {
    return (h & 0x3ffu) != 0 ? std::numeric_limits<float>::quiet_NaN() : sign * std::numeric_limits<float>::infinity();
  }
  return exponent == 0 ? sign * std::ldexp(fraction, -24) : sign * std::ldexp(fraction + 1024.0f, exponent - 25);
}

template <class S, class T, class F>
std::vector<T> widen(const std::string& raw, F f) {
  std::vector<T> out(raw.size() / sizeof(S));
  for (std::size_t i = 0; i < out.size(); ++i) {
    S value;
    std::memcpy(&value, raw.data() + i * sizeof(S), sizeof(S));
    out[i] = f(value);
  }
  return out;
}

template <class S, class T>
std::vector<T> widen(const std::string& raw) {
  return widen<S, T>(raw, [](S value) { return static_cast<T>(value); });
}

Tensor decode(const SafetensorsEntry& e, const std::string& raw) {
  using I = std::int64_t;
  using U = std::uint64_t;
  const std::string& d = e.dtype;
  if (d == "F32") return Tensor(e.shape, widen<float, float>(raw));
  if (d == "F64") return Tensor(e.shape, widen<double, double>(raw));
  if (d == "F16") return Tensor(e.shape, widen<std::uint16_t, float>(raw, half_to_float));
  if (d == "BF16") {
    return Tensor(e.shape, widen<std::uint16_t, float>(
                               raw, [](std::uint16_t b) { return std::bit_cast<float>(std::uint32_t{b} << 16); }));
  }
  if (d == "I64") return Tensor(e.shape, widen<std::int64_t, I>(raw));
  if (d == "I32") return Tensor(e.shape, widen<std::int32_t, I>(raw));
  if (d == "I16") return Tensor(e.shape, widen<std::int16_t, I>(raw));
  if (d == "I8") return Tensor(e.shape, widen<std::int8_t, I>(raw));
  if (d == "U64") return Tensor(e.shape, widen<std::uint64_t, U>(raw));
  if (d == "U32") return Tensor(e.shape, widen<std::uint32_t, U>(raw));
  if (d == "U16") return Tensor(e.shape, widen<std::uint16_t, U>(raw));
  return Tensor(e.shape, widen<std::uint8_t, U>(raw));
}

}  // namespace

std::string write_safetensors(const std::string& path, const TensorMap& tensors, const StringMap& metadata) {
  static_assert(std::endian::native == std::endian::little);
  struct Piece {
    const std::string* name;
    const Tensor* tensor;
    const void* data;
    std::size_t bytes, item;
  };
  std::vector<Piece> pieces;
  for (const auto& [name, tensor] : tensors) {
    if (name == "__metadata__") throw Error(ErrorCode::failed, "a tensor cannot be named __metadata__", path);
    std::visit(
        [&](const auto& v) {
          std::size_t count = 1;
          for (const Index n : tensor.shape) count *= static_cast<std::size_t>(n);
          if (count != v.size()) {
            throw Error(ErrorCode::failed,
                        "tensor '" + name + "' has " + std::to_string(v.size()) + " values for shape " +
                            shape_text(tensor.shape),
                        path);
          }
          pieces.push_back({&name, &tensor, v.data(), v.size() * sizeof(v[0]), sizeof(v[0])});
        },
        tensor.values);
  }
  // Wide types first keeps every tensor aligned without holes.
  std::stable_sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) { return a.item > b.item; });
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::size_t at = 0;
  for (const Piece& p : pieces) {
    header[*p.name] = {{"dtype", type_of(*p.tensor)}, {"shape", p.tensor->shape}, {"data_offsets", {at, at + p.bytes}}};
    at += p.bytes;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  const std::uint64_t length = text.size();
  AtomicFile file(path);
  Sha256 hash;
  const auto put = [&](const void* data, std::size_t bytes) {
    hash.update(data, bytes);
    file.write(data, bytes);
  };
  put(&length, sizeof length);
  put(text.data(), text.size());
  for (const Piece& p : pieces) put(p.data, p.bytes);
  file.commit();
  return hash.finish_hex();
}

SafetensorsInfo safetensors_info(const std::string& path) {
  const Index size = file_bytes(path);
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ErrorCode::data, "cannot open the file; check its permissions", path);
  std::uint64_t length = 0;
  file.read(reinterpret_cast<char*>(&length), sizeof length);
  if (file.gcount() != sizeof length) refuse(path, "expected 8 bytes, file ends at byte " + std::to_string(size));
  if (length > static_cast<std::uint64_t>(largest_json_header)) {
    refuse(path, "the header length " + std::to_string(length) + " at byte 0 is above 100 MB");
  }
  SafetensorsInfo info;
  info.data_offset = 8 + static_cast<Index>(length);
  if (info.data_offset > size) {
    refuse(path, "the header needs " + std::to_string(info.data_offset) + " bytes, file ends at byte " +
                     std::to_string(size));
  }
  std::string text(length, '\0');
  file.read(text.data(), static_cast<std::streamsize>(length));
  if (text.empty() || text[0] != '{') refuse(path, "byte 8 is not the '{' of a JSON header");
  const SortedJson header = parse_header(text, path);
  for (const auto& [name, value] : header.items()) {
    if (name != "__metadata__") {
      info.entries.push_back(parse_entry(name, value, path));
      continue;
    }
    if (!value.is_object()) refuse(path, "__metadata__ is not an object");
    for (const auto& [key, entry] : value.items()) {
      if (!entry.is_string()) refuse(path, "metadata '" + key + "' is not a string");
      info.metadata[key] = entry.get<std::string>();
    }
  }
  check_tiling(info, size - info.data_offset, path);
  return info;
}

Safetensors read_safetensors(const std::string& path) {
  const SafetensorsInfo info = safetensors_info(path);
  std::ifstream file(path, std::ios::binary);
  file.seekg(info.data_offset);
  Safetensors out;
  out.metadata = info.metadata;
  for (const SafetensorsEntry& e : info.entries) {
    std::string raw(static_cast<std::size_t>(e.end - e.begin), '\0');
    file.read(raw.data(), static_cast<std::streamsize>(raw.size()));
    if (file.gcount() != static_cast<std::streamsize>(raw.size())) refuse(path, "cannot read tensor '" + e.name + "'");
    out.tensors[e.name] = decode(e, raw);
  }
  return out;
}

template <class T>
const std::vector<T>& tensor_values(const TensorMap& tensors, const std::string& name, const std::string& where) {
  const auto it = tensors.find(name);
  if (it == tensors.end()) throw Error(ErrorCode::data, "tensor '" + name + "' is missing", where);
  const auto* v = std::get_if<std::vector<T>>(&it->second.values);
  if (v == nullptr) {
    throw Error(ErrorCode::data, "tensor '" + name + "' has type " + type_of(it->second) + ", not the expected one",
                where);
  }
  return *v;
}

template const std::vector<float>& tensor_values(const TensorMap&, const std::string&, const std::string&);
template const std::vector<double>& tensor_values(const TensorMap&, const std::string&, const std::string&);
template const std::vector<std::int64_t>& tensor_values(const TensorMap&, const std::string&, const std::string&);
template const std::vector<std::uint64_t>& tensor_values(const TensorMap&, const std::string&, const std::string&);

}  // namespace terrane
