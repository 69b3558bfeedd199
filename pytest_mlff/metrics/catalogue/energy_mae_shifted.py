"""Energy error that does not see the zero of energy."""

from __future__ import annotations

from typing import Final

from pytest_mlff.metrics.registry import Metric
from pytest_mlff.units import REPORT_UNITS

METRICS: Final = (
    Metric(
        "energy_mae_shifted",
        REPORT_UNITS["energy"],
        "mean absolute error of the energy per atom, reference energies of species fitted away",
        "pytest_mlff.metrics.energy_shift:energy_mae_shifted",
        evidence="frames",
        labels="energy",
    ),
)
