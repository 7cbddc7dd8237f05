// SPDX-License-Identifier: MIT
#include "engine/io/dc_data.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "engine/io/bert.hpp"
#include "engine/io/dc_readers.hpp"
#include "engine/io/file.hpp"
#include "engine/io/ubc_model.hpp"
#include "engine/median.hpp"
#include "kernels/runtime/error.hpp"
#include "physics/resistivity/dc_geometry.hpp"

namespace terrane {
namespace {

constexpr double agreement = 0.01;       // of r k with rhoa
constexpr double notable_factor = 0.05;  // difference of k from that of a half-space

void check_options(const DcReadOptions& o, const std::string& path) {
  const auto one_of = [&](const char* key, const std::string& value, const std::set<std::string>& known) {
    if (known.count(value) > 0) return;
    std::string list;
    for (const std::string& k : known) list += (list.empty() ? "" : ", ") + k;
    throw Error(ErrorCode::config, std::string(key) + " is " + in_quotes(value) + "; known are " + list, path);
  };
  one_of("format", o.format, {"auto", "ubc", "bert", "r2", "xyz", "table"});
  one_of("z_axis", o.z_axis, {"up", "down"});
  one_of("quantity", o.quantity, {"auto", "voltage", "chargeability"});
  std::string order = o.electrode_order;
  std::sort(order.begin(), order.end());
  if (order != "abmn") {
    throw Error(
        ErrorCode::config,
        "electrode_order is " + in_quotes(o.electrode_order) + "; it must hold a, b, m and n, like abmn or mnab", path);
  }
  if (!(o.electrode_spacing_m >= 0 && std::isfinite(o.electrode_spacing_m))) {
    throw Error(ErrorCode::config, "electrode_spacing_m must be above 0", path);
  }
}

std::string at_line(const DcObservations& obs, std::size_t i, const std::string& path) {
  return i < obs.line.size() ? path + ":" + std::to_string(obs.line[i]) : path;
}

std::string record(std::size_t i) { return "datum " + std::to_string(i + 1); }

// k of the file against that of a half-space; a file may hold 1/k.
void settle_factors(DcObservations& obs, DcColumns& c, const std::vector<double>& k, const std::string& path) {
  if (c.factor.empty()) return;
  for (std::size_t i = 0; i < c.factor.size(); ++i) {
    if (std::isfinite(c.factor[i]) && c.factor[i] != 0) continue;
    throw Error(ErrorCode::data,
                record(i) + " has the geometric factor " + short_number(c.factor[i]) +
                    "; correct it, or remove the column so that it is computed",
                at_line(obs, i, path));
  }
  const auto log_misfit = [&](bool inverse) {
    double sum = 0;
    for (std::size_t i = 0; i < k.size(); ++i) {
      const double f = std::fabs(inverse ? 1 / c.factor[i] : c.factor[i]);
      if (std::isfinite(k[i])) sum += std::fabs(std::log(f / std::fabs(k[i])));
    }
    return sum;
  };
  if (c.reciprocal && log_misfit(true) < log_misfit(false)) {
    obs.notes.emplace_back("the geometric factors of the file are 1/k, in 1/m");
    for (double& f : c.factor) f = 1 / f;
  }
  Index different = 0, turned = 0;
  for (std::size_t i = 0; i < k.size(); ++i) {
    if (!std::isfinite(k[i])) continue;
    different += std::fabs(std::fabs(c.factor[i] / k[i]) - 1) > notable_factor ? 1 : 0;
    turned += c.factor[i] * k[i] < 0 ? 1 : 0;
  }
  if (different > 0) {
    obs.notes.push_back("the geometric factors of " + std::to_string(different) +
                        " data differ by more than 5 % from those of a half-space");
  }
  if (turned > 0 && c.resistance.empty()) {
    obs.notes.push_back("the geometric factors of " + std::to_string(turned) +
                        " data have the sign of a half-space, not that of the file");
  }
}

void check_agreement(const DcObservations& obs, const DcColumns& c, const std::string& path) {
  if (c.resistance.empty() || c.rhoa.empty() || c.factor.empty()) return;
  for (std::size_t i = 0; i < c.rhoa.size(); ++i) {
    const double product = std::fabs(c.resistance[i] * c.factor[i]), rhoa = std::fabs(c.rhoa[i]);
    if (std::fabs(product - rhoa) <= agreement * std::max(product, rhoa)) continue;
    throw Error(ErrorCode::data,
                record(i) + " has r = " + short_number(c.resistance[i]) + ", k = " + short_number(c.factor[i]) +
                    " and rhoa = " + short_number(c.rhoa[i]) + ", but rhoa is k times r; remove the wrong column",
                at_line(obs, i, path));
  }
}

void settle_errors(DcObservations& obs, const DcColumns& c, const std::vector<double>& k, const std::string& path) {
  if (c.error_kind == DcErrorKind::none) return;
  for (std::size_t i = 0; i < c.error.size(); ++i) {
    const double e = c.error[i];
    if (!(std::isfinite(e) && e >= 0)) {
      throw Error(ErrorCode::data,
                  record(i) + " has the error " + short_number(e) + "; give one above 0, or remove the column",
                  at_line(obs, i, path));
    }
    obs.std.push_back(c.error_kind == DcErrorKind::relative ? e * std::fabs(obs.volt[i])
                      : c.error_kind == DcErrorKind::volt   ? e
                                                            : e / std::fabs(k[i]));
  }
  if (c.error_kind != DcErrorKind::relative) return;
  if (const double half = median_of(c.error); half >= 1) {
    throw Error(ErrorCode::data,
                "half of the errors are " + short_number(half) +
                    " times the value or more; write err/% if they are per cent, err/V if they are volt",
                path);
  }
}

// 0: no such pair of sources and receivers.
std::array<Index, 4> unordered(const DcDatum& d) {
  return {std::min(d.a, d.b), std::max(d.a, d.b), std::min(d.m, d.n), std::max(d.m, d.n)};
}

}  // namespace

void DcBuilder::fail(Index line, const std::string& what) const {
  throw Error(ErrorCode::data, what, path_ + ":" + std::to_string(line));
}

Index DcBuilder::electrode(const Point3& p) {
  const auto [found, fresh] =
      known_.try_emplace({p.x_m, p.z_m, p.y_m}, static_cast<Index>(out_.survey.electrodes.size()));
  if (fresh) out_.survey.electrodes.push_back(p);
  return found->second;
}

void DcBuilder::datum(Index line, const DcDatum& d) {
  const std::string name = record(out_.survey.data.size());
  if (d.a < 0 && d.b < 0) fail(line, name + " has no current electrode; give A or B");
  if (d.m < 0 && d.n < 0) fail(line, name + " has no potential electrode; give M or N");
  const std::array<Index, 4> e{d.a, d.b, d.m, d.n};
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (e[i] < 0 || e[i] != e[j]) continue;
      fail(line, name + " has " + "ABMN"[i] + " at the place of " + "ABMN"[j] + ", " +
                     to_string(out_.survey.electrodes[static_cast<std::size_t>(e[i])]) +
                     ": its voltage is not defined; correct or remove it");
    }
  }
  out_.survey.data.push_back(d);
  out_.line.push_back(line);
}

