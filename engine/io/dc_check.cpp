// SPDX-License-Identifier: MIT
#include "engine/io/dc_check.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "engine/io/text_rows.hpp"
#include "engine/median.hpp"
#include "kernels/runtime/error.hpp"
#include "physics/resistivity/dc_geometry.hpp"

namespace terrane {
namespace {

using PoleKey = std::array<Index, 4>;

// Electrodes with each pair in order, and the sign that this takes.
PoleKey ordered(const DcDatum& d, double& sign) {
  sign = (d.a > d.b ? -1 : 1) * (d.m > d.n ? -1 : 1);
  return {std::min(d.a, d.b), std::max(d.a, d.b), std::min(d.m, d.n), std::max(d.m, d.n)};
}

bool sound_electrodes(const DcSurvey& survey, const DcDatum& d) {
  const std::array<Index, 4> e{d.a, d.b, d.m, d.n};
  if ((d.a < 0 && d.b < 0) || (d.m < 0 && d.n < 0)) return false;
  for (std::size_t i = 0; i < 4; ++i) {
    if (e[i] < -1 || e[i] >= static_cast<Index>(survey.electrodes.size())) return false;
    for (std::size_t j = 0; j < i; ++j) {
      if (e[i] < 0 || e[j] < 0) continue;
      if (e[i] == e[j] ||
          survey.electrodes[static_cast<std::size_t>(e[i])] == survey.electrodes[static_cast<std::size_t>(e[j])]) {
        return false;
      }
    }
  }
  return true;
}

class DataCheck {
 public:
  DataCheck(const DcObservations& obs, const DcCheckOptions& options) : obs_(obs), options_(options) {}

  DcCheck run() {
    const std::size_t n = obs_.survey.data.size();
    for (const auto* list : {&obs_.volt, &obs_.std}) {
      if (list->empty() || list->size() == n) continue;
      throw Error(ErrorCode::data, "the voltages or errors are not as many as the data of the survey", "survey");
    }
    usable_.assign(n, 1);
    electrodes();
    if (!obs_.volt.empty()) {
      values();
      resistivities();
      if (options_.need_std || !obs_.std.empty()) errors();
      partners();
    }
    std::stable_sort(out_.issues.begin(), out_.issues.end(),
                     [](const DcIssue& a, const DcIssue& b) { return a.datum < b.datum; });
    out_.keep.assign(n, 1);
    for (const DcIssue& issue : out_.issues) {
      if (issue.remove) out_.keep[static_cast<std::size_t>(issue.datum)] = 0;
    }
    return std::move(out_);
  }

 private:
  std::string name(std::size_t i) const {
    return "datum " + std::to_string(i + 1) +
           (i < obs_.line.size() ? " (line " + std::to_string(obs_.line[i]) + ")" : "");
  }
  DcIssue& add(std::size_t i, DcProblem problem, const std::string& reason, bool remove = true) {
    out_.issues.push_back({static_cast<Index>(i), problem, remove, 0, -1, name(i) + " " + reason});
    return out_.issues.back();
  }
  double std_of(std::size_t i) const { return obs_.std.empty() ? 0 : obs_.std[i]; }

  void electrodes() {
    for (std::size_t i = 0; i < usable_.size(); ++i) {
      if (sound_electrodes(obs_.survey, obs_.survey.data[i])) continue;
      usable_[i] = 0;
      add(i, DcProblem::repeated_electrode, "uses an electrode twice, or lacks one for the current or the potential");
    }
  }

  void values() {
    for (std::size_t i = 0; i < usable_.size(); ++i) {
      if (usable_[i] == 0 || std::isfinite(obs_.volt[i])) continue;
      usable_[i] = 0;
      add(i, DcProblem::not_finite, "has no finite voltage");
    }
  }

