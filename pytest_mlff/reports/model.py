"""The JSON report as pydantic models: the contract that other programs read."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from pytest_mlff.metrics.pictures import Film, Picture  # noqa: TC001 - pydantic reads it

SCHEMA_VERSION: Final = 1
SCHEMA_FILE: Final = Path(__file__).with_name("report.schema.json")

VerdictName = Literal[
    "passed", "failed", "regressed", "unsupported", "error", "skipped", "undecided", "reported"
]
Plain = float | int | str
_BEYOND: Final = 1e9


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class StructureRecord(_Record):
    """A structure worth looking at."""

    symbols: list[str]
    positions: list[list[float]] = Field(description="Å, one row of three per atom.")
    cell: list[list[float]] | None = Field(default=None, description="Å; null if not periodic.")
    note: str = Field(description="Where it comes from and what is wrong there.")
    atom_errors: list[float] | None = Field(
        default=None, description="Error of each atom's force (norm of the difference), meV/Å."
    )


class CaseRecord(_Record):
    """One case: what was measured, against what, and the verdict."""

    case_id: str = Field(description="<suite>/<spec>/<variant>/<metric>[<species>]")
    suite: str
    spec: str
    variant: str
    metric: str
    species: str | None = Field(
        description="Chemical symbol, or two for a pair; null for all atoms."
    )
    group: str | None = Field(
        default=None,
        description="`label=value` of the frames it is taken over (`group_by`); null for all.",
    )
    model: str | None = Field(
        description="Name of the model, as in `models`; null for a case that judges the data."
    )
    dataset: str = Field(description="Dataset the test frames come from.")
    value: float | None = Field(description="Measured value; null where there is none.")
    unit: str
    n_frames: int | None
    n_atoms: int | None
    ci_low: float | None = Field(description="95 % confidence interval; null if undecided.")
    ci_high: float | None
    threshold: float | None = Field(
        description="Largest acceptable value; the smallest where larger is better."
    )
    threshold_provenance: str | None
    baseline: float | None
    regressed: bool | None = Field(description="null without a baseline or where undecided.")
    verdict: VerdictName
    reason: str
    seconds: float | None
    nodeid: str = Field(description="The pytest item.")
    larger_is_better: bool = Field(default=False, description="Direction of the metric.")
    evidence: dict[str, Plain] = Field(description="Further facts behind the value.")
    worst_frame: StructureRecord | None = Field(
        default=None, description="The test frame with the largest error."
    )
    counterexample: StructureRecord | None = Field(
        default=None, description="The smallest structure found that breaks a law."
    )
    detail: str = Field(default="", description="Several lines for whoever has to fix it.")
    pictures: list[Picture] = Field(default=[], description="Curves behind the value.")
    film: Film | None = Field(default=None, description="Frames of a simulation, to be played.")

    @property
    def limit(self) -> str:
        """The threshold with the sign of what is acceptable, e.g. ``≤ 12``; a dash without one."""
        if self.threshold is None:
            return "–"
        return f"{'≥' if self.larger_is_better else '≤'} {self.threshold:g}"

    @property
    def load(self) -> float:
        """Value over threshold, or the reverse where larger is better: 1 on it, more beyond it.

        Nought without either.
        """
        if self.value is None or self.threshold is None:
            return 0.0
        if not self.larger_is_better:
            return self.value / self.threshold if self.threshold > 0.0 else self.value
        if self.threshold <= 0.0:
            return 1.0 + self.threshold - self.value
        worst = self.threshold / _BEYOND
        return self.threshold / max(self.value, worst)

    @property
    def against(self) -> str:
        """``worse``, ``better``, ``same`` or ``undecided``; ``not worse`` in older reports."""
        plain_words = {True: "worse", False: "not worse", None: "undecided"}
        return str(self.evidence.get("against_baseline", plain_words[self.regressed]))


class VariantRecord(_Record):
    """A fixture variant of the run: where on the axes it lies, and which frames it takes."""

    suite: str
    spec: str
    variant: str
    dataset: str
    axes: dict[str, Plain] = Field(description="Axis to value.")
    roles: dict[str, str] = Field(
        default={},
        description="Axes by what they set: train_start, train_end, train_count, train_systems, "
        "test_systems.",
    )
    train_molecules: list[str]
    test_molecules: list[str]
    train_window: list[float] | None = Field(
        description="Begin and end of the training window in percent of the trajectory."
    )
    test_window: list[float]
    n_train: int | None = Field(description="Training frames; null where none are cut.")
    n_test: int | None
    unsupported: str | None = Field(
        default=None, description="Why the frames cannot be cut; null where they can."
    )


class LossPoint(_Record):
    """One point of a training's loss curve."""

    step: int
    seconds: float | None
    train_loss: float | None
    validation: float | None = Field(description="The value the trainer watched.")


