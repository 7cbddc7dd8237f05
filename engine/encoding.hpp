// SPDX-License-Identifier: MIT
// Source encoding of waves: the shots of an iteration are simulated as a few super-shots.
//
//   shot i, of the super-shot i mod groups, is fired with the signal a_i s(t - tau_i); data: the sum of a_i d_i(t -
//   tau_i)
// a_i = -1 or 1 with equal chance (0: a shot that is not of this iteration's batch), tau_i a whole number of samples
// from 0 to max_shift_s, equally likely; all are functions of (seed, iteration / redraw_every, i). The wave equation is
// linear in the source, so the residual of a super-shot is the sum of the residuals r_i with the same codes; products
// of two different shots vanish in the mean, E |sum a_i r_i|^2 = sum |r_i|^2, and so the mean of the gradient of the L2
// misfit over the codes is that of all shots. With shifts the end of a late shot is cut off: its last tau_i do not
// count.
//
// Needs receivers and data weights that are the same for every shot. References: Krebs et al.
// (2009), Fast full-wavefield seismic inversion using encoded sources, Geophysics 74(6), WCC177; van Leeuwen, Aravkin
// and Herrmann (2011), Seismic waveform inversion by stochastic optimization, Int. J. Geophysics 2011, 689041.
#pragma once

#include <optional>
#include <vector>

#include "engine/problem.hpp"

namespace terrane {

struct ShotCodes {
  std::vector<double> amplitude;  // (shots of the survey)
  std::vector<Index> shift;       // (shots of the survey) samples of the data
  bool operator==(const ShotCodes&) const = default;
};

class SourceEncoding {
 public:
  // section: the resolved "encoding". Throws what check_encoding throws.
  SourceEncoding(const Json& section, const Problem& problem, std::uint64_t seed);

  Index groups() const { return groups_; }
  // What is simulated: the super-shots are the shots of its survey, with one wavelet for each of their sources. It has
  // no data.
  Problem problem() const;
  // shots: of the iteration, increasing.
  ShotCodes codes(Index iteration, const std::vector<Index>& shots) const;
  // (groups, most sources of a group, nt), from (nt).
  std::vector<double> wavelets(const ShotCodes& codes, const std::vector<double>& wavelet) const;
  // (receivers, nt) of one super-shot, from (shots of the survey, receivers, nt).
  template <class T>
  std::vector<T> data(const ShotCodes& codes, Index group, const std::vector<T>& observed) const;

 private:
  const Problem* problem_;
  Index groups_, redraw_every_, max_shift_;
  std::uint64_t seed_;
};

// Of the config of an inversion; empty without the section.
std::optional<SourceEncoding> source_encoding(const Config& config, const Problem& problem);

// Throws Error{config} for a spread that is not fixed, shots of several sources, or more groups than shots; Error{data}
// for weights that differ between shots.
void check_encoding(const Json& section, const Problem& problem);

}  // namespace terrane
