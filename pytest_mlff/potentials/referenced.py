"""Trained potentials as the run sees them: under the recipe's name, in total energies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.potentials.protocol import Potential, PotentialInfo, Prediction
from pytest_mlff.store import digest_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.datasets.oracles import Oracle


class _Wrapped:
    """A potential around another one."""

    if TYPE_CHECKING:
        inner: Potential

    def _marked(self, by: Mapping[str, Any]) -> PotentialInfo:
        """Identity of the potential beneath, with what is done to it in its digest."""
        info = self.inner.info
        if info.digest is None:
            return info
        return replace(info, digest=digest_of({"model": info.digest, **by}))

    @property
    def one_by_one(self) -> bool:
        """Whether the potential beneath takes one frame at a time."""
        return bool(getattr(self.inner, "one_by_one", False))

    def predict(self, frames: Frames) -> Prediction:
        """Evaluate all of ``frames`` as one batch.

        Raises
        ------
        NotSupportedError
            If a species is unknown to the model.
        """
        return self.inner.predict(frames)


@dataclass(frozen=True, eq=False)
class NamedPotential(_Wrapped):
    """A potential under another name: a recipe's models are called after the recipe."""

    inner: Potential
    info: PotentialInfo


@dataclass(frozen=True, eq=False)
class ReferencedPotential(_Wrapped):
    """Total energy = energy of the network + Σ reference energy of each atom's species (eV)."""

    inner: Potential
    energies: Mapping[str, float]

    @property
    def info(self) -> PotentialInfo:
        """Identity of the network, with the reference energies in its digest."""
        return self._marked({"reference_energies": dict(self.energies)})

    def predict(self, frames: Frames) -> Prediction:
        """As that of the network, with the reference energies."""
        found = self.inner.predict(frames)
        return Prediction(found.energy + self._reference(frames), found.forces, found.stress)

    def _reference(self, frames: Frames) -> NDArray[np.float64]:
        from ase.data import atomic_numbers

        table = np.zeros(max(atomic_numbers.values()) + 1)
        for symbol, energy in self.energies.items():
            table[atomic_numbers[symbol]] = energy
        found: NDArray[np.float64] = np.bincount(
            frames.frame_of_atom, weights=table[frames.numbers], minlength=len(frames)
        ).astype(np.float64)
        return found


@dataclass(frozen=True, eq=False)
class DeltaPotential(_Wrapped):
    """What a cheap method says, and what a network has learnt to add to it.

    The method is one of :mod:`pytest_mlff.datasets.oracles`; a user's own is in the folder.
    """

    inner: Potential
    oracle: str
    folder: Path

    @property
    def info(self) -> PotentialInfo:
        """Identity of the network, with the cheap method in its digest."""
        return self._marked({"plus": self.cheap.key})

    @cached_property
    def cheap(self) -> Oracle:
        """The cheap method."""
        from pytest_mlff.datasets.oracles import oracle_named

        return oracle_named(self.oracle, self.folder)

    def predict(self, frames: Frames) -> Prediction:
        """The sum of both; no stress."""
        from pytest_mlff.datasets.oracles import computed_labels

        found, added = self.inner.predict(frames), computed_labels(frames, self.cheap)
        return Prediction(found.energy + added.energy, found.forces + added.forces, None)
