// SPDX-License-Identifier: MIT
// Rows of the multi-resolution grid, the Gabor network, the network of many models and the operations that join
// branches.
#include "autodiff/ops/fusion_op.hpp"
#include "autodiff/ops/gabor_op.hpp"
#include "autodiff/ops/local_code_op.hpp"
#include "autodiff/ops/modulated_mlp_op.hpp"
#include "autodiff/ops/multigrid_op.hpp"
#include "autodiff/ops/tucker_op.hpp"
#include "engine/diffusion/flow_map.hpp"
#include "tests/support/case_support.hpp"

namespace terrane {

namespace {

struct MultigridCase {
  struct Variant {
    int d;
    Index n;
    double base, growth;
    int levels, features;
    Index table_size;
    bool smoothstep;
    GridOffset offset;
  };
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    static const Variant variants[] = {
        {1, 1, 5, 1.5, 2, 2, 1024, false, GridOffset::vertex},
        {1, 41, 10, 1.3, 4, 2, 1024, false, GridOffset::tcnn},
        {2, 67, 10, 1.05, 5, 2, 1024, false, GridOffset::vertex},
        {2, 67, 6, 1.4, 3, 4, 1024, true, GridOffset::tcnn},
        {3, 91, 4, 1.8, 5, 1, 64, false, GridOffset::tcnn},
        {3, 91, 3, 1.9, 4, 2, 256, true, GridOffset::vertex},
        {2, 50, 9, 1.2, 2, 8, 1024, false, GridOffset::vertex},
        {2, 3001, 4, 1.4, 3, 2, 1024, false, GridOffset::vertex},
    };
    const Variant& v = variants[variant];
    MultigridOptions o;
    o.base = v.base;
    o.growth = v.growth;
    o.levels = v.levels;
    o.features = v.features;
    o.table_size = v.table_size;
    o.smoothstep = v.smoothstep;
    o.offset = v.offset;
    if (variant == 6) {
      o.aspect = GridAspect::match;
      o.lengths[1] = 3.3;
    }
    const MultigridShape shape = multigrid_shape(v.d, o);
    auto c = start<T>(s);
    const Var table = random_input(c, {shape.parameters()}, 201), x = random_input(c, {v.n, v.d}, 202, 0.2, 0.5);
    c.output = c.tape->apply(std::make_shared<MultigridOp<T>>(shape, v.n), {table, x});
    return c;
  }
};

struct GaborCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    auto c = start<T>(s);
    const Index n = variant == 0 ? 1 : variant == 1 ? 133 : 300;
    const GaborShape shape = variant == 0   ? gabor_shape(1, 1, 1, 1, 3, 3, 1)
                             : variant == 1 ? gabor_shape(2, 9, 3, 1, 3, 2, 0.8)
                                            : gabor_shape(3, 21, 2, 2, 2, 4, 1.1);
    const Var theta = random_input(c, {shape.parameters()}, 211, 0.25);
    const Var x = random_input(c, {n, shape.n_in}, 212, 0.6);
    c.output = c.tape->apply(std::make_shared<GaborOp<T>>(shape, n), {theta, x});
    return c;
  }
};

struct ConcatCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    auto c = start<T>(s);
    const Index n = variant == 0 ? 1 : 37;
    const std::vector<Index> columns = variant == 0   ? std::vector<Index>{1, 1}
                                       : variant == 1 ? std::vector<Index>{5, 9}
                                                      : std::vector<Index>{3, 1, 4};
    const std::vector<double> scale = {0.6, -1.7, 0.4};
    std::vector<Var> in;
    for (std::size_t b = 0; b < columns.size(); ++b) in.push_back(random_input(c, {n, columns[b]}, 221 + b));
    if (variant == 2) in.push_back(random_input(c, {3}, 229, 1, 0, false));
    c.output = c.tape->apply(
        std::make_shared<ConcatScaleOp<T>>(
            n, columns, std::vector<double>(scale.begin(), scale.begin() + static_cast<std::ptrdiff_t>(columns.size())),
            variant == 2),
        in);
    return c;
  }
};

struct OuterCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    static const std::vector<Index> sizes[] = {{1, 1}, {7, 11}, {3, 5, 4}};
    static const Index features[] = {1, 37, 19};
    auto c = start<T>(s);
    const Index k = features[variant];
    std::vector<Var> in;
    for (std::size_t m = 0; m < sizes[variant].size(); ++m)
      in.push_back(random_input(c, {sizes[variant][m], k}, 231 + m));
    c.output = c.tape->apply(std::make_shared<OuterProductOp<T>>(sizes[variant], k), in);
    return c;
  }
};

