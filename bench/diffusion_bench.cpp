// SPDX-License-Identifier: MIT
// What bench/baselines/diffusion_torch.py compares with PyTorch, and the cost of a training step.
//
//   diffusion_bench layers DIR            inputs, outputs and gradients of the layers on random shapes, NPY files
//   diffusion_bench network DIR           y and gradients of the network in DIR (network.json, theta.npy, x.npy,
//                                         time.npy, seed.npy) as y.npy, d_x.npy, d_theta.npy; double with double.npy
//   diffusion_bench step [--preset NAME | --network FILE] [--batch N] [--steps N] [--threads N] [--trace]
//                                         seconds of a training step (forward, reverse, AdamW, average), best and mean
//                                         of wall clock, best of processor time of all threads; peak memory

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "autodiff/check.hpp"
#include "autodiff/ops/conv_op.hpp"
#include "bench/bench_main.hpp"
#include "engine/diffusion/train.hpp"
#include "engine/io/file.hpp"
#include "engine/io/npy.hpp"
#include "engine/version.hpp"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/random.hpp"
#include "kernels/runtime/trace.hpp"

namespace {

using namespace terrane;
using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

template <class T>
void save(const std::string& path, const Shape& shape, const std::vector<T>& values) {
  write_npy(path, shape, values.data());
}

// One layer: inputs from the seed, y, and the gradients of <y, seed>.
struct LayerRun {
  Stream& s;
  std::string folder;
  Json list = Json::array();

  void run(const std::string& kind, Json shape, std::shared_ptr<const DiffOp<float>> op,
           const std::vector<Shape>& inputs) {
    const std::string name = kind + "-" + std::to_string(list.size());
    Tape<float> tape(s);
    std::vector<Var> in;
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      in.push_back(tape.input(inputs[k], "x"));
      const auto values = random_normal<float>(elements(inputs[k]), 100 * list.size() + k);
      tape.set(in.back(), values);
      save(folder + "/" + name + ".in" + std::to_string(k) + ".npy", inputs[k], values);
    }
    const Var y = tape.apply(std::move(op), in);
    tape.forward();
    const auto seed = random_normal<float>(tape.size(y), 100 * list.size() + 99);
    const Buffer<float> d = to_device(s, seed);
    Sweep<float> sweep(tape);
    tape.backward(sweep, y, d.data());
    save(folder + "/" + name + ".seed.npy", tape.shape(y), seed);
    save(folder + "/" + name + ".y.npy", tape.shape(y), tape.get(y));
    for (std::size_t k = 0; k < in.size(); ++k) {
      save(folder + "/" + name + ".d" + std::to_string(k) + ".npy", inputs[k],
           to_host(s, sweep.cotangent(in[k]), tape.size(in[k])));
    }
    list.push_back({{"kind", kind}, {"name", name}, {"shape", std::move(shape)}});
  }
};

int layers(const std::string& folder) {
  make_directories(folder);
  Stream s{Device{}};
  LayerRun run{s, folder};
  const Random random(1, RandomPurpose::test);
  const auto draw = [&](Index k, std::uint32_t d, Index low, Index high) {
    return low + static_cast<Index>(
                     random.integer(static_cast<std::uint64_t>(k), d, static_cast<std::uint64_t>(high - low + 1)));
  };
  for (Index k = 0; k < 12; ++k) {
    ConvShape f{draw(k, 0, 1, 4), draw(k, 1, 3, 20), draw(k, 2, 3, 20), draw(k, 3, 1, 70), draw(k, 4, 1, 70), 3, 1, 1};
    f.kernel = k % 3 == 2 ? 1 : 3;
    f.padding = f.kernel / 2;
    f.stride = k % 4 == 1 ? 2 : 1;
    run.run("conv2d", {f.batch, f.height, f.width, f.channels_in, f.channels_out, f.kernel, f.stride, f.padding},
            std::make_shared<Conv2dOp<float>>(f, 0), {{f.pixels_in(), f.channels_in}, {f.weights() + f.channels_out}});
  }
  for (Index k = 20; k < 24; ++k) {
    const Index groups = draw(k, 0, 1, 8);
    const NormShape f{draw(k, 1, 1, 4), draw(k, 2, 1, 90), groups * draw(k, 3, 2, 9), groups, 1e-5, k % 2 == 0};
    run.run("group-norm", {f.batch, f.pixels, f.channels, f.groups, f.silu ? 1 : 0},
            std::make_shared<GroupNormOp<float>>(f, 0), {{f.rows(), f.channels}, {2 * f.channels}});
  }
  for (Index k = 30; k < 33; ++k) {
    const AttentionShape f{draw(k, 0, 1, 3), draw(k, 1, 1, 40), draw(k, 2, 1, 5), draw(k, 3, 2, 16)};
    const Shape rows{f.rows(), f.channels()};
    run.run("attention", {f.batch, f.tokens, f.heads, f.head_channels}, std::make_shared<AttentionOp<float>>(f),
            {rows, rows, rows});
  }
  for (Index k = 40; k < 44; ++k) {
    const UpsampleShape f{draw(k, 0, 1, 3), draw(k, 1, 1, 9), draw(k, 2, 1, 9), draw(k, 3, 1, 20), k % 2 == 1};
    run.run("upsample", {f.batch, f.height, f.width, f.channels, f.bilinear ? 1 : 0},
            std::make_shared<UpsampleOp<float>>(f), {{f.batch * f.height * f.width, f.channels}});
  }
  run.run("silu", Json::array(), std::make_shared<UnaryOp<float>>(UnaryKind::silu), {{7, 31}});
  write_file_atomic(folder + "/layers.json", run.list.dump(1) + "\n");
  return 0;
}

