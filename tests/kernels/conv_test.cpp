// SPDX-License-Identifier: MIT
// Layers of convolutional networks against their formulas, written out.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "autodiff/check.hpp"
#include "kernels/kernels.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace conv_test {

double difference(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0, norm = 0;
  for (std::size_t k = 0; k < b.size(); ++k) {
    sum += (a[k] - b[k]) * (a[k] - b[k]);
    norm += b[k] * b[k];
  }
  return a.size() == b.size() ? std::sqrt(sum / norm) : 1e300;
}

TEST(Convolution, AgreesWithItsSum) {
  const ConvShape shapes[] = {{2, 6, 5, 3, 18, 3, 1, 1},
                              {3, 7, 8, 40, 5, 3, 2, 1},
                              {1, 5, 5, 7, 33, 1, 1, 0},
                              {2, 9, 4, 2, 3, 3, 3, 2},
                              {1, 6, 6, 1, 1, 5, 1, 0}};
  for (const ConvShape& f : shapes) {
    const auto x = random_normal<double>(f.pixels_in() * f.channels_in, 1), w = random_normal<double>(f.weights(), 2),
               bias = random_normal<double>(f.channels_out, 3);
    std::vector<double> wanted;
    for (Index b = 0; b < f.batch; ++b) {
      for (Index i = 0; i < f.out_height(); ++i) {
        for (Index j = 0; j < f.out_width(); ++j) {
          for (Index o = 0; o < f.channels_out; ++o) {
            double sum = bias[static_cast<std::size_t>(o)];
            for (Index tap = 0; tap < f.taps(); ++tap) {
              const Index u = i * f.stride + tap / f.kernel - f.padding, v = j * f.stride + tap % f.kernel - f.padding;
              if (u < 0 || u >= f.height || v < 0 || v >= f.width) continue;
              for (Index c = 0; c < f.channels_in; ++c) {
                sum += x[static_cast<std::size_t>(((b * f.height + u) * f.width + v) * f.channels_in + c)] *
                       w[static_cast<std::size_t>((tap * f.channels_in + c) * f.channels_out + o)];
              }
            }
            wanted.push_back(sum);
          }
        }
      }
    }
    for_each_device([&](Stream& s) {
      const Buffer<double> dx = to_device(s, x), dw = to_device(s, w), db = to_device(s, bias);
      Buffer<double> y(s, f.pixels_out() * f.channels_out);
      conv_forward(s, ConvForward<double>{f, dx.data(), dw.data(), db.data(), y.data(), false});
      EXPECT_LE(difference(to_host(s, y), wanted), 1e-13);
      conv_forward(s, ConvForward<double>{f, dx.data(), dw.data(), db.data(), y.data(), true});
      std::vector<double> twice = wanted;
      for (double& v : twice) v *= 2;
      EXPECT_LE(difference(to_host(s, y), twice), 1e-13);
    });
  }
}

TEST(GroupNorm, HasMeanZeroAndDeviationOneBeforeItsScale) {
  const NormShape f{3, 50, 12, 4, 1e-9, false};
  auto x = random_normal<double>(f.rows() * f.channels, 4);
  for (double& v : x) v = 1e4 + 3 * v;  // a mean far from 0 must not cost digits
  for_each_device([&](Stream& s) {
    const Buffer<double> dx = to_device(s, x), gamma = to_device(s, std::vector<double>(12, 2.0)),
                         beta = to_device(s, std::vector<double>(12, 0.5));
    const Buffer<double> mean(s, 12), rate(s, 12), scale(s, 36), shift(s, 36), y(s, f.rows() * f.channels);
    const NormSaved<double> saved{mean.data(), rate.data(), scale.data(), shift.data()};
    norm_forward(s, NormForward<double>{f, dx.data(), gamma.data(), beta.data(), saved, y.data()});
    const std::vector<double> out = to_host(s, y);
    for (Index b = 0; b < 3; ++b) {
      for (Index g = 0; g < 4; ++g) {
        double sum = 0, square = 0;
        for (Index p = 0; p < 50; ++p) {
          for (Index c = 3 * g; c < 3 * g + 3; ++c) {
            const double v = (out[static_cast<std::size_t>((b * 50 + p) * 12 + c)] - 0.5) / 2;
            sum += v / 150;
            square += v * v / 150;
          }
        }
        EXPECT_NEAR(sum, 0, 1e-9);
        EXPECT_NEAR(square, 1, 1e-8);
      }
    }
  });
}

