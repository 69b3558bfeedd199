"""The summary and the annotations of a run on GitHub."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from lxml import html as lxml_html
from markdown_it import MarkdownIt

from pytest_mlff.reports.github import (
    SUMMARY_LIMIT,
    Place,
    annotation_lines,
    github_output,
    locator,
    step_summary,
)
from pytest_mlff.reports.github import summary as summary_module
from pytest_mlff.reports.github.escape import command, inline, preformatted
from pytest_mlff.reports.model import (
    CaseRecord,
    ModelRecord,
    Report,
    RunRecord,
    VariantRecord,
)
from pytest_mlff.specs import Spec, builtin_specs, load_spec

HOSTILE = (
    "a|b `c` <img src=x onerror=alert(1)> **d** [e](http://evil.example) www.evil.example @org/all "
    "#12 $x$ ~~f~~ \\| &lt; <!-- -->\n| g | h |\n\n## i\n</details>\u202eabc\x1b[31m GH-7"
)


def record(**changes: Any) -> CaseRecord:
    content: dict[str, Any] = {
        "case_id": "s/p/v/force_mae", "suite": "s", "spec": "p", "variant": "v",
        "metric": "force_mae", "species": None, "model": "m", "dataset": "embedded",
        "value": 41.25, "unit": "meV/Å", "n_frames": 10, "n_atoms": 90, "ci_low": 40.0,
        "ci_high": 42.5, "threshold": 45.0, "threshold_provenance": "paper: Table 1",
        "baseline": None, "regressed": None, "verdict": "passed", "reason": "below",
        "seconds": 0.5, "nodeid": "p.yaml::test_accuracy[v/force_mae]", "evidence": {},
    }  # fmt: skip
    return CaseRecord(**{**content, **changes})


def report(*cases: CaseRecord, exit_code: int | None = None, **changes: Any) -> Report:
    red = any(case.verdict in ("failed", "regressed", "error") for case in cases)
    run = RunRecord(
        started="2026-01-01T00:00:00+00:00", seconds=1.0,
        exit_code=int(red) if exit_code is None else exit_code, versions={"ase": "3.29"},
        device="cpu", dtype=None, seeds={"laws": 0}, platform={"system": "Linux"},
        spec_digests={"s/p": "a" * 64}, data_digests={}, model_digests={},
        collected=changes.pop("collected", len(cases)),
    )  # fmt: skip
    return Report(run=run, models=changes.pop("models", []), cases=list(cases), **changes)


def failed(number: int = 0, **changes: Any) -> CaseRecord:
    value = 50.0 + number
    name = changes.get("case_id", f"s/p/v{number}/force_mae")
    return record(
        **{"case_id": name, "verdict": "failed", "value": value, "reason": "above", **changes}
    )


def rendered(text: str) -> Any:
    """The summary as HTML, by a reader of markdown that is not ours."""
    made = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text)
    return lxml_html.fromstring(f"<div>{made}</div>")


def tables(page: Any) -> list[list[list[str]]]:
    return [
        [[cell.text_content() for cell in row] for row in table.iter("tr")]
        for table in page.iter("table")
    ]


def red_rows(text: str) -> list[list[str]]:
    return tables(rendered(text.partition("<details>")[0]))[0][1:]


# The answer


@pytest.mark.parametrize(
    "made, word, said",
    [
        (report(record()), "Yes", "The one case passed"),
        (report(record(), failed()), "No", "2 cases: 1 failed and 1 passed"),
        (report(record(), record(verdict="unsupported", value=None)), "Yes", "1 is not supported"),
        (report(record(verdict="unsupported", value=None), exit_code=1), "No", "says nothing"),
        (report(record(verdict="skipped", value=None), exit_code=1), "No", "says nothing"),
        (report(exit_code=5), "No", "No case was run"),
        (report(record(), exit_code=2), "Not decided", "ended early (exit code 2)"),
        (report(record(), exit_code=1), "No", "something outside these cases"),
        (report(record(), collected=3), "No", "2 were lost"),
        # Whatever the exit code says, a red case is red.
        (report(failed(), exit_code=0), "No", "1 failed"),
        (report(failed(), exit_code=2), "No", "1 failed"),
    ],
)
def test_the_answer_stands_first(made: Report, word: str, said: str) -> None:
    first, second = rendered(step_summary(made))[:2]
    assert first.text_content() == f"May this force field be merged? {word}."
    assert said in second.text_content()


def test_no_answer_but_yes_is_green() -> None:
    for exit_code in (0, 1, 2, 5):
        for verdict in ("passed", "failed", "regressed", "unsupported", "error", "skipped"):
            made = report(record(verdict=verdict), exit_code=exit_code)
            says_yes = "? Yes." in step_summary(made)
            green = verdict == "passed" and exit_code == 0
            assert says_yes == green, (exit_code, verdict)
            assert bool(annotation_lines(made, lambda _: None)) == (not green)


# The table of what is red


def test_worst_first_with_everything_that_counts() -> None:
    cases = [
        record(case_id="s/p/v/regressed", verdict="regressed", value=44.0, baseline=40.0,
               regressed=True, reason="worse"),
        failed(1, case_id="s/p/v/near"),
        failed(40, case_id="s/p/v/far", baseline=60.0, regressed=None),
        record(case_id="s/p/v/broken", verdict="error", value=None, ci_low=None, ci_high=None),
        record(case_id="s/p/v/green"),
    ]  # fmt: skip
    rows = red_rows(step_summary(report(*cases)))
    assert [row[0] for row in rows] == [
        "s/p/v/broken", "s/p/v/far", "s/p/v/near", "s/p/v/regressed"
    ]  # fmt: skip
    assert rows[0][1:6] == ["error", "–", "–", "≤ 45", "meV/Å"]
    assert rows[1][1:7] == ["failed", "90", "40 – 42.5", "≤ 45", "meV/Å", "+50.0 % ❔ undecided"]
    assert rows[3][6:] == ["+10.0 % 🔺 worse", "worse"]


def test_a_law_has_no_unit_and_no_interval() -> None:
    law = failed(0, metric="rotation", unit="1", ci_low=None, ci_high=None, threshold=1.0)
    (row,) = red_rows(step_summary(report(law)))
    assert row[3:6] == ["–", "≤ 1", ""]


def test_too_few_frames_are_not_the_same_as_no_interval() -> None:
    undecided = failed(ci_low=None, ci_high=None, evidence={"undecided": "too few"})
    assert red_rows(step_summary(report(undecided)))[0][3] == "?"


def test_several_models_are_told_apart() -> None:
    rows = red_rows(step_summary(report(failed(model="one"), failed(model="two"))))
    assert [row[0] for row in rows] == ["one: s/p/v0/force_mae", "two: s/p/v0/force_mae"]


def test_nothing_red_makes_no_table() -> None:
    text = step_summary(report(record()))
    assert "What is red" not in text
    assert not tables(rendered(text.partition("<details>")[0]))


def test_the_baseline_in_two_sentences() -> None:
    compared = [
        record(baseline=40.0, regressed=True, verdict="regressed"),
        record(baseline=40.0, regressed=False, evidence={"minimum_detectable": 0.031}),
        record(baseline=40.0, regressed=False, evidence={"minimum_detectable": 0.1}),
        record(baseline=40.0, regressed=None),
        record(),
    ]
    shown = rendered(step_summary(report(*compared))).text_content()
    assert "1 worse, 1 undecided, 2 not worse" in shown
    assert "is 3.1 % in the best case and 10.0 % in the worst" in shown
    assert "Against" not in step_summary(report(record()))


# What is folded away


def test_everything_is_in_it() -> None:
    unsupported = VariantRecord(
        suite="s", spec="p", variant="n50000", dataset="embedded", axes={}, train_molecules=[],
        test_molecules=["aspirin"], train_window=None, test_window=[90, 100], n_train=None,
        n_test=None, unsupported="only 4,000 frames",
    )  # fmt: skip
    law = failed(
        0, case_id="s/p/v/rotation", metric="rotation", unit="1", detail="turned by 90°\n  E = -1"
    )
    text = step_summary(
        report(
            record(),
            law,
            record(verdict="unsupported", value=None, reason="no N", variant="uracil"),
            record(verdict="unsupported", value=None, reason="no N", variant="uracil"),
            variants=[unsupported],
        )
    )
    page = rendered(text)
    titles = [one.text_content() for one in page.iter("summary")]
    assert titles == [
        "All cases with an error metric (3)", "Physical laws (1)",
        "Unsupported, so not tested (2)", "The run",
    ]  # fmt: skip
    assert [one.text for one in page.iter("pre")] == ["turned by 90°\n  E = -1"]
    shown = tables(page)
    assert ["s/p/n50000", "the data", "all", "only 4,000 frames"] in shown[3]
    assert ["s/p/uracil", "m", "2", "no N"] in shown[3]
    assert ["spec s/p", "sha256 aaaaaaaaaaaa"] in shown[4]


# Untrusted text

_WRITTEN = {"div", "h2", "h3", "p", "ul", "li", "code", "table", "thead", "tbody", "tr", "th",
            "td", "details", "summary", "pre"}  # fmt: skip


def hostile_report() -> Report:
    model = ModelRecord(
        name=HOSTILE, source=HOSTILE, family=HOSTILE, digest=None, species=None, cutoff=None,
        device="cpu", dtype="float32", versions={},
    )  # fmt: skip
    case = failed(model=HOSTILE, reason=HOSTILE, case_id=f"s/p/{HOSTILE}/force_mae", unit=HOSTILE)
    law = failed(metric="rotation", detail=HOSTILE, reason=HOSTILE)
    gone = record(verdict="unsupported", value=None, variant=HOSTILE, reason=HOSTILE)
    return report(case, law, gone, models=[model])


def leaks(text: str) -> list[str]:
    """Where untrusted text became more than text."""
    page = rendered(text)
    found = [f"tag {tag}" for tag in sorted({str(one.tag) for one in page.iter()} - _WRITTEN)]
    found += [
        f"row of {len(row)} cells"
        for table in tables(page)
        for row in table
        if len(row) != len(table[0])
    ]
    open_rows = [len(table) - 1 for table in tables(page)]
    if open_rows[:4] != [2, 2, 1, 1]:
        found.append(f"rows {open_rows}")
    # Not read by markdown-it, but by GitHub; a counterexample stands in <pre>, out of its reach.
    outside = re.sub(r"<pre>.*?</pre>", "", text, flags=re.DOTALL)
    found += [word for word in ("://", "www.", "@org", " #12", "$x", "GH-7") if word in outside]
    found += [f"U+{ord(one):04X}" for one in text if one in "\u202e\x1b"]
    return found


def test_hostile_text_stays_text() -> None:
    text = step_summary(hostile_report())
    assert leaks(text) == []
    shown = red_rows(text)[0]
    # What is shown is what was said, but for its length, line ends and invisible characters.
    assert shown[-1].startswith("a|b `c` <img src=x onerror=alert(1)> **d** [e](http://evil")
    assert shown[-1].endswith("</details>�abc�[31m GH-7")


@pytest.mark.parametrize("mutant", [str, html.escape, lambda text: text.replace("|", "\\|")])
def test_weaker_escaping_is_caught(monkeypatch: pytest.MonkeyPatch, mutant: Any) -> None:
    monkeypatch.setattr(summary_module, "inline", lambda text, *_: mutant(text))
    assert leaks(step_summary(hostile_report()))


def test_a_counterexample_cannot_leave_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    law = failed(metric="rotation", detail="</pre>\n\n<script>x</script>")
    assert rendered(step_summary(report(law))).find(".//script") is None
    monkeypatch.setattr(summary_module, "preformatted", lambda text: f"<pre>{text}</pre>")
    assert rendered(step_summary(report(law))).find(".//script") is not None


@given(st.text(max_size=80))
def test_any_text_is_one_cell(text: str) -> None:
    table = f"| a | b |\n| --- | --- |\n| {inline(text)} | end |\n"
    page = rendered(table)
    (shown,) = tables(page)
    assert len(shown) == 2
    assert len(shown[1]) == 2
    assert {str(one.tag) for one in page.iter()} <= _WRITTEN
    plain = " ".join(text.split())
    assert len(shown[1][0]) == len(plain)
    assert all(a in (b, "�") for a, b in zip(shown[1][0], plain, strict=True))


@given(st.text(max_size=80))
def test_any_text_is_one_block(text: str) -> None:
    page = rendered(f"before\n\n{preformatted(text)}\n\nafter\n")
    assert [str(one.tag) for one in page] == ["p", "pre", "p"]


# The limit


def many(count: int) -> Report:
    return report(
        *(failed(n, reason=f"{n}: " + "ä" * 150) for n in range(count)),
        *(record(case_id=f"s/p/green{n}/force_mae", reason="ok " * 40) for n in range(count)),
        failed(0, metric="rotation", detail="a\n" * 900),
        *(
            record(verdict="unsupported", value=None, variant=f"v{n}", reason="no N")
            for n in range(count // 10)
        ),
    )


@pytest.fixture(scope="module")
def uncut() -> list[Any]:
    """Tables of 1,500 cases without a limit."""
    return tables(rendered(step_summary(many(1500), 10**9)))


@pytest.mark.parametrize("limit", [700_000, 200_000, 13_000])
def test_what_does_not_fit_is_left_out_and_counted(uncut: list[Any], limit: int) -> None:
    whole, made = uncut, many(1500)
    text = step_summary(made, limit)
    assert limit // 2 < len(text.encode()) <= limit
    assert text.count("<details>") == text.count("</details>") == 4
    cut = tables(rendered(text))
    told = re.findall(r"\*\*([0-9]+) of ([0-9]+) rows (?:is|are) left out\*\*", text)
    sizes = [(len(a) - 1, len(b) - 1) for a, b in zip(cut, whole, strict=True)]
    assert [(str(b - a), str(b)) for a, b in sizes if a < b] == told
    assert told
    # The worst are those that are left.
    assert cut[0][1][0] == whole[0][1][0]


def test_what_fits_is_left_alone() -> None:
    assert "left out" not in step_summary(many(300))


@pytest.mark.parametrize("limit", [-5, 0, 10, 120, 500, 11_999])
def test_a_tiny_limit_still_holds(limit: int) -> None:
    text = step_summary(many(50), limit)
    assert len(text.encode()) <= max(limit, 0)
    if limit >= 500:
        assert "? No." in text
        assert "left out" in text


# Annotations


def decoded(line: str) -> tuple[str, dict[str, str], str]:
    """A workflow command as the runner reads it."""
    assert "\n" not in line
    assert "\r" not in line
    found = re.fullmatch(r"::(\w+)(?: ([^:]*))?::(.*)", line)
    assert found is not None, line

    def plain(text: str) -> str:
        for escape, character in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"),
                                  ("%25", "%")):  # fmt: skip
            text = text.replace(escape, character)
        return text

    pairs = [pair.split("=", 1) for pair in (found[2] or "").split(",") if pair]
    return found[1], {key: plain(value) for key, value in pairs}, plain(found[3])


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


# Lines of specs

SPEC = """\
schema_version: 1
title: Ethanol
source: {paper: made for this test, section: none}
# a comment
datasets:
  embedded:
