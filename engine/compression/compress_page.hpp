// SPDX-License-Identifier: MIT
// report.html of task "compress": how the loss fell, models beside what their codes give back, the numbers.
#pragma once

#include <string>
#include <vector>

#include "engine/compression/auto_decoder_train.hpp"
#include "engine/json.hpp"

namespace terrane {

struct CompressPage {
  std::string title;
  std::string loss_html;  // of the figure of the loss, may be empty
  struct Set {
    std::string name;  // "training", "held out"
    ModelSet models;   // those that are shown
    std::vector<float> recovered;
  };
  std::vector<Set> sets;
  std::array<double, 2> range_mps{1500, 4500};
  nlohmann::ordered_json result;
};

// report.html and figures/*.png below the directory, atomically. Models of three dimensions are not drawn.
void write_compress_page(const std::string& directory, const CompressPage& page);

}  // namespace terrane
