"""Tells files of networks, and opens them where torch and the family are installed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlff.errors import needing

if TYPE_CHECKING:
    from pytest_mlff.potentials.adapters import LoadOptions
    from pytest_mlff.potentials.detect import FileKind
    from pytest_mlff.potentials.protocol import Potential


@dataclass(frozen=True)
class NetworkAdapter:
    """Opens what :func:`~pytest_mlff.potentials.families.network_files.save_network` wrote."""

    family: str = "network"
    extra: str = ""

    def recognises(self, kind: FileKind) -> bool:
        """Whether it is such a file."""
        return kind.family == self.family

    def load(self, kind: FileKind, options: LoadOptions) -> Potential:
        """Open a file; see :class:`~pytest_mlff.potentials.adapters.Adapter`."""
        with needing("a file of a network", "torch", "nequip"):
            from pytest_mlff.potentials.families.network_files import open_network
        return open_network(kind.path, options)
