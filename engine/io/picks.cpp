// SPDX-License-Identifier: MIT
#include "engine/io/picks.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/io/file.hpp"
#include "engine/io/positions.hpp"
#include "engine/io/text.hpp"
#include "engine/io/text_rows.hpp"
#include "engine/median.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

constexpr double longest_median_s = 10;  // longer times are rather milliseconds without their unit

// --- picks -----------------------------------------------------------------------------------------------------------
struct Columns {
  const std::vector<double>*source, *receiver, *time, *error = nullptr, *valid = nullptr;
  bool relative = false;  // of the error
};

Columns columns_of(const SensorTable& table, const std::string& path) {
  if (table.data == 0) fail_at(path, 0, "the file has no picks");
  std::string missing;
  for (const char* name : {"s", "g", "t"}) {
    if (table.find(name) < 0) missing += std::string(missing.empty() ? "" : ", ") + name;
  }
  if (!missing.empty()) {
    std::string found;
    for (const std::string& c : table.columns) found += (found.empty() ? "" : " ") + c;
    fail_at(path, table.columns_line,
            "picks need columns s (source), g (receiver) and t (time), " + missing + " not found among: " + found);
  }
  Columns c{&table.column("s"), &table.column("g"), &table.column("t")};
  if (table.find("valid") >= 0) c.valid = &table.column("valid");
  const int error = table.find("err");
  if (error < 0) return c;
  c.error = &table.column("err");
  const std::string& unit = table.units[static_cast<std::size_t>(error)];
  const std::string& time_unit = table.units[static_cast<std::size_t>(table.find("t"))];
  c.relative = unit == "%";
  if (!unit.empty() && !c.relative && !unit.ends_with("s")) {
    fail_at(path, table.columns_line, "the error of a time cannot be in " + unit + "; write err/ms, err/s or err/%");
  }
  if (unit.empty() && !time_unit.empty() && time_unit != "s") {
    fail_at(path, table.columns_line,
            "t is in " + time_unit + ", err has no unit; write err/" + time_unit + ", err/s or err/%");
  }
  return c;
}

// Datum i as a pair of sensors, or false if it is dropped (and counted).
bool pick(const SensorTable& table, const Columns& c, const std::vector<Index>& number, std::size_t i,
          const std::string& path, PickFile& out, TravelPair& sensors) {
  const Index line = i < table.data_line.size() ? table.data_line[i] : 0;
  if (c.valid != nullptr && (*c.valid)[i] != 1) {
    if ((*c.valid)[i] != 0) fail_at(path, line, "valid must be 0 or 1");
    ++out.dropped_invalid;
    return false;
  }
  const double s = (*c.source)[i], g = (*c.receiver)[i], t = (*c.time)[i];
  if (s < 1 || g < 1) {
    fail_at(path, line,
            std::string(s < 1 ? "s" : "g") +
                " is 0, which is no sensor: the first one is 1; add 1 to all if the file counts from 0");
  }
  if (!std::isfinite(t))
    fail_at(path, line, "the time is not finite; remove the pick, or add a column valid with 0 here");
  if (t <= 0) {
    ++out.dropped_time;
    return false;
  }
  sensors = {number[static_cast<std::size_t>(s) - 1], number[static_cast<std::size_t>(g) - 1]};
  if (sensors.source == sensors.receiver) {
    ++out.dropped_coincident;
    return false;
  }
  if (c.error == nullptr) return true;
  const double e = (*c.error)[i] * (c.relative ? t : 1);
  if (!(std::isfinite(e) && e > 0)) {
    fail_at(
        path, line,
        "the error must be above 0, found " + short_number((*c.error)[i]) + "; correct it, or remove the column err");
  }
  out.std_s.push_back(e);
  return true;
}

