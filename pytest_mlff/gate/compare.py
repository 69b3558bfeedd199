"""Ranking models that were measured on the same cases, with paired intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.errors import MlffError
from pytest_mlff.gate.baseline import load_baseline
from pytest_mlff.gate.files import BASELINE_KIND, read_document, read_models
from pytest_mlff.gate.records import as_stored
from pytest_mlff.metrics.registry import metric_named, metrics
from pytest_mlff.statistics.evidence import FrameSeries, Pooled, Replicates
from pytest_mlff.statistics.interval import mean_interval, student_quantile
from pytest_mlff.statistics.paired import ALPHA, compare_paired

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.gate.records import KeptCase
    from pytest_mlff.statistics.interval import MeanInterval


@dataclass(frozen=True)
class CaseDifference:
    """One case of one model against the best model, as a relative change.

    ``low`` and ``high`` are its two-sided paired interval; None where undecided.
    """

    value: float
    unit: str
    change: float | None
    low: float | None
    high: float | None
    larger_is_better: bool = False

    @property
    def worsening(self) -> float:
        """`change` in the direction that is worse; nought where there is none."""
        return (-1.0 if self.larger_is_better else 1.0) * (self.change or 0.0)


@dataclass(frozen=True)
class RankedModel:
    """One model in a ranking.

    Attributes
    ----------
    model : str
    rank : int
        1 for the best score.
    score : float
        Geometric mean over the cases of its value divided by the best model's, or the inverse
        where larger is better; 1 for the best.
    low, high : float or None
        Simultaneous interval of the score; None where undecided.
    worse : bool or None
        Whether it is surely worse than the best; None where undecided, False for a tie.
    cases : mapping of case id to CaseDifference
    """

    model: str
    rank: int
    score: float
    low: float | None
    high: float | None
    worse: bool | None
    cases: Mapping[str, CaseDifference]


@dataclass(frozen=True)
class Ranking:
    """Models, best first, over the cases that all share; dropped ones with the reason; notes."""

    models: tuple[RankedModel, ...]
    cases: tuple[str, ...]
    dropped: Mapping[str, str]
    notes: tuple[str, ...]


def read_runs(paths: Sequence[Path]) -> dict[str, dict[str, KeptCase]]:
    """Read reports and baselines: model to case id to record; equal names are told by the file.

    Raises
    ------
    MlffError
        If a file is not readable or holds no per-frame values.
    """
    read: list[tuple[Path, str, dict[str, KeptCase]]] = []
    for path in paths:
        document = read_document(path, what="report")
        if document.get("kind") == BASELINE_KIND:
            baseline = load_baseline(path)
            cases = {name: case.record for name, case in baseline.cases.items()}
            read.append((path, baseline.model, cases))
            continue
        for model, records in read_models(path, document).items():
            read.append((path, model, records))
    names = [model for _, model, _ in read]
    found: dict[str, dict[str, KeptCase]] = {}
    for path, model, records in read:
        name = model if names.count(model) == 1 else f"{model} ({path})"
        if name in found:
            raise MlffError(f"{path} is named twice: name each run once")
        found[name] = records
    return found


def rank(runs: Mapping[str, Mapping[str, KeptCase]], *, alpha: float = ALPHA) -> Ranking:
    """Rank models by the geometric mean of their errors over the cases they share.

    A value of which larger is better counts by its inverse.

    The intervals are paired frame by frame and hold for all models at once (``alpha`` is
    shared out among them). Cases on the same frames are taken together; test sets of
    different cases may overlap, so their standard errors are added and not their squares:
    the interval is never too narrow for that.

    Parameters
    ----------
    runs : mapping of model name to case id to KeptCase
        At least two.
    alpha : float
        Probability that any interval misses.

    Raises
    ------
    MlffError
        If there are fewer than two models or they share no comparable case.
    """
    if len(runs) < 2:
        raise MlffError(f"a comparison needs at least two models, found {len(runs)}")
    shared, dropped = _shared_cases(runs)
    if not shared:
        why = next(iter(dropped.values()), "none has a case")
        raise MlffError(f"the models share no comparable case (e.g. {why})")
    series = {
        model: {name: _single(records[name]) for name in shared} for model, records in runs.items()
    }
    logs = {
        model: math.fsum(_side(records[name]) * math.log(records[name].value) for name in shared)
        / len(shared)
        for model, records in runs.items()
    }
    order = sorted(logs, key=lambda model: (logs[model], model))
    best = order[0]
    level = alpha / (len(order) - 1)
    ranked = []
    for position, model in enumerate(order):
        cases = {
            name: _difference(runs[model][name], runs[best][name], model == best, alpha)
            for name in shared
        }
        score = math.exp(logs[model] - logs[best])
        low: float | None = 1.0
        high: float | None = 1.0
        worse: bool | None = False
        if model != best:
            half = _half_width(runs[model], series[model], series[best], shared, level)
            low = None if half is None else score * math.exp(-half)
            high = None if half is None else score * math.exp(half)
            worse = None if low is None else low > 1.0
        ranked.append(RankedModel(model, position + 1, score, low, high, worse, cases))
    return Ranking(tuple(ranked), shared, dropped, _notes(runs, shared))


def _side(record: KeptCase) -> float:
    """Sign of a difference that is a worsening."""
    return -1.0 if metric_named(record.metric).larger_is_better else 1.0


def _single(record: KeptCase) -> FrameSeries | Replicates:
    series = as_stored(record.series)
    assert not isinstance(series, Pooled)
    return series


def _shared_cases(
    runs: Mapping[str, Mapping[str, KeptCase]],
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Cases on which all models can be compared, and why others are left out."""
    shared: list[str] = []
    dropped: dict[str, str] = {}
    for name in sorted({name for records in runs.values() for name in records}):
        missing = [model for model, records in runs.items() if name not in records]
        if missing:
            dropped[name] = f"{name}: not measured for {', '.join(missing)}"
            continue
        records = [run[name] for run in runs.values()]
        first = records[0].identity
        for model, record in zip(runs, records, strict=True):
            other = record.identity
            if (other.data, other.spec, other.unit) != (first.data, first.spec, first.unit):
                dropped[name] = f"{name}: {model} was measured on other data, spec or unit"
            elif isinstance(record.series, Pooled):
                dropped[name] = f"{name}: repeats what the cases of its systems say"
            elif record.value <= 0.0:
                dropped[name] = f"{name}: the value of {model} is not above zero"
            elif record.metric not in metrics():
                dropped[name] = f"{name}: {record.metric} is no metric known here"
        if name not in dropped:
            shared.append(name)
    return tuple(shared), dropped


