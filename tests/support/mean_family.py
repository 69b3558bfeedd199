"""A model family that costs nothing: the mean energy and forces of its training frames, in JSON.

Copied into model repositories of tests as ``family.py``. It leaves traces beside itself:
``trained`` holds a line for each training, ``prefixes`` the interpreter of each model.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from pytest_mlff.potentials.protocol import PotentialInfo, Prediction

HERE = Path(__file__).parent


def _note(name: str, line: str) -> None:
    with (HERE / name).open("a") as stream:
        stream.write(line + "\n")


def fit(fixture: Any, config: Any, out_dir: Path) -> Path:
    """Means of the training frames, half of them where training starts from a checkpoint."""
    _note("trained", fixture.variant)
    frames = fixture.train
    forces = frames.forces.reshape(len(frames), -1, 3).mean(axis=0)
    if fixture.start is not None:
        forces = (forces + np.array(json.loads(fixture.start.read_text())["forces"])) / 2
    forces = forces * (1 + 0.01 * fixture.seed)
    path = out_dir / "mean.ckpt"
    told = {"energy": float(frames.energy.mean()), "forces": forces.tolist(), "of": "mean"}
    path.write_text(json.dumps(told))
    return path


fit.heeds = ("from",)  # type: ignore[attr-defined]


def nothing(fixture: Any, config: Any, out_dir: Path) -> None:
    """A trainer that forgets to say where its checkpoint lies."""


class Mean:
    one_by_one = False

    def __init__(self, path: Path, options: Any) -> None:
        content = path.read_bytes()
        told = json.loads(content)
        self.energy, self.forces = told["energy"], np.array(told["forces"])
        self.info = PotentialInfo(
            options.name, "mean", options.source, hashlib.sha256(content).hexdigest(), None, None,
            "cpu", "float64", {},
        )  # fmt: skip
        _note("prefixes", sys.prefix)

    def predict(self, frames: Any) -> Prediction:
        n = len(frames)
        return Prediction(np.full(n, self.energy), np.tile(self.forces, (n, 1)))


class MeanAdapter:
    family, extra = "mean", "mean"

    def recognises(self, kind: Any) -> bool:
        return kind.path.suffix == ".ckpt" and b'"of": "mean"' in kind.path.read_bytes()

    def load(self, kind: Any, options: Any) -> Mean:
        return Mean(kind.path, options)


def pytest_mlff_adapters(config: Any) -> list[MeanAdapter]:
    """The repository's ``conftest.py`` takes this hook from here."""
    return [MeanAdapter()]
