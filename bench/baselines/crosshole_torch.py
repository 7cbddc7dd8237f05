#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Case 1 of the cross-hole study (recipe nfs-inv/case-1), whole iterations, in terrane and in PyTorch, interleaved.

The same network (LeakyReLU 0.2, 4 encoded inputs, 264,065 weights, the published initial ones), the same sparse matrix of
smeared rays, the same data, full batch, Adam. Both sides must follow the same misfit curve: no ratio is printed when a
misfit of the first iterations differs by more than 1e-4.

  TERRANE_DATA=... python crosshole_torch.py --terrane build/bin/terrane --output result.json

  TERRANE_DATA=... python crosshole_torch.py --seeds 1 2 3 --iterations 999 --output seeds.json

runs PyTorch alone from its own initial weights: chi2 and error of the model after the study's number of iterations, to
tell what another program makes of other seeds.

Needs numpy, scipy and torch. Every repeat is a process of its own on either side, one after the other; seconds per
iteration are medians over the iterations after the second.
"""
import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile

from machine import processor

RAYS, WEIGHT = 4225, 1.0 / 8192


def run_terrane(program, folder, iterations, threads):
    table = {"task": "reproduce", "recipe": "nfs-inv/case-1", "settings":
             {"optimizer": {"iterations": iterations}, "checkpoint": {"every_iterations": 0}, "report": {"enabled": False}}}
    with open(folder + "/table.json", "w") as f:
        json.dump(table, f)
    subprocess.run([program, "run", folder + "/table.json", "--out", folder + "/table", "--overwrite", "--threads",
                    str(threads), "--device", "cpu", "-qq"], stdout=subprocess.DEVNULL)
    lines = [json.loads(x) for x in open(folder + "/table/rows/nfs-inv-case-1-seed-0/progress.jsonl")]
    return {"seconds": [x["time_s"] for x in lines], "misfit": [x["chi2"] * 400 * RAYS for x in lines]}


def torch_side(iterations, threads, seed=None):
    """From the published initial weights, or from those of torch for a seed."""
    import time

    import numpy as np
    import scipy.sparse
    import torch
    torch.set_num_threads(threads)
    data = os.environ["TERRANE_DATA"] + "/nfs_inv/"
    depth = 127 * np.arange(65) / 64
    rows, columns, values = [], [], []
    x, z = np.arange(64), np.arange(128)
    for a in range(65):
        for b in range(65):
            p = depth[a] + (depth[b] - depth[a]) / 63 * x
            k = np.exp(-((z[None, :] - p[:, None]) ** 2) / 2)
            i, j = np.nonzero(k >= 0.1)
            rows.append(np.full(i.size, 65 * a + b))
            columns.append(128 * i + j)
            values.append(k[i, j])
    matrix = scipy.sparse.csr_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))),
                                     shape=(RAYS, 8192)).astype(np.float32)
    matrix = torch.sparse_csr_tensor(torch.from_numpy(matrix.indptr.astype(np.int64)),
                                     torch.from_numpy(matrix.indices.astype(np.int64)), torch.from_numpy(matrix.data),
                                     size=matrix.shape)
    observed = torch.from_numpy(np.load(data + "case1_data_noisy.npy").astype(np.float32))
    grid = np.stack(np.meshgrid(np.linspace(0, 1, 64), np.linspace(0, 1, 128), indexing="ij"), -1).reshape(-1, 2)
    q = 2 * np.pi * grid.astype(np.float32)
    features = torch.from_numpy(np.concatenate([np.sin(q), np.cos(q)], 1).astype(np.float32))
    weights = np.load(data + "init_in4_weights.npz")
    widths = [4, 128, 256, 256, 256, 256, 128, 1]
    layers = []
    if seed is not None:
        torch.manual_seed(seed)
    for k in range(7):
        linear = torch.nn.Linear(widths[k], widths[k + 1])
        if seed is None:
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(weights[f"b{k + 1}.0.weight"]))
                linear.bias.copy_(torch.from_numpy(weights[f"b{k + 1}.0.bias"]))
        layers += [linear] + ([torch.nn.LeakyReLU(0.2)] if k < 6 else [])
    net = torch.nn.Sequential(*layers)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    out = {"seconds": [], "misfit": [], "torch": torch.__version__}
    for _ in range(iterations):
        begin = time.perf_counter()
        optimizer.zero_grad()
        residual = torch.mv(matrix, (10 * torch.tanh(net(features))).flatten()) - observed
        loss = WEIGHT * (residual * residual).sum()
        loss.backward()
        optimizer.step()
        out["seconds"].append(time.perf_counter() - begin)
        out["misfit"].append(float(loss) / WEIGHT)
    if seed is not None:
        with torch.no_grad():
            m = (10 * torch.tanh(net(features))).flatten().numpy().astype(float)
            residual = torch.mv(matrix, torch.from_numpy(m.astype(np.float32))) - observed
        true = np.load(data + "case1_true_slowness.npy").astype(float)
        true = true.T if true.shape == (128, 64) else true  # rows of x, as the features
        out = {"seed": seed, "chi2": float((residual.double() ** 2).sum()) / (400 * RAYS),
               "rmse_s_per_km": float(np.sqrt(np.mean((m - true.ravel()) ** 2))), "seconds": sum(out["seconds"])}
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--terrane", default="terrane")
    p.add_argument("--output", default="crosshole_torch.json")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--iterations", type=int, default=40)
    p.add_argument("--repeats", type=int, default=5)
    p.add_argument("--seeds", type=int, nargs="+")
    p.add_argument("--torch-side", action="store_true", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.torch_side:
        json.dump(torch_side(a.iterations, a.threads), sys.stdout)
        return
    if "TERRANE_DATA" not in os.environ:
        sys.exit("TERRANE_DATA must name the folder that holds nfs_inv")
    if a.seeds:
        import torch
        rows = [torch_side(a.iterations, a.threads, seed) for seed in a.seeds]
        result = {"case": "nfs-inv/case-1 in PyTorch, its own initial weights", "iterations": a.iterations,
                  "rows": rows, "median_rmse_s_per_km": statistics.median(r["rmse_s_per_km"] for r in rows),
                  "torch": torch.__version__, "machine": processor(), "date": datetime.date.today().isoformat()}
        with open(a.output, "w") as f:
            json.dump(result, f, indent=1)
            f.write("\n")
        print(json.dumps(rows))
        return
    ours, theirs, load = [], [], []
    for _ in range(a.repeats):
        with tempfile.TemporaryDirectory() as folder:
            ours.append(run_terrane(a.terrane, folder, a.iterations, a.threads))
        side = subprocess.run([sys.executable, __file__, "--torch-side", "--threads", str(a.threads), "--iterations",
                               str(a.iterations)], check=True, capture_output=True, text=True)
        theirs.append(json.loads(side.stdout))
        load.append(os.getloadavg()[0])
    difference = max(abs(u / v - 1) for u, v in zip(ours[0]["misfit"][:11], theirs[0]["misfit"][:11]))
    if difference > 1e-4:
        sys.exit(f"the misfits differ by {difference:.2g}: no ratio")
    per = [statistics.median(r["seconds"][2:]) for r in ours], [statistics.median(r["seconds"][2:]) for r in theirs]
    s = [statistics.median(x) for x in per]
    result = {"case": "nfs-inv/case-1, full batch, 264,065 weights, 8192 cells, 4225 rays",
              "seconds_per_iteration": {"terrane": s[0], "torch": s[1], "terrane_all": per[0], "torch_all": per[1]},
              "ratio": s[1] / s[0], "misfit_difference_first_11": difference, "threads": a.threads,
              "iterations": a.iterations, "repeats": a.repeats, "torch": theirs[0]["torch"], "machine": processor(),
              "cores": os.cpu_count(), "load_average_1min": load, "date": datetime.date.today().isoformat()}
    with open(a.output, "w") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    print(f"terrane {s[0]:.4f} s, torch {s[1]:.4f} s an iteration: {result['ratio']:.2f} x; misfits agree to {difference:.1e}")


if __name__ == "__main__":
    main()
