// SPDX-License-Identifier: MIT
#include "engine/compression/compress_task.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engine/budget.hpp"
#include "engine/compression/code_encoder.hpp"
#include "engine/compression/code_file.hpp"
#include "engine/compression/components.hpp"
#include "engine/compression/compress_page.hpp"
#include "engine/compression/lossless.hpp"
#include "engine/compression/model_set.hpp"
#include "engine/field.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/npz.hpp"
#include "engine/training_task.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

// The auto-decoder of a resolved section "codec".
AutoDecoderPreset preset_of(const Json& codec, const Json& precision, std::uint64_t seed, Index dims) {
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
  o.precision = mlp_precision(precision.at("network"));
  if (codec.at("type") == "auto-decoder") {
    p.shape.concatenated = codec.at("modulation") == "concatenated";
    if (codec.at("modulation") == "grid") p.shape.cells = codec.at("cells");
    o.muon = codec.at("muon");
    o.lr_hidden = codec.at("lr_hidden");
    o.average = codec.at("average");
  }
  return p;
}

class CompressRun : public TrainingTask {
 public:
  CompressRun(const Config& config, const RunOptions& options, bool continuing)
      : TrainingTask(config, options, continuing) {}

 private:
  bool work() override {
    Stream s(options_.device, stream_options(options_));
    ModelSets models = read_models(s, c_.at("models"));
    models.train.samples = models.held_out.samples = c_.at("codec").at("supersample");
    const auto range = c_.at("models").at("range_mps").get<std::vector<double>>();
    page_.range_mps = {range.at(0), range.at(1)};
    const AutoDecoderPreset preset =
        preset_of(c_.at("codec"), c_.at("precision"), seed(), models.train.extent[1] > 1 ? 3 : 2);
    AutoDecoderTrainer trainer(s, preset, models.train, std::array<double, 2>{range.at(0), range.at(1)});
    log_.info("auto-decoder of " + std::to_string(preset.shape.parameters()) + " parameters, " +
              std::to_string(models.train.count()) + " models, codes of " + std::to_string(preset.shape.code));
    const Index epoch = std::max<Index>(1, models.train.count() / std::min(models.train.count(), preset.train.batch));
    const bool complete = train(trainer, preset.train.steps, epoch, [](AutoDecoderTrainer& t) { return t.step(); });
    write_results(s, trainer.decoder(), models);
    result_["steps"] = trainer.steps_done();
    return complete;
  }

  // Codes to a file, read back and decoded: what is scored is what the file holds.
  Json score(Stream& s, const AutoDecoder& d, const std::vector<float>& codes, const ModelSet& models,
             const std::string& name) {
    const int bits = c_.at("codec").at("bits");
    write_latent_file(out_.file(name), pack_codes(d, codes, models.extent, bits, models.samples));
    const LatentFile file = read_latent_file(out_.file(name));
    const DecoderWindow window = models.window();
    const auto n = static_cast<double>(models.count());
    const std::vector<float> recovered = decode_models(s, d, unpack_codes(d, file, name), window);
    Json r{{"file", name},
           {"models", models.count()},
           {"file_bytes", file_bytes(out_.file(name))},
           {"bytes_per_model", static_cast<double>(file_bytes(out_.file(name))) / n}};
    r.update(score_models(recovered, models));
    r["psnr_full_unquantised_db"] = mean_psnr_full(decode_models(s, d, codes, window), models);
    r["code_norm_psnr_correlation"] = code_norm_correlation(codes, d.shape.code, recovered, models);
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
      search.seed = seed();
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

  void write_page(const Json& result) override {
    page_.title = "Compression: " + c_.at("name").get<std::string>();
    page_.result = result;
    page_.loss_html =
        loss_figure_html("Mean squared error and penalty", "Mean over every pass through the models.", true);
    write_compress_page(out_.path(), page_);
  }

  CompressPage page_;
  const ModelSet* held_out_ = nullptr;
};

}  // namespace

Json compress_task(const Config& config, const RunOptions& options, bool continuing) {
  return CompressRun(config, options, continuing).execute();
}

Forecast forecast_compress(const Config& config, const RunOptions& options) {
  const Json& c = config.json();
  const ModelSetSize size = size_of_models(c.at("models"));
  const AutoDecoderPreset p = preset_of(c.at("codec"), c.at("precision"), 0, size.dims);
  check_decoder_shape(p.shape);
  const double models = static_cast<double>(size.models);
  const double parameters = static_cast<double>(p.shape.parameters()),
               codes = models * static_cast<double>(p.shape.code);
  const double samples = std::pow(c.at("codec").at("supersample").get<double>(), size.dims);
  const double points = static_cast<double>(p.train.batch * p.train.points) * samples;
  // Models twice (file and set), decoder, moments and averages, two vectors of a model's network, points of a batch.
  const double bytes = 4 * (2 * static_cast<double>(size.values) + 9 * parameters + 4 * codes + 8 * points);
  const double disk = 4 * (4 * parameters + 4 * codes) * (1 + c.at("checkpoint").at("keep").get<double>());
  char what[200];
  std::snprintf(what, sizeof what,
                "compress: %.0f models, decoder of %.0f parameters, %lld steps, %.3g floating-point operations", models,
                parameters, static_cast<long long>(p.train.steps),
                8 * parameters * points * static_cast<double>(p.train.steps));
  return forecast_of(config, options, {what, bytes, disk, "Take fewer models, or fewer points of a step."});
}

}  // namespace terrane
