"""The key `simulate` of a spec: molecular dynamics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from pytest_mlff.specs.model import Problem, SpecModel


class SimulationPlan(SpecModel):
    """Molecular dynamics from test frames, for the metrics that are taken of a simulation."""

    ensemble: Literal["nve", "nvt_langevin"] = Field(
        description="nvt_langevin: at constant temperature; nve: at constant energy."
    )
    temperature: float = Field(
        gt=0, allow_inf_nan=False, description="Of thermostat and initial velocities, K."
    )
    timestep: float = Field(gt=0, allow_inf_nan=False, description="Time step in fs.")
    steps: int | None = Field(default=None, ge=1, description="Steps; a multiple of stride.")
    ps: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="Simulated time in ps, or steps."
    )
    thorough_ps: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="Simulated time in ps of a run with --mlff-strictness=thorough.",
    )
    friction: float = Field(
        default=2.0, gt=0, allow_inf_nan=False, description="Friction of the thermostat, 1/ps."
    )
    stride: int = Field(ge=1, description="Steps from one stored frame to the next.")
    replicas: int = Field(ge=2, description="Independent trajectories, simulated together.")
    starts: int | None = Field(
        default=None, ge=2, description="Different start frames; without it one of each replica."
    )
    skip: float = Field(
        default=0.0,
        ge=0,
        allow_inf_nan=False,
        description="Time in ps from the start that structure and temperature leave out.",
    )

    reference: Literal["frames", "oracle"] = Field(
        default="frames",
        description="What structure is held against: the test frames, or a simulation by the "
        "method of their labels with the same starts, velocities and noise.",
    )
    oracle: str | None = Field(
        default=None,
        min_length=1,
        description="Method that labels the frames visited: an oracle by name, or module:callable "
        "of what returns an ASE calculator; without it the one that made the labels.",
    )
    oracle_level: str | None = Field(
        default=None,
        min_length=1,
        description="Level of theory of `oracle`, which must be that of the labels.",
    )
    structure_limit: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="A replica is no longer sound where the g(r) of some element pair is off by "
        "more than this within 1 ps: mean |g - g_ref| times r_max, Å (3 for water, 1 for LiPS).",
    )

    @property
    def n_steps(self) -> int:
        """Steps, from `steps` or `ps`, rounded to whole strides."""
        if self.steps is not None:
            return self.steps
        assert self.ps is not None
        return max(1, round(1000.0 * self.ps / self.timestep / self.stride)) * self.stride

    def at_strictness(self, strictness: str) -> SimulationPlan:
        """What a run of some strictness simulates; its length is said once."""
        length: dict[str, float | None] = {"thorough_ps": None}
        if strictness == "thorough" and self.thorough_ps is not None:
            length |= {"ps": self.thorough_ps, "steps": None}
        return self.model_copy(update=length)

    def _problems(self) -> Iterator[Problem]:
        """Its length is said once, in whole strides; there are no more starts than replicas."""
        if (self.steps is None) == (self.ps is None):
            yield (
                ("steps",),
                "is missing; give either steps or ps"
                if self.ps is None
                else ("does not go with ps; give one of them"),
            )
            return
        if self.n_steps % self.stride:
            yield ("steps",), f"must be a multiple of stride ({self.stride}), is {self.steps}"
        if self.starts is not None and self.starts > self.replicas:
            yield ("starts",), f"must not be above replicas ({self.replicas}), is {self.starts}"
        if (self.oracle is not None and ":" in self.oracle) != (self.oracle_level is not None):
            yield (
                ("oracle_level",),
                f"is missing; say what method {self.oracle} computes, as the labels do"
                if self.oracle_level is None
                else "goes with an oracle that is module:callable",
            )
        duration = self.n_steps * self.timestep / 1000.0
        if self.thorough_ps is not None and self.thorough_ps <= duration:
            yield (
                ("thorough_ps",),
                f"must be above the simulated time of {duration:g} ps, is {self.thorough_ps:g}",
            )
        if self.skip >= duration:
            yield (
                ("skip",),
                f"must be below the simulated time of {duration:g} ps, is {self.skip:g}",
            )
