// SPDX-License-Identifier: MIT
#include "autodiff/tape.hpp"

#include <algorithm>

#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {

std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + ")";
}

template <class T>
const T* Sweep<T>::cotangent(Var v) const {
  const auto i = static_cast<std::size_t>(v.id);
  return i < has_cotangent_.size() && has_cotangent_[i] ? cotangents_[i].data() : nullptr;
}

template <class T>
const T* Sweep<T>::tangent(Var v) const {
  const auto i = static_cast<std::size_t>(v.id);
  return i < has_tangent_.size() && has_tangent_[i] ? tangents_[i].data() : nullptr;
}

template <class T>
T* Sweep<T>::ensure(std::vector<Buffer<T>>& buffers, Var v) {
  buffers.resize(std::max(buffers.size(), tape_->vars_.size()));
  Buffer<T>& b = buffers[static_cast<std::size_t>(v.id)];
  if (b.empty()) b = Buffer<T>(tape_->stream(), tape_->size(v));
  return b.data();
}

template <class T>
std::size_t Tape<T>::at(Var v) const {
  if (v.id < 0 || static_cast<std::size_t>(v.id) >= vars_.size()) {
    throw Error(ErrorCode::failed, "a variable of another tape (or none) was used");
  }
  return static_cast<std::size_t>(v.id);
}

template <class T>
int Tape<T>::add(Shape shape, std::string name, bool differentiable, int producer) {
  Buffer<T> value(*stream_, elements(shape));
  vars_.push_back({std::move(shape), std::move(name), differentiable, producer, std::move(value)});
  return static_cast<int>(vars_.size()) - 1;
}

template <class T>
Var Tape<T>::input(Shape shape, std::string name, bool differentiable) {
  return {add(std::move(shape), std::move(name), differentiable, -1)};
}

template <class T>
std::vector<Var> Tape<T>::apply_all(std::shared_ptr<const DiffOp<T>> op, const std::vector<Var>& in) {
  std::vector<Shape> in_shapes;
  bool differentiable = false;
  Node node;
  for (const Var v : in) {
    in_shapes.push_back(shape(v));
    differentiable = differentiable || vars_[at(v)].differentiable;
    node.in.push_back(v.id);
  }
  std::vector<Var> out;
  for (Shape& s : op->shapes(in_shapes)) {
    out.push_back({add(std::move(s), op->name(), differentiable, static_cast<int>(nodes_.size()))});
    node.out.push_back(out.back().id);
  }
  node.op = std::move(op);
  nodes_.push_back(std::move(node));
  return out;
}

template <class T>
Var Tape<T>::apply(std::shared_ptr<const DiffOp<T>> op, const std::vector<Var>& in) {
  return apply_all(std::move(op), in).at(0);
}

template <class T>
void Tape<T>::set(Var v, const std::vector<T>& host) {
  if (static_cast<Index>(host.size()) != size(v)) {
    throw Error(ErrorCode::failed,
                name(v) + " has " + std::to_string(size(v)) + " values, got " + std::to_string(host.size()));
  }
  copy(*stream_, std::span<const T>(host), data(v));
}

template <class T>
std::vector<T> Tape<T>::get(Var v) const {
  return to_host(*stream_, data(v), size(v));
}

template <class T>
std::vector<const T*> Tape<T>::values(const std::vector<int>& ids) const {
  std::vector<const T*> p;
  for (const int id : ids) p.push_back(vars_[static_cast<std::size_t>(id)].value.data());
  return p;
}

template <class T>
void Tape<T>::run(Node& node) {
  const auto in = values(node.in);
  std::vector<T*> out;
  for (const int id : node.out) out.push_back(vars_[static_cast<std::size_t>(id)].value.data());
  node.saved = node.op->forward(*stream_, in, out, std::move(node.saved));
}

template <class T>
void Tape<T>::forward() {
  for (Node& node : nodes_) run(node);
}

template <class T>
void Tape<T>::forward(Var target) {
  std::vector<char> needed(vars_.size(), 0);
  needed[at(target)] = 1;
  std::vector<char> run_node(nodes_.size(), 0);
  for (std::size_t k = nodes_.size(); k-- > 0;) {
    for (const int id : nodes_[k].out)
      run_node[k] = static_cast<char>(run_node[k] | needed[static_cast<std::size_t>(id)]);
    if (!run_node[k]) continue;
    for (const int id : nodes_[k].in) needed[static_cast<std::size_t>(id)] = 1;
  }
  for (std::size_t k = 0; k < nodes_.size(); ++k) {
    if (run_node[k]) run(nodes_[k]);
  }
}

