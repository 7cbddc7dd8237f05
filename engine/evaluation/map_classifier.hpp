// SPDX-License-Identifier: MIT
// A small convolutional network that tells sets of maps apart.
//
//   x = (v - 3000 m/s) / 1500 m/s -> up to five layers of 3 x 3 taps and stride 2 (16, 32, 64, 64, 64 channels, SiLU),
//   while an image is wider or higher than 3 pixels -> at every pixel linear, 64 features, SiLU -> linear, one score a
//   class -> means over the pixels
//
// fitted by least squares on 1 for the class of a map and -1 for the others (AdamW, cosine schedule).
#pragma once

#include <cstdint>
#include <vector>

#include "autodiff/tape.hpp"
#include "engine/compression/auto_decoder_train.hpp"
#include "engine/evaluation/two_sample.hpp"

namespace terrane {

struct MapClassifierOptions {
  Index steps = 300, batch = 32;
  double lr = 3e-3, weight_decay = 1e-2;
  std::uint64_t seed = 0;
};

class MapClassifier {
 public:
  // Maps of height x width pixels in `classes` classes. Error{config} for fewer than two classes or impossible options;
  // later Error{data} for maps of another size or labels that are no class, Error{diverged} when training does.
  MapClassifier(Stream& s, Index height, Index width, Index classes, const MapClassifierOptions& options = {});

  // label: class of every map. The mean loss of the last tenth of the steps.
  double fit(const ModelSet& maps, const std::vector<int>& label);
  // (maps, classes); the largest score is the class.
  Features scores(const ModelSet& maps) { return values_of(maps, score_); }
  // (maps, 64), the output of the last layer but one.
  Features features(const ModelSet& maps) { return values_of(maps, feature_); }
  // Share of the maps whose largest score is that of their class.
  double accuracy(const ModelSet& maps, const std::vector<int>& label);

  Index parameters() const { return tape_.size(theta_); }

 private:
  void check(const ModelSet& maps) const;
  void check_labels(const ModelSet& maps, const std::vector<int>& label) const;
  void show(const ModelSet& maps, const std::vector<Index>& which);
  std::vector<float> pixel_means(Var v) const;  // (batch, columns of v)
  Features values_of(const ModelSet& maps, Var v);

  Stream& s_;
  Index height_, width_, classes_, pixels_ = 1;  // pixels of the last image
  MapClassifierOptions options_;
  Tape<float> tape_;
  Var x_, theta_, feature_, score_;
};

// C2ST by this network: it learns to tell real maps from samples on the even maps of both; area under the ROC curve on
// the odd ones. 1/2: indistinguishable. Error{data} for fewer than four maps of one of them or maps of two sizes.
double network_auc(Stream& s, const ModelSet& real, const ModelSet& sample, const MapClassifierOptions& options = {});

}  // namespace terrane
