// SPDX-License-Identifier: MIT
#include "engine/diffusion/train_task.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "engine/checkpoint.hpp"
#include "engine/compression/model_set.hpp"
#include "engine/evaluation/sample_scores.hpp"
#include "engine/figure.hpp"
#include "engine/io/file.hpp"
#include "engine/io/png.hpp"
#include "engine/io/text.hpp"
#include "engine/output.hpp"
#include "engine/provenance.hpp"
#include "engine/report.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

constexpr double lowest_mps = 1500, highest_mps = 4500;

ProcessOptions process_of(const Json& section) {
  ProcessOptions p;
  p.process = section.at("type") == "ddpm" ? Process::ddpm : Process::flow;
  if (p.process == Process::ddpm) p.schedule = section.at("noise_schedule");
  return p;
}

SamplerOptions sampler_of_section(const Json& section) {
  SamplerOptions o;
  o.kind = sampler_of(section.at("sampler").get<std::string>());
  o.steps = section.at("sampler_steps");
  o.guidance = section.at("guidance");
  // Noise prediction needs a limit: almost nothing of the data is left at the late times.
  if (o.kind == SamplerKind::ancestral || o.kind == SamplerKind::ddim) o.clip = 1;
  return o;
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

// Sides of the network: multiples of 2^(levels - 1) that hold the model.
Index padded(Index size, std::size_t levels) {
  const Index unit = Index{1} << (levels - 1);
  return (size + unit - 1) / unit * unit;
}

Denoiser pixel_network(const Json& section, Index size, Index families) {
  UnetShape f;
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

class TrainRun {
 public:
  TrainRun(const Config& config, const RunOptions& options, bool continuing)
      : config_(config),
        c_(config.json()),
        section_(c_.at("generator")),
        options_(options),
        continuing_(continuing),
        start_s_(now_s()),
        out_(options.out_dir, options.overwrite, continuing),
        log_(Log::open(options.console, out_.file("log.txt"), options.sink)),
        s_(options.device, stream_options(options)) {}

  Json execute() {
    out_.remove("result.json");
    out_.write_json("resolved.json", c_);
    try {
      return work();
    } catch (const Error& e) {
      finish("failed", static_cast<int>(e.code()), e.message());
      throw;
    }
  }

 private:
  static StreamOptions stream_options(const RunOptions& options) {
    StreamOptions s;
    s.threads = options.threads;
    return s;
  }
  bool latent() const { return section_.at("type") == "latent-flow"; }
  std::uint64_t seed() const { return c_.at("seed").get<std::uint64_t>(); }

  Json work() {
    models_ = read_models(s_, c_.at("models"));
    if (models_.train.extent[1] != 1 || models_.train.extent[0] != models_.train.extent[2]) {
      throw Error(ErrorCode::data, "a generator learns square maps, (n, size, size)");
    }
    size_ = models_.train.extent[0];
    const bool labelled = !models_.family.empty();
    if (labelled) families_ = c_.at("models").at("families").get<std::vector<std::string>>();
    Generator prototype = latent() ? latent_prototype_of() : pixel_prototype();
    prototype.families = families_;
    sampler_ = sampler_of_section(section_);
    check_sampler(sampler_, prototype.process);
    DiffusionTrainer trainer(s_, prototype, training_of(section_, seed()), source_of(prototype));
    log_.info("network of " + std::to_string(prototype.network.parameters()) + " weights, " +
              std::to_string(models_.train.count()) + " models" +
              (latent() ? ", codes of " + std::to_string(decoder_->shape.code) : ""));
    if (continuing_) {
      if (const auto checkpoint = load_latest(out_.path(), log_)) {
        trainer.restore(checkpoint->tensors);
        log_.info("resumed at step " + std::to_string(trainer.steps_done()));
      }
    }
    const bool complete = train(trainer);
    write_results(trainer.generator());
    result_["steps"] = trainer.steps_done();
    if (complete) return finish("ok", 0, "");
    return finish("stopped", options_.stop_signal->load() == 2 ? 130 : 75, "");
  }

  Generator latent_prototype_of() {
    const std::string file = section_.at("decoder");
    decoder_ = read_decoder(file);
    const Index codes = static_cast<Index>(decoder_->training_codes.size()) / decoder_->shape.code;
    if (codes != models_.train.count()) {
      throw Error(ErrorCode::data,
                  "the decoder was trained on " + std::to_string(codes) + " models, \"models\" has " +
                      std::to_string(models_.train.count()) + ": give the section of that run",
                  file);
    }
    ResidualMlpShape shape;
    shape.width = section_.at("width");
    shape.blocks = section_.at("blocks");
    shape.families = static_cast<Index>(families_.size());
    return latent_prototype(*decoder_, shape, process_of(section_));
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
    o.seed = seed();
    return o;
  }
  BatchSource source_of(const Generator& prototype) {
    if (latent()) {
      return code_source(*decoder_, prototype, models_.family, {section_.at("jitter").get<double>(), seed()});
    }
    auto maps = std::make_shared<LabelledMaps>();
    maps->height = maps->width = size_;
    maps->values = models_.train.values;
    maps->family = models_.family;
    return map_source(maps, map_options(prototype.network));
  }

  // False: stopped by a signal, checkpoint written.
  bool train(DiffusionTrainer& trainer) {
    const auto every = c_.at("checkpoint").at("every_iterations").get<Index>();
    const Index steps = section_.at("steps"), line = std::max<Index>(1, steps / 400);
    ProgressFile progress(out_.file("progress.jsonl"), trainer.steps_done());
    double sum = 0;
    Index summed = 0;
    while (trainer.steps_done() < steps) {
      if (options_.stop_signal != nullptr && options_.stop_signal->load() != 0) {
        save(trainer);
        log_.info("stopped by a signal; terrane resume " + out_.path() + " continues");
        return false;
      }
      const double loss = trainer.step().loss;
      sum += loss;
      ++summed;
      const Index done = trainer.steps_done();
      if (done % line == 0) {
        progress.append(
            {{"iteration", done}, {"loss", sum / static_cast<double>(summed)}, {"time_s", now_s() - start_s_}});
        sum = 0, summed = 0;
      }
      if (options_.progress) {
        ProgressEvent event;
        event.iteration = done;
        event.iterations = steps;
        event.misfit = loss;
        event.elapsed_s = now_s() - start_s_;
        event.peak_bytes = peak_resident_bytes();
        options_.progress(event);
      }
      if (every > 0 && done % every == 0 && done < steps) save(trainer);
    }
    if (every > 0) save(trainer);
    return true;
  }

  void save(const DiffusionTrainer& trainer) const {
    CheckpointState state;
    state.iteration = trainer.steps_done();
    state.tensors = trainer.state();
    state.meta = {{"task", "train-generator"}, {"config_sha256", config_.sha256()}};
    save_checkpoint(out_.path(), state, c_.at("checkpoint").at("keep").get<Index>());
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
                                       {"guidance", section_.at("guidance")}});
    result_["network"] = {{"weights", generator.network.parameters()},
                          {"file_bytes", file_bytes(out_.file("generator.safetensors"))}};
    TrainedGenerator trained{std::move(generator), decoder_, size_, sampler_};
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
      const ModelSet own = part(models_.train, models_.family, row),
                     held = part(models_.held_out, models_.held_out_family, row);
      if (held.count() > 8 && own.count() > 8) result_["scores"][name].update(score_samples(s_, own, held, drawn));
      rows_.push_back({name, std::move(drawn)});
    }
  }

  static ModelSet part(const ModelSet& set, const std::vector<int>& family, int row) {
    if (row < 0) return set;
    ModelSet out{set.extent, {}};
    for (std::size_t k = 0; k < family.size(); ++k) {
      if (family[k] != row) continue;
      const auto from = set.values.begin() + static_cast<Index>(k) * set.points();
      out.values.insert(out.values.end(), from, from + set.points());
    }
    return out;
  }

  void write_contact_sheet() const {
    constexpr double cell = 112, gap = 6, label = 110;
    const Index n = size_ * size_;
    Drawing d(label + 10 * (cell + gap), static_cast<double>(rows_.size()) * (cell + gap) + gap);
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      const double y = gap + static_cast<double>(r) * (cell + gap);
      d.text({8, y + cell / 2}, rows_[r].first, 12);
      for (Index k = 0; k < std::min<Index>(10, rows_[r].second.count()); ++k) {
        d.image(
            {label + static_cast<double>(k) * (cell + gap), y, cell, cell},
            colorize(rows_[r].second.values.data() + k * n, size_, size_, Colormap::viridis, lowest_mps, highest_mps),
            false);
      }
    }
    const Figure f{"samples.png", "Samples", "The first samples of each family; 1,500 (dark) to 4,500 m/s.", d};
    write_png(out_.file("contact.png"), d.raster(1));
    std::string body = "<h1>" + html_escape("Generator: " + c_.at("name").get<std::string>()) + "</h1>\n" +
                       figure_html(f) + loss_html() + "<h2>Numbers</h2>\n<table>" + result_rows(result_) + "</table>\n";
    write_file_atomic(out_.file("report.html"), html_page(c_.at("name").get<std::string>(), body));
  }
  std::string loss_html() const {
    Series loss{"", {}, {}, Paint::of({42, 120, 178}), 1.6, 0};
    std::ifstream progress(out_.file("progress.jsonl"));
    for (std::string line; std::getline(progress, line);) {
      const Json row = Json::parse(line);
      loss.x.push_back(row.at("iteration"));
      loss.y.push_back(row.at("loss"));
    }
    if (loss.x.size() < 2) return "";
    LinePlot plot;
    plot.title = "Loss";
    plot.x = {"Step", 0, loss.x.back()};
    plot.y = {"Mean squared error", 0, 1.05 * *std::max_element(loss.y.begin(), loss.y.end())};
    plot.legend = false;
    plot.series = {loss};
    Drawing d(860, 376);
    draw_line_plot(d, {74, 26, 760, 300}, plot);
    return figure_html(
        {"loss.png", "Training", "Of the predicted noise or velocity, whose variance is of order one.", d});
  }

  Json finish(const char* status, int code, const std::string& error) {
    Json r{{"schema_version", 1},   {"status", status},
           {"exit_code", code},     {"task", "train-generator"},
           {"name", c_.at("name")}, {"error", error.empty() ? Json(nullptr) : Json(error)}};
    r.update(result_);
    add_provenance(r, config_, log_, start_s_);
    if (error.empty() && !rows_.empty() && c_.at("report").at("enabled").get<bool>()) write_contact_sheet();
    out_.write_json("result.json", r);
    return r;
  }

  Config config_;
  const Json& c_;
  const Json& section_;
  const RunOptions& options_;
  bool continuing_;
  double start_s_;
  OutputDirectory out_;
  Log log_;
  Stream s_;
  ModelSets models_;
  Index size_ = 70;
  std::vector<std::string> families_;
  std::optional<AutoDecoder> decoder_;
  SamplerOptions sampler_;
  std::vector<std::pair<std::string, ModelSet>> rows_;
  Json result_ = Json::object();
};

}  // namespace

