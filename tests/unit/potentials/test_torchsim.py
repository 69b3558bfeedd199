from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.errors import MlffError, NotSupportedError
from pytest_mlff.potentials import Potential, evaluate, load_potential

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("torch_sim")

MODELS = """
import torch
from torch_sim.models.interface import ModelInterface


class Well(ModelInterface):
    '''Energy sum of k_z (x - cell row sum)^2 with k the atomic number; stress is the cell.

    Made so that a transposed cell, a wrong order of atoms or of systems would be seen.
    '''

    def __init__(self, forces=True):
        super().__init__()
        self._device, self._dtype = torch.device("cpu"), torch.float64
        self._compute_forces, self._compute_stress = forces, True
        self.seen = []

    def forward(self, state, **kwargs):
        self.seen.append(int(state.cell.shape[0]))
        k = state.atomic_numbers.to(state.positions.dtype)
        rows = state.cell.mT  # torch-sim keeps vectors as columns
        periodic = torch.as_tensor(state.pbc).expand(3).all()
        shift = (rows[:, 0] if periodic else torch.zeros_like(rows[:, 0]))[state.system_idx]
        away = state.positions - shift
        energy = torch.zeros(len(rows), dtype=k.dtype).index_add(
            0, state.system_idx, k * away.square().sum(-1)
        )
        return {"energy": energy, "forces": -2 * k[:, None] * away, "stress": rows}


class Fails(Well):
    def forward(self, state, **kwargs):
        raise ValueError("no\\nway")


def build():
    return Well()


def without_forces():
    return Well(forces=False)


instance = Well()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "models.py").write_text(MODELS)
    return tmp_path


def expected(atoms: Atoms) -> tuple[float, np.ndarray]:
    away = atoms.positions - (atoms.cell[0] if atoms.pbc.all() else 0.0)
    k = atoms.numbers[:, None].astype(float)
    return float((k * away**2).sum()), -2 * k * away


@pytest.mark.parametrize("source", ["models.py:build", "models.py:instance"])
def test_frames_of_every_kind(folder: Path, source: str) -> None:
    rng = np.random.default_rng(0)
    skewed = Atoms(
        "CO", rng.normal(size=(2, 3)), cell=rng.normal(size=(3, 3)) + 4 * np.eye(3), pbc=1
    )
    structures = [
        Atoms("CH2", rng.normal(size=(3, 3))),
        skewed,
        Atoms("O", rng.normal(size=(1, 3))),
        bulk("Cu", cubic=True),
    ]
    frames = Frames.from_atoms(structures)
    potential = load_potential(source, cwd=folder)
    assert isinstance(potential, Potential)
    assert (potential.info.family, potential.info.dtype) == ("torchsim", "float64")
    out = evaluate(potential, frames, batch=4)
    for index, atoms in enumerate(structures):
        energy, forces = expected(atoms)
        start, stop = frames.offsets[index : index + 2]
        assert out.energy[index] == pytest.approx(energy)
        assert np.allclose(out.forces[start:stop], forces)
    assert out.stress is not None
    assert np.allclose(out.stress[1], skewed.cell)
    assert np.isnan(out.stress[[0, 2]]).all()


def test_whole_batches_go_to_the_model(folder: Path) -> None:
    frames = Frames.of_one_molecule(np.array([1, 6]), np.zeros((20, 2, 3)))
    potential = load_potential("models.py:build", cwd=folder)
    evaluate(potential, frames, batch=10)
    assert potential.model.seen == [10, 10]  # type: ignore[attr-defined]


def test_a_real_model_sees_what_torchsim_itself_would_show_it(tmp_path: Path) -> None:
    """Lennard-Jones on skewed argon; the reference is torch-sim's own way from ASE.

    ASE's Lennard-Jones is no reference for the forces: those of torch-sim 0.3.0 are twice
    the gradient of its energy.
    """
    import torch_sim

    (tmp_path / "lj.py").write_text(
        "import torch\n"
        "from torch_sim.models.lennard_jones import LennardJonesModel\n"
        "def build(device='cpu'):\n"
        "    return LennardJonesModel(sigma=3.4, epsilon=0.0104, cutoff=5.0, dtype=torch.float64,\n"
        "        device=torch.device(device), compute_forces=True, compute_stress=True,\n"
        "        use_neighbor_list=True)\n"
    )
    structures = []
    for seed in range(3):
        atoms = bulk("Ar", "fcc", a=5.26) * (2 + seed, 3, 3)
        atoms.rattle(0.1, seed=seed)
        structures.append(atoms)
    potential = load_potential("lj.py:build", cwd=tmp_path)
    out = evaluate(potential, Frames.from_atoms(structures), batch=3)
    model = potential.model  # type: ignore[attr-defined]
    reference = model(torch_sim.io.atoms_to_state(structures, model.device, model.dtype))
    assert np.abs(out.forces).max() > 1e-3
    for name in ("energy", "forces", "stress"):
        assert np.allclose(getattr(out, name), reference[name].numpy(), rtol=1e-9, atol=1e-12)


def test_what_cannot_serve_is_one_line(folder: Path) -> None:
    with pytest.raises(NotSupportedError, match="computes no forces"):
        load_potential("models.py:without_forces", cwd=folder)
    failing = load_potential("models.py:Fails", cwd=folder)
    frames = Frames.from_atoms([Atoms("H")])
    with pytest.raises(MlffError, match="the torch-sim model raised ValueError: no way"):
        failing.predict(frames)
