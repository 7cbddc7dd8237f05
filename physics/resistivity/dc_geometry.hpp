// SPDX-License-Identifier: MIT
// What the places of four electrodes say before anything is modelled: geometric factors, apparent resistivities' plot
// points and names of arrays.
//
// Geometric factor (m), sign kept: rho_a = k R, R = (phi(M) - phi(N)) / I. Over a uniform half-space
//   k = 4 pi / (G(A,M) - G(B,M) - G(A,N) + G(B,N)),   G(P,Q) = 1/r + 1/r',   r'^2 = r^2 + 4 d_P d_Q,
// d the depths of P and Q below the surface and r' the distance to the image of one of them; terms with an electrode at
// infinity are zero. At the surface r' = r, and k = 2 pi / (1/AM - 1/BM - 1/AN + 1/BN). With d measured from the
// surface of the ground above each electrode the formula also serves, approximately, for lines with topography.
//
// Pseudo depth: half of the signal of a uniform half-space comes from above the median depth z (Edwards, 1977, A
// modified pseudosection for resistivity and induced-polarization: Geophysics 42, 1020-1036; Barker, 1989, Depth of
// investigation of collinear symmetrical four-electrode arrays: Geophysics 54, 1031-1037). A layer below z changes each
// 1/r by something in proportion to 1/sqrt(r^2 + 4 z^2) (the first image), so that z solves
//   sum_i s_i / sqrt(r_i^2 + 4 z^2) = 1/2 sum_i s_i / r_i,   s = +1 AM, -1 BM, -1 AN, +1 BN;
// it is 0.866 a for pole-pole, 0.519 a for Wenner, 0.416 a for dipole-dipole with n = 1.
#pragma once

#include <string>
#include <vector>

#include "physics/resistivity/dc_survey.hpp"

namespace terrane {

// z of the surface at x: the line through the points (x increasing, z down), level beyond its ends; 0 without points.
double surface_z_m(const std::vector<Point3>& topography, double x_m);

// Depth of each electrode below the surface, not below 0. The surface is the topography if there is one; else, when no
// two electrodes have the same x, all of them lie on it; else (boreholes) it is level at z = 0, or through the highest
// electrode where one is higher. `assumed`, where given, gets a sentence on what was done without topography.
std::vector<double> electrode_depths_m(const std::vector<Point3>& electrodes, const std::vector<Point3>& topography,
                                       std::string* assumed = nullptr);

// (datum), m. Infinite where the terms cancel to 1e-9 of their sum, NaN where a current electrode is at the place of a
// potential electrode. depth_m: (electrode).
std::vector<double> geometric_factors_m(const DcSurvey& survey, const std::vector<double>& depth_m);

enum class DcArray : int { wenner, schlumberger, dipole_dipole, pole_dipole, pole_pole, gradient, other };
const char* to_string(DcArray array);
// Arrays by the places of the electrodes along the ground, from one to the next in the order of x; spacings within 1 %
// count as equal. gradient: M and N between A and B but not in the middle. Reciprocal data have the name of the array
// that they repeat, data with an electrode below the surface are `other`.
std::vector<DcArray> dc_arrays(const DcSurvey& survey, const std::vector<double>& depth_m);

// Where to plot each datum: x half way between the middle of the current and the middle of the potential electrodes, z
// the median depth of investigation below the surface there. With an electrode below the surface, or where no depth
// solves the equation: the middle of the electrodes. z is down.
std::vector<Point3> pseudosection(const DcSurvey& survey, const std::vector<Point3>& topography);
// Median depth (m) for electrodes at a level surface; NaN where there is none.
double median_depth_m(const DcSurvey& survey, const DcDatum& datum);

}  // namespace terrane
