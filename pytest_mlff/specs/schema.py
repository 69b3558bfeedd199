"""What a spec file may say: pydantic models, strict about types and unknown keys."""

# pydantic reads the annotations when the classes are made.
# ruff: noqa: TC001, TC003

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    WithJsonSchema,
    model_validator,
)

from pytest_mlff.specs import checks
from pytest_mlff.specs.fields import (
    AtomTypes,
    AxisName,
    AxisValues,
    DatasetName,
    ExpressionText,
    Metric,
    NumberOrExpression,
    OptionValue,
    Paths,
    Pick,
    PlanSpecies,
    TableRow,
    ThresholdSpecies,
    Unit,
    Words,
)
from pytest_mlff.specs.operations import Scalar
from pytest_mlff.specs.problems import raise_problems
from pytest_mlff.specs.simulate import SimulationPlan
from pytest_mlff.specs.wording import shown, where_in_file

__all__ = [
    "CasePlan",
    "DatasetOption",
    "FramesPlan",
    "Provenance",
    "Selection",
    "Source",
    "Spec",
    "SpecFile",
    "ThresholdPlan",
]


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _empty_mapping(value: Any) -> Any:
    return {} if value is None else value


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Source(_Model):
    """Where the benchmark comes from."""

    paper: str = Field(min_length=1, description="Paper (authors, title, year) or project.")
    section: str = Field(min_length=1, description="Section, table or figure in it.")
    doi: str | None = Field(default=None, pattern=r"^10\.\d{4,}/\S+$", description="DOI, if any.")


class Provenance(_Model):
    """Why a threshold is what it is."""

    source: Literal["paper", "own_baseline", "physical_limit"] = Field(
        description="A published value, a baseline measured with this package, or a limit that "
        "follows from physics."
    )
    reference: str = Field(
        min_length=1, description="Table or figure of the paper, or how the value was obtained."
    )
    frames: int | None = Field(
        default=None, ge=1, description="Frames the baseline was measured on (own_baseline)."
    )
    seeds: int | None = Field(
        default=None, ge=1, description="Seeds the baseline was measured over (own_baseline)."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        raise_problems(checks.check_provenance(self))
        return self


class ThresholdPlan(_Model):
    """The limit of acceptable values, or a table of them, and the cases it holds for."""

    max: float | None = Field(
        default=None, ge=0, allow_inf_nan=False, description="Largest acceptable value."
    )
    min: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="Smallest acceptable value, for a metric of which larger is better.",
    )
    by: Annotated[tuple[AxisName, ...], BeforeValidator(_tuple)] = Field(
        default=(), description="Axes that `rows` are looked up by, instead of max or min."
    )
    rows: Annotated[tuple[TableRow, ...], BeforeValidator(_tuple)] = Field(
        default=(), description="A value of each axis in `by`, then the limit."
    )
    unit: Unit = Field(description="Unit of the limit; must be the unit of the metric.")
    where: ExpressionText | None = Field(
        default=None, description="Condition on axes and `dataset`; without it every variant."
    )
    species: ThresholdSpecies | None = Field(
        default=None,
        description="`all` (the case over all atoms), `each` (every per-species case) or symbols; "
        "without it every case.",
    )
    provenance: Provenance = Field(description="Where the number comes from.")
    _table: dict[tuple[Scalar, ...], float] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        raise_problems(checks.check_threshold(self))
        self._table.update({row[:-1]: float(row[-1]) for row in self.rows})
        return self

    def limit(self, names: Mapping[str, Scalar]) -> float | None:
        """The limit where names stand for these values; None without a row."""
        if self.by:
            return self._table.get(tuple(names[axis] for axis in self.by))
        return self.min if self.max is None else self.max

    @property
    def limits(self) -> tuple[float, ...]:
        """Every limit it may give."""
        return tuple(self._table.values()) or tuple(
            one for one in (self.max, self.min) if one is not None
        )


