// SPDX-License-Identifier: MIT
#include "engine/compression/model_set.hpp"

#include <algorithm>
#include <cmath>

#include "analysis/metrics.hpp"
#include "engine/io/npy.hpp"
#include "engine/json_value.hpp"
#include "kernels/runtime/error.hpp"
#include "physics/geology/openfwi.hpp"

namespace terrane {

namespace {

ModelSets from_file(const Json& section) {
  const std::string path = section.at("path");
  const NdArray<float> a = read_npy<float>(path);
  const std::size_t rank = a.shape.size();
  const bool planes = rank == 3 || (rank == 4 && a.shape[1] == 1);
  if (!planes && rank != 4) {
    throw Error(ErrorCode::data,
                "an array of shape " + shape_text(a.shape) +
                    " holds no set of models; (n, nz, nx), (n, 1, nz, nx) or (n, nz, ny, nx) does",
                path);
  }
  ModelSets m;
  m.train.extent = {a.shape[rank - (planes ? 2 : 3)], planes ? 1 : a.shape[2], a.shape[rank - 1]};
  m.held_out.extent = m.train.extent;
  const Index hold_out = section.at("hold_out"), there = a.shape[0];
  const Index count = section.at("count").is_null() ? there - hold_out : section.at("count").get<Index>();
  if (count < 1 || count + hold_out > there) {
    throw Error(ErrorCode::data,
                "the file holds " + std::to_string(there) + " models: too few for this count and hold_out", path);
  }
  const auto at = [&](Index k) { return a.values.begin() + k * m.train.points(); };
  m.train.values.assign(at(0), at(count));
  m.held_out.values.assign(at(there - hold_out), at(there));
  return m;
}

ModelSets generated(Stream& s, const Json& section) {
  constexpr int area_samples = 4;
  const auto families = section.at("families").get<std::vector<std::string>>();
  const auto kinds = static_cast<Index>(families.size());
  const Index size = section.at("size"), train = section.at("count"), hold_out = section.at("hold_out");
  const GeologyOptions options{size, section.at("sampling") == "area" ? area_samples : 1, 0};
  const auto points = static_cast<std::size_t>(size * size);
  std::vector<float> all(static_cast<std::size_t>(train + hold_out) * points);
  for (Index f = 0; f < kinds; ++f) {
    const Index count = (train + hold_out - f + kinds - 1) / kinds;
    if (count == 0) continue;
    const std::vector<float> maps = geology_maps(s,
                                                 {find_geology_family(families[static_cast<std::size_t>(f)]).value(),
                                                  section.at("seed").get<std::uint64_t>(), 0, 1, count},
                                                 options);
    for (Index k = 0; k < count; ++k) {
      std::copy_n(maps.begin() + k * static_cast<Index>(points), points,
                  all.begin() + (k * kinds + f) * static_cast<Index>(points));
    }
  }
  ModelSets m;
  m.train.extent = m.held_out.extent = {size, 1, size};
  const auto split = all.begin() + train * static_cast<Index>(points);
  m.train.values.assign(all.begin(), split);
  m.held_out.values.assign(split, all.end());
  for (Index k = 0; k < train + hold_out; ++k) {
    (k < train ? m.family : m.held_out_family).push_back(static_cast<int>(k % kinds));
  }
  return m;
}

}  // namespace

ModelSets read_models(Stream& s, const Json& section) {
  return section.at("type") == "generated" ? generated(s, section) : from_file(section);
}

ModelSet models_of_family(const ModelSet& set, const std::vector<int>& family, int row) {
  if (row < 0 || family.empty()) return set;
  ModelSet out{set.extent, {}};
  for (std::size_t k = 0; k < family.size(); ++k) {
    if (family[k] != row) continue;
    const auto from = set.values.begin() + static_cast<Index>(k) * set.points();
    out.values.insert(out.values.end(), from, from + set.points());
  }
  return out;
}

Json score_models(const std::vector<float>& recovered, const ModelSet& truth) {
  const Index n = truth.points(), rows = truth.extent[0], columns = truth.extent[2];
  const auto count = static_cast<double>(truth.count());
  const bool maps = truth.extent[1] == 1 && rows >= 11 && columns >= 11;
  double full = 0, image = 0, openfwi = 0, skimage = 0;
  for (Index k = 0; k < truth.count(); ++k) {
    const std::span<const float> a(recovered.data() + k * n, static_cast<std::size_t>(n));
    const std::span<const float> t(truth.values.data() + k * n, static_cast<std::size_t>(n));
    const double psnr = psnr_full(a.data(), t.data(), n);
    const auto [low, high] = std::minmax_element(t.begin(), t.end());
    const double range = static_cast<double>(*high - *low) / 3000;
    full += psnr;
    image += range > 0 ? psnr + 20 * std::log10(range) : psnr;
    if (!maps) continue;
    openfwi += ssim_openfwi(a, t, rows, columns);
    std::vector<float> x, y;
    for (Index i = 0; i < n; ++i) {
      x.push_back((a[static_cast<std::size_t>(i)] - 1500) / 3000);
      y.push_back((t[static_cast<std::size_t>(i)] - 1500) / 3000);
    }
    skimage += ssim_skimage(std::span<const float>(x), std::span<const float>(y), rows, columns, 1.0);
  }
  Json r{{"psnr_full_db", full / count}, {"psnr_image_db", image / count}};
  if (maps) r["ssim"] = {{"openfwi", openfwi / count}, {"skimage", skimage / count}};
  return r;
}

ModelSetSize size_of_models(const Json& section) {
  if (section.at("type") == "generated") {
    const Index size = section.at("size");
    const Index models = section.at("count").get<Index>() + section.at("hold_out").get<Index>();
    return {models, models * size * size, 2};
  }
  const NpyInfo header = npy_info(section.at("path").get<std::string>());
  const bool volumes = header.shape.size() == 4 && header.shape[1] != 1;
  return {header.shape.empty() ? 0 : header.shape[0], header.count, volumes ? 3 : 2};
}

}  // namespace terrane
