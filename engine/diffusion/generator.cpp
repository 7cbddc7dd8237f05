// SPDX-License-Identifier: MIT
#include "engine/diffusion/generator.hpp"

#include <algorithm>
#include <cmath>

#include "engine/io/safetensors.hpp"
#include "engine/io/sha256.hpp"
#include "engine/json_value.hpp"
#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

constexpr std::uint32_t purpose_sample = 57;  // beyond those of RandomPurpose and of the codecs

void noise(Stream& s, std::uint64_t seed, const Buffer<std::uint64_t>& index, Index step, Index values, float* y) {
  const auto draw = static_cast<std::uint32_t>(step * values);
  normal_noise(s, NormalNoise<float>{seed, purpose_sample, draw, index.data(), index.size(), values, y});
}

// x = a x + b y
void combine(Stream& s, double a, float* x, double b, const float* y, Index n) {
  axpby(s, Axpby<float>{static_cast<float>(b), y, static_cast<float>(a), x, n});
}

struct SampleRun {
  Stream& s;
  const DenoiseFunction& f;
  std::uint64_t seed;
  const Buffer<std::uint64_t>& index;
  Index values, n;
  float* x;  // state
  Buffer<float>&y, &z;

  // Ancestral is eta = 1 over all times.
  void ddpm(const NoiseSchedule& schedule, Index steps, double eta, double clip) {
    const std::vector<Index> times = sampling_times(schedule.steps(), steps);
    for (std::size_t k = 0; k < times.size(); ++k) {
      const Index t = times[k], u = k + 1 < times.size() ? times[k + 1] : -1;
      const double now = schedule.abar(t), then = schedule.abar(u);
      f(x, static_cast<double>(t), y.data());
      const double spread = std::sqrt(1 - now), root = std::sqrt(now);
      const double variance = eta * eta * (1 - then) / (1 - now) * (1 - now / then);
      const double direction = std::sqrt(std::max(0.0, 1 - then - variance));
      if (clip > 0) {  // x_0' is limited and the noise follows from it
        copy_values(s, CopyValues<float>{x, z.data(), n});
        combine(s, 1 / root, z.data(), -spread / root, y.data(), n);
        const auto limit = static_cast<float>(clip);
        clamp_values(s, Clamp<float>{z.data(), -limit, limit, n});
        copy_values(s, CopyValues<float>{x, y.data(), n});
        combine(s, 1 / spread, y.data(), -root / spread, z.data(), n);
      }
      const double keep = std::sqrt(then) / root;
      combine(s, keep, x, direction - keep * spread, y.data(), n);
      if (variance <= 0) continue;
      noise(s, seed, index, static_cast<Index>(k) + 1, values, z.data());
      combine(s, 1, x, std::sqrt(variance), z.data(), n);
    }
  }
  void flow(Index steps, bool heun) {
    const double h = 1 / static_cast<double>(steps);
    Buffer<float> ahead(s, heun ? n : 0);
    for (Index k = 0; k < steps; ++k) {
      const double t = static_cast<double>(k) * h;
      f(x, t, y.data());
      if (!heun) {
        combine(s, 1, x, h, y.data(), n);
        continue;
      }
      copy_values(s, CopyValues<float>{x, ahead.data(), n});
      combine(s, 1, ahead.data(), h, y.data(), n);
      f(ahead.data(), t + h, z.data());
      combine(s, 1, x, h / 2, y.data(), n);
      combine(s, 1, x, h / 2, z.data(), n);
    }
  }
};

std::vector<std::int64_t> match_sampler(const MomentMatch& m) { return {static_cast<int>(m.sampler), m.steps}; }

// Of the weights, and of the maps of moments where there are any.
std::string checksum(const Generator& g) {
  std::string bytes = g.match.any() ? Json(match_sampler(g.match)).dump() : "";
  for (const std::vector<float>* v : {&g.parameters, &g.match.shift, &g.match.matrix}) {
    bytes.append(reinterpret_cast<const char*>(v->data()), v->size() * sizeof(float));
  }
  return sha256_hex(bytes);
}

}  // namespace

void Generator::restore(std::vector<float>& y) const {
  for (std::size_t k = 0; k < y.size(); ++k) y[k] = offset[k % offset.size()] + scale[k % scale.size()] * y[k];
}
void Generator::normalize(std::vector<float>& v) const {
  for (std::size_t k = 0; k < v.size(); ++k) v[k] = (v[k] - offset[k % offset.size()]) / scale[k % scale.size()];
}

RecordedDenoiser::RecordedDenoiser(Stream& s, const Denoiser& network, Index batch, DenoiserVariable variable,
                                   FactorPrecision precision)
    : network_(network), batch_(batch), tape_(s), sweep_(tape_) {
  theta_ = tape_.input({network.parameters()}, "theta", variable != DenoiserVariable::image);
  in_.x = tape_.input(network.sample_shape(batch), "x", variable != DenoiserVariable::weights);
  in_.time = tape_.input({batch, 1}, "time", false);
  if (network.families() > 0) in_.family = tape_.input({batch, network.families() + 1}, "family", false);
  if (network.condition_values() > 0) in_.condition = tape_.input(network.condition_shape(batch), "condition", false);
  y_ = network.record(tape_, theta_, in_, batch, precision);
  set_conditions({}, {});
}

