// SPDX-License-Identifier: MIT
#include "engine/io/npy.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <string_view>
#include <type_traits>
#include <utility>

#include "engine/io/file.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

constexpr char magic[] = "\x93NUMPY";
constexpr Index largest_npy_header = 1 << 20;
constexpr std::size_t start_bytes = 12;  // magic, version, length of the header

// Parser of the header's Python literal: a dictionary of strings, booleans and one tuple of integers.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, Index offset, const std::string& path)
      : text_(text), offset_(offset), path_(path) {}

  void parse(NpyInfo& info) {
    expect('{');
    bool descr = false, order = false, shape = false;
    while (!accept('}')) {
      const std::string key = string();
      expect(':');
      if (key == "descr" && !descr) {
        descr = true;
        dtype(info);
      } else if (key == "fortran_order" && !order) {
        order = true;
        info.fortran_order = boolean();
      } else if (key == "shape" && !shape) {
        shape = true;
        info.shape = tuple();
      } else {
        fail("unexpected key '" + key + "' in the header");
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    if (!descr || !order || !shape) fail("the header lacks descr, fortran_order or shape");
    skip_space();
    if (at_ != text_.size()) fail("text after the header dictionary");
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::data, what + "; save the array again with numpy.save",
                path_ + ": byte " + std::to_string(offset_ + static_cast<Index>(at_)));
  }
  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
  }
  bool accept(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(std::string("expected '") + c + "' in the header");
  }
  std::string string() {
    skip_space();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') fail("expected a quoted string in the header");
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) fail("unterminated string in the header");
    std::string value(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return value;
  }
  bool boolean() {
    skip_space();
    const bool yes = text_.substr(at_, 4) == "True";
    if (!yes && text_.substr(at_, 5) != "False") fail("expected True or False in the header");
    at_ += yes ? 4 : 5;
    return yes;
  }
  std::vector<Index> tuple() {
    std::vector<Index> values;
    expect('(');
    while (!accept(')')) {
      skip_space();
      Index n = 0;
      const std::size_t begin = at_;
      for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
        if (n > (std::numeric_limits<Index>::max() - 9) / 10) fail("an extent of the shape is too large");
        n = n * 10 + (text_[at_] - '0');
      }
      if (at_ == begin) fail("expected a non-negative integer in the shape");
      if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // written by Python 2
      values.push_back(n);
      if (values.size() > 32) fail("more than 32 axes");
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return values;
  }
  void dtype(NpyInfo& info) {
    skip_space();
    if (at_ < text_.size() && text_[at_] == '[') fail("structured arrays are not read");
    const std::string d = string();
    if (d.size() >= 2 && (d[1] == 'O' || d[0] == 'O')) fail("object arrays are pickles and are not read");
    static constexpr const char* kinds[] = {"f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"};
    const bool known = d.size() == 3 && std::strchr("<>|=", d[0]) != nullptr &&
                       std::any_of(std::begin(kinds), std::end(kinds), [&](const char* k) { return d.substr(1) == k; });
    if (!known) fail("dtype '" + d + "' is not read (floats of 4 or 8 bytes, integers and bool are)");
    info.kind = d[1];
    info.item_bytes = d[2] - '0';
    info.big_endian = d[0] == '>' && info.item_bytes > 1;
    if (d[0] == '|' && info.item_bytes > 1) fail("dtype '" + d + "' has no byte order");
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Index offset_;
  const std::string& path_;
};

void check_size(NpyInfo& info, Index file_size, const std::string& path) {
  Index count = 1;
  const bool empty = std::any_of(info.shape.begin(), info.shape.end(), [](Index n) { return n == 0; });
  for (const Index n : info.shape) {
    if (!empty && n > std::numeric_limits<Index>::max() / 16 / count) {
      throw Error(ErrorCode::data, "the shape " + shape_text(info.shape) + " is too large", path);
    }
    count = empty ? 0 : count * n;
  }
  info.count = count;
  const Index expected = info.data_offset + count * info.item_bytes;
  if (file_size == expected) return;
  const std::string what = "expected " + std::to_string(expected) + " bytes for " + info.dtype() + " " +
                           shape_text(info.shape) + ", file ends at byte " + std::to_string(file_size);
  throw Error(ErrorCode::data, what + (file_size < expected ? "; it is truncated, copy it again" : ""), path);
}

