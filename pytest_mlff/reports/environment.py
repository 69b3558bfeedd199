"""Versions of the libraries that results depend on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from pytest_mlff import __version__

LIBRARIES = (
    "pytest", "pytest-xdist", "hypothesis", "numpy", "ase", "pydantic", "torch", "nequip",
    "nequip-allegro", "torch-sim-atomistic", "mace-torch", "tblite", "dscribe", "pooch",
)  # fmt: skip


def installed() -> dict[str, str]:
    """Versions of the libraries that matter and are installed."""
    found = {"pytest-mlff": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
