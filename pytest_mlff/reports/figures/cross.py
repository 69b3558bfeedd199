"""Training sets against test molecules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_mlff.reports.figures.description import Axis, Cell, Figure, MatrixPanel
from pytest_mlff.reports.figures.points import first_metric, hover_of, metric_labels, missing_text
from pytest_mlff.reports.figures.scales import colour_scale, short

if TYPE_CHECKING:
    from pytest_mlff.reports.figures.rows import SpecRows


def _letters(group: SpecRows) -> dict[str, str]:
    """Short name of each molecule to its full one, as the variants say."""
    found: dict[str, str] = {}
    for variant in group.variants:
        letters = str(group.place(variant, "train_systems"))
        if len(letters) == len(variant.train_molecules):
            found.update(zip(letters, variant.train_molecules, strict=True))
        if len(variant.test_molecules) == 1:
            found[str(group.place(variant, "test_systems"))] = variant.test_molecules[0]
    return dict(sorted(found.items()))


def cross_molecule_chart(group: SpecRows, model: str | None) -> Figure | None:
    """Force MAE of each pair of training set and test molecule.

    SAIBench-MLFF (Li et al.), cross-molecule generalisation. None where no pair has a value, or
    every molecule is tested on its own training set.
    """
    places = ("train_systems", "test_systems")
    if all(len({str(group.place(v, role)) for role in places}) == 1 for v in group.variants):
        return None
    names = _letters(group)
    rows = list(dict.fromkeys(str(group.place(v, "train_systems")) for v in group.variants))
    columns = list(names)
    metric = first_metric(group, model)
    cells, values = _cells(group, model, rows, columns, names)
    if metric is None or not values:
        return None
    unit = next(
        case.unit for v in group.variants if (case := group.measured(v, metric, None, model))
    )
    panel = MatrixPanel(
        title="",
        x=Axis("Molecule", ""),
        y=Axis("Training set", ""),
        rows=tuple(rows),
        members=tuple(columns),
        columns=tuple(columns),
        belongs=frozenset(
            (r, c)
            for r, row in enumerate(rows)
            for c, letter in enumerate(columns)
            if letter in row
        ),
        cells=tuple(cells),
        colour=colour_scale(metric_labels()[metric], unit, values),
    )
    key = ", ".join(f"{letter} {name.replace('_', ' ')}" for letter, name in names.items())
    return Figure(
        "cross-molecule",
        "Generalisation across molecules",
        f"{metric_labels()[metric]} over all atoms in {unit}; dots mark the molecules of each "
        "training set. "
        "“↑”: above the threshold; “train”: trained on it; “no X”: species X was not trained on; "
        f"“–”: not asked for by the spec. Molecules: {key}."
        + missing_text(group, group.variants, metric, model),
        "cross-molecule",
        (panel,),
    )


def _cells(
    group: SpecRows, model: str | None, rows: Sequence[str], columns: Sequence[str],
    names: Mapping[str, str],
) -> tuple[list[Cell], list[float]]:  # fmt: skip
    metric = first_metric(group, model)
    if metric is None:
        return [], []
    placed = {
        (str(group.place(v, "train_systems")), str(group.place(v, "test_systems"))): v
        for v in group.variants
    }
    cells: list[Cell] = []
    values: list[float] = []
    for r, row in enumerate(rows):
        for c, letter in enumerate(columns):
            variant = placed.get((row, letter))
            if variant is None:
                text, reason = _untested(row, letter, names)
                cells.append(Cell(r, c, None, text, reason, f"{row} → {letter}: {reason}"))
                continue
            case = group.case(variant, metric, None, model)
            if case is None:
                hover = f"{row} → {letter}: not run"
                cells.append(Cell(r, c, None, "not run", "not run", hover, lost=True))
            elif case.value is None:
                text = "unsupp." if case.verdict == "unsupported" else case.verdict
                hover = f"{row} → {letter}: {case.reason}"
                cells.append(Cell(r, c, None, text, case.reason, hover, lost=True))
            else:
                above = case.load > 1.0
                text = short(case.value) + ("↑" if above else "")
                cells.append(Cell(r, c, case.value, text, "", hover_of(case)))
                values.append(case.value)
    return cells, values


def _untested(row: str, letter: str, names: Mapping[str, str]) -> tuple[str, str]:
    from pytest_mlff.datasets.record import record_named

    if letter in row:
        return "train", "trained on it"
    # Formulae are common knowledge for the published molecules; of others nothing is claimed.
    species = record_named("rmd17").species()
    wanted = species.get(names[letter])
    seen = [species.get(names.get(one, "")) for one in row]
    if wanted is not None and all(one is not None for one in seen):
        known = {symbol for one in seen if one is not None for symbol in one}
        missing = [symbol for symbol in wanted if symbol not in known]
        if missing:
            return f"no {', '.join(missing)}", f"{', '.join(missing)} not trained on"
    return "–", "not a variant of the spec"
