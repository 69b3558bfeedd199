"""DeePMD folders (``type.raw`` with ``set.*`` or raw files) through dpdata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.datasets.labels import LabelReport
from pytest_mlff.datasets.readers.content import FileContent
from pytest_mlff.errors import MissingExtraError, MlffError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["is_deepmd", "read_deepmd"]


def is_deepmd(path: Path) -> bool:
    """Whether a folder is a system as DeePMD keeps it."""
    return (path / "type.raw").is_file()


def read_deepmd(path: Path) -> FileContent:
    """Read a DeePMD folder: eV and Å, virials as stress (σ = −W / V).

    Raises
    ------
    MlffError
        If it cannot be read, or does not say its elements.
    MissingExtraError
        If dpdata is not installed.
    """
    try:
        import dpdata
    except ImportError as error:
        raise MissingExtraError("reading a DeePMD folder", "dpdata", "formats") from error
    from ase.data import atomic_numbers

    kind = "deepmd/npy" if any(path.glob("set.*")) else "deepmd/raw"
    labelled = any(path.glob("set.*/energy.npy")) or (path / "energy.raw").is_file()
    system: Any = dpdata.LabeledSystem if labelled else dpdata.System
    try:
        data: dict[str, Any] = system(str(path), fmt=kind).data
    except Exception as error:  # dpdata tells bad folders by many types of exception
        text = " ".join(str(error).split())[:120] or type(error).__name__
        raise MlffError(f"{path}: cannot be read as a DeePMD folder ({text})") from error
    names = [str(name) for name in data["atom_names"]]
    for name in names:
        if name not in atomic_numbers:
            raise MlffError(
                f"{path}: atom type {name!r} is no element; name the elements in type_map.raw"
            )
    coords = np.asarray(data["coords"], dtype=np.float64)
    n_frames, n_atoms = coords.shape[:2]
    if not n_frames:
        raise MlffError(f"{path}: holds no frames")
    numbers = np.array([atomic_numbers[names[one]] for one in data["atom_types"]], dtype=np.int64)
    periodic = not bool(data.get("nopbc", False))
    cell = np.asarray(data["cells"], dtype=np.float64).reshape(n_frames, 3, 3)
    arrays = {key: _finite(data, key, path) for key in ("energies", "forces", "virials")}
    if not (np.isfinite(coords).all() and np.isfinite(cell).all()):
        raise MlffError(f"{path}: coordinates or cells are not finite")
    volume = np.abs(np.linalg.det(cell))
    if periodic and not volume.all():
        raise MlffError(f"{path}: frame {int(np.argmin(volume))} has a cell without volume")
    virials = arrays["virials"] if periodic else None
    frames = Frames(
        numbers=np.tile(numbers, n_frames),
        positions=coords.reshape(-1, 3),
        counts=np.full(n_frames, n_atoms, dtype=np.int64),
        cell=cell if periodic else np.zeros((n_frames, 3, 3)),
        pbc=np.full((n_frames, 3), periodic),
        energy=None if arrays["energies"] is None else arrays["energies"].reshape(-1),
        forces=None if arrays["forces"] is None else arrays["forces"].reshape(-1, 3),
        stress=None if virials is None else -virials / volume[:, None, None],
    )
    return FileContent(frames, LabelReport(tuple(k for k, v in arrays.items() if v is not None)))


def _finite(data: dict[str, Any], key: str, path: Path) -> NDArray[np.float64] | None:
    if key not in data:
        return None
    array = np.asarray(data[key], dtype=np.float64)
    bad = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if bad.any():
        raise MlffError(f"{path}: {key} are not finite, first in frame {int(np.argmax(bad))}")
    return array
