// SPDX-License-Identifier: MIT
// Rows of sets of models: what is generated, and what is compressed or learnt from.
#include "engine/registry.hpp"

namespace terrane {
namespace {

using Q = Quantity;
using K = KeyKind;

const Key hold_out{.name = "hold_out",
                   .kind = K::integer,
                   .fallback = "0",
                   .help = "the last so many are not trained on but encoded afterwards",
                   .min = 0};
const Key range{.name = "range",
                .kind = K::numbers,
                .fallback = "[1500, 4500]",
                .help = "lowest and highest value: offset and scale",
                .example = "[1500, 4500]",
                .quantity = Q::velocity};
const Key families{.name = "families",
                   .kind = K::names,
                   .fallback = "\"all\"",
                   .help = "of OpenFWI, by name; \"all\": the ten",
                   .example = "[\"curve-vel-a\", \"flat-fault-b\"]"};
const Key size{
    .name = "size", .kind = K::integer, .fallback = "70", .help = "pixels a side of 700 m", .min = 2, .max = 4096};
const Key sampling{.name = "sampling",
                   .kind = K::choice,
                   .fallback = "\"point\"",
                   .help = "value at the centre of a pixel, or its mean",
                   .words = "point area"};

}  // namespace

std::vector<Component> model_set_rows() {
  return {
      {"models",
       "file",
       "a set of models on one grid",
       {{.name = "path",
         .kind = K::path,
         .help = ".npy, (n, nz, nx), (n, 1, nz, nx) or (n, nz, ny, nx), m/s",
         .example = "\"models.npy\""},
        {.name = "count", .kind = K::integer, .fallback = "null", .help = "the first so many; null: all", .min = 1},
        hold_out,
        range}},
      {"models",
       "generated",
       "procedural geology: the families in turn, index by index",
       {families,
        {.name = "count", .kind = K::integer, .help = "models, those held out apart", .example = "1000", .min = 1},
        hold_out,
        size,
        sampling,
        {.name = "seed", .kind = K::seed, .fallback = "null", .help = "null: the seed of the config", .example = "7"},
        range}},
      {"source", "procedural", "geology by rules, a function of family, seed and index", {families, size, sampling}},
      {"pairs",
       "",
       "seismic data beside the models",
       {{.name = "preset",
         .kind = K::choice,
         .fallback = "\"openfwi\"",
         .help = "operator and survey",
         .words = "openfwi"}}}};
}

}  // namespace terrane
