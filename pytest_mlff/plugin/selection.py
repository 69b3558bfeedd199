"""What a command line picks: specs, own tests by name, or both.

Whoever runs one test of their own, or a shard of them, asks nothing about the model. Whoever
asks about the model must not take such a run's green for an answer.
"""

from __future__ import annotations

import os
import shlex
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlff.plugin.collection import chosen_specs

if TYPE_CHECKING:
    import pytest

    from pytest_mlff.run.options import Options

_WORKER_KEY = "mlff_selection"
# Options that pick tests, pytest's own and those of plugins that cut a run into shards.
_PICKS = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "lf", "stepwise",
          "splits", "num_shards", "test_group")  # fmt: skip


@dataclass(frozen=True)
class PickedTests:
    """What a command line picks.

    Attributes
    ----------
    named : tuple of Path
        Spec files among the arguments.
    joins : bool
        Whether specs are collected.
    suites : bool
        Whether the specs of the suites are meant, beside those that are named.
    only : bool
        Whether own tests are left out.
    typed : tuple of str
        Options of a report or a baseline that were typed, which need a case to be run.
    excuse : str
        Why a run without any case may be green: ``picked``, ``deselected`` (if cases were
        collected and then deselected) or, where a case must be run, nothing.
    """

    named: tuple[Path, ...]
    joins: bool
    suites: bool
    only: bool
    typed: tuple[str, ...] = ()
    excuse: str = ""

    def excuses(self, deselected: int) -> bool:
        """Whether a run without any case may be green, some cases having been deselected."""
        return self.excuse == "picked" or (self.excuse == "deselected" and deselected > 0)


def read_selection(config: pytest.Config, options: Options) -> PickedTests:
    """Read what was typed: arguments of this run, not what an ini file says.

    In a worker of xdist the configuration knows what the controller has read.
    """
    named = chosen_specs(config)
    told = getattr(config, "workerinput", {}).get(_WORKER_KEY)
    if told is not None:
        return PickedTests(named, **told)
    typed, default = _parsed(config), _parsed(config, [])
    asked = bool(named or typed.mlff_suite or typed.mlff_only)
    paths = bool(typed.file_or_dir)
    joins = asked or not paths
    picked = any(_differ(typed, default, name) for name in _PICKS)
    # Expressions that an ini file keeps in force are nobody's choice for this run.
    kept = any(_differ(config.option, typed, name) for name in ("keyword", "markexpr"))
    excuse = ""
    if asked:
        pass
    elif paths:
        folder = config.invocation_params.dir
        by_name = picked or any(not (folder / one).is_dir() for one in typed.file_or_dir)
        excuse = "picked" if by_name or not typed.mlff_model else ""
    elif not kept:
        excuse = "picked" if picked else "" if typed.mlff_model else "deselected"
    return PickedTests(
        named,
        joins=joins,
        suites=bool(typed.mlff_suite) or not named or (options.suite_chosen and not paths),
        only=options.only and joins,
        typed=tuple(
            f"--mlff-{name.replace('_', '-')}"
            for name in ("report", "html", "update_baseline")
            if getattr(typed, f"mlff_{name}")
        ),
        excuse=excuse,
    )


def tell_worker(selection: PickedTests, workerinput: dict[str, Any]) -> None:
    """Have a worker of xdist, which knows no command line, pick the same."""
    workerinput[_WORKER_KEY] = {
        name: getattr(selection, name) for name in ("joins", "suites", "only")
    }


def _parsed(config: pytest.Config, arguments: list[str] | None = None) -> Namespace:
    if arguments is None:
        extra = shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))
        arguments = [*extra, *(str(one) for one in config.invocation_params.args)]
    return config._parser.parse_known_args(arguments)


def _differ(one: Namespace, other: Namespace, name: str) -> bool:
    return bool(getattr(one, name, None) != getattr(other, name, None))
