#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the acoustic wave operator with deepwave 0.0.27 on the same job, interleaved on one machine.

Same scheme on both sides: second order in time, order 4 and 8 in space, CPML of 20 cells on every edge (n = 2, R = 1e-3,
alpha0 = pi pml_freq), one shot on row 1 of every 36th column, receivers on row 1 of every column, dt 1 ms, 2000 samples.
Convention: deepwave adds -(v dt)^2 f to the field, this project (v dt)^2 f / h^2; the wavelet is converted here and
nowhere else. Both gradients are of 0.5 ||data||^2.

  python deepwave_parity.py --bench build/bin/wave_bench --model marmousi1_vp_94x288_derived.npy --output result.json

Needs numpy, torch and deepwave==0.0.27. Timings are medians over the repeats; a run is refused (exit 1) when gathers
differ by more than 1e-3 or the cosine of the gradients on interior cells is below 0.999.
"""
import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version

import numpy as np
import torch
import deepwave

from machine import processor

DT, NT, H, PML, VMAX, PML_FREQ, SHOTS, F0 = 1e-3, 2000, 15.0, 20, 5500.0, 8.0, 8, 8.0


def ricker():
    a = (np.pi * F0 * (np.arange(NT) * DT - 1.5 / F0)) ** 2
    return ((1 - 2 * a) * np.exp(-a)).astype(np.float32)


class Deepwave:
    def __init__(self, vp, wavelet, order):
        nx = vp.shape[1]
        self.order = order
        self.v = torch.tensor(vp)
        self.amplitudes = torch.tensor(wavelet)[None, None].repeat(SHOTS, 1, 1) * (-1.0 / H**2)
        self.sources = torch.ones(SHOTS, 1, 2, dtype=torch.long)
        self.sources[:, 0, 1] = torch.tensor([(2 * k + 1) * nx // (2 * SHOTS) for k in range(SHOTS)])
        self.receivers = torch.ones(SHOTS, nx, 2, dtype=torch.long)
        self.receivers[:, :, 1] = torch.arange(nx)

    def data(self, v):
        return deepwave.scalar(v, H, DT, source_amplitudes=self.amplitudes, source_locations=self.sources,
                               receiver_locations=self.receivers, accuracy=self.order, pml_width=PML,
                               pml_freq=PML_FREQ, max_vel=VMAX)[-1]

    def forward(self):
        with torch.no_grad():
            start = time.perf_counter()
            data = self.data(self.v)
            return time.perf_counter() - start, data

    def gradient(self):
        v = self.v.clone().requires_grad_(True)
        start = time.perf_counter()
        (0.5 * (self.data(v) ** 2).sum()).backward()
        return time.perf_counter() - start, v.grad


def run_terrane(bench, files, shape, order, threads, storage, out):
    command = [bench, files["model"], shape[0], shape[1], files["wavelet"], NT, DT, H, order, PML, VMAX, PML_FREQ, SHOTS,
               threads, 2, storage, out]  # two repeats in the process: the first one touches fresh memory
    return json.loads(subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True).stdout)


def compare(order, out, shape, peer):
    ours = np.fromfile(out + ".data", np.float32).astype(float)
    theirs = peer.forward()[1].numpy().astype(float).ravel()
    g = np.fromfile(out + ".gradient", np.float32).astype(float).reshape(shape)
    peer_g = peer.gradient()[1].numpy().astype(float)
    # Edge cells collect what the layers see; the peer does that too, but only interior cells are judged.
    inner, peer_inner = g[1:-1, 1:-1].ravel(), peer_g[1:-1, 1:-1].ravel()
    return {
        "order": order,
        "gather_relative_l2": float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)),
        "gradient_cosine_interior": float(inner @ peer_inner / np.sqrt((inner @ inner) * (peer_inner @ peer_inner))),
        "gradient_norm_ratio_interior": float(np.linalg.norm(inner) / np.linalg.norm(peer_inner)),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", required=True, help="the wave_bench program")
    parser.add_argument("--model", required=True, help="NumPy file of velocities (nz, nx) in m/s")
    parser.add_argument("--output", required=True, help="JSON file to write")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--storage", default="all")
    parser.add_argument("--orders", type=int, nargs="+", default=[4, 8])
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    vp, wavelet = np.load(args.model).astype(np.float32), ricker()
    padded = (vp.shape[0] + 2 * PML) * (vp.shape[1] + 2 * PML)
    result = {"machine": processor(), "cores": os.cpu_count(), "threads": args.threads, "repeats": args.repeats,
              "date": datetime.date.today().isoformat(),
              "torch": torch.__version__, "deepwave": version("deepwave"), "python": platform.python_version(),
              "interior_points": int(vp.size), "padded_points": padded, "samples": NT, "shots": SHOTS,
              "load_before": os.getloadavg(), "cases": []}
    with tempfile.TemporaryDirectory() as folder:
        files = {"model": folder + "/model.bin", "wavelet": folder + "/wavelet.bin"}
        vp.tofile(files["model"])
        wavelet.tofile(files["wavelet"])
        for order in args.orders:
            peer, out = Deepwave(vp, wavelet, order), folder + "/out"
            last = run_terrane(args.bench, files, vp.shape, order, args.threads, args.storage, out)
            case = compare(order, out, vp.shape, peer)  # also the peer's warm-up
            times = {"terrane_forward_s": [], "terrane_gradient_s": [], "deepwave_forward_s": [], "deepwave_gradient_s": []}
            for _ in range(args.repeats):
                last = run_terrane(args.bench, files, vp.shape, order, args.threads, args.storage, "-")
                times["terrane_forward_s"].append(last["forward_s"][-1])
                times["terrane_gradient_s"].append(last["gradient_s"][-1])
                times["deepwave_forward_s"].append(peer.forward()[0])
                times["deepwave_gradient_s"].append(peer.gradient()[0])
            case.update(terrane_plan=last["plan"], terrane_variant=last["variant"], terrane_steps=last["steps"],
                        deepwave_steps=NT, substeps=last["substeps"], memory_bytes=last["memory_bytes"], times=times)
            for what in ("forward", "gradient"):
                ours, theirs = times[f"terrane_{what}_s"], times[f"deepwave_{what}_s"]
                work, peer_work = padded * last["steps"] * SHOTS * 1e-9, padded * NT * SHOTS * 1e-9
                case[what] = {"terrane_gpts": work / statistics.median(ours), "terrane_best_gpts": work / min(ours),
                              "deepwave_gpts": peer_work / statistics.median(theirs),
                              "deepwave_best_gpts": peer_work / min(theirs)}
                case[what]["ratio_of_medians"] = case[what]["terrane_gpts"] / case[what]["deepwave_gpts"]
                case[what]["ratio_of_best"] = case[what]["terrane_best_gpts"] / case[what]["deepwave_best_gpts"]
            result["cases"].append(case)
            print(f"order {order}: gathers {case['gather_relative_l2']:.2e}, cosine {case['gradient_cosine_interior']:.9f}, "
                  f"forward {case['forward']['terrane_gpts']:.2f} / {case['forward']['deepwave_gpts']:.2f} Gpt/s, "
                  f"gradient {case['gradient']['terrane_gpts']:.2f} / {case['gradient']['deepwave_gpts']:.2f} Gpt/s = "
                  f"{case['gradient']['ratio_of_medians']:.2f}x", flush=True)
    result["load_after"] = os.getloadavg()
    agree = all(c["gather_relative_l2"] <= 1e-3 and c["gradient_cosine_interior"] >= 0.999 for c in result["cases"])
    result["agree"] = agree
    if not agree:  # no speed-up is stated for different results
        for c in result["cases"]:
            c.pop("forward"), c.pop("gradient")
    with open(args.output, "w") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
