"""Thresholds of a spec: a limit or a table of limits, and where the number comes from."""

# pydantic reads the annotations when the classes are made.
# ruff: noqa: TC001

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from pytest_mlff.specs.fields import AxisName, ExpressionText, TableRow, ThresholdSpecies, Unit
from pytest_mlff.specs.model import Problem, SpecModel, as_tuple
from pytest_mlff.specs.operations import Scalar


class Provenance(SpecModel):
    """Why a threshold is what it is."""

    source: Literal["paper", "own_baseline", "physical_limit"] = Field(
        description="A published value, a baseline measured with this package, or a limit that "
        "follows from physics."
    )
    reference: str = Field(
        min_length=1, description="Table or figure of the paper, or how the value was obtained."
    )
    frames: int | None = Field(
        default=None, ge=1, description="Frames the baseline was measured on (own_baseline)."
    )
    seeds: int | None = Field(
        default=None, ge=1, description="Seeds the baseline was measured over (own_baseline)."
    )

    def _problems(self) -> Iterator[Problem]:
        """An own baseline says how much was measured."""
        if self.source == "own_baseline":
            for key in ("frames", "seeds"):
                if getattr(self, key) is None:
                    yield (key,), "is missing; an own_baseline says how many frames and seeds"


class ThresholdPlan(SpecModel):
    """The limit of acceptable values, or a table of them, and the cases it holds for."""

    max: float | None = Field(
        default=None, ge=0, allow_inf_nan=False, description="Largest acceptable value."
    )
    min: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="Smallest acceptable value, for a metric of which larger is better.",
    )
    by: Annotated[tuple[AxisName, ...], BeforeValidator(as_tuple)] = Field(
        default=(), description="Axes that `rows` are looked up by, instead of max or min."
    )
    rows: Annotated[tuple[TableRow, ...], BeforeValidator(as_tuple)] = Field(
        default=(), description="A value of each axis in `by`, then the limit."
    )
    unit: Unit = Field(description="Unit of the limit; must be the unit of the metric.")
    above_floor: bool = Field(
        default=False,
        description="The limit is for what the value is above its noise floor; a floor above the "
        "limit is an error, since then nothing can be told.",
    )
    where: ExpressionText | None = Field(
        default=None, description="Condition on axes and `dataset`; without it every variant."
    )
    species: ThresholdSpecies | None = Field(
        default=None,
        description="`all` (the case over all atoms), `each` (every per-species case) or symbols; "
        "without it every case.",
    )
    provenance: Provenance = Field(description="Where the number comes from.")

    @cached_property
    def _table(self) -> dict[tuple[Scalar, ...], float]:
        return {row[:-1]: float(row[-1]) for row in self.rows}

    def limit(self, names: Mapping[str, Scalar]) -> float | None:
        """The limit where names stand for these values; None without a row."""
        if self.by:
            return self._table.get(tuple(names[axis] for axis in self.by))
        return self.min if self.max is None else self.max

    @property
    def limits(self) -> tuple[float, ...]:
        """Every limit it may give."""
        return tuple(self._table.values()) or tuple(
            one for one in (self.max, self.min) if one is not None
        )

    def _problems(self) -> Iterator[Problem]:
        """There is one value, or a table without gaps in its rows and without doubles."""
        by, rows = self.by, self.rows
        given = [key for key in ("max", "min") if getattr(self, key) is not None]
        if len(given) == 2:
            yield (
                ("min",),
                "does not go with `max`; give the one that the metric's direction asks for",
            )
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
                yield (
                    at,
                    f"must hold {len(by) + 1} values ({', '.join(by)}, the limit), is {[*row]}",
                )
                continue
            *words, limit = row
            if isinstance(limit, bool | str) or limit < 0:
                yield at, f"the limit must be a number of at least 0, is {limit!r}"
            if tuple(words) in seen:
                yield at, f"{_point(by, words)} stands there twice"
            seen.add(tuple(words))


def _point(by: Sequence[str], values: Sequence[object]) -> str:
    return ", ".join(f"{axis} {value}" for axis, value in zip(by, values, strict=True))
