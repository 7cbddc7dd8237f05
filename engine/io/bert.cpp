// SPDX-License-Identifier: MIT
#include "engine/io/bert.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "engine/io/file.hpp"
#include "engine/io/text.hpp"
#include "engine/io/text_rows.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

// --- tokens with units -----------------------------------------------------------------------------------------------
enum class BertQuantity { any, length, time, voltage, current, resistance, resistivity, deviation };
struct BertUnit {
  const char* name;  // lower case
  double factor;
  BertQuantity quantity;
};
constexpr BertUnit unit_table[] = {
    {"m", 1, BertQuantity::length},
    {"mm", 1e-3, BertQuantity::length},
    {"cm", 1e-2, BertQuantity::length},
    {"km", 1e3, BertQuantity::length},
    {"s", 1, BertQuantity::time},
    {"ms", 1e-3, BertQuantity::time},
    {"us", 1e-6, BertQuantity::time},
    {"\xc2\xb5s", 1e-6, BertQuantity::time},
    {"\xce\xbcs", 1e-6, BertQuantity::time},
    {"ns", 1e-9, BertQuantity::time},
    {"v", 1, BertQuantity::voltage},
    {"mv", 1e-3, BertQuantity::voltage},
    {"a", 1, BertQuantity::current},
    {"ma", 1e-3, BertQuantity::current},
    {"ohm", 1, BertQuantity::resistance},
    {"ohmm", 1, BertQuantity::resistivity},
    {"ohm*m", 1, BertQuantity::resistivity},
    {"ohm.m", 1, BertQuantity::resistivity},
    {"%", 1e-2, BertQuantity::deviation},
};

struct BertToken {
  std::string name, unit;
  double factor = 1;
};

BertQuantity quantity_of(const std::string& column) {
  if (column == "x" || column == "y" || column == "z") return BertQuantity::length;
  if (column == "t") return BertQuantity::time;
  if (column == "u") return BertQuantity::voltage;
  if (column == "i") return BertQuantity::current;
  if (column == "r") return BertQuantity::resistance;
  if (column == "rhoa") return BertQuantity::resistivity;
  return column == "err" ? BertQuantity::deviation : BertQuantity::any;
}

// An error may be a share of the value or in the unit of one.
bool fits(BertQuantity unit, BertQuantity column) {
  return unit == column ||
         (column == BertQuantity::deviation && (unit == BertQuantity::time || unit == BertQuantity::voltage));
}

std::string units_for(BertQuantity column) {
  std::vector<std::string> names;
  for (const BertUnit& u : unit_table) {
    if (fits(u.quantity, column) && static_cast<unsigned char>(u.name[0]) < 128) names.push_back(u.name);
  }
  return join_words(names, " ");
}

// Name and unit of a header token without its factor; `position`: of a list of positions, where z is an axis.
BertToken split_token(std::string_view text, bool position) {
  static constexpr std::pair<const char*, const char*> aliases[] = {
      {"c1", "a"}, {"c2", "b"},  {"p1", "m"},    {"p2", "n"},    {"rho", "r"},
      {"z", "r"},  {"imp", "r"}, {"ra", "rhoa"}, {"rs", "rhoa"}, {"rho_a", "rhoa"}};
  BertToken token;
  token.name = lower(text);
  if (!position && token.name == "u/i") return {"r", "", 1};
  if (const std::size_t slash = token.name.find('/'); slash != std::string::npos) {
    token.unit = token.name.substr(slash + 1);
    token.name.resize(slash);
  }
  for (const auto& [alias, name] : aliases) {
    if (!position && token.name == alias) token.name = name;
  }
  return token;
}

bool known_name(std::string_view text, bool position) {
  static constexpr std::string_view names[] = {"a", "b", "m", "n",  "s",   "g",    "t",    "r",
                                               "u", "i", "k", "ip", "err", "rhoa", "valid"};
  const std::string name = split_token(text, position).name;
  if (position) return name == "x" || name == "y" || name == "z";
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// --- lines -----------------------------------------------------------------------------------------------------------
struct Line {
  Index number = 0;  // from 1
  std::string_view text;
  bool has_comment = false;
  std::string_view comment;
};

std::vector<Line> lines_of(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  std::vector<Line> lines;
  for (Index number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find_first_of("\r\n"), text.size());
    Line line{number, text.substr(0, end), false, {}};
    text.remove_prefix(end + (text.substr(end, 2) == "\r\n" ? 2 : end < text.size() ? 1 : 0));
    if (const std::size_t hash = line.text.find('#'); hash != std::string_view::npos) {
      line.has_comment = true;
      line.comment = line.text.substr(hash + 1);
      line.text = line.text.substr(0, hash);
    }
    lines.push_back(line);
  }
  return lines;
}

