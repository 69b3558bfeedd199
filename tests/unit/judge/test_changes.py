"""What a pull request changes in its judge is found, named, and put in order."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.github_repos import git

from pytest_mlff.gate.baseline import Baseline, BaselineCase, save_baseline
from pytest_mlff.gate.records import Identity, KeptCase
from pytest_mlff.judge.changes import Judge, changes
from pytest_mlff.judge.edits import Edit, worst_first
from pytest_mlff.judge.settings import ini_file
from pytest_mlff.statistics.evidence import FrameSeries

if TYPE_CHECKING:
    from pathlib import Path

SPEC = """\
schema_version: 1
title: Errors of three molecules
source: {paper: made for this test, section: none}
datasets:
  embedded:
axes:
  molecule: [ethanol, aspirin, uracil]
variant: "{molecule}"
frames:
  test: {molecules: "{molecule}", start: 90}
margin: 0.02
cases:
  - metric: energy_mae
    thresholds:
      - {max: 1, unit: meV/atom, where: molecule == 'aspirin',
         provenance: &why {source: physical_limit, reference: made for this test}}
      - {max: 2, unit: meV/atom, provenance: *why}
  - metric: force_mae
    species: [all, each]
    thresholds:
      - {max: 5, unit: meV/Å, species: [C, H], provenance: *why}
      - {max: 9, unit: meV/Å, provenance: *why}
  - metric: rotation
    options: {examples: 10}
    thresholds: [{max: 1, unit: "1", provenance: *why}]
"""
JUDGE = Judge(("specs/first.yaml", "quick"), "baselines/model.json", ".github/workflows/mlff.yml")


def series(values: list[float]) -> FrameSeries:
    totals = np.array(values)
    return FrameSeries(totals, np.ones(len(totals)), np.arange(len(totals)), (len(totals),))


def entry(case_id: str, values: list[float], data: str = "d") -> BaselineCase:
    made = series(values)
    identity = Identity(data=data, spec="s", dtype="float64", unit="meV/Å")
    return BaselineCase(
        KeptCase(case_id, "force_mae", None, made.value, len(made), 9, identity, made), None
    )


def baseline(root: Path, cases: dict[str, BaselineCase]) -> None:
    (root / "baselines").mkdir(exist_ok=True)
    save_baseline(Baseline(root / "baselines" / "model.json", "model", cases))


FIRST = {"a/b/c/force_mae": entry("a/b/c/force_mae", [1.0, 2.0, 3.0, 2.0])}


@pytest.fixture
def branches(tmp_path: Path) -> tuple[Path, Path]:
    """A base branch and a request that changes nothing yet."""
    base, head = tmp_path / "base", tmp_path / "head"
    (base / "specs").mkdir(parents=True)
    (base / "specs" / "first.yaml").write_text(SPEC, encoding="utf-8")
    (base / "pytest.ini").write_text("[pytest]\naddopts = -q\nmlff_seed = 1\n")
    (base / "conftest.py").write_text("# nothing\n")
    (base / ".github" / "workflows").mkdir(parents=True)
    (base / ".github" / "workflows" / "mlff.yml").write_text("on: push\n")
    (base / "model.py").write_text("STRENGTH = 1\n")
    baseline(base, FIRST)
    shutil.copytree(base, head)
    return base, head


def told(branches: tuple[Path, Path]) -> list[str]:
    return [str(edit) for edit in changes(JUDGE, *branches)]


def test_a_request_that_leaves_its_judge_alone(branches: tuple[Path, Path]) -> None:
    (branches[1] / "model.py").write_text("STRENGTH = 2\n")
    (branches[1] / "README.md").write_text("A better model.")
    assert told(branches) == []


CARD = """\
model: model.py:make
capabilities: {stress: false}
known_violations:
  - {law: memory, reason: keeps what it saw}
