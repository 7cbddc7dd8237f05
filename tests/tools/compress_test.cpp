// SPDX-License-Identifier: MIT
// compress and decompress as a user meets them.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iterator>

#include "engine/compression/auto_decoder_train.hpp"
#include "engine/compression/latent_file.hpp"
#include "engine/compression/model_set.hpp"
#include "engine/diffusion/generator.hpp"
#include "engine/io/file.hpp"
#include "engine/io/npy.hpp"
#include "engine/json_value.hpp"
#include "kernels/runtime/stream.hpp"
#include "physics/geology/openfwi.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {
namespace compress_test {

namespace fs = std::filesystem;

struct Result {
  int code = -1;
  std::string out, err;
};

class Compress : public FolderTest {
 protected:
  void SetUp() override {
    for (Index m = 0; m < 6; ++m) {
      for (Index p = 0; p < 16 * 18; ++p) {
        maps_.push_back(static_cast<float>(1600 + 50 * m + 250 * (p / 18 / (4 + m % 3))));
      }
    }
    write_npy(path("maps.npy"), {6, 1, 16, 18}, maps_.data());
    for (Index p = 0; p < 6 * 16 * 18; ++p) {
      smooth_.push_back(static_cast<float>(2500 + 600 * std::sin(0.3 * static_cast<double>(p / 18 % 16 + p / 288))));
    }
    write_npy(path("smooth.npy"), {6, 16, 18}, smooth_.data());
  }
  Result terrane(const std::string& words) const {
    const std::string line =
        "cd " + dir_ + " && env -u TERRANE_DEVICE OMP_NUM_THREADS=1 " TERRANE_BINARY " " + words + " >.out 2>.err";
    const int status = std::system(line.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128, read_file(path(".out")), read_file(path(".err"))};
  }
  // A decoder of the smooth maps, trained for a moment.
  void make_decoder(const std::string& name, std::uint64_t seed) const {
    AutoDecoderPreset preset;
    preset.shape = DecoderShape{.dims = 2, .code = 5, .width = 20, .hidden = 2};
    preset.train.steps = 60;
    preset.train.points = 100;
    preset.train.seed = seed;
    StreamOptions options;
    options.threads = 1;
    Stream s(Device::parse("cpu"), options);
    const ModelSet models{.extent = {16, 1, 18}, .values = smooth_};
    AutoDecoderTrainer trainer(s, preset, models);
    while (trainer.steps_done() < preset.train.steps) trainer.step();
    make_directories(path(name));
    write_decoder(path(name) + "/decoder.safetensors", trainer.decoder());
  }
  std::vector<float> maps_, smooth_;
};

TEST_F(Compress, LosslessRoundTripAndInfo) {
  const Result r = terrane("compress maps.npy -o maps.lat --json");
  ASSERT_EQ(r.code, 0) << r.err;
  const Json json = Json::parse(r.out);
  EXPECT_EQ(json.at("codec"), "lossless");
  EXPECT_EQ(json.at("file_bytes"), file_bytes(path("maps.lat")));
  EXPECT_EQ(json.at("largest_error_mps"), 0.0);
  EXPECT_LT(json.at("bytes_per_model"), 30);
  EXPECT_EQ(terrane("decompress maps.lat -o back.npy").code, 0);
  const NdArray<float> back = read_npy<float>(path("back.npy"));
  EXPECT_EQ(back.shape, (std::vector<Index>{6, 16, 18}));
  EXPECT_EQ(back.values, maps_);
  EXPECT_NE(terrane("info maps.lat").out.find("codec: lossless"), std::string::npos);
  EXPECT_EQ(terrane("compress maps.npy -o maps.lat").code, 2);  // the file exists
  EXPECT_EQ(terrane("compress maps.npy -o maps.lat --overwrite").code, 0);
}

TEST_F(Compress, CodesNeedTheirDecoder) {
  make_decoder("codec", 1);
  make_decoder("other", 2);
  const Result r = terrane("compress smooth.npy -o maps.lat --codec codec --steps 20 --json");
  ASSERT_EQ(r.code, 0) << r.err;
  const Json json = Json::parse(r.out);
  ASSERT_EQ(json.at("codec"), "siren") << r.out;
  EXPECT_EQ(json.at("decoder_bytes"), file_bytes(path("codec/decoder.safetensors")));
  EXPECT_LE(json.at("bytes_per_model"), 20);
  ASSERT_EQ(terrane("decompress maps.lat -o big.npy --codec codec --size 32x36").code, 0);
  EXPECT_EQ(read_npy<float>(path("big.npy")).shape, (std::vector<Index>{6, 32, 36}));
  for (const char* device : {"cpu", "shadow"}) {
    ASSERT_EQ(terrane(std::string("decompress maps.lat --codec codec -o ") + device + ".npy --device " + device).code,
              0);
  }
  EXPECT_EQ(read_file(path("cpu.npy")), read_file(path("shadow.npy")));
  const Result none = terrane("decompress maps.lat -o a.npy");
  EXPECT_EQ(none.code, 2);
  EXPECT_NE(none.err.find("--codec"), std::string::npos);
  const Result wrong = terrane("decompress maps.lat -o a.npy --codec other");
  EXPECT_EQ(wrong.code, 3);
  EXPECT_NE(wrong.err.find("maps.lat: the codes belong to decoder"), std::string::npos) << wrong.err;
  EXPECT_FALSE(fs::exists(path("a.npy")));
}

// Pixels as means over points: the file says so, and gives back what `compress` scored.
TEST_F(Compress, PixelsAsMeans) {
  make_decoder("codec", 1);
  const std::string given = "compress smooth.npy -o maps.lat --overwrite --json --steps 10 --method code --codec codec";
  const Result r = terrane(given + " --supersample 3");
  ASSERT_EQ(r.code, 0) << r.err;
  const Json json = Json::parse(r.out);
  EXPECT_EQ(json.at("supersample"), 3);
  ASSERT_EQ(terrane("decompress maps.lat -o back.npy --codec codec").code, 0);
  const NdArray<float> back = read_npy<float>(path("back.npy"));
  double psnr = 0;
  for (Index m = 0; m < 6; ++m) psnr += psnr_full(back.values.data() + m * 288, smooth_.data() + m * 288, 288) / 6;
  EXPECT_NEAR(psnr, json.at("psnr_full_db").get<double>(), 1e-6);
  EXPECT_NE(terrane("info maps.lat").out.find("supersample: 3"), std::string::npos);
  // At three times the size a pixel is one of the points, and their means are the map.
  ASSERT_EQ(terrane("decompress maps.lat -o big.npy --codec codec --size 48x54").code, 0);
  const NdArray<float> big = read_npy<float>(path("big.npy"));
  double sum = 0;
  for (Index k = 0; k < 9; ++k) {
    sum += static_cast<double>(big.values[static_cast<std::size_t>((6 + k / 3) * 54 + 15 + k % 3)]) / 9;
  }
  EXPECT_NEAR(sum, back.values[2 * 18 + 5], 0.01);
  // Points are asked for by name: that of the middle of nine.
  ASSERT_EQ(terrane("decompress maps.lat -o points.npy --codec codec --supersample 1").code, 0);
  EXPECT_NEAR(read_npy<float>(path("points.npy")).values[2 * 18 + 5], big.values[7 * 54 + 16], 0.01);
  EXPECT_EQ(terrane(given + " --supersample 17").code, 2);
  EXPECT_EQ(terrane("compress smooth.npy -o x.lat --supersample 2").code, 2);  // means belong to codes
  write_file_atomic(path("c.json"), R"({"task": "compress", "threads": 1,
    "models": {"type": "generated", "families": ["flat-vel-a"], "count": 6, "hold_out": 2, "size": 16, "sampling": "area"},
    "codec": {"type": "auto-decoder", "code": 4, "width": 16, "layers": 2, "steps": 20, "batch_models": 2,
              "points": 64, "supersample": 2, "search_steps": 10}})");
  ASSERT_EQ(terrane("run c.json --out a").code, 0);
  EXPECT_EQ(read_latent_file(path("a/held_out.lat")).samples, 2);
  EXPECT_EQ(terrane("run c.json --out b --set codec.supersample=0").code, 2);
}

