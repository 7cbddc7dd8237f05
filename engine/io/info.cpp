// SPDX-License-Identifier: MIT
#include "engine/io/info.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <span>

#include "engine/checkpoint.hpp"
#include "engine/compression/latent_file.hpp"
#include "engine/io/bert.hpp"
#include "engine/io/dc_data.hpp"
#include "engine/io/dc_info.hpp"
#include "engine/io/file.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/npz.hpp"
#include "engine/io/picks.hpp"
#include "engine/io/png.hpp"
#include "engine/io/safetensors.hpp"
#include "engine/json_value.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

namespace fs = std::filesystem;

constexpr Index scan_limit_bytes = Index{2} << 30;
constexpr Index text_limit_bytes = Index{1} << 30;

struct ArrayStatistics {
  double min = 0, max = 0, mean = 0, rms = 0;
  Index count = 0, finite = 0, nan = 0, inf = 0, zeros = 0;
};

template <class T>
ArrayStatistics statistics(std::span<const T> values) {
  ArrayStatistics s;
  double sum = 0, squares = 0;
  for (const T raw : values) {
    const auto v = static_cast<double>(raw);
    ++s.count;
    s.nan += std::isnan(v) ? 1 : 0;
    s.inf += std::isinf(v) ? 1 : 0;
    if (!std::isfinite(v)) continue;
    s.min = s.finite == 0 ? v : std::min(s.min, v);
    s.max = s.finite == 0 ? v : std::max(s.max, v);
    s.zeros += v == 0 ? 1 : 0;
    ++s.finite;
    sum += v;
    squares += v * v;
  }
  if (s.finite > 0) {
    s.mean = sum / static_cast<double>(s.finite);
    s.rms = std::sqrt(squares / static_cast<double>(s.finite));
  }
  return s;
}

Json finite_or_null(double x) { return std::isfinite(x) ? Json(x) : Json(nullptr); }

Json to_json(const ArrayStatistics& s) {
  const bool any = s.finite > 0;
  const auto value = [&](double x) { return any ? finite_or_null(x) : Json(nullptr); };
  return {{"min", value(s.min)}, {"max", value(s.max)}, {"mean", value(s.mean)}, {"rms", value(s.rms)},
          {"nan", s.nan},        {"inf", s.inf},        {"zeros", s.zeros}};
}

void common_suspicions(const ArrayStatistics& s, const std::string& what, Json& list) {
  if (s.count == 0) list.push_back(what + " is empty");
  if (s.nan > 0) list.push_back(what + " holds " + std::to_string(s.nan) + " NaN");
  if (s.inf > 0) list.push_back(what + " holds " + std::to_string(s.inf) + " infinite values");
  if (s.finite > 0 && s.zeros == s.finite) {
    list.push_back(what + " is zero everywhere");
  } else if (s.finite > 1 && s.min == s.max) {
    list.push_back(what + " is constant");
  }
}

// Reading floats in the wrong byte order gives exponents all over the range, most far from 1. True if the values look
// like that and their byte-swapped twins do not.
template <class T, class U>
bool looks_swapped(std::span<const T> values) {
  const auto extreme = [](T v) {
    const double a = std::fabs(static_cast<double>(v));
    return a != 0 && (!std::isfinite(a) || a > 1e15 || a < 1e-25);
  };
  Index now = 0, swapped = 0, n = 0;
  const std::size_t step = std::max<std::size_t>(1, values.size() / 100000);
  for (std::size_t i = 0; i < values.size(); i += step) {
    if (values[i] == 0) continue;
    U bits = std::bit_cast<U>(values[i]), other = 0;
    for (std::size_t b = 0; b < sizeof(U); ++b, bits >>= 8) other = static_cast<U>(other << 8 | (bits & 0xff));
    ++n;
    now += extreme(values[i]) ? 1 : 0;
    swapped += extreme(std::bit_cast<T>(other)) ? 1 : 0;
  }
  return n > 8 && now > n / 4 && swapped * 20 < n;
}

