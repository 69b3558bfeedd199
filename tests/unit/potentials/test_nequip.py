"""Batched predictions equal NequIP's own ASE calculator, frame by frame.

Tolerances are relative to the largest force component (largest absolute energy) of the
reference: 1e-6 in float64, 1e-4 in float32.
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ase import Atoms
from support.tiny_nequip import TinyNequip, compile_model, embedded_frames, train

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.errors import MlffError, NotSupportedError
from pytest_mlff.potentials import (
    ModelOpensCodeWarning,
    Potential,
    Prediction,
    evaluate,
    load_potential,
)
from pytest_mlff.potentials.families.nequip import NequipPotential, library_state

if TYPE_CHECKING:
    from pathlib import Path

TOLERANCE = {"float64": 1e-6, "float32": 1e-4}


def own_calculator(path: Path) -> Any:
    from nequip.integrations.ase import NequIPCalculator

    with library_state(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return NequIPCalculator._from_saved_model(
            str(path), device="cpu", chemical_species_to_atom_type_map=True
        )


def frame_by_frame(calculator: Any, frames: Frames) -> Prediction:
    import torch

    energies, forces, stresses = [], [], []
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        for atoms in frames:
            atoms.calc = calculator
            energies.append(float(atoms.get_potential_energy()))
            forces.append(atoms.get_forces())
            if atoms.pbc.all():
                stresses.append(atoms.get_stress(voigt=False))
    finally:
        torch.set_default_dtype(default)
    return Prediction(
        np.array(energies), np.concatenate(forces), np.array(stresses) if stresses else None
    )


def assert_equal(ours: Prediction, reference: Prediction, dtype: str) -> None:
    tolerance = TOLERANCE[dtype]
    for one, other in ((ours.energy, reference.energy), (ours.forces, reference.forces)):
        assert one.shape == other.shape
        assert np.abs(one - other).max() <= tolerance * np.abs(other).max()


@pytest.fixture(scope="session")
def double_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same kind of model, trained and stored in float64."""
    pytest.importorskip("nequip")
    folder = tmp_path_factory.mktemp("double") / "run"
    return train(
        folder, embedded_frames("ethanol", 20), dtype="float64", epochs=1, n_train=15,
        n_validation=5, layers=1, features=4,
    )  # fmt: skip


def crystals(seed: int = 0) -> Frames:
    """Small skewed periodic cells of C, H and O with random positions not too near."""
    rng = np.random.default_rng(seed)
    structures = []
    for n in (3, 5, 4):
        cell = np.diag(rng.uniform(4.5, 6.5, 3)) + rng.uniform(-1, 1, (3, 3))
        grid = np.array([[a, b, c] for a in (0, 0.5) for b in (0, 0.5) for c in (0, 0.5)])
        scaled = grid[:n] + rng.uniform(-0.08, 0.08, (n, 3))
        structures.append(Atoms("CHOHC"[:n], scaled_positions=scaled, cell=cell, pbc=True))
    return Frames.from_atoms(structures)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("form", ["checkpoint", "package"])
def test_equals_the_own_calculator(tiny_nequip: TinyNequip, molecules: Frames, form: str) -> None:
    path = getattr(tiny_nequip, form)
    potential = load_potential(str(path), device="cpu")
    assert isinstance(potential, Potential)
    assert potential.info.dtype == "float32"
    reference = frame_by_frame(own_calculator(path), molecules)
    assert_equal(potential.predict(molecules), reference, "float32")


