"""Checks of the data as cases of their own: data at fault are named, and no model is blamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import constants
from scipy.spatial.transform import Rotation
from support.repos import model_repo, read_json, run_case

from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER, read_trajectory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest import Pytester

    Arrays = dict[str, np.ndarray[Any, Any]]

KCAL_MOL = 4184.0 / (constants.N_A * constants.e)
CHECKS = [
    "train_test_overlap", "validation_test_overlap", "duplicate_frames", "time_order",
    "energy_force_consistency", "unit_scale", "known_species",
]  # fmt: skip
EXCESS = ("energy_force_consistency", "unit_scale")
FRAMES = 300

HEAD = """\
schema_version: 1
title: Our own ethanol
source: {paper: made for this test, section: none}
datasets:
  ours: {path: ../mine.npz, level_of_theory: GFN2-xTB}
axes:
  molecule: [mine]
variant: "{molecule}"
frames:
  train: {molecules: "{molecule}", end: 60}
  validation: {molecules: "{molecule}", start: 60, end: 80}
  test: {molecules: "{molecule}", start: 80}
cases:
  - metric: force_mae
    thresholds: [{max: 5, unit: meV/Å, provenance: &limit {source: physical_limit,
                  reference: made for this test}}]
"""
SPEC = HEAD + "".join(
    f"  - metric: {check}\n"
    f'    thresholds: [{{max: {1 if check in EXCESS else 0}, unit: "1", provenance: *limit}}]\n'
    for check in CHECKS
)


def _arrays() -> Arrays:
    """The first frames of embedded ethanol as a file of rMD17's layout, in kcal/mol."""
    trajectory = read_trajectory(EMBEDDED_FOLDER / "ethanol.npz")
    labels = trajectory.labels["gfn2-xtb"]
    return {
        "nuclear_charges": trajectory.numbers,
        "coords": trajectory.positions[:FRAMES].astype(float),
        "energies": labels.energy[:FRAMES] / KCAL_MOL,
        "forces": labels.forces[:FRAMES].astype(float) / KCAL_MOL,
        "old_indices": np.arange(FRAMES) * 20,
    }


def _repo(pytester: Pytester, arrays: Arrays, spec: str = SPEC) -> Path:
    root = model_repo(pytester, spec)
    np.savez(root / "mine.npz", **arrays)  # type: ignore[arg-type]
    return root


def _cases(root: Path) -> dict[str, dict[str, Any]]:
    return {case["metric"]: case for case in read_json(root / "report.json")["cases"]}


def test_sound_data_pass_and_the_model_is_tested(pytester: Pytester) -> None:
    root = _repo(pytester, _arrays())
    result = run_case(pytester)
    assert result.ret == 0
    cases = _cases(root)
    assert sorted(cases) == sorted([*CHECKS, "force_mae"])
    for check in CHECKS:
        case = cases[check]
        assert case["verdict"] == "passed", case["reason"]
        assert case["model"] is None
        assert case["unit"] == "1"
        assert case["nodeid"].endswith(f"::test_data[{case['case_id']}]")
        assert 0 <= case["value"] <= case["threshold"]
    assert cases["force_mae"]["verdict"] == "passed"
    assert cases["force_mae"]["model"] is not None


def _duplicated(arrays: Arrays) -> None:
    arrays["coords"][287] = arrays["coords"][12]
    arrays["forces"][287] = arrays["forces"][12]
    arrays["energies"][287] = arrays["energies"][12]


def _duplicated_and_turned(arrays: Arrays) -> None:
    _duplicated(arrays)
    turn = Rotation.from_euler("xyz", [0.3, -1.1, 2.0]).as_matrix()
    arrays["coords"][287] = arrays["coords"][287] @ turn + [3.0, -2.0, 0.5]
    arrays["forces"][287] = arrays["forces"][287] @ turn


def _repeated_in_training(arrays: Arrays) -> None:
    for key in ("coords", "forces", "energies"):
        arrays[key][100] = arrays[key][12]


def _shuffled_index(arrays: Arrays) -> None:
    arrays["old_indices"] = np.random.default_rng(0).permutation(arrays["old_indices"])


def _validation_is_test(arrays: Arrays) -> None:
    for key in ("coords", "forces", "energies"):
        arrays[key][180:240] = arrays[key][240:300]


def _energies_times_kcal(arrays: Arrays) -> None:
    arrays["energies"] = arrays["energies"] / KCAL_MOL


def _forces_times_kcal(arrays: Arrays) -> None:
    arrays["forces"] = arrays["forces"] / KCAL_MOL


def _nothing(arrays: Arrays) -> None:
    del arrays


