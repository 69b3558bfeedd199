"""Any ASE calculator as a potential, one structure after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.errors import NotSupportedError
from pytest_mlff.potentials.failures import (
    FrameError,
    UnsupportedFrameError,
    one_line,
    raise_if_poisoned,
)
from pytest_mlff.potentials.identity import installed_versions
from pytest_mlff.potentials.protocol import PotentialInfo, Prediction, real_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames


def is_calculator(candidate: object) -> bool:
    """Whether ASE can use an object as a calculator: by class, or by its methods."""
    if isinstance(candidate, type):
        return False
    return hasattr(candidate, "implemented_properties") and (
        hasattr(candidate, "get_property") or hasattr(candidate, "get_forces")
    )


@dataclass(frozen=True, eq=False)
class AsePotential:
    """An ASE calculator, whose digest is unknown.

    ``energy`` is taken where the calculator has it: what data sets call the energy. Where
    it has only ``free_energy``, that is taken. Nothing is checked or replaced in what it
    returns, NaN included.
    """

    info: PotentialInfo
    calculator: Any = field(repr=False)
    one_by_one: bool = True

    @classmethod
    def wrap(
        cls,
        calculator: Any,
        *,
        name: str,
        source: str,
        device: str = "cpu",
        dtype: str = "unknown",
    ) -> AsePotential:
        """Wrap a calculator.

        Raises
        ------
        NotSupportedError
            If it does not implement energies and forces.
        """
        implemented = tuple(calculator.implemented_properties)
        missing = [] if "forces" in implemented else ["forces"]
        if not {"energy", "free_energy"} & set(implemented):
            missing.insert(0, "energies")
        if missing:
            raise NotSupportedError(
                f"model source {source!r}: the calculator {type(calculator).__name__} implements "
                f"no {' and no '.join(missing)} (it has: {', '.join(implemented) or 'nothing'})"
            )
        top = type(calculator).__module__.partition(".")[0]
        info = PotentialInfo(
            name=name,
            family="ase",
            source=source,
            digest=None,
            species=None,
            cutoff=None,
            device=device,
            dtype=dtype,
            versions=installed_versions("ase", top),
            capabilities={"threads": False},
        )
        return cls(info, calculator)

    def predict(self, frames: Frames) -> Prediction:
        """Evaluate all of ``frames``, one after the other (see :class:`Potential`)."""
        implemented = self.calculator.implemented_properties
        energy_name = "energy" if "energy" in implemented else "free_energy"
        with_stress = "stress" in implemented and bool(frames.has_volume.any())
        energies = np.empty(len(frames))
        forces = np.empty((len(frames.numbers), 3))
        stresses = np.full((len(frames), 3, 3), np.nan)
        for index in range(len(frames)):
            atoms: Any = frames.atoms(index)  # ASE has no types for what follows
            # What the frame before left behind (a wave function, say) must not matter.
            if hasattr(self.calculator, "reset"):
                self.calculator.reset()
            atoms.calc = self.calculator
            try:
                force = real_numbers(atoms.get_forces(), "forces")
                energy = atoms.get_potential_energy(force_consistent=energy_name == "free_energy")
                energies[index] = _one_number(energy)
                if with_stress and frames.has_volume[index]:
                    stress = self._stress(atoms)
                    with_stress = stress is not None
                    stresses[index] = np.nan if stress is None else stress
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # also what would skip a test or end the process
                raise_if_poisoned(error, self.info.name)
                raise self._failure(index, atoms, error) from error
            start, stop = frames.offsets[index], frames.offsets[index + 1]
            if force.shape != (stop - start, 3):
                expected = (int(stop - start), 3)
                what = f"got forces of shape {force.shape}, expected {expected}"
                raise FrameError(self.info.name, index, what)
            forces[start:stop] = force
        return Prediction(energies, forces, stresses if with_stress else None)

    def _failure(self, index: int, atoms: Any, error: BaseException) -> FrameError:
        from ase.calculators.calculator import PropertyNotImplementedError

        what = f"({atoms.get_chemical_formula()}): the calculator raised {one_line(error)}"
        if isinstance(error, (PropertyNotImplementedError, NotImplementedError)):
            return UnsupportedFrameError(self.info.name, index, what)
        return FrameError(self.info.name, index, what)

    @staticmethod
    def _stress(atoms: Any) -> NDArray[np.generic] | None:
        """Stress as a matrix; None from a calculator that lists it and has none."""
        from ase.calculators.calculator import PropertyNotImplementedError

        try:
            stress = atoms.get_stress(voigt=False)
        except PropertyNotImplementedError:
            return None
        return real_numbers(stress, "stress")


def _one_number(energy: Any) -> float:
    """An energy, also as the array of one number that a network's raw output is."""
    array = real_numbers(energy, "energy")
    if array.size != 1:
        raise ValueError(f"energy of shape {array.shape}, expected one number")
    return float(array.reshape(-1)[0])
