"""Frames against ASE structures, one by one."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlff.datasets.frames import Frames


def _structures(seed: int, count: int) -> list[Atoms]:
    rng = np.random.default_rng(seed)
    made = []
    for index in range(count):
        n_atoms = int(rng.integers(1, 6))
        atoms = Atoms(
            rng.choice([1, 6, 8], size=n_atoms),
            rng.normal(size=(n_atoms, 3)),
            cell=rng.normal(size=(3, 3)) if index % 2 else None,
            pbc=bool(index % 2),
        )
        atoms.calc = SinglePointCalculator(
            atoms,
            energy=float(rng.normal()),
            forces=rng.normal(size=(n_atoms, 3)),
            stress=rng.normal(size=6),
        )
        made.append(atoms)
    return made


@given(st.integers(0, 1000), st.integers(1, 8), st.data())
def test_selecting_equals_picking_structures(seed: int, count: int, data: st.DataObject) -> None:
    structures = _structures(seed, count)
    indices = data.draw(st.lists(st.integers(0, count - 1), max_size=10))
    chosen = Frames.from_atoms(structures).select(np.array(indices, dtype=int))
    assert len(chosen) == len(indices)
    for place, index in enumerate(indices):
        found, wanted = chosen.atoms(place), structures[index]
        assert found.get_chemical_symbols() == wanted.get_chemical_symbols()
        np.testing.assert_array_equal(found.positions, wanted.positions)
        np.testing.assert_array_equal(found.cell, wanted.cell)
        np.testing.assert_array_equal(found.pbc, wanted.pbc)
        assert chosen.energy is not None
        assert chosen.forces is not None
        assert chosen.stress is not None
        assert chosen.energy[place] == wanted.get_potential_energy()
        start, stop = chosen.offsets[place : place + 2]
        np.testing.assert_array_equal(chosen.forces[start:stop], wanted.get_forces())
        np.testing.assert_allclose(
            chosen.stress[place], wanted.get_stress(voigt=False), rtol=0, atol=0
        )


def test_concatenating_is_selecting_in_turn() -> None:
    frames = Frames.from_atoms(_structures(1, 6))
    again = Frames.concatenate(
        [frames.select([0, 1]), frames.select([2]), frames.select([3, 4, 5])]
    )
    assert again.digest == frames.digest
    assert again.structure_digest == frames.structure_digest


def test_a_label_that_one_part_lacks_is_absent_there() -> None:
    frames = Frames.from_atoms(_structures(1, 2))
    bare = frames.without_labels()
    assert bare.energy is None
    assert bare.structure_digest == frames.structure_digest
    assert bare.digest != frames.digest
    both = Frames.concatenate([frames, bare])
    for quantity in ("energy", "forces", "stress"):
        assert both.labelled(quantity).tolist() == [True, True, False, False]


def test_digest_sees_every_array() -> None:
    structures = _structures(2, 4)
    frames = Frames.from_atoms(structures)
    seen = {frames.digest}
    for name in ("numbers", "positions", "cell", "pbc", "energy", "forces", "stress"):
        arrays = {
            key: getattr(frames, key).copy()
            for key in (
                "numbers", "positions", "counts", "cell", "pbc", "energy", "forces", "stress",
            )
        }  # fmt: skip
        flat = arrays[name].reshape(-1)
        flat[0] = not flat[0] if name == "pbc" else flat[0] + 1
        seen.add(Frames(**arrays).digest)
    assert len(seen) == 8


def test_shapes_are_checked() -> None:
    frames = Frames.from_atoms(_structures(3, 2))
    with pytest.raises(ValueError, match=r"energy has shape \(3,\), expected \(2,\)"):
        Frames(
            frames.numbers, frames.positions, frames.counts, frames.cell, frames.pbc, np.zeros(3)
        )
