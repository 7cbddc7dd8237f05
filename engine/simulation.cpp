// SPDX-License-Identifier: MIT
#include "engine/simulation.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "analysis/kernels.hpp"
#include "kernels/runtime/random.hpp"
#include "physics/eikonal/eikonal_op.hpp"
#include "physics/eikonal/ray_path.hpp"
#include "physics/resistivity/resistivity_op.hpp"
#include "physics/straight_ray/straight_ray_op.hpp"

namespace terrane {

namespace {

template <class T>
std::shared_ptr<AcousticWave<T>> make_wave(Stream& s, const Problem& p, Index batch) {
  if (!p.grid.flat()) return std::make_shared<AcousticWave<T>>(s, p.grid, p.survey, p.wave, batch);
  return std::make_shared<AcousticWave<T>>(s, p.grid.section(), section_of(p.survey), section_of(p.wave), batch);
}

}  // namespace

WavePlan plan_waves(const Problem& p, const WaveOptions3& options, Index batch, Index scalar_bytes) {
  if (!p.grid.flat()) return make_wave_plan(p.grid, p.survey, options, batch, scalar_bytes);
  return make_wave_plan(p.grid.section(), section_of(p.survey), section_of(options), batch, scalar_bytes);
}

double stable_step_s(const Problem& p) {
  return p.grid.flat() ? wave_stable_dt_s(p.grid.section(), p.wave.order, p.wave.vmax_mps)
                       : wave_stable_dt_s(p.grid, p.wave.order, p.wave.vmax_mps);
}

template <class T>
Simulation<T>::Simulation(Stream& s, const Problem& p, const std::vector<double>& wavelet, Index batch, bool keep)
    : batch_(batch), wavelet_(wavelet.begin(), wavelet.end()) {
  if (p.physics == PhysicsType::straight_ray) {
    operation_ = std::make_shared<StraightRayOp<T>>(std::make_shared<StraightRays<T>>(s, p.grid, p.travel, p.rays));
  } else if (p.physics == PhysicsType::eikonal) {
    operation_ = std::make_shared<EikonalOp<T>>(std::make_shared<Eikonal<T>>(s, p.grid, p.travel, p.eikonal), keep);
  } else if (p.physics == PhysicsType::dc_2d) {
    operation_ =
        std::make_shared<ResistivityOp<T>>(std::make_shared<Resistivity<T>>(p.mesh, p.dc, p.resistivity), keep);
  } else if (p.physics == PhysicsType::dc_3d) {
    operation_ = std::make_shared<Resistivity3dOp<T>>(
        std::make_shared<Resistivity3d<T>>(s, p.mesh3, p.dc, p.resistivity3), keep);
  } else {
    const auto wave = make_wave<T>(s, p, batch);
    plan_ = &wave->plan();
    operation_ = std::make_shared<WaveOp<T>>(wave, selection_, keep);
    selection_->shots.resize(static_cast<std::size_t>(batch));
    std::iota(selection_->shots.begin(), selection_->shots.end(), Index{0});
  }
}

template <class T>
Var Simulation<T>::record(Tape<T>& tape, Var model, Var* input) const {
  if (plan_ == nullptr) return tape.apply(operation_, {model});
  const Var wavelet = tape.input({static_cast<Index>(wavelet_.size())}, "wavelet", false);
  tape.set(wavelet, wavelet_);
  if (input != nullptr) *input = wavelet;
  return tape.apply(operation_, {model, wavelet});
}

namespace {

// All shots in batches; the last batch repeats the last shot. task(first, fresh shots of the batch)
template <class T, class F>
void for_each_batch(const Simulation<T>& simulation, Index all, const F& task) {
  const Index batch = simulation.batch();
  for (Index first = 0; first < all; first += batch) {
    std::vector<Index> shots(static_cast<std::size_t>(batch));
    std::iota(shots.begin(), shots.end(), first);
    for (Index& shot : shots) shot = std::min(shot, all - 1);
    simulation.select(shots);
    task(first, std::min(batch, all - first));
  }
}

}  // namespace

template <class T>
std::vector<double> simulate(Stream& s, const Problem& problem, const std::vector<double>& model,
                             const std::vector<double>& wavelet, Index batch) {
  const Simulation<T> simulation(s, problem, wavelet, batch, false);
  Tape<T> tape(s);
  const Var m = tape.input(problem.grid.shape(), "model", false);
  tape.set(m, std::vector<T>(model.begin(), model.end()));
  const Var data = simulation.record(tape, m);
  const Index per_shot = tape.size(data) / batch;
  std::vector<double> records;
  records.reserve(static_cast<std::size_t>(problem.shots() * per_shot));
  for_each_batch(simulation, problem.shots(), [&](Index, Index fresh) {
    tape.forward();
    const auto host = to_host(s, tape.data(data), fresh * per_shot);
    records.insert(records.end(), host.begin(), host.end());
  });
  return records;
}

template <class T>
std::vector<double> illumination(Stream& s, const Problem& problem, const std::vector<double>& model,
                                 const std::vector<double>& wavelet, Index batch, std::uint64_t seed) {
  constexpr std::uint32_t probes = 4;
  const Simulation<T> simulation(s, problem, wavelet, batch);
  Tape<T> tape(s);
  const Var m = tape.input(problem.grid.shape(), "model");
  tape.set(m, std::vector<T>(model.begin(), model.end()));
  const Var data = simulation.record(tape, m);
  Sweep<T> sweep(tape);
  const Index per_shot = tape.size(data) / batch;
  const Buffer<T> seeds(s, tape.size(data));
  const Random random(seed, RandomPurpose::probe);
  std::vector<double> light(model.size(), 0.0);
  for_each_batch(simulation, problem.shots(), [&](Index first, Index fresh) {
    tape.forward();
    for (std::uint32_t probe = 0; probe < probes; ++probe) {
      std::vector<T> signs(static_cast<std::size_t>(tape.size(data)), T(0));  // a repeated shot counts once
      for (Index i = 0; i < fresh * per_shot; ++i) {
        const auto bit = random.bits(static_cast<std::uint64_t>(first * per_shot + i), probe).v[0] & 1u;
        signs[static_cast<std::size_t>(i)] = bit ? T(1) : T(-1);
      }
      copy(s, std::span<const T>(signs), seeds.data());
      tape.backward(sweep, data, seeds.data());
      const auto host = to_host(s, sweep.cotangent(m), tape.size(m));
      for (std::size_t i = 0; i < host.size(); ++i) {
        light[i] += static_cast<double>(host[i]) * static_cast<double>(host[i]);
      }
    }
  });
  return light;
}

namespace {

// 1 / standard deviation of each datum, without errors 1 / |predicted|.
template <class T>
std::vector<double> sensitivity_weights(const Problem& p, const std::vector<T>& predicted) {
  std::vector<double> weight;
  for (std::size_t i = 0; i < predicted.size(); ++i) {
    weight.push_back(1 / (p.std.empty() ? std::max(std::abs(static_cast<double>(predicted[i])), 1e-300) : p.std[i]));
  }
  return weight;
}

// Diagonal of J^T W^2 J over the cells, in the property of the model; in 3-D estimated by random signs in the data.
template <class T>
std::vector<double> volume_diagonal(Stream& s, const Problem& p, const std::vector<double>& model) {
  constexpr Index probes = 32;
  const Simulation<T> simulation(s, p, {}, 1);
  Tape<T> tape(s);
  const Var m = tape.input(p.grid.shape(), "model");
  tape.set(m, std::vector<T>(model.begin(), model.end()));
  const Var data = simulation.record(tape, m);
  tape.forward();
  return normal_diagonal(s, tape.map(m, data), sensitivity_weights(p, tape.get(data)), probes, 0);
}

template <class T>
std::vector<double> section_diagonal(Stream& s, const Problem& p, const std::vector<double>& model) {
  const Resistivity<T> dc(p.mesh, p.dc, p.resistivity);
  const Buffer<T> m = to_device(s, std::vector<T>(model.begin(), model.end()));
  const Buffer<T> data(s, p.dc.size());
  ResistivityState state;
  dc.forward(s, m.data(), data.data(), true, state);
  const std::vector<double> weight = sensitivity_weights(p, to_host(s, data.data(), p.dc.size()));
  const auto jacobian = dc.jacobian(s, state);
  std::vector<double> sum(model.size(), 0.0);
  for (std::size_t i = 0; i < weight.size(); ++i) {
    for (std::size_t k = 0; k < sum.size(); ++k) {
      const double j = weight[i] * jacobian[i * sum.size() + k];
      sum[k] += j * j;
    }
  }
  return sum;
}

}  // namespace

template <class T>
std::vector<double> sensitivity(Stream& s, const Problem& p, const std::vector<double>& model) {
  std::vector<double> sum =
      p.physics == PhysicsType::dc_3d ? volume_diagonal<T>(s, p, model) : section_diagonal<T>(s, p, model);
  for (std::size_t k = 0; k < sum.size(); ++k) {
    if (!p.property->logarithmic) sum[k] *= model[k] * model[k];
  }
  const double largest = *std::max_element(sum.begin(), sum.end());
  for (double& v : sum) v = largest > 0 ? std::sqrt(v / largest) : 0;
  return sum;
}

template <class T>
std::vector<double> ray_coverage(Stream& s, const Problem& problem, const std::vector<double>& model) {
  const Simulation<T> simulation(s, problem, {}, 1);
  Tape<T> tape(s);
  const Var m = tape.input(problem.grid.shape(), "model");
  tape.set(m, std::vector<T>(model.begin(), model.end()));
  const Var data = simulation.record(tape, m);
  Sweep<T> sweep(tape);
  const Buffer<T> ones = to_device(s, std::vector<T>(static_cast<std::size_t>(tape.size(data)), T(1)));
  tape.forward();
  tape.backward(sweep, data, ones.data());
  const auto host = to_host(s, sweep.cotangent(m), tape.size(m));
  std::vector<double> coverage(host.begin(), host.end());
  if (problem.property->quantity == Quantity::velocity) {  // d s = -d v / v^2
    for (std::size_t i = 0; i < coverage.size(); ++i) coverage[i] *= -model[i] * model[i];
  }
  for (double& c : coverage) c = std::abs(c);
  return coverage;
}

template <class T>
std::vector<std::vector<Position>> ray_paths(Stream& s, const Problem& p, const std::vector<double>& model,
                                             Index most) {
  std::vector<Index> shown;
  const Index step = std::max<Index>(1, p.travel.data() / std::max<Index>(most, 1));
  for (Index k = step / 2; k < p.travel.data(); k += step) shown.push_back(k);
  std::vector<std::vector<Position>> paths;
  const auto ends = [&](Index datum) {
    const TravelPair& pair = p.travel.pairs[static_cast<std::size_t>(datum)];
    return std::pair{p.travel.sources[static_cast<std::size_t>(pair.source)],
                     p.travel.receivers[static_cast<std::size_t>(pair.receiver)]};
  };
  if (p.physics == PhysicsType::straight_ray) {
    for (const Index k : shown) {
      const auto [source, receiver] = ends(k);
      paths.push_back({{receiver.x_m, receiver.z_m}, {source.x_m, source.z_m}});
    }
    return paths;
  }
  const Grid3& grid = p.grid;
  const Eikonal<T> eikonal(s, grid, p.travel, p.eikonal);
  const Buffer<T> m = to_device(s, std::vector<T>(model.begin(), model.end()));
  const Buffer<T> data(s, p.travel.data());
  EikonalState<T> state;
  eikonal.forward(s, m.data(), data.data(), false, state);
  std::vector<double> times;
  Index known = -1;  // source of `times`
  std::stable_sort(shown.begin(), shown.end(), [&](Index a, Index b) {
    return p.travel.pairs[static_cast<std::size_t>(a)].source < p.travel.pairs[static_cast<std::size_t>(b)].source;
  });
  for (const Index k : shown) {
    const auto [source, receiver] = ends(k);
    const Index index = p.travel.pairs[static_cast<std::size_t>(k)].source;
    if (index != known) {
      const auto field = eikonal.times(s, state, index);
      times.assign(field.begin(), field.end());
      known = index;
    }
    try {
      std::vector<Position> path;
      for (const Point3& q : trace_ray(grid, times, source, receiver)) path.push_back({q.x_m, q.z_m});
      paths.push_back(path);
    } catch (const Error& e) {
      if (e.code() != ErrorCode::failed) throw;  // a descent that does not arrive is not drawn
    }
  }
  return paths;
}

template class Simulation<float>;
template class Simulation<double>;
template std::vector<double> simulate<float>(Stream&, const Problem&, const std::vector<double>&,
                                             const std::vector<double>&, Index);
template std::vector<double> simulate<double>(Stream&, const Problem&, const std::vector<double>&,
                                              const std::vector<double>&, Index);
template std::vector<double> illumination<float>(Stream&, const Problem&, const std::vector<double>&,
                                                 const std::vector<double>&, Index, std::uint64_t);
template std::vector<double> illumination<double>(Stream&, const Problem&, const std::vector<double>&,
                                                  const std::vector<double>&, Index, std::uint64_t);
template std::vector<double> sensitivity<float>(Stream&, const Problem&, const std::vector<double>&);
template std::vector<double> sensitivity<double>(Stream&, const Problem&, const std::vector<double>&);
template std::vector<double> ray_coverage<float>(Stream&, const Problem&, const std::vector<double>&);
template std::vector<double> ray_coverage<double>(Stream&, const Problem&, const std::vector<double>&);
template std::vector<std::vector<Position>> ray_paths<float>(Stream&, const Problem&, const std::vector<double>&,
                                                             Index);
template std::vector<std::vector<Position>> ray_paths<double>(Stream&, const Problem&, const std::vector<double>&,
                                                              Index);

}  // namespace terrane