// --- the parser ------------------------------------------------------------------------------------------------------
class Parser {
 public:
  Parser(std::string_view text, const std::string& path) : lines_(lines_of(text)), path_(path) {
    if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff") || text.find('\0') != std::string_view::npos) {
      throw Error(ErrorCode::data, "this is no plain text (zero bytes or UTF-16); save it as ASCII or UTF-8", path);
    }
  }

  SensorTable parse() {
    const Count sensors = count("sensors");
    if (sensors.n < 1) fail(sensors.line, "the file has no sensors; the first number is how many there are");
    table_.sensors = points(sensors, "sensor");
    rows_before_ = "the " + counted(sensors.n, "sensor") + " that line " + std::to_string(sensors.line) + " announces";
    const Count data = count("data");
    table_.data = data.n;
    read_data(data);
    rows_before_ = "the " + std::to_string(data.n) + " data that line " + std::to_string(data.line) + " announces";
    if (next_row()) {
      const Count topography = count("topography points");
      if (topography.n > 0) table_.topography = points(topography, "topography point");
      rows_before_ = "the end";
      if (next_row()) fail(row_->number, "text after " + rows_before_ + " of the file: " + in_quotes(row_->text));
    }
    return std::move(table_);
  }

 private:
  struct Count {
    Index n = 0, line = 0;
  };
  [[noreturn]] void fail(Index line, const std::string& what) const {
    throw Error(ErrorCode::data, what, path_ + ":" + std::to_string(line));
  }

  // Moves to the next line that is more than a comment, unless there already; comments_ are those passed on the way.
  bool next_row() {
    if (row_ != nullptr) return true;
    for (; at_ < lines_.size(); ++at_) {
      const Line& line = lines_[at_];
      tokens_ = split(line.text);
      if (!tokens_.empty()) {
        row_ = &line;
        ++at_;
        return true;
      }
      if (line.has_comment) comments_.push_back(&line);
    }
    return false;
  }
  void done() { row_ = nullptr; }
  Index last_line() const { return std::max<Index>(1, static_cast<Index>(lines_.size())); }

  Count count(const std::string& what) {
    if (!next_row()) {
      fail(last_line(), "expected the number of " + what + ", the file ends; it is cut short, copy it again");
    }
    const Line& line = *row_;
    Index n = -1;
    const std::string_view t = tokens_[0];
    const auto [end, problem] = std::from_chars(t.data(), t.data() + t.size(), n);
    if (tokens_.size() > 1 || problem != std::errc{} || end != t.data() + t.size() || n < 0) {
      const std::string found =
          tokens_.size() > 1 ? counted(static_cast<Index>(tokens_.size()), "value") : in_quotes(t);
      fail(line.number,
           "expected the number of " + what + " alone on its line, found " + found +
               (rows_before_.empty() ? "; is this a file of sensors and data?"
                                     : "; after " + rows_before_ + ": correct that number or remove the line"));
    }
    const Index left = last_line() - line.number;
    if (n > left) {
      fail(line.number, "this announces " + std::to_string(n) + " " + what + ", but " + counted(left, "line") +
                            " follow; correct the number, or the file is cut short: copy it again");
    }
    comments_.clear();
    done();
    return {n, line.number};
  }

  // The next row of a list, which must have `width` values; `what` and `i` name it.
  const Line& row(std::size_t width, const std::string& names, const std::string& what, Index i, const Count& of) {
    const auto announced = [&] {
      return what + " " + std::to_string(i + 1) + " of the " + std::to_string(of.n) + " that line " +
             std::to_string(of.line) + " announces";
    };
    if (!next_row()) {
      fail(last_line(), "expected " + announced() + ", the file ends; correct the number or copy the file again");
    }
    if (width > 0 && tokens_.size() != width) {
      for (const std::string_view t : tokens_) number(t, row_->number);  // commas between values are likelier
      fail(row_->number, "expected " + counted(static_cast<Index>(width), "value") + " (" + names + ") for " +
                             announced() + ", found " + std::to_string(tokens_.size()) +
                             "; correct this line, the column names or the number");
    }
    return *row_;
  }

  double number(std::string_view token, Index line) const {
    std::string_view t = token;
    if (t.size() > 1 && t[0] == '+' && t[1] != '-') t.remove_prefix(1);
    double value = 0;
    const auto [end, problem] = std::from_chars(t.data(), t.data() + t.size(), value);
    if (problem == std::errc{} && end == t.data() + t.size()) return value;
    if (problem == std::errc::result_out_of_range && end == t.data() + t.size()) {
      fail(line, in_quotes(token) + " is beyond the range of numbers");
    }
    if (t.find(',') != std::string_view::npos) {
      fail(line, in_quotes(token) + " has a comma; write decimals with a point (0.5) and separate values with blanks");
    }
    fail(line, in_quotes(token) + " is not a number; correct it, or begin comments with #");
  }

  PointList points(const Count& of, const std::string& what) {
    PointList list;
    list.header_line = of.line;
    std::vector<BertToken> tokens;
    if (of.n > 0) row(0, "", what, 0, of);
    for (const Line* comment : comments_) {
      const Tokens words = split(comment->comment);
      if (words.empty() || !known_name(words[0], true)) continue;
      // A sentence may begin with "x" or "y", a row of names as long as the list is one.
      const bool all = std::all_of(words.begin(), words.end(), [](auto w) { return known_name(w, true); });
      if (!all && words.size() != tokens_.size()) continue;
      tokens.clear();
      for (const std::string_view w : words) tokens.push_back(token(w, comment->number, true));
      list.header_line = comment->number;
    }
    static constexpr const char* default_axes[] = {"x", "y", "z"};
    for (std::size_t c = 0; tokens.size() < tokens_.size() && list.header_line == of.line; ++c) {
      if (c == 3)
        fail(row_->number, "a position has " + std::to_string(tokens_.size()) + " values; name x, y, z above");
      tokens.push_back({default_axes[c], "", 1});
    }
    for (const BertToken& t : tokens) {
      if (list.has(t.name.c_str())) fail(list.header_line, "the axis " + t.name + " stands twice");
      list.axes.push_back(t.name);
    }
    comments_.clear();
    for (Index i = 0; i < of.n; ++i) {
      const Line& line = row(tokens.size(), join_words(list.axes, " "), what, i, of);
      std::array<double, 3> p{};
      for (std::size_t c = 0; c < tokens.size(); ++c) {
        const double value = tokens[c].factor * number(tokens_[c], line.number);
        if (!std::isfinite(value))
          fail(line.number,
               "the position of " + what + " " + std::to_string(i + 1) + " is not finite; give every sensor a place");
        p[static_cast<std::size_t>(tokens[c].name[0] - 'x')] = value;
      }
      list.position_m.push_back(p);
      done();
    }
    return list;
  }

  BertToken token(std::string_view text, Index line, bool position) const {
    BertToken t = split_token(text, position);
    if (position && t.name != "x" && t.name != "y" && t.name != "z") {
      fail(line, "the axis " + in_quotes(t.name) + " is not one of x, y, z");
    }
    if (t.unit.empty()) return t;
    const BertQuantity quantity = quantity_of(t.name);
    if (quantity == BertQuantity::any) return t;
    for (const BertUnit& u : unit_table) {
      if (t.unit != u.name || !fits(u.quantity, quantity)) continue;
      t.factor = u.factor;
      return t;
    }
    fail(line, "the unit of " + in_quotes(text) + " is not known for this column (" + units_for(quantity) + " are)");
  }

  void read_data(const Count& of) {
    if (of.n == 0) return;
    row(0, "", "datum", 0, of);
    const std::vector<BertToken> tokens = data_header(of);
    for (const BertToken& t : tokens) {
      if (table_.find(t.name) >= 0) {
        fail(table_.columns_line, "two columns are " + t.name + " (or stand for it); rename or remove one");
      }
      table_.columns.push_back(t.name);
      table_.units.push_back(t.unit);
    }
    table_.values.resize(tokens.size());
    const auto sensors = static_cast<double>(table_.sensors.position_m.size());
    for (Index i = 0; i < of.n; ++i) {
      const Line& line = row(tokens.size(), join_words(table_.columns, " "), "datum", i, of);
      for (std::size_t c = 0; c < tokens.size(); ++c) {
        const double value = number(tokens_[c], line.number);
        if (SensorTable::is_index(tokens[c].name) && !(value >= 0 && value <= sensors && value == std::floor(value))) {
          fail(line.number, tokens[c].name + " is " + std::string(tokens_[c].substr(0, 40)) +
                                ", but sensors are 1 to " + std::to_string(table_.sensors.position_m.size()) +
                                "; correct the number of the sensor");
        }
        table_.values[c].push_back(tokens[c].factor * value);
      }
      table_.data_line.push_back(line.number);
      done();
    }
  }

  // The column names: the last comment above the first datum that has a known name and as many words as the datum has
  // values; another comment that holds nothing but known names is an error, for it is likely a wrong header.
  std::vector<BertToken> data_header(const Count& of) {
    const Line* header = nullptr;
    const Line* wrong = nullptr;
    for (const Line* comment : comments_) {
      const Tokens words = split(comment->comment);
      const auto known = [](std::string_view w) { return known_name(w, false); };
      if (words.size() == tokens_.size() && std::any_of(words.begin(), words.end(), known)) header = comment;
      if (!words.empty() && std::all_of(words.begin(), words.end(), known)) wrong = comment;
    }
    if (header == nullptr) {
      for (const std::string_view t : tokens_) number(t, row_->number);  // a comma between values is the likelier cause
    }
    if (header == nullptr && wrong != nullptr) {
      fail(row_->number, "line " + std::to_string(wrong->number) + " names " +
                             counted(static_cast<Index>(split(wrong->comment).size()), "column") + ", this line has " +
                             counted(static_cast<Index>(tokens_.size()), "value") + "; make them agree");
    }
    if (header == nullptr) {
      fail(row_->number, "the columns have no names; add a line like \"# s g t\" below the number of data in line " +
                             std::to_string(of.line));
    }
    table_.columns_line = header->number;
    comments_.clear();
    std::vector<BertToken> tokens;
    for (const std::string_view w : split(header->comment)) tokens.push_back(token(w, header->number, false));
    return tokens;
  }

  std::vector<Line> lines_;
  const std::string& path_;
  std::size_t at_ = 0;                 // next line
  const Line* row_ = nullptr;          // the line in hand
  Tokens tokens_;                      // its values
  std::vector<const Line*> comments_;  // since the last count
  std::string rows_before_;            // what was read, for messages
  SensorTable table_;
};

