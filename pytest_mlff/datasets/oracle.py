"""The oracle: a runnable reference method that labels any frame.

GFN2-xTB (Bannwarth, Ehlert, Grimme, J. Chem. Theory Comput. 2019, 15, 1652) as
implemented in tblite. It made the embedded data, so errors of a model trained on
that data can also be taken on the model's own trajectory.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.errors import needing

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator
    from numpy.typing import NDArray

METHOD = "GFN2-xTB"
MD_ACCURACY = 1.0
# At accuracy 1 forces scatter by 5e-5 eV/Å with the SCF's starting density; at
# 0.01 by less than 1e-6 eV/Å, so a label does not depend on the frame before it.
LABEL_ACCURACY = 0.01


def calculator(accuracy: float = LABEL_ACCURACY) -> Calculator:
    """An ASE calculator for the reference method; a smaller ``accuracy`` of tblite's is tighter.

    Raises
    ------
    MissingExtraError
        If tblite is not installed.
    """
    with needing(f"the {METHOD} oracle", "tblite", "oracle"):
        from tblite.ase import TBLite
    made: Calculator = TBLite(method=METHOD, verbosity=0, accuracy=accuracy)
    return made


def label(
    frames: Iterable[Atoms], accuracy: float = LABEL_ACCURACY
) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """Energy and forces of each frame.

    A fresh calculator per frame keeps a label independent of its neighbours.

    Parameters
    ----------
    frames : iterable of ase.Atoms
        Frames of any composition.
    accuracy : float
        tblite's SCF accuracy multiplier.

    Returns
    -------
    energies : ndarray, shape (n_frames,)
        Total energies in eV.
    forces : list of ndarray, each shape (n_atoms, 3)
        Forces in eV/Å.
    """
    energies: list[float] = []
    forces: list[NDArray[np.float64]] = []
    for frame in frames:
        probe = frame.copy()
        probe.calc = calculator(accuracy)
        forces.append(np.asarray(probe.get_forces(), dtype=np.float64))
        energies.append(float(probe.get_potential_energy()))
    return np.array(energies), forces


def versions() -> dict[str, str]:
    """Library versions that a label depends on."""
    from importlib.metadata import version

    return {"tblite": version("tblite"), "ase": version("ase")}
