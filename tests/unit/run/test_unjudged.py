"""Which runs may not end green, since accuracy was left open for the level's sake."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pytest_mlff.run.unjudged import UNKNOWN, models_left_open


def _record(verdict: str, level: str | None = None, **more: Any) -> Any:
    evidence = {} if level is None else {"level": level}
    fields = {"metric": "force_mae", "model": "m", "verdict": verdict, "evidence": evidence}
    return SimpleNamespace(**(fields | more))


PASS = _record("passed")
LAW = _record("passed", metric="rotation")


@pytest.mark.parametrize(
    "records, own, expected",
    [
        ([PASS, LAW], False, []),
        ([_record("reported"), LAW], False, []),  # without a threshold: nobody asked
        # One molecule an electronvolt off, the others right: a broken model, not another level.
        ([_record("reported", UNKNOWN), PASS], False, ["m"]),
        ([_record("reported", "PBE"), LAW], False, ["m"]),
        ([_record("reported", "PBE"), PASS], False, []),
        ([_record("reported", "PBE"), _record("undecided")], False, []),
        ([_record("reported", "PBE"), _record("error")], False, ["m"]),
        ([_record("reported", "PBE"), _record("passed", model="other")], False, ["m"]),
        ([_record("reported", "PBE"), PASS], True, ["m"]),
    ],
)
def test_accuracy_left_open_is_named(records: list[Any], own: bool, expected: list[str]) -> None:
    known = {str(index): record for index, record in enumerate(records)}
    planned: Any = dict.fromkeys(known, SimpleNamespace(on_own_data=own))
    assert models_left_open(known, planned) == expected
