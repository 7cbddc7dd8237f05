// SPDX-License-Identifier: MIT
// First-arrival times of many sources on a given model: forward (times at the receivers, state kept for derivatives)
// and adjoint (gradient of the sum of the data), single precision, for comparisons.
//
//   eikonal_bench MODEL NZ NY NX H SOURCES ORDER THREADS REPEATS OUT
// MODEL: raw float32 velocity, NY 1 for 2-D. Source k on node (z 1, y NY / 2, x (2 k + 1) NX / (2 SOURCES)); receivers
// on every fourth node of the top row, all sources. OUT: "-", or a file for the raw float32 times of source 0. Prints
// one JSON object; seconds are user time and wall time of each repeat, after one that is not counted.
#include <sys/resource.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "bench/bench_main.hpp"
#include "kernels/kernels.hpp"
#include "physics/eikonal/eikonal.hpp"

namespace {

using namespace terrane;

std::vector<float> read_raw(const char* file, Index n) {
  std::vector<float> v(static_cast<std::size_t>(n));
  std::ifstream in(file, std::ios::binary);
  in.read(reinterpret_cast<char*>(v.data()), static_cast<std::streamsize>(v.size() * sizeof(float)));
  if (!in) throw Error(ErrorCode::data, std::string(file) + " is shorter than stated or cannot be read");
  return v;
}

double user_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec) + 1e-6 * static_cast<double>(usage.ru_utime.tv_usec);
}

struct Timer {
  std::vector<double> user_s, wall_s;
  template <class Body>
  void run(Stream& s, bool counted, const Body& body) {
    s.synchronize();
    const auto start = std::chrono::steady_clock::now();
    const double user = user_seconds();
    body();
    s.synchronize();
    if (!counted) return;
    user_s.push_back(user_seconds() - user);
    wall_s.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
};

std::string json_list(const std::vector<double>& v) {
  std::string text = "[";
  for (std::size_t i = 0; i < v.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(v[i]);
  return text + "]";
}

int run(char** a) {
  const Index nz = std::atoll(a[2]), ny = std::atoll(a[3]), nx = std::atoll(a[4]), sources = std::atoll(a[6]);
  const double h = std::atof(a[5]);
  const int repeats = std::atoi(a[9]);
  const std::string out = a[10];
  StreamOptions stream_options;
  stream_options.threads = std::atoi(a[8]);
  Stream s(Device{}, stream_options);
  const Grid3 grid{nz, ny, nx, h, h, h, 0, 0, 0};
  const double y = ny > 1 ? static_cast<double>(ny / 2) * h : 0;
  std::vector<Point3> from, to;
  for (Index k = 0; k < sources; ++k) from.push_back({static_cast<double>((2 * k + 1) * nx / (2 * sources)) * h, h, y});
  for (Index k = 0; k < nx; k += 4) to.push_back({static_cast<double>(k) * h, 0, y});
  EikonalOptions options;
  options.order = std::atoi(a[7]);
  const Eikonal<float> eikonal(s, grid, TravelSurvey::full(from, to), options);
  const Buffer<float> v = to_device(s, read_raw(a[1], grid.cells()));
  const Index n = eikonal.survey().data();
  const Buffer<float> data(s, n), gradient(s, grid.cells());
  const Buffer<float> ones = to_device(s, std::vector<float>(static_cast<std::size_t>(n), 1.0f));
  EikonalState<float> state;
  Timer forward, adjoint;
  Index sweeps = 0;
  for (int r = 0; r <= repeats; ++r) {
    forward.run(s, r > 0, [&] { eikonal.forward(s, v.data(), data.data(), true, state); });
    sweeps = state.most_sweeps;
    fill(s, Fill<float>{gradient.data(), 0.0f, grid.cells()});
    adjoint.run(s, r > 0, [&] { eikonal.vjp(s, v.data(), state, ones.data(), gradient.data()); });
  }
  if (out != "-") {
    const std::vector<float> times = eikonal.times(s, state, 0);
    std::ofstream file(out, std::ios::binary);
    file.write(reinterpret_cast<const char*>(times.data()), static_cast<std::streamsize>(times.size() * sizeof(float)));
  }
  std::cout << "{\"variant\": \"" << s.table().backend << "\", \"plan\": \"" << eikonal.describe()
            << "\", \"sources\": " << sources << ", \"last_sweeps\": " << sweeps
            << ", \"adjoint_sweeps\": " << state.most_sweeps << ", \"forward_user_s\": " << json_list(forward.user_s)
            << ", \"forward_wall_s\": " << json_list(forward.wall_s)
            << ", \"adjoint_user_s\": " << json_list(adjoint.user_s)
            << ", \"adjoint_wall_s\": " << json_list(adjoint.wall_s) << "}\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 11) {
    std::cerr << "usage: eikonal_bench MODEL NZ NY NX H SOURCES ORDER THREADS REPEATS OUT\n";
    return 2;
  }
  return terrane::run_bench([&] { return run(argv); });
}
