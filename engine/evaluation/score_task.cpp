// SPDX-License-Identifier: MIT
#include "engine/evaluation/score_task.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <optional>

#include "engine/budget.hpp"
#include "engine/compression/model_set.hpp"
#include "engine/contact_sheet.hpp"
#include "engine/evaluation/map_folder.hpp"
#include "engine/evaluation/sample_scores.hpp"
#include "engine/figure.hpp"
#include "engine/io/file.hpp"
#include "engine/io/png.hpp"
#include "engine/io/text.hpp"
#include "engine/json_value.hpp"
#include "engine/report.hpp"
#include "engine/standalone_task.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

constexpr Index least_maps = 16;

// Words of the page for the keys of score_samples().
struct ScoreWords {
  const char* key;
  const char* words;
};
constexpr ScoreWords score_words[] = {
    {"mmd2", "MMD² of principal components"},
    {"mmd2_permutation_sd", "its deviation under re-labelling"},
    {"frechet", "Fréchet distance"},
    {"precision", "precision"},
    {"recall", "recall"},
    {"density", "density"},
    {"coverage", "coverage"},
    {"c2st_auc", "classifier, area under the curve (0.5: indistinguishable)"},
    {"bands_mmd2", "MMD² of energies in cosine bands"},
    {"bands_mmd2_permutation_sd", "its deviation under re-labelling"},
    {"bands_frechet", "Fréchet distance of these"},
    {"bands_c2st_auc", "classifier on these"},
    {"network_c2st_auc", "classifier by a convolutional network"},
    {"family_accuracy", "share that a network which knows the families puts into this one"},
    {"network_mmd2", "MMD² of its features"},
    {"network_mmd2_permutation_sd", "its deviation under re-labelling"},
    {"network_frechet", "Fréchet distance of these"},
    {"monotone_columns", "columns that rise with depth, share"},
    {"distinct_values", "distinct values a map"},
    {"row_deviation_mps", "deviation within rows, m/s"},
    {"layer_deviation_mps", "step between rows of a layer, m/s"},
    {"gamma_z_relative_l1", "vertical variogram, relative difference"},
    {"gamma_x_relative_l1", "horizontal variogram, relative difference"},
    {"transitions", "transiogram, probability by which it differs"},
    {"jumps_jsd", "jumps a column, JSD"},
    {"thickness_jsd", "thickness of layers, JSD"},
    {"steps_jsd", "size of jumps, JSD"},
    {"marginal_jsd", "velocities, JSD"},
    {"fault_share", "maps with a fault, share"},
    {"dip_jsd", "dips of the faults, JSD"},
    {"throw_jsd", "throws of the faults, JSD"},
    {"interface_share", "maps with an uneven first interface, share"},
    {"interface_range_px", "its range, pixels"},
    {"interface_power_jsd", "its power by cycles over the width, JSD"},
    {"depth_mean_rms_mps", "mean velocity by depth, rms difference, m/s"},
    {"nearest_ratio", "distance to the nearest training model, over that of real ones"},
    {"too_close", "samples that repeat a training model"},
};

ModelSet first_of(const ModelSet& set, Index from, Index count) {
  const auto at = set.values.begin() + from * set.points();
  return {set.extent, {at, at + count * set.points()}};
}

struct Group {
  std::string name;
  ModelSet samples, real, other;  // of n maps each; other: the second half of the held-out models
  Json scores;                    // {"samples": .., "floor": ..}
};

Series curve(const char* name, std::vector<double> x, std::vector<double> y, Paint paint, double dash) {
  return {name, std::move(x), std::move(y), paint, 1.6, dash};
}

// Samples, the real maps and the other real maps as three curves.
LinePlot three_curves(const char* title, Axis x, const char* y, const std::vector<double>& at,
                      const std::array<std::vector<double>, 3>& v) {
  LinePlot plot;
  plot.title = title;
  plot.series = {curve("real", at, v[1], Paint::page_ink(), 0), curve("other real", at, v[2], Paint::page_ink(), 3),
                 curve("samples", at, v[0], predicted_paint(), 0)};
  double low = 1e300, high = -1e300;
  for (const auto& values : v) {
    for (const double value : values) low = std::min(low, value), high = std::max(high, value);
  }
  plot.x = std::move(x);
  plot.y = {y, low > 0 && low < 0.5 * high ? 0 : low, high + (high > low ? 0.05 * (high - low) : 1)};
  return plot;
}

template <std::size_t n>
std::vector<double> list(const std::array<double, n>& a) {
  return {a.begin(), a.end()};
}

