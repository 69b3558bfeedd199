"""``--mlff-store``: a second run predicts nothing, a damaged entry is computed again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.repos import SPEC, model_repo, read_json, run_case

if TYPE_CHECKING:
    from pathlib import Path

    from pytest import Pytester

EASY = SPEC.replace("max: 5,", "max: 1.0e9,").replace("max: 0.5,", "max: 1.0e9,")


def _passes(store: Path) -> dict[Path, tuple[int, int]]:
    """Stored prediction passes with inode and size."""
    found = sorted(store.glob("predictions/*/*.npz"))
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


def _values(root: Path) -> list[float]:
    return [case["value"] for case in read_json(root / "report.json")["cases"]]


def test_one_pass_serves_all_cases_and_later_runs(pytester: Pytester, tiny_demo: str) -> None:
    root = model_repo(pytester, EASY)
    assert run_case(pytester, "--mlff-store=kept", model=tiny_demo).ret == 0
    first, values = _passes(root / "kept"), _values(root)
    assert len(first) == 1
    assert run_case(pytester, "--mlff-store=kept", model=tiny_demo).ret == 0
    assert _passes(root / "kept") == first
    assert _values(root) == values
    assert not (root / ".mlff-store").exists()


def test_a_damaged_pass_is_computed_again(pytester: Pytester, tiny_demo: str) -> None:
    root = model_repo(pytester, EASY)
    run_case(pytester, model=tiny_demo)
    values = _values(root)
    (path,) = _passes(root / ".mlff-store")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert run_case(pytester, model=tiny_demo).ret == 0
    assert path.stat().st_size == len(content)
    assert _values(root) == values


def test_another_precision_is_another_pass(pytester: Pytester, tiny_demo: str) -> None:
    root = model_repo(pytester, EASY)
    run_case(pytester, model=tiny_demo)
    run_case(pytester, "--mlff-dtype=float64", model=tiny_demo)
    assert len(_passes(root / ".mlff-store")) == 2
    assert read_json(root / "report.json")["models"][0]["dtype"] == "float64"


def test_a_factorys_answers_are_not_kept(pytester: Pytester) -> None:
    root = model_repo(pytester)
    run_case(pytester)
    assert _passes(root / ".mlff-store") == {}


def test_a_store_that_cannot_be_written_is_said(pytester: Pytester, tiny_demo: str) -> None:
    root = model_repo(pytester, EASY)
    (root / "file").write_text("")
    result = run_case(pytester, "--mlff-store=file", model=tiny_demo)
    assert result.ret == 1
    reasons = {case["reason"] for case in read_json(root / "report.json")["cases"]}
    assert len(reasons) == 1
    assert "--mlff-store" in reasons.pop()
