"""Where the structures of a trial come from: strategies that work for any model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from hypothesis import strategies as st

from pytest_mlff.errors import NotSupportedError
from pytest_mlff.laws import growing
from pytest_mlff.laws.boxed import Boxed
from pytest_mlff.laws.resolution import bent, found_dtype, keeps_fine_coordinates
from pytest_mlff.laws.trial import Trial
from pytest_mlff.potentials.failures import raise_if_poisoned

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.potentials.protocol import Potential, Prediction

_WIDTH = 3
"""Bytes of the code of one grown atom."""
DEFAULT_CUTOFF = 6.0

Origin = Literal["mixed", "reference", "grown"]


def seeds() -> SearchStrategy[int]:
    """Strategy for the seed of a transformation."""
    return st.integers(0, 2**31 - 1)


def trials_of(
    frames: SearchStrategy[Frames], **parameters: SearchStrategy[Any]
) -> SearchStrategy[Trial]:
    """Strategy for trials: structures, and with each what else is drawn, by name."""
    return st.builds(lambda one, **drawn: Trial(one, drawn), frames, **parameters)


# Each structure is one draw of bytes: hypothesis spends its time on draws, and it shrinks bytes
# as well as lists (shorter first, then smaller). Zero is the simplest everywhere.


def _codes(least: int, most: int, extra: int) -> SearchStrategy[bytes]:
    """Bytes of ``extra`` numbers and of the codes of ``least`` to ``most`` atoms."""
    return st.binary(min_size=extra + _WIDTH * least, max_size=extra + _WIDTH * most)


def _atoms(data: bytes) -> list[int]:
    """Codes of atoms; bytes beyond the last whole one are left over."""
    whole = len(data) - len(data) % _WIDTH
    return [int.from_bytes(data[k : k + _WIDTH], "big") for k in range(0, whole, _WIDTH)]


def _two_bytes(data: bytes, place: int) -> int:
    return int.from_bytes(data[place : place + 2], "big")


def _takes_cells(potential: Potential, species: Sequence[str]) -> tuple[bool, bool]:
    """Whether a model takes periodic cells, and whether it gives their stress."""
    said = potential.info.capabilities
    if not said.get("periodic", True):
        return False, False
    answer = _asked(potential, growing.crystal(growing.numbers_of(species[:1]), [0, 0], 0, 4))
    if answer is None:
        return False, False
    return True, answer.stress is not None and said.get("stress", True)


def _asked(potential: Potential, frames: Frames) -> Prediction | None:
    """What a model answers; None where it raises, whatever that is: it does not take these."""
    try:
        return potential.predict(frames)
    except Exception as error:
        raise_if_poisoned(error, potential.info.name)
        return None


def _wants_boxes(
    potential: Potential, species: Sequence[str], reference: Frames | None = None
) -> bool:
    """Whether a model refuses a molecule, and takes it in a box."""
    molecule = bent(species[0]) if reference is None else reference.select([0])
    return _asked(potential, molecule) is None and _asked(Boxed(potential), molecule) is not None


def _takes_lonely_atoms(potential: Potential, species: Sequence[str]) -> bool:
    """Whether a model takes one atom alone, and one out of reach of the others."""
    numbers = growing.numbers_of([species[0]] * 3)
    apart = 25.0 if potential.info.cutoff is None else 2.0 * potential.info.cutoff
    bond = 2.0 * float(growing.radii_of(numbers)[0])
    places = np.array([[0.0, 0.0, 0.0], [bond, 0.0, 0.0], [apart, 0.0, 0.0]])
    return all(
        _asked(potential, growing.isolated(numbers[:count], places[:count])) is not None
        for count in (1, 3)
    )


@dataclass(frozen=True, eq=False)
class StructurePool:
    """What structures may be drawn for one model.

    Attributes
    ----------
    species : tuple of str
        Chemical symbols that the model knows.
    reference : Frames or None
        Realistic structures to rattle and to cut neighbourhoods from.
    periodic : bool
        Whether the model takes periodic cells.
    stress : bool
        Whether it gives stress.
    cutoff : float or None
        Its cutoff in Å where it says.
    grown : bool
        Whether molecules may be grown and cut. If not, all isolated structures are whole
        reference frames, rattled: for quantum chemistry, which does not converge for anything.
    found_dtype : str or None
        What the model computes in as far as it can be told, where it does not say.
    fine_coordinates : bool
        Whether a float32 model takes differences of coordinates before it rounds.
    boxed : bool
        Whether the model takes crystals only, so that isolated structures are put into boxes.
    lonely : bool
        Whether it takes an atom without neighbours. If not, none is drawn, and the law
        ``isolated_atom`` alone says so.
    source : {"mixed", "reference", "grown"}
        Where isolated structures come from: both, reference frames alone (whole, rattled, or a
        neighbourhood cut out), or growing and distant fragments alone.
    """

    species: tuple[str, ...]
    reference: Frames | None = None
    periodic: bool = False
    stress: bool = False
    cutoff: float | None = None
    grown: bool = True
    found_dtype: str | None = None
    fine_coordinates: bool = False
    boxed: bool = False
    lonely: bool = True
    source: Origin = "mixed"

    def __post_init__(self) -> None:
        if not self.grown and self.reference is None:
            raise NotSupportedError("a pool that may not grow structures needs reference frames")

    @classmethod
    def for_potential(cls, potential: Potential, reference: Frames | None = None) -> StructurePool:
        """Find out what the model takes, by asking it.

        Parameters
        ----------
        potential : Potential
            The model. It is tried with one crystal (unless its card says that it takes none), a
            molecule, and an atom alone.
        reference : Frames, optional
            Realistic structures; frames with species that the model does not know are left out.

        Raises
        ------
        NotSupportedError
            If neither the model nor the reference names any species.
        PoisonedContextError
            If the model's GPU is lost to this process.
        """
        known = potential.info.species
        if reference is not None and known is not None:
            allowed = np.isin(reference.numbers, growing.numbers_of(known))
            bad = np.unique(reference.frame_of_atom[~allowed])
            kept = np.setdiff1d(np.arange(len(reference)), bad)
            reference = reference.select(kept) if len(kept) else None
        species = known or (reference.species if reference is not None else ())
        if not species:
            raise NotSupportedError(
                f"{potential.info.name} does not say which species it knows; "
                "give reference frames to take them from"
            )
        periodic, stress = _takes_cells(potential, species)
        boxed = periodic and _wants_boxes(potential, species, reference)
        asked = Boxed(potential) if boxed else potential
        return cls(
            species=tuple(species),
            reference=None if reference is None else reference.without_labels(),
            periodic=periodic,
            stress=stress,
            cutoff=potential.info.cutoff,
            found_dtype=found_dtype(asked, species, reference),
            fine_coordinates=not boxed and keeps_fine_coordinates(potential, species),
            boxed=boxed,
            lonely=_takes_lonely_atoms(asked, species),
        )

    def as_asked(self, potential: Potential) -> Potential:
        """The model as it takes the structures of this pool."""
        return Boxed(potential) if self.boxed and not isinstance(potential, Boxed) else potential

    @property
    def numbers(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Atomic numbers of the species."""
        return growing.numbers_of(self.species)

    @property
    def range(self) -> float:
        """The cutoff in Å, or a guess where the model does not say."""
        return self.cutoff or DEFAULT_CUTOFF

    @property
    def parts(self) -> tuple[StructurePool, StructurePool] | None:
        """The pool as two, one of reference frames and one of grown structures.

        None where one of them would be empty.
        """
        if self.reference is None or not self.grown or self.source != "mixed":
            return None
        return replace(self, source="reference"), replace(self, source="grown")

    @property
    def digest(self) -> str:
        """Hexadecimal digest of the reference frames, zeros without any."""
        return "0" * 64 if self.reference is None else self.reference.structure_digest

    @property
    def _only_reference(self) -> bool:
        return not self.grown or self.source == "reference"

    def molecules(self, min_atoms: int = 2, max_atoms: int = 10) -> SearchStrategy[Frames]:
        """Grown molecules of ``min_atoms`` to ``max_atoms`` atoms, none of them lonely."""
        min_atoms = min_atoms if self.lonely else max(2, min_atoms)
        if self._only_reference:
            return self.rattled_reference(min_atoms, max_atoms)
        numbers = self.numbers
        return _codes(min_atoms, max_atoms, 2).map(
            lambda data: growing.cluster(numbers, _atoms(data[2:]), _two_bytes(data, 0))
        )

    def pairs(self) -> SearchStrategy[Frames]:
        """Dimers from 0.8 sums of covalent radii to just beyond the cutoff, if they may part."""
        numbers, far = self.numbers, self.range

        def build(data: bytes) -> Frames:
            first, second, way, place = data
            a, b = numbers[first % len(numbers)], numbers[second % len(numbers)]
            both = np.array([a, b])
            near = 0.8 * float(growing.radii_of(both).sum())
            longest = 1.02 * far if self.lonely else 1.5 * near
            distance = near + (longest - near) * (place / 255.0) ** 2
            axis = np.random.default_rng([way, 4]).normal(size=3)
            ends = np.stack([np.zeros(3), distance * axis / np.linalg.norm(axis)])
            return growing.isolated(both, ends)

        return st.binary(min_size=4, max_size=4).map(build)

    def fragments(self, max_atoms: int = 5) -> SearchStrategy[Frames]:
        """Two grown molecules 0.6 to 3 cutoffs apart."""
        part = self.molecules(1, max_atoms)
        far = self.range

        def build(first: Frames, second: Frames, way: int) -> Frames:
            rng = np.random.default_rng([way, 5])
            axis = rng.normal(size=3)
            size = np.ptp(first.positions, axis=0).max() + np.ptp(second.positions, axis=0).max()
            shift = (size + far * rng.uniform(0.6, 3.0)) * axis / np.linalg.norm(axis)
            return growing.merge(first, second, shift)

        return st.builds(build, part, part, st.integers(0, 255))

    def rattled_reference(self, min_atoms: int = 2, max_atoms: int = 24) -> SearchStrategy[Frames]:
        """Reference frames, rattled by up to 0.12 Å, or a neighbourhood cut out of one.

        The simplest is the largest: the first one drawn is a whole frame where it fits, and
        making a counterexample small is left to leaving out atoms.
        """
        reference = self.reference
        if reference is None:
            return st.nothing()

        def build(data: bytes) -> Frames:
            centre, fewer, level = data[2], data[3] % (max_atoms - min_atoms + 1), data[4] % 4
            frame = reference.select([_two_bytes(data, 0) % len(reference)])
            count, size = int(frame.counts[0]), max_atoms - fewer
            if self.grown and not frame.pbc.any() and size < count:
                frame = growing.neighbourhood(frame, centre % count, size)
            return growing.rattled(frame, 0.04 * level, _two_bytes(data, 5))

        return st.binary(min_size=7, max_size=7).map(build)

    def crystals(self) -> SearchStrategy[Frames]:
        """Periodic crystals of one to four atoms with skewed cells."""
        numbers = self.numbers

        def build(data: bytes) -> Frames:
            # Six digits of the cell's shape, its size, the level and the seed of the rattling.
            shape = int.from_bytes(data[:3], "big") % (5**3 * 7**3)
            frame = growing.crystal(numbers, _atoms(data[7:]), shape, data[3] % 16)
            return growing.rattled(frame, 0.02 * (data[4] % 4), _two_bytes(data, 5))

        return _codes(1, 4, 7).map(build)

    def finite(self, max_atoms: int = 12) -> SearchStrategy[Frames]:
        """Isolated structures of every kind with at least two atoms."""
        if self._only_reference:
            return self.rattled_reference(2, 2 * max_atoms)
        half = max(1, max_atoms // 2)
        kinds = [self.pairs(), self.molecules(2, max_atoms), self.fragments(half)]
        if self.reference is not None and self.source == "mixed":
            # Named twice: realistic structures are where the model will be used.
            kinds += [self.rattled_reference(2, 2 * max_atoms)] * 2
        return st.one_of(kinds)

    def any(self, max_atoms: int = 12) -> SearchStrategy[Frames]:
        """Isolated structures of every kind, and crystals if the model takes them."""
        if not self.periodic or self.source == "reference":
            return self.finite(max_atoms)
        return st.one_of(self.finite(max_atoms), self.crystals())
