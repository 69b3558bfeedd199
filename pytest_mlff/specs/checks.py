"""Checks that look at several keys of a spec at once.

Each yields problems; the location is relative to the model that is checked.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from pytest_mlff.errors import MlffError, did_you_mean
from pytest_mlff.metrics.registry import metric_named
from pytest_mlff.specs.expression import Expression, unknown_name
from pytest_mlff.specs.fields import SYMBOLS
from pytest_mlff.specs.template import template_names
from pytest_mlff.units import ALSO_WRITTEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_mlff.specs.problems import Problem
    from pytest_mlff.specs.schema import (
        CasePlan,
        DatasetOption,
        FramesPlan,
        Provenance,
        Selection,
        SpecFile,
        ThresholdPlan,
    )

__all__ = [
    "BUILTIN_DATASETS",
    "check_case",
    "check_provenance",
    "check_selection",
    "check_sets",
    "check_spec",
    "check_threshold",
]

BUILTIN_DATASETS: Final = ("embedded", "rmd17", "md17")
"""Datasets that need no path."""
ROLES: Final = ("train", "validation", "test")
"""Sets of frames that have a meaning of their own."""
_SLIPS: Final = {"training": "train", "val": "validation", "valid": "validation", "tests": "test"}


def check_provenance(provenance: Provenance) -> Iterator[Problem]:
    """An own baseline says how much was measured."""
    if provenance.source == "own_baseline":
        for key in ("frames", "seeds"):
            if getattr(provenance, key) is None:
                yield (key,), "is missing; an own_baseline says how many frames and seeds"


def check_selection(selection: Selection) -> Iterator[Problem]:
    """A count goes with every pick but ``all``."""
    if selection.pick == "all" and selection.count is not None:
        yield ("count",), "does not go with pick: all; choose first, evenly or random"
    if selection.pick != "all" and selection.count is None:
        yield ("count",), f"is missing; pick: {selection.pick} needs it"


def check_threshold(threshold: ThresholdPlan) -> Iterator[Problem]:
    """There is one value, or a table without gaps in its rows and without doubles."""
    by, rows = threshold.by, threshold.rows
    given = [key for key in ("max", "min") if getattr(threshold, key) is not None]
    if len(given) == 2:
        yield ("min",), "does not go with `max`; give the one that the metric's direction asks for"
    if not by and not rows:
        if not given:
            yield ("max",), "is missing; give `max`, or `min` where larger is better"
        return
    for key, named in (("by", by), ("rows", rows)):
        if not named:
            yield (key,), "is missing or empty; `by` names axes, `rows` gives a value for each"
    for key in given:
        yield (key,), "does not go with `rows`"
    if len(set(by)) < len(by):
        yield ("by",), "names an axis twice"
    seen: set[tuple[object, ...]] = set()
    for index, row in enumerate(rows):
        at = ("rows", index)
        if len(row) != len(by) + 1:
            yield at, f"must hold {len(by) + 1} values ({', '.join(by)}, the limit), is {[*row]}"
            continue
        *words, limit = row
        if isinstance(limit, bool | str) or limit < 0:
            yield at, f"the limit must be a number of at least 0, is {limit!r}"
        if tuple(words) in seen:
            yield at, f"{_point(by, words)} stands there twice"
        seen.add(tuple(words))


def _point(by: Sequence[str], values: Sequence[object]) -> str:
    return ", ".join(f"{axis} {value}" for axis, value in zip(by, values, strict=True))


def check_sets(plan: FramesPlan) -> Iterator[Problem]:
    """A set of another name is no slip for one of the three."""
    for name in plan.by_role():
        if name in ROLES:
            continue
        near = _SLIPS.get(name) or next(iter(get_close_matches(name, ROLES, 1, 0.75)), None)
        if near is not None:
            yield (
                (name,),
                f"unknown set; did you mean {near!r}? (your own sets need names less like it)",
            )
        if not name.isidentifier():
            yield (name,), f"{name!r} cannot name a set; use letters, digits and _"


def check_case(case: CasePlan) -> Iterator[Problem]:
    """Units and species fit the metric; every threshold can apply to some case."""
    metric = metric_named(case.metric)
    if not metric.per_species and case.species != ("all",):
        yield ("species",), f"must be all; {metric.id} is not taken per species"
    if not case.thresholds and metric.needs_threshold:
        yield ("thresholds",), "is missing or empty; every case is held against a threshold"
    other = "max" if metric.limit == "min" else "min"
    for index, threshold in enumerate(case.thresholds):
        if getattr(threshold, other) is not None:
            better = "larger" if metric.larger_is_better else "smaller"
            yield (
                ("thresholds", index, other),
                f"must be `{metric.limit}`: of {metric.id} {better} is better",
            )
        if threshold.unit != metric.unit and (threshold.unit, metric.unit) not in ALSO_WRITTEN:
            yield (
                ("thresholds", index, "unit"),
                f"must be {metric.unit!r}, the unit of {metric.id}; is {threshold.unit!r}",
            )
        idle = _idle_species(case, threshold)
        if idle is not None:
            yield (
                ("thresholds", index, "species"),
                f"{idle!r} is not among the species of this case ({', '.join(case.species)})",
            )


def _idle_species(case: CasePlan, threshold: ThresholdPlan) -> str | None:
    for word in threshold.species or ():
        if word == "each":
            reached = any(other != "all" for other in case.species)
        else:
            reached = word in case.species or (word in SYMBOLS and "each" in case.species)
        if not reached:
            return word
    return None


def check_spec(spec: SpecFile) -> Iterator[Problem]:
    """Names that are used exist; no case is asked for twice."""
    if not spec.datasets:
        yield ("datasets",), "names no dataset"
    for name, option in spec.datasets.items():
        yield from _check_dataset(name, option, spec)
    yield from _check_template(("variant",), spec.variant, spec)
    if spec.where is not None:
        yield from _check_names(("where",), spec.where, spec)
    for role, selection in spec.frames.by_role().items():
        at = ("frames", role)
        if selection.dataset is not None and selection.dataset not in spec.datasets:
            near = did_you_mean(selection.dataset, spec.datasets)
            known = ", ".join(spec.datasets)
            yield (*at, "dataset"), f"unknown dataset{near} (datasets: {known})"
        for index, molecule in enumerate(selection.molecules):
            yield from _check_template((*at, "molecules", index), molecule, spec)
        for key in ("start", "end", "count"):
            value = getattr(selection, key)
            if isinstance(value, Expression):
                yield from _check_names((*at, key), value, spec)
    if not spec.cases:
        yield ("cases",), "names no case"
    yield from _check_cases(spec)
    yield from _check_simulated(spec)
    whole = {case.metric for case in spec.cases if "all" in case.species}
    for index, wanted in enumerate(spec.pooled):
        if wanted not in whole or not metric_named(wanted).comparable:
            yield ("pooled", index), f"{wanted} is no error metric of this spec over all atoms"


def _check_simulated(spec: SpecFile) -> Iterator[Problem]:
    simulated = False
    for index, case in enumerate(spec.cases):
        ensembles = metric_named(case.metric).ensembles
        if not ensembles:
            continue
        simulated = True
        if spec.simulate is None:
            yield ("cases", index, "metric"), f"{case.metric} needs the key simulate in the spec"
        elif spec.simulate.ensemble not in ensembles:
            yield (
                ("cases", index, "metric"),
                f"{case.metric} needs simulate: ensemble: {' or '.join(ensembles)}",
            )
    if spec.simulate is not None and not simulated:
        yield ("simulate",), "is of no use: no case takes a metric of a simulation"


def _check_dataset(name: str, option: DatasetOption, spec: SpecFile) -> Iterator[Problem]:
    at = ("datasets", name)
    if name in BUILTIN_DATASETS and option.path is not None:
        yield (*at, "path"), f"does not go with the dataset {name!r}; give your file another name"
    if name not in BUILTIN_DATASETS and option.path is None:
        yield (
            at,
            f"is none of {', '.join(BUILTIN_DATASETS)} and has no path"
            f"{did_you_mean(name, BUILTIN_DATASETS)}",
        )
    for axis in option.axes:
        if axis not in spec.axes:
            known = ", ".join(spec.axes) or "none"
            yield (
                (*at, "axes", axis),
                f"unknown axis{did_you_mean(axis, spec.axes)} (axes: {known})",
            )
    if option.where is not None:
        yield from _check_names((*at, "where"), option.where, spec)


def _check_cases(spec: SpecFile) -> Iterator[Problem]:
    asked: dict[str, set[str]] = {}
    for index, case in enumerate(spec.cases):
        for number, threshold in enumerate(case.thresholds):
            if threshold.where is not None:
                at = ("cases", index, "thresholds", number, "where")
                yield from _check_names(at, threshold.where, spec)
            yield from _check_table(("cases", index, "thresholds", number), threshold, spec)
        before = asked.setdefault(case.metric, set())
        per_symbol = before - {"all"}
        for word in case.species:
            clash = word == "each" and per_symbol
            if word in before or clash or (word != "all" and "each" in before):
                yield ("cases", index), f"{case.metric} of {word!r} is already asked for above"
                break
        before.update(case.species)


def _check_table(
    at: tuple[str | int, ...], threshold: ThresholdPlan, spec: SpecFile
) -> Iterator[Problem]:
    known = _known_names(spec)
    for axis in threshold.by:
        if axis not in known:
            yield (*at, "by"), unknown_name(axis, known)
            return
    allowed = [_axis_values(axis, spec) for axis in threshold.by]
    for number, row in enumerate(threshold.rows):
        for axis, value, values in zip(threshold.by, row, allowed, strict=False):
            if (type(value) is bool, value) not in values:
                yield (*at, "rows", number), f"{value!r} is no value of {axis}"


def _axis_values(axis: str, spec: SpecFile) -> set[tuple[bool, object]]:
    """Values of an axis in any dataset; true and 1 are two."""
    if axis == "dataset":
        return {(False, name) for name in spec.datasets}
    lists = [spec.axes[axis], *(option.axes.get(axis, ()) for option in spec.datasets.values())]
    return {(type(value) is bool, value) for values in lists for value in values}


def _known_names(spec: SpecFile) -> dict[str, None]:
    return dict.fromkeys([*spec.axes, "dataset"])


def _check_names(
    at: tuple[str | int, ...], expression: Expression, spec: SpecFile
) -> Iterator[Problem]:
    known = _known_names(spec)
    for name in sorted(expression.names - known.keys()):
        yield at, f"{expression.text!r}: {unknown_name(name, known)}"


def _check_template(at: tuple[str | int, ...], text: str, spec: SpecFile) -> Iterator[Problem]:
    known = _known_names(spec)
    try:
        names = template_names(text)
    except MlffError as error:
        yield at, str(error)
        return
    for name in names:
        if name not in known:
            yield at, f"{text!r}: {unknown_name(name, known)}"
