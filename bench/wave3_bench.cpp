// SPDX-License-Identifier: MIT
// Throughput of the 3-D acoustic wave operator on a given model, and its gather and gradient for comparisons.
//
//   wave3_bench MODEL NZ NY NX WAVELET NT DT H ORDER PML VMAX PML_FREQ THREADS REPEATS STORAGE OUT [--device cpu]
// MODEL, WAVELET: raw float32. One shot at cell (10, NY / 2, NX / 2), receivers on plane 10 at every eighth cell of
// both axes from cell 4. STORAGE: a policy, or policy:bf16. Each repeat times forward (no snapshots kept) and gradient
// (forward and adjoint of 0.5 ||d||²). OUT "-": no files, else OUT.data and OUT.gradient are written as raw float32.
// Prints one JSON object, with wall times and processor times of all threads.
#include <chrono>
#include <cstdio>
#include <cstdlib>
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

// Processor time of all threads: on a machine that others use as well, wall time says little.
double processor_s() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::string json_list(const std::vector<double>& v) {
  std::string text = "[";
  for (std::size_t i = 0; i < v.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(v[i]);
  return text + "]";
}

Survey3 survey_of(const Grid3& g, Index nt, double dt) {
  const double h = g.dx_m, z = 10 * h;
  std::vector<Point3> receivers;
  for (Index y = 4; y < g.ny; y += 8) {
    for (Index x = 4; x < g.nx; x += 8)
      receivers.push_back({static_cast<double>(x) * h, z, static_cast<double>(y) * h});
  }
  const Point3 source{static_cast<double>(g.nx / 2) * h, z, static_cast<double>(g.ny / 2) * h};
  return Survey3::fixed_spread({source}, receivers, nt, dt);
}

int run(char** a, const std::string& device) {
  const double dt = std::atof(a[7]), h = std::atof(a[8]);
  const Grid3 grid{std::atoll(a[2]), std::atoll(a[3]), std::atoll(a[4]), h, h, h};
  const Index nt = std::atoll(a[6]);
  const int pml = std::atoi(a[10]), repeats = std::atoi(a[14]);
  const std::string out = a[16];
  StreamOptions stream_options;
  stream_options.threads = std::atoi(a[13]);
  Stream s(Device::parse(device), stream_options);
  const Buffer<float> vp = to_device(s, read_raw(a[1], grid.cells())), w = to_device(s, read_raw(a[5], nt));
  WaveOptions3 options;
  options.order = std::atoi(a[9]);
  options.pml = {pml, pml, pml, pml, pml, pml};
  options.vmax_mps = std::atof(a[11]);
  options.pml_frequency_hz = std::atof(a[12]);
  const std::string storage = a[15];
  const std::size_t colon = storage.find(':');
  options.storage = parse_storage(storage.substr(0, colon));
  if (colon != std::string::npos) options.storage_precision = parse_storage_precision(storage.substr(colon + 1));
  const AcousticWave<float> wave(s, grid, survey_of(grid, nt, dt), options);
  const WavePlan& plan = wave.plan();
  Buffer<float> data(s, plan.receivers * nt), gradient(s, grid.cells());
  WaveState<float> state;
  std::vector<double> forward_s, gradient_s, forward_processor_s, gradient_processor_s;
  for (int r = 0; r < repeats; ++r) {
    auto start = std::chrono::steady_clock::now();
    double processor = processor_s();
    wave.forward(s, {}, vp.data(), w.data(), data.data(), false, state);
    s.synchronize();
    forward_s.push_back(seconds_since(start));
    forward_processor_s.push_back(processor_s() - processor);
    copy(s, std::span<const float>(std::vector<float>(static_cast<std::size_t>(grid.cells()))), gradient.data());
    start = std::chrono::steady_clock::now();
    processor = processor_s();
    wave.forward(s, {}, vp.data(), w.data(), data.data(), true, state);
    wave.vjp(s, vp.data(), w.data(), state, data.data(), gradient.data(), nullptr);
    s.synchronize();
    gradient_s.push_back(seconds_since(start));
    gradient_processor_s.push_back(processor_s() - processor);
  }
  if (out != "-") {
    write_raw(out + ".data", to_host(s, data));
    write_raw(out + ".gradient", to_host(s, gradient));
  }
  std::cout << "{\"variant\": \"" << s.table().backend << "\", \"plan\": \"" << plan.describe()
            << "\", \"points\": " << plan.points() << ", \"interior_points\": " << grid.cells()
            << ", \"steps\": " << plan.inner_nt - 1 << ", \"substeps\": " << plan.substeps
            << ", \"memory_bytes\": " << wave.memory_bytes(WaveUse::gradient)
            << ", \"arena_bytes\": " << s.arena()->stats().peak_bytes << ", \"forward_s\": " << json_list(forward_s)
            << ", \"gradient_s\": " << json_list(gradient_s)
            << ", \"forward_processor_s\": " << json_list(forward_processor_s)
            << ", \"gradient_processor_s\": " << json_list(gradient_processor_s) << "}\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string device = terrane::last_option(argc, argv, "--device", "cpu");
  if (argc != 17) {
    std::cerr << "usage: wave3_bench MODEL NZ NY NX WAVELET NT DT H ORDER PML VMAX PML_FREQ THREADS REPEATS STORAGE "
                 "OUT [--device NAME]\n";
    return 2;
  }
  return terrane::run_bench([&] { return run(argv, device); });
}
