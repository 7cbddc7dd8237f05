// SPDX-License-Identifier: MIT
#include "engine/io/ubc_model.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <type_traits>
#include <utility>

#include "engine/io/file.hpp"
#include "engine/io/text_rows.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

constexpr Index most_nodes = 1000000;         // along an axis
constexpr Index most_cells = Index{1} << 31;  // of a model

// Words one after the other, with their rows.
class Words {
 public:
  explicit Words(const TextRows& text, std::size_t row = 0) : text_(text), row_(row) {}
  bool more() const { return row_ < text_.rows.size(); }
  const TextRow& row() const { return text_.rows[row_]; }
  // what: a string, or a function that makes one when it is needed
  template <class What>
  double number(const What& what) {
    require_more(what);
    const double value = text_.number(row(), column_);
    next();
    return value;
  }
  Index whole(const std::string& what) {
    require_more(what);
    const Index value = text_.whole(row(), column_, what);
    next();
    return value;
  }
  // Value and how often it stands there: 20*5.0.
  double repeated(const std::string& what, Index& times) {
    require_more(what);
    const std::string_view token = row().tokens[column_];
    const std::size_t star = token.find('*');
    times = 1;
    double value = 0;
    if (star == std::string_view::npos) {
      value = text_.number(row(), column_);
    } else if (!whole_number(token.substr(0, star), times) || times < 1 || !number_of(token.substr(star + 1), value)) {
      text_.fail(row(), in_quotes(token) + " is not a width; write 5.0, or 20*5.0 for twenty of them");
    }
    next();
    return value;
  }
  void end(const std::string& after) const {
    if (more()) text_.fail(row(), "text after " + after + ": " + in_quotes(row().text) + "; correct the counts");
  }

 private:
  template <class What>
  void require_more(const What& what) const {
    if (more()) return;
    std::string text;
    if constexpr (std::is_invocable_v<What>) {
      text = what();
    } else {
      text = what;
    }
    text_.fail(text_.lines, "expected " + text + ", the file ends; it is cut short or a count is wrong");
  }
  void next() {
    if (++column_ < row().tokens.size()) return;
    column_ = 0;
    ++row_;
  }
  const TextRows& text_;
  std::size_t row_ = 0, column_ = 0;
};

void add_segment(const TextRows& text, const TextRow& row, std::vector<double>& nodes, double end, Index cells) {
  const double begin = nodes.back();
  if (cells < 1 || cells > most_nodes - static_cast<Index>(nodes.size())) {
    text.fail(row,
              "a segment has " + std::to_string(cells) + " cells; it needs at least one, the axis at most a million");
  }
  if (!(end > begin)) {
    text.fail(row, "a segment ends at " + short_number(end) + " m, not beyond its begin at " + short_number(begin) +
                       " m; ends must increase");
  }
  for (Index i = 1; i < cells; ++i) {
    nodes.push_back(begin + (end - begin) * static_cast<double>(i) / static_cast<double>(cells));
  }
  nodes.push_back(end);
}

// One axis of a 2-D mesh, from row `at` on.
std::vector<double> axis_nodes(const TextRows& text, std::size_t& at, const std::string& axis) {
  const auto row = [&](const std::string& what, std::size_t words) -> const TextRow& {
    if (at >= text.rows.size()) {
      text.fail(text.lines, "expected " + what + ", the file ends; it is cut short or a count is wrong");
    }
    const TextRow& r = text.rows[at++];
    if (r.tokens.size() != words) {
      text.fail(r, "expected " + what + ", found " + counted(static_cast<Index>(r.tokens.size()), "value") +
                       "; correct this line or the number of segments");
    }
    return r;
  };
  const TextRow& head = row("the number of segments along " + axis, 1);
  const Index segments = text.whole(head, 0, "the number of segments along " + axis);
  if (segments < 1) text.fail(head, "there are no segments along " + axis + "; the mesh needs one");
  const TextRow& first = row("begin, end and cells of the first segment along " + axis, 3);
  std::vector<double> nodes{text.number(first, 0)};
  add_segment(text, first, nodes, text.number(first, 1), text.whole(first, 2, "the number of cells"));
  for (Index s = 1; s < segments; ++s) {
    const TextRow& r = row("end and cells of segment " + std::to_string(s + 1) + " of the " + std::to_string(segments) +
                               " along " + axis + " that line " + std::to_string(head.line) + " announces",
                           2);
    add_segment(text, r, nodes, text.number(r, 0), text.whole(r, 1, "the number of cells"));
  }
  return nodes;
}

