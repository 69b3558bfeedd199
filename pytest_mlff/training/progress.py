"""How far a training is, by what its trainer has written, and whether its budget suffices."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlff.products import JSON, Entry, find, keep
from pytest_mlff.store import Store

if TYPE_CHECKING:
    from pytest_mlff.training.job import TrainingJob, TrainingResult

_LOSS = "train_loss_step/weighted_sum"
# The end of a log, long enough for some rows of it.
_TAIL_BYTES = 8192


@dataclass(frozen=True)
class Progress:
    """How far a training is, as far as the trainer has said.

    The time left is at the pace seen so far, and not beyond the budget.
    """

    step: int
    steps: int | None
    loss: float | None
    seconds_left: float | None

    @property
    def share(self) -> float:
        """Done of the steps, from 0 to 1; 0 where it is not known how many there are."""
        return min(1.0, self.step / self.steps) if self.steps else 0.0

    def __str__(self) -> str:
        """``step 1,200 of 9,000, loss 0.0041, 8 min left``."""
        parts = [f"step {self.step:,}" + (f" of {self.steps:,}" if self.steps else "")]
        if self.loss is not None:
            parts.append(f"loss {self.loss:.3g}")
        if self.seconds_left is not None:
            parts.append(f"{_duration(self.seconds_left)} left")
        return ", ".join(parts)


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def planned_steps(config: Mapping[str, Any]) -> int | None:
    """Steps that a trainer's configuration asks for, where it is one of Lightning's."""
    trainer = config.get("trainer")
    steps = trainer.get("max_steps") if isinstance(trainer, dict) else None
    return steps if isinstance(steps, int) and steps > 0 else None


@dataclass
class Watched:
    """A training that is looked at again and again."""

    job: TrainingJob
    _first: tuple[float, int] | None = None

    def look(self) -> Progress | None:
        """How far it is; None as long as its trainer has not said anything."""
        found = _last_logged(self.job.folder)
        if found is None:
            return None
        step, loss = found
        now = time.monotonic()
        if self._first is None or step < self._first[1]:
            self._first = (now, step)
        steps = planned_steps(self.job.recipe.config)
        left = None
        then, first = self._first
        if steps is not None and step > first:
            # A budget runs from the first step, not while libraries are being loaded.
            budget = self.job.recipe.content.budget - (now - then)
            left = max(0.0, min((steps - step) * (now - then) / (step - first), budget))
        return Progress(step, steps, loss, left)


def _last_logged(folder: Path) -> tuple[int, float | None] | None:
    """Step and loss of the last whole row of a trainer's newest log."""
    logs = list(folder.glob("log/version_*/metrics.csv"))
    with contextlib.suppress(OSError, ValueError):
        newest = max(logs, key=lambda path: path.stat().st_mtime)
        with newest.open("rb") as stream:
            names = stream.readline().decode().strip().split(",")
            size = stream.seek(0, 2)
            stream.seek(max(0, size - _TAIL_BYTES))
            lines = stream.read().decode(errors="replace").split("\n")[:-1]
        for line in reversed(lines):
            row = dict(zip(names, line.strip().split(","), strict=False))
            with contextlib.suppress(ValueError):
                loss = float(row.get(_LOSS) or "")
                return int(row["step"]) + 1, loss if math.isfinite(loss) else None
    return None


@dataclass(frozen=True)
class Teller:
    """Who is told how far a training is.

    ``tell`` takes the variant, what is to be said, and whether that passes: whether the next line
    may take its place. Lines that pass are ``every`` so many seconds apart.
    """

    tell: Callable[[str, str, bool], None]
    every: float


@contextlib.contextmanager
def watching(job: TrainingJob, teller: Teller | None) -> Iterator[None]:
    """Tell how far a training is while it runs in the block, from a thread that ends with it."""
    if teller is None:
        yield
        return
    over = threading.Event()
    watched = Watched(job)

    def look() -> None:
        said = None
        while not over.wait(teller.every):
            far = watched.look()
            if far is not None and (said is None or far.step != said):
                said = far.step
                teller.tell(job.title, str(far), True)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _pace(job: TrainingJob) -> Entry[Mapping[str, Any]]:
    """Where the seconds of a step are remembered: of a recipe, whatever its frames."""
    return Entry("paces", {"format": 1, "recipe": job.recipe.digest}, JSON)


def remember_pace(job: TrainingJob, result: TrainingResult) -> None:
    """Keep the seconds that a step took, for `foresight`."""
    if result.trained and result.steps:
        keep(Store(job.store_root), _pace(job), {"seconds_per_step": result.seconds / result.steps})


def foresight(job: TrainingJob) -> str:
    """That the budget will end a training before its steps are done; empty if not, or unknown.

    What is known is how long a step of the same recipe took the last time with this store.
    """
    planned, budget = planned_steps(job.recipe.config), job.recipe.content.budget
    found = find(Store(job.store_root), _pace(job), quiet=True) or {}
    pace = found.get("seconds_per_step")
    if planned is None or not isinstance(pace, int | float) or pace * planned <= budget:
        return ""
    return (
        f"the budget of {_duration(budget)} will end this training after some "
        f"{_rounded(budget / pace):,} of {planned:,} steps, which take {_duration(pace * planned)} "
        "at the pace of the last one; its errors then depend on the machine"
    )


def _rounded(steps: float) -> int:
    """Two digits: a pace is no better known."""
    return int(float(f"{steps:.2g}"))
