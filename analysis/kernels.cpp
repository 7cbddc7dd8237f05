// SPDX-License-Identifier: MIT
#include "analysis/kernels.hpp"

#include <algorithm>
#include <memory>

#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {

namespace {

constexpr const char* kernels_where = "inversion kernels";
// Counter of the random numbers of purpose `probe`; other uses of that purpose have counters of their own.
constexpr std::uint32_t draw_data_probe = 1u << 21;

template <class T>
std::vector<T> unit(Index n, Index i) {
  require(i >= 0 && i < n, ErrorCode::config, "the datum lies outside the data", kernels_where);
  std::vector<T> e(static_cast<std::size_t>(n), T(0));
  e[static_cast<std::size_t>(i)] = T(1);
  return e;
}

}  // namespace

template <class T>
InversionMaps<T> inversion_maps(const Tape<T>& tape, Var theta, Var m, Var d) {
  return {tape.map(theta, m), tape.map(m, d), tape.map(theta, d)};
}

template <class T>
LinearMap<T> compose(Stream& s, const LinearMap<T>& outer, const LinearMap<T>& inner) {
  require(outer.columns == inner.rows, ErrorCode::failed, "the maps do not fit together", kernels_where);
  const auto between = std::make_shared<Buffer<T>>(s, inner.rows);
  LinearMap<T> map;
  map.rows = outer.rows;
  map.columns = inner.columns;
  map.apply = [=](Stream& on, const T* v, T* y) {
    inner.apply(on, v, between->data());
    outer.apply(on, between->data(), y);
  };
  map.adjoint = [=](Stream& on, const T* w, T* x) {
    outer.adjoint(on, w, between->data());
    inner.adjoint(on, between->data(), x);
  };
  return map;
}

template <class T>
LinearMap<T> weighted_rows(Stream& s, const LinearMap<T>& j, const std::vector<double>& weights) {
  require(static_cast<Index>(weights.size()) == j.rows, ErrorCode::config, "the weights need one value for each datum",
          kernels_where);
  const auto w = std::make_shared<Buffer<T>>(to_device(s, std::vector<T>(weights.begin(), weights.end())));
  const auto scaled = std::make_shared<Buffer<T>>(s, j.rows);
  const auto scale = [w](Stream& on, const T* from, T* to) {
    binary_forward(on, BinaryForward<T>{BinaryKind::multiply, T(0), from, w->data(), to, w->size()});
  };
  LinearMap<T> map;
  map.rows = j.rows;
  map.columns = j.columns;
  map.apply = [=](Stream& on, const T* v, T* y) {
    j.apply(on, v, y);
    scale(on, y, y);
  };
  map.adjoint = [=](Stream& on, const T* r, T* x) {
    scale(on, r, scaled->data());
    j.adjoint(on, scaled->data(), x);
  };
  return map;
}

template <class T>
std::vector<T> apply(Stream& s, const LinearMap<T>& j, const std::vector<T>& v) {
  require(static_cast<Index>(v.size()) == j.columns, ErrorCode::failed, "the vector does not fit the map",
          kernels_where);
  const Buffer<T> from = to_device(s, v), to(s, j.rows);
  j.apply(s, from.data(), to.data());
  return to_host(s, to);
}

template <class T>
std::vector<T> adjoint(Stream& s, const LinearMap<T>& j, const std::vector<T>& w) {
  require(static_cast<Index>(w.size()) == j.rows, ErrorCode::failed, "the vector does not fit the map", kernels_where);
  const Buffer<T> from = to_device(s, w), to(s, j.columns);
  j.adjoint(s, from.data(), to.data());
  return to_host(s, to);
}

template <class T>
SymmetricMap<T> tangent_kernel(Stream& s, const InversionMaps<T>& maps) {
  return left_gram_map(s, maps.field);
}
template <class T>
SymmetricMap<T> wave_kernel(Stream& s, const InversionMaps<T>& maps) {
  return left_gram_map(s, maps.data);
}
template <class T>
SymmetricMap<T> wave_tangent_kernel(Stream& s, const InversionMaps<T>& maps) {
  return left_gram_map(s, maps.total);
}
std::vector<double> predicted_residual(const SingularTriplets& j, const std::vector<double>& r,
                                       const std::function<double(double)>& factor) {
  require(j.left.size() == j.values.size() * r.size(), ErrorCode::failed, "the residual does not fit the triplets",
          kernels_where);
  std::vector<double> out = r;
  for (std::size_t k = 0; k < j.values.size(); ++k) {
    const double* u = j.left.data() + k * r.size();
    double along = 0;
    for (std::size_t i = 0; i < r.size(); ++i) along += u[i] * r[i];
    const double change = (factor(j.values[k] * j.values[k]) - 1) * along;
    for (std::size_t i = 0; i < r.size(); ++i) out[i] += change * u[i];
  }
  return out;
}

template <class T>
SymmetricMap<T> gauss_newton_map(Stream& s, const LinearMap<T>& j, const std::vector<double>& weights) {
  return right_gram_map(s, weights.empty() ? j : weighted_rows(s, j, weights));
}

template <class T>
std::vector<T> sensitivity_kernel(Stream& s, const InversionMaps<T>& maps, const std::vector<T>& w) {
  return adjoint(s, maps.data, w);
}
template <class T>
std::vector<T> sensitivity_kernel(Stream& s, const InversionMaps<T>& maps, Index datum) {
  return sensitivity_kernel(s, maps, unit<T>(maps.data.rows, datum));
}
// One sweep from the data to the parameters, one from the parameters to the model.
template <class T>
std::vector<T> neural_sensitivity_kernel(Stream& s, const InversionMaps<T>& maps, const std::vector<T>& w) {
  return apply(s, maps.field, adjoint(s, maps.total, w));
}
template <class T>
std::vector<T> neural_sensitivity_kernel(Stream& s, const InversionMaps<T>& maps, Index datum) {
  return neural_sensitivity_kernel(s, maps, unit<T>(maps.data.rows, datum));
}

