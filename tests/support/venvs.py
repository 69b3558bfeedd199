"""A second Python environment that holds numpy and nothing else, made without a network."""

from __future__ import annotations

import venv
from pathlib import Path

import numpy as np

__all__ = ["SPRINGS", "numpy_venv"]

SPRINGS = '''
import importlib.util
import os

import numpy as np

from pytest_mlff.potentials.protocol import PotentialInfo, Prediction


class Springs:
    """Each atom on a spring to the centre, in numpy alone."""

    one_by_one = False
    info = PotentialInfo(
        "springs", "own", "springs.py", None, None, None, "cpu", "float64",
        {name: str(importlib.util.find_spec(name) is not None) for name in ("ase", "pydantic")},
    )

    def predict(self, frames):
        stiffness = float(os.environ.get("STIFFNESS", "0.1"))
        counts = frames.counts[:, None]
        centre = np.add.reduceat(frames.positions, frames.offsets[:-1], axis=0) / counts
        away = frames.positions - centre[frames.frame_of_atom]
        square = np.add.reduceat((away**2).sum(axis=1), frames.offsets[:-1])
        return Prediction(0.5 * stiffness * square, -stiffness * away)


def make():
    return Springs()
'''


def numpy_venv(folder: Path) -> Path:
    """Make an environment of this interpreter whose site-packages hold numpy alone."""
    venv.create(folder, with_pip=False, symlinks=True)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    beside = Path(np.__file__).parents[1]
    for name in ("numpy", "numpy.libs", f"numpy-{np.__version__}.dist-info"):
        if (beside / name).exists():
            (site_packages / name).symlink_to(beside / name)
    return folder
