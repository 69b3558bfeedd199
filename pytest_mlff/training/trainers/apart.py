"""Trainers that run in another interpreter: ``python:`` of a recipe.

The other environment needs numpy and what the trainer imports, not this package's dependencies.
Frames go there in files of plain arrays; the path of a checkpoint, or what went wrong, comes back
as JSON.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlff.errors import MlffError
from pytest_mlff.potentials.host.wire import frames_of, of_frames
from pytest_mlff.training.child import INTERRUPTED, die_with_parent
from pytest_mlff.training.fixture import TrainingFixture
from pytest_mlff.training.trainers.protocol import Fit

if TYPE_CHECKING:
    from pytest_mlff.training.recipe import Recipe
    from pytest_mlff.training.trainers.function import CallableTrainer

_LOG, _TASK, _FRAMES, _DONE = "training.log", "fit.json", "fit.npz", "fitted.json"
_RAISED = re.compile(r"[A-Za-z_][\w.]*(Error|Exception)\b")
_FIT = "from pytest_mlff.training.trainers.apart import main\nmain(*sys.argv[2:])"
_ASK = "from pytest_mlff.training.trainers.apart import say_heeds\nsay_heeds(*sys.argv[2:])"


@dataclass(frozen=True)
class ApartTrainer:
    """``fit(fixture, config, out_dir)`` of a repository, called in another interpreter.

    Attributes
    ----------
    name : str
        As in the recipe: ``module:callable`` or ``file.py:callable``.
    python : str
        The interpreter.
    folder : Path
        Where imports and relative paths start.
    versions : mapping of str to str
        Of that interpreter, and what its environment holds.
    checkpoint : str or None
        File within the output folder, for a function that does not name it.
    """

    name: str
    python: str
    folder: Path
    versions: Mapping[str, str]
    checkpoint: str | None = None

    @classmethod
    def open(cls, recipe: Recipe) -> ApartTrainer:
        """Ask the interpreter what it holds.

        Raises
        ------
        MlffError
            If the trainer's file is missing.
        ModelFailure
            If the interpreter cannot serve.
        """
        from pytest_mlff.potentials.process import Limits, surroundings_of
        from pytest_mlff.store import digest_of

        assert recipe.python is not None
        name = recipe.content.trainer
        module = name.rpartition(":")[0]
        if module.endswith(".py") and not (recipe.path.parent / module).is_file():
            raise MlffError(f"recipe {recipe.path}: trainer {name!r}: no such file: {module}")
        held = surroundings_of(Limits(python=recipe.python), f"recipe {recipe.path}")
        about = {"python": held.python, **held.versions("numpy", "torch")}
        about["libraries"] = digest_of({"libraries": sorted(map(list, held.packages))})
        return cls(name, recipe.python, recipe.path.parent, about, recipe.content.checkpoint)

    @property
    def heeds(self) -> tuple[str, ...]:
        """What the function says there; it is imported for that.

        Raises
        ------
        MlffError
            If it cannot be imported.
        """
        from pytest_mlff.potentials.process.launch import command_of, environment_of

        done = subprocess.run(
            command_of(_ASK, self.name, str(self.folder), python=self.python),
            env=environment_of({}, foreign=True),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = done.stderr.strip().rpartition("\n")[2]
            raise MlffError(last or f"trainer {self.name}: importing it ended {self.python}")
        return tuple(json.loads(done.stdout.splitlines()[-1]))

    def fit(self, fixture: TrainingFixture, config: Mapping[str, Any], out_dir: Path) -> Fit:
        """Run the function there.

        Raises
        ------
        MlffError
            What went wrong there; where it ended without a word, its last line.
        """
        import numpy as np

        from pytest_mlff.potentials.process.launch import command_of

        (out_dir / _DONE).unlink(missing_ok=True)
        arrays = {f"train/{name}": one for name, one in of_frames(fixture.train, True).items()}
        if fixture.validation is not None:
            found = of_frames(fixture.validation, True)
            arrays |= {f"validation/{name}": one for name, one in found.items()}
        np.savez(out_dir / _FRAMES, **arrays)  # type: ignore[arg-type]
        about = {
            name: getattr(fixture, name)
            for name in ("variant", "species", "seed", "budget_seconds", "threads")
        }
        named = (fixture.train_file, fixture.validation_file, fixture.start)
        files = [None if one is None else str(one) for one in named]
        trainer = {"name": self.name, "folder": str(self.folder), "checkpoint": self.checkpoint}
        task = {
            "fixture": {
                **about,
                "reference_energies": dict(fixture.reference_energies),
                "loss": fixture.loss,
            },
            "files": files, "trainer": trainer, "config": config,
        }  # fmt: skip
        (out_dir / _TASK).write_text(json.dumps(task), encoding="utf-8")
        command = command_of(_FIT, str(os.getpid()), str(out_dir), python=self.python)
        code = run_logged(command, out_dir, fixture.threads, self.python)
        try:
            done = json.loads((out_dir / _DONE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            done = {"error": f"trainer {self.name} on {fixture.variant}: "
                             f"{why_it_failed(code, out_dir)}"}  # fmt: skip
        if "error" in done:
            raise MlffError(str(done["error"]))
        return Fit(out_dir / str(done["checkpoint"]))


def run_logged(
    command: Sequence[str], out_dir: Path, threads: int, python: str | None = None
) -> int:
    """Run a trainer's command in its folder, logged there; an exit code below 0 is a signal."""
    from pytest_mlff.potentials.process.launch import environment_of

    with (out_dir / _LOG).open("ab") as stream:
        done = subprocess.run(
            command,
            cwd=out_dir,
            env=environment_of({"OMP_NUM_THREADS": str(threads)}, foreign=python is not None),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            check=False,
        )
    return done.returncode


