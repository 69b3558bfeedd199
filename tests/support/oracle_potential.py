"""The oracle as a potential: physics that was not made for these checks must pass them too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlff.datasets import oracle
from pytest_mlff.errors import MlffError, NotSupportedError
from pytest_mlff.potentials.protocol import PotentialInfo, Prediction

if TYPE_CHECKING:
    from pytest_mlff.datasets.frames import Frames

TIGHT = 1e-9
"""SCF accuracy at which what is left of convergence is smaller than rounding.

The net torque on ethanol falls with it in proportion, from 2e-9 eV at 1e-4 to 3e-13 eV at 1e-8.
There it still shows now and then, when another order of the atoms costs the SCF another cycle;
at 1e-11 the SCF does not converge any more.
"""


class OraclePotential:
    """GFN2-xTB of isolated structures as a `Potential`.

    Parameters
    ----------
    species : tuple of str
        Chemical symbols it lets through; the method itself goes up to radon.
    accuracy : float
        tblite's SCF accuracy multiplier.
    """

    def __init__(self, species: tuple[str, ...] = ("C", "H", "O"), accuracy: float = TIGHT) -> None:
        self.species = species
        self.accuracy = accuracy

    @property
    def info(self) -> PotentialInfo:
        """Identity; long-ranged, so it names no cutoff."""
        return PotentialInfo(
            name=oracle.METHOD,
            family="oracle",
            source=f"oracle:{oracle.METHOD}",
            digest=None,
            species=self.species,
            cutoff=None,
            device="cpu",
            dtype="float64",
            versions=oracle.versions(),
        )

    def predict(self, frames: Frames) -> Prediction:
        """Energies and forces, frame after frame, each from a fresh start of the SCF.

        Raises
        ------
        NotSupportedError
            Unknown species or periodic cells.
        MlffError
            The SCF does not converge.
        """
        import numpy as np

        if frames.pbc.any():
            raise NotSupportedError(f"{oracle.METHOD} is used for isolated structures only")
        if not set(frames.species) <= set(self.species):
            raise NotSupportedError(f"only {', '.join(self.species)} are let through")
        try:
            energies, forces = oracle.label(frames, self.accuracy)
        except Exception as error:
            text = " ".join(str(error).split())
            raise MlffError(f"{oracle.METHOD} fails: {text}") from error
        return Prediction(energies, np.concatenate(forces))