// Where the structured codec is the smaller file, codes are written only if they are asked for.
TEST_F(Compress, MethodForcesCodesOrTheStructuredCodec) {
  make_decoder("codec", 1);
  const std::string given = "compress maps.npy -o maps.lat --overwrite --json --codec codec --steps 5";
  const auto codec = [&](const std::string& words) { return Json::parse(terrane(given + words).out).at("codec"); };
  EXPECT_EQ(codec(" --bits 12"), "lossless");
  EXPECT_EQ(codec(" --bits 12 --method smallest"), "lossless");
  EXPECT_EQ(codec(" --method structured"), "lossless");
  const Json code = Json::parse(terrane(given + " --bits 12 --method code").out);
  EXPECT_EQ(code.at("codec"), "siren");
  EXPECT_LE(std::abs(code.at("code_norm_psnr_correlation").get<double>()), 1);
  ASSERT_EQ(terrane("decompress maps.lat -o back.npy --codec codec").code, 0);
  EXPECT_EQ(read_npy<float>(path("back.npy")).shape, (std::vector<Index>{6, 16, 18}));
  // Polished codes are no worse, but for what rounding to 12 bits does.
  const Json polished = Json::parse(terrane(given + " --bits 12 --method code --polish 3").out);
  EXPECT_GT(polished.at("psnr_full_db").get<double>(), code.at("psnr_full_db").get<double>() - 0.01);
  // A target lists what was tried; the file is the smallest of them.
  for (const char* method : {"code", "structured"}) {
    const Json r = Json::parse(terrane(given + " --target psnr_db=1 --method " + method).out);
    double least = 1e300;
    for (const Json& c : r.at("candidates")) {
      EXPECT_EQ(c.at("codec"), std::string(method) == "code" ? "siren" : "lossless");
      least = std::min(least, c.at("bytes_per_model").get<double>());
    }
    EXPECT_EQ(r.at("candidates").size(), std::string(method) == "code" ? 7U : 8U);
    EXPECT_EQ(r.at("bytes_per_model").get<double>(), least);
    EXPECT_EQ(r.at("file_bytes"), file_bytes(path("maps.lat")));
  }
  const Result alone = terrane("compress maps.npy -o x.lat --method code");
  EXPECT_EQ(alone.code, 2);
  EXPECT_NE(alone.err.find("--codec"), std::string::npos) << alone.err;
  const Result wrong = terrane("compress maps.npy -o x.lat --method codes");
  EXPECT_EQ(wrong.code, 2);
  EXPECT_NE(wrong.err.find("smallest, code, structured"), std::string::npos) << wrong.err;
  EXPECT_FALSE(fs::exists(path("x.lat")));
}