Index dead_traces(const std::vector<double>& values, Index samples) {
  Index dead = 0;
  for (Index t = 0; t * samples < static_cast<Index>(values.size()); ++t) {
    const auto begin = values.begin() + t * samples;
    dead += std::all_of(begin, begin + samples, [](double v) { return v == 0; }) ? 1 : 0;
  }
  return dead;
}

// What a 2-D map may be, judged by its range.
void unit_suspicions(const ArrayStatistics& s, bool unit_known, Json& list) {
  if (s.finite == 0 || unit_known) return;
  if (s.min > 0.2 && s.max < 12 && s.max > 1.2 * s.min) {
    list.push_back("values from 0.2 to 12: if these are velocities they are in km/s, m/s are expected");
  } else if (s.min < 0 && s.max > 300) {
    list.push_back("some values are negative: no velocities, or a fill value");
  }
}

void sidecar(const std::string& path, Json& out) {
  const std::string name = fs::path(path).replace_extension(".json").string();
  if (!fs::exists(name)) return;
  const Json side = Json::parse(read_file(name), nullptr, false, true);
  if (!side.is_object()) return;
  for (const char* key : {"property", "unit", "spacing_m", "origin_m", "axes"}) {
    if (side.contains(key)) out[key] = side[key];
  }
}

Json npy(const std::string& path, bool verbose) {
  const NpyInfo info = npy_info(path);
  Json out = {{"format", "npy"},
              {"shape", info.shape},
              {"dtype", info.dtype()},
              {"order", info.fortran_order ? "fortran" : "c"},
              {"byte_order", info.item_bytes == 1 ? "none"
                             : info.big_endian    ? "big"
                                                  : "little"}};
  if (info.shape.size() == 2) out["axes"] = "zx";
  if (info.shape.size() == 3) out["axes"] = "shot, receiver, time (or z, y, x)";
  if (verbose) out["data_offset"] = info.data_offset;
  sidecar(path, out);
  Json suspicious = Json::array();
  if (info.count * info.item_bytes > scan_limit_bytes && !verbose) {
    out["values"] = nullptr;
    suspicious.push_back("the values were not read (above 2 GiB); -v reads them");
  } else {
    const NdArray<double> a = read_npy<double>(path);
    const ArrayStatistics s = statistics(std::span<const double>(a.values));
    out["values"] = to_json(s);
    common_suspicions(s, "the array", suspicious);
    if (info.shape.size() == 3 && info.shape[2] > 1 && s.zeros < s.finite) {
      const Index dead = dead_traces(a.values, info.shape[2]);
      out["dead_traces"] = dead;
      if (dead > 0) suspicious.push_back(std::to_string(dead) + " traces are zero throughout");
    }
    if (info.shape.size() == 2) unit_suspicions(s, out.contains("unit"), suspicious);
    bool swapped = false;
    if (info.kind == 'f' && info.item_bytes == 8) {
      swapped = looks_swapped<double, std::uint64_t>(a.values);
    } else if (info.kind == 'f') {
      const std::vector<float> f(a.values.begin(), a.values.end());
      swapped = looks_swapped<float, std::uint32_t>(f);
    }
    if (swapped) suspicious.push_back("the byte order looks wrong: swapped, the values would be plausible");
  }
  out["suspicious"] = suspicious;
  return out;
}

