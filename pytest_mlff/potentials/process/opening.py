"""From a model source to a potential in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.errors import MlffError
from pytest_mlff.potentials.card import load_card
from pytest_mlff.potentials.device import check_dtype
from pytest_mlff.potentials.families.registry import family_names
from pytest_mlff.potentials.host.load import LoadRequest, load
from pytest_mlff.potentials.process.asked import Limits, asked_of
from pytest_mlff.potentials.process.client import ProcessPotential
from pytest_mlff.potentials.process.handover import Offer
from pytest_mlff.potentials.source import Card, RecipeFile, Routed, parse_source
from pytest_mlff.specs.wording import shown

if TYPE_CHECKING:
    from pytest_mlff.potentials.adapters import Adapter
    from pytest_mlff.potentials.card import ModelCard
    from pytest_mlff.potentials.protocol import Potential
    from pytest_mlff.potentials.routed import Window
    from pytest_mlff.store import Store


def start(
    request: LoadRequest,
    *,
    adapters: Sequence[Adapter] = (),
    limits: Limits | None = None,
    store: Store | None = None,
    notice: Callable[[str, float, int, int], None] | None = None,
    offered: str | None = None,
    in_process: bool = False,
) -> Potential:
    """Load one model in a process of its own, or in this one for a debugger."""
    if in_process:
        return load(request, adapters)
    return ProcessPotential(request, adapters, limits, store, notice, offered=offered)


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
    offered: str | None = None,
    in_process: bool = False,
) -> Potential:
    """As :func:`pytest_mlff.potentials.load_potential`, but apart from this process.

    Parameters
    ----------
    source, device, dtype, cwd, adapters, variant, data_dir, store
        As there. Each member of a routed source has a process of its own.
    threads : int, optional
        Threads of the model.
    limits, notice, offered
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
    families = family_names(adapters)
    parsed = parse_source(source, cwd=folder, families=families)

    def apart(request: LoadRequest, within: Limits | None) -> Potential:
        return start(
            request, adapters=adapters, limits=within, store=store, notice=notice,
            offered=offered, in_process=in_process,
        )  # fmt: skip

    request = LoadRequest(source, str(folder), device, dtype, variant, threads)
    if isinstance(parsed, Card):
        card = load_card(parsed.path)
        if in_process and card.runs_apart:
            raise MlffError(
                f"{shown(card.path)}: python, env and memory are of a process of its own: leave "
                "--mlff-in-process out"
            )
        try:
            return apart(_of_card(card, request), limits_of(card, limits))
        except MlffError as error:
            if type(error) is not MlffError:  # it says by itself which model it is about
                raise
            raise MlffError(f"{shown(card.path)}: {error}") from error
    if isinstance(parsed, Routed):
        from pytest_mlff.potentials.routed import load_routed

        beside = str(parsed.path.absolute().parent)

        def member(window: Window) -> Potential:
            one = replace(request, source=window.checkpoint, folder=beside, variant=window.variant)
            return apart(one, limits)

        return load_routed(parsed, member, families=families, data_dir=data_dir, store=store)
    if isinstance(parsed, RecipeFile):
        in_process = True  # it only says how recipes are used
    return apart(request, limits)


def offer_potential(
    source: str,
    *,
    device: str = "auto",
    dtype: str | None = None,
    cwd: Path | None = None,
    adapters: Sequence[Adapter] = (),
    threads: int | None = None,
    limits: Limits | None = None,
) -> Offer | None:
    """Begin to load what :func:`open_potential` is asked for by another process.

    Returns
    -------
    Offer or None
        None for a source that is not one model.

    Raises
    ------
    MlffError
        If the source is not in order.
    OSError
        If nothing can be offered here.
    """
    folder, within = Path.cwd() if cwd is None else cwd, limits or Limits()
    families = family_names(adapters)
    parsed = parse_source(source, cwd=folder, families=families)
    if isinstance(parsed, Routed | RecipeFile):
        return None
    request = LoadRequest(source, str(folder), device, dtype, None, threads)
    if isinstance(parsed, Card):
        card = load_card(parsed.path)
        request, within = _of_card(card, request), limits_of(card, limits)
    return Offer(asked_of(request, adapters, within))


def _of_card(card: ModelCard, asked: LoadRequest) -> LoadRequest:
    """What a card asks for; what the command line says of device and dtype goes first."""
    content = card.content
    return replace(
        asked,
        source=content.model,
        folder=str(card.path.parent),
        device=asked.device if asked.device != "auto" else content.device or "auto",
        dtype=asked.dtype or content.dtype,
        name=card.name,
        shown=asked.source,
        level=content.level,
        capabilities=content.capabilities.model_dump(exclude_unset=True),
        surroundings=content.env if card.python or content.env else None,
    )


def limits_of(card: ModelCard, given: Limits | None = None) -> Limits:
    """The limits and the interpreter of a card's process; ``given`` holds where it says nothing."""
    limits, timeout = given or Limits(), card.content.timeout
    return replace(
        limits,
        timeout=limits.timeout if timeout is None else timeout or None,
        memory=card.memory,
        python=card.python,
        environment=card.content.env,
    )