TEST_F(Compress, VolumesByCodes) {
  constexpr Index n = 32;
  ModelSet set{.extent = {n, n, n}, .values = {}};
  for (Index k = 0; k < 2 * n * n * n; ++k) {
    const Index z = k / (n * n) % n, y = k / n % n, model = k / (n * n * n);
    set.values.push_back(static_cast<float>(1800 + (40 + 20 * model) * z + 10 * y));
  }
  AutoDecoderPreset preset;
  preset.shape = DecoderShape{.dims = 3, .code = 3, .width = 12, .hidden = 2};
  preset.train.steps = 250;
  preset.train.points = 300;
  preset.train.lr_network = 3e-3;
  preset.train.lr_hidden = 3e-3;
  preset.shape.omega = 10;
  StreamOptions options;
  options.threads = 1;
  Stream s(Device::parse("cpu"), options);
  AutoDecoderTrainer trainer(s, preset, set);
  while (trainer.steps_done() < preset.train.steps) trainer.step();
  make_directories(path("codec3"));
  write_decoder(path("codec3") + "/decoder.safetensors", trainer.decoder());
  write_npy(path("volumes.npy"), {2, n, n, n}, set.values.data());
  const Result r = terrane("compress volumes.npy -o v.lat --codec codec3 --steps 30 --json");
  ASSERT_EQ(r.code, 0) << r.err;
  const Json json = Json::parse(r.out);
  EXPECT_EQ(json.at("codec"), "siren");
  EXPECT_EQ(json.at("shape"), (std::vector<Index>{n, n, n}));
  ASSERT_EQ(terrane("decompress v.lat -o back.npy --codec codec3").code, 0);
  const NdArray<float> back = read_npy<float>(path("back.npy"));
  ASSERT_EQ(back.shape, (std::vector<Index>{2, n, n, n}));
  double psnr = 0;
  for (Index m = 0; m < 2; ++m) {
    psnr += psnr_full(back.values.data() + m * n * n * n, set.values.data() + m * n * n * n, n * n * n) / 2;
  }
  EXPECT_NEAR(psnr, json.at("psnr_full_db").get<double>(), 1e-6);
  EXPECT_GT(psnr, 25);
  ASSERT_EQ(terrane("decompress v.lat -o small.npy --codec codec3 --size 8x6x4").code, 0);
  EXPECT_EQ(read_npy<float>(path("small.npy")).shape, (std::vector<Index>{2, 8, 6, 4}));
  EXPECT_EQ(terrane("compress volumes.npy -o w.lat --codec codec3 --method structured").code, 3);
}

TEST_F(Compress, TargetsChooseTheSmallestOrTheBest) {
  const Json exact = Json::parse(terrane("compress maps.npy -o a.lat --target psnr_db=60 --json").out);
  EXPECT_EQ(exact.at("largest_error_mps"), 0.0);
  const Json coarse = Json::parse(terrane("compress maps.npy -o b.lat --target psnr_db=30 --json").out);
  EXPECT_LE(coarse.at("file_bytes"), exact.at("file_bytes"));
  EXPECT_GE(coarse.at("psnr_full_db"), 30.0);
  const Result none = terrane("compress maps.npy -o c.lat --target bytes=1");
  EXPECT_EQ(none.code, 1);
  EXPECT_NE(none.err.find("reaches the target"), std::string::npos);
  EXPECT_EQ(terrane("compress maps.npy -o c.lat --target speed=1").code, 2);
}

