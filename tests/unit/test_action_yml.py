"""The action and the workflows hold together: what they use is declared, pinned and inert."""

from __future__ import annotations

import copy
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.github_steps import parse_workflow, read_workflow

import pytest_mlff
from pytest_mlff.plugin.options import add_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
TEMPLATE = Path(pytest_mlff.__file__).parent / "templates" / "init" / "mlff.yml"
ACTION = ROOT / "action.yml"
CI = ROOT / ".github" / "workflows" / "ci.yml"
GATE = ROOT / ".github" / "workflows" / "mlff-gate.yml"

pytestmark = pytest.mark.skipif(
    not ACTION.exists(), reason="the action is in the repository, not in the installed package"
)

_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_DEFAULT_BRANCH = "github.ref_name == github.event.repository.default_branch"
_ACTIONS = "checkout|setup-python|cache/restore|cache/save|upload-artifact|download-artifact"
_PINNED = re.compile(rf"actions/({_ACTIONS})@v[0-9]+|\./")


def _texts(
    value: Any, at: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*at, index))
    else:
        yield at, str(value)


def _expressions(value: Any) -> list[str]:
    """Everything that GitHub evaluates: ``${{ }}``, and all of an ``if``."""
    found = []
    for at, text in _texts(value):
        found += _EXPRESSION.findall(text) or ([text] if at and at[-1] == "if" else [])
    return found


def _step_problems(steps: list[dict[str, Any]], *, composite: bool) -> list[str]:
    problems = []
    ids: set[str] = set()
    for number, step in enumerate(steps):
        name = step.get("name", step.get("uses", number))
        if ("uses" in step) == ("run" in step):
            problems.append(f"{name}: either uses or run")
        if "cache/save" in step.get("uses", "") and _DEFAULT_BRANCH not in str(step.get("if")):
            problems.append(f"{name}: pull requests fill the store of others")
        if "uses" in step and not _PINNED.fullmatch(step["uses"]):
            problems.append(f"{name}: not pinned to a major version of a known action")
        if "run" in step:
            # Whoever writes the value would write the script.
            if "${{" in step["run"]:
                problems.append(f"{name}: an expression within run")
            if composite and step.get("shell") != "bash":
                problems.append(f"{name}: a composite action must name its shell")
            if subprocess.run(["bash", "-n"], input=step["run"], text=True, check=False).returncode:
                problems.append(f"{name}: not bash")
        for expression in _expressions(step):
            problems += [
                f"{name}: no step before it has the id {used}"
                for used in re.findall(r"\bsteps\.(\w+)\.", expression)
                if used not in ids
            ]
        for variable in re.findall(r"\benv\.(\w+)", " ".join(_expressions(step))):
            if variable not in step.get("env", {}) and not variable.startswith("MLFF_"):
                problems.append(f"{name}: env.{variable} comes from nowhere")
        if "id" in step:
            if step["id"] in ids:
                problems.append(f"{name}: id {step['id']} is taken")
            ids.add(step["id"])
    return problems


def _input_problems(document: dict[str, Any], declared: dict[str, Any]) -> list[str]:
    used = set(re.findall(r"\binputs\.([\w-]+)", " ".join(_expressions(document))))
    problems = [f"input {name} is used and not declared" for name in sorted(used - set(declared))]
    problems += [f"input {name} is declared and not used" for name in sorted(set(declared) - used)]
    for name, told in declared.items():
        if not told.get("description"):
            problems.append(f"input {name} has no description")
        if ("default" in told) == (told.get("required") is True):
            problems.append(f"input {name} is either required or has a default")
    return problems


def action_problems(document: dict[str, Any]) -> list[str]:
    """What is wrong with a composite action."""
    problems = [f"no {key}" for key in ("name", "description", "inputs", "outputs", "runs")
                if not document.get(key)]  # fmt: skip
    if document["runs"].get("using") != "composite":
        problems.append("not composite")
    steps = document["runs"]["steps"]
    problems += _step_problems(steps, composite=True)
    ids = {step.get("id") for step in steps}
    for name, told in document["outputs"].items():
        problems += [
            f"output {name} comes from no step"
            for used in re.findall(r"steps\.(\w+)\.", told["value"])
            if used not in ids
        ]
    if not any("always()" in str(step.get("if")) and "upload-artifact" in step.get("uses", "")
               for step in steps):  # fmt: skip
        problems.append("the reports of a red run are not kept")
    return problems + _input_problems(document, document["inputs"])


