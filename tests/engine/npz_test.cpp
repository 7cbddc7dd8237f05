// SPDX-License-Identifier: MIT
#include "engine/io/npz.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "engine/io/file.hpp"
#include "engine/io/inflate.hpp"
#include "engine/io/info.hpp"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/random.hpp"
#include "tests/support/devices.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {
namespace npz_test {

namespace fs = std::filesystem;

class NpzTest : public FolderTest {
 protected:
  // Message of the Error{data} that reading these bytes gives, "" if none.
  std::string error_of(const std::string& bytes) const {
    put("bad.npz", bytes);
    try {
      read_npz<double>(path("bad.npz"));
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::data) << e.message();
      EXPECT_EQ(e.message().find('\n'), std::string::npos);
      EXPECT_NE(e.where().find("bad.npz"), std::string::npos);
      return e.message();
    }
    return "";
  }
  bool python(const std::string& script) const {
    put("t.py", script);
    const char* chosen = std::getenv("TERRANE_PYTHON");
    return std::system(("cd " + dir_ + " && " + (chosen != nullptr ? chosen : "python3") + " t.py").c_str()) == 0;
  }
  static bool has_numpy() {
    const char* chosen = std::getenv("TERRANE_PYTHON");
    return std::system(
               (std::string(chosen != nullptr ? chosen : "python3") + " -c 'import numpy' >/dev/null 2>&1").c_str()) ==
           0;
  }
};

std::string number(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 255);
  return out;
}

std::string npy_bytes(const std::string& dtype, const std::string& shape, const std::string& data) {
  std::string header = "{'descr': '" + dtype + "', 'fortran_order': False, 'shape': " + shape + ", }";
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  return std::string("\x93NUMPY\1\0", 8) + number(header.size(), 2) + header + data;
}

// One member of an archive built by hand; what is wrong with it is chosen by the fields.
struct Part {
  std::string name, packed;
  int method = 0;
  std::uint64_t bytes = 0;
  std::uint32_t crc = 0;
  std::string local_name;  // empty: name
  int flags = 0;
  bool zip64 = false;
};

Part stored(const std::string& name, const std::string& bytes) {
  return {name, bytes, 0, bytes.size(), crc32(bytes), "", 0, false};
}

std::string archive(const std::vector<Part>& parts, bool zip64 = false, const std::string& comment = "") {
  std::string out, directory;
  for (const Part& p : parts) {
    const std::size_t place = out.size();
    const std::string& local = p.local_name.empty() ? p.name : p.local_name;
    const std::string extra =
        p.zip64 ? number(1, 2) + number(24, 2) + number(p.bytes, 8) + number(p.packed.size(), 8) + number(place, 8)
                : "";
    const std::uint64_t big = 0xffffffffu;
    // Sizes in the local header are wrong on purpose: only the directory counts.
    out += "PK\3\4" + number(45, 2) + number(0, 2) + number(static_cast<std::uint64_t>(p.method), 2) + number(0, 4) +
           number(1, 4) + number(2, 4) + number(3, 4) + number(local.size(), 2) + number(5, 2) + local + "extra" +
           p.packed;
    directory += "PK\1\2" + number(45, 2) + number(45, 2) + number(static_cast<std::uint64_t>(p.flags), 2) +
                 number(static_cast<std::uint64_t>(p.method), 2) + number(0, 4) + number(p.crc, 4) +
                 number(p.zip64 ? big : p.packed.size(), 4) + number(p.zip64 ? big : p.bytes, 4) +
                 number(p.name.size(), 2) + number(extra.size(), 2) + number(0, 2) + number(0, 2) + number(0, 2) +
                 number(0, 4) + number(p.zip64 ? big : place, 4) + p.name + extra;
  }
  const std::size_t place = out.size(), n = parts.size();
  out += directory;
  if (zip64) {
    const std::size_t record = out.size();
    out += "PK\6\6" + number(44, 8) + number(45, 2) + number(45, 2) + number(0, 4) + number(0, 4) + number(n, 8) +
           number(n, 8) + number(directory.size(), 8) + number(place, 8);
    out += "PK\6\7" + number(0, 4) + number(record, 8) + number(1, 4);
  }
  const std::uint64_t many = zip64 ? 0xffffu : n;
  return out + "PK\5\6" + number(0, 2) + number(0, 2) + number(many, 2) + number(many, 2) +
         number(zip64 ? 0xffffffffu : directory.size(), 4) + number(zip64 ? 0xffffffffu : place, 4) +
         number(comment.size(), 2) + comment;
}

