"""Models that meet what a GPU can do to them; without one they say what it would have said."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch

from pytest_mlff.potentials import load_potential

if TYPE_CHECKING:
    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.potentials import Potential, PotentialInfo, Prediction

DRY = bool(os.environ.get("MLFF_GPU_DRY"))
DEVICE = "cpu" if DRY else "cuda"
SHARE, FEW = 0.01, 64


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


def _too_many(frames: Frames) -> None:
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
    """May take a hundredth of the GPU."""
    made = Around(_too_many)
    if not DRY:
        torch.cuda.set_per_process_memory_fraction(SHARE)
    return made


def loses_its_context() -> Around:
    """Fails on the device when it is asked of nitrogen."""
    return Around(_assert_on_the_device)
