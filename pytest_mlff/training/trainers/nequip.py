"""NequIP's own training, filled in with the frames, type names, seed and budget of a fixture."""

from __future__ import annotations

import csv
import importlib.util
import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlff.errors import MissingExtraError, MlffError
from pytest_mlff.potentials.identity import installed_versions
from pytest_mlff.training.child import INTERRUPTED
from pytest_mlff.training.trainers.apart import run_logged, why_it_failed
from pytest_mlff.training.trainers.protocol import Fit

if TYPE_CHECKING:
    from pytest_mlff.training.fixture import TrainingFixture
    from pytest_mlff.training.recipe import Recipe
    from pytest_mlff.training.trainers.protocol import LossCurve

_SECTIONS = ("run", "data", "trainer", "training_module")
_LOSSES = "pytest_mlff.training.nequip_losses"
_LIBRARIES = ("nequip", "e3nn", "torch", "lightning")
_LOSS, _WATCHED = "train_loss_step/weighted_sum", "val0_epoch/weighted_sum"


def _below(config: dict[str, Any], *keys: str) -> dict[str, Any]:
    for key in keys:
        config = config[key]
    return config


def fill(config: Mapping[str, Any], fixture: TrainingFixture) -> dict[str, Any]:
    """NequIP's configuration with what belongs to a fixture filled in, and nothing else.

    A stage's loss and start take the place of the recipe's. Filled are
    ``data.train_file_path`` and ``data.val_file_path``, ``data.seed`` and
    ``training_module.model.seed``, ``trainer.max_time``, and type names: the top-level
    ``model_type_names`` and every ``type_names`` or ``model_type_names`` that is ``???``.
    Without validation frames ``trainer.limit_val_batches`` is 0.

    Parameters
    ----------
    config : mapping
        As in the recipe; it is left as it is.
    fixture : TrainingFixture
    """
    filled = json.loads(json.dumps(config))
    data = filled["data"]
    data["train_file_path"] = str(fixture.train_file)
    data.pop("val_file_path", None)
    if fixture.validation_file is not None:
        data["val_file_path"] = str(fixture.validation_file)
    elif "split_dataset" not in data:
        # NequIP does not start without such a file; of no batches of it, it watches nothing.
        data["val_file_path"] = str(fixture.train_file)
        filled["trainer"]["limit_val_batches"] = 0
    data["seed"] = fixture.seed
    _below(filled, "training_module", "model")["seed"] = fixture.seed
    filled["trainer"]["max_time"] = _duration(fixture.budget_seconds)
    _fill_loss(filled, fixture)
    if fixture.start is not None:
        _fill_start(filled["training_module"], str(fixture.start), fixture)
    filled["model_type_names"] = list(fixture.species)
    _fill_type_names(filled, list(fixture.species))
    return dict(filled)


def _fill_loss(filled: dict[str, Any], fixture: TrainingFixture) -> None:
    """The loss of a stage, by the classes that its configuration then names."""
    for name, settings in fixture.loss.items():
        module = filled["training_module"]
        own = module.get("loss") or {}
        coeffs = {"total_energy": 1.0, "forces": 1.0, **(own.get("coeffs") or {})}
        place = f"{_LOSSES}.BiasAwareLoss"
        if name == "score_matching":
            module["loss"] = {"_target_": f"{_LOSSES}.ScoreMatchingLoss", **settings}
            # Frames without labels have no statistics of them; forces in molecules are of 1 eV/Å.
            module["model"] |= {"per_type_energy_scales": 1.0, "per_type_energy_shifts": 0.0}
            return
        if name == "bias_aware":
            data = filled["data"]
            data["include_keys"] = [*data.get("include_keys", ()), "frame_weight"]
        else:  # denoising
            place = "nequip.train.EnergyForceLoss"
            coeffs["total_energy"] = 0.0
        module["loss"] = {
            "_target_": place,
            "coeffs": coeffs,
            "per_atom_energy": own.get("per_atom_energy", True),
        }


def _fill_start(module: dict[str, Any], checkpoint: str, fixture: TrainingFixture) -> None:
    """Begin with the weights of a checkpoint, and with the zero of energy of the new labels."""
    shifts = module["model"].get("per_type_energy_shifts")
    begun: dict[str, Any] = {
        "_target_": "nequip.model.ModelFromCheckpoint",
        "checkpoint_path": checkpoint,
    }
    if shifts is None or not fixture.loss.keys() <= {"bias_aware"}:  # no labels of energy
        module["model"] = begun
        return
    module["model"] = {
        "_target_": "nequip.model.modify",
        "model": begun,
        "modifiers": [{"modifier": "modify_PerTypeScaleShift", "shifts": shifts}],
    }


def _fill_type_names(node: Any, names: list[str]) -> None:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("type_names", "model_type_names") and value == "???":
                node[key] = list(names)
            else:
                _fill_type_names(value, names)
    elif isinstance(node, list):
        for value in node:
            _fill_type_names(value, names)


def _duration(seconds: int) -> str:
    """Lightning's way to write a duration: DD:HH:MM:SS."""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return f"{days:02d}:{hour:02d}:{minute:02d}:{second:02d}"