// The row where the points of a topography begin, after their number where there is one: "N", or "N elevation of the
// top", a count only if as many lines follow.
std::size_t first_point(const TextRows& text, const std::string& z_axis, const std::string& form) {
  if (z_axis != "up" && z_axis != "down") {
    throw Error(ErrorCode::config, "z_axis is " + in_quotes(z_axis) + "; it must be up (elevations) or down (depths)",
                text.path());
  }
  if (text.rows.empty()) {
    text.fail(text.lines, "the file has no points of the topography; it holds lines " + form);
  }
  Index announced = -1;
  const TextRow& head = text.rows[0];
  const auto following = static_cast<Index>(text.rows.size()) - 1;
  const bool whole = whole_number(head.tokens[0], announced);
  if (head.tokens.size() != 1 && !(whole && head.tokens.size() == 2 && announced == following && following > 0)) {
    return 0;
  }
  if (!whole) text.fail(head, "expected a number of points or a line " + form + ", found " + in_quotes(head.text));
  if (announced != following) {
    text.fail(head, "this line announces " + counted(announced, "point") + ", " + counted(following, "line") +
                        " follow; correct the number or copy the file again");
  }
  return 1;
}

void check_finite(const std::vector<double>& values, const std::string& what) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    throw Error(ErrorCode::data, "value " + std::to_string(i) + " is not finite; give it a number first", what);
  }
}

// Segments of cells whose nodes are, to the bit, what reading will make of them.
std::string axis_text(const std::vector<double>& nodes) {
  std::string lines;
  Index segments = 0;
  for (std::size_t begin = 0; begin + 1 < nodes.size(); ++segments) {
    const auto fits = [&](std::size_t end) {
      const auto n = static_cast<double>(end - begin);
      for (std::size_t i = 1; i < end - begin; ++i) {
        const double node = nodes[begin] + (nodes[end] - nodes[begin]) * static_cast<double>(i) / n;
        if (node != nodes[begin + i]) return false;
      }
      return true;
    };
    std::size_t end = begin + 1;
    while (end + 1 < nodes.size() && fits(end + 1)) ++end;
    if (begin == 0) lines += number_text(nodes[0]) + " ";
    lines += number_text(nodes[end]) + " " + std::to_string(end - begin) + "\n";
    begin = end;
  }
  return std::to_string(segments) + "\n" + lines;
}

std::string widths_text(const std::vector<double>& nodes) {
  std::string text;
  for (std::size_t i = 0; i + 1 < nodes.size();) {
    const double width = nodes[i + 1] - nodes[i];
    std::size_t end = i + 1;
    while (end + 1 < nodes.size() && nodes[end + 1] - nodes[end] == width) ++end;
    text += (i > 0 ? " " : "") + (end - i > 1 ? std::to_string(end - i) + "*" : "") + number_text(width);
    i = end;
  }
  return text + "\n";
}

}  // namespace

TensorMesh parse_ubc_mesh_2d(std::string_view bytes, const std::string& path) {
  const TextRows text(bytes, path, "!");
  std::size_t at = 0;
  TensorMesh mesh;
  mesh.x_m = axis_nodes(text, at, "x");
  mesh.z_m = axis_nodes(text, at, "z");
  if (at < text.rows.size()) {
    text.fail(text.rows[at],
              "text after the mesh: " + in_quotes(text.rows[at].text) + "; correct the number of segments");
  }
  return mesh;
}

