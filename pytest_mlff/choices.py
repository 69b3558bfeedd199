"""What options, cards and functions let a user choose from."""

from __future__ import annotations

from typing import Final, Literal, get_args

DEVICES: Final = ("auto", "cpu", "cuda")
DTYPES: Final = ("float32", "float64")
Strictness = Literal["fast", "ci", "thorough"]
STRICTNESS: Final[tuple[Strictness, ...]] = get_args(Strictness)
