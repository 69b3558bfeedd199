"""Labels against forces and chemistry: mistakes of units and single wrong labels are caught."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import constants

from pytest_mlff.datasets import cut, open_dataset
from pytest_mlff.datasets.dataset import Dataset
from pytest_mlff.datasets.frames import Frames
from pytest_mlff.datasets.integrity import check_integrity
from pytest_mlff.datasets.integrity.close_pairs import EXPECTED, pair_work
from pytest_mlff.datasets.integrity.energy_force import slope_of
from pytest_mlff.datasets.integrity.groups import group_dataset
from pytest_mlff.datasets.integrity.unit_scale import bond_scale
from pytest_mlff.datasets.molecules import MOLECULES
from pytest_mlff.datasets.splits import FrameSets, IndexSet
from pytest_mlff.errors import NotSupportedError
from pytest_mlff.metrics.registry import metrics
from pytest_mlff.specs import ResolvedSelection, ResolvedSelections

if TYPE_CHECKING:
    from pathlib import Path

# Independent of the package: eV per kcal/mol and Å per Bohr from SciPy's CODATA tables.
KCAL_MOL = 4184.0 / (constants.N_A * constants.e)
BOHR = constants.physical_constants["Bohr radius"][0] * 1e10
NAMES = [molecule.name for molecule in MOLECULES]


def _of(dataset: Dataset) -> FrameSets:
    molecule = str(dataset.molecule)
    return FrameSets(test=IndexSet({molecule: np.arange(len(dataset.frames))}, {molecule: dataset}))


def _changed(
    dataset: Dataset, energy: Any = 1.0, forces: Any = 1.0, lengths: float = 1.0
) -> Dataset:
    """Labels and lengths times factors."""
    frames = dataset.frames
    assert frames.energy is not None
    assert frames.forces is not None
    wrong = replace(
        frames,
        energy=frames.energy * energy,
        forces=frames.forces * forces,
        positions=frames.positions * lengths,
    )
    return replace(dataset, frames=wrong)


def _quick_sets(source: Any, molecule: str) -> FrameSets:
    """The windows of the quick spec."""

    def window(start: float, end: float) -> ResolvedSelection:
        return ResolvedSelection((molecule,), start, end, "all", None)

    selections = ResolvedSelections(window(0, 85), window(85, 90), window(90, 100))
    variant: Any = SimpleNamespace(id="v", spec=SimpleNamespace(seed=1), selections=selections)
    return cut(variant, source)


# Frames at fault are counted; these are ratios. Two windows of one thermostat differ somewhat.
RATIOS = {
    "energy_force_consistency": 1.0, "unit_scale": 1.0, "test_span": 1.0, "one_reference": 1.0,
    "rounded_units": 1.0, "temperature_match": 1.5,
}  # fmt: skip


@pytest.mark.parametrize("molecule", NAMES)
def test_the_embedded_data_are_sound(molecule: str) -> None:
    sets = _quick_sets(open_dataset("embedded"), molecule)
    for name in metrics("data"):
        result = check_integrity(name, sets)
        assert 0 <= result.value <= RATIOS.get(name, 0.0), result.reason
        assert result.frames == ()
        assert result.n_frames >= len(sets.test)


@pytest.mark.parametrize("molecule", NAMES)
@pytest.mark.parametrize(
    "check, energy, forces, says",
    [
        ("energy_force_consistency", 1 / KCAL_MOL, 1, "energies were in the wrong units: kcal/mol"),
        ("energy_force_consistency", 1, 1 / KCAL_MOL, "forces were in the wrong units: kcal/mol"),
        ("unit_scale", 1 / KCAL_MOL, 1 / KCAL_MOL, "with hydrogen have a stiffness of"),
        ("energy_force_consistency", 1, -1, "forces had the wrong sign"),
        ("energy_force_consistency", 1, 1 / BOHR, "ΔE = 0.5"),
    ],
)
def test_wrong_units_are_caught_and_named(
    molecule: str, check: str, energy: float, forces: float, says: str
) -> None:
    sound = open_dataset("embedded").load(molecule)
    result = check_integrity(check, _of(_changed(sound, energy, forces)))
    assert result.value > 1
    assert says in result.reason
    assert f"{molecule} frames 0 to {len(sound.frames) - 1}" in result.reason
    assert len(result.frames) == len(sound.frames)
    if energy == forces:
        assert "kcal/mol taken as eV (factor 23.06)" in result.reason


def test_what_each_check_cannot_see() -> None:
    """Why there are two: common factors leave the slope alone, and stiffness knows no energy."""
    sound = open_dataset("embedded").load("ethanol")
    both = _of(_changed(sound, 1 / KCAL_MOL, 1 / KCAL_MOL))
    assert check_integrity("energy_force_consistency", both).value <= 1
    energies = _of(_changed(sound, 1 / KCAL_MOL, 1))
    assert check_integrity("unit_scale", energies).value <= 1


@pytest.mark.parametrize(
    "factor, says", [(1 / BOHR, "Bohr taken as Å"), (BOHR, "Å taken as Bohr"), (0.1, "0.1")]
)
def test_wrong_lengths_are_caught(factor: float, says: str) -> None:
    sound = open_dataset("embedded").load("toluene")
    result = check_integrity("unit_scale", _of(_changed(sound, lengths=factor)))
    assert result.value > 1
    assert "nearest atoms at" in result.reason
    assert says in result.reason


@pytest.mark.parametrize("what", ["energy", "forces"])
def test_one_wrong_label_is_named_and_its_neighbours_are_not(what: str) -> None:
    sound = open_dataset("embedded").load("ethanol")
    factors = np.ones(2000)
    factors[1137] = 1 / KCAL_MOL
    shape = factors if what == "energy" else np.repeat(factors, 9)[:, None]
    result = check_integrity("energy_force_consistency", _of(_changed(sound, **{what: shape})))
    assert result.value > 1
    assert result.frames == (("ethanol", 1137),)
    assert "1 frame do not fit" in result.reason
    assert "ethanol frame 1137" in result.reason


@pytest.mark.parametrize("molecule", NAMES)
def test_labels_of_other_frames_are_caught(molecule: str) -> None:
    sound = open_dataset("embedded").load(molecule)
    order = np.random.default_rng(4).permutation(len(sound.frames))
    assert sound.frames.energy is not None
    mixed = replace(sound, frames=replace(sound.frames, energy=sound.frames.energy[order]))
    result = check_integrity("energy_force_consistency", _of(mixed))
    assert result.value > 1
    assert "energies do not follow the forces" in result.reason


# --- a force field in closed form -----------------------------------------------------------

ANCHORS = np.array(
    [[0, 0, 0], [1.5, 0, 0], [0, 1.5, 0], [0, 0, 1.5], [1.2, 1.2, 0], [0.2, 1.2, 1.3]], dtype=float
)


def _morse(positions: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Energies and forces of Morse bonds between all pairs: 3 eV, 2 Å⁻¹, at rest in ANCHORS."""
    first, second = np.triu_indices(len(ANCHORS), 1)
    rest = np.linalg.norm(ANCHORS[first] - ANCHORS[second], axis=1)
    vectors = positions[:, first] - positions[:, second]
    lengths = np.linalg.norm(vectors, axis=2)
    decay = np.exp(-2 * (lengths - rest))
    energy = 3 * ((1 - decay) ** 2).sum(axis=1)
    pull = (3 * 2 * 2 * (1 - decay) * decay / lengths)[..., None] * vectors
    forces = np.zeros_like(positions)
    for pair, (one, other) in enumerate(zip(first, second, strict=True)):
        forces[:, one] -= pull[:, pair]
        forces[:, other] += pull[:, pair]
    return energy, forces


