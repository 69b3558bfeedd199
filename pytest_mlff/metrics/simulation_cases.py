"""The metrics of simulations as cases: value, interval and what is to be seen.

Each takes the case's inputs. Where a replica exploded, a case has no value and says when and of
what; only the survival time tells more: what the other replicas did says nothing of a model that
explodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.errors import MlffError
from pytest_mlff.metrics import simulation_pictures as pictures
from pytest_mlff.metrics.pictures import Shown
from pytest_mlff.metrics.radial import ALL_PAIRS
from pytest_mlff.metrics.replica_values import per_start
from pytest_mlff.metrics.simulated import measured
from pytest_mlff.statistics.evidence import Replicates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.metrics.inputs import Inputs
    from pytest_mlff.metrics.measurement import Measurement
    from pytest_mlff.metrics.pictures import Picture
    from pytest_mlff.metrics.simulated import Simulated

    _Wrap = Callable[[Callable[[Inputs, Simulated], Measurement]], Callable[[Inputs], Measurement]]

_TABLES = {
    "energy_violation": "energy_violation",
    "force_violation": "force_violation",
    "trajectory_energy_mae": "energy_mae",
    "trajectory_force_mae": "force_mae",
}


def _of_all_that_live(show: Callable[[Inputs, Simulated], Picture] | None = None) -> _Wrap:
    """No value where a replica exploded; ``show`` draws what there was until then."""

    def wrap(
        measure: Callable[[Inputs, Simulated], Measurement],
    ) -> Callable[[Inputs], Measurement]:
        @wraps(measure)
        def whole(inputs: Inputs) -> Measurement:
            run = inputs.simulated()
            if run.exploded is None:
                return measure(inputs, run)
            shown = Shown()
            if show is not None:
                with suppress(MlffError):  # the oracle, too, may fail on what is exploding
                    shown = Shown((show(inputs, run),))
            return measured(inputs.metric, run, math.nan, None, shown, nonfinite=run.exploded)

        return whole

    return wrap


def _errors(inputs: Inputs, run: Simulated) -> Picture:
    name = inputs.metric.id
    return pictures.on_the_way(run.visited.time_ps, getattr(run.visited, _TABLES[name]), name)


def _with_replicates(
    found: Measurement, values: NDArray[np.float64], run: Simulated
) -> Measurement:
    """Evidence for a baseline: one number a start."""
    starts = np.unique(run.trajectory.start_of)
    return replace(found, series=Replicates(values, np.ones(len(values)), starts))


@_of_all_that_live()
def structure(inputs: Inputs, run: Simulated) -> Measurement:
    """g(r) or h(r) of all replicas together against the reference, beside its noise floor."""
    metric, pair = inputs.metric, inputs.species or ALL_PAIRS
    found = run.structure
    value, floor = found.value(metric.id, pair), run.reference.noise_floor(metric.id, pair)
    shown = Shown((pictures.radial(run, metric.id, pair, floor),))
    return measured(
        metric, run, value, found.pseudo_values(metric.id, pair), shown,
        noise_floor=floor, above_floor=value - floor,
    )  # fmt: skip


@_of_all_that_live(_errors)
def visited(inputs: Inputs, run: Simulated) -> Measurement:
    """An error on the frames visited, labelled by the oracle."""
    if run.visited.lost:
        shown = Shown((_errors(inputs, run),))
        return measured(inputs.metric, run, math.nan, None, shown, nonfinite=run.visited.lost)
    table: NDArray[np.float64] = getattr(run.visited, _TABLES[inputs.metric.id])
    values = per_start(table.mean(axis=0), run.trajectory.start_of)
    drawn = [_errors(inputs, run)]
    evidence: dict[str, float | int | str] = {}
    if inputs.metric.id == "force_violation":
        warning, evidence = pictures.early_warning(run)
        drawn += warning
    found = measured(
        inputs.metric, run, float(values.mean()), values, Shown(tuple(drawn)), **evidence
    )
    return _with_replicates(found, values, run)


@_of_all_that_live()
def equal_times(inputs: Inputs, run: Simulated) -> Measurement:
    """A violation against the oracle's own trajectory from the same start, time by time."""
    from pytest_mlff.metrics.equal_times import violations_at_equal_times

    times, table = violations_at_equal_times(run, inputs.metric.id)
    values = per_start(table.mean(axis=0), run.trajectory.start_of)
    shown = Shown((pictures.on_the_way(times, table, inputs.metric.id),))
    return measured(inputs.metric, run, float(values.mean()), values, shown)