// --- the writer ------------------------------------------------------------------------------------------------------
void append(std::string& out, double value) {
  char text[32];
  const auto [end, problem] = std::to_chars(text, text + sizeof text, value);
  out.append(text, problem == std::errc{} ? end : text);
}

void append_points(std::string& out, const PointList& list) {
  out += std::to_string(list.position_m.size()) + "\n";
  if (list.position_m.empty()) return;
  out += "# " + join_words(list.axes, " ") + "\n";
  for (const std::array<double, 3>& p : list.position_m) {
    for (std::size_t c = 0; c < list.axes.size(); ++c) {
      if (c > 0) out += '\t';
      append(out, p[static_cast<std::size_t>(list.axes[c][0] - 'x')]);
    }
    out += '\n';
  }
}

void check_points(const PointList& list, const char* what) {
  const auto bad = [&](const std::string& why) {
    throw Error(ErrorCode::data, std::string(what) + " " + why, "table");
  };
  if (list.position_m.empty()) return;
  if (list.axes.empty()) bad("have no axes");
  for (const std::string& axis : list.axes) {
    if (axis != "x" && axis != "y" && axis != "z") bad("have an axis '" + axis + "'; x, y and z are known");
    if (std::count(list.axes.begin(), list.axes.end(), axis) > 1) bad("have the axis " + axis + " twice");
  }
  for (const std::array<double, 3>& p : list.position_m) {
    for (std::size_t d = 0; d < 3; ++d) {
      if (!std::isfinite(p[d])) bad("have a position that is not finite");
      const char name[] = {static_cast<char>('x' + d), '\0'};
      if (p[d] != 0 && !list.has(name)) bad(std::string("lack the axis ") + name + ", which is not zero");
    }
  }
}

