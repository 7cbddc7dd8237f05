// SPDX-License-Identifier: MIT
// Drives every row of tests/support/cases.cpp: gradients, parity of devices, determinism, completeness.
#include "tests/support/cases.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "autodiff/check.hpp"
#include "engine/registry.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace cases_test {

class OpCases : public testing::TestWithParam<int> {
 protected:
  const OpCase& row() const { return op_cases().at(static_cast<std::size_t>(GetParam())); }
  int variants() const { return static_cast<int>(row().variants.size()); }
  std::string label(int variant) const { return row().name + ": " + row().variants[static_cast<std::size_t>(variant)]; }
};

TEST_P(OpCases, DotTestInDouble) {
  for_each_device([&](Stream& s) {
    for (int v = 0; v < variants(); ++v) {
      SCOPED_TRACE(label(v));
      auto c = row().make_double(s, v);
      c.tape->forward();
      for (const Var x : c.inputs) EXPECT_LE(dot_test(s, c.tape->map(x, c.output), 7), 1e-12) << c.tape->name(x);
    }
  });
}

TEST_P(OpCases, DotTestInFloat) {
  for_each_device([&](Stream& s) {
    for (int v = 0; v < variants(); ++v) {
      SCOPED_TRACE(label(v));
      auto c = row().make_float(s, v);
      c.tape->forward();
      for (const Var x : c.inputs)
        EXPECT_LE(dot_test(s, c.tape->map(x, c.output), 7), row().dot_float) << c.tape->name(x);
    }
  });
}

TEST_P(OpCases, TaylorSlopeInDouble) {
  Stream s{Device{}};
  for (int v = 0; v < variants(); ++v) {
    SCOPED_TRACE(label(v));
    auto c = row().make_double(s, v);
    for (const Var x : c.inputs) {
      const TaylorResult r = taylor_test(*c.tape, x, c.output, 9, row().taylor_step);
      EXPECT_TRUE(r.exact || r.slope >= 1.9)
          << c.tape->name(x) << " slope " << r.slope << ", first remainder " << r.remainders[0];
    }
  }
}

template <class T>
struct Results {
  std::vector<T> output;
  std::vector<std::vector<T>> gradients, tangents;
};
template <class T>
Results<T> evaluate(Stream& s, const CaseInstance<T>& c) {
  Results<T> r;
  c.tape->forward();
  r.output = c.tape->get(c.output);
  const Buffer<T> seed = to_device(s, random_normal<T>(c.tape->size(c.output), 5));
  Sweep<T> sweep(*c.tape);
  c.tape->backward(sweep, c.output, seed.data());
  for (const Var x : c.inputs) {
    r.gradients.push_back(to_host(s, sweep.cotangent(x), c.tape->size(x)));
    const Buffer<T> t = to_device(s, random_normal<T>(c.tape->size(x), 6));
    const Buffer<T> out(s, c.tape->size(c.output));
    c.tape->map(x, c.output).apply(s, t.data(), out.data());
    r.tangents.push_back(to_host(s, out));
  }
  return r;
}

template <class T>
double difference(const std::vector<T>& a, const std::vector<T>& b) {
  double d = 0, n = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double e = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    d += e * e;
    n += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return std::isfinite(d) ? (n > 0 ? std::sqrt(d / n) : std::sqrt(d)) : 1e300;
}
template <class T>
void expect_close(const Results<T>& a, const Results<T>& b, double limit) {
  EXPECT_LE(difference(a.output, b.output), limit) << "output";
  for (std::size_t k = 0; k < a.gradients.size(); ++k) {
    EXPECT_LE(difference(a.gradients[k], b.gradients[k]), limit) << "gradient " << k;
    EXPECT_LE(difference(a.tangents[k], b.tangents[k]), limit) << "tangent " << k;
  }
}
template <class T>
void expect_equal(const Results<T>& a, const Results<T>& b) {
  EXPECT_EQ(a.output, b.output);
  EXPECT_EQ(a.gradients, b.gradients);
  EXPECT_EQ(a.tangents, b.tangents);
}

TEST_P(OpCases, DevicesAgree) {
  for (int v = 0; v < variants(); ++v) {
    SCOPED_TRACE(label(v));
    Stream cpu{Device{}};
    const auto wanted = evaluate(cpu, row().make_float(cpu, v));
    const auto wanted_double = evaluate(cpu, row().make_double(cpu, v));
    for_each_device([&](Stream& s) {
      const auto got = evaluate(s, row().make_float(s, v));
      const auto got_double = evaluate(s, row().make_double(s, v));
      if (s.device().kind == DeviceKind::shadow) {  // the same kernels: the same bits
        expect_equal(got, wanted);
        expect_equal(got_double, wanted_double);
      } else {
        expect_close(got, wanted, row().parity_float);
        expect_close(got_double, wanted_double, 1e-11);
      }
    });
  }
}

TEST_P(OpCases, SameBitsTwiceAndForAnyThreads) {
  for (int v = 0; v < variants(); ++v) {
    SCOPED_TRACE(label(v));
    StreamOptions one, two;
    one.threads = 1;
    two.threads = 2;
    Stream s1(Device{}, one), s2(Device{}, two);
    const auto c2 = row().make_float(s2, v);
    const auto first = evaluate(s2, c2);
    expect_equal(evaluate(s2, c2), first);                       // a replay
    expect_equal(evaluate(s2, row().make_float(s2, v)), first);  // a fresh tape
    expect_equal(evaluate(s1, row().make_float(s1, v)), first);  // one thread
  }
}

TEST_P(OpCases, ReplayAllocatesNothing) {
  Stream s{Device{}};
  auto c = row().make_float(s, 0);
  Sweep<float> sweep(*c.tape);
  const Buffer<float> t = to_device(s, random_normal<float>(c.tape->size(c.inputs[0]), 6));
  const auto once = [&] {
    c.tape->forward();
    c.tape->backward(sweep, c.output);
  };
  once();
  once();
  const Index before = s.arena()->stats().allocations;
  once();
  EXPECT_EQ(s.arena()->stats().allocations, before);
}

INSTANTIATE_TEST_SUITE_P(Rows, OpCases, testing::Range(0, static_cast<int>(op_cases().size())), [](const auto& info) {
  std::string name = op_cases()[static_cast<std::size_t>(info.param)].name;
  for (char& c : name) {
    if (c == '-') c = '_';
  }
  return name;
});

TEST(OpCasesTable, EveryRegisteredComponentHasARow) {
  std::set<std::string> covered;
  for (const OpCase& c : op_cases()) covered.insert(c.covers.begin(), c.covers.end());
  int components_seen = 0;
  for (const char* slot :
       {"field", "encoder", "activation", "transform", "physics", "boundary", "misfit", "regularizer"}) {
    for (const Component* component : components_of(slot)) {
      if (component->type == "sparse") continue;  // no operation: norms of Gauss-Newton, see gauss_newton_test.cpp
      ++components_seen;
      const std::string name = std::string(slot) + "/" + std::string(component->type);
      EXPECT_TRUE(covered.count(name)) << name << " is registered but no row of cases.cpp covers it";
    }
  }
  EXPECT_GE(components_seen, 25);
  for (const std::string& name : covered) {
    const auto slash = name.find('/');
    EXPECT_NE(find_component(name.substr(0, slash), name.substr(slash + 1)), nullptr)
        << name << " is covered but not registered";
  }
}

}  // namespace cases_test
}  // namespace terrane
