// SPDX-License-Identifier: MIT
#include "physics/resistivity/resistivity3d_levels.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/runtime/error.hpp"

namespace terrane {

namespace {

constexpr Index coarsest_nodes = 200;
constexpr double joint_width = 2.9;  // of the smallest cell, on the finest level

std::vector<double> widths_of(const std::vector<double>& nodes) {
  std::vector<double> h;
  for (std::size_t i = 1; i < nodes.size(); ++i) h.push_back(nodes[i] - nodes[i - 1]);
  return h;
}

// First cells of the joint cells of one axis, and the end.
std::vector<Index> join(const std::vector<double>& h, double limit) {
  std::vector<Index> first;
  const auto n = static_cast<Index>(h.size());
  for (Index i = 0; i < n;) {
    first.push_back(i);
    i += i + 1 < n && h[at(i)] + h[at(i + 1)] <= limit ? 2 : 1;
  }
  first.push_back(n);
  return first;
}

// The lists of a level for the given joint cells, and the coarser level.
DcLevel make_coarser(DcLevel& fine) {
  std::array<std::vector<double>, 3> widths;
  std::array<std::vector<Index>, 3> coarse_of;  // coarse node of a fine one, -1: between two
  for (int a = 0; a < 3; ++a) {
    const std::vector<Index>& first = fine.first[static_cast<std::size_t>(a)];
    const std::vector<double>& h = fine.h_m[static_cast<std::size_t>(a)];
    coarse_of[static_cast<std::size_t>(a)].assign(h.size() + 1, -1);
    for (std::size_t c = 0; c < first.size(); ++c) {
      coarse_of[static_cast<std::size_t>(a)][at(first[c])] = static_cast<Index>(c);
      if (c + 1 == first.size()) break;
      double sum = 0;
      for (Index i = first[c]; i < first[c + 1]; ++i) sum += h[at(i)];
      widths[static_cast<std::size_t>(a)].push_back(sum);
    }
  }
  DcLevel coarse(widths);
  fine.between.assign(at(fine.nodes), 0);
  for (Index z = 0; z <= fine.n[0]; ++z) {
    for (Index y = 0; y <= fine.n[1]; ++y) {
      for (Index x = 0; x <= fine.n[2]; ++x) {
        const Index cz = coarse_of[0][at(z)], cy = coarse_of[1][at(y)], cx = coarse_of[2][at(x)];
        const int count = (cz < 0 ? 1 : 0) + (cy < 0 ? 1 : 0) + (cx < 0 ? 1 : 0);
        const Index node = fine.node(z, y, x);
        fine.between[at(node)] = static_cast<std::uint8_t>((cx < 0 ? 1 : 0) | (cy < 0 ? 2 : 0) | (cz < 0 ? 4 : 0));
        fine.stage[static_cast<std::size_t>(count)].push_back(static_cast<std::int32_t>(node));
        if (count == 0) fine.coarse_node.push_back(static_cast<std::int32_t>(coarse.node(cz, cy, cx)));
      }
    }
  }
  return coarse;
}

// Boundary faces on all sides but the top.
std::vector<DcFace> make_faces(const DcLevel& l, const TensorMesh3& mesh, const Point3& origin) {
  std::vector<DcFace> faces;
  for (int a = 0; a < 3; ++a) {
    const int b = a == 0 ? 1 : 0, c = a == 2 ? 1 : 2;
    for (const bool far : {false, true}) {
      if (a == 0 && !far) continue;
      const double side = far ? mesh.nodes_m(a).back() : mesh.nodes_m(a).front();
      for (Index i = 0; i < mesh.cells(b); ++i) {
        for (Index j = 0; j < mesh.cells(c); ++j) {
          Index index[3];
          index[a] = far ? mesh.cells(a) - 1 : 0;
          index[b] = i;
          index[c] = j;
          const double out = (side - origin.at(a)) * (far ? 1 : -1), db = mesh.middle_m(b, i) - origin.at(b),
                       dc = mesh.middle_m(c, j) - origin.at(c), r2 = out * out + db * db + dc * dc;
          require(out > 0, ErrorCode::config,
                  "the origin of the boundary condition must lie inside the mesh, away from its boundary",
                  "3-D resistivity");
          const double area = l.h_m[static_cast<std::size_t>(b)][at(i)] * l.h_m[static_cast<std::size_t>(c)][at(j)];
          DcFace f{l.cell(index[0], index[1], index[2]), {}, area * out / r2 / 4};
          if (far) ++index[a];
          const Index n0 = l.node(index[0], index[1], index[2]), sb = l.step[static_cast<std::size_t>(b)],
                      sc = l.step[static_cast<std::size_t>(c)];
          f.node[0] = n0;
          f.node[1] = n0 + sb;
          f.node[2] = n0 + sc;
          f.node[3] = n0 + sb + sc;
          faces.push_back(f);
        }
      }
    }
  }
  return faces;
}

// f(cell, node, axis, geometry, steps across) for every cell and axis of a level
template <class F>
void for_each_cell(const DcLevel& l, const F& f) {
  for (Index z = 0; z < l.n[0]; ++z) {
    for (Index y = 0; y < l.n[1]; ++y) {
      const Index cell = l.cell(z, y, 0), node = l.node(z, y, 0);
      for (Index x = 0; x < l.n[2]; ++x) {
        f(cell + x, node + x, 0, l.geometry(0, z, y, x), l.step[1], l.step[2]);
        f(cell + x, node + x, 1, l.geometry(1, z, y, x), l.step[0], l.step[2]);
        f(cell + x, node + x, 2, l.geometry(2, z, y, x), l.step[0], l.step[1]);
      }
    }
  }
}

void set_diagonal(const DcLevel& l, DcCoefficients& out) {
  out.diagonal = out.extra;
  for (std::size_t a = 0; a < 3; ++a) {
    for (Index n = 0; n + l.step[a] < l.nodes; ++n) {
      out.diagonal[at(n)] += out.edge[a][at(n)];
      out.diagonal[at(n + l.step[a])] += out.edge[a][at(n)];
    }
  }
}

double series(double a, double b) { return a > 0 && b > 0 ? a * b / (a + b) : 0; }

// A network with the cells of one axis joined: edges along the axis in series; what hangs on a vanished node (edges
// across, boundary term) goes to its two neighbours in the proportion of the conductances towards them.
struct Network {
  DcLevel level;
  std::array<std::vector<double>, 3> edge;
  std::vector<double> extra;
};
Network joined(const DcLevel& l, const std::array<std::vector<double>, 3>& edge, const std::vector<double>& extra,
               int axis, const std::vector<Index>& first) {
  const auto a = static_cast<std::size_t>(axis);
  auto widths = l.h_m;
  widths[a].assign(first.size() - 1, 0.0);
  Network out{DcLevel(widths), {}, {}};
  for (auto& e : out.edge) e.assign(at(out.level.nodes), 0.0);
  out.extra.assign(at(out.level.nodes), 0.0);
  std::vector<Index> below;  // coarse node of a fine one, or that below it
  for (std::size_t c = 0; c + 1 < first.size(); ++c)
    below.insert(below.end(), at(first[c + 1] - first[c]), static_cast<Index>(c));
  below.push_back(static_cast<Index>(first.size()) - 1);
  const Index step = l.step[a], up = out.level.step[a];
  const auto share = [&](Index n) {  // of the node below; -1: no connection
    const double low = edge[a][at(n - step)], high = edge[a][at(n)];
    return low + high > 0 ? low / (low + high) : -1;
  };
  Index i[3];
  for (i[0] = 0; i[0] <= l.n[0]; ++i[0]) {
    for (i[1] = 0; i[1] <= l.n[1]; ++i[1]) {
      for (i[2] = 0; i[2] <= l.n[2]; ++i[2]) {
        const Index n = l.node(i[0], i[1], i[2]), k = below[at(i[axis])];
        Index j[3] = {i[0], i[1], i[2]};
        j[axis] = k;
        const Index c = out.level.node(j[0], j[1], j[2]);
        const bool kept = first[at(k)] == i[axis];
        if (kept && i[axis] < l.n[a]) {
          const bool one = first[at(k + 1)] == i[axis] + 1;
          out.edge[a][at(c)] = one ? edge[a][at(n)] : series(edge[a][at(n)], edge[a][at(n + step)]);
        }
        const double own = kept ? 1 : share(n);
        for (std::size_t b = 0; b < 3; ++b) {
          const double v = b == a ? 0 : edge[b][at(n)];
          if (!(v > 0)) continue;
          double w = own;
          if (!kept) {
            const double other = share(n + l.step[b]);
            w = own < 0 && other < 0 ? 0.5 : own < 0 ? other : other < 0 ? own : (own + other) / 2;
          }
          out.edge[b][at(c)] += w * v;
          if (!kept) out.edge[b][at(c + up)] += (1 - w) * v;
        }
        const double w = own < 0 ? 0.5 : own;
        out.extra[at(c)] += w * extra[at(n)];
        if (!kept) out.extra[at(c + up)] += (1 - w) * extra[at(n)];
      }
    }
  }
  return out;
}

}  // namespace

DcLevel::DcLevel(const std::array<std::vector<double>, 3>& widths) : h_m(widths) {
  for (std::size_t a = 0; a < 3; ++a) n[a] = static_cast<Index>(h_m[a].size());
  step[2] = 1;
  step[1] = (n[2] + 1) | 1;
  step[0] = step[1] * ((n[1] + 1) | 1);
  nodes = step[0] * (n[0] + 1);
}

double DcLevel::geometry(int axis, Index z, Index y, Index x) const {
  const double hz = h_m[0][at(z)], hy = h_m[1][at(y)], hx = h_m[2][at(x)];
  return axis == 0 ? hy * hx / (4 * hz) : axis == 1 ? hz * hx / (4 * hy) : hz * hy / (4 * hx);
}

DcHierarchy::DcHierarchy(const TensorMesh3& mesh, const Point3& origin) {
  levels.emplace_back(std::array{widths_of(mesh.z_m), widths_of(mesh.y_m), widths_of(mesh.x_m)});
  faces = make_faces(levels[0], mesh, origin);
  double limit = HUGE_VAL;
  for (const auto& h : levels[0].h_m) limit = std::min(limit, *std::min_element(h.begin(), h.end()));
  limit *= joint_width;
  for (;; limit *= 2) {
    DcLevel& fine = levels.back();
    const auto real = [](Index z, Index y, Index x) { return (z + 1) * (y + 1) * (x + 1); };
    const Index before = real(fine.n[0], fine.n[1], fine.n[2]);
    if (before <= coarsest_nodes) break;
    std::array<std::vector<Index>, 3> joint;
    for (std::size_t a = 0; a < 3; ++a) joint[a] = join(fine.h_m[a], limit);
    const auto count = [&](std::size_t a) { return static_cast<Index>(joint[a].size()) - 1; };
    if (4 * real(count(0), count(1), count(2)) > 3 * before) continue;  // too little; a wider limit follows
    fine.first = std::move(joint);
    levels.push_back(make_coarser(fine));
  }
}

void assemble(const DcHierarchy& h, const std::vector<double>& sigma, DcCoefficients& out) {
  const DcLevel& l = h.levels[0];
  for (auto& e : out.edge) e.assign(at(l.nodes), 0.0);
  for_each_cell(l, [&](Index cell, Index node, int axis, double geometry, Index b, Index c) {
    const double v = sigma[at(cell)] * geometry;
    double* edge = out.edge[static_cast<std::size_t>(axis)].data() + node;
    edge[0] += v;
    edge[b] += v;
    edge[c] += v;
    edge[b + c] += v;
  });
  out.extra.assign(at(l.nodes), 0.0);
  for (const DcFace& f : h.faces) {
    for (const Index n : f.node) out.extra[at(n)] += f.factor * sigma[at(f.cell)];
  }
  set_diagonal(l, out);
}

std::vector<DcCoefficients> assemble_levels(const DcHierarchy& h, const std::vector<double>& sigma) {
  std::vector<DcCoefficients> all(h.levels.size());
  assemble(h, sigma, all[0]);
  for (std::size_t i = 1; i < all.size(); ++i) {
    const DcLevel& fine = h.levels[i - 1];
    Network net = joined(fine, all[i - 1].edge, all[i - 1].extra, 0, fine.first[0]);
    net = joined(net.level, net.edge, net.extra, 1, fine.first[1]);
    net = joined(net.level, net.edge, net.extra, 2, fine.first[2]);
    all[i].edge = std::move(net.edge);
    all[i].extra = std::move(net.extra);
    set_diagonal(h.levels[i], all[i]);
  }
  return all;
}

std::vector<double> assemble_transpose(const DcHierarchy& h, const std::vector<double>& products) {
  const DcLevel& l = h.levels[0];
  std::vector<double> g(at(l.cells()));
  for_each_cell(l, [&](Index cell, Index node, int axis, double geometry, Index b, Index c) {
    const double* p = products.data() + (2 - axis) * l.nodes + node;
    g[at(cell)] += geometry * ((p[0] + p[b]) + (p[c] + p[b + c]));
  });
  const double* at_node = products.data() + 3 * l.nodes;
  for (const DcFace& f : h.faces) {
    g[at(f.cell)] += f.factor * ((at_node[f.node[0]] + at_node[f.node[1]]) + (at_node[f.node[2]] + at_node[f.node[3]]));
  }
  return g;
}

}  // namespace terrane
