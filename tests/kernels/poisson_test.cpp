// SPDX-License-Identifier: MIT
// The kernels of the 3-D resistivity solver on every device against plain loops: operator, transfer and its transpose,
// sums over poles.
#include "kernels/stencil/poisson.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "autodiff/check.hpp"
#include "kernels/kernels.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace poisson_test {

using Values = std::vector<double>;
constexpr Index lanes = poisson_lanes;

// Nodes 5 x 3 x 5 (z, y, x) with positive conductances; `pad` zero nodes on either side of every array.
struct Grid {
  static constexpr Index nx = 5, ny = 3, nz = 5, plane = nx * ny, nodes = plane * nz;
  Values edge[3], diagonal, inverse;  // x, y, z
  Grid() {
    const Values noise = random_normal<double>(3 * nodes, 3);
    const Index step[3] = {1, nx, plane};
    diagonal.assign(at(nodes), 0.25);
    for (int a = 0; a < 3; ++a) {
      edge[a].assign(at(nodes), 0.0);
      for (Index n = 0; n < nodes; ++n) {
        const Index z = n / plane, y = n / nx % ny, x = n % nx;
        if ((a == 0 ? x + 1 == nx : a == 1 ? y + 1 == ny : z + 1 == nz)) continue;
        const double c = edge[a][at(n)] = std::exp(noise[at(a * nodes + n)]);
        diagonal[at(n)] += c;
        diagonal[at(n + step[a])] += c;
      }
    }
    for (const double d : diagonal) inverse.push_back(1 / d);
  }
  double product(const Values& u, Index n, Index l) const {
    double sum = diagonal[at(n)] * u[at(n * lanes + l)];
    const Index step[3] = {1, nx, plane};
    for (int a = 0; a < 3; ++a) {
      if (edge[a][at(n)] > 0) sum -= edge[a][at(n)] * u[at((n + step[a]) * lanes + l)];
      if (n >= step[a] && edge[a][at(n - step[a])] > 0) {
        sum -= edge[a][at(n - step[a])] * u[at((n - step[a]) * lanes + l)];
      }
    }
    return sum;
  }
};

// An array on a device with zeros around it.
template <class T>
struct Array {
  Buffer<T> buffer;
  Index before;
  Array(Stream& s, const std::vector<T>& values, Index width) : before(Grid::plane * width) {
    std::vector<T> all(at(2 * before));
    all.insert(all.begin() + before, values.begin(), values.end());
    buffer = to_device(s, all);
  }
  T* data() const { return buffer.data() + before; }
};
struct Operator {
  Array<double> x, y, z, diagonal, inverse;
  Operator(Stream& s, const Grid& g)
      : x(s, g.edge[0], 1),
        y(s, g.edge[1], 1),
        z(s, g.edge[2], 1),
        diagonal(s, g.diagonal, 1),
        inverse(s, g.inverse, 1) {}
  PoissonOperator<double> get() const {
    return {x.data(), y.data(), z.data(), diagonal.data(), inverse.data(), Grid::nx, Grid::plane, Grid::nodes};
  }
};

TEST(Poisson, OperatorAndSweep) {
  const Grid g;
  const Values u = random_normal<double>(g.nodes * lanes, 4), f = random_normal<double>(g.nodes * lanes, 5);
  for_each_device([&](Stream& s) {
    const Operator a(s, g);
    const Array<double> du(s, u, lanes), df(s, f, lanes), out(s, Values(u.size()), lanes);
    const Buffer<double> partial(s, lanes), sum(s, lanes);
    poisson_apply(s, PoissonApply<double>{a.get(), du.data(), out.data(), partial.data()});
    poisson_combine(s, PoissonCombine<double>{partial.data(), 1, 1, sum.data()});
    const Values product = to_host(s, out.data(), g.nodes * lanes), dots = to_host(s, sum);
    for (Index l = 0; l < lanes; ++l) {
      double dot = 0;
      for (Index n = 0; n < g.nodes; ++n) {
        EXPECT_NEAR(product[at(n * lanes + l)], g.product(u, n, l), 1e-12);
        dot += u[at(n * lanes + l)] * g.product(u, n, l);
      }
      EXPECT_NEAR(dots[at(l)], dot, 1e-10);
    }
    // A sweep over one colour removes the residual there.
    for (const int colour : {0, 1}) {
      poisson_smooth(s, PoissonSmooth<double>{a.get(), df.data(), du.data(), colour, false});
      poisson_residual(s, PoissonResidual<double>{a.get(), df.data(), du.data(), out.data(), 1 - colour});
      const Values now = to_host(s, du.data(), g.nodes * lanes), r = to_host(s, out.data(), g.nodes * lanes);
      for (Index n = 0; n < g.nodes; ++n) {
        const double left = f[at(n * lanes + 3)] - g.product(now, n, 3);
        EXPECT_NEAR(n % 2 == colour ? left : 0.0, 0, 1e-12);
        EXPECT_NEAR(r[at(n * lanes + 3)], n % 2 == colour ? 0 : left, 1e-12);
      }
    }
  });
}

