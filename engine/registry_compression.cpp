// SPDX-License-Identifier: MIT
// Rows of the codecs of task compress.
#include "engine/registry.hpp"

namespace terrane {
namespace {

using K = KeyKind;

// Keys of an auto-decoder with the defaults of a preset.
struct Defaults {
  std::string_view steps, batch, points, full_from, lr, lr_codes, penalty;
};

std::vector<Key> decoder_keys(const Defaults& d) {
  return {
      {.name = "code", .kind = K::integer, .fallback = "256", .help = "numbers a model", .min = 1, .max = 65535},
      {.name = "width", .kind = K::integer, .fallback = "512", .help = "of the layers of sines", .min = 1, .max = 4096},
      {.name = "layers", .kind = K::integer, .fallback = "5", .help = "of sines", .min = 1, .max = 20},
      {.name = "omega_0", .fallback = "30", .help = "frequency factor of the sines", .min = 0, .min_open = true},
      {.name = "steps", .kind = K::integer, .fallback = d.steps, .help = "updates of the decoder", .min = 1},
      {.name = "batch_models", .kind = K::integer, .fallback = d.batch, .help = "models a step", .min = 1},
      {.name = "points",
       .kind = K::integer,
       .fallback = d.points,
       .help = "random points of each model a step",
       .min = 1},
      {.name = "full_from",
       .fallback = d.full_from,
       .help = "share of the steps after which whole grids are used",
       .min = 0,
       .max = 1},
      {.name = "lr", .fallback = d.lr, .help = "rate of the decoder (Adam)", .min = 0, .min_open = true},
      {.name = "lr_codes", .fallback = d.lr_codes, .help = "rate of the codes (lazy Adam)", .min = 0, .min_open = true},
      {.name = "penalty", .fallback = d.penalty, .help = "times the squared length of a code", .min = 0},
      {.name = "bits",
       .kind = K::integer,
       .fallback = "8",
       .help = "of a stored number of a code",
       .min = 2,
       .max = 12},
      {.name = "search_steps",
       .kind = K::integer,
       .fallback = "1000",
       .help = "of the search for the codes of held-out models",
       .min = 1},
      {.name = "supersample",
       .kind = K::integer,
       .fallback = "1",
       .help = "a pixel is the mean over so many points along every axis; 1: its centre",
       .min = 1,
       .max = 16},
      {.name = "baselines",
       .kind = K::boolean,
       .fallback = "true",
       .help = "principal components and lossless coding of the same models beside the result"}};
}

}  // namespace

std::vector<Component> compression_rows() {
  std::vector<Key> own = decoder_keys({"20000", "20", "512", "0.67", "0.0005", "0.005", "1e-05"});
  own.push_back({.name = "modulation",
                 .kind = K::choice,
                 .fallback = "\"shift\"",
                 .help = "how a code enters: shift of every layer, concatenated to the coordinates, or, on a grid over "
                         "the model, its local value concatenated to them",
                 .words = "shift concatenated grid"});
  own.push_back({.name = "cells",
                 .kind = K::integer,
                 .fallback = "4",
                 .help = "modulation grid: nodes of the code along each axis; they share its numbers",
                 .min = 1,
                 .max = 64});
  own.push_back({.name = "muon", .kind = K::boolean, .fallback = "true", .help = "for the hidden matrices"});
  own.push_back({.name = "lr_hidden", .fallback = "0.001", .help = "rate of Muon", .min = 0, .min_open = true});
  own.push_back({.name = "average",
                 .fallback = "0.99",
                 .help = "of the moving average; 0: none",
                 .min = 0,
                 .max = 1,
                 .max_open = true});
  return {{"codec", "auto-decoder", "one network of sines for all models, told apart by codes", std::move(own)},
          {"codec", "siren-2603.14284", "the published configuration (arXiv 2603.14284): code concatenated, Adam alone",
           decoder_keys({"93000", "32", "4900", "0", "0.0001", "0.0001", "0.0001"})}};
}

}  // namespace terrane
