"""Tolerances from the model's own measured noise, never from wishes.

Two inputs that are the same physics reach a model as different bit patterns:
coordinates are rounded to its dtype, sums run in another order. How much that
alone moves its answers is *measured* at the very structure of a trial: the frame
is evaluated again at coordinates moved by one to three units in the last place of the
dtype at the largest coordinate that occurs in the trial (`probes`). The spread of
those answers contains the rounding of the arithmetic, the force Jacobian times
the rounding of the input, and any spread under re-evaluation or batch
composition.

The tolerance is ``SAFETY`` × that spread plus a documented floor, because a spread
over few probes may be small by luck:

* energy: ``FLOOR_ULPS`` × eps × (|E| + 1 eV), and Σ|F| × ulp: energies cannot be held
  finer than their own last places, nor than forces times the rounding of coordinates;
* forces: ``FLOOR_ULPS`` × eps × (largest force component + 1 eV/Å): contributions cancel;
* stress: ``FLOOR_ULPS`` × eps × the largest component, and the energy floor per volume.

The coordinate is the largest one that occurs. A float32 model that takes differences of
coordinates in float64 and rounds only those (`pytest_mlff.laws.resolution` measures whether)
is held to the last place of its cutoff instead, so that a translation by 1000 Å is granted
no more than one by 1 Å.

A model that claims float64 and truncates to float32 inside does not hide behind
this: one float64 ulp leaves its truncated numbers as they were, so its measured
spread stays at the float64 floor.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.datasets.frames import Frames

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.potentials.protocol import Prediction

PROBES = 6
"""Evaluations at coordinates moved in their last places."""
SAFETY = 10.0
"""Factor on the measured spread: the largest of few draws may be small by luck."""
FLOOR_ULPS = 16.0
"""Units in the last place that are granted without measurement."""


@dataclass(frozen=True)
class Noise:
    """How much rounding alone can move the answers for one structure (tolerances).

    Attributes
    ----------
    energy : float
        eV.
    forces : float
        eV/Å, per component.
    stress : float
        eV/Å³, per component.
    """

    energy: float
    forces: float
    stress: float


def reach_of(*parts: Frames) -> float:
    """Largest coordinate or cell component of ``parts`` in Å, at least 1."""
    largest = [1.0]
    for part in parts:
        for array in (part.positions, part.cell):
            if array.size:
                largest.append(float(np.abs(array).max()))
    return max(largest)


def probes(frame: Frames, dtype: np.dtype[np.floating], reach: float, seed: int) -> Frames:
    """``PROBES`` copies of one frame with every coordinate moved by 1 to 3 ulp up or down.

    Parameters
    ----------
    frame : Frames
        One frame.
    dtype : numpy dtype
        What the model computes in.
    reach : float
        Coordinate in Å whose last place is taken.
    seed : int
        Seed of the moves.
    """
    ulp = float(np.spacing(dtype.type(reach)))
    moved = frame.positions + ulp * _moves((PROBES, *frame.positions.shape), [seed, 1])
    cells = np.repeat(frame.cell, PROBES, axis=0)
    if frame.pbc.any():
        # Rounding of the cell strains a crystal even where symmetry holds its atoms.
        cells = cells + ulp * _moves(cells.shape, [seed, 2])
    return Frames(
        numbers=np.tile(frame.numbers, PROBES),
        positions=moved.reshape(-1, 3),
        counts=np.tile(frame.counts, PROBES),
        cell=cells,
        pbc=np.repeat(frame.pbc, PROBES, axis=0),
    )


def _moves(shape: tuple[int, ...], seed: list[int]) -> NDArray[np.float64]:
    """±1, ±2 or ±3, never 0.

    Turning a coordinate rounds three products and two sums, so one ulp would be too little;
    with single steps two atoms would move together, and feel nothing, half of the time.
    """
    rng = np.random.default_rng(seed)
    return rng.choice(np.array([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0]), size=shape)


def noise_of(
    base: Prediction,
    probed: Prediction,
    frame: Frames,
    dtype: np.dtype[np.floating],
    reach: float,
) -> Noise:
    """Noise of one frame from its answer and the answers to its probes.

    Parameters
    ----------
    base : Prediction
        Answer for ``frame`` alone.
    probed : Prediction
        Answer for ``probes(frame, …)``.
    frame : Frames
        One frame.
    dtype, reach
        As given to `probes`.
    """
    eps, ulp = float(np.finfo(dtype).eps), float(np.spacing(dtype.type(reach)))
    force_sum = float(np.abs(base.forces).sum())
    force_max = float(np.abs(base.forces).max(initial=0.0))
    energy_floor = FLOOR_ULPS * eps * (abs(float(base.energy[0])) + 1.0) + force_sum * ulp
    energy = SAFETY * float(np.abs(probed.energy - base.energy[0]).max()) + energy_floor
    spread = probed.forces.reshape(PROBES, -1, 3) - base.forces
    # One eV/Å in the last places: contributions to a force cancel, and where symmetry makes
    # the sum zero its rounding is that of the parts.
    forces = SAFETY * float(np.abs(spread).max(initial=0.0)) + FLOOR_ULPS * eps * (force_max + 1.0)
    stress = 0.0
    if base.stress is not None and probed.stress is not None and frame.pbc.any():
        volume = abs(float(np.linalg.det(frame.cell[0])))
        stress = SAFETY * float(np.abs(probed.stress - base.stress[0]).max()) + (
            FLOOR_ULPS * eps * float(np.abs(base.stress).max()) + energy_floor / volume
        )
    return Noise(energy, forces, stress)


@dataclass(frozen=True, eq=False)
class Probed:
    """A frame in one batch with its probes and with what else a trial asks: see `probed`.

    Attributes
    ----------
    batch : Frames
        What to ask the model.
    frame, dtype, reach
        As given to `probed`.
    """

    batch: Frames
    frame: Frames
    dtype: np.dtype[np.floating]
    reach: float

    def read(self, answer: Prediction) -> tuple[Prediction, Noise, Prediction]:
        """The answer for the frame, its noise, and the answers for the other frames."""
        others = 1 + PROBES
        base = part(answer, self.batch, 0, 1)
        spread = part(answer, self.batch, 1, others)
        noise = noise_of(base, spread, self.frame, self.dtype, self.reach)
        return base, noise, part(answer, self.batch, others, len(self.batch))


def probed(
    frame: Frames, dtype: np.dtype[np.floating], reach: float, seed: int, *others: Frames
) -> Probed:
    """One frame with its `probes` and ``others``, to be asked about in one batch."""
    batch = Frames.concatenate([frame, probes(frame, dtype, reach, seed), *others])
    return Probed(batch, frame, dtype, reach)


def part(prediction: Prediction, frames: Frames, start: int, stop: int) -> Prediction:
    """The answers for frames ``start`` to ``stop`` of a batch."""
    first, last = frames.offsets[start], frames.offsets[stop]
    stress: NDArray[np.float64] | None = prediction.stress
    return replace(
        prediction,
        energy=prediction.energy[start:stop],
        forces=prediction.forces[first:last],
        stress=None if stress is None else stress[start:stop],
    )