TEST_F(Compress, DamagedAndForeignFilesAreRefused) {
  ASSERT_EQ(terrane("compress maps.npy -o maps.lat").code, 0);
  const std::string good = read_file(path("maps.lat"));
  write_file_atomic(path("short.lat"), good.substr(0, good.size() - 3));
  std::string flipped = good;
  flipped[40] = static_cast<char>(flipped[40] ^ 4);
  write_file_atomic(path("flipped.lat"), flipped);
  for (const char* name : {"short.lat", "flipped.lat", "maps.npy", "absent.lat"}) {
    const Result r = terrane(std::string("decompress ") + name + " -o x.npy");
    EXPECT_EQ(r.code, 3) << name << r.err;
    EXPECT_NE(r.err.find(name), std::string::npos) << r.err;
  }
  write_npy(path("line.npy"), {5}, maps_.data());
  EXPECT_EQ(terrane("compress line.npy -o x.lat").code, 3);
  EXPECT_EQ(terrane("compress maps.npy").code, 2);
  EXPECT_EQ(terrane("decompress maps.lat -o x.npy --size 20x20").code, 2);
  EXPECT_FALSE(fs::exists(path("x.lat")));
}

// Task compress: what is written, a stop in the middle, and that it leaves no trace in the result.
TEST_F(Compress, TaskTrainsStopsAndContinues) {
  write_file_atomic(path("c.json"), R"({"task": "compress", "threads": 1,
    "models": {"type": "file", "path": "smooth.npy", "hold_out": 2},
    "codec": {"type": "auto-decoder", "code": 4, "width": 16, "layers": 2, "steps": 60, "batch_models": 2,
              "points": 100, "search_steps": 20},
    "checkpoint": {"every_iterations": 25}})");
  EXPECT_EQ(terrane("check c.json").code, 0);
  const Result r = terrane("run c.json --out a");
  ASSERT_EQ(r.code, 0) << r.err;
  const Json a = Json::parse(read_file(path("a/result.json")));
  EXPECT_EQ(a.at("status"), "ok");
  EXPECT_EQ(a.at("train").at("models"), 4);
  EXPECT_EQ(a.at("held_out").at("models"), 2);
  EXPECT_GT(a.at("train").at("psnr_full_db"), 15);
  EXPECT_LT(a.at("train").at("psnr_image_db"), a.at("train").at("psnr_full_db"));
  EXPECT_TRUE(fs::exists(path("a/report.html")));
  EXPECT_TRUE(fs::exists(path("a/figures/held-out.png")));
  EXPECT_GT(a.at("baselines").at("lossless").at("bytes_per_model"), 0);
  EXPECT_EQ(a.at("train").at("file_bytes"), file_bytes(path("a/latents.lat")));
  EXPECT_EQ(terrane("decompress a/latents.lat --codec a -o back.npy").code, 0);
  EXPECT_NE(terrane("info a/latents.lat").out.find("codec: siren"), std::string::npos);
  // As if the run had been killed after checkpoint 50: the result and the newest checkpoint are gone.
  ASSERT_EQ(std::system(("cp -r " + path("a") + " " + path("b")).c_str()), 0);
  for (const char* name : {"b/result.json", "b/latents.lat", "b/decoder.safetensors"}) fs::remove(path(name));
  fs::remove_all(path("b/checkpoint/000060"));
  const Result resumed = terrane("resume b");
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_NE(resumed.err.find("resumed at step 50"), std::string::npos) << resumed.err;
  for (const char* name : {"latents.lat", "decoder.safetensors", "held_out.lat"}) {
    EXPECT_EQ(read_file(path(std::string("a/") + name)), read_file(path(std::string("b/") + name))) << name;
  }
  EXPECT_EQ(terrane("run c.json --out e --set models.count=5").code, 3);
  EXPECT_EQ(terrane("run c.json --out f --set models.range_mps=[4500,1500]").code, 2);
  EXPECT_EQ(terrane("run c.json --out g --set codec.lr=1e30").code, 6);
}

