// SPDX-License-Identifier: MIT
// Readers of unified data, R2 and tables of columns for engine/io/dc_data.hpp.
#include <algorithm>
#include <cmath>
#include <iterator>

#include "engine/io/bert.hpp"
#include "engine/io/dc_readers.hpp"
#include "engine/io/file.hpp"
#include "engine/io/positions.hpp"
#include "engine/io/text.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

[[noreturn]] void fail(const std::string& path, Index line, const std::string& what) {
  throw Error(ErrorCode::data, what, line > 0 ? path + ":" + std::to_string(line) : path);
}

void check_increasing(const std::vector<Point3>& points, const std::string& path, Index line) {
  for (std::size_t i = 1; i < points.size(); ++i) {
    if (points[i].x_m > points[i - 1].x_m) continue;
    fail(path, line,
         "point " + std::to_string(i + 1) + " of the topography is at x = " + short_number(points[i].x_m) +
             " m after " + short_number(points[i - 1].x_m) + " m; sort the points and keep one for each x");
  }
}

// --- unified data ----------------------------------------------------------------------------------------------------
class Bert {
 public:
  Bert(const SensorTable& table, std::string path, DcColumns& columns)
      : table_(table), path_(std::move(path)), columns_(columns) {}

  void check() const {
    if (table_.data == 0) fail(path_, 0, "the file has no data");
    if (!has("a") && !has("b")) missing("a and b (current electrodes)");
    if (!has("m") && !has("n")) missing("m and n (potential electrodes)");
    if (!has("r") && !has("rhoa") && !(has("u") && has("i"))) {
      missing("r (resistance), u and i (voltage and current) or rhoa (apparent resistivity)");
    }
  }

  void read(const DcReadOptions& options, DcObservations& out) {
    const bool plan = options.dimensions == 3 && options.second_axis == "auto" && table_.sensors.has("y");
    const VerticalAxis vertical = vertical_axis(table_.sensors, plan ? "horizontal" : options.second_axis, path_);
    out.notes.push_back(axis_note(vertical));
    const std::vector<Index> number = merge(oriented(table_.sensors, vertical), out.survey.electrodes);
    if (number.size() > out.survey.electrodes.size()) {
      out.notes.push_back(
          counted(static_cast<Index>(number.size() - out.survey.electrodes.size()), "coincident sensor") + " merged");
    }
    if (!table_.topography.position_m.empty()) {
      out.topography = oriented(table_.topography, topography_axis(table_.topography, vertical, path_));
      if (options.dimensions != 3) check_increasing(out.topography, path_, table_.topography.header_line);
    }
    DcBuilder builder(path_, out);
    const auto electrode = [&](const char* name, std::size_t i) -> Index {
      if (!has(name)) return -1;
      const auto sensor = static_cast<std::size_t>(table_.column(name)[i]);
      return sensor == 0 ? -1 : number[sensor - 1];
    };
    error_unit();
    for (std::size_t i = 0; i < static_cast<std::size_t>(table_.data); ++i) {
      if (!valid(i)) {
        ++out.dropped;
        continue;
      }
      builder.datum(table_.data_line[i], {electrode("a", i), electrode("b", i), electrode("m", i), electrode("n", i)});
      values(i);
    }
    if (out.survey.data.empty()) fail(path_, table_.columns_line, "no datum is left: all have valid = 0");
    if (out.dropped > 0) out.notes.push_back(counted(out.dropped, "datum") + " with valid = 0 dropped");
    if (has("ip")) out.ip_unit = unit("ip") == "mv/v" ? "mV/V" : unit("ip");
    if (!has("b") || !has("n")) {
      out.notes.push_back(std::string("the file has no column ") + (has("b") ? "n" : "b") +
                          ": that electrode is at infinity");
    }
  }

 private:
  bool has(const char* name) const { return table_.find(name) >= 0; }
  std::string unit(const char* name) const { return table_.units[static_cast<std::size_t>(table_.find(name))]; }
  [[noreturn]] void missing(const std::string& what) const {
    fail(path_, table_.columns_line,
         "a DC survey needs " + what + ", not found among: " + join_words(table_.columns, " "));
  }

