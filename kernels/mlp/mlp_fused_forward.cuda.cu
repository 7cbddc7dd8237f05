// SPDX-License-Identifier: MIT
#include "kernels/mlp/mlp_fused_plan.cuda.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

constexpr int tile_points = 64;

struct LaunchForward {
  Stream& s;
  const FusedArgs& f;
  Index blocks;
  template <class P>
  void operator()(const P&) const {
    if (f.net.width == 32) return launch_fused<P, 32, tile_points, false>(s, f, blocks);
    if (f.net.width == 64) return launch_fused<P, 64, tile_points, false>(s, f, blocks);
    return launch_fused<P, 128, tile_points, false>(s, f, blocks);
  }
};

}  // namespace

bool fused_forward(Stream& s, const MlpForward<float>& f) {
  const FusedNet net = fused_net(f.shape);
  const GpuLimits limits = gpu_limits(s);
  if (net.width == 0 || fused_shared_bytes(net, tile_points, false) > limits.shared_bytes) return false;
  auto* packed = static_cast<float*>(s.scratch(net.size() * static_cast<Index>(sizeof(float))));
  parallel_for(s, net.size(), FusedPack{FusedPlace{f.shape, net, false}, f.theta, packed});
  FusedArgs args;
  args.net = net;
  args.n = f.n;
  args.packed = packed;
  args.x = f.x;
  args.y = f.y;
  const Index tiles = (f.n + tile_points - 1) / tile_points;
  visit_precision(f.shape.precision, LaunchForward{s, args, std::min<Index>(tiles, 2 * limits.processors)});
  return true;
}

}  // namespace terrane::TERRANE_BACKEND