@_of_all_that_live(lambda _, run: pictures.energy(run))
def drift(inputs: Inputs, run: Simulated) -> Measurement:
    """How fast the total energy drifts, whichever way."""
    from pytest_mlff.metrics.trajectory_energy import energy_drift

    values = per_start(np.abs(energy_drift(run.trajectory)), run.trajectory.start_of)
    shown = Shown((pictures.energy(run),))
    return measured(inputs.metric, run, float(values.mean()), values, shown)


@_of_all_that_live(lambda _, run: pictures.temperature(run))
def temperature(inputs: Inputs, run: Simulated) -> Measurement:
    """Mean temperature against the thermostat's."""
    from pytest_mlff.metrics.trajectory_energy import temperature_error

    signed = temperature_error(run.trajectory, skip_ps=run.plan.skip)
    values = per_start(signed, run.trajectory.start_of)
    mean = float(values.mean())
    # Counted in the direction in which the mean is off.
    directed = values * np.sign(mean)
    shown = Shown((pictures.temperature(run),))
    return measured(inputs.metric, run, abs(mean), directed, shown, signed=mean)


@_of_all_that_live()
def vibrations(inputs: Inputs, run: Simulated) -> Measurement:
    """The vibrational density of states against that of the oracle's own simulation."""
    from pytest_mlff.metrics.replica_values import pseudo_values
    from pytest_mlff.metrics.vibrations import VibrationReference, spectra

    reference = VibrationReference(run.by_oracle(), run.plan.skip)
    mine = spectra(run.trajectory, run.plan.skip)

    def of(mask: NDArray[np.bool_]) -> float:
        return reference.divergence(mine[mask].mean(axis=0))

    values = pseudo_values(of, run.trajectory.start_of)
    value = of(np.ones(len(mine), dtype=bool))
    shown = Shown((pictures.vibrations(reference, mine.mean(axis=0)),))
    return measured(
        inputs.metric, run, value, values, shown,
        noise_floor=reference.noise_floor, above_floor=value - reference.noise_floor,
    )  # fmt: skip


@_of_all_that_live()
def diffusion(inputs: Inputs, run: Simulated) -> Measurement:
    """Self-diffusion, of one species or of all atoms."""
    from pytest_mlff.metrics.diffusion import diffusivity, displacements

    times, squares = displacements(run.trajectory, inputs.species, run.plan.skip)
    values = per_start(diffusivity(times, squares), run.trajectory.start_of)
    shown = Shown((pictures.displacement(times, squares),))
    return measured(inputs.metric, run, float(values.mean()), values, shown)


def stability(inputs: Inputs) -> Measurement:
    """Time that replicas are sound: the restricted mean, and who died first of what."""
    from pytest_mlff.metrics.survival import restricted_mean

    run = inputs.simulated()
    found = run.lifetimes
    mean, low, high = restricted_mean(found)
    evidence: dict[str, float | int | str] = {
        "died": int(found.died.sum()),
        "lifetimes": str(found),
    }
    if found.died.any():
        first = int(np.argmin(np.where(found.died, found.time_ps, np.inf)))
        evidence["first_death"] = (
            f"replica {first} after {found.time_ps[first]:.4g} ps: {found.reasons[first]}"
        )
    told = measured(inputs.metric, run, mean, None, pictures.survival(run), **evidence)
    return replace(told, ci_low=low, ci_high=high)
