// SPDX-License-Identifier: MIT
#include "engine/checkpoint.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "engine/io/file.hpp"
#include "engine/io/sha256.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

namespace fs = std::filesystem;
using SortedJson = nlohmann::json;

constexpr const char* state_name = "state.safetensors";
constexpr const char* meta_name = "meta.json";

std::string folder_of(const std::string& directory) { return directory + "/checkpoint"; }

std::string iteration_name(Index iteration) {
  std::string digits = std::to_string(iteration);
  return std::string(digits.size() < 6 ? 6 - digits.size() : 0, '0') + digits;
}

bool all_digits(const std::string& text) {
  return !text.empty() && text.size() <= 18 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

void remove_leftovers(const std::string& folder) {
  std::error_code ignored;
  std::vector<fs::path> leftovers;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().filename().string().find(".tmp.") != std::string::npos) leftovers.push_back(entry.path());
  }
  for (const fs::path& path : leftovers) fs::remove_all(path, ignored);
}

void rename_directory(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) {
    throw Error(ErrorCode::failed, "cannot rename the checkpoint: " + write_error_text(errno), to);
  }
}

// Puts `aside` in place of `target`. A directory cannot be renamed over another, so a checkpoint of the same iteration
// is exchanged with the new one in one step where the file system can, else moved away first.
void publish(const std::string& aside, const std::string& target) {
  if (!fs::exists(target)) return rename_directory(aside, target);
  if (::renameat2(AT_FDCWD, aside.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) == 0) return;
  rename_directory(target, target + ".tmp.old");
  rename_directory(aside, target);
}

void write_content(const std::string& path, const CheckpointState& state) {
  const std::string file = path + "/" + state_name;
  const std::string hash = write_safetensors(file, state.tensors);
  const SortedJson content = {{"iteration", state.iteration},
                              {"files", {{state_name, {{"bytes", file_bytes(file)}, {"sha256", hash}}}}},
                              {"meta", state.meta}};
  const SortedJson meta = {{"format", "terrane-checkpoint"},
                           {"version", 1},
                           {"content", content},
                           {"content_sha256", sha256_hex(content.dump())}};
  write_file_atomic(path + "/" + meta_name, meta.dump(1) + "\n");
}

// Iteration named by `latest`, or -1.
Index read_latest(const std::string& directory) {
  const std::string path = folder_of(directory) + "/latest";
  if (!fs::exists(path)) return -1;
  std::string text = read_file(path);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return all_digits(text) ? static_cast<Index>(std::stoll(text)) : -1;
}

}  // namespace

std::string checkpoint_path(const std::string& directory, Index iteration) {
  return folder_of(directory) + "/" + iteration_name(iteration);
}

std::vector<Index> list_checkpoints(const std::string& directory) {
  std::vector<Index> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder_of(directory), ignored)) {
    const std::string name = entry.path().filename().string();
    if (all_digits(name) && entry.is_directory()) found.push_back(static_cast<Index>(std::stoll(name)));
  }
  std::sort(found.begin(), found.end());
  return found;
}

void save_checkpoint(const std::string& directory, const CheckpointState& state, Index keep,
                     const std::vector<Index>& keep_iterations) {
  const std::string folder = folder_of(directory);
  make_directories(folder);
  remove_leftovers(folder);
  const std::string target = checkpoint_path(directory, state.iteration);
  const std::string aside = target + ".tmp." + std::to_string(::getpid());
  try {
    make_directories(aside);
    write_content(aside, state);
    publish(aside, target);
    sync_directory(folder);
    write_file_atomic(folder + "/latest", iteration_name(state.iteration) + "\n");
  } catch (...) {
    std::error_code ignored;
    if (!fs::exists(target) && fs::exists(target + ".tmp.old")) fs::rename(target + ".tmp.old", target, ignored);
    fs::remove_all(aside, ignored);
    throw;
  }
  remove_leftovers(folder);
  const std::vector<Index> found = list_checkpoints(directory);
  const auto newest = static_cast<std::size_t>(std::max<Index>(keep, 1));
  for (std::size_t i = 0; i + newest < found.size(); ++i) {
    const bool listed = std::find(keep_iterations.begin(), keep_iterations.end(), found[i]) != keep_iterations.end();
    if (found[i] == state.iteration || listed) continue;
    std::error_code ignored;
    fs::remove_all(checkpoint_path(directory, found[i]), ignored);
  }
}

CheckpointState load_checkpoint(const std::string& directory, Index iteration) {
  const std::string path = checkpoint_path(directory, iteration);
  const std::string meta_path = path + "/" + meta_name;
  CheckpointState state;
  std::string hash;
  try {
    const SortedJson meta = SortedJson::parse(read_file(meta_path));
    if (meta.at("format") != "terrane-checkpoint" || meta.at("version") != 1) {
      throw Error(ErrorCode::data, "this checkpoint was written by another version", meta_path);
    }
    const SortedJson& content = meta.at("content");
    if (sha256_hex(content.dump()) != meta.at("content_sha256").get<std::string>()) {
      throw Error(ErrorCode::data, "its checksum does not match", meta_path);
    }
    state.iteration = content.at("iteration").get<Index>();
    state.meta = content.at("meta");
    hash = content.at("files").at(state_name).at("sha256").get<std::string>();
  } catch (const SortedJson::exception& e) {
    throw Error(ErrorCode::data, std::string("it is damaged (") + e.what() + ")", meta_path);
  }
  if (state.iteration != iteration) throw Error(ErrorCode::data, "it belongs to another iteration", meta_path);
  const std::string file = path + "/" + state_name;
  if (sha256_file(file) != hash) throw Error(ErrorCode::data, "its checksum does not match", file);
  state.tensors = read_safetensors(file).tensors;
  return state;
}

std::optional<CheckpointState> load_latest(const std::string& directory, const Log& log) {
  std::vector<Index> candidates = list_checkpoints(directory);
  std::reverse(candidates.begin(), candidates.end());
  if (candidates.empty()) return std::nullopt;
  const auto named = std::find(candidates.begin(), candidates.end(), read_latest(directory));
  if (named != candidates.end()) std::rotate(candidates.begin(), named, named + 1);
  for (const Index iteration : candidates) {
    try {
      return load_checkpoint(directory, iteration);
    } catch (const Error& e) {
      log.warning("checkpoint " + iteration_name(iteration) + " is passed over: " + e.message());
    }
  }
  throw Error(
      ErrorCode::data,
      "all " + std::to_string(candidates.size()) + " checkpoints are damaged; start the run again with --overwrite",
      folder_of(directory));
}

}  // namespace terrane
