// SPDX-License-Identifier: MIT
#include "engine/report.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "engine/figure.hpp"
#include "engine/font.hpp"
#include "engine/io/file.hpp"
#include "engine/json_value.hpp"
#include "kernels/runtime/error.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {
namespace report_test {

namespace fs = std::filesystem;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

class ReportTest : public FolderTest {
 protected:
  static constexpr Index nz = 30, nx = 80, shots = 4, receivers = 20, nt = 60;
  void SetUp() override { make_run(); }
  void map(const std::string& name, double shift) const {
    std::vector<float> v(static_cast<std::size_t>(nz * nx));
    for (Index i = 0; i < nz * nx; ++i) {
      v[static_cast<std::size_t>(i)] = static_cast<float>(1500.0 + 30.0 * static_cast<double>(i / nx) +
                                                          shift * std::sin(0.2 * static_cast<double>(i % nx)));
    }
    write_npy(path(name), {nz, nx}, v.data());
  }
  void data(const std::string& name, double scale) const {
    std::vector<float> v(static_cast<std::size_t>(shots * receivers * nt));
    for (std::size_t i = 0; i < v.size(); ++i)
      v[i] = static_cast<float>(scale * std::sin(0.05 * static_cast<double>(i)));
    write_npy(path(name), {shots, receivers, nt}, v.data());
  }
  void make_run() const {
    map("true_model.npy", 200);
    map("start_model.npy", 0);
    map("model.npy", 150);
    map("gradient_first.npy", -200);
    data("data_observed_0.npy", 1);
    data("data_predicted.npy", 0.9);
    put("model.json", R"({"property":"vp","unit":"m/s","spacing_m":[10,20],"origin_m":[0,100],"axes":"zx"})");
    put("resolved.json",
        R"({"task":"invert","name":"test <run> & co","seed":7,"grid":{"nz":30,"nx":80,"dz_m":10,"dx_m":20},)"
        R"("survey":{"dt_s":0.002,"nt":60,"sources":{"type":"line","x_m":[100,400],"z_m":[20,20],"count":4}},)"
        R"("optimizer":{"type":"adam","lr":1e-4},"stages":[{"iterations":5},{"iterations":5}]})");
    put("result.json",
        R"({"status":"ok","exit_code":0,"task":"invert","stop_reason":"max_iterations","iterations":10,)"
        R"("misfit":{"initial":2.0,"final":0.5},"time":{"wall_s":12.5,"phases_s":{"forward":5.0,"adjoint":7.0}},)"
        R"("memory":{"host_peak_bytes":1000000},"config_sha256":"abcd","version":{"terrane":"9.8.7"},)"
        R"("warnings":["watch <this>"]})");
    std::string lines;
    for (int i = 0; i < 10; ++i) {
      lines += Json({{"iteration", i},
                     {"stage", i / 5},
                     {"phi", 2.0 / (1 + i)},
                     {"elapsed_s", i},
                     {"model_error", {{"rmse_mps", 100.0 - i}}}})
                   .dump() +
               "\n";
    }
    put("progress.jsonl", lines + "{\"iteration\": 10, \"ph");  // killed while writing
  }
};

TEST_F(ReportTest, LoadsEverything) {
  const ReportInput in = load_report_input(dir_);
  EXPECT_EQ(in.name, "test <run> & co");
  EXPECT_EQ(in.model.shape, (std::vector<Index>{nz, nx}));
  EXPECT_EQ(in.dx_m, 20);
  EXPECT_EQ(in.x0_m, 100);
  EXPECT_EQ(in.progress.size(), 10u);
  EXPECT_EQ(in.progress[9].stage, 1);
  EXPECT_EQ(in.progress[9].model_error, 91);
  ASSERT_EQ(in.gathers.size(), 3u);
  EXPECT_EQ(in.gathers[2].shot, 3);
  EXPECT_EQ(in.gathers[1].source_x_m, 200);
  EXPECT_EQ(in.gathers[0].observed.shape, (std::vector<Index>{receivers, nt}));
  EXPECT_FLOAT_EQ(in.gathers[2].observed.values[0], static_cast<float>(std::sin(0.05 * 3600)));
}

TEST_F(ReportTest, PageIsSelfContainedAndComplete) {
  const ReportInput in = load_report_input(dir_);
  const std::string html = make_report(in);
  EXPECT_EQ(html, make_report(load_report_input(dir_)));  // the same bytes
  for (const char* part :
       {"test &lt;run&gt; &amp; co", "True model", "Start model", "Recovered model", "Recovered − true",
        "Recovered − start", "Vertical profiles", "Data misfit", "observed", "Predicted", "Residual", "First gradient",
        "Settings", "optimizer", "watch &lt;this&gt;", "9.8.7", "Reproduce", "25 %", "forward"}) {
    EXPECT_TRUE(contains(html, part)) << part;
  }
  for (const char* part :
       {"<script", "src=\"http", "href=\"http", "url(", "@import", ">nan", " nan", ",nan", "<run>"}) {
    EXPECT_FALSE(contains(html, part)) << part;
  }
  // RMS of 50 sin against 200 sin: the headline must state the errors of the maps themselves.
  EXPECT_TRUE(contains(html, "75 % less")) << html.substr(html.find("lead"), 500);
  std::size_t opened = 0, closed = 0;
  for (std::size_t p = html.find("<svg"); p != std::string::npos; p = html.find("<svg", p + 1)) ++opened;
  for (std::size_t p = html.find("</svg>"); p != std::string::npos; p = html.find("</svg>", p + 1)) ++closed;
  EXPECT_EQ(opened, make_figures(in).size());
  EXPECT_EQ(opened, closed);
}

TEST_F(ReportTest, WritesFiguresWithProvenance) {
  write_report(dir_, load_report_input(dir_));
  EXPECT_TRUE(fs::exists(path("report.html")));
  for (const char* name : {"models", "differences", "profiles", "misfit", "gathers", "gradient"}) {
    const PngInfo info = png_info(path(std::string("figures/") + name + ".png"));
    EXPECT_GT(info.width, 500);
    EXPECT_EQ(info.text[0].second, "terrane 9.8.7");
    EXPECT_EQ(info.text[1].second, "abcd");
  }
}

TEST_F(ReportTest, MissingAndDamagedPartsAreLeftOut) {
  fs::remove(path("true_model.npy"));
  fs::remove(path("gradient_first.npy"));
  fs::resize_file(path("data_predicted.npy"), 500);
  const std::vector<float> other(12, 1.0f);
  write_npy(path("start_model.npy"), {3, 4}, other.data());
  const std::string html = make_report(load_report_input(dir_));
  EXPECT_FALSE(contains(html, "True model"));
  EXPECT_FALSE(contains(html, "First gradient"));
  EXPECT_FALSE(contains(html, "Start model"));
  EXPECT_TRUE(contains(html, "data_predicted.npy is not shown"));
  EXPECT_TRUE(contains(html, "start_model.npy is not shown"));
  EXPECT_TRUE(contains(html, "Recovered model"));
  for (const auto& entry : fs::directory_iterator(dir_)) fs::remove_all(entry.path());
  EXPECT_THROW(load_report_input(dir_), Error);
  EXPECT_THROW(load_report_input(dir_ + "/none"), Error);
}

TEST_F(ReportTest, UnfinishedRunOffersResume) {
  fs::remove(path("result.json"));
  const std::string html = make_report(load_report_input(dir_));
  EXPECT_TRUE(contains(html, "not ended"));
  EXPECT_TRUE(contains(html, "terrane resume"));
}

TEST_F(ReportTest, NanModelAndForwardOnlyRun) {
  std::vector<float> v(static_cast<std::size_t>(nz * nx), std::nanf(""));
  write_npy(path("model.npy"), {nz, nx}, v.data());
  EXPECT_NO_THROW(make_report(load_report_input(dir_)));
  for (const char* name : {"model.npy", "true_model.npy", "start_model.npy", "gradient_first.npy", "progress.jsonl",
                           "data_observed_0.npy"}) {
    fs::remove(path(name));
  }
  EXPECT_TRUE(contains(make_report(load_report_input(dir_)), "predicted"));
}

TEST_F(ReportTest, Comparison) {
  const ReportInput in = load_report_input(dir_);
  const std::string html = make_comparison({in, in});
  EXPECT_TRUE(contains(html, "Comparison of 2 runs"));
  EXPECT_FALSE(contains(html, "<script"));
}

TEST(Colormap, LightnessIsMonotone) {
  const auto lightness = [](Color c) { return 0.2126 * c.r + 0.7152 * c.g + 0.0722 * c.b; };
  for (int i = 1; i <= 100; ++i) {
    for (const Colormap m : {Colormap::viridis, Colormap::magma}) {
      EXPECT_GT(lightness(map_color(m, i / 100.0)), lightness(map_color(m, (i - 1) / 100.0)) - 0.8);
    }
    const double a = i / 200.0, b = (i - 1) / 200.0;  // from the middle outwards darker, both sides alike
    EXPECT_LT(lightness(map_color(Colormap::diverging, 0.5 + a)),
              lightness(map_color(Colormap::diverging, 0.5 + b)) + 0.8);
    EXPECT_LT(lightness(map_color(Colormap::diverging, 0.5 - a)),
              lightness(map_color(Colormap::diverging, 0.5 - b)) + 0.8);
  }
  EXPECT_EQ(map_color(Colormap::viridis, 0), (Color{0x44, 0x01, 0x54}));
  EXPECT_EQ(map_color(Colormap::viridis, 7), (Color{0xfd, 0xe7, 0x25}));
  const Color blue = map_color(Colormap::diverging, 0), red = map_color(Colormap::diverging, 1);
  EXPECT_GT(blue.b, blue.r + 60);
  EXPECT_GT(red.r, red.b + 60);
  EXPECT_THROW(parse_colormap("jet"), Error);
}

TEST(Figure, TicksAndLabels) {
  EXPECT_EQ(nice_ticks(0, 10, 5), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(nice_ticks(0.01, 1, 5, true).front(), 0.01);
  EXPECT_TRUE(nice_ticks(1, 1, 5).empty());
  EXPECT_TRUE(nice_ticks(0, 1, 5, true).empty());
  EXPECT_EQ(tick_text(0.5, 0.25), "0.50");
  EXPECT_EQ(tick_text(1500, 500), "1500");
  EXPECT_EQ(tick_text(1e-19, 1), "0");
}

TEST(Font, LinesOfGlyphs) {
  const auto strokes = [](const char* text) { return glyphs_of(text).at(0).strokes; };
  const auto box = strokes("\u4e00");
  for (char c = '!'; c <= '~'; ++c) {
    const auto line = glyphs_of(std::string(1, c));
    ASSERT_EQ(line.size(), 1u);
    EXPECT_LE(line[0].width, 4);
    EXPECT_NE(line[0].strokes, box);
  }
  EXPECT_EQ(glyphs_of("km²/s² − Δχᵀ").size(), 12u);
  for (const char* sign :
       {"²", "³", "ᵀ", "χ", "φ", "σ", "λ", "ω", "Ω", "µ", "°", "±", "×", "−", "–", "Δ", "∂", "…", "·"}) {
    EXPECT_NE(strokes(sign), box) << sign;
    for (const Stroke& stroke : strokes(sign)) {
      for (const auto& [x, y] : stroke) EXPECT_TRUE(x >= 0 && x <= 4 && y >= -1 && y <= 8) << sign;
    }
  }
  // The small copy of a digit, and bytes that are no characters.
  EXPECT_EQ(strokes("²").size(), strokes("2").size());
  EXPECT_EQ(glyphs_of("\xe2\x88").size(), 2u);
  EXPECT_EQ(text_width(glyphs_of("")), 0);
  EXPECT_DOUBLE_EQ(text_width(glyphs_of("−")), 4);
}

TEST(Figure, RasterDrawsWhatSvgDraws) {
  Drawing d(20, 10);
  d.fill({5, 2, 10, 6}, Paint::of({255, 0, 0}));
  d.line({{0, 9.5}, {std::nan(""), 0}, {20, 9.5}}, Paint::of({0, 0, 0}));
  const Image image = d.raster(2);
  EXPECT_EQ(image.width, 40);
  EXPECT_EQ(image.at(10, 20)[0], 255);
  EXPECT_EQ(image.at(10, 20)[1], 0);
  EXPECT_EQ(image.at(1, 1)[1], 255);
  EXPECT_TRUE(contains(d.svg("a<b"), "<title>a&lt;b</title>"));
  EXPECT_TRUE(contains(d.svg(""), "#ff0000"));
}

}  // namespace report_test
}  // namespace terrane
