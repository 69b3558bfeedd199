"""One SOAP vector per frame, of unit length.

The density of neighbours around each atom is expanded in radial functions and spherical
harmonics; its coefficients are averaged over the atoms of the frame and then contracted
to the rotation-invariant power spectrum ("inner" average). The dot product of two such
vectors is the cosine that De, Bartók, Csányi and Ceriotti (Phys. Chem. Chem. Phys. 2016,
18, 13754, section 2.3) call the average kernel. The expansion is dscribe's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from pytest_mlff.errors import MissingExtraError, MlffError, NotSupportedError, needing

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames

CHUNK_BYTES: Final = 4 * 2**20
"""Descriptors of one chunk take at most so many bytes."""


@dataclass(frozen=True)
class SoapSettings:
    """How frames are described.

    Attributes
    ----------
    r_cut : float
        Radius of the environments in Å, above 1 (dscribe's Gaussian radial functions need
        that).
    n_max : int
        Radial functions, at least 1.
    l_max : int
        Highest degree of the spherical harmonics, 0 to 20.
    sigma : float
        Width of the Gaussian on each atom in Å.
    species : tuple of str or None
        Chemical symbols that have channels of their own, alphabetically. None: those of the
        frames at hand, see :meth:`covering`. Vectors can be compared only if they were made
        with the same ones.

    Raises
    ------
    MlffError
        If a number is out of its range or a symbol is no element.
    """

    r_cut: float = 5.0
    n_max: int = 8
    l_max: int = 6
    sigma: float = 1.0
    species: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.r_cut) and self.r_cut > 1.0):
            raise MlffError(f"SOAP r_cut must be above 1 Å, not {self.r_cut:g}")
        if self.n_max < 1:
            raise MlffError(f"SOAP n_max must be at least 1, not {self.n_max}")
        if not 0 <= self.l_max <= 20:
            raise MlffError(f"SOAP l_max must lie between 0 and 20, not {self.l_max}")
        if not (math.isfinite(self.sigma) and self.sigma > 0.0):
            raise MlffError(f"SOAP sigma must be above 0 Å, not {self.sigma:g}")
        if self.species is None:
            return
        from ase.data import atomic_numbers

        unknown = [symbol for symbol in self.species if atomic_numbers.get(symbol, 0) < 1]
        if unknown or not self.species:
            what = repr(unknown[0]) if unknown else "an empty list"
            raise MlffError(f"SOAP species must be chemical symbols, not {what}")
        # One order, so that equal sets of species are equal settings.
        object.__setattr__(self, "species", tuple(sorted(set(self.species))))

    def covering(self, *sets: Frames) -> SoapSettings:
        """These settings with the species of all the frames, where none are stated.

        Parameters
        ----------
        *sets : Frames
            Everything that is to be compared.
        """
        if self.species is not None:
            return self
        found = {symbol for frames in sets for symbol in frames.species}
        return replace(self, species=tuple(sorted(found)))

    @property
    def size(self) -> int:
        """Length d of a vector: m (m + 1) / 2 · (l_max + 1) for m = species · n_max."""
        channels = len(self.species or ()) * self.n_max
        return channels * (channels + 1) // 2 * (self.l_max + 1)

    @property
    def key(self) -> dict[str, Any]:
        """Everything that a vector depends on besides its frame, as JSON values.

        Raises
        ------
        MissingExtraError
            If dscribe is not installed.
        """
        return {**asdict(self), "average": "inner", "rbf": "gto", "dscribe": dscribe_version()}


def dscribe_version() -> str:
    """Version of dscribe.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("dscribe")
    except PackageNotFoundError as error:
        raise MissingExtraError("SOAP similarity", "dscribe", "soap") from error


class _Descriptor(Protocol):
    """The part of dscribe's SOAP that is used here."""

    def create(self, system: list[Atoms], *, n_jobs: int) -> NDArray[np.float64]: ...


