// SPDX-License-Identifier: MIT
// Scaled dot-product self-attention (Vaswani et al. 2017) with heads side by side in the channels:
//
//   s_ij = q_i . k_j / sqrt(d),  p_ij = exp(s_ij - l_i),  l_i = log sum_j exp s_ij,  o_i = sum_j p_ij v_j
//
// for each sequence of the batch and each head of d channels. q, k, v, o (batch, tokens, heads d). The p are evaluated
// again from l (batch, heads, tokens) in the derivatives, so memory does not grow with tokens^2:
//   c_i = d_o_i . o_i;  g_ij = p_ij (d_o_i . v_j - c_i) / sqrt(d)
//   d_q_i = sum_j g_ij k_j;  d_k_j = sum_i g_ij q_i;  d_v_j = sum_i p_ij d_o_i
//   e_ij = p_ij (t_q_i . k_j + q_i . t_k_j) / sqrt(d);  t_o_i = sum_j (e_ij v_j + p_ij t_v_j) - o_i sum_j e_ij
// Heads have at most 128 channels.
#pragma once

#include "kernels/runtime/hd.hpp"
#include "kernels/runtime/math.hpp"

namespace terrane {

inline constexpr Index attention_most_channels = 128;

struct AttentionShape {
  Index batch = 1, tokens = 1, heads = 1, head_channels = 1;

  TERRANE_HD Index channels() const { return heads * head_channels; }
  TERRANE_HD Index rows() const { return batch * tokens; }
  TERRANE_HD Index tasks() const { return batch * heads * tokens; }
};

template <class T>
struct AttentionForward {
  AttentionShape shape;
  const T* q;
  const T* k;
  const T* v;
  T* o;
  T* log_sum;  // (batch, heads, tokens)
};

// Results are accumulated into; each may be null.
template <class T>
struct AttentionVjp {
  AttentionShape shape;
  const T* q;
  const T* k;
  const T* v;
  const T* o;
  const T* log_sum;
  const T* d_o;
  T* d_q;
  T* d_k;
  T* d_v;
};

// Each tangent may be null: zero.
template <class T>
struct AttentionJvp {
  AttentionShape shape;
  const T* q;
  const T* k;
  const T* v;
  const T* o;
  const T* log_sum;
  const T* t_q;
  const T* t_k;
  const T* t_v;
  T* t_o;
};

}  // namespace terrane