UbcModel2 parse_ubc_model_2d(std::string_view bytes, const std::string& path) {
  const TextRows text(bytes, path, "!");
  Words words(text);
  UbcModel2 model;
  const std::string head = "the numbers of cells along x and z";
  model.nx = words.whole(head);
  model.nz = words.whole(head);
  if (model.nx < 1 || model.nz < 1 || model.nx > most_cells / model.nz) {
    text.fail(text.rows[0], "a model of " + std::to_string(model.nx) + " by " + std::to_string(model.nz) +
                                " cells cannot be; correct the first line");
  }
  const Index cells = model.nx * model.nz;
  for (Index i = 0; i < cells; ++i) {
    model.values.push_back(words.number([&] {
      return "value " + std::to_string(i + 1) + " of the " + std::to_string(cells) + " that line " +
             std::to_string(text.rows[0].line) + " announces";
    }));
  }
  words.end("the " + std::to_string(cells) + " values");
  return model;
}

TensorMesh3 parse_ubc_mesh_3d(std::string_view bytes, const std::string& path) {
  const TextRows text(bytes, path, "!");
  Words words(text);
  Index n[3];
  double origin[3];
  for (Index& i : n) i = words.whole("the numbers of cells along x, y and z");
  for (double& o : origin) o = words.number("x, y and elevation of the top");
  TensorMesh3 mesh;
  std::vector<double>* axes[] = {&mesh.x_m, &mesh.y_m, &mesh.z_m};
  for (std::size_t a = 0; a < 3; ++a) {
    if (n[a] < 1 || n[a] > most_nodes) {
      text.fail(text.rows[0], "a mesh needs at least one cell along each axis, at most a million");
    }
    std::vector<double>& nodes = *axes[a];
    nodes.push_back(a == 2 ? 0.0 - origin[2] : origin[a]);
    while (static_cast<Index>(nodes.size()) <= n[a]) {
      const std::string what = "width " + std::to_string(nodes.size()) + " of the " + std::to_string(n[a]) + " along " +
                               "xyz"[a] + " that line " + std::to_string(text.rows[0].line) + " announces";
      const Index line = words.more() ? words.row().line : text.lines;
      Index times = 1;
      const double width = words.repeated(what, times);
      if (!(width > 0)) text.fail(line, "the width " + short_number(width) + " m is not above 0");
      if (times > n[a] + 1 - static_cast<Index>(nodes.size())) {
        text.fail(line, "there are more widths along " + std::string(1, "xyz"[a]) + " than the " +
                            std::to_string(n[a]) + " that line " + std::to_string(text.rows[0].line) + " announces");
      }
      for (Index i = 0; i < times; ++i) nodes.push_back(nodes.back() + width);
    }
  }
  words.end("the widths");
  return mesh;
}

std::vector<double> parse_ubc_model_3d(std::string_view bytes, const std::string& path, const TensorMesh3& mesh) {
  const TextRows text(bytes, path, "!");
  Words words(text);
  const Index nx = mesh.nx(), ny = mesh.ny(), nz = mesh.nz();
  Index found = 0;
  for (const TextRow& row : text.rows) found += static_cast<Index>(row.tokens.size());
  if (found / nz / ny < nx) {
    text.fail(text.lines, "the file has " + counted(found, "value") + ", the mesh " + std::to_string(nx) + " by " +
                              std::to_string(ny) + " by " + std::to_string(nz) +
                              " cells; it is cut short or belongs to another mesh");
  }
  std::vector<double> values(static_cast<std::size_t>(nx * ny * nz));
  for (Index y = 0; y < ny; ++y) {
    for (Index x = 0; x < nx; ++x) {
      for (Index z = 0; z < nz; ++z) {
        values[static_cast<std::size_t>((z * ny + y) * nx + x)] = words.number("a value for each cell");
      }
    }
  }
  words.end("the " + std::to_string(nx * ny * nz) + " values of the mesh");
  return values;
}

