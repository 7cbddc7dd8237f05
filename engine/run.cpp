// SPDX-License-Identifier: MIT
#include "engine/run.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <filesystem>
#include <fstream>
#include <limits>

#include "analysis/metrics.hpp"
#include "engine/analyze.hpp"
#include "engine/budget.hpp"
#include "engine/compression/compress_task.hpp"
#include "engine/diffusion/train_task.hpp"
#include "engine/ensemble.hpp"
#include "engine/evaluation/score_task.hpp"
#include "engine/generate_task.hpp"
#include "engine/induced_polarization.hpp"
#include "engine/inversion.hpp"
#include "engine/io/info.hpp"
#include "engine/io/safetensors.hpp"
#include "engine/io/sha256.hpp"
#include "engine/json.hpp"
#include "engine/output.hpp"
#include "engine/posterior_sampler.hpp"
#include "engine/report.hpp"
#include "engine/reproduce.hpp"
#include "engine/scores.hpp"
#include "engine/simulation.hpp"
#include "engine/version.hpp"
#include "kernels/kernels.hpp"
#include "physics/scratch_file.hpp"

namespace terrane {

namespace {

namespace fs = std::filesystem;

// Kernel times by the phases of the report.
Json phase_seconds(const Trace& trace, double io_s) {
  double field = 0, forward = 0, adjoint = 0, optimizer = 0, other = 0;
  for (const auto& [name, entry] : trace.entries()) {
    const auto starts = [&n = name](const char* prefix) { return n.rfind(prefix, 0) == 0; };
    if (starts("poisson")) continue;  // within dc_solve, dc_adjoint and dc_tangent
    if (starts("mlp") || starts("gabor") || starts("multigrid") || starts("outer_product") || starts("copy_columns") ||
        starts("gemm") || starts("fourier") || starts("output_map") || starts("sparse") || starts("grid_")) {
      field += entry.seconds;
    } else if (name == "wave_forward" || name == "wave3_forward" || name == "ray_apply" || name == "eikonal_solve" ||
               name == "dc_solve") {
      forward += entry.seconds;
    } else if (name == "wave_adjoint" || name == "wave3_adjoint" || name == "ray_adjoint" ||
               name == "eikonal_adjoint" || name == "dc_adjoint") {
      adjoint += entry.seconds;
    } else if (starts("adam") || starts("momentum")) {
      optimizer += entry.seconds;
    } else {
      other += entry.seconds;
    }
  }
  return {{"field", field},         {"forward", forward}, {"adjoint", adjoint},
          {"optimizer", optimizer}, {"other", other},     {"io", io_s}};
}

// One run of task invert or forward in scalar T.
template <class T>
class Runner {
 public:
  Runner(const Config& config, const RunOptions& options, bool continuing)
      : config_(config),
        options_(options),
        continuing_(continuing),
        start_s_(now_s()),
        out_(options.out_dir, options.overwrite, continuing) {
    log_ = Log::open(options.log.console_level() == LogLevel::off ? options.console : options.log.console_level(),
                     out_.file("log.txt"), options.sink);
  }

  Json execute() {
    log_head();
    StreamOptions stream_options;
    stream_options.threads = options_.threads;
    stream_options.trace = &trace_;
    s_ = std::make_unique<Stream>(options_.device, stream_options);
    problem_ = build_problem(config_, true, options_.device);
    if (problem_.wave.storage_directory.empty()) problem_.wave.storage_directory = out_.path();
    check_budget();
    check_setup();
    out_.remove("result.json");
    out_.write_json("resolved.json", config_.json());
    try {
      if (config_.json().at("task") == "forward") {
        simulate_task();
      } else {
        invert_task();
      }
    } catch (const Error& e) {
      finish("failed", e.code(), e.message());
      throw;
    } catch (const std::exception& e) {
      finish("failed", ErrorCode::failed, e.what());
      throw Error(ErrorCode::failed, e.what());
    }
    return result_;
  }

