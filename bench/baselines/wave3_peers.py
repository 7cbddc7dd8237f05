#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the 3-D acoustic wave operator with deepwave 0.0.27 and Devito 4.8.23, interleaved on one machine.

W3 in a cube of --cells (128 unless stated; the full problem has 256) with --pml absorbing cells on every side, h 10 m, dt
1 ms, order 8 (or 4), a Ricker wavelet of 25 Hz, one shot and a plane of receivers (see bench/wave3_bench.cpp). A step
of the same length on all three sides; second order in time.
  deepwave: the same CPML. It adds -(v dt)^2 f to the field where this project adds (v dt)^2 f / h^3.
  Devito: its acoustic example (damping sponge instead of CPML, which is less work; with --pml 0 all do the same), JIT
    with gcc and OpenMP, block shapes tuned before the timings; the times are those of its operators alone, without
    Python and without the allocation of the wavefield. It adds (v dt)^2 f.
Gradients are of 0.5 ||data||^2 with every snapshot stored. Devito's is compared with ours on interior cells as a
derivative to the slowness squared, which it forms as the product of wavefield and second derivative of the adjoint.

  OMP_NUM_THREADS=2 DEVITO_LANGUAGE=openmp python wave3_peers.py --bench build/bin/wave3_bench --output wave_3d.json
  python wave3_peers.py --bench build/bin/wave3_bench --output gpu.json --device cuda --peers deepwave --cells 256

