// SPDX-License-Identifier: MIT
// GPU schedule of the 3-D wave steps: the host loops over time steps. Cells outside the absorbing layers are taken by
// blocks of 32 x 8 columns that stream along z: the 2 R + 1 planes of a column are in registers, the rows and columns
// around a cell in shared memory, so that each plane is read once. The cells of the layers, of all shots, have a thread
// each (wave_steps_cuda.hpp).
#include "kernels/runtime/launch_cuda.hpp"
#include "kernels/stencil/wave_inner.hpp"
#include "kernels/stencil/wave_steps_cuda.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

constexpr int stream_width = 32, stream_rows = 8, stream_planes = 64;  // of a block

// What differs between the runs of a cell that streams.
template <class T>
struct StreamForward {
  WaveForward<T> a;
  Index n;
  TERRANE_HD const T* field() const { return a.fields.u[n & 1]; }
  TERRANE_HD void finish(const CellPlace& at, T u, T w) const { finish_forward(a, n, at, u, w); }
};
template <class T>
struct StreamAdjoint {
  WaveAdjoint<T> a;
  Index n;
  TERRANE_HD const T* field() const { return a.fields.u[(n + 1) & 1]; }
  TERRANE_HD void finish(const CellPlace& at, T q, T lap) const { finish_adjoint(a, n, at, q, lap); }
};

template <class T>
struct StreamRebuild {
  WaveAdjoint<T> a;
  Index n;
  TERRANE_HD const T* field() const { return a.background.u[n & 1]; }
  TERRANE_HD void finish(const CellPlace& at, T u, T w) const { finish_rebuild(a, n, at, u, w); }
};

template <class T, int R>
struct StreamTile {
  static constexpr int width = stream_width + 2 * R, rows = stream_rows + 2 * R;
  T v[rows][width];
};

// The planes of a column, the current one at [R].
template <class T, int R>
struct PlaneQueue {
  T v[2 * R + 1];
  template <int K>
  TERRANE_HD T get() const {
    return v[R + K];
  }
};

// Block (32, 8) of columns, grid (columns, rows, shots x chunks of planes).
template <int R, class T, class Side>
__global__ void stream_kernel(const Side side, const InnerBox box, Index chunks) {
  auto& tile = shared_storage<StreamTile<T, R>>();
  const WaveSetup<T>& s = side.a.setup;
  const WaveLayout& g = s.g;
  const int tx = static_cast<int>(threadIdx.x), ty = static_cast<int>(threadIdx.y);
  const Index x = box.x0 + static_cast<Index>(blockIdx.x) * stream_width + tx;
  const Index y = box.y0 + static_cast<Index>(blockIdx.y) * stream_rows + ty;
  const Index shot = blockIdx.z / chunks, begin = box.z0 + blockIdx.z % chunks * stream_planes;
  const Index end = begin + stream_planes < box.z1 ? begin + stream_planes : box.z1;
  const T* u = side.field() + shot * g.field + g.origin + y * g.pitch + x;
  const bool inside = x < box.x1 && y < box.y1;
  // Places that a cell of the box needs; rows and columns beyond may lie outside the field.
  const auto load = [&](Index z, int dy, int dx) {
    return y + dy < g.ny + R && x + dx < g.pitch ? u[z * g.plane + dy * g.pitch + dx] : T(0);
  };
  PlaneQueue<T, R> queue;
#pragma unroll
  for (int k = 0; k < 2 * R; ++k) queue.v[k + 1] = load(begin - R + k, 0, 0);
  T* here = &tile.v[ty + R][tx + R];
  for (Index z = begin; z < end; ++z) {
#pragma unroll
    for (int k = 0; k < 2 * R; ++k) queue.v[k] = queue.v[k + 1];
    queue.v[2 * R] = load(z + R, 0, 0);
    __syncthreads();  // the tile of the plane before has been read
    *here = queue.v[R];
    if (ty < R) {
      here[-R * StreamTile<T, R>::width] = load(z, -R, 0);
      here[stream_rows * StreamTile<T, R>::width] = load(z, stream_rows, 0);
    }
    if (tx < R) {
      here[-R] = load(z, 0, -R);
      here[stream_width] = load(z, 0, stream_width);
    }
    __syncthreads();
    if (!inside) continue;
    const T u0 = queue.v[R];
    T w = 0;
    w += fd_second<R>(queue, s.fz, s.fz.center * u0);
    w += fd_second<R>(Strided<T>{here, StreamTile<T, R>::width}, s.fy, s.fy.center * u0);
    w += fd_second<R>(Strided<T>{here, 1}, s.fx, s.fx.center * u0);
    side.finish(CellPlace(shot, z, y, x), u0, w);
  }
}

template <int R, class T, class Side>
void stream_inner(Stream& stream, const Side& side, const InnerBox& box) {
  if (box.empty()) return;
  const auto blocks = [](Index n, Index size) { return static_cast<unsigned>((n + size - 1) / size); };
  const Index chunks = (box.z1 - box.z0 + stream_planes - 1) / stream_planes;
  const dim3 grid(blocks(box.x1 - box.x0, stream_width), blocks(box.y1 - box.y0, stream_rows),
                  static_cast<unsigned>(side.a.setup.shots * chunks));
  const auto kernel = &stream_kernel<R, T, Side>;
  TERRANE_LAUNCH(kernel, grid, dim3(stream_width, stream_rows), 0, stream, side, box, chunks);
}

// The core of a ring is the box of the adjoint: there the forward run goes one step back before q is advanced.
struct StreamedInner {
  static InnerBox box(const WaveLayout& g, bool forward) { return inner_box(g, forward); }
  template <int R, class T>
  static void forward(Stream& stream, const WaveForward<T>& a, const InnerBox& box, Index n) {
    stream_inner<R, T>(stream, StreamForward<T>{a, n}, box);
  }
  template <int R, class T>
  static void adjoint(Stream& stream, const WaveAdjoint<T>& a, const InnerBox& box, Index n) {
    if (a.ring.used() && a.image != nullptr) stream_inner<R, T>(stream, StreamRebuild<T>{a, n}, box);
    stream_inner<R, T>(stream, StreamAdjoint<T>{a, n}, box);
  }
};

}  // namespace

template <class T>
void wave3_forward(Stream& stream, const WaveForward<T>& a) {
  with_radius(a.setup.g.radius, [&](auto r) { forward_steps<r.value, StreamedInner>(stream, a); });
}
TERRANE_INSTANTIATE(wave3_forward, WaveForward)

template <class T>
void wave3_adjoint(Stream& stream, const WaveAdjoint<T>& a) {
  with_radius(a.setup.g.radius, [&](auto r) { adjoint_steps<r.value, StreamedInner>(stream, a); });
}
TERRANE_INSTANTIATE(wave3_adjoint, WaveAdjoint)

}  // namespace terrane::TERRANE_BACKEND