TEST(Attention, IsTheSoftmaxAverageOfTheValues) {
  const AttentionShape f{2, 5, 3, 4};
  const auto q = random_normal<double>(f.rows() * 12, 5), k = random_normal<double>(f.rows() * 12, 6),
             v = random_normal<double>(f.rows() * 12, 7);
  std::vector<double> wanted(q.size());
  for (Index b = 0; b < 2; ++b) {
    for (Index h = 0; h < 3; ++h) {
      for (Index i = 0; i < 5; ++i) {
        const auto at = [&](Index token, Index c) {
          return static_cast<std::size_t>((b * 5 + token) * 12 + h * 4 + c);
        };
        double sum = 0;
        for (Index j = 0; j < 5; ++j) {
          double score = 0;
          for (Index c = 0; c < 4; ++c) score += q[at(i, c)] * k[at(j, c)] / 2;
          sum += std::exp(score);
          for (Index c = 0; c < 4; ++c) wanted[at(i, c)] += std::exp(score) * v[at(j, c)];
        }
        for (Index c = 0; c < 4; ++c) wanted[at(i, c)] /= sum;
      }
    }
  }
  for_each_device([&](Stream& s) {
    const Buffer<double> dq = to_device(s, q), dk = to_device(s, k), dv = to_device(s, v);
    const Buffer<double> o(s, f.rows() * 12), l(s, f.tasks());
    attention_forward(s, AttentionForward<double>{f, dq.data(), dk.data(), dv.data(), o.data(), l.data()});
    EXPECT_LE(difference(to_host(s, o), wanted), 1e-13);
  });
}

// A plane is doubled exactly away from the edges, where the outer pixel is repeated.
TEST(Upsample, BilinearKeepsPlanesAndNearestKeepsPixels) {
  const Index h = 4, w = 5;
  std::vector<double> x;
  for (Index i = 0; i < h; ++i) {
    for (Index j = 0; j < w; ++j) x.push_back(2.0 * static_cast<double>(i) - 3.0 * static_cast<double>(j));
  }
  for_each_device([&](Stream& s) {
    const Buffer<double> dx = to_device(s, x), y(s, 4 * h * w);
    upsample_forward(s, UpsampleForward<double>{{1, h, w, 1, true}, dx.data(), y.data()});
    const std::vector<double> smooth = to_host(s, y);
    upsample_forward(s, UpsampleForward<double>{{1, h, w, 1, false}, dx.data(), y.data()});
    const std::vector<double> nearest = to_host(s, y);
    for (Index u = 0; u < 2 * h; ++u) {
      for (Index v = 0; v < 2 * w; ++v) {
        const auto at = static_cast<std::size_t>(u * 2 * w + v);
        const double i = std::clamp(static_cast<double>(u) / 2 - 0.25, 0.0, static_cast<double>(h - 1));
        const double j = std::clamp(static_cast<double>(v) / 2 - 0.25, 0.0, static_cast<double>(w - 1));
        EXPECT_NEAR(smooth[at], 2 * i - 3 * j, 1e-13);
        EXPECT_EQ(nearest[at], x[static_cast<std::size_t>(u / 2 * w + v / 2)]);
      }
    }
  });
}

TEST(NormalNoise, IsThatOfTheCounter) {
  for_each_device([](Stream& s) {
    const Buffer<std::uint64_t> index = to_device(s, std::vector<std::uint64_t>{7, 1234567890123});
    const Buffer<double> y(s, 6);
    normal_noise(s, NormalNoise<double>{11, 57, 40, index.data(), 2, 3, y.data()});
    const Random random(11, 57);
    const std::vector<double> out = to_host(s, y);
    for (std::uint32_t k = 0; k < 3; ++k) {
      EXPECT_EQ(out[k], random.normal(7, 40 + k));
      EXPECT_EQ(out[3 + k], random.normal(1234567890123, 40 + k));
    }
  });
}

}  // namespace conv_test
}  // namespace terrane
