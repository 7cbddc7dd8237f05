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
#include "engine/simulation.hpp"
#include "kernels/runtime/buffer.hpp"

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

// The physics on a tape, with or without what derivatives need.
template <class T>
struct Recorded {
  Recorded(Stream& s, const Problem& p, Index batch, bool keep)
      : simulation(s, p, p.wavelet, batch, keep), tape(s), sweep(tape) {
    model = tape.input(p.grid.shape(), "model", keep);
    data = simulation.record(tape, model);
  }
  Simulation<T> simulation;
  Tape<T> tape;
  Sweep<T> sweep;
  Var model, data;
};

template <class T>
class Forward final : public terrane_forward {
 public:
  Forward(const Config& config, const Device& device, const terrane_forward_options& options, Log log)
      : log_(std::move(log)),
        stream_(device, stream_options(options, config.json())),
        problem_(checked(build_problem(config, false, device))),
        batch_(shots_per_batch(config, problem_)),
        derivatives_(stream_, problem_, batch_, true),
        other_data_(stream_, derivatives_.tape.size(derivatives_.data)) {
    log_.info("device " + device.name() + "; " + derivatives_.simulation.describe());
  }

  void info(terrane_forward_info& out) const override {
    const WavePlan* plan = derivatives_.simulation.wave_plan();
    out.nz = problem_.grid.nz;
    out.nx = problem_.grid.nx;
    out.shots = problem_.shots();
    out.receivers = problem_.waves() ? problem_.survey.max_receivers() : problem_.travel.data();
    out.samples = problem_.trace_samples();
    out.substeps = plan != nullptr ? plan->substeps : 0;
    out.dz_m = problem_.grid.dz_m;
    out.dx_m = problem_.grid.dx_m;
    out.dt_s = problem_.survey.dt_s;
    out.vmax_mps = problem_.wave.vmax_mps;
    out.memory_bytes = derivatives_.simulation.operation().memory_bytes();
  }

  void apply(const float* model, float* data) override {
    if (plain_ == nullptr) plain_ = std::make_unique<Recorded<T>>(stream_, problem_, batch_, false);
    Recorded<T>& r = *plain_;
    r.tape.set(r.model, widened(model));
    each_batch(r, [&](Index first, Index count) {
      r.tape.forward();
      download(r.tape.data(r.data), count * shot_values(), data + first * shot_values());
    });
  }

  void jvp(const float* model, const float* t_model, float* t_data) override {
    Recorded<T>& r = derivatives_;
    r.tape.set(r.model, widened(model));
    const Buffer<T> tangent = to_device(stream_, widened(t_model));
    each_batch(r, [&](Index first, Index count) {
      r.tape.forward();
      r.tape.jvp(r.sweep, r.model, tangent.data());
      download(r.sweep.tangent(r.data), count * shot_values(), t_data + first * shot_values());
    });
  }

  void vjp(const float* model, const float* d_data, float* d_model) override {
    gradient(model, d_model,
             [&](Index first, std::span<T> d) { std::copy_n(d_data + first * shot_values(), d.size(), d.begin()); });
  }

  double misfit(const float* model, const float* observed, float* d_model, float* data) override {
    double sum = 0;
    gradient(model, d_model, [&](Index first, std::span<T> d) {
      const auto predicted = to_host(stream_, derivatives_.tape.data(derivatives_.data), static_cast<Index>(d.size()));
      for (std::size_t i = 0; i < d.size(); ++i) {
        const std::size_t at = static_cast<std::size_t>(first * shot_values()) + i;
        if (data != nullptr) data[at] = static_cast<float>(predicted[i]);
        d[i] = static_cast<T>(static_cast<double>(predicted[i]) - static_cast<double>(observed[at]));
        sum += static_cast<double>(d[i]) * static_cast<double>(d[i]);
      }
    });
    return 0.5 * sum;
  }

 private:
  static Problem checked(Problem problem) {
    if (!problem.grid.flat()) throw Error(ErrorCode::config, "/grid/ny: this interface takes grids of two dimensions");
    if (!problem.waves() || problem.wave.vmax_mps > 0) return problem;
    throw Error(ErrorCode::config, "/physics: the largest velocity is not known: give \"vmax_mps\" or a model");
  }
  Index shot_values() const { return other_data_.size() / batch_; }

  // body(first shot of a batch, how many are not repetitions that fill the last batch)
  template <class Body>
  void each_batch(const Recorded<T>& r, Body&& body) {
    const Index shots = problem_.shots();
    std::vector<Index> which(static_cast<std::size_t>(batch_));
    for (Index first = 0; first < shots; first += batch_) {
      std::iota(which.begin(), which.end(), first);
      for (Index& shot : which) shot = std::min(shot, shots - 1);
      r.simulation.select(which);
      body(first, std::min(batch_, shots - first));
    }
  }

  // residual(first shot, values): fills the cotangent of a batch, after the tape holds its records.
  template <class Residual>
  void gradient(const float* model, float* d_model, Residual&& residual) {
    Recorded<T>& r = derivatives_;
    r.tape.set(r.model, widened(model));
    std::vector<double> sum(static_cast<std::size_t>(problem_.grid.cells()), 0.0);
    each_batch(r, [&](Index first, Index count) {
      r.tape.forward();
      // Repetitions in the last batch keep a zero cotangent.
      std::vector<T> values(static_cast<std::size_t>(other_data_.size()), T{0});
      residual(first, std::span<T>(values).first(static_cast<std::size_t>(count * shot_values())));
      copy(stream_, std::span<const T>(values), other_data_.data());
      r.tape.backward(r.sweep, r.data, other_data_.data());
      const auto part = to_host(stream_, r.sweep.cotangent(r.model), r.tape.size(r.model));
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<double>(part[i]);
    });
    for (std::size_t i = 0; i < sum.size(); ++i) d_model[i] = static_cast<float>(sum[i]);
  }

  std::vector<T> widened(const float* model) const { return std::vector<T>(model, model + problem_.grid.cells()); }
  void download(const T* from, Index n, float* values) {
    const auto host = to_host(stream_, from, n);
    for (std::size_t i = 0; i < host.size(); ++i) values[i] = static_cast<float>(host[i]);
  }

  Log log_;
  Stream stream_;
  Problem problem_;
  Index batch_;
  Recorded<T> derivatives_;
  std::unique_ptr<Recorded<T>> plain_;  // made by the first call that needs no derivatives
  Buffer<T> other_data_;
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
