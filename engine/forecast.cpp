// SPDX-License-Identifier: MIT
// What a run will need, before it starts: the tape of the inversion is recorded (its arrays laid out, nothing computed)
// and the sizes are added up with what the operations still allocate.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "engine/analyze.hpp"
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

std::string gigabytes(double bytes) {
  char text[64];
  if (bytes >= 1e9) {
    std::snprintf(text, sizeof text, "%.2f GB", bytes * 1e-9);
  } else {
    std::snprintf(text, sizeof text, "%.1f MB", bytes * 1e-6);
  }
  return text;
}

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

}  // namespace

Index memory_for(const RunOptions& options) {
  return options.machine_memory_bytes > 0 ? options.machine_memory_bytes : machine_memory_bytes();
}

Forecast forecast(const Config& config, const RunOptions& options) {
  const Json& c = config.json();
  if (c.at("task") == "reproduce") return forecast_table(config, options);
  if (c.at("task") == "analyze") return forecast_analysis(config);
  if (c.at("task") == "invert" && !c.at("ensemble").is_null()) return forecast_ensemble(config, options);
  if (c.at("task") == "compress") return forecast_compress(config);
  if (c.at("task") == "generate") return forecast_generate(config);
  if (c.at("task") == "train-generator") return forecast_train_generator(config);
  if (c.at("task") == "score") return forecast_score(config);
  Problem problem = build_problem(config, false, options.device);
  const bool gpu = options.device.kind == DeviceKind::cuda;
  if (gpu && problem.wave.backward_shots == 0) problem.wave.backward_shots = problem.shots();  // wave_options_on
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
  const bool fp64 = c.at("precision").at("physics") == "fp64";
  const auto sizes = [&] {
    return fp64 ? measure<double>(config, problem, options) : measure<float>(config, problem, options);
  };
  const bool invert = c.at("task") == "invert";
  const Json& memory = c.at("memory");
  const bool stated = !memory.at("host_bytes").is_null();
  const double host_budget = stated ? memory.at("host_bytes").get<double>() : static_cast<double>(memory_for(options));
  const double device_budget = memory.at("device_bytes").is_null() ? 0 : memory.at("device_bytes").get<double>();
  const Index scalar = fp64 ? 8 : 4;
  // Observed data: as read, in the scalar of the run, predicted data in double and single.
  const auto records_of = [&](const Sizes& n) { return invert ? n.records * (8 + scalar + 12) : n.records * 12; };
  // Of the host: `beside` are wave fields that it keeps besides the arrays.
  const auto host_of = [&](const Sizes& n, Index beside) {
    return program_bytes + records_of(n) + (gpu ? 0 : n.arrays) + beside;
  };
  // Where what leaves the memory of the device goes: to the host of a GPU while that has room.
  const auto outside_of = [&](const Sizes& n) {
    const bool host = gpu && problem.waves() &&
                      (host_budget <= 0 ||
                       static_cast<double>(host_of(n, kept_by(problem, n, Storage::host).host_bytes())) <= host_budget);
    return host ? Storage::host : Storage::disk;
  };
  Sizes z;
  std::string refused;  // why the run would not start with the storage that is asked for
  const Index storage_budget = problem.wave.memory_budget_bytes;
  try {
    z = sizes();
  } catch (const Error& e) {
    if (e.code() != ErrorCode::budget) throw;
    refused = e.message();
    problem.wave.memory_budget_bytes = 0;  // say what the smallest policy would need
    problem.wave.storage = Storage::ring;
    z = sizes();
    const Index ring = z.arrays;
    problem.wave.storage = Storage::checkpoint;
    z = sizes();
    if (ring < z.arrays) {
      problem.wave.storage = Storage::ring;
      z = sizes();
    }
    if (z.plan.storage.bytes > storage_budget) {
      problem.wave.storage = outside_of(z);
      const Sizes outside = sizes();
      if (outside.plan.storage.bytes < z.plan.storage.bytes) z = outside;
    }
  }
  const Index host_records = records_of(z);
  const Index beside = invert ? z.plan.storage.host_bytes() : 0;
  const Index host = host_of(z, beside), device = gpu ? z.arrays : 0;
  const int threads = options.threads > 0 ? options.threads : default_threads();
  const bool gauss_newton = invert && c.at("optimizer").at("type") == "gauss-newton";
  const double seconds = seconds_of(problem, z, invert, gauss_newton, threads);
  const Index keep =
      c.at("checkpoint").at("keep").get<Index>() + static_cast<Index>(c.at("checkpoint").at("keep_iterations").size());
  const Index scratch = invert ? z.plan.storage.disk_bytes() : 0;  // while the run lasts
  const Index disk = scratch + z.records * 4 * (invert ? 2 : 1) + problem.grid.cells() * 16 +
                     (keep + 1) * z.parameters * (scalar + 16) + z.iterations * 350 + (Index{3} << 20);

  Forecast f;
  f.lines.push_back(task_line(c, problem, z));
  f.lines.push_back(problem.waves() ? stability_line(problem, z.plan) : "physics: " + z.describe);
  const std::string storage = problem.waves() ? std::string(to_string(z.plan.storage.policy)) : "";
  f.lines.push_back("memory: host " + gigabytes(static_cast<double>(host)) + " (arrays " +
                    gigabytes(gpu ? 0.0 : static_cast<double>(z.arrays)) + ", records " +
                    gigabytes(static_cast<double>(host_records)) +
                    (beside > 0 ? ", wave fields " + gigabytes(static_cast<double>(beside)) : "") + ", program " +
                    gigabytes(static_cast<double>(program_bytes)) + ")" +
                    (gpu ? ", device " + gigabytes(static_cast<double>(device)) : "") +
                    (host_budget > 0 ? (stated ? ", budget " : ", this machine ") + gigabytes(host_budget) : "") +
                    (problem.waves() ? "; storage " + storage + " (" +
                                           gigabytes(static_cast<double>(z.plan.storage.bytes)) + " of snapshots)"
                                     : ""));
  f.lines.push_back("disk: " + gigabytes(static_cast<double>(disk)) +
                    (scratch > 0 ? ", " + gigabytes(static_cast<double>(scratch)) + " of it only while it runs" : ""));
  char line[160];
  std::snprintf(line, sizeof line, "time: about %.0f s (between %.0f and %.0f s) on %d threads", seconds, seconds / 3,
                seconds * 3, threads);
  f.lines.emplace_back(line);
  f.json = {{"task", c.at("task")},
            {"memory",
             {{"host_bytes", host},
              {"device_bytes", device},
              {"arrays_bytes", z.arrays},
              {"records_bytes", host_records},
              {"program_bytes", program_bytes},
              {"storage", problem.waves() ? Json(storage) : Json(nullptr)},
              {"snapshot_bytes", z.plan.storage.bytes},
              {"snapshot_host_bytes", beside},
              {"snapshot_disk_bytes", scratch}}},
            {"disk_bytes", disk},
            {"time_s", seconds},
            {"parameters", z.parameters},
            {"lines", f.lines}};
  if (problem.waves()) {
    f.json["stability"] = {{"dt_s", z.plan.inner_dt_s},
                           {"substeps", z.plan.substeps},
                           {"limit_s", stable_step_s(problem)},
                           {"vmax_mps", problem.wave.vmax_mps}};
  }
  const bool host_fits = host_budget <= 0 || static_cast<double>(host) <= host_budget;
  f.fits = refused.empty() && host_fits && (device_budget <= 0 || static_cast<double>(device) <= device_budget);
  const bool smaller_fits = z.plan.storage.bytes <= storage_budget;
  if (!refused.empty() && (smaller_fits || host_fits)) {
    f.remedy = refused + ".";
    if (smaller_fits) {
      f.remedy += " Fits: \"physics.storage\": \"" + storage + "\" (about " +
                  gigabytes(static_cast<double>(gpu ? device : host)) + ").";
    }
  } else if (!f.fits) {
    const std::string part = host_fits ? "device" : "host";
    const double need = static_cast<double>(host_fits ? device : host),
                 budget = host_fits ? device_budget : host_budget;
    const bool machine = !host_fits && !stated;
    f.remedy = part + " memory " + gigabytes(need) + " forecast > " + gigabytes(budget) +
               (machine ? " of this machine. " : " budget. ");
    const auto with = [&](Storage s) {
      return problem.waves() ? need - static_cast<double>(z.plan.storage.bytes - kept_by(problem, z, s).bytes) : need;
    };
    const Storage outside = outside_of(z);
    const Storage now = z.plan.storage.policy;
    if (now == Storage::all && with(Storage::ring) < budget) {
      f.remedy +=
          "Fits: \"physics.storage\": \"ring\" (about " + gigabytes(with(Storage::ring)) + ", about +30 % time).";
    } else if ((now == Storage::all || now == Storage::ring) && with(outside) < budget) {
      f.remedy += "Fits: \"physics.storage\": \"" + std::string(to_string(outside)) + "\" (about " +
                  gigabytes(with(outside)) + ").";
    } else if (z.batch > 1) {
      f.remedy += "Try \"optimizer.batch_shots\": 1" + (machine ? "." : ", or raise /memory/" + part + "_bytes.");
    } else if (machine) {
      f.remedy += "Take a smaller grid or fewer samples, or a larger machine.";
    } else {
      f.remedy += "Raise /memory/" + part + "_bytes to " + gigabytes(1.05 * need) + ".";
    }
  }
  f.json["fits"] = f.fits;
  return f;
}

}  // namespace terrane
