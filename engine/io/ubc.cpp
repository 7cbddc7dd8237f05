// SPDX-License-Identifier: MIT
#include "engine/io/ubc.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "engine/io/file.hpp"
#include "engine/io/text_rows.hpp"
#include "engine/median.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

using Place = std::array<double, 3>;  // x, y, z as in the file

bool is_count(const TextRow& row, Index& count) {
  return (row.tokens.size() == 1 || row.tokens.size() == 3) &&
         std::all_of(row.tokens.begin(), row.tokens.end(),
                     [](std::string_view t) {
                       Index i = 0;
                       return whole_number(t, i);
                     }) &&
         whole_number(row.tokens[0], count);
}

// Row `at` begins a 3-D source: seven values, or five before a row that no file of the simple format has there.
bool begins_3d(const std::vector<TextRow>& rows, std::size_t at) {
  Index n = 0;
  double value = 0;
  const Tokens& head = rows[at].tokens;
  if ((head.size() != 5 && head.size() != 7) || !whole_number(head.back(), n) || n < 1) return false;
  if (!std::all_of(head.begin(), head.end(), [&](std::string_view t) { return number_of(t, value); })) return false;
  if (head.size() == 7) return true;
  const std::size_t next = at + 1 < rows.size() ? rows[at + 1].tokens.size() : 0;
  return next == 4 || next == 6;
}

// Row `at` is the number of sources of a 3-D file; rows of R2 have seven values too, all of them.
bool announces_3d(const std::vector<TextRow>& rows, std::size_t at) {
  Index count = 0;
  return is_count(rows[at], count) && at + 1 < rows.size() && rows[at + 1].tokens.size() == 7 &&
         begins_3d(rows, at + 1) && (at + 2 >= rows.size() || rows[at + 2].tokens.size() != 7);
}

class ObservationParser {
 public:
  ObservationParser(std::string_view text, const std::string& path, const UbcReadOptions& options)
      : text_(text, path, "!"), rows_(text_.rows), lines_(text_.lines), options_(options) {}

  UbcObservations parse() {
    header();
    Index sources = 0;
    const bool counted_sources = is_count(rows_[at_], sources), begins = begins_3d(rows_, at_);
    if (options_.dimensions == 0) {
      options_.dimensions = begins || announces_3d(rows_, at_) ? 3 : 2;
    }
    out_.dimensions = options_.dimensions;
    if (out_.dimensions == 2 && begins) refuse_3d(rows_[at_]);
    if (counted_sources) {
      const Row& count = rows_[at_++];
      if (count.tokens.size() > 1) {
        out_.notes.push_back("the flags after the number of sources (" + std::string(count.tokens[1]) + " " +
                             std::string(count.tokens[2]) + ") are ignored");
      }
      if (sources < 1) fail(count.line, "the file announces no sources; the first number is how many there are");
      for (Index s = 0; s < sources; ++s) source(s, sources, count.line);
      if (at_ < rows_.size()) {
        fail(rows_[at_].line, "text after the " + counted(sources, "source") + " that line " +
                                  std::to_string(count.line) + " announces: " + in_quotes(rows_[at_].text) +
                                  "; correct that number or remove the line");
      }
    } else if (three()) {
      for (Index s = 0; at_ < rows_.size(); ++s) source(s, 0, 0);
    } else {
      out_.format = UbcFormat::simple;
      while (at_ < rows_.size()) simple_row();
    }
    if (!out_.has_z) out_.notes.emplace_back("the file has no z: its electrodes are put at z = 0");
    if (out_.zero_std > 0) {
      out_.notes.push_back(counted(out_.zero_std, "datum") + " of zero standard deviation need a formula for errors");
    }
    return std::move(out_);
  }

 private:
  using Row = TextRow;
  [[noreturn]] void fail(Index line, const std::string& what) const { text_.fail(line, what); }
  double number(const Row& row, std::size_t column) const { return text_.number(row, column); }

