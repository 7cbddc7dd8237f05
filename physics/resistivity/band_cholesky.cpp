// SPDX-License-Identifier: MIT
#include "physics/resistivity/band_cholesky.hpp"

#include <algorithm>
#include <cmath>

namespace terrane {

namespace {

// Two registers of the widest set that this build may use make a tile of `wide` numbers.
#if defined(__AVX__)
constexpr int vector_bytes = 32;
#else
constexpr int vector_bytes = 16;
#endif
typedef double V __attribute__((vector_size(vector_bytes), may_alias, aligned(8)));
constexpr Index lanes = vector_bytes / 8;
constexpr Index wide = 2 * lanes;
constexpr Index tall = BandCholesky::row_tile;
static_assert(BandCholesky::rhs_tile % wide == 0 && tall == 4);

inline V load(const double* p) { return *reinterpret_cast<const V*>(p); }
inline void store(double* p, V v) { *reinterpret_cast<V*>(p) = v; }
inline V splat(double x) { return x - V{}; }  // no instruction remains of the difference

// c[r][0..wide) -= sum_k f[k * 4 + r] x[k * stride + 0..wide), r < 4, k < count.
struct Tile {
  V c[4][2];
  void subtract(const double* f, const double* x, Index stride, Index count) {
    for (Index k = 0; k < count; ++k, f += 4, x += stride) {
      const V x0 = load(x), x1 = load(x + lanes);
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) {
        const V w = splat(f[r]);
        c[r][0] -= w * x0;
        c[r][1] -= w * x1;
      }
    }
  }
};

}  // namespace

BandCholesky::BandCholesky(Index n, Index width)
    : n_(n), width_(width), stride_((width + tall + wide + 7) / 8 * 8), padded_(rows(n)) {
  a_.resize(static_cast<std::size_t>(padded_ * stride_ + wide));
  inverse_.resize(static_cast<std::size_t>(padded_));
}

void BandCholesky::clear() { std::fill(a_.begin(), a_.end(), 0.0); }

// packed[k][c] = L(row + c, first + k), k < row - first, c < 4.
void BandCholesky::gather(Index row, Index first, double* packed) const {
  for (Index k = first; k < row; ++k, packed += 4) {
    const double* column = a_.data() + k * stride_ + (row - k);
    std::copy_n(column, 4, packed);
  }
}

// Four columns at a time, each entry from finished columns: L(i, t) = (A(i, t) - sum_{k < t} L(i, k) L(t, k)) / L(t,
// t). Rows i of a tile lie one after another in column k, so that they are loaded as vectors.
Index BandCholesky::factor() {
  std::vector<double> packed(static_cast<std::size_t>(4 * (width_ + tall)));
  for (Index i = n_; i < padded_; ++i) a_[static_cast<std::size_t>(i * stride_)] = 1;
  for (Index t = 0; t < padded_; t += tall) {
    const Index first = std::max<Index>(0, t - width_);
    gather(t, first, packed.data());
    double* column[4];
    for (Index c = 0; c < 4; ++c) column[c] = a_.data() + (t + c) * stride_ - (t + c);  // indexed by the row
    double corner[4][4] = {};
    for (Index k = 0; k < t - first; ++k) {
      const double* p = packed.data() + 4 * k;
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
          inverse_[static_cast<std::size_t>(t + c)] = 1 / v;
        } else {
          v *= inverse_[static_cast<std::size_t>(t + c)];
        }
        column[c][t + r] = v;
      }
    }
    const Index last = std::min(padded_, t + tall + width_);  // the band ends before
    for (Index i = t + tall; i < last; i += wide) {
      const Index k0 = std::max(first, i - width_);
      Tile acc;
      for (int c = 0; c < 4; ++c) {
        acc.c[c][0] = load(column[c] + i);
        acc.c[c][1] = load(column[c] + i + lanes);
      }
      // Row i of column k is at k (stride - 1) + i.
      acc.subtract(packed.data() + 4 * (k0 - first), a_.data() + k0 * (stride_ - 1) + i, stride_ - 1, t - k0);
      for (int c = 0; c < 4; ++c) {
        const V scale = splat(inverse_[static_cast<std::size_t>(t + c)]);
        for (int h = 0; h < 2; ++h) {
          for (int k = 0; k < c; ++k) acc.c[c][h] -= splat(column[k][t + c]) * acc.c[k][h];
          acc.c[c][h] *= scale;
          store(column[c] + i + h * lanes, acc.c[c][h]);
        }
      }
    }
  }
  return -1;
}

