// SPDX-License-Identifier: MIT
// Throughput of the acoustic wave operator on a given model, and its gathers and gradient for comparisons.
//
//   wave_bench MODEL NZ NX WAVELET NT DT H ORDER PML VMAX PML_FREQ SHOTS THREADS REPEATS STORAGE OUT [RECEIVERS WHAT]
//   [--device cpu]
// MODEL, WAVELET: raw float32. Shots and receivers on row 1: shot k at column (2 k + 1) NX / (2 SHOTS), receivers on
// every column or RECEIVERS of them. STORAGE: a policy, or policy:bf16. Each repeat times forward (no snapshots kept)
// and gradient (forward and adjoint of 0.5 ||d||²), or the one that WHAT names; the memory is that of what ran. OUT
// "-": no files, else OUT.data and OUT.gradient are written as raw float32. Prints one JSON object.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "bench/bench_main.hpp"
#include "kernels/runtime/kernel.hpp"
#include "physics/wave/acoustic_wave.hpp"

namespace {

using namespace terrane;

std::vector<float> read_raw(const char* file, Index n) {
  std::vector<float> v(static_cast<std::size_t>(n));
  std::ifstream in(file, std::ios::binary);
  in.read(reinterpret_cast<char*>(v.data()), static_cast<std::streamsize>(v.size() * sizeof(float)));
  if (!in) throw Error(ErrorCode::data, std::string(file) + " is shorter than stated or cannot be read");
  return v;
}

void write_raw(const std::string& file, const std::vector<float>& v) {
  std::ofstream out(file, std::ios::binary);
  out.write(reinterpret_cast<const char*>(v.data()), static_cast<std::streamsize>(v.size() * sizeof(float)));
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Wall and processor seconds (all threads) since it was made.
struct Timer {
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  std::clock_t cpu = std::clock();
  void stop(std::vector<double>& seconds, std::vector<double>& cpu_seconds) const {
    seconds.push_back(seconds_since(start));
    cpu_seconds.push_back(static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC);
  }
};

std::string json_list(const std::vector<double>& v) {
  std::string text = "[";
  for (std::size_t i = 0; i < v.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(v[i]);
  return text + "]";
}

int run(int count, char** a, const std::string& device) {
  const Index nz = std::atoll(a[2]), nx = std::atoll(a[3]), nt = std::atoll(a[5]), shots = std::atoll(a[12]);
  const double dt = std::atof(a[6]), h = std::atof(a[7]);
  const int pml = std::atoi(a[9]), repeats = std::atoi(a[14]);
  const std::string out = a[16];
  StreamOptions stream_options;
  stream_options.threads = std::atoi(a[13]);
  Stream s(Device::parse(device), stream_options);
  const std::vector<float> model = read_raw(a[1], nz * nx), wavelet = read_raw(a[4], nt);
  std::vector<Position> sources;
  for (Index k = 0; k < shots; ++k) sources.push_back({static_cast<double>((2 * k + 1) * nx / (2 * shots)) * h, h});
  const Index receivers = count > 17 ? std::atoll(a[17]) : nx;
  const std::string what = count > 18 ? a[18] : "both";
  const double spacing = static_cast<double>(nx / receivers) * h;
  const Survey survey = Survey::fixed_spread(sources, line_of_positions(receivers, 0, spacing, h), nt, dt);
  WaveOptions options;
  options.order = std::atoi(a[8]);
  options.pml = {pml, pml, pml, pml};
  options.vmax_mps = std::atof(a[10]);
  options.pml_frequency_hz = std::atof(a[11]);
  const std::string storage = a[15];
  options.storage = parse_storage(storage.substr(0, storage.find(':')));
  if (storage.find(':') != std::string::npos) {
    options.storage_precision = parse_storage_precision(storage.substr(storage.find(':') + 1));
  }
  const AcousticWave<float> wave(s, Grid2{nz, nx, h, h, 0, 0}, survey, options);
  const WavePlan& plan = wave.plan();
  const Buffer<float> vp = to_device(s, model), w = to_device(s, wavelet);
  const Index n = shots * receivers * nt;
  Buffer<float> data(s, n), gradient(s, nz * nx);
  WaveState<float> forward_state, gradient_state;
  std::vector<double> forward_s, gradient_s, forward_cpu_s, gradient_cpu_s;
  for (int r = 0; r < repeats; ++r) {
    if (what != "gradient") {
      const Timer timer;
      wave.forward(s, {}, vp.data(), w.data(), data.data(), false, forward_state);
      s.synchronize();
      timer.stop(forward_s, forward_cpu_s);
    }
    if (what == "forward") continue;
    copy(s, std::span<const float>(std::vector<float>(static_cast<std::size_t>(nz * nx))), gradient.data());
    const Timer timer;
    wave.forward(s, {}, vp.data(), w.data(), data.data(), true, gradient_state);
    wave.vjp(s, vp.data(), w.data(), gradient_state, data.data(), gradient.data(), nullptr);
    s.synchronize();
    timer.stop(gradient_s, gradient_cpu_s);
  }
  if (out != "-") {
    write_raw(out + ".data", to_host(s, data));
    if (what != "forward") write_raw(out + ".gradient", to_host(s, gradient));
  }
  std::cout << "{\"variant\": \"" << s.table().backend << "\", \"plan\": \"" << plan.describe()
            << "\", \"points\": " << plan.points() << ", \"steps\": " << plan.inner_nt - 1 << ", \"shots\": " << shots
            << ", \"substeps\": " << plan.substeps << ", \"memory_bytes\": " << wave.memory_bytes(WaveUse::gradient)
            << ", \"arena_bytes\": " << s.arena()->stats().current_bytes
            << ", \"resident_bytes\": " << peak_resident_bytes() << ", \"storage\": \""
            << to_string(plan.storage.policy) << "\", \"storage_bytes\": " << plan.storage.bytes
            << ", \"forward_s\": " << json_list(forward_s) << ", \"gradient_s\": " << json_list(gradient_s)
            << ", \"forward_cpu_s\": " << json_list(forward_cpu_s)
            << ", \"gradient_cpu_s\": " << json_list(gradient_cpu_s) << "}\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string device = terrane::last_option(argc, argv, "--device", "cpu");
  if (argc < 17 || argc > 19) {
    std::cerr << "usage: wave_bench MODEL NZ NX WAVELET NT DT H ORDER PML VMAX PML_FREQ SHOTS THREADS REPEATS STORAGE "
                 "OUT [RECEIVERS WHAT] [--device NAME]\n";
    return 2;
  }
  return terrane::run_bench([&] { return run(argc, argv, device); });
}