def test_equals_the_own_calculator_in_float64(double_checkpoint: Path) -> None:
    frames = embedded_frames("ethanol", 8, start=3).without_labels()
    potential = load_potential(str(double_checkpoint), device="cpu")
    assert potential.info.dtype == "float64"
    assert_equal(
        potential.predict(frames), frame_by_frame(own_calculator(double_checkpoint), frames),
        "float64",
    )  # fmt: skip


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("form", ["checkpoint", "package"])
def test_periodic_frames_with_stress(tiny_nequip: TinyNequip, form: str) -> None:
    path = getattr(tiny_nequip, form)
    frames = crystals()
    ours = load_potential(str(path), device="cpu").predict(frames)
    reference = frame_by_frame(own_calculator(path), frames)
    assert_equal(ours, reference, "float32")
    assert ours.stress is not None
    assert reference.stress is not None
    assert np.abs(ours.stress - reference.stress).max() <= 1e-4 * np.abs(reference.stress).max()


def test_isolated_and_periodic_frames_in_one_batch(
    tiny_nequip: TinyNequip, molecules: Frames
) -> None:
    mixture = Frames.concatenate([molecules.select([0, 1]), crystals(), molecules.select([2])])
    potential = load_potential(str(tiny_nequip.checkpoint), device="cpu")
    together = potential.predict(mixture)
    alone = [potential.predict(mixture.select([k])) for k in range(len(mixture))]
    assert np.allclose(together.energy, [one.energy[0] for one in alone], rtol=1e-6, atol=0)
    assert np.allclose(together.forces, np.concatenate([one.forces for one in alone]), atol=1e-5)
    assert together.stress is not None
    isolated = ~mixture.pbc.all(axis=1)
    assert np.isnan(together.stress[isolated]).all()
    assert np.isfinite(together.stress[~isolated]).all()
    assert alone[0].stress is None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [1, 2, 5, 12])
def test_batches_change_nothing(
    tiny_nequip: TinyNequip, molecules: Frames, batch: int, dtype: str
) -> None:
    potential = load_potential(str(tiny_nequip.checkpoint), device="cpu", dtype=dtype)
    whole = potential.predict(molecules)
    assert_equal(evaluate(potential, molecules, batch=batch), whole, dtype)


def test_stored_dtype_and_asked_dtype(
    tiny_nequip: TinyNequip, double_checkpoint: Path, molecules: Frames
) -> None:
    single = load_potential(str(tiny_nequip.checkpoint), device="cpu")
    double = load_potential(str(tiny_nequip.checkpoint), device="cpu", dtype="float64")
    assert isinstance(single, NequipPotential)
    assert (single.info.dtype, double.info.dtype) == ("float32", "float64")
    coarse, fine = single.predict(molecules), double.predict(molecules)
    assert_equal(coarse, fine, "float32")
    assert not np.array_equal(coarse.forces, fine.forces)
    # float64 is really used: energies follow a step that float32 cannot resolve.
    step = 1e-9
    moved = molecules.positions.copy()
    moved[0, 0] += step
    slope = double.predict(
        Frames(molecules.numbers, moved, molecules.counts, molecules.cell, molecules.pbc)
    ).energy[0] - fine.energy[0]  # fmt: skip
    assert slope == pytest.approx(-fine.forces[0, 0] * step, rel=0.05)
    down = load_potential(str(double_checkpoint), device="cpu", dtype="float32")
    assert down.info.dtype == "float32"


@pytest.mark.usefixtures("quiet")
def test_a_package_in_float64(tiny_nequip: TinyNequip, molecules: Frames) -> None:
    packaged = load_potential(str(tiny_nequip.package), device="cpu", dtype="float64")
    rebuilt = load_potential(str(tiny_nequip.checkpoint), device="cpu", dtype="float64")
    assert packaged.info.dtype == "float64"
    # Its coupling coefficients were rounded to float32 when it was packaged.
    ours, reference = packaged.predict(molecules), rebuilt.predict(molecules)
    assert np.abs(ours.forces - reference.forces).max() < 1e-6 * np.abs(reference.forces).max()


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
def test_a_float64_package_is_not_cut_down(double_checkpoint: Path, tmp_path: Path) -> None:
    from support.tiny_nequip import package

    packaged = package(double_checkpoint, tmp_path / "double.nequip.zip")
    assert load_potential(str(packaged), device="cpu").info.dtype == "float64"
    with pytest.raises(MlffError, match=r"stored in float64, cannot be evaluated in float32"):
        load_potential(str(packaged), device="cpu", dtype="float32")


