#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Waveform inversion for the code of a trained decoder, beside a grid and a network of sines.

Maps of procedural geology that the decoder has not seen, five shots over 70 receivers (15 Hz, 1 s), from the true map
blurred by 100 m. The same data, start, bands (a third of the iterations below 8 Hz) and number of iterations for all;
several rates each, of which the one that fits the data best counts ("chosen": the true map chooses nothing; a run whose
misfit grows more than tenfold is stopped and stands as "diverged"). "code, then
grid" starts a grid from the model of the code, with half of the iterations each; its times hold both. Misfits are |predicted
- observed|^2 / |observed|^2 of the whole band, of the start model and of the result, so that what a stage filters does not
matter. The data come from the inversion's own solver. Rows that are there are kept, so a stopped study goes on.

  python bench/code_fwi.py --terrane build/release/bin/terrane --codec runs/codec --output bench/results/code_fwi.json
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "baselines"))
from machine import merge, save  # noqa: E402

MAPS = [("flat-vel-a", 3), ("curve-vel-a", 5), ("curve-fault-a", 2), ("flat-fault-a", 7)]
SEED = 12  # the decoder has seen another
DIVERGED = 6  # exit code: the misfit grew more than tenfold


def config(family, index, iterations, seed):
    return {
        "task": "invert", "name": family, "threads": 1,
        "grid": {"nz": 70, "nx": 70, "dz_m": 10, "dx_m": 10},
        "physics": {"type": "acoustic", "order": 4, "boundary": {"type": "cpml", "width_cells": 20}},
        "survey": {"dt_s": 0.001, "nt": 1000, "wavelet": {"type": "ricker", "frequency_hz": 15},
                   "sources": {"type": "line", "x_m": [0, 690], "z_m": 10, "count": 5},
                   "receivers": {"type": "grid-row", "z_m": 10}},
        "true_model": {"type": "generated", "family": family, "seed": seed, "index": index},
        "start_model": {"type": "smooth", "of": "true_model", "sigma_m": 100},
        "data": {"type": "synthetic"},
        "bounds": {"min_mps": 1400, "max_mps": 4600},
        "misfit": {"type": "l2", "normalize": "survey"},
        "optimizer": {"type": "adam"},
        "stages": [{"iterations": iterations // 3, "lowpass_hz": 8}, {"iterations": iterations - iterations // 3}],
        "report": {"enabled": False}, "checkpoint": {"every_iterations": 0},
    }


def methods(codec):
    yield "code", [{"field": {"type": "decoder", "path": codec}, "optimizer": {"lr": lr}} for lr in (0.1, 0.2)]
    yield "code, then grid", [{"field": {"type": "grid"}, "optimizer": {"lr": lr}} for lr in (10, 30)]
    yield "grid", [{"field": {"type": "grid"}, "optimizer": {"lr": lr}} for lr in (10, 30)]
    yield "sines", [{"field": {"type": "siren", "width": 128, "layers": 4, "transform":
                               {"type": "perturb", "scale_mps": 1000}}, "optimizer": {"lr": lr}} for lr in (1e-4, 4e-4)]


def execute(terrane, c, folder):
    """The result, and the folder of the run."""
    path, out = os.path.join(folder, "c.json"), os.path.join(folder, "run")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(c, f)
    text = subprocess.run([terrane, "run", path, "--out", out, "--overwrite", "--json", "-qq"], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    return json.loads(text), out


def left(predicted, observed):
    return float(np.sum((predicted - observed).astype(float) ** 2) / np.sum(observed.astype(float) ** 2))


def scores(r):
    e = r["model_error"]
    return {"mae_mps": e["mae_mps"], "rmse_mps": e["rmse_mps"], "ssim": e["ssim"]}


def run(terrane, c, folder, keep=None):
    try:
        r, out = execute(terrane, c, folder)
    except subprocess.CalledProcessError as e:
        if e.returncode != DIVERGED:
            raise
        return {"misfit": None, "diverged": True}
    if keep is not None:
        shutil.copy(os.path.join(out, "model.npy"), keep)
    predicted, observed = (np.load(os.path.join(out, "data_%s.npy" % n)) for n in ("predicted", "observed"))
    return {"misfit": left(predicted, observed), **scores(r), "wall_s": r["time"]["wall_s"]}


def start(terrane, base, folder):
    """Scores of the model that all start from: one step too short to move it."""
    c = merge(base, {"field": {"type": "grid"}, "optimizer": {"lr": 1e-6}, "stages": [{"iterations": 1}]})
    return run(terrane, c, folder)


def summary(result):
    """Of every map and method the rate with the least misfit, and what the study asks."""
    out = {}
    for name, rows in result["rows"].items():
        first = result["start"][name]
        out[name] = {"start": {"ssim_openfwi": first["ssim"]["openfwi"], "ssim_minmax": first["ssim"]["minmax"],
                               "mae_mps": first["mae_mps"]}}
        for method, tried in rows.items():
            ended = [k for k, r in tried.items() if r["misfit"] is not None]
            if not ended:
                continue
            rate = min(ended, key=lambda k: tried[k]["misfit"])
            r = tried[rate]
            out[name][method] = {"lr": float(rate), "misfit_down_percent": round(100 * (1 - r["misfit"] / first["misfit"]), 2),
                                 "ssim_openfwi": r["ssim"]["openfwi"], "ssim_minmax": r["ssim"]["minmax"],
                                 "mae_mps": r["mae_mps"]}
    methods_done = [m for m in ("code", "code, then grid", "sines") if all(m in r and "grid" in r for r in out.values())]
    result["chosen"] = out
    result["against_grid"] = {m: {
        "maps": len(out), "misfit_down_by_95_percent": sum(r[m]["misfit_down_percent"] >= 95 for r in out.values()),
        **{key + "_above_grid": sum(r[m][key] > r["grid"][key] for r in out.values())
           for key in ("ssim_openfwi", "ssim_minmax")}} for m in methods_done}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--terrane", required=True)
    parser.add_argument("--codec", required=True, help="directory of a run of task compress")
    parser.add_argument("--output", required=True)
    parser.add_argument("--iterations", type=int, default=50)
    parser.add_argument("--seed", type=int, default=SEED, help="of the maps; another than the study's to choose on")
    parser.add_argument("--methods", default="", help="with semicolons between them; all")
    args = parser.parse_args()
    result = {"start": {}, "rows": {}}
    if os.path.exists(args.output):
        with open(args.output, encoding="utf-8") as f:
            result = json.load(f)
    with tempfile.TemporaryDirectory() as folder:
        for family, index in MAPS:
            base = config(family, index, args.iterations, args.seed)
            rows = result["rows"].setdefault(f"{family} {index}", {})
            if f"{family} {index}" not in result["start"]:
                result["start"][f"{family} {index}"] = start(args.terrane, base, folder)
            first, kept = None, os.path.join(folder, "code.npy")
            for name, choices in methods(os.path.abspath(args.codec)):
                if args.methods and name not in args.methods.split(";"):
                    continue
                done = rows.setdefault(name, {})
                for choice in choices:
                    key = str(choice["optimizer"]["lr"])
                    if key in done:
                        continue
                    c = merge(base, choice)
                    if name == "code, then grid":
                        if first is None:
                            code = merge(config(family, index, args.iterations // 2, args.seed),
                                         {"field": {"type": "decoder", "path": os.path.abspath(args.codec)},
                                          "optimizer": {"lr": 0.1}})
                            first = run(args.terrane, code, folder, kept)
                        c["start_model"] = {"type": "file", "path": kept}
                        c["stages"] = [{"iterations": args.iterations // 2}]
                        done[key] = first if first["misfit"] is None else run(args.terrane, c, folder)
                        if done[key]["misfit"] is not None:
                            done[key]["wall_s"] += first["wall_s"]
                    else:
                        done[key] = run(args.terrane, c, folder)
                    print(family, name, key, json.dumps(done[key]), flush=True)
                    summary(result)
                    save(args.output, result, iterations=args.iterations, seed=args.seed)
        print(json.dumps(result["against_grid"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
