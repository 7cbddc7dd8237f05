// SPDX-License-Identifier: MIT
// Left singular vectors of a trained denoiser D(x_t, t), the network's estimate of x_0, at one noisy map:
//   input    dD/dx_t: what of the noisy map it keeps; where D is a least-squares denoiser, the covariance of the clean
//            map given the noisy one times (the signal's share / the noise's variance)
//   weights  dD/dtheta: the shapes that a change of the weights makes easily, as `terrane analyze svd` has them for a
//            field
//
//   denoiser_svd --weights FILE --save DIR [--family 0] [--seed 2000] [--index 0] [--noise 0.5] [--count 16] [--threads
//   N]
//
// FILE: of task train-generator or pixel_flow_bench, a flow on images of flat-vel-a and curve-vel-a. --noise: share of
// the noise in x_t = (1 - s) x_0 + s e. Writes clean, noisy, denoised (size, size) in m/s, input_vectors and
// weight_vectors (count, size, size), and svd.json with singular values, mean radial wavenumbers and the part of the
// vectors' squared sum on pixels beside an edge of the clean map, beside the part of those pixels.
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>

#include "analysis/spectra.hpp"
#include "bench/bench_main.hpp"
#include "bench/bench_options.hpp"
#include "bench/map_scores.hpp"
#include "engine/diffusion/generator.hpp"
#include "engine/io/file.hpp"
#include "engine/io/npy.hpp"
#include "engine/version.hpp"
#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/random.hpp"

