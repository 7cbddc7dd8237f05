#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rate and distortion of velocity maps: the structured codec, what is chosen beside a decoder, components, JPEG2000.

Real maps of FlatVel-A, CurveVel-A and FlatFault-A (100 each) and maps of procedural families that no decoder has seen.
Bytes are those of the file, header and checksum included, over the maps in it. The decoder and the components, which are
shared by all maps, are not counted; their sizes stand in the table. JPEG2000 is the bare codestream of every map at 8 bits
over 1,500 to 4,500 m/s (Pillow, OpenJPEG), summed. PSNR is the mean over maps with a range of 3,000 m/s. BD-PSNR
integrates the difference to JPEG2000 over log2(bytes) on the common interval, by monotone piecewise cubics; null where
there is none, as one curve ends before the other begins. An exact copy counts as an error of 1e-6 (m/s)^2, 129.5 dB.
"chosen with decoder" is `compress --codec`, which takes the structured codec where that is the smaller file.

  python bench/rate_distortion.py --terrane build/release/bin/terrane --codec runs/codec [--codec runs/codec16 ...]
    --openfwi $TERRANE_DATA/openfwi --output bench/results/rate_distortion.json
"""
import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import zlib

import numpy as np
from PIL import Image, features

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "baselines"))
from machine import save  # noqa: E402

LOW, HIGH = 1500.0, 4500.0
REAL = {"FlatVel-A": "FlatVelA_100.npy", "CurveVel-A": "CurveVelA_100.npy", "FlatFault-A": "FlatFaultA_100.npy"}
PROCEDURAL = ["curve-fault-a", "style-a"]
RATES = [100, 50, 35, 28, 25, 22, 20, 18, 15, 12, 10, 8, 6.5, 5, 4]
BOUNDS = [2, 5, 10, 20, 40, 80, 160]


def psnr(decoded, maps):
    mse = np.mean((np.asarray(decoded, float) - maps) ** 2, axis=(1, 2))
    return float(np.mean(10 * np.log10((HIGH - LOW) ** 2 / np.maximum(mse, 1e-6))))


def squeezed(a):
    return np.asarray(a, dtype=np.float32).reshape(-1, a.shape[-2], a.shape[-1])


def jpeg2000(maps):
    points = []
    eight = np.round((np.clip(maps, LOW, HIGH) - LOW) / (HIGH - LOW) * 255).astype(np.uint8)
    for rate, levels in [(r, n) for r in RATES for n in (3, 4, 6)]:
        decoded, size = [], 0
        for m in eight:
            out = io.BytesIO()
            Image.fromarray(m).save(out, "JPEG2000", quality_mode="rates", quality_layers=[rate], irreversible=True,
                                    num_resolutions=levels, no_jp2=True)
            size += out.tell()
            out.seek(0)
            decoded.append(np.asarray(Image.open(out), float) / 255 * (HIGH - LOW) + LOW)
        points.append({"rate": rate, "resolutions": levels, "bytes": size / len(maps), "psnr_db": psnr(decoded, maps)})
    return points


def components(train, maps):
    mean = train.reshape(len(train), -1).mean(0)
    _, s, basis = np.linalg.svd(train.reshape(len(train), -1) - mean, full_matrices=False)
    points = []
    for k in (4, 8, 16, 32, 64, 128, 256):
        scale = s[:k] / np.sqrt(len(train))  # deviation of a coefficient
        codes = (maps.reshape(len(maps), -1) - mean) @ basis[:k].T / scale
        whole = np.clip(np.round(codes / 4 * 127), -127, 127).astype(np.int8)  # +- 4 deviations
        size = len(zlib.compress(np.ascontiguousarray(whole.T).tobytes(), 9)) / len(maps)
        decoded = (whole.astype(float) / 127 * 4 * scale) @ basis[:k] + mean
        points.append({"components": k, "bytes": size, "psnr_db": psnr(decoded.reshape(maps.shape), maps)})
    return points


class Program:
    def __init__(self, terrane, folder):
        self.terrane, self.folder = terrane, folder

    def __call__(self, *args):
        subprocess.run([self.terrane, *args], check=True, stdout=subprocess.DEVNULL)

    def coded(self, maps, *options):
        raw, packed, back = (os.path.join(self.folder, n) for n in ("maps.npy", "maps.lat", "back.npy"))
        np.save(raw, maps)
        self("compress", raw, "-o", packed, "--overwrite", *options)
        codec = [o for i, o in enumerate(options) if o == "--codec" or i and options[i - 1] == "--codec"]
        self("decompress", packed, "-o", back, "--overwrite", *codec)
        return {"bytes": os.path.getsize(packed) / len(maps), "psnr_db": psnr(squeezed(np.load(back)), maps)}

    def generated(self, families, seed, count):
        out = os.path.join(self.folder, "set%d" % seed)
        self("generate", "--family", ",".join(families), "--count", str(count), "--seed", str(seed), "-o", out)
        with open(os.path.join(out, "manifest.json"), encoding="utf-8") as f:
            manifest = json.load(f)
        return {f["family"]: np.concatenate([squeezed(np.load(os.path.join(out, x["model"]))) for x in f["files"]])
                for f in manifest["families"]}


def monotone(x, y):
    """Fritsch-Carlson slopes; returns the integral of the interpolant from a to b."""
    h, d = np.diff(x), np.diff(y) / np.diff(x)
    m = np.zeros(len(x))
    for i in range(1, len(x) - 1):
        if d[i - 1] * d[i] > 0:
            w1, w2 = 2 * h[i] + h[i - 1], h[i] + 2 * h[i - 1]
            m[i] = (w1 + w2) / (w1 / d[i - 1] + w2 / d[i])
    m[0], m[-1] = d[0], d[-1]

    def value(t):
        i = int(np.clip(np.searchsorted(x, t) - 1, 0, len(h) - 1))
        u = (t - x[i]) / h[i]
        return ((1 + 2 * u) * (1 - u) ** 2 * y[i] + u * (1 - u) ** 2 * h[i] * m[i] + u * u * (3 - 2 * u) * y[i + 1] +
                u * u * (u - 1) * h[i] * m[i + 1])
    return value


def frontier(points):
    """log2(bytes) and PSNR of the points that no smaller file reaches."""
    best, out = -np.inf, []
    for p in sorted(points, key=lambda p: (p["bytes"], -p["psnr_db"])):
        if p["psnr_db"] > best:
            best = p["psnr_db"]
            if not out or np.log2(p["bytes"]) > out[-1][0] + 1e-9:
                out.append((np.log2(p["bytes"]), best))
    return np.array(out).T if len(out) > 1 else None


def bd_psnr(points, reference):
    a, b = frontier(points), frontier(reference)
    if a is None or b is None:
        return None
    low, high = max(a[0][0], b[0][0]), min(a[0][-1], b[0][-1])
    if high - low < 0.1:
        return None
    f, g = monotone(*a), monotone(*b)
    t = np.linspace(low, high, 201)
    return {"from_bytes": 2 ** low, "to_bytes": 2 ** high, "db": float(np.mean([f(x) - g(x) for x in t]))}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--terrane", required=True)
    p.add_argument("--codec", action="append", default=[])
    p.add_argument("--openfwi", required=True)
    p.add_argument("--maps", type=int, default=100)
    p.add_argument("--bits", type=int, nargs="+", default=[2, 3, 4, 5, 6, 8])
    p.add_argument("--output", required=True)
    a = p.parse_args()
    out = {"openjpeg": features.version("jpg_2000"), "maps": a.maps, "codecs": {}, "families": {}}
    with tempfile.TemporaryDirectory() as folder:
        program = Program(a.terrane, folder)
        train = np.concatenate(list(program.generated(["flat-vel-a", "curve-vel-a", "curve-fault-a", "flat-fault-a"], 11,
                                                      200).values()))
        sets = {name: squeezed(np.load(os.path.join(a.openfwi, file)))[:a.maps] for name, file in REAL.items()}
        for family, maps in program.generated(PROCEDURAL, 12, a.maps).items():
            sets[family + " (procedural)"] = maps[:a.maps]
        for codec in a.codec:
            with open(os.path.join(codec, "result.json"), encoding="utf-8") as f:
                r = json.load(f)
            out["codecs"][os.path.basename(os.path.normpath(codec))] = {
                "decoder_bytes": r["decoder"]["file_bytes"], "training_models": r["train"]["models"], "steps": r["steps"]}
        for name, maps in sets.items():
            curves = {"jpeg2000": jpeg2000(maps), "principal components": components(train, maps)}
            curves["structured"] = [dict(program.coded(maps, "--bound", str(b)), bound_mps=b) for b in BOUNDS]
            codes = []
            for codec in a.codec:
                for bits in a.bits:
                    codes.append(dict(program.coded(maps, "--codec", codec, "--bits", str(bits)), bits=bits,
                                      codec=os.path.basename(os.path.normpath(codec))))
            if codes:
                curves["chosen with decoder"] = codes
            row = {"curves": curves, "bd_psnr_over_jpeg2000": {k: bd_psnr(v, curves["jpeg2000"]) for k, v in curves.items()
                                                             if k != "jpeg2000"}}
            out["families"][name] = row
            print(name, json.dumps(row["bd_psnr_over_jpeg2000"]), flush=True)
            save(a.output, out)


if __name__ == "__main__":
    main()
