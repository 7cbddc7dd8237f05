# SPDX-License-Identifier: MIT
"""Figure and tables of wave_kernel_2d.py from its rows; the figure needs matplotlib."""
import glob
import json
import math
import os

NAMES = {"grid": "grid", "siren": "SIREN", "mpe": "MPE", "ig": "IG", "low-rank": "LR"}
COLOURS = {"grid": "black", "siren": "#0072b2", "mpe": "#d55e00", "ig": "#009e73", "low-rank": "#cc79a7"}
STATES = {"start": "initial weights", "trained": "after the inversion"}


def read(folder):
    rows = {}
    for path in sorted(glob.glob(os.path.join(folder, "rows", "*.json"))):
        with open(path, encoding="utf-8") as f:
            rows[os.path.basename(path)[:-len(".json")]] = json.load(f)
    return rows


def above(values, part):
    count = sum(v > part * values[0] for v in values)
    return str(count) if count < len(values) else f"{count} or more"


def entropy_rank(values):
    total = sum(values)
    return math.exp(-sum(v / total * math.log(v / total) for v in values if v > 0))


def tables(rows):
    lines = ["| field | state | rmse m/s | λ_2, λ_4, λ_16, λ_64 over λ_1 | above 1e-2 | entropy rank of the 64 | "
             "mean frequency, Hz | λ_1 / ‖K‖ | products | processor s |", "|" + " --- |" * 10]
    for field, name in NAMES.items():
        for state in STATES:
            row = rows.get(field + "-" + state)
            if row is None:
                continue
            kinds = ("wave_tangent_kernel",) if field == "grid" or state == "start" else ("wave_kernel", "wave_tangent_kernel")
            for kind in kinds:
                k = row[kind]
                e = k["eigenvalues"]
                label = name + (", J Jᵀ" if kind == "wave_kernel" or field == "grid" else ", J K Jᵀ")
                norm = row["norm_k"] if kind == "wave_tangent_kernel" else 1
                frequency = sum(k["mean_frequencies_hz"]) / len(e)
                error = f"{row['rmse_mps']:.0f}" if state == "trained" else ""
                lines.append(f"| {label} | {STATES[state]} | {error} | "
                             + ", ".join(f"{e[i] / e[0]:.2g}" for i in (1, 3, 15, 63))
                             + f" | {above(e, 1e-2)} | {entropy_rank(e):.1f} | {frequency:.2f} | {e[0] / norm:.2e} | "
                               f"{k['products']} | {k['processor_s']:.0f} |")
    decayed = [r for r in rows if r.endswith("-decayed")]
    if decayed:
        lines += ["", "| field | frequencies | tail | 16 leading | product with a random v | processor s: "
                  "time domain, products of Green's functions |", "|" + " --- |" * 6]
    for name in decayed:
        r = rows[name]
        p = r["processor_s"]
        lines.append(f"| {NAMES[r['field']]} | {r['frequencies']} | {r['tail']:.1e} | {r['largest_difference_16']:.1e} | "
                     f"{r['product_difference']:.1e} | {p['time_domain']:.0f}, "
                     f"{p['greens_functions'] + p['gram'] + p['lanczos']:.0f} |")
    for name in (r for r in rows if r.endswith("-modal-decay")):
        r = rows[name]
        lines += ["", f"{NAMES[r['field']]}: {r['vectors']} vectors hold "
                  f"{100 * r['part_of_the_residual_in_them']:.0f} % of the squared residual", "",
                  "| steps | descent: residual | along the vectors | from the prediction | drift of T | Adam: residual | "
                  "along the vectors | from the predicted path | drift of T |", "|" + " --- |" * 9]
        for d, a in zip(r["descent"], r["adam"]):
            lines.append(f"| {d['steps']} | {d['residual']:.3f} | {d['along_the_vectors']:.3f} | {d['from_prediction']:.3f} | "
                         f"{d['drift']:.2f} | {a['residual']:.3f} | {a['along_the_vectors']:.3f} | "
                         f"{a['from_the_predicted_path']:.3f} | {a['drift']:.2f} |")
    return "\n".join(lines)


def draw(folder):
    rows = read(folder)
    print(tables(rows))
    import matplotlib  # pylint: disable=import-outside-toplevel
    matplotlib.use("Agg")
    from matplotlib import pyplot  # pylint: disable=import-outside-toplevel
    figure, axes = pyplot.subplots(2, 2, figsize=(11, 7.5), sharex=True)
    for column, (state, title) in enumerate(STATES.items()):
        for field, name in NAMES.items():
            row = rows.get(field + "-" + state)
            if row is None:
                continue
            k = row["wave_tangent_kernel"]
            values = [v / k["eigenvalues"][0] for v in k["eigenvalues"]]
            places = range(1, len(values) + 1)
            label = name + (" (J Jᵀ)" if field == "grid" else " (J K Jᵀ)")
            axes[0][column].semilogy(places, values, color=COLOURS[field], label=label)
            axes[1][column].plot(places, k["mean_frequencies_hz"], ".", markersize=4, color=COLOURS[field], label=label)
        axes[0][column].set_title(title)
        axes[0][column].set_ylabel("eigenvalue / largest")
        axes[0][column].set_ylim(1e-5, 1.3)
        axes[1][column].set_ylabel("mean frequency of the eigenvector (Hz)")
        axes[1][column].set_xlabel("place")
        for axis in (axes[0][column], axes[1][column]):
            axis.grid(alpha=0.3)
    axes[0][1].legend(loc="lower left")
    figure.tight_layout()
    figure.savefig(os.path.join(folder, "eigenvalues.png"), dpi=90)
