"""Fixtures for all tests of this repository."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

REFERENCE_DATA = "MLFF_REFERENCE_DATA"

# Read by BLAS, torch and OpenMP as they are imported, here and in every process that a test starts:
# xdist fills the cores, and threads of several processes wait for each other longer than they
# compute.
os.environ["OMP_NUM_THREADS"] = "1"

# The machine may be busy: no test is timed, nor is what it draws.
settings.register_profile(
    "busy", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy")


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Published data sets, where a developer has them; users do not."""
    folder = os.environ.get(REFERENCE_DATA)
    if not folder or not Path(folder).is_dir():
        pytest.skip(f"needs published data sets: set {REFERENCE_DATA} to their folder")
    return Path(folder)


@pytest.fixture(autouse=True)
def _outside_of_github_and_xdist(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs within tests have nothing to tell GitHub and are nobody's workers, whoever runs us."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "PYTEST_XDIST_WORKER",
                 "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _no_default_of_torch_outlives_a_test() -> Iterator[None]:
    """Families set torch's default dtype; which tests share a worker is a matter of chance."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_default_dtype(sys.modules["torch"].float32)
