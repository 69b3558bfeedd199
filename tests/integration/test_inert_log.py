"""What a model prints or raises is no workflow command, whatever stands in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.repos import SPEC, model_repo, run_case

if TYPE_CHECKING:
    from pytest import Pytester

SPEAKS = """

class Speaks(Knows):
    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        print("::error::said by a model")
        print("##[error]said by a model")
        raise ValueError("bad\\n::error file=a.py::said by a model")


def speaks():
    print("::add-mask::e", flush=True)
    return Speaks()
"""


def obeyed(lines: list[str]) -> list[str]:
    """Commands that GitHub would obey (actions/runner, ActionCommandManager)."""
    found, token = [], None
    for line in (line.lstrip() for line in lines):
        if token is not None:
            token = None if line == f"::{token}::" else token
        elif line.startswith("::stop-commands::"):
            token = line.removeprefix("::stop-commands::")
        elif line.startswith(("::", "##[")):
            found.append(line)
    assert token is None
    return found


@pytest.mark.parametrize("arguments", [("-v",), ("-q", "-rA"), ("-n2", "-s"), ("-s", "-x")])
def test_only_our_commands_are_obeyed(
    pytester: Pytester, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    root = model_repo(pytester, SPEC.replace("title: Last", 'title: "::error::of a spec" #'))
    with (root / "models.py").open("a") as stream:
        stream.write(SPEAKS)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    result = run_case(pytester, *arguments, model="models.py:speaks")
    assert result.ret == 1
    commands = obeyed(result.outlines)
    assert len(commands) == 1
    assert commands[0].startswith("::error ")
    assert "title=specs/small%3A" in commands[0]


def test_the_token_differs(pytester: Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    model_repo(pytester)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    tokens = set()
    for _ in range(2):
        lines = run_case(pytester, model="nowhere.ckpt").outlines
        tokens |= {line for line in lines if line.startswith("::stop-commands::")}
        assert obeyed(lines) == []
    assert len(tokens) == 2


def test_elsewhere_nothing_is_said(pytester: Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    model_repo(pytester)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    assert not [line for line in run_case(pytester).outlines if line.startswith("::")]
