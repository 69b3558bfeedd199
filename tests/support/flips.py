"""Random flips of bits in the files of a real store, and whether a number follows them."""

from __future__ import annotations

import shutil
import sys
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_mlff.errors import MlffError
from pytest_mlff.run.evaluation import Evaluation
from pytest_mlff.run.needs import ProductName
from pytest_mlff.run.options import Located, Options
from pytest_mlff.run.plan import make_plan, spec_paths
from pytest_mlff.run.planned_case import LAW, planned_cases
from pytest_mlff.scheduling.xdist.durations import read_durations, remember
from pytest_mlff.store import Store, StoreWarning

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from support.faults import Scene

__all__ = ["Bench", "flip", "problems"]

Truth = dict[str, tuple[str, Any, str]]


def flip(path: Path, draw: random.Random, most: int = 20) -> int:
    """Flip 1 to ``most`` bits of a file that is not empty; returns how many."""
    content = bytearray(path.read_bytes())
    bits = draw.sample(range(8 * len(content)), min(8 * len(content), draw.randint(1, most)))
    for bit in bits:
        content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(bytes(content))
    return len(bits)


@dataclass
class Bench:
    """A store that real evaluations have filled, kept whole beside the one that is damaged.

    Attributes
    ----------
    scene : Scene
        The model repository.
    models, suites : tuple of str
        What is evaluated in it.
    words : tuple of str
        Only cases whose ids hold one of these words, and no laws: those read nothing stored.
    """

    scene: Scene
    models: tuple[str, ...] = ("spring.yaml", "fixed.spring")
    suites: tuple[str, ...] = ("specs/two.yaml",)
    words: tuple[str, ...] = ("",)
    truth: Truth = field(init=False)
    whole: Path = field(init=False)
    _loaded: dict[Any, Any] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        sys.path.insert(0, str(self.scene.root))
        self.options = Options(
            models=self._located(self.models), suites=self._located(self.suites),
            store_dir=self.scene.store, device="cpu",
        )  # fmt: skip
        self.plan = make_plan(self.options, spec_paths(self.options.suites))
        remember(Store(self.scene.store), {ProductName("pass", "any"): 2.0})
        self.truth = self.measured()
        self.whole = self.scene.root / "whole"
        shutil.copytree(self.scene.store, self.whole)

    def _located(self, words: tuple[str, ...]) -> tuple[Located, ...]:
        return tuple(Located(word, self.scene.root) for word in words)

    def files(self) -> list[Path]:
        """What can be flipped: all files but empty ones (locks), relative to the store."""
        found = (one for one in self.whole.rglob("*") if one.is_file() and one.stat().st_size)
        return sorted(one.relative_to(self.whole) for one in found)

    def restore(self) -> None:
        """Make the store whole again."""
        shutil.rmtree(self.scene.store)
        shutil.copytree(self.whole, self.scene.store)

    def measured(self) -> Truth:
        """Every case as a process says that begins with the store as it is."""
        from spring import Adapter  # the scene's own family

        store = Store(self.scene.store)
        evaluation = Evaluation(self.options, store, [Adapter()])
        # Models of files are the same in each round, and dear to load.
        evaluation.models._potentials.update(self._loaded)
        found: Truth = {}
        for planned in self.plan:
            for one in planned_cases(planned, self.options.models):
                label = one.label(several_models=True)
                if one.function != LAW and any(word in label for word in self.words):
                    outcome = evaluation.evaluate(one.case, planned, one.source)
                    value = None if outcome.measurement is None else outcome.measurement.value
                    judgement = outcome.judgement
                    found[label] = (judgement.verdict.value, value, judgement.reason or "")
        for key, potential in evaluation.models._potentials.items():
            if not key[0].text.endswith(".yaml"):
                self._loaded[key] = potential
        seconds = read_durations(store).seconds
        found["durations"] = ("", dict(seconds), "")
        return found


def problems(bench: Bench, names: list[Path]) -> tuple[list[str], int]:
    """What is wrong after files were flipped, and the number of warnings.

    Parameters
    ----------
    bench : Bench
    names : list of Path
        Files that were flipped, relative to the store.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", StoreWarning)
        try:
            found = bench.measured()
        except MlffError as error:
            return [f"error: {error}"], 0
        except Exception as error:  # what would be a traceback
            return [f"traceback: {error!r}"], 0
    wrong = [
        f"wrong: {label} says {found[label]}, and should say {expected}"
        for label, expected in bench.truth.items()
        if not _same(found[label], expected) and not (label == "durations" and not found[label][1])
    ]
    told = [str(one.message) for one in caught if issubclass(one.category, StoreWarning)]
    if len(told) > len(names):
        wrong.append(f"told: {len(told)} warnings for {len(names)} files: {told}")
    return wrong, len(told)


def _same(found: tuple[str, Any, str], expected: tuple[str, Any, str]) -> bool:
    if not (isinstance(found[1], float) and isinstance(expected[1], float)):
        return found == expected
    # A pass that is computed again may run in other batches, which changes its rounding.
    close = abs(found[1] - expected[1]) <= 1e-6 * max(1.0, abs(expected[1]))
    return close and found[0] == expected[0]
