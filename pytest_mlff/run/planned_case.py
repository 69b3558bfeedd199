"""A case of a planned run: what it takes to evaluate it, and the id of its item."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.metrics.registry import is_law, metric_named
from pytest_mlff.specs import builtin_folder

if TYPE_CHECKING:
    from pytest_mlff.run.options import Located
    from pytest_mlff.run.plan import PlannedSpec
    from pytest_mlff.specs import Case, Variant

__all__ = [
    "ACCURACY",
    "DATA",
    "LAW",
    "PlannedCase",
    "function_of",
    "node_of",
    "nodeid_of",
    "planned_cases",
]

ACCURACY, LAW, DATA = "test_accuracy", "test_law", "test_data"


@dataclass(frozen=True)
class PlannedCase:
    """A case together with what it takes to evaluate it; a case of frames alone has no model."""

    case: Case
    planned: PlannedSpec
    source: Located | None

    @property
    def variants(self) -> tuple[Variant, ...]:
        """Variants that it is measured on."""
        return self.planned.variants if self.case.is_pooled else (self.case.variant,)

    @property
    def on_own_data(self) -> bool:
        """Whether it tests against labels that the user gave."""
        return any(map(self.planned.on_own_data, self.variants))

    def label(self, several_models: bool) -> str:
        """What stands in brackets behind a test function's name, and what JUnit calls the case."""
        return self._of_model(self.case.case_id, several_models)

    @property
    def frame_set(self) -> str:
        """Its variant with the suite and the spec: the test frames that it shares with others."""
        return f"{self.case.suite}/{self.case.spec_name}/{self.case.variant.id}"

    def set_label(self, several_models: bool) -> str:
        """What stands in brackets behind a test that runs once per set of frames."""
        return self._of_model(self.frame_set, several_models)

    def _of_model(self, text: str, several_models: bool) -> str:
        return f"{self.source.text}:{text}" if several_models and self.source else text

    @property
    def function(self) -> str:
        """The function of the suite that runs it."""
        return function_of(self.case)


def function_of(case: Case) -> str:
    """The function of the suite that runs a case."""
    if not metric_named(case.metric).needs_model:
        return DATA
    return LAW if is_law(case.metric) else ACCURACY


def planned_cases(planned: PlannedSpec, models: Sequence[Located]) -> Iterator[PlannedCase]:
    """Every case of a spec: once where it needs no model, else for every model."""
    for case in planned.cases:
        if not metric_named(case.metric).needs_model:
            yield PlannedCase(case, planned, None)
    for model in models:
        for case in planned.cases:
            if metric_named(case.metric).needs_model:
                yield PlannedCase(case, planned, model)


def node_of(planned: PlannedSpec, rootpath: Path) -> str:
    """First part of the ids of a spec's items.

    A builtin spec is called ``benchmark_specs/…`` wherever the package is installed, so
    that ids agree between machines.
    """
    if planned.is_builtin:
        inside = planned.path.relative_to(builtin_folder()).as_posix()
        return f"benchmark_specs/{inside}"
    if planned.path.is_relative_to(rootpath):
        return planned.path.relative_to(rootpath).as_posix()
    return planned.path.as_posix()


def nodeid_of(one: PlannedCase, rootpath: Path, several_models: bool) -> str:
    """Id of the item that runs a case."""
    return f"{node_of(one.planned, rootpath)}::{one.function}[{one.label(several_models)}]"
