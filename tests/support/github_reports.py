"""Made-up reports for GitHub, and readers of markdown and workflow commands that are not ours."""

from __future__ import annotations

import re
from typing import Any

from lxml import html as lxml_html
from markdown_it import MarkdownIt

from pytest_mlff.reports.model import CaseRecord, Report, RunRecord


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
