"""From a source string to a loaded model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_mlff.errors import MlffError
from pytest_mlff.potentials.adapters import LoadOptions, adapter_for
from pytest_mlff.potentials.detect import detect
from pytest_mlff.potentials.device import check_dtype, resolve_device
from pytest_mlff.potentials.factory import load_factory
from pytest_mlff.potentials.families.registry import family_names, installed_adapters
from pytest_mlff.potentials.source import (
    Card,
    Checkpoint,
    CheckpointSet,
    Demo,
    Factory,
    RecipeFile,
    Routed,
    parse_source,
)

if TYPE_CHECKING:
    from pytest_mlff.potentials.adapters import Adapter
    from pytest_mlff.potentials.protocol import Potential
    from pytest_mlff.potentials.routed import Window
    from pytest_mlff.store import Store

DEMO_MODEL: Final = Path(__file__).with_name("demo_model") / "demo.nequip.zip"


def _name(path: Path) -> str:
    """File name without the suffixes of model formats; other dots belong to the name."""
    name = path.name
    while True:
        stem, dot, suffix = name.rpartition(".")
        if not (dot and stem and suffix in ("ckpt", "pth", "pt", "pt2", "zip", "nequip", "model")):
            return name
        name = stem


def load_checkpoint(
    checkpoint: Checkpoint,
    *,
    device: str = "auto",
    dtype: str | None = None,
    adapters: Sequence[Adapter] = (),
    trusted: bool = False,
) -> Potential:
    """Open one checkpoint.

    Parameters
    ----------
    checkpoint : Checkpoint
        The file, and the adapter to use if it is forced.
    device, dtype, adapters
        As for :func:`load_potential`.
    trusted : bool
        No warning where opening the file runs its code.

    Raises
    ------
    MlffError
        If no adapter can open it as asked.
    """
    check_dtype(dtype)
    there = resolve_device(device)
    # Adapters that are passed in go first, so that they can replace a builtin one.
    everyone = (*adapters, *installed_adapters())
    kind = detect(checkpoint.path)
    adapter = adapter_for(kind, checkpoint.family, everyone)
    options = LoadOptions(
        source=checkpoint.text,
        name="demo" if checkpoint.path == DEMO_MODEL else _name(checkpoint.path),
        device=there,
        dtype=dtype,
        trusted=trusted,
    )
    return adapter.load(kind, options)


def load_potential(
    source: str,
    *,
    device: str = "auto",
    dtype: str | None = None,
    cwd: Path | None = None,
    adapters: Sequence[Adapter] = (),
    variant: str | None = None,
    data_dir: Path | None = None,
    store: Store | None = None,
) -> Potential:
    """Load the model that ``--mlff-model`` names.

    Parameters
    ----------
    source : str
        See :mod:`pytest_mlff.potentials.source`.
    device : str
        ``auto`` (a GPU if torch finds one), ``cpu`` or ``cuda``.
    dtype : str, optional
        ``float32`` or ``float64``; as stored if not given.
    cwd : Path, optional
        Folder that relative paths and imports start from; the working directory if not given.
    adapters : sequence of Adapter
        Asked before the builtin ones.
    variant : str, optional
        Id of the fixture variant, for sources with one checkpoint per variant.
    data_dir : Path, optional
        Folder of published datasets, for routed models.
    store : Store, optional
        Where descriptors of a routed model's windows are kept.

    Raises
    ------
    MlffError
        One line, whatever is wrong: the source, the file, the device, the factory.
    MissingExtraError
        If the family's library is not installed.
    NotSupportedError
        If the model gives no energies or no forces.
    """
    check_dtype(dtype)
    cwd = Path.cwd() if cwd is None else cwd
    families = family_names(adapters)
    parsed = parse_source(source, cwd=cwd, families=families)
    if isinstance(parsed, Demo):
        if not DEMO_MODEL.is_file():
            raise MlffError("model source 'demo': this installation has no demo model")
        parsed, trusted = Checkpoint(source, DEMO_MODEL, "nequip"), True
    else:
        trusted = False
    if isinstance(parsed, Factory):
        # An impossible device is reported before the user's code runs.
        resolve_device(device)
        return load_factory(parsed, cwd=cwd, device=device, dtype=dtype)
    if isinstance(parsed, Routed):
        from pytest_mlff.potentials.routed import load_routed

        folder = parsed.path.absolute().parent

        def load(window: Window) -> Potential:
            return load_potential(
                window.checkpoint, device=device, dtype=dtype, cwd=folder, adapters=adapters,
                variant=window.variant,
            )  # fmt: skip

        return load_routed(parsed, load, families=families, data_dir=data_dir, store=store)
    if isinstance(parsed, RecipeFile):
        raise MlffError(
            f"model source {source!r} is a recipe, which is trained per fixture variant of a spec: "
            "use it with pytest or mlff train, or name one of its checkpoints"
        )
    if isinstance(parsed, Card):
        raise MlffError(
            f"model source {source!r} is a model card, whose model needs a process of its own: "
            "use pytest_mlff.potentials.process.open_potential"
        )
    if isinstance(parsed, CheckpointSet):
        if variant is None:
            raise MlffError(
                f"model source {source!r} names one checkpoint per fixture variant; "
                "say which variant"
            )
        parsed = parsed.checkpoint_for(variant)
        if not parsed.path.is_file():
            raise MlffError(
                f"model source {source!r}: no checkpoint for variant {variant}: {parsed.path}"
            )
    return load_checkpoint(parsed, device=device, dtype=dtype, adapters=adapters, trusted=trusted)
