"""Repeated evaluation does not eat memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.laws.law import LawBase
from pytest_mlff.laws.numerics import mean_norm
from pytest_mlff.laws.structures import trials_of
from pytest_mlff.laws.trial import Reading, Trial, worst

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy
    from numpy.typing import NDArray

    from pytest_mlff.laws.context import Context

BLOCKS = 8
MOST_BLOCKS = 24
"""As long as the block in the middle grows, more blocks are made: an allocator may take a hundred
calls to settle, a leak never ends, and neither is told from few blocks among which some shrink."""
WARM_UP = 3
"""Blocks that do not count: caches and compiled code appear in the first calls."""
CALLS = 12
"""Calls in each block."""
_ALLOWED = np.array([4096.0, 512.0, 0.5])
_WHAT = (
    ("bytes/call", "resident memory"),
    ("bytes/call", "device memory"),
    ("objects/call", "Python objects"),
)


class Memory(LawBase):
    """Neither resident memory, device memory nor Python objects grow from call to call.

    Growth is that of the block at the lower quartile: caches fill once and leaks never end,
    and where a process has much else to free, a block may shrink in spite of a leak.
    """

    id = "memory"
    title = "no growth of memory over repeated evaluation"
    required_evidence = ("mean_force_norm", "calls")
    uses_reference = False
    shrinks = False

    def trials(self, context: Context) -> SearchStrategy[Trial]:
        """A batch of eight grown molecules."""
        frames = st.lists(context.pool.molecules(6, 10), min_size=8, max_size=8)
        return trials_of(frames.map(Frames.concatenate))

    def examples(self, _wanted: int) -> int:
        """One, however strict: it is long, and what leaks leaks everywhere."""
        return 1

    def measure(self, context: Context, trial: Trial) -> Reading:
        """Lower quartile of the growth per call over the blocks after the warm-up."""
        answer = context.predict(trial.frames)
        # Made beforehand: the record must not itself be growth.
        history = np.zeros((MOST_BLOCKS, 3))
        growth: NDArray[np.float64] = np.full(3, np.inf)
        middle, blocks = growth, 0
        while blocks < BLOCKS or (blocks < MOST_BLOCKS and (middle > _ALLOWED / 2).any()):
            history[blocks] = context.memory_after(trial.frames, CALLS)
            if blocks >= WARM_UP:
                added = np.diff(history[WARM_UP - 1 : blocks + 1], axis=0) / CALLS
                growth = np.maximum(np.quantile(added, 0.25, axis=0, method="lower"), 0.0)
                middle = np.median(added, axis=0)
            blocks += 1
        evidence = {
            "mean_force_norm": mean_norm(answer.forces),
            "calls": float(blocks * CALLS),
        }
        return worst(
            *(
                Reading(
                    float(grown),
                    float(allowed),
                    unit,
                    evidence,
                    what,
                    f"growth of {what}: {grown:.3g} {unit}, where {allowed:g} is allowed.",
                )
                for grown, allowed, (unit, what) in zip(growth, _ALLOWED, _WHAT, strict=True)
            )
        )
