"""Real xdist workers: groups stay together, nothing is lost, other modes are left alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.repos import CASES, SPEC, model_repo, verdicts

from pytest_mlff.run.needs import ProductName
from pytest_mlff.scheduling.xdist.durations import remember
from pytest_mlff.store import Store

if TYPE_CHECKING:
    from pytest import Pytester, RunResult

pytest.importorskip("xdist")

WHERE = """
import json, os, pytest

@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report):
    node = getattr(report, "node", None)
    if node is not None and report.when in ("setup", "???"):
        with open("where.jsonl", "a") as stream:
            stream.write(json.dumps([node.gateway.id, report.nodeid, report.when]) + "\\n")
"""
TWO = SPEC.replace("molecule: [ethanol]", "part: [98, 99]").replace(
    'variant: "{molecule}"', 'variant: "last{part}"'
)
TWO = TWO.replace('molecules: "{molecule}", start: 98', "molecules: ethanol, start: part")
LAW = """\
  - metric: net_force
    options: {examples: 1}
    thresholds: [{max: 1.0e+9, unit: "1", provenance: *limit}]
"""


@pytest.fixture
def repo(pytester: Pytester, monkeypatch: pytest.MonkeyPatch) -> Pytester:
    """A model repository with two variants of five cases."""
    model_repo(pytester, TWO)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    pytester.makeconftest(WHERE)
    return pytester


def run(pytester: Pytester, *arguments: str, model: str = "models.py:exact") -> RunResult:
    pytester.path.joinpath("where.jsonl").unlink(missing_ok=True)
    return pytester.runpytest_subprocess(
        f"--mlff-model={model}", "--mlff-suite=specs/small.yaml", "--mlff-report=report.json",
        *arguments, timeout=240,
    )  # fmt: skip


def where(pytester: Pytester) -> list[tuple[str, str, str]]:
    """Worker, item and phase, in the order of the reports."""
    text = (pytester.path / "where.jsonl").read_text(encoding="utf-8")
    return [tuple(json.loads(line)) for line in text.splitlines()]  # type: ignore[misc]


def workers_of(pytester: Pytester, word: str) -> set[str]:
    return {worker for worker, nodeid, _ in where(pytester) if word in nodeid}


def test_cases_of_one_test_set_stay_on_one_worker(repo: Pytester) -> None:
    result = run(repo, "-n2", "--mlff-only")
    result.assert_outcomes(passed=2 * CASES)
    # Both sets may stay with the worker that has the model open, if measuring takes no longer
    # than opening did; that others join in is held on a clock of our own in test_scheduler.
    assert {len(workers_of(repo, word)) for word in ("last98", "last99")} == {1}


def test_laws_spread_and_own_tests_run_alongside(repo: Pytester) -> None:
    (repo.path / "specs" / "small.yaml").write_text(TWO + LAW, encoding="utf-8")
    repo.makepyfile(
        "import pytest\n@pytest.mark.parametrize('k', range(30))\ndef test_own(k): pass\n"
    )
    result = run(repo, "-n2")
    result.assert_outcomes(passed=2 * CASES + 2 + 30)
    assert len(verdicts(repo.path / "report.json")) == 2 * CASES + 2
    # Runs of neighbours: 30 tests, at most four to each of the 8 runs.
    where_run = {int(nodeid.split("[")[1][:-1]): (worker, position)
                 for position, (worker, nodeid, _) in enumerate(where(repo))
                 if "test_own" in nodeid}  # fmt: skip
    for first in range(30):
        bounds = [30 * k // 8 for k in range(9)]
        if first + 1 in where_run and first + 1 not in bounds:
            assert where_run[first][0] == where_run[first + 1][0]
            assert where_run[first][1] < where_run[first + 1][1]


SHORT = """
import time, pytest

@pytest.mark.parametrize("k", range({}))
def test_short(k): time.sleep(0.1)
"""


def test_what_took_longest_starts_first(repo: Pytester) -> None:
    repo.makepyfile(test_a=SHORT.format(12), test_z="def test_long(): pass")
    store = Store(repo.path / ".mlff-store")
    remember(store, {ProductName("own", "test_a.py"): 0.1, ProductName("own", "test_z.py"): 3600.0})
    assert run(repo, "-n2").ret == 0
    (worker,) = workers_of(repo, "test_long")
    mine = [nodeid for one, nodeid, _ in where(repo) if one == worker]
    assert "test_long" in mine[0]
    assert len(where(repo)) == 2 * CASES + 13


KILLS = """
import os, signal
from pathlib import Path

def test_dies():
    if not Path("died").exists():
        Path("died").touch()
    os.kill(os.getpid(), signal.SIGKILL)

