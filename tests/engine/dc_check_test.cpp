// SPDX-License-Identifier: MIT
#include "engine/io/dc_check.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "kernels/runtime/random.hpp"
#include "tests/engine/dc_support.hpp"

namespace terrane {
namespace dc_check_test {

std::set<Index> listed(const DcCheck& check) {
  std::set<Index> data;
  for (const DcIssue& issue : check.issues) data.insert(issue.datum);
  return data;
}

TEST(DcCheck, SoundDataPass) {
  const DcObservations obs = dipole_survey(24);
  const DcCheck check = check_dc_data(obs);
  EXPECT_TRUE(check.issues.empty()) << check.issues[0].text;
  EXPECT_EQ(static_cast<Index>(check.reciprocals.size()), obs.survey.size() / 2);
  EXPECT_LT(check.largest_reciprocal, 1e-12);
  EXPECT_EQ(check.removed(), 0);
  EXPECT_EQ(applied(obs, check).volt, obs.volt);
}

// One datum in twenty is spoilt in one of eight ways; every one of them is listed, for its reason, and no other datum.
TEST(DcCheck, FivePerCentBadReadings) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    DcObservations obs = dipole_survey(60);
    const Random random(seed, RandomPurpose::test);
    const auto n = static_cast<std::size_t>(obs.survey.size());
    std::map<Index, DcProblem> bad;
    for (std::uint32_t c = 0; bad.size() < n / 20; ++c) {
      const auto i = static_cast<std::size_t>(random.integer(7, c, n));
      const auto twin = i ^ 1;  // a spoilt reciprocal would make the sound one of the pair suspect
      if (bad.count(static_cast<Index>(i)) > 0 || bad.count(static_cast<Index>(twin)) > 0) continue;
      DcDatum& d = obs.survey.data[i];
      DcProblem problem{};
      switch (bad.size() % 8) {
        case 0:
          d.n = d.m, problem = DcProblem::repeated_electrode;
          break;
        case 1:
          d.m = d.n = -1, problem = DcProblem::repeated_electrode;
          break;
        case 2:
          obs.volt[i] = std::nan(""), problem = DcProblem::not_finite;
          break;
        case 3:  // M half way between A and B, N at infinity
          d = {4, 6, 5, -1}, problem = DcProblem::no_factor;
          break;
        case 4:
          obs.std[i] = 0, problem = DcProblem::no_std;
          break;
        case 5:
          obs.std[i] = 0.7 * std::fabs(obs.volt[i]), problem = DcProblem::large_std;
          break;
        case 6:
          d = obs.survey.data[twin], problem = DcProblem::duplicate;
          break;
        default:
          d = {d.b, d.a, d.m, d.n}, d.a = 0, d.b = 59, problem = DcProblem::outlying_resistivity;
      }
      if (problem == DcProblem::duplicate) obs.volt[i] = obs.volt[twin], obs.std[i] = obs.std[twin];
      if (problem == DcProblem::outlying_resistivity) {
        obs.volt[i] = 1e9 / geometric_factors_m({obs.survey.electrodes, {d}}, std::vector<double>(60, 0.0))[0];
        obs.std[i] = 0.02 * std::fabs(obs.volt[i]);
      }
      bad[static_cast<Index>(i)] = problem;
    }
    const DcCheck check = check_dc_data(obs);
    for (const auto& [datum, problem] : bad) {
      const bool found = std::any_of(check.issues.begin(), check.issues.end(), [&](const DcIssue& issue) {
        return problem == DcProblem::duplicate ? issue.problem == problem && (issue.datum | 1) == (datum | 1)
                                               : issue.problem == problem && issue.datum == datum;
      });
      EXPECT_TRUE(found) << "seed " << seed << ", datum " << datum << ": " << to_string(problem);
    }
    // Of a datum and its copy the later one is listed.
    std::set<Index> expected;
    for (const auto& [datum, problem] : bad) expected.insert(problem == DcProblem::duplicate ? (datum | 1) : datum);
    EXPECT_EQ(listed(check), expected) << "seed " << seed;
    const DcObservations kept = applied(obs, check);
    DcCheckOptions relaxed;
    relaxed.need_std = false;
    for (const DcIssue& left : check_dc_data(kept, relaxed).issues) EXPECT_EQ(left.problem, DcProblem::no_std);
    EXPECT_EQ(kept.survey.size(), obs.survey.size() - check.removed());
    EXPECT_NO_THROW(kept.survey.check());
  }
}

