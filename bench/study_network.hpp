// SPDX-License-Identifier: MIT
// Networks whose Jacobians are measured here.
//   study   the raw-coordinate fields of the cross-hole study (arXiv 2503.17503) with their published weights:
//           m = 10 tanh F(x, z), 64 x 128 cells, z fastest; 2-128-256-256-256-256-128-1, LeakyReLU 0.2; coordinates in
//           [0, 1] (case 1) or [-1, 1] (case 2)
//   siren   2-512-512-512-512-512-1, sine, random points in [-1, 1]^2
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "bench/bench_main.hpp"
#include "engine/field.hpp"
#include "engine/weights.hpp"
#include "kernels/kernels.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {

struct BenchNetwork {
  MlpShape shape;
  Index n = 0;
  std::vector<double> theta, x;  // (parameters), (n, 2)
  bool tanh_map = false;         // m = 10 tanh F, else m = F
};

// `folder` holds svd_case{1,2}_weights.npz; every `stride`-th cell.
inline BenchNetwork study_network(const std::string& folder, int study_case, Index stride = 1) {
  BenchNetwork net;
  net.shape = mlp_shape(2, {128, 256, 256, 256, 256, 128}, Activation::leaky_relu, 0.2);
  const std::string file = folder + "/svd_case" + std::to_string(study_case) + "_weights.npz";
  net.theta =
      read_weights({{"path", file}, {"columns", nullptr}, {"signs", nullptr}}, net.shape, net.shape.parameters());
  const double lo = study_case == 1 ? 0 : -1;
  for (Index cell = 0; cell < 64 * 128; cell += stride) {
    net.x.push_back(lo + (1 - lo) * static_cast<double>(cell / 128) / 63);
    net.x.push_back(lo + (1 - lo) * static_cast<double>(cell % 128) / 127);
  }
  net.n = static_cast<Index>(net.x.size()) / 2;
  net.tanh_map = true;
  return net;
}

inline BenchNetwork siren_network(Index points) {
  BenchNetwork net;
  const std::vector<double> omega(5, 30.0);
  net.shape = siren_shape(2, std::vector<Index>(5, 512), omega);
  net.n = points;
  const Random random(1, RandomPurpose::test);
  for (int l = 0; l < net.shape.layers; ++l) {
    const MlpLayer& layer = net.shape.layer[l];
    const double bound = l == 0 ? 0.5 : std::sqrt(6 / static_cast<double>(layer.n_in)) / 30;
    for (Index i = 0; i < layer.parameters(); ++i) {
      net.theta.push_back(random.uniform(static_cast<std::uint64_t>(net.theta.size()), 0, -bound, bound));
    }
  }
  for (Index i = 0; i < 2 * points; ++i) {
    net.x.push_back(random.uniform(static_cast<std::uint64_t>(i), 1, -1.0, 1.0));
  }
  return net;
}

// The network on a device: output m and slope dm/dF at the points.
template <class T>
struct DeviceNetwork {
  const BenchNetwork& net;
  Buffer<T> theta, x, slope;
  std::vector<double> m;
  DeviceNetwork(Stream& s, const BenchNetwork& network)
      : net(network),
        theta(to_device(s, std::vector<T>(network.theta.begin(), network.theta.end()))),
        x(to_device(s, std::vector<T>(network.x.begin(), network.x.end()))) {
    const Buffer<T> y(s, net.n);
    mlp_forward(s, MlpForward<T>{net.shape, net.n, theta.data(), x.data(), y.data()});
    const std::vector<T> f = to_host(s, y);
    std::vector<T> d;
    for (const T v : f) {
      const double t = std::tanh(static_cast<double>(v));
      m.push_back(net.tanh_map ? 10 * t : static_cast<double>(v));
      d.push_back(static_cast<T>(net.tanh_map ? 10 * (1 - t * t) : 1.0));
    }
    slope = to_device(s, d);
  }
};

}  // namespace terrane
