// SPDX-License-Identifier: MIT
#include "analysis/gram.hpp"

#include <algorithm>

#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {

namespace {

// Products of one block: A A^T or its real part, D D^T or its real part, and an imaginary part.
template <class T>
struct Workspace {
  Buffer<T> a, d, imaginary;
  Workspace(Stream& s, Index elements, bool complex)
      : a(s, elements), d(s, elements), imaginary(s, complex ? elements : 0) {}
};

template <class T>
bool any_complex(const Factors<T>& f) {
  return std::any_of(f.begin(), f.end(), [](const FactorTerm<T>& t) { return t.complex; });
}

// Rows and columns of a block, and the factor terms they belong to.
template <class T>
struct BlockOf {
  const FactorTerm<T>* f;
  const FactorTerm<T>* g;
  Index row, rows, column, columns;
};

// out (rows, columns) = X Y^T, or with `imaginary` Im X Y^H of rows [real parts, imaginary parts].
template <class T>
void inner(Stream& s, const BlockOf<T>& b, const Buffer<T>& x, const Buffer<T>& y, Index length, bool imaginary,
           T* out) {
  const T* px = x.data() + b.row * length;
  const T* py = y.data() + b.column * length;
  if (!imaginary) {
    return gemm(s, Gemm<T>{b.rows, b.columns, length, px, length, false, py, length, true, out, b.columns});
  }
  const Index half = length / 2;  // Im x Re y - Re x Im y
  gemm(s, Gemm<T>{b.rows, b.columns, half, px + half, length, false, py, length, true, out, b.columns});
  gemm(s, Gemm<T>{b.rows, b.columns, half, px, length, false, py + half, length, true, out, b.columns, T(-1), T(1)});
}

// A A^T of rows with few non-zeros; without a pattern row p holds a single 1 in column p.
template <class T>
void sparse_inner(Stream& s, const BlockOf<T>& b, T* out) {
  if (b.f->nonzeros > 0) {
    const Index nf = b.f->nonzeros, ng = b.g->nonzeros;
    return gram_links(
        s, GramLinks<T>{b.rows, b.columns, nf, ng, b.f->index.data() + b.row * nf, b.f->weight.data() + b.row * nf,
                        b.g->index.data() + b.column * ng, b.g->weight.data() + b.column * ng, out});
  }
  const auto identity = [&](Index first, Index count) {
    std::vector<Index> index(static_cast<std::size_t>(count));
    for (Index i = 0; i < count; ++i) index[static_cast<std::size_t>(i)] = first + i;
    return to_device(s, index);
  };
  const Buffer<Index> rows = identity(b.row, b.rows), columns = identity(b.column, b.columns);
  const Buffer<T> ones(s, std::max(b.rows, b.columns));
  fill(s, Fill<T>{ones.data(), T(1), ones.size()});
  gram_links(s, GramLinks<T>{b.rows, b.columns, 1, 1, rows.data(), ones.data(), columns.data(), ones.data(), out});
}

template <class T>
void add_term(Stream& s, const BlockOf<T>& b, const Workspace<T>& w, T* k, Index ldk, bool first) {
  const FactorTerm<T>&f = *b.f, &g = *b.g;
  inner(s, b, f.d, g.d, f.columns_d, false, w.d.data());
  if (f.nonzeros > 0 || f.a.empty()) {
    sparse_inner(s, b, w.a.data());
  } else {
    inner(s, b, f.a, g.a, f.columns_a, false, w.a.data());
  }
  gram_combine(s, GramCombine<T>{b.rows, b.columns, w.a.data(), w.d.data(), f.bias ? T(1) : T(0), k, ldk, !first});
  if (!f.complex) return;
  inner(s, b, f.a, g.a, f.columns_a, true, w.a.data());
  inner(s, b, f.d, g.d, f.columns_d, true, w.imaginary.data());
  gram_combine(s, GramCombine<T>{b.rows, b.columns, w.a.data(), w.imaginary.data(), T(0), k, ldk, true});
}

template <class T>
void add_terms(Stream& s, const Factors<T>& f, Index row, Index rows, const Factors<T>& g, Index column, Index columns,
               const Workspace<T>& w, T* k, Index ldk) {
  for (std::size_t l = 0; l < f.size(); ++l) {
    add_term(s, BlockOf<T>{&f[l], &g[l], row, rows, column, columns}, w, k, ldk, l == 0);
  }
}

template <class T>
bool same_form(const FactorTerm<T>& a, const FactorTerm<T>& b) {
  return a.columns_a == b.columns_a && a.columns_d == b.columns_d && a.nonzeros == b.nonzeros && a.bias == b.bias &&
         a.complex == b.complex && a.a.empty() == b.a.empty();
}

template <class T>
Buffer<double> to_double(Stream& s, const Buffer<T>& x) {
  const std::vector<T> host = to_host(s, x);
  return to_device(s, std::vector<double>(host.begin(), host.end()));
}

}  // namespace

