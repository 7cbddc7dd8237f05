// SPDX-License-Identifier: MIT
// The 1-D set-up of arXiv 2603.22362 and small dense algebra on the host, shared by its studies.
#pragma once

#include <algorithm>
#include <string>

#include "analysis/spectra.hpp"
#include "bench/wave_1d.hpp"
#include "engine/figure.hpp"
#include "engine/io/npy.hpp"
#include "engine/median.hpp"
#include "kernels/kernels.hpp"

namespace terrane::study {

using Vector = std::vector<double>;

// c (m, n) = op(a) op(b), all row-major; k is the inner length.
inline Vector product(Stream& s, const Vector& a, bool ta, const Vector& b, bool tb, Index m, Index k, Index n) {
  const Buffer<double> da = to_device(s, a), db = to_device(s, b), dc(s, m * n);
  gemm(s, Gemm<double>{m, n, k, da.data(), ta ? m : k, ta, db.data(), tb ? k : n, tb, dc.data(), n});
  return to_host(s, dc);
}

inline double dot_of(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

inline double middle(Vector v) { return median_of(std::move(v)); }

// Trace of the model and its smooth start, as m = 1 / v^2 in s^2/km^2.
struct ModelTrace {
  Vector truth, smooth;
};

inline ModelTrace read_trace(const std::string& file) {
  const NdArray<double> model = read_npy<double>(file);
  require(model.shape.size() == 2 && model.shape[0] >= 8 && model.shape[1] > 144, ErrorCode::data,
          "the model needs two axes and 145 columns", file.c_str());
  const Index n = model.shape[0];
  Vector v;
  for (Index k = 0; k < n; ++k) v.push_back(model.values[at(k * model.shape[1] + 144)] / 1000);
  ModelTrace t;
  for (Index k = 0; k < n; ++k) {  // Gaussian of 15 nodes, ends repeated
    double sum = 0, weight = 0;
    for (Index j = k - 60; j <= k + 60; ++j) {
      const double w = std::exp(-0.5 * std::pow(static_cast<double>(j - k) / 15, 2));
      sum += w * v[at(std::clamp<Index>(j, 0, n - 1))];
      weight += w;
    }
    t.truth.push_back(1 / (v[at(k)] * v[at(k)]));
    t.smooth.push_back(std::pow(weight / sum, 2));
  }
  return t;
}

// Source on node 1; one receiver on node 1 (reflections), or ten, one on every tenth node.
inline Wave1d make_wave(Index nodes, bool ten = false) {
  Wave1d w;
  w.nodes = nodes;
  w.nt = 1000;
  w.source = 1;
  w.receivers = {1};
  for (Index k = 11; ten && k < nodes; k += 10) w.receivers.push_back(k);
  w.h_km = 0.015;
  w.dt_s = 0.0019;
  w.wavelet = Wave1d::ricker(8, w.dt_s, w.nt);
  return w;
}

struct Kernel {
  Vector k;  // (n, n)
  Vector values;
  Vector root;  // (n, n), K = root root^T
};

inline Kernel decompose(Stream& s, Vector k, Index n) {
  Kernel out;
  const Buffer<double> device = to_device(s, k);
  const Eigenpairs pairs = dense_eigenpairs(s, device.data(), n);
  out.k = std::move(k);
  out.values = pairs.values;
  out.root.resize(at(n * n));
  for (Index p = 0; p < n; ++p) {
    const double length = std::sqrt(std::max(0.0, pairs.values[at(p)]));
    for (Index i = 0; i < n; ++i) out.root[at(i * n + p)] = length * pairs.vectors[at(p * n + i)];
  }
  return out;
}

// Eigenvalues of J K J^T other than zero, as those of root^T (J^T J) root.
inline Vector wave_spectrum(Stream& s, const Vector& jtj, const Kernel& k, Index n) {
  const Vector half = product(s, jtj, false, k.root, false, n, n, n);
  const Buffer<double> small = to_device(s, product(s, k.root, true, half, false, n, n, n));
  Vector values = dense_eigenpairs(s, small.data(), n, 0, false).values;
  for (double& v : values) v = std::max(v, 0.0);
  return values;
}

inline Paint paint(std::size_t k) {
  const Color colors[] = {{40, 40, 40},   {211, 73, 40},  {42, 120, 178}, {60, 150, 80},  {140, 90, 180},
                          {210, 150, 30}, {30, 170, 180}, {200, 90, 150}, {130, 130, 60}, {130, 130, 130}};
  return Paint::of(colors[k % 10]);
}

}  // namespace terrane::study
