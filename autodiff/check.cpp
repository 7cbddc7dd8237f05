// SPDX-License-Identifier: MIT
#include "autodiff/check.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/runtime/random.hpp"

namespace terrane {

namespace {

template <class T>
double inner(const std::vector<T>& a, const std::vector<T>& b) {
  long double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<long double>(a[i]) * static_cast<long double>(b[i]);
  return static_cast<double>(sum);
}
template <class T>
double norm(const std::vector<T>& a) {
  return std::sqrt(inner(a, a));
}

}  // namespace

template <class T>
std::vector<T> random_normal(Index n, std::uint64_t seed) {
  const Random random(seed, RandomPurpose::probe);
  std::vector<T> values(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(random.normal(i));
  return values;
}

template <class T>
double dot_test(Stream& s, const LinearMap<T>& map, std::uint64_t seed) {
  const auto v = random_normal<T>(map.columns, seed), w = random_normal<T>(map.rows, seed + 1);
  const Buffer<T> dv = to_device(s, v), dw = to_device(s, w);
  const Buffer<T> djv(s, map.rows), djw(s, map.columns);
  map.apply(s, dv.data(), djv.data());
  map.adjoint(s, dw.data(), djw.data());
  const auto jv = to_host(s, djv), jw = to_host(s, djw);
  const double scale = std::max(norm(jv) * norm(w), norm(v) * norm(jw));
  const double difference = std::abs(inner(jv, w) - inner(v, jw));
  if (std::isnan(difference)) return std::numeric_limits<double>::infinity();
  return scale > 0 ? difference / scale : 0.0;
}

template <class T>
TaylorResult taylor_test(Tape<T>& tape, Var x, Var y, std::uint64_t seed, double first, int count) {
  Stream& s = tape.stream();
  const auto x0 = tape.get(x);
  auto v = random_normal<T>(tape.size(x), seed);
  const double scale = norm(x0) > 0 ? norm(x0) / norm(v) : 1.0;
  for (T& e : v) e = static_cast<T>(e * scale);
  tape.forward();
  const auto y0 = tape.get(y);
  std::vector<T> jv(y0.size());
  {
    const Buffer<T> dv = to_device(s, v);
    const Buffer<T> out(s, tape.size(y));
    tape.map(x, y).apply(s, dv.data(), out.data());
    jv = to_host(s, out);
  }
  TaylorResult r;
  const double y_norm = std::max(norm(y0), norm(jv) * first);
  const double floor = 64 * static_cast<double>(std::numeric_limits<T>::epsilon());
  for (int k = 0; k < count; ++k) {
    const double e = first / std::pow(2.0, k);
    std::vector<T> xe(x0.size());
    for (std::size_t i = 0; i < xe.size(); ++i) xe[i] = static_cast<T>(x0[i] + e * v[i]);
    tape.set(x, xe);
    tape.forward();
    auto ye = tape.get(y);
    long double sum = 0;
    for (std::size_t i = 0; i < ye.size(); ++i) {
      const long double d = static_cast<long double>(ye[i]) - y0[i] - e * jv[i];
      sum += d * d;
    }
    r.steps.push_back(e);
    r.remainders.push_back(static_cast<double>(std::sqrt(static_cast<double>(sum))) / (y_norm > 0 ? y_norm : 1.0));
  }
  tape.set(x, x0);
  tape.forward();
  // Slope over the steps whose remainder stands clear of rounding.
  std::vector<double> lx, ly;
  for (int k = 0; k < count; ++k) {
    const auto i = static_cast<std::size_t>(k);
    if (r.remainders[i] > floor) {
      lx.push_back(std::log(r.steps[i]));
      ly.push_back(std::log(r.remainders[i]));
    }
  }
  r.exact = lx.size() < 2 && r.remainders[0] < 1e3 * floor;
  if (lx.size() >= 2) {
    // The last four: far from the cubic terms of large steps.
    const std::size_t n = std::min<std::size_t>(4, lx.size()), o = lx.size() - n;
    double mx = 0, my = 0, sxx = 0, sxy = 0;
    for (std::size_t i = o; i < lx.size(); ++i)
      mx += lx[i] / static_cast<double>(n), my += ly[i] / static_cast<double>(n);
    for (std::size_t i = o; i < lx.size(); ++i) sxx += (lx[i] - mx) * (lx[i] - mx), sxy += (lx[i] - mx) * (ly[i] - my);
    r.slope = sxy / sxx;
  }
  return r;
}

template std::vector<float> random_normal<float>(Index, std::uint64_t);
template std::vector<double> random_normal<double>(Index, std::uint64_t);
template double dot_test<float>(Stream&, const LinearMap<float>&, std::uint64_t);
template double dot_test<double>(Stream&, const LinearMap<double>&, std::uint64_t);
template TaylorResult taylor_test<float>(Tape<float>&, Var, Var, std::uint64_t, double, int);
template TaylorResult taylor_test<double>(Tape<double>&, Var, Var, std::uint64_t, double, int);

}  // namespace terrane
