// SPDX-License-Identifier: MIT
// GPU schedule of the convolution: the pixels that the taps read are written as rows of a matrix, images by images,
// and multiplied by cuBLAS; kernel 1 and stride 1 needs no such matrix. Sums of one element run in one thread or inside
// cuBLAS: no atomics.
#include <algorithm>

#include "kernels/conv/conv2d.hpp"
#include "kernels/linalg/linalg.hpp"
#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {

template <class T>
void gemm(Stream& s, const Gemm<T>& f);

namespace {

constexpr Index matrix_bytes = Index{256} << 20;  // of the rows of one pass, about
constexpr int bias_lanes = 64;

// rows[p, tap, c] = x at the tap of pixel p, or 0 outside
template <class T>
struct TapRows {
  ConvShape shape;
  const T* x;  // of the first image of the pass
  T* rows;     // (pixels of y, taps channels_in)
  TERRANE_HD void operator()(Index p, Index k) const {
    const Index n = shape.channels_in, tap = k / n, c = k % n, height = shape.out_height(), width = shape.out_width();
    const Index image = p / (height * width), i = p / width % height, j = p % width;
    const Index y = i * shape.stride + tap / shape.kernel - shape.padding;
    const Index u = j * shape.stride + tap % shape.kernel - shape.padding;
    const bool inside = y >= 0 && y < shape.height && u >= 0 && u < shape.width;
    rows[p * shape.taps() * n + k] = inside ? x[((image * shape.height + y) * shape.width + u) * n + c] : T(0);
  }
};

// d_x[q, c] += sum over taps of d_rows at the pixel of y that reads q by that tap
template <class T>
struct TapRowsAdjoint {
  ConvShape shape;
  const T* d_rows;
  T* d_x;
  TERRANE_HD void operator()(Index q, Index c) const {
    const Index n = shape.channels_in, height = shape.out_height(), width = shape.out_width();
    const Index image = q / (shape.height * shape.width), y = q / shape.width % shape.height, u = q % shape.width;
    T sum = T(0);
    for (Index tap = 0; tap < shape.taps(); ++tap) {
      const Index i = y + shape.padding - tap / shape.kernel, j = u + shape.padding - tap % shape.kernel;
      if (i < 0 || j < 0 || i % shape.stride != 0 || j % shape.stride != 0) continue;
      if (i / shape.stride >= height || j / shape.stride >= width) continue;
      const Index p = (image * height + i / shape.stride) * width + j / shape.stride;
      sum += d_rows[(p * shape.taps() + tap) * n + c];
    }
    d_x[q * n + c] += sum;
  }
};

// y = bias, or y += bias
template <class T>
struct StartRows {
  const T* bias;
  Index columns;
  T* y;
  bool accumulate;
  TERRANE_HD void operator()(Index p, Index o) const {
    const T b = bias != nullptr ? bias[o] : T(0);
    T& v = y[p * columns + o];
    v = accumulate ? v + b : b;
  }
};

// partial[lane, o] = sum of d_y over pixels p = lane mod bias_lanes
template <class T>
struct BiasLanes {
  Index pixels, columns;
  const T* d_y;
  T* partial;
  TERRANE_HD void operator()(Index lane, Index o) const {
    T sum = T(0);
    for (Index p = lane; p < pixels; p += bias_lanes) sum += d_y[p * columns + o];
    partial[lane * columns + o] = sum;
  }
};
template <class T>
struct BiasSum {
  Index columns;
  const T* partial;
  T* d_bias;
  TERRANE_HD void operator()(Index o) const {
    T sum = T(0);
    for (int lane = 0; lane < bias_lanes; ++lane) sum += partial[lane * columns + o];
    d_bias[o] += sum;
  }
};

// Calls body(first image, shape of the pass, its matrix).
template <class T, class Body>
void for_each_pass(Stream& s, const ConvShape& shape, const Body& body) {
  const Index row = shape.taps() * shape.channels_in * static_cast<Index>(sizeof(T));
  const Index image = std::max<Index>(1, shape.out_height() * shape.out_width() * row);
  const Index images = shape.pointwise() ? shape.batch : std::clamp<Index>(matrix_bytes / image, 1, shape.batch);
  T* rows = shape.pointwise() ? nullptr : static_cast<T*>(s.scratch(images * image));
  for (Index b = 0; b < shape.batch; b += images) {
    ConvShape pass = shape;
    pass.batch = std::min(images, shape.batch - b);
    body(b, pass, rows);
  }
}

template <class T>
const T* tap_rows(Stream& s, const ConvShape& pass, const T* x, T* rows) {
  if (pass.pointwise()) return x;
  parallel_for_2d(s, pass.pixels_out(), pass.taps() * pass.channels_in, TapRows<T>{pass, x, rows});
  return rows;
}

template <class T>
void multiply(Stream& s, const ConvShape& shape, Gemm<T> product) {
  product.factors = shape.precision;
  gemm(s, product);
}

template <class T>
struct ForwardPass {
  Stream* s;
  const ConvForward<T>* f;
  void operator()(Index b, const ConvShape& pass, T* rows) const {
    const Index in = f->shape.pixels_in() / f->shape.batch, out = f->shape.pixels_out() / f->shape.batch;
    const Index k = pass.taps() * pass.channels_in, n = pass.channels_out;
    const T* a = tap_rows(*s, pass, f->x + b * in * pass.channels_in, rows);
    T* y = f->y + b * out * n;
    parallel_for_2d(*s, pass.pixels_out(), n, StartRows<T>{f->bias, n, y, f->accumulate});
    multiply(*s, pass, Gemm<T>{pass.pixels_out(), n, k, a, k, false, f->w, n, false, y, n, T(1), T(1)});
  }
};

template <class T>
struct InputPass {
  Stream* s;
  const ConvVjpInput<T>* f;
  void operator()(Index b, const ConvShape& pass, T* rows) const {
    const Index in = f->shape.pixels_in() / f->shape.batch, out = f->shape.pixels_out() / f->shape.batch;
    const Index k = pass.taps() * pass.channels_in, n = pass.channels_out;
    T* d_x = f->d_x + b * in * pass.channels_in;
    const T* d_y = f->d_y + b * out * n;
    const bool direct = pass.pointwise();
    multiply(*s, pass,
             Gemm<T>{pass.pixels_out(), k, n, d_y, n, false, f->w, n, true, direct ? d_x : rows, k, T(1),
                     direct ? T(1) : T(0)});
    if (!direct) parallel_for_2d(*s, pass.pixels_in(), pass.channels_in, TapRowsAdjoint<T>{pass, rows, d_x});
  }
};

template <class T>
struct WeightPass {
  Stream* s;
  const ConvVjpWeight<T>* f;
  void operator()(Index b, const ConvShape& pass, T* rows) const {
    const Index in = f->shape.pixels_in() / f->shape.batch, out = f->shape.pixels_out() / f->shape.batch;
    const Index k = pass.taps() * pass.channels_in, n = pass.channels_out;
    const T* a = tap_rows(*s, pass, f->x + b * in * pass.channels_in, rows);
    multiply(*s, pass,
             Gemm<T>{k, n, pass.pixels_out(), a, k, true, f->d_y + b * out * n, n, false, f->d_w, n, T(1), T(1)});
  }
};

}  // namespace

