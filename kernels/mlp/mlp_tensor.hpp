// SPDX-License-Identifier: MIT
// GPU schedules of float networks on tensor cores. Each returns false, and does nothing, for a network that it does not
// serve (too wide, too deep for the shared memory of the device, or nothing to gain).
//
//   fused  inputs and hidden layers up to 128 wide, at most 8 outputs: a tile of points stays in shared memory through
//          all layers and back
//   wide   any network with a layer of more than 16 inputs and outputs: one tiled product a layer over chunks of points
#pragma once

#include "kernels/mlp/mlp.hpp"
#include "kernels/runtime/mma.hpp"
#include "kernels/runtime/stream.hpp"

namespace terrane::TERRANE_BACKEND {

inline constexpr Index fused_widest = 128, thin_inputs = 16, thin_outputs = 8;

bool fused_forward(Stream& s, const MlpForward<float>& f);
bool fused_vjp(Stream& s, const MlpVjp<float>& f);
bool wide_forward(Stream& s, const MlpForward<float>& f);
bool wide_vjp(Stream& s, const MlpVjp<float>& f);

// Calls visit(policy) for the policy of `p`; fp32 has none.
template <class Visit>
void visit_precision(MlpPrecision p, const Visit& visit) {
  switch (p) {
    case MlpPrecision::tf32:
      return visit(Tf32{});
    case MlpPrecision::bf16:
      return visit(Bf16{});
    case MlpPrecision::tf32x3:
    case MlpPrecision::fp32:
      break;
  }
  return visit(Tf32x3{});
}

// A weight or activation as the products of a precision read it.
TERRANE_HD float stored_value(MlpPrecision p, float w) {
  if (p == MlpPrecision::tf32) return round_tf32(w);
  if (p == MlpPrecision::bf16) return round_bf16(w);
  return w;
}

struct GpuLimits {
  int processors = 1;
  Index shared_bytes = 48 * 1024;  // of one block, at most
};
inline GpuLimits gpu_limits(const Stream& s) {
  GpuLimits limits;
  int bytes = 0;
  check_cuda(cudaDeviceGetAttribute(&limits.processors, cudaDevAttrMultiProcessorCount, s.device().index),
             "number of multiprocessors");
  check_cuda(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, s.device().index),
             "shared memory of a block");
  limits.shared_bytes = bytes;
  return limits;
}
template <class Kernel>
void allow_shared_memory(Kernel kernel, Index bytes) {
  check_cuda(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  static_cast<int>(bytes)),
             "shared memory of a kernel");
}

}  // namespace terrane::TERRANE_BACKEND
