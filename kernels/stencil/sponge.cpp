// SPDX-License-Identifier: MIT
// Schedules: a few launches a time step over all shots.
#include "kernels/stencil/sponge.hpp"

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {

namespace {

// `next` holds p^{n-1} and becomes p^{n+1}.
template <class T>
struct Step {
  SpongeSetup<T> s;
  const T* p;
  T* next;
  TERRANE_HD void operator()(Index row, Index x) const {
    const Index shot = row / s.g.nz, z = row % s.g.nz, i = shot * s.g.field + s.g.at(z, x);
    const Index m = s.model_of(shot) * s.g.cells + z * s.g.pitch + x;
    next[i] = sponge_update(p + i, next[i], s.a[m], s.k[m], s.g.stride);
  }
};

// The change of the model in a tangent run of one shot: += a m D p_0^n - dk (p_0^n - p_0^{n-1}).
template <class T>
struct StepTangent {
  SpongeSetup<T> s;
  T* next;
  const T* tangent;
  const T* tangent_k;
  const T* background;  // p_0^n; p_0^{n-1} lies one field before
  TERRANE_HD void operator()(Index z, Index x) const {
    const Index i = s.g.at(z, x), c = z * s.g.pitch + x;
    const T* u = background + i;
    next[i] += s.a[c] * tangent[c] * sponge_laplacian(u, s.g.stride) - tangent_k[c] * (u[0] - u[-s.g.field]);
  }
};

// The wavelet at the sources of a shot: += a h² w, with the change of a in a tangent run.
template <class T>
struct Inject {
  SpongeSetup<T> s;
  T* p;
  Index n;
  const T* wavelet;
  const T* tangent;
  const T* background_wavelet;
  TERRANE_HD void operator()(Index shot) const {
    for (Index j = 0; j < s.sources.per_shot; ++j) {
      const Index l = s.survey_shot(shot) * s.sources.per_shot + j, z = s.sources.z[l], x = s.sources.x[l];
      const Index c = z * s.g.pitch + x;
      T w = wavelet != nullptr ? wavelet[n] : T(0);
      if (tangent != nullptr) w += tangent[c] * background_wavelet[n];
      p[shot * s.g.field + s.g.at(z, x)] += s.a[s.model_of(shot) * s.g.cells + c] * s.area * w;
    }
  }
};

// The cotangents of sample n at the receivers of a shot: += a d_bar.
template <class T>
struct InjectAdjoint {
  SpongeSetup<T> s;
  T* q;
  Index n;
  const T* d_data;
  TERRANE_HD void operator()(Index shot) const {
    for (Index j = 0; j < s.receivers.per_shot; ++j) {
      const Index l = s.survey_shot(shot) * s.receivers.per_shot + j, z = s.receivers.z[l], x = s.receivers.x[l];
      q[shot * s.g.field + s.g.at(z, x)] +=
          s.a[s.model_of(shot) * s.g.cells + z * s.g.pitch + x] * d_data[(shot * s.receivers.per_shot + j) * s.nt + n];
    }
  }
};

// Cells around the grid repeat the other side; `line` counts the columns, then the rows.
template <class T>
struct Wrap {
  SpongeLayout g;
  T* p;
  TERRANE_HD Index wrapped(Index i, Index n) const { return (i % n + n) % n; }
  TERRANE_HD void operator()(Index shot, Index line) const {
    T* f = p + shot * g.field;
    for (Index k = -sponge_halo; k < 0; ++k) {
      if (line < g.nx) {
        f[g.at(k, line)] = f[g.at(wrapped(k, g.nz), line)];
        f[g.at(g.nz - 1 - k, line)] = f[g.at(wrapped(g.nz - 1 - k, g.nz), line)];
      } else {
        const Index z = line - g.nx;
        f[g.at(z, k)] = f[g.at(z, wrapped(k, g.nx))];
        f[g.at(z, g.nx - 1 - k)] = f[g.at(z, wrapped(g.nx - 1 - k, g.nx))];
      }
    }
  }
};

template <class T>
struct Record {
  SpongeSetup<T> s;
  const T* p;
  Index n;
  bool zero;
  T* data;
  TERRANE_HD void operator()(Index shot, Index j) const {
    const Index l = s.survey_shot(shot) * s.receivers.per_shot + j;
    const T value = p[shot * s.g.field + s.g.at(s.receivers.z[l], s.receivers.x[l])];
    data[(shot * s.receivers.per_shot + j) * s.nt + n] = zero ? T(0) : value;
  }
};

template <class T>
struct Clear {
  T* p;
  TERRANE_HD void operator()(Index i) const { p[i] = 0; }
};
template <class T>
struct Keep {
  const T* from;
  T* to;
  TERRANE_HD void operator()(Index i) const { to[i] = from[i]; }
};

// image += q D p^n, k_image -= q (p^n - p^{n-1}) / a
template <class T>
struct Correlate {
  SpongeSetup<T> s;
  const T* q;
  const T* p;  // p^n; p^{n-1} lies one field before
  T* image;
  T* k_image;
  TERRANE_HD void operator()(Index z, Index x) const {
    const Index i = s.g.at(z, x), c = z * s.g.pitch + x;
    image[c] += q[i] * sponge_laplacian(p + i, s.g.stride);
    k_image[c] -= q[i] * (p[i] - p[i - s.g.field]) / s.a[c];
  }
};

// The part of the sources: image += q h² w, d_wavelet += h² q. One call, in the order of the sources.
template <class T>
struct CorrelateSource {
  SpongeSetup<T> s;
  const T* q;
  Index n;
  const T* wavelet;
  T* image;
  T* d_wavelet;
  TERRANE_HD void operator()(Index) const {
    for (Index j = 0; j < s.sources.per_shot; ++j) {
      const Index l = s.survey_shot(0) * s.sources.per_shot + j, z = s.sources.z[l], x = s.sources.x[l];
      const T value = s.area * q[s.g.at(z, x)];
      image[z * s.g.pitch + x] += value * wavelet[n];
      if (d_wavelet != nullptr) d_wavelet[n] += value;
    }
  }
};

template <class T>
void clear_fields(Stream& s, const SpongeSetup<T>& f) {
  for (T* p : f.p) parallel_for(s, f.shots * f.g.field, Clear<T>{p});
}

}  // namespace

template <class T>
struct FindLowest {
  SpongeDamping<T> f;
  TERRANE_HD void operator()(Index model) const { f.find(model); }
};
template <class T>
void sponge_damping(Stream& s, const SpongeDamping<T>& f) {
  parallel_for_coarse(s, f.models, FindLowest<T>{f});
  parallel_for_2d(s, f.models * f.g.nz, f.g.pitch, f);
}
template <class T>
void sponge_damping_tangent(Stream& s, const SpongeDampingTangent<T>& f) {
  parallel_for(s, f.n, f);
}
template <class T>
void sponge_damping_vjp(Stream& s, const SpongeDampingVjp<T>& f) {
  parallel_for(s, 1, f);
}

namespace {

// All samples of the fields of `f`.
template <class T>
void run_forward(Stream& s, const SpongeForward<T>& f) {
  const SpongeSetup<T>& u = f.setup;
  const Index rows = u.shots * u.g.nz, border = u.g.nx + u.g.nz, field = u.g.field;
  clear_fields(s, u);
  if (f.history != nullptr) parallel_for(s, 2 * field, Clear<T>{f.history});
  for (Index n = 0; n < u.nt; ++n) {
    const T* p = u.p[n % 2];
    T* next = u.p[(n + 1) % 2];
    parallel_for_2d(s, rows, u.g.nx, Step<T>{u, p, next});
    if (f.tangent != nullptr) {
      parallel_for_2d(s, u.g.nz, u.g.nx,
                      StepTangent<T>{u, next, f.tangent, f.tangent_k, f.background + (n + 1) * field});
    }
    parallel_for(s, u.shots, Inject<T>{u, next, n, f.wavelet, f.tangent, f.background_wavelet});
    parallel_for_2d(s, u.shots, border, Wrap<T>{u.g, next});
    parallel_for_2d(s, u.shots, u.receivers.per_shot, Record<T>{u, next, n, f.zero_last && n == u.nt - 1, f.data});
    if (f.history != nullptr && n + 1 < u.nt) parallel_for(s, field, Keep<T>{next, f.history + (n + 2) * field});
  }
}

}  // namespace

template <class T>
void sponge_forward(Stream& s, const SpongeForward<T>& f) {
#if defined(TERRANE_CUDA_BACKEND)
  run_forward(s, f);
#else
  // One shot at a time: its two fields and the coefficients stay in the cache.
  for (Index shot = 0; shot < f.setup.shots; ++shot) {
    SpongeForward<T> one = f;
    SpongeSetup<T>& u = one.setup;
    const Index model = u.model_of(shot) * u.g.cells;
    u.shots = 1;
    u.first_shot += shot;
    u.a += model;
    u.k += model;
    u.p[0] += shot * u.g.field;
    u.p[1] += shot * u.g.field;
    if (one.data != nullptr) one.data += shot * u.receivers.per_shot * u.nt;
    run_forward(s, one);
  }
#endif
}

template <class T>
void sponge_adjoint(Stream& s, const SpongeAdjoint<T>& f) {
  const SpongeSetup<T>& u = f.setup;
  const Index border = u.g.nx + u.g.nz;
  clear_fields(s, u);
  for (Index n = u.nt - 1, k = 0; n >= 0; --n, ++k) {
    const T* q = u.p[k % 2];
    T* next = u.p[(k + 1) % 2];  // q^{n+1}
    parallel_for_2d(s, u.g.nz, u.g.nx, Step<T>{u, q, next});
    if (!(f.zero_last && n == u.nt - 1)) parallel_for(s, 1, InjectAdjoint<T>{u, next, n, f.d_data});
    parallel_for_2d(s, 1, border, Wrap<T>{u.g, next});
    parallel_for_2d(s, u.g.nz, u.g.nx, Correlate<T>{u, next, f.history + (n + 1) * u.g.field, f.image, f.k_image});
    parallel_for(s, 1, CorrelateSource<T>{u, next, n, f.wavelet, f.image, f.d_wavelet});
  }
}

TERRANE_INSTANTIATE(sponge_damping, SpongeDamping)
TERRANE_INSTANTIATE(sponge_damping_tangent, SpongeDampingTangent)
TERRANE_INSTANTIATE(sponge_damping_vjp, SpongeDampingVjp)
TERRANE_INSTANTIATE(sponge_forward, SpongeForward)
TERRANE_INSTANTIATE(sponge_adjoint, SpongeAdjoint)

}  // namespace terrane::TERRANE_BACKEND
