"""Datasets that a spec may run on."""

# pydantic reads the annotations when the classes are made.
# ruff: noqa: TC001

from __future__ import annotations

from pydantic import Field

from pytest_mlff.specs.fields import AtomTypes, AxisName, AxisValues, ExpressionText, Paths
from pytest_mlff.specs.model import SpecModel


class DatasetOption(SpecModel):
    """A dataset the spec may run on, and what is different there."""

    axes: dict[AxisName, AxisValues] = Field(
        default={}, description="Values that replace those of the same axis."
    )
    where: ExpressionText | None = Field(
        default=None, description="Replaces the spec's `where`; `true` lifts it."
    )
    path: Paths | None = Field(
        default=None,
        description="Your own file, relative to the spec; also a folder, a glob, or a list. "
        "`file.xyz@:100` takes a range of frames. Each file is a system.",
    )
    format: str | None = Field(
        default=None,
        min_length=1,
        description="extxyz, npz or any format that ASE reads; without it told by the file.",
    )
    units: str | None = Field(
        default=None,
        min_length=1,
        description="Units of your file: energy, optionally a comma and a length, and another "
        "and the unit of stress, e.g. `kcal/mol`, `Hartree, Bohr` or `eV, Å, GPa` (`-kbar` where "
        "compression is positive).",
    )
    level_of_theory: str | None = Field(
        default=None,
        min_length=1,
        description="Method behind the labels; for `embedded`, which label set is taken.",
    )
    time_ordered: bool | None = Field(
        default=None, description="Whether the frames of your file are in time order."
    )
    replica: str | None = Field(
        default=None,
        min_length=1,
        description="Key in your file (of a frame's comment, or an array of an npz) that names the "
        "independent trajectory or start of each frame: what statistics count.",
    )
    independent: bool | None = Field(
        default=None, description="Whether every frame of your file is an independent draw."
    )
    energy_key: str | None = Field(
        default=None, min_length=1, description="Key of energies, where ASE does not know it."
    )
    forces_key: str | None = Field(
        default=None, min_length=1, description="Key of forces, where ASE does not know it."
    )
    stress_key: str | None = Field(
        default=None,
        min_length=1,
        description="Key of stress: 3×3 or xx yy zz yz xz xy, positive under tension.",
    )
    virial_key: str | None = Field(
        default=None,
        min_length=1,
        description="Key of virials, minus stress times volume, in the unit of energy.",
    )
    species: AtomTypes | None = Field(
        default=None, description="Element of each atom type of a LAMMPS file, e.g. {1: Cu}."
    )
