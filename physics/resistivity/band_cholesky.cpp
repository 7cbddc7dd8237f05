// SPDX-License-Identifier: MIT
#include "physics/resistivity/band_cholesky.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/runtime/host_simd.hpp"

namespace terrane {

namespace {

constexpr Index tall = BandCholesky::row_tile;
constexpr Index widest = BandCholesky::rhs_tile;  // two of the widest registers
static_assert(tall == 4);

struct BandSystem {
  Index width, stride, padded;
  double *a, *inverse, *packed;
  // Right-hand sides.
  Index columns = 0;
  const Index* start = nullptr;
  double* x = nullptr;
};

// c[r][0..wide) -= sum_k f[k * 4 + r] x[k * stride + 0..wide), r < 4, k < count.
template <int Bytes>
struct BandTile {
  using V = HostVector<Bytes>;
  static constexpr Index lanes = Bytes / 8, wide = 2 * lanes;
  static_assert(widest % wide == 0);
  V c[4][2];
  TERRANE_HOST_INLINE static V& on(double* p) { return *reinterpret_cast<V*>(p); }
  TERRANE_HOST_INLINE static const V& on(const double* p) { return *reinterpret_cast<const V*>(p); }
  TERRANE_HOST_INLINE void subtract(const double* f, const double* x, Index stride, Index count) {
    for (Index k = 0; k < count; ++k, f += 4, x += stride) {
      const V x0 = on(x), x1 = on(x + lanes);
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) {
        c[r][0] -= f[r] * x0;
        c[r][1] -= f[r] * x1;
      }
    }
  }
};

// packed[k][c] = L(row + c, first + k), k < row - first, c < 4.
TERRANE_HOST_INLINE void gather_band(const BandSystem& b, Index row, Index first) {
  double* packed = b.packed;
  for (Index k = first; k < row; ++k, packed += 4) {
    const double* column = b.a + k * b.stride + (row - k);
    for (int c = 0; c < 4; ++c) packed[c] = column[c];
  }
}

// Four columns at a time, each entry from finished columns: L(i, t) = (A(i, t) - sum_{k < t} L(i, k) L(t, k)) / L(t,
// t). Rows i of a tile lie one after another in column k, so that they are loaded as vectors.
template <int Bytes>
TERRANE_HOST_INLINE Index band_factor_of(const BandSystem& b) {
  using Tile = BandTile<Bytes>;
  constexpr Index lanes = Tile::lanes;
  for (Index t = 0; t < b.padded; t += tall) {
    const Index first = t > b.width ? t - b.width : 0;
    gather_band(b, t, first);
    double* column[4];
    for (Index c = 0; c < 4; ++c) column[c] = b.a + (t + c) * b.stride - (t + c);  // indexed by the row
    double corner[4][4] = {};
    for (Index k = 0; k < t - first; ++k) {
      const double* p = b.packed + 4 * k;
      for (int r = 0; r < 4; ++r) {
        for (int c = 0; c <= r; ++c) corner[r][c] += p[r] * p[c];
      }
    }
    for (int c = 0; c < 4; ++c) {
      for (int r = c; r < 4; ++r) {
        double v = column[c][t + r] - corner[r][c];
        for (int k = 0; k < c; ++k) v -= column[k][t + r] * column[k][t + c];
        if (r == c) {
          if (!(v > 0) || !std::isfinite(v)) return t + c;
          v = std::sqrt(v);
          b.inverse[t + c] = 1 / v;
        } else {
          v *= b.inverse[t + c];
        }
        column[c][t + r] = v;
      }
    }
    const Index end = t + tall + b.width, last = end < b.padded ? end : b.padded;  // the band ends before
    for (Index i = t + tall; i < last; i += Tile::wide) {
      const Index k0 = i - b.width > first ? i - b.width : first;
      Tile acc;
      for (int c = 0; c < 4; ++c) {
        acc.c[c][0] = Tile::on(column[c] + i);
        acc.c[c][1] = Tile::on(column[c] + i + lanes);
      }
      // Row i of column k is at k (stride - 1) + i.
      acc.subtract(b.packed + 4 * (k0 - first), b.a + k0 * (b.stride - 1) + i, b.stride - 1, t - k0);
      for (int c = 0; c < 4; ++c) {
        for (int h = 0; h < 2; ++h) {
          for (int k = 0; k < c; ++k) acc.c[c][h] -= column[k][t + c] * acc.c[k][h];
          acc.c[c][h] *= b.inverse[t + c];
          Tile::on(column[c] + i + h * lanes) = acc.c[c][h];
        }
      }
    }
  }
  return -1;
}

// L Y = B
template <int Bytes>
TERRANE_HOST_INLINE void band_lower_of(const BandSystem& b) {
  using Tile = BandTile<Bytes>;
  constexpr Index lanes = Tile::lanes;
  const Index columns = b.columns;
  for (Index t = 0; t < b.padded; t += tall) {
    const Index first = t > b.width ? t - b.width : 0;
    gather_band(b, t, first);
    for (Index q = 0; q < columns; q += Tile::wide) {
      const Index begin = b.start[q / widest];
      if (t + tall <= begin) continue;
      const Index k0 = first > begin ? first : begin;
      double* at = b.x + t * columns + q;
      Tile acc;
      for (int r = 0; r < 4; ++r) {
        acc.c[r][0] = Tile::on(at + r * columns);
        acc.c[r][1] = Tile::on(at + r * columns + lanes);
      }
      if (k0 < t) acc.subtract(b.packed + 4 * (k0 - first), b.x + k0 * columns + q, columns, t - k0);
      for (int r = 0; r < 4; ++r) {
        for (int p = 0; p < 2; ++p) {
          for (int k = 0; k < r; ++k) acc.c[r][p] -= b.a[(t + k) * b.stride + r - k] * acc.c[k][p];
          acc.c[r][p] *= b.inverse[t + r];
          Tile::on(at + r * columns + p * lanes) = acc.c[r][p];
        }
      }
    }
  }
}

// L^T X = Y
template <int Bytes>
TERRANE_HOST_INLINE void band_upper_of(const BandSystem& b) {
  using Tile = BandTile<Bytes>;
  constexpr Index lanes = Tile::lanes;
  const Index columns = b.columns;
  for (Index t = b.padded - tall; t >= 0; t -= tall) {
    const Index end = t + tall + b.width, count = (end < b.padded ? end : b.padded) - (t + tall);
    for (Index k = 0; k < count; ++k) {  // packed[k][r] = L(t + 4 + k, t + r)
      for (Index r = 0; r < 4; ++r) b.packed[4 * k + r] = b.a[(t + r) * b.stride + 4 + k - r];
    }
    for (Index h = 0; h < columns; h += Tile::wide) {
      double* at = b.x + t * columns + h;
      Tile acc;
      for (int r = 0; r < 4; ++r) {
        acc.c[r][0] = Tile::on(at + r * columns);
        acc.c[r][1] = Tile::on(at + r * columns + lanes);
      }
      acc.subtract(b.packed, at + tall * columns, columns, count);
      for (int r = 3; r >= 0; --r) {
        for (int p = 0; p < 2; ++p) {
          for (int k = r + 1; k < 4; ++k) acc.c[r][p] -= b.a[(t + r) * b.stride + k - r] * acc.c[k][p];
          acc.c[r][p] *= b.inverse[t + r];
          Tile::on(at + r * columns + p * lanes) = acc.c[r][p];
        }
      }
    }
  }
}

template <int Bytes>
TERRANE_HOST_INLINE void band_solve_of(const BandSystem& b) {
  band_lower_of<Bytes>(b);
  band_upper_of<Bytes>(b);
}

TERRANE_HOST_SIMD(Index, band_factor, const BandSystem& b, b)
TERRANE_HOST_SIMD(void, band_solve, const BandSystem& b, b)

}  // namespace

BandCholesky::BandCholesky(Index n, Index width)
    : n_(n), width_(width), stride_((width + tall + widest + 7) / 8 * 8), padded_(rows(n)) {
  a_.resize(at(padded_ * stride_ + widest));
  inverse_.resize(at(padded_));
  packed_.resize(at(4 * (width_ + tall)));
}

void BandCholesky::clear() { std::fill(a_.begin(), a_.end(), 0.0); }

Index BandCholesky::factor() {
  for (Index i = n_; i < padded_; ++i) a_[at(i * stride_)] = 1;
  return band_factor({width_, stride_, padded_, a_.data(), inverse_.data(), packed_.data()});
}

void BandCholesky::solve(Index columns, const std::vector<Index>& start, double* x) {
  band_solve({width_, stride_, padded_, a_.data(), inverse_.data(), packed_.data(), columns, start.data(), x});
}

}  // namespace terrane
