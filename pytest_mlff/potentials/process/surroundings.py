"""What the interpreter of a model's process holds, told by itself before any model is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_mlff.potentials.card import load_card
from pytest_mlff.potentials.failures import ModelFailure
from pytest_mlff.potentials.families.registry import installed_adapters
from pytest_mlff.potentials.host.wire import GarbledError
from pytest_mlff.potentials.process.client import Limits
from pytest_mlff.potentials.process.launch import HostProcess
from pytest_mlff.potentials.process.opening import limits_of
from pytest_mlff.potentials.source import Card, parse_source

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Surroundings", "surroundings_of"]

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


def surroundings_of(source: str, cwd: Path) -> Surroundings:
    """Ask the interpreter that a model source runs in.

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
    ModelFailure
        If the interpreter cannot serve, for want of numpy for instance.
    """
    families = [one.family for one in installed_adapters()]
    parsed = parse_source(source, cwd=cwd, families=families)
    limits = limits_of(load_card(parsed.path)) if isinstance(parsed, Card) else Limits()
    host = HostProcess(limits.python, limits.environment, limits.memory)
    try:
        host.channel.sock.settimeout(_PATIENCE)
        host.channel.send({"do": "surroundings"})
        found, _ = host.channel.receive(_PATIENCE)
    except (OSError, EOFError, GarbledError):
        said = host.last_lines()
        raise ModelFailure(
            f"{source}: its interpreter {host.how_it_ended()}" + (f"; it said: {said}" * bool(said))
        ) from None
    finally:
        host.end()
    packages = (one.partition("-") for one in found["libraries"])
    return Surroundings(
        str(found["at"]),
        str(found["python"]).partition(" ")[0],
        tuple((name, version.removesuffix(".egg-info")) for name, _, version in packages),
    )
