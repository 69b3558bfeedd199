"""The tally of a run: every collected case ends up in it exactly once, whatever happens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from pytest_mlff.errors import MlffError
from pytest_mlff.gate.outcome import Outcome
from pytest_mlff.gate.threshold import Judgement, Verdict
from pytest_mlff.reports.properties import from_properties, record_of

if TYPE_CHECKING:
    from pytest_mlff.reports.model import CaseRecord
    from pytest_mlff.session import Session

__all__ = ["Tally"]

_ROWS = 25


class Tally:
    """Records of the cases of one run, kept by the process that reports."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.records: dict[str, CaseRecord] = {}
        self.remarks: list[str] = []
        self._seconds: dict[str, float] = {}

    def note(self, report: pytest.TestReport) -> None:
        """Take in one phase of an item; phases of items that are no cases are passed over."""
        nodeid = report.nodeid
        if not self.session.is_case(nodeid):
            return
        spent = self._seconds[nodeid] = self._seconds.get(nodeid, 0.0) + report.duration
        record = from_properties(report.user_properties, nodeid, spent)
        if record is None and report.outcome != "passed":
            record = self._unmeasured(nodeid, report)
        if record is None:
            return
        if report.failed and record.verdict not in ("error", "failed", "regressed"):
            # The verdict was a pass, but something broke afterwards.
            record = record.model_copy(
                update={"verdict": "error", "reason": f"failed in {report.when}"}
            )
        known = self.records.get(nodeid)
        if known is not None and known.verdict == "error" and record.verdict != "error":
            return
        self.records[nodeid] = record

    def _unmeasured(self, nodeid: str, report: pytest.TestReport) -> CaseRecord | None:
        if nodeid in self.records:
            return None
        text = str(report.longrepr).strip().splitlines()
        said = text[-1] if text else report.outcome
        verdict = Verdict.SKIPPED if report.skipped else Verdict.ERROR
        return self._made(nodeid, Judgement(verdict, said))

    def _made(self, nodeid: str, judgement: Judgement) -> CaseRecord | None:
        one = self.session.by_nodeid.get(nodeid)
        if one is None:
            return None
        outcome = Outcome(one.case, judgement, None, one.source.text)
        return record_of(outcome, nodeid).model_copy(
            update={"seconds": self._seconds.get(nodeid, 0.0)}
        )

    def finish(self, session: pytest.Session) -> int:
        """Account for every collected case, write the report, and give the exit code.

        Returns
        -------
        int
            pytest's own code, but 5 if no case was collected, and 1 if one was lost, none
            was measured, or the report could not be written.
        """
        status = int(session.exitstatus)
        if session.config.option.collectonly:
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
        status = self._judge(status, lost=0 if early else len(missing))
        return self._write(status)

    def _judge(self, status: int, lost: int) -> int:
        if status not in (0, 1, int(pytest.ExitCode.NO_TESTS_COLLECTED)):
            return status
        if not self.session.expected:
            self.remarks.append("no case was run, so this run says nothing about the model")
            return status or int(pytest.ExitCode.NO_TESTS_COLLECTED)
        measured = any(
            record.verdict not in ("unsupported", "skipped") for record in self.records.values()
        )
        red = any(
            record.verdict in ("error", "failed", "regressed") for record in self.records.values()
        )
        if lost:
            self.remarks.append(f"{lost} collected cases were never reported")
        if not measured:
            self.remarks.append("no case could be measured, so this run says nothing of the model")
        # pytest's own status is 0 if a plugin has turned a report into a pass.
        return 1 if lost or red or not measured else status

    def _write(self, status: int) -> int:
        from pytest_mlff.reports.json_report import write_report
        from pytest_mlff.run_report import build_report

        path = self.session.options.report
        if path is None:
            return status
        seconds = time.monotonic() - self.session.clock
        try:
            write_report(
                path, build_report(self.session, list(self.records.values()), status, seconds)
            )
        except MlffError as error:
            self.remarks.append(str(error))
            return status or 1
        return status

    def show(self, terminal: pytest.TerminalReporter) -> None:
        """Write the table of measurements and what else is to be said."""
        from pytest_mlff.reports.terminal import summary_line, table

        if terminal.config.option.collectonly:
            return
        if self.records:
            terminal.ensure_newline()
            terminal.section("mlff")
            limit = None if terminal.config.option.verbose > 0 else _ROWS
            colours = {"": "bold", "passed": "green", "unsupported": "yellow", "skipped": "yellow"}
            for line, verdict in table(list(self.records.values()), limit):
                terminal.write_line(line, **{colours.get(verdict, "red"): True})
            terminal.write_line(
                summary_line(list(self.records.values()), len(self.session.expected))
            )
        for remark in self.remarks:
            terminal.write_line(f"mlff: {remark}", red=True, bold=True)
        if self.session.options.report is not None:
            terminal.write_line(f"mlff: report written to {self.session.options.report}")