Json train_generator_task(const Config& config, const RunOptions& options, bool continuing) {
  return TrainRun(config, options, continuing).execute();
}

Forecast forecast_train_generator(const Config& config) {
  const Json& c = config.json();
  const Json& g = c.at("generator");
  const ModelSetSize size = size_of_models(c.at("models"));
  const bool latent = g.at("type") == "latent-flow";
  const auto families = static_cast<Index>(
      c.at("models").at("type") == "generated" ? c.at("models").at("families").size() : std::size_t{0});
  const Index side = static_cast<Index>(
      std::lround(std::sqrt(static_cast<double>(size.values) / static_cast<double>(std::max<Index>(1, size.models)))));
  const Denoiser network = latent
                               ? Denoiser(ResidualMlpShape{read_decoder(g.at("decoder").get<std::string>()).shape.code,
                                                           families, g.at("width"), g.at("blocks")})
                               : pixel_network(g, side, families);
  const double weights = static_cast<double>(network.parameters());
  const double values = static_cast<double>(g.at("batch_models").get<Index>() * network.sample_values());
  // Weights, moments, average, gradient; every layer keeps its output and a cotangent.
  const double layers = latent ? 6.0 * g.at("width").get<double>() * g.at("blocks").get<double>() /
                                     static_cast<double>(network.sample_values())
                               : 24.0 * g.at("channels")[0].get<double>();
  const double bytes = 4 * (5 * weights + 2 * layers * values + 2 * static_cast<double>(size.values));
  const double disk = 4 * 4 * weights * (1 + c.at("checkpoint").at("keep").get<double>());
  Forecast f;
  char line[160];
  std::snprintf(line, sizeof line, "train-generator: %lld models, network of %.0f weights, %lld steps",
                static_cast<long long>(size.models), weights, static_cast<long long>(g.at("steps").get<Index>()));
  f.lines.emplace_back(line);
  std::snprintf(line, sizeof line, "memory: about %.2f GB; disk: about %.3f GB", bytes / 1e9, disk / 1e9);
  f.lines.emplace_back(line);
  f.json = {{"task", "train-generator"},
            {"memory", {{"host_bytes", static_cast<Index>(bytes)}}},
            {"disk_bytes", static_cast<Index>(disk)},
            {"lines", f.lines},
            {"fits", true}};
  return f;
}

