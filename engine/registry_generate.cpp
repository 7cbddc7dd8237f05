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

// Training and sampling with the defaults of a type.
struct GeneratorDefaults {
  std::string_view steps, batch, accumulate, lr, warmup, average, sampler, sampler_steps;
};

std::vector<Key> generator_keys(std::vector<Key> own, const GeneratorDefaults& d) {
  const std::vector<Key> training = {
      {.name = "steps", .kind = K::integer, .fallback = d.steps, .help = "updates of the weights", .min = 1},
      {.name = "batch_models", .kind = K::integer, .fallback = d.batch, .help = "samples of one evaluation", .min = 1},
      {.name = "accumulate", .kind = K::integer, .fallback = d.accumulate, .help = "evaluations a step", .min = 1},
      {.name = "lr", .fallback = d.lr, .help = "rate of AdamW", .min = 0, .min_open = true},
      {.name = "warmup",
       .kind = K::integer,
       .fallback = d.warmup,
       .help = "steps over which the rate rises; it falls along a cosine afterwards",
       .min = 0},
      {.name = "weight_decay", .fallback = "1e-4", .help = "of AdamW", .min = 0},
      {.name = "average",
       .fallback = d.average,
       .help = "of the moving average of the weights; 0: none",
       .min = 0,
       .max = 1,
       .max_open = true},
      {.name = "drop_probability",
       .fallback = "0.15",
       .help = "share of the samples whose family, wells or reflectivity is hidden, each by itself, for guidance",
       .min = 0,
       .max = 1},
      {.name = "sampler",
       .kind = K::choice,
       .fallback = d.sampler,
       .help = "of the scores, and the default of task generate",
       .words = "heun euler ddim ancestral"},
      {.name = "sampler_steps", .kind = K::integer, .fallback = d.sampler_steps, .help = "of the sampler", .min = 1},
      {.name = "guidance",
       .fallback = "1",
       .help = "times the difference that the family makes; 1: none extra",
       .min = 0},
      {.name = "wells",
       .kind = K::integer,
       .fallback = "0",
       .help = "columns of a model, drawn anew for every sample, that the network is told: for samples through wells",
       .min = 0,
       .max = 1000},
      {.name = "reflectivity",
       .kind = K::boolean,
       .fallback = "false",
       .help = "the network is told the contrasts of neighbouring pixels: for samples that agree with a reflection "
               "image"},
      {.name = "score_samples",
       .kind = K::integer,
       .fallback = "200",
       .help = "samples of each family that are compared with the held-out models; 0: none",
       .min = 0}};
  own.insert(own.end(), training.begin(), training.end());
  return own;
}

std::vector<Key> unet_keys(std::string_view channels, std::string_view attention) {
  return {
      {.name = "channels",
       .kind = K::integers,
       .fallback = channels,
       .help = "of the levels, each of half the resolution of the one before",
       .min = 1},
      {.name = "blocks", .kind = K::integer, .fallback = "2", .help = "residual blocks a level", .min = 1},
      {.name = "attention",
       .kind = K::integers,
       .fallback = attention,
       .help = "levels with self-attention, counted from 0",
       .min = 0},
      {.name = "groups", .kind = K::integer, .fallback = "32", .help = "of the norms; divide all channels", .min = 1},
      {.name = "head_channels", .kind = K::integer, .fallback = "8", .help = "of a head of attention", .min = 1},
      {.name = "flip", .kind = K::boolean, .fallback = "true", .help = "every other sample is mirrored"},
      {.name = "scale", .fallback = "0", .help = "every sample is zoomed by 1 +- at most this", .min = 0, .max = 0.9},
      {.name = "crop",
       .fallback = "0",
       .help = "a part of a map, at most this share less of each side, is stretched to the whole",
       .min = 0,
       .max = 0.9},
      {.name = "elastic_px", .fallback = "0", .help = "rms of a smooth random warp, pixels", .min = 0, .max = 1000},
      {.name = "rotation_deg",
       .fallback = "0",
       .help = "every sample is turned by at most this, either way; like the three before it breaks flat and ordered "
               "layers",
       .min = 0,
       .max = 180}};
}

}  // namespace

