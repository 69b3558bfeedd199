"""What a spec file may say."""

# pydantic reads the annotations when the classes are made.
# ruff: noqa: TC001

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PrivateAttr, WithJsonSchema

from pytest_mlff.errors import MlffError, did_you_mean
from pytest_mlff.metrics.registry import metric_named
from pytest_mlff.specs.case_plan import CasePlan
from pytest_mlff.specs.dataset_option import DatasetOption
from pytest_mlff.specs.expression import Expression, unknown_name
from pytest_mlff.specs.fields import AxisName, AxisValues, DatasetName, ExpressionText, MetricName
from pytest_mlff.specs.frame_sets import FramesPlan
from pytest_mlff.specs.model import Problem, SpecModel, as_tuple
from pytest_mlff.specs.simulate import SimulationPlan
from pytest_mlff.specs.template import template_names
from pytest_mlff.specs.threshold_plan import ThresholdPlan
from pytest_mlff.specs.wording import shown, where_in_file


def _empty_mapping(value: Any) -> Any:
    return {} if value is None else value


class Citation(SpecModel):
    """Where the benchmark comes from."""

    paper: str = Field(min_length=1, description="Paper (authors, title, year) or project.")
    section: str = Field(min_length=1, description="Section, table or figure in it.")
    doi: str | None = Field(default=None, pattern=r"^10\.\d{4,}/\S+$", description="DOI, if any.")


_Option = Annotated[DatasetOption, BeforeValidator(_empty_mapping)]


class SpecFile(SpecModel):
    """The content of one spec file."""

    schema_version: Literal[1] = Field(description="Version of this format.")
    title: str = Field(min_length=1, description="One line for lists and reports.")
    description: str = Field(default="", description="What is asked of a model, and why.")
    source: Citation = Field(description="Paper and section that the benchmark follows.")
    datasets: dict[DatasetName, _Option] = Field(
        description="Datasets the spec runs on, the first is the default: embedded, rmd17, md17, "
        "or a name of yours with a path."
    )
    axes: dict[AxisName, AxisValues] = Field(
        default={}, description="Names with their values; variants are their combinations."
    )
    where: ExpressionText | None = Field(
        default=None, description="Condition on axes and `dataset` that a variant must meet."
    )
    variant: str = Field(
        min_length=1, description="Id of a variant, with axes in braces: {molecule}-n{samples}."
    )
    frames: FramesPlan = Field(description="How frames are cut.")
    simulate: SimulationPlan | None = Field(
        default=None,
        description="Molecular dynamics of the model, started from test frames; its structure is "
        "held against all test frames.",
    )
    margin: float = Field(
        default=0.01,
        ge=0,
        le=0.2,
        allow_inf_nan=False,
        description="Relative worsening against a baseline that is tolerated; at most 0.2.",
    )
    undecided_bound: float = Field(
        default=0.2,
        gt=0,
        le=0.5,
        allow_inf_nan=False,
        description="Where a comparison with a baseline decides nothing, a value that is worse by "
        "more than this fails all the same.",
    )
    pooled: Annotated[tuple[MetricName, ...], BeforeValidator(as_tuple)] = Field(
        default=(),
        description="Metrics with one more case over all variants, `pooled`: the mean relative "
        "change against a baseline, tested at half of the level.",
    )
    reference_energies: Literal["none", "regression"] = Field(
        default="none",
        description="regression: energies per atom of each species, by linear regression over the "
        "training frames, are subtracted before a recipe trains and added back afterwards.",
    )
    cases: Annotated[tuple[CasePlan, ...], BeforeValidator(as_tuple)] = Field(
        description="What is measured, and how good it must be.",
        json_schema_extra={"minItems": 1},
    )
    seed: int = Field(default=0, ge=0, description="Seed of random picks and of laws.")

    def _problems(self) -> Iterator[Problem]:
        """Names that are used exist; no case is asked for twice."""
        if not self.datasets:
            yield ("datasets",), "names no dataset"
        for name, option in self.datasets.items():
            yield from _check_dataset(name, option, self)
        yield from _check_template(("variant",), self.variant, self)
        if self.where is not None:
            yield from _check_names(("where",), self.where, self)
        for role, selection in self.frames.by_role().items():
            at = ("frames", role)
            if selection.dataset is not None and selection.dataset not in self.datasets:
                near = did_you_mean(selection.dataset, self.datasets)
                known = ", ".join(self.datasets)
                yield (*at, "dataset"), f"unknown dataset{near} (datasets: {known})"
            for index, molecule in enumerate(selection.molecules):
                yield from _check_template((*at, "molecules", index), molecule, self)
            for key in ("start", "end", "count"):
                value = getattr(selection, key)
                if isinstance(value, Expression):
                    yield from _check_names((*at, key), value, self)
        if not self.cases:
            yield ("cases",), "names no case"
        yield from _check_cases(self)
        yield from _check_simulated(self)
        everywhere = [case for case in self.cases if case.where is None]
        whole = {case.metric for case in everywhere if "all" in case.species}
        for index, wanted in enumerate(self.pooled):
            if wanted not in whole or not metric_named(wanted).comparable:
                yield ("pooled", index), f"{wanted} is no error metric of this spec over all atoms"