class CasePlan(_Model):
    """One metric, the species it is taken over, and its thresholds."""

    metric: Metric = Field(description="Metric or law.")
    species: PlanSpecies = Field(
        default=("all",),
        description="`all` atoms together, `each` species of the test frames, both in a list, "
        "or chemical symbols.",
    )
    thresholds: Annotated[tuple[ThresholdPlan, ...], BeforeValidator(_tuple)] = Field(
        default=(),
        description="The first that fits a case holds for it; only a metric that may be "
        "reported without being judged (soap_similarity) goes without.",
    )
    options: dict[str, OptionValue] = Field(
        default={}, description="Settings that the metric understands, e.g. examples of a law."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        raise_problems(checks.check_case(self))
        return self


def _systems_too(schema: dict[str, Any]) -> None:
    schema["properties"]["systems"] = schema["properties"]["molecules"]


class Selection(_Model):
    """Frames of one or several systems, cut from a window of their time-ordered trajectory."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, json_schema_extra=_systems_too
    )

    dataset: DatasetName | None = Field(
        default=None,
        description="Key in `datasets` that these frames come from; that of the run otherwise.",
    )
    molecules: Words = Field(
        default=(),
        description="Names, joined letters a-g, or templates such as {molecule}; `systems` is "
        "another word for it. Your own files are called after their names. Without it all.",
    )
    start: NumberOrExpression = Field(
        default=0, description="Begin of the window in percent of the trajectory."
    )
    end: NumberOrExpression = Field(
        default=100, description="End of the window in percent of the trajectory."
    )
    pick: Pick = Field(
        default="all",
        description="all; first: the earliest; evenly: equally spaced; random: the first `count` "
        "of one seeded permutation of the window, so that counts are nested.",
    )
    count: NumberOrExpression | None = Field(
        default=None, description="Frames per molecule; goes with every pick but all."
    )

    @model_validator(mode="before")
    @classmethod
    def _systems(cls, data: Any) -> Any:
        if isinstance(data, dict) and "systems" in data and "molecules" not in data:
            return {("molecules" if key == "systems" else key): one for key, one in data.items()}
        return data

    @model_validator(mode="after")
    def _check(self) -> Self:
        raise_problems(checks.check_selection(self))
        return self


class FramesPlan(_Model):
    """Named sets of frames: which are trained on, validated on, tested on, and any further."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    __pydantic_extra__: dict[str, Selection]

    train: Selection | None = Field(default=None, description="Frames a recipe trains on.")
    validation: Selection | None = Field(
        default=None, description="Frames a trainer may watch while it trains."
    )
    test: Selection = Field(description="Frames that are judged.")

    def by_role(self) -> dict[str, Selection]:
        """The selections that are there, by ``train`` / ``validation`` / ``test``."""
        found = {"train": self.train, "validation": self.validation, "test": self.test}
        named = {role: selection for role, selection in found.items() if selection is not None}
        return named | self.__pydantic_extra__

    @model_validator(mode="after")
    def _check(self) -> Self:
        raise_problems(checks.check_sets(self))
        return self


class DatasetOption(_Model):
    """A dataset the spec may run on, and what is different there."""

    axes: dict[AxisName, AxisValues] = Field(
        default={}, description="Values that replace those of the same axis."
    )
    where: ExpressionText | None = Field(
        default=None, description="Replaces the spec's `where`; `true` lifts it."
    )
    path: Paths | None = Field(
        default=None,
        description="Your own file, relative to the spec; also a folder, a glob, or a list. "
        "`file.xyz@:100` takes a range of frames. Each file is a system.",
    )
    format: str | None = Field(
        default=None,
        min_length=1,
        description="extxyz, npz or any format that ASE reads; without it told by the file.",
    )
    units: str | None = Field(
        default=None,
        min_length=1,
        description="Units of your file: energy, optionally a comma and a length, and another "
        "and the unit of stress, e.g. `kcal/mol`, `Hartree, Bohr` or `eV, Å, GPa` (`-kbar` where "
        "compression is positive).",
    )
    level_of_theory: str | None = Field(
        default=None,
        min_length=1,
        description="Method behind the labels; for `embedded`, which label set is taken.",
    )
    time_ordered: bool | None = Field(
        default=None, description="Whether the frames of your file are in time order."
    )
    replica: str | None = Field(
        default=None,
        min_length=1,
        description="Key in your file (of a frame's comment, or an array of an npz) that names the "
        "independent trajectory or start of each frame: what statistics count.",
    )
    independent: bool | None = Field(
        default=None, description="Whether every frame of your file is an independent draw."
    )
    energy_key: str | None = Field(
        default=None, min_length=1, description="Key of energies, where ASE does not know it."
    )
    forces_key: str | None = Field(
        default=None, min_length=1, description="Key of forces, where ASE does not know it."
    )
    stress_key: str | None = Field(
        default=None,
        min_length=1,
        description="Key of stress: 3×3 or xx yy zz yz xz xy, positive under tension.",
    )
    virial_key: str | None = Field(
        default=None,
        min_length=1,
        description="Key of virials, minus stress times volume, in the unit of energy.",
    )
    species: AtomTypes | None = Field(
        default=None, description="Element of each atom type of a LAMMPS file, e.g. {1: Cu}."
    )


_Option = Annotated[DatasetOption, BeforeValidator(_empty_mapping)]


class SpecFile(_Model):
    """The content of one spec file."""

    schema_version: Literal[1] = Field(description="Version of this format.")
    title: str = Field(min_length=1, description="One line for lists and reports.")
    description: str = Field(default="", description="What is asked of a model, and why.")
    source: Source = Field(description="Paper and section that the benchmark follows.")
    datasets: dict[DatasetName, _Option] = Field(
        description="Datasets the spec runs on, the first is the default: embedded, rmd17, md17, "
        "or a name of yours with a path."
    )
    axes: dict[AxisName, AxisValues] = Field(
        default={}, description="Names with their values; variants are their combinations."
    )
    where: ExpressionText | None = Field(
        default=None, description="Condition on axes and `dataset` that a variant must meet."
    )
    variant: str = Field(
        min_length=1, description="Id of a variant, with axes in braces: {molecule}-n{samples}."
    )
    frames: FramesPlan = Field(description="How frames are cut.")
    simulate: SimulationPlan | None = Field(
        default=None,
        description="Molecular dynamics of the model, started from test frames; its structure is "
        "held against all test frames.",
    )
    margin: float = Field(
        default=0.01,
        ge=0,
        le=0.2,
        allow_inf_nan=False,
        description="Relative worsening against a baseline that is tolerated; at most 0.2.",
    )
    undecided_bound: float = Field(
        default=0.2,
        gt=0,
        le=0.5,
        allow_inf_nan=False,
        description="Where a comparison with a baseline decides nothing, a value that is worse by "
        "more than this fails all the same.",
    )
    pooled: Annotated[tuple[Metric, ...], BeforeValidator(_tuple)] = Field(
        default=(),
        description="Metrics with one more case over all variants, `pooled`: the mean relative "
        "change against a baseline, tested at half of the level.",
    )
    reference_energies: Literal["none", "regression"] = Field(
        default="none",
        description="regression: energies per atom of each species, by linear regression over the "
        "training frames, are subtracted before a recipe trains and added back afterwards.",
    )
    cases: Annotated[tuple[CasePlan, ...], BeforeValidator(_tuple)] = Field(
        description="What is measured, and how good it must be.",
        json_schema_extra={"minItems": 1},
    )
    seed: int = Field(default=0, ge=0, description="Seed of random picks and of laws.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        raise_problems(checks.check_spec(self))
        return self


class Spec(SpecFile):
    """A spec with its place: what :func:`~pytest_mlff.specs.load_spec` returns.

    Attributes
    ----------
    path : Path or None
        The file; None for a spec made in Python.
    suite, name : str
        First two parts of its case ids.
    """

    path: Annotated[Path | None, WithJsonSchema({"type": "string"})] = None
    suite: str = Field(min_length=1)
    name: str = Field(min_length=1)
    _lines: Mapping[tuple[str | int, ...], int] = PrivateAttr(default_factory=dict)

    def at(self, *location: str | int) -> str:
        """``file:line: key`` of a location, to begin the message of an error with."""
        key = where_in_file(location)
        if self.path is None:
            return f"{self.suite}/{self.name}: {key}"
        while location and location not in self._lines:
            location = location[:-1]
        return f"{shown(self.path)}:{self._lines.get(location, 1)}: {key}"
