"""Levels of theory: accuracy binds where they agree, and a false green is never the price."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.datasets.levels import same_level
from pytest_mlff.gate.threshold import Judgement, Verdict
from pytest_mlff.metrics.errors import measure
from pytest_mlff.potentials.protocol import Prediction
from pytest_mlff.run.levels import judged_by_level, with_offset

FAILED = Judgement(Verdict.FAILED, "50 is above 45")
PASSED = Judgement(Verdict.PASSED, "40 ≤ 45")


def sample(offset: float) -> tuple[Frames, Prediction]:
    """Forty frames of water, energies off by ``offset`` eV/atom and by noise of 1 meV/atom."""
    rng = np.random.default_rng(0)
    frames = Frames.of_one_molecule(
        np.array([8, 1, 1]),
        rng.normal(size=(40, 3, 3)),
        energy=rng.normal(size=40),
        forces=rng.normal(size=(40, 3, 3)),
    )
    assert frames.energy is not None
    assert frames.forces is not None
    energy = frames.energy + 3 * (offset + 0.001 * rng.normal(size=40))
    return frames, Prediction(energy, frames.forces)


def judged(
    judgement: Judgement,
    offset: float,
    *,
    model: str | None = None,
    labels: str = "GFN2-xTB",
    own_data: bool = False,
    metric: str = "energy_mae",
) -> Judgement:
    frames, prediction = sample(offset)
    measurement = with_offset(metric, measure(metric, frames, prediction), frames, prediction)
    found, measurement = judged_by_level(
        judgement, measurement, frames, prediction, model=model, labels=labels, own_data=own_data
    )
    assert ("level" in measurement.evidence) == (found.verdict is Verdict.REPORTED)
    return found


@pytest.mark.parametrize("metric", ["energy_mae", "force_mae"])
@pytest.mark.parametrize(
    "offset, model, labels, own_data, binds",
    [
        (0.0, "GFN2-xTB", "GFN2-xTB", False, True),
        (0.0, "gfn2_xtb", "GFN2-xTB", False, True),
        (400.0, "GFN2-xTB", "GFN2-xTB", False, True),
        (0.0, "wB97X/6-31G(d)", "GFN2-xTB", False, False),
        (0.0, "wB97X/6-31G(d)", "GFN2-xTB", True, False),
        # Nobody says the level: energies of the builtin data tell, one's own data bind.
        (0.0, None, "GFN2-xTB", False, True),
        (0.9, None, "GFN2-xTB", False, True),
        (400.0, None, "GFN2-xTB", False, False),
        (400.0, None, "GFN2-xTB", True, True),
        (400.0, "PBE", "not stated", True, True),
    ],
)
def test_where_accuracy_binds(
    offset: float, model: str | None, labels: str, own_data: bool, binds: bool, metric: str
) -> None:
    for given in (FAILED, PASSED):
        found = judged(given, offset, model=model, labels=labels, own_data=own_data, metric=metric)
        # Of another level nothing passes, either.
        assert found.verdict is (given.verdict if binds else Verdict.REPORTED)
        assert binds or "the labels are of GFN2-xTB" in found.reason


def test_what_could_not_be_measured_stays_an_error() -> None:
    broken = Judgement(Verdict.ERROR, "not finite")
    assert judged(broken, 400.0, model="PBE").verdict is Verdict.ERROR


def test_a_constant_offset_is_named_beside_the_error_without_it() -> None:
    frames, prediction = sample(0.05)
    found = with_offset("energy_mae", measure("energy_mae", frames, prediction), frames, prediction)
    assert found.evidence["energy_offset"] == pytest.approx(50.0, abs=1.0)
    assert found.evidence["shift_free"] == pytest.approx(0.8, abs=0.3)
    assert "a constant offset of +49.87 meV/atom" in judged(FAILED, 0.05).reason
    assert "offset" not in judged(FAILED, 0.0).reason
    # Of another level, too: how well the model follows the shape is all that can be told.
    assert "a constant offset of +4e+05 meV/atom, without it 0.8" in judged(FAILED, 400.0).reason


def test_names_of_levels() -> None:
    assert same_level("GFN2-xTB", "gfn2 xtb")
    assert not same_level("PBE", "PBE0")
    assert not same_level("PBE+U 1.5", "PBE+U 15")
    assert not same_level("---", "...")
    assert not same_level("B3LYP", "B3LYP+D3")
