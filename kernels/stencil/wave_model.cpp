// SPDX-License-Identifier: MIT
#include "kernels/stencil/wave_model.hpp"

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {

// clang-format off
template <class T> void wave_coefficient(Stream& s, const WaveCoefficient<T>& f) { parallel_for_2d(s, f.frame.rows(), f.frame.pitch, f); }
template <class T> void wave_tangent_model(Stream& s, const WaveTangentModel<T>& f) { parallel_for_2d(s, f.frame.rows(), f.frame.pitch, f); }
template <class T> void wave_image_sum(Stream& s, const WaveImageSum<T>& f) { parallel_for(s, f.cells, f); }
template <class T> void wave_frame_copy(Stream& s, const WaveFrameCopy<T>& f) { parallel_for_2d(s, f.shots, f.frame.size, f); }
template <class T> void wave_model_gradient(Stream& s, const WaveModelGradient<T>& f) { parallel_for_2d(s, f.frame.z.n * f.frame.y.n, f.frame.x.n, f); }
template <class T> void count_outside(Stream& s, const CountOutside<T>& f) { parallel_sum(s, f.n, f, f.count); }
// clang-format on

TERRANE_INSTANTIATE(wave_coefficient, WaveCoefficient)
TERRANE_INSTANTIATE(wave_tangent_model, WaveTangentModel)
TERRANE_INSTANTIATE(wave_image_sum, WaveImageSum)
TERRANE_INSTANTIATE(wave_frame_copy, WaveFrameCopy)
TERRANE_INSTANTIATE(wave_model_gradient, WaveModelGradient)
TERRANE_INSTANTIATE(count_outside, CountOutside)

}  // namespace terrane::TERRANE_BACKEND
