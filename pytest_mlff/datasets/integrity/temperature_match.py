"""Training and test frames are of one temperature, as far as forces tell.

In the harmonic limit the mean square force on an atom is k_B T times its stiffness, whatever the
method, so that the ratio of two sets is that of their temperatures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.datasets.integrity.groups import group_set
from pytest_mlff.datasets.integrity.result import IntegrityResult
from pytest_mlff.errors import NotSupportedError

if TYPE_CHECKING:
    from pytest_mlff.datasets.splits import FrameSets

_FEWEST = 5


def temperature_match(sets: FrameSets) -> IntegrityResult:
    """Mean square forces of training and test frames agree; the value is the ratio, at least 1.

    Taken over structures of the same atoms; 1.5 is a limit that no sampling of 5 frames or more
    reaches, and that of sets at 300 and 600 K is 2.

    Raises
    ------
    NotSupportedError
        If the sets share no structure with forces on five frames of each.
    """
    train = {} if sets.train is None else group_set(sets.train)
    test = group_set(sets.test)
    worst, reason, judged = 0.0, "", 0
    for key in test.keys() & train.keys():
        one, other = test[key], train[key]
        if one.forces is None or other.forces is None or min(len(one), len(other)) < _FEWEST:
            continue
        judged += len(one)
        of_test, of_train = (float(np.mean(some**2)) for some in (one.forces, other.forces))
        if min(of_test, of_train) <= 0:
            continue
        ratio = max(of_train / of_test, of_test / of_train)
        if ratio > worst:
            hotter, cooler = ("training", "test") if of_train > of_test else ("test", "training")
            worst, reason = (
                ratio,
                (
                    f"{hotter} frames of {one.molecules[0]} have {ratio:.3g} times the mean square "
                    f"force of {cooler} frames, as if they were that much hotter"
                ),
            )
    if not judged or not worst:
        raise NotSupportedError(
            f"training and test share no structure with forces on {_FEWEST} frames each"
        )
    return IntegrityResult(worst, judged, reason)
