// SPDX-License-Identifier: MIT
#include "engine/generate_task.hpp"

#include <cstdio>
#include <filesystem>

#include "engine/diffusion/snap.hpp"
#include "engine/diffusion/train_task.hpp"
#include "engine/figure.hpp"
#include "engine/geology_set.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/png.hpp"
#include "engine/io/sha256.hpp"
#include "engine/openfwi_pairs.hpp"
#include "engine/output.hpp"
#include "engine/provenance.hpp"
#include "engine/version.hpp"
#include "kernels/kernels.hpp"
#include "physics/geology/openfwi.hpp"

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

std::string directory_of(const Json& source) {
  return std::filesystem::path(source.at("path").get<std::string>()).parent_path().string();
}

// Samples of a trained generator in the same layout.
class SampleWriter {
 public:
  SampleWriter(Stream& s, const Json& c, const GeologySetOptions& o)
      : s_(s), o_(o), source_(c.at("source")), trained_(read_trained_generator(directory_of(source_))) {
    sampler_ = trained_.sampler;
    if (!source_.at("sampler").is_null()) sampler_.kind = sampler_of(source_.at("sampler").get<std::string>());
    if (!source_.at("sampler_steps").is_null()) sampler_.steps = source_.at("sampler_steps");
    if (!source_.at("guidance").is_null()) sampler_.guidance = source_.at("guidance");
    check_sampler(sampler_, trained_.generator.process);
    size_ = source_.at("size").is_null() ? trained_.size : source_.at("size").get<Index>();
    families_ = trained_.generator.families;
    if (!source_.at("families").is_null()) families_ = source_.at("families").get<std::vector<std::string>>();
    for (const std::string& f : families_) trained_.family(f);
    if (families_.empty()) families_ = {""};
    if (o_.seismic && size_ != 70) {
      throw Error(ErrorCode::config,
                  "seismic pairs need a size of 70: the time step of the OpenFWI operator fits "
                  "cells of 10 m");
    }
    if (o_.seismic) pairs_ = std::make_unique<OpenFwiPairs>(s);
  }
  Index total() const { return static_cast<Index>(families_.size()) * o_.count; }

  Json write() {
    Json manifest{{"schema_version", 1},
                  {"terrane", version_string()},
                  {"layout", "openfwi"},
                  {"generator", source_.at("path")},
                  {"generator_sha256", sha256_file(source_.at("path").get<std::string>())},
                  {"seed", o_.seed},
                  {"count", o_.count},
                  {"size", size_},
                  {"sampler", source_.at("sampler").is_null() ? Json("as trained") : source_.at("sampler")},
                  {"sampler_steps", sampler_.steps},
                  {"guidance", sampler_.guidance},
                  {"snapped", source_.at("snap")},
                  {"property", "vp"},
                  {"unit", "m/s"},
                  {"seismic", o_.seismic ? OpenFwiPairs::description() : Json(nullptr)}};
    for (std::size_t f = 0; f < families_.size(); ++f) manifest["families"].push_back(family(f));
    if (!o_.contact_sheet.empty()) contact_sheet();
    write_file_atomic(o_.directory + "/manifest.json", manifest.dump(2) + "\n");
    return manifest;
  }

 private:
  static constexpr Index maps_a_file = 500, maps_a_slice = 125;

