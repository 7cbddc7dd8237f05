// SPDX-License-Identifier: MIT
// How far a recovered map is from the true one. All sums are in double, in index order.
//
//   mse = mean (a - t)^2    mae = mean |a - t|    rmse = sqrt mse    relative_l2 = |a - t| / |t|
//   psnr = 10 log10(range^2 / mse); the range is the caller's ("full-range": a fixed one, "per-image": max t - min t)
//   ssim = mean of (2 m_a m_t + C1)(2 s_at + C2) / ((m_a^2 + m_t^2 + C1)(s_a^2 + s_t^2 + C2)) over windows,
//          C1 = (0.01 L)^2, C2 = (0.03 L)^2 (Wang, Bovik, Sheikh, Simoncelli 2004)
// Conventions of SSIM differ; each has a name, which is printed with the value:
//   minmax   both maps mapped by the true map's minimum and maximum to [0, 1], L = 1; Gaussian window 11 x 11, sigma
//            1.5, population covariance; mean over the windows that lie inside the map (no padding). Equal to
//            scikit-image structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
//            data_range=1) of the mapped maps. A constant true map is not mappable: NaN.
//   skimage  uniform window 7 x 7, sample covariance (n / (n - 1)), L = data_range in the unit of the maps; mean over
//            the windows inside the map. Equal to scikit-image structural_similarity(data_range=L).
//   openfwi  both maps mapped by (v - 1500) / 3000, L = 1; Gaussian window 11 x 11, sigma 1.5, maps padded by zeros;
//            mean over all points.
// Shape (rows, columns); a map smaller than the window has no minmax or skimage value: NaN. Both maps must have the
// same size, else Error{data}.
#pragma once

#include <span>

#include "kernels/runtime/hd.hpp"

namespace terrane {

template <class T>
double mse(std::span<const T> a, std::span<const T> truth);
template <class T>
double mae(std::span<const T> a, std::span<const T> truth);
template <class T>
double rmse(std::span<const T> a, std::span<const T> truth);
template <class T>
double relative_l2(std::span<const T> a, std::span<const T> truth);
template <class T>
double psnr(std::span<const T> a, std::span<const T> truth, double range);

template <class T>
double ssim_minmax(std::span<const T> a, std::span<const T> truth, Index rows, Index columns);
// Of a part of a larger true map, whose minimum and maximum the mapping takes.
template <class T>
double ssim_minmax(std::span<const T> a, std::span<const T> truth, Index rows, Index columns, T minimum, T maximum);
template <class T>
double ssim_skimage(std::span<const T> a, std::span<const T> truth, Index rows, Index columns, double data_range);
template <class T>
double ssim_openfwi(std::span<const T> a_mps, std::span<const T> truth_mps, Index rows, Index columns);

}  // namespace terrane
