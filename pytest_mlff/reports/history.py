"""Cases over the runs of a repository: what each report says of them, in the order of time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.errors import MlffError
from pytest_mlff.gate.threshold import RED
from pytest_mlff.reports.json_report import load_report

if TYPE_CHECKING:
    from pytest_mlff.reports.model import CaseRecord, Report


@dataclass(frozen=True)
class Change:
    """Where a case moved further than its intervals reach: the run, and the one it is held against.

    The latter is the last one with an interval; ``worse`` goes by the metric's own direction.
    """

    run: int
    since: int
    worse: bool


@dataclass(frozen=True)
class Track:
    """One case of one model over the runs.

    Attributes
    ----------
    model : str or None
        Name of the model; None for a check of data.
    case_id : str
    points : tuple of (int, CaseRecord)
        Index of each run that has the case, and what it says.
    data : tuple of frozenset of str
        Digests of the test frames behind each point; empty where the report has none.
    """

    model: str | None
    case_id: str
    points: tuple[tuple[int, CaseRecord], ...]
    data: tuple[frozenset[str], ...]

    @property
    def measured(self) -> tuple[tuple[int, CaseRecord], ...]:
        """Points that have a value."""
        return tuple(pair for pair in self.points if pair[1].value is not None)

    @property
    def last(self) -> CaseRecord:
        """What the latest run that has the case says."""
        return self.points[-1][1]

    @property
    def changes(self) -> tuple[Change, ...]:
        """Where the 95 % intervals of two runs that follow each other do not meet.

        Each run is read alone, so this asks for more than the paired test of the gate does: on
        the same frames a smaller change than that can be real. A case without an interval has
        none of these, nor is a run held against one on other frames.
        """
        found = []
        before: tuple[int, CaseRecord, object] | None = None
        for (index, case), data in zip(self.points, self.data, strict=True):
            if case.ci_low is None or case.ci_high is None:
                continue
            frames = (data, case.n_frames)
            if before is not None and before[2] == frames:
                since, earlier, _ = before
                assert earlier.ci_low is not None
                assert earlier.ci_high is not None
                grown = case.ci_low > earlier.ci_high
                if grown or case.ci_high < earlier.ci_low:
                    found.append(Change(index, since, worse=grown != case.larger_is_better))
            before = index, case, frames
        return tuple(found)

    @property
    def turned_red(self) -> tuple[int, ...]:
        """Runs in which the case is red, and was not in the one before."""
        found = []
        before = False
        for index, case in self.points:
            red = case.verdict in RED
            if red and not before:
                found.append(index)
            before = red
        return tuple(found)


@dataclass(frozen=True)
class History:
    """Reports in the order of time, and the cases in them.

    What turned red or got worse last comes first, then by model and case.
    """

    reports: tuple[Report, ...]
    tracks: tuple[Track, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """What the runs are called: commit, or day and time."""
        return tuple(map(label_of, self.reports))


def label_of(report: Report) -> str:
    """Short commit (``+`` where files had changes), or the start where there is none."""
    git = report.run.git
    if git is None:
        return report.run.started[:16].replace("T", " ")
    return git.commit[:7] + ("+" if git.dirty else "")


def history_of(reports: Iterable[Report]) -> History:
    """Bring reports into the order of their start, and each case into one line."""
    ordered = tuple(sorted(reports, key=lambda report: report.run.started))
    points: dict[tuple[str | None, str], list[tuple[int, CaseRecord]]] = {}
    for index, report in enumerate(ordered):
        for case in report.cases:
            points.setdefault((case.model, case.case_id), []).append((index, case))
    tracks = (
        Track(model, case_id, tuple(at), tuple(_data(ordered[run], case) for run, case in at))
        for (model, case_id), at in points.items()
    )
    return History(ordered, tuple(sorted(tracks, key=_gravity)))


def _data(report: Report, case: CaseRecord) -> frozenset[str]:
    """Digests of the dataset that a case is tested on."""
    digests = report.run.data_digests.items()
    return frozenset(digest for name, digest in digests if name.startswith(f"{case.dataset}/"))


def _gravity(track: Track) -> tuple[int, str, str]:
    worse = [change.run for change in track.changes if change.worse]
    latest = max([-1, *worse, *track.turned_red])
    return -latest, track.model or "", track.case_id


def read_history(paths: Sequence[Path]) -> History:
    """Read JSON reports, and every ``*.json`` of folders.

    Raises
    ------
    MlffError
        If a file is no report, a folder holds none, or there are fewer than two.
    """
    files = []
    for path in paths:
        inside = sorted(path.glob("*.json")) if path.is_dir() else [path]
        if not inside:
            raise MlffError(f"{path}: no report (*.json) in this folder")
        files += inside
    if len(files) < 2:
        raise MlffError(f"{files[0]}: one report is no history; mlff report shows it")
    return history_of(map(load_report, files))
