"""Potentials: loaded models behind one small protocol, one adapter per model family."""

from __future__ import annotations

from pytest_mlff.potentials.adapters import (
    Adapter,
    LoadOptions,
    ModelOpensCodeWarning,
    ModelReadsLabelsWarning,
)
from pytest_mlff.potentials.batching import BatchPlan, evaluate
from pytest_mlff.potentials.loading import load_checkpoint, load_potential
from pytest_mlff.potentials.protocol import Potential, PotentialInfo, Prediction
from pytest_mlff.potentials.source import (
    Checkpoint,
    CheckpointSet,
    Demo,
    Factory,
    ModelSource,
    RecipeFile,
    Routed,
    parse_source,
)

__all__ = [
    "Adapter",
    "BatchPlan",
    "Checkpoint",
    "CheckpointSet",
    "Demo",
    "Factory",
    "LoadOptions",
    "ModelOpensCodeWarning",
    "ModelReadsLabelsWarning",
    "ModelSource",
    "Potential",
    "PotentialInfo",
    "Prediction",
    "RecipeFile",
    "Routed",
    "evaluate",
    "load_checkpoint",
    "load_potential",
    "parse_source",
]