namespace {

using namespace terrane;
using Json = nlohmann::ordered_json;
using Values = std::vector<double>;

bench::Options parse(int argc, char** argv) {
  bench::Options o{{{"family", 0}, {"seed", 2000}, {"index", 0}, {"noise", 0.5}, {"count", 16}, {"threads", 1}},
                   {{"weights", ""}, {"save", ""}}};
  o.parse(argc, argv);
  require(!o.text["weights"].empty() && !o.text["save"].empty(), ErrorCode::config, "--weights and --save are needed");
  require(o.number["noise"] > 0 && o.number["noise"] < 1, ErrorCode::config, "--noise lies between 0 and 1");
  return o;
}

// Pixels whose velocity differs from that of one of their four neighbours.
std::vector<char> edges_of(const std::vector<float>& map, Index size) {
  std::vector<char> edge(map.size());
  for (Index z = 0; z < size; ++z) {
    for (Index x = 0; x < size; ++x) {
      const float v = map[at(z * size + x)];
      const auto differs = [&](Index i, Index j) {
        return i >= 0 && j >= 0 && i < size && j < size && std::abs(map[at(i * size + j)] - v) > 1;
      };
      edge[at(z * size + x)] = differs(z - 1, x) || differs(z + 1, x) || differs(z, x - 1) || differs(z, x + 1);
    }
  }
  return edge;
}

Json describe(Stream& s, const Values& sigma, const Values& vectors, const std::vector<char>& edge, Index size) {
  Json wavenumbers = Json::array(), on_edges = Json::array();
  for (std::size_t k = 0; k < sigma.size(); ++k) {
    const Values v(vectors.begin() + static_cast<std::ptrdiff_t>(k * edge.size()),
                   vectors.begin() + static_cast<std::ptrdiff_t>((k + 1) * edge.size()));
    wavenumbers.push_back(radial_spectrum(s, v, {size, size}, {1, 1}).mean);
    double on = 0, all = 0;
    for (std::size_t i = 0; i < v.size(); ++i) all += v[i] * v[i], on += edge[i] != 0 ? v[i] * v[i] : 0;
    on_edges.push_back(on / all);
  }
  return {{"singular_values", sigma}, {"mean_wavenumbers_per_pixel", wavenumbers}, {"squared_sum_on_edges", on_edges}};
}

int run(int argc, char** argv) {
  const bench::Options o = parse(argc, argv);
  StreamOptions options;
  options.threads = static_cast<int>(o.whole("threads"));
  Stream s(Device{}, options);
  const Generator g = read_generator(o.text.at("weights"));
  const auto* shape = std::get_if<UnetShape>(&g.network.kind());
  require(shape != nullptr && shape->height == shape->width && g.process.process == Process::flow, ErrorCode::config,
          "the generator is no flow on square images");
  const Index size = shape->height, pixels = size * size;
  const auto family = static_cast<std::size_t>(o.whole("family"));
  const ModelSet maps =
      bench::family_maps(s, family, static_cast<std::uint64_t>(o.whole("seed")), o.whole("index") + 1, size);
  const std::vector<float> clean(maps.values.end() - pixels, maps.values.end());
  std::vector<float> x0 = clean;
  g.normalize(x0);
  const auto noise = static_cast<float>(o.number.at("noise"));
  std::vector<float> xt(x0.size());
  const Random random(static_cast<std::uint64_t>(o.whole("seed")), RandomPurpose::test);
  for (std::size_t i = 0; i < xt.size(); ++i) {
    xt[i] = (1 - noise) * x0[i] +
            noise * static_cast<float>(random.normal(i, static_cast<std::uint32_t>(o.whole("index"))));
  }

  require(g.network.condition_values() == 0, ErrorCode::config, "the generator is told more than the family");
  RecordedDenoiser net(s, g.network, 1, DenoiserVariable::both);
  copy(s, std::span<const float>(g.parameters), net.parameters());
  copy(s, std::span<const float>(xt), net.x());
  net.set_times({1000 * (1 - noise)});
  if (g.network.families() > 0) net.set_conditions({static_cast<int>(family)}, {});
  net.tape().forward();
  // x_t = t x_0 + (1 - t) e with the velocity x_0 - e, so x_0 = x_t + (1 - t) velocity.
  std::vector<float> denoised = to_host(s, net.y(), pixels);
  for (std::size_t i = 0; i < xt.size(); ++i) denoised[i] = xt[i] + noise * denoised[i];

  const LinearMap<float> dv = net.tape().map(net.image(), net.output());
  const LinearMap<float> dtheta = net.tape().map(net.theta(), net.output());
  LinearMap<float> input = dv;
  const auto add_identity = [&](Stream& stream, const float* v, float* y) {  // y = v + noise y
    const std::vector<float> a = to_host(stream, v, pixels);
    std::vector<float> b = to_host(stream, y, pixels);
    for (std::size_t i = 0; i < b.size(); ++i) b[i] = a[i] + noise * b[i];
    copy(stream, std::span<const float>(b), y);
  };
  input.apply = [&](Stream& stream, const float* v, float* y) { dv.apply(stream, v, y), add_identity(stream, v, y); };
  input.adjoint = [&](Stream& stream, const float* w, float* x) {
    dv.adjoint(stream, w, x), add_identity(stream, w, x);
  };

  LanczosOptions lanczos;
  lanczos.count = o.whole("count");
  lanczos.steps = 200;
  lanczos.tolerance = 1e-4;
  const SingularTriplets kept = lanczos_singular(s, input, lanczos);
  const Eigenpairs easy = lanczos_eigenpairs(s, left_gram_map(s, dtheta), lanczos);
  Values sigma = singular_values_of(easy.values);
  for (double& v : sigma) v *= static_cast<double>(noise);

  const std::vector<char> edge = edges_of(clean, size);
  double share = 0;
  for (const char e : edge) share += e != 0 ? 1.0 / static_cast<double>(edge.size()) : 0;
  Json out{{"weights", g.parameters.size()},
           {"family", g.families.empty() ? Json(nullptr) : Json(g.families.at(family))},
           {"noise", o.number.at("noise")},
           {"seed", o.whole("seed")},
           {"index", o.whole("index")},
           {"edge_pixels", share},
           {"input", describe(s, kept.values, kept.left, edge, size)},
           {"of_weights", describe(s, sigma, easy.vectors, edge, size)},
           {"version", version_string()}};
  const std::string save = o.text.at("save");
  make_directories(save);
  std::vector<float> noisy = xt;
  g.restore(noisy);
  g.restore(denoised);
  write_npy(save + "/clean.npy", {size, size}, clean.data());
  write_npy(save + "/noisy.npy", {size, size}, noisy.data());
  write_npy(save + "/denoised.npy", {size, size}, denoised.data());
  write_npy(save + "/input_vectors.npy", {lanczos.count, size, size}, kept.left.data());
  write_npy(save + "/weight_vectors.npy", {lanczos.count, size, size}, easy.vectors.data());
  write_file_atomic(save + "/svd.json", out.dump(1) + "\n");
  std::cout << out.dump(1) << "\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return terrane::run_bench([&] { return run(argc, argv); });
}
