// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>

#include "engine/io/file.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/png.hpp"
#include "engine/io/safetensors.hpp"
#include "engine/io/sha256.hpp"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/random.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {
namespace io_test {

namespace fs = std::filesystem;

class IoTest : public FolderTest {};

// Message of the Error thrown by f, "" if none; the code must be `code`.
template <class F>
std::string error_of(F f, ErrorCode code = ErrorCode::data) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code) << e.message();
    EXPECT_EQ(e.message().find('\n'), std::string::npos);
    return e.message();
  }
  return "";
}

std::string npy_bytes(const std::string& dtype, const std::string& shape, const std::string& data, bool fortran = false,
                      int version = 1) {
  std::string header =
      "{'descr': '" + dtype + "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': " + shape + ", }";
  const std::size_t prefix = version == 1 ? 10 : 12;
  header.append(63 - (prefix + header.size()) % 64, ' ');
  header += '\n';
  std::string out = "\x93NUMPY";
  out += static_cast<char>(version);
  out += '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) out += static_cast<char>(header.size() >> (8 * i) & 255);
  return out + header + data;
}

template <class T>
std::string raw(std::vector<T> values, bool big = false) {
  std::string out;
  for (const T& v : values) {
    std::string b(reinterpret_cast<const char*>(&v), sizeof v);
    if (big) std::reverse(b.begin(), b.end());
    out += b;
  }
  return out;
}

// FIPS 180-4 examples and the million-'a' message.
TEST(Sha256, Vectors) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_hex(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_F(IoTest, ShaOfPiecesAndFile) {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += static_cast<char>(i * 7);
  Sha256 hash;
  for (std::size_t at = 0, n = 1; at < text.size(); at += n, n = n % 131 + 1) hash.update(text.substr(at, n));
  EXPECT_EQ(hash.finish_hex(), sha256_hex(text));
  put("f", text);
  EXPECT_EQ(sha256_file(path("f")), sha256_hex(text));
  EXPECT_NE(error_of([&] { sha256_file(path("none")); }), "");
}

TEST_F(IoTest, AtomicWriteLeavesOldFileOnFailure) {
  write_file_atomic(path("a"), "old");
  // A file size limit makes the write fail half way, like a full disk; in a child, because it is per process.
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    setrlimit(RLIMIT_FSIZE, &limit);
    try {
      write_file_atomic(path("a"), std::string(5000, 'x'));
    } catch (const Error& e) {
      _exit(e.message().find("ulimit") != std::string::npos ? 7 : 8);
    }
    _exit(9);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 7);
  EXPECT_EQ(read_file(path("a")), "old");
  EXPECT_EQ(std::distance(fs::directory_iterator(dir_), fs::directory_iterator{}), 1);  // no temporary left
  {
    AtomicFile abandoned(path("a"));
    abandoned.write("half");
  }
  EXPECT_EQ(read_file(path("a")), "old");
  const std::string message = error_of([&] { write_file_atomic(path("no/such/x"), "1"); }, ErrorCode::failed);
  EXPECT_NE(message.find("create the directory"), std::string::npos) << message;
}

TEST_F(IoTest, LockIsExclusiveAndReleased) {
  {
    const DirectoryLock first(dir_);
    EXPECT_NE(error_of([&] { DirectoryLock second(dir_); }, ErrorCode::config), "");
  }
  EXPECT_NO_THROW(DirectoryLock third(dir_));
}

TEST_F(IoTest, NpyRoundTripIsExact) {
  NdArray<float> a{{2, 3}, {1.5f, -0.0f, 3e38f, std::numeric_limits<float>::quiet_NaN(), 1e-45f, 7}};
  write_npy(path("a.npy"), a);
  const auto b = read_npy<float>(path("a.npy"));
  EXPECT_EQ(b.shape, a.shape);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(std::bit_cast<std::uint32_t>(a.values[i]), std::bit_cast<std::uint32_t>(b.values[i]));
  }
  EXPECT_EQ(npy_info(path("a.npy")).data_offset % 64, 0);
  const NdArray<std::int64_t> n{{1, 2, 1}, {std::numeric_limits<std::int64_t>::min(), 5}};
  write_npy(path("n.npy"), n);
  EXPECT_EQ(read_npy<std::int64_t>(path("n.npy")).values, n.values);
  const NdArray<double> scalar{{}, {2.5}}, empty{{0, 4}, {}};
  write_npy(path("s.npy"), scalar);
  EXPECT_EQ(read_npy<double>(path("s.npy")).values, scalar.values);
  EXPECT_TRUE(read_npy<double>(path("s.npy")).shape.empty());
  write_npy(path("e.npy"), empty);
  EXPECT_EQ(read_npy<double>(path("e.npy")).shape, empty.shape);
}

