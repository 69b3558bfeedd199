"""Levels of theory: whether a model's accuracy can be judged on the labels of a dataset.

Errors against labels of another method than the model was trained on say how far two methods
are apart, and nothing of the model. So accuracy binds where the levels agree, or where nobody
says that they differ. Of a model that does not say its level, on data that ship with the package,
energies tell: no two methods share the zero of energy, and no model of the same level is an
electronvolt per atom off. On the user's own data an unknown level always binds.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.datasets.levels import NOT_STATED, same_level
from pytest_mlff.gate.threshold import Judgement, Verdict
from pytest_mlff.metrics.registry import metric_named
from pytest_mlff.reports.headline import UNKNOWN
from pytest_mlff.units import MEV, in_unit

if TYPE_CHECKING:
    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.metrics.measurement import Measurement
    from pytest_mlff.potentials.protocol import Prediction

EVIDENT = 1000.0
"""meV/atom. A mean energy error beyond this is another zero of energy."""

_NOTABLE = 0.5


def _offset(frames: Frames, prediction: Prediction) -> tuple[float, np.ndarray, np.ndarray] | None:
    """Mean energy error, each frame's, and each frame's without its composition's mean."""
    if frames.energy is None or not np.isfinite(prediction.energy).all():
        return None
    labelled = np.flatnonzero(np.isfinite(frames.energy))
    if not len(labelled):
        return None
    found = prediction.energy[labelled] - frames.energy[labelled]
    frames = frames.select(labelled)
    errors = MEV * found / frames.counts
    compositions: dict[bytes, list[int]] = {}
    for index, (start, stop) in enumerate(pairwise(frames.offsets)):
        key = np.sort(frames.numbers[start:stop]).tobytes()
        compositions.setdefault(key, []).append(index)
    free = errors.copy()
    for members in compositions.values():
        free[members] -= errors[members].mean()
    return float(errors.mean()), errors, free


def with_offset(
    metric: str, measurement: Measurement, frames: Frames, prediction: Prediction
) -> Measurement:
    """Name the constant part of an energy error, beside the error without it.

    Added to the evidence of energy errors: ``energy_offset`` (meV/atom) and ``shift_free``, the
    same metric after the mean error of each composition was taken off.
    """
    series = measurement.series
    of_energy = metric_named(metric).labels == "energy" and metric != "energy_mae_shifted"
    found = _offset(frames, prediction) if of_energy and series is not None else None
    if found is None or series is None:
        return measurement
    offset, _, free = found
    size = float((np.abs(free) ** series.power).mean() ** (1.0 / series.power))
    more = {"energy_offset": offset, "shift_free": size}
    return replace(measurement, evidence={**measurement.evidence, **more})


def judged_by_level(
    judgement: Judgement,
    measurement: Measurement,
    frames: Frames,
    prediction: Prediction,
    *,
    model: str | None,
    labels: str,
    own_data: bool,
) -> tuple[Judgement, Measurement]:
    """What of a threshold's verdict stands, given the levels of theory.

    Parameters
    ----------
    judgement : Judgement
        What the threshold says.
    measurement : Measurement
    frames, prediction
        Test frames with labels, and what the model says of them.
    model : str or None
        Level the model was trained on; None where nobody says it.
    labels : str
        Level of the labels.
    own_data : bool
        Whether the labels are the user's own. An unknown level then binds.

    Returns
    -------
    Judgement, Measurement
        ``REPORTED`` with ``level`` in the evidence where accuracy does not bind.
    """
    evidence = measurement.evidence
    offset, free = evidence.get("energy_offset"), evidence.get("shift_free")
    value, unit = measurement.value, measurement.unit
    told = ""
    if isinstance(offset, float) and isinstance(free, float) and free < _NOTABLE * value:
        told = f"; a constant offset of {in_unit(f'{offset:+.4g}', unit)}, without it {free:.4g}"
        judgement = replace(judgement, reason=f"{judgement.reason}{told}")
    why = None
    if judgement.verdict is Verdict.ERROR or same_level(labels, NOT_STATED):
        return judgement, measurement
    if model is not None:
        if not same_level(model, labels):
            why = f"the model is of {model}"
    elif not own_data:
        found = _offset(frames, prediction)
        if found is not None and abs(found[0]) > EVIDENT:
            why = f"its energies are off by {in_unit(f'{found[0]:+.4g}', 'meV/atom')}"
    if why is None:
        return judgement, measurement
    reason = f"reported: the labels are of {labels}, and {why}; {value:.4g} {unit}{told}"
    level = {"level": model or UNKNOWN}
    return (
        Judgement(Verdict.REPORTED, reason),
        replace(measurement, evidence={**evidence, **level}),
    )
