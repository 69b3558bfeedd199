"""``mlff history``: each case over the reports of a repository."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlff.cli.parts import print_json

if TYPE_CHECKING:
    from pytest_mlff.reports.history import History, Track

_MOST = 40


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``history``."""
    parser = subparsers.add_parser(
        "history",
        help="show how cases went over the reports of a repository",
        description="Bring JSON reports (--mlff-report) into the order of their start and say "
        "where a case turned red, or moved further than its 95 % intervals reach.",
    )
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="JSON report, or a folder of them"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--figures", type=Path, metavar="DIR", help="draw the cases into DIR")
    parser.add_argument(
        "--format", metavar="LIST", default="svg", help="formats, e.g. png,svg (default: svg)"
    )
    parser.set_defaults(
        run=lambda options: history(
            options.paths, in_json=options.json, folder=options.figures, formats=options.format
        )
    )


def history(
    paths: Sequence[Path], *, in_json: bool = False, folder: Path | None = None, formats: str
) -> int:
    """Print the history, and draw it where a folder is given.

    Raises
    ------
    MlffError
        If a file is no report, or there are fewer than two.
    MissingExtraError
        If matplotlib is asked for and not installed.
    """
    from pytest_mlff.reports.history import read_history

    found = read_history(paths)
    if in_json:
        print_json(_as_json(found))
    else:
        print("\n".join(_lines(found)))
    if folder is not None:
        from pytest_mlff.reports.figures.files import write_drawn
        from pytest_mlff.reports.figures.history import values_over_runs

        figure = values_over_runs(found)
        names = [name.strip() for name in formats.split(",") if name.strip()]
        written = write_drawn([] if figure is None else [figure], folder, names)
        if not in_json:
            print("\n".join(map(str, written)) or "no figure: no case has two values")
    return 0


def _as_json(found: History) -> dict[str, Any]:
    return {
        "runs": [
            {
                "label": label,
                "started": report.run.started,
                "commit": None if report.run.git is None else report.run.git.commit,
                "exit_code": report.run.exit_code,
            }
            for label, report in zip(found.labels, found.reports, strict=True)
        ],
        "cases": [
            {
                "model": track.model,
                "case_id": track.case_id,
                "unit": track.last.unit,
                "points": [
                    {
                        "run": index,
                        "value": case.value,
                        "ci_low": case.ci_low,
                        "ci_high": case.ci_high,
                        "verdict": case.verdict,
                    }
                    for index, case in track.points
                ],
                "changes": [
                    {"run": one.run, "since": one.since, "worse": one.worse}
                    for one in track.changes
                ],
                "turned_red": list(track.turned_red),
            }
            for track in found.tracks
        ],
    }


def _lines(found: History) -> list[str]:
    from pytest_mlff.gate.threshold import RED

    several = len({track.model for track in found.tracks} - {None}) > 1
    told = [track for track in found.tracks if track.changes or track.turned_red]
    red = sum(track.last.verdict in RED for track in found.tracks)
    labels = found.labels
    lines = [
        f"{len(found.reports)} runs, {labels[0]} to {labels[-1]}: {len(found.tracks)} cases, "
        f"{len(told)} of them changed, {red} red in their latest run"
    ]
    for track in told[:_MOST]:
        name = f"{track.model}: {track.case_id}" if several and track.model else track.case_id
        lines.append(name)
        lines += [f"  {text}" for _, text in sorted(_events(track, labels))]
    if len(told) > _MOST:
        lines.append(f"… and {len(told) - _MOST} more cases (--json holds all)")
    if told:
        lines.append(
            "worse, better: beyond both 95 % intervals, on the same frames; mlff compare tells "
            "smaller changes"
        )
    return lines


def _events(track: Track, labels: Sequence[str]) -> list[tuple[int, str]]:
    cases = dict(track.points)
    return [
        (
            one.run,
            f"{labels[one.run]}: {'worse' if one.worse else 'better'}, "
            f"{cases[one.since].value:.4g} → {cases[one.run].value:.4g} {track.last.unit} "
            f"since {labels[one.since]}",
        )
        for one in track.changes
    ] + [
        (index, f"{labels[index]}: {cases[index].verdict}: {cases[index].reason}")
        for index in track.turned_red
    ]
