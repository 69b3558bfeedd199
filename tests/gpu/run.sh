#!/usr/bin/env bash
# What only a GPU can show, in six minutes at most: measured by tests/gpu/measure.py.
#
#   tests/gpu/run.sh WHEELS OUT      Python with a CUDA torch, and a folder of wheels
#   MLFF_GPU_DRY=1 tests/gpu/run.sh  on the CPU, in the environment of PYTHON: does the script work?
#
# The wheels are made where there is a network, torch and CUDA left out:
#   pip wheel -c constraints.txt -w WHEELS ".[nequip,xdist,report]" && rm -f WHEELS/{torch-,nvidia,triton}*
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
wheels=${1:-$root/wheels}
out=$(mkdir -p "${2:-$root/gpu-report}" && cd "${2:-$root/gpu-report}" && pwd)
python=${PYTHON:-python3}
export OMP_NUM_THREADS=1
if [ -z "${MLFF_GPU_DRY:-}" ]; then
  "$python" -c "import torch; assert torch.cuda.is_available(), 'torch sees no GPU'"
  "$python" -m venv --system-site-packages "$out/venv"
  python=$out/venv/bin/python
  "$python" -m pip install --quiet --no-index --find-links "$wheels" "pytest-mlff[nequip,xdist,report]"
fi
timeout "${MLFF_GPU_LIMIT:-360}" "$python" "$root/tests/gpu/measure.py" "$out"
