// SPDX-License-Identifier: MIT
#include "physics/wave/wave_factors.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {

namespace {

constexpr const char* factors_where = "factors of waves";

void check_spread(const Survey& survey, const WaveOptions& options) {
  require(!survey.shots.empty(), ErrorCode::config, "there are no shots", factors_where);
  require(options.shared_wavelet, ErrorCode::config, "one wavelet for all shots is needed", factors_where);
  for (const Shot& shot : survey.shots) {
    require(shot.sources.size() == 1, ErrorCode::config, "every shot needs one source", factors_where);
    require(shot.receivers == survey.shots[0].receivers, ErrorCode::config, "every receiver has to record every shot",
            factors_where);
  }
}

// One shot in each position, recorded in every node.
Survey everywhere(const Grid2& grid, const Survey& survey) {
  std::vector<Position> from, nodes;
  for (const Shot& shot : survey.shots) from.push_back(shot.sources[0]);
  from.insert(from.end(), survey.shots[0].receivers.begin(), survey.shots[0].receivers.end());
  for (Index z = 0; z < grid.nz; ++z) {
    for (Index x = 0; x < grid.nx; ++x) {
      nodes.push_back({grid.x0_m + static_cast<double>(x) * grid.dx_m, grid.z0_m + static_cast<double>(z) * grid.dz_m});
    }
  }
  return Survey::fixed_spread(from, nodes, survey.nt, survey.dt_s);
}

// (rows, nt) -> (rows, bins, 2) on the host.
template <class T>
std::vector<T> spectra_of(Stream& s, const Buffer<T>& traces, Index rows, Index nt) {
  const Buffer<T> spectra(s, rows * fft_bins(nt) * 2);
  fft(s, Fft<T>{FftKind::real_forward, false, nt, rows, traces.data(), spectra.data()});
  return to_host(s, spectra);
}

struct Bin {
  Index k = 0;
  double scale = 0;  // of g: sqrt(c_k / nt) h² D / |wavelet|
};

// Frequencies where the wavelet is not below `floor` of its largest, without zero.
template <class T>
std::vector<Bin> bins_of(Stream& s, const WavePlan& plan, const std::vector<double>& wavelet, double floor) {
  const std::vector<double> w = spectra_of(s, to_device(s, wavelet), 1, plan.nt);
  std::vector<double> size;
  for (Index k = 0; k < fft_bins(plan.nt); ++k) {
    size.push_back(std::hypot(w[static_cast<std::size_t>(2 * k)], w[static_cast<std::size_t>(2 * k + 1)]));
  }
  const double largest = *std::max_element(size.begin(), size.end());
  require(largest > 0, ErrorCode::config, "the wavelet is zero", factors_where);
  std::vector<Bin> bins;
  const auto nt = static_cast<double>(plan.nt);
  for (Index k = 1; k < fft_bins(plan.nt); ++k) {
    const double amplitude = size[static_cast<std::size_t>(k)];
    if (amplitude < floor * largest) continue;
    const double half = std::numbers::pi * static_cast<double>(k) / (nt * plan.dt_s) * plan.inner_dt_s;  // w dt / 2
    const double d = std::pow(2 * std::sin(half) / plan.inner_dt_s, 2);
    const double share = std::sqrt(fft_bin_count(plan.nt, k) / nt);
    bins.push_back({k, share * plan.grid.dz_m * plan.grid.dx_m * d / amplitude});
  }
  return bins;
}

// Largest |u| of all samples and of the last twentieth.
template <class T>
void note_tail(const std::vector<T>& traces, Index nt, double& most, double& last) {
  for (std::size_t i = 0; i < traces.size(); ++i) {
    const double v = std::abs(static_cast<double>(traces[i]));
    most = std::max(most, v);
    if (20 * (static_cast<Index>(i) % nt + 1) > 19 * nt) last = std::max(last, v);
  }
}

bool on_border(const Grid2& g, Index node) {
  const Index z = node / g.nx, x = node % g.nx;
  return z == 0 || x == 0 || z + 1 == g.nz || x + 1 == g.nx;
}

}  // namespace