void onto_line(DcObservations& obs, const std::string& path, bool project) {
  std::vector<Point3>& e = obs.survey.electrodes;
  if (e.empty()) return;
  const double y = e[0].y_m;
  if (std::all_of(e.begin(), e.end(), [&](const Point3& p) { return p.y_m == y; })) {
    if (y != 0) obs.notes.push_back("all electrodes have y = " + short_number(y) + " m, which is left out");
    for (Point3& p : e) p.y_m = 0;
    for (Point3& p : obs.topography) p.y_m = 0;
    return;
  }
  const auto n = static_cast<double>(e.size());
  double mx = 0, my = 0, xx = 0, xy = 0, yy = 0;
  for (const Point3& p : e) mx += p.x_m / n, my += p.y_m / n;
  for (const Point3& p : e) {
    xx += (p.x_m - mx) * (p.x_m - mx);
    xy += (p.x_m - mx) * (p.y_m - my);
    yy += (p.y_m - my) * (p.y_m - my);
  }
  const double angle = std::atan2(2 * xy, xx - yy) / 2;  // of the principal axis
  double c = std::cos(angle), s = std::sin(angle);
  const Point3 first = e.front(), last = e.back();
  if (c * (last.x_m - first.x_m) + s * (last.y_m - first.y_m) < 0) c = -c, s = -s;
  double worst = 0;
  for (const Point3& p : e) worst = std::max(worst, std::fabs(c * (p.y_m - my) - s * (p.x_m - mx)));
  if (!project) {
    throw Error(ErrorCode::data,
                "the electrodes do not lie on a line y = const (they are up to " + short_number(worst) +
                    " m off the line of best fit); set project_line for their offset along that line",
                path);
  }
  for (auto* points : {&e, &obs.topography}) {
    for (Point3& p : *points) {
      p = {c * (p.x_m - first.x_m) + s * (p.y_m - first.y_m), p.z_m, 0};
    }
  }
  std::sort(obs.topography.begin(), obs.topography.end(),
            [](const Point3& p, const Point3& q) { return p.x_m < q.x_m; });
  obs.notes.push_back("electrodes projected onto the line of best fit, from which they are up to " +
                      short_number(worst) + " m away; x = 0 is the first one");
}

