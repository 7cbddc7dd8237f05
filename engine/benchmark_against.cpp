// SPDX-License-Identifier: MIT
// An earlier result of `terrane bench` beside a new one.
#include "engine/benchmark.hpp"
#include "engine/io/file.hpp"
#include "engine/json.hpp"
#include "engine/json_value.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

const Json* row_of(const Json& results, const Json& row) {
  for (const Json& r : results) {
    if (value_at(r, {"workload"}) == row.at("workload") && value_at(r, {"case"}) == row.at("case")) return &r;
  }
  return nullptr;
}

}  // namespace

Json read_benchmark(const std::string& path) {
  const Json result = Json::parse(read_file(path), nullptr, false);
  const auto wrong = [&](const char* what) {
    throw Error(ErrorCode::data, std::string(what) + ": give a file that terrane bench --json has written", path);
  };
  if (result.is_discarded() || !result.is_object()) wrong("not a JSON object");
  const Json rows = value_at(result, {"results"});
  if (!rows.is_array()) wrong("it has no \"results\"");
  for (const Json& row : rows) {
    for (const char* key : {"best_s", "median_s"}) {
      const Json seconds = value_at(row, {key});
      if (!seconds.is_number() || !(seconds.get<double>() > 0)) wrong("a row without seconds");
    }
  }
  return result;
}

void compare_benchmarks(Json& result, const Json& earlier) {
  Json differs = Json::array();
  for (const char* key : {"device", "device_name", "kernels", "threads", "quick"}) {
    const Json now = value_at(result, {key}), then = value_at(earlier, {key});
    if (now != then) differs.push_back({{"setting", key}, {"now", now}, {"earlier", then}});
  }
  for (Json& row : result.at("results")) {
    const Json* old = row_of(earlier.at("results"), row);
    if (old == nullptr || value_at(*old, {"units"}) != row.at("units")) {  // absent, or of another size
      row["against"] = nullptr;
      continue;
    }
    const double best = old->at("best_s"), median = old->at("median_s");
    row["against"] = {{"best_s", best},
                      {"median_s", median},
                      {"best_ratio", best / row.at("best_s").get<double>()},
                      {"median_ratio", median / row.at("median_s").get<double>()}};
  }
  Json gone = Json::array();
  for (const Json& r : earlier.at("results")) {
    if (r.contains("workload") && r.contains("case") && row_of(result.at("results"), r) == nullptr) {
      gone.push_back({{"workload", r.at("workload")}, {"case", r.at("case")}});
    }
  }
  result["against"] = {{"version", value_at(earlier, {"version", "terrane"})}, {"differs", differs}, {"not_run", gone}};
}

}  // namespace terrane
