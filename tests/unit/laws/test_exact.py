"""No false alarm on exact potentials; and the exact potentials are exact."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.neighborlist import neighbor_list

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.errors import NotSupportedError
from pytest_mlff.laws.exact import lennard_jones, morse, neighbours, stillinger_weber
from pytest_mlff.laws.growing import crystal, numbers_of
from pytest_mlff.laws.registry import laws
from pytest_mlff.laws.runner import run_law
from pytest_mlff.laws.selftest import EXACT
from pytest_mlff.laws.structures import StructurePool


@pytest.mark.parametrize("law", laws())
@pytest.mark.parametrize("name, dtype", [("lennard_jones", "float64"), ("harmonic", "float32")])
def test_exact_potential_passes(name: str, dtype: str, law: str) -> None:
    result = run_law(law, EXACT[name](dtype=dtype), strictness="fast", seed=3)
    assert result.holds, result.summary()


@pytest.mark.slow
@pytest.mark.parametrize("law", laws())
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", EXACT)
def test_no_false_alarm_in_twenty_seeds(name: str, dtype: str, law: str) -> None:
    potential = EXACT[name](dtype=dtype)
    pool = StructurePool.for_potential(potential)
    for seed in range(20):
        result = run_law(law, potential, structures=pool, strictness="ci", seed=seed)
        assert result.holds, result.summary()


ORACLE_LAWS = (
    "rotation",
    "inversion",
    "translation",
    "permutation",
    "force_consistency",
    "conservativity",
    "isolated_atom",
    "net_force",
    "batch_independence",
    "determinism",
    "precision",
)


@pytest.mark.slow
@pytest.mark.parametrize("law", ORACLE_LAWS)
def test_oracle_passes_on_ethanol_in_twenty_seeds(law: str) -> None:
    """Two examples a seed, four where a law makes no fewer, on frames of the embedded set."""
    pytest.importorskip("tblite")
    from support.oracle_potential import OraclePotential

    from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER, read_trajectory
    from pytest_mlff.laws.growing import isolated

    found = read_trajectory(EMBEDDED_FOLDER / "ethanol.npz")
    numbers = found.numbers.astype(np.int64)
    reference = Frames.concatenate(
        [isolated(numbers, found.positions[k].astype(float)) for k in range(0, 2000, 250)]
    )
    potential = OraclePotential()
    pool = StructurePool(potential.species, reference, grown=False)
    for seed in range(20):
        result = run_law(law, potential, structures=pool, seed=seed, examples=2)
        assert result.holds, result.summary()


@pytest.mark.slow
@pytest.mark.parametrize("law", ORACLE_LAWS)
def test_oracle_passes(law: str) -> None:
    pytest.importorskip("tblite")
    from support.oracle_potential import OraclePotential

    names = ("H2", "H2O", "CH4", "H2CO")
    reference = Frames.from_atoms([molecule(name) for name in names])
    potential = OraclePotential()
    pool = StructurePool(potential.species, reference, grown=False)
    result = run_law(law, potential, structures=pool, seed=0, examples=4)
    assert result.holds, result.summary()


def test_pair_at_equilibrium_has_its_depth() -> None:
    frame = Frames.from_atoms([Atoms("Ar2", [[0, 0, 0], [2.12, 0, 0]])])
    answer = lennard_jones(["Ar"], depth=0.5).predict(frame)
    assert answer.energy[0] == pytest.approx(-0.5, abs=1e-14)
    assert np.abs(answer.forces).max() < 1e-13


def test_silicon_crystal_has_twice_epsilon() -> None:
    """Stillinger and Weber fitted epsilon to the cohesive energy of diamond, 2 epsilon an atom."""
    spacing = 2.0951 * 2 ** (1 / 6) * 4 / np.sqrt(3)
    answer = stillinger_weber().predict(Frames.from_atoms([bulk("Si", "diamond", a=spacing)]))
    assert answer.energy[0] / 2 == pytest.approx(-2 * 2.1683, rel=2e-6)
    assert answer.stress is not None
    assert np.abs(answer.stress).max() < 1e-4


def test_crystal_energy_is_that_of_a_large_cluster() -> None:
    """The infinite sum by brute force over a block of cells about the central one."""
    potential = morse(("C", "H"))
    frame = crystal(numbers_of(["C", "H"]), [0, 1], 1234, 3)
    grid = np.stack(np.meshgrid(*[np.arange(-5, 6)] * 3, indexing="ij"), -1).reshape(-1, 3)
    energy = 0.0
    for i in range(2):
        for j in range(2):
            for shift in grid @ frame.cell[0]:
                r = float(np.linalg.norm(frame.positions[j] + shift - frame.positions[i]))
                if 0 < r < 5.0:
                    pair = Frames.from_atoms([Atoms(frame.numbers[[i, j]], [[0, 0, 0], [r, 0, 0]])])
                    energy += potential.predict(pair).energy[0] / 2
    assert potential.predict(frame).energy[0] == pytest.approx(energy, rel=1e-12)


def test_neighbours_agree_with_ase() -> None:
    frame = crystal(numbers_of(["C", "H"]), [0, 5, 9], 777, 2)
    moved = frame.positions + np.array([11.0, -3.0, 4.0])
    _, _, bonds = neighbours(moved, frame.cell[0], 4.5)
    lengths = neighbor_list("d", frame.atoms(0), 4.5)
    assert np.sort(np.linalg.norm(bonds, axis=1)) == pytest.approx(np.sort(lengths), abs=1e-10)


def test_unknown_species_and_half_periodic_cells_are_refused() -> None:
    with pytest.raises(NotSupportedError, match="knows only Ar"):
        lennard_jones(["Ar"]).predict(Frames.from_atoms([Atoms("H")]))
    slab = Atoms("Ar", cell=[5, 5, 5], pbc=[True, True, False])
    with pytest.raises(NotSupportedError, match="partly periodic"):
        lennard_jones(["Ar"]).predict(Frames.from_atoms([slab]))