  void error_unit() {
    if (!has("err")) return;
    const std::string u = unit("err");
    if (u.empty() || u == "%") {
      columns_.error_kind = DcErrorKind::relative;
    } else if (u == "v" || u == "mv") {
      columns_.error_kind = DcErrorKind::volt;
      if (has("u") && !has("i")) {
        fail(path_, table_.columns_line, "an error in volt needs the current i beside it; write err/% or add i");
      }
    } else {
      fail(path_, table_.columns_line, "the error of a resistance cannot be in " + u + "; write err, err/% or err/V");
    }
  }

  bool valid(std::size_t i) const {
    if (!has("valid")) return true;
    const double v = table_.column("valid")[i];
    if (v != 0 && v != 1) fail(path_, table_.data_line[i], "valid must be 0 or 1");
    return v == 1;
  }

  double finite(const char* name, std::size_t i) const {
    const double v = table_.column(name)[i];
    if (!std::isfinite(v)) {
      fail(path_, table_.data_line[i],
           std::string(name) + " of datum " + std::to_string(i + 1) +
               " is not finite; remove the datum, or add a column valid with 0 here");
    }
    return v;
  }

  void values(std::size_t i) {
    double current = 1;
    if (has("i")) {
      current = finite("i", i);
      if (current == 0) fail(path_, table_.data_line[i], "the current i is 0; remove the datum or correct it");
    }
    if (has("r")) {
      columns_.resistance.push_back(finite("r", i));
    } else if (has("u") && has("i")) {
      columns_.resistance.push_back(finite("u", i) / current);
    }
    if (has("rhoa")) columns_.rhoa.push_back(finite("rhoa", i));
    if (has("k")) columns_.factor.push_back(finite("k", i));
    if (has("ip")) columns_.ip.push_back(finite("ip", i));
    if (has("iperr")) columns_.ip_error.push_back(finite("iperr", i));
    if (has("err")) {
      columns_.error.push_back(table_.column("err")[i] /
                               (columns_.error_kind == DcErrorKind::volt ? std::fabs(current) : 1));
    }
  }

  const SensorTable& table_;
  std::string path_;
  DcColumns& columns_;
};

// --- R2 --------------------------------------------------------------------------------------------------------------
std::vector<Point3> electrode_places(const DcReadOptions& o, const std::string& path, Index needed) {
  std::vector<Point3> places;
  if (o.electrode_file.empty()) {
    if (o.electrode_spacing_m == 0) {
      throw Error(ErrorCode::config,
                  "an R2 file numbers its electrodes without saying where they are; set electrode_file or "
                  "electrode_spacing_m",
                  path);
    }
    for (Index i = 0; i < needed; ++i) places.push_back({o.electrode_spacing_m * static_cast<double>(i), 0, 0});
    return places;
  }
  const std::string bytes = read_file(o.electrode_file);
  const TextRows text(bytes, o.electrode_file, "#!", true);
  if (text.rows.empty()) text.fail(text.lines, "the file has no electrodes");
  std::vector<std::string> names;
  double ignored = 0;
  std::size_t first = 0;
  if (!number_of(text.rows[0].tokens[0], ignored)) {
    for (const std::string_view t : text.rows[0].tokens) names.push_back(lower(t));
    first = 1;
  } else {
    names =
        text.rows[0].tokens.size() == 2 ? std::vector<std::string>{"x", "z"} : std::vector<std::string>{"x", "y", "z"};
  }
  const auto column = [&](const char* name) {
    return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  };
  if (column("x") == names.size()) text.fail(text.rows[0], "there is no column x among: " + join_words(names, " "));
  for (std::size_t r = first; r < text.rows.size(); ++r) {
    const TextRow& row = text.rows[r];
    if (row.tokens.size() != names.size()) {
      text.fail(row, "expected " + counted(static_cast<Index>(names.size()), "value") + " (" + join_words(names, " ") +
                         ") for electrode " + std::to_string(places.size() + 1) + ", found " +
                         std::to_string(row.tokens.size()));
    }
    const auto value = [&](const char* name) {
      return column(name) < names.size() ? text.number(row, column(name)) : 0.0;
    };
    const double z = value("z");
    places.push_back({value("x"), (o.z_axis == "up" ? -z : z) + 0.0, value("y")});
  }
  return places;
}

struct R2Row {
  Index line = 0;
  std::array<Index, 4> electrode{};
  std::vector<double> values;
};

