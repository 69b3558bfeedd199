"""Errors of energies, forces and stress against reference labels.

Definitions, with Δ the prediction minus the reference, f a frame, N_f its atoms:

=============  ==========  ==================================================================
metric         unit        value
=============  ==========  ==================================================================
energy_mae     meV/atom    mean over frames of |ΔE_f| / N_f
energy_rmse    meV/atom    square root of the mean over frames of (ΔE_f / N_f)²
force_mae      meV/Å       mean of |ΔF| over the x, y, z components of all atoms of all frames
force_rmse     meV/Å       square root of the mean of ΔF² over the same components
stress_mae     GPa         mean of |Δσ| over the components of all frames that are periodic
stress_rmse    GPa         square root of the mean of Δσ² over the same components
=============  ==========  ==================================================================

Total energies are compared as they are: no shift is fitted. With a species, the force
metrics take the atoms of that species; energy and stress have none. A crystal has nine
components of stress, a slab four (in its plane), a wire one (along it), a molecule none.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_mlff.entry_points import named_object
from pytest_mlff.errors import MlffError, NotSupportedError
from pytest_mlff.metrics.measurement import Measurement, measurement_of
from pytest_mlff.metrics.registry import metric_named
from pytest_mlff.statistics.evidence import FrameSeries
from pytest_mlff.units import REPORT_UNITS, in_report_units

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.metrics.inputs import Inputs
    from pytest_mlff.potentials.protocol import Prediction

_SHORTEST_SEGMENT = 8
# Beyond this, squares overflow: such an output is as good as infinite.
_LARGEST = 1e100


@dataclass(frozen=True)
class ErrorMetric:
    """What measures one of the metrics above.

    Attributes
    ----------
    name : str
        Its id.
    quantity : str
        Field of `Frames` and `Prediction` it compares.
    power : 1 or 2
        1 for a mean absolute, 2 for a root mean square error.
    """

    name: str
    quantity: Literal["energy", "forces", "stress"]
    power: Literal[1, 2]

    @property
    def unit(self) -> str:
        """Unit of the value."""
        return REPORT_UNITS[self.quantity]

    @property
    def larger_is_better(self) -> bool:
        """Whether the worst frame is the one with the smallest own value."""
        return False

    def parts(
        self,
        frames: Frames,
        reference: NDArray[np.float64],
        predicted: NDArray[np.float64],
        atoms: NDArray[np.bool_],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Total and weight of each frame, shape (n_frames,); a weight of 0 leaves it out.

        Parameters
        ----------
        frames : Frames
        reference, predicted : ndarray
            eV, eV/Å or eV/Å³, finite.
        atoms : ndarray of bool, shape (n_total,)
            Atoms that are asked for.
        """
        n = len(frames)
        error = in_report_units(self.quantity) * (predicted - reference)
        if self.quantity == "energy":
            per_atom = np.abs(error) / frames.counts
            return np.asarray(per_atom**self.power, dtype=np.float64), np.ones(n)
        if self.quantity == "stress":
            return _stress_parts(frames, error, self.power)
        size: NDArray[np.float64] = np.asarray(np.abs(error) ** self.power, dtype=np.float64)
        return per_frame(frames, atoms, size.sum(axis=1), 3.0)

    def __call__(self, inputs: Inputs) -> Measurement:
        """Measure a case, see `measure`."""
        return measure(self, inputs.frames, inputs.prediction, inputs.species)


energy_mae = ErrorMetric("energy_mae", "energy", 1)
energy_rmse = ErrorMetric("energy_rmse", "energy", 2)
force_mae = ErrorMetric("force_mae", "forces", 1)
force_rmse = ErrorMetric("force_rmse", "forces", 2)
stress_mae = ErrorMetric("stress_mae", "stress", 1)
stress_rmse = ErrorMetric("stress_rmse", "stress", 2)


