#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The published auto-decoder (preset siren-2603.14284, 1,183,745 parameters, code of 256) beside its published table.

Procedural maps of five families in equal parts, batches of 32 maps, rates and schedule as published; fewer steps, fewer
maps than its 1,000 if --maps says so, and in a step a random part of a map's 4,900 points. PSNR and SSIM (OpenFWI's) by
family, of the training maps, as the paper has them (Liu, Luo, Xiong, arXiv 2603.14284, 2026); its maps are OpenFWI's, ours
procedural. The learning curve is the pooled PSNR of the points trained on, against steps. It is extended to the published
93,000 steps (3,000 epochs of 31) by straight lines in log(steps) through the last half and the last quarter of the steps: a
guess by far, not a result.

  python bench/published_preset.py --terrane build/release/bin/terrane --runs runs
    --output bench/results/compression/published_preset.json

A run that was stopped goes on; one that is complete is scored again.
"""
import argparse
import json
import os
import sys
import tempfile

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "baselines"))
from machine import save  # noqa: E402
from map_measures import psnr_each, squeezed, ssim_openfwi  # noqa: E402
from rate_distortion import Program  # noqa: E402
from train_codecs import trained  # noqa: E402

FAMILIES = ["flat-vel-a", "curve-vel-a", "flat-fault-a", "curve-fault-a", "style-a"]
PUBLISHED = {"flat-vel-a": (35.82, 0.978), "curve-vel-a": (33.45, 0.962), "flat-fault-a": (31.28, 0.948),
             "curve-fault-a": (30.56, 0.941), "style-a": (31.24, 0.951), "all": (32.47, 0.956)}
STEPS = 3000 * 31  # published


def config(a):
    return {"task": "compress", "name": "published-preset", "seed": 0, "threads": 1,
            "models": {"type": "generated", "families": FAMILIES, "count": a.maps, "seed": 11},
            "codec": {"type": "siren-2603.14284", "steps": a.steps, "points": a.points, "full_from": 1, "baselines": False},
            "checkpoint": {"every_iterations": 100}, "report": {"enabled": False}}


def curve(run):
    """Steps and pooled PSNR; the loss is in units of 1,500 m/s, a mean over an epoch."""
    with open(os.path.join(run, "progress.jsonl"), encoding="utf-8") as f:
        rows = [json.loads(line) for line in f]
    return np.array([[r["iteration"], 10 * np.log10(4 / r["loss"])] for r in rows]), rows[-1]["time_s"]


def extended(points):
    """dB at the published number of steps, by lines through the last half and the last quarter of the steps."""
    last, ends = points[-1, 0], {}
    for name, part in (("last half", 2), ("last quarter", 4 / 3)):
        p = points[points[:, 0] >= last / part]
        slope, at = np.polyfit(np.log10(p[:, 0]), p[:, 1], 1)
        ends[name] = {"db_a_decade": round(float(slope), 2),
                      "db_at_published_steps": round(float(slope * np.log10(STEPS) + at), 1)}
    return ends


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--terrane", required=True)
    p.add_argument("--runs", required=True)
    p.add_argument("--maps", type=int, default=1000)
    p.add_argument("--steps", type=int, default=2000)
    p.add_argument("--points", type=int, default=64, help="of a map in a step")
    p.add_argument("--output", required=True)
    a = p.parse_args()
    run, result = trained(a.terrane, a.runs, "preset", config(a))
    points, seconds = curve(run)
    out = {"maps": result["train"]["models"], "parameters": result["decoder"]["parameters"], "steps": int(result["steps"]),
           "points_of_a_map_in_a_step": a.points, "published_steps": STEPS, "published_points": 4900,
           "epochs": round(result["steps"] / max(1, a.maps // 32), 1), "train_s": seconds,
           "learning_curve": [[int(s), round(float(v), 2)] for s, v in points[::max(1, len(points) // 30)]],
           "extended": extended(points), "families": {}}
    with tempfile.TemporaryDirectory() as folder:
        program = Program(a.terrane, folder)
        truth = program.generated(FAMILIES, 11, a.maps // len(FAMILIES))
        back = os.path.join(folder, "back.npy")
        program("decompress", os.path.join(run, "latents.lat"), "-o", back, "--codec", run)
        decoded = squeezed(np.load(back))
    for k, family in enumerate(FAMILIES):
        own, maps = decoded[k::len(FAMILIES)], truth[family]
        out["families"][family] = {"psnr_db": float(psnr_each(own, maps).mean()), "ssim": ssim_openfwi(own, maps)}
    rows = out["families"].values()
    out["families"]["all"] = {k: float(np.mean([r[k] for r in rows])) for k in ("psnr_db", "ssim")}
    for family, (psnr, ssim) in PUBLISHED.items():
        out["families"][family].update(published_psnr_db=psnr, published_ssim=ssim)
        print(family, json.dumps(out["families"][family]))
    print(json.dumps(out["extended"]))
    save(a.output, out)


if __name__ == "__main__":
    main()