std::vector<R2Row> r2_rows(const TextRows& text) {
  if (text.rows.empty()) text.fail(text.lines, "the file has no data; the first number is how many there are");
  const Index count = text.whole(text.rows[0], 0, "the number of data");
  if (text.rows[0].tokens.size() != 1 || count < 1) {
    text.fail(text.rows[0], "expected the number of data alone on its line, found " + in_quotes(text.rows[0].text));
  }
  const auto following = static_cast<Index>(text.rows.size()) - 1;
  if (count != following) {
    text.fail(following < count ? text.lines : text.rows[static_cast<std::size_t>(count) + 1].line,
              "line " + std::to_string(text.rows[0].line) + " announces " + std::to_string(count) + " data, " +
                  counted(following, "line") + " follow; correct the number or copy the file again");
  }
  const std::size_t width = text.rows[1].tokens.size();
  const bool strings = width >= 10;
  if (width < 6 || width > 13) {
    text.fail(text.rows[1],
              "expected an index, four electrodes, V/I and perhaps an error (6 to 9 values; 10 to 13 in "
              "3-D files), found " +
                  std::to_string(width));
  }
  std::vector<R2Row> rows;
  for (Index i = 1; i <= count; ++i) {
    const TextRow& row = text.rows[static_cast<std::size_t>(i)];
    if (row.tokens.size() != width) {
      text.fail(row, "datum " + std::to_string(i) + " has " + std::to_string(row.tokens.size()) +
                         " values, the first has " + std::to_string(width));
    }
    if (text.whole(row, 0, "the number of the datum") != i) {
      text.fail(row, "expected datum " + std::to_string(i) + ", found number " + std::string(row.tokens[0]) +
                         "; number the data from 1 on");
    }
    R2Row out{row.line, {}, {}};
    for (std::size_t e = 0; e < 4; ++e) {
      const std::size_t at = strings ? 2 * e + 2 : e + 1;
      out.electrode[e] = text.whole(row, at, "the number of an electrode");
      if (strings && row.tokens[at - 1] != text.rows[1].tokens[1]) {
        text.fail(row, "the electrodes are on several strings (" + std::string(text.rows[1].tokens[1]) + " and " +
                           std::string(row.tokens[at - 1]) + "); surveys of one line are read");
      }
    }
    for (std::size_t c = strings ? 9 : 5; c < width; ++c) out.values.push_back(text.number(row, c));
    rows.push_back(std::move(out));
  }
  return rows;
}

// --- tables of columns -----------------------------------------------------------------------------------------------
enum class Column : int { place, resistance, rhoa, error, rhoa_error, ip, ip_error, factor, unknown };

struct Name {
  const char* name;
  Column column;
};
constexpr Name column_names[] = {{"v", Column::resistance},
                                 {"volt", Column::resistance},
                                 {"volts", Column::resistance},
                                 {"voltage", Column::resistance},
                                 {"v/i", Column::resistance},
                                 {"potential", Column::resistance},
                                 {"resistance", Column::resistance},
                                 {"dobs", Column::resistance},
                                 {"apparent_resistivity", Column::rhoa},
                                 {"rhoa", Column::rhoa},
                                 {"appres", Column::rhoa},
                                 {"app_res", Column::rhoa},
                                 {"std", Column::error},
                                 {"uncert", Column::error},
                                 {"uncertainty", Column::error},
                                 {"volt_err", Column::error},
                                 {"v_err", Column::error},
                                 {"standard_deviation", Column::error},
                                 {"rhoa_err", Column::rhoa_error},
                                 {"appres_err", Column::rhoa_error},
                                 {"apparent_resistivity_err", Column::rhoa_error},
                                 {"ip", Column::ip},
                                 {"apparent_chargeability", Column::ip},
                                 {"chargeability", Column::ip},
                                 {"ip_std", Column::ip_error},
                                 {"ip_err", Column::ip_error},
                                 {"apparent_chargeability_err", Column::ip_error},
                                 {"geometric_factor", Column::factor},
                                 {"k", Column::factor}};

// Names of a header line without commas, in lower case; a_loc and its like are x of that electrode.
std::vector<std::string> header_names(const Tokens& tokens) {
  std::vector<std::string> names;
  for (std::string_view t : tokens) {
    while (!t.empty() && (t.back() == ',' || t.back() == '#')) t.remove_suffix(1);
    while (!t.empty() && t.front() == '#') t.remove_prefix(1);
    if (t.empty()) continue;
    const std::string name = lower(t);
    const bool location = name.size() == 5 && name.ends_with("_loc");
    names.push_back(location ? std::string("x") + name[0] : name);
  }
  return names;
}

