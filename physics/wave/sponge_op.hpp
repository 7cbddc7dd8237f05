// SPDX-License-Identifier: MIT
// The operator of the OpenFWI data on a tape: inputs vp (nz, nx) and wavelet (nt), output data (shots, receivers, nt).
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "physics/forward_operator.hpp"
#include "physics/wave/sponge_wave.hpp"

namespace terrane {

template <class T>
class SpongeOp final : public ForwardOperator<T> {
 public:
  explicit SpongeOp(std::shared_ptr<const SpongeWave<T>> wave) : wave_(std::move(wave)) {}

  std::string name() const override { return "sponge-wave"; }
  Shape model_shape() const override { return {wave_->grid().nz, wave_->grid().nx}; }
  Shape data_shape() const override { return {wave_->shots(), wave_->receivers(), wave_->survey().nt}; }
  Index memory_bytes() const override { return wave_->memory_bytes(true); }
  std::string describe() const override { return wave_->describe(); }

  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    require(in.size() == 2 && elements(in[0]) == elements(model_shape()) && elements(in[1]) == wave_->survey().nt,
            ErrorCode::failed, "the operator takes vp (nz, nx) and one wavelet as long as the survey's nt",
            "sponge wave");
    return {data_shape()};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr recycled) const override {
    SavedPtr saved = recycled != nullptr ? std::move(recycled) : std::make_unique<SpongeState<T>>();
    wave_->forward(s, 1, in[0], in[1], out[0], static_cast<SpongeState<T>&>(*saved));
    return saved;
  }
  void vjp(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    wave_->vjp(s, in[0], in[1], static_cast<const SpongeState<T>&>(*saved), d_out[0], d_in[0], d_in[1]);
  }
  void jvp(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    wave_->jvp(s, in[0], in[1], static_cast<const SpongeState<T>&>(*saved), t_in[0], t_in[1], t_out[0]);
  }

 private:
  std::shared_ptr<const SpongeWave<T>> wave_;
};

}  // namespace terrane
