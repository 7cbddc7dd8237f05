// SPDX-License-Identifier: MIT
#include "kernels/conv/group_norm.hpp"

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

// Channels that one task sums side by side: a vector on the CPU, one for each thread on a GPU.
#if defined(TERRANE_CUDA_BACKEND)
constexpr Index lanes = 1;
#else
constexpr Index lanes = 16;
#endif

Index blocks_of(const NormShape& f) { return (f.channels + lanes - 1) / lanes; }

// sums[b, c] = sums over pixels of (x - x_0, (x - x_0)^2), x_0 the first pixel's value: no cancellation
template <class T>
struct ValueSums {
  NormShape f;
  Index blocks;
  const T* x;
  double* sums;  // (batch, channels, 2)
  TERRANE_HD void operator()(Index task) const {
    const Index b = task / blocks, c0 = task % blocks * lanes;
    const Index n = f.channels - c0 < lanes ? f.channels - c0 : lanes;
    const T* row = x + b * f.pixels * f.channels + c0;
    const T* start = row;
    double s1[lanes] = {}, s2[lanes] = {};
    for (Index p = 0; p < f.pixels; ++p, row += f.channels) {
      for (Index c = 0; c < n; ++c) {
        const double v = static_cast<double>(row[c]) - static_cast<double>(start[c]);
        s1[c] += v;
        s2[c] += v * v;
      }
    }
    for (Index c = 0; c < n; ++c) {
      sums[2 * (b * f.channels + c0 + c)] = s1[c];
      sums[2 * (b * f.channels + c0 + c) + 1] = s2[c];
    }
  }
};

template <class T>
struct GroupMoments {
  NormShape f;
  const T* x;
  const T* gamma;
  const T* beta;
  const double* sums;
  NormSaved<T> saved;
  TERRANE_HD void operator()(Index task) const {
    const Index b = task / f.groups, g = task % f.groups, n = f.group_channels(), first = b * f.channels + g * n;
    const T* start = x + b * f.pixels * f.channels + g * n;
    const auto pixels = static_cast<double>(f.pixels);
    double mean = 0, spread = 0;
    for (Index c = 0; c < n; ++c) mean += static_cast<double>(start[c]) + sums[2 * (first + c)] / pixels;
    mean /= static_cast<double>(n);
    for (Index c = 0; c < n; ++c) {
      const double s1 = sums[2 * (first + c)], d = static_cast<double>(start[c]) + s1 / pixels - mean;
      spread += sums[2 * (first + c) + 1] - s1 * s1 / pixels + pixels * d * d;
    }
    const double rate = 1 / square_root(spread / (pixels * static_cast<double>(n)) + f.epsilon);
    saved.mean[task] = static_cast<T>(mean);
    saved.rate[task] = static_cast<T>(rate);
    for (Index c = 0; c < n; ++c) {
      const double scale = static_cast<double>(gamma[g * n + c]) * rate;
      saved.scale[first + c] = static_cast<T>(scale);
      saved.shift[first + c] = static_cast<T>(static_cast<double>(beta[g * n + c]) - mean * scale);
    }
  }
};

template <class T, bool with_silu>
struct NormApply {
  NormShape f;
  const T* x;
  const T* scale;
  const T* shift;
  T* y;
  TERRANE_HD void operator()(Index r, Index c) const {
    const Index at = r / f.pixels * f.channels + c;
    const T u = scale[at] * x[r * f.channels + c] + shift[at];
    y[r * f.channels + c] = with_silu ? silu(u) : u;
  }
};

