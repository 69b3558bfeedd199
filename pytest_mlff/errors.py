"""The exceptions that reach a user as one clear line instead of a traceback."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator


class MlffError(Exception):
    """Something the user can fix; the message is one line that says what and how.

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


@contextlib.contextmanager
def needing(what: str, library: str, extra: str) -> Iterator[None]:
    """Where an optional library is imported: says what to install if it is not there.

    Parameters
    ----------
    what, library, extra : str
        See `MissingExtraError`, which an `ImportError` becomes.
    """
    try:
        yield
    except ImportError as error:
        raise MissingExtraError(what, library, extra) from error


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest known word, empty if none is near."""
    # difflib is only needed once something is wrong.
    from difflib import get_close_matches

    near = get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""