Needs numpy, torch, deepwave==0.0.27, devito==4.8.23 and pytest (which its examples import). A ratio is stated only
where the results agree: gathers within 1e-3 and cosine of interior gradients above 0.999; beside the sponge of Devito within 2e-2 and above 0.99.
"""
import argparse
import datetime
import gc
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version

os.environ.setdefault("DEVITO_LANGUAGE", "openmp")
os.environ.setdefault("DEVITO_LOGGING", "ERROR")
import numpy as np
import torch
import deepwave

from devices import add_device, add_gbps, device_name, torch_device, wait
from machine import processor

if "devito" in sys.argv or "--peers" not in sys.argv:
    from devito import Function, Operator, TimeFunction, configuration
    from examples.seismic import AcquisitionGeometry, SeismicModel
    from examples.seismic.acoustic.operators import ForwardOperator, GradientOperator

DT, H, VMAX, F0 = 1e-3, 10.0, 3000.0, 25.0
# Bytes a padded point and step that must pass the memory: specification table of the project.
BYTES = {"forward": 22, "gradient": 62}


def ricker(nt):
    a = (np.pi * F0 * (np.arange(nt) * DT - 1.5 / F0)) ** 2
    return ((1 - 2 * a) * np.exp(-a)).astype(np.float32)


def model(n):
    """Velocity that grows with depth, with lateral waves of 100 m/s; (z, y, x)."""
    i = np.arange(n)
    lateral = 100 * np.sin(i / 9.0)[:, None] * np.cos(i / 7.0)[None, :]
    return (2000 + 890 * i[:, None, None] / n + lateral[None]).astype(np.float32)


class Deepwave:
    limits = (1e-3, 0.999)

    def __init__(self, vp, wavelet, order, pml, device):
        n, self.pml, self.device, on = vp.shape[0], pml, device, torch_device(device)
        self.order, self.v = order, torch.tensor(vp, device=on)
        self.amplitudes = torch.tensor(wavelet, device=on)[None, None] * (-1.0 / H**3)
        self.source = torch.tensor([[[10, n // 2, n // 2]]], device=on)
        line = torch.arange(4, n, 8, device=on)
        y, x = torch.meshgrid(line, line, indexing="ij")
        self.receivers = torch.stack([torch.full_like(y, 10), y, x], -1).reshape(1, -1, 3)

    def data(self, v):
        return deepwave.scalar(v, H, DT, source_amplitudes=self.amplitudes, source_locations=self.source,
                               receiver_locations=self.receivers, accuracy=self.order, pml_width=self.pml, pml_freq=F0,
                               max_vel=VMAX)[-1]

    def forward(self):
        with torch.no_grad():
            start = time.perf_counter()
            data = self.data(self.v)
            wait(self.device)
            return time.perf_counter() - start, data[0].cpu().numpy()

    def gradient(self):
        v = self.v.clone().requires_grad_(True)
        start = time.perf_counter()
        (0.5 * (self.data(v) ** 2).sum()).backward()
        wait(self.device)
        return time.perf_counter() - start, v.grad.cpu().numpy()


class Devito:
    def __init__(self, vp, wavelet, order, pml, _):
        self.limits = (2e-2, 0.99) if pml else (1e-3, 0.999)
        n, nt = vp.shape[0], len(wavelet)
        self.order, self.vp, self.pml, self.nt = order, vp, pml, nt
        # Units m and ms; the axes of the model keep their order. The last sample of a run is not recorded by Devito.
        self.model = SeismicModel(vp=vp * 1e-3, origin=(0, 0, 0), spacing=(H, H, H), shape=vp.shape, nbl=pml,
                                  space_order=order, bcs="damp", dt=1.0, dtype=np.float32)
        line = np.arange(4, n, 8) * H
        y, x = np.meshgrid(line, line, indexing="ij")
        receivers = np.stack([np.full(y.size, 10 * H), y.ravel(), x.ravel()], -1)
        source = np.array([[10 * H, n // 2 * H, n // 2 * H]])
        self.geometry = AcquisitionGeometry(self.model, receivers, source, t0=0.0, tn=float(nt), f0=F0 * 1e-3,
                                            src_type="Ricker")
        assert self.geometry.nt == nt + 1 and abs(self.geometry.dt - 1.0) < 1e-6
        self.src, self.rec = self.geometry.src, self.geometry.rec
        self.src.data[:, 0] = np.append(wavelet, 0) / H**3
        self.ops = {"forward": ForwardOperator(self.model, self.geometry, space_order=order),
                    "saved": ForwardOperator(self.model, self.geometry, space_order=order, save=True),
                    "gradient": GradientOperator(self.model, self.geometry, space_order=order)}
        self.blocks = {}

    def field(self, name, save=None):
        return TimeFunction(name=name, grid=self.model.grid, time_order=2, space_order=self.order, save=save)

    def apply(self, kind, **arguments):
        """Runs an operator; the first call tunes its blocks on copies of nothing but the scratch fields."""
        op = self.ops[kind]
        if kind not in self.blocks:
            op.apply(autotune="aggressive", **self.all_arguments(kind, arguments))
            tuned = op._state.get("autotuning", [])
            self.blocks[kind] = dict(tuned[-1]["tuned"]) if tuned else {}
            for key in ("u", "v"):
                if key in arguments and kind != "gradient" or key == "v" and key in arguments:
                    arguments[key].data_with_halo[:] = 0
            if "grad" in arguments:
                arguments["grad"].data[:] = 0
        summary = op.apply(**self.all_arguments(kind, arguments), **self.blocks[kind])
        return sum(v.time for v in summary.values())

    def all_arguments(self, kind, arguments):
        extra = {"src": self.src} if kind != "gradient" else {}
        return dict(arguments, rec=self.rec, vp=self.model.vp, dt=1.0, **extra)

    def forward(self):
        seconds = self.apply("forward", u=self.field("u"))
        return seconds, np.array(self.rec.data[:self.nt]).T

    def gradient(self):
        u, v, grad = self.field("u", self.nt + 1), self.field("v"), Function(name="grad", grid=self.model.grid)
        seconds = self.apply("saved", u=u)
        seconds += self.apply("gradient", u=u, v=v, grad=grad)
        inside = slice(self.pml, self.pml + self.vp.shape[0])
        inner = np.array(grad.data)[inside, inside, inside]
        return seconds, inner / -self.vp**3  # d / dv = -2 / v^3 d / d(1/v^2), up to a constant


def run_terrane(bench, files, n, order, pml, threads, storage, out, device):
    command = [bench, files["model"], n, n, n, files["wavelet"], files["nt"], DT, H, order, pml, VMAX, F0, threads, 2,
               storage, out, "--device", device]  # two repeats in the process: the first one touches fresh memory
    return json.loads(subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True).stdout)


def compare(out, n, peer):
    theirs = peer.forward()[1].astype(float).ravel()
    ours = np.fromfile(out + ".data", np.float32).astype(float)
    g = np.fromfile(out + ".gradient", np.float32).astype(float).reshape(n, n, n)
    inner, peer_inner = g[1:-1, 1:-1, 1:-1].ravel(), peer.gradient()[1].astype(float)[1:-1, 1:-1, 1:-1].ravel()
    error = float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))
    cosine = float(inner @ peer_inner / np.sqrt((inner @ inner) * (peer_inner @ peer_inner)))
    return {"gather_relative_l2": error, "gradient_cosine_interior": cosine, "limits": peer.limits,
            "agree": bool(error <= peer.limits[0] and cosine >= peer.limits[1])}


def rates(seconds, padded, interior, steps, what, bandwidth):
    median = padded * steps * 1e-9 / statistics.median(seconds)
    return {"seconds": seconds, "gpts_padded": median, "best_gpts_padded": padded * steps * 1e-9 / min(seconds),
            "gpts_interior": median * interior / padded,
            "share_of_memory_roof": median * BYTES[what] / bandwidth if bandwidth else None}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", required=True, help="the wave3_bench program")
    parser.add_argument("--output", required=True, help="JSON file to write")
    parser.add_argument("--cells", type=int, default=128)
    parser.add_argument("--pml", type=int, default=20, help="absorbing cells on every side")
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--storage", default="all")
    parser.add_argument("--orders", type=int, nargs="+", default=[8])
    parser.add_argument("--peers", nargs="+", default=["deepwave", "devito"])
    add_device(parser)
    args = parser.parse_args()
    n, nt, pml, threads = args.cells, args.samples, args.pml, args.threads
    torch.set_num_threads(threads)
    bandwidth = add_gbps(args.device, 1 << 26)  # beyond the caches: the roof of this machine at this time
    devito = "devito" in args.peers
    vp, wavelet = model(n), ricker(nt)
    padded, interior = (n + 2 * pml) ** 3, n**3
    result = {"machine": processor(), "gpu": device_name(args.device), "cores": os.cpu_count(), "threads": threads, "repeats": args.repeats,
              "date": datetime.date.today().isoformat(), "torch": torch.__version__, "deepwave": version("deepwave"),
              "devito": version("devito") if devito else None,
              "devito_compiler": str(configuration["compiler"]) if devito else None,
              "python": platform.python_version(), "numpy": np.__version__, "cells": n, "samples": nt, "shots": 1,
              "pml_cells": pml, "interior_points": interior, "padded_points": padded,
              "stream_gbytes_per_s": bandwidth, "bytes_per_point_and_step": BYTES, "load_before": os.getloadavg(),
              "cases": []}
    with tempfile.TemporaryDirectory() as folder:
        files = {"model": folder + "/model.bin", "wavelet": folder + "/wavelet.bin", "nt": nt}
        vp.tofile(files["model"])
        wavelet.tofile(files["wavelet"])
        for order in args.orders:
            out = folder + "/out"
            last = run_terrane(args.bench, files, n, order, pml, threads, args.storage, out, args.device)
            peers = {name: {"deepwave": Deepwave, "devito": Devito}[name](vp, wavelet, order, pml, args.device) for name in args.peers}
            case = {"order": order, "plan": last["plan"], "variant": last["variant"],
                    "memory_bytes": last["memory_bytes"], "arena_bytes": last["arena_bytes"],
                    "steps": {"terrane": last["steps"], "deepwave": nt, "devito": nt - 1},
                    "errors": {name: compare(out, n, peer) for name, peer in peers.items()}}  # also a warm-up
            print(json.dumps(case["errors"]), flush=True)
            times = {name: {"forward": [], "gradient": []} for name in ["terrane", *peers]}
            for _ in range(args.repeats):
                last = run_terrane(args.bench, files, n, order, pml, threads, args.storage, "-", args.device)
                times["terrane"]["forward"].append(last["forward_s"][-1])
                times["terrane"]["gradient"].append(last["gradient_s"][-1])
                for name, peer in peers.items():
                    for what in ("forward", "gradient"):
                        times[name][what].append(getattr(peer, what)()[0])
                        gc.collect()  # fields of Devito refer to each other: snapshots of all repeats would pile up
            for what in ("forward", "gradient"):
                case[what] = {name: rates(t[what], padded, interior, case["steps"][name], what, bandwidth)
                              for name, t in times.items()}
                for name in peers:
                    if not case["errors"][name]["agree"]:  # no speed-up is stated for different results
                        continue
                    for key in ("gpts_padded", "best_gpts_padded"):
                        case[what][name]["ratio_" + key] = case[what]["terrane"][key] / case[what][name][key]
                print(f"order {order} {what}: " + ", ".join(
                    f"{name} {r['gpts_padded']:.3f} Gpt/s" + (f" ({r['ratio_gpts_padded']:.2f}x)"
                                                             if "ratio_gpts_padded" in r else "")
                    for name, r in case[what].items()), flush=True)
            result["cases"].append(case)
    result["load_after"] = os.getloadavg()
    result["peak_rss_bytes_of_peers"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    with open(args.output, "w") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    return 0 if all(e["agree"] for c in result["cases"] for e in c["errors"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