void finish(DcObservations& obs, DcColumns& c, const std::string& path) {
  std::string assumed;
  const std::vector<double> depth = electrode_depths_m(obs, &assumed);
  std::vector<double> k = geometric_factors_m(obs.survey, depth);
  settle_factors(obs, c, k, path);
  for (std::size_t i = 0; i < c.factor.size(); ++i) {
    k[i] = std::isfinite(k[i]) ? std::copysign(c.factor[i], k[i]) : c.factor[i];
  }
  const bool computed = c.resistance.empty() && !c.rhoa.empty();
  for (std::size_t i = 0; computed && i < c.rhoa.size(); ++i) {
    if (!std::isfinite(k[i])) {
      throw Error(ErrorCode::data,
                  record(i) + " has no geometric factor: its terms cancel; remove it, or give resistances",
                  at_line(obs, i, path));
    }
    c.resistance.push_back(c.rhoa[i] / k[i]);
  }
  if (!computed) check_agreement(obs, c, path);
  if (computed && c.factor.empty()) {
    obs.notes.push_back("resistances from apparent resistivities with the geometric factors of a half-space" +
                        (assumed.empty() ? "" : ", where " + assumed));
  }
  obs.volt = c.resistance;
  settle_errors(obs, c, k, path);
  obs.factor_m = c.factor;
  obs.ip = c.ip;
  obs.ip_std = c.ip_error;
}

std::string dc_format_of(std::string_view bytes, const std::string& path) {
  if (bytes.empty() || bytes.find('\0') != std::string_view::npos) return "";
  const TextRows head(bytes.substr(0, 1 << 16), path, "!#");
  bool table = false;
  if (has_columns_header(head, table)) return table ? "table" : "xyz";
  if (head.rows.empty()) return "";
  const TextRow& first = head.rows[0];
  const std::string word = lower(first.tokens[0]);
  if (word == "common_current" || word.starts_with("iptype")) return "ubc";
  Index count = 0;
  double value = 0;
  const std::size_t n = first.tokens.size();
  const auto numbers =
      std::count_if(first.tokens.begin(), first.tokens.end(), [&](std::string_view t) { return number_of(t, value); });
  if (numbers < static_cast<std::ptrdiff_t>(n)) {  // in old files a title, then the number of sources
    const bool title = numbers == 0 && head.rows.size() > 1 && whole_number(head.rows[1].tokens[0], count) &&
                       (head.rows[1].tokens.size() == 1 || head.rows[1].tokens.size() == 3);
    return title ? "ubc" : "";
  }
  if (n > 1) return n == 3 || (n >= 5 && n <= 10) ? "ubc" : "";  // a count with flags, or the simple format
  if (!whole_number(first.tokens[0], count)) return "";
  const std::size_t width = head.rows.size() > 1 ? head.rows[1].tokens.size() : 0;
  if (width == 7 && looks_like_dcip3d(bytes)) return "ubc";
  if (width >= 6 && head.rows[1].tokens[0] == "1") return "r2";
  if (looks_like_sensor_table(bytes) && std::any_of(head.comments.begin(), head.comments.end(), [](const TextRow& r) {
        const std::string c = lower(r.tokens[0]);
        return c == "x" || c == "a" || c.starts_with("x/");
      })) {
    return "bert";
  }
  if (width == 3 || width == 5) {  // xA xB n, unless the list of positions ends where it should
    const TextRows text(bytes, path, "!#");
    const std::size_t next = static_cast<std::size_t>(std::max<Index>(count, 0)) + 1;
    return next < text.rows.size() && text.rows[next].tokens.size() == 1 ? "bert" : "ubc";
  }
  return width > 0 ? "bert" : "";
}

