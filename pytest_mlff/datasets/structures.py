"""Reading the user's own structure files: extended XYZ and whatever ASE reads."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.datasets.conversion import EV_ANGSTROM, FileUnits
from pytest_mlff.datasets.frames import Frames
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ase import Atoms

__all__ = ["read_structures"]


_COMPRESSED: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.GzipFile,
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}


@contextmanager
def _plain(path: Path) -> Iterator[Path]:
    """The file itself, or what a compressed one holds.

    ASE seeks back and forth in a compressed file, which takes seconds for a thousand frames.
    """
    opener = _COMPRESSED.get(path.suffix)
    if opener is None:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.stem
        with opener(path) as packed, copy.open("wb") as stream:
            shutil.copyfileobj(packed, stream)
        yield copy


def _read(path: Path, file_format: str | None) -> list[Atoms]:
    from ase.io import read
    from ase.io.formats import UnknownFileTypeError, ioformats

    if not path.is_file() and not path.is_dir():
        raise MlffError(f"{path}: no such file")
    if file_format is not None and file_format not in ioformats:
        near = [name for name in ioformats if file_format.lower() in name or name in file_format]
        hint = f"; near it: {', '.join(sorted(near)[:5])}" if near else ""
        raise MlffError(f"{path}: ASE knows no format {file_format!r}{hint}")
    try:
        with _plain(path) as plain:
            found: Any = read(plain, index=":", format=file_format)
    except UnknownFileTypeError as error:
        raise MlffError(
            f"{path}: ASE cannot tell its format; set `format` beside its path, e.g. format: extxyz"
        ) from error
    except Exception as error:  # readers of ASE's formats fail in many ways
        text = " ".join(str(error).split())[:120] or type(error).__name__
        raise MlffError(
            f"{path}: cannot be read as {file_format or 'a structure file'} ({text})"
        ) from error
    structures: list[Atoms] = found if isinstance(found, list) else [found]
    if not structures:
        raise MlffError(f"{path}: holds no structures")
    return structures


def _labelled(
    atoms: Atoms, energy_key: str | None, forces_key: str | None
) -> tuple[float | None, Any | None]:
    """Energy and forces of one structure in the file's units; None where it has none."""
    results = dict(getattr(atoms.calc, "results", None) or {})
    energy = results.get("energy") if energy_key is None else atoms.info.get(energy_key)
    forces = results.get("forces") if forces_key is None else atoms.arrays.get(forces_key)
    # A key that ASE itself understands has been moved into the calculator.
    if energy is None and energy_key is not None:
        energy = results.get(energy_key)
    if forces is None and forces_key is not None:
        forces = results.get(forces_key)
    return energy, forces


def _column(values: Sequence[Any], name: str, key: str | None, path: Path) -> bool:
    """Whether all frames carry a label; some with and some without is an error."""
    lacking = [index for index, value in enumerate(values) if value is None]
    if lacking and (len(lacking) < len(values) or key is not None):
        wanted = name if key is None else f"{name} under the key {key!r}"
        raise MlffError(
            f"{path}: {len(lacking)} of {len(values)} frames have no {wanted}, "
            f"first frame {lacking[0]}"
        )
    return not lacking


def read_structures(
    path: Path,
    *,
    file_format: str | None = None,
    units: FileUnits = EV_ANGSTROM,
    energy_key: str | None = None,
    forces_key: str | None = None,
) -> Frames:
    """Read labelled structures through ASE; compressed files (``.gz`` …) are read as they are.

    Parameters
    ----------
    path : Path
        The file (some of ASE's formats are folders).
    file_format : str, optional
        ASE's name of the format; told by name and content otherwise.
    units : FileUnits
        Units of labels and positions; ASE's own readers give eV and Å.
    energy_key, forces_key : str, optional
        Keys of the labels in ``atoms.info`` and ``atoms.arrays``, such as ``REF_energy``.
        Without them, ASE's own ``energy`` and ``forces`` are taken.

    Returns
    -------
    Frames
        In the order of the file, ``time_index`` None. ``forces`` is None where no frame has any.

    Raises
    ------
    MlffError
        If the file cannot be read, or frames lack labels that others have.
    """
    structures = _read(path, file_format)
    labels = [_labelled(atoms, energy_key, forces_key) for atoms in structures]
    energies = [energy for energy, _ in labels]
    forces = [force for _, force in labels]
    has_energy = _column(energies, "energy", energy_key, path)
    has_forces = _column(forces, "forces", forces_key, path)
    if not has_energy and not has_forces:
        keys = sorted({key for atoms in structures[:1] for key in (*atoms.info, *atoms.arrays)})
        raise MlffError(
            f"{path}: frames have neither energy nor forces; the first frame has "
            f"{', '.join(keys)} (name them by `energy_key` and `forces_key`)"
        )
    bare = Frames.from_atoms(structures)
    length, in_ev = units.length_in_angstrom(), units.energy_in_ev()
    try:
        energy = (
            np.array(energies, dtype=np.float64).reshape(len(energies)) * in_ev
            if has_energy
            else None
        )
        force = (
            np.concatenate([np.asarray(one, dtype=np.float64).reshape(-1, 3) for one in forces])
            * units.forces_in_ev_per_angstrom()
            if has_forces
            else None
        )
        frames = replace(
            bare,
            positions=bare.positions * length,
            cell=bare.cell * length,
            energy=energy,
            forces=force,
            stress=None if bare.stress is None else bare.stress * in_ev / length**3,
        )
    except (TypeError, ValueError) as error:
        raise MlffError(f"{path}: labels are not numbers of the right shape ({error})") from error
    for name, array in (("energy", energy), ("forces", force)):
        if array is not None and not np.isfinite(array).all():
            raise MlffError(f"{path}: {name} is not finite in some frame")
    return frames