void check_units(const SensorTable& table, const Columns& c, const PickFile& out, const std::string& path) {
  const double t = median_of(out.time_s);
  if (table.units[static_cast<std::size_t>(table.find("t"))].empty() && t > longest_median_s) {
    fail_at(path, table.columns_line,
            "half of the times are above " + short_number(t) +
                " s; write t/ms or t/us if that is their unit, t/s if they are seconds");
  }
  if (c.error != nullptr && median_of(out.std_s) >= t) {
    fail_at(path, table.columns_line,
            "the errors (median " + short_number(median_of(out.std_s)) + " s) are above the times (median " +
                short_number(t) + " s); write their unit: err/ms, err/us or err/%");
  }
}

// Sources and receivers of the survey from pairs of sensors.
void number_survey(const std::vector<TravelPair>& pairs, PickFile& out) {
  const std::size_t n = out.sensors.size();
  std::vector<Index> source(n, -1), receiver(n, -1);
  for (const TravelPair& p : pairs) {
    source[static_cast<std::size_t>(p.source)] = 0;
    receiver[static_cast<std::size_t>(p.receiver)] = 0;
  }
  const auto collect = [&](std::vector<Index>& used, std::vector<Point3>& points, std::vector<Index>& sensor) {
    for (std::size_t i = 0; i < n; ++i) {
      if (used[i] < 0) continue;
      used[i] = static_cast<Index>(points.size());
      points.push_back(out.sensors[i]);
      sensor.push_back(static_cast<Index>(i));
    }
  };
  collect(source, out.survey.sources, out.source_sensor);
  collect(receiver, out.survey.receivers, out.receiver_sensor);
  for (const TravelPair& p : pairs) {
    out.survey.pairs.push_back(
        {source[static_cast<std::size_t>(p.source)], receiver[static_cast<std::size_t>(p.receiver)]});
  }
}

void note_picks(const SensorTable& table, const Columns& c, PickFile& out) {
  const auto note = [&](Index n, const std::string& one, const std::string& rest) {
    if (n > 0) out.notes.push_back(counted(n, one) + " " + rest);
  };
  const auto unit = [&](const char* column) { return table.units[static_cast<std::size_t>(table.find(column))]; };
  if (!unit("t").empty() && unit("t") != "s") out.notes.push_back("times converted from " + unit("t") + " to s");
  if (c.relative) {
    out.notes.push_back("errors converted from % of the time to s");
  } else if (c.error != nullptr && !unit("err").empty() && unit("err") != "s") {
    out.notes.push_back("errors converted from " + unit("err") + " to s");
  }
  note(out.merged_sensors, "coincident sensor", "merged");
  note(out.dropped_invalid, "pick", "with valid = 0 dropped");
  note(out.dropped_time, "pick", "with t <= 0 dropped");
  note(out.dropped_coincident, "pick", "with source and receiver at one place dropped");
}

}  // namespace

PickFile picks_of(const SensorTable& table, const std::string& path, const std::string& second_axis) {
  check_second_axis(second_axis, path);
  PickFile out;
  const Columns columns = columns_of(table, path);
  const VerticalAxis vertical = vertical_axis(table.sensors, second_axis, path);
  out.notes.push_back(axis_note(vertical));
  const std::vector<Index> number = merge(oriented(table.sensors, vertical), out.sensors);
  out.merged_sensors = static_cast<Index>(number.size() - out.sensors.size());
  if (!table.topography.position_m.empty()) {
    out.topography = oriented(table.topography, topography_axis(table.topography, vertical, path));
  }
  std::vector<TravelPair> pairs;
  for (std::size_t i = 0; i < static_cast<std::size_t>(table.data); ++i) {
    TravelPair sensors;
    if (!pick(table, columns, number, i, path, out, sensors)) continue;
    pairs.push_back(sensors);
    out.time_s.push_back((*columns.time)[i]);
  }
  if (pairs.empty()) {
    fail_at(path, table.columns_line,
            "no pick is left: " + std::to_string(out.dropped_invalid) + " with valid = 0, " +
                std::to_string(out.dropped_time) + " with t <= 0, " + std::to_string(out.dropped_coincident) +
                " with source and receiver at one place");
  }
  check_units(table, columns, out, path);
  number_survey(pairs, out);
  note_picks(table, columns, out);
  return out;
}

