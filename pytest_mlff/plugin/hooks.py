"""The pytest plugin: the only file with hooks, each handing on to the room that does the work.

Without ``--mlff-model`` nothing but options, marks and fixtures is registered, and
nothing heavy is imported.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_mlff.plugin.fixtures import (
    GATE_KEY,
    _mlff_conclude,
    _mlff_session,
    mlff_case,
    mlff_model,
    mlff_predictions,
    mlff_structures,
)
from pytest_mlff.plugin.options import add_options, read_options
from pytest_mlff.plugin.stash import SESSION_KEY

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from xdist.workermanage import WorkerController

    from pytest_mlff.plugin.selection import PickedTests
    from pytest_mlff.potentials.process import Offer
    from pytest_mlff.run.baselines import RegressionGate
    from pytest_mlff.run.session import Session

__all__ = [
    "ActivePlugin",
    "_mlff_conclude",
    "_mlff_session",
    "mlff_case",
    "mlff_model",
    "mlff_predictions",
    "mlff_structures",
    "pytest_addhooks",
    "pytest_addoption",
    "pytest_configure",
    "pytest_load_initial_conftests",
    "pytest_xdist_auto_num_workers",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register ``--mlff-*``."""
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Make our own hooks known."""
    from pytest_mlff.plugin import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """In an xdist worker, take a GPU slot before anything can import torch."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        from pytest_mlff.scheduling.xdist.auto import pin_worker

        pin_worker(early_config)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """``-n auto``: GPU slots, else cores / threads per model."""
    options = read_options(config)
    if options is None:
        return None
    from pytest_mlff.scheduling.xdist.auto import auto_workers

    return auto_workers(config, options)


def pytest_configure(config: pytest.Config) -> None:
    """Plan the run if a model was named."""
    config.addinivalue_line("markers", "mlff: a case of a benchmark spec")
    options = read_options(config)
    if options is None:
        return
    from pytest_mlff.errors import MlffError
    from pytest_mlff.metrics.registry import add_metrics
    from pytest_mlff.plugin.selection import read_selection
    from pytest_mlff.plugin.start import is_worker, open_session
    from pytest_mlff.run.baselines import RegressionGate, check_options
    from pytest_mlff.scheduling.xdist.auto import check_slots

    adapters = [one for some in config.hook.pytest_mlff_adapters(config=config) for one in some]
    try:
        add_metrics(one for some in config.hook.pytest_mlff_metrics(config=config) for one in some)
        check_options(options)
        if not is_worker(config):
            check_slots(config, options)
        selection = read_selection(config, options)
        session = open_session(config, options, adapters, selection)
    except MlffError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[SESSION_KEY] = session
    gate = config.stash[GATE_KEY] = RegressionGate(session)
    active = ActivePlugin(config, session, gate, selection, worker=is_worker(config))
    config.pluginmanager.register(active, "mlff-active")