std::string doubles(std::vector<double> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(double)};
}

std::string bytes_of_hex(const std::string& hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return out;
}

// repeated() as zlib packs it with fixed and with dynamic codes.
const char* const packed_fixed =
    "2b492d2a4acc4b5530b02e81b20ce12c1338cb12216b06671a99c299c6085113845a3384011608530d0d90ec324212373141b205c9464b"
    "242b91ec34324512b740a8373632417217926f90ec35314112b740a837354298636a8e30df0cc95e3324717324f5e648e65820996f8964"
    "afa51972382039d4d000c9078686485e3344f6b3a1115260181a2387920972f09902c31500";
const char* const packed_dynamic =
    "4d90b10dc4300c0357f9112c59926dfc345fa4fd22c8fe488ac0bc8ea0059ec9eb38cfdffff8b4eff52adb2ab65a7aad2d3db7ec7243b7"
    "a580a9546b6039fc0850405c4082e9097feabe7be05f68036e04fca9fb74e5e4507e815bf007ee077226f217b8abb8033e6a0d0dcc50cd"
    "d8d91c6358e74ac1f9f2d9f506";

std::string repeated() {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "terrane " + std::to_string(i * i) + ";";
  return text;
}

TEST(Inflate, KnownStreams) {
  EXPECT_EQ(crc32("123456789"), 0xcbf43926u);
  EXPECT_EQ(crc32(""), 0u);
  const std::string text = repeated();
  const auto n = static_cast<Index>(text.size());
  EXPECT_EQ(inflate(bytes_of_hex(packed_fixed), n, "f"), text);
  EXPECT_EQ(inflate(bytes_of_hex(packed_dynamic), n, "f"), text);
  EXPECT_EQ(inflate(std::string("\1\3\0\xfc\xff"
                                "abc",
                                8),
                    3, "f"),
            "abc");
  EXPECT_EQ(inflate(std::string("\3\0", 2), 0, "f"), "");
  EXPECT_EQ(inflate(std::string("\0\1\0\xfe\xff"
                                "a\1\2\0\xfd\xff"
                                "bc",
                                13),
                    3, "f"),
            "abc");  // two blocks
}

TEST(Inflate, DamageIsAnError) {
  const auto fails = [](const std::string& packed, Index bytes, const std::string& part) {
    try {
      inflate(packed, bytes, "f");
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::data);
      EXPECT_NE(e.message().find(part), std::string::npos) << e.message();
      return;
    }
    ADD_FAILURE() << part;
  };
  const std::string good = bytes_of_hex(packed_dynamic);
  const auto n = static_cast<Index>(repeated().size());
  fails(good, n + 1, "fewer bytes");
  fails(good, n - 1, "more bytes");
  fails(good + "x", n, "bytes after its end");
  fails(good.substr(0, good.size() - 1), n, "cut short");
  fails("", 0, "cut short");
  fails("\7", 0, "unknown type");
  fails(good, Index{1} << 50, "cannot hold");
  fails(good, -1, "cannot hold");
  fails(std::string("\1\3\0\xfc\xfe"
                    "abc",
                    8),
        3, "stored block");
  fails(std::string("\1\3\0\xfc\xff"
                    "ab",
                    7),
        3, "cut short");
  fails(bytes_of_hex("630400"), 9, "");  // whatever it is, it is not nine bytes
}

TEST(Inflate, RandomDamageNeverCrashes) {
  const Random random(11, RandomPurpose::test);
  const auto n = static_cast<Index>(repeated().size());
  for (const char* hex : {packed_fixed, packed_dynamic}) {
    const std::string good = bytes_of_hex(hex);
    for (std::uint64_t k = 0; k < 20000; ++k) {
      std::string bytes = good;
      for (std::uint32_t e = 0; e <= k % 3; ++e) {
        const std::uint64_t at = random.integer(k, 2 * e, bytes.size() * 8);
        bytes[at / 8] = static_cast<char>(bytes[at / 8] ^ 1 << at % 8);
      }
      try {
        EXPECT_EQ(static_cast<Index>(inflate(bytes, n, "f").size()), n);
      } catch (const Error& e) {
        ASSERT_EQ(e.code(), ErrorCode::data);
      }
    }
  }
}

