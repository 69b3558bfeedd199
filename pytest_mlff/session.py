"""The state of one active pytest session: what was asked, planned, and reported so far."""

from __future__ import annotations

import os
import time
import warnings
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_mlff.collection import PlannedCase, node_of, nodeid_of, planned_cases
from pytest_mlff.evaluation import Evaluation
from pytest_mlff.plan import PlannedSpec, make_plan, spec_paths
from pytest_mlff.store import Store, can_write

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import pytest

    from pytest_mlff.options import Located, Options
    from pytest_mlff.potentials.adapters import Adapter

__all__ = ["Session", "is_worker", "open_session"]


@dataclass(frozen=True)
class Session:
    """One run.

    Attributes
    ----------
    options : Options
        What the user asked for.
    plan : tuple of PlannedSpec
        Specs with their variants and cases.
    evaluation : Evaluation
        What the cases of this process share.
    rootpath : Path
        pytest's root folder.
    expected : dict
        Ids of collected cases, in order (the values carry nothing).
    warnings : list of str
        Lines to show under the header.
    started, clock : float
        Start of the run as a timestamp and on the monotonic clock.
    """

    options: Options
    plan: tuple[PlannedSpec, ...]
    evaluation: Evaluation
    rootpath: Path
    expected: dict[str, None] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    clock: float = field(default_factory=time.monotonic)

    @cached_property
    def by_path(self) -> dict[Path, PlannedSpec]:
        """Planned specs by their file."""
        return {planned.path: planned for planned in self.plan}

    @cached_property
    def ways(self) -> frozenset[Path]:
        """Spec files and the folders between them and the root folder."""
        return frozenset(
            way
            for path in self.by_path
            for way in (path, *path.parents)
            if way != self.rootpath and way.is_relative_to(self.rootpath)
        )

    @cached_property
    def nodes(self) -> frozenset[str]:
        """First parts of the ids of all items that come from specs."""
        return frozenset(node_of(planned, self.rootpath) for planned in self.plan)

    @cached_property
    def by_nodeid(self) -> dict[str, PlannedCase]:
        """Every planned case by the id of its item."""
        return {
            nodeid_of(one, self.rootpath, self.several_models): one
            for planned in self.plan
            for one in planned_cases(planned, self.options.models)
        }

    @property
    def several_models(self) -> bool:
        """Whether ids have to name the model."""
        return len(self.options.models) > 1

    def is_case(self, nodeid: str) -> bool:
        """Whether an item comes from a spec."""
        return nodeid.partition("::")[0] in self.nodes

    def expect(self, nodeids: Iterable[str]) -> None:
        """Remember collected cases, to notice if one is lost."""
        self.expected.update({nodeid: None for nodeid in nodeids if self.is_case(nodeid)})

    def check_inputs(self) -> None:
        """Load models and data once before the first case, so that bad input ends the run.

        Raises
        ------
        MlffError
            With one line.
        """
        for planned in self.plan:
            planned.check_data()
        for source in self.options.models:
            if not self.evaluation.models.needs_variant(source):
                self.warnings.extend(_caught(self.evaluation, source))


def _caught(evaluation: Evaluation, source: Located) -> list[str]:
    from pytest_mlff.potentials.adapters import ModelOpensCodeWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        evaluation.potential(source)
    return [str(one.message) for one in caught if issubclass(one.category, ModelOpensCodeWarning)]


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is an xdist worker."""
    return hasattr(config, "workerinput")


def open_session(config: pytest.Config, options: Options, adapters: Sequence[Adapter]) -> Session:
    """Plan a run and put the specs among what pytest collects.

    Raises
    ------
    MlffError
        If a spec, suite or dataset is not in order, or the report cannot be written.
    """
    from pytest_mlff.collection import chosen_specs, set_arguments
    from pytest_mlff.errors import MlffError
    from pytest_mlff.scheduling.threads import threads_per_worker

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
        from pytest_mlff.scheduling.ahead import only_stored
        from pytest_mlff.scheduling.engines import ENGINES

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
