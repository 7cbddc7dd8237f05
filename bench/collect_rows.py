#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Collects the rows of tables of published cases (task "reproduce") as committed results.

  python3 bench/collect_rows.py TABLE_DIR... --output bench/results/cr_fwi

Every row that has ended becomes one JSON file, named after recipe and seed, with the changed settings, the machine and
the date; README.md lists all rows that the folder holds. Rows of tables with the same recipe and seed but other
settings get the settings' hash in their name.
"""
import argparse
import datetime
import glob
import hashlib
import json
import os
import statistics

from baselines.machine import processor


def number(value, digits=4):
    return "–" if value is None else f"{value:.{digits}f}"


def collect(directory, output):
    config = json.load(open(directory + "/resolved.json"))
    for row in json.load(open(directory + "/table.json")):
        if row["status"] != "ok":
            print(f"{row['recipe']}: {row['status']}, left out")
            continue
        settings = {k: v for k, v in config["settings"].items() if k not in ("checkpoint", "report")}
        name = row["recipe"].replace("/", "-") + f"-seed-{row['seed']}"
        if settings:
            name += "-" + hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:6]
        rows = glob.glob(f"{directory}/rows/*-seed-{row['seed']}/progress.jsonl")
        row["settings"] = settings
        if str(row.get("data_source", "")).startswith("/"):
            row["data_source"] = os.path.basename(row["data_source"])
        row["machine"] = processor()
        row["cores"] = os.cpu_count()
        row["date"] = datetime.date.today().isoformat()
        flat = row["recipe"].replace("/", "-")
        history = [r for r in rows if flat + "-seed" in r]
        if history:
            lines = [json.loads(line) for line in open(history[0])]
            tail = [x["phi"] for x in lines[-20:]]
            row["misfit_last_20"] = sum(tail) / len(tail)
            row["model_rmse_mps_every_50"] = [x["model_rmse_mps"] for x in lines if "model_rmse_mps" in x][::5]
        with open(f"{output}/{name}.json", "w") as f:
            json.dump(row, f, indent=1)
            f.write("\n")


def page(output, title):
    rows = [json.load(open(path)) for path in sorted(glob.glob(output + "/*.json"))]
    text = [f"# {title}", "",
            "Written by `python3 bench/collect_rows.py`; every row is one JSON file with its settings, machine and date. "
            "MSE in (km/s)^2, SSIM by the convention of the report. Published: arXiv 2603.22362, on the authors' own "
            "slices. Data come from the solver of the inversion unless the row's `data_source` says otherwise.", ""]
    region = any(row.get("region") for row in rows)
    head = ["case", "seed", "settings", "iterations", "MSE", "published", "SSIM", "published", "start MSE", "best constant",
            "best linear", "misfit, last 20", "time (s), threads"] + (["RMSE in region (m/s)", "at the start"] if region else [])
    text += ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rows:
        published = row["published"]
        cells = [row["recipe"], str(row["seed"]), "`" + json.dumps(row["settings"]) + "`" if row["settings"] else "",
                 str(row["iterations"]), number(row["mse_km2_s2"]), number(published["mse_km2_s2"]),
                 number(row["ssim_minmax"]), number(published["ssim"]), number(row["start_mse_km2_s2"]),
                 number(row["best_constant_mse_km2_s2"]), number(row["best_linear_mse_km2_s2"]),
                 f"{row['misfit_last_20']:.3g}" if "misfit_last_20" in row else "–",
                 f"{row['wall_s']:.0f}, {row['threads']}"]
        if region:
            r = row.get("region") or {}
            cells += [number(r.get("rmse_mps"), 2), number(r.get("start_rmse_mps"), 2)]
        text.append("| " + " | ".join(cells) + " |")
    with open(output + "/README.md", "w") as f:
        f.write("\n".join(text) + "\n")


METRICS = [("rmse", "RMSE", 4), ("chi2", "chi2", 4), ("clean_chi2", "chi2 of clean data", 4), ("rms_ms", "RMS (ms)", 4),
           ("ip_chi2", "chi2 of IP", 4), ("phi_d", "phi_d", 1), ("phi_d_median", "phi_d, median of 200", 1),
           ("rmse_region", "RMSE in region", 4), ("body_error", "error in body", 3), ("dip_deg", "dip (deg)", 2),
           ("iou", "IoU", 3), ("body_mean", "mean in body", 3), ("axis_deg", "axis (deg)", 2),
           ("region_correlation", "correlation", 3), ("constant_rmse", "best constant, RMSE", 4),
           ("layered_rmse_region", "best layered, in region", 4)]


def metrics_page(output, title):
    rows = [json.load(open(path)) for path in sorted(glob.glob(output + "/*.json"))]
    text = [f"# {title}", "",
            "Written by `python3 bench/collect_rows.py`; every row is one JSON file with its settings, machine and date. "
            "Slowness in s/km, velocity in m/s, errors of conductivity in decades, chi2 per datum, phi_d = chi2 N / 2; \"clean\" compares with the data before noise. Reference: stored "
            "results of arXiv 2503.17503 (one run each; of resistivity a re-run of its settings); of the rows tv and ig-tv an independent total-variation solution. \"Limits kept\" compares the medians over the seeds "
            "with the limits of the recipe. Times are wall times, upper bounds where the machine did other work as well.", ""]
    columns = [m for m in METRICS if any(r["metrics"].get(m[0]) is not None for r in rows)]
    head = ["recipe", "seed"] + [m[1] for m in columns] + ["iterations", "time (s), threads"]
    text += ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    key_of = lambda r: (r["recipe"], json.dumps(r["settings"]) if r["settings"] else "")
    for name, settings in sorted(dict.fromkeys(key_of(r) for r in rows)):
        same = [r for r in rows if key_of(r) == (name, settings)]
        label = name + (f" with `{settings}`" if settings else "")
        for r in same:
            cells = [number(r["metrics"].get(k), d) for k, _, d in columns]
            text.append("| " + " | ".join([label, str(r["seed"])] + cells +
                                          [str(r["iterations"]), f"{r['wall_s']:.0f}, {r['threads']}"]) + " |")
        median, means = {}, []
        for key, _, digits in columns:
            values = [r["metrics"][key] for r in same if r["metrics"].get(key) is not None]
            if values:
                median[key] = statistics.median(values)
            means.append(f"{statistics.mean(values):.{digits}f} ± {statistics.stdev(values):.2g}" if len(values) > 1 else "")
        limits = same[0].get("limits") or {}
        kept = all(k in median and lo <= median[k] <= hi for k, (lo, hi) in limits.items())
        note = "" if not limits else "limits kept" if kept else "**limits not kept**: " + ", ".join(
            f"{k} {median.get(k, float('nan')):.4g} outside {lo} to {hi}" for k, (lo, hi) in limits.items()
            if k not in median or not lo <= median[k] <= hi)
        if len(same) > 1:
            text.append("| | mean ± std | " + " | ".join(means) + f" | | {note} |")
        elif note:
            text.append("| | | " + " | ".join([""] * len(columns)) + f" | | {note} |")
        reference = same[0].get("reference") or {}
        if reference and not settings:
            text.append("| | reference | " + " | ".join(number(reference.get(k), d) if k in reference else ""
                                                        for k, _, d in columns) + " | | |")
    with open(output + "/README.md", "w") as f:
        f.write("\n".join(text) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*")
    parser.add_argument("--output", required=True)
    parser.add_argument("--title", default="Published cases")
    args = parser.parse_args()
    os.makedirs(args.output, exist_ok=True)
    for directory in args.tables:
        collect(directory.rstrip("/"), args.output)
    rows = [json.load(open(path)) for path in glob.glob(args.output + "/*.json")]
    (metrics_page if all(row.get("metrics") for row in rows) else page)(args.output, args.title)


if __name__ == "__main__":
    main()
