"""Hooks that a model repository or another plugin may implement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from pytest_mlff.metrics.registry import Metric
    from pytest_mlff.potentials.adapters import Adapter
    from pytest_mlff.reports.formats import ReportFormat


@pytest.hookspec
def pytest_mlff_adapters(config: pytest.Config) -> Sequence[Adapter]:  # type: ignore[empty-body]
    """Return adapters for model families that this package does not know.

    They are asked before the builtin ones. See
    :class:`pytest_mlff.potentials.adapters.Adapter`.
    """


@pytest.hookspec
def pytest_mlff_metrics(config: pytest.Config) -> Sequence[Metric]:  # type: ignore[empty-body]
    """Return metrics and laws that specs of this run may name.

    What the ``mlff`` command should know, too, is added by an entry point of the group
    ``pytest_mlff.metrics`` or ``pytest_mlff.laws``. See
    :class:`pytest_mlff.metrics.registry.Metric`.
    """


@pytest.hookspec
def pytest_mlff_reports(  # type: ignore[empty-body]
    config: pytest.Config,
) -> Sequence[ReportFormat]:
    """Return formats for ``--mlff-write``.

    What ``mlff report`` should know, too, is added by an entry point of the group
    ``pytest_mlff.reports``. See :class:`pytest_mlff.reports.formats.ReportFormat`.
    """


@pytest.hookspec(firstresult=True)
def pytest_mlff_executor(name: str, config: pytest.Config) -> Executor | None:
    """Return the engine that ``--mlff-engine=NAME`` means, or None for a name not known.

    Any executor in the manner of :mod:`concurrent.futures` will do: ``submit(function, job)``
    has to return a future. It is asked before the engines that this package brings.
    """
