"""What an update of a baseline may do: tighten on evidence, loosen for a reason."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from support.baselines import CARBON, ENERGY, FORCE, record, update

from pytest_mlff.errors import MlffError
from pytest_mlff.gate.baseline import (
    Acceptance,
    Baseline,
    BaselineCase,
    load_baseline,
    save_baseline,
)
from pytest_mlff.gate.update import Update, update_baseline

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def kinds(done: Update) -> dict[str, str]:
    return {change.case_id: change.kind for change in done.changes}


def test_update_tightens_only_on_significant_improvement(file: Path) -> None:
    baseline = load_baseline(file)
    lucky = record(CARBON, 0.999, noise=8.0, seed=3)
    assert lucky.value != baseline.cases[CARBON].record.value
    done = update(baseline, record(FORCE, 0.9), lucky, record(ENERGY, 1.2))
    assert kinds(done) == {FORCE: "tightened", CARBON: "kept", ENERGY: "kept"}
    assert done.baseline.cases[FORCE].record.value == record(FORCE, 0.9).value
    assert done.baseline.cases[FORCE].model_digest == "n" * 64
    assert done.baseline.cases[CARBON] is baseline.cases[CARBON]
    assert done.baseline.cases[ENERGY] is baseline.cases[ENERGY]
    reasons = {change.case_id: change.reason for change in done.changes}
    assert "--mlff-accept-regression" in reasons[ENERGY]
    save_baseline(done.baseline)
    assert load_baseline(file).cases[FORCE].record.value == record(FORCE, 0.9).value


def test_lucky_runs_do_not_ratchet_the_baseline_down(tmp_path: Path) -> None:
    """Twenty equally good models: a baseline that takes every better value sinks, ours stays."""
    baseline = Baseline(tmp_path / "b.json", "demo")
    baseline = update(baseline, record(FORCE, noise=20.0, seed=100)).baseline
    first = baseline.cases[FORCE].record.value
    greedy = first
    tightened = 0
    for seed in range(101, 121):
        run = record(FORCE, noise=20.0, seed=seed)
        greedy = min(greedy, run.value)
        done = update(baseline, run)
        tightened += kinds(done)[FORCE] == "tightened"
        baseline = done.baseline
    assert greedy < 0.985 * first
    assert tightened <= 3


def test_an_equally_good_model_rarely_tightens(tmp_path: Path) -> None:
    """Sixty independent pairs: at most 5 % and simulation error, not every second one."""
    tightened = 0
    for seed in range(0, 120, 2):
        old = Baseline(
            tmp_path / "b.json",
            "demo",
            {FORCE: BaselineCase(record(FORCE, noise=20.0, seed=seed), None)},
        )
        done = update(old, record(FORCE, noise=20.0, seed=seed + 1))
        tightened += kinds(done)[FORCE] == "tightened"
    assert tightened / 60 <= 0.05 + 2.4 * math.sqrt(0.05 * 0.95 / 60)


def test_loosening_needs_a_reason_which_is_kept(file: Path) -> None:
    baseline = load_baseline(file)
    done = update(
        baseline, record(FORCE, 1.2), record(CARBON), reason="  smaller cutoff,\n twice as fast "
    )
    assert kinds(done) == {FORCE: "accepted", CARBON: "kept", ENERGY: "orphaned"}
    save_baseline(done.baseline)
    kept = load_baseline(file).cases[FORCE]
    old, new = record(FORCE).value, record(FORCE, 1.2).value
    assert kept.accepted == (Acceptance("smaller cutoff, twice as fast", old, new, "2026-01-02"),)
    again = update(load_baseline(file), record(FORCE, 1.5), reason="second")
    assert [one.reason for one in again.baseline.cases[FORCE].accepted] == [
        "smaller cutoff, twice as fast",
        "second",
    ]
    tighter = update(again.baseline, record(FORCE, 0.5))
    assert len(tighter.baseline.cases[FORCE].accepted) == 2
    for empty in ("", "  ", "\n"):
        with pytest.raises(MlffError, match="needs a reason"):
            update(baseline, record(FORCE, 1.2), reason=empty)


def test_other_data_is_renewed_only_with_a_reason(file: Path) -> None:
    baseline = load_baseline(file)
    moved = record(FORCE, data="x" * 64)
    assert kinds(update(baseline, moved))[FORCE] == "refused"
    assert update(baseline, moved).baseline.cases[FORCE] is baseline.cases[FORCE]
    done = update(baseline, moved, reason="new labels")
    assert kinds(done)[FORCE] == "renewed"
    assert done.baseline.cases[FORCE].record.identity.data == "x" * 64
    assert done.baseline.cases[FORCE].accepted[0].reason == "new labels"


def test_first_update_adds_and_orphans_can_be_removed(file: Path, tmp_path: Path) -> None:
    done = update(Baseline(tmp_path / "new.json", "demo"), record(FORCE))
    assert kinds(done) == {FORCE: "added"}
    save_baseline(done.baseline)
    assert list(load_baseline(tmp_path / "new.json").cases) == [FORCE]
    removed = update_baseline(
        load_baseline(file), [record(FORCE)], model_digest=None, remove_orphans=True
    )
    assert set(removed.baseline.cases) == {FORCE}
    assert kinds(removed)[ENERGY] == "removed"


@pytest.mark.parametrize("factor, alone", [(1.026, "accepted"), (0.972, "tightened")])
def test_what_counts_as_one_family_decides_what_is_evidence(
    file: Path, factor: float, alone: str
) -> None:
    """A p value of 0.03: enough for a single test, too little for two (Holm: 0.06)."""

    def kind(family: Callable[[str], str]) -> str:
        done = update_baseline(
            load_baseline(file),
            [record(FORCE, factor, noise=3.0, seed=4), record(CARBON)],
            model_digest=None,
            accept_regression="smaller",
            family=family,
        )
        return kinds(done)[FORCE]

    assert (kind(lambda name: name), kind(lambda _: "one")) == (alone, "kept")
