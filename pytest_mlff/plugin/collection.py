"""Specs as pytest modules: which files are collected, and which items they hold."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlff.run.planned_case import ACCURACY, function_of, node_of, planned_cases
from pytest_mlff.specs import builtin_folder

if TYPE_CHECKING:
    from pytest_mlff.run.plan import PlannedSpec
    from pytest_mlff.run.session import Session

_SUFFIXES = (".yaml", ".yml")


class SpecModule(pytest.Module):
    """One spec file. Its functions are those of :mod:`pytest_mlff.plugin.suite`, so every case is
    an ordinary function item and ``-k``, ``--lf``, ``-x`` and fixtures work as ever.
    """

    planned: PlannedSpec

    def _getobj(self) -> Any:
        return importlib.import_module("pytest_mlff.plugin.suite")

    def collect(self) -> list[pytest.Item | pytest.Collector]:
        """The suite's functions with their cases; a function without any is left out."""
        needed = {function_of(case) for case in self.planned.cases}
        return [node for node in super().collect() if getattr(node, "originalname", None) in needed]


def _as_spec(argument: str, folder: Path) -> Path | None:
    """The spec file that a command-line argument names, if it names one."""
    text = argument.partition("::")[0]
    if not text.endswith(_SUFFIXES):
        return None
    path = folder / text
    if path.is_file():
        return path.resolve()
    # An id copied from a report: benchmark_specs/quick.yaml::test_accuracy[…]
    _, found, inside = text.partition("benchmark_specs/")
    builtin = builtin_folder() / inside
    return builtin.resolve() if found and builtin.is_file() else None


def chosen_specs(config: pytest.Config) -> tuple[Path, ...]:
    """Spec files that stand among pytest's own arguments."""
    folder = config.invocation_params.dir
    found = (_as_spec(argument, folder) for argument in config.args)
    return tuple(dict.fromkeys(path for path in found if path is not None))


def set_arguments(
    config: pytest.Config, paths: Sequence[Path], *, only: bool, named: Sequence[Path]
) -> None:
    """Put spec files among pytest's arguments, beside the repository's own tests.

    Arguments that name a spec, or a case of one, become absolute; workers of xdist are
    handed these arguments and do the same again, so nothing may be added twice.
    """
    folder = config.invocation_params.dir
    own: list[str] = []
    specs: list[str] = []
    for argument in config.args:
        path = _as_spec(argument, folder)
        if path is None:
            own.append(argument)
        else:
            _, separator, rest = argument.partition("::")
            specs.append(f"{path}{separator}{rest}")
    specs += [str(path) for path in paths if path not in named]
    config.args[:] = specs if only else [*own, *specs]


def reaches_specs(session: Session, path: Path, config: pytest.Config) -> bool | None:
    """Whether to ignore a path, for the sake of specs in folders that pytest does not search.

    Builtin specs often lie below a virtual environment in the repository. Only the way to
    the specs is opened; whatever else lies beside it stays ignored. None leaves it to pytest.
    """
    from _pytest.main import pytest_ignore_collect

    if path in session.ways:
        return False
    closed = [way for way in path.parents if way in session.ways]
    if any(pytest_ignore_collect(way, config) for way in closed):
        return True
    return None


def _is_ignored(path: Path, config: pytest.Config) -> bool:
    """Whether ``--ignore`` or ``--ignore-glob`` names a spec or a folder above it.

    pytest itself heeds neither for a path among its arguments, where the suites' specs stand.
    """
    folder = config.invocation_params.dir
    way = (path, *path.parents)
    paths = [(folder / one).resolve() for one in config.getoption("ignore") or ()]
    globs = [str(folder / one) for one in config.getoption("ignore_glob") or ()]
    return any(one in paths or any(fnmatch(str(one), glob) for glob in globs) for one in way)


def collect_spec(session: Session, path: Path, parent: pytest.Collector) -> SpecModule | None:
    """Collect a file if it is one of the run's specs, and not one to be ignored."""
    if not session.joins or _is_ignored(path, parent.config):
        return None
    planned = session.by_path.get(path) or session.by_path.get(path.resolve())
    if planned is None:
        return None
    module = SpecModule.from_parent(parent, path=path, nodeid=node_of(planned, session.rootpath))
    module.planned = planned
    return module


def _takes_cases(metafunc: pytest.Metafunc) -> bool:
    """Whether a test, or a fixture of the repository that it takes, asks for single cases."""
    found = metafunc.definition._fixtureinfo
    return "mlff_case" in found.initialnames or any(
        "mlff_case" in definitions[-1].argnames
        for name, definitions in found.name2fixturedefs.items()
        if name != "mlff_predictions"
    )


def parametrize(session: Session, metafunc: pytest.Metafunc) -> None:
    """Give a function its cases.

    A function of the suite gets the cases of its spec; a repository's own test that
    takes ``mlff_case`` gets every case of the run that has an error metric; one that takes
    ``mlff_predictions`` without it runs once per model and set of test frames; one that takes
    only ``mlff_model``, once per model.
    """
    several = session.several_models
    if "mlff_case" in metafunc.fixturenames:
        module = metafunc.definition.getparent(SpecModule)
        if session.trouble is not None:
            raise pytest.Collector.CollectError(str(session.trouble))
        wanted = metafunc.function.__name__ if module is not None else ACCURACY
        specs = session.plan if module is None else (module.planned,)
        chosen = [
            one
            for planned in specs
            for one in planned_cases(planned, session.options.models)
            if one.function == wanted and not (module is None and one.case.is_pooled)
        ]
        if module is None and not _takes_cases(metafunc):
            sets = {one.set_label(several): one for one in reversed(chosen)}
            labels = list(reversed(sets))
            chosen = [sets[label] for label in labels]
        else:
            labels = [one.label(several) for one in chosen]
        metafunc.parametrize("mlff_case", chosen, ids=labels)
    elif "mlff_model" in metafunc.fixturenames:
        sources = session.options.models
        ids = [source.text for source in sources] if several else None
        if several:
            metafunc.parametrize("mlff_model", sources, ids=ids, indirect=True, scope="session")
