"""A model's simulation with what it is held against: each part is made when first asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.errors import NotSupportedError
from pytest_mlff.metrics.measurement import Measurement
from pytest_mlff.metrics.trajectory_structure import StructureReference

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.metrics.pictures import Shown
    from pytest_mlff.metrics.registry import Metric
    from pytest_mlff.metrics.survival import Lifetimes
    from pytest_mlff.metrics.trajectory_structure import ReplicaStructure
    from pytest_mlff.metrics.visited import VisitedErrors
    from pytest_mlff.potentials.protocol import Potential
    from pytest_mlff.simulation.trajectory import Trajectory
    from pytest_mlff.specs.simulate import SimulationPlan

_LABELLED: Final = 11
"""Frames of each replica that the oracle labels, at most."""


@dataclass(eq=False)
class Simulated:
    """One simulation of one model.

    Attributes
    ----------
    trajectory : Trajectory
    potential : Potential
        The model.
    frames : Frames
        Test frames: the reference of the structure.
    training : Frames or None
        Training frames, where the spec cuts some.
    level : str
        Method behind the labels of ``frames``.
    plan : SimulationPlan
        What was asked for.
    folder : Path or None
        Where the spec is: modules that it names are searched there.
    by_oracle : callable
        Gives the oracle's own simulation from the same starts, velocities and noise.
    """

    trajectory: Trajectory
    potential: Potential
    frames: Frames
    training: Frames | None
    level: str
    plan: SimulationPlan
    folder: Path | None
    by_oracle: Callable[[], Trajectory] = field(repr=False)

    @cached_property
    def reference(self) -> StructureReference:
        """Structure of the reference: of the test frames, or of the oracle's own simulation."""
        if self.plan.reference == "frames":
            return StructureReference(self.frames)
        theirs = self.by_oracle()
        late = np.flatnonzero(theirs.time_ps >= self.plan.skip)
        kept = [theirs.frames(one).select(late) for one in range(theirs.n_replicas)]
        return StructureReference(Frames.concatenate(kept))

    @cached_property
    def structure(self) -> ReplicaStructure:
        """Structure of the simulation."""
        return self.reference.of(self.trajectory, skip_ps=self.plan.skip)

    @cached_property
    def oracle(self) -> Potential:
        """The method that made the labels, or that the spec names, as a potential.

        Raises
        ------
        NotSupportedError
            If the spec names none, and no runnable method is known to have made them.
        """
        from pytest_mlff.datasets.oracles import ORACLES, oracle_for, oracle_named
        from pytest_mlff.potentials.families.ase import AsePotential

        named = self.plan.oracle
        found = oracle_for(self.level) if named is None else oracle_named(named, self.folder)
        if found is None:
            raise NotSupportedError(
                f"this needs labels of the frames visited, and no oracle computes {self.level}: "
                "name one in the spec (simulate: oracle)"
            )
        made: Any = found.make()
        wrapped = AsePotential.wrap(made, name=found.method, source="oracle")
        # Versions and a name say all that numbers of these depend on, so they can be kept.
        digest = f"oracle {found.method.lower()}" if found.name in ORACLES else None
        return replace(wrapped, info=replace(wrapped.info, digest=digest))

    @cached_property
    def visited(self) -> VisitedErrors:
        """Errors on the frames visited, labelled by the oracle."""
        from pytest_mlff.datasets.reference_energies import fit_reference_energies
        from pytest_mlff.metrics.visited import visited_errors

        every = math.ceil(len(self.trajectory.time_ps) / _LABELLED)
        labelled = self.frames.select(np.flatnonzero(self.frames.labelled("energy")))
        zero = fit_reference_energies(labelled)
        return visited_errors(self.trajectory, self.potential, self.oracle, zero, every=every)

    @cached_property
    def lifetimes(self) -> Lifetimes:
        """When each replica stopped being sound."""
        from pytest_mlff.metrics.survival import lifetimes, reference_bonds

        trajectory = self.trajectory
        bonds = None if trajectory.pbc.any() else reference_bonds(self.frames)
        found = lifetimes(trajectory, bonds)
        limit = self.plan.structure_limit
        if limit is None:
            return found
        window = min(1.0, trajectory.settings.duration_ps)
        return found.with_structure(trajectory, self.reference, limit, window)

    @property
    def exploded(self) -> str | None:
        """How many replicas exploded, and the first one's reason; None where all live."""
        trajectory = self.trajectory
        dead = np.flatnonzero(~trajectory.alive[-1])
        if not len(dead):
            return None
        first = int(dead[np.argmin(trajectory.death_ps[dead])])
        return (
            f"{len(dead)} of {trajectory.n_replicas} replicas exploded, the first after "
            f"{trajectory.death_ps[first]:.4g} ps: {trajectory.reasons[first]}"
        )

    @property
    def evidence(self) -> dict[str, float | int | str]:
        """What every case of it says."""
        settings = self.trajectory.settings
        return {
            "ensemble": settings.ensemble,
            "replicas": self.trajectory.n_replicas,
            "starts": len(np.unique(self.trajectory.start_of)),
            "simulated_ps": settings.duration_ps,
            "seed": settings.seed,
        }


def measured(
    metric: Metric,
    run: Simulated,
    value: float,
    values: NDArray[np.float64] | None,
    shown: Shown,
    **evidence: float | int | str,
) -> Measurement:
    """A value of a simulation with Student's interval from one number of each start.

    Raises
    ------
    NotSupportedError
        With one start, from which no spread can be told.
    """
    from scipy.stats import t

    low = high = None
    told = {**run.evidence, **evidence}
    if values is not None:
        if len(values) < 2:
            raise NotSupportedError(f"{metric.id} needs at least two starts")
        error = float(values.std(ddof=1)) / math.sqrt(len(values))
        half = float(t(len(values) - 1).ppf(0.975)) * error
        # Pseudo-values have less bias than the value, which may then lie beyond their interval.
        low = min(value, float(values.mean()) - half)
        low = low if value < 0.0 else max(0.0, low)
        high = max(value, float(values.mean()) + half)
        told |= {"standard_error": error, "dof": len(values) - 1}
    n_frames = int(run.trajectory.alive.sum())
    return Measurement(
        value=value,
        unit=metric.unit,
        n_frames=n_frames,
        n_atoms=n_frames * len(run.trajectory.numbers),
        ci_low=low,
        ci_high=high,
        evidence=told,
        shown=shown,
    )
