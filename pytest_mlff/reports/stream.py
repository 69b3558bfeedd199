"""A report that is whole at any time: what a killed run leaves behind.

The file lies beside the report as ``<stem>.partial.json``, one case a line. Each case is
one write over the closing brackets, so between two writes the file is complete JSON, and
the cost of a case does not depend on how many there are. It is removed once the report
itself has been written, which replaces an older report in one step or not at all.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.errors import MlffError
from pytest_mlff.store import write_atomically

if TYPE_CHECKING:
    from io import FileIO

    from pytest_mlff.reports.model import CaseRecord, Report

PARTIAL = ".partial.json"
CLOSING = "\n]}\n"


def partial_path(report: Path) -> Path:
    """Where the unfinished report of a run lies."""
    return report.with_name(f"{report.stem}{PARTIAL}")


class ReportStream:
    """The unfinished report of a run, beside the path where it will be written in the end."""

    def __init__(self, report: Path) -> None:
        self.path = partial_path(report)
        self._file: FileIO | None = None
        self._end = 0
        self._empty = True

    @property
    def started(self) -> bool:
        """Whether the file has been begun."""
        return self._file is not None

    def start(self, head: Report) -> None:
        """Begin the file with everything but the cases.

        Raises
        ------
        MlffError
            If it cannot be written.
        """
        self.close()
        # `cases` comes last, whatever the order of the model's fields.
        rest = head.model_dump_json(exclude={"cases"})
        text = f'{rest[:-1]},"cases":['
        try:
            write_atomically(self.path, f"{text}{CLOSING}".encode())
            self._file = open(self.path, "r+b", buffering=0)  # noqa: SIM115, PTH123
        except OSError as error:
            raise self._failure(error) from error
        self._end = len(text.encode())
        self._empty = True

    def append(self, record: CaseRecord) -> None:
        """Add a case in one write.

        Raises
        ------
        MlffError
            If there is no room; the file is then whole, without this case.
        """
        if self._file is None:
            raise ValueError("the stream was not started")
        text = f"{'' if self._empty else ','}\n{record.model_dump_json()}".encode()
        content = text + CLOSING.encode()
        try:
            self._file.seek(self._end)
            if self._file.write(content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            # The old brackets' place is still ours, also on a full disk.
            with contextlib.suppress(OSError):
                self._file.seek(self._end)
                self._file.write(CLOSING.encode())
                self._file.truncate()
            raise self._failure(error) from error
        self._end += len(text)
        self._empty = False

    def _failure(self, error: OSError) -> MlffError:
        return MlffError(
            f"{self.path}: cannot keep the report as the run goes on ({error.strerror or error})"
        )

    def close(self) -> None:
        """Leave the file as it is."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def remove(self) -> None:
        """Remove the file, also one that an earlier run left."""
        self.close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