def measure(
    metric: str | ErrorMetric, frames: Frames, prediction: Prediction, species: str | None = None
) -> Measurement:
    """Take one error metric of a prediction.

    Parameters
    ----------
    metric : str or ErrorMetric
        Its id, or itself.
    frames : Frames
        Test set with reference labels.
    prediction : Prediction
        What the model says of ``frames``.
    species : str, optional
        Chemical symbol, for the force metrics; all atoms if left out.

    Returns
    -------
    Measurement
        ``value`` is NaN and ``evidence`` holds ``nonfinite_frames`` and
        ``first_nonfinite_frame`` if the model's output is not finite for some frame.

    Raises
    ------
    NotSupportedError
        If predicted stress is missing, the test set is empty, or the species does not occur
        in it.
    MlffError
        If no frame has a reference label, the metric is unknown or has no species, the
        prediction has a wrong shape, or a reference label is not finite.
    """
    chosen = _error_metric(metric) if isinstance(metric, str) else metric
    metric = chosen.name
    if species is not None and chosen.quantity != "forces":
        raise MlffError(f"{metric} is not defined per species: leave out species {species!r}")
    if len(frames) == 0:
        raise NotSupportedError(f"{metric} needs frames, but the test set is empty")
    if (frames.counts == 0).any():
        raise MlffError(
            f"frame {int(np.argmin(frames.counts))} of the test set holds no atoms: drop it"
        )
    labelled = frames.labelled(chosen.quantity)
    if labelled.any() and not labelled.all():
        with_label = np.flatnonzero(labelled)
        prediction.check(frames, "the model")
        part = prediction.select(frames, with_label)
        found = measure(chosen, frames.select(with_label), part, species)
        return found.of_labelled(with_label, len(frames), chosen.quantity)
    if chosen.quantity == "stress" and labelled.any() and not frames.has_volume.all():
        periodic = np.flatnonzero(frames.has_volume)
        if not len(periodic):
            raise MlffError(f"{metric}: no test frame with a stress is periodic: set its pbc")
        part = prediction.select(frames, periodic)
        found = measure(chosen, frames.select(periodic), part)
        return found.of_labelled(periodic, len(frames), "stress")
    reference, predicted = _labels(metric, chosen, frames, prediction)

    atoms = _atoms_of(frames, species)
    n_atoms = int(atoms.sum())
    broken = _broken_frames(chosen, frames, predicted)
    if len(broken):
        return Measurement(
            value=math.nan,
            unit=chosen.unit,
            n_frames=len(frames),
            n_atoms=n_atoms,
            evidence={
                "nonfinite_frames": len(broken),
                "first_nonfinite_frame": int(broken[0]),
                "nonfinite": f"predicted {chosen.quantity} are not finite in {len(broken)} of "
                f"{len(frames)} frames, first in frame {int(broken[0])}",
            },
        )
    totals, weights = chosen.parts(frames, reference, predicted, atoms)
    order, segments = _time_order(frames, weights > 0)
    series = FrameSeries(
        totals[order],
        weights[order],
        order,
        segments,
        chosen.power,
        independent=frames.replica is not None,
        larger_is_better=chosen.larger_is_better,
    )
    return measurement_of(series, chosen.unit, n_atoms)


def _error_metric(name: str) -> ErrorMetric:
    place = metric_named(name).measure
    found = named_object(place) if isinstance(place, str) else place
    if not isinstance(found, ErrorMetric):
        raise MlffError(f"{name} is no error of predictions")
    return found


def trajectory_segments(frames: Frames) -> tuple[int, ...]:
    """Lengths of the trajectories that follow each other in a test set.

    Frames with a ``time_index`` are one trajectory. Otherwise a new one begins wherever the
    composition (atomic numbers in their order) changes; if one of these runs is shorter
    than 8 frames the set is taken for a mixture and treated as a single series.
    """
    n = len(frames)
    if frames.time_index is not None or n == 0:
        return (n,) if n else ()
    offsets = frames.offsets
    same_size = frames.counts[1:] == frames.counts[:-1]
    starts = [0]
    for index in range(1, n):
        middle = offsets[index]
        if not same_size[index - 1] or not np.array_equal(
            frames.numbers[offsets[index - 1] : middle],
            frames.numbers[middle : offsets[index + 1]],
        ):
            starts.append(index)
    lengths = tuple(int(one) for one in np.diff([*starts, n]))
    return lengths if min(lengths) >= _SHORTEST_SEGMENT else (n,)


