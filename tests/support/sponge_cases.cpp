// SPDX-License-Identifier: MIT
#include "tests/support/sponge_cases.hpp"

#include "physics/wave/sponge_op.hpp"
#include "physics/wave/wavelet.hpp"
#include "tests/support/case_support.hpp"

namespace terrane {

namespace {

struct SpongeCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    auto c = start<T>(s);
    const Grid2 grid = variant == 2 ? Grid2{1, 1, 10, 10} : Grid2{9, 12, 10, 10};
    SpongeOptions o;
    o.width_cells = variant == 1 ? 0 : 6;
    o.zero_last = variant != 1;
    const Survey survey = variant == 2
                              ? Survey::fixed_spread({{0, 0}}, {{0, 0}}, 12, 1e-3)
                              : Survey::fixed_spread({{30, 20}, {110, 0}}, line_of_positions(4, 0, 30, 10), 40, 1e-3);
    const Var vp = random_input(c, {grid.nz, grid.nx}, 141, 150, 2500);
    const Var wavelet = c.tape->input({survey.nt}, "wavelet");
    const auto samples = ricker(30, survey.nt, survey.dt_s, 0.012);
    c.tape->set(wavelet, std::vector<T>(samples.begin(), samples.end()));
    c.inputs.push_back(wavelet);
    const auto wave = std::make_shared<SpongeWave<T>>(s, grid, survey, o);
    c.output = c.tape->apply(std::make_shared<SpongeOp<T>>(wave), {vp, wavelet});
    return c;
  }
};

}  // namespace

std::vector<OpCase> sponge_cases() {
  OpCase c = row<SpongeCase>("sponge-wave", {}, {"two shots", "no layer, last sample kept", "one cell"});
  c = small_steps(std::move(c), 1e-3, "the same cell stays the slowest; ");
  return {with(std::move(c), 1e-5, 1e-4, "dozens of single-precision time steps")};
}

}  // namespace terrane
