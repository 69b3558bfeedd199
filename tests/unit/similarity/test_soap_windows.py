"""The mean of all pairwise cosines, against brute force over all pairs."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_mlff.errors import MlffError
from pytest_mlff.similarity import SoapSettings, mean_vector, similarity, windows
from pytest_mlff.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_mlff.datasets import Frames

pytest.importorskip("dscribe")

SMALL = SoapSettings(r_cut=4.0, n_max=3, l_max=2)


def raw(frames: Frames, settings: SoapSettings) -> NDArray[np.float64]:
    """Vectors straight from dscribe, of their own length."""
    from dscribe.descriptors import SOAP

    descriptor = SOAP(
        species=list(settings.species or ()), r_cut=settings.r_cut, n_max=settings.n_max,
        l_max=settings.l_max, average="inner", periodic=False,
    )  # fmt: skip
    return np.array([descriptor.create(atoms) for atoms in frames])


def brute_force(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    total = 0.0
    for one in p:
        for other in q:
            total += np.dot(one, other) / np.sqrt(np.dot(one, one) * np.dot(other, other))
    return total / (len(p) * len(q))


def unit(p: NDArray[np.float64]) -> NDArray[np.float64]:
    return p / np.linalg.norm(p, axis=1, keepdims=True)


def of_raw_means(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    return float(p.mean(axis=0) @ q.mean(axis=0))


def cosine_of_means(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    a, b = p.mean(axis=0), q.mean(axis=0)
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def cosine_of_unit_means(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    return cosine_of_means(unit(p), unit(q))


def frame_by_frame(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    return float((unit(p) * unit(q)).sum(axis=1).mean())


MUTANTS = [
    of_raw_means, cosine_of_means, cosine_of_unit_means, frame_by_frame,
]  # fmt: skip


@pytest.fixture(scope="module")
def pairs(
    aspirin: Frames,
) -> tuple[Frames, Frames, NDArray[np.float64], NDArray[np.float64], float]:
    """200 × 200 frames from both ends of a trajectory, and the truth of them."""
    a, b = aspirin.select(slice(0, 1600, 8)), aspirin.select(slice(3600, 3800))
    settings = SoapSettings().covering(a, b)
    p, q = raw(a, settings), raw(b, settings)
    return a, b, p, q, brute_force(p, q)


Pairs = tuple["Frames", "Frames", "NDArray[np.float64]", "NDArray[np.float64]", float]


def test_all_pairs(pairs: Pairs) -> None:
    a, b, _, _, truth = pairs
    assert similarity(a, b) == pytest.approx(truth, abs=1e-10)


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_shortcut_that_is_wrong_is_caught(
    pairs: Pairs, mutant: Callable[[NDArray[np.float64], NDArray[np.float64]], float]
) -> None:
    _, _, p, q, truth = pairs
    assert abs(mutant(p, q) - truth) > 1e-10


def test_different_molecules(ethanol: Frames, uracil: Frames) -> None:
    a, b = ethanol.select(slice(0, 20)), uracil.select(slice(0, 30))
    settings = SMALL.covering(a, b)
    found = similarity(a, b, SMALL)
    assert found == pytest.approx(brute_force(raw(a, settings), raw(b, settings)), abs=1e-12)
    assert found < similarity(a, a, SMALL)


def test_either_way_round(ethanol: Frames, uracil: Frames) -> None:
    a, b = ethanol.select(slice(0, 5)), uracil.select(slice(0, 5))
    assert similarity(a, b, SMALL) == pytest.approx(similarity(b, a, SMALL), rel=1e-14)


def test_further_species_change_nothing(ethanol: Frames) -> None:
    a, b = ethanol.select(slice(0, 5)), ethanol.select(slice(100, 105))
    more = SoapSettings(r_cut=4.0, n_max=3, l_max=2, species=("C", "H", "N", "O", "S"))
    assert similarity(a, b, more) == pytest.approx(similarity(a, b, SMALL), abs=1e-12)


def test_memory_does_not_grow_with_the_frames(ethanol: Frames) -> None:
    settings = SoapSettings().covering(ethanol)
    mean_vector(ethanol.select([0]), settings)  # imports

    def peak(count: int) -> int:
        frames = ethanol.select(np.arange(count))
        tracemalloc.start()
        mean_vector(frames, settings)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    few, many = peak(900), peak(1800)  # four chunks and eight
    assert many < 1.2 * few
    assert many < 1800 * settings.size * 8  # less than all vectors at once


def test_means_are_kept(ethanol: Frames, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = ethanol.select(slice(0, 4)), ethanol.select(slice(50, 54))
    store = Store(tmp_path / "store")
    fresh = similarity(a, b, SMALL, store)

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("described again")

    monkeypatch.setattr(windows, "soap_chunks", forbidden)
    assert similarity(a, b, SMALL, store) == fresh
    # Labels are no part of a structure.
    assert similarity(a.without_labels(), b, SMALL, store) == fresh
    for other in (SoapSettings(r_cut=4.1, n_max=3, l_max=2), SoapSettings(r_cut=4.0, n_max=2)):
        with pytest.raises(AssertionError, match="described again"):
            similarity(a, b, other, store)
    with pytest.raises(AssertionError, match="described again"):
        similarity(a, b.select(slice(0, 3)), SMALL, store)
    monkeypatch.setattr("pytest_mlff.similarity.soap.dscribe_version", lambda: "0.0")
    with pytest.raises(AssertionError, match="described again"):
        similarity(a, b, SMALL, store)


def test_no_frames_is_one_line(ethanol: Frames) -> None:
    with pytest.raises(MlffError, match="at least one frame"):
        similarity(ethanol.select([]), ethanol.select([0]), SMALL)
