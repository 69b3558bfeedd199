"""Test frames span a time in which a molecule forgets where it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_mlff.datasets.integrity.result import IntegrityResult, plural
from pytest_mlff.errors import NotSupportedError

if TYPE_CHECKING:
    from pytest_mlff.datasets.splits import FrameSets

SHORTEST_PS: Final = 1.0
"""ps. Stretching periods are 10 to 30 fs, torsions and lattice modes take a picosecond."""


def test_span(sets: FrameSets) -> IntegrityResult:
    """The test frames of each trajectory span at least 1 ps; the value is 1 ps over the span.

    A test on the first thousand steps of a trajectory, as EGraFFBench's of MD17 (0.5 ps), sees a
    few vibrations of one conformer.

    Raises
    ------
    NotSupportedError
        If no test frame has a known place in time.
    """
    worst, reason, judged = 0.0, "", 0
    for molecule, positions in sets.test.indices.items():
        dataset = sets.test.datasets[molecule]
        index = dataset.frames.time_index
        if index is None or dataset.timestep_fs is None or not len(positions):
            continue
        judged += len(positions)
        steps = index[positions]
        span = float(steps.max() - steps.min()) * dataset.timestep_fs / 1000.0
        value = SHORTEST_PS / span if span > 0 else 1e9
        if value > worst:
            worst = value
            reason = (
                f"{plural(len(positions), 'test frame')} of {molecule} span {span:.3g} ps "
                f"(at least {SHORTEST_PS:g} ps), steps {int(steps.min())} to {int(steps.max())}"
            )
    if not judged:
        raise NotSupportedError("no test frame has a known place in time")
    return IntegrityResult(worst, judged, reason)
