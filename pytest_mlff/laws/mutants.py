"""Mutants: exact potentials with one fault of adjustable strength, each named for its law.

A check that lets its mutant pass checks nothing. Strength 1 is a gross fault; energies are
changed by eV and forces by eV/Å times the strength unless the fault says otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.laws.exact import ExactPotential, lennard_jones, neighbours
from pytest_mlff.laws.growing import moved, numbers_of, radii_of
from pytest_mlff.potentials.protocol import Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.potentials.protocol import PotentialInfo

    Fault = Callable[["Mutant", Frames], Prediction]

STEP_AT: Final = 0.75
"""Where hidden steps and kinks sit, in cutoffs: not at the cutoff that the model tells."""


@dataclass(frozen=True)
class FaultKind:
    """One way to be wrong.

    Attributes
    ----------
    name : str
        Name of the mutant.
    law : str
        Id of the law that must catch it.
    title : str
        What is wrong.
    apply : callable
        Makes the wrong prediction.
    smooth : bool
        Whether small strengths make sense (for the table of detection limits).
    dtypes : tuple of str
        Where it is a fault at all: rounding to float32 is none in float32.
    options : tuple of (str, int)
        Settings with which its law sees it, where that is not by default.
    """

    name: str
    law: str
    title: str
    apply: Fault
    smooth: bool = True
    dtypes: tuple[str, ...] = ("float64", "float32")
    options: tuple[tuple[str, int], ...] = ()


@dataclass(eq=False)
class Mutant:
    """An exact potential with one fault; a `Potential` itself."""

    base: ExactPotential
    kind: FaultKind
    strength: float = 1.0
    state: dict[str, Any] = field(default_factory=dict)

    @property
    def info(self) -> PotentialInfo:
        """Identity; everything but the name is that of the sound potential."""
        name = f"{self.base.name} with {self.kind.name} {self.strength:g}"
        source = f"mutant:{self.kind.name}:{self.strength:g}:{self.base.name}:{self.base.dtype}"
        return replace(self.base.info, name=name, source=source)

    def predict(self, frames: Frames) -> Prediction:
        """The faulty answer, rounded to the dtype of the sound potential."""
        wrong = self.kind.apply(self, frames)
        if self.base.dtype != "float32":
            return wrong
        stress = wrong.stress
        return Prediction(
            wrong.energy.astype(np.float32).astype(np.float64),
            wrong.forces.astype(np.float32).astype(np.float64),
            None if stress is None else stress.astype(np.float32).astype(np.float64),
        )


def _scaled_forces(factor: float) -> Fault:
    def fault(mutant: Mutant, frames: Frames) -> Prediction:
        right = mutant.base.predict(frames)
        return replace(right, forces=right.forces * (1.0 - factor * mutant.strength))

    return fault


def _one_axis(mutant: Mutant, frames: Frames) -> Prediction:
    right = mutant.base.predict(frames)
    return replace(right, forces=right.forces * np.array([1.0, 1.0, 1.0 + mutant.strength]))


def _stretched_axis(mutant: Mutant, frames: Frames) -> Prediction:
    # Consistent forces: only isotropy is broken.
    change = np.array([1.0 + 0.1 * mutant.strength, 1.0, 1.0])
    bent = Frames(
        frames.numbers, frames.positions * change, frames.counts, frames.cell * change, frames.pbc
    )
    right = mutant.base.predict(bent)
    return replace(right, forces=right.forces * change)


def _bonds(
    mutant: Mutant, frames: Frames
) -> Iterator[tuple[int, int, NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]:
    """Frame index, first atom, centres, neighbours and bond vectors of each frame."""
    for index in range(len(frames)):
        start, stop = frames.offsets[index], frames.offsets[index + 1]
        cell = frames.cell[index] if frames.pbc[index].all() else None
        centres, others, bonds = neighbours(frames.positions[start:stop], cell, mutant.base.cutoff)
        yield index, int(start), centres, others, np.asarray(bonds, dtype=np.float64)


def _two_vectors(
    mutant: Mutant, frames: Frames
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Smooth local sums at each atom: Σ w D, Σ w r D and Σ w."""
    first, second = np.zeros(frames.positions.shape), np.zeros(frames.positions.shape)
    count = np.zeros(len(frames.positions))
    for _, start, centres, _others, bonds in _bonds(mutant, frames):
        lengths = np.linalg.norm(bonds, axis=1)
        weight = (1.0 - (lengths / mutant.base.cutoff) ** 2) ** 4
        np.add.at(first, start + centres, weight[:, None] * bonds)
        np.add.at(second, start + centres, (weight * lengths)[:, None] * bonds)
        np.add.at(count, start + centres, weight)
    return first, second, count


