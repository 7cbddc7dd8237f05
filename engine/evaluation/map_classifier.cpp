// SPDX-License-Identifier: MIT
#include "engine/evaluation/map_classifier.hpp"

#include <algorithm>
#include <cmath>

#include "autodiff/ops/conv_op.hpp"
#include "engine/optimizer.hpp"
#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {
namespace {

constexpr std::uint32_t purpose_weights = 72, purpose_batches = 73;  // beyond those of engine/diffusion
constexpr Index channels[] = {16, 32, 64, 64, 64};
constexpr Index hidden = 64, smallest_image = 3;

// Offset and fan-in of the weights of a layer, for their initial values.
struct ClassifierLayer {
  Index offset, weights, biases, fan_in;
};

std::vector<float> initial_weights(const std::vector<ClassifierLayer>& layers, Index count, std::uint64_t seed) {
  const Random random(seed, purpose_weights);
  std::vector<float> w(static_cast<std::size_t>(count), 0.0F);
  for (const ClassifierLayer& l : layers) {
    const double deviation = std::sqrt(2 / static_cast<double>(l.fan_in));
    for (Index k = l.offset; k < l.offset + l.weights; ++k) {
      w[static_cast<std::size_t>(k)] = static_cast<float>(deviation * random.normal(static_cast<std::uint64_t>(k)));
    }
  }
  return w;
}

}  // namespace

MapClassifier::MapClassifier(Stream& s, Index height, Index width, Index classes, const MapClassifierOptions& options)
    : s_(s), height_(height), width_(width), classes_(classes), options_(options), tape_(s) {
  require(height >= 1 && width >= 1 && classes >= 2, ErrorCode::config,
          "a classifier needs maps of at least 2 classes");
  require(options.steps >= 1 && options.batch >= 1 && options.lr > 0, ErrorCode::config,
          "steps and batch are at least 1, the rate is above 0");
  std::vector<ConvShape> shapes;
  const Index batch = options.batch;
  Index h = height, w = width, c = 1;
  for (const Index out : channels) {
    if (std::max(h, w) <= smallest_image) break;
    shapes.push_back({batch, h, w, c, out, 3, 2, 1});
    h = shapes.back().out_height();
    w = shapes.back().out_width();
    c = out;
  }
  shapes.push_back({batch, h, w, c, hidden, 1, 1, 0});
  shapes.push_back({batch, h, w, hidden, classes, 1, 1, 0});
  pixels_ = h * w;

  std::vector<ClassifierLayer> layers;
  Index count = 0;
  for (const ConvShape& f : shapes) {
    layers.push_back({count, f.weights(), f.channels_out, f.taps() * f.channels_in});
    count += f.weights() + f.channels_out;
  }
  theta_ = tape_.input({count}, "weights");
  x_ = tape_.input({batch * height * width, 1}, "maps", false);
  score_ = x_;
  for (std::size_t l = 0; l < shapes.size(); ++l) {
    const ConvShape& f = shapes[l];
    score_ = tape_.apply(std::make_shared<Conv2dOp<float>>(f, layers[l].offset), {score_, theta_});
    if (l + 1 == shapes.size()) break;
    score_ = tape_.apply(std::make_shared<UnaryOp<float>>(UnaryKind::silu), {score_});
    feature_ = score_;
  }
  tape_.set(theta_, initial_weights(layers, count, options.seed));
}

void MapClassifier::check(const ModelSet& maps) const {
  require(maps.count() >= 1 && maps.extent[1] == 1 && maps.extent[0] == height_ && maps.extent[2] == width_,
          ErrorCode::data, "the maps are not of the size of the classifier");
}

void MapClassifier::check_labels(const ModelSet& maps, const std::vector<int>& label) const {
  const bool known = std::all_of(label.begin(), label.end(), [&](int l) { return l >= 0 && l < classes_; });
  require(known && label.size() == static_cast<std::size_t>(maps.count()), ErrorCode::data,
          "every map needs a label that is one of the classes");
}

// A batch; places behind the last of `which` show the first map of it again.
void MapClassifier::show(const ModelSet& maps, const std::vector<Index>& which) {
  const Index n = maps.points();
  std::vector<float> x(static_cast<std::size_t>(options_.batch * n));
  for (Index b = 0; b < options_.batch; ++b) {
    const bool there = b < static_cast<Index>(which.size());
    const float* from = maps.values.data() + which[there ? static_cast<std::size_t>(b) : 0] * n;
    std::transform(from, from + n, x.begin() + b * n, [](float v) { return (v - 3000) / 1500; });
  }
  tape_.set(x_, x);
}

