"""Many cases of one spec judged together: Holm's correction for multiple tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlff.statistics.paired import ALPHA, PairedComparison

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Regression", "holm", "judge_regressions"]


def holm(p_values: Sequence[float], tests: int = 0) -> list[float]:
    """Adjust p values for their number (Holm, Scand. J. Stat. 1979, 6, 65).

    The k-th smallest of m is multiplied by m - k + 1 and made monotone; rejecting where
    the result is ≤ α keeps the probability of any false alarm among them ≤ α, however
    the tests depend on each other.

    Parameters
    ----------
    p_values : sequence of float
    tests : int
        Size m of the family, if more tests belong to it than have a p value: those that
        are missing then count as p = 1.
    """
    m = max(tests, len(p_values))
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (m - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


@dataclass(frozen=True)
class Regression:
    """What is said of one case against its baseline.

    Attributes
    ----------
    regressed : bool or None
        None where undecided; ``reason`` says why.
    change : float or None
        Relative difference, current / baseline - 1.
    lower, upper : float or None
        One-sided bounds of it, at the level that Holm's correction leaves to this case.
    p, p_adjusted : float or None
        Of "not worse than the margin", of this case alone and adjusted for the family.
    minimum_detectable : float or None
        Smallest true worsening that would have been seen with 80 % probability, had this
        case been the only one to worsen.
    frames_needed : int
        Frames from which on the case can be decided.
    reason : str
        One line.
    """

    regressed: bool | None
    change: float | None
    lower: float | None
    upper: float | None
    p: float | None
    p_adjusted: float | None
    minimum_detectable: float | None
    frames_needed: int
    reason: str


def judge_regressions(
    comparisons: Mapping[str, PairedComparison], *, alpha: float = ALPHA, tests: int = 0
) -> dict[str, Regression]:
    """Judge the cases of one family, by default those of one spec.

    Cases of which nothing can be said make no claim. They take no share of ``alpha``, unless
    the size of the family was fixed beforehand with ``tests``. Where frames are too few for
    an interval, a gross worsening is a regression all the same, and anything else undecided.

    Parameters
    ----------
    comparisons : mapping of case id to PairedComparison
    alpha : float
        Probability of any false alarm in the family.
    tests : int
        Size of the family if ``comparisons`` is a part of it. A single case is then judged
        at ``alpha / tests``, the first step of Holm's procedure: whether *any* case of the
        family is rejected does not depend on the parts it was judged in.
    """
    tested = {name: one.p_worse for name, one in comparisons.items() if one.p_worse is not None}
    names = list(tested)
    size = max(tests, len(names))
    adjusted = dict(
        zip(names, holm([float(tested[name] or 0.0) for name in names], tests), strict=True)
    )
    rejected = sorted((name for name in names if adjusted[name] <= alpha), key=tested.__getitem__)
    level = {name: alpha / (size - rank) for rank, name in enumerate(rejected)}
    rest = alpha / max(1, size - len(rejected))
    found: dict[str, Regression] = {}
    for name, one in comparisons.items():
        regressed = name in adjusted and adjusted[name] <= alpha
        if name not in adjusted or (one.too_short and not regressed):
            reason = f"undecided: {one.undecided or one.too_short}"
            found[name] = Regression(
                None, one.change, None, None, None, None, None, one.frames_needed, reason
            )
            continue
        lower, upper = one.bounds(level.get(name, rest))
        detectable = one.minimum_detectable(alpha / size)
        found[name] = Regression(
            regressed=regressed,
            change=one.change,
            lower=lower,
            upper=upper,
            p=one.p_worse,
            p_adjusted=adjusted[name],
            minimum_detectable=detectable,
            frames_needed=one.frames_needed,
            reason=_line(one, regressed, lower, detectable),
        )
    return found


def _line(
    one: PairedComparison, regressed: bool, lower: float | None, detectable: float | None
) -> str:
    """The sentence of a decided case."""
    change = "unknown" if one.change is None else f"{one.change:+.1%}"
    if regressed:
        least = "" if lower is None else f", at least {lower:+.1%}"
        return f"worse than the baseline by {change}{least}; {one.margin:.1%} is tolerated"
    seen = "" if detectable is None else f"; a worsening of {detectable:.1%} would have been seen"
    return f"{change} against the baseline{seen}"