def _walk(step: float, n_frames: int = 600, numbers: int = 6) -> Dataset:
    """An Ornstein-Uhlenbeck walk about the anchors, turned at random, with exact labels."""
    rng = np.random.default_rng(8)
    noise = rng.normal(size=(n_frames, 6, 3))
    state = np.zeros((n_frames, 6, 3))
    for frame in range(1, n_frames):
        state[frame] = state[frame - 1] * (1 - step) + 0.1 * np.sqrt(2 * step) * noise[frame]
    positions = ANCHORS + state
    energy, forces = _morse(positions)
    frames = Frames.of_one_molecule(
        np.full(6, numbers), positions, energy=energy, forces=forces,
        time_index=np.arange(n_frames),
    )  # fmt: skip
    return Dataset("own", "morse", frames, "Morse", None, "none", "morse.npz", frames.digest)


def test_forces_of_the_closed_form_are_its_derivative() -> None:
    positions = ANCHORS[None] + 0.05
    positions[0, 2, 1] += 0.2
    moved = np.repeat(positions, 2, axis=0)
    moved[0, 2, 1] -= 1e-5
    moved[1, 2, 1] += 1e-5
    energies, _ = _morse(moved)
    slope = (energies[1] - energies[0]) / 2e-5
    assert _morse(positions)[1][0, 2, 1] == pytest.approx(-slope, rel=1e-7)


