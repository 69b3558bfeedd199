"""What a model's process is asked, and what it is started with."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_mlff.potentials.adapters import ModelOpensCodeWarning
from pytest_mlff.potentials.host.load import pack_adapters
from pytest_mlff.potentials.process.launch import HostProcess, environment_of
from pytest_mlff.store import digest_of

if TYPE_CHECKING:
    from pytest_mlff.potentials.adapters import Adapter
    from pytest_mlff.potentials.host.load import LoadRequest

# Readline sets the last two, unseen by the process that has imported it.
_OF_WORKERS: Final = ("PYTEST_", "COLUMNS", "LINES")


@dataclass(frozen=True)
class Limits:
    """What a model may take, and the interpreter that it runs in.

    Attributes
    ----------
    timeout : float or None
        Seconds without a word from the model; None for no limit.
    memory : int or None
        Bytes of private memory.
    python : str or None
        Interpreter; this one if None.
    environment : mapping of str to str
        Variables of the process beyond those of this one.
    """

    timeout: float | None = 600.0
    memory: int | None = None
    python: str | None = None
    environment: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Asked:
    """A model to load, and the process for it.

    Attributes
    ----------
    header : mapping
        The request to load it.
    limits : Limits
        With all variables of the process beyond those of this one.
    """

    header: Mapping[str, Any]
    limits: Limits

    @cached_property
    def digest(self) -> str:
        """The same where the same process would come of it, but for what tells workers apart."""
        limits = self.limits
        around = environment_of(limits.environment or {}, foreign=limits.python is not None)
        return digest_of(
            {
                "header": self.header,
                "variables": {k: v for k, v in around.items() if not k.startswith(_OF_WORKERS)},
                "python": limits.python,
                "memory": limits.memory,
                "folder": str(Path.cwd()),
            }
        )

    def start(self) -> HostProcess:
        """Start the process; it has yet to be sent the request."""
        limits = self.limits
        return HostProcess(limits.python, limits.environment, limits.memory)


def asked_of(request: LoadRequest, adapters: Sequence[Adapter], limits: Limits) -> Asked:
    """What a process is asked that is to load a model."""
    environment = dict(limits.environment or {})
    if request.threads is not None:
        environment.setdefault("OMP_NUM_THREADS", str(request.threads))
    header = {
        "do": "load",
        "request": {**asdict(request), "reference_energies": dict(request.reference_energies)},
        "adapters": pack_adapters(adapters),
        "path": sys.path if limits.python is None else None,
        "refuse_code": _is_refused(),
    }
    return Asked(header, replace(limits, environment=environment))


def _is_refused() -> bool:
    """Whether the user's warning filters turn the opening of files with code into an error."""
    with warnings.catch_warnings(record=True):
        try:
            warnings.warn_explicit("", ModelOpensCodeWarning, "mlff", 1)
        except ModelOpensCodeWarning:
            return True
    return False