  bool three() const { return out_.dimensions == 3; }
  [[noreturn]] void refuse_3d(const Row& row) const {
    fail(row.line, "this is a DCIP3D file (x y z of each electrode); read it in three dimensions (physics dc-3d)");
  }

  void header() {
    for (; at_ < rows_.size(); ++at_) {
      const Row& row = rows_[at_];
      const std::string first = lower(row.tokens[0]);
      double value = 0;
      if (number_of(first, value)) return;
      if (first == "common_current" && row.tokens.size() == 1) {
        out_.common_current = true;
      } else if (first.starts_with("iptype")) {
        ip_type(row);
      } else if (at_ == 0 && std::none_of(row.tokens.begin(), row.tokens.end(),
                                          [&](std::string_view t) { return number_of(t, value); })) {
        out_.title = std::string(row.text.substr(0, row.text.find_last_not_of(" \t") + 1));
        out_.notes.push_back("the first line, " + in_quotes(out_.title) + ", is taken for a title");
      } else {
        fail(row.line,
             "expected COMMON_CURRENT, IPTYPE=n or a number, found " + in_quotes(row.text) + "; begin comments with !");
      }
    }
    fail(lines_, options_.dimensions == 3
                     ? "the file has no data; a DCIP3D file holds sources, xA yA zA xB yB zB n, each before its n data"
                     : "the file has no data; a DCIP2D file holds a number of sources, or lines A B M N V std");
  }

  void ip_type(const Row& row) {
    std::string text;
    for (const std::string_view t : row.tokens) text += t;
    const std::size_t equal = text.find('=');
    Index type = 0;
    if (equal == std::string::npos || lower(text.substr(0, equal)) != "iptype" ||
        !whole_number(std::string_view(text).substr(equal + 1), type)) {
      fail(row.line, "expected IPTYPE=1 or IPTYPE=2, found " + in_quotes(row.text));
    }
    if (out_.ip_type && *out_.ip_type != type) {
      fail(row.line, "the file mixes IPTYPE=" + std::to_string(*out_.ip_type) + " and IPTYPE=" + std::to_string(type) +
                         "; write one file for each");
    }
    out_.ip_type = static_cast<int>(type);
  }

  std::size_t step() const { return (three() ? 2u : 1u) + (out_.has_z ? 1u : 0u); }  // columns of an electrode
  // An electrode of the row from `column` on.
  Place place(const Row& row, std::size_t column) const {
    const double y = three() ? number(row, column + 1) : 0.0;
    return {number(row, column), y, out_.has_z ? number(row, column + step() - 1) : 0.0};
  }
  // "xA zA xB zB"
  std::string names_of(const char* electrodes) const {
    std::string text;
    for (const char* e = electrodes; *e != '\0'; ++e) {
      text += (text.empty() ? "x" : " x") + std::string(1, *e);
      if (three()) text += std::string(" y") + *e;
      if (out_.has_z) text += std::string(" z") + *e;
    }
    return text;
  }

  Index electrode(const Place& p) {
    const auto [found, fresh] = known_.try_emplace(p, static_cast<Index>(out_.survey.electrodes.size()));
    const double z = options_.z_axis == "up" ? -p[2] : p[2];
    if (fresh) out_.survey.electrodes.push_back({p[0], p[2] == 0 ? 0.0 : z, p[1]});
    return found->second;
  }

  std::string text_of(const Place& p) const {
    std::string text = "(x " + number_text(p[0]);
    if (three()) text += ", y " + number_text(p[1]);
    return text + (out_.has_z ? ", z " + number_text(p[2]) : "") + ")";
  }

