// SPDX-License-Identifier: MIT
// Resistivity on a tape: input the property of the mesh core, (rows, columns) in 2.5-D and (rows, lines, columns) in
// 3-D, output data (n) in volt.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/trace.hpp"
#include "physics/forward_operator.hpp"
#include "physics/resistivity/resistivity.hpp"
#include "physics/resistivity/resistivity3d.hpp"

namespace terrane {

// Physics: Resistivity<T> or Resistivity3d<T>; State: what its forward call keeps.
template <class T, class Physics, class State>
class DcOp final : public ForwardOperator<T> {
 public:
  // keep = false: forward only, derivatives throw.
  explicit DcOp(std::shared_ptr<const Physics> dc, bool keep = true) : dc_(std::move(dc)), keep_(keep) {}

  std::string name() const override { return model_shape().size() == 3 ? "resistivity-3d" : "resistivity"; }
  Shape model_shape() const override { return core_shape(dc_->core()); }
  Shape data_shape() const override { return {dc_->survey().size()}; }
  Index memory_bytes() const override { return dc_->memory_bytes(); }
  std::string describe() const override { return dc_->describe(); }

  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    require(in.size() == 1 && elements(in[0]) == elements(model_shape()), ErrorCode::failed,
            "the operator takes one value for each cell of the mesh core", name().c_str());
    return {data_shape()};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr recycled) const override {
    const HostCall call(s, "dc_solve");
    SavedPtr saved = recycled != nullptr ? std::move(recycled) : std::make_unique<State>();
    dc_->forward(s, in[0], out[0], keep_, static_cast<State&>(*saved));
    return saved;
  }
  void vjp(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    if (d_in[0] == nullptr) return;
    const HostCall call(s, "dc_adjoint");
    dc_->vjp(s, in[0], static_cast<const State&>(*saved), d_out[0], d_in[0]);
  }
  void jvp(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    if (t_in[0] == nullptr) return fill(s, Fill<T>{t_out[0], T(0), dc_->survey().size()});
    const HostCall call(s, "dc_tangent");
    dc_->jvp(s, in[0], static_cast<const State&>(*saved), t_in[0], t_out[0]);
  }

 private:
  template <class Core>
  static Shape core_shape(const Core& core) {
    if constexpr (requires { core.lines(); }) {
      return {core.rows(), core.lines(), core.columns()};
    } else {
      return {core.rows(), core.columns()};
    }
  }
  std::shared_ptr<const Physics> dc_;
  bool keep_;
};

template <class T>
using ResistivityOp = DcOp<T, Resistivity<T>, ResistivityState>;
template <class T>
using Resistivity3dOp = DcOp<T, Resistivity3d<T>, Resistivity3dState>;

}  // namespace terrane
