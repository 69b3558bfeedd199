"""Ranking of models over shared cases."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from pytest_mlff.errors import MlffError
from pytest_mlff.gate.baseline import Baseline, BaselineCase, save_baseline
from pytest_mlff.gate.compare import rank, read_runs
from pytest_mlff.gate.files import pack_models, sealed
from pytest_mlff.gate.records import Identity, KeptCase
from pytest_mlff.statistics.evidence import FrameSeries, Replicates

if TYPE_CHECKING:
    from pathlib import Path

CASES = ("s/a/aspirin/force_mae", "s/a/aspirin/energy_mae", "s/a/uracil/force_mae")


def made(case_id: str, factor: float, noise: float, seed: int, n: int = 500) -> KeptCase:
    common = np.random.default_rng(len(case_id)).gamma(4.0, 10.0, n)
    own = np.random.default_rng([seed, len(case_id)]).normal(size=n)
    errors = np.abs(factor * common + noise * own)
    series = FrameSeries(errors, np.ones(n), np.arange(n), (n,))
    identity = Identity(case_id.split("/")[2], "spec", "float32", "meV/Å")
    return KeptCase(case_id, "force_mae", None, series.value, n, 21 * n, identity, series)


def run(factor: float, seed: int, noise: float = 2.0) -> dict[str, KeptCase]:
    return {name: made(name, factor, noise, seed) for name in CASES}


def test_order_score_and_interval() -> None:
    runs = {"c": run(1.5, 15), "a": run(1.0, 16), "b": run(1.2, 17)}
    found = rank(runs)
    assert [one.model for one in found.models] == ["a", "b", "c"]
    assert [one.rank for one in found.models] == [1, 2, 3]
    assert (found.cases, found.dropped, found.notes) == (tuple(sorted(CASES)), {}, ())
    for one in found.models:
        ratios = [runs[one.model][name].value / runs["a"][name].value for name in CASES]
        assert one.score == pytest.approx(math.prod(ratios) ** (1 / 3), rel=1e-9)
        assert one.low is not None
        assert one.high is not None
        assert one.low <= one.score <= one.high
    assert [one.worse for one in found.models] == [False, True, True]
    assert found.models[1].low == pytest.approx(1.2, abs=0.02)
    difference = found.models[2].cases[CASES[0]]
    assert difference.change == pytest.approx(0.5, abs=0.02)
    assert difference.worsening == difference.change
    assert difference.low is not None
    assert difference.high is not None
    assert difference.low < difference.change < difference.high
    # The best is no different from itself.
    best = found.models[0].cases[CASES[0]]
    assert (best.change, best.low, best.high) == (0.0, 0.0, 0.0)


def test_shared_cases_stand_in_order() -> None:
    names = [f"s/a/uracil/n{number}" for number in range(9)]
    runs = {model: {name: made(name, 1.0, 0.0, 0, 40) for name in names} for model in "ab"}
    assert rank(runs).cases == tuple(names)


def test_equal_models_are_a_tie_in_most_repeats_and_pairing_narrows() -> None:
    surely, widths = 0, []
    for seed in range(60):
        found = rank({"a": run(1.0, 2 * seed), "b": run(1.0, 2 * seed + 1)})
        second = found.models[1]
        surely += bool(second.worse)
        # One in ten series of 500 frames leaves a slow part open, and three are needed here.
        if second.high is not None and second.low is not None:
            widths.append(second.high - second.low)
    assert len(widths) > 30
    # The interval is wide on purpose where test sets may overlap, so 5 % is an upper bound.
    assert surely / 60 <= 0.05 + 2.4 * math.sqrt(0.05 * 0.95 / 60)
    # The mutant without pairing: the common scatter of frames (50 %) would not cancel.
    unpaired = 2 * 1.96 * 0.5 * math.sqrt(2.0 / 500)
    assert np.mean(widths) < unpaired / 2


def test_cases_that_cannot_be_compared_are_dropped_with_the_reason() -> None:
    a, b = run(1.0, 1), run(1.1, 2)
    b[CASES[0]] = replace(b[CASES[0]], identity=replace(b[CASES[0]].identity, data="other frames"))
    del b[CASES[1]]
    found = rank({"a": a, "b": b})
    assert found.cases == (CASES[2],)
    assert "b was measured on other data" in found.dropped[CASES[0]]
    assert "not measured for b" in found.dropped[CASES[1]]
    del b[CASES[2]]
    with pytest.raises(MlffError, match="share no comparable case"):
        rank({"a": a, "b": b})
    with pytest.raises(MlffError, match="at least two models"):
        rank({"a": a})
    zero = replace(a[CASES[0]], value=0.0)
    assert "not above zero" in rank({"a": a, "z": {**a, CASES[0]: zero}}).dropped[CASES[0]]


def test_species_that_occur_in_some_frames_only() -> None:
    """A case on every third frame is laid over the frames of the whole set."""

    def thinned(records: dict[str, KeptCase]) -> dict[str, KeptCase]:
        whole = records[CASES[0]]
        kept = np.arange(0, 500, 3)
        part = FrameSeries(whole.series.totals[kept], np.ones(len(kept)), kept, (len(kept),))
        sparse = replace(whole, case_id=CASES[1], series=part, value=part.value)
        return {CASES[0]: whole, CASES[1]: sparse}

    found = rank({"a": thinned(run(1.0, 1)), "b": thinned(run(1.3, 2))})
    assert found.models[1].worse is True
    assert found.models[1].low == pytest.approx(1.3, abs=0.03)


def test_short_series_are_undecided() -> None:
    a = {CASES[0]: made(CASES[0], 1.0, 1.0, 1, n=20)}
    b = {CASES[0]: made(CASES[0], 2.0, 1.0, 2, n=20)}
    found = rank({"a": a, "b": b})
    assert found.models[1].worse is None
    assert (found.models[1].low, found.models[1].high) == (None, None)


def test_runs_are_read_from_reports_and_baselines(tmp_path: Path) -> None:
    residuals, content = pack_models(
        {"painn": run(1.0, 1).values(), "demo": run(1.4, 2).values()}, "r.npz"
    )
    (tmp_path / "r.npz").write_bytes(content)
    report = tmp_path / "r.json"
    report.write_text(json.dumps({"schema_version": "1.2", "residuals": residuals}))
    path = tmp_path / "demo.json"
    double = {
        name: replace(one, identity=replace(one.identity, dtype="float64"))
        for name, one in run(1.2, 3).items()
    }
    save_baseline(
        Baseline(path, "demo", {name: BaselineCase(one, None) for name, one in double.items()})
    )
    found = read_runs([report, path])
    assert set(found) == {"painn", f"demo ({report})", f"demo ({path})"}
    ranking = rank(found)
    assert [one.model for one in ranking.models] == ["painn", f"demo ({path})", f"demo ({report})"]
    assert "float64" in ranking.notes[0]
    with pytest.raises(MlffError, match="named twice"):
        read_runs([path, path])
    report.write_text(json.dumps({"schema_version": "2.0", "residuals": residuals}))
    with pytest.raises(MlffError, match="upgrade"):
        read_runs([report])
    report.write_text(json.dumps({"schema_version": 1, "residuals": sealed({"models": {"x": 3}})}))
    with pytest.raises(MlffError, match=r"r\.json"):
        read_runs([report])


def test_models_measured_over_replicas_are_ranked_by_them() -> None:
    def run_of(factor: float, seed: int) -> dict[str, KeptCase]:
        values = factor * np.linspace(9.0, 11.0, 12)
        values = values + 0.05 * np.random.default_rng(seed).normal(size=12)
        series = Replicates(values, np.ones(12), np.arange(12))
        one = made(CASES[0], 1.0, 0.0, 0)
        return {CASES[0]: replace(one, series=series, value=series.value)}

    first, second = rank({"a": run_of(1.0, 1), "b": run_of(1.1, 2)}).models
    assert (first.model, second.model, second.worse) == ("a", "b", True)
    assert second.low is not None
    assert second.high is not None
    # A paired t interval of the log ratio, linearised; values are compared as they are stored.
    a, b = (run_of(factor, seed)[CASES[0]] for factor, seed in ((1.0, 1), (1.1, 2)))
    shares = b.series.totals / b.value - a.series.totals / a.value  # type: ignore[union-attr]
    half = stats.t(11).ppf(0.975) * shares.std(ddof=1) / math.sqrt(12)
    assert second.low == pytest.approx(second.score * math.exp(-half), rel=1e-4)
    assert second.high == pytest.approx(second.score * math.exp(half), rel=1e-4)


def test_frames_of_replicas_are_ranked_by_their_replicas() -> None:
    """Five equal frames of each replica say no more than one: else the interval would narrow."""

    def run_of(factor: float, seed: int, frames: int) -> dict[str, KeptCase]:
        rng = np.random.default_rng(seed)
        values = np.repeat(
            np.round(64.0 * (10.0 * factor + 0.3 * rng.normal(size=12))) / 64, frames
        )
        n = len(values)
        series = FrameSeries(values, np.ones(n), np.arange(n), (frames,) * 12, independent=True)
        return {CASES[0]: replace(made(CASES[0], 1.0, 0.0, 0), series=series, value=series.value)}

    one, five = (
        rank({"a": run_of(1.0, 1, frames), "b": run_of(1.1, 2, frames)}).models[1]
        for frames in (1, 5)
    )
    assert one.worse
    assert (five.low, five.high) == pytest.approx((one.low, one.high), rel=1e-9)


def test_test_sets_that_may_overlap_add_their_errors_for_all_models_at_once() -> None:
    """By hand: standard errors of two test sets added, fewest degrees of freedom, α shared."""

    def run_of(factor: float, seed: int) -> dict[str, KeptCase]:
        rng = np.random.default_rng(seed)
        found = {}
        for case, n in ((CASES[0], 12), (CASES[2], 8)):
            values = factor * np.linspace(9.0, 11.0, n) + 0.3 * rng.normal(size=n)
            values = np.round(64.0 * values) / 64.0  # float16 holds them as they are
            series = Replicates(values, np.ones(n), np.arange(n))
            found[case] = replace(made(case, 1.0, 0.0, 0), series=series, value=series.value)
        return found

    runs = {"a": run_of(1.0, 1), "b": run_of(1.1, 2), "c": run_of(1.3, 3)}
    for one in rank(runs).models[1:]:
        error = 0.0
        for case, n in ((CASES[0], 12), (CASES[2], 8)):
            best, own = runs["a"][case], runs[one.model][case]
            shares = own.series.totals / own.value - best.series.totals / best.value  # type: ignore[union-attr]
            error += shares.std(ddof=1) / math.sqrt(n) / 2
        half = stats.t(7).ppf(1.0 - 0.05 / 2 / 2) * error
        assert one.low == pytest.approx(one.score * math.exp(-half), rel=1e-9)
        assert one.high == pytest.approx(one.score * math.exp(half), rel=1e-9)
