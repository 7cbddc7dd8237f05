// SPDX-License-Identifier: MIT
// Task "reproduce": a matrix of published cases, run one after the other, each in a directory of its own under
// rows/, and compared with the published numbers. Rows that have ended with the same config are kept, so a table may be
// stopped and continued, or grown by another call.
//
// Rows of travel times are compared by metrics: rmse (m/s, or s/km of slowness), chi2, clean_chi2 (against the data
// without noise), iou, body_mean, axis_deg, rms_ms, region_correlation; mean and standard deviation over the seeds.
// Rows of spectra by value_difference and vector_cosine against the published ones.
//
// Written beside the rows: table.json (one object a row), table.csv, table.html (models, profiles, numbers),
// result.json. exit_code 1: a row failed, or its error exceeds the published one by more than the tolerance.
#pragma once

#include <string>
#include <vector>

#include "engine/recipes.hpp"
#include "engine/run.hpp"

namespace terrane {

struct TableRow {
  Recipe recipe;
  std::uint64_t seed = 0;
  std::string directory;          // of the run
  nlohmann::ordered_json result;  // result.json, or {"status": "failed", "error": ...}
};

// Rows of a config of task reproduce in the order of the table, without results.
std::vector<TableRow> table_rows(const Config& config, const std::string& directory);
// The resolved config of one row.
Config row_config(const TableRow& row, const nlohmann::ordered_json& settings);

nlohmann::ordered_json reproduce(const Config& config, const RunOptions& options, bool continuing);
// The largest row in memory, the sum of all in time and disk.
Forecast forecast_table(const Config& config, const RunOptions& options);

// One object a row: errors reached and published, start and trivial errors, time, config hash.
nlohmann::ordered_json table_json(const std::vector<TableRow>& rows, double tolerance);
std::string table_csv(const nlohmann::ordered_json& table);
// Metrics of a result.json, null where it has none, in the order of the table.
nlohmann::ordered_json row_metrics(const nlohmann::ordered_json& result);
// table_page.cpp
std::string table_page(const std::string& title, const std::vector<TableRow>& rows,
                       const nlohmann::ordered_json& table);

}  // namespace terrane
