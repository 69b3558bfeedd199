"""An element that the model was not made for is refused, never guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from pytest_mlff.errors import NotSupportedError
from pytest_mlff.laws.growing import numbers_of
from pytest_mlff.laws.law import LawBase
from pytest_mlff.laws.structures import trials_of
from pytest_mlff.laws.trial import Reading, Trial
from pytest_mlff.potentials.failures import raise_if_poisoned

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from pytest_mlff.laws.context import Context

_ELEMENTS = (
    "H",
    "He",
    "Li",
    "C",
    "N",
    "O",
    "F",
    "Na",
    "Si",
    "S",
    "Cl",
    "Ar",
    "Fe",
    "Br",
    "Au",
    "U",
)
_WITHOUT_DATA = ("Es", "Fm", "Md", "No", "Lr")
"""Asked of a model that does not name its species: no data set to train on holds them."""


class UnknownSpecies(LawBase):
    """One atom of a structure becomes an element that the model cannot know."""

    id = "unknown_species"
    title = "an element that the model does not name, or that no data set holds, is refused"
    required_evidence = ("asked",)
    min_atoms = 1

    def trials(self, context: Context) -> SearchStrategy[Trial]:
        """Grown molecules with one atom changed."""
        known = context.potential.info.species
        strange = [symbol for symbol in _ELEMENTS if known is not None and symbol not in known]
        if known is None:
            strange = list(_WITHOUT_DATA)
        if not strange:
            raise NotSupportedError(f"{context.potential.info.name} knows every element tried")
        symbol, place = st.sampled_from(strange), st.integers(0, 5)
        return trials_of(context.pool.molecules(1, 6), symbol=symbol, place=place)

    def measure(self, context: Context, trial: Trial) -> Reading:
        """1 if the model answers with numbers, 0 if it raises anything."""
        frame = trial.frames
        numbers = frame.numbers.copy()
        numbers[int(trial.parameters["place"]) % len(numbers)] = numbers_of(
            [str(trial.parameters["symbol"])]
        )[0]
        changed = type(frame)(numbers, frame.positions, frame.counts, frame.cell, frame.pbc)
        # A NaN is no number anybody would take for an answer.
        try:
            context.calls += 1
            answer = context.potential.predict(changed)
            guessed = float(np.isfinite(answer.energy).all())
        except Exception as error:  # refusing is what is wanted, in whatever words
            # A lost GPU refuses everything.
            raise_if_poisoned(error, context.potential.info.name)
            guessed = 0.0
        symbol = trial.parameters["symbol"]
        told = f"it answers with numbers for a molecule that holds {symbol}, which it cannot know."
        return Reading(guessed, 0.5, "answers", {"asked": 1.0}, f"answers for {symbol}", told)
