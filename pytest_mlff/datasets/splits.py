"""Cutting training, validation and test frames out of datasets.

A window is a half-open interval of percent over the time-ordered frames of one
molecule: of n frames it holds those from floor(n·start/100) up to, not including,
floor(n·end/100). Where frames belong to independent replicas it is one over the replicas,
in the order of their index, and holds all frames of each. Every number is exact and every
choice reproducible: the seeded order uses the raw stream of PCG64, which NumPy keeps unchanged
across versions and platforms, unlike the stream behind ``Generator.permutation``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pytest_mlff.datasets.frames import Frames, read_only
from pytest_mlff.errors import MlffError, NotSupportedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.dataset import Dataset, DatasetSource

PICKS = ("all", "first", "evenly", "random")


class _Selection(Protocol):
    """Which frames of which molecules; all numbers resolved."""

    @property
    def molecules(self) -> tuple[str, ...]: ...
    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...
    @property
    def pick(self) -> str: ...
    @property
    def count(self) -> int | None: ...
    @property
    def dataset(self) -> str | None: ...


class _Selections(Protocol):
    @property
    def train(self) -> _Selection | None: ...
    @property
    def named(self) -> Mapping[str, _Selection]: ...


class _Spec(Protocol):
    @property
    def seed(self) -> int: ...


class _VariantLike(Protocol):
    """The part of :class:`pytest_mlff.specs.Variant` that cutting needs."""

    @property
    def spec(self) -> _Spec: ...
    @property
    def id(self) -> str: ...
    @property
    def selections(self) -> _Selections: ...


@dataclass(frozen=True, eq=False)
class IndexSet:
    """Ascending positions in the time-ordered frames of each molecule, and whose they are."""

    indices: Mapping[str, NDArray[np.int64]]
    datasets: Mapping[str, Dataset]

    def __len__(self) -> int:
        return sum(len(positions) for positions in self.indices.values())

    @cached_property
    def frames(self) -> Frames:
        """The frames, molecule after molecule, each in time order."""
        return Frames.concatenate(
            [
                self.datasets[molecule].frames.select(positions)
                for molecule, positions in self.indices.items()
            ]
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the structures and labels of these frames."""
        return self.frames.digest


@dataclass(frozen=True, eq=False)
class FrameSets:
    """The sets of frames of one fixture variant by name; ``others`` are those a spec made up."""

    test: IndexSet
    train: IndexSet | None = None
    validation: IndexSet | None = None
    others: Mapping[str, IndexSet] = field(default_factory=dict)

    @property
    def named(self) -> dict[str, IndexSet]:
        """Every set that there is, by its name."""
        roles = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: one for name, one in roles.items() if one is not None} | dict(self.others)

    @property
    def test_frames(self) -> Frames:
        """Test frames with their labels, which all cases share and none may change."""
        frames = self.test.frames
        read_only(frames.energy, frames.forces, frames.stress)
        return frames

    @property
    def train_frames(self) -> Frames | None:
        """Training frames with their labels."""
        return None if self.train is None else self.train.frames


def _exact(percent: float) -> Fraction:
    # A percentage such as 0.1 + 0.2 stands for 3/10; no spec means a finer one.
    return Fraction(percent).limit_denominator(10**9)


