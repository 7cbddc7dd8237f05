// SPDX-License-Identifier: MIT
#include "engine/encoding.hpp"

#include <algorithm>
#include <cmath>

#include "engine/json.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {
namespace {

// (shots, ...). Error{data} naming the first shot that differs.
void require_same_for_all_shots(const std::vector<double>& mask, Index shots) {
  const auto part = mask.size() / static_cast<std::size_t>(shots);
  for (std::size_t i = part; i < mask.size(); ++i) {
    if (mask[i] == mask[i % part]) continue;
    throw Error(ErrorCode::data, "/encoding: the weights in /data/mask of shot " + std::to_string(i / part) +
                                     " differ from those of shot 0, but the shots of a super-shot are summed: give "
                                     "every shot the same, or leave the section \"encoding\" out");
  }
}

Index whole_samples(double time_s, double dt_s) { return static_cast<Index>(std::floor(time_s / dt_s * (1 + 1e-12))); }

}  // namespace

void check_encoding(const Json& section, const Problem& p) {
  const Index groups = section.at("groups");
  if (groups > p.shots()) {
    throw Error(ErrorCode::config, "/encoding/groups: " + std::to_string(groups) + " super-shots of " +
                                       std::to_string(p.shots()) + " shots: give at most one a shot");
  }
  for (std::size_t i = 0; i < p.survey.shots.size(); ++i) {
    const Shot3& shot = p.survey.shots[i];
    if (shot.sources.size() == 1 && shot.receivers == p.survey.shots[0].receivers) continue;
    throw Error(ErrorCode::config,
                "/encoding: shot " + std::to_string(i) +
                    (shot.sources.size() == 1 ? " has other receivers than shot 0" : " has not one source") +
                    ": super-shots need a fixed spread, the same receivers for every shot; leave the section "
                    "\"encoding\" out");
  }
  if (!p.mask.empty()) require_same_for_all_shots(p.mask, p.shots());
  const bool by_sample = p.mask.size() > static_cast<std::size_t>(p.shots() * p.survey.max_receivers());
  if (by_sample && whole_samples(section.at("max_shift_s"), p.survey.dt_s) > 0) {
    throw Error(ErrorCode::data,
                "/encoding/max_shift_s: the mask has weights that change along a trace, which a shift would move: give "
                "it the shape (shot, receiver), or no shift");
  }
}

SourceEncoding::SourceEncoding(const Json& section, const Problem& problem, std::uint64_t seed)
    : problem_(&problem),
      groups_(section.at("groups")),
      redraw_every_(section.at("redraw_every")),
      max_shift_(whole_samples(section.at("max_shift_s"), problem.survey.dt_s)),
      seed_(section.at("seed").is_null() ? seed : section.at("seed").get<std::uint64_t>()) {
  check_encoding(section, problem);
}

std::optional<SourceEncoding> source_encoding(const Config& config, const Problem& problem) {
  const Json section = value_at(config.json(), {"encoding"});
  if (!section.is_object() || !problem.waves()) return std::nullopt;
  return SourceEncoding(section, problem, config.json().at("seed").get<std::uint64_t>());
}

Problem SourceEncoding::problem() const {
  Problem p;
  p.physics = problem_->physics;
  p.property = problem_->property;
  p.grid = problem_->grid;
  p.wave = problem_->wave;
  p.wave.shared_wavelet = false;
  p.survey.nt = problem_->survey.nt;
  p.survey.dt_s = problem_->survey.dt_s;
  p.survey.shots.resize(static_cast<std::size_t>(groups_));
  for (std::size_t i = 0; i < problem_->survey.shots.size(); ++i) {
    Shot3& super = p.survey.shots[i % static_cast<std::size_t>(groups_)];
    super.sources.push_back(problem_->survey.shots[i].sources[0]);
    super.receivers = problem_->survey.shots[i].receivers;
  }
  return p;
}

ShotCodes SourceEncoding::codes(Index iteration, const std::vector<Index>& shots) const {
  const Random random(seed_, RandomPurpose::source_codes);
  ShotCodes c;
  c.amplitude.assign(static_cast<std::size_t>(problem_->shots()), 0.0);
  c.shift.assign(c.amplitude.size(), 0);
  for (const Index i : shots) {
    const Philox4 bits =
        random.bits(static_cast<std::uint64_t>(iteration / redraw_every_), static_cast<std::uint32_t>(i));
    c.amplitude[static_cast<std::size_t>(i)] = (bits.v[0] & 1u) != 0 ? 1.0 : -1.0;
    const auto shifts = static_cast<std::uint64_t>(max_shift_ + 1);
    c.shift[static_cast<std::size_t>(i)] = static_cast<Index>((std::uint64_t{bits.v[1]} * shifts) >> 32);
  }
  return c;
}

std::vector<double> SourceEncoding::wavelets(const ShotCodes& codes, const std::vector<double>& wavelet) const {
  const Index nt = problem_->survey.nt, sources = (problem_->shots() + groups_ - 1) / groups_;
  std::vector<double> all(static_cast<std::size_t>(groups_ * sources * nt), 0.0);
  for (Index i = 0; i < problem_->shots(); ++i) {
    const double a = codes.amplitude[static_cast<std::size_t>(i)];
    const Index shift = codes.shift[static_cast<std::size_t>(i)];
    double* row = all.data() + (i % groups_ * sources + i / groups_) * nt;
    for (Index n = shift; a != 0 && n < nt; ++n) row[n] = a * wavelet[static_cast<std::size_t>(n - shift)];
  }
  return all;
}

template <class T>
std::vector<T> SourceEncoding::data(const ShotCodes& codes, Index group, const std::vector<T>& observed) const {
  const Index nt = problem_->survey.nt, traces = static_cast<Index>(observed.size()) / (nt * problem_->shots());
  std::vector<T> sum(static_cast<std::size_t>(traces * nt), T(0));
  for (Index i = group; i < problem_->shots(); i += groups_) {
    const T a = static_cast<T>(codes.amplitude[static_cast<std::size_t>(i)]);
    const Index shift = codes.shift[static_cast<std::size_t>(i)];
    for (Index r = 0; a != T(0) && r < traces; ++r) {
      const T* from = observed.data() + (i * traces + r) * nt;
      T* to = sum.data() + r * nt;
      for (Index n = shift; n < nt; ++n) to[n] += a * from[n - shift];
    }
  }
  return sum;
}

template std::vector<float> SourceEncoding::data(const ShotCodes&, Index, const std::vector<float>&) const;
template std::vector<double> SourceEncoding::data(const ShotCodes&, Index, const std::vector<double>&) const;

}  // namespace terrane
