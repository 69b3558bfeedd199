"""The generator's dynamics: energy is conserved as velocity Verlet conserves it.

The error of velocity Verlet in the total energy is of second order in the time step
(Hairer, Lubich, Wanner, Acta Numerica 2003, 12, 399, section 5): halving the step divides it
by about four. Forces that are not the slope of the energy leave an error that no time step
heals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from ase import Atoms, units
from ase.constraints import FixCom
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import Stationary
from ase.md.verlet import VelocityVerlet

from pytest_mlff.datasets import oracle
from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER, read_trajectory

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

pytest.importorskip("tblite")
DURATION_FS = 40.0


def _start(calculator: Calculator) -> Atoms:
    trajectory = read_trajectory(EMBEDDED_FOLDER / "ethanol.npz")
    atoms = Atoms(trajectory.numbers, trajectory.positions[100].astype(float))
    noise = np.random.default_rng(4).standard_normal((len(atoms), 3))
    atoms.set_momenta(noise * np.sqrt(atoms.get_masses() * units.kB * 500)[:, np.newaxis])
    Stationary(atoms)
    atoms.calc = calculator
    return atoms


def _energy_error(calculator: Calculator, timestep_fs: float) -> float:
    """Largest deviation of the total energy from its begin, in eV."""
    atoms = _start(calculator)
    # The generator's own integrator; without friction nothing but velocity Verlet is left.
    atoms.set_constraint(FixCom())
    dynamics = Langevin(
        atoms,
        timestep=timestep_fs * units.fs,
        temperature_K=500,
        friction=0.0,
        fixcm=False,
        rng=np.random.default_rng(0),
    )
    start = atoms.get_total_energy()
    worst = 0.0
    for _ in range(round(DURATION_FS / timestep_fs)):
        dynamics.run(1)
        worst = max(worst, abs(atoms.get_total_energy() - start))
    return worst


def _wrong_forces(scale: float) -> Calculator:
    right = oracle.calculator()

    class Wrong(type(right)):  # type: ignore[misc]
        def calculate(self, *args: object, **kwargs: object) -> None:
            super().calculate(*args, **kwargs)
            self.results["forces"] = self.results["forces"] * scale

    made: Calculator = Wrong(method=oracle.METHOD, verbosity=0, accuracy=oracle.LABEL_ACCURACY)
    return made


def _conserves(errors: list[float]) -> bool:
    """Errors at time steps of 1, 1/2 and 1/4 fs fall as the square of the time step."""
    ratios = [errors[0] / errors[1], errors[1] / errors[2]]
    # 4 in the limit of small steps; the next order is a few percent at these.
    return all(3.0 < ratio < 5.5 for ratio in ratios)


def test_energy_error_is_of_second_order() -> None:
    errors = [_energy_error(oracle.calculator(), step) for step in (1.0, 0.5, 0.25)]
    assert _conserves(errors), errors
    # At the generator's own step the error by that law is a third of the difference to
    # half the step, times four: no drift hides beneath it.
    assert errors[1] <= 1.5 * 4 / 3 * (errors[1] - errors[2])


@pytest.mark.parametrize("scale", [1.05, 0.98])
def test_wrong_forces_do_not_conserve(scale: float) -> None:
    errors = [_energy_error(_wrong_forces(scale), step) for step in (1.0, 0.5, 0.25)]
    assert not _conserves(errors), errors


def test_langevin_without_friction_is_velocity_verlet() -> None:
    ours, theirs = _start(oracle.calculator()), _start(oracle.calculator())
    ours.set_constraint(FixCom())
    Langevin(
        ours, 0.5 * units.fs, temperature_K=500, friction=0.0, fixcm=False,
        rng=np.random.default_rng(0),
    ).run(20)  # fmt: skip
    VelocityVerlet(theirs, 0.5 * units.fs).run(20)
    np.testing.assert_allclose(ours.positions, theirs.positions, atol=1e-7)