void check_columns(const SensorTable& table) {
  const auto bad = [](const std::string& why) { throw Error(ErrorCode::data, why, "table"); };
  if (table.values.size() != table.columns.size()) bad("the table has columns without values");
  if (!table.units.empty() && table.units.size() != table.columns.size()) bad("some columns have units, some not");
  if (table.data > 0 && table.columns.empty()) bad("the table has data without columns");
  const auto known = [](const std::string& name) { return known_name(name, false); };
  if (table.data > 0 && std::none_of(table.columns.begin(), table.columns.end(), known)) {
    bad("the table has no column that a reader would know the names by");
  }
  const auto sensors = static_cast<double>(table.sensors.position_m.size());
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    const std::string& name = table.columns[c];
    if (static_cast<Index>(table.values[c].size()) != table.data) bad("column " + name + " has another length");
    if (split_token(name, false).name != name || name.find_first_of(" \t\r\n#/") != std::string::npos) {
      bad("column '" + name + "' would be read under another name");
    }
    if (!SensorTable::is_index(name)) continue;
    for (const double v : table.values[c]) {
      if (!(v >= 0 && v <= sensors && v == std::floor(v))) bad("column " + name + " names no sensor");
    }
  }
}

bool is_percent(const SensorTable& table, std::size_t c) {
  return !table.units.empty() && table.units[c] == "%" && table.columns[c] == "err";
}

