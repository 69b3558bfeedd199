"""What dpdata reads: DeePMD folders, and by name the outputs of further programs (CP2K …)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.datasets.labels import LabelReport, made_up_zeros
from pytest_mlff.datasets.readers.content import FileContent
from pytest_mlff.errors import MlffError, needing

if TYPE_CHECKING:
    from numpy.typing import NDArray


def is_deepmd(path: Path) -> bool:
    """Whether a folder is a system as DeePMD keeps it."""
    return (path / "type.raw").is_file()


def read_dpdata(path: Path, file_format: str | None = None) -> FileContent:
    """Read frames of one system: eV and Å, virials as stress (σ = −W / V).

    Parameters
    ----------
    path : Path
        A DeePMD folder, or whatever the format asks for.
    file_format : str, optional
        dpdata's name of the format, e.g. ``cp2k/output``; without it, a DeePMD folder.

    Raises
    ------
    MlffError
        If it cannot be read, or does not say its elements.
    MissingExtraError
        If dpdata is not installed.
    """
    with needing("reading a DeePMD folder", "dpdata", "formats"):
        import dpdata
    faults: dict[str, str] = {}
    system: Any = dpdata.LabeledSystem
    if not path.exists():
        raise MlffError(f"{path}: no such file")
    if file_format is None:
        file_format = "deepmd/npy" if any(path.glob("set.*")) else "deepmd/raw"
        if not any(path.glob("set.*/energy.npy")) and not (path / "energy.raw").is_file():
            system = dpdata.System
            if any(path.glob("set.*/force.npy")) or (path / "force.raw").is_file():
                faults["forces"] = f"{path}: forces without energies are not read by dpdata"
    try:
        data: dict[str, Any] = system(str(path), fmt=file_format).data
    except Exception as error:  # dpdata tells bad files by many types of exception
        text = " ".join(str(error).split())[:120] or type(error).__name__
        raise MlffError(f"{path}: cannot be read as {file_format} ({text})") from error
    inputs = _inputs(path, len(data["coords"])) if path.is_dir() else {}
    return _content(data, inputs, path, faults)


def _inputs(path: Path, n_frames: int) -> dict[str, NDArray[Any]]:
    """Inputs of the model that dpdata leaves out, per frame and per atom; one row a frame."""
    found: dict[str, NDArray[Any]] = {}
    for name in ("fparam", "aparam"):
        files = sorted(path.glob(f"set.*/{name}.npy")) or sorted(path.glob(f"{name}.raw"))
        try:
            rows = [
                np.load(file) if file.suffix == ".npy" else np.loadtxt(file, ndmin=2)
                for file in files
            ]
            if rows:
                found[name] = np.concatenate([one.reshape(len(one), -1) for one in rows])
        except (OSError, ValueError, TypeError) as error:
            raise MlffError(f"{path}: {name} cannot be read ({error})") from error
        if rows and len(found[name]) != n_frames:
            raise MlffError(f"{path}: {name} of {len(found[name])} frames, of {n_frames} in all")
    return found


def _content(
    data: dict[str, Any], inputs: dict[str, NDArray[Any]], path: Path, faults: dict[str, str]
) -> FileContent:
    coords = np.asarray(data["coords"], dtype=np.float64)
    if not coords.size:
        raise MlffError(f"{path}: holds no frames, or none that converged")
    n_frames = len(coords)
    types = np.tile(data["atom_types"], (n_frames, 1))
    kinds = np.asarray(data.get("real_atom_types", types))
    # DeePMD fills the shorter frames of such a folder with atoms of type -1.
    real = (kinds != -1) | (kinds is types)
    if "aparam" in inputs and not real.all():
        raise MlffError(f"{path}: aparam beside atoms of type -1, which cannot be told apart in it")
    if not real.any(axis=1).all():
        raise MlffError(f"{path}: frame {int(np.argmin(real.any(axis=1)))} holds no atoms")
    periodic = not bool(data.get("nopbc", False))
    cell = np.asarray(data["cells"], dtype=np.float64).reshape(n_frames, 3, 3)
    arrays = {key: _finite(data, key, path) for key in ("energies", "forces", "virials")}
    if not (np.isfinite(coords).all() and np.isfinite(cell).all()):
        raise MlffError(f"{path}: coordinates or cells are not finite")
    volume = np.abs(np.linalg.det(cell))
    if periodic and not volume.all():
        raise MlffError(f"{path}: frame {int(np.argmin(volume))} has a cell without volume")
    counts = real.sum(axis=1)
    energy, virials = arrays["energies"], arrays["virials"] if periodic else None
    if energy is not None:
        energy = energy.reshape(-1)
        fault = made_up_zeros(energy, counts, "energy")
        if fault is not None:
            energy, faults["energy"] = None, fault.partition("; ")[0]
    frames = Frames(
        numbers=_numbers(data["atom_names"], kinds[real], path),
        positions=coords[real],
        counts=counts,
        cell=cell if periodic else np.zeros((n_frames, 3, 3)),
        pbc=np.full((n_frames, 3), periodic),
        energy=energy,
        forces=None if arrays["forces"] is None else arrays["forces"][real],
        stress=None if virials is None else -virials / volume[:, None, None],
        per_frame=inputs,
    )
    held = tuple(key for key, array in arrays.items() if array is not None)
    return FileContent(frames, LabelReport(held, faults))


def _numbers(names: Sequence[str], types: NDArray[Any], path: Path) -> NDArray[np.int64]:
    from ase.data import atomic_numbers

    unknown = types[(types < 0) | (types >= len(names))]
    if unknown.size:
        raise MlffError(f"{path}: atom type {unknown[0]} is not named in type_map.raw")
    for name in names:
        if name not in atomic_numbers:
            raise MlffError(
                f"{path}: atom type {name!r} is no element; name the elements in type_map.raw"
            )
    return np.array([atomic_numbers[name] for name in names])[types.astype(np.int64)]


def _finite(data: dict[str, Any], key: str, path: Path) -> NDArray[np.float64] | None:
    if key not in data:
        return None
    array = np.asarray(data[key], dtype=np.float64)
    bad = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if bad.any():
        raise MlffError(f"{path}: {key} are not finite, first in frame {int(np.argmax(bad))}")
    return array