  // Sample k of family f is number 2^40 f + k of the seed, whatever else is asked for.
  Json family(std::size_t f) {
    const auto row = static_cast<std::uint64_t>(std::max(0, trained_.family(families_[f])));
    const std::string name = families_[f].empty() ? "samples" : families_[f];
    const auto known = find_geology_family(name);
    const std::string folder = known ? openfwi_name(*known) : name;
    Json files = Json::array();
    for (Index begin = 0, number = 1; begin < o_.count; begin += maps_a_file, ++number) {
      const Index count = std::min(maps_a_file, o_.count - begin);
      std::vector<float> all;
      for (Index k = 0; k < count; k += maps_a_slice) {
        const Index some = std::min(maps_a_slice, count - k);
        const std::uint64_t first = row << 40 | static_cast<std::uint64_t>(begin + k);
        std::vector<float> maps =
            trained_.models(s_, sampler_, o_.seed, first, some, trained_.family(families_[f]), size_);
        if (source_.at("snap").get<bool>()) snap_layers(s_, maps, size_ * size_);
        all.insert(all.end(), maps.begin(), maps.end());
        if (!o_.seismic) report(name, some, begin + k + some);
      }
      const std::string model = folder + "/model/model" + std::to_string(number) + ".npy";
      make_directories(std::filesystem::path(o_.directory + "/" + model).parent_path().string());
      write_npy(o_.directory + "/" + model, {count, 1, size_, size_}, all.data());
      Json entry{{"model", model},
                 {"first_index", row << 40 | static_cast<std::uint64_t>(begin)},
                 {"count", count},
                 {"sha256", sha256_file(o_.directory + "/" + model)}};
      if (o_.seismic)
        entry["data"] = seismic(name, folder + "/data/data" + std::to_string(number) + ".npy", all, begin);
      if (begin == 0)
        first_.emplace_back(name,
                            std::vector<float>(all.begin(), all.begin() + std::min<Index>(10, count) * size_ * size_));
      files.push_back(entry);
    }
    return {{"family", name}, {"folder", folder}, {"evidence", "learnt"}, {"count", o_.count}, {"files", files}};
  }
  std::string seismic(const std::string& name, const std::string& path, const std::vector<float>& maps, Index begin) {
    make_directories(std::filesystem::path(o_.directory + "/" + path).parent_path().string());
    const Index points = size_ * size_, count = static_cast<Index>(maps.size()) / points;
    const Buffer<float> vp = to_device(s_, maps);
    AtomicFile file(o_.directory + "/" + path);
    file.write(npy_header<float>(pairs_->shape(count)));
    for (Index k = 0; k < count; k += pairs_->slice()) {
      const Index some = std::min(pairs_->slice(), count - k);
      pairs_->write(s_, vp.data() + k * points, some, file);
      report(name, some, begin + k + some);
    }
    file.commit();
    return path;
  }
  void report(const std::string& name, Index, Index done) const {
    if (o_.progress) o_.progress(name, done, o_.count);
    if (o_.stop != nullptr && o_.stop->load() != 0) {
      throw Error(ErrorCode::stopped, "stopped by a signal; the set in " + o_.directory + " is incomplete");
    }
  }
  void contact_sheet() const {
    constexpr double cell = 112, gap = 6, label = 110;
    Drawing d(label + 10 * (cell + gap), static_cast<double>(first_.size()) * (cell + gap) + gap);
    const Index n = size_ * size_;
    for (std::size_t r = 0; r < first_.size(); ++r) {
      const double y = gap + static_cast<double>(r) * (cell + gap);
      d.text({8, y + cell / 2}, first_[r].first, 12);
      for (Index k = 0; k * n < static_cast<Index>(first_[r].second.size()); ++k) {
        d.image({label + static_cast<double>(k) * (cell + gap), y, cell, cell},
                colorize(first_[r].second.data() + k * n, size_, size_, Colormap::viridis, 1500, 4500), false);
      }
    }
    write_png(o_.contact_sheet, d.raster(1), {{"Software", "terrane " + version_string()}});
  }

  Stream& s_;
  const GeologySetOptions& o_;
  const Json& source_;
  TrainedGenerator trained_;
  SamplerOptions sampler_;
  Index size_ = 70;
  std::vector<std::string> families_;
  std::unique_ptr<OpenFwiPairs> pairs_;
  std::vector<std::pair<std::string, std::vector<float>>> first_;
};

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
    SampleWriter writer(s, c, o);
    event.iterations = writer.total();
    manifest = writer.write();
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

Forecast forecast_generate(const Config& config) {
  GeologySetOptions o = options_of(config.json());
  if (learnt(config.json())) {
    const TrainedGenerator trained = read_trained_generator(directory_of(config.json().at("source")));
    const Json& families = config.json().at("source").at("families");
    o.families = families.is_null() ? trained.generator.families : families.get<std::vector<std::string>>();
    if (o.families.empty()) o.families = {"samples"};
    o.size = trained.size;
  }
  const double pixels = static_cast<double>(o.size) * static_cast<double>(o.size);
  double bytes = 0;
  for (const std::string& family : o.families) {
    const double map = (family == layered_faulted_name ? 3 : 1) * pixels * 4 + (o.seismic ? 5.0 * 1000 * 70 * 4 : 0);
    bytes += map * static_cast<double>(o.count);
  }
  Forecast f;
  char line[160];
  std::snprintf(line, sizeof line, "generate: %zu families of %lld maps", o.families.size(),
                static_cast<long long>(o.count));
  f.lines.emplace_back(line);
  std::snprintf(line, sizeof line, "disk: about %.3f GB", bytes / 1e9);
  f.lines.emplace_back(line);
  f.json = {{"task", "generate"}, {"disk_bytes", static_cast<Index>(bytes)}, {"lines", f.lines}, {"fits", true}};
  return f;
}

}  // namespace terrane
