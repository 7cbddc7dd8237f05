#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rate and distortion of velocity maps: structured codec, codes of trained decoders, components, one network a map, JPEG2000,
zfp, SZ3.

Real maps of FlatVel-A, CurveVel-A and FlatFault-A and maps of procedural families that no decoder has seen. Bytes are those
of the file, header and checksum included, over the maps in it. The decoders and the components, which are shared by all
maps, are not counted; their sizes stand in the table. A decoder is asked for the families that it was trained on, with
codes of 2 to 10 bits (`compress --method code --target`: packed and unpacked; one of the files is written and decoded
again). JPEG2000 is the bare codestream of every map at 8 bits over 1,500 to 4,500 m/s (Pillow, OpenJPEG), summed. zfp
(fixed accuracy, with its header) and SZ3 (absolute bound) take every map by itself as float32, less 3,000 m/s; a package that is not there is
left out. One network a map (COIN): two bytes a weight and no header. PSNR is the mean over maps with a range of 3,000 m/s, at most
60 dB a map. BD-PSNR integrates the difference to JPEG2000 over log2(bytes) on the common interval, by monotone piecewise
cubics; null where there is none, as one curve ends before the other begins. "at most": the best PSNR of each within so
many bytes a map, null where none is that small, and whose is the best.

  python bench/rate_distortion.py --terrane build/release/bin/terrane --coin build/release/bin/coin_bench
    --codec runs/codec [--codec runs/style ...] --openfwi $TERRANE_DATA/openfwi --output bench/results/rate_distortion.json

