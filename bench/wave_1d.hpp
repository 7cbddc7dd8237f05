// SPDX-License-Identifier: MIT
// 1-D wave equation on a trace of nodes, with its derivatives, for studies of kernels. Host code in double precision.
//
//   m u_tt - u_zz = s(t) delta(z - z_s), u = 0 before t = 0, u_z = 0 at both ends;   m = 1 / v^2 in s^2/km^2, z in km
//   u+ = 2 u - u- + (dt^2 / m) o (D u + s e_s / h),  D the symmetric second difference with reflecting ends
// data (receivers, nt): u at the receivers after each step. Derivative in m: the same recursion with the source
// -(dm / m) o (u+ - 2 u + u-), and its transpose backwards in time.
#pragma once

#include <cmath>
#include <vector>

#include "kernels/runtime/error.hpp"
#include "kernels/runtime/hd.hpp"

namespace terrane {

class Wave1d {
 public:
  using Vector = std::vector<double>;
  Index nodes = 0, nt = 0, source = 0;
  std::vector<Index> receivers;
  double h_km = 0, dt_s = 0;
  Vector wavelet;  // (nt)

  Index data() const { return static_cast<Index>(receivers.size()) * nt; }

  static Vector ricker(double frequency_hz, double dt_s, Index nt) {
    Vector w;
    for (Index k = 0; k < nt; ++k) {
      const double t = static_cast<double>(k) * dt_s - 1.5 / frequency_hz;
      const double a = std::pow(3.14159265358979323846 * frequency_hz * t, 2);
      w.push_back((1 - 2 * a) * std::exp(-a));
    }
    return w;
  }

  Vector forward(const Vector& m) const { return record(history(m)); }

  // (data, nodes), row-major
  Vector jacobian(const Vector& m) const {
    const Vector u = history(m);
    const auto n = at(nodes);
    Vector before(n * n, 0.0), now(n * n, 0.0), next(n * n, 0.0), j(at(data()) * n, 0.0);  // (node, parameter)
    for (Index k = 0; k < nt; ++k) {
      for (std::size_t i = 0; i < n; ++i) {
        const double c = dt_s * dt_s / m[i], q = c / (h_km * h_km);
        const double *w = &now[i * n], *lo = i > 0 ? w - n : w, *hi = i + 1 < n ? w + n : w;
        for (std::size_t p = 0; p < n; ++p) {
          next[i * n + p] = 2 * w[p] - before[i * n + p] + q * (lo[p] - 2 * w[p] + hi[p]);
        }
        next[i * n + i] -= acceleration(u, k, i) / m[i];
      }
      for (std::size_t r = 0; r < receivers.size(); ++r) {
        const double* row = &next[at(receivers[r]) * n];
        std::copy(row, row + n, &j[(r * at(nt) + at(k)) * n]);
      }
      before.swap(now);
      now.swap(next);
    }
    return j;
  }

  // d (data) = forward(m), and J^T w (nodes) for w = d - observed
  Vector gradient(const Vector& m, const Vector& observed, Vector& d) const {
    const Vector u = history(m);
    d = record(u);
    const auto n = at(nodes);
    Vector after(n, 0.0), now(n, 0.0), next(n, 0.0), scaled(n, 0.0), g(n, 0.0);
    for (Index k = nt; k-- > 0;) {  // now: adjoint of u at step k + 1
      for (std::size_t i = 0; i < n; ++i) scaled[i] = dt_s * dt_s / m[i] * now[i];
      for (std::size_t i = 0; i < n; ++i) next[i] = 2 * now[i] - after[i] + second_difference(scaled.data(), i);
      for (std::size_t r = 0; r < receivers.size(); ++r) {
        const std::size_t at_data = r * at(nt) + at(k);
        next[at(receivers[r])] += d[at_data] - observed[at_data];
      }
      after.swap(now);
      now.swap(next);
      for (std::size_t i = 0; i < n; ++i) g[i] -= now[i] * acceleration(u, k, i) / m[i];
    }
    return g;
  }

 private:
  static std::size_t at(Index i) { return static_cast<std::size_t>(i); }

  double second_difference(const double* u, std::size_t i) const {
    const double lo = i > 0 ? u[i - 1] : u[i], hi = i + 1 < at(nodes) ? u[i + 1] : u[i];
    return (lo - 2 * u[i] + hi) / (h_km * h_km);
  }
  // u+ - 2 u + u- of step k; rows of u: step -1, 0, ..., nt.
  double acceleration(const Vector& u, Index k, std::size_t i) const {
    const std::size_t n = at(nodes), row = at(k) * n + i;
    return u[row + 2 * n] - 2 * u[row + n] + u[row];
  }
  // (nt + 2, nodes)
  Vector history(const Vector& m) const {
    const auto n = at(nodes);
    require(m.size() == n && wavelet.size() == at(nt), ErrorCode::failed, "the model or the wavelet has another length",
            "wave 1d");
    for (const double v : m) {
      require(v > dt_s * dt_s / (h_km * h_km), ErrorCode::diverged, "the time step is unstable in this model",
              "wave 1d");
    }
    Vector u((at(nt) + 2) * n, 0.0);
    for (Index k = 0; k < nt; ++k) {
      const double *before = &u[at(k) * n], *now = before + n;
      double* next = &u[(at(k) + 2) * n];
      for (std::size_t i = 0; i < n; ++i) {
        const double source_term = i == at(source) ? wavelet[at(k)] / h_km : 0;
        next[i] = 2 * now[i] - before[i] + dt_s * dt_s / m[i] * (second_difference(now, i) + source_term);
      }
    }
    return u;
  }
  Vector record(const Vector& u) const {
    Vector d;
    for (const Index r : receivers) {
      for (Index k = 0; k < nt; ++k) d.push_back(u[at((k + 2) * nodes + r)]);
    }
    return d;
  }
};

}  // namespace terrane