  void resistivities() {
    DcSurvey sound;
    sound.electrodes = obs_.survey.electrodes;
    std::vector<std::size_t> at;
    for (std::size_t i = 0; i < usable_.size(); ++i) {
      if (usable_[i] == 0) continue;
      sound.data.push_back(obs_.survey.data[i]);
      at.push_back(i);
    }
    const std::vector<double> k = geometric_factors_m(sound, electrode_depths_m(obs_));
    std::vector<double> positive;
    for (std::size_t j = 0; j < at.size(); ++j) {
      const double rhoa = k[j] * obs_.volt[at[j]];
      if (std::isfinite(rhoa) && rhoa > 0) positive.push_back(rhoa);
    }
    const double middle = median_of(positive);
    const double low = std::max(options_.smallest_rhoa, middle / options_.outlier_factor);
    const double high = std::min(options_.largest_rhoa, middle * options_.outlier_factor);
    for (std::size_t j = 0; j < at.size(); ++j) {
      const std::size_t i = at[j];
      const double rhoa = k[j] * obs_.volt[i];
      if (!std::isfinite(k[j]) || k[j] == 0) {
        usable_[i] = 0;
        add(i, DcProblem::no_factor, "has no geometric factor: its terms cancel");
      } else if (obs_.volt[i] == 0) {
        add(i, DcProblem::zero_resistivity, "has the apparent resistivity 0");
      } else if (rhoa < 0) {
        if (!options_.negative_rhoa) {
          add(i, DcProblem::wrong_sign,
              "has the apparent resistivity " + short_number(rhoa) + " ohm m; the polarity may be wrong");
        }
      } else if (rhoa < low || rhoa > high) {
        add(i, DcProblem::outlying_resistivity,
            "has the apparent resistivity " + short_number(rhoa) + " ohm m, the median is " + short_number(middle));
      }
    }
  }

  void errors() {
    for (std::size_t i = 0; i < usable_.size(); ++i) {
      if (usable_[i] == 0) continue;
      const double s = std_of(i), v = std::fabs(obs_.volt[i]);
      if (!(s > 0) || !std::isfinite(s)) {
        add(i, DcProblem::no_std, "has no standard deviation above 0; set the errors by a formula", false);
      } else if (v > 0 && s > options_.largest_relative_std * v) {
        add(i, DcProblem::large_std, "has a standard deviation of " + short_number(100 * s / v) + " % of its voltage");
      }
    }
  }

  // Repetitions and reciprocals, each compared with the first of its kind.
  void partners() {
    std::map<PoleKey, std::pair<std::size_t, double>> first;  // datum, sign
    for (std::size_t i = 0; i < usable_.size(); ++i) {
      if (usable_[i] == 0) continue;
      double sign = 1;
      const PoleKey key = ordered(obs_.survey.data[i], sign);
      const PoleKey swapped{key[2], key[3], key[0], key[1]};
      const auto [same, fresh] = first.try_emplace(key, i, sign);
      if (!fresh) {
        repetition(i, same->second.first, sign * same->second.second);
      } else if (const auto twin = first.find(swapped); twin != first.end()) {
        reciprocal(i, twin->second.first, sign * twin->second.second);
      }
    }
    std::vector<double> relative;
    for (const DcReciprocal& r : out_.reciprocals) relative.push_back(r.relative);
    out_.median_reciprocal = median_of(relative);
    for (const double r : relative) out_.largest_reciprocal = std::max(out_.largest_reciprocal, r);
  }

  void repetition(std::size_t i, std::size_t before, double sign) {
    const double one = obs_.volt[before], two = sign * obs_.volt[i];
    if (one == two) {
      add(i, DcProblem::duplicate, "is a copy of " + name(before)).other = static_cast<Index>(before);
      return;
    }
    const double difference = std::fabs(one - two), mean = std::fabs(one + two) / 2;
    if (difference <= 3 * std::hypot(std_of(i), std_of(before)) || difference <= options_.reciprocal_limit * mean) {
      return;
    }
    disagree(i, before, DcProblem::repetition, "repeats ", difference, mean);
  }

  void reciprocal(std::size_t i, std::size_t before, double sign) {
    const double one = obs_.volt[before], two = sign * obs_.volt[i];
    const double difference = std::fabs(one - two), mean = std::fabs(one + two) / 2;
    out_.reciprocals.push_back({static_cast<Index>(before), static_cast<Index>(i), (one + two) / 2, one - two,
                                mean > 0         ? difference / mean
                                : difference > 0 ? INFINITY
                                                 : 0});
    if (difference > options_.reciprocal_limit * mean) {
      disagree(i, before, DcProblem::reciprocal, "is the reciprocal of ", difference, mean);
    }
  }

  // Which of both is wrong is not known: both count less.
  void disagree(std::size_t i, std::size_t before, DcProblem problem, const std::string& verb, double difference,
                double mean) {
    const std::string by = mean > 0 ? short_number(100 * difference / mean) + " %" : "all of its voltage";
    for (const auto& [one, two] : {std::pair{before, i}, std::pair{i, before}}) {
      DcIssue& issue = add(one, problem, verb + name(two) + ", from which it differs by " + by, false);
      issue.std_volt = difference / 2;
      issue.other = static_cast<Index>(two);
    }
  }

