"""Reports whose every string tries to become markup, script or template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_mlff.reports.model import Report

__all__ = ["POISONS", "poisoned"]

POISONS = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "\"><svg onload='alert(1)'>",
    "</title></style></noscript><b id=evil>",
    "{{ 7 * 7 }}{% raw %}",
    "<!--<script>",
)


def poisoned(report: Report, poison: str) -> Report:
    """The report with the poison in every string that is not one of a few fixed words."""

    def spoil(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: spoil(found, name) for name, found in value.items()}
        if isinstance(value, list):
            return [spoil(found, key) for found in value]
        if isinstance(value, str) and key != "verdict":
            return value + poison
        return value

    content = spoil(report.model_dump())
    for case in content["cases"]:
        case["evidence"] = {**case["evidence"], poison: poison, "__proto__": poison}
        case["detail"] = poison
    for variant in content["variants"]:
        variant["axes"][poison] = poison
    for name in ("versions", "platform", "spec_digests"):
        content["run"][name][poison] = poison
    return type(report).model_validate(content)
