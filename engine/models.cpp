// SPDX-License-Identifier: MIT
#include "engine/models.hpp"

#include <algorithm>
#include <cmath>

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
Index water_rows(const Grid2& grid, double depth_m) {
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

// Values (nz, nx) of the property that the file holds, in its SI unit.
Model read_model(const Json& model, const Grid2& grid, const PropertyInfo& p) {
  const std::string path = model.at("path");
  auto a = read_npy<double>(path);
  if (model.at("axes") == "xz" && a.shape.size() == 2) {
    const Index rows = a.shape[0], columns = a.shape[1];
    const Model as_read = a.values;
    for (Index i = 0; i < rows * columns; ++i) {
      a.values[static_cast<std::size_t>(i % columns * rows + i / columns)] = as_read[static_cast<std::size_t>(i)];
    }
    a.shape = {columns, rows};
  }
  if (model.at("upward").get<bool>() && a.shape.size() == 2) {
    for (Index low = 0, high = a.shape[0] - 1; low < high; ++low, --high) {
      std::swap_ranges(a.values.begin() + low * a.shape[1], a.values.begin() + (low + 1) * a.shape[1],
                       a.values.begin() + high * a.shape[1]);
    }
  }
  const bool placed = !model.at("x_m").is_null() || !model.at("z_m").is_null();
  const bool window = placed || !model.at("file_rows").is_null() || !model.at("file_columns").is_null();
  if (window ? a.shape.size() != 2 : a.shape != std::vector<Index>{grid.nz, grid.nx}) {
    throw Error(ErrorCode::data,
                "the model has shape " + shape_text(a.shape) + ", the grid " + shape_text({grid.nz, grid.nx}) +
                    " (nz, nx): set /grid/nz and /grid/nx to the file's shape, or give file_rows and file_columns",
                path);
  }
  const Index columns = a.shape[1];
  const double factor = file_factor(model, p, path);
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    const double v = a.values[i] *= factor;
    if (std::isfinite(v) && v > 0) continue;
    const auto k = static_cast<Index>(i);
    throw Error(ErrorCode::data,
                "value " + std::to_string(v) + " at node (z, x) = (" + std::to_string(k / columns) + ", " +
                    std::to_string(k % columns) + "); a " + p.title + " must be finite and positive, in " + p.unit(),
                path);
  }
  if (!window) return a.values;
  if (placed) return place_model(a.values, a.shape[0], columns, model, grid, p);
  return resample(a.values, a.shape[0], columns, file_span(model, "file_rows", a.shape[0], path),
                  file_span(model, "file_columns", columns, path), grid);
}

// The cell that holds each node; the nearest one outside the mesh.
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
  const auto cell = [](const std::vector<double>& nodes, double v) {
    const auto at = std::upper_bound(nodes.begin() + 1, nodes.end() - 1, v);
    return static_cast<Index>(at - nodes.begin()) - 1;
  };
  Model m(static_cast<std::size_t>(grid.cells()));
  for (Index k = 0; k < grid.cells(); ++k) {
    const double z = grid.z0_m + static_cast<double>(k / grid.nx) * grid.dz_m;
    const double x = grid.x0_m + static_cast<double>(k % grid.nx) * grid.dx_m;
    m[static_cast<std::size_t>(k)] =
        values.values[static_cast<std::size_t>(cell(mesh.z_m, z) * mesh.nx() + cell(mesh.x_m, x))];
  }
  return m;
}

// top at the first row, increasing by `slope` per metre; the water layer on top.
Model depth_trend(const Grid2& grid, double top, double slope, Index water, double water_value) {
  Model m(static_cast<std::size_t>(grid.cells()));
  for (Index z = 0; z < grid.nz; ++z) {
    const double value = z < water ? water_value : top + slope * static_cast<double>(z) * grid.dz_m;
    std::fill_n(m.begin() + z * grid.nx, grid.nx, value);
  }
  return m;
}

Model row_means(const Model& of, const Grid2& grid, Index water) {
  Model m = of;
  for (Index z = water; z < grid.nz; ++z) {
    double sum = 0;
    for (Index x = 0; x < grid.nx; ++x) sum += node(m, grid, z, x);
    std::fill_n(m.begin() + z * grid.nx, grid.nx, sum / static_cast<double>(grid.nx));
  }
  return m;
}

