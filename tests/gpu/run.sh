#!/usr/bin/env bash
# What only a GPU can show, in six minutes at most: measured by tests/gpu/measure.py.
#
#   tests/gpu/run.sh WHEELS OUT      Python with a CUDA torch, and a folder of wheels
#   MLFF_GPU_DRY=1 tests/gpu/run.sh  on the CPU, in the environment of PYTHON: does the script work?
#
# The wheels are made where there is a network, by a Python of the same version, torch and CUDA left out:
#   pip wheel -c constraints.txt -w WHEELS ".[nequip,xdist,report]" && rm -f WHEELS/{torch-,nvidia,triton}*
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
wheels=${1:-$root/wheels}
out=$(mkdir -p "${2:-$root/gpu-report}" && cd "${2:-$root/gpu-report}" && pwd)
python=${PYTHON:-python3}
export OMP_NUM_THREADS=1
if [ -z "${MLFF_GPU_DRY:-}" ]; then
  "$python" -c "import torch; assert torch.cuda.is_available(), 'torch sees no GPU'"
  # A folder, not an environment: one made from an environment does not see its torch.
  "$python" -m pip install --quiet --no-index --no-deps --upgrade --target "$out/site" "$wheels"/*.whl
  export PYTHONPATH=$out/site PATH=$out/site/bin:$PATH
fi
timeout "${MLFF_GPU_LIMIT:-360}" "$python" "$root/tests/gpu/measure.py" "$out"
