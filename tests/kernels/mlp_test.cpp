// SPDX-License-Identifier: MIT
#include "kernels/mlp/mlp.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "autodiff/check.hpp"
#include "autodiff/ops/mlp_op.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace mlp_test {

struct Net {
  const char* name;
  MlpShape shape;
};

MlpShape make_shape(const std::vector<Index>& widths, Activation a, double parameter) {
  MlpShape s;
  s.layers = static_cast<int>(widths.size()) - 1;
  for (int l = 0; l < s.layers; ++l) {
    const auto k = static_cast<std::size_t>(l);
    s.layer[l].n_in = widths[k];
    s.layer[l].n_out = widths[k + 1];
    if (l + 1 < s.layers) {
      s.layer[l].activation = a;
      s.layer[l].parameter = parameter;
    }
  }
  return s;
}

std::vector<Net> nets() {
  std::vector<Net> list = {
      {"sine 128", make_shape({2, 128, 128, 1}, Activation::sine, 30)},
      {"sine 7", make_shape({2, 7, 7, 7, 1}, Activation::sine, 5)},
      {"tanh 1", make_shape({3, 1, 1, 1}, Activation::tanh, 0)},
      {"gelu 33-20", make_shape({2, 33, 20, 3}, Activation::gelu, 0)},
      {"leaky 17", make_shape({5, 17, 17, 2}, Activation::leaky_relu, 0.2)},
      {"relu 16", make_shape({2, 16, 16, 1}, Activation::relu, 0)},
      {"linear", make_shape({4, 3}, Activation::identity, 0)},
  };
  Net mixed{"mixed", make_shape({2, 9, 40, 5, 2}, Activation::sine, 3)};
  mixed.shape.layer[1].activation = Activation::tanh;
  mixed.shape.layer[2].parameter = 1.5;
  mixed.shape.layer[3].activation = Activation::gelu;  // the last layer may be activated too
  list.push_back(mixed);
  Net thin{"sine to the end",
           make_shape({3, 20, 3, 33, 2}, Activation::sine, 4)};  // few outputs, inside and at the end
  thin.shape.layer[3].activation = Activation::sine;
  thin.shape.layer[3].parameter = 2.5;
  list.push_back(thin);
  return list;
}

std::vector<double> weights_of(const MlpShape& shape, std::uint64_t seed) {
  std::vector<double> theta = random_normal<double>(shape.parameters(), seed);
  for (int l = 0; l < shape.layers; ++l) {
    const MlpLayer& layer = shape.layer[l];
    const double omega = layer.activation == Activation::sine ? layer.parameter : 1;
    const double scale = (l == 0 ? 1.0 : 1 / omega) / std::sqrt(static_cast<double>(layer.n_in));
    for (Index i = shape.offset(l); i < shape.offset(l) + layer.parameters(); ++i)
      theta[static_cast<std::size_t>(i)] *= scale;
  }
  return theta;
}

// Independent evaluation, one point at a time, with the functions of the C++ library. Returns y, and the gradient of
// <d_y, y> when asked.
struct Reference {
  MlpShape shape;
  std::vector<double> theta;

  static void apply(const MlpLayer& layer, double z, double& f, double& df) {
    const double p = layer.parameter;
    switch (layer.activation) {
      case Activation::identity:
        f = z, df = 1;
        break;
      case Activation::sine:
        f = std::sin(p * z), df = p * std::cos(p * z);
        break;
      case Activation::relu:
        f = std::max(z, 0.0), df = z > 0 ? 1 : 0;
        break;
      case Activation::leaky_relu:
        f = z > 0 ? z : p * z, df = z > 0 ? 1 : p;
        break;
      case Activation::tanh:
        f = std::tanh(z), df = 1 - f * f;
        break;
      case Activation::gelu: {
        const double cdf = 0.5 * std::erfc(-z / std::sqrt(2.0)), pi = 3.14159265358979323846;
        f = z * cdf, df = cdf + z * std::exp(-z * z / 2) / std::sqrt(2 * pi);
        break;
      }
    }
  }

