// SPDX-License-Identifier: MIT
// Field on a tape: coordinates, branches, the fusion, and evaluation in chunks.
#include <algorithm>
#include <cmath>
#include <sstream>

#include "autodiff/ops/encode_op.hpp"
#include "autodiff/ops/fusion_op.hpp"
#include "autodiff/ops/gabor_op.hpp"
#include "autodiff/ops/matmul.hpp"
#include "autodiff/ops/mlp_op.hpp"
#include "autodiff/ops/multigrid_op.hpp"
#include "autodiff/ops/tucker_op.hpp"
#include "engine/compression/decoder_record.hpp"
#include "engine/field.hpp"

namespace terrane {

namespace {

constexpr Index chunk_points = Index{1} << 15;
constexpr Index feature_bytes = Index{48} << 20;  // above this the points are evaluated in chunks

std::string text_of(double x) {
  std::ostringstream out;
  out.precision(17);
  out << x;
  return out.str();
}
std::string name_of(Activation a) {
  constexpr const char* names[] = {"identity", "sine", "relu", "leaky-relu", "tanh", "gelu"};
  return names[static_cast<int>(a)];
}
std::string name_of(MapKind k) {
  constexpr const char* names[] = {"identity",        "perturb",     "affine",         "exp",        "bounded",
                                   "bounded-perturb", "log-bounded", "scaled-sigmoid", "scaled-tanh"};
  return names[static_cast<int>(k)];
}
std::string layers_text(const MlpShape& shape) {
  std::string text;
  for (int l = 0; l < shape.layers; ++l) {
    const MlpLayer& layer = shape.layer[l];
    text += (l == 0 ? "" : ", ") + std::to_string(layer.n_in) + "-" + std::to_string(layer.n_out) + " " +
            name_of(layer.activation) + " " + text_of(layer.parameter);
  }
  return text;
}

// Depths that are evaluated together, each a row or a plane of nodes.
Index rows_of_chunk(const Grid3& grid) { return std::clamp<Index>(chunk_points / grid.plane(), 1, grid.nz); }

}  // namespace

// F at all nodes from theta, a fixed number of rows at a time: a tape of one chunk is replayed, in the reverse mode
// once more per chunk. The rows of the last chunk overlap those before it when they do not divide nz.
template <class T>
class ChunkedFieldOp : public DiffOp<T> {
 public:
  ChunkedFieldOp(const Field<T>& field, const std::array<double, 2>& rms)
      : field_(field), rms_(rms), rows_(rows_of_chunk(field.grid_)) {}
  std::string name() const override { return "field"; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    require_shapes(in.size() == 1 && elements(in[0]) == field_.parameters(), name(), in);
    return {{field_.grid_.cells()}};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr recycled) const override {
    SavedPtr saved = recycled ? std::move(recycled) : std::make_unique<Chunk>(*this, s);
    auto& c = static_cast<Chunk&>(*saved);
    copy_values(s, CopyValues<T>{in[0], c.tape.data(c.theta), field_.parameters()});
    for_each_chunk([&](Index first, Index) {
      field_.set_points(c.tape, c.points, first);
      c.tape.forward();
      copy_values(s, CopyValues<T>{c.tape.data(c.output), out[0] + first * field_.grid_.plane(), size()});
    });
    return saved;
  }
  void vjp(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    if (d_in[0] == nullptr) return;
    auto& c = chunk(s, saved, in);
    for_each_chunk([&](Index first, Index repeated) {
      field_.set_points(c.tape, c.points, first);
      c.tape.forward();
      const Index row = field_.grid_.plane();
      copy_values(s, CopyValues<T>{d_out[0] + first * row, c.seed.data(), size()});
      if (repeated > 0) fill(s, Fill<T>{c.seed.data(), T(0), repeated * row});
      c.tape.backward(c.sweep, c.output, c.seed.data());
      axpby(s, Axpby<T>{T(1), c.sweep.cotangent(c.theta), T(1), d_in[0], field_.parameters()});
    });
  }
  void jvp(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    auto& c = chunk(s, saved, in);
    for_each_chunk([&](Index first, Index) {
      field_.set_points(c.tape, c.points, first);
      c.tape.forward();
      c.tape.jvp(c.sweep, c.theta, t_in[0]);
      copy_values(s, CopyValues<T>{c.sweep.tangent(c.output), t_out[0] + first * field_.grid_.plane(), size()});
    });
  }