def workflow_problems(document: dict[str, Any]) -> list[str]:
    """What is wrong with a workflow."""
    problems = [f"no {key}" for key in ("name", "on", "permissions", "jobs") if key not in document]
    if document.get("permissions") != {"contents": "read"}:
        problems.append("may do more than read")
    triggers = document.get("on") or {}
    if "pull_request_target" in triggers:
        problems.append("runs a stranger's code with the repository's rights")
    for name, job in document["jobs"].items():
        if not isinstance(job.get("timeout-minutes"), int):
            problems.append(f"{name}: runs for ever")
        if job.get("runs-on") != "ubuntu-latest":
            problems.append(f"{name}: runs nowhere")
        if "permissions" in job and (
            job["permissions"] != {"pull-requests": "write"}
            or any("checkout" in step.get("uses", "") for step in job["steps"])
        ):
            problems.append(f"{name}: rights beside code of the request")
        problems += _step_problems(job["steps"], composite=False)
        variables = re.findall(r"\benv\.(MLFF_\w+)", " ".join(_expressions(job["steps"])))
        problems += [f"{name}: no {one}" for one in variables if one not in job.get("env", {})]
        for step in job["steps"]:
            checks_out = str(step.get("uses", "")).startswith("actions/checkout@")
            if checks_out and step.get("with", {}).get("persist-credentials") is not False:
                problems.append(f"{name}: the token stays where the tested code can read it")
    called = triggers.get("workflow_call") if isinstance(triggers, dict) else None
    declared = (called or {}).get("inputs", {})
    return problems + _input_problems(document["jobs"], declared)


def test_the_action_is_sound() -> None:
    assert action_problems(read_workflow(ACTION)) == []


@pytest.mark.parametrize("path", [CI, GATE, TEMPLATE], ids=lambda path: path.name)
def test_the_workflows_are_sound(path: Path) -> None:
    assert workflow_problems(_filled(path)) == []


def _filled(path: Path) -> dict[str, Any]:
    """A workflow; the template with its placeholders as texts."""
    text = path.read_text(encoding="utf-8")
    return parse_workflow(re.sub(r"@[A-Z]+@", '"x"', text) if path == TEMPLATE else text)


def _step(document: dict[str, Any], name: str) -> dict[str, Any]:
    steps = document["runs"]["steps"] if "runs" in document else document["jobs"]["gate"]["steps"]
    return next(step for step in steps if step["name"] == name)


def _undeclared(document: dict[str, Any]) -> None:
    _step(document, "Test the model")["env"]["MLFF_MODEL"] = "${{ inputs.modle }}"


def _interpolated(document: dict[str, Any]) -> None:
    _step(document, "Test the model")["run"] += '\npytest --mlff-model="${{ inputs.model }}"'


def _no_such_step(document: dict[str, Any]) -> None:
    _step(document, "Keep the reports")["with"]["path"] = "${{ steps.rum.outputs.stem }}"


def _no_such_step_in_a_condition(document: dict[str, Any]) -> None:
    _step(document, "Keep the reports")["if"] = "always() && steps.rum.outputs.stem != ''"


def _unpinned(document: dict[str, Any]) -> None:
    _step(document, "Set up Python")["uses"] = "actions/setup-python@main"


def _stranger(document: dict[str, Any]) -> None:
    _step(document, "Set up Python")["uses"] = "somebody/setup-python@v5"


def _no_shell(document: dict[str, Any]) -> None:
    del _step(document, "Install")["shell"]


def _not_bash(document: dict[str, Any]) -> None:
    _step(document, "Install")["run"] = "if true; then"


def _unused(document: dict[str, Any]) -> None:
    document["inputs"]["colour"] = {"description": "Of the report.", "default": "red"}


def _output_from_nowhere(document: dict[str, Any]) -> None:
    document["outputs"]["verdict"]["value"] = "${{ steps.rum.outputs.verdict }}"