void RecordedDenoiser::set_times(const std::vector<float>& times) { tape_.set(in_.time, times); }

void RecordedDenoiser::set_conditions(const std::vector<int>& family, const std::vector<float>& condition) {
  const Index rows = network_.families(), values = network_.condition_values();
  require(family.empty() || static_cast<Index>(family.size()) == batch_, ErrorCode::config,
          "one family is given for each sample");
  for (const int f : family) {
    require(f >= -1 && f < rows, ErrorCode::config, "the generator does not know this family");
  }
  require(condition.empty() || static_cast<Index>(condition.size()) == batch_ * values, ErrorCode::config,
          "the conditions are not of the size that the generator was trained with");
  if (rows > 0) {
    std::vector<float> unit(static_cast<std::size_t>(batch_ * (rows + 1)), 0.0F);
    for (Index b = 0; b < batch_; ++b) {
      const int f = family.empty() ? -1 : family[static_cast<std::size_t>(b)];
      unit[static_cast<std::size_t>(b * (rows + 1) + (f < 0 ? rows : f))] = 1;
    }
    tape_.set(in_.family, unit);
  }
  if (values > 0) {
    tape_.set(in_.condition,
              condition.empty() ? std::vector<float>(static_cast<std::size_t>(batch_ * values), 0.0F) : condition);
  }
}

std::vector<float> sample_with(Stream& s, const DenoiseFunction& f, const ProcessOptions& process,
                               const SamplerOptions& o, std::uint64_t seed, std::uint64_t first, Index count,
                               Index values) {
  check_sampler(o, process);
  const Index n = count * values;
  std::vector<std::uint64_t> numbers;
  for (Index k = 0; k < count; ++k) numbers.push_back(first + static_cast<std::uint64_t>(k));
  const Buffer<std::uint64_t> index = to_device(s, numbers);
  Buffer<float> x(s, n), y(s, n), z(s, n);
  noise(s, seed, index, 0, values, x.data());
  SampleRun run{s, f, seed, index, values, n, x.data(), y, z};
  if (process.process == Process::flow) {
    run.flow(o.steps, o.kind == SamplerKind::heun);
  } else {
    const NoiseSchedule schedule = NoiseSchedule::named(process.schedule, process.steps);
    const bool ancestral = o.kind == SamplerKind::ancestral;
    run.ddpm(schedule, ancestral ? process.steps : o.steps, ancestral ? 1.0 : o.eta, o.clip);
  }
  return to_host(s, x);
}

std::vector<float> sample(Stream& s, const Generator& g, const SamplerOptions& o, std::uint64_t seed,
                          std::uint64_t first, Index count, const SampleConditions& conditions, Index batch) {
  check_sampler(o, g.process);
  const Index values = g.network.sample_values(), width = g.network.condition_values();
  require(count >= 0 && batch >= 1, ErrorCode::config, "count and batch of samples are not negative");
  const auto fits = [&](std::size_t have, Index each) { return have == 0 || static_cast<Index>(have) == count * each; };
  require(fits(conditions.family.size(), 1) && fits(conditions.condition.size(), width), ErrorCode::config,
          "conditions are given for every sample or for none");
  batch = std::min(batch, std::max<Index>(1, count));
  RecordedDenoiser net(s, g.network, batch);
  copy(s, std::span<const float>(g.parameters), net.parameters());
  Buffer<float> free(s, o.guidance != 1 ? net.values() : 0);
  std::vector<float> out;
  for (Index at = 0; at < count; at += batch) {
    // The last batch is filled up with samples that are dropped.
    std::vector<int> family;
    std::vector<float> condition;
    for (Index b = at; b < at + batch; ++b) {
      const Index k = std::min(b, count - 1);
      if (!conditions.family.empty()) family.push_back(conditions.family[static_cast<std::size_t>(k)]);
      if (conditions.condition.empty()) continue;
      condition.insert(condition.end(), conditions.condition.begin() + k * width,
                       conditions.condition.begin() + (k + 1) * width);
    }
    net.set_conditions(family, condition);
    const float time_scale = g.process.process == Process::flow ? 1000.0F : 1.0F;
    const DenoiseFunction f = [&](const float* x, double t, float* y) {
      copy_values(s, CopyValues<float>{x, net.x(), net.values()});
      net.set_times(std::vector<float>(static_cast<std::size_t>(batch), time_scale * static_cast<float>(t)));
      if (o.guidance != 1) {
        net.set_conditions({}, {});
        net.tape().forward();
        copy_values(s, CopyValues<float>{net.y(), free.data(), net.values()});
        net.set_conditions(family, condition);
      }
      net.tape().forward();
      copy_values(s, CopyValues<float>{net.y(), y, net.values()});
      if (o.guidance != 1) combine(s, o.guidance, y, 1 - o.guidance, free.data(), net.values());
    };
    const std::vector<float> x =
        sample_with(s, f, g.process, o, seed, first + static_cast<std::uint64_t>(at), batch, values);
    out.insert(out.end(), x.begin(), x.begin() + std::min(batch, count - at) * values);
  }
  for (const float v : out) require(std::isfinite(v), ErrorCode::diverged, "a sample is not finite");
  g.restore(out);
  return out;
}

