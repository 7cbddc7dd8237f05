// SPDX-License-Identifier: MIT
// DC resistivity in 2.5-D or 3-D on a given mesh: data and J^T v with respect to ln(sigma) of every cell, double
// precision, for comparisons.
//
//   resistivity_bench FOLDER THREADS REPEATS [TOLERANCE | direct]
// FOLDER holds raw arrays, z down: x, y, z (nodes, metres; without y: 2.5-D), sigma (nz, ny, nx), electrodes (n, 3: x,
// y, z), v (data), in 2.5-D k and w (wavenumbers and weights), all float64 with the ending .f64; data.i64 (n, 4: A, B,
// M, N, -1: none). Writes data_out.f64 and gradient_out.f64 there and prints one JSON object; seconds are of each
// repeat after one that is not counted, memory is the peak of the process.

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "bench/bench_main.hpp"
#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"
#include "physics/resistivity/resistivity.hpp"
#include "physics/resistivity/resistivity3d.hpp"

namespace {

using namespace terrane;
using Values = std::vector<double>;

struct Folder {
  std::filesystem::path path;
  bool has(const std::string& name) const { return std::filesystem::exists(path / name); }
  template <class T>
  std::vector<T> read(const std::string& name) const {
    std::ifstream in(path / name, std::ios::binary | std::ios::ate);
    if (!in) throw Error(ErrorCode::data, (path / name).string() + " cannot be read");
    std::vector<T> v(static_cast<std::size_t>(in.tellg()) / sizeof(T));
    in.seekg(0);
    in.read(reinterpret_cast<char*>(v.data()), static_cast<std::streamsize>(v.size() * sizeof(T)));
    return v;
  }
  Values values(const std::string& name) const { return read<double>(name + ".f64"); }
  void write(const std::string& name, const Values& v) const {
    std::ofstream out(path / (name + ".f64"), std::ios::binary);
    out.write(reinterpret_cast<const char*>(v.data()), static_cast<std::streamsize>(v.size() * sizeof(double)));
  }
};

std::string json_list(const Values& v) {
  std::string text = "[";
  for (std::size_t i = 0; i < v.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(v[i]);
  return text + "]";
}

template <class Dc, class State>
void measure(Stream& s, const Dc& dc, const Folder& folder, int repeats) {
  Values m = folder.values("sigma");
  for (double& e : m) e = std::log(e);
  const Buffer<double> model = to_device(s, m), d(s, dc.survey().size()), v = to_device(s, folder.values("v"));
  const Buffer<double> g(s, model.size());
  State state;
  Values forward, gradient;
  const auto seconds = [&s](const auto& body) {
    const auto start = std::chrono::steady_clock::now();
    body();
    s.synchronize();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  for (int r = 0; r <= repeats; ++r) {
    fill(s, Fill<double>{g.data(), 0.0, g.size()});
    const double f = seconds([&] { dc.forward(s, model.data(), d.data(), true, state); });
    const double b = seconds([&] { dc.vjp(s, model.data(), state, v.data(), g.data()); });
    if (r == 0 && repeats > 0) continue;
    forward.push_back(f);
    gradient.push_back(b);
  }
  folder.write("data_out", to_host(s, d));
  folder.write("gradient_out", to_host(s, g));
  std::cout << "{\"variant\": \"" << s.table().backend << "\", \"plan\": \"" << dc.describe()
            << "\", \"forward_s\": " << json_list(forward) << ", \"jtv_s\": " << json_list(gradient)
            << ", \"forecast_bytes\": " << dc.memory_bytes() << ", \"peak_kib\": " << peak_resident_bytes() / 1024;
  if constexpr (requires { state.steps; }) std::cout << ", \"steps\": " << state.steps;
}

int run(int count, char** a) {
  const Folder folder{a[1]};
  StreamOptions stream_options;
  stream_options.threads = std::atoi(a[2]);
  Stream s(Device{}, stream_options);
  DcSurvey survey;
  const Values e = folder.values("electrodes");
  for (std::size_t i = 0; i + 2 < e.size(); i += 3) survey.electrodes.push_back({e[i], e[i + 2], e[i + 1]});
  const auto q = folder.read<std::int64_t>("data.i64");
  for (std::size_t i = 0; i + 3 < q.size(); i += 4) survey.data.push_back({q[i], q[i + 1], q[i + 2], q[i + 3]});
  const int repeats = std::atoi(a[3]);
  const auto begin = std::chrono::steady_clock::now();
  if (folder.has("y.f64")) {
    Resistivity3dOptions o;
    if (count > 4 && std::string(a[4]) == "direct") o.solution = DcSolution::direct;
    if (count > 4 && o.solution != DcSolution::direct) o.tolerance = std::atof(a[4]);
    const TensorMesh3 mesh{folder.values("x"), folder.values("y"), folder.values("z")};
    const Resistivity3d<double> dc(s, mesh, survey, o);
    measure<Resistivity3d<double>, Resistivity3dState>(s, dc, folder, repeats);
  } else {
    ResistivityOptions o;
    if (folder.has("k.f64")) o.wavenumbers = {folder.values("k"), folder.values("w")};
    const Resistivity<double> dc(TensorMesh{folder.values("x"), folder.values("z")}, survey, o);
    measure<Resistivity<double>, ResistivityState>(s, dc, folder, repeats);
  }
  std::cout << ", \"all_s\": " << std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count()
            << "}\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::cerr << "usage: resistivity_bench FOLDER THREADS REPEATS [TOLERANCE | direct]\n";
    return 2;
  }
  return terrane::run_bench([&] { return run(argc, argv); });
}