  // `last`: the columns of value and std begin there; `of` names the record.
  void datum(const Row& row, const std::array<Place, 4>& p, std::size_t last, const std::string& of) {
    static constexpr const char* names = "ABMN";
    for (std::size_t i = 0; i < 2; ++i) {
      for (std::size_t j = 2; j < 4; ++j) {
        if (p[i] != p[j]) continue;
        fail(row.line, of + " has " + names[j] + " at the place of " + names[i] + ", " + text_of(p[i]) +
                           ": its voltage is not defined; correct or remove it");
      }
    }
    const Index a = electrode(p[0]), b = p[1] == p[0] ? -1 : electrode(p[1]);
    const Index m = electrode(p[2]), n = p[3] == p[2] ? -1 : electrode(p[3]);
    out_.survey.data.push_back({a, b, m, n});
    out_.line.push_back(row.line);
    if (row.tokens.size() == last) return;  // a location
    out_.value.push_back(number(row, last));
    if (row.tokens.size() == last + 1) return;
    const double s = number(row, last + 1);
    if (s < 0) fail(row.line, of + " has the negative standard deviation " + std::string(row.tokens[last + 1]));
    out_.zero_std += s == 0 ? 1 : 0;
    out_.std.push_back(s);
  }

  // Whether there are values, and a std, must not change within a file. `last`: columns before the value.
  void check_width(const Row& row, std::size_t last, const std::string& names, const std::string& of) {
    const std::size_t n = row.tokens.size();
    for (std::size_t c = 0; c < n; ++c) number(row, c);  // commas and words are likelier
    const bool first = out_.survey.data.empty(), bare = n == last && out_.format != UbcFormat::simple;
    if (bare && first && !options_.locations) {
      fail(row.line, of + " has no value: this is a file of locations; give the observations here");
    }
    if (n != last + 1 && n != last + 2 && !(bare && (first || out_.value.empty()))) {
      fail(row.line, "expected " + std::to_string(last + 2) + " values (" + names + " V std) for " + of + ", found " +
                         std::to_string(n) + "; correct this line or the number before it");
    }
    if (first) return;
    if (!bare && out_.value.empty()) {
      fail(row.line, of + " has a value, the records before it lack one; give it for all or for none");
    }
    const bool has = n == last + 2;
    if (has == out_.std.empty() && !bare) {
      fail(row.line, of + (has ? " has" : " lacks") + " a standard deviation, the records before it " +
                         (has ? "lack" : "have") + " one; give it for all or for none, or correct the number of data");
    }
  }

  void check_source(const Row& head, Index s, const std::string& of, bool announced) {
    const std::size_t n = head.tokens.size();
    for (std::size_t c = 0; c < n; ++c) number(head, c);
    if (!three() && n == 7) refuse_3d(head);
    if (three() && announced && (n == 3 || n == 5)) {
      fail(head.line,
           "this is a DCIP2D file (a number of sources, x z of each electrode); a DCIP3D surface file begins with its "
           "first source, xA yA xB yB n");
    }
    const std::size_t with_z = three() ? 7 : 5, without_z = three() ? 5 : 3;
    if (n != with_z && n != without_z) {
      fail(head.line, std::string("expected ") +
                          (three() ? "xA yA zA xB yB zB n, or xA yA xB yB n" : "xA zA xB zB n, or xA xB n") + ", for " +
                          of + ", found " + counted(static_cast<Index>(n), "value") +
                          "; correct it, or the number of the source before");
    }
    const bool z = n == with_z;
    if (s == 0) {
      out_.has_z = z;
      out_.format = z ? UbcFormat::general : UbcFormat::surface;
    } else if (z != out_.has_z) {
      fail(head.line, of + (z ? " has" : " lacks") + " z, the sources before it " + (z ? "lack" : "have") +
                          " it; write all in one format");
    }
  }

