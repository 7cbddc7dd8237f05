// SPDX-License-Identifier: MIT
// First-arrival picks: the unified-data container (engine/io/bert.hpp) with columns s g t (source, receiver, time) and
// optionally err and valid, as in .sgt files.
//
// Times come out in seconds. err is an absolute error (s, or the unit of its token) or, with err/%, a share of the
// time. Picks with valid = 0, with t <= 0 and with source and receiver at one place are dropped and counted;
// coincident sensors are merged; repeated picks are kept. z comes out down.
//
// Which axis is vertical is said by `second_axis`, see engine/io/positions.hpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/io/bert.hpp"
#include "physics/travel_survey.hpp"

namespace terrane {

struct PickFile {
  std::vector<Point3> sensors;  // distinct positions, in the order of the file; z down
  TravelSurvey survey;  // sources and receivers: the sensors used as such, in sensor order; pairs as in the file
  std::vector<Index> source_sensor, receiver_sensor;  // (source), (receiver): which sensor it is
  std::vector<double> time_s;                         // (datum) > 0
  std::vector<double> std_s;                          // (datum) > 0; empty when the file has no errors
  std::vector<Point3> topography;                     // of the optional block; z down
  std::vector<std::string> notes;                     // one sentence for each conversion and each kind of dropped pick
  Index dropped_invalid = 0, dropped_time = 0, dropped_coincident = 0, merged_sensors = 0;
};

// Error{data} "path:line" with the remedy; Error{config} for an unknown second_axis. Also refused: times with a median
// above 10 s whose token has no unit, errors without a unit beside times with one, errors above the times.
PickFile read_picks(const std::string& path, const std::string& second_axis = "auto");
PickFile parse_picks(std::string_view text, const std::string& path, const std::string& second_axis = "auto");
PickFile picks_of(const SensorTable& table, const std::string& path, const std::string& second_axis = "auto");

// Picks of a survey, for writing. Sources and receivers at the same place become one sensor.
PickFile picks_of(const TravelSurvey& survey, std::vector<double> time_s, std::vector<double> std_s = {});

// Atomic; seconds; axes x z, or x y z where some y is not zero. What is read back has the same sensors, pairs, times
// and errors to the bit (with second_axis "horizontal" for x y z on one level). Error{data} for picks that could not be
// read back.
void write_picks(const std::string& path, const PickFile& picks);

// Median over the data of straight distance / time (m/s); 0 without data.
double median_velocity_mps(const PickFile& picks);

}  // namespace terrane
