// SPDX-License-Identifier: MIT
// The report of a run: one HTML page without scripts or network, and the figures as PNG files.
//
// Everything is rebuilt from the output directory: model.npy + model.json, start, true and reference_model.npy,
// data_observed*.npy, data_predicted*.npy, data_std.npy, data_geometry.npy, coverage.npy, chargeability.npy, rays.npy,
// gradient_first.npy, progress.jsonl, result.json, resolved.json. Only what exists is shown. Models (z, x) or (z, y, x)
// in SI; data (shot, receiver, time). Of models in three dimensions the figures show three slices, and the section
// through the middle where a map is wanted. No time stamps are added: equal inputs give equal bytes.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/drawing.hpp"
#include "engine/figure.hpp"
#include "engine/io/npy.hpp"
#include "physics/travel_survey.hpp"

namespace terrane {

struct ProgressPoint {
  Index iteration = 0, stage = 0;
  double phi = 0;          // NaN where a line has none
  double model_error = 0;  // RMSE of the model, NaN when not known
  double elapsed_s = 0;
};

struct ShotGather {
  Index shot = 0;
  double source_x_m = 0;                                 // NaN when not known
  double source_y_m = unknown, receivers_y_m = unknown;  // three dimensions: of the source and of the line shown
  NdArray<float> observed, predicted;                    // (receiver, time)
};

struct ReportInput {
  std::string directory, name;
  NdArray<float> true_model, start_model, model;  // (z, x); no shape: absent
  // Three dimensions: (z, y, x); the maps are then their section y = section_y_m.
  NdArray<float> true_volume, start_volume, volume;
  std::vector<Point3> source_points, receiver_points;  // of three dimensions; sources: electrodes too
  double dy_m = 1, y0_m = 0, section_y_m = unknown;
  NdArray<float> reference_model;  // (z, x), another's result
  NdArray<float> gradient_first;   // (z, x), of the misfit by the property
  NdArray<float> coverage;         // (z, x), length of rays, or sensitivity of voltages
  NdArray<float> chargeability;    // (z, x), in its own unit
  // (datum, 4): source x, z, receiver x, z in m of travel times; (datum, 8): x, z of A, B, M, N of voltages, in three
  // dimensions (datum, 12): x, y, z; NaN at infinity.
  NdArray<float> geometry;
  NdArray<float> rays;                                         // (point, 3): number of the ray, x, z in m
  std::vector<float> data_observed, data_predicted, data_std;  // (datum) in s or V, or empty
  double dz_m = 1, dx_m = 1, z0_m = 0, x0_m = 0;
  std::string property = "vp", unit = "m/s";
  std::string error_unit;           // of the model error of the progress; empty: unit
  std::vector<ShotGather> gathers;  // a few, spread over the line
  Index shots = 0;                  // in all
  double dt_s = 0;
  std::vector<Point> sources;  // (x, z) in m
  std::vector<ProgressPoint> progress;
  nlohmann::ordered_json result, resolved;  // null when absent
  bool three_dimensional() const { return !volume.shape.empty() || !true_volume.shape.empty(); }
  bool resistivity() const { return geometry.shape.size() == 2 && geometry.shape[1] >= 8; }
};

struct Figure {
  std::string file;     // "models.png"
  std::string title;    // for the heading and screen readers
  std::string caption;  // plain text
  Drawing drawing;
};

// Reads a directory; missing or damaged parts are left out and named in result["warnings"]. Error{data} when there is
// neither a model nor a result.
ReportInput load_report_input(const std::string& directory);

std::vector<Figure> make_figures(const ReportInput& input);
// report_volume.cpp: three slices of each model, instead of the section.
void add_volume_models(const ReportInput& input, std::vector<Figure>& figures);
// report_travel.cpp: pick curves and residuals.
void add_travel_figures(const ReportInput& input, std::vector<Figure>& figures);
// report_dc.cpp: pseudosections, in three dimensions apparent resistivities in plan, and the fit of voltages.
void add_resistivity_figures(const ReportInput& input, std::vector<Figure>& figures);

std::string make_report(const ReportInput& input);
// Several runs side by side: a table of results, the models, the misfit curves.
std::string make_comparison(const std::vector<ReportInput>& inputs);

// <figure> with heading, drawing and caption; rows of a table, "a.b" and value, of numbers, words and short lists.
std::string figure_html(const Figure& figure);
std::string result_rows(const nlohmann::ordered_json& result);
// A self-contained page in the style of the report.
std::string html_page(const std::string& title, const std::string& body);

// report.html and figures/*.png under `directory`, atomically.
void write_report(const std::string& directory, const ReportInput& input);

}  // namespace terrane