 private:
  struct Chunk : Saved {
    Chunk(const ChunkedFieldOp& op, Stream& s) : tape(s), sweep(tape), seed(s, op.size()) {
      theta = tape.input({op.field_.parameters()}, "theta");
      points = op.field_.points(tape, 0, op.rows_, false);
      output = op.field_.record_output(tape, theta, points, op.rms_);
    }
    Tape<T> tape;
    Sweep<T> sweep;
    Buffer<T> seed;
    Var theta, output;
    typename Field<T>::Points points;
  };
  Index size() const { return rows_ * field_.grid_.plane(); }
  // The workspace; its contents are no result, so the operation stays const.
  Chunk& chunk(Stream& s, const Saved* saved, Inputs<T> in) const {
    auto& c = *const_cast<Chunk*>(static_cast<const Chunk*>(saved));
    copy_values(s, CopyValues<T>{in[0], c.tape.data(c.theta), field_.parameters()});
    return c;
  }
  // task(first row, rows that an earlier chunk has covered)
  template <class F>
  void for_each_chunk(const F& task) const {
    const Index nz = field_.grid_.nz;
    for (Index row = 0; row < nz; row += rows_) {
      const Index first = std::min(row, nz - rows_);
      task(first, row - first);
    }
  }
  Field<T> field_;
  std::array<double, 2> rms_;
  Index rows_;
};

template <class T>
Var Field<T>::slice(Tape<T>& tape, Var theta, Index offset, Shape shape) const {
  if (offset == 0 && elements(shape) == tape.size(theta) && shape == tape.shape(theta)) return theta;
  return tape.apply(std::make_shared<SliceOp<T>>(offset, std::move(shape)), {theta});
}

template <class T>
typename Field<T>::Points Field<T>::points(Tape<T>& tape, Index first, Index rows, bool differentiable) const {
  Points p;
  p.n = rows * grid_.plane();
  const bool table = type_ == FieldType::fusion, fourier = !frequencies_.empty();
  const bool factors = type_ == FieldType::low_rank || branch_ == FusionBranch::low_rank;
  const bool xi = (!table && !fourier && !factors) || branch_ == FusionBranch::siren;
  if (xi) p.xi = tape.input({p.n, axes()}, "xi", differentiable);
  if (table || fourier) p.zeta = tape.input({p.n, axes()}, "zeta", differentiable);
  for (int a = 0; factors && a < axes(); ++a) {
    const char* const names[] = {"xi of z", "xi of y", "xi of x"};
    p.axis[a] = tape.input({a == 0 ? rows : nodes(a), 1}, names[grid_.axis(a)], differentiable);
  }
  set_points(tape, p, first);
  return p;
}

template <class T>
void Field<T>::set_points(Tape<T>& tape, const Points& p, Index first) const {
  const auto fill_nodes = [&](Var x, double shift, double scale) {
    GridCoordinates<T> c{p.n, axes(), {}, {}, {}, tape.data(x)};
    for (int a = 0; a < axes(); ++a) {
      c.nodes[a] = nodes(a);
      const double origin = scaling_.origin[a] + (a == 0 ? scaling_.step[0] * static_cast<double>(first) : 0.0);
      c.origin[a] = shift + scale * origin;
      c.step[a] = scale * scaling_.step[a];
    }
    grid_coordinates(tape.stream(), c);
  };
  if (p.xi.valid()) fill_nodes(p.xi, 0, 1);
  if (p.zeta.valid()) fill_nodes(p.zeta, scaling_.zeta_shift, scaling_.zeta_scale);
  for (int a = 0; a < axes(); ++a) {
    if (!p.axis[a].valid()) continue;
    std::vector<T> values(static_cast<std::size_t>(tape.size(p.axis[a])));
    for (std::size_t k = 0; k < values.size(); ++k) {
      const double node = static_cast<double>(k) + (a == 0 ? static_cast<double>(first) : 0.0);
      values[k] = static_cast<T>(scaling_.origin[a] + scaling_.step[a] * node);
    }
    tape.set(p.axis[a], values);
  }
}

// The networks of the axes, whose parameters begin at `at`; with the nodes of each.
template <class T>
std::pair<std::vector<Var>, std::vector<Index>> Field<T>::record_factors(Tape<T>& tape, Var theta, const Points& p,
                                                                         Index at) const {
  std::vector<Var> f;
  std::vector<Index> counts;
  for (int a = 0; a < axes(); ++a) {
    counts.push_back(tape.shape(p.axis[a])[0]);
    const Var w = slice(tape, theta, at, {factor_[a].parameters()});
    f.push_back(tape.apply(std::make_shared<MlpOp<T>>(factor_[a], counts.back()), {w, p.axis[a]}));
    at += factor_[a].parameters();
  }
  return {f, counts};
}

// Features of the branch beside the grid, (n, features).
template <class T>
Var Field<T>::record_branch(Tape<T>& tape, Var theta, const Points& p) const {
  const Index at = table_.parameters();
  if (branch_ == FusionBranch::siren) {
    const Var w = slice(tape, theta, at, {branch_shape_.parameters()});
    return tape.apply(std::make_shared<MlpOp<T>>(branch_shape_, p.n), {w, p.xi});
  }
  const auto [f, counts] = record_factors(tape, theta, p, at);
  return tape.apply(std::make_shared<OuterProductOp<T>>(counts, factor_[0].n_out()), f);
}

template <class T>
Var Field<T>::record_decoder(Tape<T>& tape, Var theta, const Points& p) const {
  const DecoderField& d = *decoder_;
  const Index shifts = d.shape.cells > 0 ? d.shape.code : d.shape.shifts();
  const auto constant = [&](const std::vector<double>& v, Shape shape, const char* name) {
    const Var c = tape.input(std::move(shape), name, false);
    tape.set(c, std::vector<T>(v.begin(), v.end()));
    return c;
  };
  Var row = slice(tape, theta, 0, {1, d.unknowns});
  if (d.flow) row = d.flow->record(tape, row);
  const Var s = tape.apply(std::make_shared<MatmulOp<T>>(),
                           {row, constant(d.directions, {d.unknowns, shifts}, "directions of the code")});
  const Var shift = tape.apply(std::make_shared<BinaryOp<T>>(BinaryKind::add),
                               {s, constant(d.mean, {1, shifts}, "shifts of the mean code")});
  return record_shifted(tape, d.shape, shape_, constant(d.network, {shape_.parameters()}, "decoder"), shift, p.xi, 1);
}

template <class T>
Var Field<T>::record_output(Tape<T>& tape, Var theta, const Points& p, const std::array<double, 2>& rms) const {
  if (type_ == FieldType::decoder) return record_decoder(tape, theta, p);
  if (type_ == FieldType::wire) return tape.apply(std::make_shared<GaborOp<T>>(gabor_, p.n), {theta, p.xi});
  if (type_ == FieldType::low_rank) {
    auto [in, counts] = record_factors(tape, theta, p, 0);
    const std::vector<Index> ranks(rank_, rank_ + axes());
    in.push_back(slice(tape, theta, factor_parameters(), ranks));
    return tape.apply(std::make_shared<TuckerOp<T>>(counts, ranks), in);
  }
  if (type_ == FieldType::fusion) {
    const Var table = slice(tape, theta, 0, {table_.parameters()});
    std::vector<Var> branches{tape.apply(std::make_shared<MultigridOp<T>>(table_, p.n), {table, p.zeta})};
    const double first = alpha_on_grid_ ? alpha_ : 1 - alpha_;
    std::vector<double> scale{std::sqrt(first) / rms[0]};
    if (branch_ != FusionBranch::none) {
      branches.push_back(record_branch(tape, theta, p));
      scale.push_back(std::sqrt(1 - first) / rms[1]);
    }
    std::vector<Index> columns;
    for (const Var b : branches) columns.push_back(tape.shape(b)[1]);
    const Var v = tape.apply(std::make_shared<ConcatScaleOp<T>>(p.n, columns, scale), branches);
    const Var w = slice(tape, theta, parameters() - shape_.parameters(), {shape_.parameters()});
    return tape.apply(std::make_shared<MlpOp<T>>(shape_, p.n), {w, v});
  }
  Var x = p.xi;
  if (!frequencies_.empty()) {
    const Var b = tape.input({features(), axes()}, "frequencies", false);
    tape.set(b, std::vector<T>(frequencies_.begin(), frequencies_.end()));
    x = tape.apply(std::make_shared<FourierOp<T>>(p.n, axes(), features()), {p.zeta, b});
  }
  return tape.apply(std::make_shared<MlpOp<T>>(shape_, p.n), {theta, x});
}

template <class T>
std::array<double, 2> Field<T>::feature_rms(Stream& s) const {
  if (type_ != FieldType::fusion || !normalize_) return {1, 1};
  const Index rows = rows_of_chunk(grid_);
  Tape<T> tape(s);
  const Var theta = tape.input({parameters()}, "theta");
  tape.set(theta, initial_parameters());
  const Points p = points(tape, 0, rows, false);
  const Var table = slice(tape, theta, 0, {table_.parameters()});
  std::vector<Var> outputs{tape.apply(std::make_shared<MultigridOp<T>>(table_, p.n), {table, p.zeta})};
  if (branch_ != FusionBranch::none) outputs.push_back(record_branch(tape, theta, p));
  std::array<double, 2> sum{0, 0}, count{0, 0};
  for (Index row = 0; row < grid_.nz; row += rows) {
    const Index first = std::min(row, grid_.nz - rows);
    set_points(tape, p, first);
    tape.forward();
    for (std::size_t k = 0; k < outputs.size(); ++k) {
      const auto v = tape.get(outputs[k]);
      const std::size_t per_row = v.size() / static_cast<std::size_t>(rows);
      for (std::size_t i = static_cast<std::size_t>(row - first) * per_row; i < v.size(); ++i) {
        sum[k] += static_cast<double>(v[i]) * static_cast<double>(v[i]);
        count[k] += 1;
      }
    }
  }
  std::array<double, 2> rms{1, 1};
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    if (sum[k] > 0) rms[k] = std::sqrt(sum[k] / count[k]);
  }
  return rms;
}

