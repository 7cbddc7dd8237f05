#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the eikonal operator with scikit-fmm and pykonal on the same models, interleaved, one core, user time.

2-D 300 x 600 with 16 sources, order 1 and 2; 3-D 128^3 with 16 sources, order 1. The peers solve one source a call.
Both sides must agree on the times of source 0 (mean relative difference beyond 10 cells of the source) or no ratio is
printed.

  python eikonal_peers.py --bench build/bin/eikonal_bench --output bench/results/eikonal_peers.json

Needs numpy and scikit-fmm; pykonal where it is installed.
"""
import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import tempfile
from importlib.metadata import version

import numpy as np
import skfmm

try:
    import pykonal
except ImportError:
    pykonal = None

H, SOURCES = 10.0, 16


def user_s():
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


def model(shape):
    z = np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    x = np.arange(shape[-1])
    v = 1500 + (4 if len(shape) == 2 else 8) * z + 200 * np.sin(x / 40) * np.cos(z / 30)
    return np.broadcast_to(v, shape).astype(np.float32)


def source_node(shape, k):
    x = (2 * k + 1) * shape[-1] // (2 * SOURCES)
    return (1, x) if len(shape) == 2 else (1, shape[1] // 2, x)


def skfmm_times(v, node, order):
    phi = np.ones(v.shape)
    phi[node] = -1
    start = user_s()
    t = skfmm.travel_time(phi, v, dx=H, order=order)
    seconds = user_s() - start
    return np.asarray(t) + 0.5 * H / v[node], seconds  # the front starts half a cell from the node


def pykonal_times(v, node):
    v3 = v if v.ndim == 3 else v[:, None, :]
    at = node if v.ndim == 3 else (node[0], 0, node[1])
    solver = pykonal.EikonalSolver(coord_sys="cartesian")
    solver.velocity.min_coords = 0, 0, 0
    solver.velocity.node_intervals = H, H, H
    solver.velocity.npts = v3.shape
    solver.velocity.values = v3.astype(float)
    start = user_s()
    solver.traveltime.values[at] = 0
    solver.unknown[at] = False
    solver.trial.push(*at)
    solver.solve()
    return np.asarray(solver.traveltime.values).reshape(v.shape), user_s() - start


def own(args, file, shape, order, out):
    n = shape if len(shape) == 3 else (shape[0], 1, shape[1])
    command = [args.bench, file, *map(str, n), str(H), str(SOURCES), str(order), "1", "3", out]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def difference(a, b, node):
    grids = np.meshgrid(*[np.arange(n) for n in a.shape], indexing="ij")
    far = sum((g - c) ** 2 for g, c in zip(grids, node)) > 100
    return float(np.mean(np.abs(a[far] - b[far])) / np.mean(b[far]))


def case(args, folder, shape, order):
    v = model(shape)
    file, out = os.path.join(folder, "v.raw"), os.path.join(folder, "t.raw")
    v.tofile(file)
    node = source_node(shape, 0)
    forward, adjoint, fmm, pyk = [], [], [], []
    for _ in range(args.repeats):
        r = own(args, file, shape, order, out)
        forward.append(statistics.median(r["forward_user_s"]) / SOURCES)
        adjoint.append(statistics.median(r["adjoint_user_s"]) / SOURCES)
        t, seconds = skfmm_times(v.astype(float), node, order)
        fmm.append(seconds)
        if pykonal is not None and order == 1:
            t_pyk, seconds = pykonal_times(v, node)
            pyk.append(seconds)
    mine = np.fromfile(out, np.float32).reshape(shape)
    row = {"shape": shape, "order": order, "sources": SOURCES, "variant": r["variant"],
           "user_s_per_source": {"terrane": statistics.median(forward), "scikit-fmm": statistics.median(fmm)},
           "adjoint_over_forward": statistics.median(adjoint) / statistics.median(forward),
           "mean_relative_difference": {"scikit-fmm": difference(mine, t, node)}}
    if pyk:
        row["user_s_per_source"]["pykonal"] = statistics.median(pyk)
        row["mean_relative_difference"]["pykonal"] = difference(mine, t_pyk, node)
    if max(row["mean_relative_difference"].values()) < args.tolerance:
        row["speedup"] = {k: s / statistics.median(forward) for k, s in row["user_s_per_source"].items() if k != "terrane"}
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tolerance", type=float, default=0.01)
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for shape, order in (((300, 600), 1), ((300, 600), 2), ((128, 128, 128), 1)):
            rows.append(case(args, folder, shape, order))
            print(json.dumps(rows[-1]))
    versions = {"scikit-fmm": version("scikit-fmm"), "numpy": version("numpy")}
    if pykonal is not None:
        versions["pykonal"] = version("pykonal")
    with open(args.output, "w", encoding="utf-8") as f:
        json.dump({"machine": platform.processor() or platform.machine(), "load_average": os.getloadavg(),
                   "versions": versions, "rows": rows}, f, indent=1)


if __name__ == "__main__":
    main()