bool is_place(const std::string& n) {
  return n.size() == 2 && std::string_view("xyz").find(n[0]) != std::string_view::npos &&
         std::string_view("abmn").find(n[1]) != std::string_view::npos;
}

Column column_of(const std::string& name) {
  if (is_place(name)) return Column::place;
  const auto at =
      std::find_if(std::begin(column_names), std::end(column_names), [&](const Name& n) { return name == n.name; });
  return at == std::end(column_names) ? Column::unknown : at->column;
}

bool is_header(const std::vector<std::string>& names) {
  const auto holds = [&](const char* n) { return std::find(names.begin(), names.end(), n) != names.end(); };
  return (holds("xa") || holds("xb")) && (holds("xm") || holds("xn"));
}

struct Header {
  Index line = 0;
  std::size_t first_row = 0;
  std::vector<std::string> names;
  int find(const std::string& name) const {
    const auto at = std::find(names.begin(), names.end(), name);
    return at == names.end() ? -1 : static_cast<int>(at - names.begin());
  }
  int find(Column column) const {
    const auto at = std::find_if(names.begin(), names.end(), [&](const auto& n) { return column_of(n) == column; });
    return at == names.end() ? -1 : static_cast<int>(at - names.begin());
  }
};

Header header_of(const TextRows& text) {
  Header header;
  if (!text.rows.empty()) {
    header = {text.rows[0].line, 1, header_names(text.rows[0].tokens)};
    if (is_header(header.names)) return header;
  }
  for (const TextRow& c : text.comments) {
    header = {c.line, 0, header_names(c.tokens)};
    if (is_header(header.names)) return header;
  }
  text.fail(1, "there is no line of column names with XA, XB, XM and XN (or a_loc, b_loc, m_loc, n_loc)");
}

void check_header(const TextRows& text, const Header& h) {
  for (std::size_t i = 0; i < h.names.size(); ++i) {
    const Column c = column_of(h.names[i]);
    for (std::size_t j = 0; j < i; ++j) {
      if (h.names[i] == h.names[j] || (c != Column::place && c != Column::unknown && column_of(h.names[j]) == c)) {
        text.fail(h.line, "the columns " + h.names[j] + " and " + h.names[i] + " are the same quantity; remove one");
      }
    }
  }
  if (h.find(Column::resistance) < 0 && h.find(Column::rhoa) < 0 && h.find(Column::ip) < 0) {
    text.fail(h.line,
              "none of the columns is a voltage (VOLT, V/I), an apparent resistivity (APPRES, "
              "apparent_resistivity) or a chargeability (IP); found: " +
                  join_words(h.names, " "));
  }
}

}  // namespace

DcObservations read_bert(std::string_view text, const std::string& path, const DcReadOptions& options,
                         DcColumns& columns) {
  check_second_axis(options.second_axis, path);
  const SensorTable table = parse_sensor_table(text, path);
  DcObservations out;
  Bert bert(table, path, columns);
  bert.check();
  bert.read(options, out);
  return out;
}

DcObservations read_r2(std::string_view bytes, const std::string& path, const DcReadOptions& options,
                       DcColumns& columns) {
  const TextRows text(bytes, path, "#!");
  const std::vector<R2Row> rows = r2_rows(text);
  Index most = 0;
  for (const R2Row& r : rows) most = std::max(most, *std::max_element(r.electrode.begin(), r.electrode.end()));
  if (options.electrode_file.empty() && most > 4 * static_cast<Index>(rows.size()) + 1000) {
    text.fail(1, "the largest number of an electrode is " + std::to_string(most) + "; is this an R2 file?");
  }
  const std::vector<Point3> places = electrode_places(options, path, most);
  DcObservations out;
  const std::vector<Index> number = merge(places, out.survey.electrodes);
  DcBuilder builder(path, out);
  const bool phase =
      std::any_of(rows.begin(), rows.end(), [](const R2Row& r) { return r.values.size() > 1 && r.values[1] < 0; }) ||
      rows[0].values.size() > 2;
  for (const R2Row& r : rows) {
    std::array<Index, 4> e{};
    for (std::size_t i = 0; i < 4; ++i) {
      if (r.electrode[i] < 1 || r.electrode[i] > static_cast<Index>(places.size())) {
        text.fail(r.line, "electrode " + std::to_string(r.electrode[i]) + " is not among the " +
                              std::to_string(places.size()) + " of " +
                              (options.electrode_file.empty() ? "the line" : options.electrode_file));
      }
      e[std::string_view("abmn").find(options.electrode_order[i])] =
          number[static_cast<std::size_t>(r.electrode[i]) - 1];
    }
    builder.datum(r.line, {e[0], e[1], e[2], e[3]});
    columns.resistance.push_back(r.values[0]);
    if (phase) columns.ip.push_back(r.values[1]);
    if (const std::size_t at = phase ? 2 : 1; r.values.size() > at) columns.error.push_back(r.values[at]);
  }
  if (!columns.error.empty()) columns.error_kind = DcErrorKind::volt;
  if (phase) {
    out.ip_unit = "mrad";
    out.notes.emplace_back(
        "the seventh column is taken for the phase of cR2 in mrad, as it has negative values or an "
        "eighth beside it");
  }
  if (options.electrode_file.empty()) {
    out.notes.push_back("electrodes are put at z = 0, " + short_number(options.electrode_spacing_m) + " m apart");
  }
  out.notes.push_back("the four electrodes of a datum are taken in the order " + options.electrode_order);
  return out;
}

