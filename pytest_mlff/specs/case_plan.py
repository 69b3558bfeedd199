"""Cases of a spec: what is measured, and how good it must be."""

# pydantic reads the annotations when the classes are made.
# ruff: noqa: TC001

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import BeforeValidator, Field

from pytest_mlff.metrics.registry import metric_named
from pytest_mlff.specs.fields import SYMBOLS, ExpressionText, MetricName, OptionValue, PlanSpecies
from pytest_mlff.specs.model import Problem, SpecModel, as_tuple
from pytest_mlff.specs.threshold_plan import ThresholdPlan
from pytest_mlff.units import ALSO_WRITTEN


class CasePlan(SpecModel):
    """One metric, the species it is taken over, and its thresholds."""

    metric: MetricName = Field(description="Metric or law.")
    species: PlanSpecies = Field(
        default=("all",),
        description="`all` atoms together, `each` species of the test frames, both in a list, "
        "or chemical symbols; of g(r) and h(r) pairs such as C-H.",
    )
    where: ExpressionText | None = Field(
        default=None, description="Condition on axes and `dataset` of variants that have the case."
    )
    group_by: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="Label of each frame, such as config_type, or `system`: one more case for the "
        "frames of each value. Conditions of thresholds may name `group` (`all`, or the value).",
    )
    thresholds: Annotated[tuple[ThresholdPlan, ...], BeforeValidator(as_tuple)] = Field(
        default=(),
        description="The first that fits a case holds for it. A metric without any is reported, or "
        "judged against a baseline alone; laws and checks of data need one.",
    )
    options: dict[str, OptionValue] = Field(
        default={}, description="Settings that the metric understands, e.g. examples of a law."
    )

    def _problems(self) -> Iterator[Problem]:
        """Units and species fit the metric; every threshold can apply to some case."""
        metric = metric_named(self.metric)
        for word in self.species:
            kind = "pair" if "-" in word else "symbol"
            if word == "all" or (metric.per_pair and (kind == "pair" or word == "each")):
                continue
            if not metric.per_species and not metric.per_pair:
                yield ("species",), f"must be all; {metric.id} is not taken per species"
            elif metric.per_pair:
                yield ("species",), f"{metric.id} is of pairs such as C-H, not of {word!r}"
            elif kind == "pair":
                yield ("species",), f"{metric.id} is not taken over pairs such as {word!r}"
        if not self.thresholds and metric.needs_threshold:
            yield ("thresholds",), f"is missing or empty; {metric.id} is held against one"
        if self.group_by is not None and not metric.of_frames:
            yield (
                ("group_by",),
                f"does not go with {metric.id}, which is not taken over test frames",
            )
        other = "max" if metric.limit == "min" else "min"
        for index, threshold in enumerate(self.thresholds):
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
            if threshold.above_floor and not metric.has_floor:
                yield (
                    ("thresholds", index, "above_floor"),
                    f"does not go with {metric.id}, which has no noise floor",
                )
            idle = _idle_species(self, threshold)
            if idle is not None:
                yield (
                    ("thresholds", index, "species"),
                    f"{idle!r} is not among the species of this case ({', '.join(self.species)})",
                )


def _idle_species(case: CasePlan, threshold: ThresholdPlan) -> str | None:
    for word in threshold.species or ():
        if word == "each":
            reached = any(other != "all" for other in case.species)
        else:
            reached = word in case.species or (
                SYMBOLS.issuperset(word.split("-")) and "each" in case.species
            )
        if not reached:
            return word
    return None
