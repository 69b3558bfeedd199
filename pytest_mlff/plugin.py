"""The pytest plugin: the only file with hooks, each handing on to the room that does the work.

Without ``--mlff-model`` nothing but options, marks and fixtures is registered, and
nothing heavy is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_mlff.fixtures import (
    mlff_case,
    mlff_conclude,
    mlff_model,
    mlff_predictions,
    mlff_session,
    mlff_structures,
)
from pytest_mlff.options import add_options, read_options
from pytest_mlff.stash import SESSION_KEY

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlff.session import Session

__all__ = [
    "ActivePlugin",
    "mlff_case",
    "mlff_conclude",
    "mlff_model",
    "mlff_predictions",
    "mlff_session",
    "mlff_structures",
    "pytest_addhooks",
    "pytest_addoption",
    "pytest_configure",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register ``--mlff-*``."""
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Make our own hooks known."""
    from pytest_mlff import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Plan the run if a model was named."""
    config.addinivalue_line("markers", "mlff: a case of a benchmark spec")
    folder = config.invocation_params.dir
    options = read_options(config, folder)
    if options is None:
        return
    from pytest_mlff.errors import MlffError
    from pytest_mlff.session import open_session

    adapters = [one for some in config.hook.pytest_mlff_adapters(config=config) for one in some]
    try:
        session = open_session(config, options, adapters)
    except MlffError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[SESSION_KEY] = session
    config.pluginmanager.register(ActivePlugin(session), "mlff-active")


class ActivePlugin:
    """Hooks of a run with ``--mlff-model``."""

    def __init__(self, session: Session) -> None:
        from pytest_mlff.tally import Tally

        self.session = session
        self.tally = Tally(session)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Load models and data, so that bad input ends the run with one line."""
        from pytest_mlff.errors import MlffError
        from pytest_mlff.session import is_worker

        if is_worker(session.config) or session.config.option.collectonly:
            return
        try:
            self.session.check_inputs()
        except MlffError as error:
            raise pytest.UsageError(str(error)) from None

    def pytest_report_header(self, config: pytest.Config) -> list[str]:
        """Say which model is tested, where and by what."""
        from pytest_mlff.run_report import header

        return header(self.session, loaded=not config.option.collectonly)

    @pytest.hookimpl(tryfirst=True)
    def pytest_ignore_collect(self, collection_path: Path, config: pytest.Config) -> bool | None:
        """Keep the way to the specs open, also where they lie in a virtual environment."""
        from pytest_mlff.collection import reaches_specs

        return reaches_specs(self.session, collection_path, config)

    def pytest_collect_file(
        self, file_path: Path, parent: pytest.Collector
    ) -> pytest.Collector | None:
        """Collect the run's specs."""
        from pytest_mlff.collection import collect_spec

        return collect_spec(self.session, file_path, parent)

    @pytest.hookimpl(tryfirst=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> object | None:
        """Keep ``--lf`` from skipping spec files, which it looks for by path and not by id."""
        from _pytest.runner import pytest_make_collect_report

        from pytest_mlff.collection import SpecModule

        if isinstance(collector, SpecModule):
            return pytest_make_collect_report(collector)
        return None

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Turn cases into parameters."""
        from pytest_mlff.collection import parametrize

        parametrize(self.session, metafunc)

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Mark cases, so that ``-m mlff`` finds them."""
        if self.session.is_case(item.nodeid):
            item.add_marker("mlff")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Remember what is to be run."""
        self.session.expect(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Remember what the workers are to run."""
        self.session.expect(ids)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in what a case reported."""
        self.tally.note(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a run in which no case ran or one was lost; write the report."""
        from pytest_mlff.session import is_worker

        if not is_worker(session.config):
            session.exitstatus = self.tally.finish(session)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the table of measurements."""
        self.tally.show(terminalreporter)
