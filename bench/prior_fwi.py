#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Waveform inversion with trained generators as priors, beside a grid and a network of sines.

Maps of 700 m a side, five shots over a row of receivers, from the true map blurred by 100 m (the start of RED-DiffEq) or
from a gradient in depth. Data of generated maps, which no generator has seen, come from the OpenFWI operator (another
discretisation and boundary than the inversion's; at another size than 70 from the inversion's own solver); the published
CurveFault pair comes with its data, which are used as they are. The inversion's own solver with the true map agrees with
them to about half a percent.

  python bench/prior_fwi.py --terrane build/release/bin/terrane --generator runs/generator --codec runs/codec \\
      --flow runs/flow --openfwi $TERRANE_DATA/openfwi --output bench/results/diffusion/prior_fwi.json

Every method gets the same data, start, bands (a third of the iterations below 8 Hz), bounds, iterations and seed. SSIM in
OpenFWI's convention (values to [-1, 1]), MAE of values in [-1, 1] and in m/s. Of the rates of one method the one that
fits the data best counts ("chosen"): the true map chooses nothing; weights of priors are fixed. --noise-db and --missing
change all data alike. Rows that are in FILE.json are kept, so a stopped study goes on. Needs numpy.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "baselines"))
from machine import merge, save  # noqa: E402

SEED = 12  # of the generated maps; trainings use others, and so does the choice of weights
EXTENT = 700.0