"""


@pytest.mark.parametrize(
    "old, new, expected",
    [
        ("capabilities", "timeout: 5\nname: new\ncapabilities", []),
        ("known_violations:", "known_violations:\n  - {law: rotation, reason: none}",
         ["model card: card.yaml: known violation of rotation added: none"]),
        ("known_violations:\n  - {law: memory, reason: keeps what it saw}\n", "",
         ["stricter: card.yaml: known violation of memory removed"]),
        ("stress: false", "periodic: false",
         ["model card: card.yaml: capability periodic taken back",
          "stricter: card.yaml: capability stress added"]),
        ("capabilities", "level: B3LYP\ncapabilities",
         ["model card: card.yaml: level not stated → B3LYP"]),
    ],
)  # fmt: skip
def test_what_a_card_excuses_judges(
    branches: tuple[Path, Path], old: str, new: str, expected: list[str]
) -> None:
    base, head = branches
    judge = Judge(("quick",), models=("card.yaml",))
    (base / "card.yaml").write_text(CARD)
    (head / "card.yaml").write_text(CARD.replace(old, new))
    edits = changes(judge, base, head)
    assert [str(edit) for edit in edits] == expected
    assert [edit.grave for edit in edits] == ["model card" in one for one in expected]
    # A card that the base branch does not have brings excuses that nobody has accepted.
    (base / "card.yaml").unlink()
    (head / "card.yaml").write_text(CARD)
    assert all(edit.grave for edit in changes(judge, base, head))
    assert len(changes(judge, base, head)) == 2


@pytest.mark.parametrize(
    "old, new, expected",
    [
        ("max: 2,", "max: 4,",
         ["threshold loosened: specs/first.yaml: energy_mae: max 2 → 4 meV/atom "
          "(ethanol, uracil)"]),
        ("max: 1, unit: meV/atom", "max: 3, unit: meV/atom",
         ["threshold loosened: specs/first.yaml: energy_mae: max 1 → 3 meV/atom (aspirin)"]),
        ("max: 5,", "max: 50,",
         ["threshold loosened: specs/first.yaml: force_mae[C]: max 5 → 50 meV/Å "
          "(aspirin, ethanol, uracil)",
          "threshold loosened: specs/first.yaml: force_mae[H]: max 5 → 50 meV/Å "
          "(aspirin, ethanol, uracil)"]),
        # The same limit, by another rule: H is now one of those that nothing else names.
        ("species: [C, H]", "species: [C]",
         ["threshold loosened: specs/first.yaml: force_mae[H]: max 5 → 9 meV/Å "
          "(aspirin, ethanol, uracil)"]),
        ("where: molecule == 'aspirin'", "where: molecule == 'uracil'",
         ["threshold loosened: specs/first.yaml: energy_mae: max 1 → 2 meV/atom (aspirin)",
          "stricter: specs/first.yaml: energy_mae: max 2 → 1 meV/atom (uracil)"]),
        ("margin: 0.02", "margin: 0.2", ["margin widened: specs/first.yaml: margin 0.02 → 0.2"]),
        ("margin: 0.02\n", "", ["stricter: specs/first.yaml: margin 0.02 → 0.01"]),
        ("[ethanol, aspirin, uracil]", "[ethanol, aspirin]",
         ["case removed: specs/first.yaml: energy_mae: is gone (uracil)",
          "case removed: specs/first.yaml: force_mae: is gone (uracil)",
          "case removed: specs/first.yaml: force_mae[C]: is gone (uracil)",
          "case removed: specs/first.yaml: force_mae[H]: is gone (uracil)",
          "case removed: specs/first.yaml: force_mae[each]: is gone (uracil)",
          "case removed: specs/first.yaml: rotation: is gone (uracil)"]),
        ("species: [all, each]", "species: [each]",
         ["case removed: specs/first.yaml: force_mae: is gone (aspirin, ethanol, uracil)"]),
        ("examples: 10", "examples: 1",
         ["spec setting: specs/first.yaml: rotation: options examples=10 → examples=1 "
          "(aspirin, ethanol, uracil)"]),
        ("cases:", "seed: 7\ncases:", ["spec setting: specs/first.yaml: seed 0 → 7"]),
        ("cases:", "undecided_bound: 0.15\ncases:",
         ["spec setting: specs/first.yaml: undecided_bound 0.2 → 0.15"]),
        ("  embedded:\n", "  rmd17:\n  embedded:\n",
         ["dataset changed: specs/first.yaml: first dataset embedded → rmd17"]),
        ("title: Errors", "title: The errors", []),
        ("reference: made for this test}", "reference: said otherwise}", []),
        ("axes:", "axes: # of molecules", []),
        # What an anchor holds counts where it is named.
        ("margin: 0.02", "undecided_bound: &wide 0.15\nmargin: *wide",
         ["margin widened: specs/first.yaml: margin 0.02 → 0.15",
          "spec setting: specs/first.yaml: undecided_bound 0.2 → 0.15"]),
    ],
)  # fmt: skip
def test_edits_of_a_spec(
    branches: tuple[Path, Path], old: str, new: str, expected: list[str]
) -> None:
    assert old in SPEC
    (branches[1] / "specs" / "first.yaml").write_text(SPEC.replace(old, new), encoding="utf-8")
    assert told(branches) == expected


def test_other_frames(branches: tuple[Path, Path]) -> None:
    text = SPEC.replace("start: 90", "start: 80")
    (branches[1] / "specs" / "first.yaml").write_text(text, encoding="utf-8")
    found = changes(JUDGE, *branches)
    assert {edit.kind for edit in found} == {"frames changed"}
    assert "start=90.0" in found[0].what
    assert "start=80.0" in found[0].what


def test_other_data_under_the_same_name(branches: tuple[Path, Path]) -> None:
    text = SPEC.replace("  embedded:\n", "  mine: {path: water.npz, units: eV}\n")
    for root, content in zip(branches, (b"one", b"two"), strict=True):
        (root / "specs" / "first.yaml").write_text(text, encoding="utf-8")
        (root / "specs" / "water.npz").write_bytes(content)
    (one,) = changes(JUDGE, *branches)
    assert one.kind == "dataset changed"
    assert one.what.startswith("mine: content ")


def test_a_spec_that_is_gone_or_broken_or_was_never_there(branches: tuple[Path, Path]) -> None:
    base, head = branches
    (head / "specs" / "first.yaml").write_text("- nothing\n")
    (one,) = changes(JUDGE, base, head)
    assert (one.kind, one.grave) == ("case removed", True)
    assert "can no longer be read" in one.what
    (head / "specs" / "first.yaml").unlink()
    assert [str(edit) for edit in changes(JUDGE, base, head)] == [
        "case removed: specs/first.yaml: the spec is gone"
    ]
    (base / "specs" / "first.yaml").unlink()
    assert changes(JUDGE, base, head)[0].kind == "no judge"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("addopts = -q -k energy\nmlff_seed = 1",
         ["addopts: pytest.ini: addopts: '-q' → '-q -k energy'"]),
        ("addopts = -q --collect-only\nmlff_seed = 1",
         ["addopts: pytest.ini: addopts: '-q' → '-q --collect-only'"]),
        ("addopts = -q\nmlff_seed = 2", ["mlff setting: pytest.ini: mlff_seed: '1' → '2'"]),
        ("addopts = -q\nmlff_seed = 1\nmlff_accept_regression = it is faster",
         ["mlff setting: pytest.ini: mlff_accept_regression: not set → 'it is faster'"]),
        ("mlff_seed = 1", ["addopts: pytest.ini: addopts: '-q' → not set"]),
        ("addopts = -q\nmlff_seed = 1\nusefixtures = skipper",
         ["pytest setting: pytest.ini: usefixtures: not set → 'skipper'"]),
        ("# the same\naddopts =   -q\n\nmlff_seed = 1", []),
    ],
)  # fmt: skip
def test_edits_of_the_ini_file(branches: tuple[Path, Path], text: str, expected: list[str]) -> None:
    (branches[1] / "pytest.ini").write_text(f"[pytest]\n{text}\n")
    found = changes(JUDGE, *branches)
    assert [str(edit) for edit in found] == expected
    assert all(edit.grave for edit in found)


def test_an_ini_file_that_hides_another(branches: tuple[Path, Path]) -> None:
    """pytest takes the first; the other's settings are gone."""
    (branches[1] / "pytest.toml").write_text('[pytest]\nmlff_seed = "1"\n')
    assert told(branches) == ["addopts: pytest.toml: addopts: '-q' → not set"]


