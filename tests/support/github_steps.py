"""Runs the ``run:`` steps of a workflow or a composite action one by one, as GitHub would.

Expressions are looked up in a small table: one that is not in it fails the test, so a new
expression is met with a thought and not with an empty text.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

import pytest_mlff

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Done", "Machine", "parse_workflow", "read_workflow"]

_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")


def parse_workflow(text: str) -> dict[str, Any]:
    """A workflow or action; the key ``on`` stays text, as in YAML 1.2."""
    loader = type("Loader", (yaml.SafeLoader,), {})
    loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:bool"]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"true|false"), list("tf"))
    document: dict[str, Any] = yaml.load(text, loader)
    return document


def read_workflow(path: Path) -> dict[str, Any]:
    """`parse_workflow` of a file."""
    return parse_workflow(path.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Done:
    """What became of a step: exit code (None if skipped), output, summary."""

    name: str
    code: int | None
    output: str = ""
    summary: str = ""

    @property
    def commands(self) -> list[str]:
        """Lines that the runner would take for commands."""
        return [line for line in self.output.splitlines() if line.startswith("::")]


@dataclass
class Machine:
    """A machine with a workspace.

    Attributes
    ----------
    workspace, scratch : Path
        ``$GITHUB_WORKSPACE``; a folder for the runner's own files.
    known : mapping of str to str or callable
        Values of expressions; ``steps.ID.outputs.NAME`` is known by itself.
    uses : mapping of str to callable
        What an action (by name, without its version) does with its inputs.
    skipped : mapping of str to str
        Names of steps that are not run here, and the exact text that they must have.
    """

    workspace: Path
    scratch: Path
    known: Mapping[str, str | Callable[[], str]]
    uses: Mapping[str, Callable[[dict[str, str]], None]]
    skipped: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    failed: bool = False

    def value(self, text: Any) -> str:
        """A text with its expressions replaced."""
        return _EXPRESSION.sub(lambda found: self._expression(found[1]), str(text))

    def _expression(self, expression: str) -> str:
        found = re.fullmatch(r"steps\.(\w+)\.outputs\.(\w+)", expression)
        if found is not None:
            return self.outputs.get(found[1], {}).get(found[2], "")
        found = re.fullmatch(r"steps\.(\w+)\.outcome", expression)
        if found is not None:
            return self.outcomes.get(found[1], "skipped")
        known = self.known[expression]
        return known if isinstance(known, str) else known()

    def _wanted(self, step: Mapping[str, Any], environment: Mapping[str, str]) -> bool:
        """Conditions, as far as ours go: a conjunction of comparisons with a text."""
        condition = str(step.get("if", "success()"))
        wrapped = _EXPRESSION.fullmatch(condition)
        terms = [term.strip() for term in (wrapped[1] if wrapped else condition).split("&&")]
        if not any(term in ("always()", "!cancelled()", "success()") for term in terms):
            terms.append("success()")
        return all(self._term(term, environment) for term in terms)

    def _term(self, term: str, environment: Mapping[str, str]) -> bool:
        if term in ("always()", "!cancelled()"):
            return True
        if term == "success()":
            return not self.failed
        found = re.fullmatch(r"(\S+) (==|!=) (\S+)", term)
        assert found is not None, term
        left, right = (self._operand(name, environment) for name in (found[1], found[3]))
        return (left == right) == (found[2] == "==")

    def _operand(self, name: str, environment: Mapping[str, str]) -> str:
        if name.startswith("'"):
            return name.strip("'")
        return environment[name[4:]] if name.startswith("env.") else self._expression(name)

    def run(self, steps: list[dict[str, Any]], environment: Mapping[str, Any]) -> list[Done]:
        """Run steps in order; after a failure only those that ask for it."""
        shared = {key: self.value(text) for key, text in environment.items()}
        return [self._step(number, step, shared) for number, step in enumerate(steps)]

    def _step(self, number: int, step: dict[str, Any], shared: Mapping[str, str]) -> Done:
        name = step["name"]
        if not self._wanted(step, shared):
            return Done(name, None)
        if "uses" in step:
            action = step["uses"].partition("@")[0]
            self.uses[action]({key: self.value(text) for key, text in step["with"].items()})
            return Done(name, 0)
        if name in self.skipped:
            assert step["run"].strip() == self.skipped[name]
            return Done(name, None)
        own = {key: self.value(text) for key, text in step.get("env", {}).items()}
        return self._bash(number, step, {**shared, **own})

    def _bash(self, number: int, step: dict[str, Any], environment: Mapping[str, str]) -> Done:
        files = {name: self.scratch / f"{number}.{name}" for name in ("sh", "output", "summary")}
        files["sh"].write_text(step["run"], encoding="utf-8")
        files["output"].touch()
        shell = ["bash", "-e"]
        if step.get("shell") == "bash":
            shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail"]
        # What a runner has of its own; nothing of the tests' environment but what finds programs.
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "TMPDIR", "LANG")}
        done = subprocess.run(
            [*shell, str(files["sh"])],
            cwd=self.workspace / self.value(step.get("working-directory", ".")),
            env={
                **kept,
                "PATH": f"{self._python()}{os.pathsep}{kept['PATH']}",
                "OMP_NUM_THREADS": "1",
                "CI": "true",
                "GITHUB_ACTIONS": "true",
                "GITHUB_WORKSPACE": str(self.workspace),
                "GITHUB_OUTPUT": str(files["output"]),
                "GITHUB_STEP_SUMMARY": str(files["summary"]),
                **self.environment,
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        self.failed |= done.returncode != 0
        if "id" in step:
            self.outcomes[step["id"]] = "failure" if done.returncode else "success"
            lines = files["output"].read_text(encoding="utf-8").splitlines()
            self.outputs[step["id"]] = dict(line.split("=", 1) for line in lines)
        summary = files["summary"]
        text = summary.read_text(encoding="utf-8") if summary.exists() else ""
        return Done(step["name"], done.returncode, done.stdout + done.stderr, text)

    def _python(self) -> Path:
        """A folder with a ``python`` that is the one that runs the tests."""
        folder = self.scratch / "bin"
        folder.mkdir(exist_ok=True)
        script = folder / "python"
        here = Path(pytest_mlff.__file__).parents[1]
        lines = ("#!/bin/sh", f'PYTHONPATH="{here}" exec "{sys.executable}" "$@"', "")
        script.write_text("\n".join(lines), encoding="utf-8")
        script.chmod(0o755)
        return folder
