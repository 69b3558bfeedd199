"""pytest_mlff: scientific benchmarks of machine-learned force fields as pytest cases."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_mlff.reports.frame_table import read_report

__version__ = "0.1.0"

__all__ = ["__version__", "read_report"]


def __getattr__(name: str) -> Any:
    # This module is imported at the start of every pytest run: what reads reports waits.
    if name == "read_report":
        return importlib.import_module("pytest_mlff.reports.frame_table").read_report
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
