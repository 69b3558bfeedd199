"""Cores and threads, told by fakes of the control groups."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pytest_mlff.scheduling import threads
from pytest_mlff.scheduling.threads import (
    available_cores,
    cgroup_cores,
    model_threads,
    threads_per_worker,
)

if TYPE_CHECKING:
    from pathlib import Path


def group(tmp_path: Path, of_self: str, files: dict[str, str]) -> float | None:
    for name, text in files.items():
        path = tmp_path / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
    (tmp_path / "self").write_text(of_self, encoding="ascii")
    return cgroup_cores(tmp_path / "cgroup", tmp_path / "self")


@pytest.mark.parametrize(
    "of_self, files, expected",
    [
        ("0::/job\n", {"job/cpu.max": "150000 100000\n"}, 1.5),
        ("0::/job\n", {"job/cpu.max": "max 100000\n"}, None),
        ("0::/a/b\n", {"a/cpu.max": "200000 100000\n", "a/b/cpu.max": "max 100000\n"}, 2.0),
        ("0::/a/b\n", {"a/cpu.max": "200000 100000\n", "a/b/cpu.max": "100000 100000\n"}, 1.0),
        # In a container: the path is the host's, the mount point is the group itself.
        ("0::/host/job\n", {"cpu.max": "300000 100000\n"}, 3.0),
        (
            "4:cpu,cpuacct:/job\n2:memory:/job\n",
            {
                "cpu,cpuacct/job/cpu.cfs_quota_us": "250000\n",
                "cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
            },
            2.5,
        ),
        (
            "4:cpu:/\n",
            {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
            None,
        ),
        ("0::/job\n", {}, None),
        ("", {"cpu.max": "100000 100000\n"}, None),
    ],
)
def test_quota_of_the_control_group(
    tmp_path: Path, of_self: str, files: dict[str, str], expected: float | None
) -> None:
    assert group(tmp_path, of_self, files) == expected


@pytest.mark.parametrize("quota, expected", [(None, 6), (0.5, 1), (2.5, 3), (100.0, 6)])
def test_cores_are_what_affinity_and_quota_allow(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    monkeypatch.setattr(threads, "cgroup_cores", lambda: quota)
    assert available_cores() == expected


@pytest.mark.parametrize("text, expected", [("4", 4), ("2,1", 2), ("0", 1), ("many", 1), ("", 1)])
def test_threads_of_a_model(text: str, expected: int) -> None:
    assert model_threads({"OMP_NUM_THREADS": text}) == expected
    assert model_threads({}) == 1


@pytest.mark.parametrize(
    "environ, expected",
    [
        ({"PYTEST_XDIST_WORKER_COUNT": "2"}, 4),
        ({"PYTEST_XDIST_WORKER_COUNT": "3"}, 2),
        ({"PYTEST_XDIST_WORKER_COUNT": "20"}, 1),
        ({"PYTEST_XDIST_WORKER_COUNT": "2", "OMP_NUM_THREADS": "1"}, None),
        ({}, None),
        ({"PYTEST_XDIST_WORKER_COUNT": "0"}, None),
    ],
)
def test_threads_of_a_worker(environ: dict[str, str], expected: int | None) -> None:
    assert threads_per_worker(environ, cores=8) == expected