  std::vector<double> point(const double* x, const double* d_y, std::vector<double>* d_theta, double* d_x) const {
    std::vector<std::vector<double>> a = {std::vector<double>(x, x + shape.n_in())}, df(1);
    for (int l = 0; l < shape.layers; ++l) {
      const MlpLayer& layer = shape.layer[l];
      const double* w = theta.data() + shape.offset(l);
      std::vector<double> f(static_cast<std::size_t>(layer.n_out)), d(f.size());
      for (Index o = 0; o < layer.n_out; ++o) {
        double z = w[layer.n_out * layer.n_in + o];
        for (Index i = 0; i < layer.n_in; ++i) z += w[o * layer.n_in + i] * a.back()[static_cast<std::size_t>(i)];
        apply(layer, z, f[static_cast<std::size_t>(o)], d[static_cast<std::size_t>(o)]);
      }
      a.push_back(f);
      df.push_back(d);
    }
    if (d_y == nullptr) return a.back();
    std::vector<double> delta(d_y, d_y + shape.n_out());
    for (int l = shape.layers - 1; l >= 0; --l) {
      const MlpLayer& layer = shape.layer[l];
      const auto k = static_cast<std::size_t>(l);
      const double* w = theta.data() + shape.offset(l);
      double* g = d_theta->data() + shape.offset(l);
      std::vector<double> below(static_cast<std::size_t>(layer.n_in));
      for (Index o = 0; o < layer.n_out; ++o) {
        const double dz = delta[static_cast<std::size_t>(o)] * df[k + 1][static_cast<std::size_t>(o)];
        g[layer.n_out * layer.n_in + o] += dz;
        for (Index i = 0; i < layer.n_in; ++i) {
          g[o * layer.n_in + i] += dz * a[k][static_cast<std::size_t>(i)];
          below[static_cast<std::size_t>(i)] += dz * w[o * layer.n_in + i];
        }
      }
      delta = below;
    }
    for (std::size_t i = 0; i < delta.size(); ++i) d_x[i] += delta[i];
    return a.back();
  }
};

double relative(const std::vector<double>& a, const std::vector<double>& b) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  return std::sqrt(difference / (size > 0 ? size : 1));
}

template <class T>
std::vector<double> as_double(const std::vector<T>& v) {
  return std::vector<double>(v.begin(), v.end());
}

template <class T>
void compare_with_reference(Stream& s, const Net& net, Index n, double tolerance) {
  SCOPED_TRACE(std::string(net.name) + ", n = " + std::to_string(n));
  const MlpShape& shape = net.shape;
  const auto round = [](const std::vector<double>& v) { return std::vector<T>(v.begin(), v.end()); };
  const auto theta = round(weights_of(shape, 1));
  const auto x = round(random_normal<double>(n * shape.n_in(), 2));
  const auto d_y = round(random_normal<double>(n * shape.n_out(), 3));
  const Reference reference{shape, as_double(theta)};
  // non-zero starts show that the vjp accumulates
  std::vector<double> y, d_theta(theta.size(), 0.25), d_x(x.size(), -0.5);
  const auto xd = as_double(x), dyd = as_double(d_y);
  for (Index p = 0; p < n; ++p) {
    const auto value = reference.point(xd.data() + p * shape.n_in(), dyd.data() + p * shape.n_out(), &d_theta,
                                       d_x.data() + p * shape.n_in());
    y.insert(y.end(), value.begin(), value.end());
  }
  const auto bt = to_device(s, theta), bx = to_device(s, x), bdy = to_device(s, d_y);
  const auto bdt = to_device(s, std::vector<T>(theta.size(), T(0.25))),
             bdx = to_device(s, std::vector<T>(x.size(), T(-0.5)));
  const Buffer<T> by(s, n * shape.n_out());
  mlp_forward(s, MlpForward<T>{shape, n, bt.data(), bx.data(), by.data()});
  EXPECT_LE(relative(as_double(to_host(s, by)), y), tolerance) << "forward";
  mlp_vjp(s, MlpVjp<T>{shape, n, bt.data(), bx.data(), bdy.data(), bdt.data(), bdx.data()});
  EXPECT_LE(relative(as_double(to_host(s, bdt)), d_theta), 4 * tolerance) << "d_theta";
  EXPECT_LE(relative(as_double(to_host(s, bdx)), d_x), 4 * tolerance) << "d_x";
  // one cotangent alone gives the same
  const auto only_theta = to_device(s, std::vector<T>(theta.size(), T(0.25)));
  mlp_vjp(s, MlpVjp<T>{shape, n, bt.data(), bx.data(), bdy.data(), only_theta.data(), nullptr});
  EXPECT_EQ(to_host(s, only_theta), to_host(s, bdt));
}

TEST(Mlp, MatchesReference) {
  for_each_device([](Stream& s) {
    for (const Net& net : nets()) {
      for (const Index n : {1, 7, 64, 131}) {
        compare_with_reference<double>(s, net, n, 1e-13);
        // float: a pre-activation of size 3 carries 30 * 3 * 6e-8 = 5e-6 of phase error into each sine
        compare_with_reference<float>(s, net, n, 3e-5);
      }
    }
  });
}

TEST(Mlp, ManyPoints) {  // several chunks and a remainder
  for_each_device([](Stream& s) { compare_with_reference<double>(s, nets()[1], 64 * 70 + 5, 1e-13); });
}