  // `sources`: how many line `count_line` announces, 0: none does.
  void source(Index s, Index sources, Index count_line) {
    const std::string of =
        "source " + std::to_string(s + 1) +
        (sources > 0 ? " of the " + std::to_string(sources) + " that line " + std::to_string(count_line) + " announces"
                     : "");
    while (three() && at_ < rows_.size() && lower(rows_[at_].tokens[0]).starts_with("iptype")) ip_type(rows_[at_++]);
    if (at_ == rows_.size()) {
      fail(lines_, "expected " + of + ", the file ends; correct the number or copy the file again");
    }
    const Row& head = rows_[at_++];
    check_source(head, s, of, sources > 0);
    Index data = 0;
    if (!whole_number(head.tokens.back(), data) || data < 1) {
      fail(head.line,
           "expected the number of data of " + of + " at the end of this line, found " + in_quotes(head.tokens.back()));
    }
    const Place a = place(head, 0), b = place(head, step());
    for (Index i = 0; i < data; ++i) {
      const std::string record = "datum " + std::to_string(i + 1) + " of the " + std::to_string(data) + " that line " +
                                 std::to_string(head.line) + " announces";
      if (at_ == rows_.size()) {
        fail(lines_, "expected " + record + ", the file ends; correct the number or copy the file again");
      }
      const Row& row = rows_[at_++];
      check_width(row, 2 * step(), names_of("MN"), record);
      datum(row, {a, b, place(row, 0), place(row, step())}, 2 * step(), record);
    }
  }

  void simple_row() {
    const Row& row = rows_[at_++];
    const std::string record = "record " + std::to_string(out_.value.size() + 1);
    if (out_.value.empty()) out_.has_z = row.tokens.size() > 6;
    check_width(row, 4 * step(), names_of("ABMN"), record);
    std::array<Place, 4> p;
    for (std::size_t e = 0; e < 4; ++e) p[e] = place(row, e * step());
    datum(row, p, 4 * step(), record);
  }

  TextRows text_;
  const std::vector<Row>& rows_;
  Index lines_;
  UbcReadOptions options_;
  std::size_t at_ = 0;
  std::map<Place, Index> known_;
  UbcObservations out_;
};

[[noreturn]] void refuse_ubc(const std::string& what) { throw Error(ErrorCode::data, what, "UBC-GIF writer"); }

void check_writable(const UbcObservations& obs) {
  obs.survey.check(obs.dimensions != 3);
  if (obs.dimensions == 3 && obs.format == UbcFormat::simple) {
    refuse_ubc("DCIP3D files have no simple format; write the general one");
  }
  const bool locations = obs.value.empty() && obs.std.empty() && obs.format != UbcFormat::simple;
  if (locations) {
    // nothing but places
  } else if (obs.value.size() != obs.survey.data.size() || (!obs.std.empty() && obs.std.size() != obs.value.size())) {
    refuse_ubc("the values or standard deviations are not as many as the data of the survey");
  }
  for (std::size_t i = 0; i < obs.value.size(); ++i) {
    const bool ok = std::isfinite(obs.value[i]) && (obs.std.empty() || (std::isfinite(obs.std[i]) && obs.std[i] >= 0));
    if (!ok) refuse_ubc("datum " + std::to_string(i) + " is not finite or has no standard deviation; drop it first");
  }
  if (obs.has_z) return;
  for (const Point3& p : obs.survey.electrodes) {
    if (p.z_m != 0) refuse_ubc("a file without z cannot hold an electrode at " + to_string(p) + "; set has_z");
  }
}

}  // namespace

Index UbcObservations::sources() const {
  std::set<std::pair<Index, Index>> pairs;
  for (const DcDatum& d : survey.data) pairs.insert({d.a, d.b});
  return static_cast<Index>(pairs.size());
}

UbcObservations parse_ubc_observations(std::string_view text, const std::string& path, const UbcReadOptions& options) {
  if (options.z_axis != "up" && options.z_axis != "down") {
    throw Error(ErrorCode::config,
                "z_axis is " + in_quotes(options.z_axis) + "; it must be up (elevations) or down (depths)", path);
  }
  return ObservationParser(text, path, options).parse();
}

UbcObservations read_ubc_observations(const std::string& path, const UbcReadOptions& options) {
  return parse_ubc_observations(read_file(path), path, options);
}

bool looks_like_dcip3d(std::string_view text) {
  const TextRows head(text.substr(0, 1 << 12), "", "!");
  std::size_t at = 0;
  double value = 0;
  while (at < head.rows.size() && at < 3 && !number_of(head.rows[at].tokens[0], value)) ++at;
  if (at >= head.rows.size()) return false;
  return begins_3d(head.rows, at) || announces_3d(head.rows, at);
}