def _parity(mutant: Mutant, frames: Frames) -> Prediction:
    right = mutant.base.predict(frames)
    first, second, _ = _two_vectors(mutant, frames)
    return replace(right, forces=right.forces + mutant.strength * np.cross(first, second))


def _non_conservative(mutant: Mutant, frames: Frames) -> Prediction:
    right = mutant.base.predict(frames)
    first, _, count = _two_vectors(mutant, frames)
    # Weighed by the coordination of the pushed atom alone, no pair force has a potential.
    return replace(right, forces=right.forces + mutant.strength * count[:, None] * first)


def _step(mutant: Mutant, frames: Frames) -> Prediction:
    right = mutant.base.predict(frames)
    energy = right.energy.copy()
    for index, _, _, _, bonds in _bonds(mutant, frames):
        lengths = np.linalg.norm(bonds, axis=1)
        inside = int((lengths < STEP_AT * mutant.base.cutoff).sum())
        energy[index] += 0.5 * mutant.strength * inside
    return replace(right, energy=energy)


def _kink(power: int) -> Fault:
    def fault(mutant: Mutant, frames: Frames) -> Prediction:
        right = mutant.base.predict(frames)
        energy, forces = right.energy.copy(), right.forces.copy()
        stress = None if right.stress is None else right.stress.copy()
        edge = STEP_AT * mutant.base.cutoff
        for index, start, centres, others, bonds in _bonds(mutant, frames):
            lengths = np.linalg.norm(bonds, axis=1)
            depth = np.maximum(edge - lengths, 0.0)
            energy[index] += 0.5 * mutant.strength * (depth**power).sum()
            slope = -0.5 * mutant.strength * power * np.where(depth > 0, depth ** (power - 1), 0.0)
            pull = (slope / lengths)[:, None] * bonds
            np.add.at(forces, start + centres, pull)
            np.subtract.at(forces, start + others, pull)
            if stress is not None and frames.pbc[index].all():
                stress[index] += bonds.T @ pull / abs(np.linalg.det(frames.cell[index]))
        return Prediction(energy, forces, stress)

    return fault


def _truncated(mutant: Mutant, frames: Frames) -> Prediction:
    rounded = frames.positions.astype(np.float32).astype(np.float64)
    mixed = frames.positions + mutant.strength * (rounded - frames.positions)
    return mutant.base.predict(moved(frames, mixed))


def _centre_of_mass(mutant: Mutant, frames: Frames) -> Prediction:
    right = mutant.base.predict(frames)
    energy, forces = right.energy.copy(), right.forces.copy()
    for index, (start, stop) in enumerate(pairwise(frames.offsets)):
        if frames.pbc[index].any():
            continue
        arms = frames.positions[start:stop] - frames.positions[start:stop].mean(axis=0)
        energy[index] += 0.5 * mutant.strength * (arms * arms).sum()
        forces[start:stop] -= mutant.strength * arms
    return replace(right, energy=energy, forces=forces)


def _index_order(mutant: Mutant, frames: Frames) -> Prediction:
    right = mutant.base.predict(frames)
    forces = right.forces.copy()
    forces[frames.offsets[:-1]] *= 1.0 + mutant.strength
    return replace(right, forces=forces)


