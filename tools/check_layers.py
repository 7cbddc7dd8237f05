#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Fails on an include that goes up the layers and on CUDA names outside kernels/.

kernels <- autodiff <- physics, analysis <- engine <- tools, bench, tests
"""
import pathlib
import re
import sys

ALLOWED = {
    "kernels": {"kernels"},
    "autodiff": {"kernels", "autodiff"},
    "physics": {"kernels", "autodiff", "physics"},
    "analysis": {"kernels", "autodiff", "analysis"},
    "engine": {"kernels", "autodiff", "physics", "analysis", "engine"},
    "tools": {"kernels", "autodiff", "physics", "analysis", "engine", "tools"},
    "bench": {"kernels", "autodiff", "physics", "analysis", "engine", "bench"},
    "tests": {"kernels", "autodiff", "physics", "analysis", "engine", "tools", "tests"},
}
# The one include against the order: the CUDA launch header takes the emulator when it is compiled for the tests.
EXCEPTIONS = {("kernels/runtime/launch_cuda.hpp", "tests/support/cuda_emulator.hpp")}
CUDA_NAME = re.compile(r"\b(cuda[A-Z]\w*|__global__|__device__|__shared__|threadIdx|blockIdx|cublas\w*|cusolver\w*|cufft\w*)\b")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
COMMENT = re.compile(r"//.*|/\*.*?\*/|\"(?:[^\"\\]|\\.)*\"")


def main() -> int:
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    violations = []
    for layer, allowed in ALLOWED.items():
        for path in sorted((root / layer).rglob("*")):
            if path.suffix not in {".hpp", ".h", ".cpp", ".cu", ".c"} or "third_party" in path.parts:
                continue
            name = path.relative_to(root).as_posix()
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                match = INCLUDE.match(line)
                if match:
                    target = match.group(1)
                    folder = target.split("/")[0]
                    if folder in ALLOWED and folder not in allowed and (name, target) not in EXCEPTIONS:
                        violations.append(f"{name}:{number}: {layer} must not include {target}")
                elif layer not in {"kernels", "tests"} and CUDA_NAME.search(COMMENT.sub("", line)):
                    violations.append(f"{name}:{number}: CUDA name outside kernels/: {line.strip()}")
    for violation in violations:
        print(violation)
    print(f"{len(violations)} layer violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
