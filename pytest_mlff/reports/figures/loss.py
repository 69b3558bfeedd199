"""Loss curves of the trainings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_mlff.reports.figures.description import Axis, Figure, Series, XYPanel
from pytest_mlff.reports.figures.scales import limits, log_ticks, short, value_axis

if TYPE_CHECKING:
    from pytest_mlff.reports.model import LossPoint, TrainingRecord

_MOST_NAMED = 6
_KINDS = {"train_loss": "Training loss", "validation": "Validation (the value that is watched)"}
_AXES = {"train_loss": "Loss", "validation": "Value"}


def _last(training: TrainingRecord, kind: str) -> float | None:
    found = [v for point in training.loss if (v := getattr(point, kind)) is not None]
    return found[-1] if found else None


def loss_curves(trainings: Sequence[TrainingRecord]) -> Figure | None:
    """Training loss and the value that the trainer watched, against steps, of one spec and model.

    Up to six curves have a colour each; of more, the best, the middle and the worst by their
    last watched value stand out and the others are grey. Trainings that share a checkpoint are
    drawn once. None where no training has a point.
    """
    distinct = list({one.digest: one for one in trainings if one.loss}.values())
    if not distinct:
        return None
    roles, names = _roles(distinct)
    panels = [panel for kind in _KINDS if (panel := _panel(distinct, kind, roles, names))]
    if not panels:
        return None
    seconds = [one.seconds for one in distinct]
    took = " to ".join(dict.fromkeys(f"{end(seconds):.0f}" for end in (min, max)))
    stand_out = (
        ""
        if len(distinct) <= _MOST_NAMED
        else " By the last watched value the best, the middle and the worst stand out."
    )
    return Figure(
        "loss",
        "Loss curves of the trainings",
        f"{len(distinct)} training{'s' if len(distinct) != 1 else ''} of {took} s; "
        f"losses are in the trainer's own unit.{stand_out}",
        "loss",
        tuple(panels),
        columns=len(panels),
    )


def _roles(trainings: Sequence[TrainingRecord]) -> tuple[dict[str, str], dict[str, str]]:
    """Colour role and legend label of each training, by digest."""
    if len(trainings) <= _MOST_NAMED:
        return (
            {one.digest: f"series-{k}" for k, one in enumerate(trainings)},
            {one.digest: one.variant for one in trainings},
        )
    kind = "validation" if any(_last(t, "validation") is not None for t in trainings) else None
    ended = [
        (value, one) for one in trainings if (value := _last(one, kind or "train_loss")) is not None
    ]
    ended.sort(key=lambda pair: pair[0])
    chosen = {"best": ended[0], "typical": ended[len(ended) // 2], "worst": ended[-1]}
    words = {"best": "best", "typical": "middle", "worst": "worst"}
    roles = {one.digest: "muted" for one in trainings}
    names = {one.digest: "others" for one in trainings}
    for role, (value, one) in chosen.items():
        roles[one.digest] = role
        names[one.digest] = f"{words[role]}: {one.variant} ({short(value)})"
    return roles, names


def _panel(
    trainings: Sequence[TrainingRecord], kind: str, roles: dict[str, str], names: dict[str, str]
) -> XYPanel | None:
    def points(one: TrainingRecord) -> list[tuple[LossPoint, float]]:
        return [(p, v) for p in one.loss if (v := getattr(p, kind)) is not None]

    drawn = [(one, found) for one in trainings if (found := points(one))]
    if not drawn:
        return None
    values = [v for _, found in drawn for _, v in found]
    steps = [float(p.step) for _, found in drawn for p, _ in found]
    # Grey curves first, so that the ones that stand out lie on top.
    order = {"muted": 0, "best": 1, "typical": 2, "worst": 3}
    drawn.sort(key=lambda pair: order.get(roles[pair[0].digest], 0))
    series = []
    listed: set[str] = set()
    for one, found in drawn:
        label = names[one.digest]
        series.append(
            Series(
                label,
                roles[one.digest],
                tuple(float(p.step) for p, _ in found),
                tuple(v for _, v in found),
                hover=tuple(f"{one.variant}, step {p.step}: {short(v)}" for p, v in found),
                mark="line" if len(found) > 1 else "points",
                thin=roles[one.digest] == "muted",
                in_legend=label not in listed,
            )
        )
        listed.add(label)
    return XYPanel(
        title=_KINDS[kind],
        x=_step_axis(steps),
        y=value_axis(_AXES[kind], "trainer's unit", values, log=True),
        series=tuple(series),
    )


def _step_axis(steps: Sequence[float]) -> Axis:
    log = min(steps) > 0 and max(steps) > 100 * min(steps)
    reach = limits(steps, log=log)
    if not log or reach is None:
        return Axis("Step", "number", limits=reach)
    ticks = log_ticks(*reach)
    return Axis("Step", "number", True, reach, ticks, tuple(f"{tick:.0f}" for tick in ticks))
