"""Checks of a variant's data, each done once and shared through the store."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pytest_mlff import __version__
from pytest_mlff.errors import NotSupportedError
from pytest_mlff.metrics.registry import metric_named
from pytest_mlff.products import JSON, Product, once
from pytest_mlff.store import digest_of

if TYPE_CHECKING:
    from pytest_mlff.datasets.integrity import IntegrityResult
    from pytest_mlff.datasets.splits import FrameSets
    from pytest_mlff.store import Store

_KIND = "integrity"


class Soundness:
    """Results of data checks, kept in the store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._known: dict[str, IntegrityResult | NotSupportedError] = {}

    def check(self, name: str, sets: FrameSets) -> IntegrityResult:
        """Do a check on the frames of a variant, or take its result from an earlier variant or run.

        Raises
        ------
        NotSupportedError
            If the data cannot tell.
        MlffError
            If there is no such check.
        """
        key = self._key(name, sets)
        digest = digest_of(key)
        if digest not in self._known:
            form = JSON.of(_plain, _back)
            product = Product(_KIND, key, form, make=lambda: _done(name, sets))
            self._known[digest] = once(self.store, product)
        found = self._known[digest]
        if isinstance(found, NotSupportedError):
            raise found
        return found

    def _key(self, name: str, sets: FrameSets) -> dict[str, Any]:
        named = sets.named
        key: dict[str, Any] = {
            "check": name,
            "layout": 2,
            "version": __version__,
            "datasets": {
                molecule: sorted(
                    {
                        one.datasets[molecule].digest
                        for one in named.values()
                        if molecule in one.datasets
                    }
                )
                for molecule in {name for one in named.values() for name in one.datasets}
            },
        }
        # What judges whole datasets is shared by the variants on them.
        if "datasets" not in metric_named(name).needs:
            key["frames"] = {
                role: {
                    molecule: hashlib.sha256(positions.tobytes()).hexdigest()
                    for molecule, positions in one.indices.items()
                }
                for role, one in named.items()
            }
        return key


def _done(name: str, sets: FrameSets) -> IntegrityResult | NotSupportedError:
    from pytest_mlff.datasets.integrity import check_integrity

    try:
        return check_integrity(name, sets)
    except NotSupportedError as error:
        return error


def _plain(found: IntegrityResult | NotSupportedError) -> Mapping[str, Any]:
    return {"unsupported": str(found)} if isinstance(found, NotSupportedError) else asdict(found)


def _back(value: Mapping[str, Any]) -> IntegrityResult | NotSupportedError:
    from pytest_mlff.datasets.integrity import IntegrityResult

    if "unsupported" in value:
        return NotSupportedError(str(value["unsupported"]))
    frames = tuple((str(molecule), int(number)) for molecule, number in value["frames"])
    return IntegrityResult(**{**value, "frames": frames})
