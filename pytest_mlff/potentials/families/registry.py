"""The families that this package opens files of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_mlff.potentials.adapters import Adapter

__all__ = ["builtin_adapters"]


def builtin_adapters() -> tuple[Adapter, ...]:
    """The adapters of this package."""
    from pytest_mlff.potentials.families.nequip_files import NequipAdapter

    return (NequipAdapter(),)