Json safetensors(const std::string& path, bool verbose) {
  const SafetensorsInfo info = safetensors_info(path);
  Json out = {{"format", "safetensors"}, {"tensors", Json::array()}}, suspicious = Json::array();
  Index weights = 0;
  for (const SafetensorsEntry& e : info.entries) {
    Index count = 1;
    for (const Index n : e.shape) count *= n;
    weights += count;
    out["tensors"].push_back({{"name", e.name}, {"dtype", e.dtype}, {"shape", e.shape}});
  }
  out["value_count"] = weights;
  if (verbose || info.metadata.size() <= 12) out["metadata"] = info.metadata;
  const Safetensors file = read_safetensors(path);
  for (std::size_t i = 0; i < info.entries.size(); ++i) {
    const std::string& name = info.entries[i].name;
    std::visit(
        [&]<class T>(const std::vector<T>& v) {
          const ArrayStatistics s = statistics(std::span<const T>(v));
          if (s.nan > 0 || s.inf > 0) common_suspicions(s, "tensor " + name, suspicious);
          if (verbose) out["tensors"][i]["values"] = to_json(s);
        },
        file.tensors.at(name).values);
  }
  out["suspicious"] = suspicious;
  return out;
}

Json npz(const std::string& path, bool verbose) {
  const std::vector<NpzEntry> entries = npz_info(path);
  const TensorMap tensors = read_npz_tensors(path);
  Json out = {{"format", "npz"}, {"arrays", Json::array()}}, suspicious = Json::array();
  Index count = 0;
  for (const NpzEntry& e : entries) {
    count += e.info.count;
    Json row = {{"name", e.name}, {"dtype", e.info.dtype()}, {"shape", e.info.shape}};
    std::visit(
        [&]<class T>(const std::vector<T>& v) {
          const ArrayStatistics s = statistics(std::span<const T>(v));
          if (s.nan > 0 || s.inf > 0) common_suspicions(s, "array " + e.name, suspicious);
          if (verbose) row["values"] = to_json(s);
        },
        tensors.at(e.name).values);
    if (verbose) row["compression"] = e.deflated ? "deflate" : "none";
    out["arrays"].push_back(row);
  }
  out["value_count"] = count;
  if (entries.empty()) suspicious.push_back("the archive is empty");
  out["suspicious"] = suspicious;
  return out;
}

Json latent(const std::string& path, bool verbose) {
  const LatentFile f = read_latent_file(path);
  const bool siren = f.codec == LatentCodec::siren;
  std::vector<Index> shape{f.shape[0], f.shape[1], f.shape[2]};
  if (f.shape[1] == 1) shape = {f.shape[0], f.shape[2]};
  Json out = {{"format", "lat"}, {"codec", siren ? "siren" : "lossless"}, {"count", f.count}, {"shape", shape}};
  if (siren) {
    char id[17];
    std::snprintf(id, sizeof id, "%016llx", static_cast<unsigned long long>(f.decoder));
    out["code_length"] = f.length;
    out["code_bits"] = f.bits;
    if (f.samples > 1) out["supersample"] = f.samples;
    out["decoder"] = id;
  } else {
    out["error_bound"] = f.bound;
    out["models_per_block"] = f.length;
  }
  out["bytes_per_model"] = static_cast<double>(file_bytes(path)) / static_cast<double>(f.count);
  if (verbose) {
    out["stream_bytes"] = Json::array();
    for (const std::string& s : f.streams) out["stream_bytes"].push_back(s.size());
  }
  out["suspicious"] = Json::array();
  return out;
}

Json axis_ranges(const PointList& list) {
  Json ranges = Json::object();
  for (const std::string& axis : list.axes) {
    std::vector<double> values;
    for (const auto& p : list.position_m) values.push_back(p[static_cast<std::size_t>(axis[0] - 'x')]);
    ranges[axis] = finite_range(values);
  }
  return ranges;
}

