#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Kernel-preconditioned steps (Gauss-Newton with damping) against Adam: iterations and processor seconds of networks to
the same chi2; "nystrom": with a low-rank preconditioner of the conjugate gradients.

Cases 1 and 2 of the neural-field study with its networks, a resistivity line and two waveform inversions (a generated
section; Marmousi), without regularizers. One thread; processor time of the whole process, start-up included, so that
other load on the machine matters little. A run that does not reach the target within its iterations says so. Rows that
are there are kept.

  python bench/damped_study.py --terrane build/release/bin/terrane --output bench/results/damped.json [CASE ...]
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "baselines"))
from machine import save  # noqa: E402
from wave_kernel_2d import SETUP  # noqa: E402

WAVES = {
    "task": "invert", "name": "waves", "grid": {"nz": 60, "nx": 100, "dz_m": 20, "dx_m": 20},
    "physics": {"type": "acoustic", "order": 4, "boundary": {"type": "cpml", "width_cells": 12}},
    "survey": {"dt_s": 0.0015, "nt": 900, "wavelet": {"type": "ricker", "frequency_hz": 7},
               "sources": {"type": "line", "x_m": [0, 1980], "z_m": 20, "count": 6},
               "receivers": {"type": "line", "x_m": [0, 1980], "z_m": 20, "count": 100}},
    "true_model": {"type": "generated", "family": "layered-faulted", "index": 0},
    "data": {"type": "synthetic", "noise": {"type": "gaussian", "relative": 0.05}},
    "start_model": {"type": "smooth", "of": "true_model", "sigma_m": 150},
    "field": {"type": "siren", "width": 64, "layers": 3, "transform": {"type": "perturb", "scale_mps": 1000}},
    "misfit": {"type": "chi2"}, "optimizer": {"type": "adam", "lr": 8e-4, "iterations": 600},
    "report": {"enabled": False},
}
LINE = {
    "task": "invert", "name": "dc", "grid": {"nz": 24, "nx": 92, "dz_m": 1.25, "dx_m": 1.25, "x0_m": -7.5},
    "physics": {"type": "dc-2.5d"},
    "survey": {"electrodes": {"type": "line", "x_m": [0, 100], "z_m": 0, "count": 21},
               "array": {"type": "dipole-dipole", "levels": 8}},
    "true_model": {"type": "blocks", "background_ohm_m": 100,
                   "blocks": [{"x_m": [25, 40], "z_m": [5, 13], "value_ohm_m": 10},
                              {"x_m": [62, 78], "z_m": [4, 12], "value_ohm_m": 1000}]},
    "data": {"type": "synthetic", "noise": {"type": "proportional", "relative": 0.03}},
    "start_model": {"type": "constant", "value_ohm_m": 80},
    "field": {"type": "siren", "omega_0": 10, "transform": {"type": "exp", "scale": 1}},
    "misfit": {"type": "chi2"}, "report": {"enabled": False},
}
# Half of the points of Marmousi 94 x 288, smooth start, the set-up of wave_kernel_2d.py with noise.
MARMOUSI = {
    **WAVES, "name": "marmousi", **{key: SETUP[key] for key in ("grid", "survey", "true_model", "start_model")},
    "physics": {**SETUP["physics"], "vmax_mps": 6500}, "field": {"type": "siren"},
    "optimizer": {"type": "adam", "lr": 4e-4},
}
# Target chi2, iterations of Adam and of the damped steps, conjugate gradients in a step.
CASES = {"case-1": (1.0, 999, 60, 30), "case-2": (1.05, 4499, 80, 30), "dc": (1.0, 1000, 60, 40),
         "waves": (2.0, 600, 25, 12), "marmousi": (2.0, 400, 25, 12)}
RANK = 40  # of the preconditioner of the rows "nystrom"


def config(case, method, steps):
    target, adam, damped, cg = CASES[case]
    optimizer = {"type": "gauss-newton", "damping": 0.01, "cg_iterations": cg, "cg_tolerance": 0.01,
                 "iterations": steps or damped}
    if method == "nystrom":
        optimizer["nystrom_rank"] = RANK
    if case in ("waves", "marmousi"):
        c = json.loads(json.dumps(WAVES if case == "waves" else MARMOUSI))
        c["stop"] = {"chi2": target}
        c["optimizer"] = optimizer if method != "adam" else {**c["optimizer"], "iterations": steps or adam}
        return c
    if case == "dc":
        c = {**json.loads(json.dumps(LINE)), "stop": {"chi2": target}}
        c["optimizer"] = optimizer if method != "adam" else {"type": "adam", "lr": 1e-3, "iterations": steps or adam}
        return c
    settings = {"stop": {"chi2": target}}
    if method != "adam":
        settings.update({"optimizer": optimizer, "misfit": {"type": "chi2"}})
    return {"task": "reproduce", "recipe": "nfs-inv/" + case, "name": case, "report": {"enabled": False},
            "settings": settings}


def progress(folder):
    for where, _, files in os.walk(folder):
        if "progress.jsonl" in files:
            with open(os.path.join(where, "progress.jsonl"), encoding="utf-8") as f:
                lines = [json.loads(line) for line in f]
            with open(os.path.join(where, "result.json"), encoding="utf-8") as f:
                return lines, json.load(f)
    raise SystemExit("no progress in " + folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--terrane", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--steps", type=int, default=0, help="fewer iterations, for a trial")
    parser.add_argument("cases", nargs="*", default=list(CASES))
    args = parser.parse_args()
    result = {"rows": {}}
    if os.path.exists(args.output):
        with open(args.output, encoding="utf-8") as f:
            result = json.load(f)
    for case in args.cases:
        for method in ("damped", "nystrom", "adam"):
            key = case + " " + method
            if key in result["rows"]:
                continue
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "config.json")
                with open(path, "w", encoding="utf-8") as f:
                    json.dump(config(case, method, args.steps), f)
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                subprocess.run([args.terrane, "run", path, "-qq", "--out", os.path.join(folder, "out")],
                               env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL, check=False)
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                lines, run = progress(folder)
            # Of waves the misfit chi2 is what is minimised: phi.
            chi2 = [line["phi"] if line["chi2"] is None else line["chi2"] for line in lines]
            row = {"target_chi2": CASES[case][0], "reached": min(chi2) <= CASES[case][0], "iterations": len(lines),
                   "last_chi2": chi2[-1], "least_chi2": min(chi2),
                   "processor_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
                   "model_error": {k: v for k, v in (run.get("model_error") or {}).items() if isinstance(v, float)}}
            # With Adam waves go on after the target, so that a share of the time counts.
            there = next((i for i, v in enumerate(chi2) if v <= CASES[case][0]), None)
            if there is not None:
                row["iterations_to_target"] = there + 1
                part = lines[there]["elapsed_s"] / lines[-1]["elapsed_s"]
                row["processor_s_to_target"] = round(part * row["processor_s"], 1)
            result["rows"][key] = row
            save(args.output, result, threads=1)
            print(key, json.dumps(row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
