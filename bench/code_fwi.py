#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Waveform inversion for the code of a trained decoder, beside a grid and a network of sines.

Maps of procedural geology that the decoder has not seen, five shots over 70 receivers (15 Hz, 1 s), from the true map
blurred by 100 m. The same data, start, bands (a third of the iterations below 8 Hz) and number of iterations for all;
several rates each, of which the one that fits the data best counts. "code, then grid" starts a grid from the model of the
code, with half of the iterations each. Rows that are there are kept, so a stopped study goes on.

  python bench/code_fwi.py --terrane build/release/bin/terrane --codec runs/codec --output bench/results/code_fwi.json
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "baselines"))
from machine import merge, save  # noqa: E402

MAPS = [("flat-vel-a", 3), ("curve-vel-a", 5), ("curve-fault-a", 2), ("flat-fault-a", 7)]
SEED = 12  # the decoder has seen another


def config(family, index, iterations):
    return {
        "task": "invert", "name": family, "threads": 1,
        "grid": {"nz": 70, "nx": 70, "dz_m": 10, "dx_m": 10},
        "physics": {"type": "acoustic", "order": 4, "boundary": {"type": "cpml", "width_cells": 20}},
        "survey": {"dt_s": 0.001, "nt": 1000, "wavelet": {"type": "ricker", "frequency_hz": 15},
                   "sources": {"type": "line", "x_m": [0, 690], "z_m": 10, "count": 5},
                   "receivers": {"type": "grid-row", "z_m": 10}},
        "true_model": {"type": "generated", "family": family, "seed": SEED, "index": index},
        "start_model": {"type": "smooth", "of": "true_model", "sigma_m": 100},
        "data": {"type": "synthetic"},
        "bounds": {"min_mps": 1400, "max_mps": 4600},
        "misfit": {"type": "l2", "normalize": "survey"},
        "optimizer": {"type": "adam"},
        "stages": [{"iterations": iterations // 3, "lowpass_hz": 8}, {"iterations": iterations - iterations // 3}],
        "report": {"enabled": False}, "checkpoint": {"every_iterations": 0},
    }


def methods(codec):
    yield "code", [{"field": {"type": "decoder", "path": codec}, "optimizer": {"lr": lr}} for lr in (0.03, 0.1)]
    yield "code, then grid", [{"field": {"type": "grid"}, "optimizer": {"lr": lr}} for lr in (10, 30)]
    yield "grid", [{"field": {"type": "grid"}, "optimizer": {"lr": lr}} for lr in (10, 30)]
    yield "sines", [{"field": {"type": "siren", "width": 128, "layers": 4, "transform":
                               {"type": "perturb", "scale_mps": 1000}}, "optimizer": {"lr": lr}} for lr in (1e-4, 4e-4)]


def run(terrane, c, folder, keep=None):
    path = os.path.join(folder, "c.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(c, f)
    text = subprocess.run([terrane, "run", path, "--out", os.path.join(folder, "run"), "--overwrite", "--json", "-qq"],
                          check=True, stdout=subprocess.PIPE, text=True).stdout
    r = json.loads(text)
    e = r["model_error"]
    if keep is not None:
        shutil.copy(os.path.join(folder, "run", "model.npy"), keep)
    return {"misfit": r["misfit"]["final"], "misfit_start": r["misfit"]["initial"],
            "mae_mps": e["mae_mps"], "rmse_mps": e["rmse_mps"], "ssim": e["ssim"], "wall_s": r["time"]["wall_s"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--terrane", required=True)
    parser.add_argument("--codec", required=True, help="directory of a run of task compress")
    parser.add_argument("--output", required=True)
    parser.add_argument("--iterations", type=int, default=300)
    args = parser.parse_args()
    result = {"rows": {}}
    if os.path.exists(args.output):
        with open(args.output, encoding="utf-8") as f:
            result = json.load(f)
    with tempfile.TemporaryDirectory() as folder:
        for family, index in MAPS:
            base = config(family, index, args.iterations)
            rows = result["rows"].setdefault(f"{family} {index}", {})
            for name, choices in methods(os.path.abspath(args.codec)):
                done = rows.setdefault(name, {})
                for choice in choices:
                    key = str(choice["optimizer"]["lr"])
                    if key in done:
                        continue
                    c = merge(base, choice)
                    if name == "code, then grid":
                        code = merge(config(family, index, args.iterations // 2),
                                     {"field": {"type": "decoder", "path": os.path.abspath(args.codec)},
                                      "optimizer": {"lr": 0.1}})
                        start = os.path.join(folder, "code.npy")
                        first = run(args.terrane, code, folder, start)
                        c["start_model"] = {"type": "file", "path": start}
                        c["stages"] = [{"iterations": args.iterations // 2}]
                        done[key] = run(args.terrane, c, folder)
                        done[key]["misfit_start"] = first["misfit_start"]
                        done[key]["wall_s"] += first["wall_s"]
                    else:
                        done[key] = run(args.terrane, c, folder)
                    print(family, name, key, json.dumps(done[key]), flush=True)
                    save(args.output, result, iterations=args.iterations)
    return 0


if __name__ == "__main__":
    sys.exit(main())