def _absolute(mutant: Mutant, frames: Frames) -> Prediction:
    right = mutant.base.predict(frames)
    field_energy = mutant.strength * np.sin(frames.positions[:, 0])
    energy = right.energy + np.add.reduceat(field_energy, frames.offsets[:-1])
    forces = right.forces.copy()
    forces[:, 0] -= mutant.strength * np.cos(frames.positions[:, 0])
    return replace(right, energy=energy, forces=forces)


def _batch_leakage(mutant: Mutant, frames: Frames) -> Prediction:
    right = mutant.base.predict(frames)
    mixed = right.energy + mutant.strength * (right.energy.mean() - right.energy)
    return replace(right, energy=mixed)


def _closest(mutant: Mutant, frames: Frames) -> NDArray[np.float64]:
    """Shortest bond of each frame in sums of covalent radii."""
    found = np.full(len(frames), np.inf)
    radii = radii_of(frames.numbers)
    for index, start, centres, others, bonds in _bonds(mutant, frames):
        if len(bonds):
            sums = radii[start + centres] + radii[start + others]
            found[index] = float((np.linalg.norm(bonds, axis=1) / sums).min())
    return found


def _nan_at_short_range(mutant: Mutant, frames: Frames) -> Prediction:
    right = mutant.base.predict(frames)
    squeezed = _closest(mutant, frames) < 0.45 * mutant.strength
    return replace(right, energy=np.where(squeezed, np.nan, right.energy))


def _hole(mutant: Mutant, frames: Frames) -> Prediction:
    right = mutant.base.predict(frames)
    squeezed = (_closest(mutant, frames) < 0.5)[frames.frame_of_atom]
    factor = np.where(squeezed, 1.0 - 2.0 * mutant.strength, 1.0)
    return replace(right, forces=right.forces * factor[:, None])


def _wrong_stress(mutant: Mutant, frames: Frames) -> Prediction:
    right = mutant.base.predict(frames)
    if right.stress is None:
        return right
    return replace(right, stress=right.stress * (1.0 - 2.0 * mutant.strength))


