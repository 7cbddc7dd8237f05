# SPDX-License-Identifier: MIT
"""What stands beside every measured figure."""
import platform


def processor():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()
