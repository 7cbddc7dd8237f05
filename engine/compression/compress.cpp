// SPDX-License-Identifier: MIT
#include "engine/compression/compress.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>

#include "engine/compression/code_file.hpp"
#include "engine/compression/components.hpp"
#include "engine/io/file.hpp"
#include "engine/io/npy.hpp"
#include "engine/json_value.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

std::string decoder_path(const std::string& given) {
  return std::filesystem::is_directory(given) ? given + "/decoder.safetensors" : given;
}

ModelSet read_models(const std::string& path, Index dims) {
  NdArray<float> a = read_npy<float>(path);
  const std::size_t rank = a.shape.size(), own = static_cast<std::size_t>(dims);
  const bool openfwi = dims == 2 && rank == 4 && a.shape[1] == 1;
  if (rank != own && rank != own + 1 && !openfwi) {
    throw Error(
        ErrorCode::data,
        "an array of shape " + shape_text(a.shape) + " holds no models; " +
            (dims == 2 ? "(nz, nx), (n, nz, nx) or (n, 1, nz, nx) does" : "(nz, ny, nx) or (n, nz, ny, nx) does"),
        path);
  }
  ModelSet set;
  set.extent = {a.shape[rank - own], dims == 3 ? a.shape[rank - 2] : 1, a.shape[rank - 1]};
  set.values = std::move(a.values);
  if (set.values.empty()) throw Error(ErrorCode::data, "the array is empty", path);
  return set;
}

struct Candidate {
  LatentFile file;
  Index bytes = 0;
  double psnr = 0, worst = 0;
  double norm_correlation = 0;  // of codes

  double bytes_per_model() const { return static_cast<double>(bytes) / static_cast<double>(file.count); }
  Json describe() const {
    Json r = {{"codec", file.codec == LatentCodec::siren ? "siren" : "lossless"}};
    if (file.codec == LatentCodec::siren) {
      r["code_bits"] = file.bits;
    } else {
      r["error_bound_mps"] = file.bound;
    }
    r["bytes_per_model"] = bytes_per_model();
    r["psnr_full_db"] = psnr;
    return r;
  }
};

Candidate judged(LatentFile file, const std::vector<float>& recovered, const ModelSet& models) {
  Candidate c{.file = std::move(file)};
  c.bytes = c.file.bytes();
  const Index n = models.points();
  for (Index m = 0; m < models.count(); ++m) {
    const float *a = recovered.data() + m * n, *b = models.values.data() + m * n;
    c.psnr += psnr_full(a, b, n) / static_cast<double>(models.count());
    for (Index p = 0; p < n; ++p) c.worst = std::max(c.worst, std::abs(static_cast<double>(a[p]) - b[p]));
  }
  return c;
}

// All ways of writing a set of models that an option may choose from.
class CodecCandidates {
 public:
  CodecCandidates(Stream& s, const ModelSet& models, const CompressOptions& options)
      : s_(s), models_(models), o_(options) {
    if (o_.decoder.empty() || o_.method == CompressMethod::structured) return;
    decoder_ = read_decoder(decoder_path(o_.decoder));
  }
  bool has_codes() const { return decoder_.has_value(); }

  Candidate codes(int bits) {
    if (codes_.empty()) {
      codes_ = search_codes(s_, *decoder_, models_, o_.search);
      if (o_.polish.iterations > 0) codes_ = polish_codes(s_, *decoder_, models_, std::move(codes_), o_.polish);
    }
    LatentFile file = pack_codes(*decoder_, codes_, models_.extent, bits, models_.samples);
    const std::vector<float> z = unpack_codes(*decoder_, file, "codes");
    const std::vector<float> recovered = decode_models(s_, *decoder_, z, models_.window());
    Candidate c = judged(std::move(file), recovered, models_);
    c.norm_correlation = code_norm_correlation(z, decoder_->shape.code, recovered, models_);
    return c;
  }
  std::optional<Candidate> lossless(double bound) const {
    if (o_.method == CompressMethod::code) return std::nullopt;
    if (models_.extent[1] != 1 || models_.extent[0] > 16384 || models_.extent[2] > 16384) return std::nullopt;
    LatentFile file =
        pack_lossless(models_.values.data(), models_.count(), models_.extent[0], models_.extent[2], bound);
    const std::vector<float> back = unpack_lossless(file, 0, file.count);
    return judged(std::move(file), back, models_);
  }

  Candidate plain() {
    std::optional<Candidate> exact = lossless(o_.bound_mps);
    if (has_codes()) {
      Candidate coded = codes(o_.bits);
      if (!exact || coded.bytes < exact->bytes) return coded;
    }
    require(exact.has_value(), ErrorCode::data,
            "planes of up to 16384 rows and columns are compressed without a decoder");
    return std::move(*exact);
  }

