"""Models in processes of their own: the judge's side."""

from __future__ import annotations

from pytest_mlff.potentials.process.client import Limits, ProcessPotential
from pytest_mlff.potentials.process.opening import open_potential, start

__all__ = ["Limits", "ProcessPotential", "open_potential", "start"]