def test_a_rounded_constant_shows_where_frames_are_close() -> None:
    """0.0433 for 0.04336 eV per kcal/mol, in the energies alone: off by 0.15 %."""
    sound = _walk(step=1e-5)
    assert check_integrity("energy_force_consistency", _of(sound)).value <= 1
    rounded = _changed(sound, energy=0.0433 / KCAL_MOL)
    result = check_integrity("energy_force_consistency", _of(rounded))
    assert result.value > 1
    assert "ΔE = 0.998" in result.reason
    # The same constant in energies and forces cannot be seen: the docs say so.
    hidden = _changed(sound, 0.0433 / KCAL_MOL, 0.0433 / KCAL_MOL)
    assert check_integrity("energy_force_consistency", _of(hidden)).value <= 1


@pytest.mark.parametrize("step", [1e-5, 1e-3, 1e-2, 1e-1])
def test_the_slope_is_one_within_its_tolerance(step: float) -> None:
    pairs = pair_work(group_dataset("morse", _walk(step)))
    found = slope_of(pairs)
    assert found is not None
    assert abs(found.slope - 1) <= found.tolerance
    assert found.scatter <= 2
    # Errors of the trapezoid rule are never far above what forces lead one to expect, not even
    # here, where every degree of freedom is a Morse bond.
    error = np.abs(pairs.change - pairs.work)
    assert np.sqrt((error**2).mean()) <= 2 * np.sqrt((pairs.expected**2).mean())
    assert (error <= pairs.largest).all()
    # And the expectation is no mere upper bound: it is of their size.
    assert np.sqrt((error**2).sum() / ((EXPECTED * pairs.scale) ** 2).sum()) > 0.02


def test_turning_each_frame_changes_nothing() -> None:
    from scipy.spatial.transform import Rotation

    sound = _walk(step=1e-3)
    turns = Rotation.random(600, random_state=3).as_matrix()

    def turned(array: Any) -> Any:
        return (array.reshape(600, 6, 3) @ turns).reshape(-1, 3)

    frames = replace(
        sound.frames,
        positions=turned(sound.frames.positions) + 5.0,
        forces=turned(sound.frames.forces),
    )
    ours = slope_of(pair_work(group_dataset("morse", replace(sound, frames=frames))))
    theirs = slope_of(pair_work(group_dataset("morse", sound)))
    assert ours is not None
    assert theirs is not None
    assert ours.slope == pytest.approx(theirs.slope, abs=1e-9)


def test_frames_too_far_apart_are_undecided_with_both_numbers() -> None:
    rng = np.random.default_rng(6)
    positions = ANCHORS + 0.45 * rng.normal(size=(40, 6, 3))
    energy, forces = _morse(positions)
    frames = Frames.of_one_molecule(np.full(6, 6), positions, energy=energy, forces=forces)
    far = Dataset("own", "far", frames, "Morse", None, "none", "far.npz", frames.digest)
    with pytest.raises(NotSupportedError, match=r"uncertain by \d\.\d+, at most 0\.235 is needed"):
        check_integrity("energy_force_consistency", _of(far))


def test_missing_labels_and_too_few_frames_are_unsupported() -> None:
    sound = _walk(step=1e-3)
    bare = replace(sound, frames=replace(sound.frames, forces=None))
    with pytest.raises(NotSupportedError, match="morse has no forces"):
        check_integrity("energy_force_consistency", _of(bare))
    few = replace(sound, frames=sound.frames.select(np.arange(4)))
    with pytest.raises(NotSupportedError, match="needs 20 pairs"):
        check_integrity("energy_force_consistency", _of(few))


def test_a_fault_counts_more_than_what_cannot_be_told() -> None:
    sound = open_dataset("embedded").load("ethanol")
    wrong = _changed(sound, energy=1 / KCAL_MOL)
    bare = replace(_walk(step=1e-3), frames=replace(_walk(step=1e-3).frames, forces=None))
    held = {"ethanol": wrong, "morse": bare}
    sets = FrameSets(
        test=IndexSet({"ethanol": np.arange(9)}, held),
        train=IndexSet({"morse": np.arange(9)}, held),
    )
    assert check_integrity("energy_force_consistency", sets).value > 1


