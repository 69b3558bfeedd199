"""Published data that nobody here made; only where ``MLFF_REFERENCE_DATA`` names them."""

from __future__ import annotations

import gzip
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import ase.io
import numpy as np
import pytest
from scipy import constants

from pytest_mlff.datasets import cut, open_dataset
from pytest_mlff.datasets.fetch import missing_systems
from pytest_mlff.datasets.integrity import check_integrity
from pytest_mlff.datasets.molecules import MOLECULES
from pytest_mlff.datasets.record import record_named
from pytest_mlff.datasets.splits import FrameSets, IndexSet
from pytest_mlff.errors import MlffError, NotSupportedError
from pytest_mlff.metrics.radial import radial
from pytest_mlff.specs import DatasetOption, ResolvedSelection, ResolvedSelections

if TYPE_CHECKING:
    from pathlib import Path

KCAL_MOL = 4184.0 / (constants.N_A * constants.e)
NAMES = [molecule.name for molecule in MOLECULES]


def _variant(**selections: ResolvedSelection) -> Any:
    resolved = ResolvedSelections(selections.get("train"), None, selections["test"])
    return SimpleNamespace(id="v", spec=SimpleNamespace(seed=1), selections=resolved)


@pytest.mark.parametrize("name", NAMES)
def test_rmd17_against_the_raw_arrays(reference_data: Path, name: str) -> None:
    dataset = open_dataset("rmd17", data_dir=reference_data).load(name)
    raw = np.load(dataset.source)
    frames = dataset.frames
    n_frames, n_atoms = raw["coords"].shape[:2]
    assert len(frames) == n_frames == 9633
    steps = np.asarray(frames.time_index)
    assert (np.diff(steps) > 0).all()
    assert dataset.notes == ()
    by_step = {int(step): place for place, step in enumerate(raw["old_indices"])}
    for place in (0, 1, 4816, 9631, 9632):
        source = by_step[int(steps[place])]
        atoms = frames.atoms(place)
        assert atoms.numbers.tolist() == raw["nuclear_charges"].tolist()
        np.testing.assert_array_equal(atoms.positions, raw["coords"][source])
        assert np.asarray(frames.energy)[place] == pytest.approx(
            raw["energies"][source] * KCAL_MOL, rel=3e-8
        )
        np.testing.assert_allclose(
            np.asarray(frames.forces).reshape(n_frames, n_atoms, 3)[place],
            raw["forces"][source].astype(float) * KCAL_MOL,
            rtol=3e-8,
        )


@pytest.mark.parametrize("name", NAMES)
def test_rmd17_forces_are_the_slope_of_the_energy(reference_data: Path, name: str) -> None:
    """Neighbouring frames one or two steps apart: ΔE = -F·Δr, in the units of Frames.

    Energies in kcal/mol with forces in eV/Å, or a wrong order, are off by factors.
    """
    frames = open_dataset("rmd17", data_dir=reference_data).load(name).frames
    energy, forces = np.asarray(frames.energy), np.asarray(frames.forces)
    shape = (len(frames), -1, 3)
    forces, positions = forces.reshape(shape), frames.positions.reshape(shape)
    close = np.flatnonzero(np.diff(np.asarray(frames.time_index)) <= 2)
    assert len(close) > 20
    slope = -0.5 * ((forces[close] + forces[close + 1]) * (positions[close + 1] - positions[close]))
    predicted, found = slope.sum(axis=(1, 2)), energy[close + 1] - energy[close]
    ratio = (predicted * found).sum() / (predicted**2).sum()
    assert ratio == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("name", NAMES)
def test_rmd17_index_sets(reference_data: Path, name: str) -> None:
    dataset = open_dataset("rmd17", data_dir=reference_data).load(name)
    raw = np.load(dataset.source)
    assert len(dataset.index_sets) == 10
    for number in range(1, 6):
        train = dataset.index_sets[f"train_{number:02d}"]
        test = dataset.index_sets[f"test_{number:02d}"]
        assert len(set(train.tolist())) == len(set(test.tolist())) == 1000
        assert not set(train.tolist()) & set(test.tolist())
        published = raw["old_indices"][raw[f"train_idx_{number:02d}"]]
        np.testing.assert_array_equal(np.asarray(dataset.frames.time_index)[train], published)


def test_windows_lie_strictly_in_time_order(reference_data: Path) -> None:
    source = open_dataset("rmd17", data_dir=reference_data)
    for start in (0, 15, 30, 45, 60):
        for size in (30, 45, 60, 75, 90):
            if start + size > 90:
                continue
            sets = cut(
                _variant(
                    train=ResolvedSelection(("aspirin",), start, start + size, "random", 1000),
                    test=ResolvedSelection(("aspirin",), 90, 100, "all", None),
                ),
                source,
            )
            assert sets.train_frames is not None
            train = np.asarray(sets.train_frames.time_index)
            test = np.asarray(sets.test_frames.time_index)
            assert len(train) == 1000
            assert (np.diff(train) > 0).all()
            assert (np.diff(test) > 0).all()
            assert train.max() < test.min()


@pytest.mark.parametrize("count, fits", [(200, True), (1000, True), (15000, False), (50000, False)])
def test_sample_counts(reference_data: Path, count: int, fits: bool) -> None:
    source = open_dataset("rmd17", data_dir=reference_data)
    variant = _variant(
        train=ResolvedSelection(("aspirin",), 0, 90, "random", count),
        test=ResolvedSelection(("aspirin",), 90, 100, "all", None),
    )
    if fits:
        assert len(cut(variant, source).test_frames) == 964
        return
    with pytest.raises(NotSupportedError, match=f"asks for {count} frames, its window holds 8669"):
        cut(variant, source)


