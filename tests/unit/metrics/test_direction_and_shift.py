"""Cosine of forces, energies without their zero, stress of slabs: against plain loops."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ase.data import chemical_symbols
from scipy import constants
from scipy.spatial.transform import Rotation

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.errors import MlffError, NotSupportedError
from pytest_mlff.metrics.energy_shift import energy_mae_shifted
from pytest_mlff.metrics.errors import measure
from pytest_mlff.metrics.force_cosine import SMALLEST
from pytest_mlff.potentials.protocol import Prediction

GPA = constants.e * 1e21


def mixed(seed: int = 0, n_frames: int = 40) -> tuple[Frames, Prediction]:
    rng = np.random.default_rng(seed)
    counts = rng.integers(2, 7, n_frames)
    total = int(counts.sum())
    frames = Frames(
        numbers=rng.choice([1, 6, 8], total).astype(np.int64),
        positions=rng.normal(size=(total, 3)),
        counts=counts.astype(np.int64),
        cell=np.tile(5.0 * np.eye(3), (n_frames, 1, 1)),
        pbc=np.ones((n_frames, 3), dtype=bool),
        energy=rng.normal(-100.0, 5.0, n_frames),
        forces=rng.normal(size=(total, 3)),
        stress=rng.normal(size=(n_frames, 3, 3)),
    )
    assert frames.energy is not None
    assert frames.forces is not None
    assert frames.stress is not None
    return frames, Prediction(
        energy=frames.energy + rng.normal(0.1, 0.3, n_frames),
        forces=frames.forces + rng.normal(0.0, 0.4, (total, 3)),
        stress=frames.stress + rng.normal(0.0, 0.01, (n_frames, 3, 3)),
    )


def cosines(frames: Frames, prediction: Prediction, species: str | None) -> dict[int, list[float]]:
    """Cosine of each atom by frame, in pure Python."""
    found: dict[int, list[float]] = {}
    for atom in range(len(frames.numbers)):
        frame = int(frames.frame_of_atom[atom])
        if species not in (None, chemical_symbols[frames.numbers[atom]]):
            continue
        one = [float(x) for x in np.asarray(frames.forces)[atom]]
        other = [float(x) for x in prediction.forces[atom]]
        size = math.hypot(*one) * math.hypot(*other)
        dot = math.fsum(a * b for a, b in zip(one, other, strict=True))
        found.setdefault(frame, []).append(dot / size if size else 0.0)
    return found


@pytest.mark.parametrize("species", [None, "H", "C", "O"])
def test_force_cosine(species: str | None) -> None:
    frames, prediction = mixed(n_frames=80)
    found = measure("force_cosine", frames, prediction, species)
    wanted = cosines(frames, prediction, species)
    every = [one for some in wanted.values() for one in some]
    assert found.value == pytest.approx(math.fsum(every) / len(every), abs=1e-12)
    assert found.unit == "1"
    worst = min(wanted, key=lambda frame: math.fsum(wanted[frame]) / len(wanted[frame]))
    assert found.evidence["worst_frame"] == worst
    assert found.ci_low is not None
    assert found.ci_low < found.value < found.ci_high  # type: ignore[operator]


def test_force_cosine_has_known_ends() -> None:
    frames, prediction = mixed()
    right = replace(prediction, forces=np.asarray(frames.forces) * 7.0)
    assert measure("force_cosine", frames, right).value == pytest.approx(1.0)
    wrong = replace(prediction, forces=-np.asarray(frames.forces))
    assert measure("force_cosine", frames, wrong).value == pytest.approx(-1.0)
    none = replace(prediction, forces=np.zeros_like(prediction.forces))
    assert measure("force_cosine", frames, none).value == 0.0


def test_one_cosine_over_all_atoms_is_another_number() -> None:
    """The mutant: large forces would hide that every small one points elsewhere."""
    frames, prediction = mixed()
    forces = np.asarray(frames.forces).copy()
    forces[::2] *= 100.0
    frames = replace(frames, forces=forces)
    guess = forces.copy()
    guess[1::2] *= -1.0
    mutant = float((guess * forces).sum() / np.linalg.norm(guess) / np.linalg.norm(forces))
    assert mutant > 0.99
    assert measure("force_cosine", frames, replace(prediction, forces=guess)).value < 0.1


def test_a_force_of_nought_has_no_direction() -> None:
    frames, prediction = mixed()
    forces = np.asarray(frames.forces).copy()
    forces[frames.frame_of_atom == 3] = 1e-17
    found = measure("force_cosine", replace(frames, forces=forces), prediction)
    others = [one for frame, some in cosines(frames, prediction, None).items() if frame != 3
              for one in some]  # fmt: skip
    assert found.value == pytest.approx(math.fsum(others) / len(others), abs=1e-12)
    with pytest.raises(NotSupportedError, match="no reference force is as large as 1 meV/Å"):
        measure("force_cosine", replace(frames, forces=forces * 0 + SMALLEST / 2), prediction)


def shifted(frames: Frames, prediction: Prediction) -> float:
    inputs: Any = SimpleNamespace(frames=frames, prediction=prediction, whole=(frames, prediction))
    return energy_mae_shifted(inputs).value


def residual_mae(frames: Frames, prediction: Prediction) -> float:
    """By the normal equations with a projection matrix, in meV/atom."""
    table = np.array(
        [
            [list(frames.numbers[a:b]).count(z) for z in (1, 6, 8)]
            for a, b in zip(frames.offsets, frames.offsets[1:], strict=False)
        ],
        dtype=float,
    )
    error = prediction.energy - np.asarray(frames.energy)
    left = error - table @ np.linalg.inv(table.T @ table) @ table.T @ error
    return float(np.mean(np.abs(left) / frames.counts)) * 1000.0


def test_energy_mae_shifted() -> None:
    frames, prediction = mixed()
    assert shifted(frames, prediction) == pytest.approx(residual_mae(frames, prediction), rel=1e-9)
    zeros = {1: -13.6, 6: -1030.0, 8: 2041.0}
    moved = prediction.energy + np.array(
        [
            sum(zeros[z] for z in frames.numbers[a:b].tolist())
            for a, b in zip(frames.offsets, frames.offsets[1:], strict=False)
        ]
    )
    other = replace(prediction, energy=moved)
    assert shifted(frames, other) == pytest.approx(shifted(frames, prediction), rel=1e-6)
    assert measure("energy_mae", frames, other).value > 1e5
    # The mutant: one mean for all frames does not take the energies of species away.
    error = moved - np.asarray(frames.energy)
    mutant = np.abs(error - error.mean()) / frames.counts
    assert mutant.mean() * 1000.0 > 1e4
    # What relative energies are wrong by stays.
    worse = replace(prediction, energy=prediction.energy + np.arange(len(frames)) % 2)
    assert shifted(frames, worse) > 2 * shifted(frames, prediction)


def test_a_frame_that_the_fit_passes_through_is_not_judged() -> None:
    """Seven compositions in eight frames: an error of any size would be fitted away."""
    rng = np.random.default_rng(3)
    molecules = [[6, 8], [7, 1, 1, 1], [9, 1], [3, 1], [8, 1, 1], [8, 1, 1]]
    frames = Frames.concatenate(
        [
            Frames.of_one_molecule(
                np.array(one), rng.normal(size=(1, len(one), 3)), energy=np.array([float(k)])
            )
            for k, one in enumerate(molecules)
        ]
    )
    prediction = Prediction(rng.normal(size=6), np.zeros((len(frames.numbers), 3)), None)
    with pytest.raises(NotSupportedError, match="through 4 frames, the first is frame 0"):
        shifted(frames, prediction)


def test_one_composition_loses_its_mean() -> None:
    frames = Frames.of_one_molecule(
        np.array([6, 1]), np.zeros((4, 2, 3)), energy=np.array([1.0, 2.0, 4.0, 7.0])
    )
    prediction = Prediction(np.array([101.0, 102.0, 104.0, 107.4]), np.zeros((8, 3)), None)
    # Errors of 100 and one of 100.4: mean 100.1, so 0.1, 0.1, 0.1 and 0.3 eV for two atoms.
    assert shifted(frames, prediction) == pytest.approx(0.15 / 2 * 1000)
    with pytest.raises(NotSupportedError, match="fits 1 reference energies, for which 1 frames"):
        shifted(frames.select([0]), prediction.select(frames, np.array([0])))


def test_labels_of_some_frames_fit_the_shift_alone() -> None:
    frames, prediction = mixed()
    energy = np.asarray(frames.energy).copy()
    energy[:10] = np.nan
    keep = np.arange(10, len(frames))
    part = frames.select(keep)
    assert shifted(replace(frames, energy=energy), prediction) == pytest.approx(
        residual_mae(part, prediction.select(frames, keep)), rel=1e-9
    )


def turned(frames: Frames, turn: np.ndarray) -> Frames:
    return replace(
        frames,
        positions=frames.positions @ turn.T,
        cell=frames.cell @ turn.T,
        stress=turn @ np.asarray(frames.stress) @ turn.T,
    )


@pytest.mark.parametrize(
    "pbc, components",
    [
        ((True, True, False), [(0, 0), (0, 1), (1, 0), (1, 1)]),
        ((True, False, True), [(0, 0), (0, 2), (2, 0), (2, 2)]),
        ((False, False, True), [(2, 2)]),
    ],
)
def test_stress_of_a_slab_has_its_components(
    pbc: tuple[bool, ...], components: list[tuple[int, int]]
) -> None:
    frames, prediction = mixed()
    frames = replace(frames, pbc=np.tile(pbc, (len(frames), 1)))
    # What a model or a program says across the vacuum is no one's business.
    stress = prediction.stress.copy()
    for i in range(3):
        for j in range(3):
            if (i, j) not in components:
                stress[:, i, j] += 1e6
    slab = replace(prediction, stress=stress)
    errors = [
        float(stress[f, i, j] - np.asarray(frames.stress)[f, i, j]) * GPA
        for f in range(len(frames))
        for i, j in components
    ]
    wanted = math.fsum(abs(x) for x in errors) / len(errors)
    assert measure("stress_mae", frames, slab).value == pytest.approx(wanted, rel=1e-9)
    root = math.sqrt(math.fsum(x * x for x in errors) / len(errors))
    assert measure("stress_rmse", frames, slab).value == pytest.approx(root, rel=1e-9)
    # However the slab is turned.
    turn = Rotation.from_rotvec([0.3, -0.7, 1.1]).as_matrix()
    tilted = replace(slab, stress=turn @ stress @ turn.T)
    assert measure("stress_rmse", turned(frames, turn), tilted).value == pytest.approx(
        root, rel=1e-6
    )


def test_molecules_among_crystals_have_no_stress() -> None:
    frames, prediction = mixed()
    pbc = frames.pbc.copy()
    pbc[::2] = False
    stress = prediction.stress.copy()
    stress[::2] = np.nan
    found = measure("stress_mae", replace(frames, pbc=pbc), replace(prediction, stress=stress))
    odd = np.arange(1, len(frames), 2)
    bulk = measure("stress_mae", frames.select(odd), prediction.select(frames, odd))
    assert found.value == bulk.value
    assert found.evidence["labelled"] == "stress measured on the 20 of 40 frames that have them"
    with pytest.raises(MlffError, match="no test frame with a stress is periodic"):
        measure("stress_mae", replace(frames, pbc=pbc & False), prediction)
