"""Stages of a recipe: a small graph of trainings, of which one is tested."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from pytest_mlff.datasets.oracles import oracle_named
from pytest_mlff.errors import MlffError, did_you_mean
from pytest_mlff.specs.expression import Expression, unknown_name
from pytest_mlff.specs.model import Problem, SpecModel
from pytest_mlff.specs.template import fill, template_names


def _gamma(value: Any) -> float | Expression | Literal["median"]:
    if value == "median":
        return "median"
    if isinstance(value, str):
        return Expression(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ValueError(
            f"must be above 0, in meV/Å, `median` or an expression in axes, is {value!r}"
        )
    return float(value)


_Gamma = Annotated[
    float | Expression | str,
    PlainValidator(_gamma),
    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string"}]}),
]
_Temperature = Annotated[
    float,
    Field(gt=0, allow_inf_nan=False, strict=False, description="K, of the trajectory."),
]


class BiasAware(SpecModel):
    """Frames weigh the less, the more their labels differ from what a teacher says."""

    teacher: str = Field(min_length=1, description="Stage whose model says what forces are right.")
    gamma: _Gamma = Field(
        default="median",
        description="γ of exp(−d/γ) in meV/Å, an expression in axes of the spec, or `median` of d.",
    )


class ScoreMatching(SpecModel):
    """Frames without labels: the forces are to be those that made them."""

    temperature: _Temperature
    probes: int = Field(
        default=1, ge=0, description="Random vectors for the trace of ∂F/∂R; 0 for the exact one."
    )


class Denoising(SpecModel):
    """Frames without labels, shaken: the forces are to lead back."""

    temperature: _Temperature
    sigma: float = Field(gt=0, allow_inf_nan=False, description="Width of the noise in Å.")


class StageLoss(SpecModel):
    """What a stage minimises, where not the trainer's own loss on labels; one of these."""

    bias_aware: BiasAware | None = None
    score_matching: ScoreMatching | None = None
    denoising: Denoising | None = None

    def _problems(self) -> Iterator[Problem]:
        given = [name for name in StageLoss.model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            yield (), f"must be one of {', '.join(StageLoss.model_fields)}"

    @property
    def said(self) -> dict[str, dict[str, Any]]:
        """Its name with its settings, as trainers are told."""
        return self.model_dump(exclude_none=True)

    @property
    def takes_labels(self) -> bool:
        """Whether labels of the frames matter."""
        return self.bias_aware is not None


class Stage(SpecModel):
    """One training of several; what it leaves out is as the recipe says."""

    frames: str = Field(default="train", min_length=1, description="Set of frames of the spec.")
    labels: str | None = Field(
        default=None,
        min_length=1,
        description="Oracle that labels the frames anew, also as a template of axes; their own "
        "labels otherwise.",
    )
    minus: str | None = Field(
        default=None,
        min_length=1,
        description="Delta learning: oracle whose labels are subtracted, and added to what the "
        "model says.",
    )
    start: str | None = Field(
        default=None, alias="from", min_length=1, description="Stage whose weights it begins with."
    )
    loss: StageLoss | None = Field(default=None, description="Without it the trainer's own.")
    trainer: str | None = Field(default=None, min_length=1, description="Another trainer.")
    budget: int | None = Field(default=None, ge=1, description="Another budget in seconds.")
    config: dict[str, Any] = Field(
        default={},
        description="Keys that replace those of the config, mapping by mapping.",
    )

    def _problems(self) -> Iterator[Problem]:
        for key in ("labels", "minus"):
            name = getattr(self, key)
            if name is not None and ":" not in name and not template_names(name):
                try:
                    oracle_named(name)
                except MlffError as error:
                    yield (key,), str(error)
        if self.loss is not None and not self.loss.takes_labels and (self.labels or self.minus):
            yield ("loss",), "takes no labels, so `labels` and `minus` do not go with it"

    @property
    def needs_labels(self) -> bool:
        """Whether the frames' own labels matter."""
        return self.has_energies and self.labels is None

    @property
    def has_energies(self) -> bool:
        """Whether there are labels to train on, by whatever method."""
        return self.loss is None or self.loss.takes_labels

    @property
    def asks(self) -> tuple[str, ...]:
        """What a trainer has to heed for it: ``from``, and the name of its loss."""
        return (*(("from",) if self.start else ()), *(self.loss.said if self.loss else ()))

    @property
    def teacher(self) -> str | None:
        """Stage whose model weighs the frames."""
        aware = None if self.loss is None else self.loss.bias_aware
        return None if aware is None else aware.teacher

    @property
    def parents(self) -> tuple[str, ...]:
        """Stages that have to be done before, each once."""
        named = (self.start, self.teacher)
        return tuple(dict.fromkeys(one for one in named if one is not None))

    def at(self, names: Mapping[str, Any]) -> Stage:
        """The stage with its expressions worked out.

        Raises
        ------
        MlffError
            If an expression cannot be, or γ is not above 0.
        """
        changed: dict[str, Any] = {}
        for key in ("labels", "minus"):
            text = getattr(self, key)
            for name in () if text is None else template_names(text):
                if name not in names:
                    raise MlffError(f"{key}: {text!r}: {unknown_name(name, names)}")
            changed[key] = None if text is None else fill(text, names)
        aware = None if self.loss is None else self.loss.bias_aware
        if aware is not None and isinstance(aware.gamma, Expression):
            gamma = aware.gamma.value(names)
            known = gamma == "median" or (isinstance(gamma, int | float) and gamma > 0)
            if not known or isinstance(gamma, bool):
                raise MlffError(
                    f"gamma: {aware.gamma.text!r} is {gamma!r}; it must be above 0, or median"
                )
            changed["loss"] = StageLoss(bias_aware=BiasAware(teacher=aware.teacher, gamma=gamma))
        return self.model_copy(update=changed)

    @property
    def key(self) -> dict[str, Any]:
        """What of it is part of a training's address, apart from frames, parents and recipe."""
        found: dict[str, Any] = {"loss": None if self.loss is None else self.loss.model_dump()}
        return found | {
            kind: oracle_named(name).key
            for kind in ("labels", "minus")
            if (name := getattr(self, kind)) is not None
        }


def lineage(stages: Mapping[str, Stage], name: str) -> tuple[str, ...]:
    """A stage and all before it, in the order in which they can be done."""
    found: dict[str, None] = {}

    def visit(one: str) -> None:
        for parent in stages[one].parents:
            if parent not in found:
                visit(parent)
        found.setdefault(one)

    visit(name)
    return tuple(found)


def stage_problems(stages: Mapping[str, Stage], tested: str | None) -> Iterator[Problem]:
    """What is wrong with a graph of stages: unknown ones, circles, no single end."""
    for name, stage in stages.items():
        for parent in stage.parents:
            if parent not in stages:
                by = ("from",) if parent == stage.start else ("loss", "bias_aware", "teacher")
                yield (
                    ("stages", name, *by),
                    unknown_stage(parent, stages),
                )
                return
    circle = _circle(stages)
    if circle:
        yield ("stages", circle[0]), f"stages in a circle: {' from '.join((*circle, circle[0]))}"
        return
    if tested is not None and not stages:
        yield ("tested",), "names a stage, but there are no `stages`"
    elif tested is not None and not template_names(tested) and tested not in stages:
        yield (
            ("tested",),
            unknown_stage(tested, stages),
        )
    elif tested is None and stages:
        ends = ends_of(stages)
        if len(ends) > 1:
            yield ("stages",), f"{' and '.join(ends)} all end here; say which is `tested`"


def unknown_stage(name: str, stages: Mapping[str, Stage]) -> str:
    """What is said of a stage that is not there."""
    return f"unknown stage {name!r}{did_you_mean(name, stages)} (stages: {', '.join(stages)})"


def ends_of(stages: Mapping[str, Stage]) -> tuple[str, ...]:
    """Stages that no other one needs."""
    used = {parent for stage in stages.values() for parent in stage.parents}
    return tuple(name for name in stages if name not in used)


def _circle(stages: Mapping[str, Stage]) -> tuple[str, ...]:
    """Stages that wait for each other; empty where none do."""
    for begin in stages:
        waiting: list[tuple[str, ...]] = [(begin,)]
        while waiting:
            path = waiting.pop()
            for parent in stages[path[-1]].parents:
                if parent == begin:
                    return path
                if parent not in path:
                    waiting.append((*path, parent))
    return ()
