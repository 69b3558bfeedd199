"""The start of a run under pytest: options are checked, specs planned and collected."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

from pytest_mlff.errors import MlffError
from pytest_mlff.plugin.collection import chosen_specs, set_arguments
from pytest_mlff.run.evaluation import Evaluation
from pytest_mlff.run.plan import make_plan, spec_paths
from pytest_mlff.run.session import Session
from pytest_mlff.scheduling.threads import threads_per_worker
from pytest_mlff.store import Store, can_write

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from pytest_mlff.potentials.adapters import Adapter
    from pytest_mlff.run.options import Options

__all__ = ["is_worker", "open_session", "refuses_code"]


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


def open_session(config: pytest.Config, options: Options, adapters: Sequence[Adapter]) -> Session:
    """Plan a run and put the specs among what pytest collects.

    Raises
    ------
    MlffError
        If a spec, suite or dataset is not in order, or the report cannot be written.
    """
    if not is_worker(config):
        for option, path in (("report", options.report), ("html", options.html)):
            if path is not None and path.is_dir():
                raise MlffError(f"--mlff-{option}: {path} is a folder; name a file in it")
            if path is not None and not can_write(path.parent):
                raise MlffError(f"--mlff-{option}: cannot write to {path.parent}")
        if options.html is not None:
            from pytest_mlff.reports.html import require_html

            require_html()
    named = chosen_specs(config)
    paths = named if named and not options.suite_chosen else spec_paths(options.suites)
    paths = tuple(dict.fromkeys((*paths, *named)))
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
    session = Session(
        options=options,
        plan=make_plan(options, paths),
        evaluation=Evaluation(
            options, Store(options.store_dir), adapters, threads_per_worker(os.environ), train
        ),
        rootpath=config.rootpath,
    )
    if len(session.nodes) < len(session.plan):
        raise MlffError(
            "two of the specs would give their cases the same ids (a builtin spec and one below "
            "your own benchmark_specs folder); rename yours"
        )
    set_arguments(config, paths, only=options.only, named=named)
    return session
