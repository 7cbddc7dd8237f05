// SPDX-License-Identifier: MIT
// A folder of procedural velocity maps in the layout of the OpenFWI collection, optionally with its seismic data:
//   FlatVel_A/model/model1.npy, data/data1.npy          Vel and Style; files of 500 maps, counted from 1
//   FlatFault_A/vel4_1_0.npy, seis4_1_0.npy             Fault: number of layers, 1, file counted from 0
//   layered-faulted/model/model1.npy                    larger sections, (maps, 1, size, 3 size), 9 km x 3 km
//   manifest.json                                       what is what; written last, so a set without it is incomplete
// Models are float32 (maps, 1, z, x) in m/s, data float32 (maps, shots, time, receivers). Every map is a function of
// (family, seed, index); the manifest gives the indices of every file.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/runtime/stream.hpp"

namespace terrane {

inline constexpr const char* layered_faulted_name = "layered-faulted";

struct GeologySetOptions {
  std::vector<std::string> families;  // names of geology_family_names(), layered-faulted, or all (the ten)
  Index count = 0;                    // maps of each family
  std::uint64_t seed = 0;
  Index size = 70;            // pixels a side
  bool area = false;          // mean over each pixel (4 x 4 points) instead of its centre
  bool seismic = false;       // data of the OpenFWI operator; size 70 only
  std::string directory;      // of the caller; files of the same names are replaced
  std::string contact_sheet;  // PNG with the first maps of every family; empty: none
  const std::atomic<int>* stop = nullptr;
  // Maps done of a family, after each slice.
  std::function<void(const std::string& family, Index done, Index count)> progress;
};

// Of one file of models.
inline constexpr Index geology_file_maps = 500;

// Tells `progress` of maps done of a family. Throws Error{stopped} when `stop` was set.
void report_maps(const GeologySetOptions& options, const std::string& family, Index done);

// The names that `families` means, in order and without repeats. Throws Error{config} with the nearest name.
std::vector<std::string> resolve_geology_families(const std::vector<std::string>& families);

// Writes the set and returns its manifest. Throws Error{config} before anything is written, Error{failed} for writing,
// Error{stopped} when `stop` was set: complete files stay, without a manifest.
nlohmann::ordered_json write_geology_set(Stream& s, const GeologySetOptions& options);

}  // namespace terrane
