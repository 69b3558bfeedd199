"""The start of a run under pytest: options are checked, specs planned and collected."""

from __future__ import annotations

import os
import shlex
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.errors import MlffError
from pytest_mlff.plugin.collection import set_arguments
from pytest_mlff.run.evaluation import Evaluation
from pytest_mlff.run.plan import make_plan, spec_paths
from pytest_mlff.run.session import Session
from pytest_mlff.scheduling.threads import threads_per_worker
from pytest_mlff.store import Store, can_write

if TYPE_CHECKING:
    import pytest

    from pytest_mlff.plugin.selection import PickedTests
    from pytest_mlff.potentials.adapters import Adapter
    from pytest_mlff.reports.formats import ReportFormat
    from pytest_mlff.run.options import Options
    from pytest_mlff.run.plan import PlannedSpec


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is an xdist worker."""
    return hasattr(config, "workerinput")


def refuses_code(config: pytest.Config) -> bool:
    """Whether ``filterwarnings`` or ``-W`` makes `ModelOpensCodeWarning` an error.

    pytest applies its filters to tests alone, and models are opened before the first.
    """
    from _pytest.config import apply_warning_filters

    from pytest_mlff.potentials.adapters import ModelOpensCodeWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        apply_warning_filters(
            config.getini("filterwarnings"), config.known_args_namespace.pythonwarnings or []
        )
        try:
            warnings.warn("asked", ModelOpensCodeWarning, stacklevel=1)
        except ModelOpensCodeWarning:
            return True
    return False


def open_session(
    config: pytest.Config, options: Options, adapters: Sequence[Adapter], selection: PickedTests
) -> Session:
    """Plan a run and put the specs among what pytest collects.

    Raises
    ------
    MlffError
        If a spec, suite or dataset is not in order, or the report cannot be written.
    """
    if not selection.joins:
        options = _without_reports(options, selection)
    writers = () if is_worker(config) else _writers(config, options)
    train = None
    if options.engine != "local":
        from pytest_mlff.scheduling.engines.registry import ENGINES
        from pytest_mlff.scheduling.xdist.ahead import only_stored

        others = config.hook.pytest_mlff_executor.get_hookimpls()
        if options.engine not in ENGINES and not others:
            raise MlffError(
                f"--mlff-engine: {options.engine!r} is none of {', '.join(ENGINES)}, and no plugin "
                "implements pytest_mlff_executor"
            )

        train = only_stored(options.engine)
    paths: tuple[Path, ...] = ()
    plan: tuple[PlannedSpec, ...] = ()
    trouble = None
    try:
        paths = spec_paths(options.suites) if selection.suites else ()
        paths = tuple(dict.fromkeys((*paths, *selection.named)))
        plan = make_plan(options, paths)
    except MlffError as error:
        if selection.joins:
            raise
        # Only a test that takes mlff_case has a use for the plan now, and will hear of it.
        trouble = error
    session = Session(
        options=options,
        plan=plan,
        joins=selection.joins,
        trouble=trouble,
        command=shlex.join(["pytest", *(str(one) for one in config.invocation_params.args)]),
        evaluation=Evaluation(
            options, Store(options.store_dir), adapters, threads_per_worker(os.environ), train
        ),
        rootpath=config.rootpath,
        writers=writers,
    )
    if len(session.nodes) < len(session.plan):
        raise MlffError(
            "two of the specs would give their cases the same ids (a builtin spec and one below "
            "your own benchmark_specs folder); rename yours"
        )
    if selection.joins:
        set_arguments(config, paths, only=selection.only, named=selection.named)
    return session


def _without_reports(options: Options, selection: PickedTests) -> Options:
    """Options of a run without specs: a report that an ini file names stays as it is."""
    if selection.typed:
        raise MlffError(
            f"{selection.typed[0]}: paths of own tests are given, so no spec is run; "
            "add --mlff-suite=NAME"
        )
    return replace(options, report=None, writes=(), update_baseline=False)


def _writers(config: pytest.Config, options: Options) -> tuple[tuple[ReportFormat, Path], ...]:
    """See that the reports can be written, before hours have gone into them."""
    asked = [("report", options.report)] if options.report is not None else []
    asked += [("html" if name == "html" else "write", path) for name, path in options.writes]
    for option, path in asked:
        if path.is_dir():
            raise MlffError(f"--mlff-{option}: {path} is a folder; name a file in it")
        if path.exists() and not path.is_file():
            raise MlffError(
                f"--mlff-{option}: {path} is a device or pipe, no file; leave the option out or "
                "name a file"
            )
        if not can_write(path.parent):
            raise MlffError(f"--mlff-{option}: cannot write to {path.parent}")
    if not options.writes:
        return ()
    from pytest_mlff.reports.formats import format_named, report_formats

    hooked = config.hook.pytest_mlff_reports(config=config)
    formats = report_formats(one for some in hooked for one in some)
    writers = [(format_named(name, formats), path) for name, path in options.writes]
    for writer, _ in writers:
        writer.check()
    return tuple(writers)