def _requests_fill_the_store(document: dict[str, Any]) -> None:
    del _step(document, "Save what is expensive")["if"]


def _green_alone_is_kept(document: dict[str, Any]) -> None:
    _step(document, "Keep the reports")["if"] = "steps.run.outputs.stem != ''"


@pytest.mark.parametrize(
    "spoil",
    [_undeclared, _interpolated, _no_such_step, _no_such_step_in_a_condition, _unpinned, _stranger,
     _no_shell, _not_bash, _unused, _output_from_nowhere, _green_alone_is_kept,
     _requests_fill_the_store],
)  # fmt: skip
def test_a_spoilt_action_is_caught(spoil: Callable[[dict[str, Any]], None]) -> None:
    document = copy.deepcopy(read_workflow(ACTION))
    spoil(document)
    assert len(action_problems(document)) >= 1


def _may_write(document: dict[str, Any]) -> None:
    document["permissions"] = {"contents": "write"}


def _all_permissions(document: dict[str, Any]) -> None:
    del document["permissions"]


def _target(document: dict[str, Any]) -> None:
    document["on"]["pull_request_target"] = None


def _for_ever(document: dict[str, Any]) -> None:
    del document["jobs"]["gate"]["timeout-minutes"]


def _title_of_the_request(document: dict[str, Any]) -> None:
    _step(document, "This branch")["run"] += "\necho ${{ github.event.pull_request.title }}"


def _base_after_head(document: dict[str, Any]) -> None:
    steps = document["jobs"]["gate"]["steps"]
    steps.append(steps.pop(steps.index(_step(document, "Base branch"))))


def _variable_from_nowhere(document: dict[str, Any]) -> None:
    del document["jobs"]["gate"]["env"]["MLFF_BASELINE"]


def _token(document: dict[str, Any]) -> None:
    del _step(document, "Check out")["with"]["persist-credentials"]


def _rights_beside_the_request(document: dict[str, Any]) -> None:
    document["jobs"]["gate"]["permissions"] = {"pull-requests": "write"}


def _comment_may_push(document: dict[str, Any]) -> None:
    document["jobs"]["comment"]["permissions"] = {"contents": "write"}


@pytest.mark.parametrize(
    "spoil",
    [_rights_beside_the_request, _comment_may_push,
     _may_write, _all_permissions, _target, _for_ever, _title_of_the_request, _base_after_head,
     _variable_from_nowhere, _token],
)  # fmt: skip
def test_a_spoilt_workflow_is_caught(spoil: Callable[[dict[str, Any]], None]) -> None:
    document = copy.deepcopy(_filled(TEMPLATE))
    spoil(document)
    assert len(workflow_problems(document)) >= 1


def test_the_reusable_workflow_and_the_template_have_the_same_steps() -> None:
    def steps(path: Path) -> str:
        text = path.read_text(encoding="utf-8")
        return text[text.index("    steps:\n") :].partition("\n  # Off unless")[0].rstrip()

    assert steps(GATE) == steps(TEMPLATE)


def test_every_option_that_is_used_exists() -> None:
    known: set[str] = {"--junitxml"}

    class Parser:
        def addini(self, *_arguments: Any, **_settings: Any) -> None: ...

        def getgroup(self, *_arguments: Any) -> Parser:
            return self

        def addoption(self, name: str, **_settings: Any) -> None:
            known.add(name)

    add_options(Parser())  # type: ignore[arg-type]
    for path in (ACTION, GATE, TEMPLATE, CI):
        used = set(re.findall(r"--mlff-[a-z-]*[a-z]|--junitxml", path.read_text(encoding="utf-8")))
        assert used <= known, path.name
        assert used or path == CI


def test_ci_runs_what_contributors_run() -> None:
    runs = [step.get("run", "") for job in read_workflow(CI)["jobs"].values()
            for step in job["steps"]]  # fmt: skip
    assert any(".ci/run" in text for text in runs)
    assert any("tox run -e lint,types" in text for text in runs)
    versions = {
        str(step["with"]["python-version"])
        for job in read_workflow(CI)["jobs"].values()
        for step in job["steps"]
        if "setup-python" in step.get("uses", "")
    }
    assert versions == {"3.11"}
