"""A stored pass is held against the model: forged numbers are noticed, rounding is not."""

from __future__ import annotations

import io
import json
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.laws.exact import lennard_jones
from pytest_mlff.potentials.failures import FrameError
from pytest_mlff.potentials.protocol import Prediction
from pytest_mlff.run.predictions import SPOT_CHECKS, PredictionPasses, disagreement
from pytest_mlff.store import Store, StoreWarning, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_mlff.potentials.protocol import Potential, PotentialInfo

N_FRAMES = 40


def _frames(n_frames: int = N_FRAMES, *, periodic: bool = False) -> Frames:
    rng = np.random.default_rng(5)
    cube = np.stack(np.meshgrid(*[[0.0, 3.8]] * 3), axis=-1).reshape(-1, 3)
    positions = cube + 0.1 * rng.normal(size=(n_frames, *cube.shape))
    frames = Frames.of_one_molecule(np.full(8, 18), positions)
    if not periodic:
        return frames
    cell, pbc = np.tile(7.6 * np.eye(3), (n_frames, 1, 1)), np.ones((n_frames, 3), dtype=bool)
    return replace(frames, cell=cell, pbc=pbc)


@dataclass
class Known:
    """A potential with a digest; it counts the frames that it is asked."""

    base: Potential
    asked: int = 0

    @property
    def info(self) -> PotentialInfo:
        return replace(self.base.info, digest="1" * 64)

    def predict(self, frames: Frames) -> Prediction:
        self.asked += len(frames)
        # Sums run in another order in each batch, as they do on real machines.
        order = np.random.default_rng(len(frames)).permutation(len(frames))
        answer = self.base.predict(frames.select(order))
        back = np.argsort(order)
        forces = answer.forces.reshape(len(frames), -1, 3)[back].reshape(-1, 3)
        stress = None if answer.stress is None else answer.stress[back]
        return Prediction(answer.energy[back], forces, stress)


def _answer(dtype: str = "float64", *, periodic: bool = False) -> tuple[Known, Frames, Prediction]:
    model, frames = Known(lennard_jones(dtype=dtype)), _frames(periodic=periodic)
    return model, frames, model.predict(frames)


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_models_own_answers_agree(dtype: str, periodic: bool) -> None:
    model, frames, answer = _answer(dtype, periodic=periodic)
    for _ in range(25):
        assert disagreement(model, frames, answer) is None


def _forces(answer: Prediction) -> Prediction:
    return replace(answer, forces=0.999 * answer.forces)


def _one_force(answer: Prediction) -> Prediction:
    forces = answer.forces.copy()
    forces[::8, 0] += 1e-3
    return replace(answer, forces=forces)


def _energy(answer: Prediction) -> Prediction:
    return replace(answer, energy=answer.energy + 1e-3)


def _order(answer: Prediction) -> Prediction:
    return replace(answer, energy=answer.energy[::-1])


def _nan(answer: Prediction) -> Prediction:
    return replace(answer, forces=np.full_like(answer.forces, np.nan))


MUTANTS = [_forces, _one_force, _energy, _order, _nan]


