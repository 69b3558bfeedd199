"""Updating a baseline: it tightens by itself, and loosens only for a reason that is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from pytest_mlff.errors import MlffError
from pytest_mlff.gate.baseline import Acceptance, BaselineCase, check, family_of
from pytest_mlff.gate.records import as_stored
from pytest_mlff.metrics.registry import metric_named
from pytest_mlff.statistics.multiple_tests import holm
from pytest_mlff.statistics.paired import ALPHA, MARGIN, compare_paired

if TYPE_CHECKING:
    from datetime import date

    from pytest_mlff.gate.baseline import Baseline, GateResult
    from pytest_mlff.gate.records import KeptCase


@dataclass(frozen=True)
class Change:
    """What an update did with one case.

    Attributes
    ----------
    case_id : str
    kind : str
        ``added``, ``tightened``, ``accepted`` (a regression, with a reason), ``renewed``
        (other data, spec, dtype or unit, with a reason), ``kept``, ``refused``,
        ``orphaned`` (kept, no case has it), ``removed`` (an orphan).
    before, after : float or None
        In the unit of the case.
    reason : str
        One line.
    """

    case_id: str
    kind: Literal[
        "added", "tightened", "accepted", "renewed", "kept", "refused", "orphaned", "removed"
    ]
    before: float | None
    after: float | None
    reason: str


@dataclass(frozen=True, eq=False)
class Update:
    """A new baseline, not yet written, and what changed, sorted by case id."""

    baseline: Baseline
    changes: tuple[Change, ...]


def update_baseline(
    baseline: Baseline,
    records: Iterable[KeptCase],
    *,
    model_digest: str | None,
    accept_regression: str | None = None,
    today: date | None = None,
    collected: Iterable[str] | None = None,
    remove_orphans: bool = False,
    margin: float | Mapping[str, float] = MARGIN,
    alpha: float = ALPHA,
    family: Callable[[str], str] = family_of,
    tests: Mapping[str, int] | None = None,
) -> Update:
    """Take the cases of a run into a baseline.

    An entry is replaced only by a significantly better value (paired test against no
    improvement, Holm within a family), since taking every lucky run would ratchet the
    baseline down to where honest models fail. With ``accept_regression`` an entry is also
    replaced by a regressed value, or by one of other data, spec, dtype or unit.

    Parameters
    ----------
    baseline : Baseline
        May be empty, for a first one.
    records : iterable of KeptCase
    model_digest : str or None
        Digest of the model the records come from.
    accept_regression : str, optional
        Why a worsening is accepted.
    today : date, optional
        Kept with the reason.
    collected, margin, alpha, family, tests
        As in `check`.
    remove_orphans : bool
        Drop entries that no collected case has.

    Raises
    ------
    MlffError
        If the reason is empty, or the baseline is a report.
    """
    if baseline.is_report:
        raise MlffError(
            f"{baseline.path} is a report, which cannot be updated: name a baseline file, "
            "e.g. baselines/model.json"
        )
    reason = None if accept_regression is None else " ".join(accept_regression.split())
    if reason == "":
        raise MlffError("--mlff-accept-regression needs a reason, which is kept in the baseline")
    measured = {record.case_id: record for record in records}
    state = check(
        baseline,
        measured.values(),
        collected=collected,
        margin=margin,
        alpha=alpha,
        family=family,
        tests=tests,
    )
    better = _improved(baseline, measured, state, alpha, family)
    cases = dict(baseline.cases)
    changes: list[Change] = []
    for name, record in measured.items():
        old = baseline.cases.get(name)
        kind, why = _decide(name, state, name in better, reason)
        before = None if old is None else old.record.value
        after = before if kind in {"kept", "refused"} else record.value
        changes.append(Change(name, kind, before, after, why))
        if kind in {"kept", "refused"}:
            continue
        accepted = () if old is None else old.accepted
        if kind in {"accepted", "renewed"} and before is not None and reason is not None:
            day = None if today is None else today.isoformat()
            accepted = (*accepted, Acceptance(reason, before, record.value, day))
        cases[name] = BaselineCase(record, model_digest, accepted)
    for name in state.orphans:
        before = baseline.cases[name].record.value
        if remove_orphans:
            del cases[name]
            changes.append(Change(name, "removed", before, None, "no case has this id"))
        else:
            why = "no case has this id: it was renamed or removed"
            changes.append(Change(name, "orphaned", before, before, why))
    ordered = tuple(sorted(changes, key=lambda one: one.case_id))
    return Update(replace(baseline, cases=cases), ordered)


def _improved(
    baseline: Baseline,
    measured: Mapping[str, KeptCase],
    state: GateResult,
    alpha: float,
    family: Callable[[str], str],
) -> set[str]:
    """Cases that are significantly better than their entry."""
    families: dict[str, dict[str, float]] = {}
    for name in state.regressions:
        compared = compare_paired(
            as_stored(measured[name].series),
            baseline.cases[name].record.series,
            margin=0.0,
            larger_is_better=metric_named(measured[name].metric).larger_is_better,
        )
        if compared.p_better is not None:
            families.setdefault(family(name), {})[name] = compared.p_better
    return {
        name
        for cases in families.values()
        for name, p in zip(cases, holm(list(cases.values())), strict=True)
        if p <= alpha
    }


def _decide(
    name: str, state: GateResult, better: bool, reason: str | None
) -> tuple[Literal["added", "tightened", "accepted", "renewed", "kept", "refused"], str]:
    """What happens to one measured case, and why."""
    if name in state.new:
        return "added", "the baseline did not know this case"
    refused = state.refused.get(name)
    if refused is not None:
        hint = f"{refused}; --mlff-accept-regression REASON takes the new one"
        return ("refused", hint) if reason is None else ("renewed", reason)
    regression = state.regressions[name]
    if regression.regressed:
        hint = f"{regression.reason}; --mlff-accept-regression REASON would take it"
        return ("kept", hint) if reason is None else ("accepted", reason)
    if better:
        return "tightened", "significantly better"
    prefix = "" if regression.word == "undecided" else "no significant improvement: "
    return "kept", f"{prefix}{regression.reason}"
