"""Periodic images: which atom of a lattice, which cell vectors and how many cells mean nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.laws.growing import moved
from pytest_mlff.laws.law import LawBase
from pytest_mlff.laws.structures import seeds, trials_of
from pytest_mlff.laws.symmetry import compare

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from pytest_mlff.laws.context import Context
    from pytest_mlff.laws.trial import Questions, Trial


class PeriodicImages(LawBase):
    """Wrapping, other vectors of the same lattice and supercells describe the same crystal."""

    id = "periodic_images"
    title = "E, F and stress do not depend on wrapping, choice of cell vectors, or number of cells"
    required_evidence = ("transformation", "answer_size")
    uses_reference = False
    min_atoms = 1

    def trials(self, context: Context) -> SearchStrategy[Trial]:
        """Crystals with one of the three changes of description."""
        context.require_periodic()
        kind = st.sampled_from(["supercell", "wrap", "cell"])
        return trials_of(context.pool.crystals(), kind=kind, image_seed=seeds())

    def measure(self, context: Context, trial: Trial) -> Questions:
        """Compare both descriptions; the size is atoms moved, vectors changed, or cells."""
        frame, seed = trial.frames, int(trial.parameters["image_seed"])
        change = {"supercell": _supercell, "wrap": _wrapped, "cell": _other_cell}
        image, size, copies = change[str(trial.parameters["kind"])](
            frame, np.random.default_rng([seed, 10])
        )
        deeds = {
            "supercell": f"a supercell of {copies} cells",
            "wrap": f"moving {size} atoms of this crystal by lattice vectors",
            "cell": f"choosing {size} other vectors of the same lattice",
        }
        return compare(
            context,
            frame,
            image,
            size=float(size),
            seed=seed,
            copies=copies,
            deed=deeds[str(trial.parameters["kind"])],
        )


def _wrapped(frame: Frames, rng: np.random.Generator) -> tuple[Frames, int, int]:
    turns = rng.integers(-2, 3, size=frame.positions.shape)
    turns[0, 0] = turns[0, 0] or 1
    return moved(frame, frame.positions + turns @ frame.cell[0]), int(turns.any(axis=1).sum()), 1


def _other_cell(frame: Frames, rng: np.random.Generator) -> tuple[Frames, int, int]:
    change = np.eye(3, dtype=np.int64)
    for _ in range(2):
        row, column = rng.permutation(3)[:2]
        change[row] += rng.choice([-1, 1]) * change[column]
    cell = change @ frame.cell[0]
    image = Frames(frame.numbers, frame.positions, frame.counts, cell[None], frame.pbc)
    # Two steps may undo each other; then the size is zero and counts as no evidence.
    return image, int((change != np.eye(3)).any(axis=1).sum()), 1


def _supercell(frame: Frames, rng: np.random.Generator) -> tuple[Frames, int, int]:
    times = rng.integers(1, 3, size=3)
    times[rng.integers(3)] = rng.integers(2, 4)
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in times], indexing="ij"), axis=-1)
    shifts = grid.reshape(-1, 3) @ frame.cell[0]
    copies = len(shifts)
    image = Frames(
        np.tile(frame.numbers, copies),
        (frame.positions[None] + shifts[:, None]).reshape(-1, 3),
        frame.counts * copies,
        frame.cell * times[None, :, None],
        frame.pbc,
    )
    return image, copies, copies
