// SPDX-License-Identifier: MIT
#include "kernels/stencil/wave3.hpp"

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {

// clang-format off
template <class T> void wave3_coefficient(Stream& s, const WaveCoefficient3<T>& f) { parallel_for_2d(s, f.frame.z.cells * f.frame.rows(), f.frame.pitch, f); }
template <class T> void wave3_tangent_model(Stream& s, const WaveTangentModel3<T>& f) { parallel_for_2d(s, f.frame.z.cells * f.frame.rows(), f.frame.pitch, f); }
template <class T> void wave3_model_gradient(Stream& s, const WaveModelGradient3<T>& f) { parallel_for_2d(s, f.frame.z.n * f.frame.y.n, f.frame.x.n, f); }
// clang-format on

TERRANE_INSTANTIATE(wave3_coefficient, WaveCoefficient3)
TERRANE_INSTANTIATE(wave3_tangent_model, WaveTangentModel3)
TERRANE_INSTANTIATE(wave3_model_gradient, WaveModelGradient3)

}  // namespace terrane::TERRANE_BACKEND
