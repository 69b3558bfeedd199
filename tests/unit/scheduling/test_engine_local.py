"""The local engine: processes that die, are killed or are left alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.engine_jobs import die, die_once, double, environment, fail, fail_for_an_extra, sleep
from support.slurm import wait_for

from pytest_mlff.errors import MlffError
from pytest_mlff.scheduling.engines.local import LocalEngine
from pytest_mlff.scheduling.engines.registry import Resources, map_jobs

ROOT = Path(__file__).parents[3]


def test_local_results_and_errors() -> None:
    with LocalEngine(2) as engine:
        futures = map_jobs(engine, double, range(4))
        failed = engine.submit(fail, "no")
        extra = engine.submit(fail_for_an_extra, 1)
        assert [future.result(60) for future in futures] == [0, 2, 4, 6]
        with pytest.raises(ValueError, match="no"):
            failed.result(60)
        # Its own class cannot be unpickled; the line for the user is kept.
        with pytest.raises(MlffError, match=re.escape("pip install 'pytest-mlff[none]'")):
            extra.result(60)
        with pytest.raises(MlffError, match="cannot be pickled"):
            engine.submit(lambda: 1)


def test_a_local_process_that_is_killed_is_begun_once_more(tmp_path: Path) -> None:
    with LocalEngine(1) as engine:
        again, hopeless = engine.submit(die_once, str(tmp_path)), engine.submit(die, 0)
        after = engine.submit(double, 4)
        assert again.result(60) == "went on"
        with pytest.raises(MlffError, match="was ended by SIGKILL, as happens when memory"):
            hopeless.result(60)
        assert after.result(60) == 8


def test_local_processes_see_their_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,GPU-x")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    with LocalEngine(None, Resources(cpus=1, gpus=3)) as engine:
        assert engine.workers == 1
        gpus = engine.submit(environment, "CUDA_VISIBLE_DEVICES").result(60)
        threads = engine.submit(environment, "OMP_NUM_THREADS").result(60)
    assert (gpus, threads) == ("3,5,GPU-x", "1")
    with LocalEngine(8, Resources(gpus=1)) as engine:
        assert engine.workers == 3
    with pytest.raises(MlffError, match="a job needs 4 GPUs, 3 are visible"):
        LocalEngine(None, Resources(gpus=4))


def test_local_processes_do_not_outlive_an_interrupted_run(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    futures = []

    def run() -> None:
        with LocalEngine(1) as engine:
            futures.extend([engine.submit(sleep, str(mark)), engine.submit(double, 1)])
            wait_for(lambda: mark.exists() and mark.read_text(), "the process")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    running, waiting = futures
    assert waiting.cancelled()
    assert isinstance(running.exception(), MlffError)
    assert not Path(f"/proc/{mark.read_text()}").exists()


def test_local_processes_die_with_a_killed_controller(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "from pytest_mlff.scheduling.engines.local import LocalEngine; import time\n"
        "if __name__ == '__main__':\n"
        "    from support.slurm import train, Steps\n"
        "    LocalEngine(1).submit(train, Steps('a', sys.argv[1], steps=1000, seconds=0.1))\n"
        "    time.sleep(60)\n"
    )
    script = tmp_path / "controller.py"
    script.write_text(code)
    paths = [str(ROOT), str(ROOT / "tests")]
    controller = subprocess.Popen([sys.executable, str(script), str(tmp_path), *paths])
    trace = tmp_path / "a.trace"
    wait_for(trace.exists, "the training")
    controller.kill()
    controller.wait()
    pid = int(json.loads(trace.read_text().splitlines()[0])[2])
    wait_for(lambda: not _runs(pid), "its process to end")


def _runs(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"
