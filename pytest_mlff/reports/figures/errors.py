"""Predictions against references, and how large errors are, by element and by group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_mlff.reports.figures.description import Axis, Figure, GridPanel, Series, XYPanel
from pytest_mlff.reports.figures.points import species_label, species_role
from pytest_mlff.reports.figures.scales import value_axis

if TYPE_CHECKING:
    from pytest_mlff.reports.model import SpreadRecord

_CELLS: Final = 64
_PER_DECADE: Final = 4
_MOST: Final = 6
_UNITS: Final = {"energy": "meV/atom", "forces": "meV/Å"}
_CELL: Final = "Each cell counts {}, the darker the more, on a logarithmic scale."


def error_figures(spreads: Sequence[SpreadRecord]) -> list[Figure]:
    """Parity plots and errors of one model on one spec, forces first; none where nothing counts."""
    figures = []
    for quantity in ("forces", "energy"):
        found = [one for one in spreads if one.quantity == quantity]
        if not found:
            continue
        made = [_parity(quantity, found), _errors(quantity, found)]
        if sum(len(one.panels) for one in made) == 2:
            # Two panels stand beside each other.
            parity, errors = made
            made = [
                replace(
                    parity,
                    caption=f"{parity.caption} {errors.caption}",
                    panels=parity.panels + errors.panels,
                    columns=2,
                )
            ]
        figures += made
    return figures


def _shown(found: Sequence[SpreadRecord]) -> list[SpreadRecord]:
    """All atoms, then what most atoms are of, as many as fit beside each other."""
    ordered = sorted(found, key=lambda one: (one.species is not None, one.group is not None))
    whole = [one for one in ordered if one.species is None and one.group is None]
    parts = [one for one in ordered if one not in whole]
    largest = sorted(parts, key=_atoms, reverse=True)[: _MOST - len(whole)]
    return whole + [one for one in parts if one in largest]


def _atoms(one: SpreadRecord) -> int:
    return sum(count for _, _, count in one.sizes)


def _name(one: SpreadRecord) -> str:
    species = None if one.species is None else species_label(one.species)
    return ", ".join(filter(None, (one.group, species))) or "all"


def _more(shown: int, of: int) -> str:
    return f" The {shown} largest of {of} sets are shown." if shown < of else ""


def _variants(found: Iterable[SpreadRecord]) -> str:
    count = max(one.variants for one in found)
    return f" {count} variants are added up." if count > 1 else ""


def _parity(quantity: str, found: Sequence[SpreadRecord]) -> Figure:
    shown = _shown(found)
    what = "force components" if quantity == "forces" else "frames"
    note = "" if quantity == "forces" else (
        " Energies count from the mean reference of their composition."
    )  # fmt: skip
    return Figure(
        f"parity-{quantity}",
        f"Predicted against reference {'forces' if quantity == 'forces' else 'energies'}",
        f"{_CELL.format(what)} On the line a prediction is right.{note}"
        f"{_variants(found)}{_more(len(shown), len(found))}",
        "parity",
        tuple(_grid(one, _UNITS[quantity]) for one in shown),
        columns=3,
    )


def _grid(one: SpreadRecord, unit: str) -> GridPanel:
    reach = 2.0**one.reach
    half = _CELLS // 2
    filled = max(max(abs(place - half), abs(place + 1 - half)) for c, r, _ in one.parity
                 for place in (c, r))  # fmt: skip
    edge = reach * filled / half
    return GridPanel(
        _name(one),
        Axis("Reference", unit, limits=(-edge, edge)),
        Axis("Predicted", unit, limits=(-edge, edge)),
        reach,
        _CELLS,
        tuple((column, row, count) for column, row, count in one.parity),
    )


def _errors(quantity: str, found: Sequence[SpreadRecord]) -> Figure:
    by_element = [one for one in found if one.group is None]
    by_group = [one for one in found if one.group is not None and one.species is None]
    panels = []
    for title, parts in (("By element", by_element), ("By group", by_group)):
        if parts:
            named = title if quantity == "forces" or by_group else ""
            panels.append(_histogram(named, _shown(parts), quantity))
    if quantity == "forces":
        panels.append(_against_size(_shown(by_element or by_group)))
    counts = (
        "atoms, by the length of the error of their force" if quantity == "forces" else "frames"
    )
    growth = (
        " Against size: the median error, below a broken line nine in ten, of atoms with such a "
        "reference force; five atoms a point at least."
        if quantity == "forces"
        else ""
    )
    return Figure(
        f"errors-{quantity}",
        f"How large errors of {'forces' if quantity == 'forces' else 'energies'} are",
        f"Shares are of the {counts}.{growth}",
        "errors",
        tuple(panels),
        columns=len(panels),
    )


def _role(one: SpreadRecord, index: int) -> str:
    return species_role(one.species) if one.group is None else f"series-{index % 6}"


def _histogram(title: str, parts: Sequence[SpreadRecord], quantity: str) -> XYPanel:
    series = []
    for index, one in enumerate(parts):
        counts: Counter[int] = Counter()
        for _, row, count in one.sizes:
            counts[row] += count
        rows = range(min(counts) - 1, max(counts) + 2)
        total = counts.total()
        series.append(
            Series(
                _name(one),
                _role(one, index),
                tuple(_middle(row) for row in rows),
                tuple(100.0 * counts[row] / total for row in rows),
                mark="line",
            )
        )
    what = "Error of an atom's force" if quantity == "forces" else "Error of the energy"
    return XYPanel(
        title,
        value_axis(what, _UNITS[quantity], [v for one in series for v in one.x], log=True),
        Axis(f"{'Atoms' if quantity == 'forces' else 'Frames'} in a quarter decade", "%"),
        tuple(series),
    )


def _against_size(parts: Sequence[SpreadRecord]) -> XYPanel:
    series: list[Series] = []
    for index, one in enumerate(parts):
        columns: dict[int, Counter[int]] = {}
        for column, row, count in one.sizes:
            columns.setdefault(column, Counter())[row] += count
        kept = sorted(column for column, rows in columns.items() if rows.total() >= 5)
        for share, name in ((0.5, _name(one)), (0.9, "")):
            series.append(
                Series(
                    name or "nine in ten",
                    _role(one, index),
                    tuple(_middle(column) for column in kept),
                    tuple(_quantile(columns[column], share) for column in kept),
                    mark="both" if name else "line",
                    dashed=not name,
                    thin=not name,
                    in_legend=bool(name),
                )
            )
    unit = _UNITS["forces"]
    return XYPanel(
        "Against the size of the force",
        value_axis("Reference force", unit, [v for one in series for v in one.x], log=True),
        value_axis("Error", unit, [v for one in series for v in one.y], log=True),
        tuple(series),
    )


def _middle(cell: int) -> float:
    return float(10.0 ** ((cell + 0.5) / _PER_DECADE))


def _quantile(rows: Counter[int], share: float) -> float:
    """Where the share of the atoms is reached, in equal parts within a cell."""
    left = share * rows.total()
    for row in sorted(rows):
        if left <= rows[row]:
            return float(10.0 ** ((row + left / rows[row]) / _PER_DECADE))
        left -= rows[row]
    raise AssertionError("a share of one at most")
