"""``mlff info``: what is installed, which devices there are, where data and store lie."""

from __future__ import annotations

import importlib.util
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.datasets.locations import default_data_dir
from pytest_mlff.potentials.families.registry import installed_adapters
from pytest_mlff.reports.environment import installed
from pytest_mlff.specs import builtin_folder, builtin_specs

if TYPE_CHECKING:
    import argparse

__all__ = ["register", "show_info"]


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``info``."""
    parser = subparsers.add_parser("info", help="versions, devices, adapters, folders")
    parser.set_defaults(run=lambda _arguments: show_info())


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
        there = importlib.util.find_spec(library) is not None
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
    for title, lines in sections.items():
        print(f"{title}:")
        for line in lines:
            print(f"  {line}")
    return 0
