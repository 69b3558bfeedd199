"""Gains over a model of accurate data alone, paired over seeds, and what they cost.

The spec has the axes ``method``, ``samples`` (accurate frames) and ``seed``; the case's option
``baseline`` is the method that all others are held against (``accurate_only``). A case stands for
all seeds of the run: each is one replicate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.errors import MlffError
from pytest_mlff.metrics.errors import force_mae
from pytest_mlff.metrics.measurement import Measurement, measurement_of
from pytest_mlff.statistics.evidence import Replicates

if TYPE_CHECKING:
    from pytest_mlff.metrics.inputs import Inputs


def force_gain(inputs: Inputs) -> Measurement:
    """100 % · (1 − MAE / MAE of the baseline), of each seed with its own baseline."""
    seeds = _seeds(inputs)
    baselines = [_baseline(inputs, one) for one in seeds]
    gains = [
        100.0 * (1.0 - _error(inputs.across(seed=one)) / _error(baseline))
        for one, baseline in zip(seeds, baselines, strict=True)
    ]
    return _replicated(inputs, gains, seeds, "%")


def frames_saved(inputs: Inputs) -> Measurement:
    """Accurate frames that the baseline needs for the same error, less those that were used.

    The baseline's learning curve is interpolated, of each seed its own. Beyond its last point no
    number is known: that point counts, and the evidence says of how many seeds.
    """
    seeds, sizes = _seeds(inputs), [int(one) for one in inputs.axis("samples")]
    saved, beyond = [], 0
    for seed in seeds:
        curve = [_error(_baseline(inputs, seed, samples=one)) for one in sizes]
        needed, is_beyond = equal_error_frames(sizes, curve, _error(inputs.across(seed=seed)))
        saved.append(needed - float(inputs.axes["samples"]))
        beyond += is_beyond
    found = _replicated(inputs, saved, seeds, "1")
    told = {"beyond_the_curve": beyond} if beyond else {}
    return replace(found, evidence={**found.evidence, **told})


def equal_error_frames(
    sizes: Sequence[int], errors: Sequence[float], error: float
) -> tuple[float, bool]:
    """Frames at which a learning curve reaches an error, by straight lines in both logarithms.

    Parameters
    ----------
    sizes : sequence of int
        Frames, ascending.
    errors : sequence of float
        Of each size. Where a larger set does worse, the curve stays at the smaller error.
    error : float
        To be reached.

    Returns
    -------
    frames : float
        Within the sizes.
    beyond : bool
        Whether the curve ends above the error, so that the largest size is a lower bound.
    """
    falling = np.minimum.accumulate(np.log(errors))
    if np.log(error) < falling[-1]:
        return float(sizes[-1]), True
    # np.interp wants ascending errors; the first size of equal ones is what was needed.
    _, first = np.unique(-falling, return_index=True)
    logs = np.log(np.asarray(sizes, dtype=np.float64))[first]
    return float(np.exp(np.interp(-np.log(error), -falling[first], logs))), False


def training_cost(inputs: Inputs) -> Measurement:
    """Core-seconds; what is shared with other models counts in full."""
    return Measurement(inputs.training_cost(), "core-s", 0, 0)


def _seeds(inputs: Inputs) -> list[int]:
    return [int(one) for one in inputs.axis("seed")]


def _baseline(inputs: Inputs, seed: int, **axes: int) -> Inputs:
    method = inputs.options.get("baseline", "accurate_only")
    if "method" not in inputs.axes:
        raise MlffError(f"{inputs.metric.id} needs an axis 'method' in its spec")
    return inputs.across(method=method, seed=seed, **axes)


def _error(inputs: Inputs) -> float:
    return float(force_mae(inputs).value)


def _replicated(
    inputs: Inputs, values: Sequence[float], seeds: Sequence[int], unit: str
) -> Measurement:
    series = Replicates(np.array(values), np.ones(len(values)), np.array(seeds, dtype=np.int64))
    return measurement_of(series, unit, len(inputs.frames.numbers))