A family that the output holds for the same number of maps is not done again; codecs and decoders that it lacks are added.
bench/rate_distortion_page.py draws the curves.
"""
import argparse
import importlib.metadata
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
from map_measures import HIGH, LOW, psnr_each, squeezed  # noqa: E402

REAL = {"flat-vel-a": "FlatVelA_100.npy", "curve-vel-a": "CurveVelA_100.npy", "flat-fault-a": "FlatFaultA_100.npy"}
PROCEDURAL = ["curve-fault-a", "style-a", "style-b"]
MIDDLE = 3000.0  # m/s, taken off before zfp and SZ3
WIDTHS, NETWORK_STEPS = [14], 1000  # of one network a map, three layers
LIMITS = [32, 64, 96, 128, 192, 256, 384, 512, 1024]
RATES = [100, 50, 35, 28, 25, 22, 20, 18, 15, 12, 10, 8, 6.5, 5, 4]
BOUNDS = [0, 2, 5, 10, 20, 40, 80, 160]
ACCURACY = [32000, 16000, 8000, 4000, 3000, 2000, 1500, 1000, 500, 250, 120, 60, 30, 10, 3]  # m/s: zfp, SZ3


def psnr(decoded, maps):
    return float(np.mean(psnr_each(decoded, maps)))


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


def by_accuracy(maps, there_and_back):
    """Points of a codec that takes one map and a bound in m/s and returns bytes and what comes back."""
    points = []
    for bound in ACCURACY:
        done = [there_and_back(np.ascontiguousarray(m - MIDDLE, np.float32), bound) for m in maps]
        points.append({"accuracy_mps": bound, "bytes": sum(d[0] for d in done) / len(maps),
                       "psnr_db": psnr(np.array([d[1] for d in done]) + MIDDLE, maps)})
    return points


def other_codecs():
    """{name: (version, function for by_accuracy)} of the packages that are there."""
    found = {}
    try:
        import zfpy

        def zfp(m, bound):
            packed = zfpy.compress_numpy(m, tolerance=bound)
            return len(packed), zfpy.decompress_numpy(packed)
        found["zfp"] = (zfpy.__version__, zfp)
    except ImportError:
        pass
    try:
        import pysz

        def sz3(m, bound):
            config = pysz.szConfig(m.shape)
            config.errorBoundMode, config.absErrorBound = pysz.szErrorBoundMode.ABS, float(bound)
            packed, _ = pysz.sz.compress(m, config)
            back, _ = pysz.sz.decompress(packed, np.float32, m.shape)
            return packed.nbytes, back
        found["sz3"] = (importlib.metadata.version("pysz"), sz3)
    except ImportError:
        pass
    return found


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
        quiet = [] if args[0] == "decompress" or args[0] == "compress" else ["-q"]
        return subprocess.run([self.terrane, *args, *quiet], check=True, stdout=subprocess.PIPE, text=True).stdout

    def paths(self, maps):
        raw, packed, back = (os.path.join(self.folder, n) for n in ("maps.npy", "maps.lat", "back.npy"))
        np.save(raw, maps)
        return raw, packed, back

    def structured(self, maps, bound):
        raw, packed, back = self.paths(maps)
        self("compress", raw, "-o", packed, "--overwrite", "--bound", str(bound))
        self("decompress", packed, "-o", back, "--overwrite")
        return {"bytes": os.path.getsize(packed) / len(maps), "psnr_db": psnr(squeezed(np.load(back)), maps),
                "bound_mps": bound}

    def codes(self, maps, codec, steps):
        """Codes of 2 to 10 bits from one search; the file that is written, the smallest, is decoded again."""
        raw, packed, back = self.paths(maps)
        line = self("compress", raw, "-o", packed, "--overwrite", "--codec", codec, "--method", "code", "--steps",
                    str(steps), "--target", "psnr_db=0.1", "--json")
        self("decompress", packed, "-o", back, "--overwrite", "--codec", codec)
        r = json.loads(line)
        again = psnr(squeezed(np.load(back)), maps)
        if abs(again - r["psnr_full_db"]) > 1e-3 or os.path.getsize(packed) != r["file_bytes"]:
            sys.exit("what %s holds is not what compress said: %g dB, %s" % (packed, again, line))
        return [{"bytes": c["bytes_per_model"], "psnr_db": c["psnr_full_db"], "bits": c["code_bits"],
                 "codec": os.path.basename(os.path.normpath(codec))} for c in r["candidates"]]

    def generated(self, families, seed, count, *options):
        """Maps of every family in the order of their scenes: files of one number of layers take every n-th."""
        out = tempfile.mkdtemp(dir=self.folder)
        self("generate", "--family", ",".join(families), "--count", str(count), "--seed", str(seed), "-o", out, *options)
        with open(os.path.join(out, "manifest.json"), encoding="utf-8") as f:
            manifest = json.load(f)
        sets = {}
        for family in manifest["families"]:
            rows = []
            for x in family["files"]:
                maps = squeezed(np.load(os.path.join(out, x["model"])))
                rows += [(x["first_index"] + k * x["index_step"], m) for k, m in enumerate(maps)]
            sets[family["family"]] = np.array([m for _, m in sorted(rows, key=lambda r: r[0])])
        return sets


def single_networks(coin, folder, maps):
    raw, points = os.path.join(folder, "coin.npy"), []
    np.save(raw, maps)
    for width in WIDTHS:
        line = subprocess.run([coin, "--width", str(width), "--steps", str(NETWORK_STEPS), "--maps", str(len(maps)), raw],
                              check=True, capture_output=True, text=True).stdout
        r = json.loads(line)
        points.append({"width": width, "steps": r["steps"], "bytes": r["bytes_per_map"], "psnr_db": r["mean_db"],
                       "seconds_a_map": round(r["seconds_per_map"], 2)})
    return points


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


def at_most(curves):
    """{limit: {curve: dB, ..., "best": curve}}"""
    table = {}
    for limit in LIMITS:
        row = {}
        for name, points in curves.items():
            within = [p["psnr_db"] for p in points if p["bytes"] <= limit]
            row[name] = round(max(within), 2) if within else None
        known = {k: v for k, v in row.items() if v is not None}
        row["best"] = max(known, key=known.get) if known else None
        table[str(limit)] = row
    return table


def scored(curves):
    return {"curves": curves, "at_most_bytes": at_most(curves), "bd_psnr_over_jpeg2000": {
        k: bd_psnr(v, curves["jpeg2000"]) for k, v in curves.items() if k != "jpeg2000"}}


def decoders(codecs):
    known = {}
    for codec in codecs:
        with open(os.path.join(codec, "result.json"), encoding="utf-8") as f:
            r = json.load(f)
        with open(os.path.join(codec, "resolved.json"), encoding="utf-8") as f:
            c = json.load(f)
        known[codec] = {"decoder_bytes": r["decoder"]["file_bytes"], "parameters": r["decoder"]["parameters"],
                        "training_models": r["train"]["models"], "steps": r["steps"], "code": c["codec"]["code"],
                        "families": c["models"]["families"]}
    return known


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--terrane", required=True)
    p.add_argument("--coin")
    p.add_argument("--codec", action="append", default=[])
    p.add_argument("--openfwi", required=True)
    p.add_argument("--maps", type=int, default=100)
    p.add_argument("--only", default="", help="families, with commas; all")
    p.add_argument("--steps", type=int, default=1000, help="of the search for codes")
    p.add_argument("--output", required=True)
    a = p.parse_args()
    out = {"families": {}}
    if os.path.exists(a.output):
        with open(a.output, encoding="utf-8") as f:
            out = json.load(f)
    if out.get("maps") != a.maps or out.get("search_steps") != a.steps:
        out["families"] = {}
    known, others = decoders(a.codec), other_codecs()
    out.update(openjpeg=features.version("jpg_2000"), others={k: v[0] for k, v in others.items()}, maps=a.maps, search_steps=a.steps,
               codecs={**out.get("codecs", {}), **{os.path.basename(os.path.normpath(k)): v for k, v in known.items()}})
    with tempfile.TemporaryDirectory() as folder:
        program = Program(a.terrane, folder)
        layered, styles = ["flat-vel-a", "curve-vel-a", "curve-fault-a", "flat-fault-a"], ["style-a", "style-b"]
        train = program.generated(layered + styles, 11, 200)
        sets = {family + " (real)": squeezed(np.load(os.path.join(a.openfwi, file)))[:a.maps]
                for family, file in REAL.items()}
        for family, maps in program.generated(PROCEDURAL, 12, a.maps).items():
            sets[family + " (procedural)"] = maps
        for name, maps in sets.items():
            family = name.split()[0]
            if a.only and family not in a.only.split(","):
                continue
            if name in out["families"]:
                curves = out["families"][name]["curves"]
                curves.update({k: by_accuracy(maps, f) for k, (_, f) in others.items() if k not in curves})
                done = {c["codec"] for c in curves.get("codes", [])}
                for codec, k in known.items():
                    if family in k["families"] and os.path.basename(os.path.normpath(codec)) not in done:
                        curves.setdefault("codes", []).extend(program.codes(maps, codec, a.steps))
                row = out["families"][name] = scored(curves)
                print(name, json.dumps(row["bd_psnr_over_jpeg2000"]), flush=True)
                save(a.output, out)
                continue
            group = styles if family in styles else layered
            curves = {"jpeg2000": jpeg2000(maps),
                      "principal components": components(np.concatenate([train[f] for f in group]), maps),
                      "structured": [program.structured(maps, b) for b in BOUNDS]}
            codes = [c for codec, k in known.items() if family in k["families"] for c in program.codes(maps, codec, a.steps)]
            if codes:
                curves["codes"] = codes
            if a.coin:
                curves["one network a map"] = single_networks(a.coin, folder, maps)
            curves.update({k: by_accuracy(maps, f) for k, (_, f) in others.items()})
            row = out["families"][name] = scored(curves)
            print(name, json.dumps(row["bd_psnr_over_jpeg2000"]), json.dumps(row["at_most_bytes"]), flush=True)
            save(a.output, out)


if __name__ == "__main__":
    main()
