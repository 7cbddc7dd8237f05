// SPDX-License-Identifier: MIT
#include "engine/evaluation/map_folder.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "engine/io/npy.hpp"
#include "kernels/runtime/error.hpp"
#include "physics/geology/openfwi.hpp"

namespace terrane {
namespace {

namespace fs = std::filesystem;

// Arrays directly in a folder, without data (seismic), shortest names first: model2 before model10.
std::vector<std::string> arrays_in(const fs::path& folder) {
  std::vector<std::string> files;
  if (!fs::is_directory(folder)) return files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const bool data = name.rfind("data", 0) == 0 || name.rfind("seis", 0) == 0;
    if (entry.is_regular_file() && entry.path().extension() == ".npy" && !data) files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end(), [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  });
  return files;
}

// flat-vel-a of FlatVel_A; other names as they are.
std::string family_of(const std::string& folder) {
  for (const std::string& name : geology_family_names()) {
    if (openfwi_name(*find_geology_family(name)) == folder) return name;
  }
  return folder;
}

void append(const std::string& path, Index most, ModelSet& set) {
  const NpyInfo info = npy_info(path);
  const std::size_t rank = info.shape.size();
  if (rank != 3 && !(rank == 4 && info.shape[1] == 1)) {
    throw Error(ErrorCode::data,
                "an array of shape " + shape_text(info.shape) + " holds no maps; (n, nz, nx) or (n, 1, nz, nx) does",
                path);
  }
  const std::array<Index, 3> extent{info.shape[rank - 2], 1, info.shape[rank - 1]};
  if (set.values.empty()) set.extent = extent;
  if (set.extent != extent) {
    throw Error(ErrorCode::data,
                "maps of " + std::to_string(extent[0]) + " x " + std::to_string(extent[2]) +
                    " pixels beside others of " + std::to_string(set.extent[0]) + " x " + std::to_string(set.extent[2]),
                path);
  }
  const NdArray<float> a = read_npy_part<float>(path, 0, std::min(info.shape[0], most - set.count()));
  const auto bad = std::find_if(a.values.begin(), a.values.end(), [](float v) { return !std::isfinite(v); });
  if (bad != a.values.end()) {
    throw Error(ErrorCode::data,
                "map " + std::to_string((bad - a.values.begin()) / set.points()) + " holds NaN or infinity", path);
  }
  set.values.insert(set.values.end(), a.values.begin(), a.values.end());
}

}  // namespace

std::vector<NamedMaps> list_map_folder(const std::string& path) {
  const fs::path root(path);
  std::vector<NamedMaps> sets;
  if (fs::is_regular_file(root)) return {{root.stem().string(), {path}, {}}};
  if (!fs::is_directory(root)) throw Error(ErrorCode::data, "there is no such file or directory", path);
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(root)) {
    if (entry.is_directory()) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  for (const fs::path& folder : folders) {
    std::vector<std::string> files = arrays_in(folder / "model");
    if (files.empty()) files = arrays_in(folder);
    if (!files.empty()) sets.push_back({family_of(folder.filename().string()), std::move(files), {}});
  }
  if (sets.empty()) {
    const fs::path whole = root.filename().empty() ? root.parent_path() : root;
    std::vector<std::string> files = arrays_in(root / "model");
    if (files.empty()) files = arrays_in(root);
    if (!files.empty()) sets.push_back({family_of(whole.filename().string()), std::move(files), {}});
  }
  if (sets.empty()) {
    throw Error(ErrorCode::data, "holds no maps: NAME/model/*.npy, NAME/*.npy and *.npy were looked for", path);
  }
  return sets;
}

std::vector<NamedMaps> read_map_folder(const std::string& path, Index most) {
  std::vector<NamedMaps> sets = list_map_folder(path);
  for (NamedMaps& set : sets) {
    std::size_t read = 0;
    for (; read < set.files.size() && (read == 0 || set.maps.count() < most); ++read) {
      append(set.files[read], most, set.maps);
    }
    set.files.resize(read);
  }
  return sets;
}

}  // namespace terrane
