#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Models halfway between two codes: is the way between them more than a cross-fade of pixels, and are they maps of the family?

Maps of seed 12, which the decoder has not seen, in pairs of one family. The ends are reconstructions. For every family:
  excess    (|M - A| + |M - B|) / |A - B| at shares 1/6, 1/3, 1/2: at least 1; mean and least
  dissolve  |M - blend| / |A - B|: 0 is a blend of pixels
  values    median number of distinct values of a map to 10 m/s, those of under 1 % of its pixels left out
  monotone  share of neighbours in a column whose velocity does not fall by more than 25 m/s
  family    share that a classifier (boosted trees on 30 statistics, trained on 200 maps a family of seed 11) calls by the
            family of its ends
  mmd2      unbiased, 64 PCA scores, against maps of seed 11
the last four of what is halfway, of the ends, of the true maps and of blends of pixels. "one network a map": the same
between the weights of two networks that were fitted from the same start (--coin). Needs numpy, scipy, scikit-learn.

  python bench/interpolation.py --terrane build/release/bin/terrane --bench build/release/bin/interpolation_bench
    --coin build/release/bin/coin_bench --codec runs/codec --output bench/results/compression/interpolation.json

A family that the output holds from the same decoder, pairs and steps is not done again.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "baselines"))
from geology_score import mmd2, statistics  # noqa: E402
from machine import save  # noqa: E402
from map_measures import squeezed  # noqa: E402
from rate_distortion import Program  # noqa: E402


def values_of(maps):
    counts = []
    for m in maps:
        _, n = np.unique(np.round(m / 10), return_counts=True)
        counts.append(int((n >= 0.01 * m.size).sum()))
    return float(np.median(counts))


def single_networks(coin, maps, half, ends):
    count = len(np.load(maps, mmap_mode="r"))
    line = subprocess.run([coin, "--width", "14", "--steps", "1000", "--maps", str(count), "--halfway", half, "--ends", ends,
                           maps], check=True, capture_output=True, text=True).stdout
    r = json.loads(line)
    return {"path": r["path"], "bytes_a_map": r["bytes_per_map"], "steps": r["steps"], "ends_psnr_db": r["mean_db"]}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--terrane", required=True)
    p.add_argument("--bench", required=True)
    p.add_argument("--coin", help="coin_bench")
    p.add_argument("--codec", required=True)
    p.add_argument("--pairs", type=int, default=20)
    p.add_argument("--steps", type=int, default=500, help="of the search for codes")
    p.add_argument("--output", required=True)
    a = p.parse_args()
    with open(os.path.join(a.codec, "resolved.json"), encoding="utf-8") as f:
        families = json.load(f)["models"]["families"]
    with open(os.path.join(a.codec, "result.json"), encoding="utf-8") as f:
        run = json.load(f)
    out = {"decoder": {"parameters": run["decoder"]["parameters"], "training_models": run["train"]["models"],
                       "steps": run["steps"]}, "pairs_a_family": a.pairs, "seed": 12, "search_steps": a.steps, "families": {}}
    if os.path.exists(a.output):
        with open(a.output, encoding="utf-8") as f:
            held = json.load(f)
        if all(held.get(k) == v for k, v in out.items() if k != "families"):
            out["families"] = held["families"]
    with tempfile.TemporaryDirectory() as folder:
        program = Program(a.terrane, folder)
        known = program.generated(families, 11, 200)
        true = program.generated(families, 12, 2 * a.pairs)
        pca = PCA(64, random_state=0).fit(np.concatenate(list(known.values())).reshape(-1, 4900) / 3000)
        trees = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=8, learning_rate=0.1, random_state=0)
        trees.fit(statistics(np.concatenate([known[f] for f in families])), np.repeat(families, 200))

        def judged(maps, family):
            flat = maps.reshape(len(maps), -1)
            return {"values": values_of(maps), "monotone": round(float((np.diff(maps, axis=1) > -25).mean()), 4),
                    "family": round(float((trees.predict(statistics(maps)) == family).mean()), 3),
                    "mmd2": round(mmd2(pca.transform(known[family].reshape(200, -1) / 3000), pca.transform(flat / 3000)), 5)}

        def between_codes(raw, packed, half, ends, family):
            program("compress", raw, "-o", packed, "--overwrite", "--codec", a.codec, "--method", "code", "--steps",
                    str(a.steps))
            line = subprocess.run([a.bench, "--codec", a.codec, "--decoded", half, "--ends", ends, packed], check=True,
                                  capture_output=True, text=True).stdout
            decoded = squeezed(np.load(ends))
            row = {"path": json.loads(line)["path"], "halfway": judged(squeezed(np.load(half)), family),
                   "ends": judged(decoded, family), "true": judged(true[family], family),
                   "blends": judged(0.5 * (decoded[::2] + decoded[1::2]), family)}
            if min(r["least_excess"] for r in row["path"]) < 1 - 1e-6:
                sys.exit("a path shorter than the straight line: the measure is wrong")
            return row

        for family in families:
            raw, packed, half = program.paths(true[family])
            ends = os.path.join(folder, "ends.npy")
            row = out["families"].get(family)
            if row is None:
                row = between_codes(raw, packed, half, ends, family)
            if a.coin and "one network a map" not in row:
                row["one network a map"] = single_networks(a.coin, raw, half, ends)
                row["one network a map"].update(
                    halfway=judged(squeezed(np.load(half)), family), ends=judged(squeezed(np.load(ends)), family))
            out["families"][family] = row
            print(family, json.dumps(row), flush=True)
            save(a.output, out)


if __name__ == "__main__":
    main()