class ActivePlugin:
    """Hooks of a run with ``--mlff-model``."""

    def __init__(
        self,
        config: pytest.Config,
        session: Session,
        gate: RegressionGate,
        selection: PickedTests,
        *,
        worker: bool,
    ) -> None:
        from pytest_mlff.plugin.inert import InertLog
        from pytest_mlff.plugin.junit import JUnitCases
        from pytest_mlff.plugin.results import Tally
        from pytest_mlff.plugin.waiting import Waiting
        from pytest_mlff.scheduling.xdist.distribution import Stopwatch

        self.stopwatch = Stopwatch()
        self.session = session
        self.gate = gate
        self.worker = worker
        self.tally = Tally(session, gate, selection, JUnitCases(config))
        self.log = InertLog()
        self.waiting = Waiting()
        # Of the workers, those that open the models before the first case.
        self.openers: list[str] = []
        self.offers: tuple[Offer, ...] = ()  # what is begun to be opened for them

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Load models and data, so that bad input ends the run with one line."""
        from pytest_mlff.errors import MlffError
        from pytest_mlff.plugin.start import refuses_code
        from pytest_mlff.scheduling.shows import only_shows
        from pytest_mlff.scheduling.xdist.auto import stops_the_run
        from pytest_mlff.scheduling.xdist.distribution import offered_to, opens_models

        models = self.session.evaluation.models
        models.training_notice = self.waiting.training_teller(session.config)
        self.session.evaluation.simulations.notice = self.waiting.writer(session.config)
        models.notice = self.waiting.teller(session.config)
        if not self.worker:
            self.log.close(session.config)
        if not self.session.joins or only_shows(session.config):
            return
        refuse_code = refuses_code(session.config)
        # A baseline is looked up by the name that a model gives itself.
        opens = opens_models(session.config) or (self.gate.active and not self.worker)
        models.offered = offered_to(session.config)
        if not opens and not self.worker:
            from pytest_mlff.scheduling.xdist.offer import offer_model

            self.offers = offer_model(self.session, session.config, refuse_code=refuse_code)
        try:
            if not self.worker:
                self.session.check_data()
            if opens:
                self.session.open_models(refuse_code=refuse_code)
            if not self.worker:
                self.gate.check_inputs()
        except MlffError as error:
            raise (stops_the_run if self.worker else pytest.UsageError)(str(error)) from None
        if not self.worker:
            self.tally.begin()

    def pytest_report_header(self, config: pytest.Config) -> list[str]:
        """Say which model is tested, where and by what."""
        from pytest_mlff.run.report import header
        from pytest_mlff.scheduling.shows import only_shows

        return header(self.session, self.gate, loaded=not only_shows(config))

    @pytest.hookimpl(tryfirst=True)
    def pytest_ignore_collect(self, collection_path: Path, config: pytest.Config) -> bool | None:
        """Keep the way to the specs open, also where they lie in a virtual environment."""
        from pytest_mlff.plugin.collection import reaches_specs

        return reaches_specs(self.session, collection_path, config)

    def pytest_collect_file(
        self, file_path: Path, parent: pytest.Collector
    ) -> pytest.Collector | None:
        """Collect the run's specs."""
        from pytest_mlff.plugin.collection import collect_spec

        return collect_spec(self.session, file_path, parent)

    @pytest.hookimpl(tryfirst=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> object | None:
        """Keep ``--lf`` from skipping spec files, which it looks for by path and not by id."""
        from _pytest.runner import pytest_make_collect_report

        from pytest_mlff.plugin.collection import SpecModule

        if isinstance(collector, SpecModule):
            return pytest_make_collect_report(collector)
        return None

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Turn cases into parameters."""
        from pytest_mlff.plugin.collection import parametrize

        parametrize(self.session, metafunc)

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Mark cases, so that ``-m mlff`` finds them."""
        if self.session.is_case(item.nodeid):
            item.add_marker("mlff")

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Count cases that are not to be run."""
        self.tally.deselected += sum(self.session.is_case(item.nodeid) for item in items)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Remember what is to be run, and have an engine train for it."""
        from pytest_mlff.scheduling.xdist.ahead import will_run

        self.session.expect(item.nodeid for item in session.items)
        if not self.worker and will_run(session):
            self._train([item.nodeid for item in session.items], session.config)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: object, ids: list[str]) -> None:
        """Remember what the workers are to run, and have an engine train for it."""
        if not self.session.expected:
            self._train(ids, node.config)  # type: ignore[attr-defined]
        self.session.expect(ids)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: WorkerController) -> None:
        """Tell a worker what to collect, and which GPU slots and threads are its own."""
        from pytest_mlff.plugin.selection import tell_worker
        from pytest_mlff.scheduling.xdist.distribution import prepare_worker

        tell_worker(self.tally.selection, node.workerinput)
        offer = next(iter(self.offers[len(self.openers) :]), None)
        opens = offer is not None or not self.openers
        if opens:
            self.openers.append(node.gateway.id)
        prepare_worker(node.config, node.workerinput, opens=opens, offer=offer)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config) -> object | None:
        """Keep together what shares a training or a prediction pass, longest first."""
        from pytest_mlff.scheduling.xdist.distribution import make_scheduler

        since = self.offers[0].since if self.offers else None
        return make_scheduler(self.session, config, self.openers, since)

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_testnodedown(self, error: object | None) -> None:
        """End the run with one line if a worker got no GPU slot, or a model is not in order."""
        from pytest_mlff.scheduling.xdist.auto import stop_with_worker

        for one in self.offers:
            one.close()
        stop_with_worker(error)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """In a worker, add the item that it idles on."""
        from pytest_mlff.scheduling.xdist.idle import add_idle

        add_idle(session)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> bool | None:
        """Pass over the item that a worker idles on."""
        from pytest_mlff.scheduling.xdist.idle import run_idle

        self.waiting.case = item.nodeid
        return run_idle(item, nextitem)

    def _train(self, ids: list[str], config: pytest.Config) -> None:
        from pytest_mlff.errors import MlffError
        from pytest_mlff.scheduling.xdist.ahead import train_for

        def executors(name: str) -> Executor | None:
            found: Executor | None = config.hook.pytest_mlff_executor(name=name, config=config)
            return found

        try:
            train_for(self.session, ids, executors)
        except MlffError as error:
            raise pytest.UsageError(str(error)) from None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Give a case's report what is too large for its properties."""
        from pytest_mlff.plugin.attachment import hand_over
        from pytest_mlff.plugin.told import tell_models
        from pytest_mlff.reports.failure import shorten

        report = yield
        hand_over(item, report)
        if self.worker:
            tell_models(self.session, report)
        if item.nodeid in self.session.names:
            shorten(report, self.session.names[item.nodeid])
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in what a case reported, before others see what only we can use."""
        if not self.worker:
            self.stopwatch.note(report)
            self.tally.note(report)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Fail a run in which no case ran or one was lost; write the report, let others write."""
        from pytest_mlff.plugin.interrupts import reports_first

        if self.worker:
            return (yield)
        with reports_first():
            session.exitstatus = self.tally.finish(session)
            self.stopwatch.finish(self.session)
            return (yield)

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """End the models' processes; give GitHub its commands, now that no model speaks."""
        self.session.evaluation.models.close()
        for one in self.offers:
            one.close()
        self.log.open(config, self.tally.commands)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the table of measurements, and have the lines of failures keep their reasons."""
        from pytest_mlff.plugin.short_summary import keep_reasons

        self.tally.show(terminalreporter)
        keep_reasons(terminalreporter, self.session.names)
