// SPDX-License-Identifier: MIT
#include "physics/resistivity/pole_rows.hpp"

#include "kernels/runtime/host_simd.hpp"

namespace terrane {

namespace {

// c (4, columns) = a (4, n) b (n, columns); all rows are `columns` long in memory.
template <int Bytes>
TERRANE_HOST_INLINE void multiply_rows_of(Index n, Index columns, const double* a, const double* b, double* c) {
  using V = HostVector<Bytes>;
  constexpr Index lanes = Bytes / 8, wide = 2 * lanes;
  for (Index q = 0; q < columns; q += wide) {
    V sum[4][2] = {};
    for (Index k = 0; k < n; ++k) {
      const double* x = b + k * columns + q;
      const V x0 = *reinterpret_cast<const V*>(x), x1 = *reinterpret_cast<const V*>(x + lanes);
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) {
        sum[r][0] += a[r * columns + k] * x0;
        sum[r][1] += a[r * columns + k] * x1;
      }
    }
    for (int r = 0; r < 4; ++r) {
      for (int h = 0; h < 2; ++h) *reinterpret_cast<V*>(c + r * columns + q + h * lanes) = sum[r][h];
    }
  }
}

// Four fixed lanes, whatever the registers are.
using PoleLanes = HostVector<32>;
#define TERRANE_LANES(p) (*reinterpret_cast<const PoleLanes*>(p))

// sum_c a_c b_c
TERRANE_HOST_INLINE double pole_product(Index columns, const double* a, const double* b) {
  PoleLanes sum = {};
  for (Index c = 0; c < columns; c += 4) sum += TERRANE_LANES(a + c) * TERRANE_LANES(b + c);
  return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}
// sum_c (a1 - a0)_c (b1 - b0)_c
TERRANE_HOST_INLINE double pole_product(Index columns, const double* a1, const double* a0, const double* b1,
                                        const double* b0) {
  PoleLanes sum = {};
  for (Index c = 0; c < columns; c += 4) {
    sum += (TERRANE_LANES(a1 + c) - TERRANE_LANES(a0 + c)) * (TERRANE_LANES(b1 + c) - TERRANE_LANES(b0 + c));
  }
  return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}
#undef TERRANE_LANES

template <int Bytes>
TERRANE_HOST_INLINE void pole_line_of(const PoleLine& l) {
  const Index columns = l.columns;
  for (Index n = 0; n < l.nodes; n += 4) {
    multiply_rows_of<Bytes>(l.poles, columns, l.u + n * columns, l.y, l.p + n * columns);
  }
  for (Index n = 0; n < l.nodes; ++n) {
    const double *p = l.p + n * columns, *u = l.u + n * columns;
    l.at_node[n] = pole_product(columns, p, u);
    if (n > 0) l.along_line[n - 1] = pole_product(columns, p, p - columns, u, u - columns);
    if (l.u_before != nullptr) {
      l.across_line[n] = pole_product(columns, p, l.p_before + n * columns, u, l.u_before + n * columns);
    }
  }
}

TERRANE_HOST_SIMD(void, pole_line, const PoleLine& l, l)

}  // namespace

void fill_pole_line(const PoleLine& line) { pole_line(line); }

}  // namespace terrane
