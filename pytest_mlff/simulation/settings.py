"""What is simulated: ensemble, temperature, steps, replicas and where they start."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from pytest_mlff.datasets.frames import Frames

Ensemble = Literal["nve", "nvt_langevin"]

_POSITIVE: Final = ("temperature_k", "timestep_fs", "hottest_k")
_WHOLE: Final = ("steps", "stride", "replicas", "starts")


@dataclass(frozen=True)
class SimulationSettings:
    """Settings of a simulation; together with model and start frames they determine it.

    Attributes
    ----------
    ensemble : {"nvt_langevin", "nve"}
        Langevin dynamics at constant temperature, or velocity Verlet at constant energy.
    temperature_k : float
        Of the thermostat and of the initial velocities, K.
    timestep_fs : float
        fs.
    steps : int
        A multiple of `stride`.
    friction_per_ps : float
        Langevin friction, 1/ps; not used in ``nve``.
    stride : int
        Steps from one stored frame to the next; the start is stored, too.
    replicas : int
        Independent trajectories; replica r starts from start frame r modulo `starts`.
    starts : int or None
        Different start frames; None for one of each replica.
    seed : int
        Of initial velocities and noise. Each replica has random numbers of its own, which
        do not depend on how many others there are.
    hottest_k : float
        A replica above this temperature (K) has exploded.
    closest_angstrom : float
        So has one with two nuclei closer than this (Å) in a stored frame; 0 never.
    """

    ensemble: Ensemble = "nvt_langevin"
    temperature_k: float = 500.0
    timestep_fs: float = 0.5
    steps: int = 2000
    friction_per_ps: float = 2.0
    stride: int = 20
    replicas: int = 8
    starts: int | None = None
    seed: int = 2026
    # Fu et al., arXiv 2210.07237, stop above this.
    hottest_k: float = 1e5
    # Below half of H2's bond; no molecule comes near it at any temperature of interest.
    closest_angstrom: float = 0.3

    def __post_init__(self) -> None:
        if self.ensemble not in get_args(Ensemble):
            raise MlffError(
                f"simulation: ensemble {self.ensemble!r}; choose {' or '.join(get_args(Ensemble))}"
            )
        for name in _POSITIVE:
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise MlffError(f"simulation: {name} is {value}, must be above 0")
        for name in _WHOLE:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise MlffError(f"simulation: {name} is {value}, must be at least 1")
        for name in ("friction_per_ps", "closest_angstrom"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                raise MlffError(f"simulation: {name} is {value}, must not be negative")
        if self.ensemble == "nvt_langevin" and self.friction_per_ps == 0.0:
            raise MlffError("simulation: without friction there is no thermostat; choose nve")
        if self.steps % self.stride:
            raise MlffError(
                f"simulation: steps ({self.steps}) must be a multiple of stride ({self.stride})"
            )
        if self.seed < 0:
            raise MlffError(f"simulation: seed is {self.seed}, must not be negative")

    @property
    def n_frames(self) -> int:
        """Stored frames of each replica, the start among them."""
        return self.steps // self.stride + 1

    @property
    def duration_ps(self) -> float:
        """Simulated time of each replica in ps."""
        return self.steps * self.timestep_fs / 1000.0

    @property
    def n_starts(self) -> int:
        """Start frames asked for."""
        return self.replicas if self.starts is None else min(self.starts, self.replicas)


def choose_starts(frames: Frames, settings: SimulationSettings) -> Frames:
    """Start frames, evenly spaced over frames in time order and without labels.

    Parameters
    ----------
    frames : Frames
        Of one composition.
    settings : SimulationSettings

    Raises
    ------
    MlffError
        If there are fewer frames than start frames asked for: a frame taken twice would
        count as two independent starts.
    """
    if len(frames) < settings.n_starts:
        raise MlffError(
            f"simulation: {settings.n_starts} start frames are asked for, but there are only "
            f"{len(frames)}; lower starts or replicas, or take more frames"
        )
    chosen = np.linspace(0, len(frames) - 1, settings.n_starts).round().astype(int)
    return frames.select(chosen).without_labels()
