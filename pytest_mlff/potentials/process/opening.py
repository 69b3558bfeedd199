"""From a model source to a potential in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.potentials.device import check_dtype
from pytest_mlff.potentials.families.registry import installed_adapters
from pytest_mlff.potentials.host.load import LoadRequest, load
from pytest_mlff.potentials.process.client import Limits, ProcessPotential
from pytest_mlff.potentials.source import Recipe, Routed, parse_source

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_mlff.potentials.adapters import Adapter
    from pytest_mlff.potentials.protocol import Potential
    from pytest_mlff.potentials.routed import Window
    from pytest_mlff.store import Store

__all__ = ["open_potential", "start"]


def start(
    request: LoadRequest,
    *,
    adapters: Sequence[Adapter] = (),
    limits: Limits | None = None,
    store: Store | None = None,
    notice: Callable[[str, float, int, int], None] | None = None,
    in_process: bool = False,
) -> Potential:
    """Load one model in a process of its own, or in this one for a debugger."""
    if in_process:
        return load(request, adapters)
    return ProcessPotential(request, adapters, limits, store, notice)


def open_potential(
    source: str,
    *,
    device: str = "auto",
    dtype: str | None = None,
    cwd: Path | None = None,
    adapters: Sequence[Adapter] = (),
    variant: str | None = None,
    data_dir: Path | None = None,
    store: Store | None = None,
    threads: int | None = None,
    limits: Limits | None = None,
    notice: Callable[[str, float, int, int], None] | None = None,
    in_process: bool = False,
) -> Potential:
    """As :func:`pytest_mlff.potentials.load_potential`, but apart from this process.

    Parameters
    ----------
    source, device, dtype, cwd, adapters, variant, data_dir, store
        As there. Each member of a routed source has a process of its own.
    threads : int, optional
        Threads of the model.
    limits, notice
        See :class:`ProcessPotential`.
    in_process : bool
        Load it here nonetheless.

    Raises
    ------
    MlffError
        If the source is not in order.
    ModelFailure
        If the model ends its process, hangs or skips.
    """
    check_dtype(dtype)
    folder = Path.cwd() if cwd is None else cwd
    families = [one.family for one in (*adapters, *installed_adapters())]
    parsed = parse_source(source, cwd=folder, families=families)

    def apart(text: str, where: Path, of_variant: str | None) -> Potential:
        request = LoadRequest(text, str(where), device, dtype, of_variant, threads)
        return start(
            request, adapters=adapters, limits=limits, store=store, notice=notice,
            in_process=in_process,
        )  # fmt: skip

    if isinstance(parsed, Routed):
        from pytest_mlff.potentials.routed import load_routed

        beside = parsed.path.absolute().parent

        def member(window: Window) -> Potential:
            return apart(window.checkpoint, beside, window.variant)

        return load_routed(parsed, member, families=families, data_dir=data_dir, store=store)
    if isinstance(parsed, Recipe):
        in_process = True  # it only says how recipes are used
    return apart(source, folder, variant)