std::vector<Point3> parse_topography(std::string_view bytes, const std::string& path, const std::string& z_axis) {
  const TextRows text(bytes, path, "!#");
  std::vector<Point3> points;
  for (std::size_t at = first_point(text, z_axis, "x z"); at < text.rows.size(); ++at) {
    const TextRow& row = text.rows[at];
    const std::size_t n = row.tokens.size();
    for (std::size_t c = 0; c < n; ++c) text.number(row, c);
    if (n != 2 && n != 3) {
      text.fail(row, "expected x z, or x y z, found " + counted(static_cast<Index>(n), "value"));
    }
    const double z = text.number(row, n - 1);
    const Point3 p{text.number(row, 0), (z_axis == "up" ? -z : z) + 0.0, n == 3 ? text.number(row, 1) : 0.0};
    if (!points.empty() && p.y_m != points.back().y_m) {
      text.fail(row, "y changes; a line of the topography has one y: cut it out of the surface first");
    }
    if (!points.empty() && !(p.x_m > points.back().x_m)) {
      text.fail(row, "x is " + short_number(p.x_m) + " m after " + short_number(points.back().x_m) +
                         " m; sort the points and keep one for each x");
    }
    points.push_back(p);
  }
  if (points.empty()) text.fail(text.lines, "the file has no points of the topography; it holds lines x z");
  for (Point3& p : points) p.y_m = 0;
  return points;
}

std::vector<Point3> parse_topography_3d(std::string_view bytes, const std::string& path, const std::string& z_axis) {
  const TextRows text(bytes, path, "!#");
  std::vector<Point3> points;
  std::map<std::pair<double, double>, Index> lines;  // of the points
  for (std::size_t at = first_point(text, z_axis, "x y z"); at < text.rows.size(); ++at) {
    const TextRow& row = text.rows[at];
    const std::size_t n = row.tokens.size();
    for (std::size_t c = 0; c < n; ++c) text.number(row, c);
    if (n != 3) text.fail(row, "expected x y z, found " + counted(static_cast<Index>(n), "value"));
    const double x = text.number(row, 0), y = text.number(row, 1), z = text.number(row, 2);
    const auto [before, fresh] = lines.try_emplace({x, y}, row.line);
    if (!fresh) {
      text.fail(row, "the point at x = " + short_number(x) + " m, y = " + short_number(y) + " m stands in line " +
                         std::to_string(before->second) + " already; keep one of them");
    }
    points.push_back({x, (z_axis == "up" ? -z : z) + 0.0, y});
  }
  if (points.empty()) text.fail(text.lines, "the file has no points of the topography; it holds lines x y z");
  return points;
}

TensorMesh read_ubc_mesh_2d(const std::string& path) { return parse_ubc_mesh_2d(read_file(path), path); }
UbcModel2 read_ubc_model_2d(const std::string& path) { return parse_ubc_model_2d(read_file(path), path); }
TensorMesh3 read_ubc_mesh_3d(const std::string& path) { return parse_ubc_mesh_3d(read_file(path), path); }
std::vector<double> read_ubc_model_3d(const std::string& path, const TensorMesh3& mesh) {
  return parse_ubc_model_3d(read_file(path), path, mesh);
}
std::vector<Point3> read_topography(const std::string& path, const std::string& z_axis) {
  return parse_topography(read_file(path), path, z_axis);
}
std::vector<Point3> read_topography_3d(const std::string& path, const std::string& z_axis) {
  return parse_topography_3d(read_file(path), path, z_axis);
}

bool looks_like_ubc_mesh_2d(std::string_view bytes) {
  if (bytes.find('\0') != std::string_view::npos) return false;
  const TextRows text(bytes.substr(0, 1 << 16), "", "!");
  Index n = 0;
  if (text.rows.size() < 4 || text.rows[0].tokens.size() != 1 || !whole_number(text.rows[0].tokens[0], n)) return false;
  if (text.rows[1].tokens.size() != 3 || n < 1 || n >= static_cast<Index>(text.rows.size()) - 2) return false;
  for (Index s = 2; s <= n; ++s) {
    if (text.rows[static_cast<std::size_t>(s)].tokens.size() != 2) return false;
  }
  return text.rows[static_cast<std::size_t>(n) + 1].tokens.size() == 1 &&
         text.rows[static_cast<std::size_t>(n) + 2].tokens.size() == 3;
}

