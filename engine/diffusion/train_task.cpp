// SPDX-License-Identifier: MIT
#include "engine/diffusion/train_task.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engine/budget.hpp"
#include "engine/compression/model_set.hpp"
#include "engine/contact_sheet.hpp"
#include "engine/diffusion/moment_match.hpp"
#include "engine/diffusion/trained_generator.hpp"
#include "engine/evaluation/sample_scores.hpp"
#include "engine/figure.hpp"
#include "engine/io/file.hpp"
#include "engine/io/png.hpp"
#include "engine/io/text.hpp"
#include "engine/report.hpp"
#include "engine/training_task.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

ProcessOptions process_of(const Json& section) {
  ProcessOptions p;
  p.process = section.at("type") == "ddpm" ? Process::ddpm : Process::flow;
  if (p.process == Process::ddpm) p.schedule = section.at("noise_schedule");
  return p;
}

DiffusionTrainOptions training_of(const Json& section, std::uint64_t seed) {
  DiffusionTrainOptions o;
  o.steps = section.at("steps");
  o.batch = section.at("batch_models");
  o.accumulate = section.at("accumulate");
  o.lr = section.at("lr");
  o.warmup = section.at("warmup");
  o.average = section.at("average");
  o.weight_decay = section.at("weight_decay");
  o.drop_probability = section.at("drop_probability");
  o.seed = seed;
  return o;
}

FactorPrecision factor_precision(const std::string& network) {
  return network == "tf32" ? FactorPrecision::tf32 : network == "bf16" ? FactorPrecision::bf16 : FactorPrecision::full;
}

// Sides of the network: multiples of 2^(levels - 1) that hold the model.
Index padded(Index size, std::size_t levels) {
  const Index unit = Index{1} << (levels - 1);
  return (size + unit - 1) / unit * unit;
}

MapConditions conditions_of_section(const Json& section) { return {section.at("wells"), section.at("reflectivity")}; }

Denoiser pixel_network(const Json& section, Index size, Index families) {
  UnetShape f;
  f.channels_condition = conditions_of_section(section).channels();
  f.channels = section.at("channels").get<std::vector<Index>>();
  f.blocks = section.at("blocks");
  f.groups = section.at("groups");
  f.head_channels = section.at("head_channels");
  f.attention.assign(f.channels.size(), false);
  for (const Index level : section.at("attention").get<std::vector<Index>>()) {
    if (level < 0 || level >= static_cast<Index>(f.channels.size())) {
      throw Error(ErrorCode::config, "/generator/attention: there is no level " + std::to_string(level) +
                                         ": they count from 0 to " + std::to_string(f.channels.size() - 1));
    }
    f.attention[static_cast<std::size_t>(level)] = true;
  }
  f.height = f.width = padded(size, f.channels.size());
  f.families = families;
  return Denoiser(f);
}

CodeNetwork network_of(const Json& section, Index families) {
  CodeNetwork n;
  n.width = section.at("width");
  n.blocks = section.at("blocks");
  n.families = families;
  n.conditions = conditions_of_section(section);
  n.condition_size = section.at("condition_size");
  return n;
}

class TrainRun : public TrainingTask {
 public:
  TrainRun(const Config& config, const RunOptions& options, bool continuing)
      : TrainingTask(config, options, continuing),
        section_(c_.at("generator")),
        s_(options.device, stream_options(options)) {}

 private:
  bool latent() const { return section_.at("type") == "latent-flow"; }

