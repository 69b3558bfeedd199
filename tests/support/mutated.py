"""Data files with random faults: each reads as one line, or as numbers that the file holds."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import iread, write

from pytest_mlff.datasets.conversion import FileUnits
from pytest_mlff.datasets.readers.extxyz import tidied
from pytest_mlff.datasets.readers.npz import read_npz
from pytest_mlff.datasets.readers.structures import read_structures
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ase import Atoms

    from pytest_mlff.datasets.frames import Frames

__all__ = ["FORMATS", "fault_of", "made", "mutate"]


def copper(count: int) -> list[Atoms]:
    """Copper crystals with EMT's labels."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(count):
        atoms = bulk("Cu", cubic=True)
        atoms.positions += 0.05 * rng.normal(size=(4, 3))
        atoms.calc = EMT()
        labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        atoms.calc = SinglePointCalculator(atoms, **labels, stress=atoms.get_stress())
        found.append(atoms)
    return found


def _npz(path: Path) -> None:
    frames = copper(4)
    np.savez(
        path,
        atomic_numbers=frames[0].numbers,
        pos=np.stack([one.positions for one in frames]),
        energy=np.array([[one.get_potential_energy()] for one in frames]),
        forces=np.stack([one.get_forces() for one in frames]),
        cell=np.stack([one.cell.array for one in frames]),
        pbc=np.ones(3, dtype=bool),
    )


def _dump(path: Path) -> None:
    text = ""
    for step, one in enumerate(copper(3)):
        text += f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n4\nITEM: BOX BOUNDS pp pp pp\n"
        text += f"0 {one.cell[0, 0]}\n" * 3 + "ITEM: ATOMS id type element x y z fx fy fz\n"
        for atom, row in enumerate(np.hstack([one.positions, one.get_forces()]), 1):
            text += f"{atom} 1 Cu " + " ".join(map(repr, row.tolist())) + "\n"
    path.write_text(text)


FORMATS: Final[dict[str, tuple[str, Callable[[Path], Any]]]] = {
    "extxyz": ("a.extxyz", lambda path: write(path, copper(3))),
    "npz": ("a.npz", _npz),
    "traj": ("a.traj", lambda path: write(path, copper(3))),
    "lammps-dump-text": ("a.lammpstrj", _dump),
    "json": ("a.json", lambda path: write(path, copper(3))),
}
"""File name and maker of each format."""


def made(name: str, folder: Path) -> Path:
    """A sound file of a format."""
    path = folder / FORMATS[name][0]
    FORMATS[name][1](path)
    return path


def mutate(content: bytes, seed: int) -> bytes:
    """A file with some bytes flipped, lost, doubled or exchanged for odd words."""
    rng = random.Random(seed)
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data))
        kind = rng.randrange(6)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del data[at : at + rng.randint(1, 40)]
        elif kind == 2:
            data[at:at] = data[at : at + rng.randint(1, 40)]
        elif kind == 3:
            word = rng.choice([b"nan", b"None", b"1e999", b"-", b" ", b"\n", b"T", b"0 0", b"Xx"])
            data[at : at + len(word)] = word
        elif kind == 4:
            data = data[: max(at, 1)]
        else:
            data[at : at + 1] = bytes([rng.randrange(256)])
    return bytes(data) or b"\n"


def fault_of(name: str, path: Path) -> str | None:
    """What is wrong with how a file is read: None for one line or for the file's own numbers."""
    try:
        if name == "npz":
            frames = read_npz(path, units=FileUnits("eV")).frames
        else:
            frames = read_structures(path, file_format=name).frames
    except MlffError as error:
        return "more than one line" if "\n" in str(error) else None
    except Exception as error:
        return f"traceback: {type(error).__name__}: {error}"
    return _differs(name, path, frames)


def _without_stress(text: str) -> dict[str, Any]:
    from ase.io.extxyz import key_val_str_to_dict

    found: dict[str, Any] = key_val_str_to_dict(text.replace("stress=", "no_stress="))
    return found


def _differs(name: str, path: Path, frames: Frames) -> str | None:
    if name == "npz":
        with np.load(path) as archive:
            wanted = {"energy": archive["energy"].reshape(-1), "forces": archive["forces"]}
            same = np.array_equal(frames.positions, archive["pos"].reshape(-1, 3))
            same &= np.array_equal(frames.cell, archive["cell"])
        same &= all(
            getattr(frames, key) is not None
            and np.array_equal(np.ravel(getattr(frames, key)), np.ravel(value))
            for key, value in wanted.items()
        )
        return None if same else "other numbers than numpy reads"
    # ASE reads no file whose stress is broken; ours leaves the stress aside.
    options = {"properties_parser": _without_stress} if name == "extxyz" else {}
    read = tidied(path, path.parent) if name == "extxyz" else path
    try:
        plain = list(iread(str(read), index=":", format=name, **options))
    except Exception:
        return "numbers of a file that ASE does not read"
    if len(plain) != len(frames):
        return f"{len(frames)} frames, ASE reads {len(plain)}"
    for index, atoms in enumerate(plain):
        results = getattr(atoms.calc, "results", None) or {}
        start, stop = frames.offsets[index : index + 2]
        pairs = [(frames.positions[start:stop], atoms.positions), (frames.cell[index], atoms.cell)]
        if "energy" in results and frames.energy is not None:
            pairs.append((frames.energy[index], results["energy"]))
        if "forces" in results and frames.forces is not None:
            pairs.append((frames.forces[start:stop], results["forces"]))
        if not all(np.array_equal(one, np.asarray(other)) for one, other in pairs):
            return f"frame {index}: other numbers than ASE reads"
        if not (np.array_equal(frames.pbc[index], atoms.pbc)):
            return f"frame {index}: another periodicity"
    return None
