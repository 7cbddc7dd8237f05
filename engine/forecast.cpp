// SPDX-License-Identifier: MIT
// What a run will need, before it starts: the tape of the inversion is recorded (its arrays laid out, nothing computed)
// and the sizes are added up with what the operations still allocate.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "engine/analyze.hpp"
#include "engine/budget.hpp"
#include "engine/compression/compress_task.hpp"
#include "engine/diffusion/train_task.hpp"
#include "engine/ensemble.hpp"
#include "engine/evaluation/score_task.hpp"
#include "engine/generate_task.hpp"
#include "engine/inversion.hpp"
#include "engine/json.hpp"
#include "engine/output.hpp"
#include "engine/reproduce.hpp"
#include "engine/run.hpp"
#include "engine/simulation.hpp"

namespace terrane {

namespace {

// Program, libraries and report: resident memory at the end of a run beyond arrays and records, measured on small runs.
constexpr Index program_bytes = Index{20} << 20;
// Padded grid points x time steps a second on one thread, for a rough time; a run prints its own.
constexpr double gradient_points_per_s = 3.5e8, forward_points_per_s = 1.2e9;
constexpr double gradient_points3_per_s = 1.5e8, forward_points3_per_s = 4e8;  // in three dimensions
// Travel times: nodes x sources a second of the eikonal solver with its adjoint, cells of rays a second, network
// operations a second. Resistivity: operations of the factorisations and solutions a second, in three dimensions cells
// x electrodes of the solutions and cells x pairs of electrodes of the derivatives a second.
constexpr double eikonal_nodes_per_s = 4e6, ray_cells_per_s = 1e9, network_flops_per_s = 5e10, dc_flops_per_s = 6e9;
constexpr double dc3_node_poles_per_s = 7e6, dc3_node_pairs_per_s = 6e9;

struct Sizes {
  Index arrays = 0;   // device arrays of the inversion or simulation
  Index records = 0;  // samples of all data
  Index batch = 0;
  Index iterations = 0;
  Index parameters = 0;
  WavePlan plan;  // of waves
  std::string describe;
};

template <class T>
Sizes measure(const Config& config, const Problem& problem, const RunOptions& options) {
  StreamOptions stream_options;
  stream_options.threads = options.threads;
  Stream s(Device{}, stream_options);
  Sizes z;
  z.records = elements(problem.data_shape());
  z.batch = shots_per_batch(config, problem);
  const Simulation<T> forward(s, problem, problem.wavelet, z.batch, false);
  if (forward.wave_plan() != nullptr) z.plan = *forward.wave_plan();
  z.describe = forward.describe();
  const Index batch_records = problem.waves() ? z.batch * z.plan.receivers * z.plan.nt : z.records;
  const Index simulation =
      forward.operation().memory_bytes() + batch_records * Index{sizeof(T)} + problem.grid.cells() * Index{sizeof(T)};
  if (config.json().at("task") == "forward") {
    z.arrays = simulation;
    return z;
  }
  const Index before = s.arena()->stats().current_bytes;
  const Inversion<T> inversion(s, config, problem, Log());
  // The prediction at the end runs beside the arrays of the inversion.
  z.arrays = inversion.memory_bytes() - before + simulation;
  z.iterations = inversion.iterations();
  z.parameters = inversion.field().parameters();
  return z;
}

// A rough time; a run prints its own.
double seconds_of(const Problem& p, const Sizes& z, bool invert, bool gauss_newton, int threads) {
  const auto parallel = static_cast<double>(std::min<Index>(threads, p.waves() ? z.batch : threads));
  const double iterations = invert ? static_cast<double>(z.iterations) : 1;
  const auto cells = static_cast<double>(p.grid.cells());
  const double network = invert ? 6 * static_cast<double>(z.parameters) * cells / network_flops_per_s : 0;
  if (p.waves()) {
    const auto steps = static_cast<double>(z.plan.inner_nt * z.plan.points());
    const bool flat = p.grid.flat();
    const double gradient =
        steps * static_cast<double>(z.batch) / (flat ? gradient_points_per_s : gradient_points3_per_s);
    const double forward =
        steps * static_cast<double>(p.shots()) / (flat ? forward_points_per_s : forward_points3_per_s);
    return (invert ? iterations * (gradient + network) : forward) / parallel;
  }
  if (p.physics == PhysicsType::dc_3d) {
    // Sixteen electrodes are solved side by side, used or not; each batch also meets the ones before it.
    const double batches = std::ceil(static_cast<double>(p.dc.electrodes.size()) / 16);
    const auto nodes = static_cast<double>(p.mesh3.cells());
    const double solve = 16 * nodes * batches / dc3_node_poles_per_s,
                 pairs = 256 * nodes * batches * batches / dc3_node_pairs_per_s;
    // Gauss-Newton: an adjoint and a tangent in each of some tens of steps of conjugate gradients.
    const bool least_squares = invert && gauss_newton;
    return iterations * (network + solve + (least_squares ? 60 : invert ? 1 : 0) * pairs) / parallel;
  }
  if (p.physics == PhysicsType::dc_2d) {
    const auto nodes = static_cast<double>((p.mesh.nx() + 1) * (p.mesh.nz() + 1));
    const auto band = static_cast<double>(std::min(p.mesh.nx(), p.mesh.nz()) + 2);
    const auto poles = static_cast<double>(p.dc.electrodes.size());
    const double flops = static_cast<double>(p.resistivity.wavenumbers.size()) * nodes * band * (band + 4 * poles);
    return iterations * (network + (invert ? 2 : 1) * flops / dc_flops_per_s) / parallel;
  }
  const double rays = p.physics == PhysicsType::eikonal
                          ? cells * static_cast<double>(p.travel.sources.size()) / eikonal_nodes_per_s
                          : 2 * static_cast<double>(z.records * (p.grid.nz + p.grid.nx)) / ray_cells_per_s;
  return iterations * (network + rays) / parallel;
}

std::string task_line(const Json& c, const Problem& p, const Sizes& z) {
  char line[320];
  const auto n = [](Index v) { return static_cast<long long>(v); };
  const std::string task = c.at("task");
  std::string nodes;
  for (const Index k : p.grid.shape()) nodes += (nodes.empty() ? "" : " x ") + std::to_string(k);
  if (p.waves()) {
    std::snprintf(line, sizeof line,
                  "task: %s, %s nodes, %lld shots (%lld%s at a time), %lld receivers, %lld samples, %lld "
                  "iterations, %lld parameters",
                  task.c_str(), nodes.c_str(), n(p.shots()), n(z.batch),
                  value_at(c, {"encoding"}).is_object() ? " super-shots" : "", n(z.plan.receivers), n(z.plan.nt),
                  n(z.iterations), n(z.parameters));
  } else if (p.physics == PhysicsType::dc_3d) {
    std::snprintf(line, sizeof line,
                  "task: %s, %s cells (%lld x %lld x %lld with padding), %zu electrodes, %lld voltages, %lld "
                  "iterations, %lld parameters",
                  task.c_str(), nodes.c_str(), n(p.mesh3.nz()), n(p.mesh3.ny()), n(p.mesh3.nx()),
                  p.dc.electrodes.size(), n(z.records), n(z.iterations), n(z.parameters));
  } else if (p.physics == PhysicsType::dc_2d) {
    std::snprintf(line, sizeof line,
                  "task: %s, %lld x %lld cells (%lld x %lld with padding), %zu electrodes, %lld voltages, %lld "
                  "iterations, %lld parameters",
                  task.c_str(), n(p.grid.nz), n(p.grid.nx), n(p.mesh.nz()), n(p.mesh.nx()), p.dc.electrodes.size(),
                  n(z.records), n(z.iterations), n(z.parameters));
  } else {
    std::snprintf(line, sizeof line,
                  "task: %s, %lld x %lld %s, %zu sources, %zu receivers, %lld travel times, %lld iterations, %lld "
                  "parameters",
                  task.c_str(), n(p.grid.nz), n(p.grid.nx), p.physics == PhysicsType::straight_ray ? "cells" : "nodes",
                  p.travel.sources.size(), p.travel.receivers.size(), n(z.records), n(z.iterations), n(z.parameters));
  }
  return line;
}

// Wave fields that `storage` would keep for the same run.
StoragePlan kept_by(const Problem& p, const Sizes& z, Storage storage) {
  WaveOptions3 o = p.wave;
  o.storage = storage;
  o.memory_budget_bytes = 0;
  o.backward_shots = z.plan.backward_shots;
  return plan_waves(p, o, z.batch, z.plan.scalar_bytes).storage;
}

std::string stability_line(const Problem& p, const WavePlan& plan) {
  double slowest = p.wave.vmax_mps;
  for (const auto* m : {&p.true_model, &p.start}) {
    if (!m->empty()) slowest = std::min(slowest, *std::min_element(m->begin(), m->end()));
  }
  double h = 0;
  for (int a = 0; a < p.grid.dimensions(); ++a) h = std::max(h, p.grid.spacing_m(p.grid.axis(a)));
  const double wavelength = slowest / (2.5 * p.wave.pml_frequency_hz);
  const double limit = stable_step_s(p);
  const double need = p.wave.order >= 8 ? 3.5 : p.wave.order >= 6 ? 4 : p.wave.order >= 4 ? 5 : 10;
  char text[320];
  std::snprintf(
      text, sizeof text,
      "stability: time step %.4g ms (%lld per sample), limit %.4g ms at %.0f m/s; %.1f points per shortest wavelength "
      "(%.0f m/s at 2.5 x %.3g Hz), order %d wants %.3g%s",
      plan.inner_dt_s * 1e3, static_cast<long long>(plan.substeps), limit * 1e3, p.wave.vmax_mps, wavelength / h,
      slowest, p.wave.pml_frequency_hz, p.wave.order, need,
      wavelength / h < need ? ": TOO COARSE, expect dispersion" : "");
  return text;
}

// What the arrays, records and wave fields of one task take, and what they may take.
struct Memory {
  bool gpu;     // holds the arrays
  bool invert;  // else forward
  Index scalar;
  HostBudget budget;
  double device_budget;  // 0: none

