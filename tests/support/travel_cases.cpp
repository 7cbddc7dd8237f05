// SPDX-License-Identifier: MIT
#include "tests/support/travel_cases.hpp"

#include <cmath>

#include "autodiff/check.hpp"
#include "physics/eikonal/eikonal_op.hpp"
#include "physics/straight_ray/straight_ray_op.hpp"

namespace terrane {

namespace {

// A smooth model with some noise: mean 2000 m/s, or its inverse.
template <class T>
Var model_input(CaseInstance<T>& c, const Grid3& g, bool velocity, double noise) {
  const Var v = c.tape->input(g.flat() ? Shape{g.nz, g.nx} : Shape{g.nz, g.ny, g.nx}, "model");
  std::vector<T> values;
  const auto random = random_normal<double>(g.cells(), 131);
  for (Index i = 0; i < g.cells(); ++i) {
    const auto x = static_cast<double>(i % g.nx), z = static_cast<double>(i / (g.nx * g.ny));
    const double mps = 2000 + 30 * z + 11 * x + 150 * std::sin(0.5 * x) * std::cos(0.4 * z) +
                       noise * random[static_cast<std::size_t>(i)];
    values.push_back(static_cast<T>(velocity ? mps : 1 / mps));
  }
  c.tape->set(v, values);
  c.inputs.push_back(v);
  return v;
}

struct EikonalCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    CaseInstance<T> c;
    c.tape = std::make_unique<Tape<T>>(s);
    EikonalOptions o;
    o.order = variant == 0 || variant == 3 ? 1 : 2;
    o.factored = variant != 3;
    o.property = variant == 1 ? TravelProperty::slowness : TravelProperty::velocity;
    Grid3 g{13, 1, 17, 10, 1, 14, 0, 0, 0};
    std::vector<Point3> sources{{53.7, 31.1}, {0, 0}, {140, 60}}, receivers{{221, 113}, {17, 90.3}, {150, 0}};
    if (variant == 2) {  // a hill: the upper left corner and a pillar are air
      o.air.assign(static_cast<std::size_t>(g.cells()), 0);
      for (Index z = 0; z < 2; ++z) {
        for (Index x = 0; x < 5 - z; ++x) o.air[static_cast<std::size_t>(z * g.nx + x)] = 1;
      }
      for (Index z = 0; z < 7; ++z) o.air[static_cast<std::size_t>(z * g.nx + 9)] = 1;
      sources[1] = {10, 60};
    }
    if (variant == 4) {
      g = {7, 6, 8, 10, 12, 11, 0, 0, 0};
      sources = {{23.7, 31.1, 17.3}, {0, 0, 0}};
      receivers = {{71, 53, 41}, {7, 40.3, 60}, {50, 0, 5}};
    }
    const auto op = std::make_shared<Eikonal<T>>(s, g, TravelSurvey::full(sources, receivers), o);
    c.output = c.tape->apply(std::make_shared<EikonalOp<T>>(op), {model_input(c, g, variant != 1, 20)});
    return c;
  }
};

struct StraightRayCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    CaseInstance<T> c;
    c.tape = std::make_unique<Tape<T>>(s);
    StraightRayOptions o;
    o.kernel = variant == 1 ? RayKernel::gaussian : RayKernel::length;
    o.property = variant == 2 || variant == 3 ? TravelProperty::velocity : TravelProperty::slowness;
    o.sparse = variant == 3;
    Grid3 g{13, 1, 17, 10, 1, 14, 0, 0, 0};
    std::vector<Point3> sources{{53.7, 31.1}, {0, 0}, {140, 60}}, receivers{{221, 113}, {17, 90.3}, {150, 0}};
    if (variant == 4) {
      g = {7, 6, 8, 10, 12, 11, 0, 0, 0};
      sources = {{23.7, 31.1, 17.3}, {0, 0, 0}};
      receivers = {{71, 53, 41}, {7, 40.3, 60}, {50, 0, 5}};
    }
    if (variant == 5) {
      g = {1, 1, 1, 10, 1, 10, 0, 0, 0};
      sources = {{-5, 2}};
      receivers = {{4, -3}};
    }
    const auto op = std::make_shared<StraightRays<T>>(s, g, TravelSurvey::full(sources, receivers), o);
    const bool velocity = o.property == TravelProperty::velocity;
    c.output = c.tape->apply(std::make_shared<StraightRayOp<T>>(op), {model_input(c, g, velocity, 100)});
    return c;
  }
};

template <class Case>
OpCase row(std::string name, std::vector<std::string> variants) {
  OpCase c;
  c.name = std::move(name);
  c.variants = std::move(variants);
  c.make_double = [](Stream& s, int v) { return Case::template make<double>(s, v); };
  c.make_float = [](Stream& s, int v) { return Case::template make<float>(s, v); };
  return c;
}

}  // namespace

std::vector<OpCase> travel_cases() {
  std::vector<OpCase> cases;
  cases.push_back(
      row<StraightRayCase>("straight-ray", {"length", "gaussian", "velocity", "velocity, sparse", "3-D", "one cell"}));
  cases.back().covers = {"physics/straight-ray"};
  OpCase eikonal = row<EikonalCase>(
      "eikonal", {"order 1", "order 2, slowness", "order 2, air", "order 1, unfactored", "order 2, 3-D"});
  eikonal.covers = {"physics/eikonal"};
  eikonal.taylor_step = 1e-5;
  eikonal.dot_float = 1e-5;
  eikonal.parity_float = 1e-4;
  eikonal.reason = "steps that change no upwind side; float values are iterated to 2e-6";
  cases.push_back(eikonal);
  return cases;
}

}  // namespace terrane
