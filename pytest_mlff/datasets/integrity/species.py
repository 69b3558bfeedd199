"""Test frames hold no species that training never showed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.datasets.integrity.result import IntegrityResult, in_order, name_frames, plural

if TYPE_CHECKING:
    from pytest_mlff.datasets.integrity.result import FrameName
    from pytest_mlff.datasets.splits import FrameSets


def known_species(sets: FrameSets) -> IntegrityResult:
    """Every species of the test frames occurs in the training frames.

    The value counts test frames with a species that does not.
    """
    n_test = len(sets.test)
    if sets.train is None:
        return IntegrityResult(0.0, n_test, "the spec takes no training frames to compare with")
    trained = sets.train.frames
    known = np.unique(trained.numbers)
    offending: list[FrameName] = []
    strange: set[str] = set()
    for molecule, positions in sets.test.indices.items():
        frames = sets.test.datasets[molecule].frames.select(positions)
        bad = np.unique(frames.frame_of_atom[~np.isin(frames.numbers, known)])
        if len(bad):
            strange |= set(frames.select(bad).species) - set(trained.species)
            offending += [(molecule, int(positions[index])) for index in bad]
    named = in_order(offending)
    if not named:
        reason = (
            f"all species of {plural(n_test, 'test frame')} occur in training "
            f"({', '.join(trained.species)})"
        )
    else:
        reason = (
            f"{', '.join(sorted(strange))} in no training frame "
            f"({', '.join(trained.species)}), but in {len(named):,} of "
            f"{plural(n_test, 'test frame')}: {name_frames(named)}"
        )
    return IntegrityResult(float(len(named)), n_test, reason, named)
