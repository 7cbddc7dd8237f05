# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: MIT
# Functions shared by tools/demo, tools/test, tools/vendor-deps, tools/gpu-check and .ci/run. Sourced, not run.

TERRANE_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Debian 12 packages. The first list builds the program, the second adds the tests.
TERRANE_BUILD_PACKAGES=(g++ cmake ninja-build libcli11-dev libspdlog-dev libfmt-dev nlohmann-json3-dev libeigen3-dev
  libpng-dev zlib1g-dev libopenblas-openmp-dev liblapacke-dev)
TERRANE_TEST_PACKAGES=(libgtest-dev python3 python3-numpy python3-pil pkg-config)

say() { printf '==> %s\n' "$*" >&2; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Prints the packages of the argument list that are not there. A program that is on the PATH counts as there, wherever
# it came from.
missing_packages() {
  local package
  for package in "$@"; do
    case $package in
      g++ | cmake | git | pkg-config | python3) have "$package" && continue ;;
      ninja-build) have ninja && continue ;;
      clang-format-14) have clang-format-14 && continue ;;
    esac
    if have dpkg-query; then
      dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed && continue
    fi
    printf '%s\n' "$package"
  done
}

# Installs what is missing and nothing else; says what it does. Needs root or sudo only when something is missing.
need_packages() {
  local missing as_root=()
  mapfile -t missing < <(missing_packages "$@")
  if [ ${#missing[@]} -eq 0 ]; then
    say "all needed packages are installed"
    return 0
  fi
  if ! have apt-get; then
    die "apt-get was not found. Install the equivalents of these Debian packages by hand and start again: ${missing[*]}
       On a machine without a package manager see tools/vendor-deps and -DTERRANE_DEPS."
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if ! have sudo; then
      die "these packages are missing and neither root nor sudo is available. Ask for, or run as root:
       apt-get install -y ${missing[*]}"
    fi
    as_root=(sudo)
  fi
  say "installing with apt-get: ${missing[*]}"
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
}

# Parallel compilations: one a core, fewer where memory is short (about 1.5 GB each).
build_jobs() {
  local cores memory_kb jobs
  # nproc obeys OMP_NUM_THREADS, which is about the runs and not about the build.
  cores=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc 2>/dev/null || echo 1)
  memory_kb=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo 2>/dev/null || echo 0)
  jobs=$((${memory_kb:-0} / 1500000))
  [ "$jobs" -lt 1 ] && jobs=1
  [ "$jobs" -gt "$cores" ] && jobs=$cores
  printf '%s\n' "$jobs"
}

# The Python that sees NumPy, for the tests that compare with it: another one may stand first on the PATH.
test_python() {
  local python
  for python in "${TERRANE_PYTHON:-python3}" /usr/bin/python3; do
    if "$python" -c 'import numpy' >/dev/null 2>&1; then
      printf '%s\n' "$python"
      return
    fi
  done
  printf 'python3\n'
}

have_gpu() { have nvidia-smi && nvidia-smi -L 2>/dev/null | grep -q '^GPU '; }
have_nvcc() { have nvcc || [ -x /usr/local/cuda/bin/nvcc ]; }

# The preset for a run on this machine: compiling device code takes minutes and gains nothing without a GPU.
native_preset() {
  if have_gpu && have_nvcc; then echo release; else echo cpu; fi
}

# configure PRESET BUILD_DIR [cmake options]: the generator of an existing build tree is kept; sources in batches. A
# build that runs here gets the kernels of this processor alone.
configure() {
  local preset=$1 build=$2 generator=() variants=()
  shift 2
  case $preset in cpu | release) variants=(-DTERRANE_CPU_VARIANTS=native) ;; esac
  if [ ! -f "$build/CMakeCache.txt" ] && [ -z "${CMAKE_GENERATOR:-}" ] && have ninja; then generator=(-G Ninja); fi
  (cd "$TERRANE_ROOT" && cmake --preset "$preset" -B "$build" "${generator[@]}" -DTERRANE_UNITY=ON "${variants[@]}" "$@")
}

# build BUILD_DIR [targets]
build() {
  local build=$1
  shift
  local target=()
  [ $# -gt 0 ] && target=(--target "$@")
  cmake --build "$build" --parallel "$(build_jobs)" "${target[@]}"
}