def test_averaged_weights_are_taken(
    tiny_nequip: TinyNequip, molecules: Frames, tmp_path: Path
) -> None:
    import torch

    content = torch.load(tiny_nequip.checkpoint, weights_only=True)
    averaged = [key for key in content["state_dict"] if key.startswith("ema.ema_weight_")]
    assert averaged
    for key in averaged:
        del content["state_dict"][key]
    torch.save(content, tmp_path / "raw.ckpt")
    own = load_potential(str(tiny_nequip.checkpoint), device="cpu").predict(molecules)
    raw = load_potential(str(tmp_path / "raw.ckpt"), device="cpu").predict(molecules)
    # The reference calculator has the averaged ones, so this would be seen there too.
    assert np.abs(own.forces - raw.forces).max() > 1e-3 * np.abs(own.forces).max()


def test_averaged_weights_are_taken_where_a_validation_exchanged_them(
    tiny_nequip: TinyNequip, molecules: Frames, tmp_path: Path
) -> None:
    import torch

    from pytest_mlff.potentials.families.nequip_files import _SOLE_MODEL, _build

    content = torch.load(tiny_nequip.checkpoint, weights_only=True)
    state = content["state_dict"]
    # As NequIP does it at the start of a validation: the weights change places.
    with library_state():
        model = _build(content, None)
    for index, (name, _) in enumerate(model.named_parameters()):
        own, averaged = f"model.{_SOLE_MODEL}.{name}", f"ema.ema_weight_{index}"
        state[own], state[averaged] = state[averaged], state[own]
    state["ema._extra_state"]["is_holding_ema_weights"] = False
    exchanged = tmp_path / "exchanged.ckpt"
    torch.save(content, exchanged)
    expected = load_potential(str(tiny_nequip.checkpoint), device="cpu").predict(molecules)
    found = load_potential(str(exchanged), device="cpu").predict(molecules)
    np.testing.assert_array_equal(found.energy, expected.energy)
    np.testing.assert_array_equal(found.forces, expected.forces)


def test_a_plain_checkpoint_runs_no_code(
    tiny_nequip: TinyNequip, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    load, modes = torch.load, []

    def spy(*args: Any, **kwargs: Any) -> Any:
        modes.append(kwargs.get("weights_only"))
        return load(*args, **kwargs)

    monkeypatch.setattr(torch, "load", spy)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ModelOpensCodeWarning)
        load_potential(str(tiny_nequip.checkpoint), device="cpu")
    assert modes == [True]


def test_a_package_warns_in_one_line(tiny_nequip: TinyNequip) -> None:
    with pytest.warns(ModelOpensCodeWarning) as caught:
        load_potential(str(tiny_nequip.package), device="cpu")
    (message,) = [str(one.message) for one in caught if one.category is ModelOpensCodeWarning]
    assert "tiny.nequip.zip" in message
    assert "\n" not in message


@pytest.mark.parametrize("place", ["model", "pair_potential", "trainer"])
def test_a_checkpoint_that_names_other_code_warns(
    tiny_nequip: TinyNequip, tmp_path: Path, place: str
) -> None:
    import torch

    content = torch.load(tiny_nequip.checkpoint, weights_only=True)
    parameters = content["hyper_parameters"]
    # Reaches the os module through an innocent library, as a hostile file would.
    evil = "nequip.utils.aot.os.getcwd"
    if place == "model":
        parameters["model"]["_target_"] = evil
    elif place == "trainer":
        parameters["info_dict"]["training_module"]["_target_"] = evil
    else:
        parameters["model"]["pair_potential"] = {"_target_": evil}
    torch.save(content, tmp_path / "evil.ckpt")
    with pytest.warns(ModelOpensCodeWarning), pytest.raises(MlffError) as caught:
        load_potential(str(tmp_path / "evil.ckpt"), device="cpu")
    assert "\n" not in str(caught.value)


