#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Decoding finer than the map: codes of maps of 70 x 70 pixels, decoded at 140 and 280, against the scenes themselves.

Procedural scenes are drawn at every resolution from the same description, so that there is a truth. The decoder has seen
none of these scenes; codes are found from the 70 x 70 map alone (`compress --method code`). Two protocols:
  point  a pixel holds the value at its centre, at every size. Where in a pixel an interface lies, the map does not say.
  area   the map holds means over its pixels. The truth at 280 is the value at the centres; at 140 and 70 means over 2 x 2
         and 4 x 4 of these, so that all three are one scene. `--supersample 4`: the decoder's pixels are means over as
         many points. "points": the same codes decoded at the centres of every grid, against the scene at these points.
Beside it the decoded map and the true one, enlarged by bicubic and by nearest-neighbour interpolation with pixel centres
aligned, and one network a map (COIN; means over 2 x 2 points at most). PSNR: mean over maps, range of 3,000 m/s, at most
60 dB; SSIM as OpenFWI; interfaces (of maps of points) and gradients as bench/map_measures.py. A family that the file holds
for the same settings is not done again. Needs numpy, scipy, Pillow.

  python bench/super_resolution.py --terrane build/release/bin/terrane --coin build/release/bin/coin_bench
    --codec runs/codec --sampling area --supersample 4 --name "means over pixels" --output bench/results/compression/super_resolution.json
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "baselines"))
from machine import save  # noqa: E402
from map_measures import gradient_correlation, interface_rmse, psnr_each, squeezed, ssim_openfwi  # noqa: E402
from rate_distortion import Program  # noqa: E402

SIZES = (70, 140, 280)


def enlarged(maps, size, how):
    return np.array([np.asarray(Image.fromarray(m.astype(np.float32), "F").resize((size, size), how)) for m in maps])


