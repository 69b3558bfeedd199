"""Data-integrity checks: what can be wrong with data before any model is asked."""

from __future__ import annotations

from pytest_mlff.datasets.integrity.checks import check_integrity
from pytest_mlff.datasets.integrity.result import IntegrityResult

__all__ = ["IntegrityResult", "check_integrity"]
