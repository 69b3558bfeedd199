"""The state of one run: what was asked, planned, and reported so far."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.errors import MlffError
from pytest_mlff.potentials.failures import ModelFailure
from pytest_mlff.run.planned_case import PlannedCase, node_of, nodeid_of, planned_cases

if TYPE_CHECKING:
    from pytest_mlff.reports.formats import ReportFormat
    from pytest_mlff.reports.model import GitRecord
    from pytest_mlff.run.evaluation import Evaluation
    from pytest_mlff.run.options import Located, Options
    from pytest_mlff.run.plan import PlannedSpec


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
    joins : bool
        Whether the specs are run; otherwise only own tests with ``mlff_case`` read the plan.
    trouble : MlffError or None
        Why there is no plan, where the specs are not run.
    expected : dict
        Ids of collected cases, in order (the values carry nothing).
    command : str
        The command line.
    writers : tuple of (ReportFormat, Path)
        Formats that the report is written in besides JSON, each with its file.
    warnings : list of str
        Lines to show under the header.
    started, clock : float
        Start of the run as a timestamp and on the monotonic clock.
    """

    options: Options
    plan: tuple[PlannedSpec, ...]
    evaluation: Evaluation
    rootpath: Path
    joins: bool = True
    trouble: MlffError | None = None
    command: str = ""
    writers: tuple[tuple[ReportFormat, Path], ...] = ()
    expected: dict[str, None] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    clock: float = field(default_factory=time.monotonic)

    @cached_property
    def git(self) -> GitRecord | None:
        """State of the repository, as it is when first asked for."""
        from pytest_mlff.run.revision import git_record

        return git_record(self.rootpath)

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

    @cached_property
    def names(self) -> dict[str, str]:
        """What a case is called everywhere, by the id of its item."""
        return {nodeid: one.label(self.several_models) for nodeid, one in self.by_nodeid.items()}

    @property
    def deselected(self) -> int:
        """How many planned cases were not collected: `-k`, `-m`, a hook, a case named by its id."""
        return len(self.by_nodeid.keys() - self.expected.keys())

    @property
    def several_models(self) -> bool:
        """Whether ids have to name the model."""
        return len(self.options.models) > 1

    def is_case(self, nodeid: str) -> bool:
        """Whether an item comes from a spec."""
        return self.joins and nodeid.partition("::")[0] in self.nodes

    def expect(self, nodeids: Iterable[str]) -> None:
        """Remember collected cases, to notice if one is lost."""
        self.expected.update({nodeid: None for nodeid in nodeids if self.is_case(nodeid)})

    def check_data(self) -> None:
        """Look for the data before the first case, so that bad input ends the run.

        Raises
        ------
        MlffError
            With one line.
        """
        for planned in self.plan:
            planned.check_data()

    def open_models(self, *, refuse_code: bool = False) -> None:
        """Open every model that needs no variant, so that a bad one ends the run.

        With ``refuse_code``, no file is opened that could run code then.

        Raises
        ------
        MlffError
            With one line.
        """
        for source in self.options.models:
            if not self.evaluation.models.needs_variant(source):
                # A model that ends or hangs in loading is an error of its cases, not of the run.
                with contextlib.suppress(ModelFailure):
                    self.warnings.extend(_caught(self.evaluation, source, refuse_code))


def _caught(evaluation: Evaluation, source: Located, refuse_code: bool) -> list[str]:
    from pytest_mlff.potentials.adapters import ModelOpensCodeWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if refuse_code:
            warnings.simplefilter("error", ModelOpensCodeWarning)
        try:
            evaluation.potential(source)
        except ModelOpensCodeWarning as warning:
            raise MlffError(f"{warning} (filterwarnings makes this an error)") from None
    return [str(one.message) for one in caught if issubclass(one.category, ModelOpensCodeWarning)]
