"""The gate: may this merge? Thresholds, paired statistics and baselines."""

from __future__ import annotations

from pytest_mlff.gate.baseline import (
    Baseline,
    BaselineCase,
    GateResult,
    check,
    load_baseline,
    save_baseline,
)
from pytest_mlff.gate.compare import Ranking, rank, read_runs
from pytest_mlff.gate.files import pack_models
from pytest_mlff.gate.records import Identity, KeptCase, kept_case
from pytest_mlff.gate.threshold import Judgement, Verdict, gravest, judge_threshold
from pytest_mlff.gate.update import Change, Update, update_baseline
from pytest_mlff.statistics.multiple_tests import Regression, holm, judge_regressions
from pytest_mlff.statistics.paired import ALPHA, MARGIN, PairedComparison, compare_paired

__all__ = [
    "ALPHA",
    "MARGIN",
    "Baseline",
    "BaselineCase",
    "Change",
    "GateResult",
    "Identity",
    "Judgement",
    "KeptCase",
    "PairedComparison",
    "Ranking",
    "Regression",
    "Update",
    "Verdict",
    "check",
    "compare_paired",
    "gravest",
    "holm",
    "judge_regressions",
    "judge_threshold",
    "kept_case",
    "load_baseline",
    "pack_models",
    "rank",
    "read_runs",
    "save_baseline",
    "update_baseline",
]
