#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""2-D acoustic waves beside deepwave 0.0.27 on the same job, interleaved on one machine: workloads W1 (300 x 600,
2000 samples, 300 receivers) and W2 (1000 x 3000, 4000 samples, 1500 receivers) with layers of 20 cells; forward and
gradient of 0.5 ||data||^2, orders 4 and 8.

Same scheme on both sides: second order in time, CPML (n = 2, R = 1e-3, alpha0 = pi pml_freq), the same shots and
receivers on row 1, dt 1 ms without sub-steps. Convention: deepwave adds -(v dt)^2 f to the field, this project
(v dt)^2 f / h^2; the wavelet is converted here and nowhere else.

  python wave_2d.py --bench build/bin/wave_bench --output bench/results/wave_2d.json
  python wave_2d.py --bench build/bin/wave_bench --output w2.json --workload W2 --orders 4 --shots 8 --nt 300 --peer-batch 2
  python wave_2d.py --bench build/bin/wave_bench --output gpu.json --device cuda --shots 24 --peer-batch 24

Needs numpy, torch and deepwave==0.0.27. The peer runs with MALLOC_MMAP_MAX_=0 and a large trim threshold, so that its
snapshots do not come as fresh pages at every call (this makes it faster; --plain-malloc leaves that out). It keeps all
snapshots in single precision; more than --peer-batch shots are run in batches of that size, one after another.
Both sides repeat in turn; the first run of each is not counted. `share` is the throughput over that of the caches,
--cache-gbps divided by the bytes of a point and step (forward 15; gradient with stored fields 51, in bf16 47, with the
boundary ring 51); on a GPU the caches' figure is that of a = b + c on arrays of 8 MB. No ratio is printed when gathers
differ by more than 1e-3 or gradients on interior cells by more than 1e-2 (relative L2); the exit status is then 1.
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

if __name__ == "__main__" and os.environ.get("OMP_WAIT_POLICY") != "passive":  # before the libraries start their threads
    os.environ["OMP_WAIT_POLICY"] = "passive"
    if "--plain-malloc" not in sys.argv:
        os.environ.update(MALLOC_MMAP_MAX_="0", MALLOC_TRIM_THRESHOLD_=str(1 << 40))
    os.execv(sys.executable, [sys.executable] + sys.argv)

import numpy as np
import torch
import deepwave

from devices import add_device, add_gbps, device_name, torch_device, wait
from machine import processor

NZ, NX, H, DT, PML, VMAX, F0 = 300, 600, 10.0, 1e-3, 20, 4000.0, 12.0
WORKLOADS = {"W1": (300, 600, 2000, 300), "W2": (1000, 3000, 4000, 1500)}  # nz, nx, samples, receivers
BYTES = {"forward": 15, "all": 51, "all:bf16": 47, "ring": 51, "ring:bf16": 51}


def model():
    """Velocity growing with depth, folded layers and a lens, in [1500, 4000] m/s."""
    z, x = np.mgrid[0:NZ, 0:NX] * 1.0
    z, x = z * 300 / NZ, x * 600 / NX
    depth = z + 12 * np.sin(2 * np.pi * x / 600) + 0.04 * np.abs(x - 300)
    v = 1500 + 7 * depth + 220 * np.sign(np.sin(depth / 14)) - 500 * np.exp(-((z - 150) / 25) ** 2 - ((x - 330) / 60) ** 2)
    return np.clip(v, 1500, 4000).astype(np.float32)


def ricker(nt):
    a = (np.pi * F0 * (np.arange(nt) * DT - 1.5 / F0)) ** 2
    return ((1 - 2 * a) * np.exp(-a)).astype(np.float32)


class Timer:
    """Wall and processor seconds (all threads)."""

    def __init__(self):
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def stop(self):
        return time.perf_counter() - self.wall, time.process_time() - self.cpu


