"""What cases of simulations show: curves with their bands, a film, the moment of death."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.errors import MissingExtraError
from pytest_mlff.metrics.pictures import Picture, Shown, curve, film_of
from pytest_mlff.units import MEV

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.metrics.pictures import Curve, Film
    from pytest_mlff.metrics.simulated import Simulated
    from pytest_mlff.metrics.vibrations import VibrationReference

# What most replicas do, without the one that is far off.
_BAND = (10.0, 90.0)


def radial(run: Simulated, metric: str, pair: str, floor: float) -> Picture:
    """g(r) or h(r) of model and reference, and the band between the reference's halves."""
    reference, name = run.reference, "h" if metric == "distance_distribution_mae" else "g"
    mine = getattr(run.structure.merged(pair), name)[pair]
    known = reference.curves
    first, second = (getattr(half, name)[pair] for half in reference.halves)
    low, high = np.minimum(first, second), np.maximum(first, second)
    # Empty space on both sides is of no interest, nor how far pieces of a molecule have flown.
    some = np.flatnonzero(high > 0)
    at = slice(max(0, int(0.7 * some[0])), int(1.2 * some[-1]) + 3)
    r = known.r[at]
    theirs = getattr(known, name)[pair][at]
    return Picture(
        kind="distances" if name == "h" else "rdf",
        part=pair,
        curves=(
            curve("floor", r, theirs, low[at], high[at]),
            curve("reference", r, theirs),
            curve("model", r, mine[at]),
        ),
        note=f"noise floor {floor:.3g}",
    )


def _by_time(times: NDArray[np.float64], table: NDArray[np.float64]) -> Curve:
    """Median and band of the replicas that are alive, to the last one's death."""
    some = np.isfinite(table).any(axis=1)
    low, middle, high = np.nanpercentile(table[some], [_BAND[0], 50.0, _BAND[1]], axis=1)
    return curve("model", times[some], middle, low, high)


def on_the_way(times: NDArray[np.float64], table: NDArray[np.float64], metric: str) -> Picture:
    """Median over replicas by time, and the band of most of them."""
    return Picture("on-the-way", (_by_time(times, table),), part=metric)


def temperature(run: Simulated) -> Picture:
    """Median over replicas by time, the band of most of them, and the thermostat."""
    shown = _by_time(run.trajectory.time_ps, run.trajectory.temperature)
    return Picture("temperature", (shown,), level=run.trajectory.settings.temperature_k)


def energy(run: Simulated) -> Picture:
    """Change of the total energy by time, in meV/atom."""
    trajectory = run.trajectory
    total = trajectory.potential_energy + trajectory.kinetic_energy
    change = (total - total[0]) * (MEV / len(trajectory.numbers))
    return Picture("energy", (_by_time(trajectory.time_ps, change),), level=0.0)


def vibrations(reference: VibrationReference, mine: NDArray[np.float64]) -> Picture:
    """Spectra of model and reference, each of area 1."""
    from pytest_mlff.metrics.vibrations import frequencies

    f = frequencies(reference.trajectory, reference.skip_ps)
    first, second, theirs, ours = (
        one / one.sum() / (f[1] - f[0])
        for one in (*reference.halves, reference.spectra.mean(axis=0), mine)
    )
    return Picture(
        "vibrations",
        (
            curve("floor", f, theirs, np.minimum(first, second), np.maximum(first, second)),
            curve("reference", f, theirs),
            curve("model", f, ours),
        ),
        note=f"noise floor {reference.noise_floor:.3g}",
    )


def displacement(lag: NDArray[np.float64], squares: NDArray[np.float64]) -> Picture:
    """Mean squared displacement by lag time."""
    low, high = np.percentile(squares, _BAND, axis=0)
    return Picture("displacement", (curve("model", lag, squares.mean(axis=0), low, high),))


def survival(run: Simulated) -> Shown:
    """The survival curve, the film of the first that died, and the moment of its death."""
    from pytest_mlff.metrics.survival import survival_curve

    found = run.lifetimes
    pictures: tuple[Picture, ...] = ()
    try:
        shown = survival_curve(found)
    except MissingExtraError:
        pass  # the value needs no curve
    else:
        # Drawn to the end, also where nothing died there.
        time, alive, low, high = (
            np.append(column, column[-1])
            for column in (shown.time_ps, shown.alive, shown.low, shown.high)
        )
        time[-1] = found.horizon_ps
        low, high = np.where(np.isfinite(low), low, alive), np.where(np.isfinite(high), high, alive)
        pictures = (Picture("survival", (curve("model", time, alive, low, high),)),)
    film, moment = _end_of(run)
    return Shown(pictures, film, moment)


def _end_of(run: Simulated) -> tuple[Film, tuple[Frames, str] | None]:
    found, trajectory = run.lifetimes, run.trajectory
    first = int(np.argmin(np.where(found.died, found.time_ps, np.inf))) if found.died.any() else 0
    frames = trajectory.frames(first)
    times = trajectory.time_ps[: len(frames)]
    if found.died[first]:
        ending = f"dies after {found.time_ps[first]:.4g} ps: {found.reasons[first]}"
        # To its death and a tenth beyond, where it was still simulated.
        last = int(np.searchsorted(times, found.time_ps[first] + 1e-9, side="right")) - 1
        until = min(len(frames), last + 1 + max(1, len(frames) // 10))
    else:
        ending, last, until = "is sound to the end", len(frames) - 1, len(frames)
    note = f"replica {first} of {trajectory.n_replicas}, which {ending}"
    film = film_of(
        trajectory.numbers,
        trajectory.positions[:until, first],
        times[:until],
        trajectory.cell[first] if trajectory.pbc.any() else None,
        note,
    )
    if not found.died[first]:
        return film, None
    return film, (frames.select([last]), f"{note}; the last frame before or at its death")


def early_warning(run: Simulated) -> tuple[list[Picture], dict[str, float | int | str]]:
    """Distance to the nearest training frame against the oracle's error, on frames visited.

    Where the spec cuts no training frames, the reference frames stand in for them. Nothing where
    dscribe is not installed.
    """
    from pytest_mlff.metrics.visited import visited_frames
    from pytest_mlff.similarity import nearest, warning_quality

    known, name = (run.frames, "reference") if run.training is None else (run.training, "training")
    frames, alive = visited_frames(run.trajectory, run.visited.every)
    # Where a replica starts is a frame that is known.
    moved = np.concatenate([np.arange(count) > 0 for count in alive.sum(axis=1)])
    try:
        best = nearest(frames.select(np.flatnonzero(moved)), known).best
    except MissingExtraError:
        return [], {}
    errors = run.visited.force_mae.T[alive][moved]
    quality = warning_quality(best, errors, segments=(alive.sum(axis=1) - 1).tolist())
    told = {
        "warning_correlation": quality.correlation,
        "warning_correlation_low": quality.correlation_low,
        "warning_correlation_high": quality.correlation_high,
        "warning_auc": quality.auc,
    }
    correlation = "–" if quality.correlation is None else f"{quality.correlation:.2f}"
    if quality.correlation_low is not None:
        correlation += f" ({quality.correlation_low:.2f} to {quality.correlation_high:.2f})"
    picture = Picture(
        "warning",
        # Not 0, for a logarithmic axis: a cosine is known no better.
        (curve("points", np.maximum(1.0 - best, 1e-9), errors),),
        note=f"rank correlation {correlation} over {len(errors)} frames, distance to {name} frames",
    )
    return [picture], {one: value for one, value in told.items() if value is not None}
