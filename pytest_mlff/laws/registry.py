"""The laws behind the metric registry's entries of kind ``law``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlff.errors import MlffError, did_you_mean
from pytest_mlff.metrics.registry import metrics

if TYPE_CHECKING:
    from pytest_mlff.laws.law import Law


def laws() -> dict[str, Law]:
    """All laws by id, in the order of their table."""
    return {name: law_named(name) for name in metrics("law")}


def law_named(law_id: str) -> Law:
    """The law with this id; raises `MlffError` naming the nearest."""
    known = metrics("law")
    if law_id not in known:
        raise MlffError(
            f"no law {law_id!r}{did_you_mean(law_id, known)}; there are {', '.join(known)}"
        )
    found = known[law_id].resolved()
    law: Law = found() if isinstance(found, type) else found
    return law