// Coarse nodes: every other one along x and z, y as it is.
TEST(Poisson, RestrictionIsTheTransposeOfProlongation) {
  const Grid g;
  std::vector<std::uint8_t> between;
  std::vector<std::int32_t> stage[4], coarse_node;
  Values weight;
  for (Index n = 0; n < g.nodes; ++n) {
    const Index z = n / g.plane, y = n / g.nx % g.ny, x = n % g.nx;
    const bool bx = x % 2 == 1, bz = z % 2 == 1;
    between.push_back(static_cast<std::uint8_t>((bx ? 1 : 0) + (bz ? 4 : 0)));
    double sum = 0;
    if (bx) sum += g.edge[0][at(n)] + g.edge[0][at(n - 1)];
    if (bz) sum += g.edge[2][at(n)] + g.edge[2][at(n - g.plane)];
    weight.push_back(sum > 0 ? 1 / sum : 0);
    const int count = (bx ? 1 : 0) + (bz ? 1 : 0);
    stage[count].push_back(static_cast<std::int32_t>(n));
    if (count == 0) coarse_node.push_back(static_cast<std::int32_t>((z / 2 * g.ny + y) * 3 + x / 2));
  }
  const Index coarse = 3 * g.ny * 3;
  const Values r = random_normal<double>(g.nodes * lanes, 6), c = random_normal<double>(coarse * lanes, 7);
  for_each_device([&](Stream& s) {
    const Operator a(s, g);
    const Array<double> w(s, weight, 1), fine(s, r, lanes), u(s, Values(r.size()), lanes);
    const Array<std::uint8_t> b(s, between, 1);
    const Buffer<double> to(s, coarse * lanes), from = to_device(s, c);
    Buffer<std::int32_t> list[4], node = to_device(s, coarse_node);
    for (int i = 0; i < 3; ++i) list[i] = to_device(s, stage[i]);
    const auto transfer = [&](int i, double* other) {
      PoissonTransfer<double> t{a.get(), w.data(), b.data(), list[i].data(), list[i].size(), fine.data()};
      if (i == 0) t.coarse = other;
      t.coarse_node = node.data();
      t.u = u.data();
      return t;
    };
    for (int i = 2; i-- > 0;) poisson_restrict(s, PoissonRestrict<double>{transfer(i, to.data())});
    const Values restricted = to_host(s, to);
    for (int i = 0; i < 3; ++i) poisson_prolong(s, PoissonProlong<double>{transfer(i, from.data())});
    const Values prolonged = to_host(s, u.data(), g.nodes * lanes);
    for (Index l = 0; l < lanes; ++l) {
      double left = 0, right = 0;
      for (Index i = 0; i < coarse; ++i) left += restricted[at(i * lanes + l)] * c[at(i * lanes + l)];
      for (Index n = 0; n < g.nodes; ++n) right += r[at(n * lanes + l)] * prolonged[at(n * lanes + l)];
      EXPECT_NEAR(left, right, 1e-11);
    }
  });
}

TEST(Poisson, SumsOverPoles) {
  const Grid g;
  const Values u = random_normal<double>(g.nodes * lanes, 8), v = random_normal<double>(g.nodes * lanes, 9);
  const Values y = random_normal<double>(lanes * lanes, 10);
  for_each_device([&](Stream& s) {
    const Array<double> du(s, u, lanes), p(s, Values(u.size()), lanes), dv(s, v, lanes);
    const Buffer<double> dy = to_device(s, y), partial(s, lanes * lanes), gram(s, lanes * lanes),
                         products = to_device(s, Values(at(4 * g.nodes)));
    poisson_gram(s, PoissonGram<double>{du.data(), dv.data(), partial.data(), g.nodes, 1});
    poisson_combine(s, PoissonCombine<double>{partial.data(), lanes, 1, gram.data()});
    poisson_mix(s, PoissonMix<double>{du.data(), dy.data(), p.data(), g.nodes});
    poisson_products(s, PoissonProducts<double>{p.data(), dv.data(), g.nx, g.plane, g.nodes, products.data()});
    const Values grams = to_host(s, gram), mixed = to_host(s, p.data(), g.nodes * lanes), sums = to_host(s, products);
    for (Index i = 0; i < lanes; ++i) {
      for (Index j = 0; j < lanes; ++j) {
        double sum = 0;
        for (Index n = 0; n < g.nodes; ++n) sum += u[at(n * lanes + i)] * v[at(n * lanes + j)];
        EXPECT_NEAR(grams[at(i * lanes + j)], sum, 1e-11);
      }
    }
    for (Index n = 0; n + g.plane < g.nodes; ++n) {
      double along_z = 0, here = 0;
      for (Index j = 0; j < lanes; ++j) {
        double sum = 0;
        for (Index i = 0; i < lanes; ++i) sum += u[at(n * lanes + i)] * y[at(i * lanes + j)];
        EXPECT_NEAR(mixed[at(n * lanes + j)], sum, 1e-11);
        const std::size_t a = at(n * lanes + j), b = at((n + g.plane) * lanes + j);
        along_z += (mixed[b] - mixed[a]) * (v[b] - v[a]);
        here += mixed[a] * v[a];
      }
      EXPECT_NEAR(sums[at(2 * g.nodes + n)], along_z, 1e-10);
      EXPECT_NEAR(sums[at(3 * g.nodes + n)], here, 1e-10);
    }
  });
}

}  // namespace poisson_test
}  // namespace terrane