template <class T>
bool Field<T>::chunked() const {
  Index per_point = 2 * features();
  if (type_ == FieldType::fusion) per_point = 2 * (shape_.n_in() + table_.n_out());  // features and their cotangents
  return per_point * grid_.cells() * Index{sizeof(T)} > feature_bytes && grid_.cells() > chunk_points;
}

template <class T>
Var Field<T>::record(Tape<T>& tape, Var theta, Var start_model, Var mask) const {
  Var out = theta;
  if (type_ != FieldType::grid) {
    const auto rms = feature_rms(tape.stream());
    if (chunked()) {
      out = tape.apply(std::make_shared<ChunkedFieldOp<T>>(*this, rms), {theta});
    } else {
      out = record_output(tape, theta, points(tape, 0, grid_.nz, false), rms);
    }
  }
  OutputMap map = map_;
  map.masked = mask.valid();
  std::vector<Var> in = {out, start_model};
  if (mask.valid()) in.push_back(mask);
  return tape.apply(std::make_shared<OutputMapOp<T>>(map, grid_.shape()), in);
}

template <class T>
std::vector<T> Field<T>::output_gradient(Stream& s, const std::vector<T>& theta) const {
  const Index n = grid_.cells(), plane = grid_.plane(), d = axes();
  std::vector<T> gradient(static_cast<std::size_t>(d * n), T(0));
  if (type_ == FieldType::grid) return gradient;
  const Index rows = rows_of_chunk(grid_);
  Tape<T> tape(s);
  const Var parameters_var = tape.input({parameters()}, "theta");
  tape.set(parameters_var, theta);
  const Points p = points(tape, 0, rows, true);
  const Var out = record_output(tape, parameters_var, p, feature_rms(s));
  Sweep<T> sweep(tape);
  for (Index row = 0; row < grid_.nz; row += rows) {
    const Index first = std::min(row, grid_.nz - rows);
    set_points(tape, p, first);
    tape.forward();
    for (int a = 0; a < d; ++a) {
      T* to = gradient.data() + a * n + first * plane;
      std::fill_n(to, rows * plane, T(0));
      for (const Var x : {p.xi, p.zeta, p.axis[a]}) {
        if (!x.valid()) continue;
        const double spacing = grid_.spacing_m(grid_.axis(a));
        const double per_metre = scaling_.step[a] / spacing * (x.id == p.zeta.id ? scaling_.zeta_scale : 1.0);
        std::vector<T> direction(static_cast<std::size_t>(tape.size(x)), T(0));
        const std::size_t width = x.id == p.axis[a].id ? 1 : static_cast<std::size_t>(d);
        for (std::size_t i = width == 1 ? 0 : static_cast<std::size_t>(a); i < direction.size(); i += width) {
          direction[i] = static_cast<T>(per_metre);
        }
        const Buffer<T> t = to_device(s, direction);
        tape.jvp(sweep, x, t.data());
        const auto part = to_host(s, sweep.tangent(out), rows * plane);
        for (std::size_t i = 0; i < part.size(); ++i) to[i] += part[i];
      }
    }
  }
  return gradient;
}