TEST(DcCheck, WrongSignAndZero) {
  DcObservations obs = dipole_survey(8);
  obs.survey.data.resize(4);
  for (auto* list : {&obs.volt, &obs.std}) list->resize(4);
  obs.volt[0] = obs.volt[1] = -obs.volt[0];  // both of a pair, as with exchanged cables
  obs.volt[2] = obs.volt[3] = 0;
  DcCheck check = check_dc_data(obs);
  ASSERT_EQ(check.issues.size(), 4u);
  EXPECT_EQ(check.issues[0].problem, DcProblem::wrong_sign);
  EXPECT_NE(check.issues[0].text.find("datum 1 (line 10) has the apparent resistivity -50"), std::string::npos)
      << check.issues[0].text;
  EXPECT_EQ(check.issues[3].problem, DcProblem::zero_resistivity);
  EXPECT_EQ(check.removed(), 4);
  DcCheckOptions options;
  options.negative_rhoa = true;
  EXPECT_EQ(check_dc_data(obs, options).removed(), 2);
  obs.std.clear();
  EXPECT_EQ(check_dc_data(obs).issues.size(), 8u);  // four without errors beside
  options.need_std = false;
  EXPECT_EQ(check_dc_data(obs, options).issues.size(), 2u);
}

TEST(DcCheck, ReciprocalsAndRepetitions) {
  DcObservations obs = dipole_survey(12);
  obs.volt[7] *= 1.5;  // reciprocal of 6
  obs.survey.data.push_back(obs.survey.data[0]);
  std::swap(obs.survey.data.back().a, obs.survey.data.back().b);  // the same with the other polarity
  obs.volt.push_back(-1.3 * obs.volt[0]);
  obs.std.push_back(obs.std[0]);
  obs.survey.data.push_back(obs.survey.data[2]);
  obs.volt.push_back(1.01 * obs.volt[2]);  // a repetition within the errors is no fault
  obs.std.push_back(obs.std[2]);
  const DcCheck check = check_dc_data(obs);
  const auto last = static_cast<Index>(obs.volt.size()) - 2;
  EXPECT_EQ(listed(check), (std::set<Index>{0, 6, 7, last}));
  EXPECT_EQ(check.removed(), 0);
  EXPECT_NEAR(check.largest_reciprocal, 0.5 / 1.25, 1e-12);
  for (const DcIssue& issue : check.issues) {
    EXPECT_EQ(issue.problem, issue.datum == 6 || issue.datum == 7 ? DcProblem::reciprocal : DcProblem::repetition);
    EXPECT_EQ(issue.other, issue.datum == 6 ? 7 : issue.datum == 7 ? 6 : issue.datum == 0 ? last : 0);
  }
  const DcObservations weighted = applied(obs, check);
  EXPECT_NEAR(weighted.std[6], 0.25 * std::fabs(obs.volt[6]), 1e-15);
  EXPECT_EQ(weighted.std[2], obs.std[2]);
}

TEST(DcCheck, ErrorModels) {
  DcObservations obs = dipole_survey(60);
  set_errors(obs, 0.03, 1e-4);
  for (std::size_t i = 0; i < obs.volt.size(); ++i) {
    EXPECT_DOUBLE_EQ(obs.std[i], 0.03 * std::fabs(obs.volt[i]) + 1e-4);
  }
  expect_error([&] { set_errors(obs, 0, 0); }, "errors", "nor both zero", ErrorCode::config);
  expect_error([&] { set_errors(obs, -1, 1); }, "errors", "must not be negative", ErrorCode::config);
  // Noise of that model on both of each pair comes back out of their differences.
  set_errors(obs, 0.03, 4e-3);
  const Random random(3, RandomPurpose::test);
  for (std::size_t i = 0; i < obs.volt.size(); ++i) obs.volt[i] += obs.std[i] * random.normal(i);
  const DcErrorModel model = reciprocal_error_model(check_dc_data(obs));
  EXPECT_NEAR(model.relative, 0.03, 0.01);
  EXPECT_NEAR(model.floor_volt, 4e-3, 1.5e-3);
  DcObservations few = dipole_survey(5);
  expect_error([&] { reciprocal_error_model(check_dc_data(few)); }, "errors", "too few");
}

}  // namespace dc_check_test
}  // namespace terrane