  bool work() override {
    models_ = read_models(s_, c_.at("models"));
    if (models_.train.extent[1] != 1 || models_.train.extent[0] != models_.train.extent[2]) {
      throw Error(ErrorCode::data, "a generator learns square maps, (n, size, size)");
    }
    size_ = models_.train.extent[0];
    const bool labelled = !models_.family.empty();
    if (labelled) families_ = c_.at("models").at("families").get<std::vector<std::string>>();
    if (latent()) decoder_ = read_own_decoder();
    layout_ = condition_layout_of();
    Generator prototype = latent() ? latent_prototype_of() : pixel_prototype();
    prototype.families = families_;
    sampler_ = sampler_of_section(section_);
    check_sampler(sampler_, prototype.process);
    DiffusionTrainOptions training = training_of(section_, seed());
    training.precision = factor_precision(c_.at("precision").at("network"));
    if (layout_.kinds.channels() > 0) training.condition_groups = layout_.groups();
    DiffusionTrainer trainer(s_, prototype, training, source_of(prototype));
    log_.info("network of " + std::to_string(prototype.network.parameters()) + " weights, " +
              std::to_string(models_.train.count()) + " models" +
              (latent() ? ", codes of " + std::to_string(decoder_->shape.code) : ""));
    const Index steps = section_.at("steps");
    const bool complete =
        train(trainer, steps, std::max<Index>(1, steps / 400), [](DiffusionTrainer& t) { return t.step().loss; });
    Generator generator = trainer.generator();
    if (complete && latent() && section_.at("match_moments").get<bool>()) {
      match_moments(s_, generator, *decoder_, models_.family, sampler_, seed() + 2);
    }
    write_results(std::move(generator));
    result_["steps"] = trainer.steps_done();
    return complete;
  }

  ConditionLayout condition_layout_of() const {
    ConditionLayout o{conditions_of_section(section_), size_, 0, latent()};
    if (!latent()) {
      o.side = padded(size_, section_.at("channels").size());
    } else {
      o.side = decoder_->shape.cells > 0 ? decoder_->shape.cells : section_.at("condition_size").get<Index>();
    }
    return o;
  }
  AutoDecoder read_own_decoder() const {
    const std::string file = section_.at("decoder");
    AutoDecoder decoder = read_decoder(file);
    const Index codes = static_cast<Index>(decoder.training_codes.size()) / decoder.shape.code;
    if (codes != models_.train.count()) {
      throw Error(ErrorCode::data,
                  "the decoder was trained on " + std::to_string(codes) + " models, \"models\" has " +
                      std::to_string(models_.train.count()) + ": give the section of that run",
                  file);
    }
    return decoder;
  }
  Generator latent_prototype_of() const {
    return latent_prototype(*decoder_,
                            code_network(decoder_->shape, network_of(section_, static_cast<Index>(families_.size()))),
                            process_of(section_));
  }
  Generator pixel_prototype() const {
    return {pixel_network(section_, size_, static_cast<Index>(families_.size())),
            process_of(section_),
            {},
            {3000},
            {1500},
            {}};
  }
  MapOptions map_options(const Denoiser& network) const {
    MapOptions o;
    const UnetShape& f = std::get<UnetShape>(network.kind());
    o.height = f.height;
    o.width = f.width;
    o.flip = section_.at("flip");
    o.augmentation = {section_.at("scale"), section_.at("crop"), section_.at("elastic_px"),
                      section_.at("rotation_deg")};
    o.conditions = layout_.kinds;
    o.seed = seed();
    return o;
  }
  BatchSource source_of(const Generator& prototype) {
    if (latent()) {
      CodeConditions conditions;
      if (layout_.values() > 0) {
        conditions = code_conditions(layout_, std::make_shared<std::vector<float>>(models_.train.values), seed());
      }
      return code_source(*decoder_, prototype, models_.family, {section_.at("jitter").get<double>(), seed()},
                         std::move(conditions));
    }
    auto maps = std::make_shared<LabelledMaps>();
    maps->height = maps->width = size_;
    maps->values = models_.train.values;
    maps->family = models_.family;
    return map_source(maps, map_options(prototype.network));
  }