axes:
  molecule: [ethanol]
variant: "{molecule}"
frames:
  test: {molecules: "{molecule}", start: 98}

cases:
  - metric: energy_mae
    thresholds: [{max: 1, unit: meV/atom, provenance: &why {source: paper, reference: none}}]

  # forces
  - metric: force_mae
    species: all
    thresholds: [{max: 1, unit: meV/Å, provenance: *why}]
  - metric: force_rmse
    species: [C, H]
    thresholds: [{max: 1, unit: meV/Å, provenance: *why}]
  - thresholds: [{max: 1, unit: meV/Å, provenance: *why}]
    metric: force_mae
    species: each
"""


@pytest.fixture
def own(tmp_path: Path) -> Spec:
    path = tmp_path / "repo" / "specs" / "own.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(SPEC, encoding="utf-8")
    return load_spec(path)


@pytest.mark.parametrize(
    "metric, species, begins",
    [
        ("energy_mae", None, "  - metric: energy_mae"),
        ("force_mae", None, "  - metric: force_mae"),
        ("force_rmse", "H", "  - metric: force_rmse"),
        ("force_mae", "O", "  - thresholds: [{max: 1, unit: meV/Å"),
        ("something_else", None, "datasets:"),
    ],
)
def test_the_line_of_the_entry(own: Spec, metric: str, species: str | None, begins: str) -> None:
    assert own.path is not None
    locate = locator([own], own.path.parents[1])
    place = locate(record(suite="specs", spec="own", metric=metric, species=species))
    assert place is not None
    assert place.file == "specs/own.yaml"
    assert SPEC.splitlines()[place.line - 1].startswith(begins)


def test_a_spec_outside_of_the_repository_has_no_place(own: Spec, tmp_path: Path) -> None:
    known = record(suite="specs", spec="own")
    assert locator([own], tmp_path)(known) == Place("repo/specs/own.yaml", 18)
    for workspace in (tmp_path / "elsewhere", "", None):
        assert locator([own], workspace)(known) is None
    assert locator([own], tmp_path)(record(suite="specs", spec="other")) is None


def test_a_builtin_spec_is_a_file_of_its_own_repository_alone() -> None:
    spec = load_spec(builtin_specs()["quick"])
    assert spec.path is not None
    known = record(suite="quick", spec="quick", metric="energy_mae")
    checkout = spec.path.parents[1]
    place = locator([spec], checkout)(known)
    assert place is not None
    assert place.file == "benchmark_specs/quick.yaml"
    # As in a virtual environment that lies in somebody else's workspace.
    assert locator([spec], checkout.parent)(known) is None


def test_a_spec_that_has_gone_still_has_a_place(own: Spec, tmp_path: Path) -> None:
    assert own.path is not None
    own.path.unlink()
    known = record(suite="specs", spec="own")
    assert locator([own], tmp_path)(known) == Place("repo/specs/own.yaml", 1)


# The environment


@dataclass(frozen=True)
class _Planned:
    spec: Spec


def on_github(tmp_path: Path, **changes: str) -> dict[str, str]:
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(tmp_path / "repo"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        **changes,
    }


def test_summary_and_annotations(own: Spec, tmp_path: Path) -> None:
    made = report(failed(suite="specs", spec="own"))
    (line,) = github_output(made, [_Planned(own)], on_github(tmp_path))
    assert decoded(line)[1]["file"] == "specs/own.yaml"
    text = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert text == step_summary(made)


@pytest.mark.parametrize("value", ["", "false", "1", "True"])
def test_elsewhere_nothing_is_done(tmp_path: Path, value: str) -> None:
    environ = on_github(tmp_path, GITHUB_ACTIONS=value)
    assert github_output(report(failed()), [], environ) == []
    assert not (tmp_path / "summary.md").exists()


def test_what_the_step_wrote_before_stays_and_counts(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("x" * (SUMMARY_LIMIT - 40_000) + "\n", encoding="utf-8")
    github_output(many(3000), [], on_github(tmp_path))
    text = path.read_text(encoding="utf-8")
    assert text.startswith("xxx")
    assert SUMMARY_LIMIT - 20_000 < len(text.encode()) <= SUMMARY_LIMIT
    assert "rows are left out" in text
    assert "\n\n## May this force field be merged? No." in text
    # A second run in the same step finds no room, and does not spoil what is there.
    github_output(many(3000), [], on_github(tmp_path))
    assert len(path.read_bytes()) <= SUMMARY_LIMIT


def test_a_summary_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "summary.md").mkdir()
    lines = github_output(report(failed()), [], on_github(tmp_path))
    assert [decoded(line)[0] for line in lines] == ["error", "warning"]
    assert decoded(lines[1])[2] == "cannot write the summary (Is a directory)"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_said(tmp_path: Path) -> None:
    lines = github_output(report(), [], on_github(tmp_path, GITHUB_STEP_SUMMARY="/dev/full"))
    assert decoded(lines[-1])[2] == "cannot write the summary (No space left on device)"


def test_no_summary_file_is_no_error(tmp_path: Path) -> None:
    environ = on_github(tmp_path)
    del environ["GITHUB_STEP_SUMMARY"]
    assert github_output(report(record()), [], environ) == []


def test_the_reader_of_these_tests_sees_tags() -> None:
    # lxml drops nothing that matters here, so an empty list of leaks means something.
    assert etree.tostring(rendered("<script>x</script>")).count(b"script") == 2
