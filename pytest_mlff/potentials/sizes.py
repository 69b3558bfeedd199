"""Where batch sizes are kept that took some timing to find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from pytest_mlff.products import JSON, Entry, find, keep

if TYPE_CHECKING:
    from pytest_mlff.store import Store

STORE_KIND: Final = "batch-size"


class Sizes(Protocol):
    """Where batch sizes are kept: a store, or the judge's at the other end of a pipe."""

    def recall(self, key: dict[str, Any]) -> Mapping[str, Any] | None:
        """What is known under a key."""

    def keep(self, key: dict[str, Any], value: Mapping[str, Any]) -> None:
        """Keep something under a key."""


@dataclass(frozen=True)
class StoredSizes:
    """Batch sizes in a store."""

    store: Store

    def recall(self, key: dict[str, Any]) -> Mapping[str, Any] | None:
        """What is known under a key."""
        return find(self.store, Entry(STORE_KIND, key, JSON))

    def keep(self, key: dict[str, Any], value: Mapping[str, Any]) -> None:
        """Keep something under a key."""
        keep(self.store, Entry(STORE_KIND, key, JSON), value)
