"""The smallest structure that breaks a law: shown, written, read back, measured again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.datasets.export import extxyz_text
from pytest_mlff.errors import MlffError
from pytest_mlff.laws.context import describe_frames
from pytest_mlff.laws.trial import Parameter, Reading, Trial

if TYPE_CHECKING:
    from pytest_mlff.datasets.frames import Frames

_PREFIX = "mlff_parameter_"
_SHOWN_ATOMS = 12


@dataclass(frozen=True, eq=False)
class Counterexample:
    """A trial that breaks a law.

    Attributes
    ----------
    law : str
        Id of the law.
    frames : Frames
        The structure, as small as it could be made.
    description : str
        What happens there, in one line.
    parameters : mapping
        The trial's parameters.
    seed : int
        Seed of the run that found it.
    model : str
        Model source, for the repro command.
    facts : tuple of str
        Values before and after.
    """

    law: str
    frames: Frames
    description: str
    parameters: Mapping[str, Parameter]
    seed: int
    model: str
    facts: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, law: str, trial: Trial, reading: Reading | None, seed: int, model: str
    ) -> Counterexample:
        """Describe a trial and what was read there (None: the answer was not finite)."""
        found = "the model answers NaN or infinity" if reading is None else reading.headline
        text = f"{describe_frames(trial.frames)}: {found}"
        facts = () if reading is None else reading.facts
        return cls(law, trial.frames, text, dict(trial.parameters), seed, model, facts)

    @property
    def trial(self) -> Trial:
        """What to give to the law to measure it again."""
        return Trial(self.frames, self.parameters)

    def __str__(self) -> str:
        return self.show()

    def file_name(self) -> str:
        """A name that differs for different counterexamples."""
        return f"{self.law}-{self.frames.structure_digest[:10]}.extxyz"

    def command(self, path: Path, *, device: str | None = None, dtype: str | None = None) -> str:
        """The line that measures it again, for a shell; ``device`` and ``dtype`` if asked for."""
        words = ["mlff", "laws", "repro", str(path), "--model", self.model]
        if device:
            words += ["--device", device]
        if dtype:
            words += ["--dtype", dtype]
        return shlex.join(words)

    def show(self) -> str:
        """Description, parameters and coordinates, for an assertion message."""
        from ase.data import chemical_symbols

        lines = [f"counterexample, {describe_frames(self.frames)}:"]
        lines += [f"  {fact}" for fact in self.facts]
        if self.parameters:
            told = ", ".join(f"{key}={value}" for key, value in sorted(self.parameters.items()))
            lines.append(f"  parameters: {told}")
        for index in range(len(self.frames)):
            if self.frames.pbc[index].any():
                lines.append(f"  cell (Å): {np.round(self.frames.cell[index], 4).tolist()}")
        for number, place in list(zip(self.frames.numbers, self.frames.positions, strict=True))[
            :_SHOWN_ATOMS
        ]:
            x, y, z = (float(component) for component in place)
            lines.append(f"  {chemical_symbols[int(number)]:2s} {x:12.6f} {y:12.6f} {z:12.6f}")
        hidden = len(self.frames.numbers) - _SHOWN_ATOMS
        if hidden > 0:
            lines.append(f"  … and {hidden} atoms more")
        return "\n".join(lines)


def _quoted(value: Parameter) -> str:
    return repr(float(value)) if isinstance(value, float) else str(value)


def write_counterexample(counterexample: Counterexample, folder: Path) -> Path:
    """Write it as extxyz into ``folder``, with all digits and all that a model was given.

    `Counterexample.command` gives the line that runs the file.
    """
    told = {"mlff_law": counterexample.law, "mlff_seed": str(counterexample.seed)}
    for key, value in sorted(counterexample.parameters.items()):
        told[f"{_PREFIX}{key}"] = _quoted(value)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / counterexample.file_name()
    text = extxyz_text(counterexample.frames.without_labels(), **told)
    path.write_text(text, encoding="utf-8")
    return path


def read_counterexample(path: Path) -> Counterexample:
    """Read what `write_counterexample` wrote.

    Raises
    ------
    MlffError
        If the file is missing, is not extxyz, or does not name a law.
    """
    from ase.io import read

    from pytest_mlff.datasets.frames import Frames

    try:
        found: Any = read(path, index=":", format="extxyz")
    except FileNotFoundError as error:
        raise MlffError(f"{path}: no such file") from error
    except Exception as error:
        text = " ".join(str(error).split())[:120]
        raise MlffError(f"{path}: not a readable extxyz file ({text})") from error
    info = found[0].info if found else {}
    if "mlff_law" not in info:
        raise MlffError(f"{path}: names no law (mlff_law=…); is it a counterexample file?")
    parameters: dict[str, Parameter] = {}
    for key, value in info.items():
        if key.startswith(_PREFIX):
            plain = value.item() if isinstance(value, np.generic) else value
            parameters[key.removeprefix(_PREFIX)] = plain
    law, seed = str(info["mlff_law"]), int(info.get("mlff_seed", 0))
    for atoms in found:
        # What we wrote beside the structure is nothing that a model should see.
        atoms.info = {key: one for key, one in atoms.info.items() if not key.startswith("mlff_")}
    frames = Frames.from_atoms(found)
    return Counterexample(law, frames, describe_frames(frames), parameters, seed, "")