@pytest.mark.parametrize(
    "name, text",
    [
        ("pytest.ini", ""),
        ("tox.ini", "[pytest]\naddopts = -q\n"),
        ("setup.cfg", "[tool:pytest]\naddopts = -q\n"),
        ("pyproject.toml", "[tool.pytest.ini_options]\naddopts = '-q'\n"),
    ],
)
def test_the_ini_file_that_pytest_takes(pytester: pytest.Pytester, name: str, text: str) -> None:
    for other in ("tox.ini", "setup.cfg", "pyproject.toml"):
        (pytester.path / other).write_text("")
    (pytester.path / name).write_text(text)
    assert ini_file(pytester.path) == pytester.path / name
    config = pytester.parseconfig()
    assert config.inipath == pytester.path / name


@pytest.mark.parametrize(
    "name, what",
    [
        ("conftest.py", "is changed"),
        ("tests/conftest.py", "is new"),
        ("specs/conftest.py", "is new"),
    ],
)
def test_conftest_files(branches: tuple[Path, Path], name: str, what: str) -> None:
    path = branches[1] / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("def pytest_collection_modifyitems(items): del items[1:]\n")
    assert told(branches) == [f"conftest: {name}: {what}"]


@pytest.mark.parametrize(
    "name, text",
    [
        ("pyproject.toml", '[project.entry-points.pytest11]\nown = "own.plugin"\n'),
        ("pyproject.toml", '[tool.poetry.plugins.pytest11]\nown = "own.plugin"\n'),
        ("setup.cfg", "[options.entry_points]\npytest11 =\n    own = own.plugin\n"),
        ("setup.py", "setup(entry_points={'pytest11': ['own = own.plugin']})\n"),
        ("sitecustomize.py", "import pytest\n"),
    ],
)
def test_a_plugin_of_its_own(branches: tuple[Path, Path], name: str, text: str) -> None:
    base, head = branches
    (head / name).write_text(text)
    grave = [edit for edit in changes(JUDGE, base, head) if edit.grave]
    assert [edit.kind for edit in grave] == ["pytest plugin"]
    if name == "sitecustomize.py":
        return
    # Where both have it, its code judges; what is no part of the package does not.
    (base / name).write_text(text)
    for root in branches:
        (root / "src" / "own").mkdir(parents=True)
        (root / "src" / "own" / "plugin.py").write_text("")
    assert changes(JUDGE, base, head) == []
    (head / "src" / "own" / "plugin.py").write_text("import os\n")
    assert told(branches) == (
        [] if name == "setup.py" else ["pytest plugin: src/own/plugin.py: is changed"]
    )