// Bytes before the first value, from the first start_bytes bytes of an array of `size` bytes.
Index header_end(std::string_view start, Index size, const std::string& path) {
  if (start.size() < 10) {
    throw Error(ErrorCode::data, "expected an NPY header, file ends at byte " + std::to_string(size), path);
  }
  if (start.substr(0, 6) != magic) {
    throw Error(ErrorCode::data, "this is not an NPY file (bytes 0 to 5 are not \\x93NUMPY)", path);
  }
  const int version = static_cast<unsigned char>(start[6]);
  if (version < 1 || version > 3) {
    throw Error(ErrorCode::data, "NPY version " + std::to_string(version) + " is not read (1, 2 and 3 are)",
                path + ": byte 6");
  }
  const std::size_t length_bytes = version == 1 ? 2 : 4;
  Index length = 0;
  for (std::size_t i = std::min(8 + length_bytes, start.size()); i-- > 8;) {
    length = length * 256 + static_cast<unsigned char>(start[i]);
  }
  const Index end = 8 + static_cast<Index>(length_bytes) + length;
  if (length > largest_npy_header || end > size) {
    throw Error(ErrorCode::data,
                "the header needs " + std::to_string(end) + " bytes, file ends at byte " + std::to_string(size) +
                    "; it is damaged, copy it again",
                path);
  }
  return end;
}

// `header`: everything before the first value.
NpyInfo parse_header(std::string_view header, Index size, const std::string& path) {
  NpyInfo info;
  info.data_offset = static_cast<Index>(header.size());
  const std::size_t begin = header[6] == 1 ? 10 : 12;
  HeaderParser(header.substr(begin), static_cast<Index>(begin), path).parse(info);
  check_size(info, size, path);
  return info;
}

template <class S>
S load(const char* p, bool swap) {
  char bytes[sizeof(S)];
  std::memcpy(bytes, p, sizeof(S));
  if (swap) std::reverse(bytes, bytes + sizeof(S));
  S value;
  std::memcpy(&value, bytes, sizeof(S));
  return value;
}

// Value of type S as T; false if T cannot represent it (see the header).
template <class T, class S>
bool convert(S from, T& to) {
  if constexpr (std::is_floating_point_v<T>) {
    to = static_cast<T>(from);
    if constexpr (std::is_floating_point_v<S>) return std::isfinite(to) || !std::isfinite(from);
    return true;
  } else if constexpr (std::is_integral_v<S>) {
    if (!std::in_range<T>(from)) return false;
    to = static_cast<T>(from);
    return true;
  } else {
    return false;
  }
}

// Converts raw values of dtype `info`, of which the first is number `first` of the file.
template <class T, class S>
void convert_all(std::string_view raw, const NpyInfo& info, Index first, const std::string& path, T* out) {
  const auto count = static_cast<Index>(raw.size() / sizeof(S));
  for (Index i = 0; i < count; ++i) {
    if (convert(load<S>(raw.data() + i * static_cast<Index>(sizeof(S)), info.big_endian), out[i])) continue;
    throw Error(ErrorCode::data,
                "a value of dtype " + info.dtype() + " is outside the range of the type it is read as; convert it",
                path + ": byte " + std::to_string(info.data_offset + (first + i) * static_cast<Index>(sizeof(S))));
  }
}

