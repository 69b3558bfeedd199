"""Loss curves as small drawings that need no script: they print, and work everywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pytest_mlff.reports.model import LossPoint, TrainingRecord

_WIDTH, _HEIGHT = 300, 130
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 8, 8, 22
_MOST_POINTS: Final = 240


@dataclass(frozen=True)
class LossDrawing:
    """A loss curve in drawing units, for the template to write as SVG.

    Attributes
    ----------
    train, validation : str
        ``points`` of the two polylines; empty where nothing was recorded.
    x_ticks, y_ticks : tuple of (position, label)
    logarithmic : bool
        Whether the vertical axis is (it is where all values are positive).
    width, height : int
        Of the drawing.
    left, right, top, bottom : int
        Edges of the plot area.
    """

    train: str
    validation: str
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    logarithmic: bool
    width: int = _WIDTH
    height: int = _HEIGHT
    left: int = _LEFT
    right: int = _WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = _HEIGHT - _BOTTOM


def draw_loss(training: TrainingRecord) -> LossDrawing | None:
    """Draw the loss curve of a training; None if fewer than two points were recorded."""
    points = _thinned(training.loss)
    train = [(p.step, p.train_loss) for p in points if p.train_loss is not None]
    validation = [(p.step, p.validation) for p in points if p.validation is not None]
    if len(train) < 2 and len(validation) < 2:
        return None
    values = [value for _, value in train + validation]
    steps = [step for step, _ in train + validation]
    logarithmic = min(values) > 0
    lowest, highest = _range([math.log10(v) for v in values] if logarithmic else values)
    first, last = min(steps), max(steps)

    def place_x(step: float) -> float:
        share = (step - first) / (last - first) if last > first else 0.5
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)

    def place_y(height: float) -> float:
        share = (height - lowest) / (highest - lowest)
        return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM), 1)

    def line(curve: Sequence[tuple[int, float]]) -> str:
        return " ".join(
            f"{place_x(step)},{place_y(math.log10(value) if logarithmic else value)}"
            for step, value in curve
        )

    ticks = _log_ticks(lowest, highest) if logarithmic else [lowest, highest]
    return LossDrawing(
        train=line(train),
        validation=line(validation),
        x_ticks=tuple((place_x(step), f"{step:,}") for step in dict.fromkeys((first, last))),
        y_ticks=tuple(
            (place_y(tick), f"{10.0**tick if logarithmic else tick:.3g}") for tick in ticks
        ),
        logarithmic=logarithmic,
    )


def _thinned(points: Sequence[LossPoint]) -> Sequence[LossPoint]:
    """Every so many-th point, and the last: a page of 200 curves should stay small.

    Points are dropped and not averaged, so what is drawn was measured.
    """
    kept: dict[int, LossPoint] = {}
    for name in ("train_loss", "validation"):
        # Validation often stands on other rows than the training loss: each keeps its own.
        found = [point for point in points if getattr(point, name) is not None]
        stride = math.ceil(len(found) / _MOST_POINTS) or 1
        kept |= {id(point): point for point in (*found[::stride], *found[-1:])}
    return sorted(kept.values(), key=lambda point: point.step)


def _range(heights: Sequence[float]) -> tuple[float, float]:
    lowest, highest = min(heights), max(heights)
    if lowest == highest:
        return lowest - 0.5, highest + 0.5
    return lowest, highest


def _log_ticks(lowest: float, highest: float) -> list[float]:
    decades = list(range(math.ceil(lowest), math.floor(highest) + 1))
    if len(decades) >= 2:
        return [float(d) for d in decades[:: math.ceil(len(decades) / 4)]]
    return [lowest, *(float(d) for d in decades if lowest + 0.25 < d < highest - 0.25), highest]
