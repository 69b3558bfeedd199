"""How messages name files and places in them."""

from __future__ import annotations

from pathlib import Path


def shown(path: Path) -> str:
    """Return the path as a user would type it: relative to the working folder if below it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def where_in_file(location: tuple[str | int, ...]) -> str:
    """Write a location as a key path, e.g. ``cases[0].thresholds[1].unit``."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = part if part.isprintable() else repr(part)
            text += f".{key}" if text else key
    return text
