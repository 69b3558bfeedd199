"""Simulations of a run: each made once, kept in the store, and measured by several cases."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.metrics.simulated import Simulated
from pytest_mlff.potentials.batching import evaluate
from pytest_mlff.potentials.failures import LostContexts
from pytest_mlff.products import ARRAYS, Product, keep, once
from pytest_mlff.run.predictions import SPOT_CHECKS
from pytest_mlff.simulation import SimulationSettings, Trajectory, choose_starts, simulate
from pytest_mlff.simulation.dynamics import trajectory_key
from pytest_mlff.store import can_write

if TYPE_CHECKING:
    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.potentials.protocol import Potential
    from pytest_mlff.specs.simulate import SimulationPlan
    from pytest_mlff.store import Store

KIND = "trajectories"
_SECONDS_BETWEEN_LINES = 30.0


def settings_of(plan: SimulationPlan, seed: int) -> SimulationSettings:
    """What a spec asks for, as settings."""
    return SimulationSettings(
        ensemble=plan.ensemble,
        temperature_k=plan.temperature,
        timestep_fs=plan.timestep,
        steps=plan.n_steps,
        friction_per_ps=plan.friction,
        stride=plan.stride,
        replicas=plan.replicas,
        starts=plan.starts,
        seed=seed,
    )


class _Told:
    """Says how far a simulation is, and when it will be done: first after half a minute."""

    def __init__(
        self, notice: Callable[[str], None], potential: Potential, settings: SimulationSettings
    ) -> None:
        self._notice, self._model, self._settings = notice, potential.info.name, settings
        self._first: tuple[int, float] | None = None
        self._said = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        # What a killed run has left took none of this run's time.
        self._first = self._first or (done - 1, now)
        if now - self._said < _SECONDS_BETWEEN_LINES or done == total:
            return
        self._said = now
        before, begun = self._first
        left = (total - done) * (now - begun) / max(1, done - before)
        ps = self._settings.timestep_fs / 1000.0
        self._notice(
            f"{self._model} has simulated {done * ps:.3g} of {total * ps:.3g} ps in "
            f"{self._settings.replicas} replicas, about {left:.0f} s left"
        )


@dataclass
class Simulations:
    """Simulations of one process, shared with others through the store.

    Attributes
    ----------
    store : Store
        Where trajectories of models with a digest are kept, and unfinished ones on the way.
    contexts : LostContexts
        GPUs that this process has lost.
    trust : str
        What a stored trajectory is worth, one of `pytest_mlff.run.options.TRUST`.
    notice : callable, optional
        Told now and then how far a long simulation is, in one line.
    """

    store: Store
    contexts: LostContexts = field(default_factory=LostContexts)
    trust: str = "verify"
    notice: Callable[[str], None] | None = None
    _known: dict[tuple[int, str, SimulationSettings], Trajectory] = field(
        default_factory=dict, repr=False
    )
    _simulated: dict[tuple[int, str, str, SimulationSettings], Simulated] = field(
        default_factory=dict, repr=False
    )

    def of(self, potential: Potential, frames: Frames, settings: SimulationSettings) -> Trajectory:
        """A model's simulation from some of ``frames``, made once.

        Raises
        ------
        MlffError
            If it cannot be started, or the store cannot be written.
        """
        starts = choose_starts(frames, settings)
        known = (id(potential), starts.structure_digest, settings)
        if known not in self._known:
            self._known[known] = self._shared(potential, starts, settings)
        return self._known[known]

    def _shared(
        self, potential: Potential, starts: Frames, settings: SimulationSettings
    ) -> Trajectory:
        key = trajectory_key(potential, starts, settings)
        if key is None:
            # A factory's model may change behind the same name, so nothing of it is kept.
            return self._make(potential, starts, settings, None)
        folder = self.store.path(KIND, key, "")
        product = Product(
            kind=KIND,
            key=key,
            form=ARRAYS.of(Trajectory.to_arrays, Trajectory.from_arrays),
            make=lambda: self._make(potential, starts, settings, folder),
            doubt=None if self.trust == "full" else lambda one: self._doubt(potential, one),
        )
        if self.trust == "none":
            with self.store.lock(KIND, key):
                made = self._make(potential, starts, settings, None)
                keep(self.store, product, made)
            return made
        return once(self.store, product)

    def _make(
        self,
        potential: Potential,
        starts: Frames,
        settings: SimulationSettings,
        folder: Path | None,
    ) -> Trajectory:
        kept = folder if folder is not None and can_write(folder) else None
        with self.contexts.guard(potential.info.device, potential.info.name):
            told = None if self.notice is None else _Told(self.notice, potential, settings)
            return simulate(potential, starts, settings, folder=kept, progress=told)

    def _doubt(self, potential: Potential, stored: Trajectory) -> str | None:
        """Stored energies against the model, at a few frames drawn anew."""
        times, replicas = np.nonzero(stored.alive)
        drawn = np.random.default_rng().choice(len(times), min(SPOT_CHECKS, len(times)), False)
        for when, replica in zip(times[drawn], replicas[drawn], strict=True):
            rank = int(stored.alive[:when, replica].sum())
            frame = stored.frames(replica).select([rank])
            with self.contexts.guard(potential.info.device, potential.info.name):
                found = float(evaluate(potential, frame, batch=1).energy[0])
            kept = float(stored.potential_energy[when, replica])
            # Stored positions are float32, energies of many models too.
            if not abs(found - kept) <= 1e-3 + 1e-6 * abs(kept):
                return f"does not fit the model: replica {replica}, frame {when}: {kept} eV"
        return None

    def simulated(
        self,
        potential: Potential,
        frames: Frames,
        plan: SimulationPlan,
        seed: int,
        *,
        level: str,
        training: Frames | None = None,
        folder: Path | None = None,
    ) -> Simulated:
        """A model's simulation with what its metrics hold it against; one serves all cases.

        Parameters
        ----------
        potential : Potential
            The model.
        frames : Frames
            Test frames: some are started from, all are the reference of the structure.
        plan : SimulationPlan
            What is simulated.
        seed : int
            Of velocities and noise.
        level : str
            Method behind the labels of ``frames``; violations need it to be the oracle's.
        training : Frames, optional
            Training frames, for the early warning.
        folder : Path, optional
            Where modules that the plan names are searched.
        """
        settings = settings_of(plan, seed)
        known = (id(potential), frames.structure_digest, str(plan), settings)
        if known not in self._simulated:
            made = Simulated(
                trajectory=self.of(potential, frames, settings),
                potential=potential,
                frames=frames,
                training=training,
                level=level,
                plan=plan,
                folder=folder,
                by_oracle=lambda: self.of(made.oracle, frames, settings),
            )
            self._simulated[known] = made
        return self._simulated[known]
