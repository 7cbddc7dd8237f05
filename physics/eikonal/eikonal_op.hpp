// SPDX-License-Identifier: MIT
// First-arrival times on a tape: input the property (nz, nx) or (nz, ny, nx), output data (pairs) in seconds.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "kernels/kernels.hpp"
#include "physics/eikonal/eikonal.hpp"
#include "physics/forward_operator.hpp"

namespace terrane {

template <class T>
class EikonalOp final : public ForwardOperator<T> {
 public:
  // keep = false: forward only, derivatives throw.
  explicit EikonalOp(std::shared_ptr<const Eikonal<T>> eikonal, bool keep = true)
      : eikonal_(std::move(eikonal)), keep_(keep) {}

  std::string name() const override { return "eikonal"; }
  Shape model_shape() const override {
    const Grid3& g = eikonal_->grid();
    return g.flat() ? Shape{g.nz, g.nx} : Shape{g.nz, g.ny, g.nx};
  }
  Shape data_shape() const override { return {eikonal_->survey().data()}; }
  Index memory_bytes() const override { return eikonal_->memory_bytes(keep_); }
  std::string describe() const override { return eikonal_->describe(); }

  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    require(in.size() == 1 && elements(in[0]) == elements(model_shape()), ErrorCode::failed,
            "the eikonal operator takes one value for each node of its grid", "eikonal");
    return {data_shape()};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr recycled) const override {
    SavedPtr saved = recycled != nullptr ? std::move(recycled) : std::make_unique<EikonalState<T>>();
    eikonal_->forward(s, in[0], out[0], keep_, static_cast<EikonalState<T>&>(*saved));
    return saved;
  }
  void vjp(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    if (d_in[0] == nullptr) return;
    eikonal_->vjp(s, in[0], static_cast<const EikonalState<T>&>(*saved), d_out[0], d_in[0]);
  }
  void jvp(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    if (t_in[0] == nullptr) return fill(s, Fill<T>{t_out[0], T(0), eikonal_->survey().data()});
    eikonal_->jvp(s, in[0], static_cast<const EikonalState<T>&>(*saved), t_in[0], t_out[0]);
  }

 private:
  std::shared_ptr<const Eikonal<T>> eikonal_;
  bool keep_;
};

}  // namespace terrane
