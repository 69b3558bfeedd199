"""Isometries and relabelling: rotation, inversion, translation, permutation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.laws import tolerance
from pytest_mlff.laws.growing import moved
from pytest_mlff.laws.law import LawBase
from pytest_mlff.laws.numerics import mean_norm
from pytest_mlff.laws.structures import seeds, trials_of
from pytest_mlff.laws.trial import Questions, Reading, Trial, worst
from pytest_mlff.laws.wording import atom, axis_angle, kind_of, vector

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy
    from numpy.typing import NDArray

    from pytest_mlff.laws.context import Context


def rotation_matrix(seed: int) -> NDArray[np.float64]:
    """A proper rotation, uniform over the group (normalised normal quaternion)."""
    w, x, y, z = _unit(np.random.default_rng([seed, 7]).normal(size=4))
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vector / np.linalg.norm(vector))


def compare(
    context: Context,
    frame: Frames,
    image: Frames,
    *,
    matrix: NDArray[np.float64] | None = None,
    order: NDArray[np.int64] | None = None,
    size: float,
    seed: int,
    copies: int = 1,
    deed: str = "the change",
) -> Questions:
    """Compare the answers for a frame and for its image under a transformation.

    Parameters
    ----------
    frame, image : Frames
        One frame each.
    matrix : ndarray, shape (3, 3), optional
        What must happen to each force and, on both sides, to the stress.
    order : ndarray, shape (n_atoms,), optional
        Atom of ``frame`` behind each atom of ``image``.
    size : float
        Size of the transformation, for the evidence.
    seed : int
        Seed of the noise probes.
    copies : int
        How many times ``image`` holds the atoms of ``frame``, one copy after the other.
    deed : str
        What the transformation does, as the subject of a sentence.
    """
    dtype, reach = context.dtype, context.reach(frame, image)
    # In a crystal of one atom symmetry hides all rounding; in its supercell nothing does.
    probed, home = (image, 1) if copies > 1 else (frame, 0)
    batch = Frames.concatenate([frame, image, tolerance.probes(probed, dtype, reach, seed)])
    (answer,) = yield [batch]
    base, other = tolerance.part(answer, batch, 0, 1), tolerance.part(answer, batch, 1, 2)
    noise = tolerance.noise_of(
        tolerance.part(answer, batch, home, home + 1),
        tolerance.part(answer, batch, 2, len(batch)),
        probed,
        dtype,
        reach,
    )
    turn = np.eye(3) if matrix is None else matrix
    expected = base.forces @ turn.T
    if order is not None:
        expected = expected[order]
    expected = np.tile(expected, (copies, 1))
    evidence = {
        "mean_force_norm": mean_norm(base.forces),
        "transformation": size,
        "answer_size": abs(float(base.energy[0])) + float(np.abs(base.forces).max()),
    }
    energies = float(base.energy[0]), float(other.energy[0] / copies)
    off = np.abs(other.forces - expected)
    worst_atom = int(off.max(axis=1).argmax())
    readings = [
        Reading(
            1000.0 * abs(energies[1] - energies[0]),
            1000.0 * noise.energy / np.sqrt(copies),
            "meV",
            evidence,
            "energy",
            f"{deed} changes the energy by",
            facts=(f"energy before: {energies[0]:.9g} eV", f"energy after:  {energies[1]:.9g} eV"),
        ),
        Reading(
            1000.0 * float(off.max()),
            1000.0 * noise.forces,
            "meV/Å",
            evidence,
            "forces",
            f"{deed} changes the forces by",
            1000.0 * evidence["mean_force_norm"],
            (
                f"force on {atom(image, worst_atom)}, expected after the change: "
                + vector(expected[worst_atom], "eV/Å"),
                f"force on {atom(image, worst_atom)}, what the model answers:    "
                + vector(other.forces[worst_atom], "eV/Å"),
            ),
        ),
    ]
    if base.stress is not None and other.stress is not None and frame.pbc.all():
        turned = turn @ base.stress[0] @ turn.T
        difference = float(np.abs(other.stress[0] - turned).max())
        readings.append(
            Reading(
                1000.0 * difference,
                1000.0 * noise.stress,
                "meV/Å³",
                evidence,
                "stress",
                f"{deed} changes the stress by",
                1000.0 * float(np.abs(base.stress[0]).max()),
                tuple(
                    f"stress {when}: {vector(one.reshape(-1), 'eV/Å³')}"
                    for when, one in (("expected", turned), ("answered", other.stress[0]))
                ),
            )
        )
    return worst(*readings)


def _turned(frame: Frames, matrix: NDArray[np.float64]) -> Frames:
    # A lattice is its own inverse: turned properly, its vectors stay right-handed, as many models
    # ask of them.
    return Frames(
        frame.numbers,
        frame.positions @ matrix.T,
        frame.counts,
        frame.cell @ (np.sign(np.linalg.det(matrix)) * matrix.T),
        frame.pbc,
    )


class Rotation(LawBase):
    """Energy is invariant, forces and stress turn with a proper rotation."""

    id = "rotation"
    title = "E invariant, F and stress turn with the frame under proper rotations"
    required_evidence = ("mean_force_norm", "transformation")

    def trials(self, context: Context) -> SearchStrategy[Trial]:
        """Structures of every kind with a rotation."""
        return trials_of(context.pool.any(), rotation_seed=seeds())

    def measure(self, context: Context, trial: Trial) -> Questions:
        """Compare a frame with the turned frame; the size is the angle in degrees."""
        seed = int(trial.parameters["rotation_seed"])
        matrix = rotation_matrix(seed)
        angle = float(np.degrees(np.arccos(np.clip((np.trace(matrix) - 1.0) / 2.0, -1.0, 1.0))))
        image = _turned(trial.frames, matrix)
        deed = f"turning this {kind_of(image)} by {axis_angle(matrix)}"
        return compare(
            context, trial.frames, image, matrix=matrix, size=angle, seed=seed, deed=deed
        )


class Inversion(LawBase):
    """Energy is invariant, forces turn with inversion and with improper rotations."""

    id = "inversion"
    title = "E invariant, F and stress follow inversion and improper rotations"
    required_evidence = ("mean_force_norm", "transformation")

    def trials(self, context: Context) -> SearchStrategy[Trial]:
        """Structures of every kind; half of the transformations are the pure inversion."""
        improper = st.booleans().map(int)
        return trials_of(context.pool.any(), rotation_seed=seeds(), improper=improper)

    def measure(self, context: Context, trial: Trial) -> Questions:
        """Compare a frame with its inverted (and turned) image; the size is the mean shift."""
        seed = int(trial.parameters["rotation_seed"])
        matrix = -(rotation_matrix(seed) if trial.parameters["improper"] else np.eye(3))
        image = _turned(trial.frames, matrix)
        shift = np.linalg.norm(image.positions - trial.frames.positions, axis=1)
        deed = f"inverting this {kind_of(image)}"
        if trial.parameters["improper"]:
            deed += f" and turning it by {axis_angle(-matrix)}"
        return compare(
            context,
            trial.frames,
            image,
            matrix=matrix,
            size=float(shift.mean()),
            seed=seed,
            deed=deed,
        )


class Translation(LawBase):
    """Nothing changes when all atoms move together by 1, 40 or 1000 Å."""

    id = "translation"
    title = "E, F and stress do not change under translation by 1, 40 and 1000 Å"
    required_evidence = ("mean_force_norm", "transformation")

    def trials(self, context: Context) -> SearchStrategy[Trial]:
        """Structures of every kind, a distance and a direction."""
        distance = st.sampled_from([1.0, 40.0, 1000.0])
        return trials_of(context.pool.any(), direction_seed=seeds(), distance=distance)

    def measure(self, context: Context, trial: Trial) -> Questions:
        """Compare a frame with the moved frame; the size is the distance in Å."""
        seed, distance = (
            int(trial.parameters["direction_seed"]),
            float(trial.parameters["distance"]),
        )
        axis = _unit(np.random.default_rng([seed, 8]).normal(size=3))
        image = moved(trial.frames, trial.frames.positions + distance * axis)
        deed = f"moving this {kind_of(image)} by {distance:g} Å along {vector(axis.round(2))}"
        return compare(context, trial.frames, image, size=distance, seed=seed, deed=deed)


class Permutation(LawBase):
    """The order of the atoms means nothing."""

    id = "permutation"
    title = "E invariant, F follow their atoms when atoms (of one species, or all) change order"
    required_evidence = ("mean_force_norm", "transformation")

    def trials(self, context: Context) -> SearchStrategy[Trial]:
        """Structures of at least two atoms; the order of one species or of all is changed."""
        every = st.booleans().map(int)
        return trials_of(context.pool.any(), order_seed=seeds(), all_species=every)

    def measure(self, context: Context, trial: Trial) -> Questions:
        """Compare a frame with the reordered one; the size is the number of atoms that moved."""
        frame, seed = trial.frames, int(trial.parameters["order_seed"])
        order = _changed_order(frame.numbers, seed, bool(trial.parameters["all_species"]))
        image = Frames(
            frame.numbers[order], frame.positions[order], frame.counts, frame.cell, frame.pbc
        )
        changed = int((order != np.arange(len(order))).sum())
        deed = f"changing the order of {changed} atoms of this {kind_of(image)}"
        return compare(
            context, frame, image, order=order, size=float(changed), seed=seed, deed=deed
        )


def _changed_order(numbers: NDArray[np.int64], seed: int, every: bool) -> NDArray[np.int64]:
    """An order in which atoms have really moved, if there are two that can.

    Within one species if ``every`` is false and some species has two atoms, else over all.
    """
    rng = np.random.default_rng([seed, 9])
    order = np.arange(len(numbers))
    kinds, counts = np.unique(numbers, return_counts=True)
    shared = kinds[counts > 1]
    movable = order
    if not every and len(shared):
        movable = order[numbers == rng.choice(shared)]
    if len(movable) < 2:
        return order
    places = rng.permutation(len(movable))
    if (places == np.arange(len(places))).all():
        places = np.roll(places, 1)
    order[movable] = movable[places]
    return order
