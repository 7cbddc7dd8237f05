// SPDX-License-Identifier: MIT
#include "engine/models.hpp"

#include <algorithm>
#include <cmath>

#include "engine/io/file.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/ubc_model.hpp"
#include "engine/property.hpp"
#include "physics/geology/breast.hpp"
#include "physics/geology/layered.hpp"
#include "physics/geology/openfwi.hpp"

namespace terrane {

namespace {

using Model = std::vector<double>;

// Rows whose depth below the first row is less than `depth_m`: the water layer.
Index water_rows(const Grid3& grid, double depth_m) {
  return std::min(grid.nz, static_cast<Index>(std::ceil(depth_m / grid.dz_m - 1e-9)));
}

double& node(Model& m, const Grid2& g, Index z, Index x) { return m[static_cast<std::size_t>(z * g.nx + x)]; }

// The whole file where the config says nothing.
NodeSpan file_span(const Json& model, const char* key, Index nodes, const std::string& path) {
  if (model.at(key).is_null()) return {0, static_cast<double>(nodes - 1)};
  const auto v = model.at(key).get<std::vector<double>>();
  if (v.size() != 2 || !(v[0] >= 0 && v[1] >= v[0] && v[1] <= static_cast<double>(nodes - 1))) {
    throw Error(ErrorCode::data,
                std::string(key) + " must be [first, last] within 0 to " + std::to_string(nodes - 1) + " of the file",
                path);
  }
  return {v[0], v[1]};
}

// Factor to the SI unit of the property; the unit is checked here because it belongs to another key.
double file_factor(const Json& model, const PropertyInfo& p, const std::string& path) {
  if (model.at("unit").is_null()) return 1;
  const std::string unit = model.at("unit");
  const double factor = unit_factor(p.quantity, unit);
  if (factor > 0) return factor;
  throw Error(ErrorCode::config,
              "\"" + unit + "\" is no unit of a " + p.title + ": write one of " + units_of(p.quantity), path);
}

// Bilinear values of an array that lies at x_m and z_m of the config; one value outside.
Model place_model(const std::vector<double>& values, Index nz, Index nx, const Json& model, const Grid2& grid,
                  const PropertyInfo& p) {
  if (model.at("x_m").is_null() || model.at("z_m").is_null() ||
      property_value(model, "outside").quantity == Quantity::none) {
    throw Error(ErrorCode::config, "a model file that is placed needs x_m, z_m and outside");
  }
  const double x0 = model.at("x_m")[0], x1 = model.at("x_m")[1], z0 = model.at("z_m")[0], z1 = model.at("z_m")[1];
  if (!(x1 > x0 && z1 > z0))
    throw Error(ErrorCode::config, "x_m and z_m of a model file must be [first, last], rising");
  const PropertyValue outside = property_value(model, "outside");
  Model m(static_cast<std::size_t>(grid.cells()), convert_property(outside.value, outside.quantity, p.quantity));
  for (Index k = 0; k < grid.cells(); ++k) {
    const double z = (grid.z0_m + static_cast<double>(k / grid.nx) * grid.dz_m - z0) / (z1 - z0);
    const double x = (grid.x0_m + static_cast<double>(k % grid.nx) * grid.dx_m - x0) / (x1 - x0);
    if (!(z >= 0 && z <= 1 && x >= 0 && x <= 1)) continue;
    const Grid2 one{1, 1, grid.dz_m, grid.dx_m};
    const double row = z * static_cast<double>(nz - 1), column = x * static_cast<double>(nx - 1);
    m[static_cast<std::size_t>(k)] = resample(values, nz, nx, {row, row}, {column, column}, one)[0];
  }
  return m;
}

// The same section at every y.
Model extruded(const Model& section, const Grid3& grid) {
  if (grid.flat()) return section;
  Model m;
  m.reserve(static_cast<std::size_t>(grid.cells()));
  for (Index z = 0; z < grid.nz; ++z) {
    const auto row = section.begin() + z * grid.nx;
    for (Index y = 0; y < grid.ny; ++y) m.insert(m.end(), row, row + grid.nx);
  }
  return m;
}

// The first axis becomes the last and the last the first.
NdArray<double> reversed_axes(const NdArray<double>& a) {
  const bool flat = a.shape.size() == 2;
  const Index n0 = a.shape.front(), n1 = flat ? 1 : a.shape[1], n2 = a.shape.back();
  NdArray<double> out{{a.shape.rbegin(), a.shape.rend()}, Model(a.values.size())};
  for (Index i = 0; i < n0 * n1 * n2; ++i) {
    const Index to = (i % n2 * n1 + i / n2 % n1) * n0 + i / (n1 * n2);
    out.values[static_cast<std::size_t>(to)] = a.values[static_cast<std::size_t>(i)];
  }
  return out;
}

void turn_over(NdArray<double>& a) {
  const auto row = static_cast<Index>(a.values.size()) / a.shape[0];
  for (Index low = 0, high = a.shape[0] - 1; low < high; ++low, --high) {
    std::swap_ranges(a.values.begin() + low * row, a.values.begin() + (low + 1) * row, a.values.begin() + high * row);
  }
}

// "(z, y, x) = (0, 4, 7)"
std::string node_text(const std::vector<Index>& shape, Index k) {
  std::string text;
  for (std::size_t a = shape.size(); a-- > 0; k /= shape[a]) {
    text = std::to_string(k % shape[a]) + (text.empty() ? "" : ", ") + text;
  }
  return (shape.size() == 3 ? "(z, y, x) = (" : "(z, x) = (") + text + ")";
}

// To the SI unit of the property; every value must be one that it can have.
void check_values(NdArray<double>& a, double factor, const PropertyInfo& p, const std::string& path) {
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    const double v = a.values[i] *= factor;
    if (std::isfinite(v) && v > 0) continue;
    throw Error(ErrorCode::data,
                "value " + std::to_string(v) + " at node " + node_text(a.shape, static_cast<Index>(i)) + "; a " +
                    p.title + " must be finite and positive, in " + p.unit(),
                path);
  }
}

[[noreturn]] void wrong_shape(const NdArray<double>& a, const Grid3& grid, bool section, const std::string& path) {
  const std::string has = "the model has shape " + shape_text(a.shape) + ", the grid ";
  if (section) {
    throw Error(ErrorCode::data,
                has + shape_text({grid.nz, grid.nx}) +
                    " (nz, nx): set /grid/nz and /grid/nx to the file's shape, or give file_rows and file_columns",
                path);
  }
  throw Error(ErrorCode::data,
              has + shape_text(grid.shape()) + " (nz, ny, nx): set /grid to the file's shape" +
                  (a.shape.size() == 2 ? ", or \"extrude\": true to repeat a section along y" : ""),
              path);
}

// Values of the property that the file holds, in its SI unit.
Model read_model(const Json& model, const Grid3& grid, const PropertyInfo& p) {
  const std::string path = model.at("path");
  auto a = read_npy<double>(path);
  const bool section = grid.flat() || model.at("extrude").get<bool>();
  const std::size_t rank = section ? 2 : 3;
  if (model.at("axes") == "xz" && a.shape.size() == rank) a = reversed_axes(a);
  if (model.at("upward").get<bool>() && a.shape.size() == rank) turn_over(a);
  const bool placed = !model.at("x_m").is_null() || !model.at("z_m").is_null();
  const bool window = placed || !model.at("file_rows").is_null() || !model.at("file_columns").is_null();
  const std::vector<Index> want = section ? std::vector<Index>{grid.nz, grid.nx} : grid.shape();
  if (window ? a.shape.size() != rank : a.shape != want) wrong_shape(a, grid, section, path);
  check_values(a, file_factor(model, p, path), p, path);
  if (!window) return section ? extruded(a.values, grid) : a.values;
  const Index columns = a.shape[1];
  const Grid2 plane = grid.section();
  if (placed) return extruded(place_model(a.values, a.shape[0], columns, model, plane, p), grid);
  return extruded(resample(a.values, a.shape[0], columns, file_span(model, "file_rows", a.shape[0], path),
                           file_span(model, "file_columns", columns, path), plane),
                  grid);
}

Index cell_at(const std::vector<double>& nodes, double v) {
  const auto at = std::upper_bound(nodes.begin() + 1, nodes.end() - 1, v);
  return static_cast<Index>(at - nodes.begin()) - 1;
}

// The cell that holds each node; the nearest one outside the mesh.
Model ubc_volume(const Json& model, const Grid3& grid) {
  const TensorMesh3 mesh = read_ubc_mesh_3d(model.at("mesh"));
  const std::vector<double> values = read_ubc_model_3d(model.at("path"), mesh);
  Model m;
  for (Index z = 0; z < grid.nz; ++z) {
    for (Index y = 0; y < grid.ny; ++y) {
      const Index row = cell_at(mesh.z_m, grid.at_m(0, z)) * mesh.ny() + cell_at(mesh.y_m, grid.at_m(1, y));
      for (Index x = 0; x < grid.nx; ++x) {
        m.push_back(values[static_cast<std::size_t>(row * mesh.nx() + cell_at(mesh.x_m, grid.at_m(2, x)))]);
      }
    }
  }
  return m;
}

// The same of a 2-D mesh.
Model ubc_model(const Json& model, const Grid2& grid) {
  const std::string path = model.at("path");
  const TensorMesh mesh = read_ubc_mesh_2d(model.at("mesh"));
  const UbcModel2 values = read_ubc_model_2d(path);
  if (values.nz != mesh.nz() || values.nx != mesh.nx()) {
    throw Error(ErrorCode::data,
                "the model has " + std::to_string(values.nx) + " x " + std::to_string(values.nz) + " cells, its mesh " +
                    std::to_string(mesh.nx()) + " x " + std::to_string(mesh.nz()),
                path);
  }
  Model m(static_cast<std::size_t>(grid.cells()));
  for (Index k = 0; k < grid.cells(); ++k) {
    const double z = grid.z0_m + static_cast<double>(k / grid.nx) * grid.dz_m;
    const double x = grid.x0_m + static_cast<double>(k % grid.nx) * grid.dx_m;
    m[static_cast<std::size_t>(k)] =
        values.values[static_cast<std::size_t>(cell_at(mesh.z_m, z) * mesh.nx() + cell_at(mesh.x_m, x))];
  }
  return m;
}

// top at the first row, increasing by `slope` per metre; the water layer on top.
Model depth_trend(const Grid3& grid, double top, double slope, Index water, double water_value) {
  Model m(static_cast<std::size_t>(grid.cells()));
  for (Index z = 0; z < grid.nz; ++z) {
    const double value = z < water ? water_value : top + slope * static_cast<double>(z) * grid.dz_m;
    std::fill_n(m.begin() + z * grid.plane(), grid.plane(), value);
  }
  return m;
}

// Each row, in three dimensions each plane, of one depth.
Model row_means(const Model& of, const Grid3& grid, Index water) {
  Model m = of;
  const Index n = grid.plane();
  for (Index z = water; z < grid.nz; ++z) {
    double sum = 0;
    for (Index k = 0; k < n; ++k) sum += m[static_cast<std::size_t>(z * n + k)];
    std::fill_n(m.begin() + z * n, n, sum / static_cast<double>(n));
  }
  return m;
}

Model best_fit(const Model& of, const Grid3& grid, Index water, bool linear) {
  const Index plane = grid.plane();
  double n = 0, sz = 0, sv = 0, szz = 0, szv = 0;
  for (Index z = water; z < grid.nz; ++z) {
    for (Index i = 0; i < plane; ++i) {
      const auto k = static_cast<double>(z);
      const double v = of[static_cast<std::size_t>(z * plane + i)];
      n += 1, sz += k, sv += v, szz += k * k, szv += k * v;
    }
  }
  const double spread = n * szz - sz * sz;
  const double b = linear && spread > 0 ? (n * szv - sz * sv) / spread : 0;
  const double a = n > 0 ? (sv - b * sz) / n : 0;
  Model m = of;
  for (Index z = water; z < grid.nz; ++z) {
    std::fill_n(m.begin() + z * plane, plane, a + b * static_cast<double>(z));
  }
  return m;
}

Model blocks(const Json& model, const Grid3& grid, const PropertyInfo& p) {
  Model m(static_cast<std::size_t>(grid.cells()), property_value(model, "background", p));
  for (const Json& block : model.at("blocks")) {
    const double value = property_value(block, "value", p);
    const double x0 = block.at("x_m")[0], x1 = block.at("x_m")[1], z0 = block.at("z_m")[0], z1 = block.at("z_m")[1];
    const bool everywhere = block.at("y_m").is_null();  // along y
    const double y0 = everywhere ? 0 : block.at("y_m")[0].get<double>();
    const double y1 = everywhere ? 0 : block.at("y_m")[1].get<double>();
    for (Index k = 0; k < grid.cells(); ++k) {
      const double zm = grid.at_m(0, k / grid.plane()), xm = grid.at_m(2, k % grid.nx);
      const double ym = grid.at_m(1, k / grid.nx % grid.ny);
      if (!everywhere && !(ym >= y0 && ym <= y1)) continue;
      if (zm >= z0 && zm <= z1 && xm >= x0 && xm <= x1) m[static_cast<std::size_t>(k)] = value;
    }
  }
  return m;
}

Model generated(const Config& config, const Json& model, const Grid2& grid) {
  const Json& own_seed = model.at("seed");
  const auto seed = own_seed.is_null() ? config.json().at("seed").get<std::uint64_t>() : own_seed.get<std::uint64_t>();
  if (model.at("family") == "breast") {
    const auto v = breast_phantom({}, seed, model.at("index"), grid.nz, grid.nx, grid.dz_m, grid.dx_m);
    return Model(v.begin(), v.end());
  }
  if (const auto family = find_geology_family(model.at("family").get<std::string>())) {
    if (grid.nz != grid.nx) {
      throw Error(ErrorCode::config,
                  "the family " + model.at("family").get<std::string>() + " is square, the grid has " +
                      std::to_string(grid.nz) + " x " + std::to_string(grid.nx) + " nodes",
                  config.place("/grid"));
    }
    Stream s{Device{}};
    GeologyBatch one;
    one.family = *family;
    one.seed = seed;
    one.first = model.at("index").get<std::uint64_t>();
    GeologyOptions options;
    options.size = grid.nz;
    const auto v = geology_maps(s, one, options);
    return Model(v.begin(), v.end());
  }
  LayeredFaultedParams params;
  params.min_mps = model.at("min_mps");
  params.max_mps = model.at("max_mps");
  params.water_depth_m = model.at("water_depth_m");
  const auto index = model.at("index").get<std::uint64_t>();
  const auto values = layered_faulted(params, seed, index, grid.nz, grid.nx, grid.dz_m, grid.dx_m);
  return Model(values.begin(), values.end());
}

std::vector<double> gaussian_weights(double sigma) {
  const auto reach = static_cast<Index>(std::ceil(4 * sigma));
  std::vector<double> w;
  double sum = 0;
  for (Index k = -reach; k <= reach; ++k) {
    w.push_back(sigma > 0 ? std::exp(-0.5 * static_cast<double>(k * k) / (sigma * sigma)) : 1.0);
    sum += w.back();
  }
  for (double& e : w) e /= sum;
  return w;
}

}  // namespace

