#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The auto-decoder of engine/compression in PyTorch: same decoder, same step (shift modulation, Adam, lazy Adam of the
codes, Muon of the hidden matrices), on the same maps and number of threads.

  auto_decoder_torch.py BENCH [--steps N] [--threads N] [--json FILE] FILE.npy...

BENCH is the built auto_decoder_bench. It trains a decoder first; its decoded maps must agree with PyTorch's evaluation
of decoder.safetensors within 0.05 m/s, otherwise no ratio is printed. Then both train for N steps of 20 maps x 512
points (60 maps, codes of 24, width 96, 4 layers of sines), in turn, and points per second are compared; the best of
two runs each.
"""
import argparse
import json
import struct
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch


def read_safetensors(path):
    raw = open(path, "rb").read()
    n = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + n])
    meta = header.pop("__metadata__")
    out = {}
    for name, e in header.items():
        a, b = e["data_offsets"]
        assert e["dtype"] == "F32"
        out[name] = np.frombuffer(raw[8 + n + a:8 + n + b], "<f4").reshape(e["shape"]).copy()
    return out, meta


class Decoder(torch.nn.Module):
    def __init__(self, code, width, hidden, omega):
        super().__init__()
        sizes = [2] + [width] * hidden
        self.layers = torch.nn.ModuleList(torch.nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        self.last = torch.nn.Linear(width, 1)
        self.m = torch.nn.Parameter(0.3 / code**0.5 * torch.randn(code, hidden * width))
        self.omega, self.width = omega, width

    def forward(self, z, x):  # z (B, K), x (B, n, 2) -> (B, n)
        shifts = z @ self.m
        h = x
        for k, layer in enumerate(self.layers):
            s = shifts[:, k * self.width:(k + 1) * self.width]
            h = torch.sin(self.omega * (layer(h) + s[:, None, :]))
        return self.last(h)[..., 0]


def load(folder):
    t, meta = read_safetensors(f"{folder}/decoder.safetensors")
    code, width, hidden = int(meta["code"]), int(meta["width"]), int(meta["hidden"])
    d = Decoder(code, width, hidden, float(meta["omega"]))
    p, at = torch.from_numpy(t["parameters"]), 0
    with torch.no_grad():
        for layer in list(d.layers) + [d.last]:
            for tensor in (layer.weight, layer.bias):
                tensor.copy_(p[at:at + tensor.numel()].view_as(tensor))
                at += tensor.numel()
        d.m.copy_(p[at:].view_as(d.m))
    return d, torch.from_numpy(t["codes"]), float(meta["offset_mps"]), float(meta["scale_mps"])


def grid(nz, nx):
    z = 2 * (torch.arange(nz, dtype=torch.float64) + 0.5) / nz - 1
    x = 2 * (torch.arange(nx, dtype=torch.float64) + 0.5) / nx - 1
    return torch.stack(torch.meshgrid(z, x, indexing="ij"), -1).reshape(-1, 2).float()


def muon(w, m, lr):
    m.mul_(0.95).add_(w.grad)
    g = w.grad + 0.95 * m
    x = g / (g.norm() + 1e-7)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    w -= lr * 0.2 * max(w.shape) ** 0.5 * x


def train(maps, steps, nz, nx):
    count, n = maps.shape
    d, codes = Decoder(24, 96, 4, 30.0), 0.01 * torch.randn(count, 24)
    first, second = torch.zeros_like(codes), torch.zeros_like(codes)
    visits = torch.zeros(count)
    hidden = [layer.weight for layer in d.layers[1:]]
    momenta = [torch.zeros_like(w) for w in hidden]
    rest = [p for p in d.parameters() if not any(p is w for w in hidden)]
    adam = torch.optim.Adam(rest, lr=5e-4)
    average = [p.detach().clone() for p in d.parameters()]
    x = grid(nz, nx)
    start = time.perf_counter()
    for step in range(steps):
        if step % 3 == 0:
            order = torch.randperm(count)
        b = order[step % 3 * 20:step % 3 * 20 + 20]
        at = torch.randint(n, (20, 512))
        z = codes[b].clone().requires_grad_()
        loss = (d(z, x[at]) - maps[b[:, None], at]).square().mean() + 1e-5 * z.square().sum(1).mean()
        d.zero_grad()
        loss.backward()
        adam.step()
        with torch.no_grad():
            for w, m in zip(hidden, momenta):
                muon(w, m, 1e-3)
            visits[b] += 1
            t = visits[b][:, None]
            first[b] = 0.9 * first[b] + 0.1 * z.grad
            second[b] = 0.999 * second[b] + 0.001 * z.grad**2
            codes[b] -= 5e-3 * (first[b] / (1 - 0.9**t)) / ((second[b] / (1 - 0.999**t)).sqrt() + 1e-8)
            for a, p in zip(average, d.parameters()):
                a.lerp_(p, 0.01)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json")
    o = parser.parse_args()
    torch.set_num_threads(o.threads)
    sources = [np.load(f).astype("f4") for f in o.files]
    nz, nx = sources[0].shape[-2:]
    maps = np.stack([sources[k % len(sources)][k // len(sources)].reshape(-1) for k in range(60)])
    folder = tempfile.mkdtemp()

    def ours():
        command = [o.bench, "--steps", str(o.steps), "--threads", str(o.threads), "--save", folder,
                   "--json", folder + "/r.json"] + o.files
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return json.load(open(folder + "/r.json"))["rows"][-1]["points_per_s"]

    best_ours = ours()
    d, codes, offset, scale = load(folder)
    x = grid(nz, nx)
    with torch.no_grad():
        values = torch.stack([d(z[None], x[None])[0] for z in codes]) * scale + offset
    difference = float((values - torch.from_numpy(np.load(folder + "/decoded.npy").reshape(60, -1))).abs().max())
    print(f"decoded maps differ by at most {difference:.4f} m/s")
    if difference > 0.05:
        sys.exit("the two do not compute the same: no comparison")
    target = torch.from_numpy((maps - offset) / scale)
    points = o.steps * 20 * 512
    best_torch = points / train(target, o.steps, nz, nx)
    best_ours = max(best_ours, ours())
    best_torch = max(best_torch, points / train(target, o.steps, nz, nx))
    row = {"steps": o.steps, "threads": o.threads, "torch": torch.__version__, "largest_difference_mps": difference,
           "points_per_s": best_ours, "torch_points_per_s": best_torch, "ratio": best_ours / best_torch}
    print(json.dumps(row, indent=1))
    if o.json:
        json.dump(row, open(o.json, "w"), indent=1)


if __name__ == "__main__":
    main()
