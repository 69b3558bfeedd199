"""From a variant to its cases: metric × species, each with its threshold."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pytest_mlff.errors import MlffError
from pytest_mlff.metrics.registry import metric_named
from pytest_mlff.specs.expression import ExpressionError
from pytest_mlff.units import ALSO_WRITTEN

if TYPE_CHECKING:
    from pytest_mlff.specs.case_plan import CasePlan
    from pytest_mlff.specs.expand import Variant
    from pytest_mlff.specs.operations import Scalar
    from pytest_mlff.specs.schema import Spec
    from pytest_mlff.specs.threshold_plan import Provenance, ThresholdPlan

POOLED = "pooled"
"""Id of the variant that stands for all others of its spec."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """The limit of acceptable values, its unit and why it is what it is.

    Attributes
    ----------
    limit : float
    unit : str
    provenance : Provenance
    larger_is_better : bool
        Whether the limit is the smallest acceptable value; else it is the largest.
    above_floor : bool
        Whether it is for what the value is above its noise floor.
    """

    limit: float
    unit: str
    provenance: Provenance = field(hash=False)
    larger_is_better: bool = False
    above_floor: bool = False

    def __str__(self) -> str:
        above = " above its noise floor" * self.above_floor
        return f"{'≥' if self.larger_is_better else '≤'} {self.limit:g} {self.unit}{above}"


@dataclass(frozen=True, slots=True)
class Case:
    """One pytest item: a variant, a metric, perhaps a species, and a threshold.

    Attributes
    ----------
    variant : Variant
        Which frames.
    metric : str
        Metric or law.
    species : str or None
        Chemical symbol, or two for a pair; None for all atoms.
    threshold : Threshold or None
        What the value is held against; None for a metric that is reported but not judged.
    options : mapping of str to scalar
        Settings for the metric.
    group_by : str or None
        Label of each frame that the spec groups by.
    group : str or None
        Its value in the frames that the case is taken over; None for all frames.
    """

    variant: Variant
    metric: str
    species: str | None
    threshold: Threshold | None
    options: Mapping[str, Scalar] = field(hash=False)
    group_by: str | None = None
    group: str | None = None

    @property
    def is_pooled(self) -> bool:
        """Whether it is taken over all variants of its spec."""
        return self.variant.id == POOLED

    @property
    def suite(self) -> str:
        """First part of the id."""
        return self.variant.spec.suite

    @property
    def spec_name(self) -> str:
        """Second part of the id."""
        return self.variant.spec.name

    @property
    def name(self) -> str:
        """``<metric>``, with ``[<species>]`` and ``[<label>=<group>]`` where it is of these."""
        species = f"[{self.species}]" if self.species else ""
        return f"{self.metric}{species}" + (f"[{self.group_by}={self.group}]" if self.group else "")

    @property
    def case_id(self) -> str:
        """``<suite>/<spec>/<variant>/<name>``."""
        spec = self.variant.spec
        return f"{spec.suite}/{spec.name}/{self.variant.id}/{self.name}"


ANY_GROUP = "*"
"""Stands for the groups where the frames are not known."""


def cases_of(
    variant: Variant,
    species: Sequence[str],
    groups: Callable[[str], Sequence[str]] = lambda _: (ANY_GROUP,),
) -> tuple[Case, ...]:
    """List the cases of a variant, in the order of the spec.

    Parameters
    ----------
    variant : Variant
        From :func:`~pytest_mlff.specs.expand.expand`.
    species : sequence of str
        Chemical symbols in the test frames; one that a frame holds twice stands twice, so that
        it is known to have pairs.
    groups : callable
        From a label of frames to its values in the test frames.

    Raises
    ------
    MlffError
        If a case has no threshold, or a species is asked for that the test frames do
        not hold.
    """
    present = sorted(species)
    cases = []
    for index, plan in enumerate(variant.spec.cases):
        by = plan.group_by
        if not _asked(variant, index, plan):
            continue
        for group in (None, *_groups(variant, index, by, groups)):
            if group == "all":
                raise MlffError(
                    f"{variant.spec.at('cases', index, 'group_by')}: a group of {by} is called "
                    "'all', which stands for all frames; give it another name"
                )
            names = variant.names if by is None else {**variant.names, "group": group or "all"}
            holding = [
                (number, threshold)
                for number, threshold in enumerate(plan.thresholds)
                if _holds(variant, index, number, threshold, names)
            ]
            for symbol in _symbols(variant, index, plan, present):
                chosen = next((one for one in holding if _meant(one[1].species, symbol)), None)
                if chosen is None and plan.thresholds:
                    over = "all atoms" if symbol is None else symbol
                    of = f" of {by} {group}" if group else ""
                    raise MlffError(
                        f"{variant.spec.at('cases', index, 'thresholds')}: variant {variant.id}: "
                        f"none holds for {plan.metric} over {over}{of}; widen a `where` or "
                        "`species`, or add one"
                    )
                threshold = None if chosen is None else _read(variant, index, *chosen, names)
                cases.append(Case(variant, plan.metric, symbol, threshold, plan.options, by, group))
    return tuple(cases)


def _asked(variant: Variant, index: int, plan: CasePlan) -> bool:
    try:
        return plan.where is None or plan.where.condition(variant.names)
    except ExpressionError as error:
        at = variant.spec.at("cases", index, "where")
        raise MlffError(f"{at}: variant {variant.id}: {error}") from None


def _groups(
    variant: Variant, index: int, by: str | None, groups: Callable[[str], Sequence[str]]
) -> Sequence[str]:
    if by is None:
        return ()
    try:
        return groups(by)
    except MlffError as error:
        raise MlffError(f"{variant.spec.at('cases', index, 'group_by')}: {error}") from error


def _read(
    variant: Variant, index: int, number: int, plan: ThresholdPlan, names: Mapping[str, Scalar]
) -> Threshold:
    limit = plan.limit(names)
    if limit is None:
        point = ", ".join(f"{axis} {names[axis]}" for axis in plan.by)
        raise MlffError(
            f"{variant.spec.at('cases', index, 'thresholds', number, 'rows')}: "
            f"variant {variant.id}: has no row for {point}"
        )
    metric = metric_named(variant.spec.cases[index].metric)
    factor = ALSO_WRITTEN.get((plan.unit, metric.unit), 1.0)
    return Threshold(
        factor * limit, metric.unit, plan.provenance, metric.larger_is_better, plan.above_floor
    )


def pooled_cases(spec: Spec, variants: Sequence[Variant]) -> tuple[Case, ...]:
    """One case over all variants for each metric that the spec wants pooled."""
    if not spec.pooled:
        return ()
    whole = replace(variants[0], id=POOLED, values={})
    return tuple(Case(whole, metric, None, None, {}) for metric in spec.pooled)


def _holds(
    variant: Variant,
    index: int,
    number: int,
    threshold: ThresholdPlan,
    names: Mapping[str, Scalar],
) -> bool:
    if threshold.where is None:
        return True
    try:
        return threshold.where.condition(names)
    except ExpressionError as error:
        at = variant.spec.at("cases", index, "thresholds", number, "where")
        raise MlffError(f"{at}: variant {variant.id}: {error}") from None


def _symbols(
    variant: Variant, index: int, plan: CasePlan, present: Sequence[str]
) -> list[str | None]:
    """Species of a plan's cases, None for all atoms; all atoms first, symbols sorted."""
    symbols: list[str | None] = [None] if "all" in plan.species else []
    if "each" in plan.species:
        pairs = sorted({f"{a}-{b}" for a, b in itertools.combinations(present, 2)})
        return symbols + (pairs if metric_named(plan.metric).per_pair else sorted(set(present)))
    named = sorted(word for word in plan.species if word != "all")
    known = ", ".join(sorted(set(present)))
    missing = [symbol for word in named for symbol in word.split("-") if symbol not in present]
    if missing:
        raise MlffError(
            f"{variant.spec.at('cases', index, 'species')}: variant {variant.id}: the test frames "
            f"hold no {missing[0]} (species: {known}); `each` takes those that are "
            "there"
        )
    return symbols + list(named)


def _meant(words: tuple[str, ...] | None, symbol: str | None) -> bool:
    if words is None:
        return True
    return "all" in words if symbol is None else "each" in words or symbol in words