TEST_F(IoTest, NpyByteOrdersOrdersAndVersions) {
  const std::vector<double> expected{1, 2, 3, 4, 5, 6};
  put("a", npy_bytes(">f4", "(2, 3)", raw<float>({1, 2, 3, 4, 5, 6}, true)));
  EXPECT_EQ(read_npy<double>(path("a")).values, expected);
  put("b", npy_bytes(">f8", "(2, 3)", raw<double>({1, 4, 2, 5, 3, 6}, true), true, 2));
  EXPECT_EQ(read_npy<double>(path("b")).values, expected);
  put("c", npy_bytes("<i2", "(6,)", raw<std::int16_t>({1, 2, 3, 4, 5, 6}), false, 3));
  EXPECT_EQ(read_npy<double>(path("c")).values, expected);
  put("d", npy_bytes("|b1", "(3,)", std::string("\1\0\1", 3)));
  EXPECT_EQ(read_npy<float>(path("d")).values, (std::vector<float>{1, 0, 1}));
  put("e", npy_bytes(">u4", "(1,)", raw<std::uint32_t>({4000000000u}, true)));
  EXPECT_EQ(read_npy<std::int64_t>(path("e")).values[0], 4000000000);
  put("f", npy_bytes("<f4", "(2, 2, 2)", raw<float>({0, 4, 2, 6, 1, 5, 3, 7}), true));
  EXPECT_EQ(read_npy<float>(path("f")).values, (std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST_F(IoTest, NpyPartsAndLargeFiles) {
  NdArray<float> a{{3, 200, 1000}, std::vector<float>(600000)};  // more than one piece of the reader
  for (std::size_t i = 0; i < a.values.size(); ++i) a.values[i] = static_cast<float>(i);
  write_npy(path("a"), a);
  EXPECT_EQ(read_npy<float>(path("a")).values, a.values);
  const auto part = read_npy_part<double>(path("a"), 1, 2);
  EXPECT_EQ(part.shape, (std::vector<Index>{2, 200, 1000}));
  EXPECT_EQ(part.values.front(), 200000);
  EXPECT_EQ(part.values.back(), 599999);
  put("f", npy_bytes("<f4", "(2, 2)", raw<float>({1, 3, 2, 4}), true));
  EXPECT_EQ(read_npy_part<float>(path("f"), 1, 1).values, (std::vector<float>{3, 4}));
  EXPECT_TRUE(read_npy_part<float>(path("f"), 2, 0).values.empty());
  EXPECT_NE(error_of([&] { read_npy_part<float>(path("f"), 2, 1); }), "");
}

TEST_F(IoTest, NpyRefusals) {
  const std::string good = npy_bytes("<f4", "(2, 3)", raw<float>({1, 2, 3, 4, 5, 6}));
  put("x", good.substr(0, good.size() - 3));
  const std::string message = error_of([&] { read_npy<float>(path("x")); });
  EXPECT_NE(message.find("expected 152 bytes"), std::string::npos) << message;
  EXPECT_NE(message.find("file ends at byte 149"), std::string::npos) << message;
  const std::vector<std::string> bad = {
      "",
      "hello, this is no array",
      good + "x",
      good.substr(0, 40),
      npy_bytes("|O", "(1,)", "12345678"),
      npy_bytes("<c8", "(1,)", "12345678"),
      npy_bytes("<f4", "(-1,)", ""),
      npy_bytes("<f4", "(9223372036854775807, 9)", "1234"),
      npy_bytes("<f4", "(99999999999999999999)", "1234"),
      npy_bytes("<f4", "(1,", "1234"),
      npy_bytes("<f4", "(1,), 'more': 3", "1234"),
      npy_bytes("<f4", "(1,)", "1234", false, 4),
  };
  for (const std::string& bytes : bad) {
    put("x", bytes);
    EXPECT_NE(error_of([&] { read_npy<float>(path("x")); }), "") << bytes.substr(0, 80);
  }
  put("x", npy_bytes("<f8", "(1,)", raw<double>({1e300})));
  EXPECT_NE(error_of([&] { read_npy<float>(path("x")); }), "");  // finite, beyond float
  EXPECT_NE(error_of([&] { read_npy<std::int64_t>(path("x")); }), "");
  put("x", npy_bytes("<u8", "(1,)", raw<std::uint64_t>({~0ull})));
  EXPECT_NE(error_of([&] { read_npy<std::int64_t>(path("x")); }), "");
  EXPECT_NE(error_of([&] { read_npy<float>(path("absent")); }), "");
  EXPECT_NE(error_of([&] { read_npy<float>(dir_); }), "");
}

// Random damage must give a value or an Error{data}, never a crash or a huge allocation.
template <class Reader>
void fuzz(const std::string& good, const std::string& file, Reader read) {
  const Random random(7, RandomPurpose::test);
  for (std::uint64_t k = 0; k < 1500; ++k) {
    std::string bytes = good;
    for (std::uint32_t e = 0; e <= k % 4; ++e) {
      const auto at = static_cast<std::size_t>(random.integer(k, 2 * e, std::min<std::size_t>(bytes.size(), 220)));
      bytes[at] = static_cast<char>(random.integer(k, 2 * e + 1, 256));
    }
    if (k % 5 == 0) bytes.resize(static_cast<std::size_t>(random.integer(k, 99, bytes.size())));
    std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
    try {
      read(file);
    } catch (const Error& e) {
      ASSERT_EQ(e.code(), ErrorCode::data) << e.message();
    }
  }
}

TEST_F(IoTest, NpyFuzz) {
  fuzz(npy_bytes("<f4", "(2, 3)", raw<float>({1, 2, 3, 4, 5, 6})), path("f"),
       [](const std::string& p) { read_npy<float>(p); });
}

TEST_F(IoTest, SafetensorsRoundTrip) {
  TensorMap tensors;
  tensors["w"] = Tensor({2, 2}, std::vector<float>{1, -2, 3e-45f, std::numeric_limits<float>::infinity()});
  tensors["m"] = Tensor({3}, std::vector<double>{0.1, 1e300, -0.0});
  tensors["count"] = Tensor({}, std::vector<std::int64_t>{-5});
  tensors["seed"] = Tensor({1}, std::vector<std::uint64_t>{~0ull});
  tensors["none"] = Tensor({0}, std::vector<float>{});
  const StringMap meta = {{"property", "vp"}, {"quote", "a \"b\" \\ \xc3\xa9"}};
  const std::string hash = write_safetensors(path("a"), tensors, meta);
  EXPECT_EQ(hash, sha256_file(path("a")));
  const Safetensors back = read_safetensors(path("a"));
  EXPECT_EQ(back.tensors, tensors);
  EXPECT_EQ(back.metadata, meta);
  EXPECT_EQ(tensor_values<double>(back.tensors, "m", "a")[1], 1e300);
  EXPECT_NE(error_of([&] { tensor_values<float>(back.tensors, "m", "a"); }), "");
  EXPECT_NE(error_of([&] { tensor_values<float>(back.tensors, "q", "a"); }), "");
  for (const auto& e : safetensors_info(path("a")).entries) EXPECT_EQ(e.begin % (e.dtype == "F32" ? 4 : 8), 0);
  const std::string good = read_file(path("a"));
  fuzz(good, path("f"), [](const std::string& p) { read_safetensors(p); });
}

std::string safetensors_bytes(const std::string& header, const std::string& data) {
  return raw<std::uint64_t>({header.size()}) + header + data;
}

TEST_F(IoTest, SafetensorsNarrowTypes) {
  put("a",
      safetensors_bytes(
          R"({"h":{"dtype":"F16","shape":[3],"data_offsets":[0,6]},"b":{"dtype":"BF16","shape":[1],"data_offsets":[6,8]},)"
          R"("i":{"dtype":"I8","shape":[2],"data_offsets":[8,10]},"u":{"dtype":"U16","shape":[1],"data_offsets":[10,12]}})",
          raw<std::uint16_t>({0x3c00, 0x0001, 0xfbff, 0x3fc0}) + "\xff\x02" + raw<std::uint16_t>({65535})));
  const auto t = read_safetensors(path("a")).tensors;
  EXPECT_EQ(tensor_values<float>(t, "h", ""), (std::vector<float>{1.0f, std::ldexp(1.0f, -24), -65504.0f}));
  EXPECT_EQ(tensor_values<float>(t, "b", "")[0], 1.5f);
  EXPECT_EQ(tensor_values<std::int64_t>(t, "i", ""), (std::vector<std::int64_t>{-1, 2}));
  EXPECT_EQ(tensor_values<std::uint64_t>(t, "u", "")[0], 65535u);
}

TEST_F(IoTest, SafetensorsRefusals) {
  const auto entry = [](const std::string& name, int begin, int end, const std::string& shape = "[1]") {
    return "\"" + name + "\":{\"dtype\":\"F32\",\"shape\":" + shape + ",\"data_offsets\":[" + std::to_string(begin) +
           "," + std::to_string(end) + "]}";
  };
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"{" + entry("a", 0, 4) + "," + entry("b", 8, 12) + "}", "123456789012"},  // hole
      {"{" + entry("a", 0, 4) + "," + entry("b", 0, 4) + "}", "1234"},           // overlap
      {"{" + entry("a", 0, 4) + "," + entry("a", 4, 8) + "}", "12345678"},       // twice
      {"{" + entry("a", 0, 4) + "}", "12345"},                                   // bytes left over
      {"{" + entry("a", 0, 4) + "}", "123"},                                     // truncated
      {"{" + entry("a", 0, 4, "[2]") + "}", "1234"},                             // shape against offsets
      {"{" + entry("a", 4, 0) + "}", "1234"},
      {"{" + entry("a", 0, 4, "[-1]") + "}", "1234"},
      {"{" + entry("a", 0, 4, "[4611686018427387904,4611686018427387904]") + "}", "1234"},
      {"{\"a\":{\"dtype\":\"F99\",\"shape\":[1],\"data_offsets\":[0,4]}}", "1234"},
      {"{\"__metadata__\":{\"a\":1}}", ""},
      {"[1]", ""},
      {"{", ""},
      {"", ""},
  };
  for (const auto& [header, data] : bad) {
    put("x", safetensors_bytes(header, data));
    EXPECT_NE(error_of([&] { read_safetensors(path("x")); }), "") << header;
  }
  put("x", raw<std::uint64_t>({~0ull}) + "{}");
  EXPECT_NE(error_of([&] { read_safetensors(path("x")); }), "");
  put("x", raw<std::uint64_t>({2}, true) + "{}");  // byte-swapped length
  EXPECT_NE(error_of([&] { read_safetensors(path("x")); }), "");
}

TEST_F(IoTest, PngBothWriters) {
  Image image(3, 5);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<std::uint8_t>(i * 17);
  const PngText text = {{"Software", "terrane 0.1"}, {"terrane:config", "0123abcd"}};
  for (const std::string& bytes : {encode_png(image, text), encode_png_stored(image, text)}) {
    put("a.png", bytes);
    const PngInfo info = png_info(path("a.png"));
    EXPECT_EQ(info.height, 3);
    EXPECT_EQ(info.width, 5);
    EXPECT_EQ(info.color_type, 2);
    EXPECT_EQ(info.text, text);
    std::string damaged = bytes;
    damaged[45] = static_cast<char>(damaged[45] ^ 1);
    put("b.png", damaged);
    EXPECT_NE(error_of([&] { png_info(path("b.png")); }), "");
  }
  EXPECT_EQ(base64("M"), "TQ==");
  EXPECT_EQ(base64("Ma"), "TWE=");
  EXPECT_EQ(base64("Man"), "TWFu");
  EXPECT_NE(error_of([&] { encode_png(Image(0, 3)); }, ErrorCode::failed), "");
}

// Python with `modules`, or "" when there is none: TERRANE_PYTHON, else python3.
std::string python_with(const std::string& modules) {
  const char* chosen = std::getenv("TERRANE_PYTHON");
  const std::string python = chosen != nullptr ? chosen : "python3";
  return std::system((python + " -c 'import " + modules + "' >/dev/null 2>&1").c_str()) == 0 ? python : "";
}

TEST_F(IoTest, NumpyReadsWhatWeWriteAndViceVersa) {
  const std::string python = python_with("numpy");
  if (python.empty()) GTEST_SKIP() << "python3-numpy is not installed";
  const NdArray<float> a{{2, 3, 4}, [] {
                           std::vector<float> v(24);
                           for (std::size_t i = 0; i < 24; ++i) v[i] = static_cast<float>(i) / 7.0f;
                           return v;
                         }()};
  write_npy(path("a.npy"), a);
  put("t.py",
      "import numpy as n\n"
      "a=n.load('a.npy'); assert a.shape==(2,3,4) and a.dtype==n.float32\n"
      "assert (a==(n.arange(24,dtype='f4')/n.float32(7)).reshape(2,3,4)).all()\n"
      "b=n.arange(24).reshape(2,3,4)\n"
      "for t in ['<f4','>f4','<f8','>f8','<i4','>i8','u1']:\n"
      "  n.save('c_'+t[-2:]+('b' if t[0]=='>' else ''),b.astype(t)); n.save('f_'+t[-2:]+('b' if t[0]=='>' else ''),"
      "n.asfortranarray(b.astype(t)))\n"
      "n.save('o',n.array([{}],dtype=object))\n");
  ASSERT_EQ(std::system(("cd " + dir_ + " && " + python + " t.py").c_str()), 0);
  int files = 0;
  for (const auto& entry : fs::directory_iterator(dir_)) {
    const std::string name = entry.path().filename().string();
    if (name.size() < 2 || name[1] != '_') continue;
    ++files;
    const auto b = read_npy<double>(entry.path().string());
    ASSERT_EQ(b.shape, (std::vector<Index>{2, 3, 4})) << name;
    for (std::size_t i = 0; i < 24; ++i) EXPECT_EQ(b.values[i], static_cast<double>(i)) << name;
  }
  EXPECT_EQ(files, 14);
  EXPECT_NE(error_of([&] { read_npy<float>(path("o.npy")); }).find("object"), std::string::npos);
}

TEST_F(IoTest, PillowReadsBothPngWriters) {
  const std::string python = python_with("PIL.Image");
  if (python.empty()) GTEST_SKIP() << "python3-pil is not installed";
  for (const int channels : {3, 4}) {
    Image image(150, 333, channels);  // more than one stored block
    for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<std::uint8_t>(i * i % 251);
    put("pixels", std::string(image.pixels.begin(), image.pixels.end()));
    put("a.png", encode_png(image, {{"k", "v"}}));
    put("b.png", encode_png_stored(image, {{"k", "v"}}));
    put("t.py",
        "from PIL import Image\nfor n in 'ab':\n  i=Image.open(n+'.png'); i.load()\n"
        "  assert i.size==(333,150) and i.text['k']=='v' and i.tobytes()==open('pixels','rb').read(), n\n");
    EXPECT_EQ(std::system(("cd " + dir_ + " && " + python + " t.py").c_str()), 0);
  }
}

TEST_F(IoTest, SafetensorsPackageAgrees) {
  const std::string python = python_with("safetensors.numpy");
  if (python.empty()) GTEST_SKIP() << "the Python package safetensors is not installed";
  TensorMap tensors;
  tensors["w"] = Tensor({2, 2}, std::vector<float>{1, 2, 3, 4});
  tensors["m"] = Tensor({3}, std::vector<double>{5, 6, 7});
  tensors["n"] = Tensor({1}, std::vector<std::int64_t>{-8});
  write_safetensors(path("a.safetensors"), tensors, {{"k", "v"}});
  put("t.py",
      "import numpy as n\nfrom safetensors.numpy import load_file, save_file\nfrom safetensors import safe_open\n"
      "d=load_file('a.safetensors')\n"
      "assert (d['w']==[[1,2],[3,4]]).all() and (d['m']==[5,6,7]).all() and d['n'][0]==-8\n"
      "assert safe_open('a.safetensors','np').metadata()=={'k':'v'}\n"
      "save_file({'x':n.arange(6,dtype='f4').reshape(2,3),'h':n.array([1.5],dtype='f2'),'u':n.array([9],dtype='u8')},"
      "'b.safetensors',{'a':'b'})\n");
  ASSERT_EQ(std::system(("cd " + dir_ + " && " + python + " t.py").c_str()), 0);
  const Safetensors b = read_safetensors(path("b.safetensors"));
  EXPECT_EQ(tensor_values<float>(b.tensors, "x", ""), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(tensor_values<float>(b.tensors, "h", "")[0], 1.5f);
  EXPECT_EQ(b.metadata.at("a"), "b");
}

}  // namespace io_test
}  // namespace terrane
