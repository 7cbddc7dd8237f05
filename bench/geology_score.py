#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How close procedural maps are to the published OpenFWI maps of the same family.

Usage: geology_score.py --terrane build/bin/terrane --data FOLDER [--seed 11] [--out FILE.json]
FOLDER holds zips/FlatVelA_blocks1-10.zip, zips/CurveVelA_blocks1-10.zip and zips/FlatFaultA_block11.zip. Needs numpy and
scikit-learn. For each family, ours against the real maps and, as the floor, one half of the real maps against the other:
  AUC      of classifiers on held-out halves of at most 2,500 maps each, 0.5 = cannot be told apart: logistic regression
           on 32 PCA scores and their squares; boosted trees on 30 statistics of each map
  Frechet  distance of Gaussians in 64 PCA scores of v / 3000 m/s, fitted on the first real half
  MMD2     unbiased, mean of Gaussian kernels of 1/4 .. 4 times the median distance, the same scores
  layers   p of the chi-square test of distinct values a map (Vel families)
  gamma    variograms along z and x at 1 .. 32 cells, ratio to the real ones
"""
import argparse
import datetime
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
import sklearn
from scipy.stats import chi2_contingency
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "baselines"))
from machine import processor  # noqa: E402

LAGS = [1, 2, 4, 8, 16, 32]
SETS = {"flat-vel-a": "FlatVelA_blocks1-10.zip", "curve-vel-a": "CurveVelA_blocks1-10.zip",
        "flat-fault-a": "FlatFaultA_block11.zip"}


def real_maps(path):
    with zipfile.ZipFile(path) as archive:
        names = sorted(n for n in archive.namelist() if n.endswith(".npy"))
        return np.concatenate([np.load(io.BytesIO(archive.read(n)))[:, 0] for n in names]).astype(np.float32)


def our_maps(program, family, count, seed):
    """Fault maps: the published block has four layers, every third of our indices."""
    fault = "fault" in family
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "set"
        subprocess.run([program, "generate", "--family", family, "--count", str(3 * count if fault else count), "--seed",
                        str(seed), "-o", str(out), "-q"], check=True, stdout=subprocess.DEVNULL)
        files = sorted(out.glob("*/vel4_*.npy") if fault else out.glob("*/model/*.npy"))
        return np.concatenate([np.load(f)[:, 0] for f in files])[:count]


def variograms(maps):
    return {axis: [float(0.5 * np.mean((np.take(maps, range(h, 70), k) - np.take(maps, range(70 - h), k)) ** 2))
                   for h in LAGS] for axis, k in (("z", 1), ("x", 2))}


def statistics(maps):
    dz, dx = np.diff(maps, axis=1), np.diff(maps, axis=2)
    jumps = (np.abs(dz) > 25).sum(1)
    cols = [jumps.mean(1), jumps.std(1), (dz < -5).mean((1, 2)), (dx != 0).mean((1, 2)), (np.abs(dx) > 25).mean((1, 2)),
            (dz != 0).mean((1, 2)), distinct(maps), maps.mean((1, 2)), maps.std((1, 2))]
    cols += [maps[:, k].mean(1) for k in range(0, 70, 10)] + [maps[:, :, k].mean(1) for k in (0, 35, 69)]
    cols += [((maps[:, h:] - maps[:, :-h]) ** 2).mean((1, 2)) for h in LAGS[:5]]
    cols += [((maps[:, :, h:] - maps[:, :, :-h]) ** 2).mean((1, 2)) for h in LAGS[:5]]
    cols += [maps.min((1, 2))]
    return np.stack(cols, 1)


def auc(model, a, b, seed):
    rng = np.random.default_rng(seed)
    train, test = [], []
    for label, x in enumerate((a, b)):
        order = rng.permutation(len(x))
        for part, rows in ((train, order[: len(x) // 2]), (test, order[len(x) // 2:])):
            part.append((x[rows], np.full(len(rows), label)))
    fit = [np.concatenate([p[k] for p in train]) for k in (0, 1)]
    held = [np.concatenate([p[k] for p in test]) for k in (0, 1)]
    model.fit(*fit)
    return float(roc_auc_score(held[1], model.predict_proba(held[0])[:, 1]))


def frechet(a, b):
    s1, s2 = np.cov(a.T), np.cov(b.T)
    w, v = np.linalg.eigh(s1)
    root = v @ np.diag(np.sqrt(np.maximum(w, 0))) @ v.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ s2 @ root), 0)).sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s1) + np.trace(s2) - 2 * cross)


def mmd2(a, b):
    z = np.concatenate([a, b])
    n, m = len(a), len(b)
    d = ((z ** 2).sum(1)[:, None] + (z ** 2).sum(1)[None] - 2 * z @ z.T).clip(0)
    median = np.sqrt(np.median(d[:n, n:]))
    k = np.mean([np.exp(-d / (2 * (c * median) ** 2)) for c in (0.25, 0.5, 1, 2, 4)], 0)
    np.fill_diagonal(k, 0)
    return float(k[:n, :n].sum() / (n * (n - 1)) + k[n:, n:].sum() / (m * (m - 1)) - 2 * k[:n, n:].mean())


def distances(a, b, pca):
    x, y = (pca.transform(m.reshape(len(m), -1) / 3000) for m in (a, b))
    return {"frechet": frechet(x, y), "mmd2": mmd2(x, y)}


def aucs(a, b, seed):
    basis = PCA(32, random_state=0).fit(np.concatenate([a, b]).reshape(len(a) + len(b), -1) / 3000)
    scores = [basis.transform(m.reshape(len(m), -1) / 3000) for m in (a, b)]
    scores = [np.concatenate([s, s ** 2], 1) for s in scores]
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    trees = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=8, learning_rate=0.05, random_state=0)
    return {"auc_pca": auc(linear, *scores, seed), "auc_statistics": auc(trees, statistics(a), statistics(b), seed)}


def distinct(maps):
    return np.array([len(np.unique(m)) for m in maps])


def score(real, ours, seed):
    half = len(real) // 2
    order = np.random.default_rng(0).permutation(len(real))
    first, second = real[order[:half]], real[order[half:2 * half]]
    pca = PCA(min(64, half // 4), random_state=0).fit(first.reshape(half, -1) / 3000)
    result = {"maps": {"real": len(real), "ours": len(ours)}, "floor": distances(first, second, pca),
              "ours": distances(first, ours[:half], pca)}
    result["floor"].update(aucs(first[:1250], second[:1250], seed))
    result["ours"].update(aucs(real[order][:2500], ours[:2500], seed))
    g_real, g_ours = variograms(real), variograms(ours)
    result["gamma_ratio"] = {f"{axis}": [round(o / r, 4) if r > 0 else None for o, r in zip(g_ours[axis], g_real[axis])]
                             for axis in "zx"}
    result["mean_sd_mps"] = {"real": [float(real.mean()), float(real.std())],
                             "ours": [float(ours.mean()), float(ours.std())]}
    n_real, n_ours = distinct(real), distinct(ours)
    result["distinct_values_median"] = {"real": float(np.median(n_real)), "ours": float(np.median(n_ours))}
    if n_real.max() <= 9:
        table = np.stack([np.bincount(n, minlength=10) for n in (n_real, n_ours)])
        result["layers_p"] = float(chi2_contingency(table[:, table.min(0) >= 5]).pvalue)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--terrane", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--families", default=",".join(SETS))
    parser.add_argument("--out")
    options = parser.parse_args()
    version = json.loads(subprocess.run([options.terrane, "--version", "--json"], check=True, capture_output=True).stdout)
    results = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="minutes"),
               "machine": {"processor": processor()},
               "versions": {"numpy": np.__version__, "scikit-learn": sklearn.__version__},
               "command": f"bench/geology_score.py --seed {options.seed}", "terrane": version["terrane"],
               "seed": options.seed, "lags": LAGS, "families": {}}
    for family in options.families.split(","):
        real = real_maps(pathlib.Path(options.data) / "zips" / SETS[family])
        ours = our_maps(options.terrane, family, len(real), options.seed)
        results["families"][family] = score(real, ours, options.seed)
        print(family, json.dumps(results["families"][family]), flush=True)
    if options.out:
        pathlib.Path(options.out).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
