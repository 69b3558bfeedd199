"""Simulation: molecular dynamics of a model, many replicas at once."""

from __future__ import annotations

from pytest_mlff.simulation.dynamics import simulate
from pytest_mlff.simulation.settings import SimulationSettings, choose_starts
from pytest_mlff.simulation.trajectory import Trajectory

__all__ = ["SimulationSettings", "Trajectory", "choose_starts", "simulate"]