 private:
  void log_head() {
    const Json version = version_json();
    log_.info("terrane " + version.at("terrane").get<std::string>() + ", " + options_.device.name() + ", config " +
              config_.sha256().substr(0, 12) + ", seed " + config_.json().at("seed").dump());
    for (const std::string& note : config_.notes()) log_.info(note);
    for (const std::string& section : config_.unused())
      log_.info("section \"" + section + "\" is not used by this task");
  }
  // What can only be wrong in the config is found before anything but the log is written.
  void check_setup() {
    const Json& c = config_.json();
    if (problem_.waves()) {
      const WavePlan plan = wave_plan();
      if (c.at("task") == "invert" && plan.storage.disk_bytes() > 0) {  // is there room on the disk?
        ScratchFile(plan.options.storage_directory, plan.storage.disk_bytes());
      }
    } else {
      const Simulation<T> checked(*s_, problem_, {}, 1, false);
    }
    if (c.at("task") != "invert") return;
    const auto field = Field<T>::make(c.at("field"), problem_.grid, c.at("seed").template get<std::uint64_t>());
    for (const Json& stage : c.at("stages")) {
      const Json& optimizer = stage.at("optimizer").is_null() ? c.at("optimizer") : stage.at("optimizer");
      if (optimizer.at("type") == "gauss-newton") continue;
      if (optimizer.at("type") == "posterior") {
        check_posterior_sampler(optimizer, problem_.grid.section());
        continue;
      }
      make_optimizer<T>(*s_, optimizer, field.groups(), field.parameters(), 1.0);
    }
  }
  WavePlan wave_plan() const {
    return plan_waves(problem_, wave_options_on(*s_, problem_.wave), shots_per_batch(config_, problem_), sizeof(T));
  }
  // Without a stated budget only wave fields can be too many for the machine.
  bool may_be_too_large() const {
    if (!problem_.waves() || config_.json().at("task") != "invert") return false;
    const StoragePlan storage = wave_plan().storage;
    return storage.bytes + storage.host_bytes() > memory_for(options_) / 4;
  }
  void check_budget() {
    const bool stated = memory_budget(config_, DeviceKind::cpu) > 0 || memory_budget(config_, DeviceKind::cuda) > 0;
    if (!stated && !may_be_too_large()) return;
    forecast_bytes_ = require_room(config_, options_).json.at("memory").at("host_bytes");
  }
  void say(const std::string& text) {
    log_.info(text);
    if (!options_.progress) return;
    ProgressEvent event;
    event.text = text;
    event.elapsed_s = now_s() - start_s_;
    options_.progress(event);
  }
  bool stopped() const { return options_.stop_signal != nullptr && options_.stop_signal->load() != 0; }

  std::vector<Index> data_shape() const { return problem_.data_shape(); }
  // Source x, z, receiver x, z of each datum, metres; of resistivity x, z, in three dimensions x, y, z, of A, B, M, N,
  // NaN at infinity.
  void write_geometry() const {
    if (problem_.waves()) return;
    std::vector<double> rows;
    const bool volume = problem_.physics == PhysicsType::dc_3d;
    if (!problem_.travel_times()) {
      for (const DcDatum& d : problem_.dc.data) {
        for (const Index e : {d.a, d.b, d.m, d.n}) {
          const Point3 p = e < 0 ? Point3{std::nan(""), std::nan(""), std::nan("")}
                                 : problem_.dc.electrodes[static_cast<std::size_t>(e)];
          rows.push_back(p.x_m);
          if (volume) rows.push_back(p.y_m);
          rows.push_back(p.z_m);
        }
      }
      return out_.write_data("data_geometry.npy", rows, {problem_.dc.size(), volume ? 12 : 8});
    }
    for (const TravelPair& p : problem_.travel.pairs) {
      const Point3& a = problem_.travel.sources[static_cast<std::size_t>(p.source)];
      const Point3& b = problem_.travel.receivers[static_cast<std::size_t>(p.receiver)];
      rows.insert(rows.end(), {a.x_m, a.z_m, b.x_m, b.z_m});
    }
    out_.write_data("data_geometry.npy", rows, {problem_.travel.data(), 4});
  }
  void simulate_task() {
    const std::vector<double>& model = problem_.true_model;
    if (model.empty())
      throw Error(ErrorCode::config, "task forward needs a model (or a true_model)", config_.place("/model"));
    say("simulating " + (problem_.waves() ? std::to_string(problem_.shots()) + " shots"
                                          : std::to_string(elements(data_shape())) +
                                                (problem_.travel_times() ? " travel times" : " voltages")));
    auto data = simulate<T>(*s_, problem_, model, problem_.wavelet, shots_per_batch(config_, problem_));
    const Json& c = config_.json();
    if (c.contains("noise")) add_noise(c.at("noise"), c.at("seed").get<std::uint64_t>(), data);
    out_.write_model("model", model, problem_);
    out_.write_data("data_predicted.npy", data, data_shape());
    write_geometry();
    description_ = Simulation<T>(*s_, problem_, problem_.wavelet, 1, false).describe();
    finish("ok", ErrorCode{0}, "");
  }