template <class T>
Index gram_samples(const Factors<T>& f) {
  if (f.empty()) return 0;
  for (const FactorTerm<T>& t : f) {
    require(t.samples == f[0].samples, ErrorCode::failed, "the factors are of different numbers of samples", "gram");
  }
  return f[0].samples;
}

template <class T>
void gram_block(Stream& s, const Factors<T>& f, Index row, Index rows, const Factors<T>& g, Index column, Index columns,
                T* k, Index ldk) {
  const Index nf = gram_samples(f), ng = gram_samples(g);
  require(row >= 0 && rows >= 0 && row + rows <= nf && column >= 0 && columns >= 0 && column + columns <= ng &&
              ldk >= columns,
          ErrorCode::failed, "the block lies outside the matrix", "gram");
  require(f.size() == g.size(), ErrorCode::failed, "the factors are of different fields", "gram");
  for (std::size_t l = 0; l < f.size(); ++l) {
    require(same_form(f[l], g[l]), ErrorCode::failed, "the factors are of different fields", "gram");
    require(&f == &g || f[l].nonzeros > 0 || !f[l].a.empty(), ErrorCode::failed,
            "a grid of values has no products with other points", "gram");
  }
  if (rows == 0 || columns == 0) return;
  add_terms(s, f, row, rows, g, column, columns, Workspace<T>(s, rows * columns, any_complex(f)), k, ldk);
}

template <class T>
void gram(Stream& s, const Factors<T>& f, T* k, Index block) {
  const Index n = gram_samples(f);
  require(n > 0 && block > 0, ErrorCode::failed, "there are no factors", "gram");
  block = std::min(block, n);
  const Workspace<T> w(s, block * block, any_complex(f));
  for (Index i = 0; i < n; i += block) {
    const Index rows = std::min(block, n - i);
    for (Index j = i; j < n; j += block) {
      const Index columns = std::min(block, n - j);
      add_terms(s, f, i, rows, f, j, columns, w, k + i * n + j, n);
      if (j > i) gram_mirror(s, GramMirror<T>{rows, columns, k + i * n + j, k + j * n + i, n});
    }
  }
}

template <class T>
std::vector<T> gram_diagonal(Stream& s, const Factors<T>& f) {
  const Index n = gram_samples(f), block = std::min<Index>(32, n);
  std::vector<T> diagonal;
  const Workspace<T> w(s, block * block, any_complex(f));
  const Buffer<T> k(s, block * block);
  for (Index i = 0; i < n; i += block) {
    const Index rows = std::min(block, n - i);
    add_terms(s, f, i, rows, f, i, rows, w, k.data(), rows);
    const std::vector<T> host = to_host(s, k);
    for (Index r = 0; r < rows; ++r) diagonal.push_back(host[static_cast<std::size_t>(r * rows + r)]);
  }
  return diagonal;
}

template <class T>
Index gram_workspace_bytes(const Factors<T>& f, Index block) {
  Index bytes = 0;
  for (const FactorTerm<T>& t : f) {
    bytes += (t.a.size() + t.d.size() + t.weight.size()) * static_cast<Index>(sizeof(T)) +
             t.index.size() * static_cast<Index>(sizeof(Index));
  }
  block = std::min(block, gram_samples(f));
  return bytes + (any_complex(f) ? 3 : 2) * block * block * static_cast<Index>(sizeof(T));
}

Factors<double> widened(Stream& s, const Factors<float>& f) {
  Factors<double> out(f.size());
  for (std::size_t l = 0; l < f.size(); ++l) {
    const FactorTerm<float>& from = f[l];
    FactorTerm<double>& to = out[l];
    to.samples = from.samples;
    to.columns_a = from.columns_a;
    to.columns_d = from.columns_d;
    to.a = to_double(s, from.a);
    to.d = to_double(s, from.d);
    to.bias = from.bias;
    to.nonzeros = from.nonzeros;
    to.index = to_device(s, to_host(s, from.index));
    to.weight = to_double(s, from.weight);
    to.complex = from.complex;
  }
  return out;
}

template Index gram_samples(const Factors<float>&);
template Index gram_samples(const Factors<double>&);
template void gram_block(Stream&, const Factors<float>&, Index, Index, const Factors<float>&, Index, Index, float*,
                         Index);
template void gram_block(Stream&, const Factors<double>&, Index, Index, const Factors<double>&, Index, Index, double*,
                         Index);
template void gram(Stream&, const Factors<float>&, float*, Index);
template void gram(Stream&, const Factors<double>&, double*, Index);
template std::vector<float> gram_diagonal(Stream&, const Factors<float>&);
template std::vector<double> gram_diagonal(Stream&, const Factors<double>&);
template Index gram_workspace_bytes(const Factors<float>&, Index);
template Index gram_workspace_bytes(const Factors<double>&, Index);

}  // namespace terrane