// Models made on the spot: the families in turn, held-out ones after the others.
TEST_F(Compress, ModelsOfProceduralGeology) {
  const Json section{{"type", "generated"},
                     {"families", {"flat-vel-a", "style-b"}},
                     {"count", 5},
                     {"hold_out", 2},
                     {"size", 12},
                     {"sampling", "point"},
                     {"seed", 4}};
  Stream s{Device{}};
  const ModelSets sets = read_models(s, section);
  ASSERT_EQ(sets.train.count(), 5);
  ASSERT_EQ(sets.held_out.count(), 2);
  EXPECT_EQ(size_of_models(section).models, 7);
  const auto same = [&](const ModelSet& set, Index k, GeologyFamily family, std::uint64_t index) {
    const auto one = geology_maps(s, {family, 4, index, 1, 1}, {12, 1, 0});
    return std::equal(one.begin(), one.end(), set.values.begin() + k * 144);
  };
  EXPECT_TRUE(same(sets.train, 0, GeologyFamily::flat_vel_a, 0));
  EXPECT_TRUE(same(sets.train, 3, GeologyFamily::style_b, 1));
  EXPECT_TRUE(same(sets.train, 4, GeologyFamily::flat_vel_a, 2));
  EXPECT_TRUE(same(sets.held_out, 0, GeologyFamily::style_b, 2));
  EXPECT_TRUE(same(sets.held_out, 1, GeologyFamily::flat_vel_a, 3));
  // Scores of an exact set, and of one that is off by a thirtieth of the full range: 29.5 dB.
  EXPECT_DOUBLE_EQ(score_models(sets.train.values, sets.train).at("psnr_full_db"), 60);
  std::vector<float> off = sets.train.values;
  for (float& v : off) v += 100;
  EXPECT_NEAR(score_models(off, sets.train).at("psnr_full_db").get<double>(), 20 * std::log10(30.0), 1e-3);
  EXPECT_LT(score_models(off, sets.train).at("ssim").at("openfwi").get<double>(), 1);
  write_file_atomic(path("c.json"), R"({"task": "compress", "threads": 1,
    "models": {"type": "generated", "families": ["layered-faulted"], "count": 5},
    "codec": {"type": "auto-decoder", "code": 4, "width": 16, "layers": 2, "steps": 6}})");
  EXPECT_EQ(terrane("check c.json").code, 2);
  EXPECT_EQ(terrane("check c.json --set models.families=style-a").code, 0);
  const Result wrong = terrane("check c.json --set models.families=stile-a");
  EXPECT_NE(wrong.err.find("did you mean \"style-a\"?"), std::string::npos) << wrong.err;
}

