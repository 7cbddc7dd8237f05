// SPDX-License-Identifier: MIT
#include "engine/diffusion/latent.hpp"

#include <algorithm>
#include <numeric>

#include "engine/diffusion/moment_match.hpp"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {
namespace {

// Streams of random numbers of this file; beyond those of RandomPurpose, of the codecs and of the trainer.
constexpr std::uint32_t purpose_pick = 65, purpose_jitter = 66;
constexpr Index codes_a_batch = 256;

}  // namespace

Denoiser code_network(const DecoderShape& shape, const CodeNetwork& n) {
  if (shape.cells == 0) {
    return Denoiser(ResidualMlpShape{.values = shape.code,
                                     .condition = n.conditions.channels() * n.condition_size * n.condition_size,
                                     .families = n.families,
                                     .width = n.width,
                                     .blocks = n.blocks});
  }
  require(shape.dims == 2, ErrorCode::config, "codes on a grid are learnt for planes, not for volumes");
  UnetShape f;
  f.planar = true;
  f.height = f.width = shape.cells;
  f.channels_data = shape.channels();
  f.channels_condition = n.conditions.channels();
  f.families = n.families;
  f.channels.assign(shape.cells >= 8 && shape.cells % 2 == 0 ? 2 : 1, n.width);
  f.attention.assign(f.channels.size(), false);
  f.blocks = n.blocks;
  f.groups = std::gcd(n.width, Index{8});
  f.head_channels = std::gcd(n.width, Index{32});
  return Denoiser(f);
}

Generator latent_prototype(const AutoDecoder& decoder, Denoiser network, const ProcessOptions& process) {
  require(!decoder.training_codes.empty(), ErrorCode::config, "the decoder brings no codes to learn from");
  require(network.sample_values() == decoder.shape.code, ErrorCode::config,
          "the network is for codes of another length than the decoder's");
  Generator g{std::move(network), process, {}, decoder.statistics.mean, decoder.statistics.deviation, {}};
  for (float& v : g.scale) v = std::max(v, 1e-12F);
  return g;
}

BatchSource code_source(const AutoDecoder& decoder, const Generator& prototype, std::vector<int> family,
                        const CodeSourceOptions& o, CodeConditions conditions) {
  const Index length = decoder.shape.code, count = static_cast<Index>(decoder.training_codes.size()) / length;
  require(count >= 1, ErrorCode::config, "the decoder brings no codes to learn from");
  require(family.empty() || static_cast<Index>(family.size()) == count, ErrorCode::data, "every code has one family");
  auto codes = std::make_shared<std::vector<float>>(decoder.training_codes);
  prototype.normalize(*codes);
  return
      [codes, family = std::move(family), o, conditions = std::move(conditions), length, count](Index first, Index n) {
        const Random pick(o.seed, purpose_pick), jitter(o.seed, purpose_jitter);
        TrainingBatch batch;
        for (Index number = first; number < first + n; ++number) {
          const auto key = static_cast<std::uint64_t>(number);
          const auto k = static_cast<Index>(pick.integer(key, 0, static_cast<std::uint64_t>(count)));
          for (Index c = 0; c < length; ++c) {
            const double noise = o.jitter > 0 ? o.jitter * jitter.normal(key, static_cast<std::uint32_t>(c)) : 0;
            batch.x.push_back(static_cast<float>((*codes)[static_cast<std::size_t>(k * length + c)] + noise));
          }
          if (!family.empty()) batch.family.push_back(family[static_cast<std::size_t>(k)]);
          if (!conditions) continue;
          const std::vector<float> condition = conditions(k, number);
          batch.condition.insert(batch.condition.end(), condition.begin(), condition.end());
        }
        return batch;
      };
}

std::vector<float> sample_codes(Stream& s, const Generator& g, const AutoDecoder& decoder, const SamplerOptions& o,
                                std::uint64_t seed, std::uint64_t first, Index count,
                                const SampleConditions& conditions) {
  require(g.network.sample_values() == decoder.shape.code, ErrorCode::config,
          "the generator draws codes of another length than the decoder reads");
  std::vector<float> codes = sample(s, g, o, seed, first, count, conditions, codes_a_batch);
  if (match_applies(g, o, conditions)) apply_match(g, conditions.family, codes);
  return codes;
}

}  // namespace terrane
