"""Failures of models, as one line, and those after which no GPU work of the process succeeds."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from pytest_mlff.errors import MlffError, NotSupportedError

# After these "the process must be terminated and relaunched" (NVIDIA, CUDA Runtime API, Data
# types, cudaError_t; here in the words of cudaGetErrorString), or nothing is known of the device.
_STICKY: Final = (
    "device-side assert triggered",
    "illegal memory access",
    "illegal address",
    "illegal instruction",
    "unspecified launch failure",
    "launch timed out",
    "misaligned address",
    "hardware stack error",
    "invalid program counter",
    "operation not supported on global/shared address space",
    "uncorrectable ecc error",
    "uncorrectable nvlink error",
    "context is destroyed",
    "_status_execution_failed",
)
# After these the context is as it was: the call was refused before anything ran.
_HARMLESS: Final = (
    "no kernel image is available",
    "invalid device ordinal",
    "invalid device function",
    "invalid argument",
    "invalid configuration argument",
    "invalid resource handle",
    "driver version is insufficient",
    "no cuda-capable device",
    "busy or unavailable",
    "too many resources requested",
    "operation not supported",
    "not permitted when stream is capturing",
    "peer access",
    "_status_not_supported",
    "_status_invalid_value",
    "_status_arch_mismatch",
    "_status_alloc_failed",
)


def one_line(error: BaseException) -> str:
    """Type and message of an exception in one line of bearable length."""
    text = " ".join(str(error).split())
    if len(text) > 300:
        text = f"{text[:297]}…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class FrameError(MlffError):
    """A model failed on one frame, counted in those that were to be evaluated."""

    def __init__(self, model: str, index: int, what: str) -> None:
        super().__init__(f"{model}: frame {index} {what}")
        self.model, self.index, self.what = model, index, what

    def moved(self, by: int) -> FrameError:
        """The same with the frame counted from ``by`` frames earlier."""
        return type(self)(self.model, self.index + by, self.what)


class UnsupportedFrameError(FrameError, NotSupportedError):
    """A model cannot serve one frame."""


class ModelFailure(MlffError):  # noqa: N818 - what failed is the model, not a call of ours
    """A model ended its process, hung, or left by an exception that is no error of computing.

    Unlike a source that is not in order, it does not end the run: the cases of this model
    are errors, those of others go on.
    """


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, on a GPU or in main memory."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in text or "can't allocate memory" in text
    )


class PoisonedContextError(MlffError):
    """A GPU's context is lost: whatever this process asks of that GPU from now on fails, too.

    ``reason`` holds the driver's words.
    """

    def __init__(self, said: str, reason: str) -> None:
        super().__init__(f"{said}: the GPU's context is lost to this process ({reason})")
        self.reason = reason


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and what it came from, as a traceback would show them."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        hidden = found.__cause__ is not None or found.__suppress_context__
        found = found.__cause__ if hidden else found.__context__


def poison_of(error: BaseException) -> str | None:
    """In one line, how an exception, or what it came from, says that a CUDA context is lost.

    Returns
    -------
    str or None
        None for everything else: memory that ran out, a call that was refused before
        anything ran on the GPU, a failure that has nothing to do with one.
    """
    for one in _chain(error):
        if isinstance(one, PoisonedContextError):
            return one.reason
        if is_out_of_memory(one):
            return None
        # The type is newer than the oldest torch that is supported, and derived from this one.
        if not isinstance(one, RuntimeError):
            continue
        text = str(one).lower()
        named = "cuda error:" in text or type(one).__name__ == "AcceleratorError"
        if "cuda" in text and any(words in text for words in _STICKY):
            named = True
        elif any(words in text for words in _HARMLESS):
            named = False
        if named:
            line = next(iter(str(one).strip().splitlines()), type(one).__name__).strip()
            return line if len(line) <= 200 else f"{line[:199]}…"
    return None


def is_poisoned(error: BaseException) -> bool:
    """Whether an exception says that a CUDA context is lost to this process."""
    return poison_of(error) is not None


def raise_if_poisoned(error: BaseException, said: str) -> None:
    """Let nobody turn the loss of a context, or of the model's process, into something milder.

    Parameters
    ----------
    error : BaseException
        What was raised.
    said : str
        What the line begins with.

    Raises
    ------
    PoisonedContextError
        If the error says that a CUDA context is lost.
    ModelFailure
        If it says that the model ended or hung: killed from outside it has refused nothing.
    """
    reason = poison_of(error)
    if isinstance(error, PoisonedContextError | ModelFailure):
        raise error
    if reason is not None:
        raise PoisonedContextError(said, reason) from error


@dataclass
class LostContexts:
    """What this process has lost and asks nothing more of: by device, the driver's words."""

    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def reason(self) -> str | None:
        """The first loss; None without one."""
        return next(iter(self.reasons.values()), None)

    @contextlib.contextmanager
    def guard(self, device: str, said: str) -> Iterator[None]:
        """Around everything that computes on a device.

        Raises
        ------
        PoisonedContextError
            If the device's context is lost on the way, or was lost before.
        """
        if device in self.reasons:
            raise PoisonedContextError(f"{said} was not asked", self.reasons[device])
        try:
            yield
        except Exception as error:
            reason = poison_of(error)
            if reason is not None:
                self.reasons[device] = reason
            raise_if_poisoned(error, said)
            raise
