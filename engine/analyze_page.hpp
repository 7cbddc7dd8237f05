// SPDX-License-Identifier: MIT
// The page of `terrane analyze`: spectra on logarithmic axes, vectors or kernels as images, a table of numbers.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "physics/grid3.hpp"

namespace terrane {

struct AnalysisPage {
  struct Spectrum {
    std::string title;
    std::vector<double> values;  // descending
  };
  struct Image {
    std::string title;
    std::vector<float> values;  // (nz, nx) or (nz, ny, nx), which is drawn in slices
    bool part = false;          // values in [0, 1] on that scale, instead of a symmetric one of their own
    Index through = -1;         // node where the slices cross; -1: that of the largest magnitude
  };
  std::string title;
  std::vector<Spectrum> spectra;
  std::vector<Image> images;
  struct Curve {
    std::string title;
    std::vector<double> x, y;
  };
  // Lines over an axis from 0, or a logarithmic one, with values from 0.
  struct Plot {
    std::string title, x, y;
    std::vector<Curve> curves;
    bool log = false;
  };
  std::vector<Plot> plots;
  bool normalised = false;  // spectra to a largest value of 1
  Grid3 grid;
  nlohmann::ordered_json result;
};

// report.html and figures/*.png under `directory`, atomically.
void write_analysis_page(const std::string& directory, const AnalysisPage& page);

}  // namespace terrane
