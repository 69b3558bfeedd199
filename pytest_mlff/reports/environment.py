"""Versions of the libraries that results depend on."""

from __future__ import annotations

import platform

from pytest_mlff import __version__
from pytest_mlff.potentials.identity import installed_versions

LIBRARIES = (
    "pytest", "pytest-xdist", "hypothesis", "numpy", "ase", "pydantic", "torch", "nequip",
    "nequip-allegro", "torch-sim-atomistic", "mace-torch", "tblite", "dscribe", "pooch",
)  # fmt: skip


def installed() -> dict[str, str]:
    """Versions of the libraries that matter and are installed."""
    own = {"pytest-mlff": __version__, "python": platform.python_version()}
    return own | installed_versions(*LIBRARIES)
