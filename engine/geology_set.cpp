// SPDX-License-Identifier: MIT
#include "engine/geology_set.hpp"

#include <algorithm>
#include <filesystem>
#include <memory>

#include "engine/contact_sheet.hpp"
#include "engine/io/file.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/png.hpp"
#include "engine/io/sha256.hpp"
#include "engine/io/text.hpp"
#include "engine/json_value.hpp"
#include "engine/openfwi_pairs.hpp"
#include "engine/registry.hpp"
#include "engine/version.hpp"
#include "kernels/geology/draw_scene.hpp"
#include "kernels/kernels.hpp"
#include "physics/geology/layered.hpp"
#include "physics/geology/openfwi.hpp"

namespace terrane {
namespace {

constexpr int area_samples = 4;
constexpr double layered_height_m = 3000, layered_max_mps = 5500;

// Maps first, first + step, ... of one file.
struct SetFile {
  std::string model, data;  // paths below the directory
  std::uint64_t first = 0, step = 1;
  Index count = 0;
  int layers = 0;
};

// The files of a family: one sequence, or one for each number of layers.
std::vector<SetFile> plan_files(const std::string& family, Index count) {
  const auto known = find_geology_family(family);
  const std::string folder = known ? openfwi_name(*known) : family;
  const std::vector<int> layers = known ? geology_layer_counts(*known) : std::vector<int>{0};
  const auto sequences = static_cast<Index>(layers.size());
  std::vector<SetFile> files;
  for (Index q = 0; q < sequences; ++q) {
    const Index maps = (count - q + sequences - 1) / sequences;
    for (Index begin = 0, k = 0; begin < maps; begin += geology_file_maps, ++k) {
      SetFile f;
      f.first = static_cast<std::uint64_t>(q + begin * sequences);
      f.step = static_cast<std::uint64_t>(sequences);
      f.count = std::min(geology_file_maps, maps - begin);
      f.layers = layers[static_cast<std::size_t>(q)];
      if (f.layers > 0) {
        const std::string tail = std::to_string(f.layers) + "_1_" + std::to_string(k) + ".npy";
        f.model = folder + "/vel" + tail;
        f.data = folder + "/seis" + tail;
      } else {
        f.model = folder + "/model/model" + std::to_string(k + 1) + ".npy";
        f.data = folder + "/data/data" + std::to_string(k + 1) + ".npy";
      }
      files.push_back(f);
    }
  }
  return files;
}

void check(const GeologySetOptions& o, const std::vector<std::string>& families) {
  if (o.count < 1) throw Error(ErrorCode::config, "count must be at least 1");
  if (o.size < 2 || o.size > 4096) throw Error(ErrorCode::config, "size must lie between 2 and 4096 pixels");
  if (o.directory.empty()) throw Error(ErrorCode::config, "an output folder is needed");
  if (o.seismic) OpenFwiPairs::check_size(o.size);
  const bool layered = std::find(families.begin(), families.end(), layered_faulted_name) != families.end();
  if (layered && (o.seismic || o.area)) {
    throw Error(ErrorCode::config, std::string(layered_faulted_name) + " has neither seismic data nor area sampling");
  }
}

// A section of layered-faulted: 9 km x 3 km with more faults than the small scenes.
std::vector<float> section(std::uint64_t seed, std::uint64_t index, Index size) {
  LayeredFaultedParams p;
  p.extent_z_m = layered_height_m;
  p.extent_x_m = 3 * layered_height_m;
  p.max_mps = layered_max_mps;
  p.min_faults = 4;
  p.max_faults = 7;
  const double cell = layered_height_m / static_cast<double>(size);
  return layered_faulted(p, seed, index, size, 3 * size, cell, cell);
}

std::vector<float> sections(const GeologySetOptions& o, std::uint64_t first, Index count) {
  std::vector<float> all;
  for (Index k = 0; k < count; ++k) {
    const auto one = section(o.seed, first + static_cast<std::uint64_t>(k), o.size);
    all.insert(all.end(), one.begin(), one.end());
  }
  return all;
}

class SetWriter {
 public:
  SetWriter(Stream& s, const GeologySetOptions& o) : s_(s), o_(o) {
    if (o_.seismic) seismic_ = std::make_unique<OpenFwiPairs>(s);
  }

