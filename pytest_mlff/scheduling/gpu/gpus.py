"""Which GPUs a run may use, found out without importing torch."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_mlff.errors import MlffError

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_GPU_LINE = re.compile(r"GPU (\d+): (.*?) \(UUID: ([^)\s]+)\)")
_MIG_LINE = re.compile(r"\s+MIG .*\(UUID: (MIG-[^)\s]+)\)")
_SECONDS = 30


@dataclass(frozen=True)
class Gpu:
    """One GPU, or one part of one (MIG).

    Attributes
    ----------
    entry : str
        What makes it the only visible one as ``CUDA_VISIBLE_DEVICES``.
    identity : str
        What it is called in every run on this machine, however that run writes it.
    """

    entry: str
    identity: str


@dataclass(frozen=True)
class Driver:
    """Where the NVIDIA driver shows its GPUs.

    Attributes
    ----------
    gpus : Path
        Folder with one entry per GPU of the machine.
    devices : Path
        Folder of device files.
    """

    gpus: Path = Path("/proc/driver/nvidia/gpus")
    devices: Path = Path("/dev")


_DRIVER = Driver()


@dataclass(frozen=True)
class _Installed:
    """A GPU as the driver tells it; a UUID that is not told is empty."""

    model: str
    uuid: str
    parts: tuple[str, ...] = ()


def _listing(environ: Mapping[str, str]) -> str:
    command = shutil.which("nvidia-smi", path=environ.get("PATH"))
    if command is None:
        return ""
    try:
        shown = subprocess.run(
            [command, "-L"], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return shown.stdout if shown.returncode == 0 else ""


def _installed(environ: Mapping[str, str], driver: Driver) -> tuple[_Installed, ...]:
    """GPUs of this machine in PCI order, by ``nvidia-smi -L`` or else the driver's files."""
    found: list[_Installed] = []
    for line in _listing(environ).splitlines():
        if match := _GPU_LINE.match(line):
            found.append(_Installed(match[2], match[3]))
        elif (match := _MIG_LINE.match(line)) and found:
            found[-1] = replace(found[-1], parts=(*found[-1].parts, match[1]))
    if found:
        return tuple(found)
    for file in sorted(driver.gpus.glob("*/information")):
        try:
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        said = {key.strip(): text.strip() for key, _, text in (one.partition(":") for one in lines)}
        # A container sees every GPU of its host here, but has device files of its own only.
        minor = said.get("Device Minor", "")
        if not (driver.devices / f"nvidia{minor}").exists():
            continue
        uuid = said.get("GPU UUID", "")
        found.append(_Installed(said.get("Model", ""), "" if "?" in uuid else uuid))
    return tuple(found)


def has_driver(environ: Mapping[str, str], driver: Driver = _DRIVER) -> bool:
    """Whether this machine gives any sign of an NVIDIA driver."""
    return driver.gpus.is_dir() or shutil.which("nvidia-smi", path=environ.get("PATH")) is not None


def visible_gpus(environ: Mapping[str, str], driver: Driver = _DRIVER) -> tuple[Gpu, ...]:
    """GPUs that CUDA would show this process, in its order.

    ``CUDA_VISIBLE_DEVICES`` may hold numbers, UUIDs or their beginnings, and MIG names; it
    ends at the first entry that is none, as in CUDA (CUDA C++ Programming Guide, section *CUDA
    Environment Variables*). Without it every installed GPU is visible.
    """
    text = environ.get(_VISIBLE)
    installed = _installed(environ, driver) if text is None or text.strip() else ()
    if text is None:
        found = []
        for number, one in enumerate(installed):
            if one.parts:
                found += [Gpu(part, part) for part in one.parts]
            else:
                found.append(Gpu(one.uuid or str(number), one.uuid or f"gpu-{number}"))
        return tuple(found)
    listed: dict[str, Gpu] = {}
    for entry in (one.strip() for one in text.split(",")):
        if entry.isdigit():
            listed.setdefault(entry, Gpu(entry, _of_number(int(entry), installed, environ)))
        elif entry.startswith(("GPU-", "MIG-")):
            listed.setdefault(entry, Gpu(entry, _of_prefix(entry, installed)))
        else:
            break
    return tuple(listed.values())


def _of_number(number: int, installed: Sequence[_Installed], environ: Mapping[str, str]) -> str:
    """UUID behind a number, where CUDA's order is known to be the driver's."""
    in_order = environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    alike = len({one.model for one in installed}) == 1
    if number < len(installed) and (in_order or alike) and installed[number].uuid:
        return installed[number].uuid
    return f"gpu-{number}"


def _of_prefix(entry: str, installed: Sequence[_Installed]) -> str:
    known = [name for one in installed for name in (one.uuid, *one.parts)]
    fitting = [name for name in known if name.startswith(entry)]
    return fitting[0] if len(fitting) == 1 else entry


def chosen_gpus(text: str | None, visible: Sequence[Gpu]) -> tuple[Gpu, ...]:
    """The GPUs that ``--mlff-gpus`` names, all visible ones without it.

    Parameters
    ----------
    text : str or None
        Indices into the visible GPUs, joined by commas.
    visible : sequence of Gpu
        From :func:`visible_gpus`.

    Raises
    ------
    MlffError
        If it holds anything but such indices, each once.
    """
    if text is None:
        return tuple(visible)
    indices: list[int] = []
    for word in (one.strip() for one in text.split(",")):
        if not (word.isascii() and word.isdigit()):
            raise MlffError(
                f"--mlff-gpus: {word!r} is no index; give indices into the visible GPUs "
                "joined by commas, e.g. 0,2"
            )
        index = int(word)
        if index in indices:
            raise MlffError(
                f"--mlff-gpus: {index} is named twice; for several workers on one GPU use "
                "--mlff-per-gpu"
            )
        if index >= len(visible):
            there = f"0 to {len(visible) - 1}" if len(visible) > 1 else "only 0"
            raise MlffError(
                f"--mlff-gpus: there is no GPU {index}; "
                + (f"visible: {there}" if visible else "no GPU is visible")
            )
        indices.append(index)
    return tuple(visible[index] for index in indices)