template <class T>
void decode(std::string_view raw, const NpyInfo& info, Index first, const std::string& path, T* out) {
  const auto as = [&]<class S>(S) { convert_all<T, S>(raw, info, first, path, out); };
  switch (info.kind) {
    case 'f':
      return info.item_bytes == 4 ? as(float{}) : as(double{});
    case 'i':
      if (info.item_bytes == 1) return as(std::int8_t{});
      if (info.item_bytes == 2) return as(std::int16_t{});
      return info.item_bytes == 4 ? as(std::int32_t{}) : as(std::int64_t{});
    default:  // u, b
      if (info.item_bytes == 1) return as(std::uint8_t{});
      if (info.item_bytes == 2) return as(std::uint16_t{});
      return info.item_bytes == 4 ? as(std::uint32_t{}) : as(std::uint64_t{});
  }
}

template <class T>
void check_kind(const NpyInfo& info, const std::string& path) {
  if (!std::is_integral_v<T> || info.kind != 'f') return;
  throw Error(ErrorCode::data, "expected integers, found dtype " + info.dtype() + "; convert it", path);
}

// Values [first, first + count) in file order, through a buffer of 1 MiB.
template <class T>
std::vector<T> read_values(const std::string& path, const NpyInfo& info, Index first, Index count) {
  check_kind<T>(info, path);
  std::ifstream file(path, std::ios::binary);
  file.seekg(info.data_offset + first * info.item_bytes);
  std::vector<T> values(static_cast<std::size_t>(count));
  std::string raw;
  const Index piece = (Index{1} << 20) / info.item_bytes;
  for (Index at = 0; at < count; at += piece) {
    const Index n = std::min(piece, count - at);
    raw.resize(static_cast<std::size_t>(n * info.item_bytes));
    file.read(raw.data(), static_cast<std::streamsize>(raw.size()));
    if (file.gcount() != static_cast<std::streamsize>(raw.size())) {
      throw Error(ErrorCode::data, "cannot read the values; the file has changed or its disk fails",
                  path + ": byte " + std::to_string(info.data_offset + (first + at) * info.item_bytes));
    }
    decode(raw, info, first + at, path, values.data() + at);
  }
  return values;
}

template <class T>
std::vector<T> fortran_to_c(const std::vector<T>& from, const std::vector<Index>& shape) {
  std::vector<T> to(from.size());
  std::vector<Index> at(shape.size(), 0), stride(shape.size(), 1);
  for (std::size_t d = 1; d < shape.size(); ++d) stride[d] = stride[d - 1] * shape[d - 1];
  for (T& value : to) {
    Index offset = 0;
    for (std::size_t d = 0; d < shape.size(); ++d) offset += at[d] * stride[d];
    value = from[static_cast<std::size_t>(offset)];
    for (std::size_t d = shape.size(); d-- > 0;) {
      if (++at[d] < shape[d]) break;
      at[d] = 0;
    }
  }
  return to;
}

}  // namespace

std::string NpyInfo::dtype() const {
  const char order = item_bytes == 1 ? '|' : (big_endian ? '>' : '<');
  return std::string{order, kind} + std::to_string(item_bytes);
}

std::string shape_text(const std::vector<Index>& shape) {
  std::string text = "(";
  for (std::size_t d = 0; d < shape.size(); ++d) text += (d > 0 ? ", " : "") + std::to_string(shape[d]);
  return text + (shape.size() == 1 ? ",)" : ")");
}

NpyInfo npy_info(const std::string& path) {
  const Index size = file_bytes(path);
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ErrorCode::data, "cannot open the file; check its permissions", path);
  std::string header(start_bytes, '\0');
  file.read(header.data(), static_cast<std::streamsize>(start_bytes));
  header.resize(static_cast<std::size_t>(file.gcount()));
  const Index end = header_end(header, size, path);
  header.resize(static_cast<std::size_t>(end));
  file.clear();
  file.seekg(0);
  file.read(header.data(), static_cast<std::streamsize>(end));
  if (file.gcount() != end) throw Error(ErrorCode::data, "cannot read the header", path);
  return parse_header(header, size, path);
}

NpyInfo npy_info_of(std::string_view bytes, const std::string& where) {
  const auto size = static_cast<Index>(bytes.size());
  return parse_header(bytes.substr(0, static_cast<std::size_t>(header_end(bytes, size, where))), size, where);
}

