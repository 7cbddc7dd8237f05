# SPDX-License-Identifier: MIT
"""What stands beside every measured figure, and how the results of a study are kept."""
import datetime
import json
import os
import platform


def processor():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def merge(a, b):
    """b over a; objects member by member."""
    out = dict(a)
    for k, v in b.items():
        out[k] = merge(out[k], v) if isinstance(v, dict) and isinstance(out.get(k), dict) else v
    return out


def save(path, result, **more):
    """Adds date, processor and `more` to a result and replaces the file by it."""
    result.update({"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="minutes"),
                   "processor": processor(), **more})
    with open(path + ".part", "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    os.replace(path + ".part", path)
