// SPDX-License-Identifier: MIT
// Rows of what represents the model: fields, encoders, activations, output maps.
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
                            .help = "what the field stands for; log-conductivity (the default of resistivity "
                                    "surveys): all of the maps, regularizers and bounds act on ln(sigma)",
                            .words = "vp slowness conductivity resistivity log-conductivity",
                            .later = "vs density"}};
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
  keys.push_back({.name = "initial_weights",
                  .kind = K::component,
                  .fallback = "null",
                  .help = "read the initial parameters instead of drawing them",
                  .example = "{\"path\": \"weights.safetensors\"}",
                  .slot = "weights"});
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
       .words = "per-axis isotropic unit",
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
  const Key centered{.name = "centered",
                     .kind = K::boolean,
                     .fallback = "false",
                     .help = "count the cycles from the centre of the grid instead of its first node"};
  const Key frequency_file{
      .name = "file",
      .kind = K::path,
      .fallback = "null",
      .help =
          ".npy of shape (m, 2), in three dimensions (m, 3): cycles along each axis of each frequency, instead of "
          "random ones",
      .example = "\"frequencies.npy\""};
  const Key file_axes{
      .name = "file_axes", .kind = K::choice, .fallback = "\"zx\"", .help = "columns of the file", .words = "zx xz"};
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
       network_keys("128", "3", {frequencies, sigma, cycles, centered, frequency_file, file_axes, hidden, activation})},
      {"field", "wire", "complex Gabor network (WIRE)",
       network_keys(
           "200", "4",
           {{.name = "omega_0", .fallback = "5", .help = "frequency factor of every layer", .min = 0, .min_open = true},
            {.name = "scale_0", .fallback = "5", .help = "factor of the Gaussian of every layer", .min = 0}})},
      {"field", "low-rank", "networks of z and of x joined by a core matrix",
       network_keys(
           "128", "2",
           {omega_30,
            {.name = "final_init",
             .kind = K::choice,
             .fallback = "\"siren\"",
             .help = "initial size of the last layers of the factors: siren (small) or framework (larger; a step of "
                     "the core "
                     "then moves the field some twenty times as far)",
             .words = "siren framework"},
            {.name = "ranks",
             .kind = K::integers,
             .fallback = "null",
             .help = "ranks of z and of x, in three dimensions of z, y and x; null: half of the nodes of each axis",
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
      {"field", "decoder", "codes of a trained decoder of models (task compress)",
       field_keys({{.name = "path",
                    .kind = K::path,
                    .help = "decoder.safetensors, or the directory of the run that trained it",
                    .example = "\"runs/codec\"",
                    .words = "decoder.safetensors"},
                   {.name = "unknowns",
                    .kind = K::integer,
                    .fallback = "null",
                    .help = "leading principal axes of the training codes; null: all",
                    .example = "32",
                    .min = 1},
                   {.name = "flow",
                    .kind = K::path,
                    .fallback = "null",
                    .help = "the directory that task train-generator wrote, of a latent-flow of this decoder: the "
                            "unknowns are the noise that it turns into a code",
                    .example = "\"runs/flow\"",
                    .words = "generator.safetensors"},
                   {.name = "flow_steps",
                    .kind = K::integer,
                    .fallback = "8",
                    .help = "Euler steps from noise to code",
                    .min = 1,
                    .max = 1000},
                   {.name = "flow_family",
                    .kind = K::string,
                    .fallback = "null",
                    .help = "of those that the flow was trained with; null: none",
                    .example = "\"curve-vel-a\""}},
                  "{\"type\": \"identity\"}")},
      {"encoder", "dense-grid", "features interpolated from grids of several resolutions", table_keys},
      {"encoder", "hash-grid", "likewise, large levels share table entries by a hash", hash_keys},
      {"encoder", "identity", "coordinates as they are", {}},
      {"encoder",
       "fourier",
       "cos and sin of random frequencies",
       {frequencies, sigma, cycles, centered, frequency_file, file_axes}},
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
      {"weights",
       "",
       "parameters of a field from a file",
       {{.name = "path",
         .kind = K::path,
         .help = "weights.safetensors of a run, or .safetensors or .npz with the weight (outputs, inputs) and bias of "
                 "each layer of a network, in the order of their names",
         .example = "\"weights.safetensors\""},
        {.name = "columns",
         .kind = K::integers,
         .fallback = "null",
         .help = "for each input of the network its column in the first weight of the file; null: in order",
         .example = "[1, 0]",
         .min = 0},
        {.name = "signs",
         .kind = K::integers,
         .fallback = "null",
         .help = "for each input of the network 1, or -1 where its column is to be negated (an axis that points the "
                 "other way)",
         .example = "[-1, 1]",
         .min = -1,
         .max = 1}}},
      {"prefit",
       "",
       "fit of the field to the start model",
       {{.name = "iterations", .kind = K::integer, .fallback = "500", .help = "Adam steps", .min = 1},
        {.name = "lr", .fallback = "1e-4", .help = "rate", .min = 0, .min_open = true}}},
  };
}

std::vector<Component> transform_rows() {
  const Key low{.name = "min",
                .help = "smallest value",
                .example = "1400",
                .quantity = Q::velocity,
                .min = 0,
                .min_open = true,
                .also = {Q::slowness, Q::conductivity, Q::resistivity}};
  const Key high{.name = "max",
                 .help = "largest value",
                 .example = "4600",
                 .quantity = Q::velocity,
                 .min = 0,
                 .min_open = true,
                 .also = {Q::slowness, Q::conductivity, Q::resistivity}};
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
         .fallback = "null",
         .help = "change of the model per unit of output; null: 1000 m/s, 1e-4 s/m, 0.01 S/m, 100 ohm m; of "
                 "log-conductivity 1 (a plain number)",
         .example = "1000",
         .quantity = Q::velocity,
         .min = 0,
         .min_open = true,
         .also = {Q::slowness, Q::conductivity, Q::resistivity, Q::none}},
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
       {{.name = "center",
         .help = "value at output 0",
         .example = "3000",
         .quantity = Q::velocity,
         .also = {Q::slowness, Q::conductivity, Q::resistivity}},
        {.name = "scale",
         .fallback = "null",
         .help = "change of the model per unit of output; null: 1000 m/s, 1e-4 s/m, 0.01 S/m, 100 ohm m; of "
                 "log-conductivity 1 (a plain number)",
         .example = "1000",
         .quantity = Q::velocity,
         .min = 0,
         .min_open = true,
         .also = {Q::slowness, Q::conductivity, Q::resistivity, Q::none}}}},
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

}  // namespace

std::vector<Component> representation_rows() {
  std::vector<Component> rows = field_rows();
  const std::vector<Component> maps = transform_rows();
  rows.insert(rows.end(), maps.begin(), maps.end());
  return rows;
}

}  // namespace terrane
