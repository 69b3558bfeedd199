"""The base branch judges: a pull request that edits its judge is red, and the summary says where.

Each request brings a model that is worse than the base branch's, and what would excuse it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.gated import MODELS, SPEC
from support.github_repos import commit, empty_repository, git, workflow
from support.repos import SUPPORT

from pytest_mlff.cli.init import workflow_text

if TYPE_CHECKING:
    from pathlib import Path

    from support.github_steps import Done

CHANGES = "What this branch changes in its judge"
ACCEPT = "Changes in the judge wait for a maintainer"
RUNS = ("Base branch", "This branch", "This branch against the stored baseline")
MODEL = "\n\ndef make():\n    return base()\n"
SUITE = "specs/small.yaml"
BASELINE = "baselines/make.json"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A repository with a model, a spec, a baseline and the workflow; its first commit."""
    import subprocess
    import sys

    repo = empty_repository(tmp_path_factory.mktemp("judged") / "repo")
    text = (SUPPORT / "models.py").read_text(encoding="utf-8")
    (repo / "model.py").write_text(text + MODELS + MODEL, encoding="utf-8")
    for name in ("specs", "baselines", ".github/workflows"):
        (repo / name).mkdir(parents=True)
    (repo / SUITE).write_text(SPEC.replace("cases:", "margin: 0.01\ncases:"), encoding="utf-8")
    (repo / "pytest.ini").write_text("[pytest]\naddopts = -q\n")
    (repo / "conftest.py").write_text("")
    (repo / ".gitignore").write_text("__pycache__\n.mlff-store\n.pytest_cache\n.hypothesis\n")
    written = workflow_text("model.py:make", SUITE, BASELINE, "pytest-mlff", "main")
    (repo / ".github" / "workflows" / "mlff.yml").write_text(written, encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "pytest", "--mlff-only", "--mlff-model=model.py:make",
         f"--mlff-suite={SUITE}", f"--mlff-baseline={BASELINE}", "--mlff-update-baseline"],
        cwd=repo, check=True, capture_output=True,
    )  # fmt: skip
    return repo, commit(repo, "begin")


def request(repository: tuple[Path, str], branch: str, *edits: tuple[str, str, str]) -> str:
    """A commit on top of the base; each edit replaces text of a file, or appends to it."""
    repo, base = repository
    git(repo, "checkout", "-q", "-B", branch, base)
    for name, old, new in edits:
        path = repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        assert old in text
        path.write_text(text.replace(old, new) if old else text + new, encoding="utf-8")
    return commit(repo, branch)


WORSE = ("model.py", "return base()", "return worse()")


def red(done: dict[str, Done]) -> dict[str, int | None]:
    return {name: one.code for name, one in done.items() if one.code not in (0, None)}


EDITS = {
    "threshold": ((SUITE, "max: 100, unit: meV/Å", "max: 900, unit: meV/Å"),
                  "**threshold loosened** | <code>specs/small.yaml&#58; force&#95;mae"),
    "margin": ((SUITE, "margin: 0.01", "margin: 0.2"), "**margin widened**"),
    "case": ((SUITE, "species: [all, each]", "species: [all]"), "**case removed**"),
    "k": (("pytest.ini", "-q", "-q -k energy"), "**addopts**"),
    "collect": (("pytest.ini", "-q", "-q --collect-only"), "**addopts**"),
    "accept": (("pytest.ini", "", "mlff_accept_regression = it is faster\n"), "**mlff setting**"),
    "conftest": (("conftest.py", "", "def pytest_collection_modifyitems(items): items.clear()\n"),
                 "**conftest** | <code>conftest.py"),
    "exit": (("tests/conftest.py", "", "import os\nos._exit(0)\n"), "**conftest**"),
    "plugin": (("pyproject.toml", "", '[project.entry-points.pytest11]\nown = "own"\n'),
               "**pytest plugin**"),
    "start": (("sitecustomize.py", "", "import pytest\n"), "**pytest plugin**"),
    "baseline": ((BASELINE, '"schema_version": 2', '"schema_version":  2'), "**baseline**"),
    "workflow": ((".github/workflows/mlff.yml", "minutes: 60", "minutes: 61"), "**workflow**"),
}  # fmt: skip
"""Each edit with what the summary has to say."""


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_of_the_judge_is_named_and_red(
    repository: tuple[Path, str], tmp_path: Path, name: str
) -> None:
    repo, base = repository
    edit, named = EDITS[name]
    head = request(repository, "edited", edit)
    done = workflow(repo, tmp_path / "w", "pull_request", base, head, without=RUNS)
    assert named in done[CHANGES].summary
    assert "red until a maintainer accepts it" in done[CHANGES].summary
    (error,) = done[CHANGES].commands
    assert error.startswith("::error title=mlff::the pull request changes its judge")
    assert red(done) == {ACCEPT: 1}
    done = workflow(repo, tmp_path / "a", "pull_request", base, head, without=RUNS, accepted=True)
    assert named in done[CHANGES].summary
    assert red(done) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["threshold", "k", "exit"])
