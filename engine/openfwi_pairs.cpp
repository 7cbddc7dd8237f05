// SPDX-License-Identifier: MIT
#include "engine/openfwi_pairs.hpp"

#include <algorithm>
#include <filesystem>

#include "engine/io/npy.hpp"
#include "kernels/kernels.hpp"
#include "physics/geology/openfwi.hpp"

namespace terrane {

OpenFwiPairs::OpenFwiPairs(Stream& s) : wave_(s, openfwi_grid(), openfwi_survey()) {
  const std::vector<double> w = openfwi_wavelet(wave_.survey().nt);
  wavelet_ = to_device(s, std::vector<float>(w.begin(), w.end()));
  slice_ = s.device().kind == DeviceKind::cuda ? 16 : 1;
  data_ = Buffer<float>(s, slice_ * wave_.shots() * wave_.receivers() * wave_.survey().nt);
}

void OpenFwiPairs::write_file(Stream& s, const std::vector<float>& vp, const std::string& path,
                              const std::function<void(Index)>& done) {
  const Index points = wave_.grid().nz * wave_.grid().nx, maps = static_cast<Index>(vp.size()) / points;
  make_directories(std::filesystem::path(path).parent_path().string());
  const Buffer<float> models = to_device(s, vp);
  AtomicFile file(path);
  file.write(npy_header<float>({maps, wave_.shots(), wave_.survey().nt, wave_.receivers()}));
  for (Index begin = 0; begin < maps; begin += slice_) {
    const Index some = std::min(slice_, maps - begin);
    write(s, models.data() + begin * points, some, file);
    done(some);
  }
  file.commit();
}

void OpenFwiPairs::write(Stream& s, const float* vp, Index models, AtomicFile& file) {
  wave_.forward(s, models, vp, wavelet_.data(), data_.data(), state_);
  const Index receivers = wave_.receivers(), nt = wave_.survey().nt, panels = models * wave_.shots();
  const std::vector<float> from = to_host(s, data_.data(), panels * receivers * nt);
  std::vector<float> to(from.size());  // (shot, receiver, time) becomes (shot, time, receiver)
  for (Index p = 0; p < panels; ++p) {
    for (Index r = 0; r < receivers; ++r) {
      for (Index n = 0; n < nt; ++n) {
        to[static_cast<std::size_t>((p * nt + n) * receivers + r)] =
            from[static_cast<std::size_t>((p * receivers + r) * nt + n)];
      }
    }
  }
  file.write(to.data(), to.size() * sizeof(float));
}

void OpenFwiPairs::check_size(Index size) {
  if (size == 70) return;
  throw Error(ErrorCode::config,
              "seismic data need a size of 70: the time step of the OpenFWI operator fits cells of 10 m");
}

nlohmann::ordered_json OpenFwiPairs::description() {
  return {{"operator", "openfwi"},
          {"dt_s", 1e-3},
          {"samples", 1000},
          {"source_x_m", {0, 170, 340, 520, 690}},
          {"receivers", 70},
          {"depth_m", 10},
          {"wavelet", "ricker 15 Hz, peak at 73 ms"},
          {"layout", "map, shot, time, receiver"}};
}

}  // namespace terrane
