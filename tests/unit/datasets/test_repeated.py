"""Labels under other names never reach the model, what resembles them does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from ase.io import write
from support.mutated import copper

from pytest_mlff.datasets import open_dataset
from pytest_mlff.specs import DatasetOption

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlff.datasets.frames import Frames


def frames_of(folder: Path, count: int, *, digits: int = 12) -> Frames:
    """Crystals whose comments and columns say their labels again, and further things."""
    rng, structures = np.random.default_rng(0), copper(count)
    for index, atoms in enumerate(structures):
        energy, forces, stress = (
            atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(voigt=False)
        )  # fmt: skip
        atoms.info |= {
            "target": round(energy, digits), "kcal": 23.06 * energy, "each": energy / len(atoms),
            "word": f"{energy:.9f}", "pull": -stress, "field": 0.01 * index,
            "cheap": energy + 0.01 * rng.normal(), "tag": "a",
        }  # fmt: skip
        if count > 3:
            atoms.info["lifted"] = energy + 5.0
        atoms.arrays["REFForces"] = forces
        atoms.arrays["slope"] = -forces
        atoms.arrays["along"] = forces[:, 0].copy()
        atoms.arrays["cheap3"] = forces + 0.01 * rng.normal(size=forces.shape)
    write(folder / "a.extxyz", structures)
    source = open_dataset("own", DatasetOption(path="a.extxyz"), spec_dir=folder)
    return source.load("a").frames


@pytest.mark.parametrize("count, digits", [(6, 12), (6, 5), (2, 12)])
def test_a_label_in_other_words_is_left_out(tmp_path: Path, count: int, digits: int) -> None:
    frames = frames_of(tmp_path, count, digits=digits)
    few = {"kcal"} if count == 2 else set()  # two numbers are anybody's multiple
    assert set(frames.per_frame) == {"field", "cheap", "tag"} | few
    assert set(frames.per_atom) == {"cheap3"}
    assert frames.labelled("energy").all()
