"""Simulations of a run: each made once, kept in the store, and measured by several cases."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.errors import NotSupportedError
from pytest_mlff.metrics.measurement import Measurement
from pytest_mlff.metrics.registry import metric_named
from pytest_mlff.metrics.replica_values import per_start
from pytest_mlff.metrics.trajectory_structure import STRUCTURE_METRICS, StructureReference
from pytest_mlff.potentials.batching import evaluate
from pytest_mlff.potentials.failures import LostContexts
from pytest_mlff.products import ARRAYS, Product, keep, once
from pytest_mlff.run.predictions import SPOT_CHECKS
from pytest_mlff.simulation import SimulationSettings, Trajectory, choose_starts, simulate
from pytest_mlff.simulation.dynamics import trajectory_key
from pytest_mlff.statistics.evidence import Replicates
from pytest_mlff.store import can_write

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.metrics.visited import VisitedErrors
    from pytest_mlff.potentials.protocol import Potential
    from pytest_mlff.specs.simulate import SimulationPlan
    from pytest_mlff.store import Store

__all__ = ["Simulations", "settings_of"]

KIND = "trajectories"
_LABELLED_BY_ORACLE = ("energy_violation", "force_violation")
# Frames of each replica that the oracle labels, at most.
_LABELLED = 11


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
    """

    store: Store
    contexts: LostContexts = field(default_factory=LostContexts)
    trust: str = "verify"
    _known: dict[tuple[int, str, SimulationSettings], Trajectory] = field(
        default_factory=dict, repr=False
    )
    _references: dict[str, StructureReference] = field(default_factory=dict, repr=False)
    _visited: dict[int, VisitedErrors] = field(default_factory=dict, repr=False)

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
            return simulate(potential, starts, settings, folder=kept)

    def _doubt(self, potential: Potential, stored: Trajectory) -> str | None:
        """Stored energies against the model, at a few frames drawn anew."""
        times, replicas = np.nonzero(stored.alive)
        drawn = np.random.default_rng().choice(len(times), min(SPOT_CHECKS, len(times)), False)
        for time, replica in zip(times[drawn], replicas[drawn], strict=True):
            rank = int(stored.alive[:time, replica].sum())
            frame = stored.frames(replica).select([rank])
            with self.contexts.guard(potential.info.device, potential.info.name):
                found = float(evaluate(potential, frame, batch=1).energy[0])
            kept = float(stored.potential_energy[time, replica])
            # Stored positions are float32, energies of many models too.
            if not abs(found - kept) <= 1e-3 + 1e-6 * abs(kept):
                return f"does not fit the model: replica {replica}, frame {time}: {kept} eV"
        return None

    def measure(
        self,
        metric: str,
        potential: Potential,
        frames: Frames,
        plan: SimulationPlan,
        seed: int,
        *,
        level: str,
    ) -> Measurement:
        """Take a metric of a model's simulation.

        Parameters
        ----------
        metric : str
            A metric with ensembles.
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

        Returns
        -------
        Measurement
            ``value`` is NaN, and the evidence says why, if a replica exploded: what the others
            did says nothing of a model that explodes. Only ``stability_time`` tells when.

        Raises
        ------
        NotSupportedError
            If the oracle computes by another method than that of the labels.
        """
        from pytest_mlff.datasets import oracle

        if metric in _LABELLED_BY_ORACLE and level.lower() != oracle.METHOD.lower():
            raise NotSupportedError(
                f"{metric} needs labels of the frames visited, and the oracle computes "
                f"{oracle.METHOD}, not {level}"
            )
        trajectory = self.of(potential, frames, settings_of(plan, seed))
        evidence: dict[str, float | int | str] = {
            "ensemble": plan.ensemble,
            "replicas": trajectory.n_replicas,
            "starts": len(np.unique(trajectory.start_of)),
            "simulated_ps": trajectory.settings.duration_ps,
            "seed": seed,
        }
        if metric == "stability_time":
            return self._stability(trajectory, frames, evidence)
        dead = np.flatnonzero(~trajectory.alive[-1])
        if len(dead):
            first = int(dead[np.argmin(trajectory.death_ps[dead])])
            evidence["nonfinite"] = (
                f"{len(dead)} of {trajectory.n_replicas} replicas exploded, the first after "
                f"{trajectory.death_ps[first]:.4g} ps: {trajectory.reasons[first]}"
            )
            return _measurement(metric, trajectory, math.nan, None, evidence)
        if metric in STRUCTURE_METRICS:
            reference = self._reference(frames)
            found = reference.of(trajectory, skip_ps=plan.skip)
            evidence["noise_floor"] = reference.noise_floor(metric)
            values = found.pseudo_values(metric)
            return _measurement(metric, trajectory, found.value(metric), values, evidence)
        if metric == "temperature_error":
            from pytest_mlff.metrics.trajectory_energy import temperature_error

            signed = temperature_error(trajectory, skip_ps=plan.skip)
            values = per_start(signed, trajectory.start_of)
            evidence["signed"] = float(values.mean())
            value = abs(float(values.mean()))
            # Counted in the direction in which the mean is off.
            return _measurement(
                metric, trajectory, value, values * np.sign(values.mean()), evidence
            )
        each = self._of_each_replica(metric, trajectory, potential, frames)
        values = per_start(each, trajectory.start_of)
        measured = _measurement(metric, trajectory, float(values.mean()), values, evidence)
        if metric_named(metric).evidence == "none":
            return measured
        starts = np.unique(trajectory.start_of)
        return replace(measured, series=Replicates(values, np.ones(len(values)), starts))

    def _of_each_replica(
        self, metric: str, trajectory: Trajectory, potential: Potential, frames: Frames
    ) -> NDArray[np.float64]:
        if metric == "energy_drift":
            from pytest_mlff.metrics.trajectory_energy import energy_drift

            return np.abs(energy_drift(trajectory))
        found = self._errors_on_the_way(trajectory, potential, frames)
        table: NDArray[np.float64] = getattr(found, metric)
        return np.asarray(table.mean(axis=0))

    def _errors_on_the_way(
        self, trajectory: Trajectory, potential: Potential, frames: Frames
    ) -> VisitedErrors:
        from pytest_mlff.datasets import oracle
        from pytest_mlff.datasets.reference_energies import fit_reference_energies
        from pytest_mlff.metrics.visited import visited_errors
        from pytest_mlff.potentials.families.ase import AsePotential

        if id(trajectory) not in self._visited:
            calculator = oracle.calculator()
            labels: Any = AsePotential.wrap(calculator, name=oracle.METHOD, source="oracle")
            every = math.ceil(len(trajectory.time_ps) / _LABELLED)
            labelled = frames.select(np.flatnonzero(frames.labelled("energy")))
            zero = fit_reference_energies(labelled)
            self._visited[id(trajectory)] = visited_errors(
                trajectory, potential, labels, zero, every=every
            )
        return self._visited[id(trajectory)]

    def _reference(self, frames: Frames) -> StructureReference:
        digest = frames.structure_digest
        if digest not in self._references:
            self._references[digest] = StructureReference(frames)
        return self._references[digest]

    def _stability(
        self, trajectory: Trajectory, frames: Frames, evidence: dict[str, float | int | str]
    ) -> Measurement:
        from pytest_mlff.metrics.survival import lifetimes, reference_bonds, restricted_mean

        bonds = None if trajectory.pbc.any() else reference_bonds(frames)
        found = lifetimes(trajectory, bonds)
        mean, low, high = restricted_mean(found)
        evidence["died"] = int(found.died.sum())
        if found.died.any():
            first = int(np.argmin(np.where(found.died, found.time_ps, np.inf)))
            evidence["first_death"] = (
                f"replica {first} after {found.time_ps[first]:.4g} ps: {found.reasons[first]}"
            )
        return Measurement(
            value=mean,
            unit=metric_named("stability_time").unit,
            n_frames=int(trajectory.alive.sum()),
            n_atoms=int(trajectory.alive.sum()) * len(trajectory.numbers),
            ci_low=low,
            ci_high=high,
            evidence=evidence,
        )


def _measurement(
    metric: str,
    trajectory: Trajectory,
    value: float,
    values: NDArray[np.float64] | None,
    evidence: dict[str, float | int | str],
) -> Measurement:
    """The value with Student's interval from one number of each start."""
    from scipy.stats import t

    low = high = None
    if values is not None:
        if len(values) < 2:
            raise NotSupportedError(f"{metric} needs at least two starts")
        error = float(values.std(ddof=1)) / math.sqrt(len(values))
        half = float(t(len(values) - 1).ppf(0.975)) * error
        # Pseudo-values have less bias than the value, which may then lie beyond their interval.
        low = max(0.0, min(value, float(values.mean()) - half))
        high = max(value, float(values.mean()) + half)
        evidence |= {"standard_error": error, "dof": len(values) - 1}
    n_frames = int(trajectory.alive.sum())
    return Measurement(
        value=value,
        unit=metric_named(metric).unit,
        n_frames=n_frames,
        n_atoms=n_frames * len(trajectory.numbers),
        ci_low=low,
        ci_high=high,
        evidence=evidence,
    )