void require_std(const UbcObservations& obs, const std::string& path) {
  if (obs.std.empty()) {
    throw Error(ErrorCode::data, "the file has no standard deviations; give a formula for the errors", path);
  }
  for (std::size_t i = 0; i < obs.std.size(); ++i) {
    if (obs.std[i] > 0) continue;
    throw Error(ErrorCode::data,
                "datum " + std::to_string(i + 1) + " has the standard deviation 0; give a formula for the errors",
                obs.line.empty() ? path : path + ":" + std::to_string(obs.line[i]));
  }
}

double median_std_ratio(const UbcObservations& obs) {
  std::vector<double> ratio;
  for (std::size_t i = 0; i < obs.std.size(); ++i) {
    if (obs.value[i] != 0) ratio.push_back(obs.std[i] / std::fabs(obs.value[i]));
  }
  return median_of(std::move(ratio));
}

std::string ubc_observations_text(const UbcObservations& obs) {
  check_writable(obs);
  struct Record {
    Index a, b, m, n;  // b = a, n = m: a pole
    double value;
    std::size_t datum;
  };
  std::vector<Record> records;
  for (std::size_t i = 0; i < obs.survey.data.size(); ++i) {
    const DcDatum& d = obs.survey.data[i];
    const double sign = (d.a < 0) != (d.m < 0) ? -1 : 1;
    const Index a = d.a < 0 ? d.b : d.a, m = d.m < 0 ? d.n : d.m;
    const double value = obs.value.empty() ? 0 : sign * obs.value[i];
    records.push_back({a, d.a < 0 || d.b < 0 ? a : d.b, m, d.m < 0 || d.n < 0 ? m : d.n, value, i});
  }
  const auto places = [&](Index one, Index two) {
    std::string text;
    for (const Index e : {one, two}) {
      const Point3& p = obs.survey.electrodes[static_cast<std::size_t>(e)];
      text += number_text(p.x_m) + " " + (obs.dimensions == 3 ? number_text(p.y_m) + " " : "") +
              (obs.has_z ? number_text(-p.z_m) + " " : "");
    }
    return text;
  };
  const auto values = [&](const Record& r) {
    return (obs.value.empty() ? "" : number_text(r.value)) +
           (obs.std.empty() ? "" : " " + number_text(obs.std[r.datum])) + "\n";
  };
  std::string text = obs.title.empty() ? "" : obs.title + "\n";
  if (obs.common_current) text += "COMMON_CURRENT\n";
  if (obs.ip_type) text += "IPTYPE=" + std::to_string(*obs.ip_type) + "\n";
  if (obs.format == UbcFormat::simple) {
    text += obs.has_z ? "! simple: xA zA xB zB xM zM xN zN value std\n" : "! simple: xA xB xM xN value std\n";
    for (const Record& r : records) text += places(r.a, r.b) + places(r.m, r.n) + values(r);
    return text;
  }
  std::vector<std::size_t> begin;
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (i == 0 || records[i].a != records[i - 1].a || records[i].b != records[i - 1].b) begin.push_back(i);
  }
  begin.push_back(records.size());
  text += std::string("! ") + (obs.has_z ? "general" : "surface") + " FORMAT\n";
  if (obs.dimensions == 2) text += std::to_string(begin.size() - 1) + "\n";
  for (std::size_t s = 0; s + 1 < begin.size(); ++s) {
    text += (s > 0 ? "\n" : "") + places(records[begin[s]].a, records[begin[s]].b) +
            std::to_string(begin[s + 1] - begin[s]) + "\n";
    for (std::size_t i = begin[s]; i < begin[s + 1]; ++i)
      text += places(records[i].m, records[i].n) + values(records[i]);
  }
  return text;
}

void write_ubc_observations(const std::string& path, const UbcObservations& obs) {
  write_file_atomic(path, ubc_observations_text(obs));
}

}  // namespace terrane