// The number that times 0.01 is `share`, as reading will find it.
double percent_of(double share) {
  const double guess = share * 100, infinity = std::numeric_limits<double>::infinity();
  for (const double p : {guess, share / 1e-2, std::nextafter(guess, -infinity), std::nextafter(guess, infinity)}) {
    if (p * 1e-2 == share) return p;
  }
  return guess;
}

// Column names with the SI unit where the table has a unit, for values are SI; % stays.
std::vector<std::string> written_tokens(const SensorTable& table) {
  std::vector<std::string> tokens = table.columns;
  for (std::size_t c = 0; c < tokens.size(); ++c) {
    std::string unit = table.units.empty() ? "" : table.units[c];
    if (unit.empty()) continue;
    if (quantity_of(tokens[c]) != BertQuantity::any && unit != "%") {
      const auto same = [&](const BertUnit& u) { return unit == u.name; };
      const BertUnit* known = std::find_if(std::begin(unit_table), std::end(unit_table), same);
      if (known == std::end(unit_table)) {
        throw Error(ErrorCode::data, "column " + tokens[c] + " has an unknown unit '" + unit + "'", "table");
      }
      const auto si = [&](const BertUnit& u) { return u.quantity == known->quantity && u.factor == 1; };
      unit = std::find_if(std::begin(unit_table), std::end(unit_table), si)->name;
    }
    tokens[c] += "/" + unit;
  }
  return tokens;
}

}  // namespace

bool PointList::has(const char* axis) const { return std::find(axes.begin(), axes.end(), axis) != axes.end(); }

bool PointList::constant(int axis) const {
  const auto d = static_cast<std::size_t>(axis);
  return std::all_of(position_m.begin(), position_m.end(), [&](const auto& p) { return p[d] == position_m[0][d]; });
}

int SensorTable::find(std::string_view name) const {
  const auto at = std::find(columns.begin(), columns.end(), name);
  return at == columns.end() ? -1 : static_cast<int>(at - columns.begin());
}

const std::vector<double>& SensorTable::column(std::string_view name) const {
  const int at = find(name);
  if (at < 0)
    throw Error(ErrorCode::data, "there is no column " + std::string(name) + " in: " + join_words(columns, " "),
                "table");
  return values[static_cast<std::size_t>(at)];
}

bool SensorTable::is_index(std::string_view column) {
  return column.size() == 1 && std::string_view("abmnsg").find(column[0]) != std::string_view::npos;
}

bool looks_like_sensor_table(std::string_view text) {
  for (const Line& line : lines_of(text.substr(0, 1 << 16))) {
    const Tokens tokens = split(line.text);
    if (tokens.empty()) continue;
    return tokens.size() == 1 && tokens[0].size() < 19 &&
           std::all_of(tokens[0].begin(), tokens[0].end(), [](char c) { return c >= '0' && c <= '9'; });
  }
  return false;
}

SensorTable parse_sensor_table(std::string_view text, const std::string& path) { return Parser(text, path).parse(); }

SensorTable read_sensor_table(const std::string& path) { return parse_sensor_table(read_file(path), path); }

std::string sensor_table_text(const SensorTable& table, const std::string& comment) {
  const auto bad = [](const std::string& why) { throw Error(ErrorCode::data, why, "table"); };
  check_points(table.sensors, "the sensors");
  check_points(table.topography, "the topography points");
  if (table.sensors.position_m.empty()) bad("the table has no sensors");
  if (comment.find_first_of("\r\n") != std::string::npos) bad("the comment must be one line");
  std::string out = comment.empty() ? "" : "# " + comment + "\n";
  append_points(out, table.sensors);
  out += std::to_string(table.data) + "\n";
  check_columns(table);
  if (table.data > 0) out += "# " + join_words(written_tokens(table), " ") + "\n";
  std::vector<bool> percent;
  for (std::size_t c = 0; c < table.columns.size(); ++c) percent.push_back(is_percent(table, c));
  for (std::size_t i = 0; i < static_cast<std::size_t>(table.data); ++i) {
    for (std::size_t c = 0; c < table.columns.size(); ++c) {
      if (c > 0) out += '\t';
      append(out, percent[c] ? percent_of(table.values[c][i]) : table.values[c][i]);
    }
    out += '\n';
  }
  append_points(out, table.topography);
  return out;
}

void write_sensor_table(const std::string& path, const SensorTable& table, const std::string& comment) {
  write_file_atomic(path, sensor_table_text(table, comment));
}

}  // namespace terrane
