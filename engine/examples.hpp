// SPDX-License-Identifier: MIT
// Configs that come with the program: starting points of `terrane init` and the runs of `terrane demo`.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace terrane {

// "fwi", "forward".
std::vector<std::string> template_names();
// Task names that a later version will have a template for.

struct TemplateInputs {
  std::string model_path;  // .npy (nz, nx): sets the grid and the true model
  std::string data_path;   // replaces synthetic data: .npy (shot, receiver, time), picks, or observations of voltages
};

// A complete config. Throws Error{config} for an unknown name, Error{data} for unreadable files.
nlohmann::ordered_json template_config(const std::string& name, const TemplateInputs& inputs = {});

// "fwi".
std::vector<std::string> demo_names();
nlohmann::ordered_json demo_config(const std::string& name);

}  // namespace terrane
