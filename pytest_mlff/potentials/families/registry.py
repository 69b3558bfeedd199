"""The families whose files can be opened: those of installed packages, and this package's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pytest_mlff.entry_points import entry_points

if TYPE_CHECKING:
    from pytest_mlff.potentials.adapters import Adapter

_GROUP: Final = "pytest_mlff.adapters"


def installed_adapters() -> tuple[Adapter, ...]:
    """Adapters that are there without a hook; those of other packages go first.

    Raises
    ------
    MlffError
        If one of another package cannot be loaded.
    """
    from pytest_mlff.potentials.families.nequip_files import NequipAdapter
    from pytest_mlff.potentials.families.network_adapter import NetworkAdapter

    found = (one for _, one in entry_points(_GROUP))
    return (
        *(one() if isinstance(one, type) else one for one in found),
        NequipAdapter(),
        NetworkAdapter(),
    )


def family_names(adapters: Sequence[Adapter] = ()) -> list[str]:
    """What may stand before the colon of a model source: families of these and of what is there."""
    return [one.family for one in (*adapters, *installed_adapters())]
