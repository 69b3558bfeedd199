"""What pytest's JUnit file says of a case: the name that the reports give it, and its value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from _pytest.junitxml import LogXML, xml_key

from pytest_mlff.reports.properties import PREFIX
from pytest_mlff.units import in_unit

if TYPE_CHECKING:
    import pytest

    from pytest_mlff.reports.model import CaseRecord


class JUnitCases:
    """The cases in the JUnit file of a run, if one is written, in the process that reports."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.strict: bool = config.getini("junit_family") == "xunit2"
        """Whether the file has to keep to the xunit2 schema."""

    @property
    def _xml(self) -> LogXML | None:
        return self._config.stash.get(xml_key, None)

    def strip(self, report: pytest.TestReport) -> None:
        """Take a case's properties off a report where the schema knows none of a test case."""
        if self.strict:
            report.user_properties = [
                pair for pair in report.user_properties if not pair[0].startswith(PREFIX)
            ]

    def enter(self, report: pytest.TestReport, name: str) -> None:
        """Have the entry that pytest is about to make of a report bear the case's name."""
        if self._xml is not None:
            self._xml.node_reporter(report).add_attribute("name", name)
        if self.strict and report.when not in ("setup", "call", "teardown"):
            # Elsewhere than in a call JUnit's writer puts an element that its schema lacks.
            report.when = "call"

    def put_values(self, records: Iterable[CaseRecord]) -> None:
        """Put each value among the suite's properties, where a test case may have none."""
        if self._xml is None or not self.strict:
            return
        for record in records:
            name = f"{PREFIX}{record.model or 'data'}:{record.case_id}"
            measured = "" if record.value is None else in_unit(f"{record.value!r}", record.unit)
            self._xml.add_global_property(name, f"{record.verdict} {measured}".strip())
