// SPDX-License-Identifier: MIT
#include "engine/compression/auto_decoder.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "engine/compression/decoder_at.hpp"
#include "engine/compression/pixel_mean.hpp"
#include "engine/io/safetensors.hpp"
#include "engine/io/sha256.hpp"
#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

std::string identity_text(std::uint64_t id) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(id));
  return text;
}

std::string shape_line(const DecoderShape& s, double offset, double scale) {
  char text[200];
  std::snprintf(text, sizeof text,
                "dims %lld code %lld width %lld hidden %d concatenated %d omega %.17g offset %.17g scale %.17g",
                static_cast<long long>(s.dims), static_cast<long long>(s.code), static_cast<long long>(s.width),
                s.hidden, s.concatenated ? 1 : 0, s.omega, offset, scale);
  return text + (s.cells > 0 ? " cells " + std::to_string(s.cells) : std::string());
}

double number_of(const StringMap& metadata, const std::string& key, const std::string& path) {
  const auto found = metadata.find(key);
  double value = 0;
  const bool ok =
      found != metadata.end() &&
      std::from_chars(found->second.data(), found->second.data() + found->second.size(), value).ec == std::errc{};
  if (!ok) throw Error(ErrorCode::data, "this is not a decoder: metadata \"" + key + "\" is missing", path);
  return value;
}

std::string exact(double x) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", x);
  return text;
}

}  // namespace

MlpShape DecoderShape::network() const {
  MlpShape m;
  for (int l = 0; l < hidden; ++l) {
    const Index inputs = dims + (cells > 0 ? channels() : 0);
    m.layer[m.layers++] = MlpLayer{l == 0 ? inputs : width, width, Activation::sine, omega};
  }
  m.layer[m.layers++] = MlpLayer{width, 1, Activation::identity, 0};
  return m;
}

void check_decoder_shape(const DecoderShape& s) {
  const bool ok = (s.dims == 2 || s.dims == 3) && s.code >= 1 && s.code <= 65535 && s.width >= 1 && s.width <= 4096 &&
                  s.hidden >= 1 && s.hidden < mlp_max_layers && s.omega > 0 && std::isfinite(s.omega);
  require(ok, ErrorCode::config,
          "a decoder has 2 or 3 coordinates, codes and layers of at least one number, omega > 0");
  const bool grid = s.cells == 0 || (s.cells > 0 && s.cells <= 64 && !s.concatenated && s.channels() >= 1 &&
                                     s.channels() * s.local(1, 1).nodes() == s.code);
  require(grid, ErrorCode::config,
          "a code on a grid has cells^2 nodes (in three dimensions cells^3) with as many numbers each, together its "
          "length");
}

DecoderWindow window_at(DecoderWindow w, const std::array<Index, 3>& extent) {
  for (std::size_t a = 0; a < 3; ++a) {
    if (w.samples[a] > 1) w.samples[a] = std::max<Index>(1, (w.extent[a] * w.samples[a] + extent[a] - 1) / extent[a]);
    w.extent[a] = extent[a];
  }
  return w;
}

std::vector<float> window_coordinates(const DecoderWindow& w, Index dims) {
  std::vector<float> x;
  x.reserve(static_cast<std::size_t>(w.points() * w.samples_a_pixel(dims) * dims));
  const std::array<Index, 3> q{w.samples[0], dims == 3 ? w.samples[1] : 1, w.samples[2]};
  const auto place = [&](std::size_t axis, Index pixel, Index sample) {
    const double step = (w.high[axis] - w.low[axis]) / static_cast<double>(w.extent[axis] * q[axis]);
    x.push_back(static_cast<float>(w.low[axis] + step * (static_cast<double>(pixel * q[axis] + sample) + 0.5)));
  };
  const auto pixel = [&](Index k, Index j, Index i) {
    for (Index a = 0; a < q[0]; ++a) {
      for (Index b = 0; b < q[1]; ++b) {
        for (Index c = 0; c < q[2]; ++c) {
          place(0, k, a);
          if (dims == 3) place(1, j, b);
          place(2, i, c);
        }
      }
    }
  };
  for (Index k = 0; k < w.extent[0]; ++k) {
    for (Index j = 0; j < w.extent[1]; ++j) {
      for (Index i = 0; i < w.extent[2]; ++i) pixel(k, j, i);
    }
  }
  return x;
}

CodeStatistics code_statistics(const std::vector<float>& codes, Index length) {
  const auto n = static_cast<std::size_t>(length), count = codes.size() / n;
  CodeStatistics s;
  for (std::size_t k = 0; k < n; ++k) {
    double sum = 0, squares = 0;
    float low = codes[k], high = codes[k];
    for (std::size_t m = 0; m < count; ++m) {
      const float z = codes[m * n + k];
      sum += z;
      low = std::min(low, z);
      high = std::max(high, z);
    }
    const double mean = sum / static_cast<double>(count);
    for (std::size_t m = 0; m < count; ++m) squares += std::pow(codes[m * n + k] - mean, 2);
    s.mean.push_back(static_cast<float>(mean));
    s.deviation.push_back(static_cast<float>(std::sqrt(squares / static_cast<double>(count))));
    s.lowest.push_back(low);
    s.highest.push_back(high);
  }
  return s;
}