// Any folder of maps against held-out models: ours, one file, a stranger's layout, and what is wrong with each.
TEST_F(Compress, MapsAreScored) {
  write_file_atomic(path("g.json"), R"({"task": "generate", "count": 40, "seed": 2, "threads": 1,
    "source": {"type": "procedural", "families": ["flat-vel-a", "curve-vel-a"], "size": 16}})");
  ASSERT_EQ(terrane("run g.json --out drawn").code, 0);
  write_file_atomic(path("s.json"),
                    R"({"task": "score", "threads": 1, "samples": {"path": "drawn", "network_steps": 200},
    "models": {"type": "generated", "families": ["flat-vel-a", "curve-vel-a"], "count": 400, "hold_out": 80, "size": 16,
               "seed": 3}})");
  EXPECT_EQ(terrane("check s.json").code, 0);
  const Result r = terrane("run s.json --out scores");
  ASSERT_EQ(r.code, 0) << r.err;
  const Json scores = Json::parse(read_file(path("scores/result.json"))).at("scores");
  ASSERT_EQ(scores.size(), 2U);
  for (const char* family : {"flat-vel-a", "curve-vel-a"}) {
    const Json& s = scores.at(family);
    EXPECT_EQ(s.at("count"), 20) << family;
    EXPECT_EQ(s.at("compared_with"), family);
    for (const char* set : {"samples", "floor"}) EXPECT_EQ(s.at(set).at("monotone_columns"), 1) << family << set;
    EXPECT_LT(s.at("samples").at("depth_mean_rms_mps"), 500) << family;
    EXPECT_GT(s.at("floor").at("family_accuracy"), 0.8) << family;
    EXPECT_GT(s.at("samples").at("family_accuracy"), 0.8) << family;
  }
  const std::string page = read_file(path("scores/report.html"));
  EXPECT_NE(page.find("Vertical variogram"), std::string::npos);
  EXPECT_NE(page.find("nearest training model"), std::string::npos);
  EXPECT_TRUE(fs::exists(path("scores/contact.png")));
  // One file, said to be of a family; and maps upside down, which the statistics must notice.
  NdArray<float> maps = read_npy<float>(path("drawn/CurveVel_A/model/model1.npy"));
  std::vector<float> turned;
  for (Index k = 0; k < 40; ++k) {
    for (Index i = 16; i-- > 0;) {
      const auto row = maps.values.begin() + (k * 16 + i) * 16;
      turned.insert(turned.end(), row, row + 16);
    }
  }
  write_npy(path("turned.npy"), {40, 16, 16}, turned.data());
  const std::string one = "run s.json --set samples.path=turned.npy";
  ASSERT_EQ(terrane(one + " --set samples.family=curve-vel-a --out one").code, 0);
  const Json s = Json::parse(read_file(path("one/result.json"))).at("scores").at("turned");
  EXPECT_EQ(s.at("compared_with"), "curve-vel-a");
  EXPECT_LT(s.at("samples").at("monotone_columns"), 0.2);
  EXPECT_GT(s.at("samples").at("network_c2st_auc"), 0.95);
  EXPECT_GT(s.at("floor").at("network_mmd2_permutation_sd"), 0);
  EXPECT_GT(s.at("samples").at("network_frechet"), 0);
  EXPECT_GT(s.at("samples").at("mmd2"), 10 * s.at("floor").at("mmd2_permutation_sd").get<double>());
  ASSERT_EQ(terrane(one + " --set samples.network_steps=0 --out all").code, 0);
  EXPECT_FALSE(Json::parse(read_file(path("all/result.json")))
                   .at("scores")
                   .at("turned")
                   .at("samples")
                   .contains("network_c2st_auc"));
  EXPECT_EQ(Json::parse(read_file(path("all/result.json"))).at("scores").at("turned").at("compared_with"),
            "all models");
  // Arrays beside data, ten after two: the order is that of the numbers.
  fs::create_directories(path("theirs"));
  write_npy(path("theirs/model2.npy"), {20, 1, 16, 16}, maps.values.data());
  write_npy(path("theirs/model10.npy"), {20, 1, 16, 16}, maps.values.data() + 20 * 256);
  write_npy(path("theirs/data2.npy"), {20, 5}, maps.values.data());
  ASSERT_EQ(terrane("run s.json --set samples.path=theirs --set samples.count=30 --set samples.network_steps=0 --out "
                    "theirs_scores")
                .code,
            0);
  const Json theirs = Json::parse(read_file(path("theirs_scores/result.json"))).at("scores").at("theirs");
  EXPECT_EQ(theirs.at("files").size(), 2U);
  EXPECT_NE(theirs.at("files")[0].get<std::string>().find("model2.npy"), std::string::npos);
  EXPECT_EQ(theirs.at("count"), 30);
  // Errors.
  const auto fails = [&](const std::string& sets, int code, const std::string& word) {
    const Result e = terrane("run s.json --out wrong --overwrite " + sets);
    EXPECT_EQ(e.code, code) << sets;
    EXPECT_NE(e.err.find(word), std::string::npos) << e.err;
  };
  fails("--set samples.family=style-a", 2, "not one of the families");
  fails("--set models.hold_out=40", 2, "need at least 16, 32 and 16");
  fails("--set models.size=20", 3, "16 x 16 pixels, \"models\" has 20 x 20");
  fails("--set samples.path=nowhere", 3, "no such file or directory");
  fs::create_directories(path("empty"));
  fails("--set samples.path=empty", 3, "holds no maps");
  maps.values[300] = std::numeric_limits<float>::quiet_NaN();
  write_npy(path("theirs/model2.npy"), {20, 1, 16, 16}, maps.values.data());
  fails("--set samples.path=theirs", 3, "map 1 holds NaN");
  write_npy(path("theirs/model2.npy"), {10, 2, 16, 16}, turned.data());
  fails("--set samples.path=theirs", 3, "holds no maps; (n, nz, nx)");
  write_npy(path("theirs/model2.npy"), {10, 1, 16, 32}, turned.data());
  fails("--set samples.path=theirs", 3, "beside others of 16 x 32");
}

