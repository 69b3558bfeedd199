"""Everything that a pull request changes in what judges it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_mlff.errors import MlffError
from pytest_mlff.judge.baselines import baseline_edits
from pytest_mlff.judge.brought import plugin_edits, start_edits, store_edits
from pytest_mlff.judge.cards import card_edits
from pytest_mlff.judge.edits import Edit, worst_first
from pytest_mlff.judge.settings import conftest_edits, file_edits, ini_edits
from pytest_mlff.judge.specs import spec_edits

_SUFFIXES = (".yaml", ".yml")
_ENVIRONMENT = ("requirements.txt", "pyproject.toml", "setup.py")


@dataclass(frozen=True)
class Judge:
    """What judges a model.

    Attributes
    ----------
    suites : sequence of str
        As ``--mlff-suite`` takes them; files relative to the root.
    baseline : str
        File relative to the root; empty for none.
    workflow : str
        File relative to the root; empty where it is not known.
    models : sequence of str
        As ``--mlff-model`` takes them. Of a model card, what it says of laws, capabilities and
        level judges as well.
    store : str
        Folder relative to the root that the run keeps its results in; empty for none.
    """

    suites: Sequence[str]
    baseline: str = ""
    workflow: str = ""
    models: Sequence[str] = ()
    store: str = ""

    @property
    def files(self) -> list[str]:
        """Specs that lie in the repository; others come with the package."""
        return [suite for suite in self.suites if suite.lower().endswith(_SUFFIXES)]


def changes(judge: Judge, base: Path, head: Path) -> list[Edit]:
    """What differs between the roots of two branches, worst first.

    A ``no judge`` says that the base branch cannot judge at all.
    """
    try:
        edits = [edit for name in judge.files for edit in _spec(name, base, head)]
        if judge.baseline:
            name = judge.baseline
            edits += baseline_edits(name, base / name, head / name)
        edits += ini_edits(base, head)
        edits += [edit for name in judge.models for edit in card_edits(name, base, head)]
    except MlffError as error:
        return [Edit("no judge", "the base branch", str(error))]
    edits += conftest_edits(base, head, [name.rpartition("/")[0] for name in judge.files])
    edits += plugin_edits(base, head) + start_edits(base, head)
    edits += store_edits(judge.store, base, head)
    if judge.workflow:
        edits += file_edits("workflow", base, head, judge.workflow)
    for name in _ENVIRONMENT:
        edits += file_edits("environment", base, head, name)
    return worst_first(edits)


def _spec(name: str, base: Path, head: Path) -> list[Edit]:
    if not (base / name).is_file():
        what = "the base branch has none, so the request alone could judge itself"
        return [Edit("no judge", name, what)]
    if not (head / name).is_file():
        return [Edit("case removed", name, "the spec is gone", float("inf"))]
    return spec_edits(name, base / name, head / name)