void write_generator(const std::string& path, const Generator& g) {
  TensorMap t;
  for (const DenoiserWeight& w : g.network.weights()) {
    const auto from = g.parameters.begin() + w.offset;
    t[w.name] = Tensor(w.shape, std::vector<float>(from, from + elements(w.shape)));
  }
  t["offset"] = Tensor({static_cast<Index>(g.offset.size())}, g.offset);
  t["scale"] = Tensor({static_cast<Index>(g.scale.size())}, g.scale);
  if (g.match.any()) {
    const Index values = g.network.sample_values(), rows = static_cast<Index>(g.match.shift.size()) / values;
    t["match.shift"] = Tensor({rows, values}, g.match.shift);
    t["match.matrix"] = Tensor({rows, values, values}, g.match.matrix);
    t["match.sampler"] = Tensor({2}, match_sampler(g.match));
  }
  const Json process = {{"type", g.process.process == Process::flow ? "flow-matching" : "ddpm"},
                        {"schedule", g.process.schedule},
                        {"steps", g.process.steps}};
  write_safetensors(path, t,
                    {{"kind", "terrane generator"},
                     {"network", g.network.to_json().dump()},
                     {"process", process.dump()},
                     {"families", Json(g.families).dump()},
                     {"sha256", checksum(g)}});
}

Generator read_generator(const std::string& path) {
  const Safetensors file = read_safetensors(path);
  const auto text = [&](const char* key) {
    const auto it = file.metadata.find(key);
    if (it == file.metadata.end()) {
      throw Error(ErrorCode::data, std::string("the file is no generator: it has no \"") + key + "\"", path);
    }
    return it->second;
  };
  require(text("kind") == "terrane generator", ErrorCode::data, "the file is no generator", path.c_str());
  const auto parsed = [&](const char* key) {
    try {
      return Json::parse(text(key));
    } catch (const Json::exception&) {
      throw Error(ErrorCode::data, std::string("\"") + key + "\" cannot be read", path);
    }
  };
  try {
    Generator g{Denoiser::from_json(parsed("network")), {}, {}, {}, {}, {}};
    const Json process = parsed("process");
    g.process.process = process.at("type") == "ddpm" ? Process::ddpm : Process::flow;
    process.at("schedule").get_to(g.process.schedule);
    process.at("steps").get_to(g.process.steps);
    parsed("families").get_to(g.families);
    g.parameters.resize(static_cast<std::size_t>(g.network.parameters()));
    for (const DenoiserWeight& w : g.network.weights()) {
      const std::vector<float>& v = tensor_values<float>(file.tensors, w.name, path);
      if (static_cast<Index>(v.size()) != elements(w.shape)) {
        throw Error(ErrorCode::data, "tensor \"" + w.name + "\" is not of this network", path);
      }
      std::copy(v.begin(), v.end(), g.parameters.begin() + w.offset);
    }
    g.offset = tensor_values<float>(file.tensors, "offset", path);
    g.scale = tensor_values<float>(file.tensors, "scale", path);
    const auto each = static_cast<std::size_t>(g.network.sample_values());
    const bool ok = (g.offset.size() == 1 || g.offset.size() == each) && g.offset.size() == g.scale.size();
    require(ok, ErrorCode::data, "offset and scale do not fit the network", path.c_str());
    if (file.tensors.count("match.shift") != 0) {
      const auto& sampler = tensor_values<std::int64_t>(file.tensors, "match.sampler", path);
      const bool named = sampler.size() == 2 && sampler[0] >= 0 && sampler[0] <= static_cast<int>(SamplerKind::heun);
      require(named, ErrorCode::data, "the maps of moments are for a sampler that there is not", path.c_str());
      g.match = {static_cast<SamplerKind>(sampler[0]), sampler[1],
                 tensor_values<float>(file.tensors, "match.shift", path),
                 tensor_values<float>(file.tensors, "match.matrix", path)};
      const auto rows = static_cast<std::size_t>(g.network.families()) + 1;
      require(g.match.shift.size() == rows * each && g.match.matrix.size() == rows * each * each, ErrorCode::data,
              "the maps of moments do not fit the network", path.c_str());
    }
    require(text("sha256") == checksum(g), ErrorCode::data, "the weights do not match their checksum", path.c_str());
    return g;
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::data, e.what(), path);
  } catch (const Error& e) {
    if (e.code() == ErrorCode::data) throw;
    throw Error(ErrorCode::data, e.what(), path);
  }
}

}  // namespace terrane
