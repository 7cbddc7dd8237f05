// SPDX-License-Identifier: MIT
#include "kernels/encode/local_code.hpp"

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

template <class T>
struct ForwardPoint {
  LocalCodeForward<T> f;
  TERRANE_HD void operator()(Index r) const {
    const LocalCodeShape& s = f.shape;
    const T *x = f.x + r * s.dims, *z = f.z + r / s.n * s.channels * s.nodes();
    T* out = f.out + r * s.columns();
    for (Index a = 0; a < s.dims; ++a) out[a] = x[a];
    for (Index c = 0; c < s.channels; ++c) out[s.dims + c] = T(0);
    LocalCodePlace<T>(s, x).each(s, [&](Index node, T weight, const T*) {
      for (Index c = 0; c < s.channels; ++c) out[s.dims + c] += weight * z[c * s.nodes() + node];
    });
  }
};

template <class T>
struct AdjointChannel {
  LocalCodeVjpCode<T> f;
  TERRANE_HD void operator()(Index task) const {
    const LocalCodeShape& s = f.shape;
    const Index model = task / s.channels, channel = task % s.channels;
    T* d_z = f.d_z + task * s.nodes();
    for (Index r = model * s.n; r < (model + 1) * s.n; ++r) {
      const T d = f.d_out[r * s.columns() + s.dims + channel];
      LocalCodePlace<T>(s, f.x + r * s.dims).each(s, [&](Index node, T weight, const T*) { d_z[node] += weight * d; });
    }
  }
};

template <class T>
struct AdjointPoint {
  LocalCodeVjpPoint<T> f;
  TERRANE_HD void operator()(Index r) const {
    const LocalCodeShape& s = f.shape;
    const T *x = f.x + r * s.dims, *z = f.z + r / s.n * s.channels * s.nodes(), *d = f.d_out + r * s.columns();
    T* d_x = f.d_x + r * s.dims;
    for (Index a = 0; a < s.dims; ++a) d_x[a] += d[a];
    LocalCodePlace<T>(s, x).each(s, [&](Index node, T, const T* by) {
      T sum = T(0);
      for (Index c = 0; c < s.channels; ++c) sum += d[s.dims + c] * z[c * s.nodes() + node];
      for (Index a = 0; a < 3; ++a) {
        if (a < s.dims) d_x[a] += by[a] * sum;
      }
    });
  }
};

template <class T>
struct TangentPoint {
  LocalCodeJvp<T> f;
  TERRANE_HD void operator()(Index r) const {
    const LocalCodeShape& s = f.shape;
    const Index block = r / s.n * s.channels * s.nodes();
    const T *x = f.x + r * s.dims, *t_x = f.t_x != nullptr ? f.t_x + r * s.dims : nullptr;
    T* out = f.t_out + r * s.columns();
    for (Index a = 0; a < s.dims; ++a) out[a] = t_x != nullptr ? t_x[a] : T(0);
    for (Index c = 0; c < s.channels; ++c) out[s.dims + c] = T(0);
    LocalCodePlace<T>(s, x).each(s, [&](Index node, T weight, const T* by) {
      T change = T(0);
      for (Index a = 0; a < 3; ++a) {
        if (t_x != nullptr && a < s.dims) change += by[a] * t_x[a];
      }
      for (Index c = 0; c < s.channels; ++c) {
        const Index at = block + c * s.nodes() + node;
        out[s.dims + c] += change * f.z[at] + (f.t_z != nullptr ? weight * f.t_z[at] : T(0));
      }
    });
  }
};

}  // namespace

template <class T>
void local_code_forward(Stream& s, const LocalCodeForward<T>& f) {
  parallel_for(s, f.shape.rows(), ForwardPoint<T>{f});
}
TERRANE_INSTANTIATE(local_code_forward, LocalCodeForward)

template <class T>
void local_code_vjp_code(Stream& s, const LocalCodeVjpCode<T>& f) {
  parallel_for_coarse(s, f.shape.models * f.shape.channels, AdjointChannel<T>{f});
}
TERRANE_INSTANTIATE(local_code_vjp_code, LocalCodeVjpCode)

template <class T>
void local_code_vjp_point(Stream& s, const LocalCodeVjpPoint<T>& f) {
  parallel_for(s, f.shape.rows(), AdjointPoint<T>{f});
}
TERRANE_INSTANTIATE(local_code_vjp_point, LocalCodeVjpPoint)

template <class T>
void local_code_jvp(Stream& s, const LocalCodeJvp<T>& f) {
  parallel_for(s, f.shape.rows(), TangentPoint<T>{f});
}
TERRANE_INSTANTIATE(local_code_jvp, LocalCodeJvp)

}  // namespace terrane::TERRANE_BACKEND