def test_the_base_branch_has_judged_all_the_same(
    repository: tuple[Path, str], tmp_path: Path, name: str
) -> None:
    repo, base = repository
    head = request(repository, "excused", WORSE, EDITS[name][0])
    done = workflow(repo, tmp_path / "w", "pull_request", base, head)
    assert red(done) == {"This branch": 1, RUNS[2]: 1, ACCEPT: 1}, done["This branch"].output
    report = json.loads((tmp_path / "w" / "mlff-reports" / "mlff.json").read_text())
    assert (report["run"]["collected"], report["run"]["deselected"]) == (5, 0)
    assert {case["verdict"] for case in report["cases"]} == {"regressed"}
    assert done["This branch"].summary.startswith("## May this force field be merged? No.")


@pytest.mark.slow
def test_a_request_that_leaves_its_judge_alone_is_green(
    repository: tuple[Path, str], tmp_path: Path
) -> None:
    repo, base = repository
    head = request(
        repository,
        "harmless",
        ("README.md", "", "More words."),
        (SUITE, "title: Last", "title: All"),
    )
    done = workflow(repo, tmp_path / "w", "pull_request", base, head)
    assert red(done) == {}, done["This branch"].output
    assert "changes nothing in its judge" in done[CHANGES].summary
    assert done["This branch"].summary.startswith("## May this force field be merged? Yes.")
    assert done["This branch by its own rules"].code is None
    # The log is closed to commands from its first line to its last.
    lines = done["This branch"].output.splitlines()
    begin = next(line for line in lines if line.startswith("::stop-commands::"))
    assert f"::{begin.rpartition('::')[2]}::" in lines


@pytest.mark.slow
def test_a_stricter_request_is_judged_by_its_own_rules_too(
    repository: tuple[Path, str], tmp_path: Path
) -> None:
    repo, base = repository
    head = request(
        repository, "stricter", (SUITE, "max: 100, unit: meV/Å", "max: 0.1, unit: meV/Å")
    )
    done = workflow(repo, tmp_path / "w", "pull_request", base, head)
    assert "no fault" in done[CHANGES].summary
    assert red(done) == {"This branch by its own rules": 1}


@pytest.mark.slow
def test_a_maintainer_accepts_by_a_label(repository: tuple[Path, str], tmp_path: Path) -> None:
    repo, base = repository
    edit = (SUITE, "max: 100, unit: meV/Å", "max: 900, unit: meV/Å")
    head = request(repository, "looser", edit)
    done = workflow(repo, tmp_path / "red", "pull_request", base, head)
    assert red(done) == {ACCEPT: 1}
    done = workflow(repo, tmp_path / "green", "pull_request", base, head, accepted=True)
    assert red(done) == {}
    assert "**threshold loosened**" in done[CHANGES].summary
    assert ": accepted" in done[CHANGES].summary
    report = json.loads((tmp_path / "green" / "mlff-reports" / "mlff.json").read_text())
    assert {case["threshold"] for case in report["cases"]} == {100.0, 900.0}


@pytest.mark.slow
def test_code_beside_the_model_is_no_part_of_the_judge(
    repository: tuple[Path, str], tmp_path: Path
) -> None:
    """Files that python would find first in the working folder."""
    repo, base = repository
    trap = "import os\nos._exit(0)\n"
    edits = [(f"{name}.py", "", trap) for name in ("pytest", "yaml", "sitecustomize", "hashlib")]
    head = request(repository, "trap", WORSE, *edits)
    done = workflow(repo, tmp_path / "w", "pull_request", base, head)
    assert red(done) == {"This branch": 1, RUNS[2]: 1}, done["This branch"].output


@pytest.mark.slow
@pytest.mark.parametrize("where", ["load", "call"])
def test_a_model_that_ends_the_process_is_no_pass(
    repository: tuple[Path, str], tmp_path: Path, where: str
) -> None:
    repo, base = repository
    quit_ = "__import__('os')._exit(0)"
    new = f"{quit_}\n    return base()" if where == "load" else "return base()"
    edits = [("model.py", "return base()", new)]
    if where == "call":
        edits = [("model.py", "        number = self", f"        {quit_}\n        number = self")]
    head = request(repository, f"exit-{where}", *edits)
    done = workflow(repo, tmp_path / "w", "pull_request", base, head)
    assert done["This branch"].code not in (0, None)
    assert "? Yes" not in done["This branch"].summary
