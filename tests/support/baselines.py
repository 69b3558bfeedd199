"""Baselines of made-up records, for tests of the gate."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.gate.baseline import (
    Baseline,
    BaselineCase,
    save_baseline,
)
from pytest_mlff.gate.records import Identity, KeptCase
from pytest_mlff.gate.update import Update, update_baseline
from pytest_mlff.statistics.evidence import FrameSeries

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CARBON", "CASES", "ENERGY", "FORCE", "record", "update", "written"]

FORCE = "quick/time/aspirin/force_mae"
CARBON = "quick/time/aspirin/force_mae[C]"
ENERGY = "quick/time/aspirin/energy_rmse"
CASES = (FORCE, CARBON, ENERGY)


def record(
    case_id: str,
    factor: float = 1.0,
    noise: float = 0.0,
    n: int = 400,
    seed: int = 0,
    **identity: str,
) -> KeptCase:
    """A case whose per-frame errors are ``factor`` times those of seed 0, plus noise."""
    power = 2 if "rmse" in case_id else 1
    rng = np.random.default_rng(len(case_id))
    errors = factor * rng.gamma(4.0, 10.0, n)
    errors = np.abs(errors + noise * np.random.default_rng(seed).normal(size=n))
    weights = np.ones(n) if power == 2 else np.full(n, 63.0)
    series = FrameSeries(
        errors**power * weights,
        weights,
        np.arange(n),
        (n,),
        power,  # type: ignore[arg-type]
    )
    named = {"data": "d" * 64, "spec": "s" * 64, "dtype": "float32", "unit": "meV/Å", **identity}
    return KeptCase(
        case_id,
        case_id.rsplit("/", 1)[1].partition("[")[0],
        None,
        series.value,
        n,
        21 * n,
        Identity(**named),
        series,
    )


def written(path: Path, *records: KeptCase) -> Baseline:
    found = Baseline(path, "demo", {r.case_id: BaselineCase(r, "m" * 64) for r in records})
    save_baseline(found)
    return found


def update(baseline: Baseline, *records: KeptCase, reason: str | None = None) -> Update:
    return update_baseline(
        baseline,
        records,
        model_digest="n" * 64,
        accept_regression=reason,
        today=datetime.date(2026, 1, 2),
    )
