// SPDX-License-Identifier: MIT
#include "engine/compression/compress_task.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "engine/checkpoint.hpp"
#include "engine/compression/code_encoder.hpp"
#include "engine/compression/code_file.hpp"
#include "engine/compression/components.hpp"
#include "engine/compression/compress_page.hpp"
#include "engine/compression/lossless.hpp"
#include "engine/compression/model_set.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/npz.hpp"
#include "engine/output.hpp"
#include "engine/provenance.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

// The auto-decoder of a resolved section "codec".
AutoDecoderPreset preset_of(const Json& codec, std::uint64_t seed, Index dims) {
  AutoDecoderPreset p = auto_decoder_preset(codec.at("type").get<std::string>());
  TrainOptions& o = p.train;
  p.shape.dims = dims;
  p.shape.code = codec.at("code");
  p.shape.width = codec.at("width");
  p.shape.hidden = codec.at("layers");
  p.shape.omega = codec.at("omega_0");
  o.steps = codec.at("steps");
  o.batch = codec.at("batch_models");
  o.points = codec.at("points");
  o.full_from = codec.at("full_from");
  o.lr_network = codec.at("lr");
  o.lr_codes = codec.at("lr_codes");
  o.penalty = codec.at("penalty");
  o.seed = seed;
  if (codec.at("type") == "auto-decoder") {
    p.shape.concatenated = codec.at("modulation") == "concatenated";
    o.muon = codec.at("muon");
    o.lr_hidden = codec.at("lr_hidden");
    o.average = codec.at("average");
  }
  return p;
}

class CompressRun {
 public:
  CompressRun(const Config& config, const RunOptions& options, bool continuing)
      : config_(config),
        c_(config.json()),
        options_(options),
        continuing_(continuing),
        start_s_(now_s()),
        out_(options.out_dir, options.overwrite, continuing),
        log_(Log::open(options.console, out_.file("log.txt"), options.sink)) {}

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
  Json work() {
    StreamOptions stream;
    stream.threads = options_.threads;
    Stream s(options_.device, stream);
    const ModelSets models = read_models(s, c_.at("models"));
    const auto range = c_.at("models").at("range_mps").get<std::vector<double>>();
    page_.range_mps = {range.at(0), range.at(1)};
    const AutoDecoderPreset preset =
        preset_of(c_.at("codec"), c_.at("seed").get<std::uint64_t>(), models.train.extent[1] > 1 ? 3 : 2);
    AutoDecoderTrainer trainer(s, preset, models.train, std::array<double, 2>{range.at(0), range.at(1)});
    log_.info("auto-decoder of " + std::to_string(preset.shape.parameters()) + " parameters, " +
              std::to_string(models.train.count()) + " models, codes of " + std::to_string(preset.shape.code));
    if (continuing_) {
      if (const auto checkpoint = load_latest(out_.path(), log_)) {
        trainer.restore(checkpoint->tensors);
        log_.info("resumed at step " + std::to_string(trainer.steps_done()));
      }
    }
    const bool complete = train(trainer, preset, models.train.count());
    write_results(s, trainer.decoder(), models);
    result_["steps"] = trainer.steps_done();
    if (complete) return finish("ok", 0, "");
    return finish("stopped", options_.stop_signal->load() == 2 ? 130 : 75, "");
  }

  // False: stopped by a signal, checkpoint written.
  bool train(AutoDecoderTrainer& trainer, const AutoDecoderPreset& preset, Index models) {
    const Json& checkpoint = c_.at("checkpoint");
    const auto every = checkpoint.at("every_iterations").get<Index>();
    const Index epoch = std::max<Index>(1, models / std::min(models, preset.train.batch));
    ProgressFile progress(out_.file("progress.jsonl"), trainer.steps_done());
    double sum = 0;
    while (trainer.steps_done() < preset.train.steps) {
      if (options_.stop_signal != nullptr && options_.stop_signal->load() != 0) {
        save(trainer);
        log_.info("stopped by a signal; terrane resume " + out_.path() + " continues");
        return false;
      }
      const double loss = trainer.step();
      sum += loss;
      const Index done = trainer.steps_done();
      if (done % epoch == 0) {
        progress.append(
            {{"iteration", done}, {"loss", sum / static_cast<double>(epoch)}, {"time_s", now_s() - start_s_}});
        sum = 0;
      }
      if (options_.progress) {
        ProgressEvent event;
        event.iteration = done;
        event.iterations = preset.train.steps;
        event.misfit = loss;
        event.elapsed_s = now_s() - start_s_;
        event.peak_bytes = peak_resident_bytes();
        options_.progress(event);
      }
      if (every > 0 && done % every == 0 && done < preset.train.steps) save(trainer);
    }
    if (every > 0) save(trainer);
    return true;
  }

  void save(const AutoDecoderTrainer& trainer) const {
    CheckpointState state;
    state.iteration = trainer.steps_done();
    state.tensors = trainer.state();
    state.meta = {{"task", "compress"}, {"config_sha256", config_.sha256()}};
    save_checkpoint(out_.path(), state, c_.at("checkpoint").at("keep").get<Index>());
  }

