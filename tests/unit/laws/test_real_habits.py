"""Sound models with the habits of real ones pass; the same with a fault do not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.habits import (
    CrystalsOnly,
    Jumping,
    MoleculesOnly,
    Nameless,
    NoLonelyAtoms,
    Racing,
    RacingUnsupported,
    SignedVolume,
    cosine,
)

from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER, read_trajectory
from pytest_mlff.errors import MlffError, NotSupportedError
from pytest_mlff.laws import StructurePool, run_law
from pytest_mlff.laws.exact import lennard_jones
from pytest_mlff.laws.growing import isolated
from pytest_mlff.laws.mutants import FAULTS, Mutant, mutant
from pytest_mlff.laws.registry import laws
from pytest_mlff.potentials.families.ase import AsePotential

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_mlff.laws.law import LawResult
    from pytest_mlff.potentials.protocol import Potential

PERIODIC = ("periodic_images", "stress_consistency")
ALL = tuple(laws())
SHORT = tuple(law for law in ALL if law != "memory")
"""`memory` asks for one batch a hundred times: in boxes alone, where the batch is another."""


@pytest.fixture(scope="module")
def ethanol() -> object:
    found = read_trajectory(EMBEDDED_FOLDER / "ethanol.npz")
    return isolated(found.numbers, found.positions[0])


def small(dtype: str = "float64") -> Potential:
    return lennard_jones(("C", "H", "O"), cutoff=4.0, dtype=dtype)


def faulty(name: str, dtype: str = "float64") -> Mutant:
    return Mutant(lennard_jones(("C", "H", "O"), cutoff=4.0, dtype=dtype), FAULTS[name])


def judged(law: str, potential: Potential, reference: object, seed: int = 0) -> LawResult:
    pool = StructurePool.for_potential(potential, reference)
    return run_law(law, potential, structures=pool, strictness="fast", seed=seed, examples=6)


@pytest.mark.parametrize("law", ALL)
def test_a_model_of_crystals_keeps_the_laws_in_boxes(law: str, ethanol: object) -> None:
    assert judged(law, CrystalsOnly(small()), ethanol).holds


@pytest.mark.parametrize("law", [law for law in SHORT if law not in PERIODIC])
def test_a_model_of_molecules_keeps_the_laws(law: str, ethanol: object) -> None:
    assert judged(law, MoleculesOnly(small()), ethanol).holds


@pytest.mark.parametrize("law", PERIODIC)
def test_a_model_of_molecules_has_no_crystals(law: str, ethanol: object) -> None:
    with pytest.raises(NotSupportedError, match="does not take periodic cells"):
        judged(law, MoleculesOnly(small()), ethanol)


@pytest.mark.parametrize("law", [law for law in SHORT if law != "isolated_atom"])
def test_no_lonely_atom_is_drawn_for_who_refuses_it(law: str, ethanol: object) -> None:
    assert judged(law, NoLonelyAtoms(small()), ethanol).holds


def test_that_a_lonely_atom_is_refused_is_said_once(ethanol: object) -> None:
    with pytest.raises(MlffError, match="isolated atom"):
        judged("isolated_atom", NoLonelyAtoms(small()), ethanol)


@pytest.mark.parametrize("habit", [CrystalsOnly, MoleculesOnly, NoLonelyAtoms])
@pytest.mark.parametrize("fault", ["one_axis", "sign_flip", "kinked_energy", "drift", "hole"])
def test_the_faults_of_such_models_are_caught(
    habit: Callable[[Potential], Potential], fault: str, ethanol: object
) -> None:
    assert judged(FAULTS[fault].law, habit(faulty(fault)), ethanol).excess > 1.0


@pytest.mark.parametrize("law", ["periodic_images", "rotation", "precision"])
def test_a_model_of_crystals_shows_its_dtype_in_a_crystal(law: str, ethanol: object) -> None:
    single = Nameless(CrystalsOnly(small("float32")))
    assert StructurePool.for_potential(single, ethanol).found_dtype == "float32"
    assert judged(law, single, ethanol).holds
    for fault in ("missing_image", "one_axis"):
        broken = Nameless(CrystalsOnly(faulty(fault, "float32")))
        assert judged(FAULTS[fault].law, broken, ethanol).excess > 1.0


@pytest.mark.parametrize("racing", [Racing, RacingUnsupported])
def test_an_exception_that_only_threads_meet_breaks_the_law(
    racing: type[Racing], ethanol: object
) -> None:
    found = judged("thread_safety", racing(small()), ethanol)
    assert found.excess > 1.0
    assert "four threads at once meet an exception" in found.headline


def test_a_calculator_says_that_threads_cannot_share_it_before_it_is_tried() -> None:
    from ase.calculators.lj import LennardJones

    calculator = AsePotential.wrap(LennardJones(), name="lj", source="lj")
    named = replace(calculator, info=replace(calculator.info, species=("Ar",)))
    with pytest.raises(NotSupportedError, match="threads cannot share it"):
        run_law("thread_safety", named, strictness="fast")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("law", ["force_consistency", "stress_consistency", "conservativity"])
def test_a_kink_of_the_force_at_the_cutoff_is_no_wrong_force(law: str, dtype: str) -> None:
    for seed in range(4):
        assert run_law(law, cosine(dtype), strictness="fast", seed=seed).holds


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_forces_that_are_wrong_by_half_a_per_cent_are_caught(dtype: str) -> None:
    wrong = Mutant(cosine(dtype), FAULTS["zero_forces"], 0.005)
    for seed in range(4):
        assert run_law("force_consistency", wrong, strictness="fast", seed=seed).excess > 1.0
    wrong = Mutant(cosine(dtype), FAULTS["wrong_stress"], 0.0025)
    assert run_law("stress_consistency", wrong, strictness="fast").excess > 1.0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_jump_of_the_force_is_no_rounding(dtype: str) -> None:
    jumping = Jumping(small(dtype))
    for seed in range(3):
        assert run_law("precision", jumping, strictness="ci", seed=seed).holds
        assert run_law("smoothness", jumping, strictness="fast", seed=seed).excess > 1.0


def test_an_inverted_crystal_keeps_right_handed_vectors() -> None:
    """A model whose stress has the sign of the cell's determinant breaks no inversion."""
    signed = SignedVolume(small())
    assert run_law("inversion", signed, strictness="fast").holds
    assert run_law("inversion", SignedVolume(mutant("parity")), strictness="fast").excess > 1.0


def test_an_element_without_any_data_is_asked_of_who_names_none(ethanol: object) -> None:
    assert judged("unknown_species", Nameless(small()), ethanol).holds
    assert judged("unknown_species", Nameless(faulty("guessing")), ethanol).excess > 1.0