DcObservations from_ubc(const UbcObservations& ubc, const std::string& quantity) {
  DcObservations obs;
  obs.survey = ubc.survey;
  obs.line = ubc.line;
  obs.notes = ubc.notes;
  obs.format = "ubc";
  obs.layout = ubc.format;
  obs.dimensions = ubc.dimensions;
  const bool ip = quantity == "chargeability" || (quantity == "auto" && ubc.ip_type.has_value());
  (ip ? obs.ip : obs.volt) = ubc.value;
  (ip ? obs.ip_std : obs.std) = ubc.std;
  return obs;
}

UbcObservations to_ubc(const DcObservations& obs) {
  UbcObservations ubc;
  ubc.survey = obs.survey;
  const bool ip = obs.volt.empty();
  ubc.value = ip ? obs.ip : obs.volt;
  ubc.std = ip ? obs.ip_std : obs.std;
  ubc.format = obs.layout;
  ubc.dimensions = obs.dimensions;
  if (ubc.dimensions == 3 && ubc.format == UbcFormat::simple) ubc.format = UbcFormat::general;
  const auto level = [](const Point3& p) { return p.z_m == 0; };
  const auto& e = obs.survey.electrodes;
  ubc.has_z = ubc.format == UbcFormat::general || !std::all_of(e.begin(), e.end(), level);
  if (ubc.has_z && ubc.format == UbcFormat::surface) ubc.format = UbcFormat::general;
  if (ip) ubc.ip_type = 1;
  return ubc;
}

DcObservations parse_dc_data(std::string_view bytes, const std::string& path, const DcReadOptions& options) {
  check_options(options, path);
  if (bytes.empty()) throw Error(ErrorCode::data, "the file is empty", path);
  if (bytes.find('\0') != std::string_view::npos || bytes.starts_with("\xff\xfe")) {
    throw Error(ErrorCode::data, "this is no plain text (zero bytes or UTF-16); DC surveys are read from text", path);
  }
  const std::string format = options.format == "auto" ? dc_format_of(bytes, path) : options.format;
  DcColumns columns;
  DcObservations obs;
  if (format == "ubc") {
    const UbcObservations ubc = parse_ubc_observations(bytes, path, {options.z_axis, options.dimensions});
    obs = from_ubc(ubc, options.quantity);
    columns.drape = !ubc.has_z;
  } else if (format == "bert") {
    obs = read_bert(bytes, path, options, columns);
  } else if (format == "r2") {
    obs = read_r2(bytes, path, options, columns);
  } else if (format == "xyz" || format == "table") {
    obs = read_columns(bytes, path, options, columns);
  } else {
    throw Error(ErrorCode::data,
                "this looks like no DC survey (UBC-GIF, BERT/pyGIMLi, R2, SimPEG XYZ and tables are known); set the "
                "format if it is one of them",
                path);
  }
  obs.format = format;
  if (options.dimensions == 3) obs.dimensions = 3;
  const bool volume = obs.dimensions == 3;
  if (!volume) onto_line(obs, path, options.project_line);
  if (!options.topography_file.empty()) {
    obs.topography = volume ? read_topography_3d(options.topography_file, options.z_axis)
                            : read_topography(options.topography_file, options.z_axis);
  }
  if (columns.drape && !options.topography_file.empty()) {
    for (Point3& p : obs.survey.electrodes) {
      p.z_m = volume ? scattered_z_m(obs.topography, p.x_m, p.y_m) : surface_z_m(obs.topography, p.x_m);
    }
    std::erase_if(obs.notes, [](const std::string& n) { return n.find("has no z") != std::string::npos; });
    obs.notes.emplace_back("the file has no z: its electrodes are put on the topography");
  } else if (columns.drape && format != "ubc") {
    obs.notes.emplace_back("the file has no z: its electrodes are put at z = 0");
  }
  if (format != "ubc") finish(obs, columns, path);
  return obs;
}

