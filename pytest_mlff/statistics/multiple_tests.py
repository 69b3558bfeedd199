"""Many cases of one spec judged together: Holm's correction for multiple tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_mlff.statistics.paired import ALPHA, PairedComparison


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


Word = Literal["worse", "better", "same", "undecided"]
"""What is said of a case against its baseline."""


@dataclass(frozen=True)
class Regression:
    """What is said of one case against its baseline, read off one interval.

    Attributes
    ----------
    word : str
        ``worse``: the interval of the worsening lies above the margin. ``better``: it lies below
        zero. ``same``: it ends within the margin, so the model is not worse by more than that.
        ``undecided``: anything else.
    change : float or None
        Relative difference, current / baseline - 1.
    lower, upper : float or None
        One-sided bounds of it, at the level that Holm's correction leaves to this case.
    p, p_adjusted : float or None
        Of "not worse than the margin", of this case alone and adjusted for the family.
    minimum_detectable : float or None
        Smallest true worsening that would have been seen with 80 % probability, had this
        case been the only one to worsen.
    reason : str
        One line.
    larger_is_better : bool
        Direction of the metric.
    """

    word: Word
    change: float | None
    lower: float | None
    upper: float | None
    p: float | None
    p_adjusted: float | None
    minimum_detectable: float | None
    reason: str
    larger_is_better: bool = False

    @property
    def worsening(self) -> float | None:
        """`change` in the direction that is worse."""
        if self.change is None:
            return None
        return -self.change if self.larger_is_better else self.change

    @property
    def regressed(self) -> bool | None:
        """Whether it is worse; None where undecided."""
        return None if self.word == "undecided" else self.word == "worse"


def judge_regressions(
    comparisons: Mapping[str, PairedComparison], *, alpha: float = ALPHA, tests: int = 0
) -> dict[str, Regression]:
    """Judge the cases of one family, by default those of one spec.

    Cases of which nothing can be said make no claim. They take no share of ``alpha``, unless
    the size of the family was fixed beforehand with ``tests``.

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
        if one.undecided:
            reason = f"undecided against the baseline: {one.undecided}"
            found[name] = Regression(
                "undecided", one.change, None, None, None, None, None, reason, one.larger_is_better
            )
            continue
        lower, upper = one.bounds(level.get(name, rest))
        word = _word(name in level, one.worst(level.get(name, rest)), one.margin)
        detectable = one.minimum_detectable(alpha / size)
        found[name] = Regression(
            word=word,
            change=one.change,
            lower=lower,
            upper=upper,
            p=one.p_worse,
            p_adjusted=adjusted[name],
            minimum_detectable=detectable,
            reason=_line(word, one, lower, upper, detectable),
            larger_is_better=one.larger_is_better,
        )
    return found


def _word(worse: bool, worst: float | None, margin: float) -> Word:
    if worse:
        return "worse"
    if worst is None or worst > margin:
        return "undecided"
    return "better" if worst < 0.0 else "same"


def _line(
    word: Word,
    one: PairedComparison,
    lower: float | None,
    upper: float | None,
    detectable: float | None,
) -> str:
    """The sentence of a case that was compared."""
    change = "unknown" if one.change is None else f"{one.change:+.1%}"
    ends = "no bound" if lower is None or upper is None else f"{lower:+.1%} to {upper:+.1%}"
    told = f"{change} ({ends})"
    if word == "worse":
        return f"worse than the baseline by {told}, {one.margin:.1%} is tolerated"
    if word == "better":
        return f"better than the baseline: {told}"
    if word == "same":
        return f"same as the baseline: {told}, within {one.margin:.1%}"
    sign = "-" if one.larger_is_better else "+"
    seen = (
        "" if detectable is None else f"; only {sign}{detectable:.1%} would surely have been seen"
    )
    return f"undecided against the baseline: {told}{seen}"