class TrainingRecord(_Record):
    """One training that a recipe asked for."""

    model: str = Field(description="Name of the recipe, as in `models`.")
    suite: str
    spec: str
    variant: str
    stage: str = Field(default="", description="Stage of the recipe; empty where it has none.")
    digest: str = Field(description="Address of the checkpoint in the store.")
    trainer: str
    seed: int
    budget_seconds: float
    seconds: float = Field(description="Time spent, over all attempts.")
    core_seconds: float | None = Field(default=None, description="Processor time spent.")
    label_seconds: float = Field(
        default=0.0, description="Core-seconds that labels of an oracle took."
    )
    n_frames: int | None = Field(default=None, description="Frames that it trained on.")
    steps: int | None
    planned_steps: int | None = Field(
        default=None, description="Steps that the recipe asks for, where it does."
    )
    reference_energies: dict[str, float] = Field(
        description="Energy per atom of each species in eV, by regression; empty without."
    )
    reference_note: str = Field(
        default="",
        description="What has to be known of them, e.g. that the regression was "
        "rank-deficient and the solution of minimum norm was taken.",
    )
    loss: list[LossPoint]

    @property
    def cut_short(self) -> str:
        """How the budget ended it before its steps were done; empty where it did not.

        Its errors then depend on how fast and how busy the machine was.
        """
        if self.steps is None or self.planned_steps is None or self.steps >= self.planned_steps:
            return ""
        if self.seconds < self.budget_seconds:
            return ""  # it ended by a rule of its own, such as early stopping
        return (
            f"ended by its budget of {self.budget_seconds:g} s after {self.steps:,} of "
            f"{self.planned_steps:,} steps"
        )


class SpreadRecord(_Record):
    """Predictions of a model against references, counted over the variants of a spec."""

    model: str
    suite: str
    spec: str
    quantity: str = Field(description="energy or forces.")
    species: str | None = Field(description="Chemical symbol; null for all atoms.")
    group: str | None = Field(description="`label=value` of the frames; null for all.")
    variants: int = Field(description="Variants that were added up.")
    reach: int = Field(
        description="The parity grid of 64 by 64 cells ends at ± 2 to this power, meV/atom from "
        "the mean reference of a composition, or meV/Å."
    )
    parity: list[list[int]] = Field(
        description="Column (reference), row (prediction) and count of cells that are not empty; "
        "forces count by component."
    )
    sizes: list[list[int]] = Field(
        description="Size of the reference force, size of the error, and count of atoms; cells are "
        "numbered from 1 meV/Å, four a decade. Of energies errors alone, in meV/atom."
    )


class ModelRecord(_Record):
    """A model that was tested."""

    name: str
    source: str
    family: str
    digest: str | None
    species: list[str] | None
    cutoff: float | None
    device: str
    dtype: str
    versions: dict[str, str]


class GitRecord(_Record):
    """The state of the repository that the run took place in."""

    commit: str
    branch: str | None = Field(description="null where a commit, not a branch, is checked out.")
    dirty: bool | None = Field(description="Whether tracked files have uncommitted changes.")


class RunRecord(_Record):
    """Where, when and with what the run took place."""

    started: str = Field(description="ISO 8601, UTC.")
    seconds: float
    exit_code: int | None = Field(
        description="Of pytest; null in the report of a run that has not ended."
    )
    versions: dict[str, str]
    device: str
    dtype: str | None
    seeds: dict[str, int]
    platform: dict[str, str]
    spec_digests: dict[str, str] = Field(description="Spec to SHA-256 of its file.")
    data_digests: dict[str, str] = Field(description="Dataset/molecule to SHA-256.")
    model_digests: dict[str, str | None]
    sources: list[str] = Field(default=[], description="What `--mlff-model` named, in order.")
    collected: int = Field(description="Cases that were to be run.")
    deselected: int = Field(
        default=0,
        description="Cases that the run's specs hold and that were not to be run, e.g. for `-k`.",
    )
    undecided_blocks: bool = Field(
        default=False, description="Whether cases that are undecided make the run fail."
    )
    baselines: dict[str, str] = Field(
        default={}, description="Model to the file or the model that it was compared with."
    )
    git: GitRecord | None = Field(default=None, description="null outside of a git repository.")
    command: str = Field(default="", description="The command line.")


class Report(_Record):
    """A run's report."""

    schema_version: Literal[1] = SCHEMA_VERSION
    run: RunRecord
    models: list[ModelRecord]
    cases: list[CaseRecord]
    variants: list[VariantRecord] = Field(default=[])
    trainings: list[TrainingRecord] = Field(default=[])
    spreads: list[SpreadRecord] = Field(default=[])
    residuals: dict[str, Any] | None = Field(
        default=None,
        description="Per-frame values for a paired comparison: `sidecar` (file, sha256) beside "
        "the report, `models` (model to case to entry), `model_digests`, and a `digest` of all "
        "these, without which no gate reads them; null while a run has not ended.",
    )


def plain(value: Any) -> Plain | None:
    """Coerce to a JSON primitive; a number that is not finite becomes None.

    The one place where numpy scalars end: xdist cannot carry them between processes.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | int):
        return int(value)
    if hasattr(value, "item"):
        return plain(value.item())
    number = float(value)
    return number if math.isfinite(number) else None


def report_schema() -> dict[str, Any]:
    """JSON Schema of the report."""
    schema = Report.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "pytest_mlff report"
    return schema


def schema_text() -> str:
    """The schema as it stands in `SCHEMA_FILE`."""
    return json.dumps(report_schema(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"
