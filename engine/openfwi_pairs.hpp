// SPDX-License-Identifier: MIT
// Seismic data of velocity maps by the operator of the OpenFWI collection, in its layout (maps, shots, time,
// receivers), written slice by slice so that memory stays small.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/io/file.hpp"
#include "physics/wave/sponge_wave.hpp"

namespace terrane {

class OpenFwiPairs {
 public:
  explicit OpenFwiPairs(Stream& s);
  // An NPY file of the data of vp (maps, 70, 70), m/s; done(maps) after each slice. The folder is made; an exception of
  // done() leaves no file.
  void write_file(Stream& s, const std::vector<float>& vp, const std::string& path,
                  const std::function<void(Index)>& done);
  // Error{config} for a side other than 70 pixels.
  static void check_size(Index size);
  // What the manifest says about the data.
  static nlohmann::ordered_json description();

 private:
  // vp (models, 70, 70) on the device of the stream; models <= slice_.
  void write(Stream& s, const float* vp, Index models, AtomicFile& file);

  SpongeWave<float> wave_;
  Buffer<float> wavelet_, data_;
  SpongeState<float> state_;
  Index slice_ = 1;  // maps of one call: one fills a processor, a GPU wants many
};

}  // namespace terrane
