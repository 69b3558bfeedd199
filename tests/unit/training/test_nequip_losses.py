"""Losses that NequIP's configuration names: weights act, and traces are those of the forces."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import torch
from nequip.data import AtomicDataDict

from pytest_mlff.datasets import open_dataset
from pytest_mlff.errors import MlffError
from pytest_mlff.potentials.families.nequip import library_state
from pytest_mlff.training.losses import score_matching_loss
from pytest_mlff.training.nequip_losses import BiasAwareLoss, ScoreMatchingLoss, divergence
from pytest_mlff.training.stages import StageLoss
from pytest_mlff.training.trainers.nequip import fill

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KT_500 = 8.617333262e-5 * 500
FORCES, ENERGY = AtomicDataDict.FORCE_KEY, AtomicDataDict.TOTAL_ENERGY_KEY


def _batch(weights: list[float]) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Two frames of two atoms and of one; forces off by 1 and by 3, energies by 2 per atom."""
    counts = torch.tensor([2, 1])
    batch = torch.tensor([0, 0, 1])
    labels = torch.zeros(3, 3, dtype=torch.float64)
    off = torch.tensor([[1.0], [1.0], [3.0]], dtype=torch.float64).expand(3, 3).clone()
    shared = {"batch": batch, "num_atoms": counts, AtomicDataDict.POSITIONS_KEY: labels}
    preds = {**shared, FORCES: off.requires_grad_(), ENERGY: 2.0 * counts[:, None].double()}
    target = {**shared, FORCES: labels, ENERGY: torch.zeros(2, 1, dtype=torch.float64)}
    return preds, {**target, "frame_weight": torch.tensor(weights)[:, None]}


def _loss(weights: list[float]) -> tuple[float, torch.Tensor]:
    preds, target = _batch(weights)
    loss = BiasAwareLoss({"total_energy": 1.0, "forces": 3.0}, type_names=["H"])
    value = loss(preds, target)["weighted_sum"]
    value.backward()
    return float(value), preds[FORCES].grad


def test_the_loss_by_hand() -> None:
    # Per frame 1² and 3², energies 2² per atom; coefficients are normalised to 1/4 and 3/4.
    assert _loss([1.0, 1.0])[0] == pytest.approx(0.25 * 4 + 0.75 * (1 + 9) / 2)
    assert _loss([1.9, 0.1])[0] == pytest.approx(0.25 * 4 + 0.75 * (1.9 + 0.9) / 2)


def test_weights_act_on_gradients_and_their_absence_is_an_error() -> None:
    value, gradient = _loss([2.0, 0.0])
    assert float(gradient[2].abs().max()) == 0.0
    assert float(gradient[0].abs().min()) > 0.0
    # The mutant of the released scripts, in which weights are all alike, is another loss.
    assert value != pytest.approx(_loss([1.0, 1.0])[0])
    preds, target = _batch([1.0, 1.0])
    del target["frame_weight"]
    with pytest.raises(MlffError, match="carry no frame_weight"):
        BiasAwareLoss(type_names=["H"])(preds, target)


@pytest.fixture
def nequip_state() -> Iterator[None]:
    """What NequIP sets for the whole process, for one test."""
    with library_state():
        yield


@cache
def _model(dtype: str) -> Any:
    from nequip.model import NequIPGNNModel

    return NequIPGNNModel(
        seed=1, model_dtype=dtype, type_names=["C", "H", "O"], r_max=4.5, num_layers=1, l_max=1,
        parity=False, num_features=4, radial_mlp_depth=1, radial_mlp_width=8, num_bessels=4,
        avg_num_neighbors=8.0, per_type_energy_scales=1.0, per_type_energy_shifts=0.0,
    )  # fmt: skip


def _frames() -> dict[str, torch.Tensor]:
    from nequip.data.ase import from_ase
    from nequip.data.transforms import ChemicalSpeciesToAtomTypeMapper, NeighborListTransform

    to_types = ChemicalSpeciesToAtomTypeMapper(model_type_names=["C", "H", "O"])
    neighbours = NeighborListTransform(r_max=4.5)
    frames = open_dataset("embedded").load("ethanol").frames.select([0, 700])
    return AtomicDataDict.batched_from_list([neighbours(to_types(from_ase(a))) for a in frames])


