#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Do conditioned samples obey their conditions? Trains a generator of codes and one of pixels, each told the family, a
well and the reflectivity of its maps, and measures samples against maps that neither has seen.

Usage: condition_accuracy.py --terrane build/release/bin/terrane --output FILE.json [--work FOLDER]
Needs numpy. One thread; training that is finished is not repeated, rows that are in FILE.json are kept.

  family        share of samples that a held-out classifier (multinomial logistic regression on 32 principal components,
                their squares and three statistics of the gradients) gives to the family they were asked for; beside it
                the same share of fresh procedural maps. It learns procedural maps of another seed, half of them blurred
                and noisy, so that it goes by the geometry and not by how sharp the edges are
  well          RMSE (m/s) of samples in the column of the well of a held-out map; beside it the same column of samples
                that were not told, and the RMSE of the decoder on held-out maps. Codes are brought to the well after
                they are drawn ("as drawn": without that)
  spread        mean deviation (m/s) over the samples of one well, in the well's column, 1 to 3 columns beside it and
                farther away; beside it that of samples that were not told
  reflectivity  correlation of a sample's contrasts with those it was told; beside it samples that were not
"""
import argparse
import json
import os
import subprocess
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "baselines"))
from machine import save  # noqa: E402

FAMILIES = ["flat-vel-a", "curve-vel-a", "flat-fault-a"]
TRAIN_SEED, HELD_SEED, CLASSIFIER_SEED, FRESH_SEED = 3, 41, 42, 43


def run(terrane, config, out):
    if os.path.exists(os.path.join(out, "result.json")):
        return json.load(open(os.path.join(out, "result.json"), encoding="utf-8"))
    path = out + ".json"
    with open(path, "w", encoding="utf-8") as f:
        json.dump(config, f)
    subprocess.run([terrane, "run", path, "--out", out, "--overwrite", "-qq"], check=True)
    return json.load(open(os.path.join(out, "result.json"), encoding="utf-8"))


def generate(terrane, folder, source, count, seed):
    """{family: (count, size, size)}"""
    out = os.path.join(folder, "samples")
    run_path = out + ".json"
    with open(run_path, "w", encoding="utf-8") as f:
        json.dump({"task": "generate", "threads": 1, "count": count, "seed": seed, "source": source,
                   "report": {"enabled": False}}, f)
    subprocess.run([terrane, "run", run_path, "--out", out, "--overwrite", "-qq"], check=True)
    maps = {}
    for family in json.load(open(os.path.join(out, "manifest.json"), encoding="utf-8"))["families"]:
        files = [f["model"] for f in family["files"]]
        maps[family["family"]] = np.concatenate([np.load(os.path.join(out, f)) for f in files])[:, 0].astype(float)
    return maps


def features(maps, basis):
    x = maps.reshape(len(maps), -1)
    scores = (x - basis["mean"]) @ basis["axes"].T / basis["deviation"]
    dz, dx = np.diff(maps, axis=1), np.diff(maps, axis=2)
    extra = np.stack([np.log1p(np.abs(dz).mean((1, 2))), np.log1p(np.abs(dx).mean((1, 2))), (dz < -25).mean((1, 2))], 1)
    return np.concatenate([scores, scores**2, extra], 1)


class Classifier:
    def __init__(self, maps, labels, components=32):
        x = maps.reshape(len(maps), -1)
        _, sizes, axes = np.linalg.svd(x - x.mean(0), full_matrices=False)
        self.basis = {"mean": x.mean(0), "axes": axes[:components],
                      "deviation": sizes[:components] / np.sqrt(len(x) - 1)}
        f = features(maps, self.basis)
        self.center, self.scale = f.mean(0), f.std(0) + 1e-12
        f = np.concatenate([(f - self.center) / self.scale, np.ones((len(f), 1))], 1)
        target = np.eye(labels.max() + 1)[labels]
        self.w = np.zeros((f.shape[1], target.shape[1]))
        velocity = np.zeros_like(self.w)
        for _ in range(3000):  # gradient descent with momentum
            gradient = f.T @ (self.softmax(f @ self.w) - target) / len(f) + 1e-3 * self.w
            velocity = 0.9 * velocity - 0.1 * gradient
            self.w += velocity

    @staticmethod
    def softmax(z):
        e = np.exp(z - z.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    def __call__(self, maps):
        f = (features(maps, self.basis) - self.center) / self.scale
        return np.argmax(np.concatenate([f, np.ones((len(f), 1))], 1) @ self.w, 1)


def blurred_and_noisy(maps, rng):
    def blur(a, axis):
        edge = [(1, 1) if k == axis else (0, 0) for k in range(3)]
        p = np.pad(a, edge, mode="edge")
        n = a.shape[axis]
        return sum(w * np.take(p, range(o, o + n), axis) for o, w in ((0, 0.25), (1, 0.5), (2, 0.25)))
    out = []
    for m in np.array_split(maps, 8):  # more and more
        level = len(out) / 4
        noise = blur(blur(rng.standard_normal(m.shape), 1), 2) * 60 * level
        soft = m
        for _ in range(1 + round(level)):
            soft = blur(blur(soft, 1), 2)
        out.append(soft + noise)
    return np.concatenate(out)


def contrasts(maps):
    return (maps[:, 1:] - maps[:, :-1]) / (maps[:, 1:] + maps[:, :-1])


def write_well(path, column, values, size, extent):
    cell = extent / size
    with open(path, "w", encoding="utf-8") as f:
        f.write("# x z (m) vp (m/s)\n")
        for i, v in enumerate(values):
            f.write(f"{(column + 0.5) * cell} {(i + 0.5) * cell} {v}\n")


class Study:
    def __init__(self, args):
        self.terrane, self.folder, self.size, self.args = args.terrane, args.work, args.size, args
        os.makedirs(self.folder, exist_ok=True)
        procedural = {"type": "procedural", "families": FAMILIES, "size": self.size}
        made = {name: generate(self.terrane, self.folder, procedural, count, seed)
                for name, count, seed in [("held", args.maps, HELD_SEED), ("classifier", 700, CLASSIFIER_SEED),
                                          ("fresh", 300, FRESH_SEED)]}
        self.held = made["held"]
        labels, rng = np.repeat(np.arange(len(FAMILIES)), 700), np.random.default_rng(0)
        sharp = np.concatenate([made["classifier"][f] for f in FAMILIES])
        soft = np.concatenate([blurred_and_noisy(made["classifier"][f], rng) for f in FAMILIES])
        self.classifier = Classifier(np.concatenate([sharp, soft]), np.concatenate([labels, labels]))
        self.floor = {f: float((self.classifier(made["fresh"][f]) == k).mean()) for k, f in enumerate(FAMILIES)}
        self.between = {f: float(made["fresh"][f].std(0).mean()) for f in FAMILIES}

    def models(self):
        return {"type": "generated", "families": FAMILIES, "count": self.args.train_maps, "hold_out": 60,
                "size": self.size, "seed": TRAIN_SEED}

    def train(self, kind):
        conditions = {"wells": 1, "reflectivity": True, "score_samples": 0}
        base = {"task": "train-generator", "threads": 1, "seed": TRAIN_SEED, "models": self.models()}
        if kind == "pixels":
            generator = {"type": "flow-matching", "channels": [16, 32, 64], "blocks": 2, "groups": 8, "attention": [2],
                         "head_channels": 32, "steps": self.args.pixel_steps, "batch_models": 16, "lr": 1e-3,
                         "warmup": 50, "average": 0.995, "sampler_steps": 12, **conditions}
            return run(self.terrane, {**base, "generator": generator}, os.path.join(self.folder, "pixels"))
        codec = os.path.join(self.folder, "codec")
        self.codec = run(self.terrane, {
            "task": "compress", "threads": 1, "seed": TRAIN_SEED, "models": self.models(),
            "codec": {"type": "auto-decoder", "code": 64, "width": 96, "layers": 4, "steps": self.args.codec_steps,
                      "batch_models": 20, "points": 256, "search_steps": 300, "baselines": False}}, codec)
        generator = {"type": "latent-flow", "decoder": codec, "width": 256, "blocks": 4, "steps": self.args.code_steps,
                     "batch_models": 128, "jitter": 0.1, "condition_size": 16, **conditions}
        return run(self.terrane, {**base, "generator": generator}, os.path.join(self.folder, "codes"))

    def sample(self, kind, families, count, seed, guidance=1, **given):
        source = {"type": "generator", "path": os.path.join(self.folder, kind), "families": families,
                  "guidance": guidance, **given}
        return generate(self.terrane, self.folder, source, count, seed)

    def family(self, kind, guidance):
        maps = self.sample(kind, FAMILIES, 100, 5, guidance)
        return {f: float((self.classifier(maps[f]) == k).mean()) for k, f in enumerate(FAMILIES)}

    def wells(self, kind, guidance, **more):
        told, untold, spread = [], [], {"at the well": [], "1 to 3 columns": [], "farther": [], "not told": []}
        well, columns = os.path.join(self.folder, "well.txt"), np.arange(self.size)
        for f in FAMILIES:
            free = self.sample(kind, [f], 20, 6)[f]
            for k, truth in enumerate(self.held[f]):
                j = (7 * k + 5) % self.size
                write_well(well, j, truth[:, j], self.size, 700)
                maps = self.sample(kind, [f], 10, 100 + k, guidance, wells=well, **more)[f]
                told.append(np.mean((maps[:, :, j] - truth[:, j]) ** 2))
                untold.append(np.mean((free[:, :, j] - truth[:, j]) ** 2))
                deviation, away = maps.std(0).mean(0), np.abs(columns - j)
                spread["at the well"].append(deviation[away == 0].mean())
                spread["1 to 3 columns"].append(deviation[(away > 0) & (away < 4)].mean())
                spread["farther"].append(deviation[away >= 4].mean())
                spread["not told"].append(free.std(0).mean())
        return {"rmse_mps": float(np.sqrt(np.mean(told))), "rmse_not_told_mps": float(np.sqrt(np.mean(untold))),
                "spread_mps": {k: float(np.mean(v)) for k, v in spread.items()}}

    def reflections(self, kind):
        image, told, untold = os.path.join(self.folder, "r.npy"), [], []
        for f in FAMILIES:
            free = contrasts(self.sample(kind, [f], 20, 6)[f])
            for k, truth in enumerate(self.held[f]):
                r = contrasts(truth[None])[0]
                np.save(image, np.concatenate([r, np.zeros((1, self.size))]).astype(np.float32))
                maps = contrasts(self.sample(kind, [f], 10, 200 + k, reflectivity=image)[f])
                told += [np.corrcoef(m.ravel(), r.ravel())[0, 1] for m in maps]
                untold += [np.corrcoef(m.ravel(), r.ravel())[0, 1] for m in free]
        return {"correlation": float(np.mean(told)), "correlation_not_told": float(np.mean(untold))}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--terrane", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--work", default="condition_accuracy_work", help="trained generators, kept for a restart")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--train-maps", type=int, default=900)
    parser.add_argument("--codec-steps", type=int, default=4000)
    parser.add_argument("--code-steps", type=int, default=3000)
    parser.add_argument("--pixel-steps", type=int, default=1500)
    parser.add_argument("--maps", type=int, default=8, help="held-out maps of each family for wells and reflectivity")
    parser.add_argument("--only", choices=["codes", "pixels"])
    args = parser.parse_args()
    args.terrane, args.work = os.path.abspath(args.terrane), os.path.abspath(args.work)
    result = {"rows": {}}
    if os.path.exists(args.output):
        with open(args.output, encoding="utf-8") as f:
            result = json.load(f)
    study = Study(args)
    result.update({"settings": {k: v for k, v in vars(args).items() if k not in ("terrane", "output", "work", "only")},
                   "family_fresh_maps": study.floor,
                   "deviation_of_fresh_maps_mps": study.between})
    for kind in [args.only] if args.only else ["codes", "pixels"]:
        row = result["rows"].setdefault(kind, {})
        trained = study.train(kind)
        row["training_s"], row["weights"] = trained["time"]["wall_s"], trained["network"]["weights"]
        if kind == "codes":
            psnr = study.codec["held_out"]["psnr_full_db"]
            row["decoder_training_s"] = study.codec["time"]["wall_s"]
            row["decoder_rmse_mps"] = {"training": 3000 * 10 ** (-study.codec["train"]["psnr_full_db"] / 20),
                                       "held_out": 3000 * 10 ** (-psnr / 20)}
        measures = {"family": lambda: study.family(kind, 1), "family, guidance 2": lambda: study.family(kind, 2),
                    "family, guidance 3": lambda: study.family(kind, 3), "well": lambda: study.wells(kind, 1),
                    "well, guidance 2": lambda: study.wells(kind, 2),
                    "reflectivity": lambda: study.reflections(kind)}
        if kind == "codes":  # pixels are always as drawn
            measures["well, as drawn"] = lambda: study.wells(kind, 1, well_steps=0)
        for name, measure in measures.items():
            if name in row:
                continue
            row[name] = measure()
            print(kind, name, json.dumps(row[name]), flush=True)
            save(args.output, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
