"""The exceptions that reach a user as one clear line instead of a traceback."""

from __future__ import annotations

__all__ = ["MissingExtraError", "MlffError", "NotSupportedError"]


class MlffError(Exception):
    """Something the user can mend; the message is one line that says what and how.

    Pytest's side turns it into a ``pytest.UsageError`` (exit code 4), the
    ``mlff`` command prints it and exits with 4.
    """


class NotSupportedError(MlffError):
    """Input in order that this model or dataset cannot serve (verdict ``unsupported``)."""


class MissingExtraError(MlffError):
    """An optional library is not installed.

    Parameters
    ----------
    what : str
        What was asked for, e.g. ``"the GFN2-xTB oracle"``.
    library : str
        Import name of the missing library.
    extra : str
        The extra of this package that installs it.
    """

    def __init__(self, what: str, library: str, extra: str) -> None:
        super().__init__(
            f"{what} needs the library {library!r}, which is not installed: "
            f"pip install 'pytest-mlff[{extra}]'"
        )
        self.module = library
        self.extra = extra
