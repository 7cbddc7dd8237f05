// SPDX-License-Identifier: MIT
// Sets of velocity maps as they lie on a disk: what task "generate" writes, a copy of OpenFWI, or arrays by anybody.
//
//   FILE.npy                       one set, (n, nz, nx) or (n, 1, nz, nx), m/s
//   DIR/NAME/model/*.npy           a set for every NAME: FlatVel_A stands for the family flat-vel-a
//   DIR/NAME/*.npy, DIR/model*.npy the same without the level "model" (data*.npy are left out), without names
//
// Files are taken in the order of their numbers: model2 before model10.
#pragma once

#include <string>
#include <vector>

#include "engine/compression/auto_decoder_train.hpp"

namespace terrane {

struct NamedMaps {
  std::string name;  // of the family, or of the folder; of a file without ".npy"
  std::vector<std::string> files;
  ModelSet maps;
};

// At most `most` maps of every set. Error{data} naming the file: no maps there, maps of several sizes in a set,
// volumes, values that are not finite.
std::vector<NamedMaps> read_map_folder(const std::string& path, Index most);

// The same without the values: names and files.
std::vector<NamedMaps> list_map_folder(const std::string& path);

}  // namespace terrane