  void invert_task() {
    for (const std::string& note : problem_.notes) log_.info(note);
    observe();
    inversion_ = std::make_unique<Inversion<T>>(*s_, config_, problem_, log_);
    description_ = inversion_->describe();
    log_.info(description_);
    Index from = 0;
    if (continuing_) {
      if (const auto checkpoint = load_latest(out_.path(), log_)) {
        inversion_->restore(*checkpoint);
        from = inversion_->iteration();
        resumed_at_ = Json(checkpoint->meta.at("resumed_at"));
        model_error_at_ = Json(checkpoint->meta.at("model_error_at"));
        resumed_at_.push_back(from);
        log_.info("resumed at iteration " + std::to_string(from));
      } else {
        log_.info("no checkpoint: the run starts at iteration 0");
      }
    }
    progress_ = std::make_unique<ProgressFile>(out_.file("progress.jsonl"), from);
    loop();
  }

  void observe() {
    const Json& c = config_.json();
    if (c.at("data").at("type") == "synthetic") {
      say("simulating the observed data");
      const Problem observation = observation_problem(config_, problem_);
      problem_.observed = simulate<T>(*s_, observation, observation.true_model, observation.wavelet,
                                      shots_per_batch(config_, problem_));
      problem_.observed_source = observation.observed_source;
      add_noise(c.at("data").at("noise"), c.at("seed").get<std::uint64_t>(), problem_);
    }
    if (continuing_ && fs::exists(out_.file("data_observed.npy"))) return;
    out_.write_data("data_observed.npy", problem_.observed, data_shape());
    if (!problem_.std.empty()) out_.write_data("data_std.npy", problem_.std, data_shape());
    write_geometry();
    if (!problem_.start.empty()) out_.write_model("start_model", problem_.start, problem_);
    if (!problem_.true_model.empty()) out_.write_model("true_model", problem_.true_model, problem_);
    if (!problem_.reference.empty()) out_.write_model("reference_model", problem_.reference, problem_);
  }

  void loop() {
    const Json& c = config_.json();
    const Json& checkpoint = c.at("checkpoint");
    const auto every = checkpoint.at("every_iterations").get<Index>();
    kept_ = checkpoint.at("keep_iterations").get<std::vector<Index>>();
    const Json& max_time = c.at("stop").at("max_time_s");
    if (inversion_->iteration() == 0 && keeps(0)) save();
    while (!inversion_->finished()) {
      if (stopped()) return stop_by_signal();
      if (!max_time.is_null() && now_s() - start_s_ > max_time.get<double>()) {
        stop_reason_ = "max_time";
        break;
      }
      for (const IterationReport& r : inversion_->steps(until_looked_at())) {
        last_phi_ = r.phi;
        record(r);
      }
      const Index done = inversion_->iteration();
      note_recording();
      if (keeps(done)) note_model_error(done);
      if ((every > 0 && done % every == 0) || keeps(done)) save();
    }
    if (stop_reason_.empty())
      stop_reason_ = inversion_->stop_reason().empty() ? "max_iterations" : inversion_->stop_reason();
    if (every > 0 || !kept_.empty()) save();
    write_results();
    finish("ok", ErrorCode{0}, "");
  }

