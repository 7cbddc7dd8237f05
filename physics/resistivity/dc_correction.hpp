// SPDX-License-Identifier: MIT
// Singularity removal: what the scheme misses close to an electrode, taken from a half-space.
//
//   phi(m, a) = phi_h(m, a; sigma) + t [G(m, a) - G_h(m, a)] 2 / (sigma_m + sigma_a)
// G is the potential of a pole in a half-space of 1 S/m (image of the pole), G_h that of the same mesh and scheme for
// 1 S/m everywhere, sigma_e = sum_c v_ec sigma_c the mean over the cells of ground around electrode e. This is the
// secondary potential with the conductivity at the electrodes as the reference: near a pole the potential is the
// singular one of that medium, and a pole on a contact of two media has that of their mean. t is 1 up to a distance of
// 6 cells and falls to 0 at 12, where the scheme itself is good and the medium at the electrodes says little about the
// potential. Over a homogeneous half-space data are exact up to 6 cells. The term is symmetric in m and a and its
// derivative is explicit, so reciprocity and gradients stay exact.
//
// Limits: a flat surface, for which G is right; where sigma changes within a cell or two of an electrode the term is as
// approximate as the scheme. Reference: Lowry, Allen and Shive (1989), Singularity removal: a refinement of resistivity
// modeling techniques.
#pragma once

#include <utility>
#include <vector>

#include "physics/resistivity/dc_common.hpp"

namespace terrane {

class DcCorrection {
 public:
  using Weights = std::vector<std::pair<Index, double>>;  // cell and its share of sigma_e

  DcCorrection() = default;  // none
  // cell_m (electrodes): size of the cells around each. unit(m, a): G_h of two electrodes.
  template <class Unit>
  DcCorrection(const DcSurvey& survey, double surface_m, std::vector<Weights> near, const std::vector<double>& cell_m,
               const Unit& unit)
      : near_(std::move(near)) {
    for (const DcDatum& d : survey.data) {
      for_each_pole_pair(d, [&](Index m, Index a, double sign) {
        const auto um = static_cast<std::size_t>(m), ua = static_cast<std::size_t>(a);
        const Point3 &p = survey.electrodes[um], &q = survey.electrodes[ua];
        const double r = std::hypot(p.x_m - q.x_m, p.y_m - q.y_m, p.z_m - q.z_m) / std::max(cell_m[um], cell_m[ua]);
        const double far = std::clamp((r - 6) / 6, 0.0, 1.0), taper = 1 - far * far * (3 - 2 * far);
        if (taper > 0) {
          pairs_.push_back({m, a, sign * taper * (half_space_potential(q, p, surface_m) - unit(m, a))});
        }
      });
      end_.push_back(pairs_.size());
    }
  }
  bool empty() const { return end_.empty(); }

  // data += term
  void add(const std::vector<double>& sigma, std::vector<double>& data) const {
    for_each_pair([&](std::size_t i, const Pair& p) { data[i] += 2 * p.missing / sum_at(p, sigma); });
  }
  // t_data += J t_sigma
  void add_tangent(const std::vector<double>& sigma, const std::vector<double>& t_sigma,
                   std::vector<double>& t_data) const {
    for_each_pair([&](std::size_t i, const Pair& p) {
      const double sum = sum_at(p, sigma);
      t_data[i] -= 2 * p.missing / (sum * sum) * sum_at(p, t_sigma);
    });
  }
  // f(cell, J^T d_data of this cell): called several times for a cell.
  template <class F>
  void adjoint(const std::vector<double>& sigma, const std::vector<double>& d_data, const F& f) const {
    for_each_pair([&](std::size_t i, const Pair& p) {
      const double sum = sum_at(p, sigma), slope = -2 * p.missing / (sum * sum) * d_data[i];
      for (const Index e : {p.m, p.a}) {
        for (const auto& [cell, weight] : near_[static_cast<std::size_t>(e)]) f(cell, slope * weight);
      }
    });
  }

 private:
  struct Pair {
    Index m, a;
    double missing;  // with the sign of the pair in its datum
  };
  template <class F>
  void for_each_pair(const F& f) const {
    std::size_t k = 0;
    for (std::size_t i = 0; i < end_.size(); ++i) {
      for (; k < end_[i]; ++k) f(i, pairs_[k]);
    }
  }
  double sum_at(const Pair& p, const std::vector<double>& values) const {
    double sum = 0;
    for (const Index e : {p.m, p.a}) {
      for (const auto& [cell, weight] : near_[static_cast<std::size_t>(e)]) {
        sum += weight * values[static_cast<std::size_t>(cell)];
      }
    }
    return sum;
  }

  std::vector<Weights> near_;  // (electrode)
  std::vector<Pair> pairs_;
  std::vector<std::size_t> end_;  // (datum)
};

}  // namespace terrane
