// SPDX-License-Identifier: MIT
// terrane_forward: the forward operator of a config behind a C handle.
#include <algorithm>
#include <limits>
#include <memory>
#include <numeric>
#include <span>
#include <vector>

#include "engine/api/support.hpp"
#include "engine/config.hpp"
#include "engine/problem.hpp"
#include "kernels/runtime/buffer.hpp"
#include "physics/wave/acoustic_wave.hpp"

// What the handle points to; one implementation for each precision of the physics.
struct terrane_forward {
  virtual ~terrane_forward() = default;
  virtual void info(terrane_forward_info& out) const = 0;
  virtual void apply(const float* model, float* data) = 0;
  virtual void jvp(const float* model, const float* t_model, float* t_data) = 0;
  virtual void vjp(const float* model, const float* d_data, float* d_model) = 0;
  virtual double misfit(const float* model, const float* observed, float* d_model, float* data) = 0;
};

namespace terrane::api {
namespace {

StreamOptions stream_options(const terrane_forward_options& options, const Json& config) {
  StreamOptions s;
  if (options.threads < 0) throw Error(ErrorCode::failed, "options.threads is negative; 0 leaves it to the config");
  s.threads = options.threads;
  if (s.threads == 0 && !config.at("threads").is_null()) s.threads = config.at("threads");
  s.native = options.cuda_stream;
  return s;
}

template <class T>
class Forward final : public terrane_forward {
 public:
  Forward(const Config& config, const Device& device, const terrane_forward_options& options, Log log)
      : log_(std::move(log)),
        stream_(device, stream_options(options, config.json())),
        problem_(build_problem(config, false)),
        wave_(stream_, problem_.grid, problem_.survey, checked(problem_.wave), shots_per_batch(config, problem_)),
        wavelet_(to_device(stream_, std::vector<T>(problem_.wavelet.begin(), problem_.wavelet.end()))),
        model_(stream_, problem_.grid.cells()),
        other_model_(stream_, problem_.grid.cells()),
        data_(stream_, batch() * trace_values()),
        other_data_(stream_, batch() * trace_values()) {
    log_.info("device " + device.name() + "; " + wave_.plan().describe());
  }

  void info(terrane_forward_info& out) const override {
    out.nz = problem_.grid.nz;
    out.nx = problem_.grid.nx;
    out.shots = shots();
    out.receivers = problem_.survey.max_receivers();
    out.samples = problem_.survey.nt;
    out.substeps = wave_.plan().substeps;
    out.dz_m = problem_.grid.dz_m;
    out.dx_m = problem_.grid.dx_m;
    out.dt_s = problem_.survey.dt_s;
    out.vmax_mps = problem_.wave.vmax_mps;
    out.memory_bytes = wave_.memory_bytes(WaveUse::gradient);
  }

  void apply(const float* model, float* data) override {
    upload(model, problem_.grid.cells(), model_);
    each_batch([&](std::span<const Index> which, Index first, Index count) {
      wave_.forward(stream_, which, model_.data(), wavelet_.data(), data_.data(), false, state_);
      download(data_, count * trace_values(), data + first * trace_values());
    });
  }

  void jvp(const float* model, const float* t_model, float* t_data) override {
    upload(model, problem_.grid.cells(), model_);
    upload(t_model, problem_.grid.cells(), other_model_);
    each_batch([&](std::span<const Index> which, Index first, Index count) {
      wave_.forward(stream_, which, model_.data(), wavelet_.data(), data_.data(), true, state_);
      wave_.jvp(stream_, model_.data(), wavelet_.data(), state_, other_model_.data(), nullptr, other_data_.data());
      download(other_data_, count * trace_values(), t_data + first * trace_values());
    });
  }

  void vjp(const float* model, const float* d_data, float* d_model) override {
    gradient(model, d_model,
             [&](Index first, std::span<T> d) { std::copy_n(d_data + first * trace_values(), d.size(), d.begin()); });
  }

  double misfit(const float* model, const float* observed, float* d_model, float* data) override {
    double sum = 0;
    gradient(model, d_model, [&](Index first, std::span<T> d) {
      to_host(d.size());
      for (std::size_t i = 0; i < d.size(); ++i) {
        const std::size_t at = static_cast<std::size_t>(first * trace_values()) + i;
        if (data != nullptr) data[at] = static_cast<float>(host_[i]);
        d[i] = static_cast<T>(static_cast<double>(host_[i]) - static_cast<double>(observed[at]));
        sum += static_cast<double>(d[i]) * static_cast<double>(d[i]);
      }
    });
    return 0.5 * sum;
  }

 private:
  static const WaveOptions& checked(const WaveOptions& options) {
    if (options.vmax_mps > 0) return options;
    throw Error(ErrorCode::config, "/physics: the largest velocity is not known: give \"vmax_mps\" or a model");
  }
  Index shots() const { return problem_.survey.shot_count(); }
  Index batch() const { return wave_.plan().shots; }
  Index trace_values() const { return problem_.survey.max_receivers() * problem_.survey.nt; }  // of one shot

  // body(shots of a batch, the first of them, how many are not repetitions that fill the last batch)
  template <class Body>
  void each_batch(Body&& body) {
    std::vector<Index> which(static_cast<std::size_t>(batch()));
    for (Index first = 0; first < shots(); first += batch()) {
      std::iota(which.begin(), which.end(), first);
      for (Index& shot : which) shot = std::min(shot, shots() - 1);
      body(which, first, std::min(batch(), shots() - first));
    }
  }

