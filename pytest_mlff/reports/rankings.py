"""Rankings of the models of some runs by dataset and metric, and whether two rank alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlff.gate.compare import rank
from pytest_mlff.metrics.registry import metric_named, metrics
from pytest_mlff.reports.lifetimes import log_rank_between
from pytest_mlff.similarity.correlation import rank_correlation

if TYPE_CHECKING:
    from pytest_mlff.gate.compare import Ranking
    from pytest_mlff.gate.records import KeptCase
    from pytest_mlff.reports.model import CaseRecord, Report
    from pytest_mlff.similarity.correlation import RankCorrelation

_FEWEST = 3


@dataclass(frozen=True)
class RankingTable:
    """The models on one dataset by one metric.

    Attributes
    ----------
    title : str
        ``<dataset>, <suite>/<spec>/<variant>``.
    metric : str
        Its id.
    values : mapping of str to CaseRecord
        Model to its case, best first.
    paired : mapping of str to (float, float or None, float or None, bool or None)
        Model to its value over that of the best, with a paired interval that holds for all models
        at once, and whether it is surely worse; empty where a metric has nothing to be paired.
    left_out : mapping of str to str
        Model to the reason why it has no value.
    log_rank : float or None
        p value of the log-rank test between the models, where the metric is of lifetimes.
    """

    title: str
    metric: str
    values: Mapping[str, CaseRecord]
    paired: Mapping[str, tuple[float, float | None, float | None, bool | None]]
    left_out: Mapping[str, str]
    log_rank: float | None = None


@dataclass(frozen=True)
class Agreement:
    """Whether a static and a dynamic metric rank the models alike: Spearman's, 1 where they do."""

    static: str
    dynamic: str
    found: RankCorrelation


@dataclass(frozen=True)
class Rankings:
    """What a page of rankings shows."""

    tables: tuple[RankingTable, ...]
    agreements: tuple[Agreement, ...]


def rankings_of(reports: Sequence[Report], runs: Mapping[str, Mapping[str, KeptCase]]) -> Rankings:
    """Rank the models of some runs, by their per-frame values, on each dataset by each metric."""
    found: dict[str, list[CaseRecord]] = {}
    for report in reports:
        for case in report.cases:
            known = metrics("metric").get(case.metric)
            if case.model and known and known.needs_model and not (case.species or case.group):
                found.setdefault(case.case_id, []).append(case)
    tables = tuple(_table(cases, runs) for cases in found.values() if len(cases) > 1)
    return Rankings(tables, tuple(_agreements(tables)))


def _table(cases: Sequence[CaseRecord], runs: Mapping[str, Mapping[str, KeptCase]]) -> RankingTable:
    first = cases[0]
    metric = metric_named(first.metric)
    measured = [case for case in cases if case.value is not None]
    measured.sort(key=lambda case: (case.value or 0.0) * (-1 if metric.larger_is_better else 1))
    values = {str(case.model): case for case in measured}
    kept = {
        model: {first.case_id: records[first.case_id]}
        for model, records in runs.items()
        if model in values and first.case_id in records
    }
    ranking: Ranking | None = None
    if len(kept) > 1 and all(one[first.case_id].value > 0.0 for one in kept.values()):
        ranking = rank(kept)
    paired = {
        one.model: (one.score, one.low, one.high, one.worse)
        for one in (ranking.models if ranking else ())
    }
    return RankingTable(
        title=f"{first.dataset}, {first.suite}/{first.spec}/{first.variant}",
        metric=first.metric,
        values=values,
        paired=paired,
        left_out={str(c.model): f"{c.verdict}: {c.reason}" for c in cases if c.value is None},
        log_rank=log_rank_between(cases),
    )


def _agreements(tables: Sequence[RankingTable]) -> list[Agreement]:
    """Each error on frames against each metric of a simulation, on the same dataset."""
    made = []
    for static in tables:
        if metric_named(static.metric).labels is None:
            continue
        for dynamic in tables:
            simulated = "trajectories" in metric_named(dynamic.metric).needs
            if not simulated or _dataset(static) != _dataset(dynamic):
                continue
            shared = [model for model in static.values if model in dynamic.values]
            if len(shared) >= _FEWEST:
                pairs = [[_worsening(one, model) for model in shared] for one in (static, dynamic)]
                names = [f"{one.metric} ({one.title})" for one in (static, dynamic)]
                made.append(Agreement(names[0], names[1], rank_correlation(*pairs)))
    return made


def _dataset(table: RankingTable) -> str:
    return next(iter(table.values.values())).dataset if table.values else table.title


def _worsening(table: RankingTable, model: str) -> float:
    sign = -1.0 if metric_named(table.metric).larger_is_better else 1.0
    return sign * float(table.values[model].value or 0.0)