def why_it_failed(code: int, out_dir: Path) -> str:
    """Why a command of `run_logged` failed, in one line."""
    log = out_dir / _LOG
    if code == INTERRUPTED:
        return f"it was told to end before it was through (SIGTERM; log: {log})"
    said = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    # Hydra, for one, ends with where in its configuration, after what was wrong.
    raised = [line for line in said[-5:] if _RAISED.match(line)]
    last = (raised or said or ["it said nothing"])[-1].strip()
    return f"ended with code {code}: {last[:300]} (log: {log})"


def say_heeds(name: str, folder: str) -> None:
    """On the other side: print what a trainer heeds, as JSON."""
    try:
        print("\n" + json.dumps(_trainer(name, Path(folder), None).heeds))
    except MlffError as error:
        raise SystemExit(str(error)) from None


def main(parent: str, folder: str) -> None:
    """On the other side: call the function, and leave word of what came of it."""
    import numpy as np

    from pytest_mlff.store import write_atomically

    die_with_parent(int(parent))
    out_dir = Path(folder)
    task = json.loads((out_dir / _TASK).read_text(encoding="utf-8"))
    with np.load(out_dir / _FRAMES, allow_pickle=False) as stored:
        arrays: dict[str, dict[str, Any]] = {}
        for key in stored.files:
            role, _, name = key.partition("/")
            arrays.setdefault(role, {})[name] = stored[key]
    about = task["fixture"]
    train_file, validation_file, start = (
        None if one is None else Path(one) for one in task["files"]
    )
    assert train_file is not None
    fixture = TrainingFixture(
        train=frames_of(arrays["train"]),
        validation=frames_of(arrays["validation"]) if "validation" in arrays else None,
        train_file=train_file,
        validation_file=validation_file,
        start=start,
        **{**about, "species": tuple(about["species"])},
    )
    told = task["trainer"]
    try:
        trainer = _trainer(told["name"], Path(told["folder"]), told["checkpoint"])
        done = {"checkpoint": str(trainer.fit(fixture, task["config"], out_dir).checkpoint)}
    except MlffError as error:
        if error.__cause__ is not None:
            import traceback

            traceback.print_exception(error.__cause__)
        done = {"error": str(error)}
    write_atomically(out_dir / _DONE, json.dumps(done).encode())


def _trainer(name: str, beside: Path, checkpoint: str | None) -> CallableTrainer:
    from pytest_mlff.potentials.factory import find_callable
    from pytest_mlff.training.trainers.function import CallableTrainer

    module, _, attribute = name.rpartition(":")
    own = (beside / module).parent if module.endswith(".py") else beside
    sys.path.insert(0, str(own))
    function = find_callable(module, attribute, said=f"trainer {name!r}", cwd=beside)
    return CallableTrainer(name, function, checkpoint)
