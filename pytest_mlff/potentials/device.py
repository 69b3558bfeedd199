"""Devices and number formats: what was asked for, and what there is."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_mlff.choices import DEVICES, DTYPES
from pytest_mlff.errors import MlffError


def check_dtype(dtype: str | None) -> str | None:
    """Return ``dtype`` if it is one that models can be asked for.

    Raises
    ------
    MlffError
        If it is not.
    """
    if dtype is not None and dtype not in DTYPES:
        raise MlffError(f"unknown dtype {dtype!r}; choices: {', '.join(DTYPES)}")
    return dtype


def resolve_device(device: str) -> str:
    """Turn ``auto`` into ``cpu`` or ``cuda``, and check that a GPU asked for is there.

    Raises
    ------
    MlffError
        If the name is unknown, or ``cuda`` is asked for and torch finds no GPU.
    """
    kind, _, index = device.partition(":")
    if kind not in DEVICES or (index and (kind != "cuda" or not index.isdigit())):
        raise MlffError(f"unknown device {device!r}; choices: {', '.join(DEVICES)}")
    if kind == "cpu" or (kind == "auto" and not _may_have_gpu()):
        return "cpu"
    try:
        import torch
    except ImportError:
        if kind == "auto":
            return "cpu"
        raise MlffError(f"device {device!r} needs torch, which is not installed") from None
    if not torch.cuda.is_available():
        if kind == "auto":
            return "cpu"
        reason = (
            "torch finds no GPU"
            if torch.version.cuda or torch.version.hip
            else f"this torch ({torch.__version__}) is built without GPU support"
        )
        raise MlffError(f"device {device!r}: {reason}; use --mlff-device=cpu or auto")
    if index and int(index) >= torch.cuda.device_count():
        raise MlffError(f"device {device!r}: there are {torch.cuda.device_count()} GPUs")
    return "cuda" if kind == "auto" else device


def _may_have_gpu() -> bool:
    """Whether it is worth importing torch, which takes seconds, to ask for a GPU."""
    if "torch" in sys.modules or not sys.platform.startswith("linux"):
        return True
    # Without the driver's library CUDA finds nothing, and ROCm nothing without its device file.
    with contextlib.suppress(OSError):
        ctypes.CDLL("libcuda.so.1")
        return True
    return Path("/dev/kfd").exists()


@contextlib.contextmanager
def full_precision(device: str) -> Iterator[None]:
    """Switch TF32 off on a GPU while the context lasts: its 10-bit mantissa is no float32."""
    import torch

    if not device.startswith("cuda"):
        yield
        return
    matmul: Any = torch.backends.cuda.matmul
    convolution: Any = torch.backends.cudnn
    if hasattr(matmul, "fp32_precision"):  # torch >= 2.9; the older switch must not be mixed in
        before = (matmul.fp32_precision, convolution.conv.fp32_precision)
        matmul.fp32_precision = convolution.conv.fp32_precision = "ieee"
        try:
            yield
        finally:
            matmul.fp32_precision, convolution.conv.fp32_precision = before
    else:
        before_legacy = (matmul.allow_tf32, convolution.allow_tf32)
        matmul.allow_tf32 = convolution.allow_tf32 = False
        try:
            yield
        finally:
            matmul.allow_tf32, convolution.allow_tf32 = before_legacy
