"""Identity of models: versions of libraries."""

from __future__ import annotations


def installed_versions(*distributions: str) -> dict[str, str]:
    """Versions of those distributions that are installed."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in distributions:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
