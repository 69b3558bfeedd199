"""Factories: ASE calculators, torch-sim models, and all the ways they can be wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.errors import MlffError, NotSupportedError
from pytest_mlff.potentials import Potential, evaluate, load_potential

if TYPE_CHECKING:
    from pathlib import Path

FACTORIES = '''
import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.lj import LennardJones
from helper_beside import SIGMA


class Linear(Calculator):
    """Energy -5 (free energy -7), forces 1, no stress."""

    implemented_properties = ["energy", "free_energy", "forces"]

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": -5.0, "free_energy": -7.0, "forces": np.ones((len(atoms), 3))}


class OnlyFree(Linear):
    implemented_properties = ["free_energy", "forces"]

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        del self.results["energy"]


class NoForces(Linear):
    implemented_properties = ["energy"]


class NotANumber(Linear):
    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results["energy"] = float("nan")
        self.results["forces"][0, 0] = float("nan")


class Fussy(Linear):
    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        if len(atoms) == 3:
            raise ValueError("three atoms\\nare too many")


class Misshapen(Linear):
    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results["forces"] = np.ones((len(atoms), 2))


class LiesAboutStress(Linear):
    implemented_properties = ["energy", "forces", "stress"]


class Remembers(Linear):
    """Starts from what the last structure left, as a wave function would."""

    left = 0.0

    def reset(self):
        super().reset()
        self.left = 0.0

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.left += 1.0
        self.results["energy"] = self.left


def build():
    return LennardJones(sigma=SIGMA, rc=4.0)


def with_device(device, dtype="float32"):
    made = Linear()
    made.told = (device, dtype)
    return made


def with_path(path):
    return Linear()


def raises():
    raise RuntimeError("no weights\\nhere")


def exits():
    raise SystemExit(3)


def a_string():
    return "calculator"


def a_class():
    return Linear


def nothing():
    return None


instance = LennardJones(sigma=SIGMA, rc=4.0)
number = 5
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "factories.py").write_text(FACTORIES)
    (tmp_path / "helper_beside.py").write_text("SIGMA = 1.5\n")
    (tmp_path / "importable_factories.py").write_text(FACTORIES)
    (tmp_path / "broken.py").write_text("def build(:\n")
    (tmp_path / "needs.py").write_text("import surely_not_installed\n")
    return tmp_path


@pytest.fixture
def frames() -> Frames:
    rng = np.random.default_rng(4)
    return Frames.from_atoms(
        [Atoms("H" * n, positions=rng.normal(size=(n, 3)) * 2) for n in (2, 4, 3, 5)]
    )


@pytest.mark.parametrize(
    "source",
    ["factories.py:build", "importable_factories:build", "factories.py:instance"],
)
def test_an_ase_calculator_from_a_factory(folder: Path, frames: Frames, source: str) -> None:
    potential = load_potential(source, cwd=folder)
    assert isinstance(potential, Potential)
    assert potential.info.family == "ase"
    out = evaluate(potential, frames)
    for index, atoms in enumerate(frames):
        atoms.calc = LennardJones(sigma=1.5, rc=4.0)
        start, stop = frames.offsets[index : index + 2]
        assert out.energy[index] == pytest.approx(atoms.get_potential_energy())
        assert np.allclose(out.forces[start:stop], atoms.get_forces())
    assert out.stress is None


def test_a_class_of_an_installed_library(tmp_path: Path) -> None:
    crystals = [bulk("Cu", cubic=True) * (n, 1, 1) for n in (1, 2)]
    for atoms in crystals:
        atoms.rattle(0.1, seed=1)
    isolated = Atoms("Cu2", [[0, 0, 0], [0, 0, 2.4]])
    frames = Frames.from_atoms([crystals[0], isolated, crystals[1]])
    out = load_potential("ase.calculators.emt:EMT", cwd=tmp_path).predict(frames)
    assert out.stress is not None
    assert np.isnan(out.stress[1]).all()
    for index, atoms in ((0, crystals[0]), (2, crystals[1])):
        atoms.calc = EMT()
        assert out.energy[index] == pytest.approx(atoms.get_potential_energy())
        assert np.allclose(out.stress[index], atoms.get_stress(voigt=False))


def test_energy_is_energy_and_free_energy_only_where_there_is_no_other(
    folder: Path, frames: Frames
) -> None:
    linear = load_potential("factories.py:Linear", cwd=folder)
    assert set(linear.predict(frames).energy) == {-5.0}
    only = load_potential("factories.py:OnlyFree", cwd=folder)
    assert set(only.predict(frames).energy) == {-7.0}


def test_nan_is_passed_through(folder: Path, frames: Frames) -> None:
    out = load_potential("factories.py:NotANumber", cwd=folder).predict(frames)
    assert np.isnan(out.energy).all()
    assert np.isnan(out.forces[frames.offsets[:-1], 0]).all()


def test_a_listed_stress_that_is_none_is_none(folder: Path) -> None:
    potential = load_potential("factories.py:LiesAboutStress", cwd=folder)
    assert potential.predict(Frames.from_atoms([bulk("Cu")])).stress is None


def test_frames_are_independent(folder: Path, frames: Frames) -> None:
    potential = load_potential("factories.py:Remembers", cwd=folder)
    assert set(potential.predict(frames).energy) == {1.0}


def test_device_and_dtype_are_handed_on_where_taken(folder: Path) -> None:
    plain = load_potential("factories.py:with_device", cwd=folder, device="cpu")
    assert plain.calculator.told == ("cpu", "float32")  # type: ignore[attr-defined]
    asked = load_potential("factories.py:with_device", cwd=folder, device="cpu", dtype="float64")
    assert asked.calculator.told == ("cpu", "float64")  # type: ignore[attr-defined]
    assert asked.info.dtype == "float64"
    with pytest.raises(MlffError, match="takes no keyword dtype"):
        load_potential("factories.py:build", cwd=folder, dtype="float64")


def test_a_frame_that_fails_is_named(folder: Path, frames: Frames) -> None:
    potential = load_potential("factories.py:Fussy", cwd=folder)
    with pytest.raises(MlffError) as caught:
        evaluate(potential, frames)
    assert "frame 2 (H3): the calculator raised ValueError: three atoms are" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(MlffError, match=r"frame 0 got forces of shape \(2, 2\)"):
        evaluate(load_potential("factories.py:Misshapen", cwd=folder), frames)


def test_species_without_parameters(tmp_path: Path) -> None:
    emt = load_potential("ase.calculators.emt:EMT", cwd=tmp_path)
    with pytest.raises(NotSupportedError, match="frame 0"):
        emt.predict(Frames.from_atoms([Atoms("U2", [[0, 0, 0], [0, 0, 3]])]))


def test_no_forces_is_not_supported(folder: Path) -> None:
    with pytest.raises(NotSupportedError, match=r"NoForces implements no forces \(it has: energy"):
        load_potential("factories.py:NoForces", cwd=folder)


@pytest.mark.parametrize(
    "source, part",
    [
        ("factories.py:raises", "the factory raised RuntimeError: no weights here"),
        ("factories.py:exits", "the factory raised SystemExit: 3"),
        ("factories.py:a_string", "the factory returned a str"),
        ("factories.py:a_class", "the factory returned the class Linear"),
        ("factories.py:nothing", "the factory returned a NoneType"),
        ("factories.py:number", "is a int, not a callable"),
        ("factories.py:with_path", "needs the argument 'path'"),
        ("factories.py:absent", "has no 'absent'"),
        ("broken.py:build", "raised SyntaxError"),
        ("needs.py:build", "No module named 'surely_not_installed'"),
        ("needs:build", "No module named 'surely_not_installed'"),
        ("surely_not_installed:build", "no module named 'surely_not_installed'"),
    ],
)
def test_bad_factories_are_one_line(folder: Path, source: str, part: str) -> None:
    with pytest.raises(MlffError) as caught:
        load_potential(source, cwd=folder)
    assert part in str(caught.value)
    assert source in str(caught.value)
    assert "\n" not in str(caught.value)


def test_imports_leave_no_trace_in_the_path(folder: Path) -> None:
    import sys

    before = list(sys.path)
    load_potential("factories.py:build", cwd=folder)
    assert sys.path == before
