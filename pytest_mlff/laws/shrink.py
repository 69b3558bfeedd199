"""Make a counterexample smaller by leaving atoms out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from pytest_mlff.laws.growing import keep_atoms, neighbourhood
from pytest_mlff.laws.trial import Trial

_TINY = 3


def _small_parts(trial: Trial, min_atoms: int, most: int) -> Iterator[Trial]:
    """Neighbourhoods of few atoms, the smallest first, each once."""
    count = int(trial.frames.counts[0])
    seen: set[str] = set()
    for size in range(min_atoms, min(_TINY, count - 1) + 1):
        for centre in range(count):
            part = neighbourhood(trial.frames, centre, size)
            if part.structure_digest in seen:
                continue
            if len(seen) >= most:
                return
            seen.add(part.structure_digest)
            yield Trial(part, trial.parameters)


def fewest_atoms(
    trial: Trial, broken: Callable[[Trial], bool], min_atoms: int, budget: int
) -> Trial:
    """Leave out atoms as long as the trial still breaks the law.

    Works on any structure, where hypothesis can only shrink what it drew itself (a
    neighbourhood of a reference frame stays a neighbourhood of that frame). Neighbourhoods of
    up to three atoms are tried at once: from a large structure the way to a small one may
    lead through sizes at which the law holds by chance.

    Parameters
    ----------
    trial : Trial
        A trial that breaks the law. One with several frames is returned as it is.
    broken : callable
        Whether a trial breaks the law.
    min_atoms : int
        Do not go below.
    budget : int
        Most trials to make.
    """
    if len(trial.frames) != 1:
        return trial
    for candidate in _small_parts(trial, min_atoms, budget // 2):
        budget -= 1
        if broken(candidate):
            return candidate
    chunk = max(1, int(trial.frames.counts[0]) // 2)
    while chunk and budget:
        start, shrunk = int(trial.frames.counts[0]), False
        while start > 0 and budget:
            count = int(trial.frames.counts[0])
            start = min(start, count)
            kept = np.r_[0 : max(0, start - chunk), start:count]
            start -= chunk
            if len(kept) < min_atoms:
                continue
            budget -= 1
            candidate = Trial(keep_atoms(trial.frames, kept), trial.parameters)
            if broken(candidate):
                trial, shrunk = candidate, True
        if not shrunk or chunk > 1:
            chunk //= 2
    return trial