class Study:
    def __init__(self, args, folder):
        self.args, self.folder = args, folder
        self.start = None  # of the published pair: that of the published inversion
        self.size, self.cell = args.size, EXTENT / args.size
        # Below 70 pixels: the same number of cells a wavelength.
        self.slower = 70 / self.size

    def terrane(self, config, name):
        path = os.path.join(self.folder, name)
        with open(path + ".json", "w", encoding="utf-8") as f:
            json.dump(config, f)
        r = subprocess.run([self.args.terrane, "run", path + ".json", "--out", path, "--overwrite", "--json", "-qq"],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if r.returncode != 0:
            raise RuntimeError(f"{name}: {r.stderr.strip()}")
        return path, r.stdout

    def acquisition(self):
        """Sample k of OpenFWI's data is the pressure after k + 1 steps, and its source lacks the cell's area."""
        last, depth = (self.size - 1) * self.cell, self.cell
        x = [0, 170, 340, 520, 690] if self.size == 70 else [last * k / 4 for k in range(5)]
        dt = 0.001 if self.size == 70 else 0.002
        return {
            "grid": {"nz": self.size, "nx": self.size, "dz_m": self.cell, "dx_m": self.cell},
            "physics": {"type": "acoustic", "order": 4, "boundary": {"type": "cpml", "width_cells": 20}},
            "survey": {"dt_s": dt, "nt": round(1.0 / dt),
                       "wavelet": {"type": "ricker", "frequency_hz": 15 / self.slower, "delay_s":
                                   0.072 * self.slower, "amplitude": 100},
                       "sources": {"type": "points", "x_m": x, "z_m": depth},
                       "receivers": {"type": "grid-row", "z_m": depth}}}

    def generated(self, family, index):
        source = {"type": "procedural", "families": [family], "size": self.size}
        c = {"task": "generate", "threads": 1, "count": index + 1, "seed": self.args.seed, "source": source,
             "report": {"enabled": False}}
        if self.size == 70:
            c["pairs"] = {"preset": "openfwi"}
        path, _ = self.terrane(c, "pair")
        with open(os.path.join(path, "manifest.json"), encoding="utf-8") as f:
            files = json.load(f)["families"][0]["files"]
        at = index
        for entry in files:
            maps = np.load(os.path.join(path, entry["model"]), mmap_mode="r")
            if at >= len(maps):
                at -= len(maps)
                continue
            model = np.array(maps[at, 0], dtype=np.float32)
            if self.size == 70:
                data = np.load(os.path.join(path, entry["data"]), mmap_mode="r")[at]
                return model, np.ascontiguousarray(np.array(data).transpose(0, 2, 1))
            break
        np.save(os.path.join(self.folder, "true.npy"), model)
        forward = {"task": "forward", "threads": 1, **self.acquisition(), "model":
                   {"type": "file", "path": os.path.join(self.folder, "true.npy"), "property": "vp"},
                   "report": {"enabled": False}}
        path, _ = self.terrane(forward, "forward")
        return model, np.load(os.path.join(path, "data_predicted.npy"))

    def published(self):
        folder = os.path.join(self.args.openfwi, "with_seismic")
        model = np.load(os.path.join(folder, "CF_sample0_vp.npy"))[0, 0].astype(np.float32)
        data = np.load(os.path.join(folder, "CF_sample0_seis.npy"))[0].transpose(0, 2, 1)
        return model, np.ascontiguousarray(data)

    def disturb(self, data, key):
        """Noise at a signal-to-noise ratio, traces set to zero and left out; the same for every method."""
        rng = np.random.default_rng([self.args.seed, *key.encode()])
        data, mask = data.astype(np.float32), np.ones(data.shape[:2], np.float32)
        if self.args.noise_db is not None:
            rms = np.sqrt(np.mean(data.astype(float) ** 2)) * 10 ** (-self.args.noise_db / 20)
            data = (data + rms * rng.standard_normal(data.shape)).astype(np.float32)
        if self.args.missing > 0:
            mask[rng.random(mask.shape) < self.args.missing] = 0
            data = data * mask[:, :, None]
        return data, mask

    def config(self, iterations):
        files = {k: os.path.join(self.folder, k + ".npy") for k in ("true", "data", "mask", "start_model")}
        start = {"type": "gradient", "top_mps": 1800, "bottom_mps": 4000}
        if self.args.start == "smooth":
            start = ({"type": "file", "path": files["start_model"]} if self.start is not None else
                     {"type": "smooth", "of": "true_model", "sigma_m": 100})
        return {
            "task": "invert", "name": "prior", "seed": 1, "threads": self.args.threads, **self.acquisition(),
            "true_model": {"type": "file", "path": files["true"]}, "start_model": start,
            "data": {"type": "file", "path": files["data"], "mask": files["mask"]},
            "bounds": {"min_mps": 1500, "max_mps": 4500}, "misfit": {"type": "l1", "normalize": "survey"},
            "optimizer": {"type": "adam", "schedule": {"type": "cosine", "min_ratio": 0.1}},
            "stages": [{"iterations": iterations // 3, "lowpass_hz": 8 / self.slower},
                       {"iterations": iterations - iterations // 3}],
            "report": {"enabled": False}, "checkpoint": {"every_iterations": 0}}

    def methods(self):
        args = self.args
        grid = [{"field": {"type": "grid"}, "optimizer": {"lr": lr}} for lr in args.grid_rates]
        yield "grid", grid
        yield "sines", [{"field": {"type": "siren", "width": 128, "layers": 4, "transform": {
            "type": "perturb", "scale_mps": 1000}}, "optimizer": {"lr": lr}} for lr in (1e-4, 4e-4)]
        for weight in args.weights if args.generator else []:
            term = {"type": "denoiser", "weight": weight, "path": args.generator}
            yield f"grid, denoiser {weight:g}", [merge(c, {"regularizers": [term]}) for c in grid]
        if args.codec:
            yield "code", [{"field": {"type": "decoder", "path": args.codec}, "regularizers":
                            [{"type": "code", "weight": args.code_weight}], "optimizer": {"lr": lr}}
                           for lr in (0.03, 0.1)]
        if args.codec and args.flow:
            yield "code of a flow", [{"field": {"type": "decoder", "path": args.codec, "flow": args.flow},
                                      "regularizers": [{"type": "code", "weight": args.code_weight}],
                                      "optimizer": {"lr": lr}} for lr in (0.03, 0.1)]

    def invert(self, change):
        path, text = self.terrane(merge(self.config(self.args.iterations), change), "run")
        r = json.loads(text)
        e = r["model_error"]
        with open(os.path.join(path, "progress.jsonl"), encoding="utf-8") as f:
            steps = [json.loads(line) for line in f]
        # Of the data alone: penalties are not comparable.
        return {"misfit": steps[-1]["phi_data"], "misfit_start": steps[0]["phi_data"], "ssim": e["ssim"]["openfwi"],
                "mae": e["mae_mps"] / 1500, "mae_mps": e["mae_mps"], "rmse": e["rmse_mps"] / 1500,
                "wall_s": r["time"]["wall_s"]}

    def start_scores(self):
        """Of the start itself: an inversion whose rate is almost zero."""
        c = self.config(3)
        c = merge(c, {"field": {"type": "grid"}, "optimizer": {"type": "adam", "lr": 1e-9}})
        r = json.loads(self.terrane(c, "start")[1])
        return {"ssim": r["model_error"]["ssim"]["openfwi"], "mae": r["model_error"]["mae_mps"] / 1500}


def published_row(openfwi):
    z = np.load(os.path.join(openfwi, "with_seismic", "red_diffeq_result_openfwi.npz"))
    return {"ssim": float(z["ssim"][-1]), "mae": float(z["mae"][-1]), "rmse": float(z["rmse"][-1]),
            "note": "RED-DiffEq's published result on this pair from the same start, 300 iterations"}


def chosen(rows):
    """Per map and method the rate that fits the data best; means over the generated maps."""
    out, sums = {}, {}
    for name, row in rows.items():
        for method, choices in row["methods"].items():
            if not choices:
                continue
            best = min(choices.values(), key=lambda r: r["misfit"])
            out.setdefault(name, {})[method] = {k: best[k] for k in ("ssim", "mae", "mae_mps", "misfit")}
            if not name.startswith("published"):
                sums.setdefault(method, []).append(best)
    mean = {m: {"maps": len(v), "ssim": float(np.mean([r["ssim"] for r in v])), "mae": float(np.mean([r["mae"] for r in v]))}
            for m, v in sums.items()}
    return {"maps": out, "mean_of_generated": mean}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--terrane", required=True)
    p.add_argument("--output", required=True)
    p.add_argument("--generator", help="directory of a run of train-generator on pixels of the same size")
    p.add_argument("--codec", help="directory of a run of task compress")
    p.add_argument("--flow", help="directory of a run of train-generator, a latent-flow of that codec")
    p.add_argument("--openfwi", help="folder with with_seismic/: the published pair too (size 70)")
    p.add_argument("--families", nargs="*", default=["curve-vel-a", "curve-vel-b", "flat-fault-b", "curve-fault-b"])
    p.add_argument("--maps", type=int, default=2, help="generated maps of each family")
    p.add_argument("--seed", type=int, default=SEED, help="of the generated maps; another to choose weights on")
    p.add_argument("--size", type=int, default=70)
    p.add_argument("--iterations", type=int, default=300)
    p.add_argument("--weights", type=float, nargs="*", default=[0.3])
    p.add_argument("--code-weight", type=float, default=1e-3)
    p.add_argument("--grid-rates", type=float, nargs="*", default=[15, 45])
    p.add_argument("--start", choices=["smooth", "gradient"], default="smooth")
    p.add_argument("--noise-db", type=float, help="signal-to-noise ratio of Gaussian noise")
    p.add_argument("--missing", type=float, default=0, help="share of the traces that are left out")
    p.add_argument("--methods", nargs="*", help="only those whose names begin so, e.g. grid code")
    p.add_argument("--threads", type=int, default=1)
    args = p.parse_args()
    for name in ("terrane", "generator", "codec", "flow", "openfwi"):
        if getattr(args, name):
            setattr(args, name, os.path.abspath(getattr(args, name)))
    settings = {k: getattr(args, k) for k in ("seed", "size", "iterations", "start", "noise_db", "missing", "code_weight")}
    result = {"settings": settings, "rows": {}}
    if os.path.exists(args.output):
        with open(args.output, encoding="utf-8") as f:
            result = json.load(f)
        if result["settings"] != settings:
            sys.exit(f"{args.output} holds a study with other settings: {result['settings']}; choose another --output")

    def keep():
        save(args.output, result, chosen=chosen(result["rows"]))

    maps = [(f, k) for k in range(args.maps) for f in args.families]
    if args.openfwi and args.size == 70:
        maps.insert(0, ("published", 0))
    with tempfile.TemporaryDirectory() as folder:
        study = Study(args, folder)
        for family, index in maps:
            name = "published CurveFault" if family == "published" else f"{family} {index}"
            row = result["rows"].setdefault(name, {"methods": {}})
            open_rows = [(m, c) for m, c in study.methods() if len(row["methods"].get(m, {})) < len(c) and
                         (not args.methods or any(m.startswith(wanted) for wanted in args.methods))]
            if not open_rows:
                continue
            model, data = study.published() if family == "published" else study.generated(family, index)
            data, mask = study.disturb(data, name)
            study.start = None
            if family == "published":
                z = np.load(os.path.join(args.openfwi, "with_seismic", "red_diffeq_result_openfwi.npz"))
                study.start = 3000 + 1500 * z["initial_velocity"]
                np.save(os.path.join(folder, "start_model.npy"), study.start.astype(np.float32))
            for key, values in (("true", model), ("data", data), ("mask", mask)):
                np.save(os.path.join(folder, key + ".npy"), values)
            if "start" not in row:
                row["start"] = study.start_scores()
                if family == "published" and args.start == "smooth":
                    row["red_diffeq"] = published_row(args.openfwi)
            for method, choices in open_rows:
                done = row["methods"].setdefault(method, {})
                for choice in choices:
                    key = str(choice["optimizer"]["lr"])
                    if key in done:
                        continue
                    done[key] = study.invert(choice)
                    print(name, method, key, json.dumps(done[key]), flush=True)
                    keep()
    keep()
    print(json.dumps(result["chosen"]["mean_of_generated"], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
