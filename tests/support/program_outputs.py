"""Outputs of VASP and CP2K in their own layout, made of structures with labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ase import units

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ase import Atoms

__all__ = ["cp2k_output", "outcar", "vasprun"]

KBAR = 0.1 * units.GPa


def _row(values: Iterable[float]) -> str:
    return " ".join(repr(float(value)) for value in values)


def outcar(frames: Sequence[Atoms]) -> str:
    """OUTCAR of a run with one species: pressures in kB, positive under compression, xy last."""
    first = frames[0]
    text = (
        " vasp.6.3.2 27Jun22 complex\n" + f" POTCAR:    PAW_PBE {first.symbols[0]} 22Jun2005\n" * 2
    )
    text += "   ISPIN  =      1    spin polarized calculation?\n"
    text += f"   ions per type =            {len(first):4d}\n"
    for number, atoms in enumerate(frames, 1):
        energy = float(atoms.get_potential_energy())
        xx, yy, zz, yz, xz, xy = -atoms.get_stress() / KBAR
        text += f"-------- Iteration {number:6d}(   9)  --------\n"
        text += f"  in kB      {_row((xx, yy, zz, xy, yz, xz))}\n"
        text += "      direct lattice vectors                 reciprocal lattice vectors\n"
        for vector, other in zip(atoms.cell[:], atoms.cell.reciprocal()[:], strict=True):
            text += f"     {_row(vector)}     {_row(other)}\n"
        text += "\n POSITION                                       TOTAL-FORCE (eV/Angst)\n"
        line = " " + "-" * 83 + "\n"
        rows = np.hstack([atoms.positions, atoms.get_forces()])
        text += line + "".join(f"  {_row(row)}\n" for row in rows) + line
        text += "  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)\n"
        text += "  ---------------------------------------------------\n"
        text += f"  free  energy   TOTEN  =  {energy - 0.01!r} eV\n\n"
        text += f"  energy  without entropy=  {energy!r}  energy(sigma->0) =  {energy!r}\n"
    return text


def _varray(name: str, rows: Iterable[Iterable[float]]) -> str:
    inside = "".join(f"<v> {_row(row)} </v>\n" for row in rows)
    return f'<varray name="{name}">\n{inside}</varray>\n'


def _structure(atoms: Atoms, name: str = "") -> str:
    basis = _varray("basis", atoms.cell[:])
    positions = _varray("positions", atoms.get_scaled_positions(wrap=False))
    return f"<structure{name}>\n<crystal>\n{basis}</crystal>\n{positions}</structure>\n"


def vasprun(frames: Sequence[Atoms]) -> str:
    """vasprun.xml: scaled positions, stress in kB, positive under compression."""
    first = frames[0]
    species = "".join(f"<rc><c>{one} </c><c>1</c></rc>\n" for one in first.symbols)
    text = '<?xml version="1.0" encoding="ISO-8859-1"?>\n<modeling>\n<kpoints>\n'
    text += _varray("kpointlist", [(0, 0, 0)]) + _varray("weights", [(1,)]) + "</kpoints>\n"
    text += '<parameters><i name="PSTRESS">0.0</i></parameters>\n<atominfo>\n'
    text += f'<array name="atoms" >\n<set>\n{species}</set>\n</array>\n</atominfo>\n'
    text += _structure(first, ' name="initialpos" ')
    for atoms in frames:
        energy = float(atoms.get_potential_energy())
        energies = f'<energy><i name="e_fr_energy"> {energy!r} </i>'
        energies += f'<i name="e_0_energy"> {energy!r} </i></energy>\n'
        text += f"<calculation>\n<scstep>\n{energies}</scstep>\n" + _structure(atoms)
        text += _varray("forces", atoms.get_forces())
        text += _varray("stress", -atoms.get_stress(voigt=False) / KBAR)
        text += f"{energies}</calculation>\n"
    return text + "</modeling>\n"


def cp2k_output(atoms: Atoms) -> str:
    """Output of CP2K for one structure: Hartree and Bohr, stress positive under compression."""
    symbol = str(atoms.symbols[0])
    text = " DBCSR| Multiplication driver                                    BLAS\n"
    for name, vector in zip("abc", atoms.cell[:], strict=True):
        size = float(np.linalg.norm(vector))
        text += f" CELL| Vector {name} [angstrom]:  {_row(vector)}    |{name}| = {size!r}\n"
    text += f"  1. Atomic kind: {symbol}                      Number of atoms: {len(atoms)}\n\n"
    text += "  Atom  Kind  Element       X           Y           Z          Z(eff)       Mass\n\n"
    for index, position in enumerate(atoms.positions, 1):
        text += f"  {index}     1 {symbol}  29  {_row(position)}  11.00  63.5460\n"
    text += "\n  *** SCF run converged in    12 steps ***\n\n"
    energy = float(atoms.get_potential_energy() / units.Hartree)
    text += f" ENERGY| Total FORCE_EVAL ( QS ) energy (a.u.):   {energy!r}\n\n"
    text += " ATOMIC FORCES in [a.u.]\n\n # Atom   Kind   Element     X       Y       Z\n"
    for index, force in enumerate(atoms.get_forces() * units.Bohr / units.Hartree, 1):
        text += f"      {index}      1      {symbol}   {_row(force)}\n"
    text += " SUM OF ATOMIC FORCES   0.0 0.0 0.0 0.0\n\n STRESS TENSOR [GPa]\n\n      X    Y    Z\n"
    for name, row in zip("XYZ", -atoms.get_stress(voigt=False) / units.GPa, strict=True):
        text += f"  {name}   {_row(row)}\n"
    return text + "\n"
