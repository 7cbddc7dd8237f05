// SPDX-License-Identifier: MIT
// Timed problems of the benchmarks: each builds its problem, runs it once to warm up and returns the seconds of the
// repeats. The stream is synchronised before the clock is read.
#pragma once

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "kernels/mlp/mlp.hpp"
#include "kernels/runtime/stream.hpp"
#include "physics/wave/wave_plan.hpp"

namespace terrane {

// Seconds of `repeats` calls after one that is not counted, in increasing order. With limit_s > 0 no call begins after
// that time once three are counted.
template <class Body>
std::vector<double> timed_seconds(Stream& s, int repeats, const Body& body, double limit_s = 0) {
  using Clock = std::chrono::steady_clock;
  const auto seconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  std::vector<double> seconds;
  const auto begin = Clock::now();
  for (int k = 0; k <= repeats; ++k) {
    if (limit_s > 0 && k > 3 && seconds_since(begin) > limit_s) break;
    s.synchronize();
    const auto start = Clock::now();
    body();
    s.synchronize();
    if (k > 0) seconds.push_back(seconds_since(start));
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds;
}

struct ForwardAndGradient {
  std::vector<double> forward_s, gradient_s;  // gradient: forward with what the derivative needs, then the adjoint
};

// Acoustic waves in a medium that grows from 1500 to 4500 m/s with depth, shots along the middle line at `depth_m`,
// receivers there on every `receiver_step`-th node of x (in three dimensions of y too). The time step is that of the
// data.
struct WaveCase {
  Grid3 grid;  // ny = 1: two dimensions
  int order = 8;
  Index nt = 0, shots = 1, receiver_step = 1;
  double dt_s = 1e-3, depth_m = 15;
  Storage storage = Storage::automatic;
  bool forward = true, gradient = true;
};
struct WaveTiming : ForwardAndGradient {
  WavePlan plan;
  double point_steps = 0;  // padded points x steps x shots
};
WaveTiming time_waves(Stream& s, const WaveCase& c, int repeats, double limit_s = 0);

// A network of sines, two inputs and one output. gradient: reverse mode alone, as the network of a tape runs it.
struct NetworkTiming : ForwardAndGradient {
  Index parameters = 0;
};
NetworkTiming time_network(Stream& s, Index width, int hidden, Index points, MlpPrecision precision, int repeats,
                           double limit_s = 0);

// A hash grid in the unit square (16 levels of 2 features, coarsest 16 nodes, growth 1.5, at most 2^19 entries a level)
// and a network of rectifiers, two layers of `width`. gradient: forward and reverse mode, of table and network.
struct HashTiming : ForwardAndGradient {
  Index table = 0, features = 0, network = 0;  // parameters of the table, outputs of it, parameters of the network
};
HashTiming time_hash_network(Stream& s, Index width, Index points, bool random, int repeats, double limit_s = 0);

// K = J J^T of a network of sines at random points from its factors, its `top` largest eigenvalues by subspace
// iteration, and all of them.
struct TangentTiming {
  std::vector<double> gram_s, top_s, full_s;
  Index parameters = 0;
  double products = 0;  // sum of the inputs and outputs of the layers
  int iterations = 0;   // of the subspace
};
TangentTiming time_tangent_kernel(Stream& s, Index width, int hidden, Index points, Index top, bool full, int repeats,
                                  double limit_s = 0);

// Square product of n rows: 2 n^3 operations.
template <class T>
std::vector<double> time_product(Stream& s, Index n, int repeats);

// y = a x + b y on two arrays of `bytes` in all, `passes` times a call: 12 bytes an element of four.
std::vector<double> time_streaming(Stream& s, Index bytes, Index passes, int repeats);

// First arrivals of `sources` along the second row, receivers on every fourth node of the first. gradient: the adjoint.
struct EikonalTiming : ForwardAndGradient {
  Index sweeps = 0;
  std::string describe;
};
EikonalTiming time_eikonal(Stream& s, const Grid3& grid, Index sources, int order, int repeats, double limit_s = 0);

// Dipole-dipole data of `electrodes` on the surface of a layered ground, double precision. gradient: J^T v. 2.5-D:
// ny 1.
struct ResistivityTiming : ForwardAndGradient {
  Index cells = 0, poles = 0, wavenumbers = 0, band = 0, steps = 0;  // with padding; steps: of the slowest pole, 3-D
  std::string describe;
};
ResistivityTiming time_resistivity(Stream& s, const Grid3& cells, Index electrodes, int repeats, double limit_s = 0);

}  // namespace terrane
