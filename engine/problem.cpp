// SPDX-License-Identifier: MIT
#include "engine/problem.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/encoding.hpp"
#include "engine/io/npy.hpp"
#include "engine/json.hpp"
#include "kernels/runtime/random.hpp"
#include "physics/wave/wavelet.hpp"

namespace terrane {

namespace {

std::vector<double> build_wavelet(const Json& w, Index nt, double dt_s) {
  std::vector<double> samples;
  if (w.at("type") == "ricker") {
    const double f = w.at("frequency_hz");
    samples = ricker(f, nt, dt_s, w.at("delay_s").is_null() ? 1.5 / f : w.at("delay_s").get<double>());
  } else {
    const std::string path = w.at("path");
    const auto a = read_npy<double>(path);
    if (a.shape.size() != 1 || static_cast<Index>(a.values.size()) > nt) {
      throw Error(
          ErrorCode::data,
          "a wavelet is one array of at most nt = " + std::to_string(nt) + " samples; this is " + shape_text(a.shape),
          path);
    }
    for (std::size_t i = 0; i < a.values.size(); ++i) {
      if (!std::isfinite(a.values[i])) {
        throw Error(ErrorCode::data, "sample " + std::to_string(i) + " is not finite", path);
      }
    }
    samples = a.values;
    samples.resize(static_cast<std::size_t>(nt), 0.0);
  }
  const double amplitude = w.at("amplitude");
  for (double& e : samples) e *= amplitude;
  return samples;
}

// Frequency of the peak of the amplitude spectrum, for the absorbing layer of a wavelet read from a file.
double peak_frequency(const std::vector<double>& w, double dt_s) {
  const std::size_t n = w.size();
  double best = 0, at = 0;
  for (std::size_t k = 1; k <= std::min<std::size_t>(n / 2, 400); ++k) {
    const double f = static_cast<double>(k) / (static_cast<double>(n) * dt_s);
    double re = 0, im = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const double phase = 2 * 3.14159265358979323846 * f * dt_s * static_cast<double>(i);
      re += w[i] * std::cos(phase), im += w[i] * std::sin(phase);
    }
    if (re * re + im * im > best) best = re * re + im * im, at = f;
  }
  return at > 0 ? at : 1 / (static_cast<double>(n) * dt_s);
}

double largest(const std::vector<double>& m) { return m.empty() ? 0 : *std::max_element(m.begin(), m.end()); }

// The velocity that the time step must stand: stated, or from everything known about the models, with 5 % to spare.
double choose_vmax(const Json& c, const Problem& p) {
  if (!c.at("physics").at("vmax_mps").is_null()) return c.at("physics").at("vmax_mps");
  double v = std::max(largest(p.true_model), largest(p.start));
  if (c.contains("field") && c.at("field").is_object()) {
    const Json& transform = c.at("field").at("transform");
    if (transform.contains("max_mps")) v = std::max(v, transform.at("max_mps").get<double>() / 1.05);
  }
  if (c.contains("bounds") && c.at("bounds").is_object() && !c.at("bounds").at("max_mps").is_null()) {
    v = std::max(v, c.at("bounds").at("max_mps").get<double>() / 1.05);
  }
  return 1.05 * v;
}

WaveOptions3 build_wave_options(const Config& config, const Problem& p, const Device& device) {
  const Json& c = config.json();
  const Json& physics = c.at("physics");
  const Json& boundary = physics.at("boundary");
  WaveOptions3 o;
  o.order = physics.at("order");
  const Json& width = boundary.at("width_cells");
  o.pml = {width.at("top"), width.at("bottom"), 0, 0, width.at("left"), width.at("right")};
  if (!p.grid.flat()) o.pml[2] = width.at("front"), o.pml[3] = width.at("back");
  o.free_surface = boundary.at("free_surface");
  if (o.free_surface) o.pml[0] = 0;
  o.pml_reflection = boundary.at("reflection");
  const Json& wavelet = c.at("survey").at("wavelet");
  if (!boundary.at("frequency_hz").is_null()) {
    o.pml_frequency_hz = boundary.at("frequency_hz");
  } else {
    o.pml_frequency_hz = wavelet.at("type") == "ricker" ? wavelet.at("frequency_hz").get<double>()
                                                        : peak_frequency(p.wavelet, p.survey.dt_s);
  }
  o.vmax_mps = choose_vmax(c, p);
  o.substeps = physics.at("substeps").is_string() ? 0 : physics.at("substeps").get<int>();
  o.storage = parse_storage(physics.at("storage").get<std::string>());
  o.storage_every = physics.at("storage_every");
  if (physics.at("storage_path").is_string()) o.storage_directory = physics.at("storage_path");
  o.storage_precision = parse_storage_precision(physics.at("storage_precision").get<std::string>());
  // Half of the budget for snapshots: records, fields and the report need the rest.
  o.memory_budget_bytes = static_cast<Index>(0.5 * memory_budget(config, device.kind));
  return o;
}

void read_observed(const Json& data, Problem& p) {
  const std::string path = data.at("path");
  const std::vector<Index> want{p.survey.shot_count(), p.survey.max_receivers(), p.survey.nt};
  auto a = read_npy<double>(path);
  if (a.shape != want) {
    throw Error(
        ErrorCode::data,
        "the data have shape " + shape_text(a.shape) + ", the survey " + shape_text(want) + " (shot, receiver, time)",
        path);
  }
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    if (std::isfinite(a.values[i])) continue;
    const auto k = static_cast<Index>(i);
    throw Error(ErrorCode::data,
                "sample (shot, receiver, time) = (" + std::to_string(k / (want[1] * want[2])) + ", " +
                    std::to_string(k / want[2] % want[1]) + ", " + std::to_string(k % want[2]) +
                    ") is not finite; give the bad traces weight 0 in \"mask\" and store 0",
                path);
  }
  p.observed = std::move(a.values);
  p.observed_source = path;
  if (data.at("mask").is_null()) return;
  const std::string mask_path = data.at("mask");
  auto m = read_npy<double>(mask_path);
  if (m.shape != want && m.shape != std::vector<Index>{want[0], want[1]}) {
    throw Error(ErrorCode::data, "the mask has shape " + shape_text(m.shape) + ", the data " + shape_text(want),
                mask_path);
  }
  for (const double w : m.values) {
    if (!(w >= 0 && w <= 1)) throw Error(ErrorCode::data, "a weight lies outside 0 to 1", mask_path);
  }
  p.mask = std::move(m.values);
}

