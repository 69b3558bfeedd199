"""The command line of a judged run: the rules' folder judges, and nothing beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_mlff.judge.run import Run

if TYPE_CHECKING:
    from pathlib import Path


def test_the_rules_alone_judge(tmp_path: Path) -> None:
    rules, empty = tmp_path / "rules", tmp_path / "empty.ini"
    rules.mkdir()
    run = Run(rules, ("card.yaml",), ("specs/own.YAML", "quick"), "b.json", tmp_path / "r.json")
    words = run.command(empty)
    # Python's -P: not even the working folder is searched for modules.
    assert words[1:4] == ["-P", "-m", "pytest"]
    assert words[words.index("-c") + 1] == str(empty)
    named = {word.partition("=")[0]: word.partition("=")[2] for word in words if "=" in word}
    assert (named["--rootdir"], named["--confcutdir"]) == (str(rules), str(rules))
    assert [word for word in words if word.startswith("--mlff-suite")] == [
        f"--mlff-suite={rules}/specs/own.YAML", "--mlff-suite=quick"
    ]  # fmt: skip
    assert named["--mlff-baseline"] == "b.json"
    assert words[4] == str(rules)
    assert "--mlff-only" in words
    # What the rules hold counts; with the repository's own tests pytest looks for them itself.
    (rules / "pytest.ini").write_text("")
    (rules / "b.json").write_text("{}")
    words = replace(run, own_tests=True).command(empty)
    assert words[4:6] == ["-c", str(rules / "pytest.ini")]
    assert f"--mlff-baseline={rules / 'b.json'}" in words
    assert "--mlff-only" not in words
