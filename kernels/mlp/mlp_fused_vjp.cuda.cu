// SPDX-License-Identifier: MIT
#include "kernels/mlp/mlp_fused_plan.cuda.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

constexpr int large_tile = 64, small_tile = 32;

struct LaunchVjp {
  Stream& s;
  const FusedArgs& f;
  int points;
  Index blocks;
  template <class P>
  void operator()(const P&) const {
    if (f.net.width == 32) return launch_fused<P, 32, large_tile, true>(s, f, blocks);
    if (f.net.width == 64) return launch_fused<P, 64, large_tile, true>(s, f, blocks);
    if (points == large_tile) return launch_fused<P, 128, large_tile, true>(s, f, blocks);
    return launch_fused<P, 128, small_tile, true>(s, f, blocks);
  }
};

}  // namespace

bool fused_vjp(Stream& s, const MlpVjp<float>& f) {
  const FusedNet net = fused_net(f.shape);
  if (net.width == 0) return false;
  const GpuLimits limits = gpu_limits(s);
  int points = large_tile;
  if (net.width == 128 && fused_shared_bytes(net, points, true) > limits.shared_bytes) points = small_tile;
  if (fused_shared_bytes(net, points, true) > limits.shared_bytes) return false;
  const Index tiles = (f.n + points - 1) / points, bytes = net.size() * static_cast<Index>(sizeof(float));
  const Index resident = static_cast<Index>(limits.processors) * (net.width > 64 ? 1 : 2);
  const Index blocks = std::min({tiles, resident, std::max<Index>(1, fused_partial_bytes / bytes)});
  auto* packed = static_cast<float*>(s.scratch((blocks + 1) * bytes));
  parallel_for(s, net.size(), FusedPack{FusedPlace{f.shape, net, false}, f.theta, packed});
  FusedArgs args;
  args.net = net;
  args.n = f.n;
  args.packed = packed;
  args.x = f.x;
  args.d_y = f.d_y;
  args.partial = f.d_theta != nullptr ? packed + net.size() : nullptr;
  args.d_x = f.d_x;
  visit_precision(f.shape.precision, LaunchVjp{s, args, points, blocks});
  if (f.d_theta != nullptr) {
    parallel_for(s, net.size(), FusedReduce{FusedPlace{f.shape, net, true}, args.partial, blocks, f.d_theta});
  }
  return true;
}

}  // namespace terrane::TERRANE_BACKEND