  // Once, on a GPU: whether iterations are replayed as one graph.
  void note_recording() {
    if (recording_noted_) return;
    const std::string why_not = inversion_->why_not_replayed();
    if (!inversion_->replays() && why_not.empty()) return;
    recording_noted_ = true;
    log_.info(inversion_->replays() ? "iterations are replayed from a recording"
                                    : "iterations are launched piece by piece: " + why_not);
  }
  // Iterations to the next one whose model or state is wanted.
  Index until_looked_at() const {
    const auto every = config_.json().at("checkpoint").at("every_iterations").get<Index>();
    const Index done = inversion_->iteration();
    Index left = inversion_->iterations() - done;
    if (every > 0) left = std::min(left, every - done % every);
    if (!problem_.true_model.empty())
      left = std::min(left, 1 + (model_error_every - done % model_error_every) % model_error_every);
    for (const Index kept : kept_) {
      if (kept > done) left = std::min(left, kept - done);
    }
    return left;
  }
  static constexpr Index model_error_every = 10;  // iterations
  bool model_error_wanted(Index iteration) const {
    return !problem_.true_model.empty() &&
           (iteration % model_error_every == 0 || iteration + 1 == inversion_->iterations());
  }
  bool keeps(Index iteration) const { return std::find(kept_.begin(), kept_.end(), iteration) != kept_.end(); }
  void note_model_error(Index iteration) {
    if (problem_.true_model.empty()) return;
    model_error_at_[std::to_string(iteration)] = model_errors(inversion_->model(), problem_);
  }
  void save() {
    const double start = now_s();
    CheckpointState state = inversion_->state();
    state.meta["resumed_at"] = resumed_at_;
    state.meta["model_error_at"] = nlohmann::json(model_error_at_);
    save_checkpoint(out_.path(), state, config_.json().at("checkpoint").at("keep").get<Index>(), kept_);
    last_checkpoint_ = state.iteration;
    io_s_ += now_s() - start;
  }
  void record(const IterationReport& r) {
    Json model_terms = Json::object();
    for (const auto& [name, value] : r.phi_model) model_terms[name] = value;
    Json line{{"iteration", r.iteration},
              {"stage", r.stage},
              {"phi", number_or_null(r.phi)},
              {"phi_data", number_or_null(r.phi_data)},
              {"phi_model", model_terms},
              {"chi2", number_or_null(r.chi2)},
              {"grad_norm", number_or_null(r.gradient_norm)},
              {"step_norm", number_or_null(r.step_norm)},
              {"lr", number_or_null(learning_rate() * r.rate_factor)},
              {"evaluations", r.evaluations}};
    if (model_error_wanted(r.iteration)) {
      const NamedError e = model_rmse(inversion_->model(), problem_);
      line["model_" + e.name] = number_or_null(e.value);
    }
    line["time_s"] = r.seconds;
    line["elapsed_s"] = now_s() - start_s_;
    progress_->append(line);
    if (!options_.progress) return;
    ProgressEvent event;
    event.stage = r.stage;
    event.stages = inversion_->stages();
    event.iteration = r.iteration + 1;
    event.iterations = inversion_->iterations();
    event.misfit = r.phi;
    event.elapsed_s = now_s() - start_s_;
    event.peak_bytes = peak_resident_bytes();
    options_.progress(event);
  }
  double learning_rate() const {
    const Json lr = value_at(config_.json(), {"optimizer", "lr"});
    return lr.is_null() ? std::numeric_limits<double>::quiet_NaN() : lr.get<double>();
  }
  void stop_by_signal() {
    save();
    const int signal = options_.stop_signal->load();
    const bool interrupt = signal == 2;
    stop_reason_ = "signal";
    log_.info("stopped by signal " + std::to_string(signal) + "; checkpoint " +
              std::to_string(inversion_->iteration()) + " is written, terrane resume " + out_.path() + " continues");
    write_results();
    finish("stopped", interrupt ? ErrorCode::interrupted : ErrorCode::stopped, "");
  }

