// SPDX-License-Identifier: MIT
// The modelling operator of the OpenFWI data: 2-D acoustic waves in a padded, periodic grid with a damping layer on all
// four sides (kernels/stencil/sponge.hpp). For pairs of models and data in the convention of that collection and for
// comparisons with numbers published on it; inversions are better served by AcousticWave (CPML, any positions).
//
//   data (shot, receiver, time) = F(vp, wavelet)      vp (nz, nx) in m/s on a grid of equal spacings; wavelet (nt)
// The amplitude convention is that of the collection: the source adds (v dt)² w to one cell, sample n is read after
// step n, and the last sample is zero. The damping depends on the smallest velocity of each model; the derivatives
// include that. They store the whole field of one shot: (nt + 1) padded fields.
// Errors: Error{config} for unequal spacings, positions off the nodes or an unequal number of them in the shots;
// Error{diverged} for velocities that are not positive or too fast for the time step.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "autodiff/op.hpp"
#include "kernels/stencil/sponge.hpp"
#include "kernels/stencil/wave_model.hpp"
#include "physics/survey.hpp"

namespace terrane {

struct SpongeOptions {
  int width_cells = 120;  // of the damping layer, every side
  bool zero_last = true;  // last sample of every trace
};

// What a forward call leaves, with the work arrays; reused by the next call. One call at a time.
template <class T>
struct SpongeWork {
  Index models = 0;
  Buffer<T> a, k, vmin, fields, bad;
  Buffer<Index> lowest;
  Buffer<T> history, image, k_image, tangent, tangent_k, total, record;  // of the derivatives
};
template <class T>
struct SpongeState : Saved {
  std::unique_ptr<SpongeWork<T>> work = std::make_unique<SpongeWork<T>>();
};

template <class T>
class SpongeWave {
 public:
  SpongeWave(Stream& s, const Grid2& grid, const Survey& survey, const SpongeOptions& options = {});

  const Grid2& grid() const { return grid_; }
  const Survey& survey() const { return survey_; }
  Index shots() const { return survey_.shot_count(); }
  Index receivers() const { return receivers_.per_shot; }
  Index memory_bytes(bool gradient) const;
  std::string describe() const;

  // vp (models, nz, nx), data (models, shots, receivers, nt); all models and shots are in flight at a time.
  void forward(Stream& s, Index models, const T* vp, const T* wavelet, T* data, SpongeState<T>& state) const;
  // One model, after forward. d_vp (nz, nx) and d_wavelet (nt) accumulate and may be null.
  void vjp(Stream& s, const T* vp, const T* wavelet, const SpongeState<T>& state, const T* d_data, T* d_vp,
           T* d_wavelet) const;
  // t_data (shots, receivers, nt) is overwritten; t_vp or t_wavelet may be null (zero).
  void jvp(Stream& s, const T* vp, const T* wavelet, const SpongeState<T>& state, const T* t_vp, const T* t_wavelet,
           T* t_data) const;

 private:
  struct Points {
    Index per_shot = 0;
    Buffer<Index> z, x;
    SpongePoints view() const { return {per_shot, z.data(), x.data()}; }
  };
  Points upload(Stream& s, bool sources) const;
  SpongeSetup<T> setup(const SpongeWork<T>& work, Index shots, Index first_shot) const;
  void run_background(Stream& s, const T* wavelet, SpongeWork<T>& work, Index shot, T* record) const;

  Grid2 grid_;
  Survey survey_;
  SpongeOptions options_;
  SpongeLayout layout_;
  ModelFrame frame_;
  Points sources_, receivers_;
};

// The acquisition of the collection on 70 x 70 cells of 10 m: sources at x = 0, 170, 340, 520, 690 m, receivers every
// 10 m, all at z = 10 m, 1000 samples of 1 ms; a Ricker wavelet of 15 Hz, 147 samples from t = 0, peak at 73 ms.
Grid2 openfwi_grid();
Survey openfwi_survey();
std::vector<double> openfwi_wavelet(Index nt = 1000);

}  // namespace terrane
