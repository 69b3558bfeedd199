"""Cases of a report joined with the variants that they were measured on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_mlff.reports.model import CaseRecord, Plain, Report, VariantRecord


def number(value: Plain | None) -> float | None:
    """An axis value as a number; None for text."""
    return None if value is None or isinstance(value, str) else float(value)


def begin_of(variant: VariantRecord) -> float | None:
    """Begin of the training window in percent."""
    window = variant.train_window
    return None if window is None else window[0]


def size_of(variant: VariantRecord) -> float | None:
    """Size of the training window in percent, without the rounding of its two ends."""
    window = variant.train_window
    return None if window is None else round(window[1] - window[0], 9)


@dataclass(frozen=True)
class SpecRows:
    """The variants of one spec on one dataset in the order of the report, and their cases."""

    suite: str
    spec: str
    dataset: str
    variants: tuple[VariantRecord, ...]
    cases: dict[tuple[str, str, str | None, str | None], CaseRecord]

    @property
    def name(self) -> str:
        """``suite/spec on dataset``."""
        return f"{self.suite}/{self.spec} on {self.dataset}"

    def case(
        self, variant: VariantRecord, metric: str, species: str | None, model: str | None
    ) -> CaseRecord | None:
        """The case of a variant; one that judges the data serves every model."""
        found = self.cases.get((variant.variant, metric, species, model))
        return found or self.cases.get((variant.variant, metric, species, None))

    def measured(
        self, variant: VariantRecord, metric: str, species: str | None, model: str | None
    ) -> CaseRecord | None:
        """The case of a variant if it has a value."""
        case = self.case(variant, metric, species, model)
        return None if case is None or case.value is None else case

    def axis(self, role: str) -> str | None:
        """The axis that plays a role, such as ``train_start``; None where there is none."""
        return self.variants[0].roles.get(role) if self.variants else None

    def has_roles(self, *roles: str) -> bool:
        """Whether every variant lies on axes that play all these roles."""
        axes = [self.axis(role) for role in roles]
        return bool(self.variants) and all(
            axis in variant.axes for variant in self.variants for axis in axes
        )

    def place(self, variant: VariantRecord, role: str) -> Plain | None:
        """Where a variant lies on the axis that plays a role."""
        axis = self.axis(role)
        return None if axis is None else variant.axes.get(axis)

    def count(self, variant: VariantRecord) -> float | None:
        """Number of training samples that a variant asks for, per system."""
        return number(self.place(variant, "train_count"))

    def species(self, metric: str, model: str | None) -> tuple[str | None, ...]:
        """All atoms first, then each species with a value, in the order of the alphabet."""
        found = {
            case.species
            for (_, name, _, of), case in self.cases.items()
            if name == metric and of == model and case.value is not None
        }
        every: tuple[str | None, ...] = (None,) if None in found else ()
        return every + tuple(sorted(symbol for symbol in found if symbol is not None))

    def where(self, keep: Callable[[VariantRecord], bool]) -> SpecRows:
        """The same group with some of its variants."""
        kept = tuple(variant for variant in self.variants if keep(variant))
        return SpecRows(self.suite, self.spec, self.dataset, kept, self.cases)

    def of_count(self, count: float) -> SpecRows:
        """The same group with the variants of one number of training samples."""
        return self.where(lambda variant: self.count(variant) == count)

    def split(self, *roles: str) -> list[tuple[str, SpecRows]]:
        """Subgroups in which only axes of these roles vary, each with a label of what is fixed."""
        axes = {self.axis(role) for role in roles}
        labels: dict[str, list[VariantRecord]] = {}
        for variant in self.variants:
            fixed = ", ".join(f"{k} {v}" for k, v in variant.axes.items() if k not in axes)
            labels.setdefault(fixed, []).append(variant)
        return [
            (label, SpecRows(self.suite, self.spec, self.dataset, tuple(found), self.cases))
            for label, found in labels.items()
        ]


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def models_of(report: Report) -> tuple[str, ...]:
    """Models of a report: the tested ones, then those that only cases name."""
    named = [model.name for model in report.models]
    return _distinct(named + [case.model for case in report.cases if case.model is not None])


def groups_of(report: Report) -> list[SpecRows]:
    """Groups in the order of the report's variants.

    Cases of a variant that the report does not describe are left out: their place on the
    axes is unknown.
    """
    variants: dict[tuple[str, str, str], dict[str, VariantRecord]] = {}
    for variant in report.variants:
        key = (variant.suite, variant.spec, variant.dataset)
        variants.setdefault(key, {})[variant.variant] = variant
    cases: dict[
        tuple[str, str, str], dict[tuple[str, str, str | None, str | None], CaseRecord]
    ] = {}
    for case in report.cases:
        key = (case.suite, case.spec, case.dataset)
        # A group of frames has no place of its own on the axes.
        if case.group is None and case.variant in variants.get(key, ()):
            place = (case.variant, case.metric, case.species, case.model)
            cases.setdefault(key, {})[place] = case
    return [
        SpecRows(*key, tuple(found.values()), cases.get(key, {})) for key, found in variants.items()
    ]