struct TuckerCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    static const std::vector<Index> sizes[] = {{1, 1}, {13, 29}, {3, 7, 5}};
    static const std::vector<Index> ranks[] = {{1, 1}, {5, 7}, {2, 4, 3}};
    auto c = start<T>(s);
    std::vector<Var> in;
    Shape core;
    for (std::size_t m = 0; m < sizes[variant].size(); ++m) {
      in.push_back(random_input(c, {sizes[variant][m], ranks[variant][m]}, 241 + m));
      core.push_back(ranks[variant][m]);
    }
    in.push_back(random_input(c, core, 249));
    c.output = c.tape->apply(std::make_shared<TuckerOp<T>>(sizes[variant], ranks[variant]), in);
    return c;
  }
};

struct ModulatedMlpCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    const Index models = variant == 0 ? 1 : 3, n = variant == 0 ? 1 : 37, width = variant == 0 ? 1 : 19;
    const Index n_in = variant == 2 ? 3 : 2;
    const int hidden = variant == 0 ? 1 : 3, shifted = variant == 2 ? 1 : hidden;
    MlpShape shape;
    for (int l = 0; l < hidden; ++l) {
      shape.layer[shape.layers++] = MlpLayer{l == 0 ? n_in : width, width, Activation::sine, 5};
    }
    shape.layer[shape.layers++] = MlpLayer{width, 1, Activation::identity, 0};
    auto c = start<T>(s);
    const Index shifts = ModulatedMlpOp<T>::shift_size(shape, shifted);
    const std::vector<Var> in{random_input(c, {shape.parameters()}, 261, 0.2),
                              random_input(c, {models, shifts}, 262, 0.2),
                              random_input(c, {models * n, n_in}, 263, 0.5)};
    c.output = c.tape->apply(std::make_shared<ModulatedMlpOp<T>>(shape, models, n, shifted), in);
    return c;
  }
};

struct LocalCodeCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    const LocalCodeShape shapes[] = {{1, 1, 2, 1, 1}, {3, 37, 2, 4, 5}, {2, 29, 3, 3, 2}};
    const LocalCodeShape& shape = shapes[variant];
    auto c = start<T>(s);
    // Some points lie outside the nodes, none near a face of their cells.
    const std::vector<Var> in{random_input(c, {shape.models, shape.channels * shape.nodes()}, 281),
                              random_input(c, {shape.rows(), shape.dims}, 282, 0.5)};
    c.output = c.tape->apply(std::make_shared<LocalCodeOp<T>>(shape), in);
    return c;
  }
};

struct FlowMapCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    ResidualMlpShape shape;
    shape.values = variant == 0 ? 1 : 7;
    shape.width = variant == 0 ? 4 : 12;
    shape.blocks = variant == 0 ? 0 : 2;
    shape.families = variant == 0 ? 0 : 3;
    const Denoiser net(shape);
    auto c = start<T>(s);
    const Var z = random_input(c, {1, shape.values}, 271);
    c.output = FlowMap{net, net.initial_parameters(6), variant == 0 ? 1 : 5, variant - 1}.record(*c.tape, z);
    return c;
  }
};

}  // namespace

void add_field_cases(std::vector<OpCase>& cases) {
  cases.push_back(small_steps(
      row<MultigridCase>(
          "multigrid", {},
          {"one point, 1-D", "1-D tcnn", "2-D vertex", "2-D tcnn smoothstep, 4 features", "3-D hashed tcnn, 1 feature",
           "3-D hashed vertex smoothstep", "2-D square cells, 8 features", "2-D, many points"}),
      1e-6, "steps that cross no cell face"));
  cases.push_back(
      small_steps(row<GaborCase>("gabor", {}, {"one point, width 1", "2-9x3-1", "3-21x2-2"}), 1e-3, "short waves"));
  cases.push_back(row<ConcatCase>("concat-scale", {}, {"one point", "5 + 9 columns", "three branches with factors"}));
  cases.push_back(row<OuterCase>("outer-product", {}, {"1x1", "7x11, 37 features", "3x5x4, 19 features"}));
  cases.push_back(small_steps(row<ModulatedMlpCase>("modulated-mlp", {"field/decoder"},
                                                    {"one point", "three models, all layers", "3-D, first layer only"}),
                              1e-3, "short waves"));
  cases.push_back(
      small_steps(row<LocalCodeCase>("local-code", {},
                                     {"one point, one node", "three models, 4 x 4 nodes", "3-D, 3 x 3 x 3 nodes"}),
                  1e-6, "steps that cross no cell face"));
  cases.push_back(row<TuckerCase>("tucker", {}, {"1x1", "13x29, ranks 5 and 7", "3x7x5, ranks 2, 4, 3"}));
  cases.push_back(row<FlowMapCase>("flow-map", {}, {"one number, one step", "5 steps of a family"}));
}

}  // namespace terrane
