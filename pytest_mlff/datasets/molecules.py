"""The seven molecules of SAIBench-MLFF (Li et al.), and how each is built.

The SMILES strings only state which molecule is meant; geometries come from
:func:`build_geometry`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlff.errors import needing

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True)
class Molecule:
    """One benchmark molecule: its name and its constitution.

    Malonaldehyde is the dialdehyde (keto) form, as in MD17.
    """

    name: str
    smiles: str


MOLECULES: tuple[Molecule, ...] = (
    Molecule("aspirin", "CC(=O)Oc1ccccc1C(=O)O"),
    Molecule("ethanol", "CCO"),
    Molecule("malonaldehyde", "O=CCC=O"),
    Molecule("naphthalene", "c1ccc2ccccc2c1"),
    Molecule("salicylic_acid", "O=C(O)c1ccccc1O"),
    Molecule("toluene", "Cc1ccccc1"),
    Molecule("uracil", "O=c1cc[nH]c(=O)[nH]1"),
)


def build_geometry(molecule: Molecule, seed: int) -> Atoms:
    """Embed a molecule in three dimensions with RDKit (distance geometry, then MMFF).

    A rough geometry in Å, heavy atoms first in SMILES order, hydrogens last.

    Raises
    ------
    MissingExtraError
        If RDKit is not installed.
    """
    with needing("building molecules", "rdkit", "oracle"):
        from rdkit import Chem
        from rdkit.Chem.rdDistGeom import EmbedMolecule
        from rdkit.Chem.rdForceFieldHelpers import MMFFOptimizeMolecule
    from ase import Atoms

    graph = Chem.AddHs(Chem.MolFromSmiles(molecule.smiles))
    if EmbedMolecule(graph, randomSeed=seed) != 0:
        raise RuntimeError(f"RDKit could not embed {molecule.name}")
    MMFFOptimizeMolecule(graph)
    return Atoms(
        [atom.GetAtomicNum() for atom in graph.GetAtoms()],
        graph.GetConformer().GetPositions(),
    )
