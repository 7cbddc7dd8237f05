#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One neural waveform inversion, whole iterations, in terrane and in PyTorch + deepwave 0.0.27, interleaved.

The reference job reduced to two cores: SIREN 128 x 4 on 120 x 240 nodes at 10 m, CPML of 20 cells on every edge, order
4, 8 shots, 240 receivers, 600 samples of 0.9 ms (neither side takes sub-steps), Adam. Both sides start from the same
weights (those of terrane's checkpoint 0), invert the same data (terrane's) with the same misfit, and must follow the same
misfit curve: no ratio is printed when a misfit differs by more than 1 %.

  python neural_fwi.py --terrane build/bin/terrane --output result.json
  python neural_fwi.py --terrane build/bin/terrane --output gpu.json --device cuda --job reference --tf32 --read-every 10

--job reference: the whole of it, SIREN 512 x 5 on 300 x 600 nodes, 24 shots, 600 receivers, 2000 samples of 0.9 ms.
--tf32: networks in TF32 on both sides (fp32 on the side of torch and 3xTF32 here otherwise).

Needs numpy, torch, deepwave==0.0.27 and safetensors. Every repeat is a process of its own on either side, one after the
other; seconds per iteration are medians over the iterations after the second, peak memory is that of the process.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

from devices import add_device, torch_device, wait
from machine import processor

H, DT, NT, NZ, NX, PML, VMAX, F0, SHOTS = 10.0, 9e-4, 600, 120, 240, 20, 4500.0, 12.0, 8
WIDTH, LAYERS, OMEGA, SCALE, LR = 128, 4, 30.0, 1000.0, 1e-4


def choose_job(name):
    global NT, NZ, NX, SHOTS, WIDTH, LAYERS
    if name == "reference":
        NT, NZ, NX, SHOTS, WIDTH, LAYERS = 2000, 300, 600, 24, 512, 5


def config(args):
    edge = H * (NX - 1)
    cpu = args.device == "cpu"
    return {
        "task": "invert", "name": "neural-fwi", "seed": 0,
        "grid": {"nz": NZ, "nx": NX, "dz_m": H, "dx_m": H},
        "physics": {"type": "acoustic", "order": 4, "vmax_mps": VMAX, "substeps": 1, "storage": "all" if cpu else "auto",
                    "boundary": {"type": "cpml", "width_cells": PML, "frequency_hz": F0}},
        "survey": {"dt_s": DT, "nt": NT, "wavelet": {"type": "ricker", "frequency_hz": F0},
                   "sources": {"type": "points", "x_m": [H * s for s in source_columns()], "z_m": H},
                   "receivers": {"type": "line", "x_m": [0, edge], "z_m": H, "count": NX}},
        "true_model": {"type": "generated", "family": "layered-faulted", "index": 2, "max_mps": 4000},
        "data": {"type": "synthetic"},
        "start_model": {"type": "smooth", "of": "true_model", "sigma_m": 150},
        "field": {"type": "siren", "width": WIDTH, "layers": LAYERS, "omega_0": OMEGA,
                  "transform": {"type": "perturb", "scale_mps": SCALE}},
        "misfit": {"type": "l2", "normalize": "survey"},
        "optimizer": {"type": "adam", "lr": LR, "epsilon": 1e-16, "iterations": args.iterations,
                      "read_every": args.read_every},
        **({"precision": {"network": "tf32"}} if args.tf32 else {}),
        "checkpoint": {"every_iterations": 0, "keep_iterations": [0]},
        "report": {"enabled": False},
    }


