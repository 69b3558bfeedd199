"""Slurm without a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.fake_slurm import FakeSlurm

from pytest_mlff.scheduling.engines import slurm as slurm_engine
from pytest_mlff.scheduling.engines import slurm_commands, slurm_recorded


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    fake = FakeSlurm(tmp_path)
    monkeypatch.setattr(slurm_recorded, "submit", fake.submit)
    monkeypatch.setattr(slurm_commands, "queue", fake.queue)
    monkeypatch.setattr(slurm_commands, "cancel", fake.cancel)
    monkeypatch.setattr(slurm_commands, "require_slurm", lambda: None)
    monkeypatch.setattr(slurm_engine, "require_submitit", lambda: None)
    return fake