  void write_results() {
    const double start = now_s();
    say("writing the results");
    const auto model = inversion_->result_model();
    out_.write_model("model", model, problem_);
    if (!inversion_->first_gradient().empty()) {
      out_.write_data("gradient_first.npy", inversion_->first_gradient(), problem_.grid.shape());
    }
    const auto theta = inversion_->result_parameters();
    StringMap metadata = inversion_->field().metadata();
    metadata["config_sha256"] = config_.sha256();
    if (inversion_->field().type() == FieldType::fusion) {
      const auto rms = inversion_->field().feature_rms(*s_);
      metadata["fusion.rms"] = Json(rms[0]).dump() + " " + Json(rms[1]).dump();
    }
    TensorMap tensors;
    tensors["theta"] = Tensor({static_cast<Index>(theta.size())}, std::vector<T>(theta.begin(), theta.end()));
    if (!inversion_->field().frequencies().empty()) {
      const auto& f = inversion_->field().frequencies();
      const Index d = problem_.grid.dimensions();
      tensors["frequencies"] = Tensor({static_cast<Index>(f.size()) / d, d}, f);
    }
    write_safetensors(out_.file("weights.safetensors"), tensors, metadata);
    const auto predicted = simulate<T>(*s_, problem_, model, problem_.wavelet, shots_per_batch(config_, problem_));
    out_.write_data("data_predicted.npy", predicted, data_shape());
    data_error_ = data_errors(predicted);
    invert_ip(model);
    if (!problem_.waves()) {
      const auto coverage =
          problem_.travel_times() ? ray_coverage<T>(*s_, problem_, model) : sensitivity<T>(*s_, problem_, model);
      out_.write_data("coverage.npy", coverage, problem_.grid.shape());
      if (problem_.travel_times()) write_rays(model);
    }
    if (!problem_.true_model.empty()) {
      model_error_ = model_errors(model, problem_);
      const Json &region = config_.json().at("score_region"), &body = config_.json().at("score_body");
      if (!region.is_null()) model_error_["region"] = region_errors(region, model, problem_);
      if (!body.is_null()) model_error_["body"] = body_errors(body, region, model, problem_);
      baselines_ = baselines();
    }
    io_s_ += now_s() - start;
  }
  void invert_ip(const std::vector<double>& model) {
    if (problem_.ip.value.empty()) return;
    const Json& section = config_.json().at("ip");
    say("inverting " + std::to_string(problem_.ip.value.size()) + " chargeabilities");
    IpOptions o;
    o.target_chi2 = section.at("chi2");
    o.smallness = section.at("smallness");
    o.iterations = section.at("iterations");
    o.seed = config_.json().at("seed").template get<std::uint64_t>();
    const IpResult r = invert_chargeability(problem_, model, o, s_->threads());
    out_.write_data("chargeability.npy", r.chargeability, problem_.grid.shape());
    out_.write_data("ip_observed.npy", problem_.ip.value, data_shape());
    out_.write_data("ip_predicted.npy", r.predicted, data_shape());
    ip_ = {{"data", problem_.ip.value.size()},
           {"source", problem_.ip.source},
           {"unit", problem_.ip.unit.empty() ? Json(nullptr) : Json(problem_.ip.unit)},
           {"chi2", number_or_null(r.chi2)},
           {"start_chi2", number_or_null(r.start_chi2)},
           {"iterations", r.iterations}};
  }
  // Median of chi2 over the last 200 iterations: single ones may stand on a spike.
  Json recent_chi2() const {
    constexpr std::size_t most = 200;
    std::deque<double> recent;
    std::ifstream in(out_.file("progress.jsonl"));
    for (std::string line; std::getline(in, line);) {
      const Json row = Json::parse(line, nullptr, false);
      const Json chi2 = value_at(row, {"chi2"});
      if (chi2.is_number()) recent.push_back(chi2);
      if (recent.size() > most) recent.pop_front();
    }
    if (recent.empty()) return nullptr;
    std::sort(recent.begin(), recent.end());
    return 0.5 * (recent[(recent.size() - 1) / 2] + recent[recent.size() / 2]);
  }
  // Number of the ray, x, z of its points, metres.
  void write_rays(const std::vector<double>& model) {
    constexpr Index most = 80;
    std::vector<double> rows;
    double number = 0;
    for (const auto& path : ray_paths<T>(*s_, problem_, model, most)) {
      for (const Position& p : path) rows.insert(rows.end(), {number, p.x_m, p.z_m});
      number += 1;
    }
    if (!rows.empty()) out_.write_data("rays.npy", rows, {static_cast<Index>(rows.size()) / 3, 3});
  }
  // chi2 of the result, of the same data without noise where they are known, RMS of the residual.
  Json data_errors(const std::vector<double>& predicted) {
    if (problem_.waves()) return nullptr;
    const std::vector<double>& d = problem_.observed;
    double square = 0;
    for (std::size_t i = 0; i < d.size(); ++i) square += (predicted[i] - d[i]) * (predicted[i] - d[i]);
    Json errors{
        {"data", d.size()},
        {"rms" + std::string(suffix_of(problem_.data_quantity())),
         number_or_null(std::sqrt(square / static_cast<double>(d.size())))},
        {"chi2", problem_.std.empty() ? Json(nullptr) : number_or_null(mean_square_residual(problem_, predicted, d))},
        {"chi2_median", recent_chi2()}};
    if (!problem_.std.empty() && !problem_.true_model.empty()) {
      errors["clean_chi2"] = number_or_null(
          mean_square_residual(problem_, predicted, simulate<T>(*s_, problem_, problem_.true_model, {}, 1)));
    }
    return errors;
  }
  // What a method must beat: the start model and the best models of one and two numbers.
  Json baselines() const {
    Json fit{{"of", "true_model"}, {"water_depth_m", 0.0}};
    Json b;
    if (!problem_.start.empty()) b["start_model"] = model_errors(problem_.start, problem_);
    const Json& region = config_.json().at("score_region");
    std::vector<const char*> types = {"best-constant", "best-linear"};
    if (problem_.property->electric()) types.push_back("best-layered");
    for (const char* type : types) {
      fit["type"] = type;
      const auto model = build_model(config_, fit, "/", problem_.grid, &problem_.true_model);
      b[type] = model_errors(model, problem_);
      if (!region.is_null()) b[type]["region"] = region_errors(region, model, problem_);
    }
    return b;
  }

