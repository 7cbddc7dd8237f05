// SPDX-License-Identifier: MIT
// Encodings and output maps as tape operations; formulas in kernels/encode/encode.hpp and output_map.hpp.
//   FourierOp      zeta (n, d), b (m, d) constant -> gamma (n, 2 m)
//   InterpolateOp  values (any shape, mz mx elements) -> (n), at points fixed when it is made
//   OutputMapOp    F (n elements), start model m0, optional mask -> m, of m0's shape; mask is a constant
#pragma once

#include <utility>

#include "autodiff/ops/pointwise.hpp"
#include "kernels/encode/dense_grid.hpp"

namespace terrane {

template <class T>
class FourierOp : public DiffOp<T> {
 public:
  FourierOp(Index n, Index d, Index m) : n_(n), d_(d), m_(m) {}
  std::string name() const override { return "fourier"; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    require_shapes(in.size() == 2 && in[0] == Shape{n_, d_} && in[1] == Shape{m_, d_}, name(), in);
    return {{n_, 2 * m_}};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr) const override {
    fourier_forward(s, FourierForward<T>{n_, d_, m_, in[1], in[0], out[0]});
    return nullptr;
  }
  void vjp(Stream& s, const Saved*, Inputs<T> in, Inputs<T> out, Inputs<T> d_out, Outputs<T> d_in) const override {
    if (d_in[0] != nullptr) fourier_vjp(s, FourierVjp<T>{n_, d_, m_, in[1], out[0], d_out[0], d_in[0]});
  }
  void jvp(Stream& s, const Saved*, Inputs<T> in, Inputs<T> out, Inputs<T> t_in, Outputs<T> t_out) const override {
    if (t_in[0] == nullptr) return fill(s, Fill<T>{t_out[0], T(0), n_ * 2 * m_});
    fourier_jvp(s, FourierJvp<T>{n_, d_, m_, in[1], out[0], t_in[0], t_out[0]});
  }

 private:
  Index n_, d_, m_;
};

// A constant sparse matrix and its transpose on the device.
template <class T>
class InterpolateOp : public DiffOp<T> {
 public:
  // `rows`: one row a point, e.g. bilinear_rows(). The operation belongs to the device of `s`.
  InterpolateOp(Stream& s, const SparseRows& rows) : forward_(s, rows), adjoint_(s, transpose(rows)) {}
  std::string name() const override { return "interpolate"; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    require_shapes(in.size() == 1 && elements(in[0]) == adjoint_.rows, name(), in);
    return {{forward_.rows}};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr) const override {
    forward_.apply(s, in[0], out[0], false);
    return nullptr;
  }
  void vjp(Stream& s, const Saved*, Inputs<T>, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    if (d_in[0] != nullptr) adjoint_.apply(s, d_out[0], d_in[0], true);
  }
  void jvp(Stream& s, const Saved*, Inputs<T>, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    if (t_in[0] == nullptr) return fill(s, Fill<T>{t_out[0], T(0), forward_.rows});
    forward_.apply(s, t_in[0], t_out[0], false);
  }

 private:
  struct DeviceRows {
    Index rows;
    Buffer<Index> start, column;
    Buffer<T> weight;
    DeviceRows(Stream& s, const SparseRows& m)
        : rows(m.rows()),
          start(to_device(s, m.start)),
          column(to_device(s, m.column)),
          weight(to_device(s, std::vector<T>(m.weight.begin(), m.weight.end()))) {}
    void apply(Stream& s, const T* x, T* y, bool accumulate) const {
      sparse_apply(s, SparseApply<T>{rows, start.data(), column.data(), weight.data(), x, y, accumulate});
    }
  };
  DeviceRows forward_, adjoint_;
};

template <class T>
class OutputMapOp : public DiffOp<T> {
 public:
  OutputMapOp(const OutputMap& map, Shape shape) : map_(map), shape_(std::move(shape)), n_(elements(shape_)) {}
  std::string name() const override { return "output-map"; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    bool ok = in.size() == (map_.masked ? 3u : 2u);
    for (const Shape& i : in) ok = ok && elements(i) == n_;
    require_shapes(ok, name(), in);
    return {shape_};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr) const override {
    output_map_forward(s, OutputMapForward<T>{map_, n_, in[0], in[1], mask(in), out[0]});
    return nullptr;
  }
  void vjp(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    for (const std::size_t k : {std::size_t{0}, std::size_t{1}}) {
      if (d_in[k] != nullptr) chain(s, in, d_out[0], d_in[k], k == 1, true);
    }
  }
  void jvp(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    if (t_in[0] == nullptr) {
      fill(s, Fill<T>{t_out[0], T(0), n_});
    } else {
      chain(s, in, t_in[0], t_out[0], false, false);
    }
    if (t_in[1] != nullptr) chain(s, in, t_in[1], t_out[0], true, true);
  }
  // The Jacobian is diagonal.
  Factors<T> factors(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, int which) const override {
    if (which > 1) return {};
    Factors<T> terms(1);
    terms[0].samples = n_;
    terms[0].columns_d = 1;
    terms[0].d = Buffer<T>(s, n_);
    chain(s, in, nullptr, terms[0].d.data(), which == 1, false);
    return terms;
  }

 private:
  const T* mask(Inputs<T> in) const { return map_.masked ? in[2] : nullptr; }
  void chain(Stream& s, Inputs<T> in, const T* from, T* to, bool start, bool accumulate) const {
    output_map_chain(s, OutputMapChain<T>{map_, n_, in[0], in[1], mask(in), from, to, start, accumulate});
  }
  OutputMap map_;
  Shape shape_;
  Index n_;
};

}  // namespace terrane
