// SPDX-License-Identifier: MIT
// What of an inversion can be used with what: physics, misfit, optimizer, regularizers and source encoding.
#include "engine/derive_checks.hpp"

namespace terrane {
namespace {

// What belongs to waves only.
void check_no_waves(const Json& config, Resolver& resolver) {
  const auto refuse = [&](const std::string& pointer, const Json& value, const Json& unset) {
    if (!value.is_null() && value != unset)
      resolver.issue_at(pointer, "belongs to waves: this physics does not take it");
  };
  const Json& data = config.at("data");
  refuse("/data/highpass_hz", data.at("highpass_hz"), nullptr);
  refuse("/data/lowpass_hz", data.at("lowpass_hz"), nullptr);
  if (data.at("type") == "synthetic" && config.at("physics").at("type") != "eikonal") {
    refuse("/data/refine", data.at("refine"), 1);
    refuse("/data/order", data.at("order"), nullptr);
  }
  const auto misfit = [&](const Json& m, const std::string& pointer) {
    if (m.is_null()) return;
    const std::string type = m.at("type");
    if (type == "envelope" || type == "global-correlation" || type == "weci") refuse(pointer + "/type", type, nullptr);
    if (m.contains("normalize") && m.at("normalize") == "trace") refuse(pointer + "/normalize", "trace", nullptr);
  };
  misfit(config.at("misfit"), "/misfit");
  const auto batch = [&](const Json& o, const std::string& pointer) {
    if (!o.is_null() && o.contains("batch_shots")) refuse(pointer + "/batch_shots", o.at("batch_shots"), 0);
  };
  batch(config.at("optimizer"), "/optimizer");
  for (std::size_t i = 0; i < config.at("stages").size(); ++i) {
    const std::string pointer = "/stages/" + std::to_string(i);
    const Json& stage = config.at("stages")[i];
    refuse(pointer + "/lowpass_hz", stage.at("lowpass_hz"), nullptr);
    refuse(pointer + "/highpass_hz", stage.at("highpass_hz"), nullptr);
    misfit(stage.at("misfit"), pointer + "/misfit");
    batch(stage.at("optimizer"), pointer + "/optimizer");
  }
}

// What only Gauss-Newton has, and what it cannot do.
void check_least_squares(const Json& config, Resolver& resolver) {
  const auto check = [&](const Json& stage, const std::string& at) {
    const auto of = [&](const char* key) -> const Json& {
      return stage.contains(key) && !stage.at(key).is_null() ? stage.at(key) : config.at(key);
    };
    const bool least_squares = of("optimizer").at("type") == "gauss-newton";
    if (least_squares && of("misfit").at("type") != "chi2") {
      resolver.issue_at(at + "/misfit", "gauss-newton needs the misfit \"chi2\"");
    }
    if (least_squares && !has_no(config, "trade_off"))
      resolver.issue_at("/trade_off", "gauss-newton has beta and beta_ratio of its own");
    if (least_squares && !of("optimizer").at("beta").is_null() && !of("optimizer").at("beta_ratio").is_null()) {
      resolver.issue_at(at + "/optimizer/beta_ratio", "give beta or beta_ratio, not both");
    }
    for (std::size_t i = 0; i < of("regularizers").size(); ++i) {
      const Json& r = of("regularizers")[i];
      const std::string pointer = at + "/regularizers/" + std::to_string(i);
      if (least_squares && r.at("type") == "reference")
        resolver.issue_at(pointer, "gauss-newton takes norms: write tikhonov of order 0, or sparse");
      if (!least_squares && r.at("type") == "sparse")
        resolver.issue_at(pointer, "sparse norms belong to the optimizer gauss-newton");
    }
  };
  for (std::size_t i = 0; i < config.at("stages").size(); ++i) {
    const Json& stage = config.at("stages")[i];
    const bool own =
        !stage.at("misfit").is_null() || !stage.at("optimizer").is_null() || !stage.at("regularizers").is_null();
    check(stage, own ? "/stages/" + std::to_string(i) : "");
  }
}

// The number of shots in flight is that of the whole inversion.
void check_batches(const Json& config, Resolver& resolver) {
  const Json& all = config.at("optimizer").value("batch_shots", Json(nullptr));
  for (std::size_t i = 0; i < config.at("stages").size(); ++i) {
    const Json& optimizer = config.at("stages")[i].at("optimizer");
    if (optimizer.is_null() || !optimizer.contains("batch_shots")) continue;
    const Json& own = optimizer.at("batch_shots");
    if (own.is_null() || own == 0 || own == all) continue;
    resolver.issue_at("/stages/" + std::to_string(i) + "/optimizer/batch_shots",
                      "is one number for all stages: give it in /optimizer");
  }
}

// What source encoding can be used with: sums of shots and what is quadratic in them.
void check_codes(const Json& config, Resolver& resolver) {
  if (has_no(config, "encoding")) return;
  if (!of_waves(config)) return resolver.issue_at("/encoding", "belongs to waves: this physics does not take it");
  const Json &encoding = config.at("encoding"), &survey = config.at("survey"), &data = config.at("data");
  if (encoding.at("max_shift_s") >= survey.at("nt").get<double>() * survey.at("dt_s").get<double>()) {
    resolver.issue_at("/encoding/max_shift_s", "a shot would be delayed beyond the end of its record (nt dt_s)");
  }
  const bool uneven =
      data.at("type") == "synthetic" && !data.at("noise").is_null() && data.at("noise").at("type") == "proportional";
  const auto check = [&](const Json& misfit, const Json& optimizer, const std::string& at, const std::string& of) {
    const std::string type = misfit.at("type"), normalize = misfit.value("normalize", "");
    if (type != "l2" && type != "chi2") {
      resolver.issue_at(at + "/type", type + " of summed shots has not the mean of " + type +
                                          " of each: with \"encoding\" write \"l2\"");
    } else if (normalize == "trace") {
      resolver.issue_at(at + "/normalize",
                        "the traces of a super-shot are sums, their shots have no weights of their own: with "
                        "\"encoding\" write \"survey\"");
    } else if (uneven && (type == "chi2" || normalize == "std")) {
      resolver.issue_at(at,
                        "the standard deviation differs from datum to datum, but the shots of a super-shot are "
                        "summed: with \"encoding\" write \"l2\" with normalize \"survey\", or gaussian noise");
    }
    if (optimizer.at("type") == "gauss-newton") {
      resolver.issue_at(of, "gauss-newton compares every datum: with \"encoding\" take adam or lbfgs");
    } else if (optimizer.at("batch_shots") > 0 && optimizer.at("batch_shots") < encoding.at("groups")) {
      resolver.issue_at("/encoding/groups", encoding.at("groups").dump() + " super-shots of " +
                                                optimizer.at("batch_shots").dump() +
                                                " shots (batch_shots): give at most one a shot");
    }
  };
  const Json &misfit = config.at("misfit"), &optimizer = config.at("optimizer");
  check(misfit, optimizer, "/misfit", "/optimizer/type");
  for (std::size_t i = 0; i < config.at("stages").size(); ++i) {
    const Json& stage = config.at("stages")[i];
    const std::string at = "/stages/" + std::to_string(i);
    const bool own_misfit = !stage.at("misfit").is_null(), own_optimizer = !stage.at("optimizer").is_null();
    if (!own_misfit && !own_optimizer) continue;
    check(own_misfit ? stage.at("misfit") : misfit, own_optimizer ? stage.at("optimizer") : optimizer,
          own_misfit ? at + "/misfit" : "/misfit", at + "/optimizer/type");
  }
}

// Posterior sampling writes the model itself.
void check_posterior(const Json& config, Resolver& resolver) {
  const auto check = [&](const Json& optimizer, const std::string& at) {
    if (optimizer.is_null() || optimizer.at("type") != "posterior") return;
    const Json& field = config.at("field");
    if (field.at("type") != "grid" || field.at("transform").at("type") != "identity") {
      resolver.issue_at(at, "posterior sampling writes the model: it needs the field \"grid\" without a transform");
    }
    if (field.at("property") != "vp") {
      resolver.issue_at(at, "a generator has learnt velocities: posterior sampling needs a field of property vp");
    }
    if (!has_no(config.at("grid"), "ny")) resolver.issue_at(at, "posterior sampling takes two dimensions");
  };
  check(config.at("optimizer"), "/optimizer");
  for (std::size_t i = 0; i < config.at("stages").size(); ++i) {
    check(config.at("stages")[i].at("optimizer"), "/stages/" + std::to_string(i) + "/optimizer");
  }
}

// What the learnt regularizers can be used with.
void check_priors(const Json& config, Resolver& resolver) {
  const auto check = [&](const Json& regularizers, const std::string& optimizer, const std::string& at) {
    for (std::size_t i = 0; i < regularizers.size(); ++i) {
      const std::string type = regularizers[i].at("type"), pointer = at + "/" + std::to_string(i);
      if (type != "denoiser" && type != "code") continue;
      if (optimizer == "gauss-newton") resolver.issue_at(pointer, type + " has no norm for gauss-newton: use adam");
      if (type == "denoiser" && optimizer == "lbfgs") {
        resolver.issue_at(pointer, "a denoiser changes the objective in every iteration, lbfgs needs one: use adam");
      }
      if (type == "denoiser" && config.at("field").at("property") != "vp") {
        resolver.issue_at(pointer, "a denoiser has learnt velocities: it needs a field of property vp");
      }
      if (type == "code" && config.at("field").at("type") != "decoder") {
        resolver.issue_at(pointer, "code is a penalty of the field \"decoder\"");
      }
    }
  };
  for (std::size_t i = 0; i < config.at("stages").size(); ++i) {
    const Json& stage = config.at("stages")[i];
    const bool own = !stage.at("regularizers").is_null();
    const Json& optimizer = stage.at("optimizer").is_null() ? config.at("optimizer") : stage.at("optimizer");
    check(own ? stage.at("regularizers") : config.at("regularizers"), optimizer.at("type"),
          own ? "/stages/" + std::to_string(i) + "/regularizers" : "/regularizers");
  }
}

}  // namespace

void check_inversion(const Json& config, Resolver& resolver) {
  if (!of_waves(config)) check_no_waves(config, resolver);
  if (!has_no(config, "ip") && !(of_resistivity(config) && config.at("data").at("type") == "file")) {
    resolver.issue_at("/ip", "belongs to resistivity with data from a file");
  }
  check_least_squares(config, resolver);
  check_priors(config, resolver);
  check_posterior(config, resolver);
  check_codes(config, resolver);
  check_batches(config, resolver);
}

}  // namespace terrane
