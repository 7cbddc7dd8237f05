// SPDX-License-Identifier: MIT
// The unified-data container of BERT and pyGIMLi: a text file of
//   number of sensors, "# x y z", one sensor a line; number of data, "# a b m n rhoa err", one datum a line;
//   optionally a number of topography points (0: none), "# x y z", one point a line.
// "#" begins a comment; counts may carry one, and lines of comments and empty lines may stand anywhere. Separators are
// blanks and tabs, lines end in LF, CR LF or CR, tokens may be in either case, decimals have a point. Without its
// header line a list of positions is x, y, z.
//
// Units stand in the token. Those of x y z t u i r rhoa err are scaled away (x/mm, t/ms, u/mV, i/mA, err/%; an unknown
// one is an error), those of other columns are left as they are.
// Column names come out in lower case and without aliases: c1 c2 p1 p2 -> a b m n; rho R imp z u/i -> r (a resistance);
// rho_a ra rs -> rhoa. Positions stay as they are in the file: nothing is known of which axis points where.
// Columns a b m n s g are indices into the sensors: whole numbers from 1, with 0 for the electrode at infinity.
//
// Reading errors are Error{data} with where() "path:line" and the remedy in the message.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/runtime/hd.hpp"

namespace terrane {

struct PointList {
  std::vector<std::string> axes;                  // "x", "y", "z", in the order of the file
  std::vector<std::array<double, 3>> position_m;  // x, y, z as in the file; 0 where the axis is absent
  Index header_line = 0;                          // of the tokens, or of the count where there are none
  bool has(const char* axis) const;
  // All positions have the same value on the axis (0 x, 1 y, 2 z).
  bool constant(int axis) const;
};

struct SensorTable {
  PointList sensors, topography;
  std::vector<std::string> columns;         // see above
  std::vector<std::string> units;           // as in the file, lower case; "" when the token has none
  std::vector<std::vector<double>> values;  // (column, datum), SI; NaN and inf are kept
  Index data = 0;
  // Lines of the file, for messages: of the column names, of every datum. 0 and empty in a table that was not read.
  Index columns_line = 0;
  std::vector<Index> data_line;

  int find(std::string_view column) const;                         // -1 when there is none
  const std::vector<double>& column(std::string_view name) const;  // Error{data} when there is none
  static bool is_index(std::string_view column);                   // a b m n s g
};

// True if the text may be such a container: its first line that is no comment holds one whole number and nothing else.
bool looks_like_sensor_table(std::string_view text);

SensorTable read_sensor_table(const std::string& path);
SensorTable parse_sensor_table(std::string_view text, const std::string& path);

// Tab-separated, SI (with units where the table names some; err/% stays so), the shortest decimals that read back to
// the same bits. `comment`: one line at the top, or empty. Error{data} for a table whose lists do not fit together or
// which could not be read back.
std::string sensor_table_text(const SensorTable& table, const std::string& comment);
// Atomic.
void write_sensor_table(const std::string& path, const SensorTable& table, const std::string& comment = {});

}  // namespace terrane
