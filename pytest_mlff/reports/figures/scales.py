"""Numbers as text, and how far axes reach."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pytest_mlff.reports.figures.description import Axis, ColourScale
from pytest_mlff.units import two_digits

if TYPE_CHECKING:
    from pytest_mlff.reports.model import CaseRecord

_LOG_MARGIN = 0.06
_MARGIN = 0.07
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def short(value: float) -> str:
    """Three significant digits without an exponent where that is possible."""
    if value == 0 or not 1e-3 <= abs(value) < 1e6:
        return f"{value:.3g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}"


def rough_of(case: CaseRecord) -> float | None:
    """Half the width that is to be expected of an undecided interval; None where there is none."""
    rough = case.evidence.get("rough_half_width")
    return float(rough) if isinstance(rough, int | float) else None


def ends_of(case: CaseRecord) -> tuple[float | None, float | None]:
    """Ends of what is drawn around a value: its interval, or the rough one in its place."""
    rough = rough_of(case)
    if case.value is None or rough is None:
        return case.ci_low, case.ci_high
    return case.value - rough, case.value + rough


def with_interval(case: CaseRecord) -> str:
    """``38.2 (37.1–39.5)``; undecided ``38.2 (±~1.2)`` or ``38.2 (±?)``; ``–`` without value."""
    if case.value is None:
        return "–"
    if case.ci_low is None or case.ci_high is None:
        rough = rough_of(case)
        told = "?" if rough is None else f"~{two_digits(rough)}"
        return f"{short(case.value)} (±{told})"
    return f"{short(case.value)} ({short(case.ci_low)}–{short(case.ci_high)})"


def limits(values: Iterable[float | None], *, log: bool) -> tuple[float, float] | None:
    """Axis limits with a margin; on a log axis, only what is positive counts."""
    found = [v for v in values if v is not None and (v > 0 or not log)]
    if not found:
        return None
    low, high = min(found), max(found)
    if log:
        room = max(_LOG_MARGIN * math.log10(high / low), 0.05)
        return low / 10**room, high * 10**room
    room = _MARGIN * (high - low) or _MARGIN * abs(high) or 1.0
    return low - room, high + room


def colour_scale(label: str, unit: str, values: Sequence[float]) -> ColourScale:
    """Scale over the values; logarithmic if they span more than a factor of three."""
    low, high = min(values), max(values)
    if low == high:
        low, high = low - abs(low) * 0.05 - 1e-12, high + abs(high) * 0.05 + 1e-12
    return ColourScale(label, unit, low, high, log=low > 0 and high > 3 * low)


def fraction(scale: ColourScale, value: float) -> float:
    """Place of a value on the scale, 0 to 1."""
    low, high = scale.low, scale.high
    if scale.log:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def colour_ticks(scale: ColourScale) -> tuple[float, ...]:
    """Ticks of a logarithmic scale; empty for a linear one, where the renderer's are fine."""
    return log_ticks(scale.low, scale.high) if scale.log else ()


def ordered_roles(count: int) -> list[str]:
    """Roles of ``count`` classes that have an order."""
    return [f"step-{round(100 * k / max(count - 1, 1))}" for k in range(count)]


def log_ticks(low: float, high: float) -> tuple[float, ...]:
    """Round values within [low, high] for a logarithmic axis, three to six if that is possible.

    Decades if they suffice, every second or third where they are many, otherwise 1-2-5,
    otherwise finer steps; evenly spaced ones where not even these lie within.
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    found: tuple[float, ...] = ()
    fine = (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)
    for steps in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), fine):
        found = tuple(
            value
            for power in range(first, last + 1)
            for step in steps
            if low <= (value := float(f"{step}e{power}")) <= high
        )
        if len(found) >= 3:
            break
    if len(found) < 2 and high > low:
        step = 10.0 ** math.floor(math.log10(high - low))
        ends = math.ceil(low / step), math.floor(high / step)
        found = tuple(float(f"{n * step:.12g}") for n in range(ends[0], ends[1] + 1))
    return found[:: max(1, -(-len(found) // 6))]


def tick_labels(ticks: Sequence[float]) -> tuple[str, ...]:
    """Powers of ten as such where the ticks are nothing else, plain numbers otherwise."""
    powers = [round(math.log10(tick)) for tick in ticks]
    if len(ticks) < 3 or any(
        tick != float(f"1e{p}") for tick, p in zip(ticks, powers, strict=True)
    ):
        return tuple(f"{tick:.12g}" for tick in ticks)
    return tuple("10" + str(power).translate(_RAISED) for power in powers)


def _spaced(values: Sequence[float], most: int) -> tuple[float, ...]:
    """Those of the values that ``most`` labels side by side leave room for, the ends kept first."""
    ordered = sorted(set(values))
    if len(ordered) < 3:
        return tuple(ordered)
    at = [math.log10(v) for v in ordered]
    room = (at[-1] - at[0]) / most
    kept = [0]
    for index in range(1, len(ordered) - 1):
        if at[index] - at[kept[-1]] >= room and at[-1] - at[index] >= room:
            kept.append(index)
    return tuple(ordered[index] for index in [*kept, len(ordered) - 1])


def count_axis(label: str, unit: str, counts: Sequence[float], *, most: int) -> Axis:
    """Logarithmic axis of whole numbers, labelled where they are as far as there is room."""
    ticks = _spaced(counts, most)
    return Axis(
        label, unit, True, limits(counts, log=True), ticks, tuple(f"{t:.0f}" for t in ticks)
    )


def group_axis(label: str, unit: str, names: Sequence[str]) -> Axis:
    """Axis of groups side by side, one apart."""
    ticks = tuple(float(k) for k in range(len(names)))
    return Axis(label, unit, False, (-0.5, len(names) - 0.5), ticks, tuple(names), grouped=True)


def value_axis(label: str, unit: str, values: Iterable[float | None], *, log: bool) -> Axis:
    """Axis of measured values; falls back to a linear one where a value is not positive."""
    found = [v for v in values if v is not None]
    log = log and all(v > 0 for v in found)
    reach = limits(found, log=log)
    if not log or reach is None:
        return Axis(label, unit, log=log, limits=reach)
    ticks = log_ticks(*reach)
    return Axis(label, unit, True, reach, ticks, tick_labels(ticks))
