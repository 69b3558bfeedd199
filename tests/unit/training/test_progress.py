"""How far a training is, and whether its budget will end it early."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlff.training.progress import (
    Progress,
    Teller,
    Watched,
    foresight,
    remember_pace,
    watching,
)

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "epoch,step,train_loss_step/weighted_sum,val0_epoch/weighted_sum\n"


@pytest.fixture
def job(tmp_path: Path) -> Any:
    content = SimpleNamespace(budget=600)
    recipe = SimpleNamespace(
        config={"trainer": {"max_steps": 1000}}, content=content, digest="of the recipe"
    )
    folder = tmp_path / "job"
    (folder / "log" / "version_0").mkdir(parents=True)
    return SimpleNamespace(
        recipe=recipe, folder=folder, store_root=tmp_path / "store", title="s/spec/n20"
    )


def log(job: Any, text: str) -> None:
    (job.folder / "log" / "version_0" / "metrics.csv").write_text(HEADER + text)


def test_the_last_row_with_a_loss_counts(job: Any) -> None:
    watched = Watched(job)
    assert watched.look() is None
    log(job, "0,19,0.5,\n0,39,0.25,\n0,39,,0.3\n0,59,0.1")
    assert watched.look() == Progress(40, 1000, 0.25, None)
    log(job, "0,39,0.25,\n0,139,0.125,\n")
    far = watched.look()
    assert far is not None
    assert (far.step, far.loss, far.share) == (140, 0.125, 0.14)
    assert far.seconds_left is not None
    assert far.seconds_left < 600


def test_no_longer_than_the_budget(job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr("pytest_mlff.training.progress.time", clock)
    watched = Watched(job)
    log(job, "0,99,0.5,\n")
    watched.look()
    now[0] = 50.0
    log(job, "0,199,0.5,\n")
    assert str(watched.look()) == "step 200 of 1,000, loss 0.5, 7 min left"
    now[0] = 500.0
    log(job, "0,299,0.5,\n")
    assert str(watched.look()) == "step 300 of 1,000, loss 0.5, 2 min left"


def test_lines_end_with_the_training(job: Any) -> None:
    told: list[tuple[str, str, bool]] = []
    heard = threading.Event()

    def tell(variant: str, what: str, passing: bool) -> None:
        told.append((variant, what, passing))
        heard.set()

    log(job, "0,19,0.5,\n")
    with watching(job, Teller(tell, 0.01)):
        assert heard.wait(10)
    assert told == [("s/spec/n20", "step 20 of 1,000, loss 0.5", True)]
    with watching(job, None):
        pass


@pytest.mark.parametrize(
    "seconds, trained, early",
    [(6.0, True, False), (6.1, True, True), (60.0, True, True), (60.0, False, False)],
)
def test_what_the_budget_will_end(job: Any, seconds: float, trained: bool, early: bool) -> None:
    assert foresight(job) == ""
    result: Any = SimpleNamespace(trained=trained, steps=10, seconds=seconds)
    remember_pace(job, result)
    assert bool(foresight(job)) is early
    if seconds == 60.0 and trained:
        assert foresight(job) == (
            "the budget of 10 min will end this training after some 100 of 1,000 steps, which take "
            "1.7 h at the pace of the last one; its errors then depend on the machine"
        )
