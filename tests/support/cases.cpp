// SPDX-License-Identifier: MIT
#include "tests/support/cases.hpp"

#include <cmath>

#include "autodiff/ops/analytic.hpp"
#include "autodiff/ops/encode_op.hpp"
#include "autodiff/ops/matmul.hpp"
#include "autodiff/ops/misfit.hpp"
#include "autodiff/ops/mlp_op.hpp"
#include "autodiff/ops/penalty.hpp"
#include "engine/field.hpp"
#include "engine/json_value.hpp"
#include "engine/objective.hpp"
#include "physics/wave/wave_op.hpp"
#include "physics/wave/wavelet.hpp"
#include "tests/support/case_support.hpp"
#include "tests/support/resistivity_cases.hpp"
#include "tests/support/sponge_cases.hpp"
#include "tests/support/travel_cases.hpp"
#include "tests/support/wave3_cases.hpp"

namespace terrane {

namespace {

const Shape odd_shapes[] = {{1}, {17}, {5, 33}, {3, 7, 501}};

struct UnaryCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    auto c = start<T>(s);
    const auto kind = static_cast<UnaryKind>(variant);
    const bool positive =
        kind == UnaryKind::logarithm || kind == UnaryKind::square_root || kind == UnaryKind::reciprocal;
    // 10 sigma of distance from 0; absolute and clamp are away from their kinks for the seed.
    const Var x = random_input(c, {5, 33}, 11, positive ? 0.1 : 1, positive ? 2 : 0);
    const double a = kind == UnaryKind::clamp ? -0.503 : 1.7, b = kind == UnaryKind::clamp ? 0.817 : -0.3;
    c.output = c.tape->apply(std::make_shared<UnaryOp<T>>(kind, a, b), {x});
    return c;
  }
};
struct BinaryCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    auto c = start<T>(s);
    const Var x = random_input(c, {4, 101}, 21), y = random_input(c, {4, 101}, 22, 0.1, 3);
    c.output = c.tape->apply(std::make_shared<BinaryOp<T>>(static_cast<BinaryKind>(variant), 0.1), {x, y});
    return c;
  }
};
struct SumCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    auto c = start<T>(s);
    const Shape shape = variant < 4 ? odd_shapes[variant] : Shape{3, 4097};
    c.output = c.tape->apply(std::make_shared<SumOp<T>>(), {random_input(c, shape, 31)});
    return c;
  }
};
struct WeightedSumCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    auto c = start<T>(s);
    const Shape shape = odd_shapes[variant];
    const Var a = random_input(c, shape, 32), b = random_input(c, shape, 33);
    c.output = c.tape->apply(std::make_shared<WeightedSumOp<T>>(std::vector<double>{0.7, -1.3}), {a, b});
    return c;
  }
};
struct SliceCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    auto c = start<T>(s);
    const Index size = variant == 0 ? 1 : 57;
    const Shape part = variant == 0 ? Shape{1} : Shape{3, 7};
    c.output = c.tape->apply(std::make_shared<SliceOp<T>>(variant == 0 ? 0 : 36, part), {random_input(c, {size}, 42)});
    return c;
  }
};
struct GatherCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    auto c = start<T>(s);
    const Index source = variant == 0 ? 1 : 57;
    std::vector<Index> index;
    for (Index k = 0; k < 91; ++k) index.push_back(k * k * 7 % source);  // with repeats, not all used
    c.output = c.tape->apply(std::make_shared<GatherOp<T>>(s, index, source), {random_input(c, {source}, 41)});
    return c;
  }
};
struct MatmulCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    auto c = start<T>(s);
    const Index m = variant == 0 ? 1 : 37, k = variant == 0 ? 1 : 19, n = variant == 0 ? 1 : 65;
    const Var a = random_input(c, {m, k}, 51), b = random_input(c, {k, n}, 52);
    c.output = c.tape->apply(std::make_shared<MatmulOp<T>>(), {a, b});
    return c;
  }
};
struct HilbertCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    auto c = start<T>(s);
    const Shape shape = variant == 0 ? Shape{1, 1} : variant == 1 ? Shape{3, 64} : Shape{2, 2, 53};
    c.output = c.tape->apply(std::make_shared<HilbertOp<T>>(), {random_input(c, shape, 61)});
    return c;
  }
};
struct PointMisfitCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    auto c = start<T>(s);
    const Shape shape{2, 3, 41};
    std::vector<Var> in{random_input(c, shape, 71), random_input(c, shape, 72, 1, 0, false)};
    if (variant % 2 == 1) in.push_back(random_input(c, shape, 73, 0.1, 1, false));
    const auto kind = static_cast<MisfitKind>(variant / 2);
    c.output = c.tape->apply(std::make_shared<PointMisfitOp<T>>(kind, 0.3, 0.8), in);
    return c;
  }
};
// The misfits as the engine records them.
struct MisfitCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    static const char* const sections[] = {R"({"type": "l2", "normalize": "survey"})",
                                           R"({"type": "l2", "normalize": "none"})",
                                           R"({"type": "l1", "normalize": "survey"})",
                                           R"({"type": "huber", "delta": 0.5, "normalize": "survey"})",
                                           R"({"type": "envelope", "normalize": "survey"})",
                                           R"({"type": "global-correlation"})",
                                           R"({"type": "weci", "center": 0.5, "width": 0.1, "normalize": "survey"})",
                                           R"({"type": "chi2", "weight": 3.0})"};
    auto c = start<T>(s);
    const Shape shape{2, 3, 50};
    const Var p = random_input(c, shape, 74), d = random_input(c, shape, 75, 1, 0, false);
    c.output = record_misfit(*c.tape, Json::parse(sections[variant]), p, d, Var{}, DataScale{1.0, 300, 6, 2.0});
    return c;
  }
};
struct PenaltyCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    static const char* const sections[] = {
        R"({"type": "tikhonov", "weight": 2.0, "order": 0, "weight_z": 1, "weight_x": 1})",
        R"({"type": "tikhonov", "weight": 2.0, "order": 1, "weight_z": 1, "weight_y": 2, "weight_x": 0.5})",
        R"({"type": "tv", "weight": 2.0, "epsilon": 0.1})",
        R"({"type": "tv", "weight": 2.0, "epsilon": 0.1, "anisotropic": true})",
        R"({"type": "reference", "weight": 2.0, "norm": "l1", "epsilon": 0.5, "value_mps": 1000})",
        R"({"type": "reference", "weight": 2.0, "norm": "l2", "epsilon": 0.5, "value_mps": 2400})",
        R"({"type": "reference", "weight": 2.0, "norm": "log", "epsilon": 0.5, "value_mps": 1000})"};
    constexpr int kinds = 7;
    auto c = start<T>(s);
    const int size = variant / kinds;  // a section, one cell, a volume
    const Grid3 grid = size == 0   ? Grid3::of(Grid2{9, 14, 10, 12.5})
                       : size == 1 ? Grid3::of(Grid2{1, 1, 10, 10})
                                   : Grid3{5, 4, 6, 10, 15, 12.5};
    const Var m = random_input(c, grid.shape(), 81, 300, 2500);
    const Var reference = random_input(c, grid.shape(), 82, 300, 2500, false);
    c.output =
        record_regularizer(*c.tape, Json::parse(sections[variant % kinds]), grid, property_info("vp"), m, reference);
    return c;
  }
};
struct MlpCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    auto c = start<T>(s);
    const Index n = variant == 0 ? 1 : 133;
    const auto kind = static_cast<Activation>(variant % 6);
    const MlpShape shape =
        kind == Activation::sine ? siren_shape(2, {7, 19}, {5, 5}, 1) : mlp_shape(3, {9, 16}, kind, 0.2, 2);
    const Var theta = random_input(c, {shape.parameters()}, 91, 0.4);
    const Var x = random_input(c, {n, shape.n_in()}, 92, 0.7);
    c.output = c.tape->apply(std::make_shared<MlpOp<T>>(shape, n), {theta, x});
    return c;
  }
};
struct FourierCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    auto c = start<T>(s);
    const Index n = variant == 0 ? 1 : 45, d = variant == 0 ? 1 : 2, m = variant == 0 ? 1 : 9;
    const Var zeta = random_input(c, {n, d}, 101, 0.2, 0.5), b = random_input(c, {m, d}, 102, 1, 0, false);
    c.output = c.tape->apply(std::make_shared<FourierOp<T>>(n, d, m), {zeta, b});
    return c;
  }
};
struct OutputMapCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    auto c = start<T>(s);
    OutputMap map;
    map.kind = static_cast<MapKind>(variant % 9);
    map.scale = map.kind == MapKind::perturb || map.kind == MapKind::affine ? 500 : 0.8;
    map.center = 2500;
    map.lo = 1500;
    map.hi = 4500;
    map.masked = variant >= 9;
    const Shape shape{6, 11};
    std::vector<Var> in{random_input(c, shape, 111), random_input(c, shape, 112, 200, 3000)};
    if (map.masked) in.push_back(random_input(c, shape, 113, 0.1, 0.5, false));
    c.output = c.tape->apply(std::make_shared<OutputMapOp<T>>(map, shape), in);
    return c;
  }
};
// Fields with their maps, as the config makes them.
struct FieldCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    static const char* const sections[] = {
        R"({"type": "grid", "transform": {"type": "identity"}})",
        R"({"type": "siren", "width": 9, "layers": 2, "omega_0": 12, "omega_hidden": 5, "transform": {"type": "perturb", "scale_mps": 800}})",
        R"({"type": "mlp", "hidden": [8, 11], "activation": {"type": "tanh"}, "encoder": {"type": "fourier", "frequencies": 4, "sigma": 2}, "transform": {"type": "bounded", "min_mps": 1500, "max_mps": 4500}})",
        R"({"type": "mlp", "hidden": [8, 11], "activation": {"type": "gelu"}, "encoder": {"type": "identity"}, "transform": {"type": "bounded-perturb", "min_mps": 1500, "max_mps": 4500}})",
        R"({"type": "fourier", "frequencies": 5, "sigma": 2, "width": 9, "layers": 2, "activation": {"type": "sine", "omega": 3}, "transform": {"type": "affine", "center_mps": 3000, "scale_mps": 500}})",
        R"({"type": "mlp", "hidden": [8], "activation": {"type": "leaky-relu", "slope": 0.2}, "encoder": {"type": "identity"}, "transform": {"type": "exp", "scale": 1}})",
        R"({"type": "mlp", "hidden": [8], "activation": {"type": "relu"}, "encoder": {"type": "identity"}, "transform": {"type": "log-bounded", "min_mps": 1500, "max_mps": 4500}})",
        R"({"type": "siren", "width": 8, "layers": 1, "omega_0": 8, "transform": {"type": "scaled-sigmoid", "scale": -8}})",
        R"({"type": "siren", "width": 8, "layers": 1, "omega_0": 8, "transform": {"type": "scaled-tanh", "scale": 10}})",
        R"({"type": "wire", "width": 12, "layers": 2, "omega_0": 3, "scale_0": 1})",
        R"({"type": "low-rank", "width": 9, "layers": 2, "omega_0": 7})",
        R"({"type": "mpe", "width": 9, "layers": 2, "activation": "gelu", "encoder": {"type": "dense-grid", "levels": 3, "base_resolution": 3, "growth": 1.6}})",
        R"({"type": "ig", "width": 9, "layers": 1, "activation": "tanh", "branch_width": 10, "omega_0": 7, "alpha": 0.3, "encoder": {"type": "hash-grid", "levels": 3, "base_resolution": 4, "growth": 2, "table_log2": 5}})",
        R"({"type": "lrg", "width": 9, "layers": 1, "activation": "gelu", "branch_width": 10, "omega_0": 7, "alpha": 0.3, "alpha_on": "inr", "encoder": {"type": "dense-grid", "levels": 2, "base_resolution": 4, "interpolation": "smoothstep"}})",
        R"({"type": "fusion", "branch": "siren", "width": 9, "layers": 1, "activation": "gelu", "branch_width": 10, "normalize": false, "encoder": {"type": "dense-grid", "levels": 2, "offset": "tcnn", "aspect": "match"}})"};
    auto c = start<T>(s);
    const Grid2 grid{7, 12, 10, 10};
    const auto field = Field<T>::make(Json::parse(sections[variant]), grid, 3);
    const std::vector<T> m0(static_cast<std::size_t>(grid.cells()), T(2750));
    const Var theta = c.tape->input({field.parameters()}, "theta");
    const Var start_model = c.tape->input({grid.nz, grid.nx}, "m0", false);
    c.tape->set(theta, field.initial_parameters(m0));
    c.tape->set(start_model, m0);
    c.inputs = {theta};
    c.output = field.record(*c.tape, theta, start_model);
    return c;
  }
};
// Two shots with off-grid positions; variants change order, boundaries, storage and sub-steps.
struct WaveCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    auto c = start<T>(s);
    const Grid2 grid{17, variant == 4 ? 47 : 23, 10, 10};
    const auto survey = Survey::fixed_spread({{53, 31}, {170, 40}}, line_of_positions(5, 5, 50, 23), 61, 1e-3);
    WaveOptions o;
    o.vmax_mps = 3600;
    o.pml_frequency_hz = 25;
    o.order = variant == 0 ? 8 : variant == 1 ? 4 : variant == 2 ? 2 : variant == 3 ? 6 : 4;
    o.pml = {5, 6, 7, 8};
    if (variant == 1) o.free_surface = true;
    if (variant == 2) o.pml = {0, 4, 0, 4};
    if (variant == 3) o.substeps = 2;
    o.storage = variant == 0 ? Storage::checkpoint : variant == 4 ? Storage::ring : Storage::all;
    const Var vp = random_input(c, {grid.nz, grid.nx}, 121, 100, 2500);
    const Var wavelet = c.tape->input({survey.nt}, "wavelet");
    const auto samples = ricker(25, survey.nt, survey.dt_s);
    c.tape->set(wavelet, std::vector<T>(samples.begin(), samples.end()));
    c.inputs.push_back(wavelet);
    const auto wave = std::make_shared<AcousticWave<T>>(s, grid, survey, o, 2);
    c.output = c.tape->apply(std::make_shared<WaveOp<T>>(wave, nullptr), {vp, wavelet});
    return c;
  }
};

