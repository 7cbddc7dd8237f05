// SPDX-License-Identifier: MIT
// The physics of a problem as one operation on a tape: model (shape of the grid) -> data of a batch of shots. The only
// place that knows which operator belongs to which physics.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "autodiff/tape.hpp"
#include "engine/problem.hpp"
#include "physics/forward_operator.hpp"
#include "physics/wave/wave_op.hpp"

namespace terrane {

template <class T>
class Simulation {
 public:
  // `wavelet` of waves (nt), or (shots, sources, nt) where the problem has no shared one; empty elsewhere.
  // keep = false: forward only, no derivatives.
  Simulation(Stream& s, const Problem& problem, const std::vector<double>& wavelet, Index batch, bool keep = true);

  // Data of the batch: (batch, receivers, nt), or (data). wavelet: takes the input that holds it (waves).
  Var record(Tape<T>& tape, Var model, Var* wavelet = nullptr) const;
  // The shots of the next forward call, `batch` of them; waves only. Until then the first `batch`.
  void select(const std::vector<Index>& shots) const { selection_->shots = shots; }
  Index batch() const { return batch_; }
  const ForwardOperator<T>& operation() const { return *operation_; }
  std::string describe() const { return operation_->describe(); }
  // How wave fields are kept, "" elsewhere.
  std::string storage() const { return plan_ == nullptr ? "" : std::string(to_string(plan_->storage.policy)); }
  const WavePlan* wave_plan() const { return plan_; }  // null elsewhere

 private:
  Index batch_;
  std::vector<T> wavelet_;
  std::shared_ptr<ShotSelection> selection_ = std::make_shared<ShotSelection>();
  std::shared_ptr<ForwardOperator<T>> operation_;
  const WavePlan* plan_ = nullptr;  // of operation_
};

// Plan and largest stable time step of a wave problem with these options, in the dimensions of its grid.
WavePlan plan_waves(const Problem& problem, const WaveOptions3& options, Index batch, Index scalar_bytes);
double stable_step_s(const Problem& problem);

// Data of `model` for all shots, (shots, receivers, nt) or (data), on the stream's device, `batch` shots at a time.
template <class T>
std::vector<double> simulate(Stream& s, const Problem& problem, const std::vector<double>& model,
                             const std::vector<double>& wavelet, Index batch);

// diag(J^T J) at `model`, shape of the grid, estimated by random signs in the data (Hutchinson): what the survey lights
// up.
template <class T>
std::vector<double> illumination(Stream& s, const Problem& problem, const std::vector<double>& model,
                                 const std::vector<double>& wavelet, Index batch, std::uint64_t seed);

// Resistivity only: sqrt(sum_i (d d_i / d ln sigma / std_i)^2) over its largest value, (nz, nx), std the |d_i| where it
// is not known: what the data see. In three dimensions (nz, ny, nx), the mean over random signs in the data.
template <class T>
std::vector<double> sensitivity(Stream& s, const Problem& problem, const std::vector<double>& model);

// Sum over all data of |d t / d slowness|, (nz, nx) in metres: how much ray crosses a cell. Travel times only.
template <class T>
std::vector<double> ray_coverage(Stream& s, const Problem& problem, const std::vector<double>& model);

// Paths of up to `most` pairs, spread over the data, points (x, z) from receiver to source: descents of the time field,
// or straight lines. Travel times only.
template <class T>
std::vector<std::vector<Position>> ray_paths(Stream& s, const Problem& problem, const std::vector<double>& model,
                                             Index most);

}  // namespace terrane