template <class T>
void Tape<T>::backward_node(Sweep<T>& sweep, const Node& node) const {
  bool reached = false;
  for (const int id : node.out) reached = reached || sweep.has_cotangent_[static_cast<std::size_t>(id)];
  if (!reached) return;
  std::vector<const T*> d_out;
  for (const int id : node.out) {
    const auto i = static_cast<std::size_t>(id);
    T* d = sweep.ensure(sweep.cotangents_, {id});
    if (!sweep.has_cotangent_[i]) fill(*stream_, Fill<T>{d, T(0), size({id})});  // an output nobody used
    d_out.push_back(d);
  }
  std::vector<T*> d_in;
  for (const int id : node.in) {
    const auto i = static_cast<std::size_t>(id);
    if (!vars_[i].differentiable) {
      d_in.push_back(nullptr);
      continue;
    }
    T* d = sweep.ensure(sweep.cotangents_, {id});
    if (!sweep.has_cotangent_[i]) {
      fill(*stream_, Fill<T>{d, T(0), size({id})});
      sweep.has_cotangent_[i] = 1;
    }
    d_in.push_back(d);
  }
  node.op->vjp(*stream_, node.saved.get(), values(node.in), values(node.out), d_out, d_in);
}

template <class T>
void Tape<T>::backward(Sweep<T>& sweep, Var y, const T* seed) const {
  sweep.has_cotangent_.assign(vars_.size(), 0);
  T* d = sweep.ensure(sweep.cotangents_, y);
  if (seed == nullptr) {
    fill(*stream_, Fill<T>{d, T(1), size(y)});
  } else {
    copy_values(*stream_, CopyValues<T>{seed, d, size(y)});
  }
  sweep.has_cotangent_[at(y)] = 1;
  for (std::size_t k = nodes_.size(); k-- > 0;) {
    const Node& node = nodes_[k];
    if (vars_[static_cast<std::size_t>(node.out[0])].differentiable) backward_node(sweep, node);
  }
}

template <class T>
void Tape<T>::jvp_node(Sweep<T>& sweep, const Node& node) const {
  std::vector<const T*> t_in;
  bool reached = false;
  for (const int id : node.in) {
    const auto i = static_cast<std::size_t>(id);
    reached = reached || sweep.has_tangent_[i];
    t_in.push_back(sweep.has_tangent_[i] ? sweep.tangents_[i].data() : nullptr);
  }
  if (!reached) return;
  std::vector<T*> t_out;
  for (const int id : node.out) {
    t_out.push_back(sweep.ensure(sweep.tangents_, {id}));
    sweep.has_tangent_[static_cast<std::size_t>(id)] = 1;
  }
  node.op->jvp(*stream_, node.saved.get(), values(node.in), values(node.out), t_in, t_out);
}

template <class T>
void Tape<T>::jvp(Sweep<T>& sweep, Var x, const T* t) const {
  sweep.has_tangent_.assign(vars_.size(), 0);
  copy_values(*stream_, CopyValues<T>{t, sweep.ensure(sweep.tangents_, x), size(x)});
  sweep.has_tangent_[at(x)] = 1;
  for (const Node& node : nodes_) jvp_node(sweep, node);
}

template <class T>
LinearMap<T> Tape<T>::map(Var x, Var y) const {
  auto sweep = std::make_shared<Sweep<T>>(*this);
  LinearMap<T> m;
  m.columns = size(x);
  m.rows = size(y);
  m.apply = [this, sweep, x, y](Stream& s, const T* v, T* out) {
    jvp(*sweep, x, v);
    const T* t = sweep->tangent(y);
    if (t == nullptr) {
      fill(s, Fill<T>{out, T(0), size(y)});
    } else {
      copy_values(s, CopyValues<T>{t, out, size(y)});
    }
  };
  m.adjoint = [this, sweep, x, y](Stream& s, const T* w, T* out) {
    backward(*sweep, y, w);
    const T* d = sweep->cotangent(x);
    if (d == nullptr) {
      fill(s, Fill<T>{out, T(0), size(x)});
    } else {
      copy_values(s, CopyValues<T>{d, out, size(x)});
    }
  };
  return m;
}

template <class T>
Factors<T> Tape<T>::factors(Var x, Var y) const {
  const int producer = vars_[at(y)].producer;
  if (producer < 0) return {};
  const Node& node = nodes_[static_cast<std::size_t>(producer)];
  const auto found = std::find(node.in.begin(), node.in.end(), x.id);
  if (found == node.in.end()) return {};
  return node.op->factors(*stream_, node.saved.get(), values(node.in), values(node.out),
                          static_cast<int>(found - node.in.begin()));
}

template class Sweep<float>;
template class Sweep<double>;
template class Tape<float>;
template class Tape<double>;

}  // namespace terrane
