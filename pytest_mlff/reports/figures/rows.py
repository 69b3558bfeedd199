"""Cases of a report joined with the variants that they were measured on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_mlff.reports.model import CaseRecord, Plain, Report, VariantRecord

__all__ = ["Group", "groups_of", "models_of", "number"]


def number(value: Plain | None) -> float | None:
    """An axis value as a number; None for text."""
    return None if value is None or isinstance(value, str) else float(value)


@dataclass(frozen=True)
class Group:
    """The variants of one spec on one dataset, and the cases measured on them.

    Attributes
    ----------
    suite, spec, dataset : str
        Which.
    variants : tuple of VariantRecord
        In the order of the report.
    cases : mapping
        Keyed by (variant, metric, species, model).
    """

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

    def has_axes(self, *names: str) -> bool:
        """Whether every variant lies on all these axes."""
        return bool(self.variants) and all(
            name in variant.axes for variant in self.variants for name in names
        )

    def species(self, metric: str, model: str | None) -> tuple[str | None, ...]:
        """All atoms first, then each species with a value, in the order of the alphabet."""
        found = {
            case.species
            for (_, name, _, of), case in self.cases.items()
            if name == metric and of == model and case.value is not None
        }
        every: tuple[str | None, ...] = (None,) if None in found else ()
        return every + tuple(sorted(symbol for symbol in found if symbol is not None))

    def where(self, keep: Callable[[VariantRecord], bool]) -> Group:
        """The same group with some of its variants."""
        kept = tuple(variant for variant in self.variants if keep(variant))
        return Group(self.suite, self.spec, self.dataset, kept, self.cases)

    def at(self, axis: str, value: float) -> Group:
        """The same group with the variants at one place of a numeric axis."""
        return self.where(lambda variant: number(variant.axes.get(axis)) == value)

    def split(self, *axes: str) -> list[tuple[str, Group]]:
        """Subgroups in which only these axes vary, each with a label of what is fixed."""
        labels: dict[str, list[VariantRecord]] = {}
        for variant in self.variants:
            fixed = ", ".join(f"{k} {v}" for k, v in variant.axes.items() if k not in axes)
            labels.setdefault(fixed, []).append(variant)
        return [
            (label, Group(self.suite, self.spec, self.dataset, tuple(found), self.cases))
            for label, found in labels.items()
        ]


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def models_of(report: Report) -> tuple[str, ...]:
    """Models of a report: the tested ones, then those that only cases name."""
    named = [model.name for model in report.models]
    return _distinct(named + [case.model for case in report.cases if case.model is not None])


def groups_of(report: Report) -> list[Group]:
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
        if case.variant in variants.get(key, ()):
            place = (case.variant, case.metric, case.species, case.model)
            cases.setdefault(key, {})[place] = case
    return [
        Group(*key, tuple(found.values()), cases.get(key, {})) for key, found in variants.items()
    ]
