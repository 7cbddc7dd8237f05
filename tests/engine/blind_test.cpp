// SPDX-License-Identifier: MIT
// What an inversion knows of the true model: its data and what its start says of it, nothing more. A run on the data
// file and the start file that a synthetic run wrote, without a true model, ends at the same bits.
#include <gtest/gtest.h>

#include "engine/io/npy.hpp"
#include "engine/json_value.hpp"
#include "engine/run.hpp"
#include "tests/engine/run_folder.hpp"
#include "tests/engine/small_problem.hpp"

namespace terrane {
namespace blind_test {

struct Row {
  const char* name;
  const char* patch;
};
void PrintTo(const Row& r, std::ostream* os) { *os << r.name; }

// The fields, misfits, bands, starts and damages of data of the published table.
const Row rows[] = {
    {"grid_tv", R"({"regularizers": [{"type": "tv", "weight": 0.01}]})"},
    {"grid_bands_weci", R"({"misfit": {"type": "weci"}, "optimizer": {"iterations": null},
                            "stages": [{"iterations": 2, "lowpass_hz": 15}, {"iterations": 2}]})"},
    {"siren_bands", R"({"field": {"type": "siren", "width": 16, "layers": 2},
                        "stages": [{"iterations": 2, "lowpass_hz": 15}, {"iterations": 2}],
                        "optimizer": {"iterations": null, "lr_mps": null, "lr": 1e-3, "average": 0.9}})"},
    {"wire_smooth_start", R"({"field": {"type": "wire", "width": 16, "layers": 2},
                              "optimizer": {"lr_mps": null, "lr": 1e-3},
                              "start_model": {"type": "smooth", "of": "true_model", "sigma_m": 40}})"},
    {"low_rank_highpass", R"({"field": {"type": "low-rank"}, "data": {"highpass_hz": 4},
                              "optimizer": {"lr_mps": null, "lr": 1e-3}})"},
    {"ig_noise", R"({"field": {"type": "ig"}, "data": {"noise": {"type": "gaussian", "relative": 1}},
                     "optimizer": {"lr_mps": null, "lr": 1e-3}})"},
    {"lrg_linear_start", R"({"field": {"type": "lrg"}, "start_model": {"type": "best-linear", "of": "true_model"},
                             "optimizer": {"lr_mps": null, "lr": 1e-3}})"},
    {"mpe_finer_data", R"({"field": {"type": "mpe"}, "data": {"refine": 2, "order": 2},
                           "optimizer": {"lr_mps": null, "lr": 1e-3}})"},
};

class Blind : public RunFolder, public ::testing::WithParamInterface<Row> {
 protected:
  std::vector<double> model(const std::string& name) const {
    return read_npy<double>(path(name + "/model.npy")).values;
  }
};

TEST_P(Blind, DataAndStartFilesGiveTheSameModel) {
  const std::string common =
      changed(small_waves, R"({"start_model": {"type": "best-constant", "of": "true_model", "value_mps": null},
                       "bounds": {"min_mps": 1500, "max_mps": 3300},
                       "optimizer": {"iterations": 4, "batch_shots": 2}, "report": {"enabled": false}})");
  const std::string seeing = changed(common.c_str(), GetParam().patch);
  run(Config::parse(seeing, "test", {}), options("seeing"));
  Json blind = Json::parse(seeing);
  // The file holds the noise; the filter acts on both sides of the misfit.
  Json data = {{"type", "file"}, {"path", path("seeing/data_observed.npy")}};
  if (blind.at("data").contains("highpass_hz")) data["highpass_hz"] = blind.at("data").at("highpass_hz");
  blind.erase("true_model");
  blind["data"] = data;
  blind["start_model"] = {{"type", "file"}, {"path", path("seeing/start_model.npy")}};
  run(Config::parse(blind.dump(), "test", {}), options("blind"));
  const std::vector<double> with = model("seeing"), without = model("blind"),
                            start = read_npy<double>(path("seeing/start_model.npy")).values;
  EXPECT_EQ(without, with);
  EXPECT_NE(with, start) << "the runs changed nothing";
}

INSTANTIATE_TEST_SUITE_P(Cases, Blind, ::testing::ValuesIn(rows),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace blind_test
}  // namespace terrane