Grid3 build_grid(const Json& grid) {
  Grid3 g = Grid3::of(
      Grid2{grid.at("nz"), grid.at("nx"), grid.at("dz_m"), grid.at("dx_m"), grid.at("z0_m"), grid.at("x0_m")});
  if (grid.contains("ny") && !grid.at("ny").is_null()) {
    g.ny = grid.at("ny");
    g.dy_m = grid.at("dy_m");
    g.y0_m = grid.at("y0_m").is_null() ? 0 : grid.at("y0_m").get<double>();
  }
  g.check();
  return g;
}

std::vector<double> resample(const std::vector<double>& values, Index nz, Index nx, const NodeSpan& rows,
                             const NodeSpan& columns, const Grid2& grid) {
  const auto at = [](const NodeSpan& s, Index k, Index n) {
    return n > 1 ? s.first + (s.last - s.first) * static_cast<double>(k) / static_cast<double>(n - 1) : s.first;
  };
  Model m(static_cast<std::size_t>(grid.cells()));
  for (Index z = 0; z < grid.nz; ++z) {
    const double p = at(rows, z, grid.nz);
    const Index i = std::min<Index>(static_cast<Index>(p), std::max<Index>(0, nz - 2)), i1 = std::min(i + 1, nz - 1);
    const double wz = p - static_cast<double>(i);
    for (Index x = 0; x < grid.nx; ++x) {
      const double q = at(columns, x, grid.nx);
      const Index j = std::min<Index>(static_cast<Index>(q), std::max<Index>(0, nx - 2)), j1 = std::min(j + 1, nx - 1);
      const double wx = q - static_cast<double>(j);
      const auto v = [&](Index r, Index c) { return values[static_cast<std::size_t>(r * nx + c)]; };
      const double top = wx == 0 ? v(i, j) : (1 - wx) * v(i, j) + wx * v(i, j1);
      const double bottom = wx == 0 ? v(i1, j) : (1 - wx) * v(i1, j) + wx * v(i1, j1);
      node(m, grid, z, x) = wz == 0 ? top : (1 - wz) * top + wz * bottom;
    }
  }
  return m;
}