DcObservations read_dc_data(const std::string& path, const DcReadOptions& options) {
  return parse_dc_data(read_file(path), path, options);
}

std::vector<double> electrode_depths_m(const DcObservations& obs, std::string* assumed) {
  const std::vector<Point3>& e = obs.survey.electrodes;
  if (obs.dimensions != 3 || obs.topography.empty()) return electrode_depths_m(e, obs.topography, assumed);
  std::vector<double> depth;
  for (const Point3& p : e) depth.push_back(std::max(0.0, p.z_m - scattered_z_m(obs.topography, p.x_m, p.y_m)));
  return depth;
}

std::vector<double> geometric_factors_m(const DcObservations& obs) {
  return geometric_factors_m(obs.survey, electrode_depths_m(obs));
}

std::vector<double> apparent_resistivity(const DcObservations& obs) {
  std::vector<double> rhoa = geometric_factors_m(obs);
  for (std::size_t i = 0; i < rhoa.size(); ++i) rhoa[i] *= obs.volt.at(i);
  return rhoa;
}

DcObservations selected(const DcObservations& obs, const std::vector<char>& keep) {
  DcObservations out = obs;
  const auto filter = [&](auto& list, const auto& from) {
    if (from.size() != keep.size()) return;
    list.clear();
    for (std::size_t i = 0; i < keep.size(); ++i) {
      if (keep[i] != 0) list.push_back(from[i]);
    }
  };
  if (keep.size() != obs.survey.data.size()) {
    throw Error(ErrorCode::data, "there must be one choice for each datum", "survey");
  }
  filter(out.survey.data, obs.survey.data);
  filter(out.volt, obs.volt);
  filter(out.std, obs.std);
  filter(out.ip, obs.ip);
  filter(out.ip_std, obs.ip_std);
  filter(out.factor_m, obs.factor_m);
  filter(out.line, obs.line);
  return out;
}

void attach_chargeability(DcObservations& obs, const DcObservations& ip) {
  const std::vector<Point3>& e = obs.survey.electrodes;
  std::vector<Index> number;  // of ip's electrodes among those of obs
  for (const Point3& p : ip.survey.electrodes) {
    const auto at = std::find(e.begin(), e.end(), p);
    number.push_back(at == e.end() ? -2 : static_cast<Index>(at - e.begin()));
  }
  std::map<std::array<Index, 4>, std::size_t> where;
  for (std::size_t i = 0; i < ip.survey.data.size(); ++i) {
    DcDatum d = ip.survey.data[i];
    for (Index* q : {&d.a, &d.b, &d.m, &d.n}) *q = *q < 0 ? -1 : number[static_cast<std::size_t>(*q)];
    where.emplace(unordered(d), i);
  }
  std::vector<double> values, stds;
  for (std::size_t i = 0; i < obs.survey.data.size(); ++i) {
    const auto at = where.find(unordered(obs.survey.data[i]));
    if (at == where.end()) {
      throw Error(ErrorCode::data, record(i) + " has no chargeability among the IP data; drop it from the DC data",
                  "survey");
    }
    values.push_back(ip.ip.at(at->second));
    if (!ip.ip_std.empty()) stds.push_back(ip.ip_std[at->second]);
  }
  obs.ip = std::move(values);
  obs.ip_std = std::move(stds);
  obs.ip_unit = ip.ip_unit;
}

}  // namespace terrane