def source_columns():
    return [(2 * k + 1) * NX // (2 * SHOTS) for k in range(SHOTS)]


def run_terrane(folder, args):
    path = folder + "/config.json"
    with open(path, "w") as f:
        json.dump(config(args), f)
    subprocess.run([args.terrane, "run", path, "--out", folder + "/run", "--overwrite", "--threads", str(args.threads),
                    "--device", args.device, "-q"], check=True, stdout=subprocess.DEVNULL)
    lines = [json.loads(line) for line in open(folder + "/run/progress.jsonl")]
    result = json.load(open(folder + "/run/result.json"))
    return {"misfit": [x["phi"] for x in lines], "iteration_s": [x["time_s"] for x in lines],
            "peak_bytes": result["memory"]["host_peak_bytes" if args.device == "cpu" else "device_peak_bytes"],
            "phases_s": result["time"]["phases_s"],
            "variant": result["version"]["kernels"], "version": result["version"]["terrane"]}


# What a user of torch and deepwave writes.
def torch_side(folder, args):
    import resource
    import time

    import deepwave
    import numpy as np
    import torch
    from safetensors.numpy import load_file

    on = torch_device(args.device)
    torch.set_num_threads(args.threads)
    torch.set_float32_matmul_precision("high" if args.tf32 else "highest")
    theta = torch.tensor(load_file(folder + "/run/checkpoint/000000/state.safetensors")["theta"].astype(np.float32)).to(on)
    observed = torch.tensor(np.load(folder + "/run/data_observed.npy").astype(np.float32)).to(on)
    start = torch.tensor(np.load(folder + "/run/start_model.npy").astype(np.float32)).to(on)
    sizes = [2] + [WIDTH] * LAYERS + [1]
    layers, at = torch.nn.ModuleList(), 0
    for n_in, n_out in zip(sizes, sizes[1:]):
        layer = torch.nn.Linear(n_in, n_out, device=on)
        layer.weight.data = theta[at:at + n_in * n_out].reshape(n_out, n_in).clone()
        at += n_in * n_out
        layer.bias.data = theta[at:at + n_out].clone()
        at += n_out
        layers.append(layer)
    z, x = torch.linspace(-1, 1, NZ), torch.linspace(-1, 1, NX)
    coordinates = torch.stack(torch.meshgrid(z, x, indexing="ij"), -1).reshape(-1, 2).to(on)
    a = (np.pi * F0 * (np.arange(NT) * DT - 1.5 / F0)) ** 2
    wavelet = torch.tensor(((1 - 2 * a) * np.exp(-a)).astype(np.float32), device=on)
    amplitudes = wavelet[None, None].repeat(SHOTS, 1, 1) * (-1.0 / H**2)  # deepwave adds -(v dt)^2 f
    sources = torch.ones(SHOTS, 1, 2, dtype=torch.long, device=on)
    sources[:, 0, 1] = torch.tensor(source_columns(), device=on)
    receivers = torch.ones(SHOTS, NX, 2, dtype=torch.long, device=on)
    receivers[:, :, 1] = torch.arange(NX, device=on)
    weight = 0.5 / (observed.numel() * (observed.double() ** 2).mean())
    optimizer = torch.optim.Adam(layers.parameters(), lr=LR, eps=1e-16)
    misfit, seconds = [], []
    for _ in range(args.iterations):
        begin = time.perf_counter()
        h = coordinates
        for layer in layers[:-1]:
            h = torch.sin(OMEGA * layer(h))
        v = start + SCALE * layers[-1](h).reshape(NZ, NX)
        data = deepwave.scalar(v, H, DT, source_amplitudes=amplitudes, source_locations=sources,
                               receiver_locations=receivers, accuracy=4, pml_width=PML, pml_freq=F0, max_vel=VMAX)[-1]
        loss = weight * ((data - observed) ** 2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        misfit.append(float(loss))
        wait(args.device)
        seconds.append(time.perf_counter() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 if on == "cpu" else torch.cuda.max_memory_allocated()
    print(json.dumps({"misfit": misfit, "iteration_s": seconds, "peak_bytes": peak, "torch": torch.__version__,
                      "deepwave": deepwave.__version__ if hasattr(deepwave, "__version__") else "0.0.27"}))


def misfit_at(side, seconds):
    elapsed, last = 0.0, side["misfit"][0]
    for value, time in zip(side["misfit"], side["iteration_s"]):
        if elapsed > seconds:
            break
        last, elapsed = value, elapsed + time
    return last


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--terrane", help="the program")
    parser.add_argument("--output", help="JSON file to write")
    parser.add_argument("--iterations", type=int, default=25)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    add_device(parser)
    parser.add_argument("--job", choices=["reduced", "reference"], default="reduced")
    parser.add_argument("--tf32", action="store_true")
    parser.add_argument("--read-every", type=int, default=1, help="iterations between readings of terrane's misfit")
    parser.add_argument("--torch-side", help=argparse.SUPPRESS)
    args = parser.parse_args()
    choose_job(args.job)
    if args.torch_side:
        return torch_side(args.torch_side, args)
    env = dict(os.environ, OMP_NUM_THREADS=str(args.threads))
    ours, theirs = [], []
    load = os.getloadavg()
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(args.repeats):
            ours.append(run_terrane(folder, args))
            peer = subprocess.run([sys.executable, __file__, "--torch-side", folder, *sys.argv[1:]], check=True,
                                  capture_output=True, text=True, env=env)
            theirs.append(json.loads(peer.stdout.splitlines()[-1]))
    worst = max(abs(a - b) / a for a, b in zip(ours[0]["misfit"], theirs[0]["misfit"]))
    per = lambda sides: [statistics.median(s["iteration_s"][2:]) for s in sides]
    mine, peer = per(ours), per(theirs)
    equal_time = sum(ours[0]["iteration_s"])
    result = {
        "job": __doc__.split("\n\n")[1], "machine": processor(), "device": args.device, "job_size": args.job,
        "tf32": args.tf32, "read_every": args.read_every, "cores": os.cpu_count(), "threads": args.threads,
        "repeats": args.repeats, "iterations": args.iterations, "load_before": load, "load_after": os.getloadavg(),
        "terrane": {"version": ours[0]["version"], "kernels": ours[0]["variant"], "s_per_iteration": mine,
                    "peak_bytes": max(s["peak_bytes"] for s in ours), "misfit": ours[0]["misfit"],
                    "phases_s": ours[0]["phases_s"]},
        "torch_deepwave": {"torch": theirs[0]["torch"], "deepwave": theirs[0]["deepwave"], "s_per_iteration": peer,
                           "peak_bytes": max(s["peak_bytes"] for s in theirs), "misfit": theirs[0]["misfit"]},
        "largest_relative_misfit_difference": worst,
        "misfit_at_equal_time": {"seconds": equal_time, "terrane": ours[0]["misfit"][-1],
                                 "torch_deepwave": misfit_at(theirs[0], equal_time)},
    }
    if worst <= 0.01:
        result["ratio_of_medians"] = statistics.median(peer) / statistics.median(mine)
        result["ratio_of_best"] = min(peer) / min(mine)
    with open(args.output, "w") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    print(json.dumps({k: result[k] for k in ("largest_relative_misfit_difference", "ratio_of_medians", "ratio_of_best",
                                             "misfit_at_equal_time") if k in result}, indent=1))
    return 0 if worst <= 0.01 else 1


if __name__ == "__main__":
    sys.exit(main())
