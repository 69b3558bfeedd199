"""Data files with random faults: each reads as one line, or as numbers that the file holds."""

from __future__ import annotations

import gzip
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.io import iread, write
from support.program_outputs import cp2k_output, outcar, vasprun

from pytest_mlff.datasets import open_dataset
from pytest_mlff.datasets.readers.extxyz import tidied
from pytest_mlff.errors import MlffError
from pytest_mlff.specs import DatasetOption

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ase import Atoms
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames

__all__ = ["FORMATS", "copper", "fault_of", "faults", "made"]


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


def _arrays() -> dict[str, NDArray[Any]]:
    frames = copper(4)
    return {
        "numbers": frames[0].numbers,
        "positions": np.stack([one.positions for one in frames]),
        "energy": np.array([one.get_potential_energy() for one in frames]),
        "forces": np.stack([one.get_forces() for one in frames]),
        "cell": np.stack([one.cell.array for one in frames]),
    }


def _npz(path: Path) -> None:
    one = _arrays()
    np.savez(
        path, atomic_numbers=one["numbers"], pos=one["positions"], energy=one["energy"][:, None],
        forces=one["forces"], cell=one["cell"], pbc=np.ones(3, dtype=bool),
    )  # fmt: skip


def _sgdml(path: Path) -> None:
    one = _arrays()
    np.savez(
        path, z=one["numbers"], R=one["positions"], E=one["energy"], F=one["forces"],
        lattice=one["cell"].transpose(0, 2, 1), e_unit="eV", r_unit="Ang",
    )  # fmt: skip


def _packed(path: Path) -> None:
    plain = path.with_suffix("")
    _npz(plain)
    path.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()


def _dump(path: Path) -> None:
    text = ""
    for step, one in enumerate(copper(3)):
        text += f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n4\nITEM: BOX BOUNDS pp pp pp\n"
        text += f"0 {one.cell[0, 0]}\n" * 3 + "ITEM: ATOMS id type element x y z fx fy fz\n"
        for atom, row in enumerate(np.hstack([one.positions, one.get_forces()]), 1):
            text += f"{atom} 1 Cu " + " ".join(map(repr, row.tolist())) + "\n"
    path.write_text(text)


def _schnetpack(path: Path) -> None:
    with connect(path) as database:
        for one in copper(3):
            labels = {"energy": np.array([one.get_potential_energy()]), "forces": one.get_forces()}
            one.calc = None
            database.write(one, data=labels)
        units = {"energy": "eV", "forces": "eV/Ang"}
        database.metadata = {"_property_unit_dict": units, "_distance_unit": "Ang"}


