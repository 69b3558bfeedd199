"""CODEOWNERS lines of ``mlff init``: added, never replaced, and what the docs show."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_mlff.cli.init_owners import owners_file
from pytest_mlff.errors import MlffError

DOCS = Path(__file__).parents[2] / "docs" / "github.md"


def test_they_are_those_of_the_docs(tmp_path: Path) -> None:
    made = owners_file(tmp_path, "@ORG/TEAM")
    assert (made.name, made.state) == (".github/CODEOWNERS", "new")
    if not DOCS.exists():
        pytest.skip("the documentation is in the repository, not in the installed package")
    lines = made.content.decode().splitlines()
    assert lines[0].startswith("#")
    assert "\n".join(["```text", *lines[1:], "```"]) in DOCS.read_text(encoding="utf-8")


@pytest.mark.parametrize("before", [b"* @everyone", b"* @everyone\n", b"\xff @x\n"])
def test_what_is_there_stays(tmp_path: Path, before: bytes) -> None:
    (tmp_path / "CODEOWNERS").write_bytes(before)
    made = owners_file(tmp_path, "@me you@there.org")
    assert made.name == "CODEOWNERS"
    assert made.content.startswith(before)
    assert b"\n/specs/ @me you@there.org\n" in made.content
    made.path.write_bytes(made.content)
    assert owners_file(tmp_path, "@me you@there.org").state == "unchanged"


@pytest.mark.parametrize("owners", ["", "me", "@a b", "@a\n* @b", "@/x", "@a#"])
def test_an_owner_that_is_none(tmp_path: Path, owners: str) -> None:
    with pytest.raises(MlffError, match="--owners"):
        owners_file(tmp_path, owners)