  // residual(first shot, values): fills the cotangent of a batch, after data_ holds its records.
  template <class Residual>
  void gradient(const float* model, float* d_model, Residual&& residual) {
    upload(model, problem_.grid.cells(), model_);
    std::vector<T> values(static_cast<std::size_t>(problem_.grid.cells()), T{0});
    copy(stream_, std::span<const T>(values), other_model_.data());
    each_batch([&](std::span<const Index> which, Index first, Index count) {
      wave_.forward(stream_, which, model_.data(), wavelet_.data(), data_.data(), true, state_);
      // Repetitions in the last batch keep a zero cotangent.
      values.assign(static_cast<std::size_t>(batch() * trace_values()), T{0});
      residual(first, std::span<T>(values).first(static_cast<std::size_t>(count * trace_values())));
      copy(stream_, std::span<const T>(values), other_data_.data());
      wave_.vjp(stream_, model_.data(), wavelet_.data(), state_, other_data_.data(), other_model_.data(), nullptr);
    });
    download(other_model_, problem_.grid.cells(), d_model);
  }

  void upload(const float* values, Index n, const Buffer<T>& to) {
    host_.assign(values, values + n);
    copy(stream_, std::span<const T>(host_), to.data());
  }
  void to_host(std::size_t n) {
    host_.resize(n);
    copy_to_host(stream_, data_.data(), host_.data(), static_cast<Index>(n * sizeof(T)));
  }
  void download(const Buffer<T>& from, Index n, float* values) {
    host_.resize(static_cast<std::size_t>(n));
    copy_to_host(stream_, from.data(), host_.data(), n * static_cast<Index>(sizeof(T)));
    for (std::size_t i = 0; i < host_.size(); ++i) values[i] = static_cast<float>(host_[i]);
  }

  Log log_;
  Stream stream_;
  Problem problem_;
  AcousticWave<T> wave_;
  Buffer<T> wavelet_, model_, other_model_, data_, other_data_;
  WaveState<T> state_;
  std::vector<T> host_;
};

terrane_forward* make_forward(const Config& config, const terrane_forward_options& options) {
  const Json& json = config.json();
  const std::string name =
      options.device != nullptr ? std::string(options.device) : json.at("device").get<std::string>();
  const Device device = Device::parse(name);
  if (options.cuda_stream != nullptr && device.kind != DeviceKind::cuda) {
    throw Error(ErrorCode::failed, "options.cuda_stream is set, but the device is " + device.name());
  }
  Log log = Log::open(log_level_of(options.log_level), {}, sink_of(options.log, options.log_user));
  for (const std::string& note : config.notes()) log.info(note);
  if (json.at("precision").at("physics") == "fp64") return new Forward<double>(config, device, options, std::move(log));
  return new Forward<float>(config, device, options, std::move(log));
}

}  // namespace
}  // namespace terrane::api

using terrane::api::guarded;
using terrane::api::need;

extern "C" {

terrane_status terrane_forward_open(const char* config_path, const terrane_forward_options* options,
                                    terrane_forward** handle) {
  return guarded([&] {
    need(handle, "handle");
    *handle = nullptr;
    need(config_path, "config_path");
    const auto known = terrane::api::options_of(options, "terrane_forward_options");
    *handle = terrane::api::make_forward(terrane::Config::load(config_path), known);
  });
}

terrane_status terrane_forward_parse(const char* config_text, const terrane_forward_options* options,
                                     terrane_forward** handle) {
  return guarded([&] {
    need(handle, "handle");
    *handle = nullptr;
    need(config_text, "config_text");
    const auto known = terrane::api::options_of(options, "terrane_forward_options");
    *handle = terrane::api::make_forward(terrane::Config::parse(config_text, "config"), known);
  });
}

void terrane_forward_close(terrane_forward* handle) { delete handle; }

terrane_status terrane_forward_get_info(const terrane_forward* handle, terrane_forward_info* info) {
  return guarded([&] {
    need(handle, "handle");
    need(info, "info");
    terrane_forward_info known = terrane::api::options_of(info, "terrane_forward_info");
    const std::size_t size = info->size;
    handle->info(known);
    known.size = size;
    std::memcpy(info, &known, std::min(size, sizeof known));
  });
}

terrane_status terrane_forward_apply(terrane_forward* handle, const float* model, float* data) {
  return guarded([&] {
    need(handle, "handle");
    need(model, "model");
    need(data, "data");
    handle->apply(model, data);
  });
}

terrane_status terrane_forward_jvp(terrane_forward* handle, const float* model, const float* t_model, float* t_data) {
  return guarded([&] {
    need(handle, "handle");
    need(model, "model");
    need(t_model, "t_model");
    need(t_data, "t_data");
    handle->jvp(model, t_model, t_data);
  });
}

terrane_status terrane_forward_vjp(terrane_forward* handle, const float* model, const float* d_data, float* d_model) {
  return guarded([&] {
    need(handle, "handle");
    need(model, "model");
    need(d_data, "d_data");
    need(d_model, "d_model");
    handle->vjp(model, d_data, d_model);
  });
}

terrane_status terrane_forward_misfit(terrane_forward* handle, const float* model, const float* observed,
                                      double* misfit, float* d_model, float* data) {
  return guarded([&] {
    need(handle, "handle");
    need(model, "model");
    need(observed, "observed");
    need(misfit, "misfit");
    need(d_model, "d_model");
    *misfit = handle->misfit(model, observed, d_model, data);
  });
}

}  // extern "C"
