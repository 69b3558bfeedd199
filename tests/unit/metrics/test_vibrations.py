"""Vibrational spectra against closed forms: where the lines are, how high, how far apart."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from ase.data import atomic_masses
from support.trajectories import still

from pytest_mlff.errors import NotSupportedError
from pytest_mlff.metrics.structure import rdf_jsd
from pytest_mlff.metrics.vibrations import VibrationReference, frequencies, spectra

if TYPE_CHECKING:
    from pytest_mlff.simulation import Trajectory

NUMBERS = np.array([8, 1])
STEP_PS = 0.002


def vibrating(
    lines: tuple[float, float], replicas: int = 12, frames: int = 400, seed: int = 0
) -> Trajectory:
    """Each atom on a line of its own frequency (THz), of random phase and height."""
    rng = np.random.default_rng(seed)
    made = still(NUMBERS, np.zeros((2, 3)), replicas, frames)
    time = np.arange(frames) * STEP_PS
    phase = rng.uniform(0, 2 * np.pi, (replicas, 2, 3))
    height = np.sqrt(rng.chisquare(2, (replicas, 2, 3)))
    turned = 2 * np.pi * time[:, None, None, None] * np.array(lines)[:, None] + phase
    velocities = (height * np.cos(turned)).astype(np.float32)
    return replace(made, time_ps=time, velocities=velocities)


def test_lines_are_where_atoms_vibrate_and_as_high_as_their_mass() -> None:
    made = vibrating((20.0, 90.0), replicas=400)
    f, density = frequencies(made), spectra(made).mean(axis=0)
    slow, fast = density[f < 55].sum(), density[f >= 55].sum()
    assert f[np.argmax(np.where(f < 55, density, 0))] == pytest.approx(20.0, abs=f[0])
    assert f[np.argmax(np.where(f >= 55, density, 0))] == pytest.approx(90.0, abs=f[0])
    # Equal velocities: the ratio of the masses. Mutant: without them it is 1.
    masses = atomic_masses[NUMBERS]
    assert slow / fast == pytest.approx(masses[0] / masses[1], rel=0.15)


def test_the_same_lines_are_at_the_floor_and_stiffer_ones_are_not() -> None:
    """Mutant: springs 10 % too stiff move a line by the root of 1.1."""
    reference = VibrationReference(vibrating((20.0, 90.0), seed=1))
    same = spectra(vibrating((20.0, 90.0), seed=2)).mean(axis=0)
    stiff = spectra(vibrating((20.0 * 1.1**0.5, 90.0 * 1.1**0.5), seed=2)).mean(axis=0)
    # Heights of few lines scatter, and the floor with them; where they are does not.
    assert reference.divergence(stiff) > 100 * reference.divergence(same)
    assert reference.divergence(stiff) > 100 * reference.noise_floor
    assert reference.divergence(reference.spectra.mean(axis=0)) == pytest.approx(0.0, abs=1e-12)
    assert reference.noise_floor == rdf_jsd(*reference.halves)


def test_the_floor_is_between_halves_of_the_replicas() -> None:
    """Halves without a line in common are as far apart as can be: 1 in base 2."""
    one, other = vibrating((20.0, 20.0), replicas=2), vibrating((90.0, 90.0), replicas=2)
    both = np.concatenate([one.velocities, other.velocities], axis=1)
    made = replace(vibrating((1.0, 1.0), replicas=4), velocities=both)
    assert VibrationReference(made).noise_floor == pytest.approx(1.0, abs=1e-3)


def test_a_frozen_replica_adds_nothing() -> None:
    made = vibrating((20.0, 90.0))
    made.velocities[:, 3] = 0.0
    assert spectra(made)[3].sum() == 0.0


def test_few_frames_have_no_spectrum() -> None:
    with pytest.raises(NotSupportedError, match="at least 32 stored frames, not 30"):
        spectra(vibrating((20.0, 90.0), frames=30))
