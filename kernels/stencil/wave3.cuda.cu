// SPDX-License-Identifier: MIT
// GPU schedule of the 3-D wave steps: the host loops over time steps. Cells outside the absorbing layers are taken by
// blocks of 32 x 8 columns that stream along z: the 2 R + 1 planes of a column are in registers, the rows and columns
// around a cell in shared memory, so that each plane is read once. The cells of the layers, of all shots, have a thread
// each, as in the 2-D schedule (wave.cuda.cu).
#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/launch_cuda.hpp"
#include "kernels/runtime/parallel.hpp"
#include "kernels/stencil/wave3.hpp"
#include "kernels/stencil/wave_cells.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

constexpr int stream_width = 32, stream_rows = 8, stream_planes = 64;  // of a block

// Cells that no layer reaches.
struct InnerBox {
  Index z0, z1, y0, y1, x0, x1;
  TERRANE_HD bool holds(Index z, Index y, Index x) const {
    return z >= z0 && z < z1 && y >= y0 && y < y1 && x >= x0 && x < x1;
  }
  bool empty() const { return z1 <= z0 || y1 <= y0 || x1 <= x0; }
  Index chunks() const { return (z1 - z0 + stream_planes - 1) / stream_planes; }
};

// Largest gap between the strips of an axis.
void inner_interval(Index n, const WaveStrip* strips, Index count, bool forward, Index& begin, Index& end) {
  begin = 0;
  end = n;
  for (Index k = 0; k < count; ++k) {
    const Index from = forward ? strips[k].inner : strips[k].begin, to = forward ? strips[k].outer : strips[k].end;
    if (from > 0) {
      end = from;
    } else {
      begin = to;
    }
  }
}

InnerBox inner_box(const WaveLayout3& g, bool forward) {
  InnerBox b;
  inner_interval(g.nz, g.z, g.z_strips, forward, b.z0, b.z1);
  inner_interval(g.ny, g.y, g.y_strips, forward, b.y0, b.y1);
  inner_interval(g.nx, g.x, g.x_strips, forward, b.x0, b.x1);
  return b;
}

// A cell by its row of all shots, (shot nz + z) ny + y.
struct CellPlace3 {
  Index shot, z, y, x;
  TERRANE_HD CellPlace3(Index the_shot, Index iz, Index iy, Index ix) : shot(the_shot), z(iz), y(iy), x(ix) {}
  TERRANE_HD CellPlace3(const WaveLayout3& g, Index row, Index column)
      : shot(row / (g.nz * g.ny)), z(row / g.ny % g.nz), y(row % g.ny), x(column) {}
  TERRANE_HD Index cell(const WaveLayout3& g) const { return z * g.plane + y * g.pitch + x; }
  TERRANE_HD Index field(const WaveLayout3& g) const { return shot * g.field + g.origin + cell(g); }
};

// From w of a cell to its next value.
template <class T>
TERRANE_HD void finish_forward(const WaveForward3<T>& a, Index n, const CellPlace3& at, T u, T w) {
  const WaveLayout3& g = a.setup.g;
  const Index cell = at.cell(g);
  const T* background = a.background.at(at.shot, n, g.cells);
  if (background != nullptr) w += static_cast<T>(a.background.every) * a.tangent[cell] * background[cell];
  T* store = a.store.at(at.shot, n, g.cells);
  if (store != nullptr) store[cell] = w;
  T* next = a.fields.u[1 - (n & 1)] + at.field(g);
  *next = leapfrog(u, *next, a.setup.c[cell], w);
}

// From L^T q of a cell to its next value, with the image.
template <class T>
TERRANE_HD void finish_adjoint(const WaveAdjoint3<T>& a, Index n, const CellPlace3& at, T q, T lap) {
  const WaveLayout3& g = a.setup.g;
  const Index cell = at.cell(g);
  const T* w = a.store.at(at.shot, n, g.cells);
  if (w != nullptr && a.image != nullptr) {
    T* image = a.image + at.shot * g.cells + cell;
    *image = mul_add(q, w[cell], *image);
  }
  T* next = a.fields.u[n & 1] + at.field(g);
  *next = leapfrog(q, *next, a.setup.c[cell], lap);
}

