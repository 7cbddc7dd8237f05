// SPDX-License-Identifier: MIT
// The OpenFWI operator against a published pair: relative RMS of every shot, and the time of five shots.
//   openfwi_parity FOLDER [threads=1]     FOLDER holds CF_sample0_vp.npy and CF_sample0_seis.npy
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "engine/io/npy.hpp"
#include "kernels/kernels.hpp"
#include "physics/wave/sponge_wave.hpp"

namespace {

using namespace terrane;

template <class T>
void compare(const char* name, const std::string& folder, int threads) {
  StreamOptions with;
  with.threads = threads;
  Stream s(Device{}, with);
  const auto model = read_npy<double>(folder + "/CF_sample0_vp.npy").values;
  const auto wanted = read_npy<double>(folder + "/CF_sample0_seis.npy").values;  // (1, shot, time, receiver)
  const SpongeWave<T> wave(s, openfwi_grid(), openfwi_survey());
  const auto w = openfwi_wavelet();
  const Buffer<T> vp = to_device(s, std::vector<T>(model.begin(), model.end()));
  const Buffer<T> wavelet = to_device(s, std::vector<T>(w.begin(), w.end())), data(s, 5 * 70 * 1000);
  SpongeState<T> state;
  wave.forward(s, 1, vp.data(), wavelet.data(), data.data(), state);
  const auto begin = std::chrono::steady_clock::now();
  wave.forward(s, 1, vp.data(), wavelet.data(), data.data(), state);
  s.synchronize();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const std::vector<T> got = to_host(s, data);
  double all = 0, all_norm = 0;
  for (std::size_t shot = 0; shot < 5; ++shot) {
    double sum = 0, norm = 0;
    for (std::size_t r = 0; r < 70; ++r) {
      for (std::size_t t = 0; t < 1000; ++t) {
        const double want = wanted[(shot * 1000 + t) * 70 + r];
        const double d = static_cast<double>(got[(shot * 70 + r) * 1000 + t]) - want;
        sum += d * d;
        norm += want * want;
      }
    }
    std::printf("%s shot %zu relative RMS %.3g\n", name, shot, std::sqrt(sum / norm));
    all += sum;
    all_norm += norm;
  }
  std::printf("%s five shots relative RMS %.3g, %.2f s on %d threads\n", name, std::sqrt(all / all_norm), seconds,
              threads);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: openfwi_parity FOLDER [threads]\n");
    return 2;
  }
  const int threads = argc > 2 ? std::atoi(argv[2]) : 1;
  compare<float>("fp32", argv[1], threads);
  compare<double>("fp64", argv[1], threads);
  return 0;
}