Drawing statistics_drawing(const Group& g) {
  const std::array<MapStatistics, 3> m{map_statistics(g.samples), map_statistics(g.real), map_statistics(g.other)};
  const auto each = [&](const auto& take) {
    return std::array<std::vector<double>, 3>{take(m[0]), take(m[1]), take(m[2])};
  };
  const Index height = g.real.extent[0];
  std::vector<double> lags, rows, values;
  for (const Index lag : variogram_lags) {
    if (lag < height) lags.push_back(static_cast<double>(lag));
  }
  for (Index i = 0; i < height; ++i) rows.push_back(static_cast<double>(i));
  for (std::size_t k = 0; k < m[0].values.size(); ++k) values.push_back(1525 + 50 * static_cast<double>(k));
  const auto shortened = [&](std::vector<double> v) {
    v.resize(lags.size());
    return v;
  };
  Drawing d(page_width, 660);
  const Axis lag{"Lag (pixels)", lags.front(), lags.back() > lags.front() ? lags.back() : lags.front() + 1,
                 lags.back() > lags.front()};
  draw_line_plot(d, {74, 26, 460, 260},
                 three_curves("Vertical variogram", lag, "(m/s)²", lags,
                              each([&](const MapStatistics& s) { return shortened(list(s.gamma_z)); })));
  draw_line_plot(d, {634, 26, 460, 260},
                 three_curves("Horizontal variogram", lag, "(m/s)²", lags,
                              each([&](const MapStatistics& s) { return shortened(list(s.gamma_x)); })));
  draw_line_plot(d, {74, 356, 460, 260},
                 three_curves("Mean velocity", {"Row", 0, static_cast<double>(height - 1)}, "m/s", rows,
                              each([](const MapStatistics& s) { return s.depth_mean; })));
  draw_line_plot(d, {634, 356, 460, 260},
                 three_curves("Velocities", {"m/s", 1500, 4500}, "share of the pixels", values,
                              each([](const MapStatistics& s) { return s.values; })));
  return d;
}

// A set of samples beside the models of its family: those that were trained on, and held-out ones.
struct Comparison {
  int row = -1;  // of the family, -1: all models
  Index count = 0;
  NamedMaps set;
  ModelSet own, held;
};

class ScoreRun : public StandaloneTask {
 public:
  ScoreRun(const Config& config, const RunOptions& options)
      : StandaloneTask(config, options, false), s_(options.device, stream_options(options)) {}

 private:
  bool work() override {
    const Json& samples = c_.at("samples");
    const ModelSets models = read_models(s_, c_.at("models"));
    if (models.train.extent[1] != 1) throw Error(ErrorCode::config, "/models: scores are of maps, not of volumes");
    std::vector<std::string> families;
    if (!models.family.empty()) families = c_.at("models").at("families").get<std::vector<std::string>>();
    const Index most = samples.at("count").is_null() ? models.held_out.count() / 2 : samples.at("count").get<Index>();
    std::vector<NamedMaps> sets = read_map_folder(samples.at("path"), std::max<Index>(most, 1));
    std::vector<Comparison> comparisons;
    for (NamedMaps& set : sets) {
      const std::string family = samples.at("family").is_null() ? set.name : samples.at("family").get<std::string>();
      comparisons.push_back(compared(models, family_row(families, family), std::move(set)));
    }
    network_.steps = samples.at("network_steps");
    network_.seed = c_.at("seed");
    if (network_.steps > 0 && families.size() > 1) {
      log_.info("a network learns the families");
      families_.emplace(s_, models.train.extent[0], models.train.extent[2], static_cast<Index>(families.size()),
                        network_);
      families_->fit(models.train, models.family);
    }
    for (Comparison& c : comparisons) add(std::move(c));
    return true;
  }

  int family_row(const std::vector<std::string>& families, const std::string& name) const {
    const auto at = std::find(families.begin(), families.end(), name);
    if (at != families.end()) return static_cast<int>(at - families.begin());
    if (c_.at("samples").at("family").is_null()) return -1;
    throw Error(ErrorCode::config,
                "/samples/family: \"" + name + "\" is not one of the families of \"models\"" +
                    (families.empty() ? std::string(", a file") : ", " + join_words(families)),
                config_.place("/samples/family"));
  }

  // Error{data} or {config} where the set cannot be scored.
  static Comparison compared(const ModelSets& models, int row, NamedMaps set) {
    const ModelSet own = models_of_family(models.train, models.family, row),
                   held = models_of_family(models.held_out, models.held_out_family, row);
    if (set.maps.extent != held.extent) {
      throw Error(ErrorCode::data,
                  "maps of " + std::to_string(set.maps.extent[0]) + " x " + std::to_string(set.maps.extent[2]) +
                      " pixels, \"models\" has " + std::to_string(held.extent[0]) + " x " +
                      std::to_string(held.extent[2]),
                  set.files.front());
    }
    const Index n = std::min(set.maps.count(), held.count() / 2);
    if (n < least_maps || own.count() < least_maps) {
      throw Error(ErrorCode::config, "\"" + set.name + "\": " + std::to_string(set.maps.count()) + " samples, " +
                                         std::to_string(held.count()) + " held-out models and " +
                                         std::to_string(own.count()) +
                                         " others to compare with; scores need at least 16, 32 and 16");
    }
    return {row, n, std::move(set), own, held};
  }

