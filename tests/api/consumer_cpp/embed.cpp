// SPDX-License-Identifier: MIT
#include <cstdio>
#include <vector>

#include "physics/wave/acoustic_wave.hpp"
#include "physics/wave/wavelet.hpp"

int main() {
  using namespace terrane;
  Stream stream(Device::parse("cpu"));
  const Grid2 grid{.nz = 60, .nx = 80, .dz_m = 10, .dx_m = 10};
  const Survey survey = Survey::fixed_spread({{200, 20}, {600, 20}}, line_of_positions(40, 0, 20, 20), 400, 0.001);
  WaveOptions options;
  options.vmax_mps = 2600;
  const AcousticWave<float> wave(stream, grid, survey, options);
  const std::vector<double> pulse = ricker(12, survey.nt, survey.dt_s);
  const Buffer<float> vp = to_device(stream, std::vector<float>(4800, 2000.0F)), data(stream, 2 * 40 * 400);
  const Buffer<float> wavelet = to_device(stream, std::vector<float>(pulse.begin(), pulse.end()));
  const Buffer<float> gradient = to_device(stream, std::vector<float>(4800, 0.0F));
  const auto state = wave.forward(stream, vp.data(), wavelet.data(), data.data(), true);
  wave.vjp(stream, vp.data(), wavelet.data(), state, data.data(), gradient.data(), nullptr);  // of 1/2 |data|^2
  std::printf("%s\ngradient at (300 m, 400 m): %g\n", wave.plan().describe().c_str(),
              static_cast<double>(to_host(stream, gradient)[30 * 80 + 40]));
}