void pick_facts(const SensorTable& table, const std::string& path, Json& out, Json& suspicious) {
  try {
    const PickFile picks = picks_of(table, path);
    out["sources"] = picks.survey.sources.size();
    out["receivers"] = picks.survey.receivers.size();
    out["picks"] = picks.time_s.size();
    out["time_s"] = finite_range(picks.time_s);
    out["std_s"] = finite_range(picks.std_s);
    const double velocity = median_velocity_mps(picks);
    out["median_velocity_mps"] = finite_or_null(velocity);
    out["notes"] = picks.notes;
    // No soil is this slow, no solid this fast (radar waves are); a wrong prefix of a unit is a factor 1000.
    if (!(velocity >= 50 && velocity <= 2e4)) {
      char text[32];
      std::snprintf(text, sizeof text, "%.3g", velocity);
      suspicious.push_back(std::string("distance over time is ") + text +
                           " m/s: look at the units of the times and positions");
    }
  } catch (const Error& e) {
    suspicious.push_back(e.message());
  }
}

// The unified-data container: picks if it has times, any other data else.
Json sensor_table(const std::string& path, const std::string& bytes, bool verbose) {
  const SensorTable table = parse_sensor_table(bytes, path);
  const bool picks = table.find("t") >= 0 && table.find("s") >= 0 && table.find("g") >= 0;
  Json out = {{"format", picks ? "sgt" : "bert"},
              {"sensors", table.sensors.position_m.size()},
              {"positions_m", axis_ranges(table.sensors)},
              {"data", table.data},
              {"columns", table.columns}};
  Json suspicious = Json::array();
  if (table.data == 0) suspicious.push_back("the file holds sensors, but no data");
  if (!table.topography.position_m.empty()) out["topography_points"] = table.topography.position_m.size();
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    const ArrayStatistics s = statistics(std::span<const double>(table.values[c]));
    if (s.nan > 0 || s.inf > 0) common_suspicions(s, "column " + table.columns[c], suspicious);
    if (verbose) out["values"][table.columns[c]] = to_json(s);
  }
  if (picks) pick_facts(table, path, out, suspicious);
  if (!picks && table.data > 0) dc_facts(bytes, path, out, suspicious);
  out["suspicious"] = suspicious;
  return out;
}

Json png(const std::string& path) {
  const PngInfo info = png_info(path);
  Json out = {{"format", "png"}, {"height", info.height}, {"width", info.width}, {"bit_depth", info.bit_depth}};
  Json text = Json::object();
  for (const auto& [key, value] : info.text) text[key] = value;
  out["text"] = text;
  out["suspicious"] = Json::array();
  return out;
}

Json json(const std::string& path, const std::string& bytes) {
  const Json value = Json::parse(bytes, nullptr, false, true);
  if (value.is_discarded()) {
    throw Error(ErrorCode::data, "the file begins like JSON but is not valid JSON; terrane check names the place",
                path);
  }
  Json out = {{"format", "json"}};
  if (value.is_object() && value.contains("task") && value.contains("grid")) {
    out["format"] = "config";
    for (const char* key : {"task", "name", "seed", "grid"}) {
      if (value.contains(key)) out[key] = value[key];
    }
  } else if (value.is_object() && value.contains("exit_code")) {
    out["format"] = "result";
    for (const char* key : {"status", "task", "name", "iterations"}) {
      if (value.contains(key)) out[key] = value[key];
    }
  } else if (value.is_object()) {
    out["keys"] = Json::array();
    for (const auto& item : value.items()) out["keys"].push_back(item.key());
  }
  out["suspicious"] = Json::array();
  return out;
}

Json parsed(const std::string& path) {
  if (!fs::exists(path)) return nullptr;
  const Json value = Json::parse(read_file(path), nullptr, false, true);
  return value.is_discarded() ? Json(nullptr) : value;
}