def _own(path: Path, **option: Any) -> Any:
    source = open_dataset("own", DatasetOption(path=str(path), **option))
    return source.load(source.molecules[0])


def test_md17_and_ccsdt(reference_data: Path) -> None:
    md17 = open_dataset("md17", data_dir=reference_data).load("ethanol")
    assert np.asarray(md17.frames.time_index).tolist() == list(range(2000))
    assert md17.span_ps == pytest.approx(0.9995)
    ccsdt = _own(reference_data / "ccsdt/ethanol_ccsd_t-train.npz")
    assert not ccsdt.time_ordered
    assert ccsdt.level_of_theory == "Psi4: CCSD(T), cc-pVTZ"
    raw = np.load(reference_data / "ccsdt/ethanol_ccsd_t-train.npz")["E"][:, 0]
    np.testing.assert_allclose(ccsdt.frames.energy, raw * KCAL_MOL, rtol=3e-8)
    window = ResolvedSelection(("ethanol_ccsd_t-train",), 90, 100, "all", None)
    with pytest.raises(MlffError, match="no known time order"):
        cut(_variant(test=window), SimpleNamespace(load=lambda _: ccsdt))  # type: ignore[arg-type]


def test_periodic_water(reference_data: Path) -> None:
    path = reference_data / "water/deepmd_water_pbe0ts_400.npz"
    with pytest.raises(MlffError, match="does not say its units"):
        _own(path)
    dataset = _own(path, units="eV")
    raw = np.load(path)
    assert dataset.frames.pbc.all()
    np.testing.assert_array_equal(dataset.frames.cell[7], raw["cell"])
    np.testing.assert_array_equal(dataset.frames.energy, raw["energy"].astype(float))


@pytest.mark.parametrize(
    "name, forces",
    [("dataset_3BPA/train_300K.xyz.gz", True), ("dataset_acac/test_MD_600K.xyz.gz", True),
     ("dataset_acac/test_H_transfer.xyz", False), ("dataset_ethanol/train_eth_meth.xyz.gz", True)],
)  # fmt: skip
def test_extxyz(tmp_path: Path, reference_data: Path, name: str, forces: bool) -> None:
    dataset = _own(reference_data / "botnet" / name)
    # Unpacked by hand: ASE itself needs many seconds for a compressed file.
    plain = tmp_path / "plain.xyz"
    packed = (reference_data / "botnet" / name).read_bytes()
    plain.write_bytes(gzip.decompress(packed) if name.endswith(".gz") else packed)
    structures = ase.io.read(plain, ":")
    assert len(dataset.frames) == len(structures)
    assert (dataset.frames.forces is not None) is forces
    np.testing.assert_array_equal(
        dataset.frames.energy, [atoms.get_potential_energy() for atoms in structures]
    )


def test_published_trajectory(reference_data: Path) -> None:
    path = reference_data / "md_runs/water-10k_gemnet-t/atoms.traj"
    dataset = _own(path, time_ordered=True)
    assert len(dataset.frames) == 189
    assert dataset.time_ordered


RECORDS = ("rmd17", "md17", "3bpa", "acac", "botnet_ethanol", "ccsdt", "water")


@pytest.mark.parametrize("name", RECORDS)
def test_units_of_everything_by_the_stiffness_of_bonds(reference_data: Path, name: str) -> None:
    """Each file that lies there: its units are right, or it has no forces or bonds to tell."""
    source = open_dataset(name, data_dir=reference_data)
    record = record_named(name)
    here = set(record.systems) - set(missing_systems(record, reference_data))
    assert here
    judged = set()
    for system in sorted(here):
        dataset = source.load(system)
        assert len(dataset.frames) == (record.systems[system].frames or len(dataset.frames))
        chosen = IndexSet({system: np.arange(len(dataset.frames))}, {system: dataset})
        try:
            assert check_integrity("unit_scale", FrameSets(test=chosen)).value <= 1
        except NotSupportedError:
            continue
        judged.add(system)
        wrong = replace(dataset.frames, forces=np.asarray(dataset.frames.forces) / KCAL_MOL)
        chosen = IndexSet(chosen.indices, {system: replace(dataset, frames=wrong)})
        assert check_integrity("unit_scale", FrameSets(test=chosen)).value > 1
    untold = {"iso_atoms", "isolated_atoms", "test_dimers", "test_norm_mode_874"}
    untold |= {"test_norm_mode_3005", "test_H_removal", "test_H_transfer", "test_dihedral"}
    assert here - judged <= untold


def test_radial_distribution_of_a_published_run(reference_data: Path) -> None:
    """The run of GemNet-T on water: the first peak of O-O, against plain numpy."""
    path = reference_data / "md_runs/water-10k_gemnet-t/atoms.traj"
    frames = _own(path, time_ordered=True).frames.select(slice(0, None, 20))
    found = radial(frames)
    n_atoms, edge = int(frames.counts[0]), float(found.r[-1]) + 0.025
    oxygen = frames.numbers[:n_atoms] == 8
    box = np.diag(frames.cell[0])
    counts = np.zeros(len(found.r))
    for one in frames.positions.reshape(len(frames), n_atoms, 3)[:, oxygen]:
        apart = one[:, None] - one[None]
        apart -= box * np.round(apart / box)
        counts += np.histogram(np.linalg.norm(apart, axis=-1), len(counts), (1e-6, edge))[0]
    edges = np.linspace(0.0, edge, len(counts) + 1)
    shells = 4 / 3 * np.pi * np.diff(edges**3) * oxygen.sum() / np.prod(box)
    wanted = counts / len(frames) / oxygen.sum() / shells
    np.testing.assert_allclose(found.g["O-O"], wanted, rtol=0.05, atol=0.05)
    assert 2.6 < found.r[np.argmax(found.g["O-O"])] < 2.9