void build_survey(const Json& survey, Problem& p) {
  const Grid3& g = p.grid;
  const Extent extent{g.x0_m, g.end_m(2), g.z0_m, g.end_m(0), g.y0_m, g.end_m(1)};
  const auto sources = build_positions(survey.at("sources"), p.grid, extent, "source");
  const auto receivers = build_positions(survey.at("receivers"), p.grid, extent, "receiver");
  p.survey = Survey3::fixed_spread(sources, receivers, survey.at("nt"), survey.at("dt_s"));
  p.survey.check(p.grid);
  p.wavelet = build_wavelet(survey.at("wavelet"), p.survey.nt, p.survey.dt_s);
}

}  // namespace

std::vector<Index> Problem::data_shape() const {
  if (voltages()) return {dc.size()};
  if (travel_times()) return {travel.data()};
  return {survey.shot_count(), survey.max_receivers(), survey.nt};
}

std::vector<Point3> Problem::source_points() const {
  if (voltages()) return dc.electrodes;
  if (travel_times()) return travel.sources;
  std::vector<Point3> points;
  for (const Shot3& shot : survey.shots) points.insert(points.end(), shot.sources.begin(), shot.sources.end());
  return points;
}

Quantity Problem::data_quantity() const {
  return waves() ? Quantity::none : travel_times() ? Quantity::time : Quantity::voltage;
}

double memory_budget(const Config& config, DeviceKind device) {
  const Json& budget = config.json().at("memory").at(device == DeviceKind::cuda ? "device_bytes" : "host_bytes");
  return budget.is_null() ? 0 : budget.get<double>();
}

Problem build_problem(const Config& config, bool read_data, const Device& device) {
  const Json& c = config.json();
  Problem p;
  const std::string physics = c.at("physics").at("type");
  p.physics = physics == "acoustic"       ? PhysicsType::acoustic
              : physics == "straight-ray" ? PhysicsType::straight_ray
              : physics == "dc-2.5d"      ? PhysicsType::dc_2d
              : physics == "dc-3d"        ? PhysicsType::dc_3d
                                          : PhysicsType::eikonal;
  p.property = &property_of(c);
  p.grid = build_grid(c.at("grid"));
  if (p.cells()) {  // the config gives the corner of the first cell
    p.grid.z0_m += 0.5 * p.grid.dz_m;
    p.grid.x0_m += 0.5 * p.grid.dx_m;
    if (!p.grid.flat()) p.grid.y0_m += 0.5 * p.grid.dy_m;
  }
  if (p.waves()) build_survey(c.at("survey"), p);
  const auto given = [&](const char* key) { return c.contains(key) && c.at(key).is_object(); };
  if (given("true_model")) p.true_model = build_model(config, c.at("true_model"), "/true_model", p.grid, nullptr);
  const std::vector<double>* known = p.true_model.empty() ? nullptr : &p.true_model;
  if (given("start_model")) p.start = build_model(config, c.at("start_model"), "/start_model", p.grid, known);
  if (given("reference_model"))
    p.reference = build_model(config, c.at("reference_model"), "/reference_model", p.grid, known);
  if (c.at("task") == "forward" && given("model"))
    p.true_model = build_model(config, c.at("model"), "/model", p.grid, known);
  if (c.at("task") == "invert" && c.at("data").at("type") == "synthetic" && p.true_model.empty()) {
    throw Error(ErrorCode::config, "/data: synthetic data need a true_model", config.place("/data"));
  }
  if (p.travel_times()) build_travel(config, p, device);
  if (p.voltages()) build_resistivity(config, p);
  if (!p.waves()) return p;
  p.wave = build_wave_options(config, p, device);
  if (c.at("task") == "invert" && c.at("data").at("type") == "file" && read_data) read_observed(c.at("data"), p);
  if (c.contains("encoding") && c.at("encoding").is_object()) check_encoding(c.at("encoding"), p);
  return p;
}

