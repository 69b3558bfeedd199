"""Energies and forces belong together and are in the same units.

The energy differences of close pairs are regressed on the work of the forces between them
(:mod:`~pytest_mlff.datasets.integrity.close_pairs`); the slope must be 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.datasets.integrity.close_pairs import PairWork, pair_work
from pytest_mlff.datasets.integrity.groups import datasets_of, group_dataset
from pytest_mlff.datasets.integrity.result import IntegrityResult, in_order, name_frames, plural
from pytest_mlff.datasets.integrity.unit_factors import unit_mistake
from pytest_mlff.errors import NotSupportedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.dataset import Dataset
    from pytest_mlff.datasets.integrity.result import FrameName
    from pytest_mlff.datasets.splits import FrameSets

NEEDED = 0.235
"""Largest tolerance of the slope with which a mistake of units can be told: half of what
separates 1 from the nearest one, 0.529 (Å and Bohr)."""

_CLOSEST = 300
_FEWEST = 20
# Below this, two stored frames are one: their rounding is larger than their difference.
_DISTINCT = 1e-4
_FLOOR = 5e-4
_ERRORS = 4.0
# Correlation of trapezoid error and work that is reckoned with. It is at most 0.19 in 20 of 23
# data sets, and 0.33 in those whose frames are farthest apart, where the standard error, the
# other part of the tolerance, is large as well.
_CORRELATION = 0.25
# Scatter over expected scatter beyond which energies do not follow forces.
_SCATTER = 2.0
# Share of frames beyond which not single labels are wrong but all of them.
_SINGLE = 0.1


@dataclass(frozen=True)
class Slope:
    """Regression of energy differences on work.

    Attributes
    ----------
    slope : float
        1 where labels are consistent.
    tolerance : float
        Deviation from 1 that the data themselves allow.
    scatter : float
        Residuals over those expected from forces alone.
    n_pairs : int
        Pairs that it rests on.
    apart : float
        Median root mean square displacement of these pairs in Å.
    """

    slope: float
    tolerance: float
    scatter: float
    n_pairs: int
    apart: float

    @property
    def decided(self) -> bool:
        """Whether the tolerance is small enough to tell a mistake of units."""
        return self.tolerance <= NEEDED * max(1.0, abs(self.slope))

    @property
    def excess(self) -> float:
        """Largest deviation over its tolerance; at most 1 is sound."""
        inconsistent = self.scatter / _SCATTER
        return max(abs(self.slope - 1) / self.tolerance, inconsistent)


def slope_of(pairs: PairWork) -> Slope | None:
    """Slope through the closest pairs; None where there are fewer than 20.

    Pairs are weighted by the inverse square of their expected trapezoid error, which knows
    no energies. The tolerance is 4 standard errors (heteroskedasticity-consistent, White,
    Econometrica 1980, 48, 817), plus a quarter of the relative residual for trapezoid errors
    that correlate with the work, plus 0.0005.
    """
    usable = np.flatnonzero((pairs.apart > _DISTINCT) & (pairs.work != 0))
    if len(usable) < _FEWEST:
        return None
    closest = usable[np.argsort(pairs.scale[usable], kind="stable")[:_CLOSEST]]
    work, change = pairs.work[closest], pairs.change[closest]
    # The very closest pairs would otherwise rule alone.
    scale = pairs.scale[closest]
    weight = 1 / np.maximum(scale, max(np.quantile(scale, 0.05), 1e-12)) ** 2
    norm = float((weight * work**2).sum())
    slope = float((weight * work * change).sum() / norm)
    residual = change - slope * work
    error = float(np.sqrt(((weight * work * residual) ** 2).sum())) / norm
    relative = float(np.sqrt((weight * residual**2).sum() / norm))
    expected = float(np.sqrt((weight * pairs.expected[closest] ** 2).sum() / norm))
    return Slope(
        slope=slope,
        tolerance=_ERRORS * error + _CORRELATION * relative + _FLOOR,
        scatter=relative / expected,
        n_pairs=len(closest),
        apart=float(np.median(pairs.apart[closest])),
    )


def _outliers(pairs: PairWork) -> dict[FrameName, float]:
    """Frames whose energy or forces fit none but few of their neighbours, and by how much.

    A frame is judged by the lower median over its pairs, so that a sound frame beside a
    wrong one is not blamed.
    """
    ratio: NDArray[np.float64] = np.abs(pairs.change - pairs.work) / pairs.largest
    if not (ratio > 1).any():
        return {}
    found: dict[FrameName, list[float]] = {}
    for names, one in zip(pairs.names, ratio, strict=True):
        for name in names:
            found.setdefault(name, []).append(float(one))
    middle = {name: sorted(many)[(len(many) - 1) // 2] for name, many in found.items()}
    return {name: value for name, value in middle.items() if value > 1}


@dataclass(frozen=True)
class _Finding:
    """What was found of one molecule; ``excess`` None where the data cannot tell."""

    text: str
    excess: float | None
    frames: tuple[FrameName, ...] = ()


def _explained(slope: float) -> str:
    if slope < -0.5:
        return ", as if forces had the wrong sign"
    for subject, factor in (("energies", slope), ("forces", 1 / slope if slope else 0.0)):
        # The larger numbers are taken to be the wrong ones: "eV taken as kcal/mol" is rare.
        mistake = unit_mistake(factor, 0.15) if factor > 1 else ""
        if mistake:
            return f", as if {subject} were in the wrong units: {mistake}"
    return ""


def _of_dataset(molecule: str, dataset: Dataset) -> _Finding:
    frames = dataset.frames
    if frames.energy is None or frames.forces is None:
        lacking = "energies" if frames.energy is None else "forces"
        return _Finding(f"{molecule} has no {lacking} to compare", None)
    groups = group_dataset(molecule, dataset)
    pairs = pair_work([g for g in groups if g.energy is not None and g.forces is not None])
    outliers = _outliers(pairs)
    single = 0 < len(outliers) <= _SINGLE * len(frames)
    # One wrong energy among the closest pairs would hide all that the others say.
    found = slope_of(pairs.without(outliers) if single else pairs)
    if found is None:
        return _Finding(
            f"{molecule}: the slope needs {_FEWEST} pairs of frames of one composition and cell, "
            f"there are {len(pairs)}",
            None,
        )
    where = f"{molecule} frames 0 to {len(frames) - 1}"
    measured = (
        f"{where}: ΔE = {found.slope:.4f} × work of the forces, tolerance {found.tolerance:.4f} "
        f"({found.n_pairs} pairs {found.apart:.2g} Å apart)"
    )
    if found.scatter > _SCATTER or (found.decided and found.excess > 1):
        text = (
            f"{measured}{_explained(found.slope)}"
            if found.decided
            else f"{where}: energies do not follow the forces: they scatter by {found.scatter:.3g} "
            f"times what the forces allow ({found.n_pairs} pairs {found.apart:.2g} Å apart)"
        )
        everywhere = tuple((molecule, number) for number in range(len(frames)))
        return _Finding(text, found.excess, everywhere)
    if outliers:
        named = in_order(outliers)
        return _Finding(
            f"energies and forces of {plural(len(named), 'frame')} do not fit those of the nearest "
            f"frames: {name_frames(named)} (off by up to {max(outliers.values()):.3g} times "
            "what forces allow)",
            max(outliers.values()),
            named,
        )
    if not found.decided:
        return _Finding(
            f"{molecule}: frames are too far apart to compare energies with forces: the slope is "
            f"uncertain by {found.tolerance:.3f}, at most {NEEDED} is needed "
            f"({found.n_pairs} closest pairs {found.apart:.2g} Å apart)",
            None,
        )
    return _Finding(measured, found.excess)


def energy_force_consistency(sets: FrameSets) -> IntegrityResult:
    """Differences of energies equal the work of the forces; the value is the excess.

    All frames of every molecule that some set takes frames from are judged. The excess is the
    largest of: |slope − 1| over its tolerance; the scatter about the slope over twice what
    the forces lead one to expect; and of single frames, the misfit with their neighbours over
    the largest one that the forces allow. At most 1 is sound.

    Raises
    ------
    NotSupportedError
        If nothing is wrong, but for some molecule the data cannot tell (labels are missing, or
        frames lie too far apart); the message has the uncertainty that was found and the one
        that is needed.
    """
    datasets = datasets_of(sets)
    findings = [_of_dataset(molecule, dataset) for molecule, dataset in datasets.items()]
    n_frames = sum(len(dataset.frames) for dataset in datasets.values())
    judged = [one for one in findings if one.excess is not None]
    wrong = [one for one in judged if one.frames]
    undecided = [one for one in findings if one.excess is None]
    if undecided and not wrong:
        raise NotSupportedError("; ".join(one.text for one in undecided))
    worst = sorted(wrong or judged, key=lambda one: -(one.excess or 0.0))
    return IntegrityResult(
        value=max((one.excess or 0.0 for one in judged), default=0.0),
        n_frames=n_frames,
        reason="; ".join(one.text for one in worst[:3])
        + (f"; and {len(worst) - 3} molecules more" if len(worst) > 3 else ""),
        frames=in_order(frame for one in wrong for frame in one.frames),
    )