# --- stiffness ------------------------------------------------------------------------------


@pytest.mark.parametrize("numbers, kind", [((6, 1), "with hydrogen"), ((7, 7), "without hydrogen")])
@pytest.mark.parametrize("periodic", [False, True])
def test_stiffness_of_a_spring(numbers: tuple[int, int], kind: str, periodic: bool) -> None:
    """A diatomic on a spring of 37 eV/Å², turning and drifting through its box."""
    rng = np.random.default_rng(2)
    lengths = 1.1 + 0.03 * rng.normal(size=200)
    along = rng.normal(size=(200, 3))
    along /= np.linalg.norm(along, axis=1)[:, None]
    origin = rng.uniform(0, 8, size=(200, 3))
    positions = np.stack([origin, origin + lengths[:, None] * along], axis=1)
    pull = -37.0 * (lengths - 1.1)[:, None] * along
    frames = Frames.of_one_molecule(
        np.array(numbers), positions, energy=np.zeros(200), forces=np.stack([-pull, pull], axis=1)
    )
    if periodic:
        frames = replace(
            frames,
            positions=frames.positions % 8.0,
            cell=np.tile(np.eye(3) * 8.0, (200, 1, 1)),
            pbc=np.ones((200, 3), dtype=bool),
        )
    dataset = Dataset("own", "spring", frames, "none", None, "none", "s.npz", frames.digest)
    found = bond_scale(group_dataset("spring", dataset)[0])
    assert found is not None
    assert found.stiffness == {kind: pytest.approx(37.0)}
    assert check_integrity("unit_scale", _of(dataset)).value <= 1


def test_metals_and_noble_gases_are_not_judged() -> None:
    rng = np.random.default_rng(3)
    for number in (29, 18):
        positions = rng.normal(size=(40, 2, 3)) * 0.05 + [[0, 0, 0], [3.8, 0, 0]]
        frames = Frames.of_one_molecule(
            np.array([number, number]), positions, energy=np.zeros(40), forces=-positions
        )
        dataset = Dataset("own", "x", frames, "none", None, "none", "x.npz", frames.digest)
        with pytest.raises(NotSupportedError, match="no bonds between nonmetals"):
            check_integrity("unit_scale", _of(dataset))


# --- published data -------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_rmd17_is_sound_and_a_rounded_constant_in_it_is_seen(
    reference_data: Path, name: str
) -> None:
    source = open_dataset("rmd17", data_dir=reference_data)
    sets = _quick_sets(source, name)
    for check in metrics("data"):
        result = check_integrity(check, sets)
        limit = 1 if check in ("energy_force_consistency", "unit_scale") else 0
        assert result.value <= limit, result.reason
    # 0.043 eV per kcal/mol in the energies alone: off by 0.84 %.
    rounded = _changed(source.load(name), energy=0.043 / KCAL_MOL)
    assert check_integrity("energy_force_consistency", _of(rounded)).value > 1


def test_published_ethanol_repeats_frames(reference_data: Path) -> None:
    from pytest_mlff.specs import DatasetOption

    path = reference_data / "ccsdt/ethanol_ccsd_t-train.npz"
    source = open_dataset("own", DatasetOption(path=str(path)))
    dataset = source.load(source.molecules[0])
    result = check_integrity("duplicate_frames", _of(dataset))
    raw = np.load(path)["R"]
    _, kind = np.unique(raw.reshape(len(raw), -1), axis=0, return_inverse=True)
    assert result.value == len(raw) - len(np.unique(kind)) == 2
    for check in ("energy_force_consistency", "unit_scale"):
        assert check_integrity(check, _of(dataset)).value <= 1


def test_atoms_that_are_pulled_apart_tell_no_unit() -> None:
    """A scan of a dimer has no length of its own; the same pair at rest has."""
    for apart, judged in ((np.linspace(0.8, 6.0, 60), False), (np.full(60, 3.0), True)):
        positions = np.zeros((60, 2, 3))
        positions[:, 1, 0] = apart
        frames = Frames.of_one_molecule(np.array([6, 8]), positions, energy=np.zeros(60))
        dataset = Dataset("own", "co", frames, "none", None, "none", "co.npz", frames.digest)
        if judged:
            assert check_integrity("unit_scale", _of(dataset)).value > 1
        else:
            with pytest.raises(NotSupportedError, match="no bonds between nonmetals"):
                check_integrity("unit_scale", _of(dataset))