  Memory(const Config& config, const RunOptions& options)
      : gpu(options.device.kind == DeviceKind::cuda),
        invert(config.json().at("task") == "invert"),
        scalar(config.json().at("precision").at("physics") == "fp64" ? 8 : 4),
        budget(config, options),
        device_budget(memory_budget(config, DeviceKind::cuda)) {}

  // Observed data: as read, in the scalar of the run, predicted data in double and single.
  Index records(const Sizes& z) const { return invert ? z.records * (8 + scalar + 12) : z.records * 12; }
  // Wave fields that the host keeps besides the arrays.
  Index beside(const Sizes& z) const { return invert ? z.plan.storage.host_bytes() : 0; }
  Index host(const Sizes& z) const { return program_bytes + records(z) + (gpu ? 0 : z.arrays) + beside(z); }
  Index device(const Sizes& z) const { return gpu ? z.arrays : 0; }
  bool host_has_room(Index bytes) const { return budget.has_room(static_cast<double>(bytes)); }
  bool device_has_room(Index bytes) const { return device_budget <= 0 || static_cast<double>(bytes) <= device_budget; }

  // Where wave fields go that leave the memory of the device: to the host of a GPU while that has room.
  Storage outside(const Problem& p, const Sizes& z) const {
    if (!gpu || !p.waves()) return Storage::disk;
    const Index more = kept_by(p, z, Storage::host).host_bytes() - beside(z);
    return host_has_room(host(z) + more) ? Storage::host : Storage::disk;
  }
};

std::string memory_line(const Problem& p, const Sizes& z, const Memory& m) {
  const auto text = [](Index bytes) { return gigabytes(static_cast<double>(bytes)); };
  const Index beside = m.beside(z);
  std::string line = "memory: host " + text(m.host(z)) + " (arrays " + text(m.gpu ? 0 : z.arrays) + ", records " +
                     text(m.records(z)) + (beside > 0 ? ", wave fields " + text(beside) : "") + ", program " +
                     text(program_bytes) + ")";
  if (m.gpu) line += ", device " + text(m.device(z));
  line += m.budget.text();
  if (!p.waves()) return line;
  const StoragePlan& storage = z.plan.storage;
  return line + "; storage " + std::string(to_string(storage.policy)) + " (" + text(storage.bytes) + " of snapshots)";
}

// The sizes of the smallest of the storages in memory, or outside where that does not fit either.
template <class F>
Sizes smallest_sizes(Problem problem, const Memory& m, const F& sizes_of) {
  const Index budget = std::exchange(problem.wave.memory_budget_bytes, 0);
  problem.wave.storage = Storage::ring;
  const Sizes ring = sizes_of(problem);
  problem.wave.storage = Storage::checkpoint;
  Sizes z = sizes_of(problem);
  if (ring.arrays < z.arrays) z = ring;
  if (z.plan.storage.bytes <= budget) return z;
  problem.wave.storage = m.outside(problem, z);
  const Sizes outside = sizes_of(problem);
  return outside.plan.storage.bytes < z.plan.storage.bytes ? outside : z;
}

// How a run that does not fit its memory would. refused: why it would not start with the storage that is asked for.
std::string remedy_of(const Problem& p, const Sizes& z, const Memory& m, const std::string& refused) {
  const bool host_fits = m.host_has_room(m.host(z)), small = z.plan.storage.bytes <= p.wave.memory_budget_bytes;
  const auto fits = [](Storage s, double bytes, const char* time = "") {
    return "Fits: \"physics.storage\": \"" + std::string(to_string(s)) + "\" (about " + gigabytes(bytes) + time + ").";
  };
  if (!refused.empty() && (small || host_fits)) {
    const auto need = static_cast<double>(m.gpu ? m.device(z) : m.host(z));
    return refused + "." + (small ? " " + fits(z.plan.storage.policy, need) : "");
  }
  const std::string part = host_fits ? "device" : "host";
  const bool machine = !host_fits && !m.budget.stated;
  const double need = static_cast<double>(host_fits ? m.device(z) : m.host(z)),
               budget = host_fits ? m.device_budget : m.budget.bytes;
  const std::string over = host_fits
                               ? "device memory " + gigabytes(need) + " forecast > " + gigabytes(budget) + " budget. "
                               : m.budget.exceeded_by(need);
  const auto with = [&](Storage s) {
    return p.waves() ? need - static_cast<double>(z.plan.storage.bytes - kept_by(p, z, s).bytes) : need;
  };
  const Storage now = z.plan.storage.policy, outside = m.outside(p, z);
  if (now == Storage::all && with(Storage::ring) < budget) {
    return over + fits(Storage::ring, with(Storage::ring), ", about +30 % time");
  }
  if ((now == Storage::all || now == Storage::ring) && with(outside) < budget) {
    return over + fits(outside, with(outside));
  }
  if (z.batch > 1) {
    return over + "Try \"optimizer.batch_shots\": 1" + (machine ? "." : ", or raise /memory/" + part + "_bytes.");
  }
  if (machine) return over + "Take a smaller grid or fewer samples, or a larger machine.";
  return over + "Raise /memory/" + part + "_bytes to " + gigabytes(1.05 * need) + ".";
}

}  // namespace

Index memory_for(const RunOptions& options) {
  return options.machine_memory_bytes > 0 ? options.machine_memory_bytes : machine_memory_bytes();
}

Forecast forecast(const Config& config, const RunOptions& options) {
  const Json& c = config.json();
  if (c.at("task") == "reproduce") return forecast_table(config, options);
  if (c.at("task") == "analyze") return forecast_analysis(config, options);
  if (c.at("task") == "invert" && !c.at("ensemble").is_null()) return forecast_ensemble(config, options);
  if (c.at("task") == "compress") return forecast_compress(config, options);
  if (c.at("task") == "generate") return forecast_generate(config, options);
  if (c.at("task") == "train-generator") return forecast_train_generator(config, options);
  if (c.at("task") == "score") return forecast_score(config, options);
  Problem problem = build_problem(config, false, options.device);
  const Memory memory(config, options);
  if (memory.gpu && problem.wave.backward_shots == 0) problem.wave.backward_shots = problem.shots();  // wave_options_on
  const bool file = c.contains("data") && c.at("data").is_object() && c.at("data").at("type") == "file";
  if (file && problem.waves()) {
    const auto header = npy_info(c.at("data").at("path"));
    if (header.shape != problem.data_shape()) {
      throw Error(ErrorCode::data,
                  "the data have shape " + shape_text(header.shape) + ", the survey " +
                      shape_text(problem.data_shape()) + " (shot, receiver, time)",
                  c.at("data").at("path"));
    }
  }
  const auto sizes_of = [&](const Problem& p) {
    return memory.scalar == 8 ? measure<double>(config, p, options) : measure<float>(config, p, options);
  };
  Sizes z;
  std::string refused;
  try {
    z = sizes_of(problem);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::budget) throw;
    refused = e.message();
    z = smallest_sizes(problem, memory, sizes_of);
  }
  const bool invert = memory.invert;
  const int threads = options.threads > 0 ? options.threads : default_threads();
  const bool gauss_newton = invert && c.at("optimizer").at("type") == "gauss-newton";
  const double seconds = seconds_of(problem, z, invert, gauss_newton, threads);
  const Index keep =
      c.at("checkpoint").at("keep").get<Index>() + static_cast<Index>(c.at("checkpoint").at("keep_iterations").size());
  const Index scratch = invert ? z.plan.storage.disk_bytes() : 0;  // while the run lasts
  const Index disk = scratch + z.records * 4 * (invert ? 2 : 1) + problem.grid.cells() * 16 +
                     (keep + 1) * z.parameters * (memory.scalar + 16) + z.iterations * 350 + (Index{3} << 20);

