"""Trainings handed to engines: which engine gets what, and what becomes of their answers."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_mlff.datasets.dataset import Dataset
from pytest_mlff.datasets.frames import Frames
from pytest_mlff.datasets.splits import FrameSets, IndexSet
from pytest_mlff.errors import MlffError
from pytest_mlff.products import JSON, Entry, keep
from pytest_mlff.run.trainings import Wanted
from pytest_mlff.scheduling.engines import registry as engines
from pytest_mlff.scheduling.xdist.ahead import only_stored, train_all, will_run
from pytest_mlff.store import Store
from pytest_mlff.training.job import TrainingJob, training_job
from pytest_mlff.training.recipe import load_recipe
from pytest_mlff.training.runner import run_job
from pytest_mlff.training.trainers.registry import open_trainer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

TRAINER = """
def fit(fixture, config, out_dir):
    (out_dir / "weights").write_text(fixture.variant)
    return "weights"
"""


class At(Executor):
    """Runs a call at once, or whatever it is given to run instead."""

    def __init__(self, instead: Callable[[TrainingJob], Any] | None = None) -> None:
        self.jobs: list[TrainingJob] = []
        self.instead = instead

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        (job,) = args
        self.jobs.append(job)
        future: Future[Any] = Future()
        try:
            future.set_result((self.instead or fn)(job))
        except Exception as error:
            future.set_exception(error)
        return future


class Never(Executor):
    """Takes jobs and does none."""

    def __init__(self, future: Callable[[], Future[Any]]) -> None:
        self.future = future
        self.futures: list[Future[Any]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.futures.append(self.future())
        return self.futures[-1]


class JobFuture(Future[Any]):
    """As those of a cluster: its job goes on without anybody who waits."""

    job_id = "12_3"


@pytest.fixture
def options(tmp_path: Path) -> Any:
    return SimpleNamespace(engine="mine", store_dir=tmp_path / "store")


@pytest.fixture
def make(tmp_path: Path, options: Any) -> Callable[..., Wanted]:
    (tmp_path / "trainers.py").write_text(TRAINER)

    def wanted(count: int, resources: str = "{}") -> Wanted:
        path = tmp_path / f"recipe-{count}.yaml"
        path.write_text(
            "schema_version: 1\ntrainer: trainers.py:fit\nbudget: 5\nconfig: {}\n"
            f"resources: {resources}\n"
        )
        recipe = load_recipe(path)
        rng = np.random.default_rng(count)
        frames = Frames.of_one_molecule(
            np.array([8, 1, 1]),
            rng.normal(size=(count, 3, 3)),
            energy=rng.normal(size=count),
            forces=rng.normal(size=(count, 3, 3)),
        )
        dataset = Dataset("made", "water", frames, "none", None, "CC0", "memory", "0" * 64)
        chosen = IndexSet({"water": np.arange(count)}, {"water": dataset})
        sets = FrameSets(test=chosen, train=chosen)
        job = training_job(
            recipe,
            open_trainer(recipe),
            sets,
            store_root=options.store_dir,
            variant=f"s/spec/n{count}",
        )
        return Wanted(job, (f"s/spec/n{count}",))

    return wanted


def _train(
    wanted: Sequence[Wanted], options: Any, engine: Any, **more: Any
) -> tuple[dict[str, str], list[str]]:
    asked: list[str] = []

    def executors(name: str) -> Any:
        asked.append(name)
        return engine

    return train_all(wanted, options, executors=executors, **more), asked


def test_the_hook_is_asked_once_and_its_engine_gets_everything(
    options: Any, make: Callable[..., Wanted]
) -> None:
    wanted = [make(3), make(4, "{cpus: 2}"), make(5, "{minutes: 7}")]
    engine = At()
    failed, asked = _train(wanted, options, engine)
    assert failed == {}
    assert asked == ["mine"]
    assert engine.jobs == [one.job for one in wanted]


def test_an_option_of_the_engines_own_is_named_with_the_recipe(
    options: Any, make: Callable[..., Wanted]
) -> None:
    options.engine = "local"
    with pytest.raises(MlffError, match=r"recipe-3\.yaml: resources: extra: 'time' is not allowed"):
        train_all([make(3, "{extra: {time: 5}}")], options)


def test_recipes_with_other_resources_get_another_engine(
    options: Any, make: Callable[..., Wanted], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[Any, At]] = []

    def open_engine(name: str, *, resources: Any, **_: Any) -> At:
        assert name == "mine"
        opened.append((resources, At()))
        return opened[-1][1]

    monkeypatch.setattr(engines, "open_engine", open_engine)
    wanted = [make(3), make(4, "{cpus: 2}"), make(5), make(6, "{cpus: 2, minutes: 7}")]
    assert train_all(wanted, options) == {}
    seen = [(one.cpus, one.minutes, [len(job.train) for job in at.jobs]) for one, at in opened]
    assert seen == [(1, 60, [3, 5]), (2, 60, [4]), (2, 7, [6])]


def test_an_engine_without_a_context_will_do(options: Any, make: Callable[..., Wanted]) -> None:
    engine = SimpleNamespace(submit=At().submit)
    assert _train([make(3)], options, engine)[0] == {}


def test_each_failure_is_a_line_of_its_own(options: Any, make: Callable[..., Wanted]) -> None:
    wanted = [make(3), make(4), make(5)]

    def instead(job: TrainingJob) -> Any:
        if len(job.train) == 3:
            raise MlffError("the loss is NaN")
        if len(job.train) == 4:
            raise OSError("worker lost\nand gone")
        return run_job(job)

    failed, _ = _train(wanted, options, At(instead))
    assert failed == {
        wanted[0].job.digest: "the loss is NaN",
        wanted[1].job.digest: "s/spec/n4: engine mine: OSError: worker lost and gone",
    }


def test_an_engine_that_trains_into_another_store(
    options: Any, make: Callable[..., Wanted], tmp_path: Path
) -> None:
    one = make(3)
    failed, _ = _train(
        [one],
        options,
        At(lambda job: run_job(replace(job, store_root=tmp_path / "elsewhere"))),
        settle=0.0,
    )
    (line,) = failed.values()
    assert line.startswith("s/spec/n3: engine mine has trained it, but not into ")
    assert str(options.store_dir) in line


def test_a_store_that_shows_new_files_late(
    options: Any, make: Callable[..., Wanted], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_mlff.training import runner

    real, looks = runner.stored_result, []

    def late(job: TrainingJob) -> Any:
        looks.append(job)
        return None if len(looks) < 3 else real(job)

    one = make(3)
    run_job(one.job)
    monkeypatch.setattr(runner, "stored_result", late)
    assert _train([one], options, At(real), settle=30.0)[0] == {}
    assert len(looks) == 3


def test_what_an_engine_refuses_ends_the_run(options: Any, make: Callable[..., Wanted]) -> None:
    def submit(fn: Any, job: Any) -> Any:
        raise RuntimeError("the pool\nis closed")

    with pytest.raises(MlffError) as caught:
        _train([make(3)], options, SimpleNamespace(submit=submit))
    assert str(caught.value) == (
        "engine mine did not take a training: RuntimeError: the pool is closed"
    )


@pytest.mark.parametrize("kind", [Future, JobFuture])
def test_ctrl_c_leaves_jobs_and_begins_nothing_new(
    options: Any,
    make: Callable[..., Wanted],
    kind: type[Future[Any]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from pytest_mlff.scheduling.xdist import ahead

    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(ahead, "wait", interrupted)
    engine = Never(kind)
    with pytest.raises(KeyboardInterrupt):
        _train([make(3), make(4)], options, engine)
    said = capsys.readouterr().err
    if kind is JobFuture:
        assert not any(future.cancelled() for future in engine.futures)
        assert said == (
            "engine mine: 2 jobs go on, and the next run with this store waits for what it needs "
            f"(`mlff jobs --mlff-store={options.store_dir}` lists and cancels)\n"
        )
    else:
        assert all(future.cancelled() for future in engine.futures)
        assert said == ""


def test_processes_that_leave_training_to_an_engine(make: Callable[..., Wanted]) -> None:
    job = make(3).job
    with pytest.raises(MlffError) as caught:
        only_stored("slurm")(job)
    assert str(caught.value) == (
        "s/spec/n3: engine slurm has not trained it (`mlff jobs` lists its jobs)"
    )
    assert not job.folder.exists()
    keep(Store(job.store_root), Entry("failures", job.key, JSON), {"line": "the loss is NaN"})
    with pytest.raises(MlffError, match=r"^the loss is NaN$"):
        only_stored("slurm")(job)
    trained = run_job(job)
    assert only_stored("slurm")(job).sha256 == trained.sha256


@pytest.mark.parametrize(
    "change, expected",
    [
        ({}, True),
        ({"collectonly": True}, False),
        ({"setupplan": True}, False),
        ({"setuponly": True}, False),
        ({"showfixtures": True}, False),
        ({"show_fixtures_per_test": True}, False),
        ({"testsfailed": 1}, False),
        ({"testsfailed": 1, "continue_on_collection_errors": True}, True),
    ],
)
def test_only_what_is_going_to_be_run_is_trained_for(
    change: dict[str, Any], expected: bool
) -> None:
    names = ("collectonly", "setupplan", "setuponly", "showfixtures", "show_fixtures_per_test",
             "continue_on_collection_errors")  # fmt: skip
    option = SimpleNamespace(**{name: change.get(name, False) for name in names})
    session: Any = SimpleNamespace(
        config=SimpleNamespace(option=option), testsfailed=change.get("testsfailed", 0)
    )
    assert will_run(session) is expected
