"""The embedded crystals: copper, Cu₃Au, CuAu and a copper slab, labelled with ASE's EMT.

``python tools/make_metals.py OUT`` makes them anew: one npz file a system, each frame
an independent draw and labelled with the kind of its making (``config_type``): ``strained`` (a
random symmetric strain), ``rattled`` (normal displacements) and ``md`` (200 fs at 600 K from
velocities of its own). Kinds take turns, so that every window of frames holds them all. Labels
belong to the stored positions, which are rounded to float32.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import numpy as np

from pytest_mlff.store import write_atomically

LEVEL: Final = "EMT"
KINDS: Final = ("strained", "rattled", "md")
# New ones go last: the place of a system seeds its frames.
SYSTEMS: Final = ("cu", "cu3au", "cu_slab", "cu_hcp", "cuau")
_EACH: Final = 20
_SEED: Final = 15


def _perfect(system: str) -> Any:
    from ase.build import bulk, fcc111
    from ase.lattice.compounds import L1_0, L1_2

    if system == "cu_slab":
        return fcc111("Cu", (2, 2, 4), vacuum=6.0)
    if system == "cu3au":
        return L1_2(size=(2, 2, 2), symbol=["Au", "Cu"], latticeconstant=3.74, pbc=True)
    if system == "cuau":
        constants = {"a": 3.96, "c": 3.67}
        return L1_0(size=(2, 2, 2), symbol=["Cu", "Au"], latticeconstant=constants, pbc=True)
    if system == "cu_hcp":
        return bulk("Cu", "hcp", a=2.55, c=4.17) * (4, 4, 1)
    return bulk("Cu", cubic=True) * (2, 2, 2)


def _drawn(system: str, kind: str, rng: np.random.Generator) -> Any:
    atoms = _perfect(system)
    atoms.info.clear()
    if kind == "strained":
        strain = rng.uniform(-0.04, 0.04, (3, 3))
        strain = 0.5 * (strain + strain.T)
        free = ~np.asarray(atoms.pbc)
        strain[free], strain[:, free] = 0.0, 0.0
        atoms.set_cell(atoms.cell[:] @ (np.eye(3) + strain), scale_atoms=True)
        atoms.positions += rng.normal(0.0, 0.01, atoms.positions.shape)
    elif kind == "rattled":
        atoms.positions += rng.normal(0.0, 0.1, atoms.positions.shape)
    else:
        _move(atoms, rng)
    return atoms


def _move(atoms: Any, rng: np.random.Generator) -> None:
    from ase import units
    from ase.calculators.emt import EMT
    from ase.md.langevin import Langevin
    from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

    atoms.calc = EMT()
    MaxwellBoltzmannDistribution(atoms, temperature_K=600.0, rng=rng)
    dynamics: Any = Langevin(
        atoms, 2.0 * units.fs, temperature_K=600.0, friction=0.02 / units.fs, rng=rng
    )
    dynamics.run(100)
    atoms.calc = None


def generate(folder: Path) -> tuple[Path, ...]:
    """Make the files of all systems in a folder, which is made where it is missing."""
    import io

    from ase.calculators.emt import EMT

    written = []
    for number, system in enumerate(SYSTEMS):
        rng = np.random.default_rng([_SEED, number])
        kinds = [kind for _ in range(_EACH) for kind in KINDS]
        frames = [_drawn(system, kind, rng) for kind in kinds]
        energy, forces, stress = [], [], []
        for atoms in frames:
            atoms.positions = atoms.positions.astype(np.float32)
            atoms.calc = EMT()
            energy.append(atoms.get_potential_energy())
            forces.append(atoms.get_forces())
            stress.append(atoms.get_stress(voigt=True))
        stream = io.BytesIO()
        np.savez_compressed(
            stream,
            allow_pickle=False,
            numbers=frames[0].numbers.astype("<u1"),
            positions=np.array([one.positions for one in frames], dtype="<f4"),
            cell=np.array([one.cell[:] for one in frames]),
            pbc=np.array([one.pbc for one in frames]),
            energy=np.array(energy),
            forces=np.array(forces, dtype="<f4"),
            stress=np.array(stress),
            config_type=np.array(kinds),
            theory=np.array(LEVEL),
            e_unit=np.array("eV"),
            r_unit=np.array("Ang"),
        )
        path = folder / f"{system}.npz"
        write_atomically(path, stream.getvalue())
        written.append(path)
    return tuple(written)


if __name__ == "__main__":
    for one in generate(Path(sys.argv[1])):
        print(one)
