// SPDX-License-Identifier: MIT
// Seismic data of velocity maps by the operator of the OpenFWI collection, in its layout (maps, shots, time,
// receivers), written slice by slice so that memory stays small.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "engine/io/file.hpp"
#include "physics/wave/sponge_wave.hpp"

namespace terrane {

class OpenFwiPairs {
 public:
  explicit OpenFwiPairs(Stream& s);
  // Maps of one call of write(): one fills a processor, a GPU wants many.
  Index slice() const { return slice_; }
  std::vector<Index> shape(Index maps) const;
  // vp (models, 70, 70), m/s, on the device of the stream; models <= slice().
  void write(Stream& s, const float* vp, Index models, AtomicFile& file);
  // What the manifest says about the data.
  static nlohmann::ordered_json description();

 private:
  SpongeWave<float> wave_;
  Buffer<float> wavelet_, data_;
  SpongeState<float> state_;
  Index slice_ = 1;
};

}  // namespace terrane