  Json family(const std::string& name) {
    const auto known = find_geology_family(name);
    Json files = Json::array();
    done_ = 0;
    for (const SetFile& f : plan_files(name, o_.count)) {
      make_directories(std::filesystem::path(o_.directory + "/" + f.model).parent_path().string());
      const Index nx = known ? o_.size : 3 * o_.size;
      const std::vector<float> vp = known ? maps(*known, f) : sections(o_, f.first, f.count);
      write_npy(o_.directory + "/" + f.model, {f.count, 1, o_.size, nx}, vp.data());
      Json row = {{"model", f.model}, {"first_index", f.first}, {"index_step", f.step}, {"count", f.count}};
      if (f.layers > 0) row["layers"] = f.layers;
      row["sha256"] = sha256_file(o_.directory + "/" + f.model);
      if (seismic_ != nullptr) {
        seismic_->write_file(s_, vp, o_.directory + "/" + f.data, [&](Index maps) { report(name, maps); });
        row["data"] = f.data;
      } else {
        report(name, f.count);
      }
      files.push_back(row);
    }
    Json out = {{"family", name}, {"folder", known ? openfwi_name(*known) : name}, {"seed", o_.seed}};
    out["evidence"] = known ? std::string(geology_evidence(*known)) : "own family";
    out["count"] = o_.count;
    out["cell_m"] = (known ? geology_extent * geology_cell_m : layered_height_m) / static_cast<double>(o_.size);
    out["files"] = files;
    return out;
  }

 private:
  std::vector<float> maps(GeologyFamily family, const SetFile& f) {
    return geology_maps(s_, {family, o_.seed, f.first, f.step, f.count}, {o_.size, o_.area ? area_samples : 1, 0});
  }
  void report(const std::string& name, Index more) { report_maps(o_, name, done_ += more); }

  Stream& s_;
  const GeologySetOptions& o_;
  std::unique_ptr<OpenFwiPairs> seismic_;
  Index done_ = 0;
};

void write_contact_sheet(Stream& s, const GeologySetOptions& o, const std::vector<std::string>& families) {
  std::vector<ContactRow> rows;
  for (const std::string& name : families) {
    if (const auto family = find_geology_family(name)) {
      const Index maps = std::min(contact_columns, o.count);
      rows.push_back({name, o.size, o.size,
                      geology_maps(s, {*family, o.seed, 0, 1, maps}, {o.size, o.area ? area_samples : 1, 0}),
                      geology_min_mps, geology_max_mps});
    } else {
      const Index maps = std::min(contact_columns / 3, o.count);
      rows.push_back({name, o.size, 3 * o.size, sections(o, 0, maps), geology_min_mps, layered_max_mps});
    }
  }
  write_png(o.contact_sheet, contact_sheet(rows).raster(1), {{"Software", "terrane " + version_string()}});
}

}  // namespace

void report_maps(const GeologySetOptions& o, const std::string& family, Index done) {
  if (o.progress) o.progress(family, done, o.count);
  if (o.stop != nullptr && o.stop->load() != 0) {
    throw Error(ErrorCode::stopped, "stopped by a signal; the set in " + o.directory + " is incomplete");
  }
}

std::vector<std::string> resolve_geology_families(const std::vector<std::string>& families) {
  std::vector<std::string> names;
  const auto add = [&](const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  for (const std::string& word : families) {
    if (word == "all") {
      for (const std::string& name : geology_family_names()) add(name);
    } else if (word == layered_faulted_name) {
      add(word);
    } else if (const auto family = find_geology_family(word)) {
      add(std::string(to_string(*family)));
    } else {
      std::vector<std::string> known = geology_family_names();
      known.insert(known.end(), {layered_faulted_name, "all"});
      const std::string near = nearest(word, known);
      throw Error(ErrorCode::config,
                  "unknown family \"" + word + "\"; " +
                      (near.empty() ? "families: " + join_words(known) : "did you mean \"" + near + "\"?"));
    }
  }
  if (names.empty()) throw Error(ErrorCode::config, "a family is needed: --family NAME[,NAME...] or all");
  return names;
}

nlohmann::ordered_json write_geology_set(Stream& s, const GeologySetOptions& o) {
  const std::vector<std::string> families = resolve_geology_families(o.families);
  check(o, families);
  make_directories(o.directory);
  SetWriter writer(s, o);
  Json manifest = {{"schema_version", 1},
                   {"terrane", version_string()},
                   {"layout", "openfwi"},
                   {"seed", o.seed},
                   {"count", o.count},
                   {"size", o.size},
                   {"sampling", o.area ? "area" : "point"},
                   {"samples_a_pixel", o.area ? area_samples * area_samples : 1},
                   {"property", "vp"},
                   {"unit", "m/s"}};
  if (o.seismic) {
    manifest["seismic"] = OpenFwiPairs::description();
  } else {
    manifest["seismic"] = nullptr;
  }
  manifest["families"] = Json::array();
  for (const std::string& name : families) manifest["families"].push_back(writer.family(name));
  if (!o.contact_sheet.empty()) write_contact_sheet(s, o, families);
  write_file_atomic(o.directory + "/manifest.json", manifest.dump(2) + "\n");
  return manifest;
}

}  // namespace terrane