TEST(Mlp, NoPoints) {
  for_each_device([](Stream& s) {
    const MlpShape shape = nets()[1].shape;
    const auto theta = to_device(s, std::vector<double>(static_cast<std::size_t>(shape.parameters()), 1.0));
    EXPECT_NO_THROW(mlp_forward(s, MlpForward<double>{shape, 0, theta.data(), nullptr, nullptr}));
    EXPECT_NO_THROW(mlp_vjp(s, MlpVjp<double>{shape, 0, theta.data(), nullptr, nullptr, nullptr, nullptr}));
  });
}

template <class T>
void check_derivatives(Stream& s, const Net& net, double dot_tolerance) {
  SCOPED_TRACE(net.name);
  constexpr Index n = 37;
  Tape<T> tape(s);
  const Var theta = tape.input({net.shape.parameters()}, "theta"), x = tape.input({n, net.shape.n_in()}, "x");
  const Var y = tape.apply(std::make_shared<MlpOp<T>>(net.shape, n), {theta, x});
  const auto w = weights_of(net.shape, 4);
  tape.set(theta, std::vector<T>(w.begin(), w.end()));
  tape.set(x, random_normal<T>(n * net.shape.n_in(), 5));
  tape.forward();
  EXPECT_LE(dot_test(s, tape.map(theta, y), 6), dot_tolerance);
  EXPECT_LE(dot_test(s, tape.map(x, y), 7), dot_tolerance);
  if constexpr (std::is_same_v<T, double>) {
    // pieces of relu may change sides within a step, so the slope is asked of the smooth ones
    for (int l = 0; l < net.shape.layers; ++l) {
      const Activation a = net.shape.layer[l].activation;
      if (a == Activation::relu || a == Activation::leaky_relu) return;
    }
    for (const Var v : {theta, x}) {
      const TaylorResult r = taylor_test(tape, v, y, 8, 1e-3);
      EXPECT_TRUE(r.exact || r.slope >= 1.9) << r.slope;
    }
  }
}

TEST(Mlp, DotAndTaylor) {
  for_each_device([](Stream& s) {
    for (const Net& net : nets()) {
      check_derivatives<double>(s, net, 1e-12);
      check_derivatives<float>(s, net, 1e-5);
    }
  });
}

// Tangents of weights and points together are the sum of both.
TEST(Mlp, JvpOfBoth) {
  for_each_device([](Stream& s) {
    const MlpShape shape = nets()[7].shape;
    constexpr Index n = 70;
    const auto theta = to_device(s, weights_of(shape, 1)), x = to_device(s, random_normal<double>(n * 2, 2));
    const auto t_theta = to_device(s, random_normal<double>(shape.parameters(), 3)),
               t_x = to_device(s, random_normal<double>(n * 2, 4));
    const Buffer<double> out(s, n * shape.n_out());
    const auto run = [&](const double* a, const double* b) {
      mlp_jvp(s, MlpJvp<double>{shape, n, theta.data(), x.data(), a, b, out.data()});
      return to_host(s, out);
    };
    auto sum = run(t_theta.data(), nullptr);
    const auto other = run(nullptr, t_x.data());
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += other[i];
    EXPECT_LE(relative(run(t_theta.data(), t_x.data()), sum), 1e-13);
    EXPECT_EQ(run(nullptr, nullptr), std::vector<double>(sum.size(), 0.0));
  });
}

// J J^T from the factors, and from the rows of J by the vjp.
TEST(Mlp, Factors) {
  for_each_device([](Stream& s) {
    Net last{"sine to the end, one output", make_shape({3, 20, 3, 33, 1}, Activation::sine, 4)};
    last.shape.layer[3].activation = Activation::sine;
    last.shape.layer[3].parameter = 2.5;
    for (const Net& net : {nets()[0], nets()[1], nets()[5], last}) {
      SCOPED_TRACE(net.name);
      constexpr Index n = 9;
      Tape<double> tape(s);
      const Var theta = tape.input({net.shape.parameters()}, "theta"),
                x = tape.input({n, net.shape.n_in()}, "x", false);
      const Var y = tape.apply(std::make_shared<MlpOp<double>>(net.shape, n), {theta, x});
      tape.set(theta, weights_of(net.shape, 4));
      tape.set(x, random_normal<double>(n * net.shape.n_in(), 5));
      tape.forward();
      std::vector<double> k(n * n, 0.0), exact(n * n, 0.0);
      for (const auto& t : tape.factors(theta, y)) {
        ASSERT_EQ(t.samples, n);
        const auto a = to_host(s, t.a), d = to_host(s, t.d);
        const auto product = [&](const std::vector<double>& m, Index columns, Index p, Index q) {
          return std::inner_product(m.begin() + p * columns, m.begin() + (p + 1) * columns, m.begin() + q * columns,
                                    0.0);
        };
        for (Index p = 0; p < n; ++p) {
          for (Index q = 0; q < n; ++q) {
            k[static_cast<std::size_t>(p * n + q)] +=
                (product(a, t.columns_a, p, q) + (t.bias ? 1 : 0)) * product(d, t.columns_d, p, q);
          }
        }
      }
      std::vector<std::vector<double>> rows;
      for (Index p = 0; p < n; ++p) {
        std::vector<double> unit(n, 0.0);
        unit[static_cast<std::size_t>(p)] = 1;
        const auto seed = to_device(s, unit);
        Sweep<double> sweep(tape);
        tape.backward(sweep, y, seed.data());
        rows.push_back(to_host(s, sweep.cotangent(theta), net.shape.parameters()));
      }
      for (std::size_t p = 0; p < n; ++p) {
        for (std::size_t q = 0; q < n; ++q) {
          exact[p * n + q] = std::inner_product(rows[p].begin(), rows[p].end(), rows[q].begin(), 0.0);
        }
      }
      EXPECT_LE(relative(k, exact), 1e-10);
    }
  });
}