def _hdf5(path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        for key, value in _arrays().items():
            file[f"Cu/{'atomic_numbers' if key == 'numbers' else key}"] = value


def _deepmd(kind: str) -> Callable[[Path], None]:
    def write_folder(path: Path) -> None:
        import dpdata

        one = _arrays()
        data = {
            "atom_names": ["Cu"], "atom_numbs": [4], "atom_types": np.zeros(4, dtype=int),
            "coords": one["positions"], "cells": one["cell"], "orig": np.zeros(3),
            "energies": one["energy"], "forces": one["forces"],
        }  # fmt: skip
        dpdata.LabeledSystem(data=data).to(kind, str(path))

    return write_folder


@dataclass(frozen=True)
class Format:
    """A format: name of a file, its maker, how it is read, and what its own library reads."""

    file: str
    make: Callable[[Path], Any]
    plain: Callable[[Path], dict[str, NDArray[Any]]]
    option: dict[str, Any] = field(default_factory=dict)


def _by_ase(name: str) -> Callable[[Path], dict[str, NDArray[Any]]]:
    def plain(path: Path) -> dict[str, NDArray[Any]]:
        # ASE reads no file whose stress is broken; ours leaves the stress aside.
        options = {"properties_parser": _without_stress} if name == "extxyz" else {}
        read = tidied(path, path.parent) if name == "extxyz" else path
        frames = list(iread(str(read), index=":", format=name, **options))
        found = {
            "positions": np.concatenate([one.positions for one in frames]),
            "cell": np.stack([one.cell.array for one in frames]),
            "pbc": np.stack([one.pbc for one in frames]),
        }
        results = [one.calc.results if one.calc else {} for one in frames]
        if all("energy" in one for one in results):
            found["energy"] = np.array([one["energy"] for one in results])
        if all("forces" in one for one in results):
            found["forces"] = np.concatenate([one["forces"] for one in results])
        return found

    return plain


def _by_schnetpack(path: Path) -> dict[str, NDArray[Any]]:
    with connect(path) as database:
        rows = list(database.select(sort="id"))
        return {
            "positions": np.concatenate([one.positions for one in rows]),
            "cell": np.stack([one.cell for one in rows]),
            "energy": np.concatenate([one.data["energy"] for one in rows]),
            "forces": np.concatenate([one.data["forces"] for one in rows]),
        }


def _by_numpy(path: Path) -> dict[str, NDArray[Any]]:
    if path.suffix == ".gz":
        plain = path.with_suffix("")
        plain.write_bytes(gzip.decompress(path.read_bytes()))
        path = plain
    names = {"R": "positions", "E": "energy", "F": "forces", "pos": "positions"}
    with np.load(path) as archive:
        found = {names.get(key, key): archive[key] for key in archive.files}
    if "lattice" in found:
        found["cell"] = found.pop("lattice").swapaxes(1, 2)
    return {key: found[key] for key in ("positions", "energy", "forces", "cell")}


def _by_h5py(path: Path) -> dict[str, NDArray[Any]]:
    import h5py

    with h5py.File(path, "r") as file:
        (group,) = file
        return {key: np.asarray(file[group][key]) for key in file[group]}


def _by_dpdata(kind: str) -> Callable[[Path], dict[str, NDArray[Any]]]:
    def plain(path: Path) -> dict[str, NDArray[Any]]:
        import dpdata

        data = dpdata.LabeledSystem(str(path), fmt=kind).data
        names = {"positions": "coords", "energy": "energies", "forces": "forces", "cell": "cells"}
        return {name: data[key] for name, key in names.items()}

    return plain


FORMATS: Final[dict[str, Format]] = {
    "extxyz": Format("a.extxyz", lambda path: write(path, copper(3)), _by_ase("extxyz")),
    "traj": Format("a.traj", lambda path: write(path, copper(3)), _by_ase("traj")),
    "json": Format("a.json", lambda path: write(path, copper(3)), _by_ase("json")),
    "db": Format("a.db", lambda path: write(path, copper(3)), _by_ase("db")),
    "schnetpack": Format("a.db", _schnetpack, _by_schnetpack),
    "lammps": Format("a.lammpstrj", _dump, _by_ase("lammps-dump-text")),
    "outcar": Format(
        "OUTCAR", lambda path: path.write_text(outcar(copper(2))), _by_ase("vasp-out")
    ),
    "vasprun": Format(
        "vasprun.xml", lambda path: path.write_text(vasprun(copper(2))), _by_ase("vasp-xml")
    ),
    "cp2k": Format(
        "run.out", lambda path: path.write_text(cp2k_output(copper(1)[0])),
        _by_dpdata("cp2k/output"), {"format": "cp2k/output"},
    ),
    "npz": Format("a.npz", _npz, _by_numpy, {"units": "eV"}),
    "npz of sGDML": Format("a.npz", _sgdml, _by_numpy),
    "npz.gz": Format("a.npz.gz", _packed, _by_numpy, {"units": "eV"}),
    "hdf5": Format("a.h5", _hdf5, _by_h5py, {"units": "eV"}),
    "deepmd npy": Format("water", _deepmd("deepmd/npy"), _by_dpdata("deepmd/npy")),
    "deepmd raw": Format("water", _deepmd("deepmd/raw"), _by_dpdata("deepmd/raw")),
}  # fmt: skip


def made(name: str, folder: Path) -> Path:
    """A sound file (or folder) of a format."""
    path = folder / FORMATS[name].file
    FORMATS[name].make(path)
    return path


def mutate(content: bytes, seed: int) -> bytes:
    """A file with some bytes flipped, lost, doubled or exchanged for odd words."""
    rng = random.Random(seed)
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        if not data:
            break
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


def faults(name: str, folder: Path, count: int) -> dict[int, str]:
    """Seeds at which a mutated file is read wrongly, and how.

    Parameters
    ----------
    name : str
        Format.
    folder : Path
        For files.
    count : int
        Seeds.
    """
    path = made(name, folder)
    inside = sorted(one for one in path.rglob("*") if one.is_file() and one.stat().st_size)
    parts = inside if path.is_dir() else [path]
    sound = {one: one.read_bytes() for one in parts}
    found = {}
    for seed in range(count):
        changed = random.Random(seed).choice(parts)
        changed.write_bytes(mutate(sound[changed], seed))
        fault = fault_of(name, path)
        changed.write_bytes(sound[changed])
        if fault is not None:
            found[seed] = fault
    return found


def fault_of(name: str, path: Path) -> str | None:
    """What is wrong with how a file is read: None for one line or for the file's own numbers."""
    form = FORMATS[name]
    try:
        option = DatasetOption(path=path.name, **form.option)
        source = open_dataset("own", option, spec_dir=path.parent)
        frames = source.load(source.molecules[0]).frames
    except MlffError as error:
        return "more than one line" if "\n" in str(error) else None
    except Exception as error:
        return f"traceback: {type(error).__name__}: {error}"
    try:
        plain = form.plain(path)
    except Exception as error:
        return f"numbers of a file that its library does not read ({error})"
    return _differs(frames, plain)


def _without_stress(text: str) -> dict[str, Any]:
    from ase.io.extxyz import key_val_str_to_dict

    found: dict[str, Any] = key_val_str_to_dict(text.replace("stress=", "no_stress="))
    return found


def _differs(frames: Frames, plain: dict[str, NDArray[Any]]) -> str | None:
    for key, wanted in plain.items():
        found = getattr(frames, key, None)
        if found is None or key == "numbers":
            continue
        if key == "energy" and wanted.size and not wanted.any():
            continue
        if wanted.size != found.size:
            return f"{key} of shape {found.shape}, its library reads {wanted.shape}"
        if not np.array_equal(found.ravel(), wanted.ravel(), equal_nan=key != "pbc"):
            return f"{key} differ from what its library reads"
    return None