def test_a_store_that_comes_with_the_request(branches: tuple[Path, Path]) -> None:
    base, head = branches
    judge = replace(JUDGE, store=".mlff-store")
    for root in branches:
        git(root, "init", "-q")
    (head / ".mlff-store").mkdir()
    (head / ".mlff-store" / "pass.npz").write_bytes(b"forged")
    assert changes(judge, base, head) == []  # restored from a cache, say
    git(head, "add", "--force", ".mlff-store")
    (one,) = changes(judge, base, head)
    assert (one.kind, one.where, one.grave) == ("store", ".mlff-store", True)


def test_the_workflow_and_the_environment(branches: tuple[Path, Path]) -> None:
    (branches[1] / ".github" / "workflows" / "mlff.yml").write_text("on: never\n")
    (branches[1] / "requirements.txt").write_text("torch\n")
    found = changes(JUDGE, *branches)
    assert [str(edit) for edit in found] == [
        "workflow: .github/workflows/mlff.yml: is changed",
        "environment: requirements.txt: is new",
    ]
    assert [edit.grave for edit in found] == [True, False]


CASE = "a/b/c/force_mae"


@pytest.mark.parametrize(
    "cases, expected, grave",
    [
        ({CASE: entry(CASE, [2.0, 4.0, 6.0, 4.0])}, "2 → 4 meV/Å", True),
        ({CASE: entry(CASE, [1.0, 1.5, 2.0, 1.5])}, "2 → 1.5 meV/Å", False),
        # Lower, and so noisy that no worsening would be seen.
        ({CASE: entry(CASE, [0.0, 0.0, 0.0, 7.6])}, "with a larger spread", True),
        ({CASE: entry(CASE, [2.0, 1.0, 2.0, 3.0])}, "per-frame values are others", True),
        ({CASE: entry(CASE, [1.0, 1.5, 2.0, 1.5], data="other")}, "2 → 1.5 meV/Å, ", True),
        ({}, "is gone", True),
    ],
)  # fmt: skip
def test_edits_of_the_baseline(
    branches: tuple[Path, Path], cases: dict[str, BaselineCase], expected: str, grave: bool
) -> None:
    baseline(branches[1], cases)
    (one,) = changes(JUDGE, *branches)
    assert one.grave == grave
    assert expected in one.what
    assert one.where == f"baselines/model.json: {CASE}"