bool looks_like_ubc_model_2d(std::string_view bytes) {
  if (bytes.find('\0') != std::string_view::npos) return false;
  const TextRows head(bytes.substr(0, 1 << 12), "", "!");
  Index nx = 0, nz = 0, found = 0;
  if (head.rows.size() < 2 || head.rows[0].tokens.size() != 2 || !whole_number(head.rows[0].tokens[0], nx) ||
      !whole_number(head.rows[0].tokens[1], nz) || nx < 1 || nz < 1 || nx > most_cells / nz) {
    return false;
  }
  const TextRows text(bytes, "", "!");
  for (const TextRow& row : text.rows) found += static_cast<Index>(row.tokens.size());
  return found == nx * nz + 2;
}

std::string ubc_mesh_2d_text(const TensorMesh& mesh) {
  mesh.check();
  return axis_text(mesh.x_m) + "\n" + axis_text(mesh.z_m);  // some readers skip one line there unseen
}

std::string ubc_model_2d_text(const UbcModel2& model) {
  if (model.nx < 1 || model.nz < 1 || static_cast<Index>(model.values.size()) != model.nx * model.nz) {
    throw Error(ErrorCode::data, "the values are not nx by nz", "UBC-GIF model");
  }
  check_finite(model.values, "UBC-GIF model");
  std::string text = std::to_string(model.nx) + " " + std::to_string(model.nz) + "\n";
  for (Index i = 0; i < model.nx * model.nz; ++i) {
    text += number_text(model.values[static_cast<std::size_t>(i)]) + ((i + 1) % model.nx == 0 ? "\n" : " ");
  }
  return text;
}

std::string ubc_mesh_3d_text(const TensorMesh3& mesh) {
  for (const auto* nodes : {&mesh.x_m, &mesh.y_m, &mesh.z_m}) {
    const bool up =
        std::adjacent_find(nodes->begin(), nodes->end(), [](double a, double b) { return !(b > a); }) == nodes->end();
    if (nodes->size() < 2 || !up) throw Error(ErrorCode::data, "nodes must increase along each axis", "UBC-GIF mesh");
  }
  return std::to_string(mesh.nx()) + " " + std::to_string(mesh.ny()) + " " + std::to_string(mesh.nz()) + "\n" +
         number_text(mesh.x_m[0]) + " " + number_text(mesh.y_m[0]) + " " + number_text(-mesh.z_m[0]) + "\n" +
         widths_text(mesh.x_m) + widths_text(mesh.y_m) + widths_text(mesh.z_m);
}

std::string ubc_model_3d_text(const TensorMesh3& mesh, const std::vector<double>& values) {
  const Index nx = mesh.nx(), ny = mesh.ny(), nz = mesh.nz();
  if (static_cast<Index>(values.size()) != nx * ny * nz) {
    throw Error(ErrorCode::data, "the values are not as many as the cells of the mesh", "UBC-GIF model");
  }
  check_finite(values, "UBC-GIF model");
  std::string text;
  for (Index y = 0; y < ny; ++y) {
    for (Index x = 0; x < nx; ++x) {
      for (Index z = 0; z < nz; ++z)
        text += number_text(values[static_cast<std::size_t>((z * ny + y) * nx + x)]) + "\n";
    }
  }
  return text;
}

std::string topography_text(const std::vector<Point3>& points) {
  std::string text = std::to_string(points.size()) + "\n";
  for (const Point3& p : points) text += number_text(p.x_m) + " " + number_text(-p.z_m) + "\n";
  parse_topography(text, "topography");  // what could not be read back is not written
  return text;
}

void write_ubc_mesh_2d(const std::string& path, const TensorMesh& mesh) {
  write_file_atomic(path, ubc_mesh_2d_text(mesh));
}
void write_ubc_model_2d(const std::string& path, const UbcModel2& model) {
  write_file_atomic(path, ubc_model_2d_text(model));
}
void write_ubc_mesh_3d(const std::string& path, const TensorMesh3& mesh) {
  write_file_atomic(path, ubc_mesh_3d_text(mesh));
}
void write_ubc_model_3d(const std::string& path, const TensorMesh3& mesh, const std::vector<double>& values) {
  write_file_atomic(path, ubc_model_3d_text(mesh, values));
}
void write_topography(const std::string& path, const std::vector<Point3>& points) {
  write_file_atomic(path, topography_text(points));
}

}  // namespace terrane
