"""Reference energies are added back atom by atom, and nothing else is changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.datasets.reference_energies import fit_reference_energies
from pytest_mlff.potentials.protocol import PotentialInfo, Prediction
from pytest_mlff.potentials.referenced import NamedPotential, ReferencedPotential

INFO = PotentialInfo("net", "made", "net.ckpt", "d" * 64, ("C", "H"), 5.0, "cpu", "float64", {})


class Net:
    """Energy 0.1 eV a frame, forces that count atoms."""

    info = INFO
    one_by_one = True

    def predict(self, frames: Frames) -> Prediction:
        total = len(frames.numbers)
        return Prediction(np.full(len(frames), 0.1), np.arange(3.0 * total).reshape(-1, 3))


def _frames() -> Frames:
    methane = Frames.of_one_molecule(np.array([6, 1, 1, 1, 1]), np.zeros((2, 5, 3)))
    hydrogen = Frames.of_one_molecule(np.array([1, 1]), np.zeros((1, 2, 3)))
    return Frames.concatenate([methane, hydrogen])


def test_energies_are_counted_by_hand() -> None:
    potential = ReferencedPotential(Net(), {"C": -1000.0, "H": -13.0})
    found = potential.predict(_frames())
    np.testing.assert_allclose(found.energy, [-1051.9, -1051.9, -25.9], rtol=1e-14)
    np.testing.assert_array_equal(found.forces, Net().predict(_frames()).forces)
    assert found.stress is None


def test_what_is_subtracted_for_training_is_what_is_added_back() -> None:
    rng = np.random.default_rng(0)
    bare = _frames()
    frames = replace(
        bare, energy=rng.normal(size=3) - 100.0, forces=rng.normal(size=(len(bare.numbers), 3))
    )
    reference = fit_reference_energies(frames)
    left = reference.subtract(frames).energy

    class Learnt(Net):
        def predict(self, frames: Frames) -> Prediction:
            assert left is not None
            return Prediction(left, np.zeros((len(frames.numbers), 3)))

    again = ReferencedPotential(Learnt(), dict(reference.energies)).predict(frames).energy
    np.testing.assert_allclose(again, frames.energy, rtol=0, atol=1e-10)


def test_the_reference_is_part_of_the_identity() -> None:
    one = ReferencedPotential(Net(), {"C": -1.0}).info.digest
    assert one == ReferencedPotential(Net(), {"C": -1.0}).info.digest
    assert len({one, ReferencedPotential(Net(), {"C": -2.0}).info.digest, INFO.digest}) == 3


@pytest.mark.parametrize("info", [replace(INFO, name="recipe"), INFO])
def test_a_name_changes_nothing_but_the_name(info: PotentialInfo) -> None:
    named = NamedPotential(Net(), info)
    assert named.info is info
    assert named.one_by_one
    assert named.predict(_frames()).energy.tolist() == [0.1, 0.1, 0.1]
