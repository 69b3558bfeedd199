"""Training: recipes, trainers and losses."""

from __future__ import annotations

from pytest_mlff.training.losses import bias_aware_weights, score_matching_loss

__all__ = ["bias_aware_weights", "score_matching_loss"]
