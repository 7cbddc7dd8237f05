// SPDX-License-Identifier: MIT
// Tasks, and the rows of the root and of what every task has.
#include "engine/registry.hpp"

namespace terrane {
namespace {

using Q = Quantity;
using K = KeyKind;

Component root_row() {
  return {
      "config",
      "",
      "the whole config",
      {
          {.name = "task",
           .kind = K::choice,
           .help = "what to do",
           .example = "\"invert\"",
           .words = "invert forward reproduce analyze",
           .later = "compress train-generator generate"},
          {.name = "name",
           .kind = K::string,
           .fallback = "\"run\"",
           .help = "name of the run: report and output directory",
           .example = "\"fwi-siren\""},
          {.name = "description", .kind = K::string, .fallback = "\"\"", .help = "free text, shown in the report"},
          {.name = "metadata",
           .kind = K::free,
           .fallback = "{}",
           .help = "anything; copied to result.json",
           .example = "{\"line\": 12}"},
          {.name = "config_version",
           .kind = K::integer,
           .fallback = "1",
           .help = "version of this format",
           .min = 1,
           .max = 1},
          {.name = "seed", .kind = K::seed, .fallback = "0", .help = "seed of everything random; exact 64-bit integer"},
          {.name = "device",
           .kind = K::string,
           .fallback = "\"auto\"",
           .help = "auto (first usable GPU, else the CPU), cpu, shadow (CPU with guarded buffers), cuda, cuda:N",
           .example = "\"cuda:0\""},
          {.name = "threads",
           .kind = K::integer,
           .fallback = "null",
           .help = "threads on the CPU; null: OMP_NUM_THREADS, else the cores this process may use",
           .example = "4",
           .min = 1},
          {.name = "precision", .kind = K::component, .fallback = "{}", .help = "number formats", .slot = "precision"},
          {.name = "memory", .kind = K::component, .fallback = "{}", .help = "hard budgets", .slot = "memory"},
          {.name = "checkpoint",
           .kind = K::component,
           .fallback = "{}",
           .help = "when the state is saved",
           .slot = "checkpoint"},
          {.name = "report",
           .kind = K::component,
           .fallback = "{}",
           .help = "report.html and figures",
           .slot = "report"},
          {.name = "grid",
           .kind = K::component,
           .fallback = "null",
           .help = "nodes of the model, z down; may be left out for a file of travel times: chosen from its sensors",
           .example = "{\"nz\": 70, \"nx\": 70, \"dz_m\": 10, \"dx_m\": 10}",
           .slot = "grid"},
          {.name = "physics", .kind = K::component, .help = "what turns the model into data", .slot = "physics"},
          {.name = "survey",
           .kind = K::component,
           .fallback = "null",
           .help = "times, wavelet, sources, receivers",
           .slot = "survey"},
          {.name = "true_model",
           .kind = K::component,
           .fallback = "null",
           .help = "makes synthetic data; also gives the model errors",
           .slot = "model"},
          {.name = "start_model",
           .kind = K::component,
           .fallback = "null",
           .help = "where the inversion starts",
           .slot = "model"},
          {.name = "reference_model",
           .kind = K::component,
           .fallback = "null",
           .help = "another's result, shown beside ours",
           .slot = "model"},
          {.name = "model",
           .kind = K::component,
           .fallback = "null",
           .help = "model to simulate (task forward); default: true_model",
           .slot = "model"},
          {.name = "noise",
           .kind = K::component,
           .fallback = "null",
           .help = "added to the simulated data (task forward)",
           .slot = "noise"},
          {.name = "data", .kind = K::component, .help = "what is inverted", .slot = "data"},
          {.name = "ip",
           .kind = K::component,
           .fallback = "null",
           .help = "resistivity: induced polarisation after the inversion",
           .example = "{\"path\": \"ip.obs\"}",
           .slot = "ip"},
          {.name = "field", .kind = K::component, .help = "what represents the model", .slot = "field"},
          {.name = "misfit",
           .kind = K::component,
           .help = "distance between observed and predicted data",
           .slot = "misfit"},
          {.name = "regularizers",
           .kind = K::component_list,
           .fallback = "[]",
           .help = "terms added to the misfit",
           .slot = "regularizer"},
          {.name = "trade_off",
           .kind = K::component,
           .fallback = "null",
           .help = "how misfit and regularizers are weighed; null: their sum",
           .example = "{\"type\": \"convex\", \"beta\": {\"type\": \"exponential\", \"scale_iterations\": 800}}",
           .slot = "trade_off"},
          {.name = "optimizer", .kind = K::component, .help = "how the field is changed", .slot = "optimizer"},
          {.name = "gradient",
           .kind = K::component,
           .fallback = "{}",
           .help = "masks and scaling of the model gradient",
           .slot = "gradient"},
          {.name = "bounds",
           .kind = K::component,
           .fallback = "{}",
           .help = "hard limits of the model after every step",
           .slot = "bounds"},
          {.name = "stages",
           .kind = K::component_list,
           .fallback = "[]",
           .help = "steps of the inversion, e.g. low to high frequencies; empty: one stage of optimizer.iterations",
           .example = "[{\"iterations\": 200, \"lowpass_hz\": 8}, {\"iterations\": 600}]",
           .slot = "stage"},
          {.name = "stop", .kind = K::component, .fallback = "{}", .help = "reasons to stop early", .slot = "stop"},
          {.name = "score_region",
           .kind = K::component,
           .fallback = "null",
           .help = "a part of the model whose errors are given as well",
           .example = "{\"type\": \"disc\", \"x_m\": 0.1, \"z_m\": 0.1, \"radius_m\": 0.07}",
           .slot = "region"},
          {.name = "score_body",
           .kind = K::component,
           .fallback = "null",
           .help = "a body above a threshold whose overlap, mean and axis are given as well",
           .example = "{\"threshold_s_per_m\": 0.003}",
           .slot = "body"},
          {.name = "recipe",
           .kind = K::string,
           .help = "published cases, study/model/method/case; * stands for any part, or for the rest",
           .example = "\"cr-fwi/marmousi/ig/*\""},
          {.name = "tolerance",
           .fallback = "0",
           .help = "how far the error may lie above the published one, as a share of it",
           .min = 0},
          {.name = "seeds",
           .kind = K::integers,
           .fallback = "[0]",
           .help = "every case is run with each of them",
           .example = "[0, 1, 2]",
           .min = 0},
          {.name = "settings",
           .kind = K::free,
           .fallback = "{}",
           .help = "merged into the config of every case, or of what is analysed (RFC 7396); a section of another type "
                   "replaces the case's",
           .example = "{\"optimizer\": {\"iterations\": 500}}"},
          {.name = "run",
           .kind = K::path,
           .fallback = "null",
           .help = "what is analysed: the directory of a finished run",
           .example = "\"runs/fwi\""},
          {.name = "config",
           .kind = K::path,
           .fallback = "null",
           .help = "what is analysed instead of a run: a config, with the field's initial weights",
           .example = "\"fwi.json\""},
          {.name = "at",
           .kind = K::integers,
           .fallback = "[-1]",
           .help = "iterations of the run whose weights are taken (checkpoint.keep_iterations keeps them); 0: the "
                   "initial ones, -1: the final ones",
           .example = "[0, 200, -1]",
           .min = -1},
          {.name = "analyses",
           .kind = K::component_list,
           .fallback = "[]",
           .help = "task analyze: what is computed; task invert: the same after the run, in DIR/analysis",
           .example = "[\"svd\", {\"type\": \"kernels\", \"pairs\": [[0, 10]]}]",
           .slot = "analysis"},
      }};
}

std::vector<Component> analysis_rows() {
  const Key count = {
      .name = "k", .kind = K::integer, .fallback = "16", .help = "vectors that are kept", .example = "32", .min = 1};
  const Key method = {.name = "method",
                      .kind = K::choice,
                      .fallback = "\"auto\"",
                      .help =
                          "dense: the whole kernel is stored; lanczos: products with the Jacobian; auto: dense up to "
                          "4096 nodes",
                      .words = "auto dense lanczos"};
  Key eigenvalues = count, many = count;
  eigenvalues.help = "eigenvalues of the wave kernels";
  many.help = "eigenvalues that carry the resolution";
  many.fallback = "64";
  return {
      {"analysis", "svd", "singular values and left singular vectors of the field's Jacobian", {count, method}},
      {"analysis", "ntk", "tangent kernel of the field; of a run also its drift", {count, method}},
      {"analysis",
       "kernels",
       "sensitivity kernels and their neural form, gradient by wavenumber, wave kernel and wave tangent kernel",
       {eigenvalues,
        {.name = "data",
         .kind = K::integers,
         .fallback = "[]",
         .help = "numbers of the data, in the order of data_predicted.npy; with no pairs either: three of them",
         .example = "[0, 12]",
         .min = 0},
        {.name = "pairs",
         .kind = K::pairs,
         .fallback = "[]",
         .help = "waves: [shot, receiver], the strongest sample of each trace",
         .example = "[[0, 10], [2, 35]]"}}},
      {"analysis",
       "resolution",
       "model resolution and posterior deviation, with a white prior and with that of the field",
       {many,
        {.name = "prior_std",
         .fallback = "null",
         .help = "prior deviation in the unit of the property; null: 10 % of the model's rms, 1 for logarithms",
         .example = "200",
         .min = 0,
         .min_open = true}}},
  };
}

std::vector<Component> common_rows() {
  return {
      {"precision",
       "",
       "number formats",
       {{.name = "physics",
         .kind = K::choice,
         .fallback = "\"fp32\"",
         .help = "wave fields and model",
         .words = "fp64 fp32",
         .later = "3xtf32 tf32 bf16"},
        {.name = "network",
         .kind = K::choice,
         .fallback = "\"fp32\"",
         .help = "weights and activations of the field. On a GPU fp32 and 3xtf32 use three TF32 products on tensor "
                 "cores, of "
                 "single-precision accuracy; tf32 and bf16 round factors of the hidden layers; the CPU computes all of "
                 "them in fp32",
         .words = "fp64 fp32 3xtf32 tf32 bf16"}}},
      {"memory",
       "",
       "hard budgets; the storage is chosen to obey them",
       {{.name = "host",
         .fallback = "null",
         .help = "main memory; null: what is available",
         .example = "8e9",
         .quantity = Q::bytes,
         .min = 0,
         .min_open = true},
        {.name = "device",
         .fallback = "null",
         .help = "memory of the GPU; null: what is free",
         .example = "8e9",
         .quantity = Q::bytes,
         .min = 0,
         .min_open = true}}},
      {"checkpoint",
       "",
       "when the state is saved",
       {{.name = "every_iterations",
         .kind = K::integer,
         .fallback = "50",
         .help = "iterations between checkpoints; 0: only when stopped",
         .min = 0},
        {.name = "keep", .kind = K::integer, .fallback = "2", .help = "how many of the newest are kept", .min = 1},
        {.name = "keep_iterations",
         .kind = K::integers,
         .fallback = "[]",
         .help = "iterations that are always kept",
         .example = "[0, 200]",
         .min = 0},
        {.name = "grace",
         .fallback = "30",
         .help = "how long an iteration may finish after a signal",
         .quantity = Q::time,
         .min = 0}}},
      {"report",
       "",
       "report.html and figures",
       {{.name = "enabled", .kind = K::boolean, .fallback = "true", .help = "write the report"}}},
      {"grid",
       "",
       "nodes of the model, z down; positions are metres in these coordinates",
       {{.name = "nz", .kind = K::integer, .help = "nodes in depth", .example = "70", .min = 1, .max = 1e6},
        {.name = "nx", .kind = K::integer, .help = "nodes along the line", .example = "70", .min = 1, .max = 1e6},
        {.name = "dz", .help = "spacing in depth", .example = "10", .quantity = Q::length, .min = 0, .min_open = true},
        {.name = "dx",
         .help = "spacing along the line",
         .example = "10",
         .quantity = Q::length,
         .min = 0,
         .min_open = true},
        {.name = "z0", .fallback = "0", .help = "depth of the first node", .quantity = Q::length},
        {.name = "x0", .fallback = "0", .help = "position of the first node", .quantity = Q::length}}},
  };
}

}  // namespace

const std::vector<Task>& tasks() {
  static const std::vector<Task> rows = {
      {"invert", "recovers a model from data", "physics data field misfit optimizer",
       "grid survey start_model true_model reference_model ip regularizers trade_off gradient bounds stages stop "
       "score_region score_body analyses"},
      {"forward", "simulates data", "grid physics survey", "model true_model noise"},
      {"reproduce", "runs published cases and compares with the published errors", "recipe",
       "tolerance seeds settings"},
      {"analyze", "explains the field of a finished run, or of a config before any run", "analyses",
       "run config at settings"},
  };
  return rows;
}

std::string_view common_keys() {
  return "task name description metadata seed device threads precision memory checkpoint report config_version";
}

std::string_view foreign_sections() { return "codec rate baselines score generator source count condition pairs"; }

std::string_view later_types(std::string_view slot) {
  if (slot == "field") return "decoder";
  if (slot == "physics") return "dc-3d elastic";
  if (slot == "regularizer") return "denoiser";
  if (slot == "optimizer") return "adamw muon";
  if (slot == "schedule") return "plateau";
  if (slot == "data") return "generated openfwi";
  return {};
}

std::vector<Component> problem_rows() {
  std::vector<Component> rows = {root_row()};
  for (const auto& part : {common_rows(), modelling_rows(), analysis_rows()}) {
    rows.insert(rows.end(), part.begin(), part.end());
  }
  return rows;
}

}  // namespace terrane
