// SPDX-License-Identifier: MIT
// Convolutional perfectly matched layer for the second-order wave equation, one axis (Pasalic and McGarry 2010):
//   t = (1 + b) D2 u + b' D1 u + D1 phi          phi <- a (b D1 u + phi)      phi = a psi
//   w = (1 + b) t + eta                          eta <- a (b t + eta)         eta = a zeta
// w replaces D2 u; a = b = b' = 0 in the interior. Profiles: sigma = -(3 vmax ln R / 2 L) f², alpha = pi f_pml (1 - f),
// f the fraction of the layer passed, a = exp(-(sigma + alpha) dt), b = sigma (a - 1) / (sigma + alpha), b' = D1 b.
//
// Adjoint of one step, g the cotangent of w, (Phi, H) the cotangents of (phi, eta) times a. With zeros outside,
// D1^T = -D1 and D2^T = D2:
//   t_bar = (1 + b) g + b H                      from w and eta
//   u_bar = D2((1 + b) t_bar) - D1(b' t_bar + b Phi)
//   Phi <- a (Phi - D1 t_bar)                    H <- a (g + H)
#pragma once

#include "kernels/stencil/fd.hpp"

namespace terrane {

// Profiles along one axis, device memory, one value a cell.
template <class T>
struct CpmlProfile {
  const T* a = nullptr;
  const T* b = nullptr;
  const T* db = nullptr;  // 1/m
};

// V: a scalar, or a vector of neighbouring cells in CPU schedules. (1 + b) x is written b x + x.
template <class V>
struct CpmlCell {
  V a, b, db;

  // Returns w; phi_new is written, eta is updated.
  TERRANE_HD V forward(V d1_u, V d2_u, V d1_phi, V phi, V& phi_new, V& eta) const {
    const V t = mul_add(b, d2_u, d2_u + mul_add(db, d1_u, d1_phi));
    phi_new = a * mul_add(b, d1_u, phi);
    const V bt = b * t, w = bt + t + eta;
    eta = a * (bt + eta);
    return w;
  }
  TERRANE_HD V adjoint_t(V g, V h) const { return mul_add(b, g + h, g); }
  TERRANE_HD V adjoint_second(V t) const { return mul_add(b, t, t); }               // goes through D2
  TERRANE_HD V adjoint_first(V t, V phi) const { return mul_add(db, t, b * phi); }  // goes through -D1
  TERRANE_HD V adjoint_phi(V phi, V d1_t) const { return a * (phi - d1_t); }
  TERRANE_HD V adjoint_eta(V g, V h) const { return a * (g + h); }
};

template <class T>
TERRANE_HD CpmlCell<T> cpml_cell(const CpmlProfile<T>& p, Index i) {
  return {p.a[i], p.b[i], p.db[i]};
}

}  // namespace terrane
