"""A downloader for pooch that goes on where a broken download stopped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pytest_mlff.errors import MlffError, needing

# What a broken connection loses at most; larger ones are no faster.
_CHUNK = 1 << 14
# Connections in a row that may break without a single byte arriving.
_ATTEMPTS = 3


def require_pooch() -> Any:
    """Import pooch.

    Raises
    ------
    MissingExtraError
        If pooch is not installed.
    """
    with needing("downloading data", "pooch", "data"):
        import pooch
    return pooch


class ResumingDownloader:
    """Download over HTTP into a ``.part`` file that survives a broken connection.

    Pooch calls it with the address, a scratch file and itself, then checks the checksum of
    the scratch file; a file that fails the check is gone for good, so the next run starts
    anew. The part file is continued by an HTTP range request only if the server says, by its
    entity tag, that the content is still the same one.

    Parameters
    ----------
    part : Path
        File that holds what has arrived so far.
    progress : callable, optional
        Called with (bytes so far, bytes in all or 0).
    timeout : float
        Seconds without data after which a connection counts as broken.
    resolve : callable, optional
        Turns the address that pooch hands over (a DOI) into one to download from.
    """

    def __init__(
        self,
        part: Path,
        progress: Callable[[int, int], None] | None = None,
        timeout: float = 30.0,
        resolve: Callable[[str], str] | None = None,
    ) -> None:
        self.part = part
        self.progress = progress
        self.timeout = timeout
        self.resolve = resolve

    @property
    def _tag_file(self) -> Path:
        return self.part.with_name(f"{self.part.name}.tag")

    def __call__(self, url: str, output_file: str, _pooch: Any) -> None:
        """Download ``url`` to ``output_file``.

        Raises
        ------
        MlffError
            If the server cannot be reached, refuses, or breaks off too often.
        """
        import requests

        if self.resolve is not None:
            url = self.resolve(url)
        self.part.parent.mkdir(parents=True, exist_ok=True)
        broken = 0
        while True:
            before = self._size()
            try:
                complete = self._attempt(url)
            except requests.HTTPError as error:
                raise MlffError(f"{url}: the server answers {error}") from error
            except (requests.RequestException, OSError) as error:
                if not isinstance(error, requests.RequestException):
                    raise MlffError(f"{self.part}: cannot be written ({error.strerror})") from error
                complete = False
                reason = type(error).__name__
            else:
                reason = "connection closed early"
            if complete:
                break
            broken = 0 if self._size() > before else broken + 1
            if broken >= _ATTEMPTS:
                raise MlffError(self._interrupted(url, reason))
        with suppress(FileNotFoundError):
            self._tag_file.unlink()
        # The scratch file lies in the folder pooch was given, as a rule on the same disk.
        shutil.move(os.fspath(self.part), output_file)

    def _interrupted(self, url: str, reason: str) -> str:
        arrived = self._size()
        if arrived == 0 and reason in ("ConnectionError", "ConnectTimeout", "ProxyError"):
            return f"cannot reach {url} ({reason}): no network?"
        return (
            f"download of {url} broke off after {arrived / 1e6:.1f} MB ({reason}); "
            "run the same command again to go on from there"
        )

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _attempt(self, url: str) -> bool:
        """One connection; whether the file is complete after it."""
        import requests

        arrived = self._size()
        tag = self._tag_file.read_text() if self._tag_file.exists() else ""
        headers = {"Accept-Encoding": "identity"}
        if arrived and tag:
            headers |= {"Range": f"bytes={arrived}-", "If-Range": tag}
        with requests.get(url, headers=headers, stream=True, timeout=self.timeout) as answer:
            if answer.status_code == 416:
                # Nothing lies beyond what is here: complete, unless the content changed.
                total = answer.headers.get("Content-Range", "").rpartition("/")[2]
                if total == str(arrived):
                    return True
                self.part.unlink()
                return False
            answer.raise_for_status()
            span = answer.headers.get("Content-Range", "")
            goes_on = answer.status_code == 206 and span.startswith(f"bytes {arrived}-")
            if not goes_on:
                arrived = 0
            entity = answer.headers.get("ETag", "")
            # A weak tag does not promise the same bytes, which If-Range needs.
            self._tag_file.write_text("" if entity.startswith("W/") else entity)
            length = int(answer.headers.get("Content-Length", 0))
            total_bytes = arrived + length if length else 0
            with self.part.open("ab" if goes_on else "wb") as stream:
                for chunk in answer.iter_content(_CHUNK):
                    stream.write(chunk)
                    arrived += len(chunk)
                    if self.progress is not None:
                        self.progress(arrived, total_bytes)
        return total_bytes in (0, arrived)
