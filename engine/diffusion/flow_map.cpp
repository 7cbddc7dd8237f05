// SPDX-License-Identifier: MIT
#include "engine/diffusion/flow_map.hpp"

#include "autodiff/ops/pointwise.hpp"

namespace terrane {

template <class T>
Var FlowMap::record(Tape<T>& tape, Var z) const {
  const auto constant = [&](const std::vector<T>& v, Shape shape, const char* name) {
    const Var c = tape.input(std::move(shape), name, false);
    tape.set(c, v);
    return c;
  };
  const Var weights =
      constant(std::vector<T>(parameters.begin(), parameters.end()), {network.parameters()}, "weights of the flow");
  DenoiserInputs in;
  if (const Index rows = network.families(); rows > 0) {
    std::vector<T> unit(static_cast<std::size_t>(rows) + 1, T(0));
    unit[static_cast<std::size_t>(family < 0 ? rows : family)] = 1;
    in.family = constant(unit, {1, rows + 1}, "family");
  }
  if (network.condition_values() > 0) {  // none given
    const std::vector<T> none(static_cast<std::size_t>(network.condition_values()), T(0));
    in.condition = constant(none, network.condition_shape(1), "condition");
  }
  const double h = 1 / static_cast<double>(steps);
  in.x = z;
  for (Index k = 0; k < steps; ++k) {
    in.time = constant({static_cast<T>(1000 * h * static_cast<double>(k))}, {1, 1}, "time");
    const Var v = network.record(tape, weights, in, 1);
    in.x = tape.apply(std::make_shared<WeightedSumOp<T>>(std::vector<double>{1, h}), {in.x, v});
  }
  return in.x;
}
template Var FlowMap::record(Tape<float>&, Var) const;
template Var FlowMap::record(Tape<double>&, Var) const;

FlowMap make_flow_map(const Generator& g, Index steps, int family) {
  const auto* image = std::get_if<UnetShape>(&g.network.kind());
  require(g.process.process == Process::flow && (image == nullptr || image->planar), ErrorCode::config,
          "a flow of codes needs a generator of type latent-flow");
  require(steps >= 1 && steps <= 1000, ErrorCode::config, "a flow takes 1 to 1000 steps");
  require(family >= -1 && family < g.network.families(), ErrorCode::config, "the generator does not know this family");
  return {g.network, g.parameters, steps, family};
}

}  // namespace terrane