TEST_F(NpzTest, StoredMembersAndZip64) {
  const std::string a = npy_bytes("<f8", "(2, 2)", doubles({1, 2, 3, 4})), b = npy_bytes("<f8", "()", doubles({-5}));
  for (const bool zip64 : {false, true}) {
    std::vector<Part> parts = {stored("b1.0.weight.npy", a), stored("dir/b.npy", b)};
    parts[1].zip64 = zip64;
    put("a.npz", archive(parts, zip64));
    const auto arrays = read_npz<double>(path("a.npz"));
    ASSERT_EQ(arrays.size(), 2u);
    EXPECT_EQ(arrays.at("b1.0.weight").shape, (std::vector<Index>{2, 2}));
    EXPECT_EQ(arrays.at("b1.0.weight").values, (std::vector<double>{1, 2, 3, 4}));
    EXPECT_TRUE(arrays.at("dir/b").shape.empty());
    EXPECT_EQ(arrays.at("dir/b").values, std::vector<double>{-5});
    const auto info = npz_info(path("a.npz"));
    EXPECT_EQ(info[0].name, "b1.0.weight");  // order of the archive
    EXPECT_EQ(info[1].info.dtype(), "<f8");
    EXPECT_FALSE(info[0].deflated);
    EXPECT_EQ(info[0].bytes, static_cast<Index>(a.size()));
    if (has_numpy()) {  // the archive built above is one for numpy too
      EXPECT_TRUE(python("import numpy as n\na=n.load('a.npz')\nassert a['dir/b']==-5 and a['b1.0.weight'][1,0]==3\n"));
    }
  }
  // A comment that looks like the end of an archive.
  put("c.npz",
      archive({stored("b.npy", b)}, false, "PK\5\6 is not the record that ends this file, so it is passed over"));
  EXPECT_EQ(read_npz<double>(path("c.npz")).size(), 1u);
  put("empty.npz", archive({}));
  EXPECT_TRUE(read_npz<double>(path("empty.npz")).empty());
}

