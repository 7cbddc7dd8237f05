// SPDX-License-Identifier: MIT
// One function a verb, one file each. They return the exit code and throw Error; stdout is data, stderr the rest.
#pragma once

#include <string>

#include "tools/terrane/options.hpp"

namespace terrane::cli {

int run_verb(const Options& options);
int check_verb(const Options& options);
int init_verb(const Options& options);
int schema_verb(const Options& options);
int completions_verb(const Options& options);
int demo_verb(const Options& options);
int resume_verb(const Options& options);
int info_verb(const Options& options);
int doctor_verb(const Options& options);
int bench_verb(const Options& options);
int report_verb(const Options& options);
int analyze_verb(const Options& options);
int generate_verb(const Options& options);
int compress_verb(const Options& options);
int decompress_verb(const Options& options);

// Shared by run and demo: forecast (--dry-run) or run a checked config.
int execute(const Config& config, const Options& options);
// The forecast of `check` on stdout; 4 if it exceeds the budget.
int print_forecast(const Config& config, const Options& options);
// After a run or resume: result.json with --json, else the directory; the exit code of the result.
int print_result(const nlohmann::ordered_json& result, const std::string& directory, const Options& options);
// One object on stdout.
void print_json(const nlohmann::ordered_json& json);
// "runs/<name>-20260131T120000Z", with a number behind it if that exists.
std::string default_directory(const std::string& name);

}  // namespace terrane::cli