  void add(Comparison c) {
    const auto& [row, n, set, own, held] = c;
    log_.info(set.name + ": " + std::to_string(n) + " samples against " + std::to_string(n) + " models");
    Group g{set.name, first_of(set.maps, 0, n), first_of(held, 0, n), first_of(held, n, n), {}};
    const PrincipalScores components = leading_components(s_, own);
    for (const auto& [name, maps] : {std::pair{"samples", &g.samples}, {"floor", &g.other}}) {
      g.scores[name] = score_samples(s_, components, own, g.real, *maps);
      if (network_.steps == 0) continue;
      g.scores[name].update(network_scores(s_, families_ ? &*families_ : nullptr, row, g.real, *maps, network_));
    }
    Json& out = result_["scores"][g.name];
    out = {
        {"count", n},
        {"compared_with", row < 0 ? Json("all models") : c_.at("models").at("families")[static_cast<std::size_t>(row)]},
        {"files", set.files}};
    out.update(g.scores);
    groups_.push_back(std::move(g));
  }

  void write_page(const Json& result) override {
    std::vector<ContactRow> rows;
    std::string body = "<h1>" + html_escape("Scores: " + c_.at("name").get<std::string>()) + "</h1>\n";
    std::string parts;
    for (const Group& g : groups_) {
      const auto shown = [&](const ModelSet& set) {
        const Index count = std::min(contact_columns, set.count());
        return std::vector<float>(set.values.begin(), set.values.begin() + count * set.points());
      };
      rows.push_back({g.name, g.samples.extent[0], g.samples.extent[2], shown(g.samples)});
      rows.push_back({"real", g.real.extent[0], g.real.extent[2], shown(g.real)});
      parts += "<h2>" + html_escape(g.name) + "</h2>\n" + table(g) +
               figure_html({"statistics.png", "Statistics",
                            "Of the samples, of the held-out models, and of as many others.", statistics_drawing(g)});
    }
    const Drawing sheet = contact_sheet(rows);
    write_png(out_.file("contact.png"), sheet.raster(1));
    body += figure_html({"samples.png", "Samples and models",
                         "The first samples of every set over the first held-out models; 1,500 (dark) to 4,500 m/s.",
                         sheet}) +
            parts + "<h2>Numbers</h2>\n<table>" + result_rows(result) + "</table>\n";
    write_file_atomic(out_.file("report.html"), html_page(c_.at("name"), body));
  }

  static std::string table(const Group& g) {
    std::string rows =
        "<table><tr><th>" + std::to_string(g.real.count()) + " maps each</th><th>samples</th><th>floor</th></tr>\n";
    const auto number = [](const Json& v) {
      if (v.is_null()) return std::string("-");
      char text[40];
      std::snprintf(text, sizeof text, "%.3g", v.get<double>());
      return std::string(text);
    };
    for (const ScoreWords& w : score_words) {
      if (!g.scores.at("samples").contains(w.key)) continue;
      rows += std::string("<tr><td>") + w.words + "</td><td>" + number(g.scores.at("samples").at(w.key)) + "</td><td>" +
              number(g.scores.at("floor").at(w.key)) + "</td></tr>\n";
    }
    return rows + "</table>\n";
  }

  Stream s_;
  MapClassifierOptions network_;
  std::optional<MapClassifier> families_;
  std::vector<Group> groups_;
};

}  // namespace

Json score_task(const Config& config, const RunOptions& options) { return ScoreRun(config, options).execute(); }

Forecast forecast_score(const Config& config, const RunOptions& options) {
  const Json& c = config.json();
  const ModelSetSize size = size_of_models(c.at("models"));
  const std::vector<NamedMaps> sets = list_map_folder(c.at("samples").at("path"));
  const Index hold_out = c.at("models").at("hold_out");
  // Models and samples in single, features and distances of n maps in double precision.
  const double n = static_cast<double>(hold_out) / 2;
  const double points = static_cast<double>(size.values) / static_cast<double>(std::max<Index>(1, size.models));
  const double bytes = 4 * (2 * static_cast<double>(size.values) + n * points * static_cast<double>(sets.size())) +
                       8 * (4 * n * n + 4 * n * points);
  char what[160];
  std::snprintf(what, sizeof what, "score: %zu sets against %lld held-out models", sets.size(),
                static_cast<long long>(hold_out));
  return forecast_of(config, options, {what, bytes, 0, "Hold out fewer models."});
}

}  // namespace terrane
