"""What says that a GPU is lost to the process, and what only sounds like it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_mlff.errors import MlffError
from pytest_mlff.potentials.failures import (
    FrameError,
    LostContexts,
    PoisonedContextError,
    is_out_of_memory,
    is_poisoned,
    poison_of,
    raise_if_poisoned,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ADVICE = """
CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace \
below might be incorrect.
For debugging consider passing CUDA_LAUNCH_BLOCKING=1
Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.
"""


class AcceleratorError(RuntimeError):
    """Stands in for torch's, which needs no GPU to be recognised."""


class OutOfMemoryError(RuntimeError):
    """Likewise."""


POISONED: tuple[Exception, ...] = (
    RuntimeError(f"CUDA error: device-side assert triggered{ADVICE}"),
    AcceleratorError(f"CUDA error: an illegal memory access was encountered{ADVICE}"),
    RuntimeError(f"CUDA error: unspecified launch failure{ADVICE}"),
    RuntimeError(f"CUDA error: misaligned address{ADVICE}"),
    RuntimeError(f"CUDA error: uncorrectable ECC error encountered{ADVICE}"),
    RuntimeError(f"CUDA error: an illegal instruction was encountered{ADVICE}"),
    RuntimeError("CUDA error: operation not supported on global/shared address space"),
    RuntimeError("CUDA error: the launch timed out and was terminated"),
    RuntimeError("CUDA error: unknown error"),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm( handle)`"),
    RuntimeError("Triton Error [CUDA]: an illegal memory access was encountered"),
    RuntimeError("CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered"),
    AcceleratorError("the device was lost"),
)
MEMORY: tuple[Exception, ...] = (
    OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
    RuntimeError(f"CUDA error: out of memory{ADVICE}"),
    AcceleratorError(f"CUDA error: out of memory{ADVICE}"),
    MemoryError(),
)
OTHERS: tuple[Exception, ...] = (
    RuntimeError("CUDA error: no kernel image is available for execution on the device"),
    AcceleratorError("CUDA error: invalid device ordinal"),
    RuntimeError("CUDA error: CUDA driver version is insufficient for CUDA runtime version"),
    RuntimeError("CUDA error: no CUDA-capable device is detected"),
    RuntimeError("CUDA error: invalid argument"),
    RuntimeError("CUDA error: operation not supported"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("No CUDA GPUs are available"),
    RuntimeError("Expected all tensors to be on the same device, but found cuda:0 and cpu"),
    RuntimeError("misaligned address"),  # of whom?
    ValueError("CUDA error: device-side assert triggered"),
    AssertionError("expected 'CUDA error: device-side assert triggered'"),
    MlffError("models.py: CUDA error: device-side assert triggered, it says"),
    FloatingPointError("the loss is NaN"),
)


def _wrong(detector: Callable[[BaseException], bool]) -> list[Exception]:
    """Errors that a detector takes for what they are not."""
    missed = [one for one in POISONED if not detector(one)]
    return missed + [one for one in (*MEMORY, *OTHERS) if detector(one)]


def test_what_counts_as_poisoned() -> None:
    assert _wrong(is_poisoned) == []


@pytest.mark.parametrize(
    "mutant",
    [
        pytest.param(lambda error: is_poisoned(error) or is_out_of_memory(error), id="memory too"),
        pytest.param(lambda error: "CUDA error:" in str(error), id="whatever CUDA says"),
        pytest.param(lambda error: "device-side assert" in str(error), id="asserts alone"),
        pytest.param(lambda _: False, id="nothing"),
    ],
)
def test_wrong_detectors_are_caught(mutant: Callable[[BaseException], bool]) -> None:
    assert _wrong(mutant)


def _raised(outer: Exception, inner: Exception, how: str) -> Exception:
    try:
        try:
            raise inner
        except Exception as error:
            if how == "cause":
                raise outer from error
            if how == "hidden":
                raise outer from None
            raise outer  # noqa: B904
    except Exception as error:
        return error


@pytest.mark.parametrize("how, expected", [("cause", True), ("context", True), ("hidden", False)])
def test_what_an_error_came_from_counts_too(how: str, expected: bool) -> None:
    wrapped = _raised(FrameError("model", 3, "is bad"), POISONED[0], how)
    assert is_poisoned(wrapped) is expected
    assert is_poisoned(_raised(ValueError("and on"), wrapped, "cause")) is expected


def test_the_outermost_error_that_says_something_decides() -> None:
    # Memory ran out, and freeing it for another try found the context lost.
    assert is_poisoned(_raised(RuntimeError(str(POISONED[1])), MEMORY[0], "context"))
    assert not is_poisoned(_raised(MlffError("does not fit"), MEMORY[1], "cause"))
    assert not is_poisoned(_raised(OutOfMemoryError(), POISONED[1], "context"))


def test_a_circle_of_causes_ends() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert not is_poisoned(first)


def test_the_reason_is_the_drivers_first_line() -> None:
    assert poison_of(POISONED[0]) == "CUDA error: device-side assert triggered"
    assert len(poison_of(RuntimeError("CUDA error: " + 500 * "x")) or "") == 200


def test_nothing_milder_is_made_of_it() -> None:
    with pytest.raises(PoisonedContextError) as found:
        raise_if_poisoned(POISONED[0], "model")
    line = "model: the GPU's context is lost to this process ("
    assert str(found.value) == f"{line}CUDA error: device-side assert triggered)"
    with pytest.raises(PoisonedContextError) as again:
        raise_if_poisoned(found.value, "another")
    assert again.value is found.value
    raise_if_poisoned(MEMORY[0], "model")


def test_a_lost_device_is_not_asked_again() -> None:
    contexts = LostContexts()
    with pytest.raises(ValueError, match="anything"), contexts.guard("cuda", "first"):
        raise ValueError("anything")
    assert contexts.reason is None
    with pytest.raises(PoisonedContextError), contexts.guard("cuda", "first"):
        raise MlffError("a line") from POISONED[0]
    assert contexts.reason == "CUDA error: device-side assert triggered"
    asked = []
    with (
        pytest.raises(PoisonedContextError, match=r"^second was not asked: .*device-side"),
        contexts.guard("cuda", "second"),
    ):
        asked.append("second")
    with contexts.guard("cpu", "third"):
        asked.append("third")
    assert asked == ["third"]