std::uint64_t AutoDecoder::identity() const {
  Sha256 hash;
  hash.update(shape_line(shape, offset_mps, scale_mps));
  for (const auto* values :
       {&parameters, &statistics.mean, &statistics.deviation, &statistics.lowest, &statistics.highest}) {
    hash.update(values->data(), values->size() * sizeof(float));
  }
  const auto digest = hash.finish();
  std::uint64_t id = 0;
  for (std::size_t k = 0; k < 8; ++k) id = (id << 8) | digest[k];
  return id;
}

std::vector<float> decode_models(Stream& s, const AutoDecoder& d, const std::vector<float>& codes,
                                 const DecoderWindow& window) {
  const DecoderShape& shape = d.shape;
  check_decoder_shape(shape);
  require(!codes.empty() && static_cast<Index>(codes.size()) % shape.code == 0, ErrorCode::data,
          "the codes do not have the decoder's length");
  require(shape.dims == 3 || window.extent[1] == 1, ErrorCode::config, "the decoder makes planes");
  const Index count = static_cast<Index>(codes.size()) / shape.code, n = window.points(), k = shape.code;
  const PixelMean mean(s, n, window.samples_a_pixel(shape.dims));
  const Buffer<float> z = to_device(s, codes);
  DecoderAt decoder(s, d, window_coordinates(window, shape.dims));
  Buffer<float> y(s, mean.samples()), pixels(s, n);
  std::vector<float> values;
  for (Index b = 0; b < count; ++b) {
    decoder.values(z.data() + b * k, y.data());
    mean.apply(s, y.data(), pixels.data());
    for (const float v : to_host(s, pixels)) {
      values.push_back(static_cast<float>(d.offset_mps + d.scale_mps * static_cast<double>(v)));
    }
  }
  return values;
}

void write_decoder(const std::string& path, const AutoDecoder& d) {
  TensorMap t;
  t["parameters"] = Tensor({d.shape.parameters()}, d.parameters);
  t["code_mean"] = Tensor({d.shape.code}, d.statistics.mean);
  t["code_deviation"] = Tensor({d.shape.code}, d.statistics.deviation);
  t["code_lowest"] = Tensor({d.shape.code}, d.statistics.lowest);
  t["code_highest"] = Tensor({d.shape.code}, d.statistics.highest);
  if (!d.training_codes.empty()) {
    t["codes"] = Tensor({static_cast<Index>(d.training_codes.size()) / d.shape.code, d.shape.code}, d.training_codes);
  }
  StringMap metadata{{"kind", "terrane auto-decoder"},
                     {"dims", std::to_string(d.shape.dims)},
                     {"code", std::to_string(d.shape.code)},
                     {"width", std::to_string(d.shape.width)},
                     {"hidden", std::to_string(d.shape.hidden)},
                     {"concatenated", d.shape.concatenated ? "1" : "0"},
                     {"omega", exact(d.shape.omega)},
                     {"offset_mps", exact(d.offset_mps)},
                     {"scale_mps", exact(d.scale_mps)},
                     {"identity", identity_text(d.identity())}};
  if (d.shape.cells > 0) metadata["cells"] = std::to_string(d.shape.cells);
  write_safetensors(path, t, metadata);
}

AutoDecoder read_decoder(const std::string& path) {
  const Safetensors file = read_safetensors(path);
  const auto number = [&](const char* key) { return number_of(file.metadata, key, path); };
  const auto whole = [&](const char* key) {
    const double v = number(key);
    if (!(v >= 0 && v <= 65535)) throw Error(ErrorCode::data, std::string("impossible \"") + key + "\"", path);
    return static_cast<Index>(v);
  };
  AutoDecoder d;
  d.shape = DecoderShape{.dims = whole("dims"),
                         .code = whole("code"),
                         .width = whole("width"),
                         .hidden = static_cast<int>(whole("hidden")),
                         .concatenated = whole("concatenated") != 0,
                         .omega = number("omega"),
                         .cells = file.metadata.contains("cells") ? whole("cells") : 0};
  try {
    check_decoder_shape(d.shape);
  } catch (const Error& e) {
    throw Error(ErrorCode::data, e.what(), path);
  }
  d.offset_mps = number("offset_mps");
  d.scale_mps = number("scale_mps");
  const auto values = [&](const char* name, Index n) {
    std::vector<float> v = tensor_values<float>(file.tensors, name, path);
    if (static_cast<Index>(v.size()) != n) {
      throw Error(ErrorCode::data, std::string("tensor \"") + name + "\" does not have the decoder's size", path);
    }
    return v;
  };
  d.parameters = values("parameters", d.shape.parameters());
  d.statistics = {values("code_mean", d.shape.code), values("code_deviation", d.shape.code),
                  values("code_lowest", d.shape.code), values("code_highest", d.shape.code)};
  if (file.tensors.contains("codes")) {
    d.training_codes = tensor_values<float>(file.tensors, "codes", path);
    if (static_cast<Index>(d.training_codes.size()) % d.shape.code != 0) {
      throw Error(ErrorCode::data, "tensor \"codes\" does not have the decoder's code length", path);
    }
  }
  const auto stated = file.metadata.find("identity");
  if (stated == file.metadata.end() || stated->second != identity_text(d.identity())) {
    throw Error(ErrorCode::data, "the decoder is damaged: its values do not give the identity that it states", path);
  }
  return d;
}

}  // namespace terrane