def _descriptor(settings: SoapSettings, *, periodic: bool) -> _Descriptor:
    with needing("SOAP similarity", "dscribe", "soap"):
        from dscribe.descriptors import SOAP
    made: _Descriptor = SOAP(
        species=list(settings.species or ()),
        r_cut=settings.r_cut,
        n_max=settings.n_max,
        l_max=settings.l_max,
        sigma=settings.sigma,
        average="inner",
        periodic=periodic,
        # The vectors of molecules are mostly non-zero.
        sparse=False,
        dtype="float64",
    )
    return made


def _structures(frames: Frames) -> Iterator[Atoms]:
    from ase.geometry import complete_cell

    for index in range(len(frames)):
        atoms = frames.atoms(index)
        if frames.pbc[index].any():
            # dscribe wants a volume even where a direction is not periodic.
            atoms.set_cell(complete_cell(atoms.cell))
        yield atoms


def _check(frames: Frames, settings: SoapSettings) -> None:
    unknown = sorted(set(frames.species) - set(settings.species or ()))
    if unknown:
        raise NotSupportedError(
            f"SOAP settings cover {', '.join(settings.species or ())}; "
            f"the frames hold {', '.join(unknown)}"
        )
    if (frames.counts == 0).any():
        raise MlffError(f"frame {int(np.argmin(frames.counts))} holds no atoms")
    bad = ~np.isfinite(frames.positions).all(axis=1)
    if bad.any():
        index = int(frames.frame_of_atom[np.argmax(bad)])
        raise MlffError(f"positions are not finite in frame {index}")


def soap_chunks(
    frames: Frames,
    settings: SoapSettings,
    *,
    chunk_bytes: int = CHUNK_BYTES,
    n_jobs: int = 1,
) -> Iterator[NDArray[np.float64]]:
    """Vectors of consecutive frames, a bounded number at a time.

    Parameters
    ----------
    frames : Frames
        Any number, periodic or not, of any composition within ``settings.species``.
    settings : SoapSettings
        Where it states no species, those of ``frames`` are taken.
    chunk_bytes : int
        Most bytes of one chunk; a chunk holds at least one frame.
    n_jobs : int
        Processes; a frame takes about a millisecond, so more than one pays from some
        thousand frames on.

    Yields
    ------
    ndarray of float64, shape (n_chunk, d)
        Rows of unit length. A row depends on its own frame only.

    Raises
    ------
    MissingExtraError
        If dscribe is not installed.
    NotSupportedError
        If a frame holds a species that the settings lack.
    MlffError
        If a frame holds no atoms, or positions that are not finite.
    """
    if len(frames) == 0:
        return
    settings = settings.covering(frames)
    _check(frames, settings)
    step = max(1, chunk_bytes // (8 * settings.size))
    made: dict[bool, _Descriptor] = {}
    for start in range(0, len(frames), step):
        chunk = frames.select(slice(start, min(start + step, len(frames))))
        structures = list(_structures(chunk))
        vectors = np.empty((len(chunk), settings.size))
        periodic = chunk.pbc.any(axis=1)
        for flag in (False, True):
            chosen = np.flatnonzero(periodic == flag)
            if len(chosen) == 0:
                continue
            if flag not in made:
                made[flag] = _descriptor(settings, periodic=flag)
            vectors[chosen] = made[flag].create(
                [structures[index] for index in chosen], n_jobs=n_jobs
            )
        vectors /= np.sqrt(np.square(vectors).sum(axis=1))[:, np.newaxis]
        yield vectors


def soap_vectors(
    frames: Frames, settings: SoapSettings | None = None, *, n_jobs: int = 1
) -> NDArray[np.float64]:
    """Vectors of all frames at once; of many frames take :func:`soap_chunks`.

    Parameters
    ----------
    frames, settings, n_jobs
        As for :func:`soap_chunks`; default settings if none are given.

    Returns
    -------
    ndarray of float64, shape (n_frames, d)
        Rows of unit length.

    Raises
    ------
    MissingExtraError, NotSupportedError, MlffError
        As :func:`soap_chunks`.
    """
    settings = (settings or SoapSettings()).covering(frames)
    vectors = np.empty((len(frames), settings.size))
    done = 0
    for chunk in soap_chunks(frames, settings, n_jobs=n_jobs):
        vectors[done : done + len(chunk)] = chunk
        done += len(chunk)
    return vectors