// A point's value and tangent have the same bits wherever the point stands among others.
TEST(Mlp, PointsDoNotSeeEachOther) {
  Stream s(Device::parse("cpu"));
  for (const Net& net : nets()) {
    SCOPED_TRACE(net.name);
    const MlpShape& shape = net.shape;
    constexpr Index n = 301, from = 97, part = 150;
    const auto w = weights_of(shape, 1), xs = random_normal<double>(n * shape.n_in(), 2);
    const auto theta = to_device(s, std::vector<float>(w.begin(), w.end()));
    const auto x = to_device(s, std::vector<float>(xs.begin(), xs.end()));
    const Buffer<float> y(s, n * shape.n_out());
    const auto run = [&](Index first, Index count) {
      const float* at = x.data() + first * shape.n_in();
      mlp_forward(s, MlpForward<float>{shape, count, theta.data(), at, y.data()});
      std::vector<float> all = to_host(s, y.data(), count * shape.n_out());
      mlp_jvp(s, MlpJvp<float>{shape, count, theta.data(), at, nullptr, at, y.data()});
      const auto tangent = to_host(s, y.data(), count * shape.n_out());
      all.insert(all.end(), tangent.begin(), tangent.end());
      return all;
    };
    const auto whole = run(0, n), cut = run(from, part);
    for (Index i = 0; i < part * shape.n_out(); ++i) {
      const auto a = static_cast<std::size_t>(i), b = static_cast<std::size_t>(i + from * shape.n_out());
      ASSERT_EQ(cut[a], whole[b]);
      ASSERT_EQ(cut[a + static_cast<std::size_t>(part * shape.n_out())],
                whole[b + static_cast<std::size_t>(n * shape.n_out())]);
    }
  }
}

// The bits depend on the shapes, not on the number of threads; and a second call gives them again.
TEST(Mlp, ThreadsDoNotChangeBits) {
  const MlpShape shape = make_shape({2, 40, 40, 1}, Activation::sine, 30);
  constexpr Index n = 112 * 75 + 11;  // several tiles a chunk
  const auto w = weights_of(shape, 1), xs = random_normal<double>(n * 2, 2), g = random_normal<double>(n, 3);
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 2, 5}) {
    StreamOptions options;
    options.threads = threads;
    Stream s(Device::parse("cpu"), options);
    const auto theta = to_device(s, std::vector<float>(w.begin(), w.end()));
    const auto x = to_device(s, std::vector<float>(xs.begin(), xs.end()));
    const auto d_y = to_device(s, std::vector<float>(g.begin(), g.end()));
    const auto d_theta = to_device(s, std::vector<float>(w.size(), 0.0f));
    const auto d_x = to_device(s, std::vector<float>(xs.size(), 0.0f));
    const Buffer<float> y(s, n);
    mlp_forward(s, MlpForward<float>{shape, n, theta.data(), x.data(), y.data()});
    mlp_vjp(s, MlpVjp<float>{shape, n, theta.data(), x.data(), d_y.data(), d_theta.data(), d_x.data()});
    std::vector<float> all = to_host(s, y);
    for (const auto& part : {to_host(s, d_theta), to_host(s, d_x)}) all.insert(all.end(), part.begin(), part.end());
    mlp_jvp(s, MlpJvp<float>{shape, n, theta.data(), x.data(), d_theta.data(), nullptr, y.data()});
    const auto t_y = to_host(s, y);
    all.insert(all.end(), t_y.begin(), t_y.end());
    results.push_back(all);
  }
  for (std::size_t k = 1; k < results.size(); ++k) EXPECT_TRUE(results[k] == results[0]) << k;
}

}  // namespace mlp_test
}  // namespace terrane
