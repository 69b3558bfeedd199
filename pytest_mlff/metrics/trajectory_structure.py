"""Structure along simulated trajectories against a reference, beside its noise floor."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_mlff.errors import MlffError, NotSupportedError
from pytest_mlff.metrics.radial import ALL_PAIRS, Radial, farthest, radial
from pytest_mlff.metrics.replica_values import pseudo_values
from pytest_mlff.metrics.structure import distance_distribution_mae, rdf_jsd, wright_factor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.simulation.trajectory import Trajectory

STRUCTURE_METRICS: Final = ("wright_factor", "rdf_jsd", "distance_distribution_mae")
"""Ids of the metrics of structure."""


@dataclass(frozen=True, eq=False)
class StructureReference:
    """At least two reference frames of one composition, in time order."""

    frames: Frames

    def __post_init__(self) -> None:
        if len(self.frames) < 2:
            raise MlffError("a structural reference needs at least two frames for its noise floor")

    @cached_property
    def r_max(self) -> float:
        """Å; the same for everything that is compared."""
        return farthest(self.frames)

    @cached_property
    def curves(self) -> Radial:
        """g(r) and h(r) over all reference frames."""
        return radial(self.frames, self.r_max)

    @cached_property
    def halves(self) -> tuple[Radial, Radial]:
        """Curves of the first and of the second half of the reference."""
        middle = len(self.frames) // 2
        first = radial(self.frames.select(slice(0, middle)), self.r_max)
        return first, radial(self.frames.select(slice(middle, None)), self.r_max)

    def noise_floor(self, metric: str, pair: str = ALL_PAIRS) -> float:
        """The metric between the first and the second half of the reference.

        An error near it says nothing against a model.
        """
        first, second = self.halves
        return self.between(metric, pair, first, second)

    def of(self, trajectory: Trajectory, *, skip_ps: float = 0.0) -> ReplicaStructure:
        """The structure of a simulation, over the frames that replicas lived through.

        Parameters
        ----------
        trajectory : Trajectory
            Of the reference's composition.
        skip_ps : float
            Time from the start that is left out, ps.

        Raises
        ------
        MlffError
            If compositions differ.
        """
        n_atoms = int(self.frames.counts[0])
        if not np.array_equal(trajectory.numbers, self.frames.numbers[:n_atoms]):
            raise MlffError("trajectory and reference differ in composition or order of atoms")
        curves = []
        for replica in range(trajectory.n_replicas):
            late = trajectory.time_ps[trajectory.alive[:, replica]] >= skip_ps
            visited = trajectory.frames(replica).select(np.flatnonzero(late))
            curves.append(radial(visited, self.r_max) if len(visited) else None)
        return ReplicaStructure(self, trajectory.start_of, tuple(curves))

    def between(self, metric: str, pair: str, curves: Radial, reference: Radial) -> float:
        """A metric between two sets of curves.

        Raises
        ------
        MlffError
            If metric or element pair are unknown.
        """
        if metric not in STRUCTURE_METRICS:
            known = ", ".join(STRUCTURE_METRICS)
            raise MlffError(f"unknown metric of structure {metric!r}; choose from {known}")
        if pair not in reference.g:
            raise MlffError(f"no element pair {pair!r}; choose from {', '.join(reference.g)}")
        if metric == "distance_distribution_mae":
            return distance_distribution_mae(curves.h[pair], reference.h[pair], self.r_max)
        measure = wright_factor if metric == "wright_factor" else rdf_jsd
        return measure(curves.g[pair], reference.g[pair])


@dataclass(frozen=True, eq=False)
class ReplicaStructure:
    """Curves of each replica (None without frames) and its start, to hold against a reference."""

    reference: StructureReference
    start_of: NDArray[np.int64]
    curves: tuple[Radial | None, ...]

    def value(self, metric: str, pair: str = ALL_PAIRS) -> float:
        """One of `STRUCTURE_METRICS` of all replicas' frames together; ``wright_factor`` in %."""
        return self._of(metric, pair, np.ones(len(self.curves), dtype=bool))

    def pseudo_values(self, metric: str, pair: str = ALL_PAIRS) -> NDArray[np.float64]:
        """One number of each start, for an interval; see `replica_values.pseudo_values`."""
        return pseudo_values(lambda mask: self._of(metric, pair, mask), self.start_of)

    def _of(self, metric: str, pair: str, mask: NDArray[np.bool_]) -> float:
        merged = self.merged(pair, mask)
        return self.reference.between(metric, pair, merged, self.reference.curves)

    def merged(self, pair: str = ALL_PAIRS, mask: NDArray[np.bool_] | None = None) -> Radial:
        """Curves of one pair over the frames of some replicas, or of all, together.

        Raises
        ------
        NotSupportedError
            If there are no frames.
        MlffError
            If the element pair is unknown.
        """
        if mask is None:
            mask = np.ones(len(self.curves), dtype=bool)
        taken = [one for one, wanted in zip(self.curves, mask, strict=True) if wanted and one]
        if not taken:
            raise NotSupportedError("no replica lived long enough to have a structure")
        if pair not in taken[0].g:
            raise MlffError(f"no element pair {pair!r}; choose from {', '.join(taken[0].g)}")
        n_frames = sum(one.n_frames for one in taken)
        shares = np.array([one.n_frames / n_frames for one in taken])
        g = np.tensordot(shares, np.stack([one.g[pair] for one in taken]), axes=1)
        h = np.tensordot(shares, np.stack([one.h[pair] for one in taken]), axes=1)
        return Radial(taken[0].r, {pair: g}, {pair: h}, n_frames)
