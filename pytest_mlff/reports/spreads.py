"""Counts of predictions against references of many cases, added up for each spec and model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pytest_mlff.metrics.registry import metric_named
from pytest_mlff.reports.model import SpreadRecord

if TYPE_CHECKING:
    from pytest_mlff.reports.model import CaseRecord


def spreads_of(
    records: Iterable[CaseRecord], counts: Mapping[str, dict[str, Any]]
) -> list[SpreadRecord]:
    """Add up what cases counted (by node id), each variant once whichever metrics it has."""
    parts: dict[tuple[Any, ...], dict[str, dict[str, Any]]] = {}
    for case in records:
        if case.model is None or case.nodeid not in counts:
            continue
        quantity = str(metric_named(case.metric).labels)
        key = (case.model, case.suite, case.spec, quantity, case.species, case.group)
        parts.setdefault(key, {})[case.variant] = counts[case.nodeid]
    names = ("model", "suite", "spec", "quantity", "species", "group")
    return [
        SpreadRecord(**dict(zip(names, key, strict=True)), **_added(list(found.values())))
        for key, found in parts.items()
    ]


def _added(parts: list[dict[str, Any]]) -> dict[str, Any]:
    from pytest_mlff.metrics.spread import HALF

    reach = max(part["reach"] for part in parts)
    parity: Counter[tuple[int, int]] = Counter()
    sizes: Counter[tuple[int, int]] = Counter()
    for part in parts:
        # A grid of half the reach lies within the other, two cells in one.
        finer = reach - part["reach"]
        for column, row, count in part["parity"]:
            parity[((column - HALF) >> finer) + HALF, ((row - HALF) >> finer) + HALF] += count
        for column, row, count in part["sizes"]:
            sizes[column, row] += count
    return {
        "variants": len(parts),
        "reach": reach,
        "parity": [[*place, count] for place, count in sorted(parity.items())],
        "sizes": [[*place, count] for place, count in sorted(sizes.items())],
    }
