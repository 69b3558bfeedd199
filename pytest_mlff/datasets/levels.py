"""Names of levels of theory."""

from __future__ import annotations

import re
from typing import Final

NOT_STATED: Final = "not stated"
"""Level of labels whose file says none."""


def same_level(one: str, other: str) -> bool:
    """Whether two names mean one method: case, blanks, hyphens and underscores are nothing.

    A name without a letter or a digit is no method, and the same as none.
    """
    return _plain(one) == _plain(other) != ""


def _plain(level: str) -> str:
    # A point counts within a number alone: "U 1.5" is not "U 15".
    text = re.sub(r"(?<!\d)\.|\.(?!\d)", "", level.casefold())
    return "".join(letter for letter in text if letter.isalnum() or letter in "+*/().")
