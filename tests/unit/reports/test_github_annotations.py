"""The annotations of a run on GitHub."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.github_reports import decoded, failed, record, report

from pytest_mlff.reports.github import Place, annotation_lines
from pytest_mlff.reports.github.escape import command

if TYPE_CHECKING:
    from pytest_mlff.reports.model import CaseRecord


@given(st.text(max_size=60), st.text(min_size=1, max_size=60))
def test_commands_come_back_as_they_were(message: str, title: str) -> None:
    for end in "\v\f\x1c\x1d\x1e\x85\u2028\u2029":  # "." takes them, the runner's line end does not
        message, title = message.replace(end, ""), title.replace(end, "")
    name, properties, text = decoded(command("error", message, title=title, line=3))
    assert (name, properties, text) == ("error", {"title": title, "line": "3"}, message)


def test_a_message_cannot_start_another_command() -> None:
    made = report(failed(reason="x\n::stop-commands::y\r::add-mask::z, a:b"))
    (line,) = annotation_lines(made, lambda _: Place("a,b:c.yaml", 7))
    _, properties, message = decoded(line)
    assert properties["file"] == "a,b:c.yaml"
    assert "x ::stop-commands::y ::add-mask::z, a:b" in message


def test_one_for_each_red_spec_at_its_worst_case() -> None:
    cases = [
        *(failed(n, spec="p", case_id=f"s/p/v{n}/force_mae") for n in range(7)),
        record(spec="p"),
        record(spec="green"),
        record(spec="q", suite="t", case_id="t/q/v/energy_mae", verdict="error", value=None),
    ]
    asked: list[str] = []

    def locate(one: CaseRecord) -> Place | None:
        asked.append(one.case_id)
        return Place("specs/p.yaml", 12) if one.spec == "p" else None

    lines = [decoded(line) for line in annotation_lines(report(*cases), locate)]
    assert asked == ["t/q/v/energy_mae", "s/p/v6/force_mae"]
    assert lines[0][1] == {"title": "t/q: 1 of 1 cases is red"}
    assert lines[1][1] == {
        "file": "specs/p.yaml", "line": "12", "title": "s/p: 7 of 8 cases are red"
    }  # fmt: skip
    told = lines[1][2].splitlines()
    assert told[0] == "s/p/v6/force_mae: failed: above; 95 % interval 40 – 42.5 meV/Å"
    assert told[-1] == "and 2 more red cases of this spec"


@pytest.mark.parametrize(
    "specs, last", [(10, None), (11, "1 more spec is red"), (25, "15 more specs are red")]
)
def test_github_shows_ten(specs: int, last: str | None) -> None:
    made = report(*(failed(n, spec=f"p{n}") for n in range(specs)))
    lines = [decoded(line) for line in annotation_lines(made, lambda _: None)]
    assert len(lines) == 10
    assert not any("more spec" in text for *_, text in lines[:9])
    assert ("more spec" in lines[9][2]) == (last is not None)
    if last is not None:
        assert last in lines[9][2]


def test_a_green_run_says_nothing() -> None:
    assert annotation_lines(report(record()), lambda _: None) == []


def test_a_run_without_a_measurement_says_so() -> None:
    made = report(record(verdict="unsupported", value=None), exit_code=1)
    (line,) = annotation_lines(made, lambda _: None)
    assert decoded(line)[2].endswith("So this run says nothing of the model.")
