"""Reference labels as files hold them: their keys, and from raw values to checked arrays.

Sign and order of stress: ASE's, σ = (1/V) ∂E/∂ε, positive under tension; six numbers are xx yy
zz yz xz xy, nine the rows of the matrix. A virial is W = −V σ, as DeePMD and QUIP write it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlff.datasets.label_keys import (
    LabelKeys,
    check_one_level,
    check_units_of_keys,
    force_sign,
    is_label,
    is_per_atom,
    quantity_of,
)
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.conversion import FileUnits
    from pytest_mlff.datasets.frames import Frames


@dataclass(frozen=True)
class LabelReport:
    """For messages: keys of a file that look like labels; quantities left aside, and why."""

    keys: tuple[str, ...] = ()
    faults: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def lacking(self, quantity: str) -> str:
        """Why there are no labels of a quantity, and how to map what is near."""
        if quantity in self.faults:
            return self.faults[quantity]
        near = [key for key in self.keys if quantity_of(key) == quantity]
        if not near:
            held = f" (it holds {', '.join(self.keys)})" if self.keys else ""
            return f"the data hold no {quantity}{held}"
        usable = [key for key in near if not is_per_atom(key)]
        if not usable:
            return (
                f"the data hold no {quantity}; near it is {near[0]!r}, which is per atom; total "
                "energies are read, so write them under a key of their own"
            )
        near = usable
        virial = quantity == "stress" and "vir" in near[0].lower()
        option = "virial_key" if virial else f"{quantity}_key"
        return (
            f"the data hold no {quantity}; near it is {', '.join(repr(key) for key in near[:5])}: "
            f"if that is meant, set `{option}: {near[0]}` beside the dataset's path"
        )


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.size > 1:
        return f"an array of shape {value.shape}"
    text = repr(value.tolist() if isinstance(value, np.ndarray | np.generic) else value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _numeric(value: Any, where: str) -> NDArray[np.float64]:
    """A finite array of numbers."""
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different length
        array = np.asarray(None)
    if array.dtype.kind not in "fiu":
        raise MlffError(f"{where} is {_shown(value)}, not a number")
    if not np.isfinite(array).all():
        raise MlffError(f"{where} is not finite")
    return array.astype(np.float64)


def one_number(value: Any, where: str) -> float:
    """A label that is one number, also as an array of one.

    Raises
    ------
    MlffError
        Beginning with ``where``, if it is text, None, several numbers or not finite.
    """
    array = _numeric(value, where)
    if array.size != 1:
        raise MlffError(f"{where} holds {array.size} numbers, not one")
    return float(array.reshape(-1)[0])


def force_rows(value: Any, n_atoms: int, where: str) -> NDArray[np.float64]:
    """Forces of one frame, shape (n_atoms, 3).

    Raises
    ------
    MlffError
        Beginning with ``where``.
    """
    array = _numeric(value, where)
    if array.shape != (n_atoms, 3):
        raise MlffError(f"{where} has shape {array.shape}, expected ({n_atoms}, 3)")
    return array


def stress_matrix(value: Any, where: str) -> NDArray[np.float64]:
    """Stress or virial of one frame as a matrix, from 3×3, nine or six numbers.

    Raises
    ------
    MlffError
        Beginning with ``where``.
    """
    array = _numeric(value, where)
    if array.shape == (6,):
        xx, yy, zz, yz, xz, xy = array
        return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    if array.size != 9:
        raise MlffError(
            f"{where} has {array.size} numbers; six (xx yy zz yz xz xy) or 3×3 are read"
        )
    matrix = array.reshape(3, 3)
    if np.abs(matrix - matrix.T).max() > _ASYMMETRY * np.abs(matrix).max():
        raise MlffError(
            f"{where} is not symmetric, as a stress is: are the nine numbers in the order of rows?"
        )
    return matrix


_ASYMMETRY: Final = 0.05
"""Of the largest component: far above what programs leave of it."""


def labels_of(
    bare: Frames,
    raw: Sequence[Mapping[str, Any]],
    keys: LabelKeys,
    units: FileUnits,
    path: str,
) -> tuple[dict[str, NDArray[np.float64] | None], LabelReport]:
    """Labels of frames from the raw values of each, in eV and Å.

    Parameters
    ----------
    bare : Frames
        The structures, already in Å.
    raw : sequence of mapping
        For each frame every value that may be a label, by its key.
    keys : LabelKeys
        Which of them are meant.
    units : FileUnits
        Units of the values.
    path : str
        Begins messages.

    Returns
    -------
    labels : dict of str to ndarray or None
        ``energy``, ``forces`` and ``stress`` as :class:`Frames` takes them.
    report : LabelReport
        What else there is.

    Raises
    ------
    MlffError
        With file, frame and key, if a value is no number, or a named key is in no frame.
    """
    present = {key: None for one in raw for key, value in one.items() if value is not None}
    check_one_level(keys, present, path)
    for key in sorted(keys.named - present.keys()):
        near = ", ".join(present) or "nothing like it"
        raise MlffError(f"{path}: no frame has the key {key!r} (the file holds {near})")
    _check_one_key(keys, raw, path)
    check_units_of_keys(keys, units, path)
    faults: dict[str, str] = {}
    found: dict[str, NDArray[np.float64] | None] = {"energy": None, "forces": None, "stress": None}

    def at(index: int, key: str) -> str:
        return f"{path}: frame {index}: {key!r}"

    key = keys.energy or "energy"
    energies = [one.get(key) for one in raw]
    if any(value is not None or key in one for value, one in zip(energies, raw, strict=True)):
        energy = np.array(
            [
                one_number(one[key], at(index, key)) if key in one else np.nan
                for index, one in enumerate(raw)
            ]
        )
        fault = made_up_zeros(energy, bare.counts, key) if keys.energy is None else None
        if fault is not None:
            faults["energy"] = fault
        else:
            found["energy"] = energy * units.energy_in_ev()
    key = keys.forces or "forces"
    if any(key in one for one in raw):
        rows = [
            force_rows(one[key], int(n_atoms), at(index, key))
            if key in one
            else np.full((int(n_atoms), 3), np.nan)
            for index, (one, n_atoms) in enumerate(zip(raw, bare.counts, strict=True))
        ]
        found["forces"] = np.concatenate(rows) * (
            force_sign(key) * units.forces_in_ev_per_angstrom()
        )
    try:
        found["stress"] = _stress(bare, raw, keys, units, at)
    except MlffError as error:
        # Energies and forces are as good as ever; a threshold on stress says this line.
        if keys.stress is not None or keys.virial is not None:
            raise
        faults["stress"] = str(error)
    return found, LabelReport(tuple(key for key in present if is_label(key)), faults)


def _check_one_key(keys: LabelKeys, raw: Sequence[Mapping[str, Any]], path: str) -> None:
    """Refuse a quantity that some frames hold under its own name and others under another."""
    meant = {"energy": keys.energy, "forces": keys.forces}
    for quantity in (name for name, key in meant.items() if key is None):
        lacking = [index for index, one in enumerate(raw) if one.get(quantity) is None]
        for index in lacking if len(lacking) < len(raw) else ():
            held = (key for key, value in raw[index].items() if value is not None)
            other = next((key for key in held if quantity_of(key) == quantity), None)
            if other is not None:
                raise MlffError(
                    f"{path}: frame {index} has {other!r} where others have {quantity!r}: which is "
                    f"meant? `{quantity}_key` beside the dataset's path says it"
                )


def made_up_zeros(energy: NDArray[np.float64], counts: NDArray[np.int64], key: str) -> str | None:
    """Why energies are taken for none, because all or some are exactly 0; None where they are not.

    Parameters
    ----------
    energy : ndarray of float64, shape (n_frames,)
    counts : ndarray of int64, shape (n_frames,)
        Atoms per frame; single atoms may well be the zero of energies.
    key : str
        Where they stand.
    """
    if len(energy) > 1 and not energy.any():
        which = "every energy is exactly 0"
    elif (zeros := int(((energy == 0.0) & (counts > 1)).sum())) > 1:
        which = f"{zeros} of {len(energy)} energies are exactly 0"
    else:
        return None
    return (
        f"{which}, which readers and scripts write where a file has none; if it is meant, set "
        f"`energy_key: {key}` beside the dataset's path"
    )


def _stress(
    bare: Frames, raw: Sequence[Mapping[str, Any]], keys: LabelKeys, units: FileUnits, at: Any
) -> NDArray[np.float64] | None:
    if keys.stress is not None and keys.virial is not None:
        raise MlffError(f"{at(0, keys.virial)} and {keys.stress!r} both say the stress; name one")
    key = keys.virial or keys.stress or "stress"
    if not any(key in one for one in raw):
        return None
    matrices = np.stack(
        [
            stress_matrix(one[key], at(index, key)) if key in one else np.full((3, 3), np.nan)
            for index, one in enumerate(raw)
        ]
    )
    if keys.virial is None:
        return matrices * units.stress_in_ev_per_cubic_angstrom()
    volumes = np.abs(np.linalg.det(bare.cell))
    labelled = ~np.isnan(matrices).all(axis=(1, 2))
    if (volumes[labelled] == 0).any():
        index = int(np.argmax(labelled & (volumes == 0)))
        raise MlffError(f"{at(index, key)} is a virial, but the frame has no cell and no volume")
    with np.errstate(divide="ignore"):
        return np.asarray(-matrices * units.energy_in_ev() / volumes[:, None, None])