def _missing_image(mutant: Mutant, frames: Frames) -> Prediction:
    right = mutant.base.predict(frames)
    short = replace(mutant.base, images=1).predict(frames)
    part = mutant.strength

    def mixed(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((1.0 - part) * a + part * b)

    stress = None
    if right.stress is not None and short.stress is not None:
        stress = mixed(right.stress, short.stress)
    return Prediction(mixed(right.energy, short.energy), mixed(right.forces, short.forces), stress)


def _lonely(mutant: Mutant, frames: Frames) -> Prediction:
    right = mutant.base.predict(frames)
    alone = (frames.counts == 1)[frames.frame_of_atom]
    push = mutant.strength * np.array([1.0, 0.0, 0.0])
    return replace(right, forces=right.forces + np.where(alone[:, None], push, 0.0))


def _drift(mutant: Mutant, frames: Frames) -> Prediction:
    right = mutant.base.predict(frames)
    first, _, _ = _two_vectors(mutant, frames)
    heavy = (frames.numbers == frames.numbers.max())[:, None]
    return replace(
        right, forces=right.forces + mutant.strength * np.where(heavy, first, 0.5 * first)
    )


def _jitter(mutant: Mutant, frames: Frames) -> Prediction:
    right = mutant.base.predict(frames)
    rng = mutant.state.setdefault("rng", np.random.default_rng(0))
    noise = mutant.strength * rng.normal(size=right.forces.shape)
    return replace(right, forces=right.forces + noise)


def _memory_of_last(mutant: Mutant, frames: Frames) -> Prediction:
    right = mutant.base.predict(frames)
    last = mutant.state.get("last", 0.0)
    mutant.state["last"] = float(right.energy[-1])
    return replace(right, energy=right.energy + mutant.strength * last)


def _shared_buffer(mutant: Mutant, frames: Frames) -> Prediction:
    right = mutant.base.predict(frames)
    mine = object()
    mutant.state["buffer"] = mine
    time.sleep(2e-4)
    disturbed = mutant.state["buffer"] is not mine
    return replace(right, energy=right.energy + (mutant.strength if disturbed else 0.0))


def _guessing(mutant: Mutant, frames: Frames) -> Prediction:
    known = numbers_of(mutant.base.species)
    numbers = np.where(np.isin(frames.numbers, known), frames.numbers, known[0])
    guessed = Frames(numbers, frames.positions, frames.counts, frames.cell, frames.pbc)
    return mutant.base.predict(guessed)


def _leak(mutant: Mutant, frames: Frames) -> Prediction:
    kept = mutant.state.setdefault("kept", [])
    kept.append(np.ones(int(2**16 * mutant.strength), dtype=np.uint8))
    return mutant.base.predict(frames)


FAULTS: Final[dict[str, FaultKind]] = {
    kind.name: kind
    for kind in (
        FaultKind("stretched_axis", "rotation", "space is 10 % longer along x", _stretched_axis),
        FaultKind("one_axis", "rotation", "forces along z are wrong", _one_axis),
        FaultKind("parity", "inversion", "forces with a pseudovector part", _parity),
        FaultKind("absolute", "translation", "an external field sin x", _absolute),
        FaultKind(
            "index_order", "permutation", "the first atom is treated otherwise", _index_order
        ),
        FaultKind("missing_image", "periodic_images", "only next cells are seen", _missing_image),
        FaultKind("zero_forces", "force_consistency", "forces vanish", _scaled_forces(1.0)),
        FaultKind("sign_flip", "force_consistency", "forces change sign", _scaled_forces(2.0)),
        FaultKind("non_conservative", "conservativity", "a direct-force head", _non_conservative),
        FaultKind("wrong_stress", "stress_consistency", "stress changes sign", _wrong_stress),
        FaultKind("hard_cutoff", "smoothness", "a step of the energy (C⁰)", _step),
        FaultKind("kinked_energy", "smoothness", "a kink of the energy (C¹)", _kink(1)),
        FaultKind(
            "kinked_force",
            "smoothness",
            "a kink of the force (C²)",
            _kink(2),
            options=(("continuity", 2),),
        ),
        FaultKind("centre_of_mass", "locality", "a spring to the centre", _centre_of_mass),
        FaultKind("spread_out", "size_extensivity", "a spring to the centre", _centre_of_mass),
        FaultKind("lonely", "isolated_atom", "a force on a single atom", _lonely),
        FaultKind("drift", "net_force", "action without reaction", _drift),
        FaultKind("batch_leakage", "batch_independence", "frames of a batch mix", _batch_leakage),
        FaultKind("jitter", "determinism", "random forces", _jitter),
        FaultKind("memory_of_last", "determinism", "the last frame is remembered", _memory_of_last),
        FaultKind("shared_buffer", "thread_safety", "threads share a buffer", _shared_buffer),
        FaultKind(
            "truncated",
            "precision",
            "coordinates pass through float32",
            _truncated,
            dtypes=("float64",),
        ),
        FaultKind("guessing", "unknown_species", "unknown elements are guessed", _guessing, False),
        FaultKind("nan_short", "no_holes", "NaN at short range", _nan_at_short_range, False),
        FaultKind("hole", "no_holes", "attraction at short range", _hole, False),
        FaultKind("leak", "memory", "64 KiB are kept at every call", _leak),
    )
}


def mutant(name: str, strength: float = 1.0, dtype: str = "float64") -> Mutant:
    """A Lennard-Jones potential with the fault ``name``.

    Raises
    ------
    KeyError
        If there is no such fault.
    """
    return Mutant(lennard_jones(dtype=dtype, cutoff=5.0), FAULTS[name], strength)