template <class T>
std::vector<double> normal_diagonal(Stream& s, const LinearMap<T>& map, const std::vector<double>& weights,
                                    Index probes, std::uint64_t seed) {
  require(static_cast<Index>(weights.size()) == map.rows, ErrorCode::config,
          "the weights need one value for each datum", "diagonal");
  const Buffer<T> w(s, map.rows), x(s, map.columns);
  const Random random(seed, RandomPurpose::probe);
  std::vector<double> sum(static_cast<std::size_t>(map.columns), 0.0);
  std::vector<T> z(weights.size(), T(0));
  const Index count = probes > 0 ? probes : map.rows;
  for (Index k = 0; k < count; ++k) {
    if (probes == 0) {
      const auto row = static_cast<std::size_t>(k);
      if (row > 0) z[row - 1] = T(0);
      if (weights[row] == 0) continue;
      z[row] = static_cast<T>(weights[row]);
    } else {
      for (std::size_t i = 0; i < z.size(); ++i) {
        const bool up = (random.bits(i, draw_data_probe + static_cast<std::uint32_t>(k)).v[0] & 1u) != 0;
        z[i] = static_cast<T>(up ? weights[i] : -weights[i]);
      }
    }
    copy(s, std::span<const T>(z), w.data());
    map.adjoint(s, w.data(), x.data());
    const std::vector<T> column = to_host(s, x);
    for (std::size_t i = 0; i < sum.size(); ++i) {
      sum[i] += static_cast<double>(column[i]) * static_cast<double>(column[i]);
    }
  }
  if (probes > 0) {
    for (double& v : sum) v /= static_cast<double>(probes);
  }
  return sum;
}

template <class T>
std::vector<double> illumination(Stream& s, const LinearMap<T>& j, const std::vector<double>& weights, Index probes,
                                 std::uint64_t seed) {
  const std::vector<double> ones(static_cast<std::size_t>(j.rows), 1.0);
  std::vector<double> diagonal = normal_diagonal(s, j, weights.empty() ? ones : weights, probes, seed);
  const double largest = diagonal.empty() ? 0 : *std::max_element(diagonal.begin(), diagonal.end());
  for (double& v : diagonal) v = largest > 0 ? v / largest : 0;
  return diagonal;
}

template InversionMaps<float> inversion_maps(const Tape<float>&, Var, Var, Var);
template LinearMap<float> compose(Stream&, const LinearMap<float>&, const LinearMap<float>&);
template LinearMap<float> weighted_rows(Stream&, const LinearMap<float>&, const std::vector<double>&);
template std::vector<float> apply(Stream&, const LinearMap<float>&, const std::vector<float>&);
template std::vector<float> adjoint(Stream&, const LinearMap<float>&, const std::vector<float>&);
template SymmetricMap<float> tangent_kernel(Stream&, const InversionMaps<float>&);
template SymmetricMap<float> wave_kernel(Stream&, const InversionMaps<float>&);
template SymmetricMap<float> wave_tangent_kernel(Stream&, const InversionMaps<float>&);
template SymmetricMap<float> gauss_newton_map(Stream&, const LinearMap<float>&, const std::vector<double>&);
template std::vector<float> sensitivity_kernel(Stream&, const InversionMaps<float>&, const std::vector<float>&);
template std::vector<float> sensitivity_kernel(Stream&, const InversionMaps<float>&, Index);
template std::vector<float> neural_sensitivity_kernel(Stream&, const InversionMaps<float>&, const std::vector<float>&);
template std::vector<float> neural_sensitivity_kernel(Stream&, const InversionMaps<float>&, Index);
template std::vector<double> normal_diagonal(Stream&, const LinearMap<float>&, const std::vector<double>&, Index,
                                             std::uint64_t);
template std::vector<double> illumination(Stream&, const LinearMap<float>&, const std::vector<double>&, Index,
                                          std::uint64_t);
template InversionMaps<double> inversion_maps(const Tape<double>&, Var, Var, Var);
template LinearMap<double> compose(Stream&, const LinearMap<double>&, const LinearMap<double>&);
template LinearMap<double> weighted_rows(Stream&, const LinearMap<double>&, const std::vector<double>&);
template std::vector<double> apply(Stream&, const LinearMap<double>&, const std::vector<double>&);
template std::vector<double> adjoint(Stream&, const LinearMap<double>&, const std::vector<double>&);
template SymmetricMap<double> tangent_kernel(Stream&, const InversionMaps<double>&);
template SymmetricMap<double> wave_kernel(Stream&, const InversionMaps<double>&);
template SymmetricMap<double> wave_tangent_kernel(Stream&, const InversionMaps<double>&);
template SymmetricMap<double> gauss_newton_map(Stream&, const LinearMap<double>&, const std::vector<double>&);
template std::vector<double> sensitivity_kernel(Stream&, const InversionMaps<double>&, const std::vector<double>&);
template std::vector<double> sensitivity_kernel(Stream&, const InversionMaps<double>&, Index);
template std::vector<double> neural_sensitivity_kernel(Stream&, const InversionMaps<double>&,
                                                       const std::vector<double>&);
template std::vector<double> neural_sensitivity_kernel(Stream&, const InversionMaps<double>&, Index);
template std::vector<double> normal_diagonal(Stream&, const LinearMap<double>&, const std::vector<double>&, Index,
                                             std::uint64_t);
template std::vector<double> illumination(Stream&, const LinearMap<double>&, const std::vector<double>&, Index,
                                          std::uint64_t);

}  // namespace terrane