AS_EV = SPEC.replace("../mine.npz,", "../mine.npz, units: eV,")
# what is done to the arrays, spec, check that must fail, what its reason must say
MUTANTS: dict[str, tuple[Callable[[Arrays], None], str, str, list[str]]] = {
    "a test frame from training": (
        _duplicated, SPEC, "train_test_overlap",
        ["1 of 60 test frames", "test frame 287 of mine = training frame 12 of mine"],
    ),
    "the same, turned and shifted": (
        _duplicated_and_turned, SPEC, "train_test_overlap",
        ["test frame 287 of mine = training frame 12 of mine"],
    ),
    "a repeated training frame": (
        _repeated_in_training, SPEC, "duplicate_frames",
        ["training frame 100 of mine = training frame 12 of mine"],
    ),
    "shuffled index": (
        _shuffled_index, SPEC, "time_order", ["no trace of their order", "mine frames 0, 1, 2"],
    ),
    "validation is the test": (
        _validation_is_test, SPEC, "validation_test_overlap",
        ["60 of 60 test frames", "test frame 240 of mine = validation frame 180 of mine"],
    ),
    "kcal/mol taken as eV, energies": (
        _energies_times_kcal, SPEC, "energy_force_consistency",
        ["mine frames 0 to 299", "energies were in the wrong units: kcal/mol taken as eV"],
    ),
    "kcal/mol taken as eV, forces": (
        _forces_times_kcal, SPEC, "energy_force_consistency",
        ["mine frames 0 to 299", "forces were in the wrong units: kcal/mol taken as eV"],
    ),
    "kcal/mol taken as eV, both": (
        _nothing, AS_EV, "unit_scale",
        ["mine frames 0 to 299", "eV/Å²", "kcal/mol taken as eV (factor 23.06)"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_data_at_fault_fail_by_name_and_no_model_is_blamed(pytester: Pytester, name: str) -> None:
    spoil, spec, check, words = MUTANTS[name]
    arrays = _arrays()
    spoil(arrays)
    root = _repo(pytester, arrays, spec)
    result = run_case(pytester)
    assert result.ret == 1
    cases = _cases(root)
    found = cases[check]
    assert found["verdict"] == "failed"
    assert found["model"] is None
    assert found["value"] > found["threshold"]
    rest = found["reason"]
    for word in words:
        assert word in rest, (word, found["reason"])
        rest = rest.partition(word)[2]
    assert "\n" not in found["reason"]
    blamed = cases["force_mae"]
    assert blamed["verdict"] == "error"
    assert blamed["reason"].startswith("the data are at fault")
    assert blamed["value"] is None


RECIPE = "schema_version: 1\ntrainer: trainers.py:fit\nbudget: 5\n"
TRAINER = """\
from pathlib import Path


def fit(fixture, config, out_dir):
    (Path(__file__).parent / "trained").touch()
    raise ValueError("should not have been asked")
"""
CONFTEST = """\
from concurrent.futures import ThreadPoolExecutor


def pytest_mlff_executor(name, config):
    return ThreadPoolExecutor(1) if name == "threads" else None
"""


@pytest.mark.parametrize("spoilt", [True, False])
def test_no_training_is_spent_on_data_at_fault(
    pytester: Pytester,
    spoilt: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Neither by an engine ahead of the tests nor by ``mlff train``; sound data are the mutant."""
    from pytest_mlff.cli.main import main

    arrays = _arrays()
    if spoilt:
        _repeated_in_training(arrays)
    root = _repo(pytester, arrays)
    for name, text in (
        ("recipe.yaml", RECIPE), ("trainers.py", TRAINER), ("conftest.py", CONFTEST)
    ):  # fmt: skip
        (root / name).write_text(text)
    result = run_case(pytester, "--mlff-engine=threads", model="recipe.yaml")
    assert result.ret == 1
    assert (root / "trained").exists() is not spoilt
    assert _cases(root)["force_mae"]["verdict"] == "error"

    (root / "trained").unlink(missing_ok=True)
    monkeypatch.chdir(root)
    capsys.readouterr()
    assert main(["train", "recipe.yaml", "--mlff-suite=specs/small.yaml"]) == 1
    assert (root / "trained").exists() is not spoilt
    told = [line for line in capsys.readouterr().out.splitlines() if "at fault" in line]
    assert len(told) == int(spoilt)
    assert all(
        line.startswith("not trained: specs/small/mine: the data are at fault") for line in told
    )


def test_an_unknown_species_in_the_test_frames(pytester: Pytester) -> None:
    import ase.io
    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator

    spec = SPEC.replace("../mine.npz,", "../mine.xyz, time_ordered: true,")
    root = model_repo(pytester, spec)
    arrays = _arrays()
    structures = []
    for frame in range(FRAMES):
        numbers = arrays["nuclear_charges"].astype(int)
        if frame in (270, 281):
            numbers[numbers == 8] = 16
        atoms = Atoms(numbers, arrays["coords"][frame])
        atoms.calc = SinglePointCalculator(  # type: ignore[no-untyped-call]
            atoms,
            energy=arrays["energies"][frame] * KCAL_MOL,
            forces=arrays["forces"][frame] * KCAL_MOL,
        )
        structures.append(atoms)
    ase.io.write(root / "mine.xyz", structures, format="extxyz")
    assert run_case(pytester).ret == 1
    found = _cases(root)["known_species"]
    assert (found["verdict"], found["value"]) == ("failed", 2)
    assert "S in no training frame" in found["reason"]
    assert "mine frames 270 and 281" in found["reason"]


def test_frames_that_cannot_tell_are_unsupported_and_do_not_stop_the_model(
    pytester: Pytester,
) -> None:
    """Too few pairs for a slope: the case says so with both numbers and is no pass."""
    arrays = {
        key: value if key == "nuclear_charges" else value[:10] for key, value in _arrays().items()
    }
    root = _repo(pytester, arrays)
    run_case(pytester)
    cases = _cases(root)
    undecided = cases["energy_force_consistency"]
    assert undecided["verdict"] == "unsupported"
    assert undecided["model"] is None
    assert undecided["value"] is None
    assert "uncertain" in undecided["reason"] or "needs 20 pairs" in undecided["reason"]
    assert cases["force_mae"]["verdict"] == "passed"
