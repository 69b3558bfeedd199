"""What a model is to the rest of the house: frames in, batched energies and forces out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames

__all__ = ["Potential", "PotentialInfo", "Prediction"]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a potential says of frames; ``n_total`` counts the atoms of all frames.

    Attributes
    ----------
    energy : ndarray of float64, shape (n_frames,)
        Total energies in eV.
    forces : ndarray of float64, shape (n_total, 3)
        Forces in eV/Å, atoms in the order of the frames.
    stress : ndarray of float64, shape (n_frames, 3, 3), optional
        Stress in eV/Å³, ASE's sign (positive under tension).
    """

    energy: NDArray[np.float64]
    forces: NDArray[np.float64]
    stress: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class PotentialInfo:
    """Identity of a loaded model.

    Attributes
    ----------
    name : str
        Short name for tables: file stem, ``demo``, or the factory's name.
    family : str
        Adapter that loaded it: ``nequip``, ``torchsim``, ``ase`` …
    source : str
        What ``--mlff-model`` said.
    digest : str or None
        SHA-256 of the model's content; None where it cannot be known (a factory).
    species : tuple of str or None
        Chemical symbols it was made for; None where the model does not say.
    cutoff : float or None
        Radius of its local environments in Å, where it says.
    device, dtype : str
        ``cpu`` / ``cuda``; ``float32`` / ``float64``: what it really computes in.
    versions : mapping
        Library versions that a result depends on.
    """

    name: str
    family: str
    source: str
    digest: str | None
    species: tuple[str, ...] | None
    cutoff: float | None
    device: str
    dtype: str
    versions: Mapping[str, str]


@runtime_checkable
class Potential(Protocol):
    """A loaded model."""

    @property
    def info(self) -> PotentialInfo:
        """Identity of the model."""

    def predict(self, frames: Frames) -> Prediction:
        """Evaluate all of ``frames`` as one batch.

        Parameters
        ----------
        frames : Frames
            At least one frame. Labels, if any, are not looked at.

        Raises
        ------
        NotSupportedError
            If a species is unknown to the model, or cells are not supported.
        """
