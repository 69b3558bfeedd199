"""Edges equal those of ASE, on random structures of every periodicity."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.potentials.families import neighbours
from pytest_mlff.potentials.families.neighbours import neighbour_list

CUTOFF = 3.0


def of_ase(structures: list[Atoms], cutoff: float) -> Counter[tuple[int, ...]]:
    edges: Counter[tuple[int, ...]] = Counter()
    first = 0
    for atoms in structures:
        i, j, shift = neighbor_list("ijS", atoms, cutoff)
        edges.update(
            (int(a) + first, int(b) + first, *map(int, s))
            for a, b, s in zip(i, j, shift, strict=True)
        )
        first += len(atoms)
    return edges


def of_ours(structures: list[Atoms], cutoff: float) -> Counter[tuple[int, ...]]:
    edges = neighbour_list(Frames.from_atoms(structures), cutoff)
    shift = np.zeros((edges.index.shape[1], 3), int) if edges.shift is None else edges.shift
    return Counter(
        (int(a), int(b), *map(int, s)) for a, b, s in zip(*edges.index, shift, strict=True)
    )


def random_structure(rng: np.random.Generator, pbc: tuple[bool, bool, bool], n: int) -> Atoms:
    # Skewed, and smaller than twice the cutoff, so that atoms see their own images.
    cell = np.diag(rng.uniform(2.5, 6.0, 3)) + rng.uniform(-1.2, 1.2, (3, 3))
    # Outside the cell as well: positions of a trajectory are rarely wrapped.
    positions = rng.uniform(-1.0, 2.0, (n, 3)) @ cell
    return Atoms("H" * n, positions=positions, cell=cell, pbc=pbc)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "pbc",
    [(False, False, False), (True, True, True), (True, False, True), (False, False, True)],
    ids=["none", "all", "two", "one"],
)
def test_edges_equal_ase(pbc: tuple[bool, bool, bool], seed: int) -> None:
    rng = np.random.default_rng(seed)
    structures = [random_structure(rng, pbc, int(n)) for n in rng.integers(1, 12, 4)]
    ours, reference = of_ours(structures, CUTOFF), of_ase(structures, CUTOFF)
    assert ours == reference
    assert max(ours.values(), default=1) == 1


def test_mixture_of_sizes_and_periodicities_in_one_batch() -> None:
    rng = np.random.default_rng(99)
    kinds = [(False,) * 3, (True,) * 3, (False,) * 3, (True, True, False), (False,) * 3]
    structures = [
        random_structure(rng, pbc, n) for pbc, n in zip(kinds, (5, 4, 5, 7, 3), strict=True)
    ]
    assert of_ours(structures, CUTOFF) == of_ase(structures, CUTOFF)


def test_large_isolated_frames_go_another_way_and_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    n = 40
    structures = [Atoms("H" * n, positions=rng.uniform(0, 7, (n, 3))) for _ in range(3)]
    expected = of_ase(structures, CUTOFF)
    assert of_ours(structures, CUTOFF) == expected
    monkeypatch.setattr(neighbours, "ALL_PAIRS_LIMIT", 1)
    assert of_ours(structures, CUTOFF) == expected


def test_chunks_do_not_change_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    structures = [Atoms("H" * 6, positions=rng.uniform(0, 5, (6, 3))) for _ in range(7)]
    expected = of_ase(structures, CUTOFF)
    monkeypatch.setattr(neighbours, "PAIRS_AT_ONCE", 80)
    assert of_ours(structures, CUTOFF) == expected


@pytest.mark.parametrize("pbc", [False, True])
@pytest.mark.parametrize("distance, edges", [(3.0, 0), (np.nextafter(3.0, 0), 2)])
def test_a_neighbour_at_the_cutoff_is_outside(distance: float, edges: int, pbc: bool) -> None:
    atoms = Atoms("H2", positions=[[0, 0, 0], [distance, 0, 0]], cell=[50] * 3, pbc=pbc)
    assert sum(of_ours([atoms], 3.0).values()) == edges
    assert sum(of_ase([atoms], 3.0).values()) == edges


def test_the_cell_of_an_isolated_frame_means_nothing() -> None:
    rng = np.random.default_rng(3)
    positions = rng.uniform(0, 4, (5, 3))
    with_cell = Atoms("H5", positions=positions, cell=[4, 4, 4], pbc=False)
    assert of_ours([with_cell], CUTOFF) == of_ase([Atoms("H5", positions=positions)], CUTOFF)


def test_one_atom_has_no_edges() -> None:
    assert not of_ours([Atoms("H", positions=[[0, 0, 0]])], CUTOFF)
