// SPDX-License-Identifier: MIT
// One stage of an inversion: the data of its band and the recorded computation. Private to the inversion.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/inversion.hpp"
#include "engine/prior_term.hpp"
#include "engine/simulation.hpp"

namespace terrane {

template <class T>
struct Inversion<T>::Stage {
  explicit Stage(Stream& s) : tape(s), sweep(tape) {}
  Tape<T> tape;
  Sweep<T> sweep;
  std::unique_ptr<Simulation<T>> simulation;
  std::vector<double> wavelet;       // of the band
  std::vector<T> observed, weights;  // host, all shots; weights may be empty
  std::vector<Index> shots;          // whose data the tape holds
  ShotCodes codes;                   // with which they are summed, where they are
  Var theta, m0, model, wavelets, predicted, target, weight, share, phi_data, phi;
  Var data_share, model_share;  // 1 - beta and beta of a trade-off
  std::vector<std::pair<std::string, Var>> penalties;
  std::vector<DenoiserTerm<T>> denoisers;
  Buffer<T> before;        // theta at the start of a block of iterations
  Objective<T> objective;  // phi of the tape, for the optimizer
  Json optimizer, misfit;
  Index first_iteration = 0, iterations = 0;
};

}  // namespace terrane