  Forecast f;
  f.lines.push_back(task_line(c, problem, z));
  f.lines.push_back(problem.waves() ? stability_line(problem, z.plan) : "physics: " + z.describe);
  f.lines.push_back(memory_line(problem, z, memory));
  f.lines.push_back("disk: " + gigabytes(static_cast<double>(disk)) +
                    (scratch > 0 ? ", " + gigabytes(static_cast<double>(scratch)) + " of it only while it runs" : ""));
  char line[160];
  std::snprintf(line, sizeof line, "time: about %.0f s (between %.0f and %.0f s) on %d threads", seconds, seconds / 3,
                seconds * 3, threads);
  f.lines.emplace_back(line);
  f.json = {{"task", c.at("task")},
            {"memory",
             {{"host_bytes", memory.host(z)},
              {"device_bytes", memory.device(z)},
              {"arrays_bytes", z.arrays},
              {"records_bytes", memory.records(z)},
              {"program_bytes", program_bytes},
              {"storage", problem.waves() ? Json(to_string(z.plan.storage.policy)) : Json(nullptr)},
              {"snapshot_bytes", z.plan.storage.bytes},
              {"snapshot_host_bytes", memory.beside(z)},
              {"snapshot_disk_bytes", scratch}}},
            {"time_s", seconds},
            {"parameters", z.parameters},
            {"lines", f.lines}};
  if (problem.waves()) {
    f.json["stability"] = {{"dt_s", z.plan.inner_dt_s},
                           {"substeps", z.plan.substeps},
                           {"limit_s", stable_step_s(problem)},
                           {"vmax_mps", problem.wave.vmax_mps}};
  }
  f.fits = refused.empty() && memory.host_has_room(memory.host(z)) && memory.device_has_room(memory.device(z));
  if (!f.fits) f.remedy = remedy_of(problem, z, memory, refused);
  need_disk(f, static_cast<double>(disk), options);
  return f;
}

}  // namespace terrane
