# SPDX-License-Identifier: MIT
"""What --device means on the side of torch, and the roofs that a GPU reaches in simple loops."""
import time

import torch


def add_device(parser):
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N, of both sides")


def torch_device(name):
    return name if name.startswith("cuda") else "cpu"  # "emulated": kernels of a GPU beside torch on the CPU


def wait(name):
    """Until the device has done what was launched."""
    if name.startswith("cuda"):
        torch.cuda.synchronize()


def device_name(name):
    return torch.cuda.get_device_name(name) if name.startswith("cuda") else None


def add_gbps(name, floats):
    """GB/s of a = b + c on arrays of that many floats: in the caches or in the memory."""
    a, b, c = (torch.ones(floats, device=torch_device(name)) for _ in range(3))
    best = 1e9
    for _ in range(9):
        wait(name)
        start = time.perf_counter()
        for _ in range(10):
            torch.add(b, c, out=a)
        wait(name)
        best = min(best, (time.perf_counter() - start) / 10)
    return 3 * 4 * floats / best * 1e-9