std::vector<OpCase> make_cases() {
  std::vector<OpCase> cases;
  cases.push_back(small_steps(
      row<UnaryCase>("unary", {},
                     {"scale-shift", "square", "absolute", "exp", "log", "sqrt", "reciprocal", "clamp", "silu"}),
      1e-4, "steps that cross no kink"));
  cases.push_back(row<BinaryCase>("binary", {}, {"add", "subtract", "multiply", "divide", "hypotenuse"}));
  cases.push_back(row<SumCase>("sum", {}, {"1", "17", "5x33", "3x7x501", "3x4097: over one block"}));
  cases.push_back(row<WeightedSumCase>("weighted-sum", {}, {"1", "17", "5x33", "3x7x501"}));
  cases.push_back(row<SliceCase>("slice", {}, {"one of one", "3x7 of 57"}));
  cases.push_back(row<GatherCase>("gather", {}, {"from one", "repeats"}));
  cases.push_back(row<MatmulCase>("matmul", {}, {"1x1", "37x19x65"}));
  cases.push_back(row<HilbertCase>("hilbert", {}, {"one sample", "3x64", "2x2x53"}));
  cases.push_back(small_steps(
      row<PointMisfitCase>("point-misfit", {}, {"l2", "l2 weighted", "l1", "l1 weighted", "huber", "huber weighted"}),
      1e-4, "steps that cross no kink of huber"));
  cases.push_back(small_steps(
      row<MisfitCase>("misfit",
                      {"misfit/l2", "misfit/l1", "misfit/huber", "misfit/envelope", "misfit/global-correlation",
                       "misfit/weci", "misfit/chi2"},
                      {"l2 survey", "l2 none", "l1", "huber", "envelope", "global-correlation", "weci", "chi2"}),
      1e-6, "l1 is smoothed on the scale 1e-4 of the data"));
  cases.push_back(
      // denoiser: "reference l2" times a factor; code: "tikhonov 0" without a reference.
      row<PenaltyCase>(
          "penalty",
          {"regularizer/tikhonov", "regularizer/tv", "regularizer/reference", "regularizer/denoiser",
           "regularizer/code"},
          {"tikhonov 0", "tikhonov 1", "tv", "tv by axes", "reference l1", "reference l2", "reference log",
           "one cell, 0", "one cell, 1", "one cell, tv", "one cell, tv by axes", "one cell, l1", "one cell, l2",
           "one cell, log", "volume, 0", "volume, 1", "volume, tv", "volume, tv by axes"}));
  cases.push_back(small_steps(
      row<MlpCase>(
          "mlp", {"activation/relu", "activation/leaky-relu", "activation/tanh", "activation/gelu", "activation/sine"},
          {"one point, identity", "sine", "relu", "leaky-relu", "tanh", "gelu"}),
      1e-4, "steps that cross few kinks of relu"));
  cases.push_back(row<FourierCase>("fourier", {"encoder/fourier"}, {"one point, 1-D", "45 points, 2-D"}));
  cases.push_back(row<OutputMapCase>(
      "output-map",
      {"transform/identity", "transform/perturb", "transform/affine", "transform/exp", "transform/bounded",
       "transform/bounded-perturb", "transform/log-bounded", "transform/scaled-sigmoid", "transform/scaled-tanh"},
      {"identity", "perturb", "affine", "exp", "bounded", "bounded-perturb", "log-bounded", "scaled-sigmoid",
       "scaled-tanh", "identity masked", "perturb masked", "affine masked", "exp masked", "bounded masked",
       "bounded-perturb masked"}));
  cases.push_back(small_steps(
      row<FieldCase>(
          "field",
          {"field/grid", "field/siren", "field/mlp", "field/fourier", "field/wire", "field/low-rank", "field/mpe",
           "field/ig", "field/lrg", "field/fusion", "encoder/identity", "encoder/dense-grid", "encoder/hash-grid"},
          {"grid", "siren", "mlp with fourier encoder", "mlp gelu bounded-perturb", "fourier affine",
           "mlp leaky-relu exp", "mlp relu log-bounded", "siren scaled-sigmoid", "siren scaled-tanh", "wire",
           "low-rank", "mpe", "ig with hashed levels", "lrg", "fusion, tcnn"}),
      1e-4, "steps that cross few kinks of relu"));
  cases.push_back(
      with(small_steps(row<WaveCase>("wave", {"physics/acoustic", "boundary/cpml"},
                                     {"order 8, checkpoints", "order 4, free surface", "order 2, two open edges",
                                      "order 6, two sub-steps", "order 4, boundary ring"}),
                       1e-3, "slowness times time is a phase: "),
           1e-5, 1e-4, "hundreds of single-precision time steps"));
  add_field_cases(cases);
  add_conv_cases(cases);
  for (OpCase& c : sponge_cases()) cases.push_back(std::move(c));
  for (OpCase& c : wave3_cases()) cases.push_back(std::move(c));
  for (OpCase& c : travel_cases()) cases.push_back(std::move(c));
  for (OpCase& c : resistivity_cases()) cases.push_back(std::move(c));
  return cases;
}

}  // namespace

const std::vector<OpCase>& op_cases() {
  static const std::vector<OpCase> cases = make_cases();
  return cases;
}

}  // namespace terrane