PickFile parse_picks(std::string_view text, const std::string& path, const std::string& second_axis) {
  return picks_of(parse_sensor_table(text, path), path, second_axis);
}

PickFile read_picks(const std::string& path, const std::string& second_axis) {
  return parse_picks(read_file(path), path, second_axis);
}

PickFile picks_of(const TravelSurvey& survey, std::vector<double> time_s, std::vector<double> std_s) {
  survey.check();
  PickFile out;
  const std::vector<Index> source = merge(survey.sources, out.sensors), receiver = merge(survey.receivers, out.sensors);
  std::vector<TravelPair> pairs;
  for (const TravelPair& p : survey.pairs) {
    pairs.push_back({source[static_cast<std::size_t>(p.source)], receiver[static_cast<std::size_t>(p.receiver)]});
  }
  number_survey(pairs, out);
  out.time_s = std::move(time_s);
  out.std_s = std::move(std_s);
  return out;
}

void write_picks(const std::string& path, const PickFile& picks) {
  const std::size_t n = picks.survey.pairs.size();
  if (picks.time_s.size() != n || (!picks.std_s.empty() && picks.std_s.size() != n)) {
    throw Error(ErrorCode::data, "there must be one time (and one error, or none) for every pair", path);
  }
  for (const std::vector<double>* list : {&picks.time_s, &picks.std_s}) {
    const auto bad = [](double v) { return !(std::isfinite(v) && v > 0); };
    const auto at = std::find_if(list->begin(), list->end(), bad);
    if (at == list->end()) continue;
    throw Error(ErrorCode::data,
                std::string(list == &picks.time_s ? "the time" : "the error") + " of pick " +
                    std::to_string(at - list->begin()) + " is not above 0; leave that pick out",
                path);
  }
  SensorTable table;
  const auto off_line = [](const Point3& p) { return p.y_m != 0; };
  const bool three = std::any_of(picks.sensors.begin(), picks.sensors.end(), off_line) ||
                     std::any_of(picks.topography.begin(), picks.topography.end(), off_line);
  table.sensors = points_up(picks.sensors, three);
  table.topography = points_up(picks.topography, three);
  table.columns = {"s", "g", "t"};
  table.values.resize(3);
  table.data = static_cast<Index>(n);
  for (const TravelPair& p : picks.survey.pairs) {
    const Index s = picks.source_sensor.at(static_cast<std::size_t>(p.source));
    const Index g = picks.receiver_sensor.at(static_cast<std::size_t>(p.receiver));
    if (s == g) {
      throw Error(ErrorCode::data, "a pick has its source and receiver at one place; leave it out", path);
    }
    table.values[0].push_back(static_cast<double>(s + 1));
    table.values[1].push_back(static_cast<double>(g + 1));
  }
  table.values[2] = picks.time_s;
  // The plain token is what other programs know; long times need the unit to be read back.
  const std::string unit = median_of(picks.time_s) > longest_median_s ? "s" : "";
  table.units = {"", "", unit};
  if (!picks.std_s.empty()) {
    table.columns.push_back("err");
    table.values.push_back(picks.std_s);
    table.units.push_back(unit);
  }
  write_sensor_table(path, table, "first-arrival picks: metres, z is elevation; t and err in seconds");
}

double median_velocity_mps(const PickFile& picks) {
  std::vector<double> velocity;
  for (std::size_t i = 0; i < picks.time_s.size(); ++i) {
    const TravelPair p = picks.survey.pairs[i];
    const Point3& a = picks.survey.sources[static_cast<std::size_t>(p.source)];
    const Point3& b = picks.survey.receivers[static_cast<std::size_t>(p.receiver)];
    velocity.push_back(std::hypot(a.x_m - b.x_m, a.y_m - b.y_m, a.z_m - b.z_m) / picks.time_s[i]);
  }
  return median_of(velocity);
}

}  // namespace terrane
