#!/usr/bin/env bash
# What only a GPU can show, in six minutes at most: measured by tests/gpu/measure.py.
#
#   tests/gpu/run.sh [WHEELS] [OUT]  PYTHON (python3) has a CUDA torch; WHEELS holds what it lacks
#   MLFF_GPU_DRY=1 tests/gpu/run.sh  on the CPU, in the environment of PYTHON: does the script work?
#
# The wheels are made where there is a network, by a Python of the same version, and installed as
# they are into a folder of their own (an environment made from one does not see its torch):
#   pip wheel -c constraints.txt -w WHEELS ".[nequip,xdist]" && rm -f WHEELS/{torch-,nvidia,triton}*
# This package runs from its checkout. OUT (gpu-report) gets gpu.md and gpu.json after each part.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
wheels=${1:-$root/wheels}
out=$(mkdir -p "${2:-$root/gpu-report}" && cd "${2:-$root/gpu-report}" && pwd)
python=${PYTHON:-python3}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1
# Plugins of the environment are nobody's business here.
export PYTEST_DISABLE_PLUGIN_AUTOLOAD=1
export PYTHONPATH=$root:$scratch/site${PYTHONPATH:+:$PYTHONPATH}
if [ -z "${MLFF_GPU_DRY:-}" ]; then
  "$python" -c "import torch; assert torch.cuda.is_available(), 'torch sees no GPU'"
  if compgen -G "$wheels/*.whl" > /dev/null; then
    "$python" -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir \
      --disable-pip-version-check --target "$scratch/site" "$wheels"/*.whl
  fi
  # What is missing is said at once; files that are read once are read fast afterwards.
  "$python" -c "import ase, hypothesis, nequip, pydantic, pytest, scipy, tqdm, xdist, yaml"
fi
timeout --kill-after=5 "${MLFF_GPU_LIMIT:-355}" "$python" "$root/tests/gpu/measure.py" "$out" "$scratch"
