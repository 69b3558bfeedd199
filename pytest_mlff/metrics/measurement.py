"""A measured value, what stands behind it, and the frames it was taken from."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from pytest_mlff.statistics.evidence import FrameSeries

__all__ = ["Measurement", "measurement_of"]


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
        Further plain facts: ``correlation_time_frames``, ``dof``, ``standard_error``,
        ``frames_needed``, ``worst_frame``, ``undecided``, ``rough_half_width`` …
    series : FrameSeries or None
        The per-frame series, for paired comparison.
    """

    value: float
    unit: str
    n_frames: int
    n_atoms: int
    ci_low: float | None = None
    ci_high: float | None = None
    evidence: Mapping[str, float | int | str] = field(default_factory=dict)
    series: FrameSeries | None = field(default=None, repr=False, compare=False)

    @property
    def nonfinite_frames(self) -> int:
        """Frames for which the model gave NaN or infinity."""
        return int(self.evidence.get("nonfinite_frames", 0))

    def of_labelled(self, indices: NDArray[np.int64], n_frames: int, quantity: str) -> Measurement:
        """The same with frames counted in a test set of which only ``indices`` have labels."""
        evidence = dict(self.evidence)
        for key in ("worst_frame", "first_nonfinite_frame"):
            if key in evidence:
                evidence[key] = int(indices[int(evidence[key])])
        evidence["labelled"] = (
            f"{quantity} measured on the {len(indices)} of {n_frames} frames that have them"
        )
        series = self.series
        if series is not None:
            series = replace(series, order=indices[series.order])
        return replace(self, evidence=evidence, series=series)


def measurement_of(series: FrameSeries, unit: str, n_atoms: int) -> Measurement:
    """Value, interval and evidence of a per-frame series.

    Parameters
    ----------
    series : FrameSeries
        Finite.
    unit : str
    n_atoms : int
        Atoms behind the value, over all frames.
    """
    interval = series.interval()
    evidence: dict[str, float | int | str] = {
        "correlation_time_frames": interval.correlation_time,
        "frames_needed": interval.frames_needed,
        "worst_frame": series.worst_frame,
        "worst_frame_value": float(series.per_frame.max()),
    }
    if interval.standard_error is None:
        evidence["undecided"] = (
            f"{interval.n_frames} frames are too few for an interval at a correlation time of "
            f"{interval.correlation_time:.3g} frames: about {interval.frames_needed} are needed"
        )
        if interval.rough_half_width is not None:
            evidence["rough_half_width"] = interval.rough_half_width
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
