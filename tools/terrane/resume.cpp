// SPDX-License-Identifier: MIT
#include "tools/terrane/progress.hpp"
#include "tools/terrane/signals.hpp"
#include "tools/terrane/verbs.hpp"

namespace terrane::cli {

int resume_verb(const Options& options) {
  const std::string directory = options.arguments.at(0);
  RunOptions with = run_options(options, nullptr);
  with.out_dir = directory;
  with.resume = true;
  with.stop_signal = catch_stop_signals();
  nlohmann::ordered_json result;
  {
    Progress progress(progress_style(with.console));
    progress.attach(with);
    result = resume(directory, with, options.sets);
  }
  return print_result(result, directory, options);
}

}  // namespace terrane::cli
