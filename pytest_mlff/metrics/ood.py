"""How many times larger an error is outside of the distribution that was trained on.

``ood_ratio`` = e_out / e_in, of one error metric (option ``of``, else ``force_mae``): e_out over
the test frames, e_in over the set ``in_distribution`` of the spec, by the same model. 1 says that
it does no worse outside. The two sets are independent, so by the delta method the logarithm of the
ratio has the variance (s_out / e_out)² + (s_in / e_in)²; its interval is Student's, with degrees
of freedom after Welch (Biometrika 1947, 34, 28), and is given as a ratio again.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_mlff.errors import MlffError, NotSupportedError
from pytest_mlff.metrics.errors import measure
from pytest_mlff.metrics.measurement import Measurement
from pytest_mlff.metrics.registry import metrics
from pytest_mlff.statistics.interval import FEWEST_DOF, student_quantile

if TYPE_CHECKING:
    from pytest_mlff.metrics.inputs import Inputs

IN_DISTRIBUTION = "in_distribution"
"""Name of the set of frames in a spec that the test frames are held against."""


def ratio_of(outside: Measurement, inside: Measurement, level: float = 0.95) -> Measurement:
    """Ratio of two errors over independent frames, with its interval.

    Parameters
    ----------
    outside, inside : Measurement
        Of the same metric.
    level : float
        Coverage of the interval.

    Raises
    ------
    NotSupportedError
        If there is no error inside to be held against.
    """
    counted = outside.n_frames + inside.n_frames, outside.n_atoms + inside.n_atoms
    told: dict[str, float | int | str] = {
        "out_of_distribution": outside.value,
        "in_distribution": inside.value,
        "in_distribution_frames": inside.n_frames,
    }
    if not (math.isfinite(outside.value) and math.isfinite(inside.value)):
        bad = outside.nonfinite_frames + inside.nonfinite_frames
        return Measurement(math.nan, "1", *counted, evidence={**told, "nonfinite_frames": bad})
    if inside.value == 0.0:
        raise NotSupportedError(
            "the error in distribution is 0, so no ratio to it says anything; ood_ratio is for "
            "models that err"
        )
    ratio = outside.value / inside.value
    parts = [(one, one.evidence.get("standard_error")) for one in (outside, inside)]
    if ratio == 0.0 or any(error is None for _, error in parts):
        why = "too few independent frames for an interval"
        return Measurement(ratio, "1", *counted, evidence={**told, "undecided": why})
    squares = [(float(error or 0.0) / one.value) ** 2 for one, error in parts]
    total = sum(squares)
    freedoms = [float(one.evidence.get("dof", math.inf)) for one in (outside, inside)]
    spread = sum(square**2 / dof for square, dof in zip(squares, freedoms, strict=True))
    dof = total**2 / spread if spread > 0.0 else math.inf
    if dof < FEWEST_DOF:
        why = "too few independent frames for an interval"
        return Measurement(ratio, "1", *counted, evidence={**told, "undecided": why})
    factor = math.exp(student_quantile(dof, 0.5 + level / 2.0) * math.sqrt(total))
    return Measurement(
        ratio,
        "1",
        *counted,
        ci_low=ratio / factor,
        ci_high=ratio * factor,
        evidence={**told, "standard_error": ratio * math.sqrt(total)}
        | ({"dof": dof} if math.isfinite(dof) else {}),
    )


def ood_ratio(inputs: Inputs) -> Measurement:
    """Measure a case.

    Raises
    ------
    MlffError
        If the option ``of`` names no error metric.
    """
    of = str(inputs.options.get("of", "force_mae"))
    known = [name for name, one in metrics("metric").items() if one.labels and one.of_frames]
    errors = [name for name in known if name.endswith(("_mae", "_rmse"))]
    if of not in errors:
        raise MlffError(f"ood_ratio: of: {of!r} is no error ({', '.join(errors)})")
    frames, prediction = inputs.set_of(IN_DISTRIBUTION)
    inside = measure(of, frames, prediction, inputs.species)
    return ratio_of(measure(of, inputs.frames, inputs.prediction, inputs.species), inside)
