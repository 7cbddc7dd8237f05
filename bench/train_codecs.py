#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trains the decoders that the compression studies decode with, each a run of task `compress`.

  fine      four families of layers, seed 11, 200 scenes each at 280 x 280: super-resolution, codes of means over pixels
  layered   the same 800 scenes at 70 x 70: waveform inversion for a code, interpolation, rate and distortion
  style     400 maps each of Style-A and Style-B at 70 x 70: rate and distortion

The third decoder of rate and distortion, codes of 256 for five families, is the one of 600 maps of bench/scaling.py. A
decoder that is there is not trained again, a stopped one goes on.

  python bench/train_codecs.py --terrane build/release/bin/terrane --runs runs [--only fine,layered,style]
"""
import argparse
import json
import os
import subprocess
import sys

LAYERS = ["flat-vel-a", "curve-vel-a", "flat-fault-a", "curve-fault-a"]
CODECS = {
    "fine": {"models": {"families": LAYERS, "size": 280}, "codec": {"width": 128, "steps": 12000, "full_from": 1}},
    "layered": {"models": {"families": LAYERS, "size": 70}, "codec": {"width": 128, "steps": 8000, "full_from": 1}},
    "style": {"models": {"families": ["style-a", "style-b"], "size": 70}, "codec": {"width": 96, "steps": 8000, "full_from": 1}},
}


def config(name, threads):
    c = CODECS[name]
    return {"task": "compress", "name": name, "seed": 0, "threads": threads,
            "models": {"type": "generated", "count": 800, "hold_out": 0, "seed": 11, **c["models"]},
            "codec": {"type": "auto-decoder", "code": 64, "layers": 4, "baselines": False, **c["codec"]},
            "checkpoint": {"every_iterations": 1000}, "report": {"enabled": False}}


def trained(terrane, runs, name, wanted):
    """Folder and result of the run of a config: trains it, goes on with it, or keeps what is complete. A run that was made
    with other settings ends the program."""
    run = os.path.join(runs, name)
    done = os.path.join(run, "result.json")
    if not os.path.exists(done):
        if os.path.exists(os.path.join(run, "checkpoint")):
            subprocess.run([terrane, "resume", run], check=True, stdout=subprocess.DEVNULL)
        else:
            os.makedirs(runs, exist_ok=True)
            with open(run + ".json", "w", encoding="utf-8") as f:
                json.dump(wanted, f)
            subprocess.run([terrane, "run", run + ".json", "--out", run], check=True, stdout=subprocess.DEVNULL)
    with open(done, encoding="utf-8") as f:
        result = json.load(f)
    with open(os.path.join(run, "resolved.json"), encoding="utf-8") as f:
        held = json.load(f)
    for part, settings in wanted.items():
        if isinstance(settings, dict) and any(held[part][k] != v for k, v in settings.items()):
            sys.exit("%s was made with other settings in \"%s\"" % (run, part))
    return run, result


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--terrane", required=True)
    p.add_argument("--runs", required=True)
    p.add_argument("--only", default="fine,layered,style")
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    for name in a.only.split(","):
        _, r = trained(a.terrane, a.runs, name, config(name, a.threads))
        print(json.dumps({"codec": name, "training_db": r["train"]["psnr_full_db"], "seconds": r["time"]["wall_s"]}), flush=True)


if __name__ == "__main__":
    main()
