"""Known traps of published sets, each told by name on files of that shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_mlff.datasets import FrameSets, IndexSet, cut, open_dataset
from pytest_mlff.datasets.integrity import check_integrity
from pytest_mlff.errors import NotSupportedError
from pytest_mlff.run.plan import plan_spec
from pytest_mlff.specs import DatasetOption

NUMBERS = np.array([6, 6, 8, 1, 1, 1, 1, 1, 1])
BASE = 1.5 * np.random.default_rng(7).permutation(27)[:9, None] // np.array([9, 3, 1]) % 3


def motion(n_frames: int, *, seed: int = 0, kt: float = 0.04, step: float = 1.0) -> dict[str, Any]:
    """A molecule of springs about a minimum, in motion: few frequencies, energies and forces."""
    rng = np.random.default_rng(seed)
    base = BASE.astype(float)
    stiff = 30.0
    amplitude = np.sqrt(kt / stiff) * rng.normal(size=(3, 9, 3))
    phase = rng.uniform(0, 2 * np.pi, size=(3, 9, 3))
    time = step * np.arange(n_frames)[:, None, None, None]
    period = np.array([10.0, 17.0, 33.0])[None, :, None, None]
    moved = (amplitude * np.cos(2 * np.pi * time / period + phase)).sum(axis=1)
    forces = -stiff * moved
    energy = -4200.0 + 0.5 * stiff * (moved**2).sum(axis=(1, 2))
    return {"z": NUMBERS, "R": base + moved, "E": energy, "F": forces}


def thermal(n_frames: int, *, seed: int, kt: float = 0.04) -> dict[str, Any]:
    """The same with each frame drawn anew."""
    parts = [motion(1, seed=1000 * seed + k, kt=kt) for k in range(n_frames)]
    return {"z": NUMBERS} | {key: np.concatenate([one[key] for one in parts]) for key in "REF"}


def sets_of(folder: Path, files: dict[str, dict[str, Any]], **option: Any) -> FrameSets:
    """Training, validation and test as files of their own."""
    found = {}
    for role, arrays in files.items():
        np.savez(folder / f"{role}.npz", **arrays)
        said = {"units": "eV", **option}
        dataset = open_dataset("own", DatasetOption(path=f"{role}.npz", **said), spec_dir=folder)
        loaded = dataset.load(role)
        found[role] = IndexSet({role: np.arange(len(loaded.frames))}, {role: loaded})
    return FrameSets(found["test"], found.get("train"), found.get("validation"))


def part(arrays: dict[str, Any], chosen: Any) -> dict[str, Any]:
    return {key: (one if key == "z" else one[chosen]) for key, one in arrays.items()}


def test_validation_is_the_test(tmp_path: Path) -> None:
    """AcAc of EGraFFBench."""
    test = thermal(30, seed=2)
    files = {"train": thermal(30, seed=1), "validation": test, "test": test}
    found = check_integrity("validation_test_overlap", sets_of(tmp_path, files))
    assert found.value == 30
    files["validation"] = thermal(30, seed=3)
    assert check_integrity("validation_test_overlap", sets_of(tmp_path, files)).value == 0


@pytest.mark.parametrize("frames, fits", [(1000, False), (1999, False), (2002, True)])
def test_test_is_the_first_half_picosecond(tmp_path: Path, frames: int, fits: bool) -> None:
    """MD17 of EGraFFBench: the first thousand steps of 0.5 fs."""
    (tmp_path / "md17").mkdir()
    np.savez(tmp_path / "md17/md17_ethanol.npz", **motion(3000))
    dataset = open_dataset("md17", data_dir=tmp_path).load("ethanol")
    sets = FrameSets(IndexSet({"ethanol": np.arange(frames)}, {"ethanol": dataset}))
    found = check_integrity("test_span", sets)
    assert (found.value <= 1) == fits
    assert found.value == pytest.approx(1.0 / ((frames - 1) * 0.0005))
    assert f"span {(frames - 1) * 0.0005:.3g} ps" in found.reason
    with pytest.raises(NotSupportedError, match="no test frame has a known place in time"):
        check_integrity("test_span", sets_of(tmp_path, {"test": motion(50)}))


def test_sets_of_one_trajectory(tmp_path: Path) -> None:
    """GeTe of EGraFFBench: validation goes on where the test ends; and a random split."""
    run = motion(400, step=0.1)
    files = {"train": thermal(50, seed=1), "test": part(run, slice(0, 200)),
             "validation": part(run, slice(200, 400))}  # fmt: skip
    found = check_integrity("independent_frames", sets_of(tmp_path, files))
    assert found.value > 0
    assert "near validation frames" in found.reason
    order = np.random.default_rng(0).permutation(400)
    files = {"train": part(run, order[:200]), "test": part(run, order[200:])}
    found = check_integrity("independent_frames", sets_of(tmp_path, files))
    assert found.value > 150
    assert "near training frames" in found.reason
    files = {"train": thermal(200, seed=1), "test": thermal(200, seed=2)}
    assert check_integrity("independent_frames", sets_of(tmp_path, files)).value == 0


def test_replicas_that_start_from_neighbouring_frames(tmp_path: Path) -> None:
    """Four runs of ten frames, whose first frames are neighbours in a run before."""
    first, later = motion(4, step=0.1), thermal(36, seed=5)
    order = np.concatenate([[k, *range(4 + 9 * k, 13 + 9 * k)] for k in range(4)])
    joined = {key: np.concatenate([first[key], later[key]])[order] for key in "REF"}
    names = {"z": NUMBERS, "run": np.repeat(np.arange(4), 10)}
    sets = sets_of(tmp_path, {"test": joined | names}, replica="run")
    found = check_integrity("independent_frames", sets)
    assert {number for _, number in found.frames} == {0, 10, 20, 30}
    assert "near another replica" in found.reason
    apart = {"test": thermal(40, seed=5) | names}
    assert check_integrity("independent_frames", sets_of(tmp_path, apart, replica="run")).value == 0


def test_crystals_near_their_sites_are_no_neighbours() -> None:
    """Small displacements about the same sites are independent, if each is drawn anew."""
    dataset = open_dataset("metals").load("cu")
    index = np.arange(60)
    sets = FrameSets(
        IndexSet({"cu": index[48:]}, {"cu": dataset}), IndexSet({"cu": index[:48]}, {"cu": dataset})
    )
    assert check_integrity("independent_frames", sets).value == 0
    assert check_integrity("one_reference", sets).value == 0
    assert check_integrity("temperature_match", sets).value < 1.5


def test_training_is_much_hotter(tmp_path: Path) -> None:
    """GeTe of EGraFFBench."""
    files = {"train": thermal(60, seed=1, kt=0.12), "test": thermal(60, seed=2, kt=0.03)}
    found = check_integrity("temperature_match", sets_of(tmp_path, files))
    assert found.value == pytest.approx(4.0, rel=0.3)
    assert found.reason.startswith("training frames of test have")
    files["train"] = thermal(60, seed=1, kt=0.03)
    assert check_integrity("temperature_match", sets_of(tmp_path, files)).value < 1.5


@pytest.mark.parametrize("among", ["test", "sets"])
def test_energies_of_two_references(tmp_path: Path, among: str) -> None:
    files = {"train": thermal(40, seed=1), "test": thermal(20, seed=2)}
    assert check_integrity("one_reference", sets_of(tmp_path, files)).value == 0
    shift = np.zeros(20)
    shift[: (5 if among == "test" else 20)] = 8.0
    files["test"]["E"] = files["test"]["E"] + shift
    found = check_integrity("one_reference", sets_of(tmp_path, files))
    assert found.value == (5 if among == "test" else 20)
    assert "as of two references" in found.reason


@pytest.mark.parametrize("factor, off", [(0.04336, 94.6), (0.0434, 827.8), (0.0433641, 0.1)])
def test_rounded_kcal(tmp_path: Path, factor: float, off: float) -> None:
    arrays = thermal(40, seed=1)
    printed = np.round(arrays["E"] / 0.0433641042, 4)
    found = check_integrity(
        "rounded_units", sets_of(tmp_path, {"test": arrays | {"E": printed * factor}})
    )
    assert found.value == pytest.approx(off, rel=0.05, abs=0.05)
    assert f"times {factor} eV: converted from kcal/mol" in found.reason
    assert check_integrity("rounded_units", sets_of(tmp_path, {"test": arrays})).value == 0
    exact = {"test": arrays | {"E": printed}}
    assert check_integrity("rounded_units", sets_of(tmp_path, exact, units="kcal/mol")).value == 0
    single = {"test": arrays | {"E": arrays["E"].astype(np.float32)}}
    with pytest.raises(NotSupportedError, match="no system has 20 energies of full precision"):
        check_integrity("rounded_units", sets_of(tmp_path, single))


def test_embedded_data_fall_into_no_trap() -> None:
    spec = Path(__file__).parents[3] / "benchmark_specs/quick.yaml"
    planned = plan_spec(spec, None, None)
    for variant in planned.variants[:3]:
        sets = cut(variant, planned.source, planned.others)
        assert check_integrity("test_span", sets).value <= 1
        assert check_integrity("one_reference", sets).value == 0
        assert check_integrity("temperature_match", sets).value < 1.5
        assert check_integrity("rounded_units", sets).value == 0
