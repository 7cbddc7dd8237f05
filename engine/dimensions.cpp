// SPDX-License-Identifier: MIT
// Two or three dimensions: which sections of a config a grid with ny needs, and which a grid without it refuses.
#include <string>
#include <utility>
#include <vector>

#include "engine/json_value.hpp"
#include "engine/resolve.hpp"

namespace terrane {
namespace {

// The sections of one config, which all follow the number of axes of its grid.
class Dimensions {
 public:
  Dimensions(Json& config, Resolver& resolver) : config_(config), resolver_(resolver) {}

  void check() {
    if (!check_grid()) return;
    const std::string physics = config_.at("physics").at("type");
    if (volume_ && physics != "acoustic" && physics != "dc-3d") {
      return issue("/grid/ny", "physics \"" + physics +
                                   "\" has two dimensions in this version: leave out ny and dy_m (acoustic and dc-3d "
                                   "take three)");
    }
    if (!volume_ && physics == "dc-3d") {
      return issue("/grid", "physics \"dc-3d\" has three dimensions: give ny and dy_m, or write \"dc-2.5d\"");
    }
    for (const char* name : {"sources", "receivers", "electrodes"}) check_positions(name);
    if (physics == "acoustic") check_boundary();
    for (const char* name : {"true_model", "start_model", "reference_model", "model"}) {
      if (present(config_, name)) check_model(config_.at(name), std::string("/") + name);
    }
    if (volume_ && config_.at("task") == "invert") check_inversion();
    if (!volume_ && present(config_, "score_region") && present(config_.at("score_region"), "y_m")) {
      issue("/score_region/y_m", "belongs to a grid of three dimensions (ny)");
    }
  }

 private:
  static bool present(const Json& object, const std::string& key) {
    return object.contains(key) && !object.at(key).is_null();
  }
  void issue(const std::string& pointer, const std::string& message) { resolver_.issue_at(pointer, message); }
  void refuse(const std::string& pointer, const std::string& what) {
    issue(pointer, what + " has two dimensions in this version, the grid has three (ny)");
  }

  bool check_grid() {
    if (!present(config_, "grid")) return false;  // chosen from the data: a section
    Json& grid = config_.at("grid");
    volume_ = present(grid, "ny");
    if (volume_ && !present(grid, "dy_m")) {
      issue("/grid/ny", "a grid of three dimensions needs its spacing as well: write \"dy_m\": " +
                            grid.at("dx_m").dump() + ", or leave ny out");
      return false;
    }
    for (const char* key : {"dy_m", "y0_m"}) {
      if (volume_ || !present(grid, key)) continue;
      issue(std::string("/grid/") + key,
            "belongs to a grid of three dimensions: give ny, the number of nodes across "
            "the line, or leave this out");
      return false;
    }
    if (volume_ && grid.at("y0_m").is_null()) grid["y0_m"] = 0.0;
    return true;
  }

  void check_positions(const std::string& name) {
    if (!present(config_, "survey") || !present(config_.at("survey"), name)) return;
    const Json& positions = config_.at("survey").at(name);
    const std::string type = positions.at("type"), at = "/survey/" + name;
    if (type == "lattice" || type == "grid-plane") {
      if (!volume_) issue(at + "/type", "\"" + type + "\" needs a grid of three dimensions: give ny and dy_m");
    } else if (type == "ring") {
      if (volume_) refuse(at + "/type", "a ring");
    } else if (type != "file") {
      const bool given = !positions.at("y_m").is_null();
      if (volume_ && !given) issue(at, "\"y_m\" is missing: the grid has three dimensions (ny)");
      if (!volume_ && given) issue(at + "/y_m", "belongs to a grid of three dimensions: give ny and dy_m");
    }
  }

  // Layers along y: those along x unless given.
  void check_boundary() {
    Json& width = config_.at("physics").at("boundary").at("width_cells");
    for (const auto& [name, like] : {std::pair{"front", "left"}, std::pair{"back", "right"}}) {
      if (volume_ && !width.contains(name)) width[name] = width.at(like);
      if (!volume_ && width.contains(name)) {
        issue(std::string("/physics/boundary/width_cells/") + name, "belongs to a grid of three dimensions (ny)");
      }
    }
  }

  void check_model(const Json& model, const std::string& pointer) {
    const std::string type = model.at("type");
    if (model.contains("of") && model.at("of").is_object()) check_model(model.at("of"), pointer + "/of");
    if (type == "file") {
      const bool section = model.at("extrude");
      if (section && !volume_) {
        issue(pointer + "/extrude", "belongs to a grid of three dimensions: give ny and dy_m");
      }
      for (const char* key : {"file_rows", "file_columns", "x_m", "z_m"}) {
        if (!volume_ || section || model.at(key).is_null()) continue;
        issue(pointer + "/" + key, "is for a section: add \"extrude\": true, or give a file of the grid's shape");
      }
    }
    if (type != "blocks" || volume_) return;
    for (std::size_t i = 0; i < model.at("blocks").size(); ++i) {
      if (!present(model.at("blocks")[i], "y_m")) continue;
      issue(pointer + "/blocks/" + std::to_string(i) + "/y_m", "belongs to a grid of three dimensions (ny)");
    }
  }

  void check_inversion() {
    if (config_.at("field").at("type") == "decoder") refuse("/field/type", "the field \"decoder\"");
    if (present(config_, "score_region") && config_.at("score_region").at("type") == "disc") {
      refuse("/score_region/type", "a disc");
    }
    if (present(config_, "score_body") && present(config_.at("score_body"), "dip")) refuse("/score_body/dip", "a dip");
    const Json& data = config_.at("data");
    if (data.at("type") == "synthetic" && data.at("refine") != 1) refuse("/data/refine", "refine");
    check_terms(config_, "");
    for (std::size_t i = 0; i < config_.at("stages").size(); ++i) {
      check_terms(config_.at("stages")[i], "/stages/" + std::to_string(i));
    }
  }

  // Optimizer and regularizers of the config or of a stage.
  void check_terms(const Json& section, const std::string& at) {
    const bool waves = config_.at("physics").at("type") == "acoustic";
    if (waves && present(section, "optimizer") && section.at("optimizer").at("type") == "gauss-newton") {
      refuse(at + "/optimizer/type", "gauss-newton");
    }
    if (!present(section, "regularizers")) return;
    for (std::size_t i = 0; i < section.at("regularizers").size(); ++i) {
      const std::string type = section.at("regularizers")[i].at("type");
      if (type == "denoiser") refuse(at + "/regularizers/" + std::to_string(i) + "/type", "a denoiser");
    }
  }

  Json& config_;
  Resolver& resolver_;
  bool volume_ = false;
};

}  // namespace

void check_dimensions(Json& config, Resolver& resolver) { Dimensions(config, resolver).check(); }

}  // namespace terrane