def _labels(
    metric: str, chosen: ErrorMetric, frames: Frames, prediction: Prediction
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Reference and predicted values of the metric's quantity, checked."""
    reference: NDArray[np.float64] | None = getattr(frames, chosen.quantity)
    predicted: NDArray[np.float64] | None = getattr(prediction, chosen.quantity)
    if reference is None or np.isnan(reference).all():
        raise MlffError(f"{metric} needs reference {chosen.quantity}: no test frame has any")
    if predicted is None:
        raise NotSupportedError(f"{metric} needs {chosen.quantity}: the model does not give any")
    predicted = np.asarray(predicted, dtype=np.float64)
    if predicted.shape != reference.shape:
        raise MlffError(
            f"the model gave {chosen.quantity} of shape {predicted.shape} for a test set that "
            f"needs {reference.shape}: fix the model's adapter or factory"
        )
    broken = _broken_frames(chosen, frames, reference)
    if len(broken):
        raise MlffError(
            f"reference {chosen.quantity} are not finite in {len(broken)} of {len(frames)} frames, "
            f"first in frame {int(broken[0])}: fix or drop these frames of the dataset"
        )
    return np.asarray(reference, dtype=np.float64), predicted


def _broken_frames(
    chosen: ErrorMetric, frames: Frames, values: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Frames with a NaN or infinity in any component, whatever the species asked for."""
    # NaN compares false, so it counts as broken too.
    bad = ~(np.abs(values) < _LARGEST).reshape(len(values), -1).all(axis=1)
    if chosen.quantity == "forces":
        return np.unique(frames.frame_of_atom[bad])
    return np.flatnonzero(bad)


def _atoms_of(frames: Frames, species: str | None) -> NDArray[np.bool_]:
    """Mask of the atoms of a species."""
    if species is None:
        return np.ones(len(frames.numbers), dtype=bool)
    from ase.data import atomic_numbers

    mask: NDArray[np.bool_] = np.asarray(frames.numbers == atomic_numbers.get(species, -1))
    if not mask.any():
        raise NotSupportedError(
            f"species {species!r} does not occur in the test set, which holds "
            f"{', '.join(frames.species)}"
        )
    return mask


def per_frame(
    frames: Frames, atoms: NDArray[np.bool_], values: NDArray[np.float64], weight: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum of a value of each atom, and weight of its atoms, for each frame."""
    n, owner = len(frames), frames.frame_of_atom[atoms]
    totals = np.bincount(owner, weights=values[atoms], minlength=n).astype(np.float64)
    return totals, weight * np.bincount(owner, minlength=n).astype(np.float64)


def _stress_parts(
    frames: Frames, error: NDArray[np.float64], power: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums over the components of stress between periodic directions, and their number."""
    totals, weights = np.zeros(len(frames)), np.zeros(len(frames))
    bulk = frames.pbc.all(axis=1)
    totals[bulk] = (np.abs(error[bulk]) ** power).sum(axis=(1, 2))
    weights[bulk] = 9.0
    for index in np.flatnonzero(frames.has_volume & ~bulk):
        # An orthonormal basis of the periodic directions, along x, y, z where they are.
        basis = np.linalg.qr(frames.cell[index][frames.pbc[index]].T)[0]
        inside = basis.T @ error[index] @ basis
        totals[index], weights[index] = (np.abs(inside) ** power).sum(), inside.size
    return totals, weights


def _time_order(
    frames: Frames, counted: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], tuple[int, ...]]:
    """Counted frames in time order, and the lengths of their trajectories or replicas."""
    if frames.replica is not None:
        order = np.argsort(frames.replica, kind="stable")
        order = order[counted[order]]
        lengths = np.unique(frames.replica[order], return_counts=True)[1]
        return order, tuple(int(one) for one in lengths)
    if frames.time_index is not None:
        order = np.argsort(frames.time_index, kind="stable")
        order = order[counted[order]]
        return order, (len(order),)
    segments = trajectory_segments(frames)
    bounds = np.cumsum([0, *segments])
    kept = [int(counted[a:b].sum()) for a, b in itertools.pairwise(bounds)]
    return np.flatnonzero(counted), tuple(one for one in kept if one)
