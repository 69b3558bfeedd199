"""Molecular dynamics of many replicas at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlff.errors import MlffError
from pytest_mlff.simulation.checkpoint import Recorded, Snapshot, State
from pytest_mlff.simulation.trajectory import Trajectory
from pytest_mlff.simulation.velocities import initial_momenta, rotations

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.potentials.protocol import Potential
    from pytest_mlff.simulation.batch import Forces, ReplicaBatch
    from pytest_mlff.simulation.settings import SimulationSettings

# Frames held in memory before they are written.
_CHUNK_BYTES: Final = 2**24


def trajectory_key(
    potential: Potential, starts: Frames, settings: SimulationSettings
) -> dict[str, Any] | None:
    """All that the numbers of a simulation depend on; None if the model has no digest."""
    import ase

    info = potential.info
    if info.digest is None:
        return None
    return {
        "model": info.digest,
        "family": info.family,
        "device": info.device,
        "dtype": info.dtype,
        "versions": {**info.versions, "ase": ase.__version__, "numpy": np.__version__},
        "starts": starts.structure_digest,
        # Trajectories made before these were carried fit the model just as well.
        "carried": sorted((*starts.per_frame, *starts.per_atom)),
        "settings": asdict(settings),
    }


def simulate(
    potential: Potential,
    starts: Frames,
    settings: SimulationSettings,
    *,
    folder: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    seconds_at_risk: float = 30.0,
) -> Trajectory:
    """Simulate all replicas together.

    A replica explodes when the model fails on it or gives something that is not finite,
    when it is hotter than ``settings.hottest_k``, or when two nuclei are closer than
    ``settings.closest_angstrom`` in a stored frame. It then leaves the batch. The others go
    on with the same numbers, up to how the model's rounding depends on its batch.

    Parameters
    ----------
    potential : Potential
        The model.
    starts : Frames
        Structures of one composition; replica r starts from frame r modulo their number.
    settings : SimulationSettings
    folder : Path, optional
        Where frames and state are kept on the way. A run that was killed goes on from there
        with the numbers it would have had, if the model has a digest; at the end the
        folder is removed.
    progress : callable, optional
        Called with (steps done, steps in all).
    seconds_at_risk : float
        The state is written at least that often, s.

    Returns
    -------
    Trajectory

    Raises
    ------
    NotSupportedError
        If the model cannot serve the structures.
    MlffError
        If the start frames do not fit together, or the model fails on one of them.
    """
    _check(starts, settings)
    key = trajectory_key(potential, starts, settings)
    checkpoint = None if folder is None else Snapshot(folder, key or {})
    found = checkpoint.load() if checkpoint is not None and key is not None else None
    run = _Run(potential, starts, settings)
    if found is None:
        if checkpoint is not None:
            checkpoint.remove()
        state, chunks = run.start(), list[str]()
        recorded = Recorded()
        run.record(state, recorded)
    else:
        (state, chunks), recorded = found, Recorded()
    batch = run.batch(state)
    saved = time.monotonic()
    frame_bytes = 24 * len(starts.numbers) // len(starts) * settings.replicas
    while state.step < settings.steps:
        batch = run.advance(state, batch)
        if state.step % settings.stride == 0:
            batch = run.part_with_fused(state, batch)
            run.record(run.settled(state, batch), recorded)
            late = time.monotonic() - saved > seconds_at_risk
            if checkpoint is not None and (late or len(recorded) * frame_bytes > _CHUNK_BYTES):
                checkpoint.save(state, chunks, recorded)
                recorded, saved = Recorded(), time.monotonic()
        if progress is not None:
            progress(state.step, settings.steps)
    parts = [] if checkpoint is None else list(checkpoint.frames(chunks))
    if len(recorded):
        parts.append(recorded.stacked())
    made = run.trajectory(state, parts)
    if checkpoint is not None:
        checkpoint.remove()
    return made


def _check(starts: Frames, settings: SimulationSettings) -> None:
    if len(starts) == 0:
        raise MlffError("simulation: no start frames")
    if len(starts) > settings.replicas:
        raise MlffError(
            f"simulation: {len(starts)} start frames are more than {settings.replicas} replicas"
        )
    n_atoms = int(starts.counts[0])
    if n_atoms < 2:
        raise MlffError("simulation: a frame needs at least two atoms to move")
    same = (starts.counts == n_atoms).all()
    if not same or (starts.numbers.reshape(-1, n_atoms) != starts.numbers[:n_atoms]).any():
        raise MlffError("simulation: start frames differ in composition or order of atoms")
    if (starts.pbc != starts.pbc[0]).any():
        raise MlffError("simulation: some start frames are periodic and some are not")


class _Run:
    """What stays the same during a simulation, and the steps of it."""

    def __init__(self, potential: Potential, starts: Frames, settings: SimulationSettings) -> None:
        from ase.data import atomic_masses

        self.potential, self.settings = potential, settings
        n_atoms = int(starts.counts[0])
        self.numbers = starts.numbers[:n_atoms]
        self.start_of = np.arange(settings.replicas) % len(starts)
        begun = self.replicas = starts.select(self.start_of).without_labels()
        self.starts = begun.positions.reshape(-1, n_atoms, 3)
        self.cell, self.pbc = begun.cell, starts.pbc[0]
        self.masses: NDArray[np.float64] = np.asarray(atomic_masses[self.numbers])
        # Whatever turns has no fixed axes in a periodic cell; a thermostat turns it again.
        self.rotates = bool(self.pbc.any())
        self.dof = np.full(settings.replicas, 3 * n_atoms - 3)
        if settings.ensemble == "nve" and not self.rotates:
            self.dof = self.dof - rotations(self.masses, self.starts)
        if (self.dof < 1).any():
            raise MlffError("simulation: nothing can move but centre of mass and rotation")

    def start(self) -> State:
        """Positions of the start frames with velocities of each replica's own."""
        count = self.settings.replicas
        generators = [np.random.default_rng([self.settings.seed, one]) for one in range(count)]
        momenta = initial_momenta(
            np.stack([rng.standard_normal(self.starts.shape[1:]) for rng in generators]),
            self.masses,
            self.starts,
            self.settings.temperature_k,
            rotates=self.rotates,
        )
        calculator = self._calculator(np.arange(count))
        forces = calculator.of(self.starts)
        if calculator.lost:
            replica, reason = next(iter(calculator.lost.items()))
            raise MlffError(
                f"{self.potential.info.name}: start frame {self.start_of[replica]}: {reason}"
            )
        return State(
            step=0,
            positions=self.starts.copy(),
            momenta=momenta,
            forces=forces,
            energy=calculator.energy.copy(),
            death_step=np.full(count, -1, dtype=np.int64),
            reasons=[""] * count,
            generators=generators,
        )

    def _calculator(self, replicas: NDArray[np.int64]) -> Forces:
        # Imported where something is simulated: ASE's constraints bring half of scipy along.
        from pytest_mlff.simulation.batch import Forces

        return Forces(self.potential, self.replicas.select(replicas))

    def batch(self, state: State) -> ReplicaBatch | None:
        """The living replicas as a batch; None where all are dead."""
        from pytest_mlff.simulation.batch import ReplicaBatch

        replicas = np.flatnonzero(state.alive)
        if not len(replicas):
            return None
        calculator = self._calculator(replicas)
        calculator.energy = state.energy[replicas]
        return ReplicaBatch(
            calculator,
            self.settings,
            positions=state.positions[replicas],
            momenta=state.momenta[replicas],
            forces=state.forces[replicas],
            generators=[state.generators[one] for one in replicas],
        )

    def advance(self, state: State, batch: ReplicaBatch | None) -> ReplicaBatch | None:
        """One step; a new batch where replicas were lost."""
        state.step += 1
        if batch is None:
            return None
        replicas = np.flatnonzero(state.alive)
        with np.errstate(all="ignore"):  # what explodes overflows first
            batch.step()
            hot = self._temperature(batch.kinetic_energy, replicas)
        lost = batch.calculator.lost
        for index in np.flatnonzero(~(hot <= self.settings.hottest_k)):
            lost.setdefault(int(index), f"its temperature reached {hot[index]:.3g} K")
        return self._part_with(lost, state, batch)

    def part_with_fused(self, state: State, batch: ReplicaBatch | None) -> ReplicaBatch | None:
        """A new batch without replicas in which two nuclei lie on each other."""
        if batch is None or self.settings.closest_angstrom == 0.0:
            return batch
        replicas = np.flatnonzero(state.alive)
        fused = _fused(
            batch.positions, self.cell[replicas], self.pbc, self.settings.closest_angstrom
        )
        reason = f"two nuclei came closer than {self.settings.closest_angstrom:g} Å"
        return self._part_with(dict.fromkeys(fused, reason), state, batch)

    def _part_with(
        self, lost: dict[int, str], state: State, batch: ReplicaBatch
    ) -> ReplicaBatch | None:
        if not lost:
            return batch
        self.settled(state, batch)
        replicas = np.flatnonzero(state.alive)
        for index, reason in lost.items():
            replica = int(replicas[index])
            state.death_step[replica], state.reasons[replica] = state.step, reason
            for values in (state.positions, state.momenta, state.forces, state.energy):
                values[replica] = np.nan
        return self.batch(state)

    def settled(self, state: State, batch: ReplicaBatch | None) -> State:
        """The state with what the batch has moved."""
        if batch is not None:
            replicas = np.flatnonzero(state.alive)
            state.positions[replicas] = batch.positions
            state.momenta[replicas] = batch.momenta
            state.forces[replicas] = batch.forces
            state.energy[replicas] = batch.calculator.energy
        return state

    def _temperature(
        self, kinetic: NDArray[np.float64], replicas: NDArray[np.int64] | slice
    ) -> NDArray[np.float64]:
        from ase import units

        return np.asarray(2.0 * kinetic / (self.dof[replicas] * units.kB))

    def record(self, state: State, recorded: Recorded) -> None:
        """Store the state's frame."""
        from ase import units

        velocities = state.momenta / self.masses[:, None]
        kinetic = 0.5 * (state.momenta * velocities).sum(axis=(1, 2))
        recorded.positions.append(state.positions.astype(np.float32))
        recorded.velocities.append((velocities * units.fs).astype(np.float32))
        recorded.potential_energy.append(state.energy.copy())
        recorded.kinetic_energy.append(kinetic)
        recorded.temperature.append(self._temperature(kinetic, slice(None)))
        recorded.alive.append(state.alive)

    def trajectory(self, state: State, parts: Sequence[dict[str, NDArray[Any]]]) -> Trajectory:
        """All stored frames as one value."""
        settings = self.settings
        death = np.where(state.alive, np.nan, state.death_step * settings.timestep_fs / 1000.0)
        interval_ps = settings.stride * settings.timestep_fs / 1000.0
        return Trajectory(
            settings=settings,
            numbers=self.numbers,
            cell=self.cell,
            pbc=self.pbc,
            start_of=self.start_of,
            time_ps=np.arange(settings.n_frames, dtype=np.float64) * interval_ps,
            death_ps=death,
            reasons=tuple(state.reasons),
            per_frame=self.replicas.per_frame,
            per_atom=self.replicas.per_atom,
            **{name: np.concatenate([part[name] for part in parts]) for name in parts[0]},
        )


def _fused(
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
    pbc: NDArray[np.bool_],
    closest: float,
) -> list[int]:
    """Replicas with two nuclei closer than ``closest`` Å."""
    from ase.neighborlist import primitive_neighbor_list
    from scipy.spatial import KDTree

    if pbc.any():
        return [
            index
            for index, one in enumerate(positions)
            if len(primitive_neighbor_list("i", pbc, cell[index], one, closest))
        ]
    # One tree for all: a fourth coordinate keeps replicas apart.
    apart = np.repeat(2.0 * closest * np.arange(len(positions)), positions.shape[1])
    pairs = KDTree(np.column_stack([positions.reshape(-1, 3), apart])).query_pairs(
        closest, output_type="ndarray"
    )
    return [int(one) for one in np.unique(pairs[:, 0] // positions.shape[1])]
