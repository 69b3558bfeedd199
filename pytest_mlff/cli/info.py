"""``mlff info``: what is installed, which devices there are, where data and store lie."""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
from pathlib import Path

from pytest_mlff.datasets.locations import default_data_dir
from pytest_mlff.potentials.families.registry import installed_adapters
from pytest_mlff.reports.environment import installed
from pytest_mlff.specs import builtin_folder, builtin_specs


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``info``."""
    parser = subparsers.add_parser("info", help="versions, devices, adapters, folders")
    parser.add_argument(
        "--model",
        metavar="SOURCE",
        help="what this model is, and what the interpreter of its process holds",
    )
    parser.set_defaults(
        run=lambda arguments: (
            show_info() if arguments.model is None else show_model(arguments.model)
        )
    )


def _devices() -> list[str]:
    lines = [f"cpu: {platform.machine()}, {os.cpu_count()} cores"]
    if importlib.util.find_spec("torch") is None:
        return [*lines, "cuda: torch is not installed"]
    import torch

    if not torch.cuda.is_available():
        return [*lines, "cuda: none"]
    return lines + [
        f"cuda:{index}: {torch.cuda.get_device_name(index)}"
        for index in range(torch.cuda.device_count())
    ]


def _adapters() -> list[str]:
    lines = []
    for adapter in installed_adapters():
        library = {"torchsim": "torch_sim"}.get(adapter.family, adapter.family)
        there = not adapter.extra or importlib.util.find_spec(library) is not None
        state = "ready" if there else f"not installed (extra {adapter.extra!r})"
        lines.append(f"{adapter.family}: {state}")
    lines.append("ase: ready (module:callable or file.py:callable)")
    torch_sim = importlib.util.find_spec("torch_sim") is not None
    lines.append(f"torch-sim: {'ready' if torch_sim else 'not installed (extra torchsim)'}")
    return lines


def show_info() -> int:
    """Print everything that a bug report should carry."""
    sections = {
        "versions": [f"{name} {version}" for name, version in installed().items()],
        "devices": _devices(),
        "adapters": _adapters(),
        "specs": [f"{builtin_folder()}: {', '.join(builtin_specs())}"],
        "folders": [
            f"data: {default_data_dir()}",
            f"store: {Path('.mlff-store').absolute()} (unless --mlff-store says otherwise)",
        ],
    }
    _print(sections)
    return 0


def show_model(source: str) -> int:
    """Print the environment of a model's process, then load the model and print who it is.

    Raises
    ------
    MlffError
        If the source is not in order or the model cannot be loaded; what the environment holds
        is printed before.
    """
    from pytest_mlff.potentials.process import open_potential, surroundings_of_source

    found = surroundings_of_source(source, Path.cwd())
    _print({"interpreter": [f"{found.executable}: Python {found.python}"]})
    _print({"packages": [" ".join(one) for one in found.packages]})
    info = open_potential(source).info
    facts = {
        "name": info.name,
        "family": info.family,
        "digest": info.digest,
        "species": None if info.species is None else " ".join(info.species),
        "cutoff": None if info.cutoff is None else f"{info.cutoff:g} Å",
        "device": info.device,
        "dtype": info.dtype,
        "level": info.level,
        **{name: "yes" if able else "no" for name, able in info.capabilities.items()},
    }
    _print({"model": [f"{name}: {fact or 'not stated'}" for name, fact in facts.items()]})
    return 0


def _print(sections: dict[str, list[str]]) -> None:
    for title, lines in sections.items():
        print(f"{title}:")
        for line in lines:
            print(f"  {line}")
