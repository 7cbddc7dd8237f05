// SPDX-License-Identifier: MIT
// All figures of a set of samples in one object; what they mean stands in two_sample.hpp and map_statistics.hpp.
#pragma once

#include <nlohmann/json.hpp>

#include "engine/evaluation/map_classifier.hpp"
#include "engine/evaluation/map_statistics.hpp"

namespace terrane {

// The 64 leading components of training maps, fewer for few maps.
PrincipalScores leading_components(Stream& s, const ModelSet& training);

// Samples against real maps that were not trained on; training: for how close the samples come to it. Features are the
// scores on `components`, or on the leading ones of the training maps.
nlohmann::ordered_json score_samples(Stream& s, const PrincipalScores& components, const ModelSet& training,
                                     const ModelSet& real, const ModelSet& sample);
nlohmann::ordered_json score_samples(Stream& s, const ModelSet& training, const ModelSet& real, const ModelSet& sample);

// What convolutional networks say: one that learns to tell the samples from the real maps, and `families`, null: none,
// which knows the families: share of the samples it puts into family `row` (row < 0: left out), MMD and Frechet
// distance on its features.
nlohmann::ordered_json network_scores(Stream& s, MapClassifier* families, int row, const ModelSet& real,
                                      const ModelSet& sample, const MapClassifierOptions& options);

}  // namespace terrane
