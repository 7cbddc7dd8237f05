// SPDX-License-Identifier: MIT
// Records a computation once, replays it many times, and differentiates it in both directions.
//
//   Tape<float> tape(stream);
//   Var theta = tape.input({n}, "theta");
//   Var y = tape.apply(std::make_shared<SomeOp<float>>(...), {theta});
//   tape.set(theta, host_values); tape.forward();
//   Sweep<float> sweep(tape); tape.backward(sweep, loss); sweep.cotangent(theta);
//   LinearMap<float> J = tape.map(theta, y);          // dy/dtheta at the values of the last forward()
//
// All buffers are allocated while recording and in the first use of a Sweep; replays and sweeps allocate nothing.
// backward and jvp are const: the recorded state is read, cotangents and tangents live in the Sweep.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "autodiff/linear_map.hpp"
#include "autodiff/op.hpp"

namespace terrane {

struct Var {
  int id = -1;
  bool valid() const { return id >= 0; }
};

// A named part of a flat parameter vector; carries its own learning rate in the optimizer.
struct ParameterGroup {
  std::string name;
  Index offset = 0;
  Index size = 0;
};

template <class T>
class Tape;

// Cotangents and tangents of one sweep; reusable. Several sweeps of one tape are independent of each other.
template <class T>
class Sweep {
 public:
  explicit Sweep(const Tape<T>& tape) : tape_(&tape) {}
  // Device array of the variable's size after backward(); null if the variable does not influence the output.
  const T* cotangent(Var v) const;
  const T* tangent(Var v) const;

 private:
  friend class Tape<T>;
  T* ensure(std::vector<Buffer<T>>& buffers, Var v);
  const Tape<T>* tape_;
  std::vector<Buffer<T>> cotangents_, tangents_;
  std::vector<char> has_cotangent_, has_tangent_;
};

template <class T>
class Tape {
 public:
  // The stream must outlive the tape.
  explicit Tape(Stream& s) : stream_(&s) {}
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  Stream& stream() const { return *stream_; }
  // A leaf. Constants (differentiable = false) never receive cotangents.
  Var input(Shape shape, std::string name, bool differentiable = true);
  // Records an operation with one output; the values are computed by the next forward().
  Var apply(std::shared_ptr<const DiffOp<T>> op, const std::vector<Var>& in);
  std::vector<Var> apply_all(std::shared_ptr<const DiffOp<T>> op, const std::vector<Var>& in);

  const Shape& shape(Var v) const { return vars_[at(v)].shape; }
  const std::string& name(Var v) const { return vars_[at(v)].name; }
  Index size(Var v) const { return elements(shape(v)); }
  bool differentiable(Var v) const { return vars_[at(v)].differentiable; }
  // Device memory of a variable; inputs may be written.
  T* data(Var v) const { return vars_[at(v)].value.data(); }
  void set(Var v, const std::vector<T>& host);
  std::vector<T> get(Var v) const;
  T scalar(Var v) const { return get(v).at(0); }

  // Replays all recorded operations in order.
  void forward();
  // Replays only what is needed for `target`.
  void forward(Var target);
  // Reverse sweep from `y` with cotangent `seed` (device, size of y; null: all ones).
  void backward(Sweep<T>& sweep, Var y, const T* seed = nullptr) const;
  // Forward sweep with tangent `t` (device) of input `x`; all other inputs have tangent zero.
  void jvp(Sweep<T>& sweep, Var x, const T* t) const;
  // dy/dx at the current values. The tape must outlive the map; one call at a time.
  LinearMap<T> map(Var x, Var y) const;

  struct Node {
    std::shared_ptr<const DiffOp<T>> op;
    std::vector<int> in, out;
    SavedPtr saved;
  };
  const std::vector<Node>& nodes() const { return nodes_; }
  // Factors of dy/dx when y is the direct output of one operation on x; empty otherwise.
  Factors<T> factors(Var x, Var y) const;

 private:
  friend class Sweep<T>;
  struct Variable {
    Shape shape;
    std::string name;
    bool differentiable = true;
    int producer = -1;  // node, -1 for inputs
    Buffer<T> value;
  };
  std::size_t at(Var v) const;
  int add(Shape shape, std::string name, bool differentiable, int producer);
  void run(Node& node);
  void backward_node(Sweep<T>& sweep, const Node& node) const;
  void jvp_node(Sweep<T>& sweep, const Node& node) const;
  // Pointers of a node's variables, null where `present` says so.
  std::vector<const T*> values(const std::vector<int>& ids) const;

  Stream* stream_;
  std::vector<Variable> vars_;
  std::vector<Node> nodes_;
};

}  // namespace terrane
