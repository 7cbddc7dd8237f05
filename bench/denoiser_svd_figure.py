#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Figure of denoiser_svd: maps and leading left vectors at several noise levels, below them the vectors of a neural field.

  python bench/denoiser_svd_figure.py --rows runs/noise-0.2 runs/noise-0.5 --field runs/svd/vectors.npy --output svd.png

--rows: folders of denoiser_svd; --field: vectors.npy of `terrane analyze svd` or of the recipe nfs-inv/svd-1. Needs numpy
and matplotlib.
"""
import argparse
import json
import os

import numpy as np

SHOWN = 6


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rows", nargs="+", required=True)
    p.add_argument("--field")
    p.add_argument("--output", required=True)
    a = p.parse_args()
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    count = 2 * len(a.rows) + bool(a.field)
    figure, axes = plt.subplots(count, 3 + SHOWN, figsize=(1.3 * (3 + SHOWN), 1.42 * count), squeeze=False)
    figure.subplots_adjust(left=0.005, right=0.995, top=0.975, bottom=0.005, wspace=0.06, hspace=0.2)
    for x in axes.ravel():
        x.axis("off")

    def vector(axis, v, title):
        top = np.abs(v).max()
        axis.imshow(v, cmap="RdBu_r", vmin=-top, vmax=top, interpolation="nearest", aspect="auto" if v.shape[0] != v.shape[1] else "equal")
        axis.set_title(title, fontsize=7)

    for r, folder in enumerate(a.rows):
        with open(os.path.join(folder, "svd.json"), encoding="utf-8") as f:
            d = json.load(f)
        for k, name in enumerate(("clean", "noisy", "denoised")):
            m = np.load(os.path.join(folder, name + ".npy"))
            axes[2 * r, k].imshow(m, vmin=1500, vmax=4500, cmap="viridis", interpolation="nearest")
            axes[2 * r, k].set_title(name + (f", noise {d['noise']:g}" if k == 1 else ""), fontsize=7)
        for line, (file, key) in enumerate((("input_vectors", "input"), ("weight_vectors", "of_weights"))):
            v = np.load(os.path.join(folder, file + ".npy"))
            if line:
                axes[2 * r + 1, 2].text(1.0, 0.5, "above: of dD/dx\nhere: of dD/dtheta", ha="right", va="center",
                                        fontsize=7, transform=axes[2 * r + 1, 2].transAxes)
            for k in range(SHOWN):
                vector(axes[2 * r + line, 3 + k], v[k], f"{d[key]['singular_values'][k]:.3g}")
    if a.field:
        v = np.load(a.field)
        axes[-1, 2].text(1.0, 0.5, "a neural field,\nof dm/dtheta", ha="right", va="center", fontsize=7,
                         transform=axes[-1, 2].transAxes)
        for k in range(SHOWN):
            vector(axes[-1, 3 + k], v[k], f"{k + 1}")
    figure.savefig(a.output, dpi=110)


if __name__ == "__main__":
    main()
