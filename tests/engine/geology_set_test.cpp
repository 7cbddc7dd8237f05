// SPDX-License-Identifier: MIT
// Folders of procedural maps: layout, provenance, errors.
#include "engine/geology_set.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "engine/io/npy.hpp"
#include "engine/io/png.hpp"
#include "engine/io/sha256.hpp"
#include "engine/problem.hpp"
#include "kernels/runtime/error.hpp"
#include "physics/geology/openfwi.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {
namespace geology_set_test {

namespace fs = std::filesystem;

class GeologySet : public FolderTest {
 protected:
  std::string file(const std::string& name) const { return folder_ + "/" + name; }
  GeologySetOptions options(std::vector<std::string> families, Index count) const {
    GeologySetOptions o;
    o.families = std::move(families);
    o.count = count;
    o.seed = 6;
    o.directory = folder_;
    return o;
  }
  std::string refused(const GeologySetOptions& o) {
    try {
      write_geology_set(s_, o);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::config);
      return e.what();
    }
    return "";
  }
  const std::string folder_ = path("set");  // not there at first
  Stream s_{Device{}};
};

TEST_F(GeologySet, LayoutAndProvenance) {
  GeologySetOptions o = options({"flat-vel-a", "FlatFault_B", "layered-faulted"}, 503);
  o.size = 12;
  o.contact_sheet = file("sheet.png");
  Index last = 0;
  o.progress = [&](const std::string&, Index done, Index count) {
    EXPECT_EQ(count, 503);
    last = done;
  };
  const auto manifest = write_geology_set(s_, o);
  EXPECT_EQ(last, 503);
  EXPECT_EQ(npy_info(file("FlatVel_A/model/model1.npy")).shape, (std::vector<Index>{500, 1, 12, 12}));
  EXPECT_EQ(npy_info(file("FlatVel_A/model/model2.npy")).shape, (std::vector<Index>{3, 1, 12, 12}));
  EXPECT_EQ(npy_info(file("FlatVel_A/model/model2.npy")).dtype(), "<f4");
  EXPECT_EQ(npy_info(file("FlatFault_B/vel6_1_0.npy")).shape, (std::vector<Index>{168, 1, 12, 12}));
  EXPECT_EQ(npy_info(file("FlatFault_B/vel8_1_0.npy")).shape, (std::vector<Index>{167, 1, 12, 12}));
  EXPECT_EQ(npy_info(file("layered-faulted/model/model1.npy")).shape, (std::vector<Index>{500, 1, 12, 36}));
  EXPECT_GT(png_info(file("sheet.png")).width, 500);
  // A map can be made again from what the manifest says.
  const auto& family = manifest.at("families").at(1);
  EXPECT_EQ(family.at("evidence"), "inferred");
  const auto& row = family.at("files").at(1);
  EXPECT_EQ(row.at("model"), "FlatFault_B/vel7_1_0.npy");
  EXPECT_EQ(row.at("sha256"), sha256_file(file("FlatFault_B/vel7_1_0.npy")));
  const auto stored = read_npy<float>(file("FlatFault_B/vel7_1_0.npy")).values;
  const auto index = row.at("first_index").get<std::uint64_t>() + 5 * row.at("index_step").get<std::uint64_t>();
  const auto again = geology_maps(s_, {GeologyFamily::flat_fault_b, 6, index, 1, 1}, {12, 1, 0});
  EXPECT_TRUE(std::equal(again.begin(), again.end(), stored.begin() + 5 * 144));
  EXPECT_EQ(geology_scene(GeologyFamily::flat_fault_b, 6, index).layers, 7);
  EXPECT_TRUE(fs::exists(file("manifest.json")));
}

TEST_F(GeologySet, SeismicPairs) {
  GeologySetOptions o = options({"curve-vel-b"}, 1);
  o.seismic = true;
  const auto manifest = write_geology_set(s_, o);
  EXPECT_EQ(manifest.at("families").at(0).at("files").at(0).at("data"), "CurveVel_B/data/data1.npy");
  const auto data = read_npy<float>(file("CurveVel_B/data/data1.npy"));
  ASSERT_EQ(data.shape, (std::vector<Index>{1, 5, 1000, 70}));
  float largest = 0;
  for (Index r = 0; r < 70; ++r) EXPECT_EQ(data.values[static_cast<std::size_t>(999 * 70 + r)], 0.0F);
  for (const float v : data.values) largest = std::max(largest, std::abs(v));
  EXPECT_GT(largest, 10);  // published maps of these families: some tens
  EXPECT_LT(largest, 100);
}

TEST_F(GeologySet, Errors) {
  EXPECT_NE(refused(options({"curve-vel-c"}, 1)).find("did you mean \"curve-vel-a\"?"), std::string::npos);
  EXPECT_NE(refused(options({"granite"}, 1)).find("families: flat-vel-a"), std::string::npos);
  EXPECT_NE(refused(options({}, 1)).find("a family is needed"), std::string::npos);
  EXPECT_NE(refused(options({"style-a"}, 0)).find("count"), std::string::npos);
  GeologySetOptions o = options({"style-a"}, 1);
  o.seismic = true;
  o.size = 64;
  EXPECT_NE(refused(o).find("size of 70"), std::string::npos);
  o = options({"layered-faulted"}, 1);
  o.area = true;
  EXPECT_NE(refused(o).find("area sampling"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder_));  // nothing was written
}

TEST_F(GeologySet, StopsBetweenFiles) {
  std::atomic<int> stop{15};
  GeologySetOptions o = options({"flat-vel-a"}, 600);
  o.size = 4;
  o.stop = &stop;
  EXPECT_THROW(write_geology_set(s_, o), Error);
  EXPECT_TRUE(fs::exists(file("FlatVel_A/model/model1.npy")));
  EXPECT_FALSE(fs::exists(file("FlatVel_A/model/model2.npy")));
  EXPECT_FALSE(fs::exists(file("manifest.json")));
}

TEST(GeologyFamilies, NamesAreResolved) {
  EXPECT_EQ(resolve_geology_families({"all"}).size(), 10U);
  EXPECT_EQ(resolve_geology_families({"FlatVel_A", "flat-vel-a", "all"}).size(), 10U);
  EXPECT_EQ(resolve_geology_families({"layered-faulted"}), std::vector<std::string>{"layered-faulted"});
}

// A config's model is the map of the files.
TEST(GeologyModel, ConfigNamesAMap) {
  const auto model = [](const char* grid) {
    const std::string text = std::string(R"({"task": "forward", "grid": )") + grid +
                             R"(, "physics": "acoustic", "survey": {"dt_s": 0.001, "nt": 10,
      "wavelet": {"type": "ricker", "frequency_hz": 15}, "sources": {"type": "line", "x_m": [0, 10], "z_m": 10, "count": 2},
      "receivers": {"type": "grid-row", "z_m": 10}},
      "model": {"type": "generated", "family": "curve-vel-a", "seed": 7, "index": 3}})";
    return build_problem(Config::parse(text, "test"), false).true_model;
  };
  const auto got = model(R"({"nz": 70, "nx": 70, "dz_m": 10, "dx_m": 10})");
  Stream s{Device{}};
  GeologyBatch batch;
  batch.family = GeologyFamily::curve_vel_a;
  batch.seed = 7;
  batch.first = 3;
  const auto wanted = geology_maps(s, batch, {});
  ASSERT_EQ(got.size(), wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i], wanted[i]);
  EXPECT_THROW(model(R"({"nz": 60, "nx": 70, "dz_m": 10, "dx_m": 10})"), Error);
}

}  // namespace geology_set_test
}  // namespace terrane
