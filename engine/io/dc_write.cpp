// SPDX-License-Identifier: MIT
// Writers of engine/io/dc_data.hpp.
#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/io/bert.hpp"
#include "engine/io/dc_data.hpp"
#include "engine/io/file.hpp"
#include "engine/io/positions.hpp"
#include "engine/io/text_rows.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

[[noreturn]] void refuse(const std::string& what) { throw Error(ErrorCode::data, what, "survey"); }

void check_writable(const DcObservations& obs) {
  obs.survey.check();
  const std::size_t n = obs.survey.data.size();
  if (obs.volt.size() != n) refuse("there must be one voltage for each datum");
  for (const auto* list : {&obs.volt, &obs.std, &obs.ip, &obs.ip_std, &obs.factor_m}) {
    if (!list->empty() && list->size() != n) refuse("a column has another length than the survey has data");
    for (std::size_t i = 0; i < list->size(); ++i) {
      if (!std::isfinite((*list)[i])) refuse("datum " + std::to_string(i) + " is not finite; drop it first");
    }
  }
  for (std::size_t i = 0; i < obs.std.size(); ++i) {
    if (obs.std[i] < 0) refuse("datum " + std::to_string(i) + " has a negative standard deviation");
  }
}

// The share that times |value| is std to the bit, if there is one near.
double share_of(double std, double value) {
  const double size = std::fabs(value), guess = std / size, infinity = std::numeric_limits<double>::infinity();
  if (!std::isfinite(guess)) refuse("a voltage is zero, so its error has no share of it; drop the datum first");
  double low = guess, high = guess;
  for (int step = 0; step < 3; ++step) {
    if (low * size == std) return low;
    if (high * size == std) return high;
    low = std::nextafter(low, -infinity);
    high = std::nextafter(high, infinity);
  }
  return guess;
}

}  // namespace

std::string bert_text(const DcObservations& obs) {
  check_writable(obs);
  SensorTable table;
  table.sensors = points_up(obs.survey.electrodes, false);
  table.topography = points_up(obs.topography, false);
  table.data = obs.survey.size();
  const auto add = [&](const char* name, const std::vector<double>& values, const std::string& unit = "") {
    table.columns.emplace_back(name);
    table.values.push_back(values);
    table.units.push_back(unit);
  };
  for (const auto& [name, member] :
       {std::pair{"a", &DcDatum::a}, {"b", &DcDatum::b}, {"m", &DcDatum::m}, {"n", &DcDatum::n}}) {
    std::vector<double> numbers;
    for (const DcDatum& d : obs.survey.data) numbers.push_back(static_cast<double>(d.*member + 1));
    add(name, numbers);
  }
  add("r", obs.volt);
  if (!obs.std.empty()) {
    std::vector<double> share;
    for (std::size_t i = 0; i < obs.std.size(); ++i) share.push_back(share_of(obs.std[i], obs.volt[i]));
    add("err", share);
  }
  if (!obs.factor_m.empty()) add("k", obs.factor_m);
  if (!obs.ip.empty()) add("ip", obs.ip, obs.ip_unit);
  if (!obs.ip_std.empty()) add("iperr", obs.ip_std);
  return sensor_table_text(table, "DC resistivity: metres, z is elevation; r in ohm, err is a share of r");
}

std::string r2_text(const DcObservations& obs) {
  check_writable(obs);
  const bool phase = obs.ip_unit == "mrad" && !obs.ip.empty();
  if (phase && obs.std.empty() && std::none_of(obs.ip.begin(), obs.ip.end(), [](double p) { return p < 0; })) {
    refuse("phases without errors that are nowhere negative would be read as errors; set the errors first");
  }
  std::string text = std::to_string(obs.survey.size()) + "\n";
  for (std::size_t i = 0; i < obs.volt.size(); ++i) {
    const DcDatum& d = obs.survey.data[i];
    text += std::to_string(i + 1);
    for (const Index e : {d.a, d.b, d.m, d.n}) {
      if (e < 0) {
        refuse("datum " + std::to_string(i) +
               " has an electrode at infinity, which R2 files do not know; put one far away");
      }
      text += "\t" + std::to_string(e + 1);
    }
    text += "\t" + number_text(obs.volt[i]);
    if (phase) text += "\t" + number_text(obs.ip[i]);
    if (!obs.std.empty()) text += "\t" + number_text(obs.std[i]);
    text += "\n";
  }
  return text;
}

std::string r2_electrodes_text(const DcObservations& obs) {
  std::string text = "x,y,z\n";
  for (const Point3& p : obs.survey.electrodes) {
    text += number_text(p.x_m) + "," + number_text(p.y_m) + "," + number_text(-p.z_m) + "\n";
  }
  return text;
}

std::string xyz_text(const DcObservations& obs) {
  check_writable(obs);
  std::string text = "XA ZA XB ZB XM ZM XN ZN VOLT";
  if (!obs.std.empty()) text += " STD";
  if (!obs.ip.empty()) text += " IP";
  if (!obs.ip_std.empty()) text += " IP_STD";
  text += "\n";
  for (std::size_t i = 0; i < obs.volt.size(); ++i) {
    DcDatum d = obs.survey.data[i];
    double sign = 1;  // a record without A is written with B in its place, one without M likewise
    if (d.a < 0) std::swap(d.a, d.b), sign = -sign;
    if (d.m < 0) std::swap(d.m, d.n), sign = -sign;
    for (const Index e : {d.a, d.b < 0 ? d.a : d.b, d.m, d.n < 0 ? d.m : d.n}) {
      const Point3& p = obs.survey.electrodes[static_cast<std::size_t>(e)];
      text += number_text(p.x_m) + " " + number_text(-p.z_m) + " ";
    }
    text += number_text(sign * obs.volt[i]);
    if (!obs.std.empty()) text += " " + number_text(obs.std[i]);
    if (!obs.ip.empty()) text += " " + number_text(obs.ip[i]);
    if (!obs.ip_std.empty()) text += " " + number_text(obs.ip_std[i]);
    text += "\n";
  }
  return text;
}

void write_bert(const std::string& path, const DcObservations& obs) { write_file_atomic(path, bert_text(obs)); }

void write_r2(const std::string& path, const std::string& electrode_path, const DcObservations& obs) {
  const std::string text = r2_text(obs);
  write_file_atomic(electrode_path, r2_electrodes_text(obs));
  write_file_atomic(path, text);
}

void write_xyz(const std::string& path, const DcObservations& obs) { write_file_atomic(path, xyz_text(obs)); }

}  // namespace terrane