template <class T>
NdArray<T> parse_npy(std::string_view bytes, const std::string& where) {
  const NpyInfo info = npy_info_of(bytes, where);
  check_kind<T>(info, where);
  NdArray<T> a{info.shape, std::vector<T>(static_cast<std::size_t>(info.count))};
  decode(bytes.substr(static_cast<std::size_t>(info.data_offset)), info, 0, where, a.values.data());
  if (info.fortran_order && info.shape.size() > 1) a.values = fortran_to_c(a.values, info.shape);
  return a;
}

template <class T>
NdArray<T> read_npy(const std::string& path) {
  const NpyInfo info = npy_info(path);
  NdArray<T> a{info.shape, read_values<T>(path, info, 0, info.count)};
  if (info.fortran_order && info.shape.size() > 1) a.values = fortran_to_c(a.values, info.shape);
  return a;
}

template <class T>
NdArray<T> read_npy_part(const std::string& path, Index first, Index count) {
  const NpyInfo info = npy_info(path);
  if (info.shape.empty() || first < 0 || count < 0 || count > info.shape[0] || first > info.shape[0] - count) {
    throw Error(ErrorCode::data,
                "entries " + std::to_string(first) + " to " + std::to_string(first + count - 1) +
                    " are asked for, the shape is " + shape_text(info.shape),
                path);
  }
  const Index row = info.shape[0] > 0 ? info.count / info.shape[0] : 0;
  NdArray<T> part{info.shape, {}};
  part.shape[0] = count;
  if (!info.fortran_order || info.shape.size() == 1) {
    part.values = read_values<T>(path, info, first * row, count * row);
  } else {
    const NdArray<T> all = read_npy<T>(path);
    const auto begin = all.values.begin() + first * row;
    part.values.assign(begin, begin + count * row);
  }
  return part;
}

template <class T>
std::string npy_header(const std::vector<Index>& shape) {
  static_assert(std::endian::native == std::endian::little);
  const char kind = std::is_floating_point_v<T> ? 'f' : (std::is_signed_v<T> ? 'i' : 'u');
  std::string header = "{'descr': '<" + std::string(1, kind) + std::to_string(sizeof(T)) +
                       "', 'fortran_order': False, 'shape': " + shape_text(shape) + ", }";
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  std::string start(magic, 6);
  start += '\1';
  start += '\0';
  start += static_cast<char>(header.size() & 255);
  start += static_cast<char>(header.size() >> 8);
  return start + header;
}

template <class T>
void write_npy(const std::string& path, const std::vector<Index>& shape, const T* values) {
  std::size_t count = 1;
  for (const Index n : shape) count *= static_cast<std::size_t>(n);
  AtomicFile file(path);
  file.write(npy_header<T>(shape));
  file.write(values, count * sizeof(T));
  file.commit();
}

template NdArray<float> read_npy(const std::string&);
template NdArray<double> read_npy(const std::string&);
template NdArray<std::int64_t> read_npy(const std::string&);
template NdArray<std::uint64_t> read_npy(const std::string&);
template NdArray<float> parse_npy(std::string_view, const std::string&);
template NdArray<double> parse_npy(std::string_view, const std::string&);
template NdArray<std::int64_t> parse_npy(std::string_view, const std::string&);
template NdArray<std::uint64_t> parse_npy(std::string_view, const std::string&);
template NdArray<float> read_npy_part(const std::string&, Index, Index);
template NdArray<double> read_npy_part(const std::string&, Index, Index);
template std::string npy_header<float>(const std::vector<Index>&);
template void write_npy(const std::string&, const std::vector<Index>&, const float*);
template void write_npy(const std::string&, const std::vector<Index>&, const double*);
template void write_npy(const std::string&, const std::vector<Index>&, const std::int64_t*);
template void write_npy(const std::string&, const std::vector<Index>&, const std::uint64_t*);

}  // namespace terrane