std::vector<double> gaussian_blur(const std::vector<double>& a, const Grid3& grid, const std::array<double, 3>& sigma) {
  std::vector<double> from = a, to(a.size());
  for (const int axis : {2, 1, 0}) {
    if (axis == 1 && grid.flat()) continue;
    const auto w = gaussian_weights(sigma[static_cast<std::size_t>(axis)]);
    const Index reach = static_cast<Index>(w.size()) / 2, n = grid.size(axis);
    const Index stride = axis == 0 ? grid.plane() : axis == 1 ? grid.nx : 1;
    for (Index i = 0; i < grid.cells(); ++i) {
      const Index at = i / stride % n;
      double sum = 0;
      for (Index k = -reach; k <= reach; ++k) {
        const Index neighbour = i + (std::clamp<Index>(at + k, 0, n - 1) - at) * stride;
        sum += w[static_cast<std::size_t>(k + reach)] * from[static_cast<std::size_t>(neighbour)];
      }
      to[static_cast<std::size_t>(i)] = sum;
    }
    std::swap(from, to);
  }
  return from;
}

std::vector<double> build_model(const Config& config, const Json& model, const std::string& pointer, const Grid3& grid,
                                const std::vector<double>* true_model) {
  const std::string type = model.at("type");
  const PropertyInfo& p = property_of(config.json());
  const auto cells = static_cast<std::size_t>(grid.cells());
  const auto converted = [&](Model m, Quantity from) {
    for (double& v : m) v = p.model_of(convert_property(v, from, p.quantity));
    return m;
  };
  if (type == "constant") return Model(cells, property_value(model, "value", p));
  if (type == "blocks") return blocks(model, grid, p);
  if (type == "file") {
    const std::string own = p.logarithmic ? "conductivity" : p.name;
    const std::string held = model.at("property").is_null() ? own : model.at("property").get<std::string>();
    return converted(read_model(model, grid, property_info(held)), property_info(held).quantity);
  }
  if (type == "ubc") {
    const PropertyInfo& held = property_info(model.at("property").get<std::string>());
    const bool section = grid.flat() || looks_like_ubc_mesh_2d(read_file(model.at("mesh")));
    return converted(section ? extruded(ubc_model(model, grid.section()), grid) : ubc_volume(model, grid),
                     held.quantity);
  }
  if (type == "generated")
    return converted(extruded(generated(config, model, grid.section()), grid), Quantity::velocity);
  const Index water = model.contains("water_depth_m") ? water_rows(grid, model.at("water_depth_m")) : 0;
  if (type == "gradient") {
    const PropertyValue top = property_value(model, "top"), bottom = property_value(model, "bottom");
    if (top.quantity != bottom.quantity) {
      throw Error(ErrorCode::config, pointer + ": give top and bottom in the same unit", config.place(pointer));
    }
    const double depth = static_cast<double>(std::max<Index>(1, grid.nz - 1)) * grid.dz_m;
    const double water_value =
        water > 0 ? convert_property(model.at("water_mps"), Quantity::velocity, top.quantity) : 0;
    return converted(depth_trend(grid, top.value, (bottom.value - top.value) / depth, water, water_value),
                     top.quantity);
  }
  if (type == "linear") {
    return converted(depth_trend(grid, model.at("top_mps"), model.at("gradient_per_s"), water, model.at("water_mps")),
                     Quantity::velocity);
  }
  // The rest is taken "of" another model.
  const Json& of = model.at("of");
  Model base;
  if (of.is_string()) {
    if (true_model == nullptr) {
      throw Error(ErrorCode::config, pointer + ": \"of\": \"true_model\" needs a true_model in the config",
                  config.place(pointer));
    }
    base = *true_model;
  } else {
    base = build_model(config, of, pointer + "/of", grid, true_model);
  }
  if (type == "best-layered") return row_means(base, grid, water);
  if (type == "best-constant" || type == "best-linear") return best_fit(base, grid, water, type == "best-linear");
  if (type == "smooth") {
    const double sigma = model.at("sigma_m");
    Model m = gaussian_blur(base, grid, {sigma / grid.dz_m, sigma / grid.dy_m, sigma / grid.dx_m});
    std::copy_n(base.begin(), water * grid.plane(), m.begin());
    return m;
  }
  throw Error(ErrorCode::config, pointer + ": the model type \"" + type + "\" is not built in this version",
              config.place(pointer));
}

}  // namespace terrane
