"""NequIP and Allegro models (Batzner et al., Nature Communications 2022, 13, 2453)."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.errors import MlffError, NotSupportedError
from pytest_mlff.potentials.batching import joined
from pytest_mlff.potentials.device import full_precision
from pytest_mlff.potentials.families.neighbours import Edges, neighbour_list
from pytest_mlff.potentials.protocol import PotentialInfo, Prediction

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames


@dataclass(frozen=True)
class NequipMetadata:
    """What a NequIP file says about its model.

    Attributes
    ----------
    type_names : tuple of str
        Atom types in the order of the model; here chemical symbols.
    cutoff : float
        Å.
    dtype : str
        ``float32`` or ``float64``: what the network computes in.
    pair_cutoffs : ndarray of float64, shape (n_types, n_types), or None
        Shorter cutoffs by type of centre and neighbour in Å.
    """

    type_names: tuple[str, ...]
    cutoff: float
    dtype: str
    pair_cutoffs: NDArray[np.float64] | None

    @classmethod
    def of_mapping(cls, metadata: Mapping[str, Any]) -> NequipMetadata:
        """Read the string mapping that NequIP keeps in models and compiled files."""
        names = tuple(str(metadata["type_names"]).split())
        text = metadata.get("per_edge_type_cutoff")
        pairs = None
        if text:
            pairs = np.array([float(one) for one in str(text).split()])
            pairs = pairs.reshape(len(names), len(names))
        return cls(names, float(metadata["r_max"]), str(metadata["model_dtype"]), pairs)


def type_table(type_names: tuple[str, ...], source: str) -> NDArray[np.int64]:
    """Atom type of each atomic number, -1 where the model has none.

    Raises
    ------
    MlffError
        If a type name is not a chemical symbol: then no one can say which atoms it means.
    """
    from ase.data import atomic_numbers

    table = np.full(max(atomic_numbers.values()) + 1, -1, dtype=np.int64)
    for index, name in enumerate(type_names):
        if atomic_numbers.get(name, 0) == 0:
            raise MlffError(
                f"{source}: the model's atom type {name!r} is not a chemical symbol; wrap its "
                "calculator with the right mapping as file.py:callable"
            )
        table[atomic_numbers[name]] = index
    return table


@contextlib.contextmanager
def users_random_state() -> Iterator[None]:
    """Restore the random generators afterwards: importing NequIP draws, first use seeds."""
    import random

    import torch

    python, legacy_numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy_numpy)


@contextlib.contextmanager
def library_state() -> Iterator[None]:
    """Give NequIP the global state it wants while the context lasts, then restore the user's.

    NequIP seeds every random generator and sets torch's default dtype when it is first
    used; left in place, that would change what the user's own tests see.
    """
    import torch

    with users_random_state():
        from nequip.utils import global_state

    initialised = global_state.global_state_initialized()
    dtype = torch.get_default_dtype()
    seeds = {name: os.environ.get(name) for name in ("PL_GLOBAL_SEED", "PL_SEED_WORKERS")}
    try:
        with users_random_state():
            with warnings.catch_warnings():
                # NequIP still sets what newer torch calls deprecated; no user can fix that.
                warnings.simplefilter("ignore", DeprecationWarning)
                global_state.set_global_state()
            torch.set_default_dtype(torch.float64)
            yield
    finally:
        torch.set_default_dtype(dtype)
        if not initialised:
            for name, value in seeds.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
            # Else NequIP, used by the user afterwards, would take its state as set.
            global_state._GLOBAL_STATE_INITIALIZED = False


@dataclass(frozen=True, eq=False)
class NequipPotential:
    """A NequIP model, evaluated batch by batch without a detour over single structures.

    Attributes
    ----------
    info : PotentialInfo
        Identity.
    metadata : NequipMetadata
        What the file says about the model.
    forward : callable
        From NequIP's dictionary of tensors to the same with energies and forces.
    types : ndarray of int64
        Atom type by atomic number.
    one_by_one : bool
        The model was compiled for one structure at a time.
    compiled : bool
        It is compiled code, which wants cells and two structures at least.
    """

    info: PotentialInfo
    metadata: NequipMetadata
    forward: Callable[[dict[str, torch.Tensor]], Mapping[str, torch.Tensor]] = field(repr=False)
    types: NDArray[np.int64] = field(repr=False)
    one_by_one: bool = False
    compiled: bool = False

    def predict(self, frames: Frames) -> Prediction:
        """Evaluate all of ``frames`` as one batch (see :class:`Potential`)."""
        self._check_species(frames)
        if self.one_by_one:
            return joined([self._evaluate(frames.select([k])) for k in range(len(frames))])
        if self.compiled and len(frames) == 1:
            # Compiled code was specialised on two or more structures.
            twice = self._evaluate(frames.select([0, 0]))
            stress = None if twice.stress is None else twice.stress[:1]
            return Prediction(twice.energy[:1], twice.forces[: len(frames.numbers)], stress)
        return self._evaluate(frames)

    def _check_species(self, frames: Frames) -> None:
        present = np.unique(frames.numbers)
        unknown = present[(present >= len(self.types)) | (self.types[present % 119] < 0)]
        if len(unknown):
            from ase.data import chemical_symbols

            names = ", ".join(chemical_symbols[z] for z in unknown)
            raise NotSupportedError(
                f"{self.info.name}: the model knows no {names} "
                f"(it knows {', '.join(self.metadata.type_names)})"
            )

    def _edges(self, frames: Frames, types: NDArray[np.int64]) -> Edges:
        edges = neighbour_list(frames, self.metadata.cutoff)
        if self.metadata.pair_cutoffs is None:
            return edges
        i, j = edges.index
        vectors = frames.positions[j] - frames.positions[i] + edges.shifts(frames)
        inside = np.linalg.norm(vectors, axis=1) < self.metadata.pair_cutoffs[types[i], types[j]]
        shift = None if edges.shift is None else edges.shift[inside]
        return Edges(edges.index[:, inside], shift)

    def _data(self, frames: Frames) -> dict[str, torch.Tensor]:
        import torch
        from nequip.data import AtomicDataDict as Keys

        types = self.types[frames.numbers]
        edges = self._edges(frames, types)
        arrays: dict[str, NDArray[Any]] = {
            Keys.POSITIONS_KEY: frames.positions,
            Keys.ATOM_TYPE_KEY: types,
            Keys.EDGE_INDEX_KEY: edges.index,
        }
        if not self.one_by_one:
            arrays[Keys.BATCH_KEY] = frames.frame_of_atom
            arrays[Keys.NUM_NODES_KEY] = frames.counts
        # Without any cell the model skips its cell terms; compiled code always has them.
        if edges.shift is not None or self.compiled:
            periodic = np.any(frames.pbc, axis=1, keepdims=True)
            arrays[Keys.CELL_KEY] = np.where(periodic[:, :, None], frames.cell, 0.0)
            shift = np.zeros((edges.index.shape[1], 3)) if edges.shift is None else edges.shift
            arrays[Keys.EDGE_CELL_SHIFT_KEY] = shift.astype(np.float64)
        return {
            # The model may write to its input: never hand out the frames' own memory.
            key: torch.tensor(np.ascontiguousarray(array), device=self.info.device)
            for key, array in arrays.items()
        }

    def _evaluate(self, frames: Frames) -> Prediction:
        import torch
        from nequip.data import AtomicDataDict as Keys

        default = torch.get_default_dtype()
        data = self._data(frames)
        try:
            torch.set_default_dtype(torch.float64)
            with torch.enable_grad(), full_precision(self.info.device):
                out = self.forward(data)
        finally:
            torch.set_default_dtype(default)

        def array(key: str) -> NDArray[np.float64]:
            values: NDArray[np.float64] = out[key].detach().to("cpu", torch.float64).numpy()
            return values

        if Keys.FORCE_KEY not in out:
            raise NotSupportedError(f"{self.info.name}: the model gives no forces")
        if Keys.TOTAL_ENERGY_KEY in out:
            energy = array(Keys.TOTAL_ENERGY_KEY).reshape(-1)
        else:
            energy = np.add.reduceat(
                array(Keys.PER_ATOM_ENERGY_KEY).reshape(-1), frames.offsets[:-1]
            )
        stress = None
        if frames.has_volume.any() and Keys.STRESS_KEY in out:
            stress = array(Keys.STRESS_KEY).reshape(-1, 3, 3).copy()
            stress[~frames.has_volume] = np.nan
        return Prediction(energy.copy(), array(Keys.FORCE_KEY).reshape(-1, 3).copy(), stress)
