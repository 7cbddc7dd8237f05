// SPDX-License-Identifier: MIT
#include "engine/io/npz.hpp"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <set>
#include <string_view>
#include <utility>

#include "engine/io/file.hpp"
#include "engine/io/inflate.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

// Records of a ZIP archive: the first four bytes, and the fixed part in bytes.
constexpr std::string_view local_magic("PK\3\4", 4), entry_magic("PK\1\2", 4), end_magic("PK\5\6", 4),
    end64_magic("PK\6\6", 4), locator_magic("PK\6\7", 4);
constexpr Index local_bytes = 30, entry_bytes = 46, end_bytes = 22, end64_bytes = 56, locator_bytes = 20;
constexpr Index largest_comment = 65535;
constexpr std::uint64_t in_extra_field = 0xffffffffu;  // a 32-bit size or place that stands in the ZIP64 field

std::uint64_t little_endian(std::string_view bytes, std::size_t at, std::size_t n) {
  std::uint64_t value = 0;
  for (std::size_t i = n; i-- > 0;) value = value << 8 | static_cast<std::uint8_t>(bytes[at + i]);
  return value;
}

struct ZipMember {
  std::string file_name;
  std::uint32_t crc = 0;
  int method = 0;                                // 0 stored, 8 deflated
  Index packed_bytes = 0, bytes = 0, place = 0;  // place: of the local header
};

class Archive {
 public:
  explicit Archive(const std::string& path) : path_(path), size_(file_bytes(path)), file_(path, std::ios::binary) {
    if (!file_) throw Error(ErrorCode::data, "cannot open the file; check its permissions", path);
    find_directory();
    read_directory();
    check_places();
  }
  const std::vector<ZipMember>& members() const { return members_; }

