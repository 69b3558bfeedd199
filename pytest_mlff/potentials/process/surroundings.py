"""What the interpreter of a model's process holds, told by itself before any model is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pytest_mlff.potentials.card import load_card
from pytest_mlff.potentials.failures import ModelFailure
from pytest_mlff.potentials.families.registry import family_names
from pytest_mlff.potentials.host.wire import GarbledError
from pytest_mlff.potentials.process.asked import Limits
from pytest_mlff.potentials.process.launch import HostProcess
from pytest_mlff.potentials.process.opening import limits_of
from pytest_mlff.potentials.source import Card, parse_source

_PATIENCE: Final = 60.0


@dataclass(frozen=True)
class Surroundings:
    """An interpreter and its packages.

    Attributes
    ----------
    executable : str
        Its path.
    python : str
        Its version.
    packages : tuple of (str, str)
        Name and version of each installed distribution.
    """

    executable: str
    python: str
    packages: tuple[tuple[str, str], ...]

    def versions(self, *names: str) -> dict[str, str]:
        """Versions of those distributions that are installed."""
        return {name: version for name, version in self.packages if name in names}


def surroundings_of(limits: Limits, said: str) -> Surroundings:
    """Ask an interpreter what it holds.

    Parameters
    ----------
    limits : Limits
        The interpreter, with its variables.
    said : str
        What it is to serve, for messages.

    Raises
    ------
    ModelFailure
        If the interpreter cannot serve, for want of numpy for instance.
    """
    host = HostProcess(limits.python, limits.environment, limits.memory)
    try:
        host.channel.sock.settimeout(_PATIENCE)
        host.channel.send({"do": "surroundings"})
        found, _ = host.channel.receive()
    except (OSError, EOFError, GarbledError):
        words = host.last_lines()
        raise ModelFailure(
            f"{said}: its interpreter {host.how_it_ended()}" + (f"; it said: {words}" * bool(words))
        ) from None
    finally:
        host.end()
    packages = (one.partition("-") for one in found["libraries"])
    return Surroundings(
        str(found["at"]),
        str(found["python"]).partition(" ")[0],
        tuple((name, version.removesuffix(".egg-info")) for name, _, version in packages),
    )


def surroundings_of_source(source: str, cwd: Path) -> Surroundings:
    """Ask the interpreter that a model source runs in; see :func:`surroundings_of`.

    Parameters
    ----------
    source : str
        As ``--mlff-model`` takes it.
    cwd : Path
        Folder that relative paths start from.

    Raises
    ------
    MlffError
        If the source or its card is not in order.
    """
    parsed = parse_source(source, cwd=cwd, families=family_names())
    limits = limits_of(load_card(parsed.path)) if isinstance(parsed, Card) else Limits()
    return surroundings_of(limits, source)
