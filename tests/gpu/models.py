"""Models that meet what a GPU can do to them; without one they say what it would have said."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from pytest_mlff.potentials import load_potential

if TYPE_CHECKING:
    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.potentials import Potential, PotentialInfo, Prediction

DRY = bool(os.environ.get("MLFF_GPU_DRY"))
DEVICE = "cpu" if DRY else "cuda"
ALLOWED, FEW = 2**30, 64
"""Bytes of GPU memory, frames that fit (dry run)."""


class Around:
    """The demo model, and something that happens before it is asked."""

    one_by_one = False

    def __init__(self, happens: Any) -> None:
        self.inner: Potential = load_potential("demo", device=DEVICE)
        self.happens = happens

    @property
    def info(self) -> PotentialInfo:
        return self.inner.info

    def predict(self, frames: Frames) -> Prediction:
        self.happens(frames)
        return self.inner.predict(frames)


def _told(frames: Frames) -> None:
    """Note how many frames are asked for at once."""
    with Path(os.environ["MLFF_GPU_BATCHES"]).open("a", encoding="ascii") as stream:
        stream.write(f"{len(frames)}\n")
    if DRY and len(frames) > FEW:
        raise torch.OutOfMemoryError("CUDA out of memory (dry run)")


def _assert_on_the_device(frames: Frames) -> None:
    if 7 not in frames.numbers:  # uracil alone has nitrogen
        return
    if DRY:
        raise RuntimeError("CUDA error: device-side assert triggered")
    torch.zeros(1, device="cuda")[torch.tensor([5], device="cuda")]
    torch.cuda.synchronize()


def short_of_memory() -> Around:
    """May take a GiB of the GPU, however large it is."""
    made = Around(_told)
    if not DRY:
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(ALLOWED / total)
    return made


def loses_its_context() -> Around:
    """Fails on the device when it is asked of nitrogen."""
    return Around(_assert_on_the_device)
