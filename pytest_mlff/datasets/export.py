"""Handing exact frames to other programs: extended XYZ and npz without loss of digits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlff.errors import MlffError
from pytest_mlff.store import write_atomically

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.datasets.splits import FrameSets, IndexSet

FORMATS = ("extxyz", "npz")


def _numbers(values: NDArray[Any]) -> str:
    # repr of a float is the shortest text that reads back to the same bits.
    return " ".join(repr(float(value)) for value in np.ravel(values))


def _frame_lines(frames: Frames, index: int, extra: str) -> Iterator[str]:
    from ase.data import chemical_symbols
    from ase.io.extxyz import key_val_dict_to_str

    start, stop = int(frames.offsets[index]), int(frames.offsets[index + 1])
    properties = "species:S:1:pos:R:3"
    columns = [[_numbers(row) for row in frames.positions[start:stop]]]
    if frames.forces is not None and frames.labelled("forces")[index]:
        properties += ":forces:R:3"
        columns.append([_numbers(row) for row in frames.forces[start:stop]])
    info, arrays = frames.extras(index)
    for key, array in arrays.items():
        kind = _KINDS.get(array.dtype.kind)
        if array.ndim > 2 or kind is None:
            raise MlffError(
                f"frame {index}: {key!r} holds {array.dtype} of shape {array.shape}, which extxyz "
                "cannot hold"
            )
        rows = array.reshape(len(array), -1)
        properties += f":{key}:{kind}:{rows.shape[1]}"
        columns.append([_numbers(row) if kind == "R" else _words(row, kind) for row in rows])
    words = [f"Properties={properties}"]
    if frames.cell[index].any():
        words.insert(0, f'Lattice="{_numbers(frames.cell[index])}"')
    if frames.energy is not None and frames.labelled("energy")[index]:
        words.append(f"energy={float(frames.energy[index])!r}")
    if frames.stress is not None and frames.labelled("stress")[index]:
        words.append(f'stress="{_numbers(frames.stress[index])}"')
    if frames.time_index is not None:
        words.append(f"time_index={int(frames.time_index[index])}")
    # A step is written above; a model that was told one would see it twice.
    words += [key_val_dict_to_str({key: one}) for key, one in info.items() if key != "time_index"]
    words.append('pbc="{}"'.format(" ".join("T" if one else "F" for one in frames.pbc[index])))
    yield str(stop - start)
    yield " ".join(words) + extra
    for atom, row in enumerate(zip(*columns, strict=True), start):
        yield " ".join([chemical_symbols[frames.numbers[atom]], *row])


_KINDS: Final = {"f": "R", "i": "I", "u": "I", "b": "L", "U": "S"}


def _words(values: NDArray[Any], kind: str) -> str:
    told = ("T" if one else "F" for one in values) if kind == "L" else (str(one) for one in values)
    return " ".join(one.replace(" ", "_") or "_" for one in told)


def extxyz_text(frames: Frames, **info: str) -> str:
    """Frames as extended XYZ with every digit (ASE's writer keeps eight decimals).

    Parameters
    ----------
    frames : Frames
        eV, Å.
    **info : str
        Words written into each comment line.
    """
    extra = "".join(f' {key}="{value}"' for key, value in info.items())
    lines = (line for index in range(len(frames)) for line in _frame_lines(frames, index, extra))
    return "\n".join(lines) + "\n"


def _npz_bytes(frames: Frames, level: str) -> bytes:
    import io

    n_frames, n_atoms = len(frames), int(frames.counts[0])
    arrays: dict[str, Any] = {
        "numbers": frames.numbers[:n_atoms],
        "positions": frames.positions.reshape(n_frames, n_atoms, 3),
        "theory": np.array(level),
        "e_unit": np.array("eV"),
        "r_unit": np.array("Ang"),
    }
    if frames.cell.any():
        arrays |= {"cell": frames.cell, "pbc": frames.pbc}
    if frames.energy is not None:
        arrays["energy"] = frames.energy
    if frames.forces is not None:
        arrays["forces"] = frames.forces.reshape(n_frames, n_atoms, 3)
    if frames.stress is not None:
        arrays["stress"] = frames.stress
    if frames.time_index is not None:
        arrays["time_index"] = frames.time_index
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def _one_composition(frames: Frames) -> bool:
    if len(set(frames.counts.tolist())) != 1:
        return False
    numbers = frames.numbers.reshape(len(frames), -1)
    return bool((numbers == numbers[0]).all())


def _files(role: str, found: IndexSet, file_format: str) -> Iterator[tuple[str, bytes]]:
    if file_format == "extxyz":
        parts = [
            extxyz_text(found.datasets[molecule].frames.select(positions), molecule=molecule)
            for molecule, positions in found.indices.items()
        ]
        yield f"{role}.extxyz", "".join(parts).encode()
        return
    for molecule, positions in found.indices.items():
        dataset = found.datasets[molecule]
        frames = dataset.frames.select(positions)
        if not _one_composition(frames):
            raise MlffError(
                f"{dataset.title}: frames differ in composition, which npz cannot hold; "
                "use --format extxyz"
            )
        # An npz file holds one composition, so several molecules need several files.
        name = role if len(found.indices) == 1 else f"{role}-{molecule}"
        yield f"{name}.npz", _npz_bytes(frames, dataset.level_of_theory)


def write_frames(frames: Frames, path: Path, level: str) -> None:
    """Write frames to one file, whose name says the format: ``.extxyz``, ``.xyz`` or ``.npz``.

    Raises
    ------
    MlffError
        If the format is unknown or cannot hold the frames, or the file cannot be written.
    """
    if path.suffix not in (".extxyz", ".xyz", ".npz"):
        raise MlffError(f"{path}: the name must end with .extxyz or .npz")
    if path.suffix == ".npz" and not _one_composition(frames):
        raise MlffError(f"{path}: frames differ in composition, which npz cannot hold; use .extxyz")
    for name in ("energy", "forces", "stress"):
        if path.suffix == ".npz" and 0 < int(frames.labelled(name).sum()) < len(frames):
            raise MlffError(
                f"{path}: some frames have no {name}, which npz cannot say; use .extxyz"
            )
    content = _npz_bytes(frames, level) if path.suffix == ".npz" else extxyz_text(frames).encode()
    try:
        write_atomically(path, content)
    except OSError as error:
        raise MlffError(f"{path}: cannot be written ({error.strerror or error})") from error


def export_frame_sets(
    sets: FrameSets, folder: Path, file_format: str, described: dict[str, Any]
) -> tuple[Path, ...]:
    """Write the training, validation and test frames of a variant.

    Beside them, ``split.json`` says which frames of which dataset they are.

    Parameters
    ----------
    sets : FrameSets
        From :func:`~pytest_mlff.datasets.splits.cut`.
    folder : Path
        Made where it is missing.
    file_format : str
        ``extxyz`` (one file per set) or ``npz`` (one per set and molecule).
    described : dict
        What else ``split.json`` says (JSON values).

    Returns
    -------
    tuple of Path
        The files written.

    Raises
    ------
    MlffError
        If the format is unknown or cannot hold the frames, or the folder cannot be written.
    """
    if file_format not in FORMATS:
        raise MlffError(f"unknown format {file_format!r}; choose one of {', '.join(FORMATS)}")
    split: dict[str, Any] = {**described, "units": {"energy": "eV", "length": "Å"}, "sets": {}}
    written: list[Path] = []
    try:
        for role in ("train", "validation", "test"):
            found: IndexSet | None = getattr(sets, role)
            if found is None:
                continue
            for name, content in _files(role, found, file_format):
                write_atomically(folder / name, content)
                written.append(folder / name)
            split["sets"][role] = {
                "digest": found.digest,
                "frames": len(found),
                "molecules": {
                    molecule: {
                        "dataset_digest": found.datasets[molecule].digest,
                        "level_of_theory": found.datasets[molecule].level_of_theory,
                        "licence": found.datasets[molecule].licence,
                        "indices": positions.tolist(),
                    }
                    for molecule, positions in found.indices.items()
                },
            }
        text = json.dumps(split, indent=1, ensure_ascii=False) + "\n"
        write_atomically(folder / "split.json", text.encode())
    except OSError as error:
        raise MlffError(f"{folder}: cannot be written ({error.strerror or error})") from error
    return (*written, folder / "split.json")
