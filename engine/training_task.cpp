// SPDX-License-Identifier: MIT
#include "engine/training_task.hpp"

#include <algorithm>
#include <fstream>

#include "engine/io/file.hpp"
#include "engine/io/png.hpp"
#include "engine/report.hpp"

namespace terrane {

void TrainingTask::report(Index done, Index steps, double loss) const {
  if (!options_.progress) return;
  ProgressEvent event;
  event.iteration = done;
  event.iterations = steps;
  event.misfit = loss;
  event.elapsed_s = now_s() - start_s_;
  event.peak_bytes = peak_resident_bytes();
  options_.progress(event);
}

void TrainingTask::save(Index step, TensorMap state) const {
  CheckpointState checkpoint;
  checkpoint.iteration = step;
  checkpoint.tensors = std::move(state);
  checkpoint.meta = {{"task", c_.at("task")}, {"config_sha256", config_.sha256()}};
  save_checkpoint(out_.path(), checkpoint, c_.at("checkpoint").at("keep").get<Index>());
}

std::string TrainingTask::loss_figure_html(const std::string& axis, const std::string& caption,
                                           bool logarithmic) const {
  Series loss{"", {}, {}, Paint::of({42, 120, 178}), 1.6, 0};
  std::ifstream progress(out_.file("progress.jsonl"));
  for (std::string line; std::getline(progress, line);) {
    const Json row = Json::parse(line);
    loss.x.push_back(row.at("iteration"));
    loss.y.push_back(row.at("loss"));
  }
  if (loss.x.size() < 2) return "";
  const auto [low, high] = std::minmax_element(loss.y.begin(), loss.y.end());
  LinePlot plot;
  plot.title = "Loss";
  plot.x = {"Step", 0, loss.x.back()};
  plot.y = {axis, logarithmic ? std::max(*low, 1e-12) / 1.5 : 0, *high * (logarithmic ? 1.5 : 1.05), logarithmic};
  plot.legend = false;
  plot.series = {loss};
  Drawing d(860, 376);
  draw_line_plot(d, {74, 26, 760, 300}, plot);
  make_directories(out_.file("figures"));
  write_png(out_.file("figures/loss.png"), d.raster(1.5));
  return figure_html({"loss.png", "Training", caption, d});
}

}  // namespace terrane
