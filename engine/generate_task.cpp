// SPDX-License-Identifier: MIT
#include "engine/generate_task.hpp"

#include <cstdio>
#include <filesystem>

#include "engine/budget.hpp"
#include "engine/diffusion/sample_set.hpp"
#include "engine/geology_set.hpp"
#include "engine/output.hpp"
#include "engine/provenance.hpp"

namespace terrane {

namespace {

GeologySetOptions options_of(const Json& c) {
  const Json& source = c.at("source");
  GeologySetOptions o;
  o.count = c.at("count");
  o.seed = c.at("seed");
  if (source.at("type") == "procedural") {
    o.families = source.at("families").get<std::vector<std::string>>();
    o.size = source.at("size");
    o.area = source.at("sampling") == "area";
  }
  o.seismic = !c.at("pairs").is_null();
  return o;
}

bool learnt(const Json& c) { return c.at("source").at("type") == "generator"; }

}  // namespace

nlohmann::ordered_json generate_task(const Config& config, const RunOptions& options) {
  const Json& c = config.json();
  const double start = now_s();
  GeologySetOptions o = options_of(c);
  const OutputDirectory out(options.out_dir, options.overwrite, false);
  const Log log = Log::open(options.console, out.file("log.txt"), options.sink);
  if (std::filesystem::exists(out.file("manifest.json")) && !options.overwrite) {
    throw Error(ErrorCode::config, out.path() + " already holds a set of models; choose another --out");
  }
  out.remove("manifest.json");
  out.write_json("resolved.json", c);
  o.directory = out.path();
  if (c.at("report").at("enabled").get<bool>()) o.contact_sheet = out.file("contact.png");
  o.stop = options.stop_signal;
  ProgressEvent event;
  event.unit = "maps";
  event.iterations = static_cast<Index>(o.families.size()) * o.count;
  Index before = 0;
  o.progress = [&](const std::string& family, Index done, Index count) {
    event.text = family;
    event.iteration = before + done;
    event.elapsed_s = now_s() - start;
    if (done == count) before += count;
    if (options.progress) options.progress(event);
  };
  StreamOptions stream;
  stream.threads = options.threads;
  Stream s(options.device, stream);
  Json result{{"schema_version", 1}, {"status", "ok"}, {"exit_code", 0}, {"task", "generate"}, {"name", c.at("name")}};
  Json manifest;
  if (learnt(c)) {
    const SampleSource source = read_sample_source(c.at("source"));
    event.iterations = static_cast<Index>(source.families.size()) * o.count;
    manifest = write_sample_set(s, source, o);
  } else {
    manifest = write_geology_set(s, o);
  }
  for (const Json& family : manifest.at("families")) {
    result["families"].push_back({{"family", family.at("family")},
                                  {"folder", family.at("folder")},
                                  {"evidence", family.at("evidence")},
                                  {"count", family.at("count")},
                                  {"files", family.at("files").size()}});
  }
  add_provenance(result, config, log, start);
  result["files"] = {"manifest.json"};
  if (!o.contact_sheet.empty()) result["files"].push_back("contact.png");
  out.write_json("result.json", result);
  return result;
}

Forecast forecast_generate(const Config& config, const RunOptions& options) {
  GeologySetOptions o = options_of(config.json());
  if (learnt(config.json())) {
    const SampleSource source = read_sample_source(config.json().at("source"));
    o.families = source.families;
    o.size = source.size;
  }
  const double pixels = static_cast<double>(o.size) * static_cast<double>(o.size);
  double bytes = 0;
  for (const std::string& family : o.families) {
    const double map = (family == layered_faulted_name ? 3 : 1) * pixels * 4 + (o.seismic ? 5.0 * 1000 * 70 * 4 : 0);
    bytes += map * static_cast<double>(o.count);
  }
  char what[160];
  std::snprintf(what, sizeof what, "generate: %zu families of %lld maps", o.families.size(),
                static_cast<long long>(o.count));
  return forecast_of(config, options, {what, 0, bytes, ""});
}

}  // namespace terrane
