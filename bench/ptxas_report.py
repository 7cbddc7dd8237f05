#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Registers, spills and shared memory of the CUDA kernels, as the assembler reports them; needs nvcc, no GPU.

    bench/ptxas_report.py [--nvcc nvcc] [--arch 80 90 120] [--out bench/results/ptxas.md] [--jobs 1] [source ...]

Sources default to all kernels/**/*.cuda.cu and to the schedules that every back end shares, kernels/**/x.cpp. Prints a summary and returns 1 when a kernel spills.
"""
import argparse
import concurrent.futures
import datetime
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FLAGS = ["-std=c++20", "-fmad=false", "-O3", "-DNDEBUG", "-Xcompiler=-ffp-contract=off,-w", "-DTERRANE_BACKEND=cuda",
         "-DTERRANE_CUDA_BACKEND", "-DTERRANE_MODULE"]
ENTRY = re.compile(r"Compiling entry function '(\w+)' for 'sm_(\w+)'")
SPILL = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers(.*)")
SHARED = re.compile(r"(\d+) bytes smem")


def report_of(nvcc, archs, source):
    """Rows (arch, mangled name, registers, stack, stores, loads, static shared bytes) of one source."""
    targets = [f"-gencode=arch=compute_{a},code=sm_{a}" for a in archs]
    command = [nvcc, *FLAGS, *targets, f"-I{ROOT}", "-Xptxas=-v", "-x", "cu", "-c", str(ROOT / source), "-o", os.devnull]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"{source}: nvcc failed\n{result.stderr[-2000:]}")
    rows, name, spill = [], None, (0, 0, 0)
    for line in result.stderr.splitlines():
        if match := ENTRY.search(line):
            name, spill = match, (0, 0, 0)
        elif match := SPILL.search(line):
            spill = tuple(int(v) for v in match.groups())
        elif (match := USED.search(line)) and name is not None:
            shared = SHARED.search(match.group(2))
            rows.append((name.group(2), name.group(1), int(match.group(1)), *spill, int(shared.group(1)) if shared else 0))
            name = None
    return rows


def readable(names):
    """Short names: without namespaces and argument lists."""
    tool = shutil.which("c++filt")
    if tool is None:
        return dict(zip(names, names))
    text = subprocess.run([tool], input="\n".join(names), capture_output=True, text=True, check=True).stdout
    short = {}
    for name, full in zip(names, text.splitlines()):
        plain = full.replace("(anonymous namespace)::", "").replace("terrane::cuda::", "").replace("terrane::", "")
        plain = plain.replace("void ", "", 1).replace("(WideMode)0", "forward").replace("(WideMode)1", "delta")
        plain = plain.replace("(WideMode)2", "gradient")
        depth, end = 0, len(plain)
        for i, c in enumerate(plain):  # the argument list is the last bracket outside <>
            depth += (c == "<") - (c == ">")
            if c == "(" and depth == 0:
                end = i
                break
        short[name] = plain[:end]
    return short


def write(path, nvcc, archs, by_source):
    version = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=True).stdout
    release = re.search(r"release [\d.]+, (V[\d.]+)", version)
    rows = [row for source in by_source.values() for row in source]
    spilling = [row for row in rows if row[4] + row[5] > 0]
    names = readable(sorted({row[1] for row in rows}))
    lines = ["# Resources of the CUDA kernels", "",
             f"Written by `bench/ptxas_report.py` on {datetime.date.today()}: nvcc {release.group(1) if release else '?'}, "
             f"flags `{' '.join(f for f in FLAGS if not f.startswith('-D') and not f.startswith('-Xc'))}`. Compiled only: "
             "nothing here was run on a GPU.", "",
             f"{len({row[1] for row in rows})} kernels, each for {', '.join('sm_' + a for a in archs)}; "
             f"{len(spilling)} spill.", "",
             "Spills are bytes stored / loaded. Shared memory is the static part. Dynamic shared memory of the network kernels",
             "for 2 inputs and 1 output, by `fused_shared` and `wide_shared_bytes` of `kernels/mlp`: fused vjp 64x3 94,976",
             "bytes, 128x4 215,808 (tiles of 64 points) or 128,384 (tiles of 32, sm_80); fused forward up to 76,544; wide",
             "61,440.", ""]
    for source, found in by_source.items():
        lines += [f"## {source}", "", "| kernel | " + " | ".join(f"sm_{a} registers | spills" for a in archs) + " | shared |",
                  "| --- |" + " --- |" * (2 * len(archs) + 1)]
        table = {}
        for arch, name, registers, _, stores, loads, shared in found:
            table.setdefault(names[name], {})[arch] = (registers, f"{stores} / {loads}", shared)
        for name in sorted(table):
            cells = [f"{table[name][a][0]} | {table[name][a][1]}" if a in table[name] else "- | -" for a in archs]
            shared = max(v[2] for v in table[name].values())
            lines.append(f"| `{name}` | " + " | ".join(cells) + f" | {shared} |")
        lines.append("")
    path.write_text("\n".join(lines), encoding="utf-8")
    print(f"{len({row[1] for row in rows})} kernels, {len(spilling)} spill; written to {path}")
    for row in spilling:
        print(f"  spills: sm_{row[0]} {names[row[1]]}: {row[4]} / {row[5]} bytes")
    return 1 if spilling else 0


def sources_for_cuda():
    files = {p.relative_to(ROOT) for p in ROOT.glob("kernels/**/*") if p.suffix in (".cu", ".cpp")}
    return sorted(p.as_posix() for p in files if not p.name.endswith(".cpu.cpp") and p.name != "table.cpp" and
                  not (p.parent.name == "runtime" and p.suffix == ".cpp"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nvcc", default=shutil.which("nvcc") or "nvcc")
    parser.add_argument("--arch", nargs="+", default=["80", "90", "120"])
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench/results/ptxas.md")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("sources", nargs="*")
    options = parser.parse_args()
    sources = options.sources or sources_for_cuda()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        found = list(pool.map(lambda s: report_of(options.nvcc, options.arch, s), sources))
    return write(options.out, options.nvcc, options.arch, dict(zip(sources, found)))


if __name__ == "__main__":
    sys.exit(main())