  void write_results(Generator generator) {
    log_.info("writing the generator");
    write_generator(out_.file("generator.safetensors"), generator);
    if (decoder_) write_decoder(out_.file("decoder.safetensors"), *decoder_);
    out_.write_json("generator.json", {{"schema_version", 1},
                                       {"type", section_.at("type")},
                                       {"size", size_},
                                       {"families", families_},
                                       {"sampler", section_.at("sampler")},
                                       {"sampler_steps", section_.at("sampler_steps")},
                                       {"guidance", section_.at("guidance")},
                                       {"conditions", layout_.to_json()}});
    result_["network"] = {{"weights", generator.network.parameters()},
                          {"file_bytes", file_bytes(out_.file("generator.safetensors"))}};
    TrainedGenerator trained{std::move(generator), decoder_, size_, sampler_, layout_};
    const Index count = section_.at("score_samples");
    const auto kinds = static_cast<Index>(std::max<std::size_t>(1, families_.size()));
    if (count == 0) return;
    for (Index f = 0; f < kinds; ++f) {
      const double start = now_s();
      const int row = families_.empty() ? -1 : static_cast<int>(f);
      ModelSet drawn{models_.train.extent, trained.models(s_, sampler_, seed() + 1, 0, count, row, size_)};
      const double seconds = now_s() - start;
      const std::string name = families_.empty() ? "all" : families_[static_cast<std::size_t>(f)];
      result_["scores"][name] = {{"samples", count}, {"samples_per_minute", 60 * static_cast<double>(count) / seconds}};
      const ModelSet own = models_of_family(models_.train, models_.family, row),
                     held = models_of_family(models_.held_out, models_.held_out_family, row);
      if (held.count() > 8 && own.count() > 8) result_["scores"][name].update(score_samples(s_, own, held, drawn));
      drawn.values.resize(static_cast<std::size_t>(std::min(count, contact_columns) * drawn.points()));
      rows_.push_back({name, size_, size_, std::move(drawn.values)});
    }
  }

  void write_page(const Json& result) override {
    if (rows_.empty()) return;
    const Drawing sheet = contact_sheet(rows_);
    write_png(out_.file("contact.png"), sheet.raster(1));
    const std::string name = c_.at("name").get<std::string>();
    write_file_atomic(
        out_.file("report.html"),
        html_page(name,
                  "<h1>" + html_escape("Generator: " + name) + "</h1>\n" +
                      figure_html({"samples.png", "Samples",
                                   "The first samples of each family; 1,500 (dark) to 4,500 m/s.", sheet}) +
                      loss_figure_html("Mean squared error",
                                       "Of the predicted noise or velocity, whose variance is of order one.", false) +
                      "<h2>Numbers</h2>\n<table>" + result_rows(result) + "</table>\n"));
  }

  const Json& section_;
  Stream s_;
  ModelSets models_;
  Index size_ = 70;
  std::vector<std::string> families_;
  std::optional<AutoDecoder> decoder_;
  SamplerOptions sampler_;
  ConditionLayout layout_;
  std::vector<ContactRow> rows_;
};

}  // namespace

Json train_generator_task(const Config& config, const RunOptions& options, bool continuing) {
  return TrainRun(config, options, continuing).execute();
}

Forecast forecast_train_generator(const Config& config, const RunOptions& options) {
  const Json& c = config.json();
  const Json& g = c.at("generator");
  const ModelSetSize size = size_of_models(c.at("models"));
  const bool latent = g.at("type") == "latent-flow";
  const auto families = static_cast<Index>(
      c.at("models").at("type") == "generated" ? c.at("models").at("families").size() : std::size_t{0});
  const Index side = static_cast<Index>(
      std::lround(std::sqrt(static_cast<double>(size.values) / static_cast<double>(std::max<Index>(1, size.models)))));
  const Denoiser network =
      latent ? code_network(read_decoder(g.at("decoder").get<std::string>()).shape, network_of(g, families))
             : pixel_network(g, side, families);
  const double weights = static_cast<double>(network.parameters());
  const double values = static_cast<double>(g.at("batch_models").get<Index>() * network.sample_values());
  // Weights, moments, average, gradient; every layer keeps its output and a cotangent.
  const double layers = latent ? 6.0 * g.at("width").get<double>() * g.at("blocks").get<double>() /
                                     static_cast<double>(network.sample_values())
                               : 24.0 * g.at("channels")[0].get<double>();
  const double bytes = 4 * (5 * weights + 2 * layers * values + 2 * static_cast<double>(size.values));
  const double disk = 4 * 4 * weights * (1 + c.at("checkpoint").at("keep").get<double>());
  char what[160];
  std::snprintf(what, sizeof what, "train-generator: %lld models, network of %.0f weights, %lld steps",
                static_cast<long long>(size.models), weights, static_cast<long long>(g.at("steps").get<Index>()));
  return forecast_of(config, options, {what, bytes, disk, "Take fewer models, or a smaller \"batch_models\"."});
}

}  // namespace terrane
