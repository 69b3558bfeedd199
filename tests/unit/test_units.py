"""Numbers as they are written for people."""

from __future__ import annotations

import pytest

from pytest_mlff.units import percent, two_digits


@pytest.mark.parametrize(
    "value, text",
    [
        (0.0, "0"), (0.0123, "0.012"), (0.9, "0.9"), (6.44, "6.4"), (99.4, "99"), (99.6, "100"),
        (158.3, "160"), (-158.3, "-160"), (84210.0, "84000"), (999_999.0, "1e+06"),
        (3.2e7, "3.2e+07"), (1.2e-7, "1.2e-07"), (float("inf"), "inf"), (float("nan"), "nan"),
    ],
)  # fmt: skip
def test_two_digits(value: float, text: str) -> None:
    assert two_digits(value) == text
    if value == value and abs(value) < float("inf") and value:
        assert float(text) == pytest.approx(value, rel=0.05)


@pytest.mark.parametrize(
    "share, text",
    [
        (0.0, "+0.0 %"), (-0.0, "+0.0 %"), (-1e-16, "+0.0 %"), (-0.0004, "+0.0 %"),
        (-0.0006, "-0.1 %"), (0.031, "+3.1 %"), (47.51, "+4751.0 %"), (-0.5, "-50.0 %"),
    ],
)  # fmt: skip
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text
