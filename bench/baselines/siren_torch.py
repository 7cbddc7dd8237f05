#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The networks of bench/mlp_bench.cpp in PyTorch: Mpt/s of forward + gradient of the weights, eager and compiled.

  python siren_torch.py --device cuda --points 262144

fp32: exact float products; tf32: set_float32_matmul_precision("high"); bf16: autocast (which hands a bfloat16 argument
to the sine, so its error is larger than that of the kernels; compare errors before speeds).
"""
import argparse
import statistics
import time

import torch

from devices import wait

NETS = [(64, 3), (128, 4), (256, 4), (512, 5)]


class Siren(torch.nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        sizes = [2] + [width] * hidden
        self.hidden = torch.nn.ModuleList(torch.nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        self.last = torch.nn.Linear(width, 1)

    def forward(self, x):
        for layer in self.hidden:
            x = torch.sin(30.0 * layer(x))
        return self.last(x)


def seconds_of(device, repeats, body):
    times = []
    for k in range(repeats + 3):  # three warm-ups: compilation, allocation
        wait(device)
        start = time.perf_counter()
        body()
        wait(device)
        if k >= 3:
            times.append(time.perf_counter() - start)
    return min(times), statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--points", type=int, default=1 << 18)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    name = torch.cuda.get_device_name() if options.device == "cuda" else "cpu"
    print(f"torch {torch.__version__}, {name}, {options.points} points; Mpt/s of forward + gradient")
    print("| net | precision | mode | best | median |")
    precisions = ["fp32", "tf32", "bf16"] if options.device == "cuda" else ["fp32"]
    for width, hidden in NETS:
        for precision in precisions:
            torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
            for mode in ("eager", "compile"):
                torch.manual_seed(1)
                net = Siren(width, hidden).to(options.device)
                call = torch.compile(net) if mode == "compile" else net
                x = torch.rand(options.points, 2, device=options.device) * 2 - 1
                seed = torch.ones(options.points, 1, device=options.device)

                def step():
                    with torch.autocast(options.device, dtype=torch.bfloat16, enabled=precision == "bf16"):
                        y = call(x)
                    y.float().backward(seed)
                    net.zero_grad(set_to_none=True)

                best, median = seconds_of(options.device, options.repeats, step)
                mega = 1e-6 * options.points
                print(f"| {width}x{hidden} | {precision} | {mode} | {mega / best:.1f} | {mega / median:.1f} |", flush=True)


if __name__ == "__main__":
    main()
