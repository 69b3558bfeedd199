"""The tally of a run: every collected case ends up in it exactly once, whatever happens."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlff.errors import MlffError
from pytest_mlff.gate.outcome import Outcome
from pytest_mlff.gate.threshold import RED, Judgement, Verdict
from pytest_mlff.plugin.attachment import arrays_of, shown_of, take
from pytest_mlff.plugin.told import hear_models
from pytest_mlff.reports.headline import (
    ANOTHER_LEVEL,
    is_of_another_level,
    known_violations,
    unjudged_models,
)
from pytest_mlff.reports.properties import from_properties, record_of
from pytest_mlff.reports.stream import ReportStream
from pytest_mlff.run.baseline_summary import KeptValues, Notice, closing_lines, update_baselines
from pytest_mlff.run.model_names import records_told_apart
from pytest_mlff.run.report import NOT_JOINED, build_report
from pytest_mlff.run.unjudged import models_left_open
from pytest_mlff.scheduling.shows import only_shows

if TYPE_CHECKING:
    from pytest_mlff.plugin.junit import JUnitCases
    from pytest_mlff.plugin.selection import PickedTests
    from pytest_mlff.reports.model import CaseRecord, Report
    from pytest_mlff.run.baselines import RegressionGate
    from pytest_mlff.run.session import Session

_ROWS = 25


class Tally:
    """Records of the cases of one run, kept by the process that reports."""

    def __init__(
        self,
        session: Session,
        gate: RegressionGate,
        selection: PickedTests,
        junit: JUnitCases,
    ) -> None:
        self.session = session
        self.gate = gate
        self.selection = selection
        self.deselected = 0
        self.records: dict[str, CaseRecord] = {}
        self.lines: list[Notice] = []
        self.commands: list[str] = []
        self.kept = KeptValues()
        self._junit = junit
        self._seconds: dict[str, float] = {}
        self._counts: dict[str, dict[str, Any]] = {}
        self._beside: dict[str, dict[str, Any]] = {}
        path = session.options.report
        self._stream = None if path is None else ReportStream(path)
        self._streamed: set[str] = set()
        self._reported = False

    @property
    def _strict(self) -> bool:
        return self.session.options.undecided == "fail"

    def begin(self) -> None:
        """Clear away what an earlier, killed run left."""
        if self._stream is not None:
            self._stream.remove()

    def note(self, report: pytest.TestReport) -> None:
        """Take in one phase of an item; phases of items that are no cases are passed over."""
        nodeid = report.nodeid
        if not self.session.is_case(nodeid):
            return
        if report.outcome == "rerun":  # type: ignore[comparison-overlap]
            # A try that does not count, by a plugin that reruns: the last one will.
            self._seconds.pop(nodeid, None)
            return
        spent = self._seconds[nodeid] = self._seconds.get(nodeid, 0.0) + report.duration
        self.lines += [Notice(line, alarm=False) for line in hear_models(self.session, report)]
        self._take_attachment(report)
        record = from_properties(report.user_properties, nodeid, spent)
        self._junit.strip(report)
        if record is None and report.outcome != "passed":
            record = self._unmeasured(nodeid, report)
        if record is not None:
            self._enter(record, report)
        # A worker that dies is reported once, in no phase; otherwise teardown comes last.
        if report.when not in ("setup", "call"):
            self._beside.pop(nodeid, None)
            self._keep(nodeid)
        if record is not None and nodeid in self.session.names:
            self._junit.enter(report, self.session.names[nodeid])

    def _enter(self, record: CaseRecord, report: pytest.TestReport) -> None:
        nodeid = record.nodeid
        blocked = record.verdict == "undecided" and report.when == "call" and self._strict
        if report.failed and record.verdict not in RED and not blocked:
            # The verdict was a pass, but something broke afterwards.
            phases = ("setup", "call", "teardown")
            reason = f"failed in {report.when}" if report.when in phases else _last_line(report)
            record = record.model_copy(update={"verdict": "error", "reason": reason})
        known = self.records.get(nodeid)
        if known is not None and known.verdict == "error" and record.verdict != "error":
            return
        self.records[nodeid] = record.model_copy(update=self._beside.get(nodeid, {}))

    def _take_attachment(self, report: pytest.TestReport) -> None:
        found = take(report)
        if found is None:
            return
        nodeid = report.nodeid
        if "counts" in found:
            self._counts[nodeid] = found["counts"]
        self._beside[nodeid] = shown_of(found)
        one = self.session.by_nodeid.get(nodeid)
        if "entry" in found and one is not None and one.source is not None:
            label = self.gate.label(one.source)
            self.kept.add(label, one.case.case_id, found["entry"], arrays_of(found))

    def _unmeasured(self, nodeid: str, report: pytest.TestReport) -> CaseRecord | None:
        known = self.records.get(nodeid)
        if known is not None:
            # Measured, and then its worker died: JUnit says that it failed, too.
            return known if report.failed else None
        verdict = Verdict.SKIPPED if report.skipped else Verdict.ERROR
        return self._made(nodeid, Judgement(verdict, _last_line(report)))

    def _made(self, nodeid: str, judgement: Judgement) -> CaseRecord | None:
        one = self.session.by_nodeid.get(nodeid)
        if one is None:
            return None
        outcome = Outcome(
            one.case, judgement, None, None if one.source is None else one.source.text
        )
        return record_of(outcome, nodeid).model_copy(
            update={"seconds": self._seconds.get(nodeid, 0.0)}
        )

    def _keep(self, nodeid: str) -> None:
        """Put a finished case into the report that a killed run leaves."""
        record = self.records.get(nodeid)
        if self._stream is None or record is None:
            return
        try:
            if not self._stream.started or nodeid in self._streamed:
                # The first case, or one that another plugin has run once more.
                self._stream.start(self._report([], None))
                for earlier in self.records.values():
                    self._stream.append(earlier)
                self._streamed = set(self.records)
            else:
                self._stream.append(record)
                self._streamed.add(nodeid)
        except MlffError as error:
            self._stream.close()
            self._stream = None
            self.lines.append(Notice(str(error), alarm=True))

    def _report(self, records: list[CaseRecord], status: int | None) -> Report:
        seconds = time.monotonic() - self.session.clock
        return build_report(
            self.session, self.gate, records, self._counts, exit_code=status, seconds=seconds
        )

    def finish(self, session: pytest.Session) -> int:
        """Account for every collected case, write what is to be written, give the exit code.

        Returns
        -------
        int
            pytest's own code, but 5 if no case was collected, and 1 if one was lost, none
            was measured, or the report or a baseline could not be written.
        """
        status = int(session.exitstatus)
        refused = status == pytest.ExitCode.USAGE_ERROR and not self.records
        if only_shows(session.config) or refused:
            return status
        missing = [nodeid for nodeid in self.session.expected if nodeid not in self.records]
        early = bool(session.shouldstop or session.shouldfail) or status not in (0, 1)
        for nodeid in missing:
            judgement = (
                Judgement(Verdict.SKIPPED, "not run: the run ended early")
                if early
                else Judgement(Verdict.ERROR, "lost: collected, but never reported")
            )
            record = self._made(nodeid, judgement)
            if record is not None:
                self.records[nodeid] = record
        self.records = records_told_apart(self.records, self.session.by_nodeid)
        status = self._judge(status, lost=0 if early else len(missing))
        self._say_deselected()
        self._say_cut_short()
        status = self._gate(status, early=early)
        self._junit.put_values(self.records.values())
        status = self._write(status)
        self._tell_github(status)
        return status

    def _judge(self, status: int, lost: int) -> int:
        if status not in (0, 1, int(pytest.ExitCode.NO_TESTS_COLLECTED)):
            return status
        if not self.session.expected:
            return self._without_case(status)
        records = list(self.records.values())
        measured = any(record.verdict not in ("unsupported", "skipped") for record in records)
        red = any(record.verdict in RED for record in records)
        undecided = sum(record.verdict == "undecided" for record in records)
        if undecided and self._strict:
            self._alarm(f"{undecided} undecided: --mlff-undecided=fail takes that for a failure")
            red = True
        excused = known_violations(records)
        if any(map(is_of_another_level, records)):
            self._alarm(ANOTHER_LEVEL[0].lower() + ANOTHER_LEVEL[1:])
            left = models_left_open(self.records, self.session.by_nodeid)
            if left:
                # Exit code 0 would be green, and nobody knows whether the model is.
                names = ", ".join(left)
                self._alarm(f"the accuracy of {names} is not decided, so this run is no green one")
                red = True
        if excused is not None:
            self._alarm(excused)
        planned = self.session.by_nodeid
        unjudged = unjudged_models(
            (source.text, record.verdict)
            for nodeid, record in self.records.items()
            if nodeid in planned and (source := planned[nodeid].source) is not None
        )
        if unjudged and measured:
            of = f" of {', '.join(unjudged)}" if self.session.several_models else ""
            self._alarm(f"no case{of} was judged, so this run says nothing about a merge")
            red = True
        if lost:
            self._alarm(f"{lost} collected cases were never reported")
        if not measured:
            self._alarm("no case could be measured, so this run says nothing of the model")
        # pytest's own status is 0 if a plugin has turned a report into a pass.
        return 1 if lost or red or not measured else status

    def _say_deselected(self) -> None:
        unseen = self.session.deselected
        if unseen and self.session.expected:
            were = f"{unseen} of {unseen + len(self.session.expected)} cases were deselected"
            self._alarm(f"{were}, so this run decides nothing about a merge")

    def _say_cut_short(self) -> None:
        from pytest_mlff.run.variants import training_records

        if not self.session.joins:
            return
        cut = {one.digest: one for one in training_records(self.session) if one.cut_short}
        for one in cut.values():
            name = f"{one.model} on {one.suite}/{one.spec}/{one.variant}"
            self._alarm(
                f"warning: training of {name} {one.cut_short}: its errors depend on this machine"
            )

    def _without_case(self, status: int) -> int:
        """No case was run: a failure, unless own tests were picked by name."""
        if not self.session.joins:
            self.lines.append(Notice(NOT_JOINED, alarm=False))
        if status == pytest.ExitCode.NO_TESTS_COLLECTED or not self.selection.excuses(
            self.deselected
        ):
            self._alarm("no case was run, so this run says nothing about the model")
            return status or int(pytest.ExitCode.NO_TESTS_COLLECTED)
        if self.session.joins:
            text = "specs not run: none of their cases was picked; this says nothing of the model"
            self.lines.append(Notice(text, alarm=False))
        return status

    def _alarm(self, text: str) -> None:
        self.lines.append(Notice(text, alarm=True))

    def _gate(self, status: int, *, early: bool) -> int:
        """Say what the comparison with baselines came to, and update them if asked to."""
        if not self.records or not self.gate.active:
            return status
        records = list(self.records.values())
        self.lines += closing_lines(self.gate, records)
        if not self.gate.options.update_baseline:
            return status
        if early:
            self._alarm("the run ended early, so no baseline was changed")
            return status
        lines, written = update_baselines(self.gate, self.kept, records)
        self.lines += lines
        return status if written else status or 1

    def _write(self, status: int) -> int:
        from pytest_mlff.reports.json_report import sidecar_path, write_report

        path, writers = self.session.options.report, self.session.writers
        if path is None and not writers:
            return status
        report = self._report(list(self.records.values()), status)
        for writer, target in writers:
            try:
                writer.write(target, report)
            except MlffError as error:
                self._alarm(str(error))
                status = status or 1
            else:
                self.lines.append(Notice(f"{writer.name} report written to {target}", alarm=False))
        if path is None:
            return status
        residuals, content = self.kept.residuals(sidecar_path(path).name, report.run.model_digests)
        try:
            write_report(path, report.model_copy(update={"residuals": residuals}), content)
        except MlffError as error:
            self._alarm(str(error))
            if self._stream is not None:
                self._stream.close()
                self._alarm(f"what was measured is kept in {self._stream.path}")
            return status or 1
        self._reported = True
        if self._stream is not None:
            self._stream.remove()
        return status

    def _tell_github(self, status: int) -> None:
        """Hand the run to GitHub: a summary of the step, and lines to print."""
        if self.session.joins and os.environ.get("GITHUB_ACTIONS") == "true":
            from pytest_mlff.reports.github import github_output

            report = self._report(list(self.records.values()), status)
            self.commands = github_output(report, self.session.plan, os.environ)

    def show(self, terminal: pytest.TerminalReporter) -> None:
        """Write the table of measurements and what else is to be said."""
        from pytest_mlff.reports.terminal import summary_line, table

        if only_shows(terminal.config):
            if terminal.config.option.collectonly:
                terminal.write_line("mlff: no case was run (--collect-only), so nothing is decided")
            return
        if self.records:
            terminal.ensure_newline()
            terminal.section("mlff")
            limit = None if terminal.config.option.verbose > 0 else _ROWS
            colours = {
                **dict.fromkeys(("unsupported", "skipped"), "yellow"),
                **{"": "bold", "passed": "green", "undecided": "purple", "reported": "cyan"},
            }
            for line, verdict in table(list(self.records.values()), limit):
                terminal.write_line(line, **{colours.get(verdict, "red"): True})
            terminal.write_line(
                summary_line(list(self.records.values()), len(self.session.expected))
            )
        for told in self.lines:
            colour = {"red": True, "bold": True} if told.alarm else {}
            terminal.write_line(f"mlff: {told.text}", **colour)
        path = self.session.options.report
        if path is not None and self._reported:
            terminal.write_line(f"mlff: report written to {path}")


def _last_line(report: pytest.TestReport) -> str:
    text = str(report.longrepr).strip().splitlines()
    return text[-1] if text else report.outcome
