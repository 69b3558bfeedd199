"""Make the embedded data: GFN2-xTB Langevin dynamics, time-ordered, resumable."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff import __version__
from pytest_mlff.datasets import oracle
from pytest_mlff.datasets.embedded import EmbeddedTrajectory, Labels, write_trajectory
from pytest_mlff.datasets.molecules import MOLECULES, Molecule, build_geometry

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import NDArray

LEVEL = oracle.METHOD.lower()
LICENCE = "CC0-1.0"


@dataclass(frozen=True)
class Protocol:
    """How a trajectory is made.

    Attributes
    ----------
    frames : int
        Stored frames.
    stride : int
        MD steps between stored frames.
    timestep_fs : float
        Integration step in fs.
    temperature_k : float
        Thermostat temperature in K.
    friction_per_fs : float
        Langevin friction in 1/fs.
    equilibration_fs : float
        Discarded time before the first stored frame, in fs.
    seed : int
        Seed of embedding, initial velocities and thermostat noise.
    """

    frames: int
    stride: int = 20
    timestep_fs: float = 0.5
    temperature_k: float = 500.0
    friction_per_fs: float = 0.002
    equilibration_fs: float = 3000.0
    seed: int = 2026

    @property
    def equilibration_steps(self) -> int:
        """Number of discarded MD steps."""
        return round(self.equilibration_fs / self.timestep_fs)


def default_protocol(molecule: Molecule) -> Protocol:
    """The protocol of the shipped file: 40 ps of aspirin, 20 ps of each other molecule."""
    return Protocol(frames=4000 if molecule.name == "aspirin" else 2000)


def molecule_named(name: str) -> Molecule:
    """Look a molecule up by name; raises ``KeyError``."""
    return {molecule.name: molecule for molecule in MOLECULES}[name]


def _protocol_digest(molecule: Molecule, protocol: Protocol) -> str:
    described = json.dumps(
        {"molecule": molecule.name, **asdict(protocol), **oracle.versions()}, sort_keys=True
    )
    return hashlib.sha256(described.encode()).hexdigest()


def _start(molecule: Molecule, protocol: Protocol, rng: np.random.Generator) -> Atoms:
    from ase import units
    from ase.md.velocitydistribution import Stationary
    from ase.optimize import BFGS

    atoms = build_geometry(molecule, protocol.seed)
    atoms.calc = oracle.calculator(oracle.MD_ACCURACY)
    BFGS(atoms, logfile=None).run(fmax=0.02, steps=500)
    # Maxwell-Boltzmann, drawn here because ASE's function for it changes its name.
    widths = np.sqrt(atoms.get_masses() * units.kB * protocol.temperature_k)
    atoms.set_momenta(rng.standard_normal((len(atoms), 3)) * widths[:, np.newaxis])
    Stationary(atoms)
    return atoms


@dataclass
class _State:
    """Where an unfinished trajectory stands: atoms, stored frames, random numbers."""

    atoms: Atoms
    positions: list[NDArray[np.float32]]
    rng: dict[str, Any]


class _Checkpoint:
    """State of an unfinished trajectory on disk; written atomically."""

    def __init__(self, path: Path, digest: str) -> None:
        self.path = path
        self.digest = digest

    def load(self) -> _State | None:
        """The state, or None where there is none of this very protocol."""
        from ase import Atoms

        try:
            with np.load(self.path, allow_pickle=False) as archive:
                arrays = {key: archive[key] for key in archive.files}
            if str(arrays["digest"]) != self.digest:
                return None
            atoms = Atoms(arrays["numbers"], arrays["last_positions"])
            atoms.set_momenta(arrays["last_momenta"])
            return _State(atoms, list(arrays["positions"]), json.loads(str(arrays["rng"])))
        except Exception:  # a damaged checkpoint counts as none; numpy fails in many ways
            return None

    def save(self, state: _State) -> None:
        scratch = self.path.with_suffix(".tmp")
        with scratch.open("wb") as stream:
            np.savez(
                stream,
                allow_pickle=False,
                digest=np.array(self.digest),
                numbers=state.atoms.numbers,
                last_positions=state.atoms.get_positions(),
                last_momenta=state.atoms.get_momenta(),
                positions=np.stack(state.positions),
                rng=np.array(json.dumps(state.rng)),
            )
        os.replace(scratch, self.path)


def generate(
    molecule: Molecule,
    folder: Path,
    protocol: Protocol | None = None,
    progress: Callable[[int, int], None] | None = None,
    save_every: int | None = None,
) -> Path:
    """Run the dynamics of one molecule and write its file.

    An interrupted run leaves ``<name>.part`` in ``folder`` and goes on from there. An
    uninterrupted run gives the same file again with the same libraries on the same machine.
    A resumed one gives a trajectory of the same ensemble, but not the same bits: each SCF
    starts from the density before it, which a checkpoint does not hold.

    Parameters
    ----------
    molecule : Molecule
        Which molecule.
    folder : Path
        Where ``<name>.npz`` is written.
    protocol : Protocol, optional
        Defaults to :func:`default_protocol`.
    progress : callable, optional
        Called with (frames done, frames in all).
    save_every : int, optional
        Frames between checkpoints; at most 100.

    Returns
    -------
    Path
        The written file.
    """
    from ase import units
    from ase.constraints import FixCom
    from ase.md.langevin import Langevin

    protocol = protocol or default_protocol(molecule)
    save_every = save_every or min(100, max(1, protocol.frames // 5))
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = _Checkpoint(folder / f"{molecule.name}.part", _protocol_digest(molecule, protocol))
    rng = np.random.default_rng(protocol.seed)
    state = checkpoint.load()
    if state is None:
        atoms = _start(molecule, protocol, rng)
        positions: list[NDArray[np.float32]] = []
    else:
        atoms, positions = state.atoms, state.positions
        atoms.calc = oracle.calculator(oracle.MD_ACCURACY)
        rng.bit_generator.state = state.rng
    numbers = atoms.get_atomic_numbers()

    def dynamics() -> Langevin:
        # FixCom instead of Langevin's own fixcm, which ASE deprecates because it
        # does not sample the canonical ensemble.
        atoms.set_constraint(FixCom())
        return Langevin(
            atoms,
            timestep=protocol.timestep_fs * units.fs,
            temperature_K=protocol.temperature_k,
            friction=protocol.friction_per_fs / units.fs,
            fixcm=False,
            rng=rng,
        )

    runner = dynamics()
    if state is None:
        runner.run(protocol.equilibration_steps)
    while len(positions) < protocol.frames:
        runner.run(protocol.stride)
        positions.append(atoms.get_positions().astype(np.float32))
        if len(positions) % save_every == 0:
            checkpoint.save(_State(atoms, positions, dict(rng.bit_generator.state)))
        if progress is not None:
            progress(len(positions), protocol.frames)

    stored = np.stack(positions)
    path = folder / f"{molecule.name}.npz"
    write_trajectory(
        path,
        EmbeddedTrajectory(
            numbers=numbers.astype(np.uint8),
            positions=stored,
            labels={LEVEL: _label(numbers, stored)},
            metadata=_metadata(molecule, protocol),
        ),
    )
    checkpoint.path.unlink(missing_ok=True)
    return path


def _label(numbers: NDArray[Any], positions: NDArray[np.float32]) -> Labels:
    from ase import Atoms

    energies, forces = oracle.label(Atoms(numbers, frame.astype(np.float64)) for frame in positions)
    return Labels(energies, np.stack(forces).astype(np.float32))


def _metadata(molecule: Molecule, protocol: Protocol) -> dict[str, Any]:
    return {
        "molecule": molecule.name,
        "smiles": molecule.smiles,
        "levels_of_theory": {
            LEVEL: {
                "method": oracle.METHOD,
                "program": oracle.versions(),
                "accuracy": oracle.LABEL_ACCURACY,
                "source": "Bannwarth, Ehlert, Grimme, J. Chem. Theory Comput. 2019, 15, 1652",
            }
        },
        "dynamics": {"ensemble": "Langevin (NVT)", **asdict(protocol)},
        "frame_interval_fs": protocol.stride * protocol.timestep_fs,
        "units": {"positions": "Å", "energy": "eV", "forces": "eV/Å"},
        "licence": LICENCE,
        "generator": f"pytest_mlff {__version__} (mlff data generate)",
    }
