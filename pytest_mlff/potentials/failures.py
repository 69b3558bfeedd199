"""Failures of models, as one line."""

from __future__ import annotations

from pytest_mlff.errors import MlffError, NotSupportedError

__all__ = ["FrameError", "UnsupportedFrameError", "is_out_of_memory", "one_line"]


def one_line(error: BaseException) -> str:
    """Type and message of an exception in one line of bearable length."""
    text = " ".join(str(error).split())
    if len(text) > 300:
        text = f"{text[:297]}…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class FrameError(MlffError):
    """A model failed on one frame.

    Parameters
    ----------
    model : str
        Name of the model.
    index : int
        Frame, counted in the frames that were to be evaluated.
    what : str
        The rest of the line.
    """

    def __init__(self, model: str, index: int, what: str) -> None:
        super().__init__(f"{model}: frame {index} {what}")
        self.model, self.index, self.what = model, index, what

    def moved(self, by: int) -> FrameError:
        """The same with the frame counted from ``by`` frames earlier."""
        return type(self)(self.model, self.index + by, self.what)


class UnsupportedFrameError(FrameError, NotSupportedError):
    """A model cannot serve one frame."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, on a GPU or in main memory."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in text or "can't allocate memory" in text
    )
