// SPDX-License-Identifier: MIT
// Hilbert transform of traces as a tape operation: (..., nt) -> (..., nt). Linear and antisymmetric: H^T = -H.
#pragma once

#include "autodiff/ops/pointwise.hpp"

namespace terrane {

template <class T>
class HilbertOp : public DiffOp<T> {
 public:
  std::string name() const override { return "hilbert"; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    require_shapes(in.size() == 1 && !in[0].empty(), name(), in);
    nt_ = in[0].back();
    rows_ = elements(in[0]) / nt_;
    return {in[0]};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr recycled) const override {
    auto saved = recycled ? std::move(recycled) : std::make_unique<Work>();
    auto& work = static_cast<Work&>(*saved);
    if (work.padded.empty()) {
      work.padded = Buffer<T>(s, rows_ * 2 * nt_);
      work.bins = Buffer<T>(s, rows_ * fft_bins(2 * nt_) * 2);
    }
    apply(s, work, in[0], out[0], T(1), false);
    return saved;
  }
  void vjp(Stream& s, const Saved* saved, Inputs<T>, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    if (d_in[0]) apply(s, static_cast<const Work&>(*saved), d_out[0], d_in[0], T(-1), true);
  }
  void jvp(Stream& s, const Saved* saved, Inputs<T>, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    apply(s, static_cast<const Work&>(*saved), t_in[0], t_out[0], T(1), false);
  }

 private:
  struct Work : Saved {
    Buffer<T> padded, bins;  // (rows, 2 nt), (rows, nt + 1, 2)
  };
  void apply(Stream& s, const Work& work, const T* in, T* out, T factor, bool accumulate) const {
    const Index n = 2 * nt_;
    resize_rows(s, ResizeRows<T>{in, work.padded.data(), rows_, nt_, n, T(1), false});
    fft(s, Fft<T>{FftKind::real_forward, false, n, rows_, work.padded.data(), work.bins.data()});
    hilbert_bins(s, HilbertBins<T>{work.bins.data(), rows_, n});
    fft(s, Fft<T>{FftKind::real_inverse, false, n, rows_, work.bins.data(), work.padded.data()});
    resize_rows(s, ResizeRows<T>{work.padded.data(), out, rows_, n, nt_, factor, accumulate});
  }
  mutable Index nt_ = 0, rows_ = 0;
};

}  // namespace terrane
