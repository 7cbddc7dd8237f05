// SPDX-License-Identifier: MIT
// Dense linear algebra on one device. Matrices are row-major; pointers are device pointers. Outputs must not overlap
// inputs unless said so. Sizes of zero are allowed and give empty results.
//
// Errors: Error{failed} when an iteration does not converge or a matrix is not positive definite; Error{budget} when
// the device has no room for the workspace. Float in, float arithmetic; double in, double arithmetic.
// The bits do not depend on the number of threads.
// References: Golub, Van Loan, Matrix Computations, 4th ed. (2013); LAPACK; Goto, van de Geijn, ACM TOMS 34 (2008).
#pragma once

#include "kernels/runtime/hd.hpp"

namespace terrane {

// Representation of the factors of products in float on a GPU; elsewhere, and in double, it has no meaning. Sums are
// float in every mode.
enum class FactorPrecision : int {
  full = 0,
  tf32 = 1,  // 11 bits
  bf16 = 2   // 8 bits
};

// For b in [0, batch): C_b = alpha op(A_b) op(B_b) + beta C_b, X_b = x + b * stride_x.
// op(A): (m, k), op(B): (k, n), C: (m, n). lda, ldb, ldc: elements from row to row of the stored matrix, which is (k,
// m) or (n, k) when transposed. C is not read when beta = 0.
template <class T>
struct Gemm {
  Index m = 0, n = 0, k = 0;
  const T* a = nullptr;
  Index lda = 0;
  bool transpose_a = false;
  const T* b = nullptr;
  Index ldb = 0;
  bool transpose_b = false;
  T* c = nullptr;
  Index ldc = 0;
  T alpha = 1, beta = 0;
  Index batch = 1;
  Index stride_a = 0, stride_b = 0, stride_c = 0;
  FactorPrecision factors = FactorPrecision::full;
};

// A = U diag(S) V^T, thin: r = min(m, n). A: (m, n), kept. U: (m, r); S: (r), descending; V^T: (r, n), row j is the
// j-th right singular vector. u and vt may both be null: values only. Signs of a pair (u_j, v_j) are free.
template <class T>
struct Svd {
  Index m = 0, n = 0;
  const T* a = nullptr;
  T* u = nullptr;
  T* s = nullptr;
  T* vt = nullptr;
};

// A v_j = w_j v_j for symmetric A: (n, n), kept; its upper triangle is read. w: (n), ascending. vectors: (n, n), row j
// is v_j, of unit length and free sign; null: values only. top > 0: only the `top` largest pairs, w: (top), still
// ascending, vectors: (top, n).
template <class T>
struct Eigh {
  Index n = 0;
  const T* a = nullptr;
  T* w = nullptr;
  T* vectors = nullptr;
  Index top = 0;

  TERRANE_HD Index pairs() const { return top > 0 && top < n ? top : n; }
};

// A = Q R, thin: r = min(m, n). A: (m, n), kept. Q: (m, r), orthonormal columns; R: (r, n), upper triangular with a
// diagonal >= 0, which makes both unique for full rank.
template <class T>
struct Qr {
  Index m = 0, n = 0;
  const T* a = nullptr;
  T* q = nullptr;
  T* r = nullptr;
};

// A = L L^T for symmetric positive definite A: (n, n), its lower triangle is read. L: (n, n), zero above the diagonal;
// l may be a. Error{failed} names the row of the first pivot that is not positive.
template <class T>
struct Cholesky {
  Index n = 0;
  const T* a = nullptr;
  T* l = nullptr;
};

// L L^T X = B, in place. L: (n, n) from Cholesky; x: (n, n_rhs), holds B on entry.
template <class T>
struct CholeskySolve {
  Index n = 0, n_rhs = 1;
  const T* l = nullptr;
  T* x = nullptr;
};

}  // namespace terrane