int TrainedGenerator::family(const std::string& name) const {
  if (name.empty()) return -1;
  const auto& names = generator.families;
  const auto at = std::find(names.begin(), names.end(), name);
  if (at != names.end()) return static_cast<int>(at - names.begin());
  throw Error(ErrorCode::config, names.empty() ? "this generator was trained without families"
                                               : "\"" + name + "\" is not one of the families " + join_words(names));
}

std::vector<float> TrainedGenerator::models(Stream& s, const SamplerOptions& options, std::uint64_t seed,
                                            std::uint64_t first, Index count, int row, Index pixels) const {
  SampleConditions conditions;
  if (row >= 0) conditions.family.assign(static_cast<std::size_t>(count), row);
  std::vector<float> values;
  if (decoder) {
    DecoderWindow window;
    window.extent = {pixels, 1, pixels};
    values = sample_maps(s, {generator, *decoder}, options, seed, first, count, window, conditions);
  } else {
    if (pixels != size) {
      throw Error(ErrorCode::config, "this generator makes maps of " + std::to_string(size) + " x " +
                                         std::to_string(size) + " pixels alone");
    }
    MapOptions map;
    const UnetShape& f = std::get<UnetShape>(generator.network.kind());
    map.height = f.height;
    map.width = f.width;
    values = cropped_maps(sample(s, generator, options, seed, first, count, conditions), size, size, map);
  }
  for (float& v : values) v = std::clamp(v, static_cast<float>(lowest_mps), static_cast<float>(highest_mps));
  return values;
}

TrainedGenerator read_trained_generator(const std::string& directory) {
  const std::string file = directory + "/generator.json";
  TrainedGenerator t{read_generator(directory + "/generator.safetensors"), std::nullopt, 70, {}};
  try {
    const Json j = Json::parse(read_file(file));
    t.size = j.at("size");
    t.sampler = sampler_of_section(j);
    if (j.at("type") == "latent-flow") t.decoder = read_decoder(directory + "/decoder.safetensors");
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::data, e.what(), file);
  }
  return t;
}

}  // namespace terrane
