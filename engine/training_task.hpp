// SPDX-License-Identifier: MIT
// What the tasks that train a network have in common: resume, steps with progress, checkpoints and stop signals, the
// loss by step. Inside the engine only.
//
// A trainer has steps_done(), state() and restore(), bit-exact, and one step that returns its loss.
#pragma once

#include <string>
#include <utility>

#include "engine/checkpoint.hpp"
#include "engine/figure.hpp"
#include "engine/standalone_task.hpp"

namespace terrane {

class TrainingTask : public StandaloneTask {
 protected:
  TrainingTask(const Config& config, const RunOptions& options, bool continuing)
      : StandaloneTask(config, options, continuing), continuing_(continuing) {}

  std::uint64_t seed() const { return c_.at("seed").get<std::uint64_t>(); }

  // From the newest checkpoint, if this is a continued run, to `steps`; a line of progress.jsonl every `line` steps.
  // step(trainer) returns the loss. False: stopped by a signal, checkpoint written.
  template <class Trainer, class Step>
  bool train(Trainer& trainer, Index steps, Index line, const Step& step) {
    if (continuing_) {
      if (const auto checkpoint = load_latest(out_.path(), log_)) {
        trainer.restore(checkpoint->tensors);
        log_.info("resumed at step " + std::to_string(trainer.steps_done()));
      }
    }
    const auto every = c_.at("checkpoint").at("every_iterations").template get<Index>();
    ProgressFile progress(out_.file("progress.jsonl"), trainer.steps_done());
    double sum = 0;
    Index summed = 0;
    while (trainer.steps_done() < steps) {
      if (stop_asked()) {
        save(trainer.steps_done(), trainer.state());
        log_.info("stopped by a signal; terrane resume " + out_.path() + " continues");
        return false;
      }
      const double loss = step(trainer);
      const Index done = trainer.steps_done();
      sum += loss;
      if (++summed, done % line == 0) {
        progress.append(
            {{"iteration", done}, {"loss", sum / static_cast<double>(summed)}, {"time_s", now_s() - start_s_}});
        sum = 0, summed = 0;
      }
      report(done, steps, loss);
      if (every > 0 && done % every == 0 && done < steps) save(done, trainer.state());
    }
    if (every > 0) save(trainer.steps_done(), trainer.state());
    return true;
  }

  // Of progress.jsonl, with the part before a resume; empty when there are fewer than two lines.
  std::string loss_figure_html(const std::string& axis, const std::string& caption, bool logarithmic) const;

 private:
  bool stop_asked() const { return options_.stop_signal != nullptr && options_.stop_signal->load() != 0; }
  void report(Index done, Index steps, double loss) const;
  void save(Index step, TensorMap state) const;

  bool continuing_;
};

}  // namespace terrane