// sums[b, c] = sums over pixels of (d, d xh), d = the cotangent of u (slope true: d_y silu'(u)) or the tangent of x
template <class T, bool slope>
struct ProductSums {
  NormShape f;
  Index blocks;
  const T* x;
  const T* d;
  NormSaved<T> saved;
  double* sums;  // (batch, channels, 2)
  TERRANE_HD void operator()(Index task) const {
    const Index b = task / blocks, c0 = task % blocks * lanes;
    const Index n = f.channels - c0 < lanes ? f.channels - c0 : lanes, first = b * f.channels + c0;
    double s1[lanes] = {}, s2[lanes] = {};
    T mean[lanes], rate[lanes];
    for (Index c = 0; c < n; ++c) {
      const Index g = b * f.groups + (c0 + c) / f.group_channels();
      mean[c] = saved.mean[g];
      rate[c] = saved.rate[g];
    }
    const T *row = x + b * f.pixels * f.channels + c0, *other = d + b * f.pixels * f.channels + c0;
    for (Index p = 0; p < f.pixels; ++p, row += f.channels, other += f.channels) {
      for (Index c = 0; c < n; ++c) {
        T v = other[c];
        if (slope) v *= silu_slope(saved.scale[first + c] * row[c] + saved.shift[first + c]);
        s1[c] += static_cast<double>(v);
        s2[c] += static_cast<double>(v * ((row[c] - mean[c]) * rate[c]));
      }
    }
    for (Index c = 0; c < n; ++c) {
      sums[2 * (first + c)] = s1[c];
      sums[2 * (first + c) + 1] = s2[c];
    }
  }
};

// line[b, c] = (k_d, k_x, k_1): the result is k_d d + k_x x + k_1. weighted: <gamma d> instead of <d>.
template <class T, bool weighted>
struct GroupLine {
  NormShape f;
  const T* gamma;
  NormSaved<T> saved;
  const double* sums;
  T* line;  // (batch, channels, 3)
  TERRANE_HD void operator()(Index task) const {
    const Index b = task / f.groups, g = task % f.groups, n = f.group_channels(), first = b * f.channels + g * n;
    double m1 = 0, m2 = 0;
    for (Index c = 0; c < n; ++c) {
      const double w = weighted ? static_cast<double>(gamma[g * n + c]) : 1.0;
      m1 += w * sums[2 * (first + c)];
      m2 += w * sums[2 * (first + c) + 1];
    }
    const double count = static_cast<double>(n * f.pixels);
    m1 /= count;
    m2 /= count;
    const auto rate = static_cast<double>(saved.rate[task]), mean = static_cast<double>(saved.mean[task]);
    for (Index c = 0; c < n; ++c) {
      const auto w = static_cast<double>(gamma[g * n + c]);
      const double whole = weighted ? rate : rate * w;
      line[3 * (first + c)] = static_cast<T>(rate * w);
      line[3 * (first + c) + 1] = static_cast<T>(-whole * rate * m2);
      line[3 * (first + c) + 2] = static_cast<T>(whole * (rate * mean * m2 - m1));
    }
  }
};

template <class T, bool with_silu>
struct NormVjpApply {
  NormVjp<T> f;
  const T* line;
  TERRANE_HD void operator()(Index r, Index c) const {
    const NormShape& n = f.shape;
    const Index at = r / n.pixels * n.channels + c, i = r * n.channels + c;
    T d = f.d_y[i];
    if (with_silu) d *= silu_slope(f.saved.scale[at] * f.x[i] + f.saved.shift[at]);
    f.d_x[i] += line[3 * at] * d + line[3 * at + 1] * f.x[i] + line[3 * at + 2];
  }
};

template <class T>
struct NormParameterSums {
  NormVjp<T> f;
  const double* sums;
  TERRANE_HD void operator()(Index c) const {
    double s1 = 0, s2 = 0;
    for (Index b = 0; b < f.shape.batch; ++b) {
      s1 += sums[2 * (b * f.shape.channels + c)];
      s2 += sums[2 * (b * f.shape.channels + c) + 1];
    }
    if (f.d_beta != nullptr) f.d_beta[c] += static_cast<T>(s1);
    if (f.d_gamma != nullptr) f.d_gamma[c] += static_cast<T>(s2);
  }
};

template <class T, bool with_silu>
struct NormJvpApply {
  NormJvp<T> f;
  const T* line;
  TERRANE_HD void operator()(Index r, Index c) const {
    const NormShape& n = f.shape;
    const Index b = r / n.pixels, at = b * n.channels + c, i = r * n.channels + c;
    const Index g = b * n.groups + c / n.group_channels();
    T t = T(0);
    if (f.t_x != nullptr) t += line[3 * at] * f.t_x[i] + line[3 * at + 1] * f.x[i] + line[3 * at + 2];
    if (f.t_gamma != nullptr) t += f.t_gamma[c] * (f.x[i] - f.saved.mean[g]) * f.saved.rate[g];
    if (f.t_beta != nullptr) t += f.t_beta[c];
    if (with_silu) t *= silu_slope(f.saved.scale[at] * f.x[i] + f.saved.shift[at]);
    f.t_y[i] = t;
  }
};

