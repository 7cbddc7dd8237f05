// SPDX-License-Identifier: MIT
// Throughput of the acoustic wave operator on a given model, and its gathers and gradient for comparisons.
//
//   wave_bench MODEL NZ NX WAVELET NT DT H ORDER PML VMAX PML_FREQ SHOTS THREADS REPEATS STORAGE OUT
// MODEL, WAVELET: raw float32. Shots and receivers on row 1: shot k at column (2 k + 1) NX / (2 SHOTS), a receiver on
// every column. Each repeat times forward (no snapshots kept) and gradient (forward and adjoint of 0.5 ||d||², OUT
// "-": no files, else OUT.data and OUT.gradient are written as raw float32). Prints one JSON object.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

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

std::string json_list(const std::vector<double>& v) {
  std::string text = "[";
  for (std::size_t i = 0; i < v.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(v[i]);
  return text + "]";
}

int run(char** a) {
  const Index nz = std::atoll(a[2]), nx = std::atoll(a[3]), nt = std::atoll(a[5]), shots = std::atoll(a[12]);
  const double dt = std::atof(a[6]), h = std::atof(a[7]);
  const int pml = std::atoi(a[9]), repeats = std::atoi(a[14]);
  const std::string out = a[16];
  StreamOptions stream_options;
  stream_options.threads = std::atoi(a[13]);
  Stream s(Device{}, stream_options);
  const std::vector<float> model = read_raw(a[1], nz * nx), wavelet = read_raw(a[4], nt);
  std::vector<Position> sources;
  for (Index k = 0; k < shots; ++k) sources.push_back({static_cast<double>((2 * k + 1) * nx / (2 * shots)) * h, h});
  const Survey survey = Survey::fixed_spread(sources, line_of_positions(nx, 0, h, h), nt, dt);
  WaveOptions options;
  options.order = std::atoi(a[8]);
  options.pml = {pml, pml, pml, pml};
  options.vmax_mps = std::atof(a[10]);
  options.pml_frequency_hz = std::atof(a[11]);
  options.storage = parse_storage(a[15]);
  const AcousticWave<float> wave(s, Grid2{nz, nx, h, h, 0, 0}, survey, options);
  const WavePlan& plan = wave.plan();
  const Buffer<float> vp = to_device(s, model), w = to_device(s, wavelet);
  const Index n = shots * nx * nt;
  Buffer<float> data(s, n), gradient(s, nz * nx);
  WaveState<float> forward_state, gradient_state;
  std::vector<double> forward_s, gradient_s;
  for (int r = 0; r < repeats; ++r) {
    auto start = std::chrono::steady_clock::now();
    wave.forward(s, {}, vp.data(), w.data(), data.data(), false, forward_state);
    forward_s.push_back(seconds_since(start));
    copy(s, std::span<const float>(std::vector<float>(static_cast<std::size_t>(nz * nx))), gradient.data());
    start = std::chrono::steady_clock::now();
    wave.forward(s, {}, vp.data(), w.data(), data.data(), true, gradient_state);
    wave.vjp(s, vp.data(), w.data(), gradient_state, data.data(), gradient.data(), nullptr);
    gradient_s.push_back(seconds_since(start));
  }
  if (out != "-") {
    write_raw(out + ".data", to_host(s, data));
    write_raw(out + ".gradient", to_host(s, gradient));
  }
  std::cout << "{\"variant\": \"" << s.table().backend << "\", \"plan\": \"" << plan.describe()
            << "\", \"points\": " << plan.points() << ", \"steps\": " << plan.inner_nt - 1 << ", \"shots\": " << shots
            << ", \"substeps\": " << plan.substeps << ", \"memory_bytes\": " << wave.memory_bytes(WaveUse::gradient)
            << ", \"forward_s\": " << json_list(forward_s) << ", \"gradient_s\": " << json_list(gradient_s) << "}\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 17) {
    std::cerr << "usage: wave_bench MODEL NZ NX WAVELET NT DT H ORDER PML VMAX PML_FREQ SHOTS THREADS REPEATS STORAGE "
                 "OUT\n";
    return 2;
  }
  try {
    return run(argv);
  } catch (const terrane::Error& e) {
    std::cerr << e.message() << "\n";
    return static_cast<int>(e.code());
  }
}
