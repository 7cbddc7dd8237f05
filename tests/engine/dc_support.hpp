// SPDX-License-Identifier: MIT
// Surveys for the tests of readers and checks of DC data.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

#include "engine/io/dc_data.hpp"
#include "engine/io/ubc.hpp"
#include "kernels/runtime/error.hpp"
#include "physics/resistivity/dc_geometry.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {

class DcFiles : public FolderTest {};

inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

// What of a file is read, but for its title and the mark of common currents.
inline void expect_same_data(const UbcObservations& a, const UbcObservations& b) {
  EXPECT_EQ(a.dimensions, b.dimensions);
  EXPECT_EQ(a.survey.electrodes, b.survey.electrodes);
  EXPECT_EQ(a.survey.data, b.survey.data);
  EXPECT_EQ(a.value, b.value);
  EXPECT_EQ(a.std, b.std);
  EXPECT_EQ(a.format, b.format);
  EXPECT_EQ(a.has_z, b.has_z);
  EXPECT_EQ(a.ip_type, b.ip_type);
}

inline bool noted(const DcObservations& obs, const std::string& part) {
  for (const std::string& n : obs.notes) {
    if (n.find(part) != std::string::npos) return true;
  }
  return false;
}

// Runs f, which must throw, and compares the place and a part of the message.
inline void expect_error(const std::function<void()>& f, const std::string& where, const std::string& part,
                         ErrorCode code = ErrorCode::data) {
  try {
    f();
    ADD_FAILURE() << "no error: " << part;
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code) << e.message();
    EXPECT_EQ(e.where(), where) << e.what();
    EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what() << "\nlacks: " << part;
    EXPECT_EQ(e.message().find('\n'), std::string::npos);
  }
}

// Dipole-dipole data n = 1 .. 5 over rho_a = 50 + i ohm m, electrodes 2 m apart, every datum with its reciprocal.
inline DcObservations dipole_survey(Index electrodes, double std_share = 0.02) {
  DcObservations obs;
  for (Index i = 0; i < electrodes; ++i) obs.survey.electrodes.push_back({2.0 * static_cast<double>(i), 0, 0});
  for (Index a = 0; a + 3 < electrodes; ++a) {
    for (Index n = 1; n <= 5 && a + n + 2 < electrodes; ++n) {
      obs.survey.data.push_back({a + 1, a, a + n + 1, a + n + 2});
      obs.survey.data.push_back({a + n + 1, a + n + 2, a + 1, a});
    }
  }
  const std::vector<double> k = geometric_factors_m(obs);
  for (std::size_t i = 0; i < k.size(); ++i) {
    obs.volt.push_back((50 + static_cast<double>(i / 2)) / k[i]);
    obs.std.push_back(std_share * std::fabs(obs.volt[i]));
    obs.line.push_back(static_cast<Index>(i) + 10);
  }
  obs.format = "bert";
  return obs;
}

}  // namespace terrane
