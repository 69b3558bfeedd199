"""What the user asked for, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

TRUST = ("verify", "full", "none")
UNDECIDED = ("pass", "fail")


@dataclass(frozen=True)
class Located:
    """A word of the user together with the folder that relative paths in it start from."""

    text: str
    folder: Path

    @property
    def path(self) -> Path:
        """The word as a path."""
        return self.folder / Path(self.text).expanduser()

    @cached_property
    def is_recipe(self) -> bool:
        """Whether it names a recipe, which is trained; told without opening it as one."""
        from pytest_mlff.potentials.source import names_recipe

        return names_recipe(self.text, self.folder)


@dataclass(frozen=True)
class Options:
    """What the user asked for.

    Attributes
    ----------
    models, suites : tuple of Located
        ``--mlff-model`` and ``--mlff-suite``.
    suite_chosen : bool
        Whether a suite was named, or the default is meant.
    only : bool
        Run the specs without the repository's own tests.
    dataset : str or None
        ``--mlff-dataset``; None for each spec's first.
    data_dir, report : Path or None
        Where data lie; where the JSON report goes.
    writes : tuple of (str, Path)
        Further formats of the report, each with its file.
    baseline : Path or None
        Baseline file, or another run's report.
    update_baseline : bool
        Take this run into the baseline.
    accept_regression : str or None
        Why a worsening is taken into the baseline.
    undecided : str
        ``pass``: what cannot be decided against the baseline does not block; or ``fail``.
    engine : str
        Where trainings run.
    gpus : str or None
        GPUs to use, as indices into the visible ones, joined by commas.
    per_gpu : int
        Workers per GPU.
    store_dir : Path
        The store.
    store_trust : str
        What a stored prediction pass is worth: ``verify`` compares a few frames with the model,
        ``full`` takes it as it is, ``none`` computes anew.
    device, dtype : str
        ``auto``/``cpu``/``cuda``; ``float32``/``float64`` or None for the model's own.
    level : str or None
        Level of theory that the models were trained on.
    strictness : str
        How hard laws are tried: ``fast``, ``ci`` or ``thorough``.
    seed : int
        Seed of everything that the laws draw.
    timeout : float or None
        Seconds that a model may compute without a word; None for no limit.
    in_process : bool
        Load models into this process, for debuggers.
    """

    models: tuple[Located, ...]
    suites: tuple[Located, ...]
    store_dir: Path
    suite_chosen: bool = True
    only: bool = True
    dataset: str | None = None
    data_dir: Path | None = None
    report: Path | None = None
    writes: tuple[tuple[str, Path], ...] = ()
    baseline: Path | None = None
    update_baseline: bool = False
    accept_regression: str | None = None
    undecided: str = "pass"
    engine: str = "local"
    gpus: str | None = None
    per_gpu: int = 1
    device: str = "auto"
    dtype: str | None = None
    level: str | None = None
    strictness: str = ""
    seed: int = 0
    store_trust: str = "verify"
    timeout: float | None = 600.0
    in_process: bool = False