// What differs between the two directions when a cell streams.
template <class T>
struct StreamForward {
  WaveForward3<T> a;
  Index n;
  TERRANE_HD const T* field() const { return a.fields.u[n & 1]; }
  TERRANE_HD void finish(const CellPlace3& at, T u, T w) const { finish_forward(a, n, at, u, w); }
};
template <class T>
struct StreamAdjoint {
  WaveAdjoint3<T> a;
  Index n;
  TERRANE_HD const T* field() const { return a.fields.u[(n + 1) & 1]; }
  TERRANE_HD void finish(const CellPlace3& at, T q, T lap) const { finish_adjoint(a, n, at, q, lap); }
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
  const WaveSetup3<T>& s = side.a.setup;
  const WaveLayout3& g = s.g;
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
    side.finish(CellPlace3(shot, z, y, x), u0, w);
  }
}

template <int R, class T, class Side>
void stream_inner(Stream& stream, const Side& side, const InnerBox& box) {
  if (box.empty()) return;
  const auto blocks = [](Index n, Index size) { return static_cast<unsigned>((n + size - 1) / size); };
  const dim3 grid(blocks(box.x1 - box.x0, stream_width), blocks(box.y1 - box.y0, stream_rows),
                  static_cast<unsigned>(side.a.setup.shots * box.chunks()));
  const auto kernel = &stream_kernel<R, T, Side>;
  TERRANE_LAUNCH(kernel, grid, dim3(stream_width, stream_rows), 0, stream, side, box, box.chunks());
}

template <int R, class T>
struct ForwardCell3 {
  WaveForward3<T> a;
  InnerBox inner;  // taken by the streaming kernel
  Index n;

  TERRANE_HD void operator()(Index row, Index x) const {
    const WaveSetup3<T>& s = a.setup;
    const WaveLayout3& g = s.g;
    const WaveFields3<T>& f = a.fields;
    const CellPlace3 at(g, row, x);
    if (inner.holds(at.z, at.y, x)) return;
    const int now = static_cast<int>(n & 1);
    const T* u = f.u[now] + at.field(g);
    const Index kz = g.z_strip(at.z), ky = g.y_strip(at.y), kx = g.x_strip(x);
    T w = 0;
    if (kz >= 0) {
      w += forward_axis<R>(s.fz, u, g.plane, cpml_cell(s.pz, at.z), f.phi_z[now], f.phi_z[1 - now], f.eta_z[0],
                           at.shot * g.z_field + g.z_place(kz, at.z, at.y, x), g.z_plane);
    } else {
      w += fd_second<R>(Strided<T>{u, g.plane}, s.fz, s.fz.center * u[0]);
    }
    if (ky >= 0) {
      w += forward_axis<R>(s.fy, u, g.pitch, cpml_cell(s.py, at.y), f.phi_y[now], f.phi_y[1 - now], f.eta_y[0],
                           at.shot * g.y_field + g.y_place(ky, at.z, at.y, x), g.pitch);
    } else {
      w += fd_second<R>(Strided<T>{u, g.pitch}, s.fy, s.fy.center * u[0]);
    }
    if (kx >= 0) {
      w += forward_axis<R>(s.fx, u, 1, cpml_cell(s.px, x), f.phi_x[now], f.phi_x[1 - now], f.eta_x[0],
                           at.shot * g.x_field + g.x_place(kx, at.z, at.y, x), 1);
    } else {
      w += fd_second<R>(Strided<T>{u, 1}, s.fx, s.fx.center * u[0]);
    }
    finish_forward(a, n, at, *u, w);
  }
};

template <int R, class T>
struct AdjointCell3 {
  WaveAdjoint3<T> a;
  InnerBox inner;
  Index n;

  TERRANE_HD void operator()(Index row, Index x) const {
    const WaveSetup3<T>& s = a.setup;
    const WaveLayout3& g = s.g;
    const WaveFields3<T>& f = a.fields;
    const CellPlace3 at(g, row, x);
    if (inner.holds(at.z, at.y, x)) return;
    const int now = static_cast<int>((n + 1) & 1);
    const T* q = f.u[now] + at.field(g);
    const Index kz = g.z_strip(at.z), ky = g.y_strip(at.y), kx = g.x_strip(x);
    T lap = 0;
    if (kz >= 0) {
      lap += adjoint_axis<R>(s.fz, q, g.plane, s.pz, g.z[kz], at.z, f.phi_z, f.eta_z, now,
                             at.shot * g.z_field + g.z_place(kz, at.z, at.y, x), g.z_plane);
    } else {
      lap += fd_second<R>(Strided<T>{q, g.plane}, s.fz, s.fz.center * q[0]);
    }
    if (ky >= 0) {
      lap += adjoint_axis<R>(s.fy, q, g.pitch, s.py, g.y[ky], at.y, f.phi_y, f.eta_y, now,
                             at.shot * g.y_field + g.y_place(ky, at.z, at.y, x), g.pitch);
    } else {
      lap += fd_second<R>(Strided<T>{q, g.pitch}, s.fy, s.fy.center * q[0]);
    }
    if (kx >= 0) {
      lap += adjoint_axis<R>(s.fx, q, 1, s.px, g.x[kx], x, f.phi_x, f.eta_x, now,
                             at.shot * g.x_field + g.x_place(kx, at.z, at.y, x), 1);
    } else {
      lap += fd_second<R>(Strided<T>{q, 1}, s.fx, s.fx.center * q[0]);
    }
    finish_adjoint(a, n, at, *q, lap);
  }
};