  Candidate for_target() {
    std::optional<Candidate> best;
    const auto better = [&](const Candidate& c) {
      if (o_.target_psnr_db > 0) return c.psnr >= o_.target_psnr_db && (!best || c.bytes < best->bytes);
      return c.bytes_per_model() <= o_.target_bytes && (!best || c.psnr > best->psnr);
    };
    const auto consider = [&](std::optional<Candidate> c) {
      if (c) tried_.push_back(c->describe());
      if (c && better(*c)) best = std::move(c);
    };
    for (const double bound : {0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0}) consider(lossless(bound));
    for (const int bits : {2, 3, 4, 5, 6, 8, 10}) {
      if (has_codes()) consider(codes(bits));
    }
    require(best.has_value(), ErrorCode::failed,
            "no way of compressing reaches the target; lower it, or give a decoder with --codec");
    return std::move(*best);
  }
  const Json& tried() const { return tried_; }

 private:
  Stream& s_;
  const ModelSet& models_;
  const CompressOptions& o_;
  std::optional<AutoDecoder> decoder_;
  std::vector<float> codes_;
  Json tried_ = Json::array();
};

std::vector<Index> shape_of(const std::array<Index, 3>& extent, Index count) {
  std::vector<Index> shape;
  if (count > 1) shape.push_back(count);
  shape.push_back(extent[0]);
  if (extent[1] > 1) shape.push_back(extent[1]);
  shape.push_back(extent[2]);
  return shape;
}

const char* codec_name(const LatentFile& f) { return f.codec == LatentCodec::siren ? "siren" : "lossless"; }

}  // namespace

CompressMethod compress_method(const std::string& word) {
  if (word == "smallest") return CompressMethod::smallest;
  if (word == "code") return CompressMethod::code;
  if (word == "structured") return CompressMethod::structured;
  throw Error(ErrorCode::config, "methods of compress: smallest, code, structured; not \"" + word + "\"");
}

Json compress_file(Stream& s, const std::string& model, const std::string& out, const CompressOptions& o) {
  const bool targets = o.target_psnr_db > 0 || o.target_bytes > 0;
  require(o.target_psnr_db <= 0 || o.target_bytes <= 0, ErrorCode::config, "give one target: psnr_db or bytes");
  require(o.method != CompressMethod::code || !o.decoder.empty(), ErrorCode::config,
          "method code needs a decoder: --codec names the directory that holds it");
  const Index dims = o.decoder.empty() ? 2 : read_decoder(decoder_path(o.decoder)).shape.dims;
  require(o.samples >= 1 && o.samples <= most_pixel_samples, ErrorCode::config,
          "a pixel is the mean over 1 to 16 points an axis");
  require(o.samples == 1 || !o.decoder.empty(), ErrorCode::config, "means over pixels belong to codes: give --codec");
  ModelSet models = read_models(model, dims);
  models.samples = o.samples;
  CodecCandidates candidates(s, models, o);
  const Candidate chosen = targets ? candidates.for_target() : candidates.plain();
  write_latent_file(out, chosen.file);
  Json result = {{"file", out},
                 {"codec", codec_name(chosen.file)},
                 {"count", chosen.file.count},
                 {"shape", shape_of(models.extent, 1)},
                 {"file_bytes", file_bytes(out)},
                 {"bytes_per_model", chosen.bytes_per_model()},
                 {"psnr_full_db", chosen.psnr},
                 {"largest_error_mps", std::isfinite(chosen.worst) ? Json(chosen.worst) : Json(nullptr)}};
  if (chosen.file.codec == LatentCodec::siren) {
    result["code_bits"] = chosen.file.bits;
    result["supersample"] = chosen.file.samples;
    result["code_norm_psnr_correlation"] = chosen.norm_correlation;
    result["decoder_bytes"] = file_bytes(decoder_path(o.decoder));
  } else {
    result["error_bound_mps"] = chosen.file.bound;
  }
  if (targets) result["candidates"] = candidates.tried();
  return result;
}

Json decompress_file(Stream& s, const std::string& path, const std::string& out, const DecompressOptions& o) {
  const LatentFile file = read_latent_file(path);
  const bool resized = o.extent[0] > 0;
  require(o.samples >= 0 && o.samples <= most_pixel_samples, ErrorCode::config,
          "a pixel is the mean over 1 to 16 points an axis");
  std::array<Index, 3> extent = file.shape;
  std::vector<float> values;
  if (file.codec == LatentCodec::lossless) {
    if (resized || o.samples > 0) {
      throw Error(ErrorCode::config, "lossless models have one size; only codes decode at any", path);
    }
    values = unpack_lossless(file, 0, file.count);
  } else {
    if (o.decoder.empty()) {
      throw Error(ErrorCode::config, "the file holds codes: --codec names the directory with their decoder", path);
    }
    const AutoDecoder decoder = read_decoder(decoder_path(o.decoder));
    if (resized) extent = o.extent;
    DecoderWindow window = file_window(file, extent);
    if (o.samples > 0) window.samples = samples_each(o.samples);
    values = decode_models(s, decoder, unpack_codes(decoder, file, path), window);
  }
  const std::vector<Index> shape = shape_of(extent, file.count);
  write_npy(out, shape, values.data());
  return {{"file", out}, {"codec", codec_name(file)}, {"count", file.count}, {"shape", shape}};
}

}  // namespace terrane