template <class T>
int network(const std::string& folder) {
  Stream s{Device{}};
  const Denoiser net = Denoiser::from_json(Json::parse(read_file(folder + "/network.json")));
  const NdArray<T> theta = read_npy<T>(folder + "/theta.npy"), x = read_npy<T>(folder + "/x.npy"),
                   time = read_npy<T>(folder + "/time.npy"), seed = read_npy<T>(folder + "/seed.npy");
  const auto batch = static_cast<Index>(time.values.size());
  Tape<T> tape(s);
  const Var p = tape.input({net.parameters()}, "theta");
  DenoiserInputs in;
  in.x = tape.input(net.sample_shape(batch), "x");
  in.time = tape.input({batch, 1}, "time", false);
  const Var y = net.record(tape, p, in, batch);
  tape.set(p, theta.values);
  tape.set(in.x, x.values);
  tape.set(in.time, time.values);
  tape.forward();
  const Buffer<T> d = to_device(s, seed.values);
  Sweep<T> sweep(tape);
  tape.backward(sweep, y, d.data());
  save(folder + "/y.npy", tape.shape(y), tape.get(y));
  save(folder + "/d_x.npy", tape.shape(in.x), to_host(s, sweep.cotangent(in.x), tape.size(in.x)));
  save(folder + "/d_theta.npy", {net.parameters()}, to_host(s, sweep.cotangent(p), net.parameters()));
  Json list = Json::array();
  for (const DenoiserWeight& w : net.weights()) list.push_back({w.name, w.shape, w.offset});
  write_file_atomic(folder + "/weights.json", list.dump() + "\n");
  return 0;
}

int step(int argc, char** argv) {
  std::string preset = "reduced-32", file;
  Index batch = 16, steps = 10;
  int threads = 2;
  bool with_trace = false;
  for (int k = 2; k < argc; ++k) {
    const std::string a = argv[k];
    const auto text = [&] { return k + 1 < argc ? std::string(argv[++k]) : std::string(); };
    if (a == "--preset")
      preset = text();
    else if (a == "--network")
      file = text();
    else if (a == "--batch")
      batch = std::atoll(text().c_str());
    else if (a == "--steps")
      steps = std::atoll(text().c_str());
    else if (a == "--threads")
      threads = std::atoi(text().c_str());
    else if (a == "--trace")
      with_trace = true;
    else
      throw Error(ErrorCode::config, "unknown option " + a);
  }
  StreamOptions options;
  options.threads = threads;
  Trace trace;
  if (with_trace) options.trace = &trace;
  Stream s(Device{}, options);
  const Denoiser net = file.empty() ? Denoiser::preset(preset) : Denoiser::from_json(Json::parse(read_file(file)));
  Generator prototype{net, {Process::ddpm, "linear", 1000}, {}, {3000}, {1500}, {}};
  const Index values = net.sample_values();
  const BatchSource source = [values](Index first, Index count) {
    TrainingBatch b;
    b.x = random_normal<float>(count * values, static_cast<std::uint64_t>(first));
    return b;
  };
  DiffusionTrainOptions o;
  o.batch = batch;
  o.steps = steps + 2;
  DiffusionTrainer trainer(s, prototype, o, source);
  trainer.step();
  double best = 1e300, sum = 0, cpu = 1e300;
  for (Index k = 0; k < steps; ++k) {
    const auto start = Clock::now();
    const std::clock_t ticks = std::clock();
    trainer.step();
    cpu = std::min(cpu, static_cast<double>(std::clock() - ticks) / CLOCKS_PER_SEC);
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    best = std::min(best, seconds);
    sum += seconds;
  }
  const Json row = {{"network", file.empty() ? preset : file},
                    {"parameters", net.parameters()},
                    {"batch", batch},
                    {"threads", threads},
                    {"step_best_s", best},
                    {"step_cpu_s", cpu},
                    {"step_mean_s", sum / static_cast<double>(steps)},
                    {"peak_memory_bytes", peak_resident_bytes()},
                    {"version", version_string()}};
  std::printf("%s\n", row.dump().c_str());
  for (const auto& [name, e] : trace.entries()) {
    if (e.seconds > 1e-3)
      std::printf("%-24s %8lld calls %9.3f s\n", name.c_str(), static_cast<long long>(e.calls), e.seconds);
  }
  return 0;
}

int run(int argc, char** argv) {
  const std::string verb = argc > 1 ? argv[1] : "";
  if (verb == "layers" && argc == 3) return layers(argv[2]);
  if (verb == "network" && argc == 3) {
    const std::string folder = argv[2];
    return std::filesystem::exists(folder + "/double.npy") ? network<double>(folder) : network<float>(folder);
  }
  require(verb == "step", ErrorCode::config, "usage: diffusion_bench layers DIR | network DIR | step [options]");
  return step(argc, argv);
}

}  // namespace

int main(int argc, char** argv) {
  return terrane::run_bench([&] { return run(argc, argv); });
}
