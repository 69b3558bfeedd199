"""Models that are worse by a known amount move each error by what is computed by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.repos import model_repo, read_json, run_case

if TYPE_CHECKING:
    from pytest import Pytester


def _values(pytester: Pytester, model: str) -> dict[str, float]:
    model_repo(pytester)
    run_case(pytester, model=model)
    cases = read_json(pytester.path / "report.json")["cases"]
    return {case["case_id"].removeprefix("specs/small/ethanol/"): case["value"] for case in cases}


def _test_forces() -> tuple[np.ndarray, np.ndarray]:
    from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER

    with np.load(EMBEDDED_FOLDER / "ethanol.npz") as archive:
        n = len(archive["positions"])
        return archive["numbers"], archive["forces.gfn2-xtb"][n * 98 // 100 :].astype(float)


def test_an_energy_shift_moves_the_energy_alone(pytester: Pytester) -> None:
    values = _values(pytester, "models.py:shifted")
    assert values.pop("energy_mae") == pytest.approx(1.0, rel=1e-6)
    assert set(values.values()) == {0.0}


def test_forces_too_large_by_a_twentieth(pytester: Pytester) -> None:
    values = _values(pytester, "models.py:scaled")
    numbers, forces = _test_forces()
    by_hand = 0.05 * np.abs(forces) * 1000
    assert values["energy_mae"] == 0.0
    assert values["force_mae"] == pytest.approx(by_hand.mean(), rel=1e-6)
    for symbol, number in (("C", 6), ("H", 1), ("O", 8)):
        assert values[f"force_mae[{symbol}]"] == pytest.approx(
            by_hand[:, numbers == number].mean(), rel=1e-6
        )


def test_noise_of_ten_mev_per_angstrom(pytester: Pytester) -> None:
    values = _values(pytester, "models.py:noisy")
    # The mean of |x| of a Gaussian is √(2/π) σ; 1,107 components leave it 2.3 % uncertain.
    components = _test_forces()[1].size
    expected = 10.0 * np.sqrt(2 / np.pi)
    spread = 10.0 * np.sqrt(1 - 2 / np.pi) / np.sqrt(components)
    assert abs(values["force_mae"] - expected) < 4 * spread
    assert values["energy_mae"] == 0.0


@pytest.mark.parametrize(
    "model, red",
    [
        ("shifted", {"energy_mae"}),
        ("scaled", {"force_mae"}),
        ("noisy", {"force_mae"}),
    ],
)
def test_each_turns_red(pytester: Pytester, model: str, red: set[str]) -> None:
    model_repo(pytester)
    result = run_case(pytester, model=f"models.py:{model}")
    assert result.ret == 1
    cases = read_json(pytester.path / "report.json")["cases"]
    assert {case["metric"] for case in cases if case["verdict"] == "failed"} == red
    for case in cases:
        assert (case["verdict"] == "failed") == (case["value"] > case["threshold"])
