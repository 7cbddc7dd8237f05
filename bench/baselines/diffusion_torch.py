#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Layers and networks of engine/diffusion beside PyTorch.

  diffusion_torch.py layers BENCH                    layers on random shapes: values and gradients in float
  diffusion_torch.py network BENCH [--preset NAME]   the whole U-Net with PyTorch's weights, in float and double
  diffusion_torch.py step BENCH [--batch N] [--steps N] [--threads N] [--json FILE]
                                                     seconds of a training step of the same network, in turn: the
                                                     best of two runs, wall clock and processor time of all threads

BENCH is the built diffusion_bench. The first two fail when a relative difference (norm of the difference over the norm)
exceeds 1e-5 in float or 1e-10 in double; without PyTorch they say so and exit 77.
"""
import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time

try:
    import numpy as np
    import torch
    import torch.nn.functional as F
    from torch import nn
except ImportError as e:
    print(f"SKIPPED: {e}")
    sys.exit(77)

PRESETS = {
    "ddpm-2dseisvel": dict(size=64, channels=[64, 64, 128, 128, 256, 256], attention=[0, 0, 0, 0, 1, 0], groups=32, head=8),
    "reduced-32": dict(size=32, channels=[32, 64, 96], attention=[0, 0, 1], groups=8, head=32),
    "small": dict(size=16, channels=[8, 16, 24], attention=[0, 1, 0], groups=4, head=4),
}


def difference(a, b):
    a, b = np.asarray(a, np.float64).ravel(), np.asarray(b, np.float64).ravel()
    return float(np.linalg.norm(a - b) / max(np.linalg.norm(b), 1e-300))


# --- layers ------------------------------------------------------------------------------------------------------------
def conv(shape, x, theta):
    b, h, w, ci, co, k, s, p = shape
    weight = theta[:k * k * ci * co].view(k, k, ci, co).permute(3, 2, 0, 1)
    y = F.conv2d(x.view(b, h, w, ci).permute(0, 3, 1, 2), weight, theta[k * k * ci * co:], s, p)
    return y.permute(0, 2, 3, 1).reshape(-1, co)


def group_norm(shape, x, theta):
    b, p, c, g, silu = shape
    y = F.group_norm(x.view(b, p, c).permute(0, 2, 1), g, theta[:c], theta[c:], 1e-5).permute(0, 2, 1).reshape(-1, c)
    return F.silu(y) if silu else y


def attention(shape, q, k, v):
    b, n, heads, d = shape
    q, k, v = (t.view(b, n, heads, d).transpose(1, 2) for t in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b * n, heads * d)


def upsample(shape, x):
    b, h, w, c, bilinear = shape
    mode = dict(mode="bilinear", align_corners=False) if bilinear else dict(mode="nearest")
    return F.interpolate(x.view(b, h, w, c).permute(0, 3, 1, 2), scale_factor=2, **mode).permute(0, 2, 3, 1).reshape(-1, c)


LAYERS = {"conv2d": conv, "group-norm": group_norm, "attention": attention, "upsample": upsample,
          "silu": lambda shape, x: F.silu(x)}


def layers(args):
    worst = {}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([args.bench, "layers", folder], check=True)
        for row in json.load(open(f"{folder}/layers.json")):
            load = lambda part: torch.from_numpy(np.load(f"{folder}/{row['name']}.{part}.npy"))
            inputs = []
            while os.path.exists(f"{folder}/{row['name']}.in{len(inputs)}.npy"):
                inputs.append(load(f"in{len(inputs)}").requires_grad_())
            y = LAYERS[row["kind"]](row["shape"], *inputs)
            y.backward(load("seed"))
            found = [difference(load("y"), y.detach())]
            found += [difference(load(f"d{k}"), x.grad) for k, x in enumerate(inputs)]
            worst[row["kind"]] = max(worst.get(row["kind"], 0), *found)
    for kind, value in worst.items():
        print(f"{kind:12s} largest relative difference {value:.1e}")
    return max(worst.values()) <= 1e-5


# --- the U-Net ---------------------------------------------------------------------------------------------------------
class Residual(nn.Module):
    def __init__(self, cin, cout, time_channels, groups):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, cin, eps=1e-5)
        self.conv1 = nn.Conv2d(cin, cout, 3, padding=1)
        self.time_emb_proj = nn.Linear(time_channels, cout)
        self.norm2 = nn.GroupNorm(groups, cout, eps=1e-5)
        self.conv2 = nn.Conv2d(cout, cout, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(cin, cout, 1) if cin != cout else None

    def forward(self, x, e):
        h = self.conv1(F.silu(self.norm1(x))) + self.time_emb_proj(F.silu(e))[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return h + (x if self.conv_shortcut is None else self.conv_shortcut(x))


class Attention(nn.Module):
    def __init__(self, c, head, groups):
        super().__init__()
        self.group_norm = nn.GroupNorm(groups, c, eps=1e-5)
        self.to_q, self.to_k, self.to_v = (nn.Linear(c, c) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(c, c)])
        self.head = head

    def forward(self, x):
        b, c, h, w = x.shape
        n = self.group_norm(x).view(b, c, h * w).transpose(1, 2)
        q, k, v = (f(n).view(b, h * w, c // self.head, self.head).transpose(1, 2) for f in (self.to_q, self.to_k, self.to_v))
        o = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, h * w, c)
        return x + self.to_out[0](o).transpose(1, 2).reshape(b, c, h, w)


class Sampler(nn.Module):
    def __init__(self, c, stride):
        super().__init__()
        self.conv = nn.Conv2d(c, c, 3, stride=stride, padding=1)


class Block(nn.Module):
    def __init__(self, pairs, time_channels, groups, head, attends):
        super().__init__()
        self.resnets = nn.ModuleList(Residual(a, b, time_channels, groups) for a, b in pairs)
        self.attentions = nn.ModuleList(Attention(b, head, groups) for _, b in pairs) if attends else None


class Middle(nn.Module):
    def __init__(self, c, time_channels, groups, head):
        super().__init__()
        self.resnets = nn.ModuleList(Residual(c, c, time_channels, groups) for _ in range(2))
        self.attentions = nn.ModuleList([Attention(c, head, groups)])


class TimeEmbedding(nn.Module):
    def __init__(self, base):
        super().__init__()
        self.linear_1, self.linear_2 = nn.Linear(base, 4 * base), nn.Linear(4 * base, 4 * base)

    def forward(self, e):
        return self.linear_2(F.silu(self.linear_1(e)))


class UNet(nn.Module):
    def __init__(self, size, channels, attention, groups, head, blocks=2):
        super().__init__()
        self.base, t = channels[0], 4 * channels[0]
        self.time_embedding = TimeEmbedding(self.base)
        self.conv_in = nn.Conv2d(1, channels[0], 3, padding=1)
        self.down_blocks, self.up_blocks, skips, c = nn.ModuleList(), nn.ModuleList(), [channels[0]], channels[0]
        for level, out in enumerate(channels):
            block = Block([(c if k == 0 else out, out) for k in range(blocks)], t, groups, head, attention[level])
            skips += [out] * blocks
            c = out
            if level + 1 < len(channels):
                block.downsamplers = nn.ModuleList([Sampler(out, 2)])
                skips.append(out)
            self.down_blocks.append(block)
        self.mid_block = Middle(c, t, groups, head)
        for level in reversed(range(len(channels))):
            pairs = []
            for _ in range(blocks + 1):
                pairs.append((c + skips.pop(), channels[level]))
                c = channels[level]
            block = Block(pairs, t, groups, head, attention[level])
            if level > 0:
                block.upsamplers = nn.ModuleList([Sampler(c, 1)])
            self.up_blocks.append(block)
        self.conv_norm_out = nn.GroupNorm(groups, channels[0], eps=1e-5)
        self.conv_out = nn.Conv2d(channels[0], 1, 3, padding=1)

    def forward(self, x, t):
        half = self.base // 2
        w = torch.exp(-math.log(10000) * torch.arange(half, dtype=x.dtype) / half)
        e = self.time_embedding(torch.cat([torch.cos(t[:, None] * w), torch.sin(t[:, None] * w)], 1))
        x = self.conv_in(x)
        skips = [x]
        for block in self.down_blocks:
            for k, residual in enumerate(block.resnets):
                x = residual(x, e)
                if block.attentions is not None:
                    x = block.attentions[k](x)
                skips.append(x)
            if hasattr(block, "downsamplers"):
                x = block.downsamplers[0].conv(x)
                skips.append(x)
        x = self.mid_block.resnets[1](self.mid_block.attentions[0](self.mid_block.resnets[0](x, e)), e)
        for block in self.up_blocks:
            for k, residual in enumerate(block.resnets):
                x = residual(torch.cat([x, skips.pop()], 1), e)
                if block.attentions is not None:
                    x = block.attentions[k](x)
            if hasattr(block, "upsamplers"):
                x = block.upsamplers[0].conv(F.interpolate(x, scale_factor=2, mode="nearest"))
        return self.conv_out(F.silu(self.conv_norm_out(x)))


def description(p):
    return {"type": "unet", "height": p["size"], "width": p["size"], "channels": p["channels"],
            "attention": [bool(a) for a in p["attention"]], "groups": p["groups"], "head_channels": p["head"]}


def ours(tensor):  # (out, in, k, k) -> (k, k, in, out), (out, in) -> (in, out)
    return tensor.permute(2, 3, 1, 0) if tensor.dim() == 4 else tensor.t() if tensor.dim() == 2 else tensor


def network(args):
    good = True
    for dtype, limit in ((torch.float32, 1e-5), (torch.float64, 1e-10)):
        torch.manual_seed(0)
        p = PRESETS[args.preset]
        net = UNet(**p).to(dtype)
        named = dict(net.named_parameters())
        x = torch.randn(args.batch, 1, p["size"], p["size"], dtype=dtype, requires_grad=True)
        # Float differs in w_k t itself: times up to 100 keep that rounding below 1e-5.
        t = torch.randint(0, 100 if dtype == torch.float32 else 1000, (args.batch,)).to(dtype)
        y = net(x, t)
        seed = torch.randn_like(y)
        y.backward(seed)
        with tempfile.TemporaryDirectory() as folder:
            flat = lambda a: a.detach().permute(0, 2, 3, 1).reshape(-1, 1).contiguous().numpy()
            json.dump(description(p), open(f"{folder}/network.json", "w"))
            np.save(f"{folder}/x.npy", flat(x))
            np.save(f"{folder}/seed.npy", flat(seed))
            np.save(f"{folder}/time.npy", t.numpy()[:, None])
            if dtype == torch.float64:
                np.save(f"{folder}/double.npy", np.zeros(1))
            count = sum(v.numel() for v in named.values())
            np.save(f"{folder}/theta.npy", np.zeros(count, t.numpy().dtype))
            subprocess.run([args.bench, "network", folder], check=True)  # for the order of the weights
            theta, gradient = (np.zeros(count, t.numpy().dtype) for _ in range(2))
            weights = json.load(open(f"{folder}/weights.json"))
            assert sorted(w[0] for w in weights) == sorted(named), "other weights"
            for name, shape, offset in weights:
                w = ours(named[name].detach()).contiguous()
                assert list(w.shape) == shape, (name, shape, w.shape)
                theta[offset:offset + w.numel()] = w.numpy().ravel()
                gradient[offset:offset + w.numel()] = ours(named[name].grad).contiguous().numpy().ravel()
            np.save(f"{folder}/theta.npy", theta)
            subprocess.run([args.bench, "network", folder], check=True)
            found = {"y": difference(np.load(f"{folder}/y.npy"), flat(y)),
                     "d_x": difference(np.load(f"{folder}/d_x.npy"), flat(x.grad)),
                     "d_theta": difference(np.load(f"{folder}/d_theta.npy"), gradient)}
        print(args.preset, count, "weights,", str(dtype)[6:], {k: f"{v:.1e}" for k, v in found.items()})
        good = good and max(found.values()) <= limit
    return good


# --- a training step -----------------------------------------------------------------------------------------------
def torch_step(args):
    """Seconds of one step here: the same network, loss, AdamW, clipping and moving average."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    p = PRESETS[args.preset]
    net = UNet(**p)
    if args.channels_last:
        net = net.to(memory_format=torch.channels_last)
    averaged = [w.detach().clone() for w in net.parameters()]
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, weight_decay=1e-4, foreach=True)
    times, cpu = [], []
    for k in range(args.steps + 1):
        x = torch.randn(args.batch, 1, p["size"], p["size"])
        noise = torch.randn_like(x)
        t = torch.randint(0, 1000, (args.batch,)).float()
        start, ticks = time.perf_counter(), time.process_time()
        loss = F.mse_loss(net(0.8 * x + 0.6 * noise, t), noise)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            torch._foreach_mul_(averaged, 0.999)
            torch._foreach_add_(averaged, list(net.parameters()), alpha=0.001)
        if k > 0:
            times.append(time.perf_counter() - start)
            cpu.append(time.process_time() - ticks)
    print(json.dumps({"step_best_s": min(times), "step_cpu_s": min(cpu), "step_mean_s": sum(times) / len(times),
                      "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
    return True


def step(args):
    from machine import processor
    rows = []
    for _ in range(2):
        out = subprocess.run([args.bench, "step", "--preset", args.preset, "--batch", str(args.batch), "--steps", str(args.steps),
                              "--threads", str(args.threads)], check=True, capture_output=True, text=True).stdout
        rows.append(("terrane", json.loads(out.splitlines()[0])))
        for layout in ("torch", "torch channels-last"):
            command = [sys.executable, __file__, "torch-step", "-", "--preset", args.preset, "--batch", str(args.batch), "--steps",
                       str(args.steps), "--threads", str(args.threads)] + (["--channels-last"] if layout != "torch" else [])
            out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            rows.append((layout, json.loads(out)))
    best = {}
    for name, row in rows:
        best.setdefault(name, row)
        for key in ("step_best_s", "step_cpu_s", "step_mean_s"):
            best[name][key] = min(best[name][key], row[key])
    ratio = lambda key: min(best[n][key] for n in best if n != "terrane") / best["terrane"][key]
    result = {"network": args.preset, "parameters": best["terrane"]["parameters"], "batch": args.batch, "threads": args.threads,
              "processor": processor(), "torch": torch.__version__, "version": best["terrane"].pop("version"),
              "rows": {n: {k: r[k] for k in ("step_best_s", "step_cpu_s", "step_mean_s", "peak_memory_bytes")} for n, r in best.items()},
              "load_average": os.getloadavg()[0], "speed_against_faster_torch": ratio("step_best_s"),
              "processor_time_against_faster_torch": ratio("step_cpu_s")}
    print(json.dumps(result, indent=1))
    if args.json:
        open(args.json, "w").write(json.dumps(result, indent=1) + "\n")
    return True


if __name__ == "__main__":
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("verb", choices=["layers", "network", "step", "torch-step"])
    a.add_argument("bench")
    a.add_argument("--preset", choices=PRESETS, default="reduced-32")
    a.add_argument("--batch", type=int, default=2)
    a.add_argument("--steps", type=int, default=5)
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--channels-last", action="store_true")
    a.add_argument("--json")
    args = a.parse_args()
    sys.exit(0 if {"layers": layers, "network": network, "step": step, "torch-step": torch_step}[args.verb](args) else 1)
