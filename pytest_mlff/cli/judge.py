"""``mlff judge``: what a pull request changes in its judge, and a run that it cannot bend."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pytest_mlff.judge.edits import Edit

_ACCEPT: Final = "a maintainer accepts it by the label mlff-accept or the action's input accept"


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``judge``."""
    parser = subparsers.add_parser(
        "judge", help="for workflows: have a base branch judge the model of a pull request"
    )
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    asked = what.add_parser("changes", help="list what a pull request changes in its judge")
    asked.add_argument("--base", metavar="DIR", type=Path, help="the base branch, if there is one")
    asked.add_argument("--head", metavar="DIR", type=Path, default=Path(), help="the request")
    asked.add_argument("--store", metavar="DIR", default=".mlff-store", help="of the run")
    asked.add_argument("--by", choices=("base", "head"), default="base", help="who judges")
    asked.add_argument("--accepted", metavar="true|false", default="false")
    ran = what.add_parser("run", help="run pytest by one folder's rules; green only if it decides")
    ran.add_argument("--rules", metavar="DIR", type=Path, default=Path(), help="whose rules judge")
    ran.add_argument("--model", metavar="LINES", required=True, help="as --mlff-model, one a line")
    ran.add_argument("--report", metavar="FILE", type=Path, required=True)
    ran.add_argument("--own-tests", action="store_true", help="the repository's own tests, too")
    ran.add_argument(
        "--reference", action="store_true", help="measure only: red cases are no fault here"
    )
    ran.add_argument("arguments", metavar="ARG", nargs="*", help="for pytest, after --")
    asked.add_argument("--model", metavar="LINES", default="", help="as --mlff-model, one a line")
    for one in (asked, ran):
        one.add_argument("--suite", metavar="LINES", required=True, help="as --mlff-suite")
        one.add_argument("--baseline", metavar="FILE", default="")
    asked.set_defaults(run=show_changes)
    ran.set_defaults(run=show_run)


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line for line in (one.strip("\r") for one in text.split("\n")) if line)


def _put(variable: str, text: str) -> None:
    """Append to one of the files that a runner reads; nothing where there is none."""
    name = os.environ.get(variable)
    if name:
        with Path(name).open("a", encoding="utf-8") as stream:
            stream.write(text)


def _outputs(**values: str) -> None:
    _put("GITHUB_OUTPUT", "".join(f"{key}={value}\n" for key, value in values.items()))


def _workflow() -> str:
    """The file of the workflow that runs, relative to the root; empty elsewhere."""
    # OWNER/REPOSITORY/.github/workflows/FILE@REF
    path = os.environ.get("GITHUB_WORKFLOW_REF", "").partition("@")[0]
    return path.split("/", 2)[-1] if path.count("/") > 1 else ""


def _annotate(kind: str, text: str) -> None:
    from pytest_mlff.reports.github.escape import command, visible_line

    if os.environ.get("GITHUB_ACTIONS") == "true":
        print(command(kind, visible_line(text), title="mlff"))
    else:
        print(f"mlff: {visible_line(text)}")


def show_changes(given: Any) -> int:
    """List the edits; 1 if one of them waits for a maintainer.

    For later steps it says who judges (``rules``, a folder), and whether the request's own rules
    are others that are no weaker, so that they should judge, too (``own``).
    """
    from pytest_mlff.judge.changes import Judge, changes
    from pytest_mlff.reports.github.escape import visible_line

    head = str(given.head.resolve())
    if given.base is None:
        _outputs(rules=head, own="false")
        print("mlff: there is no base branch, so this branch's own rules judge")
        return 0
    judge = Judge(
        _lines(given.suite), given.baseline, _workflow(), _lines(given.model), given.store
    )
    edits = changes(judge, given.base, given.head)
    grave = [edit for edit in edits if edit.grave]
    accepted = given.accepted == "true"
    blind = any(edit.kind == "no judge" for edit in edits)
    by_base = given.by == "base" and not accepted and not blind
    red = bool(grave) and not accepted and given.by == "base"
    _outputs(
        rules=str(given.base.resolve()) if by_base else head,
        own="true" if by_base and edits and not grave else "false",
    )
    for edit in edits:
        print(visible_line(f"mlff: {edit}"))
    _put("GITHUB_STEP_SUMMARY", _summary(edits, red=red, accepted=accepted, by_base=by_base))
    if red:
        many = f"and {len(grave) - 1} more; " if len(grave) > 1 else ""
        _annotate("error", f"the pull request changes its judge: {grave[0]}; {many}{_ACCEPT}")
    return int(red)


_ROWS: Final = 200


def _summary(edits: Sequence[Edit], *, red: bool, accepted: bool, by_base: bool) -> str:
    from pytest_mlff.reports.github.escape import inline

    who = "The base branch judges" if by_base else "The pull request's own rules judge"
    if not edits:
        return f"{who}: the pull request changes nothing in its judge.\n"
    state = "red until a maintainer accepts it" if red else "accepted" if accepted else "no fault"
    lines = [f"### What the pull request changes in its judge: {state}\n", f"{who}.\n"]
    lines += ["| change | where | what |", "| --- | --- | --- |"]
    lines += [
        f"| {'**' if edit.grave else ''}{edit.kind}{'**' if edit.grave else ''} "
        f"| <code>{inline(edit.where)}</code> | {inline(edit.what)} |"
        for edit in edits[:_ROWS]
    ]
    if len(edits) > _ROWS:
        lines.append(f"\n{len(edits) - _ROWS} more are in the log of the step.")
    if red:
        lines.append(f"\nTo take them, {_ACCEPT}.")
    return "\n".join(lines) + "\n\n"


def show_run(given: Any) -> int:
    """Run pytest; 0 only for a fresh, complete report that says yes."""
    from pytest_mlff.judge.run import Run, run_pytest, said_on_github

    run = Run(
        rules=given.rules.resolve(),
        models=_lines(given.model),
        suites=_lines(given.suite),
        baseline=given.baseline,
        report=given.report.absolute(),
        arguments=tuple(given.arguments),
        own_tests=given.own_tests,
    )
    outcome = run_pytest(run, decided=not given.reference)
    if given.reference:
        return _reference(run.report, outcome.verdict, outcome.reason, outcome.exit_code)
    told = {"report": str(run.report)} if outcome.report is not None else {}
    _outputs(verdict=outcome.verdict, **told)
    if outcome.report is not None:
        for line in said_on_github(run, outcome.report, os.environ):
            print(line)
    if outcome.report is None:
        _put("GITHUB_STEP_SUMMARY", _said(outcome.reason))
    if outcome.report is None or (outcome.verdict == "undecided" and outcome.exit_code):
        _annotate("error", f"{outcome.verdict}: {outcome.reason}")
    return outcome.exit_code


def _said(reason: str) -> str:
    from pytest_mlff.reports.github.escape import inline

    return f"## May this force field be merged? Not decided.\n\n{inline(reason)}\n"


def _reference(report: Path, verdict: str, reason: str, code: int) -> int:
    """A base branch that cannot be tested is no reason against the request; a crash is."""
    if verdict in ("passed", "failed"):
        _outputs(report=str(report))
        return 0
    if verdict != "bad-input":
        _annotate("error", f"the base branch's run: {verdict}: {reason}")
        return code
    _annotate(
        "warning",
        "The base branch has no model that can be tested (see the log of the step), so this "
        "branch is not compared with it.",
    )
    return 0