def test_unknown_species_are_named(tiny_nequip: TinyNequip) -> None:
    potential = load_potential(str(tiny_nequip.checkpoint), device="cpu")
    assert potential.info.species == ("C", "H", "O")
    frames = Frames.from_atoms([Atoms("CH", [[0, 0, 0], [0, 0, 1]]), Atoms("NUO", np.eye(3))])
    with pytest.raises(NotSupportedError, match=r"knows no N, U \(it knows C, H, O\)"):
        potential.predict(frames)


def test_input_frames_stay_untouched(tiny_nequip: TinyNequip, molecules: Frames) -> None:
    before = molecules.positions.copy()
    load_potential(str(tiny_nequip.checkpoint), device="cpu").predict(molecules)
    assert np.array_equal(before, molecules.positions)


def test_isolated_atoms(tiny_nequip: TinyNequip) -> None:
    frames = Frames.from_atoms([Atoms("H", [[0, 0, 0]]), Atoms("O", [[1, 2, 3]])])
    out = load_potential(str(tiny_nequip.checkpoint), device="cpu").predict(frames)
    reference = frame_by_frame(own_calculator(tiny_nequip.checkpoint), frames)
    assert np.allclose(out.energy, reference.energy, rtol=1e-6)
    assert np.abs(out.forces).max() == 0


def test_loading_leaves_the_process_as_it_was(tiny_nequip: TinyNequip) -> None:
    """In a process of its own: NequIP's state must not have been set before."""
    script = f"""
import os, random, numpy, torch
torch.manual_seed(5); random.seed(5); numpy.random.seed(5)
expected = torch.rand(1), random.random(), numpy.random.random()
torch.manual_seed(5); random.seed(5); numpy.random.seed(5)
environment = dict(os.environ)
from pytest_mlff.potentials import load_potential
load_potential({str(tiny_nequip.checkpoint)!r}, device="cpu")
found = torch.rand(1), random.random(), numpy.random.random()
assert found == expected, (found, expected)
assert torch.get_default_dtype() is torch.float32
changed = set(os.environ) ^ set(environment)
assert not any(name.startswith("PL_") for name in changed), changed
from nequip.utils import global_state
assert not global_state.global_state_initialized()
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_identity(tiny_nequip: TinyNequip) -> None:
    import hashlib

    info = load_potential(str(tiny_nequip.checkpoint), device="cpu").info
    assert info.digest == hashlib.sha256(tiny_nequip.checkpoint.read_bytes()).hexdigest()
    assert (info.name, info.family, info.device) == ("last", "nequip", "cpu")
    assert info.cutoff == tiny_nequip.cutoff
    assert {"nequip", "torch"} <= set(info.versions)


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("kind", ["batch", "ase"])
def test_compiled_models(
    tiny_nequip: TinyNequip, molecules: Frames, tmp_path: Path, kind: str
) -> None:
    path = compile_model(tiny_nequip.package, tmp_path / "tiny.nequip.pt2", kind=kind)
    renamed = path.rename(tmp_path / "compiled.bin")
    compiled = load_potential(str(renamed), device="cpu")
    assert isinstance(compiled, NequipPotential)
    assert compiled.one_by_one == (kind == "ase")
    eager = load_potential(str(tiny_nequip.checkpoint), device="cpu")
    for frames in (molecules, molecules.select([3]), crystals()):
        ours, reference = compiled.predict(frames), eager.predict(frames)
        assert_equal(ours, reference, "float32")
        assert (ours.stress is None) == (reference.stress is None)
        if reference.stress is not None:
            assert np.allclose(ours.stress, reference.stress, atol=1e-6)
    with pytest.raises(MlffError, match=r"compiled in float32, cannot be evaluated in float64"):
        load_potential(str(renamed), device="cpu", dtype="float64")
