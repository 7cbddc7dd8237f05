// SPDX-License-Identifier: MIT
#include "analysis/network_jacobian.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <type_traits>

#include "analysis/gram.hpp"
#include "autodiff/ops/mlp_op.hpp"

namespace terrane {

namespace {

constexpr const char* network_where = "network Jacobian";

void require_scalar(const MlpShape& shape) {
  require(shape.layers > 0 && shape.n_out() == 1, ErrorCode::config,
          "the Jacobian is that of one output a point; choose a network with one output", network_where);
}

// Part of theta that one variable holds.
struct Part {
  int var;
  Index offset, size;
};

// An operation that takes a part of theta as input number `which`.
template <class T>
struct User {
  const typename Tape<T>::Node* node;
  int which;
  Part part;
};

template <class T>
class FactorWalk {
 public:
  FactorWalk(const Tape<T>& tape, Var theta, Var m)
      : tape_(tape), s_(tape.stream()), m_(m), samples_(tape.size(m)), sweep_(tape) {
    parts_.push_back({theta.id, 0, tape.size(theta)});
  }

  std::optional<Factors<T>> run() {
    find_users();
    if (users_.empty() || overlapping()) return {};
    tape_.backward(sweep_, m_);
    Factors<T> all;
    for (const User<T>& user : users_) {
      const Var v{user.node->out[0]};
      if (sweep_.cotangent(v) == nullptr) continue;  // without influence on m
      Factors<T> terms = terms_of(user, v);
      if (terms.empty()) return {};
      for (FactorTerm<T>& t : terms) {
        if (t.samples != samples_) return {};
        all.push_back(std::move(t));
      }
    }
    if (all.empty()) return {};
    return all;
  }

 private:
  void find_users() {
    for (const auto& node : tape_.nodes()) {
      for (std::size_t i = 0; i < node.in.size(); ++i) {
        const auto part =
            std::find_if(parts_.begin(), parts_.end(), [&](const Part& p) { return p.var == node.in[i]; });
        if (part == parts_.end()) continue;
        if (const auto* slice = dynamic_cast<const SliceOp<T>*>(node.op.get())) {
          const Part piece{node.out[0], part->offset + slice->offset(), tape_.size(Var{node.out[0]})};
          parts_.push_back(piece);
          break;
        }
        users_.push_back({&node, static_cast<int>(i), *part});
      }
    }
  }

  // Parameters used twice would need the products between their terms.
  bool overlapping() const {
    for (std::size_t a = 0; a < users_.size(); ++a) {
      for (std::size_t b = a + 1; b < users_.size(); ++b) {
        const Part &p = users_[a].part, &q = users_[b].part;
        if (p.offset < q.offset + q.size && q.offset < p.offset + p.size) return true;
      }
    }
    return false;
  }

  std::vector<const T*> values(const std::vector<int>& ids) const {
    std::vector<const T*> p;
    for (const int id : ids) p.push_back(tape_.data(Var{id}));
    return p;
  }
  Factors<T> seeded(const typename Tape<T>::Node& node, int which, const T* d_out) const {
    return node.op->seeded_factors(s_, node.saved.get(), values(node.in), values(node.out), which, d_out);
  }

  Factors<T> terms_of(const User<T>& user, Var v) const {
    const auto& node = *user.node;
    if (v.id == m_.id) {
      return node.op->factors(s_, node.saved.get(), values(node.in), values(node.out), user.which);
    }
    const Shape& shape = tape_.shape(v);
    if (elements(shape) == samples_ || shape[0] == samples_) return seeded(node, user.which, sweep_.cotangent(v));
    return repeated_network(user, v);
  }

  // A network evaluated at fewer rows than there are samples: the only user of its rows names the row of each sample
  // and gives the derivative of the sample by that row. The network is then taken at the rows of all samples.
  Factors<T> repeated_network(const User<T>& user, Var v) const {
    const auto* network = dynamic_cast<const MlpOp<T>*>(user.node->op.get());
    const auto [below, which] = only_user(v);
    const Shape& shape = tape_.shape(v);
    if (network == nullptr || user.which != 0 || below == nullptr || shape.size() != 2) return {};
    const T* d_below = sweep_.cotangent(Var{below->out[0]});
    if (d_below == nullptr) return {};
    const Factors<T> rows = seeded(*below, which, d_below);
    if (rows.size() != 1 || rows[0].nonzeros != 1 || rows[0].samples != samples_ || rows[0].columns_a != shape[0] ||
        rows[0].columns_d != shape[1]) {
      return {};
    }
    const Var x{user.node->in[1]};
    const Index columns = tape_.shape(x)[1];
    std::vector<Index> index;
    for (const Index row : to_host(s_, rows[0].index)) {
      for (Index c = 0; c < columns; ++c) index.push_back(row * columns + c);
    }
    const Buffer<Index> places = to_device(s_, index);
    const Buffer<T> points(s_, places.size());
    gather(s_, Gather<T>{tape_.data(x), places.data(), points.data(), places.size()});
    const std::vector<const T*> in{tape_.data(Var{user.node->in[0]}), points.data()};
    return MlpOp<T>(network->shape(), samples_).seeded_factors(s_, nullptr, in, {}, 0, rows[0].d.data());
  }