  Json misfit_section() const {
    if (inversion_ == nullptr) return nullptr;
    return {{"initial", number_or_null(inversion_->initial_phi())},
            {"final", number_or_null(last_phi_)},
            {"best", number_or_null(inversion_->best_phi())},
            {"best_iteration", inversion_->best_iteration()},
            {"chi2", data_error_.is_null() ? Json(nullptr) : data_error_.at("chi2")},
            {"history", "progress.jsonl"}};
  }
  Json inputs_section() const {
    Json list = Json::array();
    for (const ConfigInput& in : config_.inputs()) {
      try {
        const std::string bytes = read_file(in.path);
        list.push_back(
            {{"path", in.path}, {"key", in.pointer}, {"bytes", bytes.size()}, {"sha256", sha256_hex(bytes)}});
      } catch (const Error& e) {
        list.push_back({{"path", in.path}, {"key", in.pointer}, {"error", e.message()}});
      }
    }
    return list;
  }

  // result.json and the report; also for a stopped or failed run.
  void finish(const std::string& status, ErrorCode code, const std::string& message) {
    const Json& c = config_.json();
    Json r{{"schema_version", 1},
           {"status", status},
           {"exit_code", static_cast<int>(code)},
           {"task", c.at("task")},
           {"name", c.at("name")},
           {"stop_reason", stop_reason_.empty() ? Json(nullptr) : Json(stop_reason_)}};
    if (!message.empty()) r["error"] = message;
    r["iterations"] = inversion_ ? Json(inversion_->iteration()) : Json(nullptr);
    r["misfit"] = misfit_section();
    if (!data_error_.is_null()) r["data_error"] = data_error_;
    if (!ip_.is_null()) r["ip"] = ip_;
    r["model_error"] = model_error_;
    if (!model_error_at_.empty()) r["model_error_at"] = model_error_at_;
    r["baselines"] = baselines_;
    if (!problem_.observed_source.empty()) r["data_source"] = problem_.observed_source;
    r["solver"] = description_.empty() ? Json(nullptr) : Json(description_);
    Json kernels = Json::object();
    for (const auto& [name, entry] : trace_.entries())
      kernels[name] = {{"calls", entry.calls}, {"seconds", entry.seconds}};
    r["time"] = {{"wall_s", now_s() - start_s_}, {"phases_s", phase_seconds(trace_, io_s_)}, {"kernels", kernels}};
    r["memory"] = memory_section();
    r["device"] = device_section();
    r["seed"] = c.at("seed");
    r["config_sha256"] = config_.sha256();
    r["inputs"] = inputs_section();
    r["version"] = version_json();
    r["version"]["kernels"] = s_ ? Json(s_->table().backend) : Json(nullptr);
    r["resumed_at"] = resumed_at_;
    r["metadata"] = c.at("metadata");
    r["warnings"] = log_.warnings();
    r["files"] = files();
    result_ = r;
    try {
      if (c.at("report").at("enabled").get<bool>() && status != "failed") write_page(r);
      out_.write_json("result.json", r);
    } catch (const Error& e) {
      if (status != "failed") throw;
      log_.error(e.message());  // the first failure is the one that is reported
    }
  }
  void write_page(const Json& r) {
    ReportInput input = load_report_input(out_.path());
    input.result = r;
    write_report(out_.path(), input);
  }
  Json memory_section() const {
    const bool gpu = options_.device.kind == DeviceKind::cuda;
    return {{"host_peak_bytes", peak_resident_bytes()},
            {"device_peak_bytes", gpu && s_ ? s_->arena()->stats().peak_bytes : 0},
            {"arrays_peak_bytes", s_ ? s_->arena()->stats().peak_bytes : 0},
            {"forecast_bytes", forecast_bytes_ > 0 ? Json(forecast_bytes_) : Json(nullptr)},
            {"storage", inversion_ && problem_.waves() ? Json(inversion_->storage()) : Json(nullptr)}};
  }
  Json device_section() const {
    std::string name;
    for (const DeviceInfo& d : list_devices(options_.device.kind == DeviceKind::cuda)) {
      if (d.device == options_.device) name = d.description;
    }
    return {{"type", options_.device.name()}, {"name", name}, {"threads", s_ ? s_->threads() : 0}, {"driver", nullptr}};
  }
  Json files() const {
    std::vector<std::string> names;
    for (const auto& e : fs::directory_iterator(out_.path())) {
      const std::string name = e.path().filename().string();
      if (name[0] != '.') names.push_back(e.is_directory() ? name + "/" : name);
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  Config config_;
  const RunOptions& options_;
  bool continuing_, recording_noted_ = false;
  double start_s_, io_s_ = 0;
  OutputDirectory out_;
  Log log_;
  Trace trace_;
  std::unique_ptr<Stream> s_;
  Problem problem_;
  std::unique_ptr<Inversion<T>> inversion_;
  std::unique_ptr<ProgressFile> progress_;
  std::vector<Index> kept_;
  std::string stop_reason_, description_;
  double last_phi_ = std::numeric_limits<double>::quiet_NaN();
  Index last_checkpoint_ = -1, forecast_bytes_ = 0;
  Json model_error_, data_error_, ip_, baselines_, model_error_at_ = Json::object(), resumed_at_ = Json::array(),
                                                   result_;
};

std::string precision_of(const Config& config) {
  const Json& p = config.json().at("precision");
  if ((p.at("physics") == "fp64") != (p.at("network") == "fp64")) {
    throw Error(ErrorCode::config, "/precision: fp64 is for physics and network together; set both to fp64, or neither",
                config.place("/precision"));
  }
  return p.at("physics");
}

Json invert_or_model(const Config& config, const RunOptions& options, bool continuing) {
  const bool invert = config.json().at("task") == "invert";
  if (invert && !config.json().at("ensemble").is_null()) return ensemble(config, options, continuing);
  const Json result = precision_of(config) == "fp64" ? Runner<double>(config, options, continuing).execute()
                                                     : Runner<float>(config, options, continuing).execute();
  if (invert && result.at("status") == "ok") analyze_run(config, options);
  return result;
}

Json execute(const Config& config, const RunOptions& options, bool continuing) {
  const Json& c = config.json();
  if (c.at("task") == "reproduce") return reproduce(config, options, continuing);
  if (c.at("task") == "invert" || c.at("task") == "forward") return invert_or_model(config, options, continuing);
  if (!continuing) require_room(config, options);  // the ones above look at their budgets when they begin
  if (c.at("task") == "analyze") return analyze(config, options);
  if (c.at("task") == "compress") return compress_task(config, options, continuing);
  if (c.at("task") == "generate") return generate_task(config, options);
  if (c.at("task") == "train-generator") return train_generator_task(config, options, continuing);
  return score_task(config, options);
}

// A directory that a --resume may continue: same resolved config, a checkpoint or nothing but a start.
bool resumable(const std::string& dir, const Config& config) {
  if (!fs::exists(dir + "/resolved.json")) return false;
  const Config old = Config::load(dir + "/resolved.json");
  if (old.sha256() == config.sha256()) return true;
  throw Error(ErrorCode::config, dir + " holds a run of another config; choose another --out, or add --overwrite");
}

}  // namespace

nlohmann::ordered_json run(const Config& config, const RunOptions& options) {
  if (options.resume && holds_run(options.out_dir) && resumable(options.out_dir, config)) {
    return execute(config, options, true);
  }
  return execute(config, options, false);
}

nlohmann::ordered_json resume(const std::string& dir, const RunOptions& options, const std::vector<std::string>& sets) {
  const std::string file = dir + "/resolved.json";
  if (!fs::exists(file)) throw Error(ErrorCode::config, "there is no run to resume: no resolved.json", dir);
  for (const std::string& set : sets) {
    const std::string key = set.substr(set.rfind('/', 0) == 0 ? 1 : 0, std::string::npos);
    const auto starts = [&](const char* prefix) { return key.rfind(prefix, 0) == 0; };
    const bool iterations = starts("optimizer.iterations") || starts("optimizer/iterations") ||
                            (starts("stages") && key.find("iterations") != std::string::npos);
    if (!iterations && !starts("stop") && !starts("checkpoint") && !starts("report") && !starts("memory")) {
      throw Error(ErrorCode::config,
                  "resume can change iterations, stop, checkpoint, report and memory only; not \"" + set + "\"");
    }
  }
  RunOptions with = options;
  with.out_dir = dir;
  return execute(Config::load(file, sets), with, true);
}

nlohmann::ordered_json info(const std::string& path, bool verbose) { return file_info(path, verbose); }

void rebuild_report(const std::vector<std::string>& dirs) {
  std::vector<ReportInput> inputs;
  for (const std::string& dir : dirs) {
    inputs.push_back(load_report_input(dir));
    write_report(dir, inputs.back());
  }
  if (inputs.size() > 1) write_file_atomic("comparison.html", make_comparison(inputs));
}

}  // namespace terrane