template <class T>
void surface_images(Stream& stream, const WaveSetup3<T>& s, T* u) {
  if (!s.g.free_surface) return;
  parallel_for_2d(stream, s.shots * s.g.radius, s.g.plane,
                  SurfaceImages<T>{u, s.g.field, s.g.origin, s.g.plane, s.g.radius});
}

template <int R, class T>
void forward_steps(Stream& stream, const WaveForward3<T>& a) {
  const WaveSetup3<T>& s = a.setup;
  const InnerBox inner = inner_box(s.g, true);
  for (Index n = a.n0; n < a.n1; ++n) {
    if (a.data != nullptr) {
      parallel_for_2d(
          stream, s.shots, s.receivers.per_shot,
          RecordPoints<T>{s.receivers, s.shot, a.fields.u[n & 1], s.g.field, s.g.origin, a.data, s.nt, n, true});
    }
    if (n + 1 == s.nt) break;
    parallel_for_2d(stream, s.shots * s.g.nz * s.g.ny, s.g.pitch, ForwardCell3<R, T>{a, inner, n});
    stream_inner<R, T>(stream, StreamForward<T>{a, n}, inner);
    if (a.wavelet != nullptr) {
      parallel_for_2d(stream, s.shots, s.sources.most_touched, InjectSource<T, WaveForward3<T>>{a, n});
    }
    surface_images(stream, s, a.fields.u[1 - (n & 1)]);
  }
}

template <int R, class T>
void adjoint_steps(Stream& stream, const WaveAdjoint3<T>& a) {
  const WaveSetup3<T>& s = a.setup;
  const InnerBox inner = inner_box(s.g, false);
  for (Index n = a.n1 - 1; n >= a.n0; --n) {
    const bool steps = n + 1 < s.nt;
    if (steps) {
      parallel_for_2d(stream, s.shots * s.g.nz * s.g.ny, s.g.pitch, AdjointCell3<R, T>{a, inner, n});
      stream_inner<R, T>(stream, StreamAdjoint<T>{a, n}, inner);
    }
    if (a.d_wavelet != nullptr) {
      parallel_for_2d(stream, s.shots, s.sources.per_shot,
                      RecordPoints<T>{s.sources, s.shot, a.fields.u[1 - (n & 1)], s.g.field, s.g.origin, a.d_wavelet,
                                      s.nt, n, steps});
    }
    parallel_for_2d(stream, s.shots, s.receivers.most_touched, InjectData<T, WaveAdjoint3<T>>{a, n});
    surface_images(stream, s, a.fields.u[n & 1]);
  }
}

}  // namespace

template <class T>
void wave3_forward(Stream& stream, const WaveForward3<T>& a) {
  switch (a.setup.g.radius) {
    case 1:
      return forward_steps<1>(stream, a);
    case 2:
      return forward_steps<2>(stream, a);
    case 3:
      return forward_steps<3>(stream, a);
    default:
      return forward_steps<4>(stream, a);
  }
}
TERRANE_INSTANTIATE(wave3_forward, WaveForward3)

template <class T>
void wave3_adjoint(Stream& stream, const WaveAdjoint3<T>& a) {
  switch (a.setup.g.radius) {
    case 1:
      return adjoint_steps<1>(stream, a);
    case 2:
      return adjoint_steps<2>(stream, a);
    case 3:
      return adjoint_steps<3>(stream, a);
    default:
      return adjoint_steps<4>(stream, a);
  }
}
TERRANE_INSTANTIATE(wave3_adjoint, WaveAdjoint3)

}  // namespace terrane::TERRANE_BACKEND
