// SPDX-License-Identifier: MIT
// What the readers of DC surveys share (engine/io/dc_data.hpp); not for other use.
#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "engine/io/dc_data.hpp"
#include "engine/io/text_rows.hpp"

namespace terrane {

enum class DcErrorKind : int { none, relative, volt, ohm_m };

// Columns of a file before they are voltages; empty where the file has none. (datum)
struct DcColumns {
  std::vector<double> resistance, rhoa, factor, error, ip, ip_error;
  DcErrorKind error_kind = DcErrorKind::none;
  bool drape = false;       // electrodes without z lie on the topography
  bool reciprocal = false;  // factor may be 1/k
};

// Distinct electrodes and data as a file names them, with the checks that every format needs.
class DcBuilder {
 public:
  DcBuilder(std::string path, DcObservations& out) : path_(std::move(path)), out_(out) {}
  [[noreturn]] void fail(Index line, const std::string& what) const;
  // Number of the electrode at this place.
  Index electrode(const Point3& place);
  // -1: at infinity. Error{data} unless there is a current and a potential electrode, all of them different.
  void datum(Index line, const DcDatum& d);

 private:
  std::string path_;
  DcObservations& out_;
  std::map<std::tuple<double, double, double>, Index> known_;
};

DcObservations read_bert(std::string_view text, const std::string& path, const DcReadOptions& options,
                         DcColumns& columns);
DcObservations read_r2(std::string_view text, const std::string& path, const DcReadOptions& options,
                       DcColumns& columns);
// xyz and table
DcObservations read_columns(std::string_view text, const std::string& path, const DcReadOptions& options,
                            DcColumns& columns);
// True if a line of the text is the header of such a file; `table`: that stands in a comment.
bool has_columns_header(const TextRows& text, bool& table);

// The electrodes on one line y = 0.
void onto_line(DcObservations& obs, const std::string& path, bool project);
// Columns to volt, std, ip and factor_m.
void finish(DcObservations& obs, DcColumns& columns, const std::string& path);

}  // namespace terrane
