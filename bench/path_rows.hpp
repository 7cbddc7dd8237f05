// SPDX-License-Identifier: MIT
// Means over pairs of what is a sixth, a third and half of the way between two models
// (engine/compression/code_path.hpp).
#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "engine/compression/code_path.hpp"

namespace terrane {

class PathRows {
 public:
  explicit PathRows(Index points) : n_(points) {}
  static const std::vector<double>& shares() {
    static const std::vector<double> s{1.0 / 6, 1.0 / 3, 0.5};
    return s;
  }

  // ends: (2, n), way: (shares, n), both decoded.
  void add(const std::vector<float>& ends, const std::vector<float>& way) {
    for (std::size_t t = 0; t < rows_.size(); ++t) {
      const PathScores q =
          path_scores(way.data() + static_cast<Index>(t) * n_, ends.data(), ends.data() + n_, shares()[t], n_);
      for (const auto m : members) rows_[t].*m += q.*m;
      least_[t] = std::min(least_[t], q.excess);
    }
    ++pairs_;
    halfway_.insert(halfway_.end(), way.end() - n_, way.end());
    ends_.insert(ends_.end(), ends.begin(), ends.end());
  }

  const std::vector<float>& halfway() const { return halfway_; }  // (pairs, n)
  const std::vector<float>& ends() const { return ends_; }        // (2 pairs, n)
  nlohmann::ordered_json json() const {
    nlohmann::ordered_json rows = nlohmann::ordered_json::array();
    const auto n = static_cast<double>(pairs_);
    for (std::size_t t = 0; t < rows_.size(); ++t) {
      const PathScores& r = rows_[t];
      rows.push_back({{"share", shares()[t]},
                      {"mse_a", r.mse_a / n},
                      {"mse_b", r.mse_b / n},
                      {"mse_ends", r.mse_ends / n},
                      {"excess", r.excess / n},
                      {"least_excess", least_[t]},
                      {"dissolve", r.dissolve / n}});
    }
    return rows;
  }

 private:
  static constexpr double PathScores::*members[] = {&PathScores::mse_a, &PathScores::mse_b, &PathScores::mse_ends,
                                                    &PathScores::excess, &PathScores::dissolve};
  Index n_, pairs_ = 0;
  std::vector<PathScores> rows_ = std::vector<PathScores>(shares().size());
  std::vector<double> least_ = std::vector<double>(shares().size(), 1e300);
  std::vector<float> halfway_, ends_;
};

}  // namespace terrane
