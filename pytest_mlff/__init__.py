"""pytest_mlff: scientific benchmarks of machine-learned force fields as pytest cases."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.errors import MlffError
    from pytest_mlff.laws.checks import check_law
    from pytest_mlff.potentials.loading import load_potential as load_model
    from pytest_mlff.potentials.protocol import Potential, Prediction
    from pytest_mlff.reports.frame_table import read_report

__version__ = "0.2.0"

__all__ = [
    "Frames",
    "MlffError",
    "Potential",
    "Prediction",
    "__version__",
    "check_law",
    "load_model",
    "read_report",
]

# This module is imported at the start of every pytest run: each name waits until asked for.
_HOMES = {
    "Frames": "pytest_mlff.datasets.frames:Frames",
    "MlffError": "pytest_mlff.errors:MlffError",
    "Potential": "pytest_mlff.potentials.protocol:Potential",
    "Prediction": "pytest_mlff.potentials.protocol:Prediction",
    "check_law": "pytest_mlff.laws.checks:check_law",
    "load_model": "pytest_mlff.potentials.loading:load_potential",
    "read_report": "pytest_mlff.reports.frame_table:read_report",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        module, _, there = _HOMES[name].partition(":")
        return getattr(importlib.import_module(module), there)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