double MapClassifier::fit(const ModelSet& maps, const std::vector<int>& label) {
  check(maps);
  check_labels(maps, label);
  const Index n = parameters(), batch = options_.batch, values = batch * pixels_ * classes_;
  const Buffer<float> m(s_, n), v(s_, n), seed(s_, values);
  fill(s_, Fill<float>{m.data(), 0.0F, n});
  fill(s_, Fill<float>{v.data(), 0.0F, n});
  Sweep<float> sweep(tape_);
  const Random random(options_.seed, purpose_batches);
  const nlohmann::ordered_json schedule = {{"type", "cosine"}, {"warmup_iterations", 0}, {"min_ratio", 0.01}};
  double sum = 0;
  Index summed = 0;
  for (Index step = 0; step < options_.steps; ++step) {
    std::vector<Index> which;
    for (Index b = 0; b < batch; ++b) {
      const auto k = static_cast<std::uint64_t>(step * batch + b);
      which.push_back(static_cast<Index>(random.integer(k, 0, static_cast<std::uint64_t>(maps.count()))));
    }
    show(maps, which);
    tape_.forward();
    const std::vector<float> mean = pixel_means(score_);
    std::vector<float> r;  // of every pixel: the gradient of its mean
    double loss = 0;
    for (Index b = 0; b < batch; ++b) {
      const int truth = label[static_cast<std::size_t>(which[static_cast<std::size_t>(b)])];
      std::vector<float> row;
      for (Index c = 0; c < classes_; ++c) {
        const float error = mean[static_cast<std::size_t>(b * classes_ + c)] - (truth == c ? 1.0F : -1.0F);
        loss += static_cast<double>(error) * static_cast<double>(error) / static_cast<double>(batch * classes_);
        row.push_back(2 * error / static_cast<float>(values));
      }
      for (Index p = 0; p < pixels_; ++p) r.insert(r.end(), row.begin(), row.end());
    }
    if (!std::isfinite(loss)) throw Error(ErrorCode::diverged, "training of the classifier diverged");
    if (step >= options_.steps - std::max<Index>(1, options_.steps / 10)) sum += loss, ++summed;
    copy(s_, std::span<const float>(r), seed.data());
    tape_.backward(sweep, score_, seed.data());
    adam_step(s_, published_adam(tape_.data(theta_), sweep.cotangent(theta_), m.data(), v.data(), n,
                                 options_.lr * schedule_factor(schedule, step, options_.steps), step + 1, 1,
                                 options_.weight_decay));
  }
  return sum / static_cast<double>(summed);
}

std::vector<float> MapClassifier::pixel_means(Var v) const {
  const std::vector<float> all = tape_.get(v);
  const Index columns = tape_.shape(v).back();
  std::vector<float> mean(static_cast<std::size_t>(options_.batch * columns), 0.0F);
  for (Index k = 0; k < static_cast<Index>(all.size()); ++k) {
    const Index map = k / (pixels_ * columns);
    mean[static_cast<std::size_t>(map * columns + k % columns)] +=
        all[static_cast<std::size_t>(k)] / static_cast<float>(pixels_);
  }
  return mean;
}

Features MapClassifier::values_of(const ModelSet& maps, Var v) {
  check(maps);
  const Index columns = tape_.shape(v).back();
  Features out{columns, {}};
  for (Index first = 0; first < maps.count(); first += options_.batch) {
    std::vector<Index> which;
    for (Index k = first; k < std::min(maps.count(), first + options_.batch); ++k) which.push_back(k);
    show(maps, which);
    tape_.forward(v);
    const std::vector<float> mean = pixel_means(v);
    out.values.insert(out.values.end(), mean.begin(), mean.begin() + static_cast<Index>(which.size()) * columns);
  }
  return out;
}

double MapClassifier::accuracy(const ModelSet& maps, const std::vector<int>& label) {
  check_labels(maps, label);
  const Features f = scores(maps);
  Index right = 0;
  for (std::size_t i = 0; i < label.size(); ++i) {
    const auto row = f.values.begin() + static_cast<Index>(i) * classes_;
    right += std::max_element(row, row + classes_) - row == label[i] ? 1 : 0;
  }
  return static_cast<double>(right) / static_cast<double>(label.size());
}

double network_auc(Stream& s, const ModelSet& real, const ModelSet& sample, const MapClassifierOptions& options) {
  require(real.extent == sample.extent, ErrorCode::data, "the maps of two samples are of one size");
  require(real.count() >= 4 && sample.count() >= 4, ErrorCode::data, "a sample has too few maps to be compared");
  const Index n = real.points();
  ModelSet fit{real.extent, {}}, judged{real.extent, {}};
  std::vector<int> label, truth;
  for (const ModelSet* set : {&real, &sample}) {
    for (Index k = 0; k < set->count(); ++k) {
      ModelSet& to = k % 2 == 0 ? fit : judged;
      to.values.insert(to.values.end(), set->values.begin() + k * n, set->values.begin() + (k + 1) * n);
      (k % 2 == 0 ? label : truth).push_back(set == &sample ? 1 : 0);
    }
  }
  MapClassifier network(s, real.extent[0], real.extent[2], 2, options);
  network.fit(fit, label);
  const Features f = network.scores(judged);
  std::vector<double> scores[2];
  for (std::size_t i = 0; i < truth.size(); ++i) scores[truth[i]].push_back(f.values[2 * i + 1] - f.values[2 * i]);
  return roc_area(scores[0], scores[1]);
}

}  // namespace terrane
