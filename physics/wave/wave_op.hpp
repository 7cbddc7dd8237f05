// SPDX-License-Identifier: MIT
// The acoustic wave operator on a tape: inputs vp (nz, nx) or (nz, ny, nx) and wavelet (nt) or (survey shots, sources,
// nt), output data (shots in flight, receivers, nt).
#pragma once

#include <memory>
#include <vector>

#include "physics/forward_operator.hpp"
#include "physics/wave/acoustic_wave.hpp"

namespace terrane {

// The shots of the next forward call, indices into the survey; empty: the first ones. The owner changes it between
// replays (random subsets); its size is the batch of the operator.
struct ShotSelection {
  std::vector<Index> shots;
};

template <class T>
class WaveOp final : public ForwardOperator<T> {
 public:
  // keep = false: forward only (no snapshots are stored, derivatives throw).
  WaveOp(std::shared_ptr<const AcousticWave<T>> wave, std::shared_ptr<const ShotSelection> selection, bool keep = true)
      : wave_(std::move(wave)), selection_(std::move(selection)), keep_(keep) {}

  std::string name() const override { return wave_->plan().flat() ? "wave" : "wave3"; }
  Shape model_shape() const override {
    const Grid3& g = wave_->plan().grid;
    return wave_->plan().flat() ? Shape{g.nz, g.nx} : Shape{g.nz, g.ny, g.nx};
  }
  Shape data_shape() const override { return {wave_->plan().shots, wave_->plan().receivers, wave_->plan().nt}; }
  Shape wavelet_shape() const {
    const WavePlan& p = wave_->plan();
    return p.options.shared_wavelet ? Shape{p.nt} : Shape{p.survey_shots, p.sources, p.nt};
  }
  Index memory_bytes() const override { return wave_->memory_bytes(keep_ ? WaveUse::gradient : WaveUse::forward); }
  std::string describe() const override { return wave_->plan().describe(); }

  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    require(
        in.size() == 2 && elements(in[0]) == elements(model_shape()) && elements(in[1]) == elements(wavelet_shape()),
        ErrorCode::failed, "the wave operator takes vp on the grid and a wavelet as long as the survey's nt", "wave");
    return {data_shape()};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr recycled) const override {
    SavedPtr saved = recycled != nullptr ? std::move(recycled) : std::make_unique<WaveState<T>>();
    const std::span<const Index> shots =
        selection_ != nullptr ? std::span<const Index>(selection_->shots) : std::span<const Index>();
    if (s.recording() && selection_ != nullptr) {
      s.before_replay([wave = wave_, selection = selection_, &s, state = static_cast<WaveState<T>*>(saved.get())] {
        wave->choose_shots(s, selection->shots, *state);
      });
    }
    wave_->forward(s, shots, in[0], in[1], out[0], keep_, static_cast<WaveState<T>&>(*saved));
    return saved;
  }
  void vjp(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    wave_->vjp(s, in[0], in[1], static_cast<const WaveState<T>&>(*saved), d_out[0], d_in[0], d_in[1]);
  }
  void jvp(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    wave_->jvp(s, in[0], in[1], static_cast<const WaveState<T>&>(*saved), t_in[0], t_in[1], t_out[0]);
  }

 private:
  std::shared_ptr<const AcousticWave<T>> wave_;
  std::shared_ptr<const ShotSelection> selection_;
  bool keep_;
};

}  // namespace terrane