def test_a_baseline_that_is_gone_broken_or_new(branches: tuple[Path, Path]) -> None:
    base, head = branches
    path = head / "baselines" / "model.json"
    path.write_text("{}")
    assert "can no longer be read" in told(branches)[0]
    path.unlink()
    assert told(branches) == ["baseline: baselines/model.json: is gone"]
    assert [edit.grave for edit in changes(JUDGE, head, base)] == [False]


def test_worst_first() -> None:
    edits = [
        Edit("environment", "requirements.txt", "is new"),
        Edit("conftest", "conftest.py", "is new"),
        Edit("threshold loosened", "a", "max 1 → 2", 2.0),
        Edit("threshold loosened", "b", "max 1 → 9", 9.0),
        Edit("addopts", "pytest.ini", "-k"),
        Edit("margin widened", "a", "0.01 → 0.2"),
    ]
    assert [edit.where for edit in worst_first(edits)] == [
        "b", "a", "a", "pytest.ini", "conftest.py", "requirements.txt"
    ]  # fmt: skip


def test_a_base_that_cannot_judge_is_no_judge(branches: tuple[Path, Path]) -> None:
    (branches[0] / "specs" / "first.yaml").write_text("[")
    (one,) = changes(JUDGE, *branches)
    assert (one.kind, one.grave) == ("no judge", True)


@pytest.mark.parametrize("limit, kind", [(0.8, "threshold loosened"), (0.95, "stricter")])
def test_a_smallest_acceptable_value(branches: tuple[Path, Path], limit: float, kind: str) -> None:
    """Where larger is better, the lower limit is the looser one."""
    for root, least in zip(branches, (0.9, limit), strict=True):
        text = SPEC + (
            "  - metric: soap_similarity\n"
            f"    thresholds: [{{min: {least}, unit: '1', provenance: *why}}]\n"
        )
        (root / "specs" / "first.yaml").write_text(text, encoding="utf-8")
    (one,) = changes(JUDGE, *branches)
    assert one.kind == kind
    assert one.what.startswith(f"min 0.9 → {limit} ")


@pytest.mark.parametrize("name", ["card.yml", "card.YAML"])
def test_a_card_is_one_by_any_of_its_suffixes(branches: tuple[Path, Path], name: str) -> None:
    base, head = branches
    (base / name).write_text("model: model.py:make\n")
    (head / name).write_text(CARD)
    edits = changes(Judge(("quick",), models=(name,)), base, head)
    assert sum(edit.grave for edit in edits) == 2
