// SPDX-License-Identifier: MIT
// One task a token and head; every sum in the order of the tokens.
#include "kernels/conv/attention.hpp"

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

// Where the rows of one task begin: token i of a sequence, the channels of one head.
struct Place {
  Index sequence, head, token, row;  // sequence: offset of its first token
  TERRANE_HD Place(const AttentionShape& f, Index task) {
    token = task % f.tokens;
    head = task / f.tokens % f.heads * f.head_channels;
    sequence = task / (f.tokens * f.heads) * f.tokens * f.channels() + head;
    row = sequence + token * f.channels();
  }
};

// Partial sums side by side, so that the additions do not wait for each other and fill a vector.
template <int lanes, class T>
TERRANE_HD T inner_lanes(const T* a, const T* b, Index n) {
  T s[lanes] = {};
  for (Index c = 0; c < n; c += lanes) {
    for (int l = 0; l < lanes; ++l) s[l] += a[c + l] * b[c + l];
  }
  for (int width = lanes / 2; width > 0; width /= 2) {
    for (int l = 0; l < width; ++l) s[l] += s[l + width];
  }
  return s[0];
}
template <class T>
TERRANE_HD T inner(const T* a, const T* b, Index n) {
  if (n % 16 == 0) return inner_lanes<16>(a, b, n);
  if (n % 4 == 0) return inner_lanes<4>(a, b, n);
  return inner_lanes<1>(a, b, n);
}
template <class T>
TERRANE_HD T score_scale(const AttentionShape& f) {
  return T(1) / square_root(static_cast<T>(f.head_channels));
}

template <class T>
struct ForwardTask {
  AttentionForward<T> f;
  TERRANE_HD void operator()(Index task) const {
    const Place at(f.shape, task);
    const Index n = f.shape.head_channels, step = f.shape.channels();
    const T scale = score_scale<T>(f.shape);
    T out[attention_most_channels] = {}, largest = T(0), sum = T(0);
    for (Index j = 0; j < f.shape.tokens; ++j) {  // sums relative to the largest score so far
      const T s = scale * inner(f.q + at.row, f.k + at.sequence + j * step, n);
      const T* v = f.v + at.sequence + j * step;
      if (j == 0 || s > largest) {
        const T less = j == 0 ? T(0) : exponential(largest - s);
        largest = s;
        sum = sum * less + T(1);
        for (Index c = 0; c < n; ++c) out[c] = out[c] * less + v[c];
      } else {
        const T p = exponential(s - largest);
        sum += p;
        for (Index c = 0; c < n; ++c) out[c] += p * v[c];
      }
    }
    for (Index c = 0; c < n; ++c) f.o[at.row + c] = out[c] / sum;
    f.log_sum[task] = largest + natural_log(sum);
  }
};

// c_i = d_o_i . o_i
template <class T>
struct CenterTask {
  AttentionVjp<T> f;
  T* center;  // (batch, heads, tokens)
  TERRANE_HD void operator()(Index task) const {
    const Place at(f.shape, task);
    center[task] = inner(f.d_o + at.row, f.o + at.row, f.shape.head_channels);
  }
};

// d_q of a token, as a query
template <class T>
struct QueryTask {
  AttentionVjp<T> f;
  const T* center;
  TERRANE_HD void operator()(Index task) const {
    const Place at(f.shape, task);
    const Index n = f.shape.head_channels, step = f.shape.channels();
    const T scale = score_scale<T>(f.shape), c_i = center[task];
    T d[attention_most_channels] = {};
    for (Index j = 0; j < f.shape.tokens; ++j) {
      const T* k = f.k + at.sequence + j * step;
      const T p = exponential(scale * inner(f.q + at.row, k, n) - f.log_sum[task]);
      const T g = scale * p * (inner(f.d_o + at.row, f.v + at.sequence + j * step, n) - c_i);
      for (Index c = 0; c < n; ++c) d[c] += g * k[c];
    }
    for (Index c = 0; c < n; ++c) f.d_q[at.row + c] += d[c];
  }
};

// d_k and d_v of a token, as a key
template <class T>
struct KeyTask {
  AttentionVjp<T> f;
  const T* center;
  TERRANE_HD void operator()(Index task) const {
    const Place at(f.shape, task);
    const Index n = f.shape.head_channels, step = f.shape.channels();
    const T scale = score_scale<T>(f.shape);
    const T *log_sum = f.log_sum + (task - at.token), *c = center + (task - at.token);
    T d_k[attention_most_channels] = {}, d_v[attention_most_channels] = {};
    for (Index i = 0; i < f.shape.tokens; ++i) {
      const Index row = at.sequence + i * step;
      const T* d_o = f.d_o + row;
      const T p = exponential(scale * inner(f.q + row, f.k + at.row, n) - log_sum[i]);
      const T g = scale * p * (inner(d_o, f.v + at.row, n) - c[i]);
      for (Index k = 0; k < n; ++k) {
        d_k[k] += g * f.q[row + k];
        d_v[k] += p * d_o[k];
      }
    }
    for (Index k = 0; k < n; ++k) {
      if (f.d_k != nullptr) f.d_k[at.row + k] += d_k[k];
      if (f.d_v != nullptr) f.d_v[at.row + k] += d_v[k];
    }
  }
};

template <class T>
struct TangentTask {
  AttentionJvp<T> f;
  TERRANE_HD void operator()(Index task) const {
    const Place at(f.shape, task);
    const Index n = f.shape.head_channels, step = f.shape.channels();
    const T scale = score_scale<T>(f.shape);
    T t[attention_most_channels] = {}, sum = T(0);
    for (Index j = 0; j < f.shape.tokens; ++j) {
      const Index row = at.sequence + j * step;
      const T p = exponential(scale * inner(f.q + at.row, f.k + row, n) - f.log_sum[task]);
      T e = T(0);
      if (f.t_q != nullptr) e += inner(f.t_q + at.row, f.k + row, n);
      if (f.t_k != nullptr) e += inner(f.q + at.row, f.t_k + row, n);
      e *= scale * p;
      sum += e;
      for (Index c = 0; c < n; ++c) t[c] += e * f.v[row + c];
      if (f.t_v == nullptr) continue;
      for (Index c = 0; c < n; ++c) t[c] += p * f.t_v[row + c];
    }
    for (Index c = 0; c < n; ++c) f.t_o[at.row + c] = t[c] - sum * f.o[at.row + c];
  }
};

}  // namespace

template <class T>
void attention_forward(Stream& s, const AttentionForward<T>& f) {
  parallel_for_coarse(s, f.shape.tasks(), ForwardTask<T>{f});
}
TERRANE_INSTANTIATE(attention_forward, AttentionForward)

template <class T>
void attention_vjp(Stream& s, const AttentionVjp<T>& f) {
  auto* center = static_cast<T*>(s.scratch(f.shape.tasks() * static_cast<Index>(sizeof(T))));
  parallel_for_coarse(s, f.shape.tasks(), CenterTask<T>{f, center});
  if (f.d_q != nullptr) parallel_for_coarse(s, f.shape.tasks(), QueryTask<T>{f, center});
  if (f.d_k != nullptr || f.d_v != nullptr) parallel_for_coarse(s, f.shape.tasks(), KeyTask<T>{f, center});
}
TERRANE_INSTANTIATE(attention_vjp, AttentionVjp)

template <class T>
void attention_jvp(Stream& s, const AttentionJvp<T>& f) {
  parallel_for_coarse(s, f.shape.tasks(), TangentTask<T>{f});
}
TERRANE_INSTANTIATE(attention_jvp, AttentionJvp)

}  // namespace terrane::TERRANE_BACKEND
