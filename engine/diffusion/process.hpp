// SPDX-License-Identifier: MIT
// The two ways of turning noise into data.
//
// ddpm: x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) e, abar_t = product over s <= t of (1 - beta_s), t = 1 .. T (stored
// from 0). The network learns e. With x_0' = (x_t - sqrt(1 - abar_t) e') / sqrt(abar_t), a step to an earlier time u is
//   x_u = sqrt(abar_u) x_0' + sqrt(1 - abar_u - s^2) e' + s z,   s^2 = eta^2 (1 - abar_u) / (1 - abar_t) (1 - abar_t /
//   abar_u)
// (DDIM). eta = 1 between neighbouring times is the ancestral step: mean and variance of q(x_{t-1} | x_t, x_0'), which
// are c_0 x_0 + c_t x_t with c_0 = sqrt(abar_{t-1}) beta_t / (1 - abar_t),
// c_t = sqrt(alpha_t) (1 - abar_{t-1}) / (1 - abar_t), and beta_t (1 - abar_{t-1}) / (1 - abar_t).
//
// flow: x_t = (1 - t) e + t x_0, 0 <= t <= 1; the network learns the velocity x_0 - e, and a sample is the end of
// dx/dt = velocity (Euler, or Heun's second order).
//
// References: Ho, Jain, Abbeel, NeurIPS 2020; Nichol, Dhariwal, ICML 2021 (cosine); Song, Meng, Ermon, ICLR 2021
// (DDIM); Lipman et al., ICLR 2023, and Liu, Gong, Liu, ICLR 2023 (flow).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kernels/runtime/hd.hpp"

namespace terrane {

class NoiseSchedule {
 public:
  // beta rises linearly from `first` to `last`.
  static NoiseSchedule linear(Index steps, double first = 1e-4, double last = 0.02);
  // abar_t = g(t) / g(0), g(t) = cos^2((t/T + 0.008) / 1.008 pi/2), beta_t at most 0.999.
  static NoiseSchedule cosine(Index steps);
  // "linear", from 0.1 / steps to 20 / steps, which is the published one at 1000 and ends alike at other numbers; or
  // "cosine". Error{config} otherwise.
  static NoiseSchedule named(const std::string& name, Index steps);

  Index steps() const { return static_cast<Index>(beta_.size()); }
  double beta(Index t) const { return beta_.at(static_cast<std::size_t>(t)); }
  // abar of time index t; 1 for t = -1: the data.
  double abar(Index t) const { return t < 0 ? 1.0 : abar_.at(static_cast<std::size_t>(t)); }
  // q(x_{t-1} | x_t, x_0): mean from_data x_0 + from_state x_t.
  struct Posterior {
    double from_data, from_state, variance;
  };
  Posterior posterior(Index t) const;

 private:
  explicit NoiseSchedule(std::vector<double> beta);
  std::vector<double> beta_, abar_;
};

enum class Process { ddpm, flow };

struct ProcessOptions {
  Process process = Process::flow;
  std::string schedule = "linear";  // of ddpm
  Index steps = 1000;               // T of ddpm
  bool operator==(const ProcessOptions&) const = default;
};

// x_t = signal x_0 + noise e at a share of the way from the data (0) to the noise (1): t of ddpm is the floor of the
// share of T, that of flow 1 - share.
struct NoiseLevel {
  double signal, noise;
  double network_time;  // what the network sees: the time index of ddpm, 1000 t of flow
};

class NoiseLevels {
 public:
  explicit NoiseLevels(const ProcessOptions& process);
  NoiseLevel at(double share) const;
  bool ddpm() const { return schedule_.has_value(); }
  // x_0' of x_t and the network's answer, and its derivatives with respect to both.
  double clean(const NoiseLevel& l, double xt, double answer) const {
    return ddpm() ? (xt - l.noise * answer) / l.signal : xt + l.noise * answer;
  }
  double clean_by_state(const NoiseLevel& l) const { return ddpm() ? 1 / l.signal : 1; }
  double clean_by_answer(const NoiseLevel& l) const { return ddpm() ? -l.noise / l.signal : l.noise; }

 private:
  std::optional<NoiseSchedule> schedule_;  // of ddpm
};

enum class SamplerKind { ancestral, ddim, euler, heun };
// Error{config} with the names that there are.
SamplerKind sampler_of(const std::string& name);

struct SamplerOptions {
  SamplerKind kind = SamplerKind::heun;
  Index steps = 18;     // ancestral: always T
  double eta = 0;       // of ddim, 0 to 1
  double guidance = 1;  // f_0 + guidance (f_c - f_0), f_0 without conditions; 1: f_c alone
  double clip = 0;      // limit of |x_0'|; 0: none
};
// Error{config} where sampler and process do not fit.
void check_sampler(const SamplerOptions& sampler, const ProcessOptions& process);

// Time indices of a sampler of `steps` over T, descending; all of them for steps = T.
std::vector<Index> sampling_times(Index total, Index steps);

}  // namespace terrane
