// SPDX-License-Identifier: MIT
// The Jacobian of 2-D wave data by frequency, as factors of which gram() (analysis/gram.hpp) makes J^T J:
//
//   J_w[(s, r), y] = h² (2 / v(y)³) D(w) u_s(y, w) g_r(y, w),   D(w) = (4 / dt²) sin²(w dt / 2), dt the solver's step
//   J^T J = 1/nt sum_w Re[(U^H U) o (G^H G)],   U = [u_s(y)] (sources, nodes), G = [g_r(y)] (receivers, nodes)
// u_s: field of source s with the survey's wavelet; g_r: of a unit source in r, by reciprocity the field in r of a unit
// source in y; h²: area of a cell; w: frequencies of the discrete transform of nt samples, both signs. J_w is a
// column-wise Khatri-Rao product, and J^T J costs sources + receivers simulations instead of one per node. The non-zero
// eigenvalues of J J^T are those of J^T J; a data vector is J v / sigma.
//
// It holds where every receiver records every shot, the fields have decayed at the end of the record (`tail`; else the
// transform wraps around), and the misfit is the plain sum of squares. A node of the border stands for the absorbing
// layer beside it, too, which a product of fields in that node does not see: the border is held fixed, its rows are
// zero. Errors: Error{config} a shot with several sources or receivers of its own, several wavelets; those of
// AcousticWave. Reference: Plessix, Mulder, Geophys. J. Int. 157 (2004) (Born data as products of Green's functions).
#pragma once

#include <vector>

#include "autodiff/op.hpp"
#include "physics/wave/acoustic_wave.hpp"

namespace terrane {

template <class T>
struct WaveFactors {
  Factors<T> terms;             // one for each frequency, samples = nodes
  std::vector<double> bins_hz;  // their frequencies
  double tail = 0;              // largest |u| in the last 5 % of the samples over the largest of all
};

// vp (nodes), wavelet (nt). floor: frequencies at which the wavelet is below this part of its largest are left out.
template <class T>
WaveFactors<T> wave_factors(Stream& s, const Grid2& grid, const Survey& survey, const WaveOptions& options,
                            const std::vector<double>& vp, const std::vector<double>& wavelet, double floor = 1e-3);

}  // namespace terrane
