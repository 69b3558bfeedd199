"""Structures worth looking at, as plain numbers for a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlff.reports.model import StructureRecord
from pytest_mlff.units import MEV

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames

# Digits behind the point: 10⁻⁶ Å, 10⁻³ meV/Å. What is finer is no news to an eye.
_PLACES, _ERROR_PLACES = 6, 3


def structure_of(
    frames: Frames, index: int, note: str, forces: NDArray[np.float64] | None = None
) -> StructureRecord:
    """One frame as a record.

    Parameters
    ----------
    frames : Frames
    index : int
        Of the frame.
    note : str
        Where it comes from and what is wrong there.
    forces : ndarray, shape (n_total, 3), optional
        What a model says of all ``frames``, eV/Å. With it, and reference forces in
        ``frames``, the record tells each atom's error: the norm of the difference.
    """
    import numpy as np

    atoms = frames.atoms(index)
    start, stop = int(frames.offsets[index]), int(frames.offsets[index + 1])
    errors = None
    if forces is not None and frames.forces is not None:
        norms = MEV * np.linalg.norm(forces[start:stop] - frames.forces[start:stop], axis=1)
        # JSON has no NaN; a record with holes would put errors to the wrong atoms.
        if np.isfinite(norms).all():
            errors = norms.round(_ERROR_PLACES).tolist()
    cell = frames.cell[index].tolist() if frames.pbc[index].any() else None
    return StructureRecord(
        symbols=list(atoms.get_chemical_symbols()),
        positions=atoms.positions.round(_PLACES).tolist(),
        cell=cell,
        note=note,
        atom_errors=errors,
    )
