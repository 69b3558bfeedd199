"""The model under test together with what the laws need to know of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.errors import MlffError, NotSupportedError
from pytest_mlff.laws.boxed import Boxed
from pytest_mlff.laws.tolerance import reach_of
from pytest_mlff.laws.trial import NonFiniteError, UnsteadyError
from pytest_mlff.potentials.failures import ModelFailure, raise_if_poisoned
from pytest_mlff.potentials.host.probes import answers_of_threads, memory_after, predict_each

if TYPE_CHECKING:
    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.laws.structures import StructurePool
    from pytest_mlff.laws.trial import Parameter
    from pytest_mlff.potentials.protocol import Potential, Prediction


def describe_frames(frames: Frames) -> str:
    """Composition and size in words, e.g. ``2 atoms (C1H1)``."""
    from ase.symbols import Symbols

    names = [
        Symbols(frames.numbers[start:stop]).get_chemical_formula()
        for start, stop in pairwise(frames.offsets)
    ]
    counts = "+".join(str(count) for count in frames.counts)
    kind = "periodic " if frames.pbc.any() else ""
    return f"{counts} {kind}atoms ({', '.join(names)})"


def dtype_of(potential: Potential) -> np.dtype[np.floating]:
    """The dtype a model says that it computes in; float64 where it does not say."""
    if potential.info.dtype == "float32":
        return np.dtype(np.float32)
    return np.dtype(np.float64)


class Context:
    """One model, one pool of structures, and a count of what was asked of the model.

    Parameters
    ----------
    potential : Potential
        The model under test.
    pool : StructurePool
        Where structures come from.
    alternatives : mapping of str to Potential
        The same model loaded otherwise (another dtype, compiled …), for the law ``precision``.
    options : mapping
        Settings of one law.
    """

    def __init__(
        self,
        potential: Potential,
        pool: StructurePool,
        alternatives: Mapping[str, Potential] | None = None,
        options: Mapping[str, Parameter] | None = None,
    ) -> None:
        self.potential = pool.as_asked(potential)
        self.pool = pool
        others = alternatives or {}
        self.alternatives = {name: pool.as_asked(other) for name, other in others.items()}
        self.options = dict(options or {})
        self.calls = 0

    def drawing_from(self, pool: StructurePool) -> Context:
        """The same model with another pool."""
        found = Context(self.potential, pool, options=self.options)
        found.alternatives = self.alternatives
        return found

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """The dtype the model says that it computes in, or that was found of it."""
        found = self.pool.found_dtype
        return dtype_of(self.potential) if found is None else np.dtype(found)

    def reach(self, *parts: Frames) -> float:
        """Coordinate in Å whose last place is the rounding of the model's input.

        The largest one that occurs; for a model that rounds relative vectors, and not
        coordinates, the longest vector that it looks at.
        """
        reach = self.coarse_reach(*parts)
        if not self.pool.fine_coordinates or any(part.pbc.any() for part in parts):
            return reach
        return min(reach, max(1.0, self.pool.range))

    def coarse_reach(self, *parts: Frames) -> float:
        """Largest coordinate in Å that occurs, and the edge of the box that it may be put into."""
        reach = reach_of(*parts)
        if isinstance(self.potential, Boxed):
            return max(reach, *(self.potential.edge(part) for part in parts))
        return reach

    def predict(
        self, frames: Frames, *, finite: bool = True, potential: Potential | None = None
    ) -> Prediction:
        """Evaluate ``frames`` as one batch.

        Raises
        ------
        NonFiniteError
            If ``finite`` and the answer holds NaN or infinity.
        PoisonedContextError
            If the model's GPU is lost to this process.
        MlffError
            If the model raises, or its answer has wrong shapes.
        """
        return self.checked(self._answer(frames, potential or self.potential), frames, finite)

    def answers(self, batches: Sequence[Frames]) -> list[Prediction]:
        """Evaluate each of ``batches`` by itself, in one message to a model that is apart.

        What is answered is not looked at: see `checked`.

        Raises
        ------
        MlffError
            As :meth:`predict`.
        """
        if len(batches) > 1:
            try:
                found = predict_each(self.potential, batches)
            except ModelFailure:
                raise
            except Exception as error:
                name = self.potential.info.name
                raise_if_poisoned(error, name)
                for one in batches:  # asked about alone, the one that is refused is named
                    self._answer(one, self.potential)
                raise UnsteadyError(f"{name} answers what it refused before: {error}") from error
            self.calls += len(batches)
            return found
        return [self._answer(one, self.potential) for one in batches]

    def _answer(self, frames: Frames, model: Potential) -> Prediction:
        with self._asked(frames, 1, model):
            return model.predict(frames)

    def answers_of_threads(self, frames: Sequence[Frames], repeats: int) -> list[list[Prediction]]:
        """Evaluate each of ``frames`` some times in a thread of its own, all at once.

        Raises
        ------
        MlffError
            As :meth:`predict`.
        """
        with self._asked(frames[0], repeats * len(frames), self.potential):
            answers = answers_of_threads(self.potential, frames, repeats)
        return [
            [self.checked(one, frame) for one in some]
            for frame, some in zip(frames, answers, strict=True)
        ]

    def memory_after(self, frames: Frames, calls: int) -> tuple[float, float, float]:
        """Resident bytes, device bytes and Python objects of the model's process after some calls.

        Raises
        ------
        MlffError
            As :meth:`predict`.
        """
        with self._asked(frames, calls, self.potential):
            return memory_after(self.potential, frames, calls)

    @contextlib.contextmanager
    def _asked(self, frames: Frames, times: int, model: Potential) -> Iterator[None]:
        """Count what is asked of the model, and say on which frames it raises."""
        self.calls += times
        try:
            yield
        except MlffError:
            raise
        except Exception as error:
            raise_if_poisoned(error, model.info.name)
            text = " ".join(str(error).split())[:200]
            raise MlffError(
                f"{model.info.name} raises {type(error).__name__} on "
                f"{describe_frames(frames.select([0]))}: {text}"
            ) from error

    def checked(self, prediction: Prediction, frames: Frames, finite: bool = True) -> Prediction:
        """An answer, if it is one to ``frames``; raises as :meth:`predict`."""
        n_total = int(frames.counts.sum())
        if prediction.energy.shape != (len(frames),) or prediction.forces.shape != (n_total, 3):
            raise MlffError(
                f"{self.potential.info.name} answers energies {prediction.energy.shape} and "
                f"forces {prediction.forces.shape} for {len(frames)} frames of {n_total} atoms"
            )
        if finite:
            self._require_finite(frames, prediction)
        return prediction

    def _require_finite(self, frames: Frames, prediction: Prediction) -> None:
        bad = ~np.isfinite(prediction.energy)
        bad[frames.frame_of_atom[~np.isfinite(prediction.forces).all(axis=1)]] = True
        if prediction.stress is not None:
            bad |= ~np.isfinite(prediction.stress).all(axis=(1, 2))
        if bad.any():
            first = int(np.argmax(bad))
            raise NonFiniteError(
                f"{self.potential.info.name} answers NaN or infinity for "
                f"{describe_frames(frames.select([first]))}"
            )

    def require_periodic(self) -> None:
        """Raise `NotSupportedError` unless the model takes periodic cells."""
        if not self.pool.periodic:
            raise NotSupportedError(f"{self.potential.info.name} does not take periodic cells")

    def require_stress(self) -> None:
        """Raise `NotSupportedError` unless the model gives stress."""
        self.require_periodic()
        if not self.pool.stress:
            raise NotSupportedError(f"{self.potential.info.name} gives no stress")
