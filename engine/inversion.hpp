// SPDX-License-Identifier: MIT
// The inversion: one tape a stage, iterations in blocks of optimizer.read_every.
//
//   theta -> field -> bounds -> (gradient metric) -> physics -> misfit + regularizers = phi
//   with a trade-off: (1 - beta) misfit + beta regularizers, beta by the iteration
//
// phi is a mean over the samples of the batch (with source encoding an estimate of it), in units of the observed data
// (normalize survey: RMS of all data, trace: RMS of each trace; none: a sum over the survey, estimated from the batch).
// Penalties are dimensionless: m is divided by 1000 m/s (slowness by 1e-3 s/m), lengths by the size of a cell, and the
// sum by the number of nodes. The same seed, device and build give the same bits for any number of threads; a restored
// state goes on bit for bit.
#pragma once

#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "autodiff/tape.hpp"
#include "engine/checkpoint.hpp"
#include "engine/encoding.hpp"
#include "engine/field.hpp"
#include "engine/optimizer.hpp"
#include "engine/problem.hpp"
#include "kernels/runtime/buffer.hpp"
#include "kernels/runtime/log.hpp"

namespace terrane {

template <class T>
class GaussNewton;

struct IterationReport {
  Index iteration = 0;  // counted from 0 over all stages
  int stage = 0;
  double phi = 0, phi_data = 0;
  std::map<std::string, double> phi_model;                 // weighted penalties by type
  double chi2 = std::numeric_limits<double>::quiet_NaN();  // mean of (residual / standard deviation)^2; NaN when the
                                                           // standard deviation is not known
  double gradient_norm = 0, step_norm = 0, rate_factor = 1, seconds = 0;
  int evaluations = 1;
};

template <class T>
class Inversion {
 public:
  // `problem.observed` may be empty for a forecast: then only memory is laid out.
  Inversion(Stream& s, const Config& config, const Problem& problem, Log log);
  ~Inversion();

  Index iterations() const { return total_; }  // of all stages
  Index iteration() const { return iteration_; }
  int stage() const { return stage_; }
  int stages() const { return static_cast<int>(stage_ends_.size()); }
  bool finished() const { return iteration_ >= total_ || !stop_reason_.empty(); }
  const std::string& stop_reason() const { return stop_reason_; }
  // A block of iterations, at most `most` and optimizer.read_every: up to a multiple of that or the end of the stage.
  // Rules of stopping are looked at when it has ended. Throws Error{diverged} when the misfit is not finite, grows
  // beyond stop.grow_factor, or a model exceeds what the time step stands; the parameters are then those before the
  // block.
  std::vector<IterationReport> steps(Index most);
  IterationReport step() { return steps(1).at(0); }
  // Whether iterations are replayed from a recording, and if not why ("" before it has been tried, or where there are
  // no graphs).
  bool replays() const;
  std::string why_not_replayed() const;

  std::vector<double> model();       // (nz, nx) of the current parameters
  std::vector<double> parameters();  // theta
  // The same of the running mean (optimizer.average), where there is one.
  std::vector<double> result_model();
  std::vector<double> result_parameters();
  const std::vector<double>& first_gradient() const { return first_gradient_; }  // of phi by the model, iteration 0
  const Field<T>& field() const { return *field_; }
  double best_phi() const { return best_phi_; }
  Index best_iteration() const { return best_iteration_; }
  double initial_phi() const { return initial_phi_; }
  std::string describe() const { return description_; }  // scheme, time step, storage
  std::string storage() const;                           // of wave fields; "" for travel times

  // Everything that the next iteration depends on.
  CheckpointState state();
  void restore(const CheckpointState& state);

  // Device bytes once every array is in use: recorded values, cotangents, operations, optimizer.
  Index memory_bytes() const;

 private:
  struct Stage;
  void open_stage(int stage);
  void read_band(const Json& stage);
  void record_model();
  Var record_metric();
  Var record_penalty(const Json& regularizer);
  void record_objective(const Json& stage);
  void open_least_squares(const Json& regularizers);  // inversion_least_squares.cpp
  IterationReport least_squares_step();
  void make_objective();
  void open_average();
  Index block(Index most) const;
  void prepare(Index iteration);
  void note_evaluation();
  std::vector<IterationReport> reports_of(const std::vector<StepReport>& steps, const std::vector<double>& factors);
  void refresh_denoisers(Index iteration);
  void select_shots(Index iteration);
  void encode_shots(Index iteration, const std::vector<Index>& shots);
  std::vector<Index> draw_shots(Index iteration) const;
  double chi2();
  void check_progress(const IterationReport& report);

  Stream& s_;
  Config config_;
  const Problem& problem_;
  Log log_;
  std::unique_ptr<Field<T>> field_;
  std::vector<T> theta_;  // host copy between stages
  std::unique_ptr<Stage> current_;
  std::unique_ptr<Optimizer<T>> optimizer_;
  std::unique_ptr<GaussNewton<T>> least_squares_;  // in the place of optimizer_
  int optimizer_owner_ = -1;  // the stage whose optimizer section is in use; -1: that of the config
  std::vector<Index> stage_ends_;
  std::optional<SourceEncoding> encoding_;
  Index total_ = 0, iteration_ = 0;
  Index drawn_ = 0, batch_ = 0;  // shots of an iteration, and of those in flight: the same but for super-shots
  int stage_ = -1;
  double best_phi_ = 0, initial_phi_ = 0, stage_first_phi_ = 0;
  Index best_iteration_ = -1;
  std::vector<double> first_gradient_;
  Buffer<double> average_;  // of the parameters, not yet divided by average_weight_
  double average_weight_ = 0;
  double chi2_ = std::numeric_limits<double>::quiet_NaN();  // of the evaluation; blocks are of one where it is known
  std::string stop_reason_, description_;
};

}  // namespace terrane
