"""Engines: what they promise, without a cluster (for that see tests/integration/test_slurm.py)."""

from __future__ import annotations

import re
import sys
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.engine_jobs import double
from support.slurm import Steps, train

from pytest_mlff.errors import MissingExtraError, MlffError
from pytest_mlff.plugin import hookspecs
from pytest_mlff.scheduling.engines.local import LocalEngine
from pytest_mlff.scheduling.engines.registry import Resources, map_jobs, open_engine

ROOT = Path(__file__).parents[3]


def test_an_unknown_engine_is_one_line_with_the_choices(tmp_path: Path) -> None:
    with pytest.raises(MlffError) as caught:
        open_engine("slurrm", store=tmp_path)
    assert str(caught.value) == (
        "engine 'slurrm' is none of local, slurm, and no plugin's pytest_mlff_executor knows it"
    )


def test_slurm_without_slurm_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MlffError, match="sbatch, squeue, scancel, srun not found on PATH"):
        open_engine("slurm", store=tmp_path)


def test_slurm_without_submitit_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(MissingExtraError, match=re.escape("pytest-mlff[slurm]")):
        open_engine("slurm", store=tmp_path)


def _asked(plugin: object, name: str) -> Any:
    """What the plugin's side does: ask the hook."""
    manager = pytest.PytestPluginManager()
    manager.add_hookspecs(hookspecs)
    manager.register(plugin)
    return manager.hook.pytest_mlff_executor(name=name, config=None)


class Pools:
    @pytest.hookimpl
    def pytest_mlff_executor(self, name: str, config: object) -> Executor | None:
        return ProcessPoolExecutor(1) if name == "pool" else None


def test_the_hooks_executor_is_the_engine(tmp_path: Path) -> None:
    with open_engine("pool", store=tmp_path, own=_asked(Pools(), "pool")) as engine:
        assert isinstance(engine, ProcessPoolExecutor)
        assert [f.result(30) for f in map_jobs(engine, double, [1, 2])] == [2, 4]
    with open_engine("local", store=tmp_path, own=_asked(Pools(), "local")) as engine:
        assert isinstance(engine, LocalEngine)
    with pytest.raises(MlffError, match=r"returned str, which has no submit\(\)"):
        open_engine("x", store=tmp_path, own="no engine")  # type: ignore[arg-type]


def test_the_dask_example_of_the_docs_works(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    import dask

    text = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len([line for line in example.splitlines() if line.strip()]) <= 5
    names: dict[str, Any] = {}
    exec(example, names)
    plugin = type("Conftest", (), {})()
    plugin.pytest_mlff_executor = names["pytest_mlff_executor"]
    with (
        distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster,
        dask.config.set({"scheduler-address": cluster.scheduler_address}),
    ):
        try:
            with open_engine("dask", store=tmp_path, own=_asked(plugin, "dask")) as engine:
                jobs = [Steps(name, str(tmp_path)) for name in "ab"]
                results = [future.result(60) for future in map_jobs(engine, train, jobs)]
        finally:
            distributed.default_client().close()
    assert [result["name"] for result in results] == ["a", "b"]


# Resources.


@pytest.mark.parametrize(
    "given, said",
    [
        ({"cpus": 0}, "resources: cpus is 0, a whole number of at least 1 is needed"),
        ({"cpus": True}, "cpus is True"),
        ({"gpus": -1}, "gpus is -1"),
        ({"minutes": 1.5}, "minutes is 1.5"),
        ({"memory_gb": 0}, "memory_gb is 0"),
        ({"memory_gb": float("nan")}, "memory_gb is nan"),
        ({"partition": ""}, "partition is ''"),
        ({"extra": {"time": 5}}, "'time' is not allowed, say 'minutes' instead"),
        ({"extra": {"array": "1-3"}}, "'array' is not allowed, the engine sets it itself"),
        ({"extra": {"--account": "x"}}, "is no long option of sbatch"),
        ({"extra": {"account": "x\nrm -rf /"}}, "account is 'x\\nrm -rf /', a word"),
    ],
)
def test_bad_resources_are_one_line(given: dict[str, Any], said: str) -> None:
    with pytest.raises(MlffError) as caught:
        Resources(**given)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
