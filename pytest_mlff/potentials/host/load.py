"""From a plain request to a loaded model: in its own process, or in the judge's for debuggers."""

from __future__ import annotations

import base64
import importlib.util
import pickle
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlff.errors import MlffError
from pytest_mlff.potentials.loading import load_checkpoint, load_potential
from pytest_mlff.potentials.source import Checkpoint

if TYPE_CHECKING:
    from pytest_mlff.potentials.adapters import Adapter
    from pytest_mlff.potentials.protocol import Potential


@dataclass(frozen=True)
class LoadRequest:
    """Which model to load, and how.

    Attributes
    ----------
    source : str
        A model source of one file or factory, or the path of a trained checkpoint.
    folder : str
        Folder that relative paths and imports start from.
    device, dtype : str
        As asked for.
    variant : str or None
        Fixture variant, for sources with one checkpoint each.
    threads : int or None
        Threads of the model; None leaves the libraries' own choice.
    trained : bool
        ``source`` is the path of a checkpoint that a recipe left.
    trusted : bool
        No warning where opening it runs its code.
    name, shown : str or None
        What the model is called, and what ``--mlff-model`` said, where not ``source`` itself.
    reference_energies : mapping of str to float
        Energy per atom in eV that training has left out, by species.
    plus : str or None
        Oracle whose labels are added to what the model says (delta learning).
    level : str or None
        Level of theory; None for what the model says.
    capabilities : mapping of str to bool
        See :class:`~pytest_mlff.potentials.protocol.PotentialInfo`.
    surroundings : mapping of str to str, optional
        Variables that a model card sets. Where there is a card that sets some or names an
        interpreter, what that holds is part of what the model is.
    """

    source: str
    folder: str
    device: str = "auto"
    dtype: str | None = None
    variant: str | None = None
    threads: int | None = None
    trained: bool = False
    trusted: bool = False
    name: str | None = None
    shown: str | None = None
    reference_energies: Mapping[str, float] = field(default_factory=dict)
    plus: str | None = None
    level: str | None = None
    capabilities: Mapping[str, bool] = field(default_factory=dict)
    surroundings: Mapping[str, str] | None = None


def load(request: LoadRequest, adapters: Sequence[Adapter] = ()) -> Potential:
    """Load what a request names, in this process.

    Raises
    ------
    MlffError
        As :func:`pytest_mlff.potentials.load_potential`.
    """
    potential: Potential
    if request.trained:
        path = Path(request.source)
        potential = load_checkpoint(
            Checkpoint(request.source, path), device=request.device, dtype=request.dtype,
            adapters=adapters, trusted=request.trusted,
        )  # fmt: skip
    else:
        potential = load_potential(
            request.source, device=request.device, dtype=request.dtype, cwd=Path(request.folder),
            adapters=adapters, variant=request.variant,
        )  # fmt: skip
    # Only where something has imported torch: to a model without it threads mean nothing.
    torch = sys.modules.get("torch")
    if torch is not None and request.threads is not None:
        torch.set_num_threads(request.threads)
    from pytest_mlff.potentials.referenced import (
        DeltaPotential,
        NamedPotential,
        ReferencedPotential,
    )

    if request.reference_energies:
        potential = ReferencedPotential(potential, request.reference_energies)
    if request.plus is not None:
        potential = DeltaPotential(potential, request.plus, Path(request.folder))
    info = potential.info
    told = replace(
        info,
        name=request.name or info.name,
        source=request.shown or info.source,
        level=request.level or info.level,
        capabilities={**info.capabilities, **request.capabilities},
    )
    return potential if told == info else NamedPotential(potential, told)


def pack_adapters(adapters: Sequence[Adapter]) -> list[dict[str, str]]:
    """Adapters beyond the builtin ones, in words that another process can follow.

    Raises
    ------
    MlffError
        If one is no importable class's.
    """
    packed = []
    for one in adapters:
        module = type(one).__module__
        try:
            state = base64.b64encode(pickle.dumps(one)).decode()
        except Exception as error:
            raise MlffError(
                f"adapter {type(one).__qualname__} of {module}: cannot be taken to the model's "
                f"process ({error}); define its class at the top of a module"
            ) from error
        file = getattr(sys.modules.get(module), "__file__", None) or ""
        packed.append({"module": module, "file": file, "state": state})
    return packed


def unpack_adapters(packed: Sequence[Mapping[str, str]]) -> list[Any]:
    """The adapters that the judge has packed (never the other way)."""
    found = []
    for one in packed:
        name, file = one["module"], one["file"]
        if name not in sys.modules and file and importlib.util.find_spec(name) is None:
            specification = importlib.util.spec_from_file_location(name, file)
            assert specification is not None
            assert specification.loader is not None
            module = importlib.util.module_from_spec(specification)
            sys.modules[name] = module
            specification.loader.exec_module(module)
        found.append(pickle.loads(base64.b64decode(one["state"])))
    return found