Problem observation_problem(const Config& config, const Problem& problem) {
  const Json& data = config.json().at("data");
  const Index r = data.at("refine");
  Problem p = problem;
  p.observed_source = "simulated in true_model with the solver of the inversion";
  if (!data.at("order").is_null()) p.wave.order = p.eikonal.order = data.at("order");
  const int order = p.waves() ? p.wave.order : p.eikonal.order;
  if (r == 1 && order == (p.waves() ? problem.wave.order : problem.eikonal.order)) return p;
  p.observed_source =
      "simulated in true_model on a grid " + std::to_string(r) + " times finer, order " + std::to_string(order);
  const Grid2 g = problem.grid.section();  // two dimensions only
  p.grid.nz = (g.nz - 1) * r + 1;
  p.grid.nx = (g.nx - 1) * r + 1;
  p.grid.dz_m = g.dz_m / static_cast<double>(r);
  p.grid.dx_m = g.dx_m / static_cast<double>(r);
  for (int& width : p.wave.pml) width *= static_cast<int>(r);
  const NodeSpan rows{0, static_cast<double>(g.nz - 1)}, columns{0, static_cast<double>(g.nx - 1)};
  p.true_model = resample(problem.true_model, g.nz, g.nx, rows, columns, p.grid.section());
  if (!p.eikonal.air.empty()) {
    const std::vector<double> coarse(problem.eikonal.air.begin(), problem.eikonal.air.end());
    const auto fine = resample(coarse, g.nz, g.nx, rows, columns, p.grid.section());
    p.eikonal.air.resize(fine.size());
    for (std::size_t i = 0; i < fine.size(); ++i) p.eikonal.air[i] = fine[i] >= 1 ? 1 : 0;
  }
  return p;
}

Index shots_per_iteration(const Config& config, const Problem& problem) {
  const Json& c = config.json();
  const Index all = problem.shots();
  Index batch = 0;
  if (c.contains("optimizer") && c.at("optimizer").is_object() && c.at("optimizer").contains("batch_shots")) {
    batch = c.at("optimizer").at("batch_shots");
  }
  return batch > 0 ? std::min(batch, all) : all;
}

Index shots_per_batch(const Config& config, const Problem& problem) {
  const Index shots = shots_per_iteration(config, problem);
  const Json groups = value_at(config.json(), {"encoding", "groups"});
  return groups.is_null() ? shots : std::min(shots, groups.get<Index>());
}

namespace {

std::vector<double> noise_std(const Json& noise, const std::vector<double>& data) {
  if (noise.at("type") == "proportional") {
    std::vector<double> std;
    for (const double d : data) {
      std.push_back(std::hypot(noise.at("relative").get<double>() * d, noise.at("floor").get<double>()));
    }
    return std;
  }
  double sum = 0;
  for (const double d : data) sum += d * d;
  const double rms = std::sqrt(sum / static_cast<double>(data.size()));
  return std::vector<double>(data.size(), noise.at("std").is_null() ? noise.at("relative").get<double>() * rms
                                                                    : noise.at("std").get<double>());
}

}  // namespace

void add_noise(const Json& noise, std::uint64_t seed, std::vector<double>& data) {
  if (noise.is_null() || data.empty()) return;
  const auto std = noise_std(noise, data);
  const Random random(noise.at("seed").is_null() ? seed : noise.at("seed").get<std::uint64_t>(), RandomPurpose::noise);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] += std[i] * random.normal(i);
}

void add_noise(const Json& noise, std::uint64_t seed, Problem& problem) {
  if (noise.is_null()) return;
  const auto std = noise_std(noise, problem.observed);
  if (std::all_of(std.begin(), std.end(), [](double s) { return s > 0; })) problem.std = std;
  add_noise(noise, seed, problem.observed);
}

template <class T>
double mean_square_residual(const Problem& p, const std::vector<T>& predicted, const std::vector<double>& target) {
  double sum = 0, n = 0;
  for (std::size_t i = 0; i < predicted.size(); ++i) {
    const double w = p.mask.empty() ? 1 : p.mask[i];
    const double r = w * (static_cast<double>(predicted[i]) - target[i]) / (p.std.empty() ? 1 : p.std[i]);
    sum += r * r;
    n += w > 0 ? 1 : 0;
  }
  return n > 0 ? sum / n : 0;
}

template double mean_square_residual<float>(const Problem&, const std::vector<float>&, const std::vector<double>&);
template double mean_square_residual<double>(const Problem&, const std::vector<double>&, const std::vector<double>&);

}  // namespace terrane