// (batch, channels, 2) sums, then (batch, channels, 3) lines
template <class T>
double* norm_scratch(Stream& s, const NormShape& f, T** line) {
  const Index n = f.batch * f.channels, doubles = 2 * n * static_cast<Index>(sizeof(double));
  auto* bytes = static_cast<char*>(s.scratch(doubles + 3 * n * static_cast<Index>(sizeof(T))));
  if (line != nullptr) *line = reinterpret_cast<T*>(bytes + doubles);
  return reinterpret_cast<double*>(bytes);
}

}  // namespace

template <class T>
void norm_forward(Stream& s, const NormForward<T>& f) {
  double* sums = norm_scratch<T>(s, f.shape, nullptr);
  parallel_for_coarse(s, f.shape.batch * blocks_of(f.shape), ValueSums<T>{f.shape, blocks_of(f.shape), f.x, sums});
  parallel_for(s, f.shape.batch * f.shape.groups, GroupMoments<T>{f.shape, f.x, f.gamma, f.beta, sums, f.saved});
  if (f.shape.silu) {
    parallel_for_2d(s, f.shape.rows(), f.shape.channels,
                    NormApply<T, true>{f.shape, f.x, f.saved.scale, f.saved.shift, f.y});
  } else {
    parallel_for_2d(s, f.shape.rows(), f.shape.channels,
                    NormApply<T, false>{f.shape, f.x, f.saved.scale, f.saved.shift, f.y});
  }
}
TERRANE_INSTANTIATE(norm_forward, NormForward)

template <class T>
void norm_vjp(Stream& s, const NormVjp<T>& f) {
  T* line = nullptr;
  double* sums = norm_scratch(s, f.shape, &line);
  const Index blocks = blocks_of(f.shape), tasks = f.shape.batch * blocks;
  if (f.shape.silu) {
    parallel_for_coarse(s, tasks, ProductSums<T, true>{f.shape, blocks, f.x, f.d_y, f.saved, sums});
  } else {
    parallel_for_coarse(s, tasks, ProductSums<T, false>{f.shape, blocks, f.x, f.d_y, f.saved, sums});
  }
  if (f.d_gamma != nullptr || f.d_beta != nullptr) {
    parallel_for(s, f.shape.channels, NormParameterSums<T>{f, sums});
  }
  if (f.d_x == nullptr) return;
  parallel_for(s, f.shape.batch * f.shape.groups, GroupLine<T, true>{f.shape, f.gamma, f.saved, sums, line});
  if (f.shape.silu) {
    parallel_for_2d(s, f.shape.rows(), f.shape.channels, NormVjpApply<T, true>{f, line});
  } else {
    parallel_for_2d(s, f.shape.rows(), f.shape.channels, NormVjpApply<T, false>{f, line});
  }
}
TERRANE_INSTANTIATE(norm_vjp, NormVjp)

template <class T>
void norm_jvp(Stream& s, const NormJvp<T>& f) {
  T* line = nullptr;
  double* sums = norm_scratch(s, f.shape, &line);
  if (f.t_x != nullptr) {
    const Index blocks = blocks_of(f.shape);
    parallel_for_coarse(s, f.shape.batch * blocks, ProductSums<T, false>{f.shape, blocks, f.x, f.t_x, f.saved, sums});
    parallel_for(s, f.shape.batch * f.shape.groups, GroupLine<T, false>{f.shape, f.gamma, f.saved, sums, line});
  }
  if (f.shape.silu) {
    parallel_for_2d(s, f.shape.rows(), f.shape.channels, NormJvpApply<T, true>{f, line});
  } else {
    parallel_for_2d(s, f.shape.rows(), f.shape.channels, NormJvpApply<T, false>{f, line});
  }
}
TERRANE_INSTANTIATE(norm_jvp, NormJvp)

}  // namespace terrane::TERRANE_BACKEND
