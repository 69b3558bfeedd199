"""Checks of data are done once, and their results are those of the checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import pytest_mlff.datasets.integrity as integrity
from pytest_mlff.datasets.splits import FrameSets, cut
from pytest_mlff.errors import NotSupportedError
from pytest_mlff.metrics.registry import metrics
from pytest_mlff.run.data_checks import Soundness
from pytest_mlff.run.plan import plan_spec
from pytest_mlff.specs import builtin_folder
from pytest_mlff.store import Store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def sets() -> dict[str, FrameSets]:
    planned = plan_spec(builtin_folder() / "quick.yaml", None, None)
    return {
        name: cut(planned.variant(name), planned.source) for name in ("ethanol", "malonaldehyde")
    }


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    calls: list[str] = []
    real = integrity.check_integrity

    def counting(name: str, sets: FrameSets) -> integrity.IntegrityResult:
        calls.append(name)
        return real(name, sets)

    monkeypatch.setattr(integrity, "check_integrity", counting)
    return calls


@pytest.mark.parametrize("name", sorted(metrics("data")))
def test_stored_results_are_those_of_the_check(
    name: str, sets: dict[str, FrameSets], tmp_path: Path, counted: list[str]
) -> None:
    first = Soundness(Store(tmp_path)).check(name, sets["ethanol"])
    again = Soundness(Store(tmp_path)).check(name, sets["ethanol"])
    assert first == again == metrics("data")[name].resolved()(sets["ethanol"])
    assert counted == [name]


def test_other_frames_are_checked_anew(
    sets: dict[str, FrameSets], tmp_path: Path, counted: list[str]
) -> None:
    soundness = Soundness(Store(tmp_path))
    found = {name: soundness.check("duplicate_frames", one).reason for name, one in sets.items()}
    assert counted == ["duplicate_frames"] * 2
    ethanol = sets["ethanol"]
    soundness.check("duplicate_frames", FrameSets(test=ethanol.test, train=ethanol.test))
    assert len(counted) == 3
    assert found.keys() == sets.keys()


def test_what_cannot_be_told_is_remembered_as_such(
    sets: dict[str, FrameSets], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def cannot(name: str, sets: FrameSets) -> integrity.IntegrityResult:
        calls.append(name)
        raise NotSupportedError("too far apart: 3 and 4")

    monkeypatch.setattr(integrity, "check_integrity", cannot)
    for _ in range(2):
        with pytest.raises(NotSupportedError, match="too far apart: 3 and 4"):
            Soundness(Store(tmp_path)).check("energy_force_consistency", sets["ethanol"])
    assert calls == ["energy_force_consistency"]
