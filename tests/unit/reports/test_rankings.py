"""Whether errors and dynamics rank models alike: signs, data sets, models without a value."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_mlff.reports.figures.rankings import ranking_figure
from pytest_mlff.reports.model import CaseRecord, Report, RunRecord
from pytest_mlff.reports.rankings import RankingTable, rankings_of

MODELS = ("a", "b", "c", "d")


def case(
    metric: str, model: str, value: float | None, dataset: str = "acac", **evidence: float | str
) -> CaseRecord:
    return CaseRecord(
        case_id=f"s/p/{dataset}/{metric}", suite="s", spec="p", variant=dataset, metric=metric,
        species=None, model=model, dataset=dataset, value=value, unit="1", n_frames=9, n_atoms=9,
        ci_low=None, ci_high=None, threshold=None, threshold_provenance=None, baseline=None,
        regressed=None, verdict="reported" if value is not None else "unsupported",
        reason="no cells", seconds=1.0, nodeid="n", evidence=dict(evidence),
    )  # fmt: skip


def report(*cases: CaseRecord) -> Report:
    run = RunRecord(
        started="2026-01-01T00:00:00Z", seconds=1.0, exit_code=0, versions={}, device="cpu",
        dtype=None, seeds={}, platform={}, spec_digests={}, data_digests={}, model_digests={},
        collected=len(cases),
    )  # fmt: skip
    return Report(run=run, models=[], cases=list(cases))


def test_alike_and_the_other_way_round() -> None:
    """Small errors with long stability agree: the mutant that forgets the direction says −1."""
    values = (1.0, 2.0, 3.0, 4.0)
    errors = [case("force_mae", m, v) for m, v in zip(MODELS, values, strict=True)]
    stable = [case("stability_time", m, 5.0 - v) for m, v in zip(MODELS, values, strict=True)]
    off = [case("rdf_jsd", m, 5.0 - v) for m, v in zip(MODELS, values, strict=True)]
    found = rankings_of([report(*errors, *stable), report(*off)], {})
    assert [list(table.values) for table in found.tables] == [
        ["a", "b", "c", "d"], ["a", "b", "c", "d"], ["d", "c", "b", "a"],
    ]  # fmt: skip
    told = {one.dynamic.split()[0]: one.found for one in found.agreements}
    assert told["stability_time"].value == pytest.approx(1.0)
    assert told["rdf_jsd"].value == pytest.approx(-1.0)
    # Two of all 24 pairings are as far from chance.
    assert told["rdf_jsd"].p_value == pytest.approx(2 / 24)


def test_other_data_and_no_value() -> None:
    cases = [case("force_mae", m, 1.0) for m in MODELS[:3]]
    cases += [case("rdf_jsd", m, 1.0, "3bpa") for m in MODELS[:3]]
    cases.append(case("force_mae", "d", None))
    found = rankings_of([report(*cases)], {})
    assert found.agreements == ()
    assert found.tables[0].left_out == {"d": "unsupported: no cells"}
    figure = ranking_figure(found.tables, "force_mae")
    assert figure is not None
    assert len(figure.panels) == 1
    assert ranking_figure(found.tables, "energy_mae") is None


def test_survival_is_held_against_each_other_by_the_log_rank_test() -> None:
    rng = np.random.default_rng(0)
    ended = {"a": rng.exponential(1.0, 40), "b": rng.exponential(0.2, 40)}

    def table(length_of_b: float = 0.5) -> RankingTable:
        lengths = {"a": 0.5, "b": length_of_b}
        cases = [
            case(
                "stability_time", name, 0.3, ensemble="nve", simulated_ps=lengths[name],
                lifetimes=" ".join(f"{t:.6g}" if t < 0.5 else "0.5+" for t in times),
            )
            for name, times in ended.items()
        ]  # fmt: skip
        (found,) = rankings_of([report(*cases)], {}).tables
        return found

    from lifelines.statistics import logrank_test

    known = logrank_test(*(np.minimum(t, 0.5) for t in ended.values()),
                         *(t < 0.5 for t in ended.values())).p_value  # fmt: skip
    assert table().log_rank == pytest.approx(known, rel=1e-3)
    assert known < 1e-3
    # What was watched half as long has not lived half as long.
    assert table(length_of_b=0.25).log_rank is None
