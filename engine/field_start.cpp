// SPDX-License-Identifier: MIT
#include "engine/field_start.hpp"

#include "engine/converted.hpp"
#include "engine/weights.hpp"

namespace terrane {

template <class T>
std::vector<T> start_parameters(Stream& s, const nlohmann::ordered_json& section, const Problem& problem,
                                const Field<T>& field, bool fit, const Log& log) {
  const std::vector<T> start = converted<T>(problem.start);
  const auto& weights = section.at("initial_weights");
  std::vector<T> theta = weights.is_null() ? field.initial_parameters(start)
                                           : converted<T>(read_weights(weights, field.network(), field.parameters()));
  const auto& p = section.at("prefit");
  if (p.is_null() || !fit) return theta;
  const PrefitReport r = prefit(s, field, start, p.at("iterations").get<int>(), p.at("lr").get<double>(), theta);
  log.info("prefit: RMS difference from the start model " + std::to_string(r.rms_before) + " -> " +
           std::to_string(r.rms_after) + " " + problem.property->unit());
  return theta;
}

template <class T>
FieldInputs input_field(Tape<T>& tape, const Field<T>& field, const Problem& problem, const std::vector<T>& theta) {
  const Grid3& grid = problem.grid;
  const FieldInputs in{tape.input({field.parameters()}, "theta"), tape.input(grid.shape(), "start model", false)};
  tape.set(in.theta, theta);
  const std::vector<T> none(static_cast<std::size_t>(grid.cells()), T(0));
  tape.set(in.start, problem.start.empty() ? none : converted<T>(problem.start));
  return in;
}

template std::vector<float> start_parameters(Stream&, const nlohmann::ordered_json&, const Problem&,
                                             const Field<float>&, bool, const Log&);
template std::vector<double> start_parameters(Stream&, const nlohmann::ordered_json&, const Problem&,
                                              const Field<double>&, bool, const Log&);
template FieldInputs input_field(Tape<float>&, const Field<float>&, const Problem&, const std::vector<float>&);
template FieldInputs input_field(Tape<double>&, const Field<double>&, const Problem&, const std::vector<double>&);

}  // namespace terrane