void BandCholesky::solve(Index columns, const std::vector<Index>& start, double* x) const {
  solve_lower(columns, start, x);
  solve_upper(columns, x);
}

// L Y = B
void BandCholesky::solve_lower(Index columns, const std::vector<Index>& start, double* x) const {
  std::vector<double> packed(static_cast<std::size_t>(4 * (width_ + tall)));
  const Index tiles = columns / rhs_tile;
  for (Index t = 0; t < padded_; t += tall) {
    const Index first = std::max<Index>(0, t - width_);
    gather(t, first, packed.data());
    for (Index q = 0; q < tiles; ++q) {
      const Index begin = start[static_cast<std::size_t>(q)];
      if (t + tall <= begin) continue;
      const Index k0 = std::max(first, begin);
      for (Index h = 0; h < rhs_tile; h += wide) {
        double* at = x + t * columns + q * rhs_tile + h;
        Tile acc;
        for (int r = 0; r < 4; ++r) {
          acc.c[r][0] = load(at + r * columns);
          acc.c[r][1] = load(at + r * columns + lanes);
        }
        if (k0 < t) {
          acc.subtract(packed.data() + 4 * (k0 - first), x + k0 * columns + q * rhs_tile + h, columns, t - k0);
        }
        for (int r = 0; r < 4; ++r) {
          const V scale = splat(inverse_[static_cast<std::size_t>(t + r)]);
          for (int p = 0; p < 2; ++p) {
            for (int k = 0; k < r; ++k) {
              acc.c[r][p] -= splat(a_[static_cast<std::size_t>((t + k) * stride_ + r - k)]) * acc.c[k][p];
            }
            acc.c[r][p] *= scale;
            store(at + r * columns + p * lanes, acc.c[r][p]);
          }
        }
      }
    }
  }
}

// L^T X = Y
void BandCholesky::solve_upper(Index columns, double* x) const {
  std::vector<double> packed(static_cast<std::size_t>(4 * (width_ + tall)));
  for (Index t = padded_ - tall; t >= 0; t -= tall) {
    const Index count = std::min(padded_, t + tall + width_) - (t + tall);
    for (Index k = 0; k < count; ++k) {  // packed[k][r] = L(t + 4 + k, t + r)
      for (Index r = 0; r < 4; ++r) {
        packed[static_cast<std::size_t>(4 * k + r)] = a_[static_cast<std::size_t>((t + r) * stride_ + 4 + k - r)];
      }
    }
    for (Index h = 0; h < columns; h += wide) {
      double* at = x + t * columns + h;
      Tile acc;
      for (int r = 0; r < 4; ++r) {
        acc.c[r][0] = load(at + r * columns);
        acc.c[r][1] = load(at + r * columns + lanes);
      }
      acc.subtract(packed.data(), at + tall * columns, columns, count);
      for (int r = 3; r >= 0; --r) {
        const V scale = splat(inverse_[static_cast<std::size_t>(t + r)]);
        for (int p = 0; p < 2; ++p) {
          for (int k = r + 1; k < 4; ++k) {
            acc.c[r][p] -= splat(a_[static_cast<std::size_t>((t + r) * stride_ + k - r)]) * acc.c[k][p];
          }
          acc.c[r][p] *= scale;
          store(at + r * columns + p * lanes, acc.c[r][p]);
        }
      }
    }
  }
}

}  // namespace terrane
