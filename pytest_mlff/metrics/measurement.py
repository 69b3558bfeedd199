"""A measured value, what stands behind it, and the frames it was taken from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pytest_mlff.metrics.pictures import Shown
from pytest_mlff.statistics.evidence import FrameSeries, Pooled
from pytest_mlff.statistics.interval import FEWEST_DOF, FEWEST_FRAMES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_mlff.statistics.evidence import Evidence


@dataclass(frozen=True)
class Measurement:
    """A value with its unit and what it rests on.

    Attributes
    ----------
    value : float
        NaN where the model's output was not finite (see `nonfinite_frames`).
    unit : str
    n_frames, n_atoms : int
        Frames and atoms behind the value.
    ci_low, ci_high : float or None
        95 % confidence interval; None where the series is too short to tell.
    evidence : mapping
        Further plain facts: ``dof``, ``standard_error``,
        ``worst_frame``, ``undecided`` …
    series : FrameSeries, Replicates, Pooled or None
        The evidence, for paired comparison.
    reason : str
        The line that explains the value; empty where the value speaks for itself.
    detail : str
        Several lines for whoever has to fix it.
    counterexample : Counterexample or None
        The smallest structure that breaks a law.
    shown : Shown
        Curves and the like, for figures.
    """

    value: float
    unit: str
    n_frames: int
    n_atoms: int
    ci_low: float | None = None
    ci_high: float | None = None
    evidence: Mapping[str, float | int | str] = field(default_factory=dict)
    series: Evidence | None = field(default=None, repr=False, compare=False)
    reason: str = ""
    detail: str = ""
    counterexample: Any = field(default=None, repr=False, compare=False)
    shown: Shown = field(default=Shown(), repr=False, compare=False)

    @property
    def nonfinite_frames(self) -> int:
        """Frames for which the model gave NaN or infinity."""
        return int(self.evidence.get("nonfinite_frames", 0))

    def at(self, indices: NDArray[np.int64]) -> Measurement:
        """The same with frames counted in a test set of which it was taken at ``indices``."""
        evidence = dict(self.evidence)
        for key in ("worst_frame", "first_nonfinite_frame"):
            if key in evidence:
                evidence[key] = int(indices[int(evidence[key])])
        series = self.series
        if isinstance(series, FrameSeries):
            series = replace(series, order=indices[series.order])
        return replace(self, evidence=evidence, series=series)

    def of_labelled(self, indices: NDArray[np.int64], n_frames: int, quantity: str) -> Measurement:
        """As `at`, where only those frames have labels, which the evidence says."""
        found = self.at(indices)
        # Fewer still where the value was taken of some of these.
        count = self.n_frames if "labelled" in self.evidence else len(indices)
        told = f"{quantity} measured on the {count} of {n_frames} frames that have them"
        return replace(found, evidence={**found.evidence, "labelled": told})


def measurement_of(series: Evidence, unit: str, n_atoms: int) -> Measurement:
    """Value, interval and evidence of a per-frame series.

    Parameters
    ----------
    series : FrameSeries, Replicates or Pooled
        Finite.
    unit : str
    n_atoms : int
        Atoms behind the value, over all frames.
    """
    interval = series.interval()
    evidence: dict[str, float | int | str] = {}
    independent = not isinstance(series, FrameSeries) or series.independent
    if isinstance(series, Pooled):
        evidence["systems"] = len(series.parts)
    elif independent:
        evidence["replicas"] = interval.n
    if isinstance(series, FrameSeries):
        evidence["worst_frame"] = series.worst_frame
        evidence["worst_frame_value"] = series.worst_value
    if interval.standard_error is None:
        what, least = ("replicas", FEWEST_DOF + 1) if independent else ("frames", FEWEST_FRAMES)
        evidence["undecided"] = (
            f"{interval.n} {what} are too few for an interval: at least {least} are needed"
        )
    else:
        evidence["standard_error"] = interval.standard_error
        if math.isfinite(interval.dof):
            evidence["dof"] = interval.dof
    return Measurement(
        value=series.value,
        unit=unit,
        n_frames=len(series),
        n_atoms=n_atoms,
        ci_low=interval.ci_low,
        ci_high=interval.ci_high,
        evidence=evidence,
        series=series,
    )
