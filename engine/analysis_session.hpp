// SPDX-License-Identifier: MIT
// What the analyses of `terrane analyze` share: the problem of a config or run, its field on a tape with the wanted
// weights, the page and the numbers. Inside the engine only.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "analysis/spectra.hpp"
#include "autodiff/tape.hpp"
#include "engine/analyze_page.hpp"
#include "engine/field.hpp"
#include "engine/json.hpp"
#include "engine/output.hpp"
#include "engine/problem.hpp"
#include "engine/run.hpp"

namespace terrane {

// Nodes beyond which a stored kernel is not decomposed as a whole unless method "dense" asks for it.
inline constexpr Index dense_nodes = 4096;

struct AnalyzeRequest {
  Json analysis;          // an entry of the resolved section "analyses"
  std::string source;     // directory of a run, or a config
  Index at = -1;          // weights of this iteration; -1: the final ones, or the initial ones of a config
  std::string directory;  // that takes the files
  double start_s = 0;     // now_s() when the run began, for its progress
  std::string what() const { return analysis.at("type"); }
  Index count() const { return analysis.value("k", Index{1}); }
};

template <class T>
class AnalysisSession {
 public:
  AnalysisSession(const AnalyzeRequest& r, const Config& c, const RunOptions& options, const Log& log);

  // A directory of a run, rather than a config?
  bool run() const;
  Index nodes() const { return problem.grid.cells(); }
  std::uint64_t seed() const { return config.json().at("seed").template get<std::uint64_t>(); }
  // Iterations whose weights are there, in order: 0 (the initial ones) and the kept checkpoints of a run.
  std::vector<Index> iterations() const;
  std::vector<T> weights_of(Index iteration) const;
  void write(const std::string& name, const std::vector<double>& values, const std::vector<Index>& shape);
  // `count` models: (count, nz, nx), or (count, nz, ny, nx).
  void write_models(const std::string& name, const std::vector<double>& values, Index count);
  // Of a model, in cycles per m.
  RadialSpectrum wavenumbers(const std::vector<double>& values) {
    return radial_spectrum(s, values, problem.grid.shape(), problem.grid.spacings_m());
  }
  // Tells the caller of the run how many products with `what` are done. The session must outlive it.
  std::function<void(Index done, Index all)> progress(const std::string& what, const char* unit = "products") const;
  void add_image(const std::string& title, const std::vector<double>& values, bool part = false, Index through = -1) {
    page.images.push_back({title, std::vector<float>(values.begin(), values.end()), part, through});
  }

  const AnalyzeRequest& request;
  const Config& config;
  Problem problem;
  Stream s;
  Field<T> field;
  Tape<T> tape;
  Var theta, model;
  std::vector<T> initial;  // weights
  std::string weights;     // which ones the tape holds, in words
  Json result;
  AnalysisPage page;

 private:
  std::function<void(const ProgressEvent&)> listener_;
};

// Each fills result, page and files. svd and ntk; kernels; resolution; suggest.
template <class T>
void analyze_spectrum(AnalysisSession<T>& a);
template <class T>
void analyze_kernels(AnalysisSession<T>& a);
template <class T>
void analyze_resolution(AnalysisSession<T>& a);
template <class T>
void analyze_suggest(AnalysisSession<T>& a);

}  // namespace terrane