std::vector<Component> generator_rows() {
  std::vector<Key> ddpm = unet_keys("[64, 64, 128, 128, 256, 256]", "[4]");
  ddpm.push_back({.name = "noise_schedule",
                  .kind = K::choice,
                  .fallback = "\"linear\"",
                  .help = "how the noise grows",
                  .words = "linear cosine"});
  return {{"generator", "latent-flow", "flow matching on the codes of an auto-decoder",
           generator_keys({{.name = "decoder",
                            .kind = K::path,
                            .help = "decoder.safetensors, or the directory of the run that trained it on these models",
                            .example = "\"runs/codec\"",
                            .words = "decoder.safetensors"},
                           {.name = "width", .kind = K::integer, .fallback = "256", .help = "of the network", .min = 1},
                           {.name = "blocks", .kind = K::integer, .fallback = "4", .help = "residual blocks", .min = 1},
                           {.name = "jitter",
                            .fallback = "0.15",
                            .help = "deviation of noise added to a training code, in deviations of the codes",
                            .min = 0},
                           {.name = "condition_size",
                            .kind = K::integer,
                            .fallback = "16",
                            .help = "pixels a side that wells and reflectivity are reduced to",
                            .min = 1,
                            .max = 512}},
                          {"3000", "256", "1", "1e-3", "100", "0.999", "\"heun\"", "18"})},
          {"generator", "flow-matching", "flow matching on pixels with a U-Net",
           generator_keys(unet_keys("[64, 128, 256, 512]", "[2, 3]"),
                          {"100000", "64", "1", "3e-4", "1000", "0.9999", "\"heun\"", "18"})},
          {"generator", "ddpm", "noise prediction on pixels with a U-Net, 1,000 times",
           generator_keys(ddpm, {"100000", "128", "8", "1e-4", "1000", "0", "\"ancestral\"", "1000"})}};
}

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
      {"source",
       "generator",
       "samples of a trained diffusion model",
       {{.name = "path",
         .kind = K::path,
         .help = "the directory that task train-generator wrote",
         .example = "\"runs/generator\"",
         .words = "generator.safetensors"},
        {.name = "families",
         .kind = K::names,
         .fallback = "null",
         .help = "of those it was trained with; null: all of them",
         .example = "[\"curve-vel-a\"]"},
        {.name = "size",
         .kind = K::integer,
         .fallback = "null",
         .help = "pixels a side; null: as it was trained. Codes decode to any size",
         .example = "140",
         .min = 2,
         .max = 4096},
        {.name = "sampler",
         .kind = K::choice,
         .fallback = "null",
         .help = "null: that of the training",
         .example = "\"euler\"",
         .words = "heun euler ddim ancestral"},
        {.name = "sampler_steps", .kind = K::integer, .fallback = "null", .help = "likewise", .example = "8", .min = 1},
        {.name = "guidance", .fallback = "null", .help = "likewise", .example = "2", .min = 0},
        {.name = "wells",
         .kind = K::path,
         .fallback = "null",
         .help =
             "text file with lines x, z (m), velocity (m/s), positions from the upper left corner: all samples pass "
             "through these wells; for generators that learnt wells",
         .example = "\"wells.txt\""},
        {.name = "well_steps",
         .kind = K::integer,
         .fallback = "500",
         .help = "steps of Adam that bring a sample's code to the wells; 0: as the network drew it",
         .min = 0,
         .max = 1e9},
        {.name = "well_penalty",
         .fallback = "1e-3",
         .help = "of these steps: on the mean square change of a code, in deviations of the training codes",
         .min = 0},
        {.name = "reflectivity",
         .kind = K::path,
         .fallback = "null",
         .help = ".npy of (size, size), contrasts of neighbouring pixels in any scale; for generators that learnt them",
         .example = "\"reflectivity.npy\""},
        {.name = "extent",
         .fallback = "700",
         .help = "side of the models, for the positions of wells",
         .quantity = Q::length,
         .min = 0,
         .min_open = true},
        {.name = "snap",
         .kind = K::boolean,
         .fallback = "false",
         .help = "a few values a map, as layered families have: a change of the samples"},
        {.name = "snap_rows",
         .kind = K::integer,
         .fallback = "3",
         .help = "pixels that a snapped layer has in a column at least, unless the map cuts it; 1: no limit",
         .min = 1,
         .max = 1000},
        {.name = "ascending",
         .kind = K::boolean,
         .fallback = "false",
         .help =
             "velocities sorted downwards in every column, for families that have them so: a change of the samples"}}},
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
