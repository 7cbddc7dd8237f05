#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Wave kernel J J^T and wave tangent kernel J K J^T in two dimensions: the 64 leading eigenpairs, without a matrix, for
a grid and four networks at their initial weights and after an inversion.

Marmousi, every second node of 94 x 288 (47 x 144 at 30 m), 5 shots of a 5 Hz Ricker wavelet, 48 receivers, 1.9 s; smooth
start, 150 iterations of Adam on all shots. `analyze kernels` of the program gives the eigenpairs. A row is one field in
one state, a file in --output/rows; rows and runs that are there are kept, so that the command can be stopped and started
again. Processor seconds are those of one thread.

  python bench/wave_kernel_2d.py --terrane build/release/bin/terrane --work /tmp/wave_kernel_2d \\
      --output bench/results/wave_kernel_2d [FIELD ...]
  python bench/wave_kernel_2d.py --khatri-rao build/release/bin/wave_khatri_rao --output ... [FIELD ...]
  python bench/wave_kernel_2d.py --modal-decay build/release/bin/modal_decay --output ... [FIELD ...]
  python bench/wave_kernel_2d.py --figures --output bench/results/wave_kernel_2d      # needs matplotlib
--khatri-rao: the same grid at the initial weights with absorbing layers on all sides and 6.1 s of data, by Lanczos in the
time domain and from products of Green's functions.
TERRANE_DATA holds marmousi/marmousi1_vp_94x288_derived.npy.
"""
import argparse
import json
import os
import resource
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "baselines"))
from machine import save  # noqa: E402

COUNT = 64
SMALL_COUNT = 16  # of the two programs below
SETUP = {
    "task": "invert", "seed": 0, "grid": {"nz": 47, "nx": 144, "dz_m": 30, "dx_m": 30},
    "physics": {"type": "acoustic", "order": 8, "vmax_mps": 5600,
                "boundary": {"type": "cpml", "width_cells": {"top": 0, "bottom": 20, "left": 20, "right": 20}}},
    "survey": {"dt_s": 0.004, "nt": 475, "wavelet": {"type": "ricker", "frequency_hz": 5},
               "sources": {"type": "line", "x_m": [345, 3945], "z_m": 30, "count": 5},
               "receivers": {"type": "line", "x_m": [30, 4260], "z_m": 30, "count": 48}},
    "true_model": {"type": "file", "path": "marmousi/marmousi1_vp_94x288_derived.npy", "file_rows": [0, 93],
                   "file_columns": [0, 287]},
    "data": {"type": "synthetic"}, "start_model": {"type": "smooth", "of": "true_model", "sigma_m": 225},
    "bounds": {"min_mps": 1000, "max_mps": 5600}, "misfit": {"type": "l2"}, "report": {"enabled": False},
}
# Rates for 150 iterations: those of the published table are for 500 and more.
FIELDS = {
    "grid": {"field": {"type": "grid"}, "optimizer": {"lr": 20}},
    "siren": {"field": {"type": "siren"}, "optimizer": {"lr": 4e-4}},
    "mpe": {"field": {"type": "mpe"}, "optimizer": {"lr": 4e-4, "groups": {"grid": {"lr": 4e-3}}}},
    "ig": {"field": {"type": "ig"}, "optimizer": {"lr": 4e-4, "groups": {"grid": {"lr": 4e-3}}}},
    "low-rank": {"field": {"type": "low-rank"}, "optimizer": {"lr": 4e-4}},
}
STATES = {"start": 0, "trained": -1}
KERNELS = ("wave_kernel", "wave_tangent_kernel")


def run(terrane, *arguments):
    """Processor seconds of the program on one thread."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([terrane, *arguments], env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(done.stderr.strip())
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def load(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def inverted(args, field, iterations):
    """The folder of the finished run of a field."""
    folder = os.path.join(args.work, field)
    if os.path.exists(os.path.join(folder, "result.json")) and load(os.path.join(folder, "result.json"))["status"] == "ok":
        return folder
    config = {**SETUP, "name": field, "field": FIELDS[field]["field"],
              "optimizer": {"type": "adam", "iterations": iterations, **FIELDS[field]["optimizer"]}}
    os.makedirs(args.work, exist_ok=True)
    path = os.path.join(args.work, field + ".json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(config, f)
    run(args.terrane, "run", path, "-qq", "--overwrite", "--out", folder)
    return folder


def analysed(args, folder, state, what, count):
    """Result of an analysis and the processor seconds of its process."""
    out = os.path.join(args.work, "analysis")
    shutil.rmtree(out, ignore_errors=True)
    seconds = run(args.terrane, "analyze", what, folder, "--at", str(STATES[state]), "--top", str(count), "-qq", "--out", out)
    result = load(os.path.join(out, "spectrum.json"))
    shutil.rmtree(out)
    return result, seconds


def digits(values, count=6):
    return [float(f"{v:.{count}g}") for v in values]


def row_of(args, field, state, iterations):
    folder = inverted(args, field, iterations)
    kernels, seconds = analysed(args, folder, state, "kernels", COUNT)
    waves = sum(kernels[k]["seconds"] for k in KERNELS)
    share = seconds / kernels["time"]["wall_s"]  # of the processor, which others use too
    result = load(os.path.join(folder, "result.json"))
    row = {"field": field, "state": state, "parameters": kernels["parameters"],
           "iterations": iterations if state == "trained" else 0, "processor_s_of_both": round(seconds, 1),
           "misfit_initial": result["misfit"]["initial"], "misfit_final": result["misfit"]["final"],
           "rmse_mps": result["model_error"]["rmse_mps"]}
    for k in KERNELS:
        r = kernels[k]
        row[k] = {"eigenvalues": digits(r["eigenvalues"]), "largest_residual": max(r["residuals"]) / r["eigenvalues"][0],
                  "products": r["products"], "processor_s": round(share * r["seconds"], 1),
                  "mean_frequencies_hz": digits(r["mean_frequencies_hz"], 4),
                  "residual_held": digits(r.get("residual_held", []), 4)}
    row["processor_s_of_kernels"] = round(share * waves, 1)
    if field == "grid":
        row["norm_k"] = 1.0
    else:
        row["norm_k"] = analysed(args, folder, state, "ntk", 1)[0]["largest"][0]
    return row


def program_row(args, program, field, count, decayed):
    """Result of a program that takes a config, a file and a number of vectors."""
    config = json.loads(json.dumps({**SETUP, "name": field, "field": FIELDS[field]["field"],
                                    "optimizer": {"type": "adam", "iterations": 1, **FIELDS[field]["optimizer"]}}))
    if decayed:
        config["physics"]["boundary"]["width_cells"] = 20
        config["survey"]["nt"] = 1536
    os.makedirs(args.work, exist_ok=True)
    path, out = os.path.join(args.work, "config.json"), os.path.join(args.work, "out.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(config, f)
    seconds = run(program, path, out, str(count))
    row = load(out)
    row.pop("version", None)
    for key in ("eigenvalues_time_domain", "eigenvalues_khatri_rao"):
        if key in row:
            row[key] = digits(row[key])
    return {**row, "processor_s_of_all": round(seconds, 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--terrane")
    parser.add_argument("--khatri-rao", help="that program: the set-up with decayed records")
    parser.add_argument("--modal-decay", help="that program: descent and Adam against the kernel at the start")
    parser.add_argument("--work", default="/tmp/wave_kernel_2d")
    parser.add_argument("--output", required=True)
    parser.add_argument("--iterations", type=int, default=150)
    parser.add_argument("--figures", action="store_true", help="only draw what is there")
    parser.add_argument("fields", nargs="*", default=list(FIELDS))
    args = parser.parse_args()
    rows = os.path.join(args.output, "rows")
    os.makedirs(rows, exist_ok=True)
    if args.figures:
        from wave_kernel_2d_figures import draw  # pylint: disable=import-outside-toplevel
        draw(args.output)
        return 0
    for program, ending in ((args.khatri_rao, "-decayed"), (args.modal_decay, "-modal-decay")):
        for field in args.fields if program else ():
            path = os.path.join(rows, field + ending + ".json")
            if not os.path.exists(path):
                save(path, program_row(args, program, field, SMALL_COUNT, ending == "-decayed"), threads=1)
                print(path, flush=True)
    for field in args.fields if args.terrane else ():
        for state in STATES:
            path = os.path.join(rows, field + "-" + state + ".json")
            if os.path.exists(path):
                continue
            save(path, row_of(args, field, state, args.iterations), threads=1)
            print(path, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
