"""The address of a process that loads a model is good for the first model alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_mlff.run.models import Models
from pytest_mlff.run.options import Located, Options
from pytest_mlff.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_second_model_is_not_taken_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By then the first model may listen at it, and would answer for the one it is held against."""
    (tmp_path / "models.py").write_text("def one(): pass\ndef two(): pass\n")
    sources = [Located(f"models.py:{name}", tmp_path) for name in ("one", "two")]
    seen: dict[str, str | None] = {}

    def opened(source: str, *, offered: str | None, **_more: Any) -> object:
        seen[source] = offered
        return object()

    monkeypatch.setattr("pytest_mlff.potentials.process.open_potential", opened)
    models = Models(
        Options(tuple(sources), (), tmp_path / "store"),
        Store(tmp_path / "store"),
        lambda *_: None,  # type: ignore[arg-type, return-value]
    )
    models.offered = "an address"
    for source in sources:
        models.potential(source)
    assert seen == {"models.py:one": "an address", "models.py:two": None}
