// SPDX-License-Identifier: MIT
#include "tests/support/wave3_cases.hpp"

#include "physics/wave/wave_op.hpp"
#include "physics/wave/wavelet.hpp"
#include "tests/support/case_support.hpp"

namespace terrane {

namespace {

// Two shots with off-grid positions; variants change order, boundaries, storage and sub-steps.
struct Wave3Case {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    auto c = start<T>(s);
    const Grid3 grid = variant == 3   ? Grid3{1, 1, 1, 10, 10, 10}
                       : variant == 4 ? Grid3{6, 7, 42, 10, 11, 12}
                                      : Grid3{7, 8, 11, 10, 11, 12};
    Survey3 survey =
        Survey3::fixed_spread({{53, 31, 40.4}, {90, 40, 22}}, {{12, 10, 11}, {61.3, 10, 44.4}}, 31, 1.5e-3);
    if (variant == 3) survey = Survey3::fixed_spread({{0, 0, 0}}, {{0, 0, 0}}, 31, 1.5e-3);
    WaveOptions3 o;
    o.vmax_mps = 3600;
    o.pml_frequency_hz = 25;
    o.order = variant == 0 ? 8 : variant == 2 || variant == 4 ? 2 : 4;
    o.pml = {3, 4, 2, 3, 4, 5};
    if (variant == 1) o.free_surface = true;
    if (variant == 2) o.pml = {0, 4, 1, 0, 0, 4};
    if (variant == 2) o.substeps = 2;
    o.storage = variant == 0 ? Storage::checkpoint : variant == 4 ? Storage::ring : Storage::all;
    const Var vp = random_input(c, {grid.nz, grid.ny, grid.nx}, 151, 100, 2500);
    const Var wavelet = c.tape->input({survey.nt}, "wavelet");
    const auto samples = ricker(40, survey.nt, survey.dt_s, 0.02);
    c.tape->set(wavelet, std::vector<T>(samples.begin(), samples.end()));
    c.inputs.push_back(wavelet);
    const auto wave = std::make_shared<AcousticWave<T>>(s, grid, survey, o);
    c.output = c.tape->apply(std::make_shared<WaveOp<T>>(wave, nullptr), {vp, wavelet});
    return c;
  }
};

}  // namespace

std::vector<OpCase> wave3_cases() {
  OpCase c = row<Wave3Case>("wave3", {},
                            {"order 8, checkpoints", "order 4, free surface",
                             "order 2, three open sides, two sub-steps", "one cell", "order 2, boundary ring"});
  c = small_steps(std::move(c), 1e-3, "slowness times time is a phase; ");
  return {with(std::move(c), 1e-5, 1e-4, "dozens of single-precision time steps")};
}

}  // namespace terrane
