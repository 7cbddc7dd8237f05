// SPDX-License-Identifier: MIT
#include "engine/field_decoder.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "analysis/spectra.hpp"
#include "engine/diffusion/trained_generator.hpp"
#include "engine/io/file.hpp"
#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {

namespace {

struct Axes {
  Index count = 0;
  std::vector<double> values;  // (count, K): axis times deviation along it
};

Axes principal_axes(const AutoDecoder& d) {
  const auto k = static_cast<std::size_t>(d.shape.code), models = d.training_codes.size() / k;
  Axes axes;
  if (models < 2) {
    axes.count = d.shape.code;
    axes.values.assign(k * k, 0.0);
    for (std::size_t i = 0; i < k; ++i) axes.values[i * k + i] = static_cast<double>(d.statistics.deviation[i]);
    return axes;
  }
  std::vector<double> covariance(k * k, 0.0);
  for (std::size_t m = 0; m < models; ++m) {
    for (std::size_t i = 0; i < k; ++i) {
      const double a = static_cast<double>(d.training_codes[m * k + i] - d.statistics.mean[i]);
      for (std::size_t j = 0; j < k; ++j) {
        const double b = static_cast<double>(d.training_codes[m * k + j] - d.statistics.mean[j]);
        covariance[i * k + j] += a * b / static_cast<double>(models - 1);
      }
    }
  }
  Stream s{Device{}};
  const Buffer<double> c = to_device(s, covariance);
  const Eigenpairs pairs = dense_eigenpairs(s, c.data(), d.shape.code);
  for (std::size_t j = 0; j < pairs.values.size() && pairs.values[j] > 1e-10 * pairs.values[0]; ++j) {
    for (std::size_t i = 0; i < k; ++i) {
      axes.values.push_back(std::sqrt(pairs.values[j]) * pairs.vectors[j * k + i]);
    }
    ++axes.count;
  }
  return axes;
}

// (rows, K) times M^T (K, shifts); the codes themselves where they lie on a grid.
std::vector<double> shifts_of(const AutoDecoder& d, const std::vector<double>& codes) {
  if (d.shape.cells > 0) return codes;
  const auto k = static_cast<std::size_t>(d.shape.code), n = static_cast<std::size_t>(d.shape.shifts());
  const float* m = d.parameters.data() + d.shape.network_parameters();
  std::vector<double> shifts(codes.size() / k * n, 0.0);
  for (std::size_t r = 0; r < codes.size() / k; ++r) {
    for (std::size_t i = 0; i < k; ++i) {
      for (std::size_t j = 0; j < n; ++j) shifts[r * n + j] += codes[r * k + i] * static_cast<double>(m[i * n + j]);
    }
  }
  return shifts;
}

// Codes of a flow: mean + y axes, y the numbers that it draws for this family (-1: none), through its map of moments.
struct FlowCodes {
  std::vector<double> mean;
  Axes axes;
};
FlowCodes flow_codes(const Generator& g, int family) {
  const std::size_t k = g.scale.size();
  FlowCodes f{{g.offset.begin(), g.offset.end()}, {static_cast<Index>(k), std::vector<double>(k * k, 0.0)}};
  const auto row = static_cast<std::size_t>(family < 0 ? g.network.families() : family);
  for (std::size_t j = 0; j < k; ++j) {
    const auto scale = static_cast<double>(g.scale[j]);
    f.axes.values[j * k + j] = scale;
    if (!g.match.any()) continue;
    f.mean[j] += scale * static_cast<double>(g.match.shift[row * k + j]);
    for (std::size_t i = 0; i < k; ++i) {
      f.axes.values[i * k + j] = scale * static_cast<double>(g.match.matrix[(row * k + i) * k + j]);
    }
  }
  return f;
}

TrainedGenerator read_flow(const CodeFlow& flow, const AutoDecoder& d) {
  const std::string directory = directory_of(flow.path);
  TrainedGenerator trained = read_trained_generator(directory);
  if (!trained.decoder) {
    throw Error(ErrorCode::config, "/field/flow: " + directory + " holds a generator of pixels, not of codes");
  }
  if (trained.decoder->identity() != d.identity()) {
    throw Error(ErrorCode::data, "the flow draws codes of another decoder", directory);
  }
  return trained;
}

}  // namespace

std::shared_ptr<const DecoderField> make_decoder_field(const std::string& path, Index unknowns, const CodeFlow& flow) {
  const std::string file = std::filesystem::is_directory(path) ? path + "/decoder.safetensors" : path;
  const AutoDecoder d = read_decoder(file);
  if (d.shape.dims != 2) throw Error(ErrorCode::data, "the decoder makes volumes, a field needs one of planes", file);
  const std::optional<TrainedGenerator> trained = flow.path.empty() ? std::nullopt : std::optional(read_flow(flow, d));
  if (trained && unknowns > 0 && unknowns < d.shape.code) {
    throw Error(ErrorCode::config, "/field/unknowns: a flow needs all numbers of a code: leave this key out");
  }
  const int family = trained ? trained->family(flow.family) : -1;
  const FlowCodes codes = trained ? flow_codes(trained->generator, family)
                                  : FlowCodes{{d.statistics.mean.begin(), d.statistics.mean.end()}, principal_axes(d)};
  const Axes& axes = codes.axes;
  if (unknowns > axes.count) {
    throw Error(ErrorCode::config, "/field/unknowns: the codes of this decoder have " + std::to_string(axes.count) +
                                       " independent numbers");
  }
  auto f = std::make_shared<DecoderField>();
  f->shape = d.shape;
  f->offset_mps = d.offset_mps;
  f->scale_mps = d.scale_mps;
  f->unknowns = unknowns > 0 ? unknowns : axes.count;
  f->network.assign(d.parameters.begin(), d.parameters.begin() + d.shape.network_parameters());
  f->directions = shifts_of(d, {axes.values.begin(), axes.values.begin() + f->unknowns * d.shape.code});
  f->mean = shifts_of(d, codes.mean);
  if (trained) f->flow = make_flow_map(trained->generator, flow.steps, family);
  return f;
}

}  // namespace terrane
