"""``mlff compare``: rank models that were measured on the same cases."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlff.cli.parts import print_json

if TYPE_CHECKING:
    from pytest_mlff.gate.compare import RankedModel, Ranking
    from pytest_mlff.gate.records import KeptCase
    from pytest_mlff.reports.model import CaseRecord

_MOST = 40


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``compare``."""
    parser = subparsers.add_parser(
        "compare", help="rank models by JSON reports or baselines, with paired intervals"
    )
    parser.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="JSON report or baseline; together they must hold at least two models",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument(
        "--html", type=Path, metavar="FILE",
        help="write a page instead: a table for each dataset and metric, whether errors and "
        "dynamics rank alike, cost",
    )  # fmt: skip
    parser.add_argument(
        "--costs", type=Path, metavar="FILE",
        help="JSON for that page, such as {\"A\": {\"ms a step\": 3}}",
    )  # fmt: skip
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from pytest_mlff.errors import MlffError

    if options.html is not None:
        return write_page(options.paths, options.html, options.costs)
    if options.costs is not None:
        raise MlffError("--costs is for the page of --html=FILE, which is not asked for")
    return compare(options.paths, in_json=options.json)


def write_page(paths: Sequence[Path], target: Path, costs: Path | None = None) -> int:
    """Write the page of rankings of some reports.

    Raises
    ------
    MlffError
        If a file is no report, or no two models share a case.
    """
    from pytest_mlff.errors import MlffError
    from pytest_mlff.gate.files import read_document, read_models
    from pytest_mlff.reports.html.rankings_page import read_costs, render_rankings
    from pytest_mlff.reports.json_report import load_report
    from pytest_mlff.reports.rankings import rankings_of
    from pytest_mlff.store import write_atomically

    reports = [load_report(path) for path in paths]
    runs: dict[str, dict[str, KeptCase]] = {}
    for path in paths:
        for model, records in read_models(path, read_document(path, what="report")).items():
            twice = sorted(runs.get(model, {}).keys() & records)
            if twice:
                raise MlffError(f"{path}: {model} has {twice[0]} in another of these reports, too")
            runs.setdefault(model, {}).update(records)
    found = rankings_of(reports, runs)
    if not found.tables:
        raise MlffError("no two models share a case, so there is nothing to rank")
    told = None if costs is None else read_costs(costs)
    write_atomically(target, render_rankings(found, reports, told).encode())
    print(f"{target}: {len(found.tables)} tables")
    return 0


def compare(paths: Sequence[Path], *, in_json: bool = False) -> int:
    """Print the ranking of the models in some files.

    Raises
    ------
    MlffError
        If a file is not readable, or there are not two models with a case in common.
    """
    from pytest_mlff.gate.compare import rank, read_runs

    ranking = rank(read_runs(paths))
    if in_json:
        print_json(as_json(ranking))
    else:
        print("\n".join((shown(ranking), *_survival(paths))))
    return 0


def _survival(paths: Sequence[Path]) -> list[str]:
    """Log-rank tests between the models of reports, a line for each simulation."""
    from pytest_mlff.gate.files import BASELINE_KIND, read_document
    from pytest_mlff.reports.json_report import load_report
    from pytest_mlff.reports.lifetimes import log_rank_between

    found: dict[str, list[CaseRecord]] = {}
    for path in paths:
        if read_document(path, what="report").get("kind") != BASELINE_KIND:
            for case in load_report(path).cases:
                found.setdefault(case.case_id, []).append(case)
    chances = {name: log_rank_between(cases) for name, cases in found.items()}
    return [
        f"{name}: log-rank test between {len(found[name])} models: p = {p:.2g}"
        for name, p in chances.items()
        if p is not None
    ]


def _fields(of: object, *names: str) -> dict[str, Any]:
    return {name: getattr(of, name) for name in names}


def as_json(ranking: Ranking) -> dict[str, Any]:
    """A ranking in JSON's terms."""
    return {
        "cases": list(ranking.cases),
        "dropped": dict(ranking.dropped),
        "notes": list(ranking.notes),
        "models": [
            _fields(one, "model", "rank", "score", "low", "high", "worse")
            | {
                "cases": {
                    name: _fields(found, "value", "unit", "change", "low", "high")
                    for name, found in one.cases.items()
                }
            }
            for one in ranking.models
        ],
    }


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns side by side, the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            [
                f"{row[0]:<{widths[0]}}",
                *(f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
        ).rstrip()
        for row in rows
    ]


def _verdict(one: RankedModel) -> str:
    if one.rank == 1:
        return "best"
    return {True: "worse", False: "not told apart", None: "undecided"}[one.worse]


def _interval(low: float | None, high: float | None, scale: float = 1.0) -> str:
    if low is None or high is None:
        return "undecided"
    digits = 3 if scale == 1.0 else 1
    return f"{scale * low:.{digits}f} … {scale * high:.{digits}f}"


def shown(ranking: Ranking) -> str:
    """A ranking as tables: the models, then each case."""
    best = ranking.models[0]
    rows = [("model", "rank", "score", "(95 %)", "")]
    rows += [
        (
            one.model,
            str(one.rank),
            f"{one.score:.3f}",
            "" if one is best else _interval(one.low, one.high),
            _verdict(one),
        )
        for one in ranking.models
    ]
    lines = _aligned(rows)
    inverse = any(one.larger_is_better for one in best.cases.values())
    lines.append(
        f"score: geometric mean over {len(ranking.cases)} cases of the error over that of "
        f"{best.model}" + (", or the inverse where larger is better" if inverse else "")
    )
    for one in ranking.models[1:]:
        lines += ["", f"{one.model} against {best.model}"]
        cases = sorted(one.cases.items(), key=lambda pair: -pair[1].worsening)
        table = [("case", one.model, best.model, "unit", "change %", "(95 %)")]
        table += [
            (
                name,
                f"{found.value:.4g}",
                f"{best.cases[name].value:.4g}",
                found.unit,
                "–" if found.change is None else f"{100.0 * found.change:+.1f}",
                _interval(found.low, found.high, 100.0),
            )
            for name, found in cases[:_MOST]
        ]
        lines += _aligned(table)
        if len(cases) > _MOST:
            lines.append(f"… and {len(cases) - _MOST} more cases (--json holds all)")
    if ranking.dropped:
        lines += ["", f"{len(ranking.dropped)} cases left out, e.g."]
        lines += [f"  {why}" for why in list(ranking.dropped.values())[:5]]
    lines += [f"note: {note}" for note in ranking.notes]
    return "\n".join(lines)
