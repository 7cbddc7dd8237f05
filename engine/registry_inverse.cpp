// SPDX-License-Identifier: MIT
// Rows of the inversion: fields, output maps, misfits, regularizers, optimizers, stages.
#include "engine/registry.hpp"

namespace terrane {
namespace {

using Q = Quantity;
using K = KeyKind;

// Keys that every field has. `transform` is the default output map.
std::vector<Key> field_keys(std::vector<Key> own, std::string_view transform) {
  std::vector<Key> keys = {{.name = "property",
                            .kind = K::choice,
                            .fallback = "\"vp\"",
                            .help = "what the field stands for",
                            .words = "vp",
                            .later = "vs density slowness conductivity resistivity"}};
  keys.insert(keys.end(), own.begin(), own.end());
  keys.push_back({.name = "transform",
                  .kind = K::component,
                  .fallback = transform,
                  .help = "from the output of the field to the model",
                  .slot = "transform"});
  keys.push_back({.name = "prefit",
                  .kind = K::component,
                  .fallback = "null",
                  .help = "fit the field to the start model before the inversion",
                  .example = "{\"iterations\": 500}",
                  .slot = "prefit"});
  keys.push_back({.name = "seed",
                  .kind = K::seed,
                  .fallback = "null",
                  .help = "of the initial weights; null: the seed of the config",
                  .example = "1"});
  return keys;
}

std::vector<Key> network_keys(std::string_view width, std::string_view layers, std::vector<Key> own) {
  std::vector<Key> keys = {
      {.name = "width", .kind = K::integer, .fallback = width, .help = "neurons per layer", .min = 1, .max = 65536},
      {.name = "layers",
       .kind = K::integer,
       .fallback = layers,
       .help = "activated layers; the linear output comes on top",
       .min = 1,
       .max = 23},
      {.name = "coordinates",
       .kind = K::choice,
       .fallback = "\"per-axis\"",
       .help = "scaling to [-1, 1]: each axis by itself, or all by the longest",
       .words = "per-axis isotropic",
       .later = "metres"}};
  keys.insert(keys.end(), own.begin(), own.end());
  return field_keys(keys, "{\"type\": \"perturb\"}");
}

std::vector<Component> field_rows() {
  const Key activation{.name = "activation",
                       .kind = K::component,
                       .fallback = "{\"type\": \"relu\"}",
                       .help = "of the hidden layers",
                       .example = "\"gelu\"",
                       .slot = "activation"};
  const Key hidden{.name = "hidden",
                   .kind = K::integers,
                   .fallback = "null",
                   .help = "width of every hidden layer; replaces width and layers",
                   .example = "[128, 256, 128]",
                   .min = 1,
                   .max = 65536};
  const Key frequencies{.name = "frequencies",
                        .kind = K::integer,
                        .fallback = "64",
                        .help = "random frequencies, two features each",
                        .min = 1,
                        .max = 65536};
  const Key sigma{.name = "sigma",
                  .fallback = "10",
                  .help = "standard deviation of the frequencies, cycles per axis",
                  .min = 0,
                  .min_open = true};
  const Key cycles{.name = "cycles",
                   .kind = K::numbers,
                   .fallback = "null",
                   .help = "these cycles along each axis instead of random frequencies",
                   .example = "[1, 2, 4]",
                   .min = 0};
  const Key omega_30{
      .name = "omega_0", .fallback = "30", .help = "frequency factor of the sines", .min = 0, .min_open = true};
  const std::vector<Key> table_keys = {
      {.name = "preset",
       .kind = K::choice,
       .fallback = "\"params\"",
       .help = "params: coarsest level of 10 nodes, as the published parameter counts; text: 50, as the published text",
       .words = "params text"},
      {.name = "base_resolution",
       .fallback = "null",
       .help = "nodes per axis of the coarsest level; null: that of the preset",
       .example = "16",
       .min = 2,
       .max = 65536},
      {.name = "growth",
       .fallback = "null",
       .help = "resolution of a level / that of the one below; null: 1.05",
       .example = "1.3",
       .min = 1,
       .max = 16},
      {.name = "levels", .kind = K::integer, .fallback = "16", .help = "number of grids", .min = 1, .max = 32},
      {.name = "features", .kind = K::integer, .fallback = "2", .help = "values per node", .min = 1, .max = 8},
      {.name = "interpolation",
       .kind = K::choice,
       .fallback = "\"linear\"",
       .help = "between the nodes of a level",
       .words = "linear smoothstep"},
      {.name = "offset",
       .kind = K::choice,
       .fallback = "\"vertex\"",
       .help = "vertex: nodes on the edges; tcnn: levels staggered by half a cell",
       .words = "vertex tcnn"},
      {.name = "aspect",
       .kind = K::choice,
       .fallback = "\"equal\"",
       .help = "equal: as many nodes along every axis; match: square cells",
       .words = "equal match"},
      {.name = "init", .fallback = "0.1", .help = "initial values lie within plus and minus this", .min = 0}};
  std::vector<Key> hash_keys = table_keys;
  hash_keys.push_back({.name = "table_log2",
                       .kind = K::integer,
                       .fallback = "19",
                       .help = "log2 of the largest number of entries of a level",
                       .min = 3,
                       .max = 28});
  const auto fusion_keys = [&](const std::vector<Key>& own) {
    std::vector<Key> keys = {{.name = "encoder",
                              .kind = K::component,
                              .fallback = "{\"type\": \"dense-grid\"}",
                              .help = "the grid",
                              .slot = "encoder"},
                             activation,
                             hidden,
                             {.name = "normalize",
                              .kind = K::boolean,
                              .fallback = "true",
                              .help = "scale the features of grid and branch to unit RMS at the start"},
                             {.name = "head_scale",
                              .fallback = "0.3",
                              .help = "initial weights of the last layer, relative to 1 / sqrt(inputs)",
                              .min = 0}};
    keys.insert(keys.end(), own.begin(), own.end());
    return network_keys("64", "2", keys);
  };
  const std::vector<Key> branch_keys = {
      omega_30,
      {.name = "alpha", .fallback = "0.5", .help = "share of one branch", .min = 0, .max = 1},
      {.name = "alpha_on",
       .kind = K::choice,
       .fallback = "\"grid\"",
       .help = "the branch that alpha belongs to; the other has 1 - alpha",
       .words = "grid inr"},
      {.name = "branch_width", .kind = K::integer, .fallback = "128", .help = "features", .min = 1, .max = 65536},
      {.name = "branch_layers", .kind = K::integer, .fallback = "2", .help = "layers of sines", .min = 1, .max = 20}};
  std::vector<Key> with_branch = branch_keys;
  with_branch.push_back({.name = "branch",
                         .kind = K::choice,
                         .fallback = "\"siren\"",
                         .help = "beside the grid: nothing, a network of sines, or networks of each axis",
                         .words = "none siren low-rank"});
  return {
      {"field", "grid", "one value per node", field_keys({}, "{\"type\": \"identity\"}")},
      {"field", "mlp", "fully connected network",
       network_keys("128", "4",
                    {hidden,
                     activation,
                     {.name = "encoder",
                      .kind = K::component,
                      .fallback = "{\"type\": \"identity\"}",
                      .help = "from coordinates to features",
                      .slot = "encoder"}})},
      {"field", "siren", "network of sines",
       network_keys("128", "4",
                    {{.name = "omega_0",
                      .fallback = "30",
                      .help = "frequency factor of the first layer",
                      .min = 0,
                      .min_open = true},
                     {.name = "omega_hidden",
                      .fallback = "=omega_0",
                      .help = "frequency factor of the other layers",
                      .min = 0,
                      .min_open = true},
                     {.name = "final_init",
                      .kind = K::choice,
                      .fallback = "\"siren\"",
                      .help = "initial size of the last layer: siren (small) or framework (larger)",
                      .words = "siren framework"}})},
      {"field", "fourier", "frozen random Fourier features and a network",
       network_keys("128", "3", {frequencies, sigma, cycles, activation})},
      {"field", "wire", "complex Gabor network (WIRE)",
       network_keys(
           "200", "4",
           {{.name = "omega_0", .fallback = "5", .help = "frequency factor of every layer", .min = 0, .min_open = true},
            {.name = "scale_0", .fallback = "5", .help = "factor of the Gaussian of every layer", .min = 0}})},
      {"field", "low-rank", "networks of z and of x joined by a core matrix",
       network_keys("128", "2",
                    {omega_30,
                     {.name = "ranks",
                      .kind = K::integers,
                      .fallback = "null",
                      .help = "ranks of z and of x; null: half of the nodes of each axis",
                      .example = "[47, 144]",
                      .min = 1},
                     {.name = "core_std",
                      .fallback = "null",
                      .help = "standard deviation of the initial core; null: output of RMS 0.01",
                      .example = "1e-3",
                      .min = 0}})},
      {"field", "mpe", "multi-resolution grid and a network", fusion_keys({})},
      {"field", "ig", "multi-resolution grid and sine features, joined by a network", fusion_keys(branch_keys)},
      {"field", "lrg", "multi-resolution grid and low-rank features, joined by a network", fusion_keys(branch_keys)},
      {"field", "fusion", "multi-resolution grid and a branch, joined by a network", fusion_keys(with_branch)},
      {"encoder", "dense-grid", "features interpolated from grids of several resolutions", table_keys},
      {"encoder", "hash-grid", "likewise, large levels share table entries by a hash", hash_keys},
      {"encoder", "identity", "coordinates as they are", {}},
      {"encoder", "fourier", "cos and sin of random frequencies", {frequencies, sigma, cycles}},
      {"activation", "relu", "max(0, x)", {}},
      {"activation",
       "leaky-relu",
       "x, or slope * x below 0",
       {{.name = "slope", .fallback = "0.01", .help = "slope below 0", .example = "0.2", .min = 0, .max = 1}}},
      {"activation", "tanh", "tanh x", {}},
      {"activation", "gelu", "x * Phi(x)", {}},
      {"activation",
       "sine",
       "sin(omega * x)",
       {{.name = "omega", .fallback = "1", .help = "frequency factor", .min = 0, .min_open = true}}},
      {"prefit",
       "",
       "fit of the field to the start model",
       {{.name = "iterations", .kind = K::integer, .fallback = "500", .help = "Adam steps", .min = 1},
        {.name = "lr", .fallback = "1e-4", .help = "rate", .min = 0, .min_open = true}}},
  };
}

std::vector<Component> transform_rows() {
  const Key low{
      .name = "min", .help = "smallest value", .example = "1400", .quantity = Q::velocity, .min = 0, .min_open = true};
  const Key high{
      .name = "max", .help = "largest value", .example = "4600", .quantity = Q::velocity, .min = 0, .min_open = true};
  const Key around{.name = "around",
                   .kind = K::choice,
                   .fallback = "\"start_model\"",
                   .help = "the model at output 0",
                   .words = "start_model"};
  const Key scale{.name = "scale", .fallback = "1", .help = "s"};
  return {
      {"transform", "identity", "m = F; a grid starts from the start model", {}},
      {"transform",
       "perturb",
       "m = start model + scale * F",
       {{.name = "scale",
         .fallback = "1000",
         .help = "change of the model per unit of output",
         .quantity = Q::velocity,
         .min = 0,
         .min_open = true},
        around}},
      {"transform",
       "bounded",
       "m = min + (max - min) * sigmoid(F); with around it is bounded-perturb",
       {low,
        high,
        {.name = "around",
         .kind = K::choice,
         .fallback = "null",
         .help = "start_model: the model at output 0",
         .example = "\"start_model\"",
         .words = "start_model"}}},
      {"transform",
       "bounded-perturb",
       "m = min + (max - min) * sigmoid(logit((start model - min) / (max - min)) + scale * F)",
       {low, high, around, scale}},
      {"transform", "log-bounded", "log m between log min and log max by sigmoid(F)", {low, high}},
      {"transform", "exp", "m = start model * exp(scale * F)", {around, scale}},
      {"transform",
       "affine",
       "m = center + scale * F",
       {{.name = "center", .help = "value at output 0", .example = "3000", .quantity = Q::velocity},
        {.name = "scale",
         .fallback = "1000",
         .help = "change of the model per unit of output",
         .quantity = Q::velocity,
         .min = 0,
         .min_open = true}}},
      {"transform",
       "scaled-sigmoid",
       "m = scale * sigmoid(F)",
       {{.name = "scale", .fallback = "-8", .help = "s, in the unit of the property"}}},
      {"transform",
       "scaled-tanh",
       "m = scale * tanh(F)",
       {{.name = "scale", .fallback = "10", .help = "s, in the unit of the property"}}},
  };
}

std::vector<Component> misfit_rows() {
  const Key normalize{.name = "normalize",
                      .kind = K::choice,
                      .fallback = "\"survey\"",
                      .help = "divide by the energy of the observed data: not at all, as a whole, trace by trace",
                      .words = "none survey trace"};
  const Key weight{.name = "weight", .help = "factor of this term", .example = "1e-6", .min = 0};
  return {
      {"misfit", "l2", "sum of squares / 2", {normalize}},
      {"misfit", "l1", "sum of absolute values", {normalize}},
      {"misfit",
       "huber",
       "squares for small residuals, absolute values for large ones",
       {{.name = "delta",
         .help = "where it changes, in units of the (normalised) data",
         .example = "0.1",
         .min = 0,
         .min_open = true},
        normalize}},
      {"misfit", "envelope", "l2 of the envelopes", {normalize}},
      {"misfit", "global-correlation", "1 - normalised correlation of each trace, averaged", {}},
      {"misfit",
       "weci",
       "w * global-correlation + (1 - w) * envelope, w = 1 / (1 + exp(-(t - center) / width)), t in [0, 1] over the "
       "stage",
       {{.name = "center", .fallback = "0.5", .help = "where both weigh the same", .min = 0, .max = 1},
        {.name = "width", .fallback = "0.1", .help = "length of the change", .min = 0, .min_open = true},
        normalize}},
      {"regularizer",
       "tikhonov",
       "weight / 2 * squares of the model (order 0: of its change from the start) or of its gradient",
       {weight,
        {.name = "order", .kind = K::integer, .fallback = "1", .help = "0: values, 1: gradient", .allowed = "0 1"},
        {.name = "weight_z", .fallback = "1", .help = "relative weight of the vertical part", .min = 0},
        {.name = "weight_x", .fallback = "1", .help = "relative weight of the horizontal part", .min = 0}}},
      {"regularizer",
       "tv",
       "weight * total variation, sqrt(|gradient|^2 + epsilon^2)",
       {weight, {.name = "epsilon", .fallback = "1e-3", .help = "rounds the corner at 0", .min = 0, .min_open = true}}},
  };
}

std::vector<Key> optimizer_keys(Key lr, std::vector<Key> own) {
  std::vector<Key> keys = {std::move(lr)};
  keys.insert(keys.end(), own.begin(), own.end());
  keys.push_back({.name = "iterations",
                  .kind = K::integer,
                  .fallback = "null",
                  .help = "iterations when there are no stages; null: 500",
                  .example = "800",
                  .min = 1,
                  .max = 1e9});
  keys.push_back({.name = "batch_shots",
                  .kind = K::integer,
                  .fallback = "0",
                  .help = "shots per iteration, drawn anew; 0: all",
                  .min = 0});
  keys.push_back({.name = "clip_norm",
                  .fallback = "null",
                  .help = "largest norm of the gradient; null: no limit",
                  .example = "1.0",
                  .min = 0,
                  .min_open = true});
  keys.push_back({.name = "groups",
                  .kind = K::groups,
                  .fallback = "{}",
                  .help =
                      "other rates for parts of the field: grid (values or table), inr (network, or branch beside a "
                      "grid), core, fusion (layers after both), head (the last layer)",
                  .example = "{\"head\": {\"lr\": 1e-3}}"});
  keys.push_back({.name = "schedule",
                  .kind = K::component,
                  .fallback = "{\"type\": \"constant\"}",
                  .help = "how the rate changes",
                  .slot = "schedule"});
  return keys;
}

std::vector<Component> optimizer_rows() {
  Key lr{.name = "lr",
         .fallback = "null",
         .help =
             "rate; for a grid with the identity map in m/s (lr_mps); null: 1e-4 for networks, 5 m/s for such a grid, "
             "0.005 for any other grid",
         .example = "1e-4",
         .min = 0,
         .min_open = true,
         .also = Q::velocity};
  Key lr_sgd = lr;
  lr_sgd.fallback = {};
  lr_sgd.help = "rate; for a grid with the identity map in m/s per unit of gradient (lr_mps)";
  Key lr_lbfgs = lr;
  lr_lbfgs.fallback = "1";
  lr_lbfgs.help = "first step length tried";
  const Key gamma{.name = "gamma", .help = "factor", .example = "0.5", .min = 0, .max = 1, .min_open = true};
  return {
      {"optimizer", "sgd", "gradient descent with momentum",
       optimizer_keys(lr_sgd, {{.name = "momentum",
                                .fallback = "0",
                                .help = "share of the last step that is kept",
                                .min = 0,
                                .max = 1,
                                .max_open = true}})},
      {"optimizer", "adam", "Adam",
       optimizer_keys(lr, {{.name = "betas",
                            .kind = K::numbers,
                            .fallback = "[0.9, 0.999]",
                            .help = "decay of the two moments",
                            .min = 0,
                            .max = 1,
                            .max_open = true},
                           {.name = "epsilon", .fallback = "1e-16", .help = "added to the denominator", .min = 0}})},
      {"optimizer", "lbfgs", "limited-memory BFGS",
       optimizer_keys(
           lr_lbfgs,
           {{.name = "memory", .kind = K::integer, .fallback = "10", .help = "pairs kept", .min = 1, .max = 1000},
            {.name = "line_search",
             .kind = K::choice,
             .fallback = "\"wolfe\"",
             .help = "how the step is found",
             .words = "wolfe backtracking"}})},
      {"schedule", "constant", "the rate stays", {}},
      {"schedule",
       "cosine",
       "from the rate to min_ratio times it, after a linear warm-up",
       {{.name = "min_ratio", .fallback = "0", .help = "last rate / first rate", .min = 0, .max = 1},
        {.name = "warmup_iterations",
         .kind = K::integer,
         .fallback = "0",
         .help = "linear increase at the start",
         .min = 0}}},
      {"schedule",
       "step",
       "times gamma every so often",
       {{.name = "every_iterations", .kind = K::integer, .help = "how often", .example = "200", .min = 1}, gamma}},
      {"schedule",
       "exponential",
       "times gamma every iteration",
       {{.name = "gamma", .help = "factor", .example = "0.999", .min = 0, .max = 1, .min_open = true}}},
      {"gradient",
       "",
       "masks and scaling of the model gradient",
       {{.name = "mask_water_depth",
         .fallback = "0",
         .help = "above this depth (from the first row) the model is kept",
         .quantity = Q::length,
         .min = 0},
        {.name = "source_taper",
         .fallback = "0",
         .help = "radius around sources where the gradient fades",
         .quantity = Q::length,
         .min = 0},
        {.name = "smooth",
         .fallback = "0",
         .help = "standard deviation of a Gaussian blur",
         .quantity = Q::length,
         .min = 0},
        {.name = "precondition",
         .kind = K::choice,
         .fallback = "\"none\"",
         .help = "divide by the source illumination",
         .words = "none illumination"}}},
      {"bounds",
       "",
       "hard limits of the model",
       {{.name = "min",
         .fallback = "null",
         .help = "smallest value",
         .example = "1400",
         .quantity = Q::velocity,
         .min = 0},
        {.name = "max",
         .fallback = "null",
         .help = "largest value",
         .example = "5000",
         .quantity = Q::velocity,
         .min = 0,
         .min_open = true}}},
      {"stage",
       "",
       "one step of the inversion",
       {{.name = "iterations", .kind = K::integer, .help = "length", .example = "200", .min = 1, .max = 1e9},
        {.name = "lowpass",
         .fallback = "null",
         .help = "cut-off of data and wavelet",
         .example = "8",
         .quantity = Q::frequency,
         .min = 0,
         .min_open = true},
        {.name = "highpass",
         .fallback = "null",
         .help = "cut-off of data and wavelet",
         .example = "2",
         .quantity = Q::frequency,
         .min = 0,
         .min_open = true},
        {.name = "misfit",
         .kind = K::component,
         .fallback = "null",
         .help = "instead of the misfit of the config",
         .slot = "misfit"},
        {.name = "regularizers",
         .kind = K::component_list,
         .fallback = "null",
         .help = "instead of those of the config",
         .slot = "regularizer"},
        {.name = "optimizer",
         .kind = K::component,
         .fallback = "null",
         .help = "instead of that of the config; without \"type\" it changes single keys of it",
         .slot = "optimizer"}}},
      {"stop",
       "",
       "reasons to stop early",
       {{.name = "max_time",
         .fallback = "null",
         .help = "wall time",
         .example = "3600",
         .quantity = Q::time,
         .min = 0,
         .min_open = true},
        {.name = "patience_iterations",
         .kind = K::integer,
         .fallback = "null",
         .help = "iterations without a better misfit",
         .example = "150",
         .min = 1},
        {.name = "misfit_relative",
         .fallback = "null",
         .help = "misfit / initial misfit that is good enough",
         .example = "0.01",
         .min = 0,
         .max = 1},
        {.name = "grow_factor",
         .fallback = "10",
         .help = "diverged when the misfit exceeds the first of its stage this many times",
         .min = 1,
         .min_open = true}}},
  };
}

}  // namespace

std::vector<Component> inverse_rows() {
  std::vector<Component> rows;
  for (const auto& part : {field_rows(), transform_rows(), misfit_rows(), optimizer_rows()}) {
    rows.insert(rows.end(), part.begin(), part.end());
  }
  return rows;
}

}  // namespace terrane
