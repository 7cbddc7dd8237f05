#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Time and memory to the Gram matrix J J^T of the cross-hole study's network (recipe nfs-inv/svd-1), in terrane and in
PyTorch, interleaved.

The same network (2-128-256-256-256-256-128-1, LeakyReLU 0.2, m = 10 tanh F, 263,809 published weights), the same cells,
single precision. terrane forms K from the factors of the layers; PyTorch forms J, row by row as the study does ("rows")
or with torch.func ("vmap", vmap of grad in chunks of cells), and then J J^T. Every K must agree with terrane's within
1e-5 of its norm, else there is no ratio. The time is that to K in memory; the eigensolver is no part of it.

  TERRANE_DATA=... python gram_torch.py --bench build/bin/gram_bench --output gram_torch.json

Needs numpy and torch. Every repeat is a process of its own on either side, one after the other. J of all 8192 cells is
8.6 GB; --stride takes every n-th cell.
"""
import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from machine import processor

WIDTHS = [2, 128, 256, 256, 256, 256, 128, 1]
CHUNK = 256  # cells in one call of vmap


def peak_mib():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0


def torch_side(kind, stride, threads, file):
    import numpy as np
    import torch
    torch.set_num_threads(threads)
    weights = np.load(os.environ["TERRANE_DATA"] + "/nfs_inv/svd_case1_weights.npz")
    grid = np.stack(np.meshgrid(np.linspace(0, 1, 64), np.linspace(0, 1, 128), indexing="ij"), -1).reshape(-1, 2)
    x = torch.from_numpy(grid[::stride].astype(np.float32))
    layers = []
    for k in range(7):
        linear = torch.nn.Linear(WIDTHS[k], WIDTHS[k + 1])
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weights[f"b{k + 1}.0.weight"]))
            linear.bias.copy_(torch.from_numpy(weights[f"b{k + 1}.0.bias"]))
        layers += [linear] + ([torch.nn.LeakyReLU(0.2)] if k < 6 else [])
    net = torch.nn.Sequential(*layers)
    parameters = list(net.parameters())
    count, n = sum(p.numel() for p in parameters), x.shape[0]
    before = peak_mib()
    begin = time.perf_counter()
    jacobian = torch.empty(n, count)
    if kind == "rows":
        m = 10 * torch.tanh(net(x)).flatten()
        for i in range(n):
            g = torch.autograd.grad(m[i], parameters, retain_graph=True)
            jacobian[i] = torch.cat([v.flatten() for v in g])
    else:
        names = [name for name, _ in net.named_parameters()]

        def value(values, point):
            return 10 * torch.tanh(torch.func.functional_call(net, dict(zip(names, values)), (point[None],)))[0, 0]

        row = torch.func.vmap(torch.func.grad(value), in_dims=(None, 0))
        detached = tuple(p.detach() for p in parameters)
        for i in range(0, n, CHUNK):
            g = row(detached, x[i:i + CHUNK])
            torch.cat([v.flatten(1) for v in g], 1, out=jacobian[i:i + CHUNK])
    middle = time.perf_counter()
    k = jacobian @ jacobian.T
    end = time.perf_counter()
    k.numpy().tofile(file)
    return {"seconds": end - begin, "jacobian_s": middle - begin, "product_s": end - middle, "before_mib": before,
            "peak_mib": peak_mib(), "torch": torch.__version__}


def relative(file, wanted):
    import numpy as np
    got = np.fromfile(file, np.float32)
    return float(np.linalg.norm(got - wanted) / np.linalg.norm(wanted)) if got.shape == wanted.shape else float("inf")


def compare(a, stride, sides, repeats):
    import numpy as np
    cells = -(-8192 // stride)
    runs = {side: [] for side in ["terrane"] + sides}
    difference, load = {}, []
    with tempfile.TemporaryDirectory() as folder:
        for r in range(repeats):
            load.append(os.getloadavg()[0])
            net = f"study:{os.environ['TERRANE_DATA']}/nfs_inv:1:{stride}"
            ours = subprocess.run([a.bench, net, "float", str(a.threads), "3", folder + "/ours"], check=True,
                                  capture_output=True, text=True)
            line = json.loads(ours.stdout)
            line["seconds"] = statistics.median(line["seconds"])
            runs["terrane"].append(line)
            wanted = np.fromfile(folder + "/ours", np.float32)
            for side in sides:
                out = subprocess.run([sys.executable, __file__, "--side", side, "--stride", str(stride), "--threads",
                                      str(a.threads), "--k", folder + "/theirs"], check=True, capture_output=True,
                                     text=True)
                runs[side].append(json.loads(out.stdout))
                difference[side] = max(difference.get(side, 0), relative(folder + "/theirs", wanted))
                if not difference[side] <= 1e-5:
                    sys.exit(f"{side}: K differs by {difference[side]:.2g} of its norm: no ratio")
            del wanted
    result = {"cells": cells, "repeats": repeats, "load_average_1min": load, "difference_of_k": difference}
    for side, lines in runs.items():
        result[side] = {"seconds": statistics.median(x["seconds"] for x in lines),
                        "peak_mib": max(x["peak_mib"] for x in lines),
                        "peak_above_start_mib": max(x["peak_mib"] - x["before_mib"] for x in lines),
                        "all_seconds": [x["seconds"] for x in lines]}
        for key in ("jacobian_s", "product_s"):
            if key in lines[0]:
                result[side][key] = statistics.median(x[key] for x in lines)
        if "torch" in lines[0]:
            result["torch"] = lines[0]["torch"]
    for side in sides:
        t, u = result[side], result["terrane"]
        result["times_faster_than_" + side] = t["seconds"] / u["seconds"]
        result["memory_of_" + side] = u["peak_above_start_mib"] / t["peak_above_start_mib"]
        print(f"{cells} cells: terrane {u['seconds']:.3f} s, {side} {t['seconds']:.1f} s: "
              f"{t['seconds'] / u['seconds']:.1f} x; memory above the start {u['peak_above_start_mib']:.0f} MiB, "
              f"{t['peak_above_start_mib']:.0f} MiB: {u['peak_above_start_mib'] / t['peak_above_start_mib']:.3f}; "
              f"K agree to {difference[side]:.1e}", flush=True)
    return result


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bench", default="gram_bench")
    p.add_argument("--output", default="gram_torch.json")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--repeats", type=int, default=3)
    p.add_argument("--stride", type=int, nargs="+", default=[4, 1], help="every n-th cell; one comparison each")
    p.add_argument("--sides", nargs="+", default=["rows", "vmap"], choices=["rows", "vmap"])
    p.add_argument("--side", help=argparse.SUPPRESS)
    p.add_argument("--k", help=argparse.SUPPRESS)
    a = p.parse_args()
    if "TERRANE_DATA" not in os.environ:
        sys.exit("TERRANE_DATA must name the folder that holds nfs_inv")
    if a.side:
        json.dump(torch_side(a.side, a.stride[0], a.threads, a.k), sys.stdout)
        return
    result = {"case": "nfs-inv/svd-1, 263,809 weights, single precision", "comparisons": []}
    for stride in a.stride:
        result["comparisons"].append(compare(a, stride, a.sides, a.repeats))
    siren = subprocess.run([a.bench, "siren:4096", "float", str(a.threads), "5", "-"], check=True, capture_output=True,
                           text=True)
    line = json.loads(siren.stdout)
    result["siren_512x5_4096_points"] = {"seconds": statistics.median(line["seconds"]), "peak_mib": line["peak_mib"],
                                         "k_mib": line["k_mib"], "parameters": line["parameters"]}
    result.update(threads=a.threads, machine=processor(), cores=os.cpu_count(),
                  date=datetime.date.today().isoformat())
    with open(a.output, "w") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    s = result["siren_512x5_4096_points"]
    print(f"SIREN 512x5, 4096 points: {s['seconds']:.2f} s, peak {s['peak_mib']:.0f} MiB")


if __name__ == "__main__":
    main()
