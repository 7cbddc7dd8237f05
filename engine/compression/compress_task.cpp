// SPDX-License-Identifier: MIT
#include "engine/compression/compress_task.hpp"

#include <algorithm>
#include <cstdio>

#include "engine/checkpoint.hpp"
#include "engine/compression/code_encoder.hpp"
#include "engine/compression/code_file.hpp"
#include "engine/compression/components.hpp"
#include "engine/compression/lossless.hpp"
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

struct Models {
  ModelSet train, held_out;
};

Models read_models(const Json& section) {
  const std::string path = section.at("path");
  const NdArray<float> a = read_npy<float>(path);
  const std::size_t rank = a.shape.size();
  const bool planes = rank == 3 || (rank == 4 && a.shape[1] == 1);
  if (!planes && rank != 4) {
    throw Error(ErrorCode::data,
                "an array of shape " + shape_text(a.shape) +
                    " holds no set of models; (n, nz, nx), (n, 1, nz, nx) or (n, nz, ny, nx) does",
                path);
  }
  Models m;
  m.train.extent = {a.shape[rank - (planes ? 2 : 3)], planes ? 1 : a.shape[2], a.shape[rank - 1]};
  m.held_out.extent = m.train.extent;
  const Index hold_out = section.at("hold_out"), there = a.shape[0];
  const Index count = section.at("count").is_null() ? there - hold_out : section.at("count").get<Index>();
  if (count < 1 || count + hold_out > there) {
    throw Error(ErrorCode::data,
                "the file holds " + std::to_string(there) + " models: too few for this count and hold_out", path);
  }
  const auto at = [&](Index k) { return a.values.begin() + k * m.train.points(); };
  m.train.values.assign(at(0), at(count));
  m.held_out.values.assign(at(there - hold_out), at(there));
  return m;
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
    const Models models = read_models(c_.at("models"));
    StreamOptions stream;
    stream.threads = options_.threads;
    Stream s(options_.device, stream);
    const auto range = c_.at("models").at("range_mps").get<std::vector<double>>();
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
    return {{"file", name},
            {"models", models.count()},
            {"file_bytes", file_bytes(out_.file(name))},
            {"bytes_per_model", static_cast<double>(file_bytes(out_.file(name))) / n},
            {"psnr_full_db", mean_psnr_full(decode_models(s, d, unpack_codes(d, file, name), window), models)},
            {"psnr_full_unquantised_db", mean_psnr_full(decode_models(s, d, codes, window), models)}};
  }

  void write_results(Stream& s, const AutoDecoder& d, const Models& models) {
    log_.info("writing the decoder and the codes");
    write_decoder(out_.file("decoder.safetensors"), d);
    result_["decoder"] = {{"parameters", d.shape.parameters()},
                          {"file_bytes", file_bytes(out_.file("decoder.safetensors"))}};
    result_["train"] = score(s, d, d.training_codes, models.train, "latents.lat");
    const bool held = models.held_out.count() > 0;
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
};

}  // namespace

Json compress_task(const Config& config, const RunOptions& options, bool continuing) {
  return CompressRun(config, options, continuing).execute();
}

Forecast forecast_compress(const Config& config) {
  const Json& c = config.json();
  const std::string path = c.at("models").at("path");
  const NpyInfo header = npy_info(path);
  const bool volumes = header.shape.size() == 4 && header.shape[1] != 1;
  const AutoDecoderPreset p = preset_of(c.at("codec"), 0, volumes ? 3 : 2);
  check_decoder_shape(p.shape);
  const double models = header.shape.empty() ? 0 : static_cast<double>(header.shape[0]);
  const double parameters = static_cast<double>(p.shape.parameters()),
               codes = models * static_cast<double>(p.shape.code);
  const double points = static_cast<double>(p.train.batch * p.train.points);
  // Models twice (file and set), decoder, moments and averages, two vectors of a model's network, points of a batch.
  const double bytes = 4 * (2 * static_cast<double>(header.count) + 9 * parameters + 4 * codes + 8 * points);
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
