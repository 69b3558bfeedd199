"""Making data: resumable, checked, started anew when the protocol changes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_mlff.datasets.embedded import EmbeddedTrajectory, read_trajectory
from pytest_mlff.datasets.generate import Protocol, default_protocol, generate, molecule_named
from pytest_mlff.datasets.molecules import MOLECULES, build_geometry
from pytest_mlff.datasets.relabel import relabel

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("tblite")
pytest.importorskip("rdkit")

ETHANOL = molecule_named("ethanol")
SHORT = Protocol(frames=12, stride=2, equilibration_fs=5.0)


class InterruptionError(Exception):
    pass


def _interrupt_after(frames: int) -> object:
    def progress(done: int, _: int) -> None:
        if done == frames:
            raise InterruptionError

    return progress


def _interrupted(folder: Path, protocol: Protocol = SHORT, after: int = 7) -> None:
    with pytest.raises(InterruptionError):
        generate(ETHANOL, folder, protocol, _interrupt_after(after), save_every=5)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> EmbeddedTrajectory:
    folder = tmp_path_factory.mktemp("whole")
    return read_trajectory(generate(ETHANOL, folder, SHORT, save_every=5))


def test_the_same_again(whole: EmbeddedTrajectory, tmp_path: Path) -> None:
    again = read_trajectory(generate(ETHANOL, tmp_path, SHORT, save_every=5))
    # Equal to the last bit with one thread; sums of several threads may differ in order.
    np.testing.assert_allclose(again.positions, whole.positions, atol=1e-4)


def test_file_is_whole(whole: EmbeddedTrajectory) -> None:
    assert whole.positions.shape == (12, 9, 3)
    assert whole.metadata["frame_interval_fs"] == 1.0
    assert whole.metadata["dynamics"]["seed"] == SHORT.seed
    assert whole.metadata["levels_of_theory"]["gfn2-xtb"]["program"]["tblite"]
    assert relabel(whole, 3, 0).passed


def test_interrupted_and_resumed(whole: EmbeddedTrajectory, tmp_path: Path) -> None:
    _interrupted(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["ethanol.part"]
    seen: list[int] = []
    path = generate(ETHANOL, tmp_path, SHORT, lambda done, _: seen.append(done), save_every=5)
    assert seen == list(range(6, 13))  # five frames came from the checkpoint
    assert [path.name for path in tmp_path.iterdir()] == ["ethanol.npz"]
    resumed = read_trajectory(path)
    assert relabel(resumed, 12, 0).passed
    np.testing.assert_allclose(resumed.positions[:5], whole.positions[:5], atol=1e-4)
    # It is the same trajectory: velocities and random numbers went on, only the SCF's
    # starting density did not. New velocities would part from it by far more.
    np.testing.assert_allclose(resumed.positions[5:], whole.positions[5:], atol=2e-4)


def test_other_velocities_would_be_noticed(whole: EmbeddedTrajectory, tmp_path: Path) -> None:
    """The mutant of the test above: momenta lost in the checkpoint."""
    _interrupted(tmp_path)
    part = tmp_path / "ethanol.part"
    with np.load(part) as archive:
        arrays = {key: archive[key] for key in archive.files}
    arrays["last_momenta"] = np.zeros_like(arrays["last_momenta"])
    with part.open("wb") as stream:
        np.savez(stream, **arrays)
    mutant = read_trajectory(generate(ETHANOL, tmp_path, SHORT, save_every=5))
    assert np.abs(mutant.positions[5:] - whole.positions[5:]).max() > 1e-2


@pytest.mark.parametrize(
    "change", [{"frames": 6}, {"temperature_k": 300.0}, {"seed": 1}, {"stride": 3}]
)
def test_another_protocol_starts_anew(tmp_path: Path, change: dict[str, int]) -> None:
    _interrupted(tmp_path, after=5)
    seen: list[int] = []
    changed = replace(SHORT, **change)  # type: ignore[arg-type]
    generate(ETHANOL, tmp_path, changed, lambda done, _: seen.append(done), save_every=5)
    assert seen == list(range(1, changed.frames + 1))


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_a_damaged_checkpoint_counts_as_none(tmp_path: Path, damage: bytes | None) -> None:
    _interrupted(tmp_path)
    part = tmp_path / "ethanol.part"
    part.write_bytes(part.read_bytes()[:500] if damage is None else damage)
    seen: list[int] = []
    generate(ETHANOL, tmp_path, SHORT, lambda done, _: seen.append(done), save_every=5)
    assert seen[0] == 1


def test_equilibration_is_left_out(tmp_path: Path) -> None:
    """The first stored frame is far from the minimum that the dynamics starts in."""
    none = read_trajectory(
        generate(ETHANOL, tmp_path / "a", Protocol(frames=1, stride=1, equilibration_fs=0.0))
    )
    some = read_trajectory(
        generate(ETHANOL, tmp_path / "b", Protocol(frames=1, stride=1, equilibration_fs=20.0))
    )
    energies = [one.labels["gfn2-xtb"].energy[0] for one in (none, some)]
    assert energies[1] - energies[0] > 0.05


def test_default_protocols() -> None:
    for molecule in MOLECULES:
        protocol = default_protocol(molecule)
        picoseconds = protocol.frames * protocol.stride * protocol.timestep_fs / 1000
        assert picoseconds >= (40.0 if molecule.name == "aspirin" else 20.0)
        assert protocol.equilibration_steps * protocol.timestep_fs == protocol.equilibration_fs


@pytest.mark.parametrize(
    "name, formula",
    [("aspirin", "C9H8O4"), ("ethanol", "C2H6O"), ("malonaldehyde", "C3H4O2"),
     ("naphthalene", "C10H8"), ("salicylic_acid", "C7H6O3"), ("toluene", "C7H8"),
     ("uracil", "C4H4N2O2")],
)  # fmt: skip
def test_built_molecules(name: str, formula: str) -> None:
    atoms = build_geometry(molecule_named(name), 1)
    assert atoms.get_chemical_formula("hill") == formula
    distances = atoms.get_all_distances() + 10 * np.eye(len(atoms))
    assert 0.9 < distances.min() < 1.2