// A generator of codes: trained, stopped in the middle, continued to the same bits; its samples; a generator of pixels.
TEST_F(Compress, GeneratorsAreTrainedAndSampled) {
  write_file_atomic(path("c.json"), R"({"task": "compress", "threads": 1,
    "models": {"type": "generated", "families": ["flat-vel-a", "curve-vel-a"], "count": 24, "hold_out": 20, "size": 14},
    "codec": {"type": "auto-decoder", "code": 4, "width": 16, "layers": 2, "steps": 40, "batch_models": 4,
              "points": 100, "search_steps": 2, "baselines": false}})");
  ASSERT_EQ(terrane("run c.json --out codec").code, 0);
  write_file_atomic(path("t.json"), R"({"task": "train-generator", "threads": 1,
    "models": {"type": "generated", "families": ["flat-vel-a", "curve-vel-a"], "count": 24, "hold_out": 20, "size": 14},
    "generator": {"type": "latent-flow", "decoder": "codec", "width": 16, "blocks": 1, "steps": 30, "batch_models": 8,
                  "score_samples": 10, "sampler_steps": 4},
    "checkpoint": {"every_iterations": 10}})");
  EXPECT_EQ(terrane("check t.json").code, 0);
  const Result r = terrane("run t.json --out a");
  ASSERT_EQ(r.code, 0) << r.err;
  const Json a = Json::parse(read_file(path("a/result.json")));
  EXPECT_EQ(a.at("steps"), 30);
  EXPECT_TRUE(a.at("scores").at("curve-vel-a").contains("c2st_auc"));
  EXPECT_TRUE(read_generator(path("a/generator.safetensors")).match.any());
  const char* plain =
      "run t.json --out plain --set generator.match_moments=false --set generator.steps=2 --set "
      "generator.score_samples=0";
  ASSERT_EQ(terrane(plain).code, 0);
  EXPECT_FALSE(read_generator(path("plain/generator.safetensors")).match.any());
  for (const char* name : {"report.html", "contact.png", "decoder.safetensors"}) {
    EXPECT_TRUE(fs::exists(path(std::string("a/") + name))) << name;
  }
  ASSERT_EQ(std::system(("cp -r " + path("a") + " " + path("b")).c_str()), 0);
  for (const char* name : {"b/result.json", "b/generator.safetensors"}) fs::remove(path(name));
  fs::remove_all(path("b/checkpoint/000030"));
  const Result resumed = terrane("resume b");
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_NE(resumed.err.find("resumed at step 20"), std::string::npos) << resumed.err;
  EXPECT_EQ(read_file(path("a/generator.safetensors")), read_file(path("b/generator.safetensors")));
  // Samples: codes decode to any size; a sample does not depend on how many are asked for.
  write_file_atomic(path("g.json"), R"({"task": "generate", "count": 5, "seed": 2,
    "source": {"type": "generator", "path": "a", "size": 20}})");
  EXPECT_EQ(terrane("check g.json").code, 0);
  ASSERT_EQ(terrane("run g.json --out many").code, 0);
  ASSERT_EQ(terrane("run g.json --out few --set count=2 --set source.families=curve-vel-a").code, 0);
  const auto many = read_npy<float>(path("many/CurveVel_A/model/model1.npy"));
  EXPECT_EQ(many.shape, (std::vector<Index>{5, 1, 20, 20}));
  for (const float v : many.values) EXPECT_TRUE(v >= 1500 && v <= 4500);
  EXPECT_EQ(Json::parse(read_file(path("many/manifest.json"))).at("families").size(), 2U);
  const auto few = read_npy<float>(path("few/CurveVel_A/model/model1.npy"));
  ASSERT_EQ(few.values.size(), 800U);
  EXPECT_TRUE(std::equal(few.values.begin(), few.values.end(), many.values.begin()));
  ASSERT_EQ(terrane("run g.json --out layers --set source.ascending=true --set source.snap=true").code, 0);
  const auto layers = read_npy<float>(path("layers/CurveVel_A/model/model1.npy")).values;
  Index falling = 0, falling_before = 0;
  for (std::size_t p = 0; p + 20 < layers.size(); ++p) {
    if (p % 400 >= 380) continue;
    falling += layers[p + 20] < layers[p];
    falling_before += many.values[p + 20] < many.values[p];
  }
  EXPECT_EQ(falling, 0);
  EXPECT_GT(falling_before, 0);
  EXPECT_EQ(Json::parse(read_file(path("layers/manifest.json"))).at("ascending"), true);
  EXPECT_EQ(terrane("run g.json --out x --set source.families=style-a").code, 2);
  EXPECT_EQ(terrane("run g.json --out y --set 'pairs={}'").code, 2);
  EXPECT_EQ(terrane("run t.json --out z --set models.count=11").code, 3);  // not the models of the decoder
  std::string damaged = read_file(path("a/generator.safetensors"));
  damaged[damaged.size() - 5] = static_cast<char>(damaged[damaged.size() - 5] ^ 8);
  write_file_atomic(path("a/generator.safetensors"), damaged);
  EXPECT_EQ(terrane("run g.json --out w").code, 3);
  // On pixels, padded from 14 to 16.
  write_file_atomic(path("p.json"), R"({"task": "train-generator", "threads": 1,
    "models": {"type": "generated", "families": ["flat-vel-a"], "count": 12, "hold_out": 10, "size": 14},
    "generator": {"type": "ddpm", "channels": [8, 8, 16], "blocks": 1, "groups": 4, "attention": [2], "head_channels": 4,
                  "steps": 4, "batch_models": 2, "accumulate": 1, "score_samples": 10, "sampler": "ddim",
                  "sampler_steps": 3}})");
  const Result pixels = terrane("run p.json --out p");
  ASSERT_EQ(pixels.code, 0) << pixels.err;
  ASSERT_EQ(terrane("run g.json --out q --set 'source={\"type\":\"generator\",\"path\":\"p\"}'").code, 0);
  EXPECT_EQ(npy_info(path("q/FlatVel_A/model/model1.npy")).shape, (std::vector<Index>{5, 1, 14, 14}));
  EXPECT_EQ(terrane("run g.json --out v --set source.path=p").code, 2);  // pixels of another size
  EXPECT_EQ(terrane("check p.json --set generator.attention=[3]").code, 2);
  // Conditions: files of wells and reflectivity for generators that learnt them.
  write_file_atomic(path("wells.txt"), "# x z vp\n100, 0, 1700\n100, 650, 3000\n");
  write_npy(path("r.npy"), {14, 14}, std::vector<float>(196, 0.5F).data());
  const std::string both = " --set generator.wells=1 --set generator.reflectivity=true --set generator.score_samples=0";
  ASSERT_EQ(terrane("run t.json --out tc --set generator.condition_size=5 --set generator.steps=3" + both).code, 0);
  ASSERT_EQ(terrane("run p.json --out pc" + both).code, 0);
  const std::string given = " --set source.wells=wells.txt --set source.reflectivity=r.npy";
  for (const char* from : {"tc", "pc"}) {
    const std::string own = std::string(" --set source.size=14 --set source.path=") + from;
    ASSERT_EQ(terrane("run g.json --out free_" + std::string(from) + own).code, 0);
    ASSERT_EQ(terrane("run g.json --out told_" + std::string(from) + own + given).code, 0);
    const std::string file = "/FlatVel_A/model/model1.npy";
    EXPECT_NE(read_file(path("free_" + std::string(from) + file)), read_file(path("told_" + std::string(from) + file)));
  }
  // Codes on a grid, with conditions on its nodes.
  ASSERT_EQ(terrane("run c.json --out nodes --set codec.modulation=grid --set codec.cells=4 --set codec.code=32").code,
            0);
  const std::string spatial = "run t.json --set generator.decoder=nodes --set generator.width=8" + both;
  ASSERT_EQ(terrane(spatial + " --set generator.steps=3 --out ts").code, 0);
  ASSERT_EQ(terrane("run g.json --out told_ts --set source.size=14 --set source.path=ts" + given).code, 0);
  EXPECT_EQ(terrane("check t.json --set generator.decoder=nodes").code, 0);
  // Codes are brought to the wells: x = 100 m is column 2 of 14.
  ASSERT_EQ(terrane("run c.json --out codec2 --set codec.steps=400").code, 0);
  ASSERT_EQ(terrane("run t.json --out tw --set generator.decoder=codec2 --set generator.condition_size=5" + both +
                    " --set generator.steps=300")
                .code,
            0);
  const std::string well = " --set source.size=14 --set source.path=tw --set source.wells=wells.txt";
  ASSERT_EQ(terrane("run g.json --out drawn --set source.well_steps=0" + well).code, 0);
  ASSERT_EQ(terrane("run g.json --out fitted" + well).code, 0);
  const auto misfit = [&](const std::string& name) {
    const auto maps = read_npy<float>(path(name + "/FlatVel_A/model/model1.npy")).values;
    double sum = 0;
    for (std::size_t p = 0; p < 5 * 14; ++p) {
      const double depth = std::min(50 * (static_cast<double>(p % 14) + 0.5), 650.0);
      sum += std::pow(static_cast<double>(maps[p / 14 * 196 + p % 14 * 14 + 2]) - 1700 - 2 * depth, 2);
    }
    return sum;
  };
  EXPECT_LT(misfit("fitted"), 0.3 * misfit("drawn"));
  const Result untaught =
      terrane("run g.json --out u --set source.path=p --set source.size=14 --set source.wells=wells.txt");
  EXPECT_EQ(untaught.code, 2);
  EXPECT_NE(untaught.err.find("trained without wells"), std::string::npos) << untaught.err;
  const Result outside = terrane(
      "run g.json --out o --set source.path=pc --set source.size=14 --set source.wells=wells.txt "
      "--set source.extent_m=90");
  EXPECT_EQ(outside.code, 3);
  EXPECT_NE(outside.err.find("wells.txt:2"), std::string::npos) << outside.err;
}

}  // namespace compress_test
}  // namespace terrane
