"""An edit of what judges a model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, get_args

EditKind = Literal[
    "no judge",
    "threshold loosened",
    "margin widened",
    "case removed",
    "model card",
    "dataset changed",
    "frames changed",
    "addopts",
    "mlff setting",
    "conftest",
    "pytest plugin",
    "store",
    "baseline",
    "pytest setting",
    "spec setting",
    "workflow",
    "stricter",
    "environment",
]
_ORDER: Final = {kind: rank for rank, kind in enumerate(get_args(EditKind))}
_HARMLESS: Final = ("stricter", "environment")


@dataclass(frozen=True)
class Edit:
    """One thing that a pull request changes: of what kind, in which file or case, before and after.

    ``size`` tells how large it is among its kind: the factor of a threshold.
    """

    kind: EditKind
    where: str
    what: str
    size: float = 0.0

    @property
    def grave(self) -> bool:
        """Whether a maintainer has to accept it."""
        return self.kind not in _HARMLESS

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}: {self.what}"


def worst_first(edits: Iterable[Edit]) -> list[Edit]:
    """Gravest kind first, then the largest."""
    return sorted(edits, key=lambda edit: (_ORDER[edit.kind], -edit.size, edit.where, edit.what))
