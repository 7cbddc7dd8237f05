// SPDX-License-Identifier: MIT
// 3-D acoustic wave equation, constant density: p_tt / v² - lap p = s(t) delta(x - x_s), p = 0 before t = 0.
//
//   data (shot, receiver, time) = F(vp, wavelet)   vp (nz, ny, nx) in m/s; wavelet (nt), or (survey shots, sources, nt)
// The scheme, the conventions and the errors are those of the 2-D operator (acoustic_wave.hpp): second order in time,
// order 2 to 8 in space, absorbing layers on any subset of the six sides, optionally a free surface on top, exact
// discrete adjoint and tangent in vp and wavelet. On the CPU the adjoint takes a few hundred kilobytes a thread of the
// stream's scratch beside memory_bytes().
//
// All arrays are device memory of the stream. Results do not depend on the number of threads.
#pragma once

#include <memory>
#include <span>

#include "autodiff/op.hpp"
#include "physics/wave/point_lists.hpp"
#include "physics/wave/wave_plan3.hpp"

namespace terrane {

template <class T>
struct WaveWork3;

// What a forward call leaves for the derivatives, with the work arrays; reused by the next call. One call at a time.
template <class T>
struct WaveState3 : Saved {
  WaveState3();
  ~WaveState3() override;
  WaveState3(WaveState3&&) noexcept;
  WaveState3& operator=(WaveState3&&) noexcept;
  std::unique_ptr<WaveWork3<T>> work;
};

template <class T>
class AcousticWave3 {
 public:
  // batch: shots in flight at a time (storage is planned for them); 0: all of the survey.
  AcousticWave3(Stream& s, const Grid3& grid, const Survey3& survey, const WaveOptions3& options, Index batch = 0);

  const WavePlan3& plan() const { return plan_; }
  const Survey3& survey() const { return survey_; }
  // Bytes of device memory for the given use: tables of this object, state, work arrays. Data, model and gradient are
  // the caller's.
  Index memory_bytes(WaveUse use) const;

  // shots: indices into the survey, plan().shots of them; empty: 0 .. plan().shots - 1. data: (shots, receivers, nt).
  // keep: store what the derivatives need.
  void forward(Stream& s, std::span<const Index> shots, const T* vp, const T* wavelet, T* data, bool keep,
               WaveState3<T>& state) const;
  WaveState3<T> forward(Stream& s, const T* vp, const T* wavelet, T* data, bool keep) const;
  // d_vp (nz, ny, nx) and d_wavelet (shape of wavelet) accumulate; either may be null.
  void vjp(Stream& s, const T* vp, const T* wavelet, const WaveState3<T>& state, const T* d_data, T* d_vp,
           T* d_wavelet) const;
  // t_data (shots, receivers, nt) is overwritten; t_vp or t_wavelet may be null (zero).
  void jvp(Stream& s, const T* vp, const T* wavelet, const WaveState3<T>& state, const T* t_vp, const T* t_wavelet,
           T* t_data) const;

 private:
  void check_model(Stream& s, const T* vp, WaveWork3<T>& work) const;
  const T* to_inner_wavelet(Stream& s, const T* wavelet, T* inner) const;
  void accumulate_wavelet(Stream& s, WaveWork3<T>& work, T* d_wavelet) const;
  WaveSetup3<T> setup(const WaveWork3<T>& work) const;
  WaveForward3<T> forward_args(const WaveWork3<T>& work, T* fields) const;
  void run_background(Stream& s, WaveWork3<T>& work, const T* wavelet, Index segment) const;
  Index segment_end(Index segment) const;

  Survey3 survey_;
  WavePlan3 plan_;
  PointLists<T> sources_, receivers_;
  Buffer<T> profiles_, taps_;
  CpmlProfile<T> pz_, py_, px_;
};

}  // namespace terrane
