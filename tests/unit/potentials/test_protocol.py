"""What a model says must be real numbers as they stand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase.calculators.calculator import Calculator

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.errors import MlffError
from pytest_mlff.potentials.families.ase import AsePotential
from pytest_mlff.potentials.protocol import Prediction

PLAIN = {"energy": -1.0, "forces": np.zeros((2, 3)), "stress": np.zeros(6)}
HALF = np.ma.masked_array(np.zeros((2, 3)), mask=[[True] * 3, [False] * 3])


class Says(Calculator):  # type: ignore[misc]
    implemented_properties = ("energy", "forces", "stress")

    def __init__(self, **said: Any) -> None:
        super().__init__()
        self.said = said

    def calculate(self, *_arguments: Any, **_more: Any) -> None:
        self.results = {**PLAIN, **self.said}


def crystal() -> Frames:
    positions = np.array([[[0.0, 0, 0], [1.5, 0, 0]]])
    cell = np.eye(3)[None] * 5.0
    frames = Frames.of_one_molecule(np.array([6, 6]), positions)
    return Frames(frames.numbers, frames.positions, frames.counts, cell, np.ones((1, 3), bool))


def asked(**said: Any) -> Prediction:
    return AsePotential.wrap(Says(**said), name="says", source="says").predict(crystal())


@pytest.mark.parametrize(
    "said, why",
    [
        ({"energy": "-1.0"}, "energy: of type <U4"),
        ({"energy": -1.0 + 2.0j}, "energy: of type complex128"),
        ({"energy": True}, "energy: of type bool"),
        ({"forces": HALF}, "forces: some numbers are masked"),
        ({"forces": np.zeros((2, 3)).astype(str)}, "forces: of type <U"),
        ({"stress": np.zeros(6).astype(complex)}, "stress: of type complex128"),
    ],
)
def test_a_calculator_that_says_no_real_numbers(said: dict[str, Any], why: str) -> None:
    with pytest.raises(MlffError, match=why):
        asked(**said)


@pytest.mark.parametrize(
    "said",
    [{"energy": np.array([-1])}, {"energy": np.float32(-1)}, {"forces": np.ma.zeros((2, 3))}, {}],
)
def test_real_numbers_of_any_type_go(said: dict[str, Any]) -> None:
    found = asked(**said)
    assert found.energy[0] == -1.0
    assert not found.forces.any()


@pytest.mark.parametrize("quantity", ["energy", "forces", "stress"])
@pytest.mark.parametrize("spoil", [np.ma.masked_all_like, lambda array: array.astype(complex)])
def test_no_adapter_says_them_either(quantity: str, spoil: Any) -> None:
    arrays = {"energy": np.zeros(1), "forces": np.zeros((2, 3)), "stress": np.zeros((1, 3, 3))}
    Prediction(**arrays)
    with pytest.raises(MlffError, match=quantity):
        Prediction(**arrays | {quantity: spoil(arrays[quantity])})