template <class T>
void conv_forward(Stream& s, const ConvForward<T>& f) {
  for_each_pass<T>(s, f.shape, ForwardPass<T>{&s, &f});
}
TERRANE_INSTANTIATE(conv_forward, ConvForward)

template <class T>
void conv_vjp_input(Stream& s, const ConvVjpInput<T>& f) {
  for_each_pass<T>(s, f.shape, InputPass<T>{&s, &f});
}
TERRANE_INSTANTIATE(conv_vjp_input, ConvVjpInput)

template <class T>
void conv_vjp_weight(Stream& s, const ConvVjpWeight<T>& f) {
  for_each_pass<T>(s, f.shape, WeightPass<T>{&s, &f});
  if (f.d_bias == nullptr) return;
  const Index n = f.shape.channels_out;
  auto* partial = static_cast<T*>(s.scratch(bias_lanes * n * static_cast<Index>(sizeof(T))));
  parallel_for_2d(s, bias_lanes, n, BiasLanes<T>{f.shape.pixels_out(), n, f.d_y, partial});
  parallel_for(s, n, BiasSum<T>{n, partial, f.d_bias});
}
TERRANE_INSTANTIATE(conv_vjp_weight, ConvVjpWeight)

}  // namespace terrane::TERRANE_BACKEND