  // The unpacked bytes, checked against size and CRC-32.
  std::string read(const ZipMember& m) {
    const std::string where = path_ + ": " + m.file_name;
    const std::string local = piece(m.place, local_bytes);
    if (!local.starts_with(local_magic)) fail("no member begins at byte " + std::to_string(m.place));
    const auto name_bytes = static_cast<Index>(little_endian(local, 26, 2));
    const Index begin = m.place + local_bytes + name_bytes + static_cast<Index>(little_endian(local, 28, 2));
    if (begin > directory_ || m.packed_bytes > directory_ - begin) {
      fail("member " + m.file_name + " runs past the directory at byte " + std::to_string(directory_));
    }
    if (piece(m.place + local_bytes, name_bytes) != m.file_name) {
      fail("byte " + std::to_string(m.place) + " begins another member than the directory says");
    }
    std::string bytes = piece(begin, m.packed_bytes);
    if (m.method == 8) bytes = inflate(bytes, m.bytes, where);
    if (crc32(bytes) != m.crc) throw Error(ErrorCode::data, "its CRC-32 does not fit; copy the file again", where);
    return bytes;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::data, what + "; the archive is damaged, copy it again", path_);
  }
  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(ErrorCode::data, what + "; save the arrays again with numpy.savez", path_);
  }
  std::string piece(Index at, Index bytes) {
    if (at < 0 || bytes < 0 || at > size_ || bytes > size_ - at) {
      fail("expected " + std::to_string(bytes) + " bytes at byte " + std::to_string(at) + ", file ends at byte " +
           std::to_string(size_));
    }
    std::string text(static_cast<std::size_t>(bytes), '\0');
    file_.clear();
    file_.seekg(at);
    file_.read(text.data(), static_cast<std::streamsize>(bytes));
    if (file_.gcount() != bytes) fail("cannot read byte " + std::to_string(at));
    return text;
  }
  Index as_index(std::uint64_t value) const {
    if (value > static_cast<std::uint64_t>(size_) * 2000 + 100) fail("a size or place beyond the end of the file");
    return static_cast<Index>(value);
  }

  // The record at the end of the file: where the directory is and how many members it lists.
  void find_directory() {
    const Index tail = std::min(size_, end_bytes + largest_comment);
    const std::string text = piece(size_ - tail, tail);
    std::size_t at = std::string::npos;
    for (std::size_t i = text.rfind(end_magic); i != std::string::npos; i = i == 0 ? i : text.rfind(end_magic, i - 1)) {
      const bool fits = i + end_bytes <= text.size() && i + end_bytes + little_endian(text, i + 20, 2) == text.size();
      if (fits) at = i;
      if (fits || i == 0) break;
    }
    if (at == std::string::npos) fail("the directory at the end of the archive is missing: it is cut short");
    if (little_endian(text, at + 4, 2) != little_endian(text, at + 6, 2))
      refuse("archives of several parts are not read");
    count_ = static_cast<Index>(little_endian(text, at + 10, 2));
    std::uint64_t bytes = little_endian(text, at + 12, 4), place = little_endian(text, at + 16, 4);
    Index end = size_ - tail + static_cast<Index>(at);
    if (end >= locator_bytes && piece(end - locator_bytes, locator_bytes).starts_with(locator_magic)) {
      const std::string locator = piece(end - locator_bytes, locator_bytes);
      const Index end64 = as_index(little_endian(locator, 8, 8));
      const std::string record = piece(end64, end64_bytes);
      if (!record.starts_with(end64_magic)) fail("no ZIP64 record at byte " + std::to_string(end64));
      count_ = as_index(little_endian(record, 32, 8));
      bytes = little_endian(record, 40, 8);
      place = little_endian(record, 48, 8);
      end = end64;
    }
    directory_ = as_index(place);
    directory_bytes_ = as_index(bytes);
    if (directory_ > end || directory_bytes_ != end - directory_) {
      fail("the directory of " + std::to_string(directory_bytes_) + " bytes at byte " + std::to_string(directory_) +
           " does not end at byte " + std::to_string(end));
    }
    if (count_ > directory_bytes_ / entry_bytes)
      fail("a directory of " + std::to_string(count_) + " members is larger");
  }

  void read_directory() {
    const std::string text = piece(directory_, directory_bytes_);
    std::size_t at = 0;
    for (Index i = 0; i < count_; ++i) {
      const std::string_view rest = std::string_view(text).substr(at);
      if (rest.size() < entry_bytes || !rest.starts_with(entry_magic)) {
        fail("entry " + std::to_string(i) + " of the directory is not one");
      }
      const std::size_t name = little_endian(rest, 28, 2), extra = little_endian(rest, 30, 2);
      const std::size_t total = entry_bytes + name + extra + little_endian(rest, 32, 2);
      if (total > rest.size()) fail("entry " + std::to_string(i) + " of the directory is cut short");
      members_.push_back(
          entry(rest.substr(0, entry_bytes), rest.substr(entry_bytes, name), rest.substr(entry_bytes + name, extra)));
      at += total;
    }
    if (at != text.size()) fail("the directory holds more than its " + std::to_string(count_) + " members");
  }

  ZipMember entry(std::string_view fixed, std::string_view name, std::string_view extra) const {
    ZipMember m;
    m.file_name = printable(name);
    if ((little_endian(fixed, 8, 2) & 1) != 0) refuse("member " + m.file_name + " is encrypted");
    m.method = static_cast<int>(little_endian(fixed, 10, 2));
    if (m.method != 0 && m.method != 8) {
      refuse("member " + m.file_name + " has compression " + std::to_string(m.method) +
             " (stored and deflate are read)");
    }
    m.crc = static_cast<std::uint32_t>(little_endian(fixed, 16, 4));
    std::uint64_t bytes = little_endian(fixed, 24, 4), packed = little_endian(fixed, 20, 4);
    std::uint64_t place = little_endian(fixed, 42, 4);
    for (std::size_t at = 0; at + 4 <= extra.size();) {
      const std::size_t id = little_endian(extra, at, 2), end = at + 4 + little_endian(extra, at + 2, 2);
      if (end > extra.size()) fail("an extra field of member " + m.file_name + " is cut short");
      at += 4;
      // ZIP64: only those of the three that do not fit 32 bits, in this order.
      for (std::uint64_t* value : {&bytes, &packed, &place}) {
        if (id != 1 || *value != in_extra_field) continue;
        if (at + 8 > end) fail("the ZIP64 field of member " + m.file_name + " is cut short");
        *value = little_endian(extra, at, 8);
        at += 8;
      }
      at = end;
    }
    m.bytes = as_index(bytes);
    m.packed_bytes = as_index(packed);
    m.place = as_index(place);
    if (m.method == 0 && m.bytes != m.packed_bytes) fail("member " + m.file_name + " is stored with two sizes");
    return m;
  }

  // Names go into error messages of one line.
  static std::string printable(std::string_view name) {
    std::string text(name);
    std::replace_if(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 32; }, '?');
    return text;
  }

  void check_places() const {
    std::vector<const ZipMember*> order;
    for (const ZipMember& m : members_) order.push_back(&m);
    std::sort(order.begin(), order.end(), [](const ZipMember* a, const ZipMember* b) { return a->place < b->place; });
    for (std::size_t i = 0; i < order.size(); ++i) {
      const Index end = i + 1 < order.size() ? order[i + 1]->place : directory_;
      if (order[i]->place <= end - local_bytes && order[i]->packed_bytes <= end - local_bytes - order[i]->place)
        continue;
      fail("member " + order[i]->file_name + " at byte " + std::to_string(order[i]->place) +
           " reaches into what follows at byte " + std::to_string(end));
    }
  }

  std::string path_;
  Index size_;
  std::ifstream file_;
  Index directory_ = 0, directory_bytes_ = 0, count_ = 0;
  std::vector<ZipMember> members_;
};