def test_after(): pass
"""


def test_a_killed_worker_is_reported_once_and_its_group_goes_on(repo: Pytester) -> None:
    repo.makepyfile(test_kills=KILLS, test_short=SHORT.format(8))
    result = run(repo, "-n2", "-v")
    result.assert_outcomes(passed=2 * CASES + 9, failed=1)
    assert result.ret == 1
    assert [nodeid for _, nodeid, when in where(repo) if when == "???"] == [
        "test_kills.py::test_dies"
    ]
    assert set(verdicts(repo.path / "report.json").values()) == {"passed"}


def test_a_model_that_kills_its_process_costs_the_cases_of_that_pass(repo: Pytester) -> None:
    models = repo.path / "models.py"
    models.write_text(
        models.read_text(encoding="utf-8") + "\n\nclass _DiesOnce(Knows):\n"
        "    def calculate(self, atoms=None, properties=None, system_changes=all_changes):\n"
        "        import os, signal\n"
        "        try:\n"
        "            os.close(os.open('died', os.O_CREAT | os.O_EXCL))\n"
        "        except FileExistsError:\n"
        "            return super().calculate(atoms, properties, system_changes)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "\n\ndef dies_once():\n    return _DiesOnce()\n",
        encoding="utf-8",
    )
    result = run(repo, "-n2", "--mlff-only", model="models.py:dies_once")
    found = sorted(verdicts(repo.path / "report.json").values())
    # The pass is not tried once per case: a model that hangs would hang as often.
    assert found == ["error"] * CASES + ["passed"] * CASES
    assert result.ret == 1


FAILS = """
import time, pytest

@pytest.mark.parametrize("k", range(60))
def test_fails(k):
    time.sleep(0.05)
    assert k % 3
"""


@pytest.mark.parametrize(
    "option, least", [pytest.param("-x", 1, marks=pytest.mark.slow), ("--maxfail=3", 3)]
)
def test_maxfail_ends_the_run_early(repo: Pytester, option: str, least: int) -> None:
    repo.makepyfile(FAILS)
    result = run(repo, "-n2", option)
    assert result.ret == 2
    ran = [nodeid for _, nodeid, _ in where(repo) if "test_fails" in nodeid]
    assert least <= len(ran) < 40
    assert "INTERNALERROR" not in result.stdout.str()
    assert len(verdicts(repo.path / "report.json")) == 2 * CASES


def test_fixtures_of_a_session_are_taken_down_and_heard(repo: Pytester) -> None:
    repo.makepyfile(
        test_it="""
        import pytest

        @pytest.fixture(scope="session")
        def shared():
            yield
            raise RuntimeError("could not be taken down")

        @pytest.fixture(scope="module")
        def module():
            yield
            open(f"down-{__name__}", "a").close()

        def test_one(shared, module): pass
        """
    )
    result = run(repo, "-n1")
    assert "could not be taken down" in result.stdout.str()
    assert "INTERNALERROR" not in result.stdout.str()
    assert result.ret == 1
    assert list(repo.path.glob("down-*"))


@pytest.mark.parametrize(
    "dist",
    [
        "loadfile",
        *(pytest.param(dist, marks=pytest.mark.slow) for dist in ("load", "worksteal", "each")),
    ],
)
def test_a_mode_of_ones_own_choice_is_respected(repo: Pytester, dist: str) -> None:
    result = run(repo, "-n2", f"--dist={dist}", "--mlff-only", "-v")
    assert result.ret == 0
    ours = "scheduling tests via GroupScheduling"
    assert (ours in result.stdout.str()) == (dist == "load")
    assert set(verdicts(repo.path / "report.json").values()) == {"passed"}


def test_without_a_model_xdist_is_left_alone(repo: Pytester) -> None:
    repo.makepyfile("def test_own(): pass")
    result = repo.runpytest_subprocess("-n2", "-v")
    assert result.ret == 0
    assert "via LoadScheduling" in result.stdout.str()
    assert not (repo.path / ".mlff-store").exists()


@pytest.mark.slow
def test_durations_are_remembered(repo: Pytester) -> None:
    repo.makepyfile(test_short=SHORT.format(2))
    for arguments in (("-n2",), ()):  # with workers and without
        run(repo, *arguments)
        (path,) = (repo.path / ".mlff-store").glob("durations/*/*.json")
        listed = dict(json.loads(path.read_text(encoding="utf-8"))["value"]["seconds"])
        assert 0.1 <= listed["own: test_short.py"] < 5.0
        assert sum(name.startswith("pass: models.py:exact") for name in listed) == 2


@pytest.mark.slow
def test_passes_are_as_many_as_test_sets(repo: Pytester, tiny_demo: str) -> None:
    result = run(repo, "-n2", "--mlff-only", model=tiny_demo)
    assert len(verdicts(repo.path / "report.json")) == 2 * CASES, result.stdout.str()
    assert len(list((repo.path / ".mlff-store").glob("predictions/*/*.npz"))) == 2
