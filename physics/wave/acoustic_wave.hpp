// SPDX-License-Identifier: MIT
// Acoustic wave equation in two or three dimensions, constant density: p_tt / v² - lap p = s(t) delta(x - x_s), p = 0
// before t = 0.
//
//   data (shot, receiver, time) = F(vp, wavelet)
// vp in m/s, (nz, nx) or (nz, ny, nx), below called (model); wavelet (nt), or (survey shots, sources, nt).
// Second order in time, order 2 to 8 in space; absorbing layers (CPML) on any subset of edges (sides), optionally a
// free surface on top; exact discrete adjoint and tangent in vp and wavelet. The sampling interval of data and solver
// are related by a fixed ratio; wavelet and records are resampled by linear operators with exact transposes
// (resample.hpp).
//
// On the CPU the 3-D adjoint takes some planes of the stream's scratch beside memory_bytes(), and where each thread has
// a shot of its own as much for each.
//
// All arrays are device memory of the stream. Results do not depend on the number of threads.
// Errors: Error{config} unstable step or invalid options, Error{data} a position outside the grid, Error{diverged} a
// model with values outside (0, vmax], Error{budget} storage beyond the budget.
#pragma once

#include <memory>
#include <span>

#include "autodiff/op.hpp"
#include "kernels/stencil/resample.hpp"
#include "physics/wave/point_lists.hpp"
#include "physics/wave/wave_plan.hpp"

namespace terrane {

template <class T>
struct WaveWork;

// What a forward call leaves for the derivatives, with the work arrays; reused by the next call. One call at a time.
template <class T>
struct WaveState : Saved {
  WaveState();
  ~WaveState() override;
  WaveState(WaveState&&) noexcept;
  WaveState& operator=(WaveState&&) noexcept;
  std::unique_ptr<WaveWork<T>> work;
};

// The shots that run backwards at a time, unless stated: one a thread, on a GPU all.
template <class Options>
Options wave_options_on(const Stream& s, Options options) {
  if (options.backward_shots == 0 && s.device().kind != DeviceKind::cuda) options.backward_shots = s.threads();
  return options;
}

template <class T>
class AcousticWave {
 public:
  // batch: shots in flight at a time (storage is planned for them); 0: all of the survey.
  AcousticWave(Stream& s, const Grid2& grid, const Survey& survey, const WaveOptions& options, Index batch = 0);
  AcousticWave(Stream& s, const Grid3& grid, const Survey3& survey, const WaveOptions3& options, Index batch = 0);

  const WavePlan& plan() const { return plan_; }
  // Bytes of device memory for the given use: tables of this object, state, work arrays. Data, model and gradient are
  // the caller's.
  Index memory_bytes(WaveUse use) const;

  // shots: indices into the survey, plan().shots of them; empty: 0 .. plan().shots - 1. data: (shots, receivers, nt).
  // keep: store what the derivatives need.
  void forward(Stream& s, std::span<const Index> shots, const T* vp, const T* wavelet, T* data, bool keep,
               WaveState<T>& state) const;
  WaveState<T> forward(Stream& s, const T* vp, const T* wavelet, T* data, bool keep) const;
  // The shots that a recorded forward call (kernels/runtime/recording.hpp) takes when it is replayed; it does not
  // upload its own. The model is checked when the results are read.
  void choose_shots(Stream& s, std::span<const Index> shots, WaveState<T>& state) const;
  // d_vp (model) and d_wavelet (shape of wavelet) accumulate; either may be null.
  void vjp(Stream& s, const T* vp, const T* wavelet, const WaveState<T>& state, const T* d_data, T* d_vp,
           T* d_wavelet) const;
  // t_data (shots, receivers, nt) is overwritten; t_vp or t_wavelet may be null (zero).
  void jvp(Stream& s, const T* vp, const T* wavelet, const WaveState<T>& state, const T* t_vp, const T* t_wavelet,
           T* t_data) const;

 private:
  void make_tables(Stream& s);
  void check_model(Stream& s, const T* vp, WaveWork<T>& work) const;
  void complain(Stream& s, const T* vp) const;
  // Between the samples of the data and the inner time step; `rows` traces. scale: of the weights.
  Resample<T> resampling(Index rows, const T* from, T* to, T scale) const;
  const T* to_inner_wavelet(Stream& s, const T* wavelet, T* inner) const;
  void to_data(Stream& s, const WaveWork<T>& work, T* data) const;
  void accumulate_wavelet(Stream& s, WaveWork<T>& work, T* d_wavelet) const;
  WaveSetup<T> setup(const WaveWork<T>& work) const;
  WaveForward<T> forward_args(const WaveWork<T>& work, T* fields) const;
  void run(Stream& s, const WaveForward<T>& a) const;
  void run(Stream& s, const WaveAdjoint<T>& a) const;
  void run_background(Stream& s, WaveWork<T>& work, const T* wavelet, Index segment) const;
  Index segment_end(Index segment) const;
  // With a ring, shots [first, first + count) of the batch at a time.
  WaveRing<T> ring_of(const WaveWork<T>& work, Index first) const;
  void run_kept(Stream& s, WaveForward<T>& a, WaveWork<T>& work) const;
  void move_ring(Stream& s, WaveWork<T>& work, const WaveRing<T>& ring, Index first, Index count, Index n0, Index n1,
                 bool write) const;
  void save_strips(Stream& s, WaveWork<T>& work, Index segment) const;
  void load_strips(Stream& s, WaveWork<T>& work, Index segment, Index first, Index count) const;
  void load_last_states(Stream& s, WaveWork<T>& work, Index first, Index count) const;
  void ring_adjoint(Stream& s, WaveWork<T>& work, const T* wavelet, WaveAdjoint<T> all) const;
  void ring_tangent(Stream& s, WaveWork<T>& work, const T* wavelet, WaveForward<T> all) const;
  const T* kept_wavelet(const WaveWork<T>& work, const T* wavelet) const;

  WavePlan plan_;
  PointLists<T> sources_, receivers_;
  Buffer<T> profiles_, taps_;
  CpmlProfile<T> pz_, py_, px_;
};

}  // namespace terrane
