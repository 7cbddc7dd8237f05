#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Weights of smallness and total variation for the dike study, chosen on sections of our own.

Sections with other bodies, depths, dips and conductivities than the study's, its mesh, electrodes, errors, network and
steps, random initial weights, a running mean of the weights as the result. Three have a uniform background and smallness
in the study's way, two a layered one, where the end of the run is varied too. Writes one JSON: the RMSE of log10 in the
region of the electrodes for every section and choice, and per kind of background the choices in the order of the mean of
RMSE over that of the study's own weights. Rows that are there are kept, so a stopped study goes on.

  python bench/dike_choice.py --terrane build/release/bin/terrane --output bench/results/dike_choice.json [--jobs 2]

Needs numpy. No file of the study is read.
"""
import argparse
import concurrent.futures
import json
import math
import os
import subprocess
import sys
import tempfile
import threading

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "baselines"))
from machine import merge, save  # noqa: E402

NZ, NX, CELL, X0 = 45, 200, 5.0, -500.0
ENDS = {"": {}, "stop at chi2 1": {"stop": {"chi2": 1}},
        "cosine": {"optimizer": {"schedule": {"type": "cosine", "min_ratio": 0.01}}}}
# Smallness, total variation, end; the first one is the study's.
CHOICES = {"uniform": [(1, 0, ""), (0.3, 0.3, ""), (0.3, 1, ""), (1, 1, "")],
           "layered": [(0, 0, ""), (0, 0.1, ""), (0, 0.3, ""), (0, 1, ""), (0, 0, "stop at chi2 1"), (0, 0, "cosine")]}
LOCK = threading.Lock()


def sections():
    """name: background, conductivity in S/m (z, x), value outside the grid and of the start."""
    z, x = np.meshgrid((np.arange(NZ) + 0.5) * CELL, X0 + (np.arange(NX) + 0.5) * CELL, indexing="ij")

    def dike(top, bottom, at, dip, width):
        """dip in degrees from the horizontal, above 90: to the right; `at`: x of its middle at the top."""
        return (z > top) & (z < bottom) & (np.abs(x - at + (z - top) / math.tan(math.radians(dip))) < width / 2)

    def box(x0, x1, z0, z1):
        return (x > x0) & (x < x1) & (z > z0) & (z < z1)

    right = np.where(z < 10, 0.01, 0.005)
    right[dike(25, 130, -80, 140, 60)] = 0.05
    steep = np.full_like(z, 0.02)
    steep[dike(15, 100, -120, 65, 40)] = 0.2
    pair = np.full_like(z, 0.01)
    pair[box(-150, -90, 30, 80)] = 0.1
    pair[box(100, 180, 20, 90)] = 0.002
    gradient = 10 ** (-2.7 + 1.3 * z / (NZ * CELL))
    gradient[dike(20, 110, 130, 40, 50)] = 0.15
    layers = np.where(z < 15, 0.02, np.where(z < 60, 0.003, 0.01))
    layers[dike(30, 120, -60, 115, 50)] = 0.08
    return {"right": ("uniform", right, 0.005), "steep": ("uniform", steep, 0.02), "pair": ("uniform", pair, 0.01),
            "gradient": ("layered", gradient, 0.01), "layers": ("layered", layers, 0.01)}


def config(model, value, choice, iterations):
    smallness, tv, end = choice
    c = {
        "task": "invert", "threads": 1, "seed": 1,
        "grid": {"nz": NZ, "nx": NX, "dz_m": CELL, "dx_m": CELL, "x0_m": X0},
        "physics": {"type": "dc-2.5d", "padding": {"cells": 7, "factor": 1.5, "value_siemens_per_m": value}},
        "survey": {"electrodes": {"type": "line", "x_m": [-350, 350], "z_m": 0, "count": 29},
                   "array": {"type": "dipole-dipole", "levels": 24}},
        "true_model": {"type": "file", "path": model},
        "data": {"type": "synthetic", "noise": {"type": "proportional", "relative": 0.05}},
        "start_model": {"type": "constant", "value_siemens_per_m": value},
        "field": {"type": "mlp", "hidden": [128, 256, 256, 256, 256, 128],
                  "activation": {"type": "leaky-relu", "slope": 0.2},
                  "transform": {"type": "scaled-sigmoid", "scale": -8}},
        "misfit": {"type": "chi2", "weight": 0.5 * 348 / (NZ * NX)},
        "optimizer": {"type": "adam", "lr": 1e-3, "epsilon": 1e-8, "iterations": iterations, "average": 0.99},
        "stop": {"grow_factor": 1e9}, "checkpoint": {"every_iterations": 500, "keep": 1}, "report": {"enabled": False},
        "score_region": {"type": "box", "x_m": [-350, 350], "z_m": [0, 125]},
    }
    terms = []
    if smallness:
        terms.append({"type": "reference", "weight": smallness, "value_siemens_per_m": value})
    if tv:
        terms.append({"type": "tv", "weight": tv, "epsilon": 0.01})
    if terms:
        c["regularizers"] = terms
        c["trade_off"] = {"type": "convex",
                          "beta": {"type": "exponential", "scale_iterations": 0.4 * (iterations + 1)}}
    return merge(c, ENDS[end])


def run(args, name, choice, row, result):
    kind, model, value = sections()[name]
    with tempfile.TemporaryDirectory() as folder:
        np.save(folder + "/model.npy", model)
        with open(folder + "/c.json", "w", encoding="utf-8") as f:
            json.dump(config("model.npy", value, choice, args.iterations), f)
        subprocess.run([args.terrane, "run", "c.json", "--out", "run"], cwd=folder, check=True, capture_output=True)
        found = json.load(open(folder + "/run/result.json"))
    with LOCK:
        result["rows"][row] = {"background": kind, "section": name, "smallness": choice[0], "tv": choice[1],
                               "end": choice[2], "iterations": found["iterations"],
                               "rmse_region": found["model_error"]["region"]["rmse_log10"],
                               "layered_rmse_region": found["baselines"]["best-layered"]["region"]["rmse_log10"],
                               "chi2": found["data_error"]["chi2"]}
        save(args.output, result)
        print(row, json.dumps(result["rows"][row]), flush=True)


def choose(rows):
    """Per background: choice, mean of RMSE over the study's, the smallest first."""
    out = {}
    for kind, choices in CHOICES.items():
        names = [n for n, s in sections().items() if s[0] == kind]
        of = {(r["section"], r["smallness"], r["tv"], r.get("end", "")): r["rmse_region"] for r in rows.values()}
        if not all((n, *c) in of for n in names for c in choices):
            continue
        ratio = {c: sum(of[(n, *c)] / of[(n, *choices[0])] for n in names) / len(names) for c in choices}
        out[kind] = [{"smallness": c[0], "tv": c[1], "end": c[2], "ratio": ratio[c]}
                     for c in sorted(choices, key=ratio.get)]
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--terrane", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--iterations", type=int, default=1999)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    args.terrane = os.path.abspath(args.terrane)
    result = json.load(open(args.output)) if os.path.exists(args.output) else {}
    if result.get("iterations") != args.iterations:
        result = {"iterations": args.iterations, "rows": {}}
    tasks = [(n, c, f"{n} {c[0]} {c[1]} {c[2]}".strip()) for n, s in sections().items() for c in CHOICES[s[0]]]
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        jobs = [pool.submit(run, args, n, c, row, result) for n, c, row in tasks if row not in result["rows"]]
        for job in concurrent.futures.as_completed(jobs):
            job.result()
    result["order"] = choose(result["rows"])
    save(args.output, result)
    print(json.dumps(result["order"], indent=1))


if __name__ == "__main__":
    main()
