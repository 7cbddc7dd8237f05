// SPDX-License-Identifier: MIT
// terrane: parse, call one verb, turn whatever happens into one line and the documented exit code.
#include <csignal>
#include <cstdio>
#include <iostream>
#include <map>

#include "engine/json_value.hpp"
#include "engine/registry.hpp"
#include "engine/version.hpp"
#include "tools/terrane/signals.hpp"
#include "tools/terrane/verbs.hpp"

namespace terrane::cli {
namespace {

int call(const Options& options) {
  static const std::map<std::string, int (*)(const Options&)> verbs = {{"run", run_verb},
                                                                       {"check", check_verb},
                                                                       {"init", init_verb},
                                                                       {"schema", schema_verb},
                                                                       {"completions", completions_verb},
                                                                       {"demo", demo_verb},
                                                                       {"resume", resume_verb},
                                                                       {"info", info_verb},
                                                                       {"doctor", doctor_verb},
                                                                       {"bench", bench_verb},
                                                                       {"report", report_verb},
                                                                       {"analyze", analyze_verb},
                                                                       {"generate", generate_verb},
                                                                       {"compress", compress_verb},
                                                                       {"decompress", decompress_verb}};
  if (options.licenses) {
    std::cout << licenses_text();
    return 0;
  }
  if (options.version) {
    if (options.json) {
      print_json(version_json());
    } else {
      std::cout << "terrane " << version_string() << "\n";
    }
    return 0;
  }
  return verbs.at(options.verb)(options);
}

const char* status_of(int code) {
  if (code == 75 || code == 130) return "stopped";
  return code == 2 || code == 3 || code == 4 || code == 5 ? "refused" : "failed";
}

int fail(int code, const Json& error, bool json, const std::string& text) {
  // A stop that the engine reports without naming the signal: Ctrl-C has a code of its own.
  if (code == 75 && caught_signal() == SIGINT) code = 130;
  if (json) print_json({{"status", status_of(code)}, {"exit_code", code}, {"error", error}});
  std::fprintf(stderr, "%s\n", text.c_str());
  return code;
}

int report_config(const ConfigErrors& errors, bool json) {
  Json issues = Json::array();
  std::string section, pointer;
  for (const ConfigIssue& issue : errors.issues()) {
    issues.push_back({{"place", issue.place}, {"pointer", issue.pointer}, {"message", issue.message}});
    pointer += issue.pointer;
    const std::string first = issue.pointer.substr(0, issue.pointer.find('/', 1));
    const Key* key = first.empty() ? nullptr : find_component("config", "")->find(first.substr(1));
    if (section.empty() && key != nullptr && !key->slot.empty()) section = first;
  }
  const std::size_t count = errors.issues().size();
  std::string text = std::string(errors.what()) + "\n" + std::to_string(count) + (count == 1 ? " error" : " errors") +
                     ", nothing was run.";
  if (!pointer.empty()) text += " `terrane schema " + (section.empty() ? "/" : section) + "` lists the keys.";
  return fail(2, {{"message", errors.what()}, {"where", ""}, {"issues", issues}}, json, text);
}

}  // namespace
}  // namespace terrane::cli

int main(int argc, char** argv) {
  using namespace terrane;
  const bool json = cli::wants_json(argc, argv);
  try {
    const int code = cli::call(cli::parse_options(argc, argv));
    return code == 75 && cli::caught_signal() == SIGINT ? 130 : code;
  } catch (const cli::HelpRequest& help) {
    std::cout << help.text << std::flush;
    return 0;
  } catch (const ConfigErrors& errors) {
    return cli::report_config(errors, json);
  } catch (const Error& error) {
    const int code = static_cast<int>(error.code());
    return cli::fail(code, {{"message", error.what()}, {"where", error.where()}}, json, "error: " + error.message());
  } catch (const std::bad_alloc&) {
    const std::string text = "out of memory; `terrane check` forecasts the need";
    return cli::fail(1, {{"message", text}, {"where", ""}}, json, "error: " + text);
  } catch (const std::exception& error) {
    return cli::fail(1, {{"message", error.what()}, {"where", ""}}, json, std::string("error: ") + error.what());
  }
}
