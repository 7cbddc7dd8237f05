#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Does `terrane analyze suggest` choose a better omega_0 than the default of 30?

Four coarse sections (Marmousi, Overthrust, Salt decimated from TERRANE_DATA, a generated one), a network of sines from a
smooth start, equal iterations, for every omega_0 that the analysis tries. Writes one JSON: match and model error of every
value, the median over seeds, the suggestion and the default. Rows that are there are kept, so a stopped study goes on.

  python bench/suggest_study.py --terrane build/release/bin/terrane --output bench/results/suggest.json

Needs numpy.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "baselines"))
from machine import save  # noqa: E402

VALUES = [5, 10, 20, 30, 45, 60]
DEFAULT = 30


def sections(data):
    marmousi = np.load(f"{data}/marmousi/marmousi1_vp_94x288_derived.npy")[::2, ::2]
    overthrust = np.load(f"{data}/overthrust/judi_true_vp_25m.npy")[::2, ::2][:, :140]
    salt = np.load(f"{data}/salt/seg_eage_slice_jinv_128x256.npy")[::2, ::2]
    return {"marmousi": (marmousi, 30), "overthrust": (overthrust, 50), "salt": (salt, 40), "generated": (None, 20)}


def config(name, model, h, folder, iterations):
    nz, nx = (60, 100) if model is None else model.shape
    if model is None:
        true = {"type": "generated", "family": "layered-faulted", "index": 3}
    else:
        path = os.path.join(folder, name + ".npy")
        np.save(path, model.astype(np.float32))
        true = {"type": "file", "path": path}
    width = (nx - 1) * h
    dt = round(0.4 * h / 6000, 5)
    seconds = 2 * np.hypot(width, nz * h) / 3000
    return {
        "task": "invert", "name": name,
        "grid": {"nz": nz, "nx": nx, "dz_m": h, "dx_m": h},
        "physics": {"type": "acoustic", "order": 4, "boundary": {"type": "cpml", "width_cells": 12}},
        "survey": {"dt_s": dt, "nt": int(seconds / dt), "wavelet": {"type": "ricker", "frequency_hz": round(130 / h, 2)},
                   "sources": {"type": "line", "x_m": [0, width], "z_m": h, "count": 5},
                   "receivers": {"type": "grid-row", "z_m": h}},
        "true_model": true, "data": {"type": "synthetic"},
        "start_model": {"type": "smooth", "of": "true_model", "sigma_m": 8 * h},
        "field": {"type": "siren", "width": 64, "layers": 3, "omega_0": DEFAULT,
                  "transform": {"type": "perturb", "scale_mps": 1000}},
        "misfit": {"type": "l2", "normalize": "survey"},
        "optimizer": {"type": "adam", "lr": 8e-4, "iterations": iterations},
        "report": {"enabled": False},
    }


def run(command):
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def save_row(result, row, args):
    median = {v: statistics.median(e) for v, e in row["errors_mps"].items() if e}
    row["median_mps"] = median
    if str(row["suggested"]) in median and str(DEFAULT) in median:
        row["suggested_over_default"] = median[str(row["suggested"])] / median[str(DEFAULT)]
    save(args.output, result, iterations=args.iterations,
         command="suggest_study.py --iterations " + str(args.iterations))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--terrane", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--iterations", type=int, default=150)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only-both", action="store_true", help="run the suggestion and the default alone")
    args = parser.parse_args()
    result = {"rows": {}}
    if os.path.exists(args.output):
        with open(args.output, encoding="utf-8") as f:
            result = json.load(f)
    with tempfile.TemporaryDirectory() as folder:
        for name, (model, h) in sections(os.environ["TERRANE_DATA"]).items():
            c = config(name, model, h, folder, args.iterations)
            path = os.path.join(folder, name + ".json")
            with open(path, "w", encoding="utf-8") as f:
                json.dump(c, f)
            row = result["rows"].setdefault(name, {"errors_mps": {}})
            if "match" not in row:
                a = run([args.terrane, "analyze", "suggest", path, "--values", ",".join(map(str, VALUES)), "--json", "-qq",
                         "--out", os.path.join(folder, "suggest-" + name)])["analyses"][0]
                row["data_mean_wavenumber_per_m"] = a["data_mean_wavenumber_per_m"]
                row["match"] = {str(int(v["value"])): round(v["match"], 4) for v in a["candidates"]}
                row["suggested"] = int(a["suggested"])
                row["default"] = DEFAULT
            first = [row["suggested"], DEFAULT]
            for value in first + [v for v in VALUES if v not in first and not args.only_both]:
                errors = row["errors_mps"].setdefault(str(value), [])
                while len(errors) < args.seeds:
                    r = run([args.terrane, "run", path, "--set", f"field.omega_0={value}", "--seed", str(len(errors)),
                             "--json", "-qq", "--overwrite", "--out", os.path.join(folder, "run")])
                    errors.append(round(r["model_error"]["rmse_mps"], 2))
                    print(name, value, errors, flush=True)
                    save_row(result, row, args)
            save_row(result, row, args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
