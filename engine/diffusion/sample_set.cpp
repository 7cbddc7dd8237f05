// SPDX-License-Identifier: MIT
#include "engine/diffusion/sample_set.hpp"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>

#include "engine/contact_sheet.hpp"
#include "engine/diffusion/snap.hpp"
#include "engine/io/file.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/png.hpp"
#include "engine/io/sha256.hpp"
#include "engine/json_value.hpp"
#include "engine/openfwi_pairs.hpp"
#include "engine/version.hpp"
#include "physics/geology/openfwi.hpp"

namespace terrane {
namespace {

constexpr Index maps_a_slice = 125;

class SampleWriter {
 public:
  SampleWriter(Stream& s, const SampleSource& source, const GeologySetOptions& o) : s_(s), source_(source), o_(o) {
    if (o_.seismic) OpenFwiPairs::check_size(source_.size);
    if (o_.seismic) pairs_ = std::make_unique<OpenFwiPairs>(s);
  }

  Json family(const std::string& family) {
    const int row = source_.trained.family(family);
    const auto base = static_cast<std::uint64_t>(std::max(0, row)) << 40;
    const std::string name = family.empty() ? "samples" : family;
    const auto known = find_geology_family(name);
    const std::string folder = known ? openfwi_name(*known) : name;
    Json files = Json::array();
    for (Index begin = 0, number = 1; begin < o_.count; begin += geology_file_maps, ++number) {
      const Index count = std::min(geology_file_maps, o_.count - begin);
      const std::vector<float> maps = draw(name, row, base, begin, count);
      const std::string model = folder + "/model/model" + std::to_string(number) + ".npy";
      make_directories(std::filesystem::path(o_.directory + "/" + model).parent_path().string());
      write_npy(o_.directory + "/" + model, {count, 1, source_.size, source_.size}, maps.data());
      Json entry{{"model", model},
                 {"first_index", base | static_cast<std::uint64_t>(begin)},
                 {"count", count},
                 {"sha256", sha256_file(o_.directory + "/" + model)}};
      if (o_.seismic) {
        const std::string data = folder + "/data/data" + std::to_string(number) + ".npy";
        Index done = begin;
        pairs_->write_file(s_, maps, o_.directory + "/" + data,
                           [&](Index some) { report_maps(o_, name, done += some); });
        entry["data"] = data;
      }
      if (begin == 0) {
        const Index shown = std::min(contact_columns, count) * points();
        rows_.push_back({name, source_.size, source_.size, {maps.begin(), maps.begin() + shown}});
      }
      files.push_back(entry);
    }
    return {{"family", name}, {"folder", folder}, {"evidence", "learnt"}, {"count", o_.count}, {"files", files}};
  }
  const std::vector<ContactRow>& rows() const { return rows_; }

 private:
  Index points() const { return source_.size * source_.size; }
  // Samples begin, begin + 1, ... of a family whose first number is `base`.
  std::vector<float> draw(const std::string& name, int row, std::uint64_t base, Index begin, Index count) {
    std::vector<float> all;
    for (Index k = 0; k < count; k += maps_a_slice) {
      const Index some = std::min(maps_a_slice, count - k);
      std::vector<float> maps =
          source_.trained.models(s_, source_.sampler, o_.seed, base | static_cast<std::uint64_t>(begin + k), some, row,
                                 source_.size, source_.told);
      if (source_.ascending) sort_downwards(s_, maps, points(), source_.size);
      if (source_.snap) {
        snap_layers(s_, maps, points(), source_.size,
                    {.penalty_mps2 = source_.snap_penalty, .least_rows = source_.snap_rows});
      }
      all.insert(all.end(), maps.begin(), maps.end());
      if (!o_.seismic) report_maps(o_, name, begin + k + some);
    }
    return all;
  }
  Stream& s_;
  const SampleSource& source_;
  const GeologySetOptions& o_;
  std::unique_ptr<OpenFwiPairs> pairs_;
  std::vector<ContactRow> rows_;
};

}  // namespace

SampleSource read_sample_source(const Json& source) {
  const std::string path = source.at("path");
  SampleSource r{.path = path, .trained = read_trained_generator(path)};
  r.wells = source.at("wells");
  r.reflectivity = source.at("reflectivity");
  const ModelConditions given = conditions_of_source(source, r.trained.conditions);
  if (!given.wells.empty() || !given.reflectivity.empty())
    r.told.values = condition_values(r.trained.conditions, given);
  r.told.wells = well_points(given.wells, r.trained.conditions.size);
  r.told.well_fit.steps = source.at("well_steps");
  r.told.well_fit.penalty = source.at("well_penalty");
  r.sampler = r.trained.sampler;
  r.sampler_name = source.at("sampler").is_null() ? "as trained" : source.at("sampler").get<std::string>();
  if (!source.at("sampler").is_null()) r.sampler.kind = sampler_of(r.sampler_name);
  if (!source.at("sampler_steps").is_null()) r.sampler.steps = source.at("sampler_steps");
  if (!source.at("guidance").is_null()) r.sampler.guidance = source.at("guidance");
  check_sampler(r.sampler, r.trained.generator.process);
  r.size = source.at("size").is_null() ? r.trained.size : source.at("size").get<Index>();
  r.families = r.trained.generator.families;
  if (!source.at("families").is_null()) r.families = source.at("families").get<std::vector<std::string>>();
  for (const std::string& f : r.families) r.trained.family(f);
  if (r.families.empty()) r.families = {""};
  r.snap = source.at("snap");
  r.snap_rows = source.at("snap_rows");
  r.snap_penalty = source.at("snap_penalty");
  r.ascending = source.at("ascending");
  return r;
}

Json write_sample_set(Stream& s, const SampleSource& source, const GeologySetOptions& o) {
  SampleWriter writer(s, source, o);
  Json manifest{{"schema_version", 1},
                {"terrane", version_string()},
                {"layout", "openfwi"},
                {"generator", source.path},
                {"generator_sha256", sha256_file(source.path)},
                {"seed", o.seed},
                {"count", o.count},
                {"size", source.size},
                {"sampler", source.sampler_name},
                {"sampler_steps", source.sampler.steps},
                {"guidance", source.sampler.guidance},
                {"snapped", source.snap},
                {"snap_rows", source.snap_rows},
                {"snap_penalty", source.snap_penalty},
                {"ascending", source.ascending},
                {"wells", source.wells},
                {"well_steps", source.told.well_fit.steps},
                {"well_penalty", source.told.well_fit.penalty},
                {"reflectivity", source.reflectivity},
                {"property", "vp"},
                {"unit", "m/s"},
                {"seismic", o.seismic ? OpenFwiPairs::description() : Json(nullptr)}};
  for (const std::string& family : source.families) manifest["families"].push_back(writer.family(family));
  if (!o.contact_sheet.empty()) {
    write_png(o.contact_sheet, contact_sheet(writer.rows()).raster(1), {{"Software", "terrane " + version_string()}});
  }
  write_file_atomic(o.directory + "/manifest.json", manifest.dump(2) + "\n");
  return manifest;
}

}  // namespace terrane