template <class T>
std::map<std::string, std::string> Field<T>::metadata() const {
  std::map<std::string, std::string> m;
  m["field.type"] = name_;
  m["field.parameters"] = std::to_string(parameters());
  m["field.seed"] = std::to_string(seed_);
  const auto of_axes = [&](const auto& value) {
    std::string text;
    for (int a = 0; a < axes(); ++a) text += (a == 0 ? "" : " ") + value(a);
    return text;
  };
  m["grid"] = of_axes([&](int a) { return std::to_string(nodes(a)); });
  m["grid.spacing_m"] = of_axes([&](int a) { return text_of(grid_.spacing_m(grid_.axis(a))); });
  m["grid.origin_m"] = of_axes([&](int a) { return text_of(grid_.begin_m(grid_.axis(a))); });
  m["map.type"] = name_of(map_.kind);
  m["map.scale"] = text_of(map_.scale);
  m["map.center"] = text_of(map_.center);
  m["map.bounds"] = text_of(map_.lo) + " " + text_of(map_.hi);
  for (const ParameterGroup& g : groups()) {
    m["group." + g.name] = std::to_string(g.offset) + " " + std::to_string(g.size);
  }
  if (type_ == FieldType::grid) return m;
  m["coordinates"] = scaling_.isotropic ? "isotropic" : scaling_.zeta_scale == 1 ? "unit" : "per-axis";
  m["coordinates.origin"] = of_axes([&](int a) { return text_of(scaling_.origin[a]); });
  m["coordinates.step"] = of_axes([&](int a) { return text_of(scaling_.step[a]); });
  if (shape_.layers > 0) m["network.layers"] = layers_text(shape_);
  if (type_ == FieldType::wire) {
    m["wire"] = "width " + std::to_string(gabor_.width) + " depth " + std::to_string(gabor_.depth) + " omega " +
                text_of(gabor_.omega) + " scale " + text_of(gabor_.scale);
  }
  if (type_ == FieldType::low_rank || branch_ == FusionBranch::low_rank) {
    const char* const names[] = {"factor.z", "factor.y", "factor.x"};
    for (int a = 0; a < axes(); ++a) m[names[grid_.axis(a)]] = layers_text(factor_[a]);
  }
  if (type_ == FieldType::low_rank) m["ranks"] = of_axes([&](int a) { return std::to_string(rank_[a]); });
  if (type_ == FieldType::fusion) {
    if (branch_ == FusionBranch::siren) m["branch.layers"] = layers_text(branch_shape_);
    m["fusion.alpha"] = text_of(alpha_) + (alpha_on_grid_ ? " on grid" : " on inr");
    m["fusion.normalize"] = normalize_ ? "true" : "false";
    std::string levels;
    for (int l = 0; l < table_.levels; ++l) {
      const MultigridLevel& level = table_.level[l];
      levels += l == 0 ? "" : " ";
      for (int a = 0; a < table_.d; ++a) levels += (a == 0 ? "" : "x") + std::to_string(level.resolution[a]);
      levels += level.hashed ? "h" : "";
    }
    m["table.levels"] = levels;
    m["table.features"] = std::to_string(table_.features);
    m["table.position"] = table_.offset == GridOffset::tcnn ? "tcnn" : "vertex";
    m["table.interpolation"] = table_.smoothstep ? "smoothstep" : "linear";
  }
  if (type_ == FieldType::decoder) {
    m["decoder.code"] = std::to_string(decoder_->shape.code) + " of which " + std::to_string(decoder_->unknowns);
    if (decoder_->flow) m["decoder.flow_steps"] = std::to_string(decoder_->flow->steps);
  }
  if (frequencies_.empty()) return m;
  m["fourier.sigma"] = text_of(sigma_);
  m["fourier.zeta"] = text_of(scaling_.zeta_shift) + " " + text_of(scaling_.zeta_scale);
  std::string b;
  for (const double f : frequencies_) b += (b.empty() ? "" : " ") + text_of(f);
  m["fourier.frequencies"] = b;
  return m;
}

