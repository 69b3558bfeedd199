"""No jumps of energy or force along a path that crosses the cutoff; of the force slope if asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from pytest_mlff.laws import tolerance
from pytest_mlff.laws.force_consistency import displaced
from pytest_mlff.laws.growing import merge, moved
from pytest_mlff.laws.law import LawBase
from pytest_mlff.laws.structures import seeds
from pytest_mlff.laws.trial import Parameter, Reading, Trial, worst
from pytest_mlff.laws.wording import atom

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.laws.context import Context

COARSE = 0.05
"""Spacing in Å of the first scan."""
WINDOW = 24
"""Points of one zoomed scan."""
ZOOM = 6.0
LEVELS = 4
SIDE = 6
"""Points on either side from which a value is extrapolated to the middle."""
_UNITS = ("meV", "meV/Å", "meV/Å²")
_NAMES = ("energy", "force", "force slope")
_BINDING = 1
"""Derivatives that must be continuous unless a spec asks for another: a cosine cutoff has one."""


@dataclass(frozen=True)
class _Operator:
    """Extrapolates both sides to the middle: jump of value, slope and second derivative."""

    value: NDArray[np.float64]
    slope: NDArray[np.float64]
    other_values: tuple[NDArray[np.float64], ...]
    other_slopes: tuple[NDArray[np.float64], ...]
    bend: NDArray[np.float64]


def _operator() -> _Operator:
    """Weights on 2 × SIDE equally spaced values (spacing 1) from one-sided polynomial fits.

    A cubic gives the jump; how far a parabola and a quartic disagree with it estimates the
    truncation error. (One of them alone may agree by accident.)
    """
    places = np.arange(SIDE) + 0.5
    found = {}
    for degree in (2, 3, 4):
        fit = np.linalg.pinv(np.vander(places, degree + 1, increasing=True))
        # The left side runs outwards too, so its slope changes sign.
        found[degree] = (
            np.concatenate([-fit[0][::-1], fit[0]]),
            np.concatenate([fit[1][::-1], fit[1]]),
            np.concatenate([-2.0 * fit[2][::-1], 2.0 * fit[2]]),
        )
    others = (found[2], found[4])
    value, slope, bend = found[3]
    return _Operator(value, slope, tuple(o[0] for o in others), tuple(o[1] for o in others), bend)


_JUMP = _operator()


class Smoothness(LawBase):
    """An atom leaves a structure through the cutoff; E and F have no jumps on the way.

    A jump of dF/ds (C²) is reported beside the result: most cutoff functions have one, and
    dynamics bears it. ``options: {continuity: 2}`` makes it break the law.

    A coarse scan of the whole way and a fine one at the known cutoff find the most
    suspicious places; each is zoomed into, because a jump stays at every scale, where a steep
    but smooth function becomes flat.
    """

    id = "smoothness"
    title = "no jumps of E and F when an atom crosses the cutoff (dF/ds is reported)"
    required_evidence = ("energy_range",)

    def trials(self, context: Context) -> SearchStrategy[Trial]:
        """Dimers and small molecules, of which the last atom is pulled away.

        A model that takes no atom without neighbours gets molecules from which another one parts.
        """
        wanted = context.options.get("continuity", _BINDING)
        asked: dict[str, Parameter] = {} if wanted == _BINDING else {"continuity": int(wanted)}
        if not context.pool.lonely:
            part = context.pool.molecules(2, 3)
            return st.builds(_side_by_side, part, part, seeds(), st.just(asked))
        return st.builds(
            lambda frames, seed: Trial(frames, {"direction_seed": seed, **asked}),
            context.pool.molecules(2, 5),
            seeds(),
        )

    def examples(self, wanted: int) -> int:
        """A fourth as many: one trial is several hundred evaluations."""
        return max(4, wanted // 4)

    def measure(self, context: Context, trial: Trial) -> Reading:
        """Scan, choose places, zoom."""
        frame = trial.frames
        seed = int(trial.parameters["direction_seed"])
        line = _Line(context, frame, seed, int(trial.parameters.get("leaving", 1)))
        length = context.pool.range + 1.0 + float(np.ptp(frame.positions, axis=0).max())
        steps = COARSE * np.arange(int(length / COARSE) + 1, dtype=np.float64)
        energy, force, noise = line.scan(steps)
        evidence = {"energy_range": float(np.ptp(energy))}
        centres = {
            float(steps[index] + COARSE / 2)
            for index in (
                _suspicious(energy, noise.energy / tolerance.SAFETY),
                _suspicious(force, noise.forces / tolerance.SAFETY),
            )
        }
        if context.pool.cutoff is not None:
            centres |= line.crossings(context.pool.cutoff)
        binding = int(trial.parameters.get("continuity", _BINDING))
        found = [self._zoom(line, centre, evidence) for centre in sorted(centres)]
        beside = [one for kinds in found for one in kinds[binding + 1 :] if one.excess > 1.0]
        remark = ""
        if beside:
            remark = f"reported: {max(beside, key=lambda one: one.excess).headline}"
        chosen = worst(*(one for kinds in found for one in kinds[: binding + 1]))
        return replace(chosen, remark=remark)

    def _zoom(self, line: _Line, centre: float, evidence: dict[str, float]) -> list[Reading]:
        spacing = 2.0 * COARSE / WINDOW * 2.0
        seen: list[list[Reading]] = []
        for _ in range(LEVELS):
            steps = centre + spacing * (np.arange(WINDOW, dtype=np.float64) - (WINDOW - 1) / 2.0)
            energy, force, noise = line.scan(steps)
            readings, middle = _jumps(energy, force, spacing, noise, evidence)
            seen.append(readings)
            centre = float(steps[middle] + spacing / 2.0)
            spacing /= ZOOM
        # A real jump is there at every scale: the smaller of two neighbouring scales counts.
        # The slope of the force drowns in rounding at fine scales, so it is taken earlier.
        pairs = [(-2, -1), (-2, -1), (0, 1)]
        chosen = [
            min((seen[a][kind], seen[b][kind]), key=lambda reading: reading.excess)
            for kind, (a, b) in enumerate(pairs)
        ]
        where = line.where(centre)
        return [
            replace(one, claim=f"{where} the {name} jumps by")
            for one, name in zip(chosen, _NAMES, strict=True)
        ]


class _Line:
    """A structure whose last atoms are pulled away from the others."""

    def __init__(self, context: Context, frame: Frames, seed: int, leaving: int) -> None:
        self.context, self.frame, self.seed = context, frame, seed
        self.stay = max(1, int(frame.counts[0]) - leaving)
        rest = frame.positions[: self.stay].mean(axis=0)
        away = frame.positions[self.stay :].mean(axis=0) - rest
        away = away / np.linalg.norm(away)
        # Slightly off the line through the centre, so that distances pass the cutoff one by one.
        away = away + 0.15 * np.random.default_rng([seed, 16]).normal(size=3)
        self.direction = np.zeros(frame.positions.shape)
        self.direction[self.stay :] = away / np.linalg.norm(away)

    def scan(
        self, steps: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], tolerance.Noise]:
        """Energies, projected forces, and the noise at the middle of the scan."""
        middle = moved(self.frame, self.frame.positions + steps[len(steps) // 2] * self.direction)
        reach = self.context.coarse_reach(middle)
        scanned = displaced(self.frame, self.direction[None], steps)
        probed = tolerance.probed(middle, self.context.dtype, reach, self.seed, scanned)
        _, noise, answer = probed.read(self.context.predict(probed.batch))
        forces = answer.forces.reshape(len(steps), *self.direction.shape)
        return answer.energy, np.einsum("sai,ai->s", forces, self.direction), noise

    def where(self, step: float) -> str:
        """The place on the line in words."""
        places = self.frame.positions + step * self.direction
        apart = np.linalg.norm(places[self.stay :, None] - places[None, : self.stay], axis=2)
        told = ", ".join(f"{one:.4f}" for one in np.sort(apart, axis=None)[:4])
        leaving = int(self.frame.counts[0]) - self.stay
        what = atom(self.frame, self.stay) if leaving == 1 else f"the last {leaving} atoms"
        return f"pulling {what} away from the others, {told} Å from them,"

    def crossings(self, cutoff: float) -> set[float]:
        """Where the first and the last pair passes the cutoff."""
        places = self.frame.positions
        start = (places[self.stay :, None] - places[None, : self.stay]).reshape(-1, 3)
        along = start @ self.direction[-1]
        aside = (start * start).sum(axis=1) - along**2
        inside = cutoff**2 - aside
        where = np.sqrt(inside[inside > 0]) - along[inside > 0]
        where = where[where > 0]
        return {float(where.min()), float(where.max())} if len(where) else set()


def _side_by_side(one: Frames, other: Frames, seed: int, asked: dict[str, Parameter]) -> Trial:
    """Two molecules beside each other, of which the second leaves."""
    axis = np.random.default_rng([seed, 18]).normal(size=3)
    axis /= np.linalg.norm(axis)
    shift = float((one.positions @ axis).max() - (other.positions @ axis).min() + 1.5) * axis
    parameters = {"direction_seed": seed, "leaving": int(other.counts[0]), **asked}
    return Trial(merge(one, other, shift), parameters)


def _suspicious(values: NDArray[np.float64], noise: float) -> int:
    """Where the fourth difference stands out most from those around it."""
    rough = np.abs(np.diff(values, 4))
    padded = np.pad(rough, 8, mode="edge")
    around = np.stack(
        [padded[8 + shift : 8 + shift + len(rough)] for shift in (-8, -7, -6, 6, 7, 8)]
    )
    return int(np.argmax(rough / (around.max(axis=0) + 16.0 * noise + 1e-300))) + 1


def _jumps(
    energy: NDArray[np.float64],
    force: NDArray[np.float64],
    spacing: float,
    noise: tolerance.Noise,
    evidence: dict[str, float],
) -> tuple[list[Reading], int]:
    """The worst jump of each kind in a scan, and the interval of the worst of all."""
    windows = [np.lib.stride_tricks.sliding_window_view(v, 2 * SIDE) for v in (energy, force)]
    found: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    # A jump of the next derivative lies off the middle by up to half a spacing and so looks
    # like a jump of this one, by half a spacing times its size.
    kinks = (
        np.abs(windows[0] @ _JUMP.slope),
        np.abs(windows[1] @ _JUMP.slope),
        np.abs(windows[1] @ _JUMP.bend) / spacing,
    )
    for values, fine, others, scale, rounding, kink in (
        (windows[0], _JUMP.value, _JUMP.other_values, 1.0, noise.energy, kinks[0]),
        (windows[1], _JUMP.value, _JUMP.other_values, 1.0, noise.forces, kinks[1]),
        (windows[1], _JUMP.slope, _JUMP.other_slopes, 1.0 / spacing, noise.forces, kinks[2]),
    ):
        jump = np.abs(values @ fine) * scale
        error = np.max([np.abs(values @ (fine - other)) for other in others], axis=0) * scale
        rounding_of_fit = float(np.abs(fine).sum()) * scale * rounding
        found.append((jump, 3.0 * error + kink + rounding_of_fit))
    excesses = np.stack([jump / allowed for jump, allowed in found])
    readings = []
    for kind, (jump, allowed) in enumerate(found):
        index = int(np.argmax(excesses[kind]))
        readings.append(
            Reading(
                1000.0 * float(jump[index]),
                1000.0 * float(allowed[index]),
                _UNITS[kind],
                evidence,
                _NAMES[kind],
            )
        )
    return readings, int(np.argmax(excesses.max(axis=0))) + SIDE - 1
