"""What a law says is in physical units, and true."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pytest_mlff.laws import run_law
from pytest_mlff.laws.mutants import FAULTS, mutant
from pytest_mlff.laws.symmetry import rotation_matrix
from pytest_mlff.laws.wording import amount, axis_angle, share


@pytest.mark.parametrize("seed", range(8))
def test_axis_and_angle_are_those_of_the_rotation(seed: int) -> None:
    matrix = rotation_matrix(seed)
    angle, *axis = map(float, re.findall(r"-?[\d.]+", axis_angle(matrix)))
    again = Rotation.from_rotvec(np.radians(angle) * np.array(axis) / np.linalg.norm(axis))
    assert np.abs(again.as_matrix() - matrix).max() < 0.03


def test_half_a_turn_has_an_axis_too() -> None:
    assert axis_angle(np.diag([-1.0, -1.0, 1.0])) in (
        "180° about (0.00, 0.00, 1.00)",
        "180° about (0.00, 0.00, -1.00)",
    )


@pytest.mark.parametrize(
    "value, unit, told",
    [(0.83, "meV/Å", "0.83 meV/Å"), (12345.0, "meV/Å²", "12.3 eV/Å²"), (3.0, "bytes", "3 bytes")],
)
def test_amounts(value: float, unit: str, told: str) -> None:
    assert amount(value, unit) == told


def test_shares() -> None:
    assert share(0.83, 207.5) == "0.4 % of"
    assert share(50.0, 2.0) == "25 times"


def test_a_headline_holds_the_change_its_share_and_what_rounding_explains() -> None:
    found = run_law("rotation", mutant("stretched_axis", 0.01), strictness="fast")
    pattern = (
        r"turning this molecule by \d+° about \(.*\) changes the forces by (\S+) (meV|eV)/Å, "
        r"\S+ % of their size; rounding explains \S+ meV/Å"
    )
    told = re.fullmatch(pattern, found.headline)
    assert told is not None, found.headline
    assert found.counterexample is not None
    before, after = (
        np.array([float(one) for one in re.search(r"\((.*)\) eV", fact)[1].split(",")])
        for fact in (text.partition(":")[2] for text in found.counterexample.facts)
    )
    change = np.abs(after - before).max() * (1000.0 if told[2] == "meV" else 1.0)
    assert change == pytest.approx(float(told[1]), rel=0.05)


@pytest.mark.parametrize("name", [name for name in FAULTS if name not in ("leak", "kinked_force")])
def test_no_law_speaks_of_thresholds(name: str) -> None:
    """Every mutant's headline is a sentence about the model."""
    found = run_law(FAULTS[name].law, mutant(name), strictness="fast", examples=4, seed=1)
    assert "threshold" not in found.summary()
    assert ": off by" not in found.headline


def test_a_jump_of_the_force_slope_is_reported_and_breaks_only_who_asks() -> None:
    kinked = mutant("kinked_force", 0.1)
    found = run_law("smoothness", kinked, strictness="fast")
    assert found.holds
    assert "the force slope jumps by" in found.remark
    assert found.remark in found.detail()
    strict = run_law("smoothness", kinked, strictness="fast", options={"continuity": 2})
    assert not strict.holds
    assert "the force slope jumps by" in strict.headline