def _check_simulated(spec: SpecFile) -> Iterator[Problem]:
    simulated = False
    for index, case in enumerate(spec.cases):
        metric = metric_named(case.metric)
        if "in_distribution" in metric.needs and "in_distribution" not in spec.frames.by_role():
            yield (
                ("cases", index, "metric"),
                f"{case.metric} needs the set in_distribution in frames, to hold the test against",
            )
        if "trajectories" not in metric.needs:
            continue
        simulated = True
        if spec.simulate is None:
            yield ("cases", index, "metric"), f"{case.metric} needs the key simulate in the spec"
        elif spec.simulate.ensemble not in metric.ensembles:
            yield (
                ("cases", index, "metric"),
                f"{case.metric} needs simulate: ensemble: {' or '.join(metric.ensembles)}",
            )
    if spec.simulate is not None and not simulated:
        yield ("simulate",), "is of no use: no case takes a metric of a simulation"


def _check_dataset(name: str, option: DatasetOption, spec: SpecFile) -> Iterator[Problem]:
    at = ("datasets", name)
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
        if case.where is not None:
            yield from _check_names(("cases", index, "where"), case.where, spec)
        for number, threshold in enumerate(case.thresholds):
            if threshold.where is not None:
                at = ("cases", index, "thresholds", number, "where")
                yield from _check_names(at, threshold.where, spec, _own_names(case))
            place = ("cases", index, "thresholds", number)
            yield from _check_table(place, threshold, spec, _own_names(case))
        if case.group_by is not None and "group" in spec.axes:
            yield ("cases", index, "group_by"), "does not go with an axis called group; rename it"
        before = asked.setdefault(case.metric, set())
        per_symbol = before - {"all"}
        for word in case.species:
            clash = word == "each" and per_symbol
            if word in before or clash or (word != "all" and "each" in before):
                yield ("cases", index), f"{case.metric} of {word!r} is already asked for above"
                break
        before.update(case.species)


def _own_names(case: CasePlan) -> tuple[str, ...]:
    """What conditions of a case may name beside axes."""
    return () if case.group_by is None else ("group",)


def _check_table(
    at: tuple[str | int, ...], threshold: ThresholdPlan, spec: SpecFile, own: tuple[str, ...]
) -> Iterator[Problem]:
    known = _known_names(spec, own)
    for axis in threshold.by:
        if axis not in known:
            yield (*at, "by"), unknown_name(axis, known)
            return
    allowed = [set() if axis in own else _axis_values(axis, spec) for axis in threshold.by]
    for number, row in enumerate(threshold.rows):
        for axis, value, values in zip(threshold.by, row, allowed, strict=False):
            if axis not in own and (type(value) is bool, value) not in values:
                yield (*at, "rows", number), f"{value!r} is no value of {axis}"


def _axis_values(axis: str, spec: SpecFile) -> set[tuple[bool, object]]:
    """Values of an axis in any dataset; true and 1 are two."""
    if axis == "dataset":
        return {(False, name) for name in spec.datasets}
    lists = [spec.axes[axis], *(option.axes.get(axis, ()) for option in spec.datasets.values())]
    return {(type(value) is bool, value) for values in lists for value in values}


def _known_names(spec: SpecFile, own: tuple[str, ...] = ()) -> dict[str, None]:
    return dict.fromkeys([*spec.axes, "dataset", *own])


def _check_names(
    at: tuple[str | int, ...], expression: Expression, spec: SpecFile, own: tuple[str, ...] = ()
) -> Iterator[Problem]:
    known = _known_names(spec, own)
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


class Spec(SpecFile):
    """A spec with its place: what :func:`~pytest_mlff.specs.load_spec` returns.

    One made in Python has no path; suite and name are the first two parts of its case ids.
    """

    path: Annotated[Path | None, WithJsonSchema({"type": "string"})] = None
    suite: str = Field(min_length=1)
    name: str = Field(min_length=1)
    _lines: Mapping[tuple[str | int, ...], int] = PrivateAttr(default_factory=dict)

    def at(self, *location: str | int) -> str:
        """``file:line: key`` of a location, to begin the message of an error with."""
        key = where_in_file(location)
        if self.path is None:
            return f"{self.suite}/{self.name}: {key}"
        while location and location not in self._lines:
            location = location[:-1]
        return f"{shown(self.path)}:{self._lines.get(location, 1)}: {key}"