@pytest.mark.parametrize("mutant", MUTANTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_pass_forged_as_a_whole_is_noticed_for_certain(
    mutant: Callable[[Prediction], Prediction], dtype: str
) -> None:
    model, frames, answer = _answer(dtype)
    for _ in range(25):
        assert disagreement(model, frames, mutant(answer)) is not None


def test_a_forged_stress_is_noticed_in_crystals() -> None:
    model, frames, answer = _answer(periodic=True)
    assert answer.stress is not None
    assert disagreement(model, frames, replace(answer, stress=1.01 * answer.stress)) is not None
    assert disagreement(model, frames, replace(answer, stress=None)) is not None


@pytest.mark.parametrize("forged", [1, N_FRAMES // 2])
def test_a_part_is_noticed_as_often_as_is_said(forged: int) -> None:
    model, frames, answer = _answer()
    energy = answer.energy.copy()
    energy[:forged] += 1e-3
    tries = 200
    noticed = sum(
        disagreement(model, frames, replace(answer, energy=energy)) is not None
        for _ in range(tries)
    )
    # Drawn without replacement, so a little more often than the documented 1 - (1 - f)**n.
    missed = np.prod([(N_FRAMES - forged - k) / (N_FRAMES - k) for k in range(SPOT_CHECKS)])
    expected = 1 - missed
    assert expected >= 1 - (1 - forged / N_FRAMES) ** SPOT_CHECKS
    spread = np.sqrt(tries * expected * (1 - expected))
    assert abs(noticed - tries * expected) < 5 * spread


def _stored(tmp_path: Path, edit: Callable[[Prediction], Prediction]) -> tuple[Known, Frames]:
    """A store whose one pass was edited and given a right checksum."""
    model, frames, answer = _answer()
    PredictionPasses(Store(tmp_path)).of(model, frames)
    (path,) = tmp_path.glob("predictions/*/*.npz")
    forged = edit(answer)
    key = json.loads(path.read_bytes().partition(b"\n")[0])["key"]
    assert unpack("predictions", key, ".npz", path.read_bytes())
    stream = io.BytesIO()
    np.savez(stream, energy=forged.energy, forces=forged.forces)
    path.write_bytes(pack("predictions", key, ".npz", stream.getvalue()))
    return model, frames


@pytest.mark.parametrize("mutant", MUTANTS)
def test_verify_drops_a_forged_pass_and_computes_anew(
    mutant: Callable[[Prediction], Prediction], tmp_path: Path
) -> None:
    model, frames = _stored(tmp_path, mutant)
    with pytest.warns(StoreWarning, match="is not what the model says") as caught:
        found = PredictionPasses(Store(tmp_path)).of(model, frames)
    assert len(caught) == 1
    np.testing.assert_allclose(found.forces, model.predict(frames).forces, atol=1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.asked = 0
        PredictionPasses(Store(tmp_path)).of(model, frames)
    assert 0 < model.asked < len(frames)


def test_full_takes_what_is_stored(tmp_path: Path) -> None:
    model, frames = _stored(tmp_path, _energy)
    model.asked = 0
    found = PredictionPasses(Store(tmp_path), trust="full").of(model, frames)
    assert model.asked == 0
    np.testing.assert_allclose(found.energy - model.predict(frames).energy, 1e-3, atol=1e-9)


def test_none_never_uses_a_stored_pass(tmp_path: Path) -> None:
    model, frames = _stored(tmp_path, _energy)
    model.asked = 0
    found = PredictionPasses(Store(tmp_path), trust="none").of(model, frames)
    assert model.asked >= len(frames)
    np.testing.assert_allclose(found.energy, model.predict(frames).energy, atol=1e-12)


def test_verify_costs_a_few_frames(tmp_path: Path) -> None:
    model, frames = Known(lennard_jones()), _frames(400)
    PredictionPasses(Store(tmp_path)).of(model, frames)
    model.asked = 0
    PredictionPasses(Store(tmp_path)).of(model, frames)
    assert 0 < model.asked <= 12


def test_a_pass_of_another_shape_is_computed_again(tmp_path: Path) -> None:
    model, frames = _stored(tmp_path, lambda one: replace(one, energy=one.energy[:-1]))
    with pytest.warns(StoreWarning, match="makes no sense"):
        found = PredictionPasses(Store(tmp_path), trust="full").of(model, frames)
    assert len(found.energy) == len(frames)


def test_nobody_changes_the_pass_that_all_cases_share(tmp_path: Path) -> None:
    passes = PredictionPasses(Store(tmp_path))
    for potential in (Known(lennard_jones()), Known(lennard_jones())):  # computed, then stored
        found = passes.of(potential, _frames(periodic=True))
        for array in (found.energy, found.forces, found.stress):
            with pytest.raises(ValueError, match="read-only"):
                array[:] = 0.0


def test_a_model_that_failed_once_is_not_asked_until_it_does_not(tmp_path: Path) -> None:
    class Once(Known):
        def predict(self, frames: Frames) -> Prediction:
            if not self.asked:
                self.asked = 1
                raise FrameError("once", 0, "not this time")
            return super().predict(frames)

    passes, model = PredictionPasses(Store(tmp_path)), Once(lennard_jones())
    for _ in range(2):
        with pytest.raises(FrameError, match="not this time"):
            passes.of(model, _frames())
    assert model.asked == 1
