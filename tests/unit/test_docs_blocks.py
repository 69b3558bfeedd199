"""Every block of README and docs is run, held to the parser that reads it, or says why not."""

from __future__ import annotations

import configparser
import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.docs_blocks import ROOT, Block, blocks, pages, shell_lines
from support.github_steps import parse_workflow
from support.sample_reports import saibench_report

from pytest_mlff.cli.main import build_parser
from pytest_mlff.datasets.record import DatasetRecord
from pytest_mlff.datasets.registry import open_dataset
from pytest_mlff.errors import MlffError
from pytest_mlff.potentials.card import load_card
from pytest_mlff.potentials.routed import read_windows
from pytest_mlff.reports.frame_table import csv_file
from pytest_mlff.reports.json_report import write_report
from pytest_mlff.specs import builtin_specs, load_spec
from pytest_mlff.specs.load import load_checked
from pytest_mlff.training.fixture import TrainingFixture
from pytest_mlff.training.recipe import load_recipe

if TYPE_CHECKING:
    from pathlib import Path

LANGUAGES = {"sh", "python", "yaml", "ini", "toml", "text"}
# The tutorial is typed as a whole by tests/integration/test_tutorial.py.
TUTORIAL = ROOT / "docs" / "tutorial.md"
ALL = [one for page in pages() if page != TUTORIAL for one in blocks(page)]
# A spec and a recipe that a page shows a part of.
SPEC = {
    "schema_version": 1,
    "title": "A part of a spec",
    "source": {"paper": "none", "section": "none"},
    "datasets": {"embedded": None},
    "variant": "all",
    "frames": {"test": {"molecules": "ethanol"}},
    "cases": [{"metric": "energy_mae"}],
}
RECIPE = {"schema_version": 1, "trainer": "nequip", "seed": 0, "budget": 1, "config": {}}


def _of(language: str, page: str = "") -> list[Block]:
    return [
        one for one in ALL
        if one.language == language and not one.mark and one.page.endswith(page)
    ]  # fmt: skip


@pytest.mark.parametrize("block", ALL, ids=str)
def test_it_has_a_language_and_its_mark_is_true(block: Block) -> None:
    assert block.language in LANGUAGES
    kind, _, rest = block.mark.partition(" ")
    if kind == "run":
        test = ROOT / rest.removeprefix("by ")
        assert block.page.rpartition("/")[2] in test.read_text(encoding="utf-8")
    elif kind == "not":
        assert len(rest.removeprefix("run: ")) > 10


def _options(config: pytest.Config) -> dict[str, Any]:
    """pytest's own options and ours, and of plugins that run here, as argparse has them."""
    groups = config._parser._groups  # type: ignore[attr-defined]
    found = [one for group in [*groups, config._parser._anonymous] for one in group.options]
    return {name: one.attrs() for one in found for name in one.names()}


def _pytest_words(words: list[str], options: dict[str, Any]) -> None:
    for word in words:
        name, given, value = word.partition("=")
        if name == "-n" or not name.startswith("-"):
            continue
        assert name in options, name
        if given and options[name].get("choices"):
            assert value in options[name]["choices"], word
        if name == "--mlff-suite" and not value.endswith(".yaml"):
            assert any(f"{spec}/".startswith(f"{value}/") for spec in builtin_specs()), word


@pytest.mark.parametrize("block", _of("sh"), ids=str)
def test_commands_are_those_of_our_parsers(block: Block, pytestconfig: pytest.Config) -> None:
    options = _options(pytestconfig)
    for line in shell_lines(block):
        for command in line.split("&&"):
            plain = re.sub(r"\$[A-Z]+", "7", command)
            program, *words = shlex.split(plain, comments=True) or ["", ""]
            if words[:3] == ["-P", "-m", "pytest_mlff.cli.main"]:
                program, words = "mlff", words[3:]
            if program.endswith("pytest"):
                _pytest_words(words, options)
            elif program == "mlff":
                build_parser().parse_args(words)  # SystemExit if it is wrong
            else:
                # Whatever else a page types is run by a test, or says why it is not.
                assert program in ("", "python3.11", ".venv-tests/bin/pip", "pip", "cp"), command


def test_options_and_commands_in_the_text_exist(pytestconfig: pytest.Config) -> None:
    options = set(_options(pytestconfig)) | {"--mlff-data"}
    rooms = build_parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    for page in pages():
        text = page.read_text(encoding="utf-8")
        assert set(re.findall(r"--mlff-[a-z-]*[a-z]", text)) <= options, page.name
        assert set(re.findall(r"`mlff ([a-z]+)", text)) <= set(rooms), page.name


@pytest.mark.parametrize("block", _of("ini"), ids=str)
def test_ini_keys_exist(block: Block, pytestconfig: pytest.Config) -> None:
    file = configparser.ConfigParser()
    file.read_string(block.text)
    assert set(file["pytest"]) <= set(pytestconfig._parser._inidict)  # type: ignore[attr-defined]