  // Codes to a file, read back and decoded: what is scored is what the file holds.
  Json score(Stream& s, const AutoDecoder& d, const std::vector<float>& codes, const ModelSet& models,
             const std::string& name) {
    const int bits = c_.at("codec").at("bits");
    write_latent_file(out_.file(name), pack_codes(d, codes, models.extent, bits));
    const LatentFile file = read_latent_file(out_.file(name));
    const DecoderWindow window{.extent = models.extent};
    const auto n = static_cast<double>(models.count());
    const std::vector<float> recovered = decode_models(s, d, unpack_codes(d, file, name), window);
    Json r{{"file", name},
           {"models", models.count()},
           {"file_bytes", file_bytes(out_.file(name))},
           {"bytes_per_model", static_cast<double>(file_bytes(out_.file(name))) / n}};
    r.update(score_models(recovered, models));
    r["psnr_full_unquantised_db"] = mean_psnr_full(decode_models(s, d, codes, window), models);
    const auto shown = static_cast<std::size_t>(std::min<Index>(models.count(), 6) * models.points());
    CompressPage::Set part{&models == held_out_ ? "held out" : "training", {models.extent, {}}, {}};
    part.models.values.assign(models.values.begin(), models.values.begin() + static_cast<std::ptrdiff_t>(shown));
    part.recovered.assign(recovered.begin(), recovered.begin() + static_cast<std::ptrdiff_t>(shown));
    page_.sets.push_back(std::move(part));
    return r;
  }

  void write_results(Stream& s, const AutoDecoder& d, const ModelSets& models) {
    log_.info("writing the decoder and the codes");
    write_decoder(out_.file("decoder.safetensors"), d);
    result_["decoder"] = {{"parameters", d.shape.parameters()},
                          {"file_bytes", file_bytes(out_.file("decoder.safetensors"))}};
    result_["train"] = score(s, d, d.training_codes, models.train, "latents.lat");
    const bool held = models.held_out.count() > 0;
    held_out_ = &models.held_out;
    if (held) {
      CodeSearch search;
      search.steps = c_.at("codec").at("search_steps");
      search.seed = c_.at("seed").get<std::uint64_t>();
      const double start = now_s();
      const std::vector<float> codes = search_codes(s, d, models.held_out, search);
      const double per_model = (now_s() - start) / static_cast<double>(models.held_out.count());
      result_["held_out"] = score(s, d, codes, models.held_out, "held_out.lat");
      result_["held_out"]["encode_s_per_model"] = per_model;
    }
    if (!c_.at("codec").at("baselines").get<bool>()) return;
    const Index k = d.shape.code;
    Json& pca = result_["baselines"]["pca"];
    pca["numbers"] = k;
    pca["train_psnr_full_db"] = mean_psnr_full(project_on_components(s, models.train, models.train, k), models.train);
    if (held) {
      pca["held_out_psnr_full_db"] =
          mean_psnr_full(project_on_components(s, models.train, models.held_out, k), models.held_out);
    }
    if (models.train.extent[1] != 1) return;
    const LatentFile exact =
        pack_lossless(models.train.values.data(), models.train.count(), models.train.extent[0], models.train.extent[2]);
    result_["baselines"]["lossless"] = {
        {"bytes_per_model", static_cast<double>(exact.bytes()) / static_cast<double>(models.train.count())}};
  }

  Json finish(const char* status, int code, const std::string& error) {
    Json r{{"schema_version", 1}, {"status", status},      {"exit_code", code},
           {"task", "compress"},  {"name", c_.at("name")}, {"error", error.empty() ? Json(nullptr) : Json(error)}};
    r.update(result_);
    add_provenance(r, config_, log_, start_s_);
    if (error.empty() && c_.at("report").at("enabled").get<bool>()) {
      page_.title = "Compression: " + c_.at("name").get<std::string>();
      page_.result = r;
      std::ifstream progress(out_.file("progress.jsonl"));  // with the part before a resume
      for (std::string line; std::getline(progress, line);) {
        const Json row = Json::parse(line);
        page_.step.push_back(row.at("iteration"));
        page_.loss.push_back(row.at("loss"));
      }
      write_compress_page(out_.path(), page_);
    }
    out_.write_json("result.json", r);
    return r;
  }

  Config config_;
  const Json& c_;
  const RunOptions& options_;
  bool continuing_;
  double start_s_;
  OutputDirectory out_;
  Log log_;
  Json result_ = Json::object();
  CompressPage page_;
  const ModelSet* held_out_ = nullptr;
};

}  // namespace

Json compress_task(const Config& config, const RunOptions& options, bool continuing) {
  return CompressRun(config, options, continuing).execute();
}

Forecast forecast_compress(const Config& config) {
  const Json& c = config.json();
  const ModelSetSize size = size_of_models(c.at("models"));
  const AutoDecoderPreset p = preset_of(c.at("codec"), 0, size.dims);
  check_decoder_shape(p.shape);
  const double models = static_cast<double>(size.models);
  const double parameters = static_cast<double>(p.shape.parameters()),
               codes = models * static_cast<double>(p.shape.code);
  const double points = static_cast<double>(p.train.batch * p.train.points);
  // Models twice (file and set), decoder, moments and averages, two vectors of a model's network, points of a batch.
  const double bytes = 4 * (2 * static_cast<double>(size.values) + 9 * parameters + 4 * codes + 8 * points);
  const double disk = 4 * (4 * parameters + 4 * codes) * (1 + c.at("checkpoint").at("keep").get<double>());
  Forecast f;
  char line[160];
  std::snprintf(line, sizeof line, "compress: %.0f models, decoder of %.0f parameters, %lld steps", models, parameters,
                static_cast<long long>(p.train.steps));
  f.lines.emplace_back(line);
  std::snprintf(line, sizeof line, "memory: about %.3f GB; disk: about %.3f GB; %.3g floating-point operations",
                bytes / 1e9, disk / 1e9, 8 * parameters * points * static_cast<double>(p.train.steps));
  f.lines.emplace_back(line);
  f.json = {{"task", "compress"},
            {"memory", {{"host_bytes", static_cast<Index>(bytes)}}},
            {"disk_bytes", static_cast<Index>(disk)},
            {"lines", f.lines},
            {"fits", true}};
  return f;
}

}  // namespace terrane
