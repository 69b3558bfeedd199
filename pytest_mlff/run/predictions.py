"""Prediction passes: a model evaluated once on a set of frames, for all cases and later runs.

A stored pass is believed once the model confirms it. On each hit a few frames, drawn anew,
are computed and compared within the noise that the model shows when its coordinates move by
their last places (`pytest_mlff.laws.tolerance`, which says from what it follows). So a pass of
which all frames are forged is noticed for certain; one of which a part ``f`` is, with a
probability of ``1 - (1 - f)**SPOT_CHECKS`` (one frame of 400: 1 %) on each hit. A forgery that
is to halve a mean error has to touch frames that hold half of it, and not by rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.datasets.frames import read_only
from pytest_mlff.errors import MlffError
from pytest_mlff.potentials.failures import LostContexts, is_poisoned
from pytest_mlff.potentials.protocol import Prediction
from pytest_mlff.products import ARRAYS, Product, keep, once

if TYPE_CHECKING:
    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.laws.tolerance import Noise
    from pytest_mlff.potentials.protocol import Potential
    from pytest_mlff.store import Store

KIND = "predictions"
SPOT_CHECKS = 4
"""Frames of a stored pass that are computed again on each hit."""


@dataclass
class PredictionPasses:
    """Prediction passes of one process, shared with others through the store.

    Attributes
    ----------
    store : Store
        Where passes of models with a digest are kept.
    contexts : LostContexts
        GPUs that this process has lost: nothing more is computed on them, but passes
        that are known are as good as ever.
    trust : str
        What a stored pass is worth, one of `pytest_mlff.run.options.TRUST`.
    """

    store: Store
    contexts: LostContexts = field(default_factory=LostContexts)
    trust: str = "verify"
    _known: dict[tuple[int, str], Prediction] = field(default_factory=dict, repr=False)
    _failed: dict[tuple[int, str], MlffError] = field(default_factory=dict, repr=False)

    def of(self, potential: Potential, frames: Frames) -> Prediction:
        """The potential evaluated once on ``frames``.

        Raises
        ------
        MlffError
            If the model cannot be evaluated.
        """
        key = (id(potential), frames.structure_digest)
        if key in self._failed:
            raise self._failed[key]
        if key not in self._known:
            try:
                found = self._shared(potential, frames)
                # One pass serves all cases, so none may change it for the next.
                read_only(found.energy, found.forces, found.stress)
                self._known[key] = found
            except MlffError as error:
                # A model that hangs on these frames would hang once for each case, and one that
                # failed once is not asked until it does not.
                if not is_poisoned(error):  # the GPU's fault, which a new process may not have
                    self._failed[key] = error
                raise
        return self._known[key]

    def _shared(self, potential: Potential, frames: Frames) -> Prediction:
        info = potential.info
        if info.digest is None:
            # Nothing tells whether it is the same model another time, so nothing of it is kept.
            return self._compute(potential, frames)
        product = Product(
            kind=KIND,
            key={
                "model": info.digest,
                "family": info.family,
                "versions": dict(info.versions),
                "device": info.device,
                "dtype": info.dtype,
                "frames": frames.structure_digest,
            },
            form=ARRAYS.of(_arrays, lambda arrays: _prediction(arrays, frames)),
            make=lambda: self._compute(potential, frames),
            doubt=None if self.trust == "full" else lambda one: self._doubt(potential, frames, one),
        )
        if self.trust == "none":
            with self.store.lock(product.kind, product.key):
                prediction = product.make()
                keep(self.store, product, prediction)
            return prediction
        prediction = once(self.store, product)
        if potential.info.digest != info.digest:
            # Code that the model imported only now has become part of what it is.
            key = {**product.key, "model": potential.info.digest}
            keep(self.store, replace(product, key=key), prediction)
        return prediction

    def _compute(self, potential: Potential, frames: Frames) -> Prediction:
        from pytest_mlff.potentials.batching import evaluate

        info = potential.info
        with self.contexts.guard(info.device, info.name):
            return evaluate(potential, frames.without_labels(), store=self.store)

    def _doubt(self, potential: Potential, frames: Frames, stored: Prediction) -> str | None:
        info = potential.info
        with self.contexts.guard(info.device, info.name):
            return disagreement(potential, frames, stored)


def disagreement(potential: Potential, frames: Frames, stored: Prediction) -> str | None:
    """How a stored pass differs from what the model says of a few of its frames now.

    None where all of the drawn frames agree within the model's noise.
    """
    from pytest_mlff.laws.tolerance import noise_of, part, probes, reach_of
    from pytest_mlff.potentials.batching import evaluate

    if len(frames) == 0:
        return None
    # Drawn by the operating system, so that nobody can know which they will be.
    drawn = np.random.default_rng().choice(
        len(frames), size=min(SPOT_CHECKS, len(frames)), replace=False
    )
    few = frames.select(drawn).without_labels()
    # Noise grows with the number of atoms; the stress has one in crystals alone.
    largest = int(np.argmax(few.counts + few.pbc.any(axis=1) * int(few.counts.max())))
    # A model that does not say what it computes in is granted the noise of the coarser dtype.
    double = potential.info.dtype == "float64"
    dtype: np.dtype[np.floating] = np.dtype(np.float64) if double else np.dtype(np.float32)
    reach = reach_of(few)
    base = few.select([largest])
    batch = type(few).concatenate([few, probes(base, dtype, reach, seed=0)])
    answer = evaluate(potential, batch, batch=len(batch))
    noise = noise_of(
        part(answer, batch, largest, largest + 1),
        part(answer, batch, len(few), len(batch)),
        base,
        dtype,
        reach,
    )
    for place, index in enumerate(drawn):
        now = part(answer, batch, place, place + 1)
        then = part(stored, frames, int(index), int(index) + 1)
        differs = _differs(now, then, noise, periodic=bool(few.pbc[place].any()))
        if differs:
            return f"is not what the model says (frame {index}: {differs})"
    return None


def _differs(now: Prediction, then: Prediction, noise: Noise, *, periodic: bool) -> str | None:
    pairs = [
        ("energy", now.energy, then.energy, noise.energy, "eV"),
        ("forces", now.forces, then.forces, noise.forces, "eV/Å"),
    ]
    if periodic and not (now.stress is None and then.stress is None):
        nothing = np.full((1, 3, 3), np.nan)
        pairs.append(
            (
                "stress",
                nothing if now.stress is None else now.stress,
                nothing if then.stress is None else then.stress,
                noise.stress,
                "eV/Å³",
            )
        )
    for name, new, old, tolerance, unit in pairs:
        both_missing = np.isnan(new) & np.isnan(old)
        off = np.where(both_missing, 0.0, np.abs(new - old))
        if not (off <= tolerance).all():
            return (
                f"{name} differ by {off.max(initial=0.0):.2g} {unit}, "
                f"rounding by less than {tolerance:.2g}"
            )
    return None


def _arrays(prediction: Prediction) -> Mapping[str, Any]:
    arrays = {"energy": prediction.energy, "forces": prediction.forces}
    return arrays if prediction.stress is None else {**arrays, "stress": prediction.stress}


def _prediction(arrays: Mapping[str, Any], frames: Frames) -> Prediction:
    n_frames, n_total = len(frames), len(frames.numbers)
    expected = {"energy": (n_frames,), "forces": (n_total, 3), "stress": (n_frames, 3, 3)}
    for name, array in arrays.items():
        if array.shape != expected[name] or array.dtype.kind not in "fiu":
            raise ValueError(f"{name} is {array.dtype} of shape {array.shape}")
    return Prediction(arrays["energy"], arrays["forces"], arrays.get("stress"))