// Calls use(name, where, bytes, member) for every array.
template <class F>
void for_each_array(const std::string& path, F use) {
  Archive archive(path);
  std::set<std::string> seen;
  for (const ZipMember& m : archive.members()) {
    const std::string where = path + ": " + m.file_name;
    if (!m.file_name.ends_with(".npy") || m.file_name.size() == 4) {
      throw Error(
          ErrorCode::data,
          "this member is no NPY array; of archives only those of numpy.savez are read (a .pt file is a pickle: "
          "save its tensors as safetensors)",
          where);
    }
    const std::string name = m.file_name.substr(0, m.file_name.size() - 4);
    if (!seen.insert(name).second) {
      throw Error(ErrorCode::data, "the name stands twice in the archive; save the arrays again with numpy.savez",
                  where);
    }
    use(name, where, archive.read(m), m);
  }
}

}  // namespace

std::vector<NpzEntry> npz_info(const std::string& path) {
  std::vector<NpzEntry> entries;
  for_each_array(path,
                 [&](const std::string& name, const std::string& where, const std::string& bytes, const ZipMember& m) {
                   entries.push_back({name, npy_info_of(bytes, where), m.method == 8, m.bytes, m.packed_bytes});
                 });
  return entries;
}

template <class T>
std::map<std::string, NdArray<T>> read_npz(const std::string& path) {
  std::map<std::string, NdArray<T>> arrays;
  for_each_array(path, [&](const std::string& name, const std::string& where, const std::string& bytes,
                           const ZipMember&) { arrays[name] = parse_npy<T>(bytes, where); });
  return arrays;
}

TensorMap read_npz_tensors(const std::string& path) {
  TensorMap tensors;
  for_each_array(
      path, [&](const std::string& name, const std::string& where, const std::string& bytes, const ZipMember&) {
        const NpyInfo info = npy_info_of(bytes, where);
        if (info.kind == 'f') {
          tensors[name] =
              info.item_bytes == 4 ? Tensor(parse_npy<float>(bytes, where)) : Tensor(parse_npy<double>(bytes, where));
        } else {
          tensors[name] = info.kind == 'i' ? Tensor(parse_npy<std::int64_t>(bytes, where))
                                           : Tensor(parse_npy<std::uint64_t>(bytes, where));
        }
      });
  return tensors;
}

template std::map<std::string, NdArray<float>> read_npz(const std::string&);
template std::map<std::string, NdArray<double>> read_npz(const std::string&);
template std::map<std::string, NdArray<std::int64_t>> read_npz(const std::string&);
template std::map<std::string, NdArray<std::uint64_t>> read_npz(const std::string&);

}  // namespace terrane