Json directory(const std::string& path, bool verbose) {
  const Json result = parsed(path + "/result.json"), resolved = parsed(path + "/resolved.json");
  const std::vector<Index> checkpoints = list_checkpoints(path);
  if (result.is_null() && resolved.is_null() && checkpoints.empty() && !fs::exists(path + "/model.npy")) {
    throw Error(ErrorCode::data, "this directory holds no run (no resolved.json, result.json or model.npy)", path);
  }
  Json out = {{"format", "run"}}, suspicious = Json::array();
  for (const char* key : {"name", "task"}) {
    if (resolved.is_object() && resolved.contains(key)) out[key] = resolved[key];
  }
  out["ended"] = result.is_object();
  if (result.is_object()) {
    for (const char* key : {"status", "stop_reason", "iterations", "misfit", "model_error", "time", "version"}) {
      if (result.contains(key)) out[key] = result[key];
    }
    if (result.contains("warnings") && result["warnings"].is_array() && !result["warnings"].empty()) {
      suspicious.push_back(std::to_string(result["warnings"].size()) + " warnings in result.json");
    }
  } else {
    suspicious.push_back(checkpoints.empty() ? "the run has not ended and has no checkpoint"
                                             : "the run has not ended; terrane resume goes on from its checkpoint");
  }
  out["checkpoints"] = checkpoints;
  for (const Index iteration : checkpoints) {
    try {
      if (verbose) load_checkpoint(path, iteration);
    } catch (const Error& e) {
      suspicious.push_back("checkpoint " + std::to_string(iteration) + " is damaged: " + e.message());
    }
  }
  if (fs::exists(path + "/model.npy")) {
    Json model = npy(path + "/model.npy", verbose);
    for (const Json& s : model["suspicious"]) suspicious.push_back("model.npy: " + s.get<std::string>());
    model.erase("suspicious");
    out["model"] = model;
  }
  Json files = Json::array();
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    if (name[0] != '.') files.push_back(name);
  }
  out["files"] = files;
  out["suspicious"] = suspicious;
  return out;
}

Json by_content(const std::string& path, bool verbose) {
  const Index size = file_bytes(path);
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ErrorCode::data, "cannot open the file; check its permissions", path);
  std::string start(16, '\0');
  file.read(start.data(), 16);
  start.resize(static_cast<std::size_t>(file.gcount()));
  if (start.empty()) throw Error(ErrorCode::data, "the file is empty", path);
  if (start.rfind("\x93NUMPY", 0) == 0) return npy(path, verbose);
  if (start.rfind("\x89PNG", 0) == 0) return png(path);
  if (start.size() > 9 && start[8] == '{' && start[7] == '\0' && start[6] == '\0') return safetensors(path, verbose);
  if (start.rfind("PK\x03\x04", 0) == 0 || start.rfind("PK\x05\x06", 0) == 0) return npz(path, verbose);
  if (start.rfind("\x80\x02", 0) == 0) {
    throw Error(ErrorCode::data, "this is a pickle, which is not read; save arrays with numpy.save", path);
  }
  if (looks_like_latent(start)) return latent(path, verbose);
  const std::size_t first = start.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  if (first != std::string::npos && (start[first] == '{' || start[first] == '[' || start[first] == '/') &&
      size < (Index{64} << 20)) {
    return json(path, read_file(path));
  }
  if (first != std::string::npos && start.find('\0') == std::string::npos && size < text_limit_bytes) {
    const std::string bytes = read_file(path);
    const Json survey = dc_or_ubc_info(bytes, path);
    if (!survey.is_null()) return survey;
    if ((start[first] == '#' || (start[first] >= '0' && start[first] <= '9')) && looks_like_sensor_table(bytes)) {
      return sensor_table(path, bytes, verbose);
    }
  }
  throw Error(
      ErrorCode::data,
      "unknown format (NPY, NPZ, safetensors, PNG, picks and other lists of sensors and data, DC surveys, UBC-GIF "
      "meshes and models, JSON and run directories are known)",
      path);
}

}  // namespace

nlohmann::ordered_json file_info(const std::string& path, bool verbose) {
  std::error_code ignored;
  Json out = {{"path", path}};
  if (fs::is_directory(path, ignored)) {
    out.update(directory(path, verbose));
    return out;
  }
  const Json content = by_content(path, verbose);
  out["format"] = content["format"];
  out["bytes"] = file_bytes(path);
  out.update(content);
  return out;
}

}  // namespace terrane
