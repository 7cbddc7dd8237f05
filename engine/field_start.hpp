// SPDX-License-Identifier: MIT
// Where an inversion starts, and its field on a tape: the same for the inversion itself and for what analyses it.
#pragma once

#include <vector>

#include "engine/field.hpp"
#include "engine/problem.hpp"
#include "kernels/runtime/log.hpp"

namespace terrane {

// Parameters at iteration 0: "initial_weights" of the resolved section "field", or those of the seed; then fitted to
// the start model where "prefit" asks for it and `fit`. Error{data} where the weights belong to another field.
template <class T>
std::vector<T> start_parameters(Stream& s, const nlohmann::ordered_json& section, const Problem& problem,
                                const Field<T>& field, bool fit, const Log& log);

struct FieldInputs {
  Var theta, start;  // (parameters), (nz, nx); the start model is zero where the problem has none
};
template <class T>
FieldInputs input_field(Tape<T>& tape, const Field<T>& field, const Problem& problem, const std::vector<T>& theta);

}  // namespace terrane
