#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the DC resistivity operators with SimPEG's nodal simulations on the same mesh, medium and survey: data,
J^T v with respect to ln(sigma), seconds of both and peak memory.

2d: the mesh, survey, wavenumbers and true model of case 3.1 of the dike study (folder --study). 3d: N^3 cells, of
which N / 8 on each side but the top are padding, a conductive and a resistive block, SOURCES current poles and as many
potential poles. SimPEG runs with the solver it chooses itself and, where pypardiso is installed, with that; every
program runs in turn, `--repeats` times, and the median counts. J^T v of SimPEG reuses the fields and factors of its
forward call, ours the potentials. Results agree when data and J^T v (relative to its norm) differ by at most 1e-3;
otherwise no ratio is printed and the exit code is 1.

  OMP_NUM_THREADS=2 python resistivity_simpeg.py 2d --study DIR --bench build/bin/resistivity_bench --output FILE
  OMP_NUM_THREADS=2 python resistivity_simpeg.py 3d --cells 64 --sources 50 --bench ... --output FILE

Needs numpy, scipy, discretize and simpeg.
"""
import argparse
import datetime
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version

import discretize
import numpy as np
from machine import processor
from simpeg import maps
from simpeg.electromagnetics.static import resistivity as dc
from simpeg.utils.solver_utils import get_default_solver

TOLERANCE = 1e-3


def padded(n, h, x0, before, after, factor):
    reach = h * np.cumsum(factor ** np.arange(1, max(before, after) + 1))
    core = x0 + h * np.arange(n + 1)
    return np.concatenate([x0 - reach[:before][::-1], core, core[-1] + reach[:after]])


class Problem:
    """Mesh nodes with z down, sigma (nz, [ny,] nx) with row 0 on top, electrodes (n, 3) as x, y, z, data (n, 4)."""

    def __init__(self, nodes, sigma, electrodes, data, wavenumbers=None):
        self.nodes, self.sigma, self.electrodes, self.wavenumbers = nodes, sigma, electrodes, wavenumbers
        self.data = np.asarray(data, np.int64)
        self.v = np.random.default_rng(1).standard_normal(len(self.data))

    def write(self, folder):
        for name, nodes in self.nodes.items():
            nodes.tofile(os.path.join(folder, name + ".f64"))
        for name, array in (("sigma", self.sigma), ("electrodes", self.electrodes), ("v", self.v)):
            np.ascontiguousarray(array, float).tofile(os.path.join(folder, name + ".f64"))
        self.data.tofile(os.path.join(folder, "data.i64"))
        if self.wavenumbers is not None:
            for name, array in zip("kw", self.wavenumbers):
                array.tofile(os.path.join(folder, name + ".f64"))

    def simulation(self, solver):
        up = -self.nodes["z"][::-1]
        flat = "y" not in self.nodes
        axes = [self.nodes["x"]] + ([] if flat else [self.nodes["y"]]) + [up]
        mesh = discretize.TensorMesh([np.diff(a) for a in axes], origin=[a[0] for a in axes])
        place = (lambda e: np.array([e[0], -e[2]])) if flat else (lambda e: np.array([e[0], e[1], -e[2]]))
        sources, self.order = [], []
        for pair in np.unique(self.data[:, :2], axis=0):
            rows = np.flatnonzero((self.data[:, :2] == pair).all(axis=1))
            m, n = (self.electrodes[self.data[rows, k]] for k in (2, 3))
            if (self.data[rows, 3] < 0).all():
                receiver = dc.receivers.Pole(np.array([place(e) for e in m]))
            else:
                receiver = dc.receivers.Dipole(np.array([place(e) for e in m]), np.array([place(e) for e in n]))
            a = place(self.electrodes[pair[0]])
            sources.append(dc.sources.Pole([receiver], a) if pair[1] < 0 else
                           dc.sources.Dipole([receiver], a, place(self.electrodes[pair[1]])))
            self.order.extend(rows)
        kind = dc.Simulation2DNodal if flat else dc.Simulation3DNodal
        options = {"nky": len(self.wavenumbers[0])} if flat else {}
        simulation = kind(mesh, survey=dc.Survey(sources), sigmaMap=maps.ExpMap(mesh), solver=solver, **options)
        if flat:
            simulation._quad_points, simulation._quad_weights = self.wavenumbers
        # rows from bottom to top, x fastest
        return simulation, np.log(self.sigma[::-1]).ravel()

    def simpeg(self, solver):
        simulation, model = self.simulation(solver)
        start = time.perf_counter()
        fields = simulation.fields(model)
        data = simulation.dpred(model, f=fields)
        middle = time.perf_counter()
        gradient = simulation.Jtvec(model, self.v[self.order], f=fields)
        seconds = {"forward_s": middle - start, "jtv_s": time.perf_counter() - middle}
        out = np.empty(len(data))
        out[self.order] = data
        return out, gradient.reshape(self.sigma.shape)[::-1], seconds


def study(folder):
    x = np.load(os.path.join(folder, "dcr_mesh_x_nodes.npy"))
    z = -np.load(os.path.join(folder, "dcr_mesh_z_nodes.npy"))[::-1]
    sigma = np.load(os.path.join(folder, "dcr_3_1_true_sigma_full.npy"))[::-1]
    electrodes = np.array([(-350 + 25 * e, 0, 0) for e in range(29)], float)
    data = [(k, k + 1, k + 2 + q, k + 3 + q) for k in range(26) for q in range(24) if k + 3 + q < 29]
    pairs = [np.load(os.path.join(folder, f"dcr_quad_{n}.npy")) for n in "kw"]
    return Problem({"x": x, "z": z}, sigma, electrodes, data, pairs)


def blocks(cells, sources, factor=1.4, h=5.0):
    p = cells // 8  # padding
    n = cells - 2 * p
    x = padded(n, h, -n * h / 2, p, p, factor)
    z = padded(cells - p, h, 0, 0, p, factor)
    sigma = np.full((cells, cells, cells), 0.01)
    sigma[n // 8:n // 2, p + n // 4:p + n // 2, p + n // 5:p + n // 2] = 0.5
    sigma[n // 6:2 * n // 3, p + 5 * n // 8:p + 7 * n // 8, p + n // 2:p + 3 * n // 4] = 0.0005
    # Electrodes on nodes, in a checkerboard: current and potential poles in turn.
    side = int(np.ceil(np.sqrt(2 * sources)))
    index = np.round(np.linspace(-3 * n / 8, 3 * n / 8, side))
    if len(np.unique(index)) < side:
        raise SystemExit("too many sources for so few cells")
    grid = np.array([(a * h, b * h, 0) for b in index for a in index])
    electrodes = grid[:2 * sources]
    data = [(a, -1, m, -1) for a in range(0, len(electrodes), 2) for m in range(1, len(electrodes), 2)]
    return Problem({"x": x, "y": x, "z": z}, sigma, electrodes, data)


def solvers():
    default = get_default_solver()
    found = {"SimPEG, " + default.__name__: default}
    try:
        import pypardiso
        import pymatsolver

        class Factors:
            def __init__(self, a, **_):
                self.solver = pypardiso.PyPardisoSolver()
                self.a = a.tocsr()
                self.solver.factorize(self.a)

            def solve(self, b):
                return self.solver.solve(self.a, np.asfortranarray(b))

            def clean(self):
                self.solver.free_memory(everything=True)

        found["SimPEG, MKL Pardiso"] = pymatsolver.WrapDirect(Factors, factorize=True, name="MklPardiso")
    except ImportError:
        pass
    return found


def installed(names):
    out = {}
    for name in names:
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            pass
    return out


def relative(a, b):
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=("2d", "3d"))
    parser.add_argument("--bench", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--study")
    parser.add_argument("--cells", type=int, default=64)
    parser.add_argument("--sources", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peers", choices=("all", "default", "pardiso", "none"), default="all",
                        help="SuperLU needs tens of gigabytes from about 64^3 cells")
    args = parser.parse_args()
    command = [args.case, "--repeats", str(args.repeats)]
    if args.case == "3d":
        command += ["--cells", str(args.cells), "--sources", str(args.sources)]
    threads = os.environ.get("OMP_NUM_THREADS", str(os.cpu_count()))
    problem = study(args.study) if args.case == "2d" else blocks(args.cells, args.sources)
    wanted = {"all": lambda n: True, "none": lambda n: False, "pardiso": lambda n: "MKL" in n,
              "default": lambda n: "MKL" not in n}[args.peers]
    peers = {n: s for n, s in solvers().items() if wanted(n)}
    seconds, results = {"terrane": []}, {}
    with tempfile.TemporaryDirectory() as folder:
        problem.write(folder)
        for _ in range(args.repeats):
            run = subprocess.run([args.bench, folder, threads, "1"], check=True, capture_output=True, text=True)
            own = json.loads(run.stdout)
            seconds["terrane"].append({"forward_s": own["forward_s"][0], "jtv_s": own["jtv_s"][0]})
            for name, solver in peers.items():
                data, gradient, s = problem.simpeg(solver)
                results[name] = data, gradient
                seconds.setdefault(name, []).append(s)
        data = np.fromfile(os.path.join(folder, "data_out.f64"))
        gradient = np.fromfile(os.path.join(folder, "gradient_out.f64")).reshape(problem.sigma.shape)
    result = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="minutes"),
              "machine": {"processor": processor(), "threads": int(threads)}, "command": " ".join([os.path.basename(sys.argv[0]), *command]),
              "versions": {"python": platform.python_version(),
                           **installed(("numpy", "scipy", "discretize", "simpeg", "pymatsolver", "pypardiso", "mkl"))},
              "cells": list(problem.sigma.shape), "data": len(problem.data), "repeats": args.repeats,
              "terrane": {k: own[k] for k in ("variant", "plan", "forecast_bytes", "peak_kib") if k in own},
              "steps": own.get("steps"), "rows": {}}
    # The largest resident size of this process: every solver of the peer that ran in it.
    result["peer_peak_kib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    median = {}
    for name, all_seconds in seconds.items():
        row = {k: statistics.median(s[k] for s in all_seconds) for k in ("forward_s", "jtv_s")}
        row["sum_s"] = median[name] = statistics.median(s["forward_s"] + s["jtv_s"] for s in all_seconds)
        if name in results:
            theirs, their_gradient = results[name]
            row["data_difference"] = float(np.max(np.abs(data / theirs - 1)))
            row["jtv_difference"] = relative(gradient, their_gradient)
            row["agrees"] = row["data_difference"] <= TOLERANCE and row["jtv_difference"] <= TOLERANCE
            if row["agrees"]:
                row["terrane_is_faster_by"] = row["sum_s"] / median["terrane"]
        result["rows"][name] = row
        print(name, json.dumps(row), flush=True)
    with open(args.output, "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    return 0 if all(row.get("agrees", True) for row in result["rows"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
