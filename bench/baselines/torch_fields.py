#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares sine networks with PyTorch: same weights, points and cotangent, interleaved on one machine.

Networks: 2 inputs, `layers` sine layers of `width` with omega 30, 1 linear output (SIREN initialisation, fixed seed),
points uniform in [-1, 1]^2; "hash64x2" is a hash grid and a ReLU network 64 x 2 on points uniform in [0, 1]^2. Timed on both sides, fp32, same number of threads:
  forward            values only (torch: no_grad)
  forward + vjp      values, then the gradient of <d_y, y> with respect to the weights alone. PyTorch keeps activations
                     between the two (eager autograd); terrane keeps none and evaluates the network again in the vjp.
PyTorch runs in a process of its own for each network, terrane in a new process for each repeat, both after a warm-up;
they take turns. Wall time and processor time (of all threads) are recorded: on a machine that others use, the second
is less disturbed. Accuracy is judged against PyTorch in fp64; no ratio is stated when either side is off by more than
the tolerance.

  OMP_NUM_THREADS=2 python torch_fields.py --bench build/bin/field_bench --output bench/results/torch_fields.json

Needs numpy and torch. Exit 1 when results differ beyond the tolerance.
"""
import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

from machine import processor

OMEGA, TOLERANCE = 30.0, 1e-5
# The hash grid: 16 levels of 2 features, coarsest 16 nodes, growth 1.5, at most 2^19 entries; positions of single
# precision on its finest level are good to 4e-4 of a cell, where a point may fall into the next one. All sides start from
# these positions, the reference as well, so that it judges the arithmetic after them. A node of the
# coarse levels sums the gradients of hundreds of points in single precision, hence a wider tolerance.
BASE, GROWTH, LEVELS, FEATURES, ENTRIES, HASH_TOLERANCE = 16, 1.5, 16, 2, 1 << 19, 3e-5


def hashed(net):
    return net.startswith("hash")


def widths(net):
    width, layers = (int(v) for v in net.removeprefix("hash").split("x"))
    return [LEVELS * FEATURES if hashed(net) else 2] + [width] * layers + [1]


def grid_levels():
    """(nodes an axis, entries, first entry, hashed) of every level, the rule of kernels/encode/multigrid_shape.hpp."""
    levels, first = [], 0
    for k in range(LEVELS):
        scale = np.exp2(np.float32(k) * np.log2(np.float32(GROWTH))) * np.float32(BASE) - np.float32(1)
        nodes = int(np.ceil(scale)) + 1
        entries = min(8 * -(-nodes * nodes // 8), ENTRIES)
        levels.append((nodes, entries, first, nodes * nodes > entries))
        first += entries
    return levels, first * FEATURES


def make_problem(net, points, prefix):
    rng = np.random.default_rng(1)
    sizes, theta = widths(net), []
    if hashed(net):
        theta.append(rng.uniform(-0.1, 0.1, grid_levels()[1]))
    for k, (n_in, n_out) in enumerate(zip(sizes, sizes[1:])):
        bound = 1 / np.sqrt(n_in) if hashed(net) else 1 / n_in if k == 0 else np.sqrt(6 / n_in) / OMEGA
        theta += [rng.uniform(-bound, bound, n_in * n_out), rng.uniform(-1, 1, n_out) / np.sqrt(n_in)]
    np.concatenate(theta).astype(np.float32).tofile(prefix + ".theta")
    rng.uniform(0 if hashed(net) else -1, 1, (points, 2)).astype(np.float32).tofile(prefix + ".x")
    rng.standard_normal(points).astype(np.float32).tofile(prefix + ".d_y")


# --- the peer's process ---------------------------------------------------------------------------------------------
def peak_mib():
    """High-water mark of this program (getrusage would count the program that started it, too)."""
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def processor_s():
    use = resource.getrusage(resource.RUSAGE_SELF)
    return use.ru_utime + use.ru_stime


def timed(body):
    wall, processor = time.perf_counter(), processor_s()
    body()
    return time.perf_counter() - wall, processor_s() - processor


def serve(args):
    """Answers each line of the input by one timed run; `save` writes y and the gradient."""
    import torch

    torch.set_num_threads(args.threads)
    dtype = torch.float64 if args.worker == "fp64" else torch.float32
    read = lambda name: torch.from_numpy(np.fromfile(args.prefix + name, np.float32)).to(dtype)
    theta, x, d_y = read(".theta"), read(".x").reshape(-1, 2), read(".d_y").reshape(-1, 1)

    class HashGrid(torch.nn.Module):
        """A straightforward one: bilinear weights and table rows of the four corners, a level at a time."""

        def __init__(self, sizes):
            super().__init__()
            self.levels, count = grid_levels()
            self.table = torch.nn.Parameter(torch.empty(count // FEATURES, FEATURES, dtype=dtype))
            self.layers = torch.nn.ModuleList(torch.nn.Linear(a, b, dtype=dtype) for a, b in zip(sizes, sizes[1:]))

        def forward(self, x):
            features = []
            for nodes, entries, first, hash_level in self.levels:
                p = (x.float() * (nodes - 1)).to(dtype)  # in single precision everywhere: see above
                cell = p.floor().clamp(max=nodes - 2)
                w, i = p - cell, cell.long()
                total = 0
                for a in (0, 1):
                    for b in (0, 1):
                        i0, i1 = i[:, 0] + a, i[:, 1] + b
                        entry = (i0 ^ (i1 * 2654435761)) & (entries - 1) if hash_level else i0 + nodes * i1
                        weight = (w[:, 0] if a else 1 - w[:, 0]) * (w[:, 1] if b else 1 - w[:, 1])
                        total = total + weight[:, None] * self.table[first + entry]
                features.append(total)
            h = torch.cat(features, 1)
            for layer in self.layers[:-1]:
                h = torch.relu(layer(h))
            return self.layers[-1](h)

    class Siren(torch.nn.Module):
        def __init__(self, sizes):
            super().__init__()
            self.layers = torch.nn.ModuleList(torch.nn.Linear(a, b, dtype=dtype) for a, b in zip(sizes, sizes[1:]))

        def forward(self, a):
            for layer in self.layers[:-1]:
                a = torch.sin(OMEGA * layer(a))
            return self.layers[-1](a)

    net, at = (HashGrid if hashed(args.net) else Siren)(widths(args.net)), 0
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(theta[at:at + p.numel()].reshape(p.shape))
            at += p.numel()
    assert at == theta.numel()
    call = torch.compile(net) if args.worker == "compile" else net
    values = {}

    def forward():
        with torch.no_grad():
            values["y"] = call(x)

    def both():
        net.zero_grad(set_to_none=True)
        y = call(x)
        y.backward(d_y)
        values["y"] = y.detach()

    before = peak_mib()
    forward(), both()
    for line in sys.stdin:
        if line.strip() == "save":
            gradient = torch.cat([p.grad.reshape(-1) for p in net.parameters()])
            np.save(args.prefix + f".{args.worker}.y.npy", values["y"].numpy().ravel())
            np.save(args.prefix + f".{args.worker}.d_theta.npy", gradient.numpy())
            answer = {"version": torch.__version__, "threads": torch.get_num_threads(),
                      "capability": torch.backends.cpu.get_cpu_capability(), "memory_before_mib": before,
                      "peak_memory_mib": peak_mib()}
        else:
            answer = {"forward": timed(forward), "forward_and_vjp": timed(both)}
        print(json.dumps(answer), flush=True)


class Peer:
    def __init__(self, kind, net, prefix, threads):
        command = [sys.executable, __file__, "--worker", kind, "--net", net, "--prefix", prefix,
                   "--threads", str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the PyTorch process ended early")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


# --- comparison -----------------------------------------------------------------------------------------------------
def run_terrane(bench, net, points, threads, prefix):
    command = [bench, "--net", net, "--points", points, "--threads", threads, "--repeats", 1, "--data", prefix]
    return json.loads(subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True).stdout)


def error(a, exact):
    return float(np.linalg.norm(a.astype(float) - exact) / np.linalg.norm(exact))


def accuracy(prefix, peer):
    read = lambda kind, what: np.load(f"{prefix}.{kind}.{what}.npy").astype(float)
    result = {}
    for what in ("y", "d_theta"):
        ours = np.fromfile(f"{prefix}.{what}", np.float32).astype(float)
        theirs, exact = read(peer, what), read("fp64", what)
        result[what] = {"terrane_vs_fp64": error(ours, exact), "torch_vs_fp64": error(theirs, exact),
                        "terrane_vs_torch": error(ours, theirs)}
    return result


def summary(runs, points):
    """runs: (wall, processor) seconds."""
    us = [[1e6 * v / points for v in column] for column in zip(*runs)]
    return {"us_median": statistics.median(us[0]), "us_best": min(us[0]),
            "processor_us_median": statistics.median(us[1]), "processor_us_best": min(us[1]), "us_all": us[0],
            "processor_us_all": us[1]}


def compare(args, net, kind, folder):
    prefix = f"{folder}/{net}"
    make_problem(net, args.points, prefix)
    reference = Peer("fp64", net, prefix, args.threads)
    reference.ask("save")
    reference.close()
    peer = Peer(kind, net, prefix, args.threads)
    peer.ask("run")  # warm-up of both sides
    ours = run_terrane(args.bench, net, args.points, args.threads, prefix)
    rows, roof, loads = {"terrane": [], "torch": []}, 0.0, []
    for _ in range(args.repeats):
        rows["torch"].append(peer.ask("run"))
        ours = run_terrane(args.bench, net, args.points, args.threads, prefix)
        scale = 1e-6 * args.points
        rows["terrane"].append({k: (ours[k]["us_best"] * scale, ours[k]["processor_us_best"] * scale)
                                for k in ("forward", "vjp", "forward_and_vjp")})
        roof = max(roof, ours.get("roof_gflops", 0.0))
        loads.append(os.getloadavg()[0])
    about = peer.ask("save")
    peer.close()
    case = {"net": net, "peer": {"fp32": "PyTorch eager", "compile": "torch.compile"}[kind], "points": args.points,
            "parameters": ours["parameters"], "torch": about["version"], "torch_capability": about["capability"],
            "terrane_kernels": ours["kernels"], "terrane": ours["version"], "threads": args.threads,
            "load_average": loads, "error": accuracy(prefix, kind),
            "tolerance": HASH_TOLERANCE if hashed(net) else TOLERANCE,
            "peak_memory_mib": {"terrane": ours["peak_memory_mib"], "torch": about["peak_memory_mib"]},
            "memory_above_start_mib": {"terrane": ours["peak_memory_mib"] - ours["memory_before_mib"],
                                       "torch": about["peak_memory_mib"] - about["memory_before_mib"]}}
    case["agree"] = all(v <= case["tolerance"] for e in case["error"].values() for v in e.values())
    if not case["agree"]:
        return case
    times = {side: {k: summary([r[k] for r in runs], args.points) for k in runs[0]} for side, runs in rows.items()}
    case["times"] = times
    case["roof_gflops"] = roof
    for k in ("forward", "forward_and_vjp"):
        a, b = times["terrane"][k], times["torch"][k]
        figures = ("us_median", "us_best", "processor_us_median", "processor_us_best")
        case[f"{k}_ratio"] = {f: b[f] / a[f] for f in figures}
    weights = ours["parameters"]
    if roof > 0 and not hashed(net):
        case["share_of_roof"] = {k: flops * weights * 1e-3 / times["terrane"][k]["us_best"] / roof
                                 for k, flops in (("forward", 2), ("vjp", 6), ("forward_and_vjp", 8))}
    return case


def report(case):
    e, memory = case["error"], case["memory_above_start_mib"]
    print(f"{case['net']} against {case['peer']}, {case['points']} points: error of the gradient "
          f"{e['d_theta']['terrane_vs_fp64']:.1e} (torch {e['d_theta']['torch_vs_fp64']:.1e}), of y "
          f"{e['y']['terrane_vs_fp64']:.1e} ({e['y']['torch_vs_fp64']:.1e})")
    print(f"  peak memory {case['peak_memory_mib']['terrane']:.0f} MiB (torch {case['peak_memory_mib']['torch']:.0f}), "
          f"above start {memory['terrane']:.0f} ({memory['torch']:.0f})")
    if not case["agree"]:
        print("  results differ beyond the tolerance: no times")
        return
    for k in ("forward", "forward_and_vjp"):
        a, b, r = case["times"]["terrane"][k], case["times"]["torch"][k], case[k + "_ratio"]
        print(f"  {k:16s} us/pt median {a['us_median']:.3f} (torch {b['us_median']:.3f}) = {r['us_median']:.2f}x, best "
              f"{a['us_best']:.3f} ({b['us_best']:.3f}) = {r['us_best']:.2f}x; processor time "
              f"{a['processor_us_median']:.3f} ({b['processor_us_median']:.3f}) = {r['processor_us_median']:.2f}x")
    if "share_of_roof" in case:
        print(f"  roof {case['roof_gflops']:.0f} GFLOP/s; share: " +
              ", ".join(f"{k} {v:.0%}" for k, v in case["share_of_roof"].items()), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", help="the field_bench program")
    parser.add_argument("--output", help="JSON file to write")
    parser.add_argument("--nets", nargs="+", default=["64x3", "128x4", "256x4", "hash64x2"])
    parser.add_argument("--points", type=int, default=1 << 17)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true", help="compare with torch.compile as well")
    parser.add_argument("--worker", choices=["fp32", "fp64", "compile"], help=argparse.SUPPRESS)
    parser.add_argument("--net", help=argparse.SUPPRESS)
    parser.add_argument("--prefix", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return serve(args)
    if not args.bench or not args.output:
        parser.error("--bench and --output are needed")
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    result = {"machine": processor(), "cores": os.cpu_count(), "python": platform.python_version(),
              "numpy": np.__version__, "OMP_NUM_THREADS": args.threads, "repeats": args.repeats,
              "date": time.strftime("%Y-%m-%d"), "load_before": os.getloadavg(), "cases": []}
    with tempfile.TemporaryDirectory() as folder:
        for net in args.nets:
            for kind in ["fp32"] + (["compile"] if args.compile else []):
                case = compare(args, net, kind, folder)
                report(case)
                result["cases"].append(case)
    result["load_after"] = os.getloadavg()
    with open(args.output, "w") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    return 0 if all(c["agree"] for c in result["cases"]) else 1


if __name__ == "__main__":
    sys.exit(main())