def _workflow(document: Any) -> None:
    """Inputs of our action and of our reusable workflow are declared there, and complete."""
    if not (ROOT / "action.yml").exists():
        pytest.skip("the action is in the repository, not in the source distribution")
    action = parse_workflow((ROOT / "action.yml").read_text(encoding="utf-8"))["inputs"]
    gate = ROOT / ".github" / "workflows" / "mlff-gate.yml"
    called = parse_workflow(gate.read_text(encoding="utf-8"))["on"]["workflow_call"]["inputs"]
    jobs = document["jobs"].values() if isinstance(document, dict) else [{"steps": document}]
    used = [one for job in jobs for one in (job, *job.get("steps", [])) if "uses" in one]
    ours = [one for one in used if one["uses"].startswith("OWNER/pytest_mlff")]
    assert ours
    for one in ours:
        inputs = called if one["uses"].endswith("mlff-gate.yml@REF") else action
        needed = {name for name, told in inputs.items() if told.get("required")}
        assert needed <= set(one["with"]) <= set(inputs)


def _written(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return path


def _check_yaml(text: str, folder: Path) -> None:
    document = parse_workflow(text)
    keys = set(document) if isinstance(document, dict) else {"jobs"}
    if "jobs" in keys:
        _workflow(document)
    elif "routed" in keys:
        (folder / "early_train.extxyz").touch()
        assert len(read_windows(_written(folder, "routed.yaml", document))) == 2
    elif keys & {"trainer", "stages", "resources"}:
        (folder / "nequip.yaml").write_text("{}")
        load_recipe(_written(folder, "recipe.yaml", {**RECIPE, **document}))
    elif "model" in keys:
        load_card(_written(folder, "card.yaml", document))
    elif "files" in keys:
        load_checked(_written(folder, "record.yaml", document), DatasetRecord)
    else:
        load_spec(_written(folder, "spec.yaml", {**SPEC, **document}))


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A folder of specs beside an environment of another family."""
    python = tmp_path / "envs" / "mace" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    (tmp_path / "specs").mkdir()
    return tmp_path / "specs"


@pytest.mark.parametrize("block", _of("yaml"), ids=str)
def test_yaml_is_read_by_its_reader(block: Block, repo: Path) -> None:
    _check_yaml(block.text, repo)


@pytest.mark.parametrize(
    "text",
    ["cases: [{metric: force_mea}]", "simulate: {ensemble: npt}", "resources: {cores: 2}",
     "jobs: {a: {steps: [{uses: OWNER/pytest_mlff@REF, with: {modle: x}}]}}",
     "{model: a.pt, pyhton: ../envs/mace}"],
)  # fmt: skip
def test_a_wrong_key_is_caught(text: str, repo: Path) -> None:
    with pytest.raises((MlffError, AssertionError)):
        _check_yaml(text, repo)


@pytest.mark.parametrize("line", ["pytest --mlff-modle=x", "mlff report", "curl x | sh"])
def test_a_wrong_command_is_caught(line: str, pytestconfig: pytest.Config) -> None:
    block = Block("docs/x.md", 1, "sh", line, "")
    with pytest.raises((AssertionError, SystemExit)):
        test_commands_are_those_of_our_parsers(block, pytestconfig)


# Python, page by page: names that a page takes for granted are given here.


def _run(page: str, names: dict[str, Any], *changes: tuple[str, str]) -> dict[str, Any]:
    found = _of("python", page)
    if not found:
        pytest.skip("the documentation is in the repository, not in the installed package")
    for block in found:
        text = block.text
        for old, new in changes:
            text = text.replace(old, new)
        exec(compile(text, str(block), "exec"), names)
    return names


def test_python_of_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    report = saibench_report()
    write_report(tmp_path / "mlff.json", report)
    (tmp_path / "cases.csv").write_text(csv_file(report), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert len(_run("docs/reports.md", {})["frame"]) == len(report.cases)


def test_python_of_training(tmp_path: Path) -> None:
    fit = _run("docs/training.md", {})["fit"]
    assert fit(None, {}, tmp_path) == tmp_path / "best.pth"
    named = set(re.findall(r"fixture\.(\w+)", fit.__doc__))
    assert named <= set(dir(TrainingFixture)) | set(TrainingFixture.__dataclass_fields__)


def test_python_of_simulation() -> None:
    pytest.importorskip("nequip")
    pytest.importorskip("lifelines")
    frames = open_dataset("embedded").load("ethanol").frames
    names: dict[str, Any] = {"frames": frames, "reference_frames": frames}
    # A shorter run of fewer replicas: what follows reads its trajectory all the same.
    shorter = [("steps=2000", "steps=60"), ("stride=20", "stride=5"), ("replicas=16", "replicas=4"),
               ("skip_ps=0.5", "skip_ps=0.01"), ("[found, others]", "[found, found]")]  # fmt: skip
    names = _run("docs/simulation.md", names, *shorter)
    assert names["trajectory"].positions.shape[1:] == (4, 9, 3)
    assert 0 < names["low"] <= names["mean"] <= names["high"]


def test_all_python_is_covered() -> None:
    by_a_test_here = {"docs/reports.md", "docs/training.md", "docs/simulation.md"}
    assert {block.page for block in _of("python")} == by_a_test_here
