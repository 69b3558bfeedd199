"""The molecules that specs may name by the letter of the cross-molecule study."""

from __future__ import annotations

from typing import Final

LETTERS: Final[dict[str, str]] = {
    "a": "aspirin",
    "b": "ethanol",
    "c": "malonaldehyde",
    "d": "naphthalene",
    "e": "salicylic_acid",
    "f": "toluene",
    "g": "uracil",
}
"""Letter to molecule."""


def molecules_named(text: str) -> tuple[str, ...]:
    """Resolve one entry of a selection: a molecule's name, or letters of several joined (``abg``).

    A word that is neither is returned as it stands; whether it exists is for the dataset to say.
    """
    if text and all(letter in LETTERS for letter in text):
        return tuple(LETTERS[letter] for letter in text)
    return (text,)