def _difference(record: KeptCase, best: KeptCase, is_best: bool, alpha: float) -> CaseDifference:
    """Paired difference of one case."""
    larger = metric_named(record.metric).larger_is_better
    if is_best:
        return CaseDifference(record.value, record.identity.unit, 0.0, 0.0, 0.0, larger)
    paired = compare_paired(as_stored(record.series), as_stored(best.series), margin=0.0)
    low, high = paired.bounds(alpha / 2.0)
    return CaseDifference(record.value, record.identity.unit, paired.change, low, high, larger)


def _half_width(
    records: Mapping[str, KeptCase],
    mine: Mapping[str, FrameSeries | Replicates],
    best: Mapping[str, FrameSeries | Replicates],
    shared: Sequence[str],
    alpha: float,
) -> float | None:
    """Half width of the interval of the mean log ratio; None where undecided."""
    groups: dict[str, list[str]] = {}
    for name in shared:
        groups.setdefault(records[name].identity.data, []).append(name)
    error, dof = 0.0, math.inf
    for names in groups.values():
        longest = max((mine[name] for name in names), key=len)
        index = {int(frame): at for at, frame in enumerate(longest.order)}
        influence: NDArray[np.float64] = np.zeros(len(longest))
        for name in names:
            if not all(int(frame) in index for frame in mine[name].order):
                return None
            at = np.array([index[int(frame)] for frame in mine[name].order])
            # Of a value's logarithm; a mean over fewer frames weighs each of them more.
            own = mine[name].influence / mine[name].value - best[name].influence / best[name].value
            influence[at] += _side(records[name]) * own * len(longest) / (len(at) * len(shared))
        interval = _interval(influence, longest)
        if interval.standard_error is None:
            return None
        error += interval.standard_error
        dof = min(dof, interval.dof)
    return student_quantile(dof, 1.0 - alpha / 2.0) * error


def _interval(influence: NDArray[np.float64], of: FrameSeries | Replicates) -> MeanInterval:
    """Interval of the mean of per-frame (or per-replica) shares."""
    if isinstance(of, FrameSeries) and not of.independent:
        return mean_interval(influence, segments=of.segments)
    lengths = np.array(of.segments if isinstance(of, FrameSeries) else [1] * len(of))
    sums = np.add.reduceat(influence, np.cumsum([0, *lengths[:-1]]))
    return Replicates(sums, lengths.astype(np.float64), np.arange(len(lengths))).interval()


def _notes(runs: Mapping[str, Mapping[str, KeptCase]], shared: Sequence[str]) -> tuple[str, ...]:
    """Circumstances in which the models differ."""
    precisions = {
        model: "/".join(sorted({records[name].identity.dtype for name in shared}))
        for model, records in runs.items()
    }
    if len(set(precisions.values())) == 1:
        return ()
    told = ", ".join(f"{model} {dtype}" for model, dtype in precisions.items())
    return (f"the models ran in different precision: {told}",)
