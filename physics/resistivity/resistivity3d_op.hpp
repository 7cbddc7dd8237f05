// SPDX-License-Identifier: MIT
// 3-D resistivity on a tape: input the property (rows, lines, columns) of the mesh core, output data (n) in volt.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"
#include "physics/forward_operator.hpp"
#include "physics/resistivity/resistivity3d.hpp"

namespace terrane {

template <class T>
class Resistivity3dOp final : public ForwardOperator<T> {
 public:
  // keep = false: forward only, derivatives throw.
  explicit Resistivity3dOp(std::shared_ptr<const Resistivity3d<T>> dc, bool keep = true)
      : dc_(std::move(dc)), keep_(keep) {}

  std::string name() const override { return "resistivity-3d"; }
  Shape model_shape() const override { return {dc_->core().rows(), dc_->core().lines(), dc_->core().columns()}; }
  Shape data_shape() const override { return {dc_->survey().size()}; }
  Index memory_bytes() const override { return dc_->memory_bytes(); }
  std::string describe() const override { return dc_->describe(); }

  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    require(in.size() == 1 && elements(in[0]) == elements(model_shape()), ErrorCode::failed,
            "the 3-D resistivity operator takes one value for each cell of the mesh core", "3-D resistivity");
    return {data_shape()};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr recycled) const override {
    SavedPtr saved = recycled != nullptr ? std::move(recycled) : std::make_unique<Resistivity3dState>();
    dc_->forward(s, in[0], out[0], keep_, static_cast<Resistivity3dState&>(*saved));
    return saved;
  }
  void vjp(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    if (d_in[0] == nullptr) return;
    dc_->vjp(s, in[0], static_cast<const Resistivity3dState&>(*saved), d_out[0], d_in[0]);
  }
  void jvp(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    if (t_in[0] == nullptr) return fill(s, Fill<T>{t_out[0], T(0), dc_->survey().size()});
    dc_->jvp(s, in[0], static_cast<const Resistivity3dState&>(*saved), t_in[0], t_out[0]);
  }

 private:
  std::shared_ptr<const Resistivity3d<T>> dc_;
  bool keep_;
};

}  // namespace terrane
