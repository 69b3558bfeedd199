"""Files of networks: forces and stress against finite differences, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pytest_mlff.datasets.frames import Frames  # noqa: E402
from pytest_mlff.errors import MlffError, NotSupportedError  # noqa: E402
from pytest_mlff.potentials import load_potential  # noqa: E402
from pytest_mlff.potentials.detect import detect  # noqa: E402
from pytest_mlff.potentials.families import network_files  # noqa: E402
from pytest_mlff.potentials.families.network_files import NetworkModel, save_network  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path


class Springs(torch.nn.Module):
    """Half a spring an edge: as small as a network can be."""

    periodic = True

    def __init__(self, length: float) -> None:
        super().__init__()
        self.length = torch.nn.Parameter(torch.tensor(length))

    def forward(self, batch: Any) -> Any:
        centre, neighbour = batch.edges
        arms = batch.positions[neighbour] - batch.positions[centre] + batch.shifts
        energy = 0.5 * (torch.linalg.vector_norm(arms, dim=1) - self.length) ** 2
        frame = batch.frame[centre]
        return torch.zeros(len(batch.counts), dtype=energy.dtype).index_add(0, frame, energy)


def springs(settings: Any, species: Any, cutoff: float) -> torch.nn.Module:
    """Builder of the family that these tests add."""
    return Springs(settings["length"])


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of springs between carbon and hydrogen."""
    monkeypatch.setattr(
        network_files, "FAMILIES", {"springs": (f"{__name__}:springs", "nothing-at-all")}
    )
    monkeypatch.setattr(network_files, "named_object", lambda _: springs)
    made = NetworkModel(
        "springs", {"length": 1.1}, (1, 6), 3.0, scale=2.0, atomic_energies=np.array([-1.0, -5.0])
    )
    path = tmp_path / "springs.anything"
    save_network(made, path)
    return path


def frames(periodic: bool = False) -> Frames:
    from ase import Atoms

    rng = np.random.default_rng(3)
    made = []
    for n in (4, 3):
        atoms = Atoms([6, 1, 1, 1][:n], rng.normal(0.0, 1.0, (n, 3)))
        if periodic:
            atoms.set_cell(np.eye(3) * 5 + rng.normal(0, 0.2, (3, 3)))
            atoms.pbc = True
        made.append(atoms)
    return Frames.from_atoms(made)


def test_forces_and_stress_are_slopes(model: Path) -> None:
    potential = load_potential(str(model), dtype="float64")
    assert (potential.info.family, potential.info.species) == ("springs", ("H", "C"))
    assert (potential.info.cutoff, potential.info.dtype) == (3.0, "float64")
    some = frames(periodic=True)
    found = potential.predict(some)
    step = 1e-5
    for atom, axis in ((0, 0), (2, 1), (6, 2)):
        ends = []
        for sign in (1, -1):
            moved = some.positions.copy()
            moved[atom, axis] += sign * step
            ends.append(potential.predict(replace(some, positions=moved)).energy.sum())
        assert found.forces[atom, axis] == pytest.approx(
            -(ends[0] - ends[1]) / (2 * step), abs=1e-6
        )
    for i, j in ((0, 0), (1, 2)):
        ends = []
        for sign in (1, -1):
            change = np.eye(3)
            change[i, j] += sign * step / 2
            change[j, i] += sign * step / 2
            bent = replace(some, positions=some.positions @ change, cell=some.cell @ change)
            ends.append(potential.predict(bent).energy)
        slope = (ends[0] - ends[1]) / (2 * step) / np.abs(np.linalg.det(some.cell))
        assert found.stress is not None
        np.testing.assert_allclose(found.stress[:, i, j], slope, atol=1e-6)


def test_a_batch_is_its_frames(model: Path) -> None:
    potential = load_potential(str(model), dtype="float64")
    some = frames()
    whole = potential.predict(some)
    parts = [potential.predict(some.select([k])) for k in range(2)]
    np.testing.assert_allclose(whole.energy, [one.energy[0] for one in parts], atol=1e-12)
    np.testing.assert_allclose(whole.forces, np.concatenate([one.forces for one in parts]))
    assert whole.stress is None
    # One carbon and three hydrogens cost their own energies, whatever the springs do.
    assert whole.energy[0] > -5.0 - 3.0


def test_the_number_format_is_that_of_the_file(model: Path) -> None:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        assert load_potential(str(model)).info.dtype == "float32"
    finally:
        torch.set_default_dtype(before)


def test_told_by_content(model: Path) -> None:
    assert detect(model).family == "network"


def test_what_is_refused(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ase import Atoms

    potential = load_potential(str(model))
    with pytest.raises(NotSupportedError, match="no element 8"):
        potential.predict(Frames.from_atoms([Atoms("O2", np.eye(3)[:2])]))
    monkeypatch.setattr(Springs, "periodic", False)
    with pytest.raises(NotSupportedError, match="no periodic cells"):
        load_potential(str(model)).predict(frames(periodic=True))
    with pytest.raises(MlffError, match="unknown family"):
        NetworkModel("bows", {}, (1,), 3.0)
    with pytest.raises(MlffError, match="settings of a springs network"):
        NetworkModel("springs", {}, (1,), 3.0)
    content = torch.load(model, weights_only=True)
    torch.save({**content, "weights": {}}, tmp_path / "bare.pt")
    with pytest.raises(MlffError, match="weights do not fit"):
        load_potential(str(tmp_path / "bare.pt"))
    torch.save({**content, "format": "pytest_mlff network 1 "}, tmp_path / "other.pt")
    with pytest.raises(MlffError, match=r"not a checkpoint that any adapter knows|no file of"):
        load_potential(str(tmp_path / "other.pt"))


def test_a_family_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line names the distribution and where to say which interpreter has it."""

    def missing(place: str) -> Any:
        raise ImportError("no module named mace")

    monkeypatch.setattr(network_files, "named_object", missing)
    with pytest.raises(MlffError, match=r"needs mace-torch where it is opened .*python"):
        NetworkModel("mace", {}, (1,), 3.0)