@pytest.mark.usefixtures("nequip_state")
@pytest.mark.parametrize("dtype, step, off", [("float64", 1e-3, 1e-4), ("float32", 1e-2, 2e-2)])
def test_the_trace_is_that_of_finite_differences(dtype: str, step: float, off: float) -> None:
    model, data = _model(dtype), _frames()
    model.eval()
    trace = size = 0.0
    for atom in range(18):
        for axis in range(3):
            ends = []
            for sign in (1.0, -1.0):
                moved = data[AtomicDataDict.POSITIONS_KEY].detach().clone()
                moved[atom, axis] += sign * step
                ends.append(float(model({**data, "pos": moved})[FORCES][atom, axis]))
            slope = (ends[0] - ends[1]) / (2 * step)
            trace, size = trace + slope, size + abs(slope)
    model.train()
    out = model(dict(data))
    exact = divergence(out[FORCES], out["pos"], out["batch"], probes=0)
    assert float(exact) == pytest.approx(trace, abs=off * size)
    torch.manual_seed(0)
    drawn = [float(divergence(out[FORCES], out["pos"], out["batch"], probes=1)) for _ in range(60)]
    spread = float(torch.tensor(drawn).std()) / math.sqrt(len(drawn))
    assert sum(drawn) / len(drawn) == pytest.approx(float(exact), abs=4 * spread)
    manager = ScoreMatchingLoss(500.0, probes=0, type_names=["C", "H", "O"])
    for metric in manager.values():
        metric.dist_sync_on_step = True  # as NequIP sets it, which has sums taken without gradients
    loss = manager(out, data)["weighted_sum"]
    by_hand = score_matching_loss(out[FORCES][None], exact[None], KT_500) / 18
    assert float(loss) == pytest.approx(float(by_hand), rel=1e-5)
    loss.backward()  # a third derivative of the energy
    assert any(float(p.grad.abs().sum()) > 0 for p in model.parameters() if p.grad is not None)


def _filled(tmp_path: Path, loss: dict[str, Any], start: Path | None = None) -> dict[str, Any]:
    from types import SimpleNamespace

    fixture = SimpleNamespace(
        train_file=tmp_path / "t", validation_file=None, seed=3, budget_seconds=60,
        species=("C", "H"), loss=loss, start=start,
    )  # fmt: skip
    config = {
        "data": {}, "trainer": {},
        "training_module": {
            "loss": {"_target_": "nequip.train.EnergyForceLoss", "coeffs": {"forces": 5.0}},
            "model": {"_target_": "m", "per_type_energy_shifts": "${stats}"},
        },
    }  # fmt: skip
    return fill(config, fixture)  # type: ignore[arg-type]


def test_a_stage_names_its_loss_in_the_configuration(tmp_path: Path) -> None:
    aware = StageLoss.model_validate({"bias_aware": {"teacher": "t"}}).said
    filled = _filled(tmp_path, aware)
    assert filled["data"]["include_keys"] == ["frame_weight"]
    loss = filled["training_module"]["loss"]
    assert loss["_target_"].endswith("nequip_losses.BiasAwareLoss")
    assert loss["coeffs"] == {"total_energy": 1.0, "forces": 5.0}
    matching = StageLoss.model_validate({"score_matching": {"temperature": 500, "probes": 2}}).said
    loss = _filled(tmp_path, matching)["training_module"]["loss"]
    assert loss == {
        "_target_": "pytest_mlff.training.nequip_losses.ScoreMatchingLoss",
        "temperature": 500.0,
        "probes": 2,
    }
    noise = StageLoss.model_validate({"denoising": {"temperature": 500, "sigma": 0.05}}).said
    assert _filled(tmp_path, noise)["training_module"]["loss"]["coeffs"]["total_energy"] == 0.0


def test_a_start_keeps_weights_and_takes_the_new_zero_of_energy(tmp_path: Path) -> None:
    model = _filled(tmp_path, {}, tmp_path / "last.ckpt")["training_module"]["model"]
    assert model["model"]["checkpoint_path"] == str(tmp_path / "last.ckpt")
    assert model["modifiers"] == [{"modifier": "modify_PerTypeScaleShift", "shifts": "${stats}"}]