namespace {

// Workspace of one network's vjp on the CPU, in values.
Index network_workspace(const MlpShape& shape, Index points, int threads, Index value_bytes) {
  constexpr Index tile = 64, chunks = 32, padding = 16;
  if (shape.layers == 0) return 0;
  Index packed = 0, rows = 0, widest = shape.n_in();
  for (int l = 0; l < shape.layers; ++l) {
    const MlpLayer& layer = shape.layer[l];
    packed += (layer.n_in + padding) * (layer.n_out + padding);
    rows += 2 * (layer.n_out + 2 * padding);
    widest = std::max(widest, layer.n_out);
  }
  const Index tiles = (points + tile - 1) / tile;
  const Index partial = std::min({tiles, chunks, std::max<Index>(4, (Index{64} << 20) / (packed * value_bytes))});
  rows += 3 * (widest + 2 * padding);
  return packed * (2 + partial) + threads * tile * rows;
}

}  // namespace

template <class T>
Index Field<T>::workspace_bytes(int threads) const {
  const Index n = chunked() ? rows_of_chunk(grid_) * grid_.plane() : grid_.cells(), bytes = sizeof(T);
  Index values = network_workspace(shape_, n, threads, bytes);
  values = std::max(values, network_workspace(branch_shape_, n, threads, bytes));
  for (int a = 1; a < axes(); ++a) {
    values = std::max(values, network_workspace(factor_[a], nodes(a), threads, bytes));
  }
  if (type_ == FieldType::wire) {
    // as a real network of twice the width
    const std::vector<Index> hidden(static_cast<std::size_t>(gabor_.depth), 2 * gabor_.width);
    values = network_workspace(mlp_shape(axes(), hidden, Activation::relu, 0), n, threads, bytes);
  }
  if (type_ == FieldType::low_rank) {  // partial products with the core, and their cotangents
    const Index last = rank_[axes() - 1];
    values += 2 * nodes(0) * (axes() == 3 ? rank_[1] * last + nodes(1) * last : last);
  }
  if (type_ == FieldType::fusion) values += 34 * table_.parameters();  // partial sums of the table's gradient
  return values * bytes;
}

template class Field<float>;
template class Field<double>;

}  // namespace terrane
