// SPDX-License-Identifier: MIT
// Maps a second of every procedural family: geology_bench [size=70] [samples=1] [count=2000] [threads=1] [device=cpu]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "kernels/kernels.hpp"
#include "physics/geology/openfwi.hpp"

int main(int argc, char** argv) {
  using namespace terrane;
  const auto number = [&](int k, int otherwise) { return argc > k ? std::atoi(argv[k]) : otherwise; };
  GeologyOptions options;
  options.size = number(1, 70);
  options.samples = number(2, 1);
  const Index count = number(3, 2000);
  StreamOptions with;
  with.threads = number(4, 1);
  Stream s(Device::parse(argc > 5 ? argv[5] : "cpu"), with);
  std::printf("%lld maps of %lld x %lld pixels, %d x %d samples a pixel, %d threads, %s\n",
              static_cast<long long>(count), static_cast<long long>(options.size), static_cast<long long>(options.size),
              options.samples, options.samples, s.threads(), s.table().backend);
  const Buffer<float> vp(s, count * options.size * options.size);
  for (int f = 0; f < geology_families; ++f) {
    const GeologyBatch batch{static_cast<GeologyFamily>(f), 1, 0, 1, count};
    double best = 1e300;
    for (int repeat = 0; repeat < 3; ++repeat) {
      const auto begin = std::chrono::steady_clock::now();
      render_geology(s, batch, options, vp.data());
      s.synchronize();
      best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
    std::printf("%-14s %12.0f maps/s\n", std::string(to_string(batch.family)).c_str(),
                static_cast<double>(count) / best);
  }
  return 0;
}
