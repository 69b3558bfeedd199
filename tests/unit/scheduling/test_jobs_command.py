"""``mlff jobs``, on a queue that the test writes."""

from __future__ import annotations

import pytest
from support.engine_jobs import double
from support.fake_slurm import FakeSlurm, engine_on

from pytest_mlff.cli.main import main
from pytest_mlff.scheduling.engines.registry import map_jobs


@pytest.mark.parametrize(
    "words, said",
    [
        (["list", "--mlff-store=none"], "no store at none: say --mlff-store=DIR"),
        (["cancel"], "name jobs (see mlff jobs list), or say --all"),
        (["cancel", "1", "--all"], "name jobs (see mlff jobs list), or say --all"),
        (["cancel", "1"], "no job '1'"),
        (["tail", "1"], "no job '1' in .mlff-store (known, newest last: none at all)"),
        (["tail", "1", "-n", "0"], "--lines: 0 is too small"),
    ],
)
def test_bad_input_of_the_command_is_one_line(
    slurm: FakeSlurm,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(slurm.store)
    (slurm.store / ".mlff-store").mkdir()
    assert main(["jobs", *words]) == 4
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_the_command_lists_every_kind_of_state(
    slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    where = f"--mlff-store={slurm.store}"
    assert main(["jobs", where]) == 0
    assert capsys.readouterr().out == f"no jobs in {slurm.store}\n"
    engine = engine_on(slurm.store, poll=60.0)
    map_jobs(engine, double, range(6))
    engine.shutdown(wait=False)
    slurm.finish("101_0", "success", "x")
    slurm.finish("101_1", "error", "success")
    slurm.states["101_2"] = "RUNNING"
    del slurm.states["101_3"]
    assert main(["jobs", "cancel", "101_4", where]) == 0
    assert slurm.cancelled == ["101_4"]
    assert main(["jobs", "cancel", "101_0", where]) == 0
    assert slurm.cancelled == ["101_4"]
    assert "101_0 had already ended" in capsys.readouterr().out
    main(["jobs", where])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert {row[0]: row[1] for row in rows} == {
        "101_0": "done", "101_1": "failed", "101_2": "running", "101_3": "lost",
        "101_4": "cancelled", "101_5": "pending",
    }  # fmt: skip
    assert main(["jobs", "tail", "101_2", where]) == 4
    assert "job 101_2 is running and has written no log yet" in capsys.readouterr().err
    slurm.away = True
    main(["jobs", where])
    assert "unknown (no answer from Slurm)" in capsys.readouterr().out
    slurm.away = False
    assert main(["jobs", "cancel", "--all", where]) == 0
    assert set(slurm.cancelled) == {"101_2", "101_3", "101_4", "101_5"}
