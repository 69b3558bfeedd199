"""Train, validation and test in files of their own; what is asked of data that they do not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from pytest_mlff.cli.specs import validate
from pytest_mlff.datasets import cut
from pytest_mlff.errors import MlffError
from pytest_mlff.run.plan import plan_spec

if TYPE_CHECKING:
    from pathlib import Path

    from ase import Atoms
    from pytest import CaptureFixture, Pytester

_CASE = """
  - metric: {metric}
    thresholds:
      - {{max: 0.001, unit: {unit},
         provenance: {{source: own_baseline, reference: x, frames: 9, seeds: 1}}}}"""
_UNITS = {"energy_mae": "meV/atom", "force_mae": "meV/Å"}
_OWN = ["--mlff-only", "-p", "no:cacheprovider"]


def copper(count: int, seed: int, **info: Any) -> list[Atoms]:
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        atoms = bulk("Cu", cubic=True)
        atoms.positions += 0.05 * rng.normal(size=(4, 3))
        atoms.info |= info
        atoms.calc = EMT()
        labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        atoms.calc = SinglePointCalculator(atoms, **labels)
        made.append(atoms)
    return made


def spec(folder: Path, datasets: str, frames: str, *metrics: str) -> Path:
    path = folder / "own" / "spec.yaml"
    path.parent.mkdir(exist_ok=True)
    cases = "".join(_CASE.format(metric=one, unit=_UNITS[one]) for one in metrics)
    path.write_text(
        f"schema_version: 1\ntitle: t\nsource: {{paper: p, section: s}}\ndatasets:\n{datasets}\n"
        f'variant: "all"\nframes:\n{frames}\ncases:{cases}\n'
    )
    return path


def test_sets_in_files_of_their_own(tmp_path: Path, capsys: CaptureFixture[str]) -> None:
    runs = tmp_path / "own" / "runs"
    runs.mkdir(parents=True)
    for index, name in enumerate(("a.extxyz", "b.extxyz")):
        write(runs / name, copper(3, index))
    write(tmp_path / "own" / "val.xyz", copper(5, 3))
    write(tmp_path / "own" / "test.traj", copper(6, 4))
    path = spec(
        tmp_path,
        "  tr: {path: runs}\n  va: {path: ['val.xyz@:2', 'runs/a.ext*'], time_ordered: true}\n"
        "  te: {path: test.traj}",
        "  train: {dataset: tr}\n  validation: {dataset: va, systems: val}\n"
        "  test: {dataset: te}\n  pretraining: {dataset: va, systems: [a], start: 50}",
        "energy_mae", "force_mae",
    )  # fmt: skip
    planned = plan_spec(path, None, None)
    assert planned.variants[0].dataset == "te"
    planned.check_data()
    sets = cut(planned.variants[0], planned.source, planned.others)
    assert {name: len(one) for name, one in sets.named.items()} == {
        "train": 6, "validation": 2, "test": 6, "pretraining": 2,
    }  # fmt: skip
    wanted = [one.get_potential_energy() for one in copper(5, 3)[:2]]
    np.testing.assert_allclose(sets.named["validation"].frames.energy, wanted)
    assert validate([str(path)]) == 0
    assert "(te: 1 variant)" in capsys.readouterr().out


def test_the_same_file_as_training_and_test_is_told(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    write(tmp_path / "own" / "a.xyz", copper(3, 0))
    path = spec(
        tmp_path, "  d: {path: a.xyz}", "  train: {dataset: d}\n  test: {dataset: d}", "force_mae"
    )
    with pytest.raises(MlffError, match="overlaps that of test"):
        plan_spec(path, None, None)


@pytest.mark.parametrize(
    "datasets, frames, message",
    [
        ("  d: {path: b.xyz}", "  test: {}", "b.xyz: no such file"),
        ("  d: {path: 'b*.xyz'}", "  test: {}", "no file fits this pattern"),
        ("  d: {path: 'a.xyz@9:'}", "  test: {}", "the range takes none of its 3 frames"),
        ("  d: {path: a.xyz}", "  test: {start: 50}", "no known time order"),
        ("  d: {path: a.xyz}", "  test: {dataset: e}", "unknown dataset"),
        ("  d: {path: a.xyz}", "  test: {}\n  trian: {}", "did you mean 'train'"),
        ("  d: {path: a.xyz}\n  e: {path: copy.xyz}",
         "  train: {dataset: e}\n  test: {dataset: d}", "train and test share 3 frames of copy"),
        ("  d: {path: a.xyz}\n  e: {path: a.xyz}",
         "  validation: {dataset: e}\n  test: {dataset: d}", "validation and test share 3 frames"),
        ("  d: {path: [a.xyz, a.xyz]}", "  test: {}", "has the same name"),
        ("  d: {path: a.xyz, energy_key: dft_energy, forces_key: ccsd_forces}", "  test: {}",
         "two levels of theory"),
    ],
)  # fmt: skip
def test_validate_opens_the_data(
    tmp_path: Path, capsys: CaptureFixture[str], datasets: str, frames: str, message: str
) -> None:
    path = spec(tmp_path, datasets, frames, "energy_mae")
    for name in ("a.xyz", "copy.xyz"):
        write(tmp_path / "own" / name, copper(3, 0))
    assert validate([str(path)]) == 4
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


_DUMP = """ITEM: TIMESTEP
0
ITEM: NUMBER OF ATOMS
2
ITEM: BOX BOUNDS pp pp pp
0 5
0 5
0 5
ITEM: ATOMS id type x y z fx fy fz
1 1 0 0 0 1 2 3
2 2 0 0 2 1 2 3
"""


@pytest.mark.parametrize(
    "species, message",
    [
        ("", "atom types, not elements"),
        (", species: {1: Cu, 2: O}", None),
        (", species: {1: Cu}", "atom 1 is no element"),
        (", species: {1: Qx}", "type 1: 'Qx' is no chemical symbol"),
        (", species: {a: Cu}", "atom types are whole numbers from 1, not 'a'"),
        (", species: Cu", "must map atom types to elements"),
    ],
)
def test_types_of_a_dump(
    tmp_path: Path, capsys: CaptureFixture[str], species: str, message: str | None
) -> None:
    told = f"  d: {{path: a.lammpstrj, format: lammps-dump-text{species}}}"
    path = spec(tmp_path, told, "  test: {}", "force_mae")
    (path.parent / "a.lammpstrj").write_text(_DUMP)
    assert validate([str(path)]) == (0 if message is None else 4)
    said = capsys.readouterr()
    assert message is None or message in said.err
    if message is None:
        planned = plan_spec(path, None, None)
        assert planned.source.load("a").frames.species == ("Cu", "O")


def _model(pytester: Pytester) -> None:
    pytester.makepyfile(
        emt="""
        from ase.calculators.emt import EMT
        class Charged(EMT):
            def calculate(self, atoms=None, *args, **kwargs):
                super().calculate(atoms, *args, **kwargs)
                self.results["energy"] += atoms.info.get("charge", 0)
        def make():
            return Charged()
        """
    )


def test_a_threshold_on_what_is_not_there_ends_the_run(pytester: Pytester) -> None:
    _model(pytester)
    path = spec(pytester.path, "  d: {path: a.xyz}", "  test: {}", "energy_mae", "force_mae")
    write(path.parent / "a.xyz", copper(3, 0))
    text = (path.parent / "a.xyz").read_text().replace(":forces:", ":force:")
    (path.parent / "a.xyz").write_text(text)
    result = pytester.runpytest("--mlff-model=emt.py:make", f"--mlff-suite={path}", *_OWN)
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        ["*cases?1?.metric: force_mae has a threshold, but *a.xyz: *set `forces_key: force`*"]
    )


def test_charge_reaches_the_model_and_counts_are_shown(pytester: Pytester) -> None:
    _model(pytester)
    path = spec(pytester.path, "  d: {path: a.xyz}", "  test: {}", "energy_mae", "force_mae")
    frames = copper(4, 0) + copper(4, 1, charge=2)
    for index, atoms in enumerate(frames):
        atoms.calc.results["energy"] += atoms.info.get("charge", 0)
        if index % 2:
            del atoms.calc.results["forces"]
    write(path.parent / "a.xyz", frames)
    result = pytester.runpytest(
        "--mlff-model=emt.py:make", f"--mlff-suite={path}", "--mlff-report=r.json", *_OWN
    )
    assert result.ret == 0
    cases = {one["metric"]: one for one in __import__("json").loads(
        (pytester.path / "r.json").read_text())["cases"]}  # fmt: skip
    assert cases["energy_mae"]["n_frames"] == 8
    assert cases["force_mae"]["n_frames"] == 4
    assert "forces measured on the 4 of 8 frames that have them" in cases["force_mae"]["reason"]