def measures(maps, truth, points=True):
    size = truth.shape[-1]
    return {"psnr_db": round(float(np.mean(psnr_each(maps, truth))), 2), "ssim": round(ssim_openfwi(maps, truth), 4),
            "gradient_correlation": round(gradient_correlation(maps, truth), 3),
            "interfaces": interface_rmse(maps, truth, size // 70) if points else None}


def block_means(maps, size):
    q = maps.shape[-1] // size
    return maps.reshape(len(maps), size, q, size, q).mean((2, 4), dtype=np.float64).astype(np.float32)


def rows_of(decoded, truth, area):
    """decoded, truth: {size: maps}"""
    row = {}
    for size in SIZES:
        r = {"decoded": measures(decoded[size], truth[size], not area or size == 280)}
        for name, how in (("bicubic", Image.BICUBIC), ("nearest", Image.NEAREST)):
            if size > 70:
                points = not area or size == 280
                r[name + " of decoded"] = measures(enlarged(decoded[70], size, how), truth[size], points)
                r[name + " of true"] = measures(enlarged(truth[70], size, how), truth[size], points)
        row[str(size)] = r
    row["drop_db"] = round(row["70"]["decoded"]["psnr_db"] - row["280"]["decoded"]["psnr_db"], 2)
    row["above_bicubic_db"] = {s: round(row[s]["decoded"]["psnr_db"] - row[s]["bicubic of decoded"]["psnr_db"], 2)
                               for s in ("140", "280")}
    return row


class Study:
    """The scenes of one protocol, and codes or single networks for them."""

    def __init__(self, a, program, families):
        self.a, self.program, self.area = a, program, a.sampling == "area"
        self.raw, self.packed, self.back = (os.path.join(program.folder, n) for n in ("maps.npy", "maps.lat", "back.npy"))
        self.centres = {size: program.generated(families, a.seed, a.count, "--size", str(size)) for size in SIZES}
        self.truth = dict(self.centres)
        if self.area:
            self.truth.update({size: {f: block_means(self.centres[280][f], size) for f in families} for size in (70, 140)})

    def means_differ_mps(self, families):
        """The program's own means over pixels against those of the scenes at 280."""
        own = self.program.generated(families, self.a.seed, self.a.count, "--area")
        return max(float(np.abs(own[f] - self.truth[70][f]).max()) for f in families)

    def decoded(self, *options):
        maps = {}
        for size in SIZES:
            self.program("decompress", self.packed, "-o", self.back, "--overwrite", "--codec", self.a.codec, "--size",
                         "%dx%d" % (size, size), *options)
            maps[size] = squeezed(np.load(self.back))
        return maps

    def codes(self, family):
        np.save(self.raw, self.truth[70][family])
        self.program("compress", self.raw, "-o", self.packed, "--overwrite", "--codec", self.a.codec, "--method", "code",
                     "--steps", str(self.a.steps), "--supersample", str(self.a.supersample), "--polish", str(self.a.polish))
        row = rows_of(self.decoded(), {size: self.truth[size][family] for size in SIZES}, self.area)
        row["bytes_a_map"] = os.path.getsize(self.packed) / self.a.count
        if self.area:
            points = self.decoded("--supersample", "1")
            row["points"] = {str(s): measures(points[s], self.centres[s][family]) for s in SIZES}
            row["points"]["drop_db"] = round(row["points"]["70"]["psnr_db"] - row["points"]["280"]["psnr_db"], 2)
        return row

    def single_networks(self, family):
        np.save(self.raw, self.truth[70][family])
        sizes = [o for size in SIZES for o in ("--size", str(size))]
        line = subprocess.run([self.a.coin, "--width", "14", "--supersample", str(min(self.a.supersample, 2)), "--maps",
                               str(self.a.count), *sizes, "--decoded", self.back, self.raw], check=True,
                              capture_output=True, text=True).stdout
        r = json.loads(line)
        maps = {size: squeezed(np.load("%s.%d.npy" % (self.back, size))) for size in SIZES}
        return dict({str(s): measures(maps[s], self.truth[s][family], not self.area or s == 280) for s in SIZES},
                    bytes_a_map=r["bytes_per_map"], steps=r["steps"])


def mean_of(study):
    rows = study["families"].values()

    def mean(value):
        return round(float(np.mean([value(r) for r in rows])), 2)
    out = {"drop_db": mean(lambda r: r["drop_db"]),
           "above_bicubic_db": {s: mean(lambda r, s=s: r["above_bicubic_db"][s]) for s in ("140", "280")}}
    if study["sampling"] == "area":
        out["points_drop_db"] = mean(lambda r: r["points"]["drop_db"])
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--terrane", required=True)
    p.add_argument("--coin")
    p.add_argument("--codec", required=True)
    p.add_argument("--families", default="flat-vel-a,curve-vel-a,flat-fault-a,curve-fault-a")
    p.add_argument("--count", type=int, default=20)
    p.add_argument("--seed", type=int, default=12, help="of scenes that the decoder has not seen")
    p.add_argument("--steps", type=int, default=1000, help="of the search for codes")
    p.add_argument("--sampling", choices=["point", "area"], default="point", help="protocol")
    p.add_argument("--supersample", type=int, default=1, help="points of a pixel along each axis in the search for codes")
    p.add_argument("--polish", type=int, default=0, help="Levenberg-Marquardt steps after the search")
    p.add_argument("--name", required=True, help="of this study in the file")
    p.add_argument("--output", required=True)
    a = p.parse_args()
    out = {}
    if os.path.exists(a.output):
        with open(a.output, encoding="utf-8") as f:
            out = json.load(f)
    with open(os.path.join(a.codec, "result.json"), encoding="utf-8") as f:
        run = json.load(f)
    families = a.families.split(",")
    study = {"scenes_a_family": a.count, "seed": a.seed, "sampling": a.sampling, "supersample": a.supersample,
             "search_steps": a.steps, "polish_steps": a.polish,
             "decoder": {"parameters": run["decoder"]["parameters"], "training_models": run["train"]["models"],
                         "steps": run["steps"]}, "families": {}}
    held = out.setdefault("studies", {}).get(a.name, {})
    if all(held.get(k) == v for k, v in study.items() if k != "families"):
        study["families"] = held.get("families", {})
    out["studies"][a.name] = study
    with tempfile.TemporaryDirectory() as folder:
        scenes = Study(a, Program(a.terrane, folder), families)
        if scenes.area:
            study["means_of_280_against_70_mps"] = scenes.means_differ_mps(families)
        for family in families:
            row = study["families"].get(family) or scenes.codes(family)
            if a.coin and "one network a map" not in row:
                row["one network a map"] = scenes.single_networks(family)
            study["families"][family] = row
            print(family, *(row[str(s)]["decoded"]["psnr_db"] for s in SIZES), "drop", row["drop_db"], "dB, above bicubic",
                  row["above_bicubic_db"], "points", row.get("points", {}).get("drop_db"), "interfaces",
                  row["280"]["decoded"]["interfaces"], flush=True)
            save(a.output, out)
    study["mean"] = mean_of(study)
    print("mean", json.dumps(study["mean"]), flush=True)
    save(a.output, out)


if __name__ == "__main__":
    main()
