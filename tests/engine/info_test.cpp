// SPDX-License-Identifier: MIT
#include "engine/io/info.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "engine/checkpoint.hpp"
#include "engine/io/file.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/png.hpp"
#include "engine/io/safetensors.hpp"
#include "engine/json_value.hpp"
#include "kernels/runtime/error.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {
namespace info_test {

namespace fs = std::filesystem;

class InfoTest : public FolderTest {};

bool suspects(const Json& info, const std::string& part) {
  for (const Json& s : info["suspicious"]) {
    if (s.get<std::string>().find(part) != std::string::npos) return true;
  }
  return false;
}

TEST_F(InfoTest, NpyByContentWithSidecar) {
  const std::vector<float> v{1500, 2000, 2500, 3000, 3500, 4000};
  write_npy(path("m.npy"), {2, 3}, v.data());
  fs::copy(path("m.npy"), path("m.dat"));
  put("m.json", R"({"property":"vp","unit":"m/s","spacing_m":[10,20]})");
  const Json info = file_info(path("m.npy"), false);
  EXPECT_EQ(info["format"], "npy");
  EXPECT_EQ(info["shape"], Json({2, 3}));
  EXPECT_EQ(info["dtype"], "<f4");
  EXPECT_EQ(info["unit"], "m/s");
  EXPECT_EQ(info["values"]["min"], 1500);
  EXPECT_EQ(info["values"]["max"], 4000);
  EXPECT_EQ(info["values"]["mean"], 2750);
  EXPECT_TRUE(info["suspicious"].empty()) << info.dump();
  EXPECT_EQ(file_info(path("m.dat"), true)["format"], "npy");
}

TEST_F(InfoTest, Suspicions) {
  std::vector<float> v(2 * 3 * 4, 1.0f);
  for (std::size_t i = 4; i < 8; ++i) v[i] = 0;
  v[0] = 2;
  v[20] = std::nanf("");
  write_npy(path("d.npy"), {2, 3, 4}, v.data());
  Json info = file_info(path("d.npy"), false);
  EXPECT_EQ(info["dead_traces"], 1);
  EXPECT_TRUE(suspects(info, "1 traces")) << info.dump();
  EXPECT_TRUE(suspects(info, "1 NaN"));
  const std::vector<double> zero(6, 0.0);
  write_npy(path("z.npy"), {2, 3}, zero.data());
  EXPECT_TRUE(suspects(file_info(path("z.npy"), false), "zero everywhere"));
  const std::vector<double> km{1.5, 2.0, 4.5, 3.0};
  write_npy(path("k.npy"), {2, 2}, km.data());
  EXPECT_TRUE(suspects(file_info(path("k.npy"), false), "km/s"));
  // A big-endian payload under a little-endian header.
  std::vector<float> swapped(100);
  for (std::size_t i = 0; i < 100; ++i) {
    const float f = 1500.0f + 13.7f * static_cast<float>(i);
    char b[4];
    std::memcpy(b, &f, 4);
    std::swap(b[0], b[3]);
    std::swap(b[1], b[2]);
    std::memcpy(&swapped[i], b, 4);
  }
  write_npy(path("s.npy"), {10, 10}, swapped.data());
  EXPECT_TRUE(suspects(file_info(path("s.npy"), false), "byte order"));
}

TEST_F(InfoTest, OtherFormats) {
  write_safetensors(path("w"), {{"a", Tensor({2}, std::vector<float>{1, std::nanf("")})}}, {{"k", "v"}});
  const Json weights = file_info(path("w"), true);
  EXPECT_EQ(weights["format"], "safetensors");
  EXPECT_EQ(weights["metadata"]["k"], "v");
  EXPECT_EQ(weights["tensors"][0]["values"]["max"], 1);
  EXPECT_TRUE(suspects(weights, "tensor a holds 1 NaN"));
  write_png(path("p"), Image(2, 3), {{"Title", "x"}});
  EXPECT_EQ(file_info(path("p"), false)["text"]["Title"], "x");
  put("c.json", "// a comment\n{\"task\": \"invert\", \"grid\": {\"nz\": 3}}");
  EXPECT_EQ(file_info(path("c.json"), false)["format"], "config");
  for (const char* bytes : {"", "plain text", "{\"a\": ", "PK\x03\x04zip"}) {
    put("x", bytes);
    EXPECT_THROW(file_info(path("x"), false), Error) << bytes;
    fs::remove(path("x"));
  }
  EXPECT_THROW(file_info(path("absent"), false), Error);
  EXPECT_THROW(file_info(dir_, false), Error);  // no run in it
}

TEST_F(InfoTest, RunDirectory) {
  CheckpointState state;
  state.iteration = 12;
  state.tensors["t"] = Tensor({1}, std::vector<float>{1});
  save_checkpoint(dir_, state, 1);
  put("resolved.json", R"({"task":"invert","name":"n"})");
  const std::vector<float> v{1, 2, 3, 4};
  write_npy(path("model.npy"), {2, 2}, v.data());
  Json info = file_info(dir_, true);
  EXPECT_EQ(info["format"], "run");
  EXPECT_EQ(info["ended"], false);
  EXPECT_EQ(info["checkpoints"], Json::array({12}));
  EXPECT_EQ(info["model"]["shape"], Json({2, 2}));
  EXPECT_TRUE(suspects(info, "terrane resume"));
  fs::resize_file(checkpoint_path(dir_, 12) + "/state.safetensors", 20);
  EXPECT_TRUE(suspects(file_info(dir_, true), "damaged"));
}

}  // namespace info_test
}  // namespace terrane
