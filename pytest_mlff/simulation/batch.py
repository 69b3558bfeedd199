"""All living replicas as one ASE structure that ASE's own integrators move.

The integrators work atom by atom, so replicas do not couple: the model is asked for all of
them as one batch, centres of mass are held one by one, random numbers come from a generator
of each replica.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from ase.constraints import FixConstraint

from pytest_mlff.errors import MlffError, NotSupportedError
from pytest_mlff.potentials.batching import BatchPlan, evaluate
from pytest_mlff.potentials.failures import FrameError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.potentials.protocol import Potential
    from pytest_mlff.simulation.settings import SimulationSettings

# Fixed, not timed: another batch size rounds differently, and a trajectory repeats to the bit
# only with the same one. The speed of networks changes little between 300 and 3,000 atoms.
_ATOMS: Final = {"cpu": 1024, "cuda": 2**16}
# Far beyond any structure; neighbour lists take no more.
_FARTHEST_ANGSTROM: Final = 1e6


def batch_plan(device: str) -> BatchPlan:
    """Most atoms that a model on ``device`` is asked for at once."""
    return BatchPlan(_ATOMS["cuda" if device.startswith("cuda") else "cpu"])


@dataclass(eq=False)
class Forces:
    """The calculator: hands the replicas to the model and notes which ones it cannot follow.

    Attributes
    ----------
    potential : Potential
    replicas : Frames
        Structures of one composition, n of them; where their atoms are is told at each call.
    energy : ndarray, shape (n,)
        Of the last evaluation, eV.
    lost : dict of int to str
        Replicas, counted in the batch, that failed since it was emptied, and why. Their
        forces are zero.
    """

    potential: Potential
    replicas: Frames
    energy: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    lost: dict[int, str] = field(default_factory=dict)

    def get_forces(self, atoms: Any) -> NDArray[np.float64]:
        """Forces on all atoms, shape (n * n_atoms, 3); what ASE calls."""
        return self.of(atoms.positions.reshape(len(self.replicas), -1, 3)).reshape(-1, 3)

    def of(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Forces of each replica, shape (n, n_atoms, 3), in eV/Å."""
        forces, self.energy = np.zeros(positions.shape), np.full(len(positions), np.nan)
        within = np.abs(positions).max(axis=(1, 2)) < _FARTHEST_ANGSTROM
        self._lose(~within, "its positions are not finite")
        asked = np.flatnonzero(within)
        while len(asked):
            try:
                forces[asked], self.energy[asked] = self._evaluate(positions, asked)
                break
            except FrameError as error:
                if isinstance(error, NotSupportedError):
                    raise
                self.lost[int(asked[error.index])] = f"the model failed: {error.what}"
                asked = np.delete(asked, error.index)
        finite = np.isfinite(self.energy) & np.isfinite(forces).all(axis=(1, 2))
        self._lose(~finite, "the model's energy or forces are not finite")
        forces[~finite] = 0.0
        return forces

    def _evaluate(
        self, positions: NDArray[np.float64], asked: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        # A selection is a copy: a model may write to what it is given.
        frames = replace(self.replicas.select(asked), positions=positions[asked].reshape(-1, 3))
        info = self.potential.info
        plan = batch_plan(info.device)
        if len(frames.numbers) <= plan.max_atoms:
            # Many small calls: what a pass over many frames prepares costs more than the step.
            found = self.potential.predict(frames)
        else:
            found = evaluate(self.potential, frames, batch=plan)
        for name, array, shape in (
            ("energies", found.energy, (len(frames),)),
            ("forces", found.forces, (len(frames.numbers), 3)),
        ):
            if array.shape != shape:
                raise MlffError(f"{info.name}: {name} of shape {array.shape}, expected {shape}")
        return found.forces.reshape(-1, *positions.shape[1:]), found.energy

    def _lose(self, which: NDArray[np.bool_], reason: str) -> None:
        for index in np.flatnonzero(which):
            self.lost.setdefault(int(index), reason)


class _FixedCentres(FixConstraint):
    """Holds the centre of mass of each replica, as ASE's FixCom does of one structure."""

    def __init__(self, masses: NDArray[np.float64]) -> None:
        self._masses = masses[:, None]
        self._total = float(masses.sum())

    def get_removed_dof(self, atoms: Any) -> int:
        """Three of each replica."""
        return 3 * (len(atoms) // len(self._masses))

    def adjust_positions(self, atoms: Any, new: NDArray[np.float64]) -> None:
        """Shift each replica back."""
        moved = self._by_replica(new - atoms.positions)
        shift = (self._masses * moved).sum(axis=1, keepdims=True) / self._total
        self._by_replica(new)[...] -= shift

    def adjust_momenta(self, _atoms: Any, momenta: NDArray[np.float64]) -> None:
        """Take the drift out of each replica."""
        each = self._by_replica(momenta)
        each -= self._masses * (each.sum(axis=1, keepdims=True) / self._total)

    def adjust_forces(self, _atoms: Any, _forces: NDArray[np.float64]) -> None:
        """Nothing: ASE asks for it outside of dynamics only."""

    def _by_replica(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return values.reshape(-1, len(self._masses), 3)


class _Streams:
    """Random numbers of each replica from its own generator; what ASE takes as ``rng``.

    ASE's Langevin asks twice a step; a replica draws both at once.
    """

    def __init__(self, generators: Sequence[np.random.Generator], n_atoms: int) -> None:
        self._generators = generators
        self._drawn = np.empty((len(generators), 2, n_atoms, 3))
        self._second = True

    def standard_normal(self, size: tuple[int, int]) -> NDArray[np.float64]:
        self._second = not self._second
        if not self._second:
            for one, place in zip(self._generators, self._drawn, strict=True):
                one.standard_normal(out=place)
        return self._drawn[:, int(self._second)].reshape(size)


class ReplicaBatch:
    """Replicas that advance together.

    Parameters
    ----------
    calculator : Forces
        For exactly these replicas.
    settings : SimulationSettings
    positions, momenta, forces : ndarray, shape (n, n_atoms, 3)
        Å, √(u eV), eV/Å.
    generators : sequence of numpy Generator, length n
        They are advanced.
    """

    def __init__(
        self,
        calculator: Forces,
        settings: SimulationSettings,
        *,
        positions: NDArray[np.float64],
        momenta: NDArray[np.float64],
        forces: NDArray[np.float64],
        generators: Sequence[np.random.Generator],
    ) -> None:
        from ase import Atoms, units
        from ase.md.langevin import Langevin
        from ase.md.verlet import VelocityVerlet

        self.calculator = calculator
        self._shape = positions.shape
        self._forces = forces.reshape(-1, 3)
        # Cells matter to the model alone, which gets them from the calculator.
        self._atoms: Any = Atoms(calculator.replicas.numbers)
        self._atoms.positions[:] = positions.reshape(-1, 3)
        self._atoms.set_momenta(momenta.reshape(-1, 3))
        self._atoms.calc = calculator
        self.masses: NDArray[np.float64] = self._atoms.get_masses()[: self._shape[1]]
        timestep = settings.timestep_fs * units.fs
        if settings.ensemble == "nve":
            self._dynamics: Any = VelocityVerlet(self._atoms, timestep)
            return
        # Not Langevin's own fixcm, which ASE deprecates: it does not sample the canonical ensemble.
        self._atoms.set_constraint(_FixedCentres(self.masses))
        self._dynamics = Langevin(
            self._atoms,
            timestep,
            temperature_K=settings.temperature_k,
            friction=settings.friction_per_ps / (1000.0 * units.fs),
            fixcm=False,
            rng=_Streams(generators, len(self.masses)),
        )

    def step(self) -> None:
        """Advance all replicas by one step; :attr:`calculator` notes what fails."""
        self._forces = self._dynamics.step(self._forces)

    @property
    def positions(self) -> NDArray[np.float64]:
        """Å, shape (n, n_atoms, 3)."""
        return np.asarray(self._atoms.positions).reshape(self._shape)

    @property
    def momenta(self) -> NDArray[np.float64]:
        """√(u eV), shape (n, n_atoms, 3)."""
        return np.asarray(self._atoms.arrays["momenta"]).reshape(self._shape)

    @property
    def forces(self) -> NDArray[np.float64]:
        """eV/Å, shape (n, n_atoms, 3)."""
        return np.asarray(self._forces).reshape(self._shape)

    @property
    def kinetic_energy(self) -> NDArray[np.float64]:
        """eV, shape (n,)."""
        squares = (self.momenta**2).sum(axis=2)
        return np.asarray(squares @ (0.5 / self.masses))