// Derivation: the scheme is (p_{n+1} - 2 p_n + p_{n-1}) / (v² dt²) = L p_n + s_n / h². Its derivative in v(y) is the
// same scheme with the source (2 / v³) (p_{n+1} - 2 p_n + p_{n-1}) / dt² in y, that is h² (2 / v³) (-D) u_s of a unit
// source in y. A common phase of a frequency drops out of J^T J, so that |wavelet| is enough to make g of a record with
// the same wavelet.
template <class T>
WaveFactors<T> wave_factors(Stream& s, const Grid2& grid, const Survey& survey, const WaveOptions& options,
                            const std::vector<double>& vp, const std::vector<double>& wavelet, double floor) {
  check_spread(survey, options);
  const auto sources = static_cast<Index>(survey.shots.size());
  const auto receivers = static_cast<Index>(survey.shots[0].receivers.size());
  const Index nodes = grid.cells(), nt = survey.nt;
  const AcousticWave<T> wave(s, grid, everywhere(grid, survey), options, 1);
  const std::vector<Bin> bins = bins_of<T>(s, wave.plan(), wavelet, floor);
  const Buffer<T> model = to_device(s, std::vector<T>(vp.begin(), vp.end()));
  const Buffer<T> pulse = to_device(s, std::vector<T>(wavelet.begin(), wavelet.end())), records(s, nodes * nt);
  std::vector<std::vector<T>> a(bins.size()), d(bins.size());
  for (auto& rows : a) rows.resize(static_cast<std::size_t>(2 * sources * nodes));
  for (auto& rows : d) rows.resize(static_cast<std::size_t>(2 * receivers * nodes));
  WaveState<T> state;
  double most = 0, last = 0;
  for (Index shot = 0; shot < sources + receivers; ++shot) {
    wave.forward(s, std::span<const Index>(&shot, 1), model.data(), pulse.data(), records.data(), false, state);
    note_tail(to_host(s, records), nt, most, last);
    const std::vector<T> u = spectra_of(s, records, nodes, nt);
    const bool source = shot < sources;
    const Index place = source ? shot : shot - sources, width = source ? sources : receivers;
    for (std::size_t b = 0; b < bins.size(); ++b) {
      std::vector<T>& rows = source ? a[b] : d[b];
      for (Index y = 0; y < nodes; ++y) {
        const double v = vp[static_cast<std::size_t>(y)];
        const double scale = !source ? bins[b].scale : on_border(grid, y) ? 0 : 2 / (v * v * v);
        const auto from = static_cast<std::size_t>(2 * (y * fft_bins(nt) + bins[b].k));
        const auto to = static_cast<std::size_t>(2 * width * y + place);
        rows[to] = static_cast<T>(scale * static_cast<double>(u[from]));
        // Factors are Re[A A^H o conj(D D^H)]: the conjugate of g.
        const double sign = source ? 1 : -1;
        rows[to + static_cast<std::size_t>(width)] = static_cast<T>(sign * scale * static_cast<double>(u[from + 1]));
      }
    }
  }
  WaveFactors<T> f;
  f.tail = most > 0 ? last / most : 0;
  for (std::size_t b = 0; b < bins.size(); ++b) {
    FactorTerm<T> term;
    term.samples = nodes;
    term.columns_a = 2 * sources;
    term.columns_d = 2 * receivers;
    term.a = to_device(s, a[b]);
    term.d = to_device(s, d[b]);
    term.complex = true;
    f.terms.push_back(std::move(term));
    f.bins_hz.push_back(static_cast<double>(bins[b].k) / (static_cast<double>(nt) * survey.dt_s));
    a[b] = d[b] = {};
  }
  return f;
}

template WaveFactors<float> wave_factors(Stream&, const Grid2&, const Survey&, const WaveOptions&,
                                         const std::vector<double>&, const std::vector<double>&, double);
template WaveFactors<double> wave_factors(Stream&, const Grid2&, const Survey&, const WaveOptions&,
                                          const std::vector<double>&, const std::vector<double>&, double);

}  // namespace terrane
