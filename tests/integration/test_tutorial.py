"""docs/tutorial.md, typed command by command in a throw-away repository."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.docs_blocks import ROOT, Block, blocks, shell_lines
from support.github_repos import git, workflow
from support.github_steps import read_workflow
from support.repos import read_json

import pytest_mlff
from pytest_mlff.specs import load_spec

PAGE = ROOT / "docs" / "tutorial.md"
# Not needed to see the merge blocked: left to the nightly test.
LATER = ("--html", "--mlff-accept-regression")


@dataclass
class Reader:
    """Who reads the page and types what it says.

    Attributes
    ----------
    folder : Path
        Where the reader is.
    environment : dict of str to str
        Of a user with a name and no settings; ``mlff``, ``pytest`` and ``python`` are those of the
        interpreter that runs the tests.
    said : dict of str to str
        What each command said.
    """

    folder: Path
    environment: dict[str, str]
    said: dict[str, str] = field(default_factory=dict)

    def does(self, block: Block, last: str) -> str:
        """Type a block, or write the file that it shows; what the last command said."""
        if block.language == "sh":
            for line in shell_lines(block):
                last = self._types(line)
        elif block.language == "text":
            missing = [one for one in block.text.splitlines() if one not in last]
            assert not missing, f"{block}: {missing} is not in:\n{last}"
        else:
            name = "pytest.ini" if block.language == "ini" else block.text.split('"""')[1]
            (self.folder / name).write_text(block.text, encoding="utf-8")
        return last

    def _types(self, line: str) -> str:
        # The folder that the line ends in is the one that the next line begins in.
        done = subprocess.run(
            ["bash", "-e", "-c", f"trap 'pwd > {shlex.quote(self.environment['HOME'])}/at' EXIT; "
             f"{line.partition('    #')[0]}"],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        said = done.stdout + done.stderr
        expected = int(line.partition("# exit code ")[2] or 0)
        assert done.returncode == expected, f"{line}:\n{said}"
        self.folder = Path((Path(self.environment["HOME"]) / "at").read_text().strip())
        self.said[line] = said
        return said


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """A reader to whom the page has shown a red run."""
    if not PAGE.exists():
        pytest.skip("the documentation is in the repository, not in the installed package")
    home, programs = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("bin")
    modules = {"python": "", "pytest": "-m pytest", "mlff": "-m pytest_mlff.cli.main"}
    for name, module in modules.items():
        script = programs / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        script.chmod(0o755)
    person = {
        f"GIT_{who}_{what}": "t@example.org"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    environment = {
        **person,
        "HOME": str(home),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(pytest_mlff.__file__).parents[1]),
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "120",
    }
    one = Reader(tmp_path_factory.mktemp("work"), environment)
    last = ""
    for block in blocks(PAGE):
        if not any(word in block.text for word in LATER):
            last = one.does(block, last)
    return one


def test_every_command_of_the_first_three_steps(reader: Reader) -> None:
    # What a page says was compared on the way; here that it is the gate that it says.
    left = set(git(reader.folder, "status", "--porcelain").splitlines()) - {"?? __pycache__/"}
    assert left == {"?? mlff.json", "?? mlff.residuals.npz"}
    spec = load_spec(reader.folder / "specs" / "first.yaml")
    (limit, *_) = spec.cases[1].thresholds
    assert (limit.provenance.source, limit.provenance.seeds) == ("own_baseline", 1)
    cases = read_json(reader.folder / "mlff.json")["cases"]
    red = [case for case in cases if case["verdict"] == "regressed"]
    assert len(red) == 5
    assert all(case["value"] <= case["threshold"] for case in red)
    gate = read_workflow(reader.folder / ".github" / "workflows" / "mlff.yml")["jobs"]["gate"]
    assert gate["env"]["MLFF_SUITE"] == "specs/first.yaml"


@pytest.mark.slow
def test_the_pull_request_is_blocked_until_a_maintainer_takes_it(
    reader: Reader, tmp_path: Path
) -> None:
    base = git(reader.folder, "rev-parse", "main")
    done = workflow(reader.folder, tmp_path / "w", "pull_request", base)
    names = ("Base branch", "This branch", "This branch against the stored baseline")
    assert [done[name].code for name in names] == [0, 1, 1], done["This branch"].output
    for block in blocks(PAGE):
        if any(word in block.text for word in LATER):
            reader.does(block, "")
    assert reader.does(Block("", 0, "sh", "pytest", ""), "").count("passed")
