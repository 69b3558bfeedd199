"""MMFF94 by RDKit as an ASE calculator: a force field that costs next to nothing.

Halgren, J. Comput. Chem. 1996, 17, 490; Tosco, Stiefl and Landrum, J. Cheminform. 2014, 6, 37.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import units
from ase.calculators.calculator import Calculator, all_changes
from rdkit import Chem, RDLogger
from rdkit.Chem import rdDetermineBonds, rdForceFieldHelpers

from pytest_mlff.errors import MlffError


class Mmff94(Calculator):
    """Energies and forces of one neutral molecule, whose bonds are read off its geometry.

    The bonds of each frame are those that the distances say, so that a label depends on the frame
    alone; force fields are remembered by their bonds.
    """

    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._fields: dict[bytes, Any] = {}

    def calculate(
        self,
        atoms: Any = None,
        properties: Any = ("energy",),
        system_changes: Any = all_changes,
    ) -> None:
        """Fill ``results``, in eV and eV/Å.

        Raises
        ------
        MlffError
            If the bonds cannot be told, or MMFF94 lacks parameters.
        """
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        assert self.atoms is not None
        if self.atoms.pbc.any():
            raise MlffError("MMFF94 takes no periodic cell")
        field = self._field()
        where = self.atoms.positions.reshape(-1).tolist()
        kcal = units.kcal / units.mol
        self.results = {
            "energy": field.CalcEnergy(where) * kcal,
            "forces": -np.array(field.CalcGrad(where)).reshape(-1, 3) * kcal,
        }

    def _field(self) -> Any:
        """The force field of the molecule that the geometry shows."""
        assert self.atoms is not None
        mol = Chem.RWMol()
        for number in self.atoms.numbers:
            mol.AddAtom(Chem.Atom(int(number)))
        conformer = Chem.Conformer(len(self.atoms))
        conformer.SetPositions(np.ascontiguousarray(self.atoms.positions, dtype=np.float64))
        mol.AddConformer(conformer)
        RDLogger.DisableLog("rdApp.*")  # type: ignore[attr-defined]
        try:
            rdDetermineBonds.DetermineConnectivity(mol)
            key = self.atoms.numbers.tobytes() + Chem.GetAdjacencyMatrix(mol).tobytes()
            if key not in self._fields:
                rdDetermineBonds.DetermineBondOrders(mol, charge=0)
                Chem.SanitizeMol(mol)
                properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(mol)
                if properties is None:
                    raise MlffError("MMFF94 has no parameters for this molecule")
                self._fields[key] = rdForceFieldHelpers.MMFFGetMoleculeForceField(mol, properties)
        except ValueError as error:
            said = str(error).splitlines()[0]
            raise MlffError(f"its geometry shows no neutral molecule ({said})") from error
        finally:
            RDLogger.EnableLog("rdApp.*")  # type: ignore[attr-defined]
        return self._fields[key]