Model best_fit(const Model& of, const Grid2& grid, Index water, bool linear) {
  double n = 0, sz = 0, sv = 0, szz = 0, szv = 0;
  for (Index z = water; z < grid.nz; ++z) {
    for (Index x = 0; x < grid.nx; ++x) {
      const auto k = static_cast<double>(z);
      const double v = of[static_cast<std::size_t>(z * grid.nx + x)];
      n += 1, sz += k, sv += v, szz += k * k, szv += k * v;
    }
  }
  const double spread = n * szz - sz * sz;
  const double b = linear && spread > 0 ? (n * szv - sz * sv) / spread : 0;
  const double a = n > 0 ? (sv - b * sz) / n : 0;
  Model m = of;
  for (Index z = water; z < grid.nz; ++z) {
    std::fill_n(m.begin() + z * grid.nx, grid.nx, a + b * static_cast<double>(z));
  }
  return m;
}

Model blocks(const Json& model, const Grid2& grid, const PropertyInfo& p) {
  Model m(static_cast<std::size_t>(grid.cells()), property_value(model, "background", p));
  for (const Json& block : model.at("blocks")) {
    const double value = property_value(block, "value", p);
    const double x0 = block.at("x_m")[0], x1 = block.at("x_m")[1], z0 = block.at("z_m")[0], z1 = block.at("z_m")[1];
    for (Index z = 0; z < grid.nz; ++z) {
      for (Index x = 0; x < grid.nx; ++x) {
        const double zm = grid.z0_m + static_cast<double>(z) * grid.dz_m;
        const double xm = grid.x0_m + static_cast<double>(x) * grid.dx_m;
        if (zm >= z0 && zm <= z1 && xm >= x0 && xm <= x1) node(m, grid, z, x) = value;
      }
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

Grid2 build_grid(const Json& grid) {
  Grid2 g{grid.at("nz"), grid.at("nx"), grid.at("dz_m"), grid.at("dx_m"), grid.at("z0_m"), grid.at("x0_m")};
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

std::vector<double> gaussian_blur(const std::vector<double>& a, Index nz, Index nx, double sigma_z, double sigma_x) {
  const auto wz = gaussian_weights(sigma_z), wx = gaussian_weights(sigma_x);
  const Index rz = static_cast<Index>(wz.size()) / 2, rx = static_cast<Index>(wx.size()) / 2;
  std::vector<double> half(a.size()), out(a.size());
  for (Index z = 0; z < nz; ++z) {
    for (Index x = 0; x < nx; ++x) {
      double sum = 0;
      for (Index k = -rx; k <= rx; ++k) {
        sum += wx[static_cast<std::size_t>(k + rx)] *
               a[static_cast<std::size_t>(z * nx + std::clamp<Index>(x + k, 0, nx - 1))];
      }
      half[static_cast<std::size_t>(z * nx + x)] = sum;
    }
  }
  for (Index z = 0; z < nz; ++z) {
    for (Index k = -rz; k <= rz; ++k) {
      const double w = wz[static_cast<std::size_t>(k + rz)];
      const Index from = std::clamp<Index>(z + k, 0, nz - 1) * nx;
      for (Index x = 0; x < nx; ++x) {
        out[static_cast<std::size_t>(z * nx + x)] += w * half[static_cast<std::size_t>(from + x)];
      }
    }
  }
  return out;
}

std::vector<double> build_model(const Config& config, const Json& model, const std::string& pointer, const Grid2& grid,
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
    return converted(ubc_model(model, grid), held.quantity);
  }
  if (type == "generated") return converted(generated(config, model, grid), Quantity::velocity);
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
    Model m = gaussian_blur(base, grid.nz, grid.nx, sigma / grid.dz_m, sigma / grid.dx_m);
    std::copy_n(base.begin(), water * grid.nx, m.begin());
    return m;
  }
  throw Error(ErrorCode::config, pointer + ": the model type \"" + type + "\" is not built in this version",
              config.place(pointer));
}

}  // namespace terrane
