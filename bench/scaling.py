#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""PSNR of training maps and of unseen ones against the number of training maps, at one number of steps and one code.

Five procedural families in equal parts, seed 11; the decoder of every size takes the same steps, so that a code of the
largest set is visited N times less often than one of the smallest. The unseen maps are those of seed 12, the same for all;
nothing was chosen on them. Beside it principal components of the same maps and as many numbers (at most N), and one network
a map (--coin), which knows no other maps: one row whatever N. Slopes: of straight lines through all sizes, dB a decade. A
size that was trained before is not trained again, a stopped one goes on; a row that the output holds for the same settings
stays.

  python bench/scaling.py --terrane build/release/bin/terrane --runs runs/scaling
    --output bench/results/compression/scaling.json
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
from scipy.linalg import eigh

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "baselines"))
from machine import save  # noqa: E402
from map_measures import psnr_each  # noqa: E402
from rate_distortion import Program  # noqa: E402
from train_codecs import trained  # noqa: E402

FAMILIES = ["flat-vel-a", "curve-vel-a", "flat-fault-a", "curve-fault-a", "style-a"]


def config(maps, a):
    return {"task": "compress", "name": "scaling-%d" % maps, "seed": 0, "threads": 1,
            "models": {"type": "generated", "families": FAMILIES, "count": maps, "seed": 11},
            "codec": {"type": "auto-decoder", "code": a.code, "width": a.width, "layers": 4, "steps": a.steps,
                      "batch_models": 20, "points": 512, "full_from": 1, "baselines": False},
            "checkpoint": {"every_iterations": 500}, "report": {"enabled": False}}


def components(fit, maps, numbers):
    mean = fit.mean(0)
    a = fit - mean
    last = a.shape[1] - 1
    if len(a) < a.shape[1]:
        basis = np.linalg.svd(a, full_matrices=False)[2][:numbers]
    else:
        basis = eigh(a.T @ a, subset_by_index=[last - numbers + 1, last])[1].T
    return (maps - mean) @ basis.T @ basis + mean


def single_networks(coin, maps, each):
    line = subprocess.run([coin, "--width", "14", "--steps", "1000", "--maps", str(each * len(FAMILIES)), maps], check=True,
                          capture_output=True, text=True).stdout
    r = json.loads(line)
    families = np.round(np.reshape(r["psnr_full_db"], (len(FAMILIES), each)).mean(1), 2)
    return {"unseen_db": r["mean_db"], "unseen_by_family_db": dict(zip(FAMILIES, families)), "steps": r["steps"],
            "bytes_a_map": r["bytes_per_map"]}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--terrane", required=True)
    p.add_argument("--coin", help="coin_bench")
    p.add_argument("--runs", required=True, help="folder of the trained decoders")
    p.add_argument("--maps", type=int, nargs="+", default=[60, 600, 6000])
    p.add_argument("--code", type=int, default=256)
    p.add_argument("--width", type=int, default=96)
    p.add_argument("--steps", type=int, default=8000)
    p.add_argument("--unseen", type=int, default=10, help="maps of each family")
    p.add_argument("--search", type=int, default=500, help="steps of the search for a code")
    p.add_argument("--output", required=True)
    a = p.parse_args()
    out = {"families": FAMILIES, "training_seed": 11, "unseen_seed": 12, "unseen_maps_a_family": a.unseen, "code": a.code,
           "width": a.width, "layers": 4, "steps": a.steps, "batch": "20 maps x 512 points", "search_steps": a.search,
           "rows": []}
    if os.path.exists(a.output):
        with open(a.output, encoding="utf-8") as f:
            held = json.load(f)
        if all(held.get(k) == v for k, v in out.items() if k != "rows"):
            out = held
    with tempfile.TemporaryDirectory() as folder:
        program = Program(a.terrane, folder)
        unseen = program.generated(FAMILIES, 12, a.unseen)
        maps = np.concatenate([unseen[f] for f in FAMILIES])
        if a.coin and "one network a map" not in out:
            raw, _, _ = program.paths(maps)
            out["one network a map"] = single_networks(a.coin, raw, a.unseen)
            print(json.dumps(out["one network a map"]), flush=True)
        for count in a.maps:
            if any(r["maps"] == count for r in out["rows"]):
                continue
            run, result = trained(a.terrane, a.runs, "s%d" % count, config(count, a))
            raw, packed, back = program.paths(maps)
            found = json.loads(program("compress", raw, "-o", packed, "--overwrite", "--codec", run, "--method", "code",
                                       "--steps", str(a.search), "--json"))
            program("decompress", packed, "-o", back, "--overwrite", "--codec", run)
            each = psnr_each(np.load(back), maps).reshape(len(FAMILIES), a.unseen).mean(1)
            fit = program.generated(FAMILIES, 11, count // len(FAMILIES))
            fit = np.concatenate([fit[f] for f in FAMILIES]).reshape(-1, maps[0].size).astype(float)
            basis = [components(fit, m, a.code).reshape(-1, 70, 70) for m in (fit, maps.reshape(len(maps), -1).astype(float))]
            row = {"maps": count, "visits_a_code": a.steps * 20 / count, "train_db": result["train"]["psnr_full_db"],
                   "unseen_db": found["psnr_full_db"], "unseen_by_family_db": dict(zip(FAMILIES, np.round(each, 2))),
                   "code_norm_psnr_correlation": {"unseen": found["code_norm_psnr_correlation"],
                                                  "train": result["train"].get("code_norm_psnr_correlation")},
                   "bytes_a_map": found["bytes_per_model"],
                   "pca_train_db": float(psnr_each(basis[0], fit.reshape(-1, 70, 70)).mean()),
                   "pca_unseen_db": float(psnr_each(basis[1], maps).mean()), "train_s": result["time"]["wall_s"]}
            out["rows"].append(row)
            print(json.dumps(row), flush=True)
            save(a.output, out)
    x = np.log10([r["maps"] for r in out["rows"]])
    if len(x) > 1:
        out["slope_db_a_decade"] = {k: round(float(np.polyfit(x, [r[k] for r in out["rows"]], 1)[0]), 2)
                                    for k in ("train_db", "unseen_db", "pca_train_db", "pca_unseen_db")}
        print(json.dumps(out["slope_db_a_decade"]))
    save(a.output, out)


if __name__ == "__main__":
    main()