  const DcObservations& obs_;
  DcCheckOptions options_;
  std::vector<char> usable_;  // so far: electrodes, voltage and geometric factor exist
  DcCheck out_;
};

}  // namespace

const char* to_string(DcProblem problem) {
  static constexpr const char* names[] = {"repeated-electrode", "not-finite",           "no-factor", "zero-resistivity",
                                          "wrong-sign",         "outlying-resistivity", "no-std",    "large-std",
                                          "duplicate",          "repetition",           "reciprocal"};
  return names[static_cast<int>(problem)];
}

Index DcCheck::removed() const { return static_cast<Index>(std::count(keep.begin(), keep.end(), 0)); }

DcCheck check_dc_data(const DcObservations& obs, const DcCheckOptions& options) {
  return DataCheck(obs, options).run();
}

DcObservations applied(const DcObservations& obs, const DcCheck& check) {
  DcObservations out = obs;
  for (const DcIssue& issue : check.issues) {
    const auto i = static_cast<std::size_t>(issue.datum);
    if (!issue.remove && issue.std_volt > 0 && !out.std.empty()) out.std[i] = std::max(out.std[i], issue.std_volt);
  }
  out = selected(out, check.keep);
  if (check.removed() > 0) out.notes.push_back(counted(check.removed(), "datum") + " removed by the check of the data");
  return out;
}

void set_errors(DcObservations& obs, double relative, double floor_volt) {
  if (!(relative >= 0 && floor_volt >= 0 && std::isfinite(relative) && std::isfinite(floor_volt)) ||
      relative + floor_volt == 0) {
    throw Error(ErrorCode::config, "the relative error and the floor must not be negative, nor both zero", "errors");
  }
  std::vector<double> std;
  for (const double v : obs.volt) {
    std.push_back(relative * std::fabs(v) + floor_volt);
    if (std.back() > 0) continue;
    throw Error(ErrorCode::config, "datum " + std::to_string(std.size()) + " has the voltage 0 and needs a floor",
                "errors");
  }
  obs.std = std::move(std);
}

DcErrorModel reciprocal_error_model(const DcCheck& check, Index bins) {
  const auto pairs = static_cast<Index>(check.reciprocals.size());
  if (bins < 2 || pairs < 2 * bins) {
    throw Error(ErrorCode::data,
                "there are " + counted(pairs, "pair") + " of reciprocal data, too few for an error model in " +
                    std::to_string(bins) + " classes",
                "errors");
  }
  std::vector<DcReciprocal> sorted = check.reciprocals;
  std::sort(sorted.begin(), sorted.end(), [](const DcReciprocal& a, const DcReciprocal& b) {
    return std::fabs(a.mean_volt) < std::fabs(b.mean_volt);
  });
  // Normal equations of sum ((a + b x - y) / y)^2, x = mean |V| and y = std of a class.
  double s1 = 0, sx = 0, sxx = 0, sy = 0, sxy = 0;
  for (Index c = 0; c < bins; ++c) {
    const Index begin = pairs * c / bins, end = pairs * (c + 1) / bins;
    double x = 0, squares = 0;
    for (Index i = begin; i < end; ++i) {
      const DcReciprocal& r = sorted[static_cast<std::size_t>(i)];
      x += std::fabs(r.mean_volt);
      squares += r.difference_volt * r.difference_volt / 2;
    }
    const auto n = static_cast<double>(end - begin);
    x /= n;
    const double y = std::sqrt(squares / n);
    if (y == 0) continue;
    const double w = 1 / (y * y);
    s1 += w, sx += w * x, sxx += w * x * x, sy += w * y, sxy += w * x * y;
  }
  DcErrorModel model;
  const double determinant = s1 * sxx - sx * sx;
  if (determinant > 0) {
    model.floor_volt = (sxx * sy - sx * sxy) / determinant;
    model.relative = (s1 * sxy - sx * sy) / determinant;
  }
  if (model.floor_volt < 0 || determinant <= 0) model = {0, sxx > 0 ? sxy / sxx : 0};
  if (model.relative < 0) model = {s1 > 0 ? sy / s1 : 0, 0};
  return model;
}

}  // namespace terrane
