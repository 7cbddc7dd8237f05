// SPDX-License-Identifier: MIT
#include "tests/support/resistivity_cases.hpp"

#include <algorithm>
#include <cmath>

#include "physics/resistivity/resistivity_op.hpp"
#include "tests/support/case_support.hpp"

namespace terrane {

namespace {

// ln(sigma) of about 0.02 S/m with noise, as the property that the operator takes.
template <class T>
Var dc_model(CaseInstance<T>& c, const Shape& shape, DcProperty property) {
  const Var v = c.tape->input(shape, "model");
  std::vector<T> values;
  for (const double e : random_normal<double>(elements(shape), 141)) {
    const double l = std::log(0.02) + 0.5 * e;
    values.push_back(static_cast<T>(property == DcProperty::log_conductivity ? l
                                    : property == DcProperty::conductivity   ? std::exp(l)
                                                                             : std::exp(-l)));
  }
  c.tape->set(v, values);
  c.inputs.push_back(v);
  return v;
}

struct ResistivityCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    auto c = start<T>(s);
    ResistivityOptions o;
    o.wavenumbers = {{0.005, 0.04, 0.3}, {0.004, 0.02, 0.1}};
    TensorMesh mesh = TensorMesh::padded(5, 9, 2, 1.5, -3, 0.5, 2, 1.5);
    DcSurvey survey;
    survey.electrodes = {{-1.5, 0.5}, {1.5, 0.5}, {4.1, 0.5}, {5.2, 7.3}, {9, 0.5}, {0.3, 3.1}};
    survey.data = {{0, 1, 2, 3}, {0, -1, 4, -1}, {-1, 3, 2, 5}, {5, 4, -1, 0}};
    if (variant == 1) {
      o.property = DcProperty::conductivity;
      o.core = MeshCore::inside(mesh, 2);
    }
    if (variant == 2) {
      o.property = DcProperty::resistivity;
      o.core = MeshCore{1, 5, 3, 8};
      o.padding = DcPadding::frozen;
      o.padding_siemens_per_m = 0.03;
      o.origin = DcOrigin{1, 2};
    }
    if (variant == 7) {
      o.core = MeshCore::inside(mesh, 2);
      o.remove_singularity = true;
    }
    if (variant == 3) mesh = TensorMesh::padded(23, 8, 0.5, 1.7, -3, 0.5, 0, 1);  // taller than wide
    if (variant == 5 || variant == 6) {  // a slope to the right with a step, and a hole
      o.core = MeshCore::inside(mesh, 2);
      if (variant == 6) {
        o.padding = DcPadding::frozen;
        o.padding_siemens_per_m = 0.03;
      }
      o.air = air_above(mesh, {{-9, 0.5}, {2, 2.6}, {5, 4.7}, {14, 6.5}});
      o.air[static_cast<std::size_t>(4 * mesh.nx() + 5)] = 1;
      for (Point3& p : survey.electrodes) p.z_m = std::max(p.z_m, ground_z_m(mesh, o.air, p.x_m));
    }
    if (variant == 4) {
      mesh = {{-4, 6}, {0, 3}};
      survey.electrodes = {{-1, 0.5}, {3, 0}};
      survey.data = {{0, -1, 1, -1}};
    }
    const auto dc = std::make_shared<Resistivity<T>>(mesh, survey, o);
    const auto op = std::make_shared<ResistivityOp<T>>(dc);
    c.output = c.tape->apply(op, {dc_model(c, op->model_shape(), o.property)});
    return c;
  }
};

struct Resistivity3dCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    auto c = start<T>(s);
    Resistivity3dOptions o;
    TensorMesh3 mesh = TensorMesh3::padded(3, 4, 5, 2, 1.75, 1.25, {-3, 0.5, -3.5}, 1, 1.5);
    DcSurvey survey;
    survey.electrodes = {{-1.5, 0.5, 0}, {1.5, 0.5, 2}, {2.1, 0.5, -3}, {2.2, 6.3, 1}, {4, 0.5, 3.1}, {0.3, 3.1, 0}};
    survey.data = {{0, 1, 2, 3}, {0, -1, 4, -1}, {-1, 3, 2, 5}, {5, 4, -1, 0}};
    if (variant == 1) {
      o.property = DcProperty::conductivity;
      o.core = MeshCore3::inside(mesh, 1);
      o.remove_singularity = true;
    }
    if (variant == 2) {  // more poles than one batch
      o.property = DcProperty::resistivity;
      o.core = MeshCore3{1, 3, 1, 5, 2, 6};
      o.padding = DcPadding::frozen;
      o.padding_siemens_per_m = 0.03;
      o.origin = Point3{0.5, 1, 0.2};
      for (Index i = 0; i < 12; ++i) {
        survey.electrodes.push_back({-2.5 + 0.5 * static_cast<double>(i), 0.5, -2});
        survey.data.push_back({i % 6, -1, 6 + i, (i + 1) % 6});
      }
    }
    if (variant == 3) {  // a slope with a step and a hole
      o.core = MeshCore3::inside(mesh, 1);
      o.air = air_above(mesh, {{-9, 2, 9}, {-3, 3}, {0.5, 1.6, 3, 0.5, 3, 4.2}});
      o.air[static_cast<std::size_t>((2 * mesh.ny() + 3) * mesh.nx() + 4)] = 1;
      for (Point3& p : survey.electrodes) p.z_m = std::max(p.z_m, ground_z_m(mesh, o.air, p.x_m, p.y_m));
    }
    if (variant == 4) {
      mesh = {{-4, 6}, {-2, 3}, {0, 3}};
      survey.electrodes = {{-1, 0.5, 0}, {3, 0, 1}};
      survey.data = {{0, -1, 1, -1}};
    }
    if (variant == 5) o.solution = DcSolution::direct;
    const auto op = std::make_shared<Resistivity3dOp<T>>(std::make_shared<Resistivity3d<T>>(s, mesh, survey, o));
    c.output = c.tape->apply(op, {dc_model(c, op->model_shape(), o.property)});
    return c;
  }
};

}  // namespace

std::vector<OpCase> resistivity_cases() {
  std::vector<OpCase> cases;
  cases.push_back(
      row<ResistivityCase>("resistivity", {},
                           {"ln(sigma), whole mesh", "sigma, extended core", "rho, frozen padding", "taller than wide",
                            "one cell, poles", "topography", "topography, frozen padding", "singularity removed"}));
  cases.back().covers = {"physics/dc-2.5d"};
  cases.push_back(row<Resistivity3dCase>("resistivity-3d", {},
                                         {"ln(sigma), whole mesh", "sigma, extended core, singularity removed",
                                          "rho, frozen padding, two batches", "topography", "one cell", "direct"}));
  cases.back().covers = {"physics/dc-3d"};
  return cases;
}

}  // namespace terrane