bool has_columns_header(const TextRows& text, bool& table) {
  table = false;
  if (!text.rows.empty() && is_header(header_names(text.rows[0].tokens))) return true;
  table = true;
  return std::any_of(text.comments.begin(), text.comments.end(),
                     [](const TextRow& c) { return is_header(header_names(c.tokens)); });
}

DcObservations read_columns(std::string_view bytes, const std::string& path, const DcReadOptions& options,
                            DcColumns& columns) {
  const TextRows text(bytes, path, "!#");
  const Header h = header_of(text);
  check_header(text, h);
  DcObservations out;
  DcBuilder builder(path, out);
  columns.drape = h.find("za") < 0 && h.find("zm") < 0;
  columns.reciprocal = true;
  for (const std::string& n : h.names) {
    if (column_of(n) == Column::unknown) out.notes.push_back("the column " + n + " is not read");
  }
  const int rhoa = h.find(Column::rhoa), volt = h.find(Column::resistance), std = h.find(Column::error);
  const int rhoa_std = h.find(Column::rhoa_error);
  const bool error_of_rhoa = rhoa >= 0 && (rhoa_std >= 0 || volt < 0);
  const int error = error_of_rhoa && rhoa_std >= 0 ? rhoa_std : std;
  if (error >= 0) columns.error_kind = error_of_rhoa ? DcErrorKind::ohm_m : DcErrorKind::volt;
  for (std::size_t r = h.first_row; r < text.rows.size(); ++r) {
    const TextRow& row = text.rows[r];
    const std::string record = "datum " + std::to_string(out.survey.data.size() + 1);
    if (row.tokens.size() != h.names.size()) {
      for (std::size_t c = 0; c < row.tokens.size(); ++c) text.number(row, c);  // commas and words are likelier
      text.fail(row, record + " has " + counted(static_cast<Index>(row.tokens.size()), "value") + ", line " +
                         std::to_string(h.line) + " names " + counted(static_cast<Index>(h.names.size()), "column"));
    }
    const auto value = [&](int column) {
      return column < 0 ? 0.0 : text.number(row, static_cast<std::size_t>(column));
    };
    const auto electrode = [&](char e) -> Index {
      const int x = h.find(std::string("x") + e);
      if (x < 0) return -1;
      const double z = value(h.find(std::string("z") + e));
      return builder.electrode(
          {value(x) + 0.0, (options.z_axis == "up" ? -z : z) + 0.0, value(h.find(std::string("y") + e)) + 0.0});
    };
    DcDatum d{electrode('a'), electrode('b'), electrode('m'), electrode('n')};
    if (d.b == d.a) d.b = -1;
    if (d.n == d.m) d.n = -1;
    builder.datum(row.line, d);
    const auto add = [&](int column, std::vector<double>& list) {
      if (column >= 0) list.push_back(value(column));
    };
    add(volt, columns.resistance);
    add(rhoa, columns.rhoa);
    add(error, columns.error);
    add(h.find(Column::ip), columns.ip);
    add(h.find(Column::ip_error), columns.ip_error);
    add(h.find(Column::factor), columns.factor);
  }
  if (out.survey.data.empty()) text.fail(text.lines, "the file has no data below its column names");
  return out;
}

}  // namespace terrane
