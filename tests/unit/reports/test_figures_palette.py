"""Colours that can be told apart and read, and axes whose ticks suffice."""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest

from pytest_mlff.reports.figures.palette import (
    DARK,
    LIGHT,
    SCALE,
    colour,
    contrasting,
    scale_colour,
)
from pytest_mlff.reports.figures.scales import count_axis, limits, log_ticks, short, tick_labels


def luminance(tint: str) -> float:
    channels = [int(tint[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_marks_and_text_can_be_read(theme) -> None:
    assert contrast(theme.text, theme.background) > 7
    assert contrast(colour("limit", theme), theme.background) > 4.5
    roles = [*(f"series-{k}" for k in range(6)), *(f"species-{s}" for s in "CHON"), "all",
             "passed", "failed", "regressed"]  # fmt: skip
    for role in roles:
        # WCAG 2.1, 1.4.11: graphics need 3:1.
        assert contrast(colour(role, theme), theme.background) >= 3, role


def test_the_scale_falls_in_lightness() -> None:
    steps = [luminance(scale_colour(k / 50)) for k in range(51)]
    assert all(a > b for a, b in itertools.pairwise(steps))
    assert (scale_colour(0.0), scale_colour(1.0)) == (SCALE[0], SCALE[-1])
    for k in range(51):
        tint = scale_colour(k / 50)
        assert contrast(contrasting(tint), tint) >= 4.5


def test_an_unknown_element_keeps_its_colour() -> None:
    assert colour("species-Fe") == colour("species-Fe")
    assert re.fullmatch("#[0-9a-f]{6}", colour("species-Xe", DARK))


@pytest.mark.parametrize(
    "value, text",
    [(38.24, "38.2"), (0.98512, "0.985"), (1627.3, "1627"), (0, "0"), (4.0, "4.00"),
     (1.23e-5, "1.23e-05"), (2.5e7, "2.5e+07")],
)  # fmt: skip
def test_short(value: float, text: str) -> None:
    assert short(value) == text


@pytest.mark.parametrize("low, high", [(10, 140), (0.5, 6), (12, 14), (1, 1e6), (37, 71),
                                       (33000, 36000), (2.5301, 2.5309)])  # fmt: skip
def test_log_ticks_lie_within_and_suffice(low: float, high: float) -> None:
    ticks = log_ticks(low, high)
    assert list(ticks) == sorted(set(ticks))
    assert all(low <= tick <= high for tick in ticks)
    assert 2 <= len(ticks) <= 12
    assert log_ticks(10, 140) == (10.0, 20.0, 50.0, 100.0)


def test_limits_hold_all_values() -> None:
    assert limits([], log=False) is None
    assert limits([None, -1.0], log=True) is None
    low, high = limits([3.0, None, 300.0], log=True) or (0, 0)
    assert 2 < low < 3
    assert 300 < high < 500
    low, high = limits([5.0], log=False) or (0, 0)
    assert low < 5 < high


def test_spaced_keeps_the_ends() -> None:
    kept = count_axis("x", "", [200, 400, 600, 800, 1000, 15000, 50000], most=9).ticks
    assert (kept[0], kept[-1]) == (200, 50000)
    gaps = [math.log10(b / a) for a, b in itertools.pairwise(kept)]
    assert min(gaps) >= math.log10(50000 / 200) / 9
    assert count_axis("x", "", [5.0], most=9).ticks == (5.0,)


def test_powers_of_ten_are_written_as_such() -> None:
    assert tick_labels(log_ticks(3e-4, 2e3)) == ("10⁻³", "10⁻¹", "10¹", "10³")
    assert tick_labels(log_ticks(0.5, 200)) == ("10⁰", "10¹", "10²")
    assert tick_labels((20.0, 50.0, 100.0)) == ("20", "50", "100")


def lab(text: str) -> tuple[float, float, float]:
    """CIELAB of a colour, D65."""
    parts = [int(text[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    rgb = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    mixed = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(mixed @ rgb / [0.95047, 1.0, 1.08883])
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_no_model_has_the_colour_of_a_verdict(theme) -> None:
    verdicts = ("passed", "failed", "regressed", "undecided", "reported")
    for k, verdict in itertools.product(range(6), verdicts):
        apart = math.dist(lab(colour(f"series-{k}", theme)), lab(colour(verdict, theme)))
        assert apart > 20, (k, verdict)  # 2.3 can just be told apart, side by side