class Peer:
    """deepwave, `batch` shots at a time."""

    def __init__(self, vp, wavelet, order, shots, receivers, batch, device):
        self.device, self.on = device, torch_device(device)
        self.order, self.v, self.batch = order, torch.tensor(vp, device=self.on), batch
        self.amplitudes = torch.tensor(wavelet, device=self.on)[None, None] * (-1.0 / H**2)
        self.columns = [(2 * k + 1) * NX // (2 * shots) for k in range(shots)]
        self.receivers = torch.ones(1, receivers, 2, dtype=torch.long, device=self.on)
        self.receivers[0, :, 1] = torch.arange(receivers, device=self.on) * (NX // receivers)

    def data(self, v, columns):
        n = len(columns)
        sources = torch.ones(n, 1, 2, dtype=torch.long, device=self.on)
        sources[:, 0, 1] = torch.tensor(columns, device=self.on)
        return deepwave.scalar(v, H, DT, source_amplitudes=self.amplitudes.repeat(n, 1, 1), source_locations=sources,
                               receiver_locations=self.receivers.repeat(n, 1, 1), accuracy=self.order, pml_width=PML,
                               pml_freq=F0, max_vel=VMAX)[-1]

    def batches(self):
        return [self.columns[i:i + self.batch] for i in range(0, len(self.columns), self.batch)]

    def forward(self):
        with torch.no_grad():
            timer = Timer()
            data = [self.data(self.v, c) for c in self.batches()]
            wait(self.device)
            return timer.stop(), data

    def gradient(self):
        v = self.v.clone().requires_grad_(True)
        timer = Timer()
        for c in self.batches():
            (0.5 * (self.data(v, c) ** 2).sum()).backward()
        wait(self.device)
        return timer.stop(), v.grad


class Bench:
    """wave_bench: two repeats in a process, of which the first touches fresh memory and is not counted."""

    def __init__(self, args, files, nt, order, shots):
        self.head = [args.bench, files + "/model.bin", NZ, NX, files + "/wavelet.bin", nt, DT, H, order, PML, VMAX, F0, shots,
                     args.threads]
        self.receivers, self.device = args.receivers, args.device

    def run(self, storage, what, out="-", repeats=2):
        command = [str(c) for c in self.head + [repeats, storage, out, self.receivers, what, "--device", self.device]]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def relative(a, b):
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def interior(g):
    return np.asarray(g, float).reshape(NZ, NX)[1:-1, 1:-1].ravel()  # edge cells collect what the layers see


def errors(bench, peer, storages, folder):
    """Ours against the peer, and every storage against full storage where that was run."""
    out, found, full = folder + "/out", {"gradients": {}}, None
    peer_data = np.concatenate([d.cpu().numpy() for d in peer.forward()[1]]).astype(float).ravel()
    peer_gradient = interior(peer.gradient()[1].cpu().numpy())
    for storage in storages:
        bench.run(storage, "gradient", out, 1)
        g = np.fromfile(out + ".gradient", np.float32).astype(float)
        if storage == "all":
            full = g
        found["gather_relative_l2"] = relative(np.fromfile(out + ".data", np.float32).astype(float), peer_data)
        own = interior(g)
        found["gradients"][storage] = {
            "relative_l2_interior": relative(own, peer_gradient),
            "cosine_interior": float(own @ peer_gradient / np.sqrt((own @ own) * (peer_gradient @ peer_gradient)))}
        if full is not None and storage != "all":
            found["gradients"][storage]["relative_l2_to_full_storage"] = relative(g, full)
    return found


def rates(pairs, points, cache_gbps, bytes_a_point):
    """pairs: (wall, processor) seconds of the repeats."""
    seconds, cpu = [p[0] for p in pairs], [p[1] for p in pairs]
    median = points / statistics.median(seconds) * 1e-9
    return {"seconds": seconds, "cpu_seconds": cpu, "gpts": median, "best_gpts": points / min(seconds) * 1e-9,
            "gpts_a_cpu_second": points / statistics.median(cpu) * 1e-9, "share": median * bytes_a_point / cache_gbps}


def add_ratios(own, peer):
    """Of medians, of the best repeats, and of processor time, which a loaded machine disturbs less."""
    own["ratio"] = own["gpts"] / peer["gpts"]
    own["ratio_of_best"] = own["best_gpts"] / peer["best_gpts"]
    own["ratio_of_cpu_time"] = own["gpts_a_cpu_second"] / peer["gpts_a_cpu_second"]


def run_case(args, vp, wavelet, files, order, shots):
    storages = [s for s in args.storages if not s.startswith("all") or shots <= args.full_storage_shots]
    bench = Bench(args, files, args.nt, order, shots)
    peer = Peer(vp, wavelet, order, shots, args.receivers, min(shots, args.peer_batch),
                args.device)
    case = {"order": order, "shots": shots, "interior_points": NZ * NX, "padded_points": (NZ + 2 * PML) * (NX + 2 * PML),
            "load": os.getloadavg(), "errors": errors(bench, peer, storages, files)}
    points = case["padded_points"] * (args.nt - 1) * shots
    times = {k: [] for k in ["forward"] + storages + ["peer forward", "peer gradient"]}
    last = {}
    for _ in range(args.repeats):
        own = bench.run("all", "forward")
        times["forward"].append((own["forward_s"][-1], own["forward_cpu_s"][-1]))
        times["peer forward"].append(peer.forward()[0])
        for storage in storages:
            last[storage] = bench.run(storage, "gradient")
            times[storage].append((last[storage]["gradient_s"][-1], last[storage]["gradient_cpu_s"][-1]))
        times["peer gradient"].append(peer.gradient()[0])
    case["load_after"] = os.getloadavg()
    case["steps"] = last[storages[0]]["steps"]
    case["peer_batches"] = len(peer.batches())
    e = case["errors"]
    agree = e["gather_relative_l2"] <= 1e-3 and all(g["relative_l2_interior"] <= 1e-2 for g in e["gradients"].values())
    case["agree"] = agree
    case["forward"] = rates(times["forward"], points, args.cache_gbps, BYTES["forward"])
    case["peer"] = {"forward": rates(times["peer forward"], points, args.cache_gbps, BYTES["forward"]),
                    "gradient": rates(times["peer gradient"], points, args.cache_gbps, BYTES["all"])}
    case["gradient"] = {s: rates(times[s], points, args.cache_gbps, BYTES[s]) for s in storages}
    for storage in storages:
        case["gradient"][storage].update({k: last[storage][k] for k in ("memory_bytes", "resident_bytes", "storage_bytes")})
    if agree:  # no ratio of different results
        add_ratios(case["forward"], case["peer"]["forward"])
        for storage in storages:
            add_ratios(case["gradient"][storage], case["peer"]["gradient"])
    return case


def ratio_text(own, peer):
    text = f"{own['gpts']:.2f} / {peer['gpts']:.2f} Gpt/s"
    if "ratio" in own:
        text += f" = {own['ratio']:.2f}x (best {own['ratio_of_best']:.2f}x, processor time {own['ratio_of_cpu_time']:.2f}x)"
    return text + f", share {own['share']:.2f}"


def describe(case):
    peer = case["peer"]
    lines = [f"order {case['order']}, {case['shots']} shots, load {case['load'][0]:.1f}: gathers "
             f"{case['errors']['gather_relative_l2']:.1e}; forward {ratio_text(case['forward'], peer['forward'])}"]
    for storage, g in case["gradient"].items():
        e = case["errors"]["gradients"][storage]
        line = (f"  gradient, {storage}: {ratio_text(g, peer['gradient'])}, {g['resident_bytes'] * 1e-9:.2f} GB, "
                f"error {e['relative_l2_interior']:.1e}")
        if "relative_l2_to_full_storage" in e:
            line += f", to full storage {e['relative_l2_to_full_storage']:.1e}"
        lines.append(line)
    return "\n".join(lines)


def main():
    global NZ, NX
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", required=True, help="the wave_bench program")
    parser.add_argument("--output", required=True, help="JSON file to write")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--orders", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 8, 24])
    parser.add_argument("--workload", choices=list(WORKLOADS), default="W1")
    parser.add_argument("--nt", type=int, help="samples, if fewer than the workload has: stated in the result")
    parser.add_argument("--storages", nargs="+", default=["all", "all:bf16", "ring", "ring:bf16"])
    parser.add_argument("--full-storage-shots", type=int, default=2, help="largest number of shots with storage all")
    parser.add_argument("--peer-batch", type=int, default=4)
    parser.add_argument("--cache-gbps", type=float, default=340, help="of all threads")
    parser.add_argument("--plain-malloc", action="store_true")
    add_device(parser)
    args = parser.parse_args()
    NZ, NX, samples, args.receivers = WORKLOADS[args.workload]
    args.nt = args.nt or samples
    torch.set_num_threads(args.threads)
    if args.device.startswith("cuda"):
        args.cache_gbps = add_gbps(args.device, 1 << 21)
    vp, wavelet = model(), ricker(args.nt)
    result = {"workload": args.workload, "options": {k: v for k, v in vars(args).items() if k not in ("bench", "output")}, "nz": NZ, "nx": NX, "pml": PML, "samples": args.nt, "samples_of_workload": samples, "receivers": args.receivers,
              "machine": processor(), "gpu": device_name(args.device), "schedule": os.environ.get("TERRANE_WAVE_SCHEDULE"),
              "cores": os.cpu_count(), "threads": args.threads, "repeats": args.repeats,
              "date": datetime.date.today().isoformat(), "cache_gbps": args.cache_gbps,
              "torch": torch.__version__, "deepwave": version("deepwave"), "python": platform.python_version(),
              "kept_malloc": not args.plain_malloc, "peer_batch": args.peer_batch, "cases": []}
    with tempfile.TemporaryDirectory() as files:
        vp.tofile(files + "/model.bin")
        wavelet.tofile(files + "/wavelet.bin")
        result["variant"] = Bench(args, files, 8, 4, 1).run("all", "forward", "-", 1)["variant"]
        for order in args.orders:
            for shots in args.shots:
                result["cases"].append(run_case(args, vp, wavelet, files, order, shots))
                print(describe(result["cases"][-1]), flush=True)
    result["agree"] = all(c["agree"] for c in result["cases"])
    with open(args.output, "w") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    return 0 if result["agree"] else 1


if __name__ == "__main__":
    sys.exit(main())
