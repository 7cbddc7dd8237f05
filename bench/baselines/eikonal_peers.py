#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the eikonal operator with scikit-fmm and pykonal on the same models: interleaved, one core, user time.

2-D 300 x 600 with 16 sources, order 1 and 2; 3-D 128^3 with 16 sources, order 1. The peers solve one source a call, so
that times are per source: medians over the repeats, in each of which every program runs once. Ours includes the choice
of the upwind sides that its derivatives need.

Times agree when their mean difference from those of scikit-fmm of order 2, started from a ball of three cells around
the source, relative to its mean time and beyond 10 cells of the source, is below the tolerance; otherwise no ratio is
printed and the exit code is 1. The timed peers start at the node of the source, as they are used; the error which that
costs them is reported the same way.

  python eikonal_peers.py --bench build/bin/eikonal_bench --output bench/results/eikonal_peers.json

Needs numpy and scikit-fmm; pykonal where it is installed.
"""
import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version

import numpy as np
import skfmm

try:
    import pykonal
except ImportError:
    pykonal = None

H, SOURCES = 10.0, 16  # metres
# shape, order, wanted speed-up over scikit-fmm, largest difference from the reference times
CASES = (((300, 600), 1, 15, 0.01), ((300, 600), 2, 10, 0.002), ((128, 128, 128), 1, 10, 0.01))
WANTED_ADJOINT = 0.5  # of the forward


def model(shape):
    z = np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    x = np.arange(shape[-1])
    v = 1500 + (4 if len(shape) == 2 else 8) * z + 200 * np.sin(x / 40) * np.cos(z / 30)
    return np.array(np.broadcast_to(v, shape), np.float32, order="C")  # scikit-fmm takes no other layout correctly


def source_node(shape, k):
    x = (2 * k + 1) * shape[-1] // (2 * SOURCES)
    return (1, x) if len(shape) == 2 else (1, shape[1] // 2, x)


def skfmm_times(v, node, order):
    phi = np.ones(v.shape)
    phi[node] = -1
    start = time.process_time()
    t = skfmm.travel_time(phi, v, dx=H, order=order)
    seconds = time.process_time() - start
    return np.asarray(t) + 0.5 * H / v[node], seconds  # the front starts half a cell from the node


def reference_times(v, node):
    grids = np.meshgrid(*[np.arange(n) for n in v.shape], indexing="ij")
    r = H * np.sqrt(sum((g - c) ** 2 for g, c in zip(grids, node)))
    return np.asarray(skfmm.travel_time(r - 3 * H, v, dx=H, order=2)) + 3 * H / v[node]  # valid outside the ball


def pykonal_times(v, node):
    v3 = v if v.ndim == 3 else v[:, None, :]
    at = node if v.ndim == 3 else (node[0], 0, node[1])
    solver = pykonal.EikonalSolver(coord_sys="cartesian")
    solver.velocity.min_coords = 0, 0, 0
    solver.velocity.node_intervals = H, H, H
    solver.velocity.npts = v3.shape
    solver.velocity.values = v3.astype(float)
    start = time.process_time()
    solver.traveltime.values[at] = 0
    solver.unknown[at] = False
    solver.trial.push(*at)
    solver.solve()
    return np.asarray(solver.traveltime.values).reshape(v.shape), time.process_time() - start


def own(args, file, shape, order, out):
    n = shape if len(shape) == 3 else (shape[0], 1, shape[1])
    command = [args.bench, file, *map(str, n), str(H), str(SOURCES), str(order), "1", "3", out]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def difference(t, reference, node):
    grids = np.meshgrid(*[np.arange(n) for n in t.shape], indexing="ij")
    far = sum((g - c) ** 2 for g, c in zip(grids, node)) > 100
    return float(np.mean(np.abs(t[far] - reference[far])) / np.mean(reference[far]))


def case(args, folder, shape, order, wanted, tolerance):
    v = model(shape)
    file, out = os.path.join(folder, "v.raw"), os.path.join(folder, "t.raw")
    v.tofile(file)
    v = v.astype(float)
    node = source_node(shape, 0)
    seconds = {"terrane": [], "adjoint": [], "scikit-fmm": []}
    times = {}
    for _ in range(args.repeats):
        r = own(args, file, shape, order, out)
        seconds["terrane"].append(statistics.median(r["forward_user_s"]) / SOURCES)
        seconds["adjoint"].append(statistics.median(r["adjoint_user_s"]) / SOURCES)
        times["scikit-fmm"], s = skfmm_times(v, node, order)
        seconds["scikit-fmm"].append(s)
        if pykonal is not None and order == 1:
            times["pykonal"], s = pykonal_times(v, node)
            seconds.setdefault("pykonal", []).append(s)
    times["terrane"] = np.fromfile(out, np.float32).reshape(shape)
    reference = reference_times(v, node)
    median = {k: statistics.median(s) for k, s in seconds.items()}
    ratios = [a / f for a, f in zip(seconds["adjoint"], seconds["terrane"])]
    row = {"shape": list(shape), "order": order, "sources": SOURCES, "variant": r["variant"],
           "forward_sweeps": r["last_sweeps"], "adjoint_sweeps": r["adjoint_sweeps"],
           "user_s_per_source": median, "all_user_s_per_source": seconds,
           "difference_from_reference": {k: difference(t, reference, node) for k, t in times.items()}}
    row["agrees"] = row["difference_from_reference"]["terrane"] < tolerance
    if row["agrees"]:
        row["speedup"] = {k: s / median["terrane"] for k, s in median.items() if k not in ("terrane", "adjoint")}
        row["adjoint_over_forward"] = statistics.median(ratios)
        row["wanted"] = {"scikit-fmm": wanted, "adjoint_over_forward": WANTED_ADJOINT}
        row["reached"] = row["speedup"]["scikit-fmm"] >= wanted and row["adjoint_over_forward"] <= WANTED_ADJOINT
    return row


def machine():
    name = platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            names = [line.split(":", 1)[1].strip() for line in f if line.startswith("model name")]
        name = names[0] if names else name
    return {"processor": name, "processors": os.cpu_count(), "system": platform.system()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):  # every program on the same core
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    versions = {"python": platform.python_version(), "numpy": version("numpy"), "scikit-fmm": version("scikit-fmm")}
    if pykonal is not None:
        versions["pykonal"] = version("pykonal")
    result = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="minutes"),
              "machine": machine(), "versions": versions, "repeats": args.repeats,
              "load_average_before": os.getloadavg(), "reference": "scikit-fmm of order 2 from a ball of three cells",
              "command": "eikonal_peers.py --repeats " + str(args.repeats), "rows": []}
    with tempfile.TemporaryDirectory() as folder:
        for shape, order, wanted, tolerance in CASES:
            result["rows"].append(case(args, folder, shape, order, wanted, tolerance))
            row = {k: v for k, v in result["rows"][-1].items() if not k.startswith("all_")}
            print(json.dumps(row), flush=True)
    result["load_average_after"] = os.getloadavg()
    with open(args.output, "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    return 0 if all(row["agrees"] for row in result["rows"]) else 1


if __name__ == "__main__":
    sys.exit(main())
