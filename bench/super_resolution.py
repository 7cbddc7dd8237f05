#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Decoding finer than the training: codes of maps of 70 x 70 pixels, decoded at 140 and 280, against the scenes themselves.

Procedural scenes are drawn at every resolution from the same description, so that there is a truth. The decoder has seen
70 x 70 alone and none of these scenes; codes are found from the 70 x 70 map (`compress --method code`). Beside it the
decoded map and the true one, enlarged by bicubic and by nearest-neighbour interpolation with pixel centres aligned, and
one network a map (COIN). PSNR: mean over maps, range of 3,000 m/s, at most 60 dB; SSIM as OpenFWI; interfaces and gradients
as bench/map_measures.py. Needs numpy, scipy, Pillow.

  python bench/super_resolution.py --terrane build/release/bin/terrane --coin build/release/bin/coin_bench
    --codec runs/codec --output bench/results/compression/super_resolution.json
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


def measures(maps, truth):
    size = truth.shape[-1]
    return {"psnr_db": round(float(np.mean(psnr_each(maps, truth))), 2), "ssim": round(ssim_openfwi(maps, truth), 4),
            "gradient_correlation": round(gradient_correlation(maps, truth), 3),
            "interfaces": interface_rmse(maps, truth, size // 70)}


def rows_of(decoded, truth):
    """decoded, truth: {size: maps}"""
    row = {}
    for size in SIZES:
        r = {"decoded": measures(decoded[size], truth[size])}
        for name, how in (("bicubic", Image.BICUBIC), ("nearest", Image.NEAREST)):
            if size > 70:
                r[name + " of decoded"] = measures(enlarged(decoded[70], size, how), truth[size])
                r[name + " of true"] = measures(enlarged(truth[70], size, how), truth[size])
        row[str(size)] = r
    row["drop_db"] = round(row["70"]["decoded"]["psnr_db"] - row["280"]["decoded"]["psnr_db"], 2)
    row["above_bicubic_db"] = {s: round(row[s]["decoded"]["psnr_db"] - row[s]["bicubic of decoded"]["psnr_db"], 2)
                               for s in ("140", "280")}
    return row


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--terrane", required=True)
    p.add_argument("--coin")
    p.add_argument("--codec", required=True)
    p.add_argument("--families", default="flat-vel-a,curve-vel-a,flat-fault-a,curve-fault-a")
    p.add_argument("--count", type=int, default=20)
    p.add_argument("--seed", type=int, default=12, help="of scenes that the decoder has not seen")
    p.add_argument("--steps", type=int, default=1000, help="of the search for codes")
    p.add_argument("--sampling", choices=["point", "area"], default="point")
    p.add_argument("--name", help="of this study in the file; default: codec and sampling")
    p.add_argument("--output", required=True)
    a = p.parse_args()
    out = {}
    if os.path.exists(a.output):
        with open(a.output, encoding="utf-8") as f:
            out = json.load(f)
    with open(os.path.join(a.codec, "result.json"), encoding="utf-8") as f:
        run = json.load(f)
    families = a.families.split(",")
    study = {"scenes_a_family": a.count, "seed": a.seed, "sampling": a.sampling, "search_steps": a.steps,
             "decoder": {"parameters": run["decoder"]["parameters"], "training_models": run["train"]["models"],
                         "steps": run["steps"]}, "families": {}}
    out.setdefault("studies", {})[a.name or "%s, %s" % (os.path.basename(os.path.normpath(a.codec)), a.sampling)] = study
    with tempfile.TemporaryDirectory() as folder:
        program = Program(a.terrane, folder)
        truth = {size: program.generated(families, a.seed, a.count, "--size", str(size), "--" + a.sampling)
                 for size in SIZES}
        block = {f: truth[280][f].reshape(a.count, 70, 4, 70, 4).mean((2, 4)) for f in families}
        for family in families:
            if a.sampling == "area":
                study["area_of_280_against_70_mps"] = max(study.get("area_of_280_against_70_mps", 0.0),
                                                          float(np.abs(block[family] - truth[70][family]).max()))
            raw, packed, back = (os.path.join(folder, n) for n in ("maps.npy", "maps.lat", "back.npy"))
            np.save(raw, truth[70][family])
            program("compress", raw, "-o", packed, "--overwrite", "--codec", a.codec, "--method", "code", "--steps",
                    str(a.steps))
            decoded = {}
            for size in SIZES:
                program("decompress", packed, "-o", back, "--overwrite", "--codec", a.codec, "--size", "%dx%d" % (size, size))
                decoded[size] = squeezed(np.load(back))
            true = {size: truth[size][family] for size in SIZES}
            row = dict(rows_of(decoded, true), bytes_a_map=os.path.getsize(packed) / a.count)
            if a.coin:
                sizes = [o for size in SIZES for o in ("--size", str(size))]
                line = subprocess.run([a.coin, "--width", "14", "--maps", str(a.count), *sizes, "--decoded", back, raw],
                                      check=True, capture_output=True, text=True).stdout
                decoded = {size: squeezed(np.load("%s.%d.npy" % (back, size))) for size in SIZES}
                row["one network a map"] = dict(
                    {str(s): measures(decoded[s], true[s]) for s in SIZES}, bytes_a_map=json.loads(line)["bytes_per_map"],
                    steps=json.loads(line)["steps"])
            study["families"][family] = row
            print(family, "drop", row["drop_db"], "dB, above bicubic", row["above_bicubic_db"], json.dumps(row), flush=True)
            save(a.output, out)
    rows = study["families"].values()
    study["mean"] = {"drop_db": round(float(np.mean([r["drop_db"] for r in rows])), 2), "above_bicubic_db": {
        s: round(float(np.mean([r["above_bicubic_db"][s] for r in rows])), 2) for s in ("140", "280")}}
    print("mean", json.dumps(study["mean"]), flush=True)
    save(a.output, out)


if __name__ == "__main__":
    main()