@dataclass(frozen=True)
class NequipTrainer:
    """``trainer: nequip``, by another interpreter where ``python`` names one.

    It tests ``checkpoint`` of the output folder; without, ``best.ckpt``, else ``last.ckpt``.
    """

    checkpoint: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    python: str | None = None

    @property
    def name(self) -> str:
        """``nequip``."""
        return "nequip"

    @property
    def heeds(self) -> tuple[str, ...]:
        """All that a stage can ask."""
        return ("from", "bias_aware", "score_matching", "denoising")

    @classmethod
    def open(cls, recipe: Recipe) -> NequipTrainer:
        """Check that NequIP is there and that a recipe holds a configuration for it.

        Raises
        ------
        MlffError
            If a section is missing.
        MissingExtraError
            If NequIP is not installed.
        """
        versions = _versions(recipe)
        config = recipe.config
        for section in _SECTIONS:
            if section not in config:
                raise MlffError(
                    f"recipe {recipe.path}: config: {section} is missing; NequIP's configuration "
                    f"needs {', '.join(_SECTIONS)}"
                )
        for keys in (("data",), ("trainer",), ("training_module",), ("training_module", "model")):
            found: Any = config
            for key in keys:
                found = found.get(key) if isinstance(found, dict) else None
            if not isinstance(found, dict):
                raise MlffError(f"recipe {recipe.path}: config.{'.'.join(keys)} must be a mapping")
        if "train" not in list(config["run"]):
            raise MlffError(f"recipe {recipe.path}: config.run must hold train")
        return cls(recipe.content.checkpoint, versions, recipe.python)

    def fit(self, fixture: TrainingFixture, config: Mapping[str, Any], out_dir: Path) -> Fit:
        """Run ``nequip-train``, from ``last.ckpt`` where an interrupted training left one.

        Raises
        ------
        MlffError
            If it fails; the message names the log.
        """
        last = out_dir / "last.ckpt"
        # JSON is YAML, and has no say in how numbers and texts are told apart.
        text = json.dumps(fill(config, fixture), indent=1)
        (out_dir / "train.yaml").write_text(text, encoding="utf-8")
        resumed = last.is_file()
        code = self._run(fixture, out_dir, last if resumed else None)
        if resumed and code > 0 and code != INTERRUPTED:
            # A checkpoint that cannot be read is worth nothing: begin again. One that the
            # training was killed at (code < 0) or called off at is as good as it was.
            last.unlink()
            code = self._run(fixture, out_dir, None)
        if code != 0:
            why = why_it_failed(code, out_dir)
            raise MlffError(f"trainer nequip on {fixture.variant}: {why}")
        loss = read_loss_curve(sorted(out_dir.glob("log/version_*/metrics.csv"), key=_version))
        steps = max((step for step, *_ in loss), default=None)
        planned = config["trainer"].get("max_steps")
        return Fit(
            self._found(fixture, out_dir),
            None if steps is None else steps + 1,
            loss,
            planned if isinstance(planned, int) and planned > 0 else None,
        )

    def _run(self, fixture: TrainingFixture, out_dir: Path, resume: Path | None) -> int:
        """Run once; the exit code, below zero for the signal that killed it."""
        from pytest_mlff.potentials.process.launch import command_of

        command = command_of(
            "from pytest_mlff.training.child import main\nmain(sys.argv[2:])", str(os.getpid()),
            "-cp", str(out_dir), "-cn", "train", f"hydra.run.dir='{out_dir}'",
            "hydra.output_subdir=null", python=self.python,
        )  # fmt: skip
        if resume is not None:
            command.append(f"++ckpt_path='{resume}'")
        return run_logged(command, out_dir, fixture.threads, self.python)

    def _found(self, fixture: TrainingFixture, out_dir: Path) -> Path:
        names = ("best.ckpt", "last.ckpt") if self.checkpoint is None else (self.checkpoint,)
        for name in names:
            if (out_dir / name).is_file():
                return out_dir / name
        raise MlffError(
            f"trainer nequip on {fixture.variant}: left no {' or '.join(names)} in {out_dir}; "
            "either the budget is too short for a first validation, or the recipe saves none"
        )


def _versions(recipe: Recipe) -> dict[str, str]:
    """Versions that the outcome depends on, of the interpreter that trains.

    Raises
    ------
    MlffError
        If it has no NequIP.
    """
    if recipe.python is None:
        if importlib.util.find_spec("nequip") is None:
            raise MissingExtraError(f"recipe {recipe.path.name}", "nequip", "nequip")
        return installed_versions(*_LIBRARIES)
    from pytest_mlff.potentials.process import Limits, surroundings_of

    held = surroundings_of(Limits(python=recipe.python), f"recipe {recipe.path}")
    known = held.versions(*_LIBRARIES)
    if "nequip" not in known:
        raise MlffError(f"recipe {recipe.path}: python: {recipe.python} has no nequip")
    return {**known, "python": held.python}


def _version(path: Path) -> int:
    number = path.parent.name.rpartition("_")[2]
    return int(number) if number.isdigit() else -1


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def read_loss_curve(logs: Iterable[Path], points: int = 200) -> LossCurve:
    """Read Lightning's CSV logs of one training, in the order of its attempts.

    Step, training loss and watched value of about ``points`` steps, evenly chosen; the last is
    always kept. Where an attempt repeats steps of an earlier one, the later one counts.
    """
    found: dict[int, tuple[float | None, float | None]] = {}
    for log in logs:
        attempt: dict[int, tuple[float | None, float | None]] = {}
        with log.open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                step = _number(row.get("step"))
                loss, watched = _number(row.get(_LOSS)), _number(row.get(_WATCHED))
                if step is None or (loss is None and watched is None):
                    continue
                before = attempt.get(int(step), (None, None))
                attempt[int(step)] = (
                    before[0] if loss is None else loss,
                    before[1] if watched is None else watched,
                )
        first = min(attempt, default=None)
        if first is not None:
            found = {step: value for step, value in found.items() if step < first}
        found.update(attempt)
    steps = sorted(found)
    stride = max(1, math.ceil(len(steps) / points))
    # Validation is rare, so none of it is thinned out.
    kept = [
        step
        for number, step in enumerate(steps)
        if number % stride == 0 or step == steps[-1] or found[step][1] is not None
    ]
    return tuple((step, *found[step]) for step in kept)