TEST_F(NpzTest, RefusalsNameTheCause) {
  const std::string a = npy_bytes("<f8", "(2,)", doubles({1, 2}));
  const Part good = stored("a.npy", a);
  const std::string bytes = archive({good, stored("b.npy", a)});
  const auto expect = [&](const std::string& bad, const std::string& part) {
    const std::string message = error_of(bad);
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  const auto changed = [&](auto change) {
    Part p = good;
    change(p);
    return archive({p, stored("b.npy", a)});
  };
  EXPECT_EQ(error_of(bytes), "");
  expect("", "cut short");
  expect("PK\3\4", "cut short");
  expect(bytes.substr(0, bytes.size() - 1), "cut short");
  expect(bytes.substr(0, bytes.size() / 2), "cut short");
  expect("x" + bytes, "does not end at byte");
  expect(changed([](Part& p) { p.crc ^= 1; }), "CRC-32");
  expect(changed([](Part& p) { p.bytes += 1; }), "two sizes");
  expect(changed([](Part& p) { p.bytes = 1u << 31; }), "beyond the end of the file");
  expect(changed([](Part& p) { p.flags = 1; }), "encrypted");
  expect(changed([](Part& p) { p.method = 12; }), "compression 12");
  expect(changed([](Part& p) { p.method = 8; }), "compressed data are damaged");
  expect(changed([](Part& p) { p.local_name = "x.npy"; }), "another member");
  expect(changed([](Part& p) { p.name = "data.pkl"; }), "pickle");
  expect(changed([](Part& p) { p.name = "a\n.npy"; }), "another member");
  expect(archive({good, good}), "stands twice");
  expect(archive({stored("o.npy", npy_bytes("|O", "(1,)", "12345678"))}), "object arrays are pickles");
  expect(archive({stored("t.npy", a.substr(0, a.size() - 3))}), "truncated");
  expect(archive({stored("t.npy", "no array at all")}), "not an NPY");
  Part bomb = good;
  bomb.method = 8;
  bomb.bytes = 200000;
  bomb.packed = std::string("\3\0", 2);
  expect(archive({bomb}), "cannot hold");
  // Two members in one place.
  std::string overlap = bytes;
  const std::size_t second = overlap.rfind("PK\1\2");
  overlap.replace(second + 42, 4, number(0, 4));
  expect(overlap, "reaches into");
  overlap.replace(second + 42, 4, number(bytes.size(), 4));
  expect(overlap, "reaches into");
  std::string count = bytes;
  count.replace(bytes.size() - 12, 2, number(1, 2));
  expect(count, "more than its 1 members");
  count.replace(bytes.size() - 12, 2, number(900, 2));
  expect(count, "900 members");
  std::string place = bytes;
  place.replace(bytes.size() - 6, 4, number(7, 4));
  expect(place, "does not end at byte");
  EXPECT_THROW(read_npz<double>(path("absent.npz")), Error);
  EXPECT_THROW(read_npz<double>(dir_), Error);
}

// Every damaged byte is noticed, or does not matter.
TEST_F(NpzTest, FuzzGivesTheSameValuesOrAnError) {
  std::vector<std::string> files;
  const std::vector<double> values{1, 2, 3, 4, 5, 6};
  Part p = stored("a.npy", npy_bytes("<f8", "(6,)", doubles(values)));
  files.push_back(archive({p, stored("bb.npy", npy_bytes("<f8", "(6,)", doubles(values)))}));
  p.zip64 = true;
  files.push_back(archive({p}, true));
  if (has_numpy()) {
    ASSERT_TRUE(python("import numpy as n\nn.savez_compressed('c', a=n.arange(1., 7.), c=n.arange(1., 7.))\n"));
    files.push_back(read_file(path("c.npz")));
  }
  const Random random(5, RandomPurpose::test);
  for (const std::string& good : files) {
    int refused = 0;
    for (std::uint64_t k = 0; k < 1500; ++k) {
      std::string bytes = good;
      const auto at = static_cast<std::size_t>(k < good.size() ? k : random.integer(k, 0, bytes.size()));
      bytes[at] = static_cast<char>(bytes[at] ^ 1 << random.integer(k, 1, 8));
      if (k % 7 == 6) bytes.resize(static_cast<std::size_t>(random.integer(k, 2, bytes.size())));
      put("f.npz", bytes);
      try {
        for (const auto& [name, array] : read_npz<double>(path("f.npz"))) EXPECT_EQ(array.values, values) << k;
      } catch (const Error& e) {
        ASSERT_EQ(e.code(), ErrorCode::data) << e.message();
        ++refused;
      }
    }
    EXPECT_GT(refused, 1000);
  }
}

TEST_F(NpzTest, ReadsWhatNumpyWrites) {
  if (!has_numpy()) GTEST_SKIP() << "python3-numpy is not installed";
  ASSERT_TRUE(python(R"(
import numpy as n
r = n.random.default_rng(0)
d = {'f4': r.normal(size=(3, 40, 50)).astype('<f4'), 'f8': r.normal(size=(5, 7)),
     'big': r.normal(size=(4, 3)).astype('>f8'),
     'fortran': n.asfortranarray(r.normal(size=(6, 5))), 'scalar': n.array(2.5), 'empty': n.zeros((0, 4)),
     'i4': r.integers(-9, 9, (70, 80)).astype('i4'), 'u1': r.integers(0, 255, 5000).astype('u1'),
     'b': r.normal(size=9) > 0,
     'zeros': n.zeros((300, 1000)), 'text': n.frombuffer(b'the quick brown fox ' * 999, dtype='u1')}
n.savez('s', **d)
n.savez_compressed('c', **d)
for k, v in d.items(): n.save(k, v)
n.savez('o', o=n.array([{}], dtype=object))
)"));
  for (const char* file : {"s.npz", "c.npz"}) {
    const auto arrays = read_npz<double>(path(file));
    ASSERT_EQ(arrays.size(), 11u);
    for (const auto& [name, array] : arrays) {
      const auto expected = read_npy<double>(path(name + ".npy"));
      EXPECT_EQ(array.shape, expected.shape) << name;
      EXPECT_EQ(array.values, expected.values) << name;
    }
    const TensorMap tensors = read_npz_tensors(path(file));
    EXPECT_EQ(tensor_values<float>(tensors, "f4", "").size(), 6000u);
    EXPECT_EQ(tensor_values<double>(tensors, "scalar", ""), std::vector<double>{2.5});
    EXPECT_EQ(tensors.at("i4"), Tensor(read_npy<std::int64_t>(path("i4.npy"))));
    EXPECT_EQ(tensors.at("b"), Tensor(read_npy<std::uint64_t>(path("b.npy"))));
    EXPECT_EQ(npz_info(path(file))[0].name, "f4");
    EXPECT_EQ(npz_info(path(file))[9].deflated, file[0] == 'c');
  }
  try {
    read_npz<double>(path("o.npz"));
    ADD_FAILURE() << "an object array was read";
  } catch (const Error& e) {
    EXPECT_NE(e.message().find("object arrays are pickles"), std::string::npos) << e.message();
  }
}

// Every level and strategy of zlib: stored, fixed and dynamic blocks, long and short codes.
TEST_F(NpzTest, InflatesWhatZlibWrites) {
  if (!has_numpy()) GTEST_SKIP() << "python3-numpy is not installed";
  ASSERT_TRUE(python(R"(
import zlib, numpy as n
r = n.random.default_rng(1)
texts = [b'', b'a', bytes(70000), r.integers(0, 256, 100000).astype('u1').tobytes(), r.normal(size=20000).tobytes(),
         n.repeat(r.geometric(0.1, 9000) % 256, 7).astype('u1').tobytes(),
         b''.join(bytes([i]) * 2**min(i, 15) for i in range(17))]
k = 0
for t in texts:
  for level in (0, 1, 6, 9):
    for strategy in range(5):
      c = zlib.compressobj(level, zlib.DEFLATED, -15, 8, strategy)
      open('p%d' % k, 'wb').write(c.compress(t) + c.flush()); open('t%d' % k, 'wb').write(t); k += 1
)"));
  int files = 0;
  for (; fs::exists(path("p" + std::to_string(files))); ++files) {
    const std::string text = read_file(path("t" + std::to_string(files)));
    ASSERT_EQ(inflate(read_file(path("p" + std::to_string(files))), static_cast<Index>(text.size()), "f"), text)
        << files;
  }
  EXPECT_EQ(files, 140);
}

TEST_F(NpzTest, Info) {
  put("a", archive({stored("w.npy", npy_bytes("<f8", "(2, 2)", doubles({1, 2, 3, std::nan("")}))),
                    stored("b.npy", npy_bytes("<i4", "(1,)", number(7, 4)))}));
  const nlohmann::ordered_json info = file_info(path("a"), true);
  EXPECT_EQ(info["format"], "npz");
  ASSERT_EQ(info["arrays"].size(), 2u);
  EXPECT_EQ(info["arrays"][0]["name"], "w");
  EXPECT_EQ(info["arrays"][0]["shape"], nlohmann::ordered_json({2, 2}));
  EXPECT_EQ(info["arrays"][0]["values"]["max"], 3);
  EXPECT_EQ(info["arrays"][1]["dtype"], "<i4");
  EXPECT_EQ(info["value_count"], 5);
  ASSERT_EQ(info["suspicious"].size(), 1u);
  EXPECT_NE(info["suspicious"][0].get<std::string>().find("array w holds 1 NaN"), std::string::npos);
}

TEST_F(NpzTest, WeightsOfTheStudy) {
  const std::string file = test_data_file("nfs_inv/init_in4_weights.npz");
  if (file.empty()) GTEST_SKIP() << "nfs_inv/init_in4_weights.npz is not there; set TERRANE_DATA";
  const auto arrays = read_npz<float>(file);
  ASSERT_EQ(arrays.size(), 14u);
  Index weights = 0;
  for (const auto& [name, array] : arrays) weights += static_cast<Index>(array.values.size());
  EXPECT_EQ(weights, 264065);
  EXPECT_EQ(arrays.at("b1.0.weight").shape, (std::vector<Index>{128, 4}));
  EXPECT_EQ(arrays.at("b7.0.bias").shape, (std::vector<Index>{1}));
  // Uniform within 1/sqrt(fan-in): inside, and close to the bound.
  for (const char* layer : {"b1.0.weight", "b1.0.bias"}) {
    float largest = 0;
    for (const float w : arrays.at(layer).values) largest = std::max(largest, std::abs(w));
    EXPECT_LE(largest, 0.5f);
    EXPECT_GT(largest, 0.48f);
  }
  if (!has_numpy()) return;
  ASSERT_TRUE(python("import numpy as n\nfor k, v in n.load('" + file + "').items(): n.save(k, v)\n"));
  for (const auto& [name, array] : arrays) EXPECT_EQ(array.values, read_npy<float>(path(name + ".npy")).values) << name;
}

}  // namespace npz_test
}  // namespace terrane