def window_bounds(n_frames: int, start: float, end: float) -> tuple[int, int]:
    """First and one-past-last frame of a window of percent, in exact arithmetic.

    Raises
    ------
    MlffError
        Unless 0 ≤ start < end ≤ 100.
    """
    if not 0 <= start < end <= 100:  # false for NaN, too
        raise MlffError(
            f"window from {start:g} % to {end:g} %: start must lie before end, "
            "both between 0 and 100"
        )
    return (
        int(n_frames * _exact(start) // 100),
        int(n_frames * _exact(end) // 100),
    )


def seeded_order(size: int, seed: int, *names: str) -> NDArray[np.int64]:
    """A permutation of ``range(size)`` that depends on ``seed`` and ``names`` only."""
    text = "\0".join([str(seed), *names])
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")
    keys = np.random.PCG64(number).random_raw(size)
    return np.argsort(keys, kind="stable").astype(np.int64)


def pick_frames(
    size: int, pick: str, count: int | None, order: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Positions in a window of ``size`` frames, ascending.

    Parameters
    ----------
    size : int
        Frames in the window.
    pick : str
        ``all``; the ``first`` count; count spread ``evenly`` (frame floor(k·size/count) for
        k = 0 … count − 1); or the first count of ``order`` (``random``), so that a larger
        count holds every smaller one.
    count : int or None
        How many; None takes all.
    order : ndarray of int64, shape (size,)
        Seeded permutation of the window.

    Raises
    ------
    NotSupportedError
        If the window holds fewer frames.
    MlffError
        If the count is not positive, or ``all`` is asked for with a count.
    """
    if pick not in PICKS:
        raise MlffError(f"pick {pick!r} is none of {', '.join(PICKS)}")
    if count is None:
        return np.arange(size)
    if count < 1:
        raise MlffError(f"count must be at least 1, not {count}")
    if pick == "all":
        raise MlffError(f"pick 'all' takes no count ({count}); use 'first', 'evenly' or 'random'")
    if count > size:
        raise NotSupportedError(f"asks for {count} frames, its window holds {size}")
    if pick == "first":
        return np.arange(count)
    if pick == "evenly":
        return np.arange(count) * size // count
    return np.sort(order[:count])


def _window(selection: _Selection, dataset: Dataset, role: str) -> NDArray[np.int64]:
    """Positions of the frames in a window, ascending."""
    replica = dataset.frames.replica
    if replica is not None:
        names, rank = np.unique(replica, return_inverse=True)
        first, stop = window_bounds(len(names), selection.start, selection.end)
        return np.flatnonzero((first <= rank) & (rank < stop)).astype(np.int64)
    if not dataset.time_ordered and (selection.start > 0 or selection.end < 100):
        raise MlffError(
            f"{dataset.title}: no known time order, but the {role} frames are cut "
            f"by a time window ({selection.start:g}–{selection.end:g} %); take 0–100 %, or set "
            "time_ordered: true if the file is in time order"
        )
    return np.arange(*window_bounds(len(dataset.frames), selection.start, selection.end))


def _drawn_from_one_window(train: _Selection | None, selection: _Selection, molecule: str) -> bool:
    """Whether random training and validation frames come from the same window."""
    return (
        train is not None
        and (molecule in train.molecules or not train.molecules)
        and train.dataset == selection.dataset
        and (train.start, train.end) == (selection.start, selection.end)
        and train.pick == selection.pick == "random"
        and train.count is not None
        and selection.count is not None
    )


def _validation_order(
    order: NDArray[np.int64], molecule: str, selection: _Selection, train: _Selection | None
) -> NDArray[np.int64]:
    """Order from which random validation frames come.

    Drawn from the window that training frames are drawn from, they come from the far end
    of the same permutation: disjoint, and the same for every training size.
    """
    if train is None or not _drawn_from_one_window(train, selection, molecule):
        return order
    if (train.count or 0) + (selection.count or 0) > len(order):
        raise NotSupportedError(
            f"asks for {train.count} training and {selection.count} validation frames, "
            f"their window holds {len(order)}"
        )
    return order[::-1]


def _check_disjoint(sets: Mapping[str, IndexSet], where: str) -> None:
    """No set shares frames with the test set, nor training with validation frames."""
    pairs = [(name, "test") for name in sets if name != "test"]
    if "train" in sets and "validation" in sets:
        pairs.append(("train", "validation"))
    for name, other in pairs:
        first, second = sets[name], sets[other]
        by_content: dict[str, list[str]] = {}
        for molecule in second.indices:
            by_content.setdefault(second.datasets[molecule].digest, []).append(molecule)
        for molecule, positions in first.indices.items():
            dataset = first.datasets[molecule]
            for twin in by_content.get(dataset.digest, ()):
                # A copy of a file under another name is the same data.
                if twin != molecule and second.datasets[twin].source == dataset.source:
                    continue
                shared = np.intersect1d(positions, second.indices[twin])
                if len(shared):
                    raise MlffError(
                        f"{where}: {name} and {other} share {len(shared)} frames of {molecule} "
                        f"(first: frame {shared[0]}); fix their windows or files"
                    )


def cut(
    variant: _VariantLike, source: DatasetSource, others: Mapping[str, DatasetSource] | None = None
) -> FrameSets:
    """Cut the frames of a fixture variant.

    ``count`` is per molecule. Frames come back in time order, molecule after molecule.

    Parameters
    ----------
    variant : Variant
        From :func:`pytest_mlff.specs.expand`.
    source : DatasetSource
        From :func:`pytest_mlff.datasets.registry.open_dataset`.
    others : mapping of str to DatasetSource, optional
        Datasets that single sets name, by their key in the spec.

    Raises
    ------
    NotSupportedError
        If a selection asks for more frames than its window holds.
    MlffError
        If two sets share a frame, a window makes no sense, or the data have no time order.
    """
    selections = variant.selections

    def index_set(role: str, selection: _Selection) -> IndexSet:
        indices: dict[str, NDArray[np.int64]] = {}
        datasets: dict[str, Dataset] = {}
        of = source if selection.dataset is None else (others or {})[selection.dataset]
        for molecule in selection.molecules or of.molecules:
            dataset = datasets[molecule] = of.load(molecule)
            try:
                window = _window(selection, dataset, role)
                size = len(window)
                order = seeded_order(size, variant.spec.seed, molecule)
                if role == "validation":
                    order = _validation_order(order, molecule, selection, selections.train)
                if size == 0:
                    asked = "frames" if selection.count is None else f"{selection.count} frames"
                    raise NotSupportedError(f"asks for {asked}, its window holds 0")
                chosen = pick_frames(size, selection.pick, selection.count, order)
            except MlffError as error:
                raise type(error)(f"{variant.id}: {role} set of {molecule}: {error}") from error
            indices[molecule] = window[chosen]
        return IndexSet(indices, datasets)

    found = {name: index_set(name, one) for name, one in selections.named.items()}
    _check_disjoint(found, variant.id)
    return FrameSets(
        test=found.pop("test"),
        train=found.pop("train", None),
        validation=found.pop("validation", None),
        others=found,
    )