  std::pair<const typename Tape<T>::Node*, int> only_user(Var v) const {
    std::pair<const typename Tape<T>::Node*, int> found{nullptr, -1};
    for (const auto& node : tape_.nodes()) {
      for (std::size_t i = 0; i < node.in.size(); ++i) {
        if (node.in[i] != v.id) continue;
        if (found.first != nullptr) return {nullptr, -1};
        found = {&node, static_cast<int>(i)};
      }
    }
    return found;
  }

  const Tape<T>& tape_;
  Stream& s_;
  Var m_;
  Index samples_;
  Sweep<T> sweep_;
  std::vector<Part> parts_;
  std::vector<User<T>> users_;
};

// Columns of J J^T at the first, the middle and the last sample, from the factors and from both sweeps.
template <class T>
bool agrees_with_sweeps(const Tape<T>& tape, Var theta, Var m, const Factors<T>& f) {
  constexpr double tolerance = std::is_same_v<T, double> ? 1e-9 : 1e-3;
  Stream& s = tape.stream();
  const LinearMap<T> j = tape.map(theta, m);
  const Index n = j.rows;
  const Buffer<T> unit(s, n), g(s, j.columns), column(s, n), row(s, n);
  for (const Index i : {Index{0}, n / 2, n - 1}) {
    fill(s, Fill<T>{unit.data(), T(0), n});
    fill(s, Fill<T>{unit.data() + i, T(1), 1});
    j.adjoint(s, unit.data(), g.data());
    j.apply(s, g.data(), column.data());
    gram_block(s, f, i, 1, f, 0, n, row.data(), n);
    const std::vector<T> wanted = to_host(s, column), got = to_host(s, row);
    double error = 0, norm = 0;
    for (std::size_t k = 0; k < wanted.size(); ++k) {
      const double d = static_cast<double>(got[k]) - static_cast<double>(wanted[k]);
      error += d * d;
      norm += static_cast<double>(wanted[k]) * static_cast<double>(wanted[k]);
    }
    if (!(std::sqrt(error) <= tolerance * std::sqrt(norm))) return false;
  }
  return true;
}

}  // namespace

template <class T>
Factors<T> network_factors(Stream& s, const MlpShape& shape, const T* theta, Index n, const T* x, const T* d_output) {
  require_scalar(shape);
  const std::vector<const T*> in{theta, x};
  const MlpOp<T> op(shape, n);
  return d_output == nullptr ? op.factors(s, nullptr, in, {}, 0) : op.seeded_factors(s, nullptr, in, {}, 0, d_output);
}

template <class T>
LinearMap<T> network_jacobian(Stream& s, const MlpShape& shape, const T* theta, Index n, const T* x,
                              const T* d_output) {
  require_scalar(shape);
  LinearMap<T> j;
  j.rows = n;
  j.columns = shape.parameters();
  const auto seed = std::make_shared<Buffer<T>>(s, d_output != nullptr ? n : 0);
  const auto times_output = [d_output, n](Stream& on, const T* from, T* to) {
    binary_forward(on, BinaryForward<T>{BinaryKind::multiply, T(0), from, d_output, to, n});
  };
  j.apply = [=](Stream& on, const T* v, T* y) {
    mlp_jvp(on, MlpJvp<T>{shape, n, theta, x, v, nullptr, y});
    if (d_output != nullptr) times_output(on, y, y);
  };
  j.adjoint = [=, columns = j.columns](Stream& on, const T* w, T* g) {
    if (d_output != nullptr) times_output(on, w, seed->data());
    fill(on, Fill<T>{g, T(0), columns});
    mlp_vjp(on, MlpVjp<T>{shape, n, theta, x, d_output != nullptr ? seed->data() : w, g, nullptr});
  };
  return j;
}

template <class T>
std::optional<Factors<T>> field_factors(const Tape<T>& tape, Var theta, Var m) {
  std::optional<Factors<T>> f = FactorWalk<T>(tape, theta, m).run();
  if (f && !agrees_with_sweeps(tape, theta, m, *f)) f.reset();
  return f;
}

template <class T>
void jacobian_rows(Stream& s, const LinearMap<T>& j, Index first, Index count, T* rows) {
  require(first >= 0 && count >= 0 && first + count <= j.rows, ErrorCode::failed, "rows outside the Jacobian",
          network_where);
  const Buffer<T> unit(s, j.rows);
  fill(s, Fill<T>{unit.data(), T(0), j.rows});
  for (Index i = 0; i < count; ++i) {
    fill(s, Fill<T>{unit.data() + first + i, T(1), 1});
    j.adjoint(s, unit.data(), rows + i * j.columns);
    fill(s, Fill<T>{unit.data() + first + i, T(0), 1});
  }
}

template <class T>
void gram_by_rows(Stream& s, const LinearMap<T>& j, T* k, Index budget_bytes) {
  const Index n = j.rows, p = j.columns, row_bytes = std::max<Index>(1, p) * static_cast<Index>(sizeof(T));
  const bool whole = n * row_bytes <= budget_bytes;
  const Index block = whole ? n : budget_bytes / (2 * row_bytes);
  require(block > 0, ErrorCode::budget, "two rows of the Jacobian do not fit the memory budget", network_where);
  const Buffer<T> left(s, block * p), right(s, whole ? 0 : block * p);
  for (Index i = 0; i < n; i += block) {
    const Index rows = std::min(block, n - i);
    jacobian_rows(s, j, i, rows, left.data());
    for (Index c = i; c < n; c += block) {
      const Index columns = std::min(block, n - c);
      const T* other = left.data();
      if (c > i) {
        jacobian_rows(s, j, c, columns, right.data());
        other = right.data();
      }
      gemm(s, Gemm<T>{rows, columns, p, left.data(), p, false, other, p, true, k + i * n + c, n});
      if (c > i) gram_mirror(s, GramMirror<T>{rows, columns, k + i * n + c, k + c * n + i, n});
    }
  }
}

template <class T>
FieldGram<T> field_gram(const Tape<T>& tape, Var theta, Var m, Index budget_bytes) {
  Stream& s = tape.stream();
  const Index n = tape.size(m);
  FieldGram<T> result{Buffer<T>(s, n * n), false};
  if (const auto f = field_factors(tape, theta, m)) {
    gram(s, *f, result.k.data());
    result.factored = true;
  } else {
    gram_by_rows(s, tape.map(theta, m), result.k.data(), budget_bytes);
  }
  return result;
}

template <class T>
std::vector<double> field_gram_diagonal(const Tape<T>& tape, Var theta, Var m) {
  Stream& s = tape.stream();
  if (const auto factors = field_factors(tape, theta, m)) {
    const std::vector<T> d = gram_diagonal(s, *factors);
    return {d.begin(), d.end()};
  }
  constexpr Index block = 64;
  const LinearMap<T> j = tape.map(theta, m);
  const Buffer<T> rows(s, block * j.columns);
  std::vector<double> squares;
  for (Index first = 0; first < j.rows; first += block) {
    const Index count = std::min(block, j.rows - first);
    jacobian_rows(s, j, first, count, rows.data());
    const std::vector<T> values = to_host(s, rows);
    for (Index i = 0; i < count; ++i) {
      double sum = 0;
      for (Index k = 0; k < j.columns; ++k) {
        const double v = static_cast<double>(values[static_cast<std::size_t>(i * j.columns + k)]);
        sum += v * v;
      }
      squares.push_back(sum);
    }
  }
  return squares;
}

template std::vector<double> field_gram_diagonal(const Tape<float>&, Var, Var);
template std::vector<double> field_gram_diagonal(const Tape<double>&, Var, Var);
template Factors<float> network_factors(Stream&, const MlpShape&, const float*, Index, const float*, const float*);
template LinearMap<float> network_jacobian(Stream&, const MlpShape&, const float*, Index, const float*, const float*);
template std::optional<Factors<float>> field_factors(const Tape<float>&, Var, Var);
template void jacobian_rows(Stream&, const LinearMap<float>&, Index, Index, float*);
template void gram_by_rows(Stream&, const LinearMap<float>&, float*, Index);
template FieldGram<float> field_gram(const Tape<float>&, Var, Var, Index);
template Factors<double> network_factors(Stream&, const MlpShape&, const double*, Index, const double*, const double*);
template LinearMap<double> network_jacobian(Stream&, const MlpShape&, const double*, Index, const double*,
                                            const double*);
template std::optional<Factors<double>> field_factors(const Tape<double>&, Var, Var);
template void jacobian_rows(Stream&, const LinearMap<double>&, Index, Index, double*);
template void gram_by_rows(Stream&, const LinearMap<double>&, double*, Index);
template FieldGram<double> field_gram(const Tape<double>&, Var, Var, Index);

}  // namespace terrane
