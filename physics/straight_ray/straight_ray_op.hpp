// SPDX-License-Identifier: MIT
// Times along straight rays on a tape: input the property (nz, nx) or (nz, ny, nx), output data (pairs).
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "kernels/kernels.hpp"
#include "physics/forward_operator.hpp"
#include "physics/straight_ray/straight_ray.hpp"

namespace terrane {

template <class T>
class StraightRayOp final : public ForwardOperator<T> {
 public:
  explicit StraightRayOp(std::shared_ptr<const StraightRays<T>> rays) : rays_(std::move(rays)) {}

  std::string name() const override { return "straight-ray"; }
  Shape model_shape() const override {
    const Grid3& g = rays_->grid();
    return g.flat() ? Shape{g.nz, g.nx} : Shape{g.nz, g.ny, g.nx};
  }
  Shape data_shape() const override { return {rays_->survey().data()}; }
  Index memory_bytes() const override { return rays_->memory_bytes(); }
  std::string describe() const override { return rays_->describe(); }

  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    require(in.size() == 1 && elements(in[0]) == elements(model_shape()), ErrorCode::failed,
            "the straight-ray operator takes one value for each cell of its grid", "straight rays");
    return {data_shape()};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr recycled) const override {
    SavedPtr saved = recycled != nullptr ? std::move(recycled) : std::make_unique<StraightRayState<T>>();
    rays_->forward(s, in[0], out[0], static_cast<StraightRayState<T>&>(*saved));
    return saved;
  }
  void vjp(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    if (d_in[0] == nullptr) return;
    rays_->vjp(s, in[0], static_cast<const StraightRayState<T>&>(*saved), d_out[0], d_in[0]);
  }
  void jvp(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    if (t_in[0] == nullptr) return fill(s, Fill<T>{t_out[0], T(0), rays_->survey().data()});
    rays_->jvp(s, in[0], static_cast<const StraightRayState<T>&>(*saved), t_in[0], t_out[0]);
  }

 private:
  std::shared_ptr<const StraightRays<T>> rays_;
};

}  // namespace terrane
