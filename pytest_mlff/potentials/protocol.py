"""What a model is to the rest of the house: frames in, batched energies and forces out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames


def real_numbers(values: object, what: str) -> NDArray[np.generic]:
    """The values as an array, if they are real numbers as they stand.

    NumPy would turn text into numbers, drop imaginary parts and bring to light what lies beneath
    a mask; none of these is what the model said.

    Raises
    ------
    MlffError
        With the type that was found.
    """
    array = np.asarray(values)
    if np.ma.is_masked(values):
        raise MlffError(f"{what}: some numbers are masked, so the model does not give them")
    if array.dtype.kind not in "iuf":
        raise MlffError(f"{what}: of type {array.dtype}, expected real numbers")
    return array


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

    def __post_init__(self) -> None:
        for quantity in ("energy", "forces", "stress"):
            if getattr(self, quantity) is not None:
                real_numbers(getattr(self, quantity), quantity)

    def select(self, frames: Frames, indices: NDArray[np.int64]) -> Prediction:
        """What was said of some of the ``frames`` that this is of."""
        chosen = np.isin(frames.frame_of_atom, indices)
        stress = None if self.stress is None else self.stress[indices]
        return Prediction(self.energy[indices], self.forces[chosen], stress)

    def check(self, frames: Frames, name: str) -> Prediction:
        """Return it, or refuse shapes that are not those of ``frames``.

        Energies of shape (n_frames, 1) would broadcast against (n_frames,) into a matrix of all
        differences, in which a perfect model looks wrong by the spread of the energies.

        Raises
        ------
        MlffError
            With the shapes.
        """
        n = len(frames)
        expected = {"energy": (n,), "forces": (len(frames.numbers), 3), "stress": (n, 3, 3)}
        for quantity, shape in expected.items():
            array = getattr(self, quantity)
            if array is not None and np.shape(array) != shape:
                raise MlffError(
                    f"{name}: gave {quantity} of shape {np.shape(array)} for {n} frames that need "
                    f"{shape}: fix the model's adapter or factory"
                )
        return self


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
    level : str or None
        Level of theory of the labels it was trained on; None where it does not say.
    capabilities : mapping of str to bool
        What the model, or its card, says that it can be asked: ``periodic``, ``stress``,
        ``threads`` (at once). What is not named has to be tried.
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
    level: str | None = None
    capabilities: Mapping[str, bool] = field(default_factory=dict)


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
