// SPDX-License-Identifier: MIT
#include "engine/diffusion/moment_match.hpp"

#include <algorithm>

#include "engine/evaluation/moments.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

constexpr Index match_batch = 256;

Features as_features(const std::vector<float>& values, Index columns) {
  return {columns, {values.begin(), values.end()}};
}

}  // namespace

std::vector<float> codes_of_family(const AutoDecoder& decoder, const std::vector<int>& family, int row) {
  if (row < 0) return decoder.training_codes;
  std::vector<float> own;
  for (std::size_t k = 0; k < family.size(); ++k) {
    const auto from = decoder.training_codes.begin() + static_cast<Index>(k) * decoder.shape.code;
    if (family[k] == row) own.insert(own.end(), from, from + decoder.shape.code);
  }
  return own;
}

void match_moments(Stream& s, Generator& g, const AutoDecoder& decoder, const std::vector<int>& family,
                   const SamplerOptions& sampler, std::uint64_t seed, Index samples) {
  const Index d = decoder.shape.code, families = g.network.families();
  require(d == g.network.sample_values(), ErrorCode::config,
          "the generator draws codes of another length than the decoder reads");
  if (samples == 0) samples = std::max<Index>(2048, 32 * d);
  require(samples >= 2 * d, ErrorCode::config, "moments are matched over at least twice as many samples as numbers");
  const Index count = static_cast<Index>(decoder.training_codes.size()) / d;
  require(family.empty() || static_cast<Index>(family.size()) == count, ErrorCode::data, "every code has one family");
  g.match = {};
  if (d > longest_matched_code) return;
  SamplerOptions plain = sampler;
  plain.guidance = 1;
  MomentMatch match;
  match.sampler = plain.kind;
  match.steps = plain.steps;
  bool any = false;
  for (Index row = 0; row <= families; ++row) {
    const bool all = row == families;
    std::vector<float> own = codes_of_family(decoder, family, all ? -1 : static_cast<int>(row));
    g.normalize(own);
    std::vector<double> shift(static_cast<std::size_t>(d), 0.0), matrix(static_cast<std::size_t>(d * d), 0.0);
    for (Index c = 0; c < d; ++c) matrix[static_cast<std::size_t>(c * d + c)] = 1;
    if (static_cast<Index>(own.size()) >= 2 * d * d) {
      any = true;
      SampleConditions conditions;
      if (!all) conditions.family.assign(static_cast<std::size_t>(samples), static_cast<int>(row));
      std::vector<float> drawn = sample(s, g, plain, seed, 0, samples, conditions, match_batch);
      g.normalize(drawn);
      const JointMoments from = moments_of(s, as_features(drawn, d)), to = moments_of(s, as_features(own, d));
      matrix = gaussian_transport(s, from, to);
      for (Index c = 0; c < d; ++c) {
        double moved = 0;
        for (Index k = 0; k < d; ++k) {
          moved += from.mean[static_cast<std::size_t>(k)] * matrix[static_cast<std::size_t>(k * d + c)];
        }
        shift[static_cast<std::size_t>(c)] = to.mean[static_cast<std::size_t>(c)] - moved;
      }
    }
    match.shift.insert(match.shift.end(), shift.begin(), shift.end());
    match.matrix.insert(match.matrix.end(), matrix.begin(), matrix.end());
  }
  if (any) g.match = std::move(match);
}

bool match_applies(const Generator& g, const SamplerOptions& o, const SampleConditions& conditions) {
  if (!g.match.any() || o.kind != g.match.sampler || o.steps != g.match.steps) return false;
  const bool plain = std::all_of(conditions.family.begin(), conditions.family.end(), [](int f) { return f < 0; });
  return conditions.condition.empty() && (o.guidance == 1 || plain);
}

void apply_match(const Generator& g, const std::vector<int>& family, std::vector<float>& codes) {
  if (!g.match.any()) return;
  const Index d = g.network.sample_values(), families = g.network.families();
  g.normalize(codes);
  for (Index k = 0; k < static_cast<Index>(codes.size()) / d; ++k) {
    const int asked = family.empty() ? -1 : family[static_cast<std::size_t>(k)];
    const Index row = asked < 0 ? families : asked;
    const float* matrix = g.match.matrix.data() + row * d * d;
    std::vector<double> y(g.match.shift.begin() + row * d, g.match.shift.begin() + (row + 1) * d);
    for (Index i = 0; i < d; ++i) {
      const double x = codes[static_cast<std::size_t>(k * d + i)];
      for (Index c = 0; c < d; ++c) y[static_cast<std::size_t>(c)] += x * static_cast<double>(matrix[i * d + c]);
    }
    for (Index c = 0; c < d; ++c) {
      codes[static_cast<std::size_t>(k * d + c)] = static_cast<float>(y[static_cast<std::size_t>(c)]);
    }
  }
  g.restore(codes);
}

}  // namespace terrane
