"""Fetching published datasets by DOI, with checksum, resumable."""

from __future__ import annotations

import bz2
import hashlib
import os
import re
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pytest_mlff.datasets.download import ResumingDownloader, require_pooch
from pytest_mlff.datasets.published import RMD17, SPECIES
from pytest_mlff.datasets.readers.npz import read_npz_numbers
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RMD17_ARCHIVE", "Archive", "fetch_rmd17", "missing_molecules", "unpack"]


@dataclass(frozen=True)
class Archive:
    """A published archive.

    Attributes
    ----------
    doi : str
        With the version, so that a later version cannot slip in.
    file_name : str
        The archive's file among those published under the DOI.
    known_hash : str
        Checksum as pooch writes it, ``algorithm:hexdigest``.
    url : str or None
        Where to download from instead of asking the DOI.
    """

    doi: str
    file_name: str
    known_hash: str
    url: str | None = None


RMD17_ARCHIVE = Archive(
    doi="10.6084/m9.figshare.12672038.v3",
    file_name="rmd17.tar.bz2",
    known_hash="sha256:cddeea2ec2c4b22a9de16a9a65a3eeedac5b29da9c99c20bbff0153912bf922b",
)
"""rMD17, version 3 of 2020: 1,066,301,513 bytes."""

# The archive's own layout: rmd17/npz_data/rmd17_aspirin.npz, rmd17/splits/index_train_01.csv
_MEMBER = re.compile(
    r"^(?:\./)?rmd17/(?P<folder>npz_data|splits)/"
    r"(?P<name>rmd17_[a-z0-9_]+\.npz|index_(?:train|test)_\d+\.csv)$"
)


def missing_molecules(folder: Path) -> tuple[str, ...]:
    """Molecules of rMD17 that have no file below ``folder`` as :func:`fetch_rmd17` puts it."""
    return tuple(
        molecule
        for molecule in SPECIES
        if not any((folder / candidate).is_file() for candidate in RMD17.candidates(molecule))
    )


def _resolve(archive: Archive, timeout: float) -> str:
    """Address of the archive's file, asked from the repository behind the DOI."""
    import requests
    from pooch.downloaders import FigshareRepository, doi_to_repository

    try:
        try:
            repository = doi_to_repository(archive.doi, timeout=timeout)
        except (requests.HTTPError, ValueError):
            # Figshare's web page, to which the DOI leads, turns some programs away;
            # its programming interface does not.
            repository = FigshareRepository(
                archive.doi, f"https://figshare.com/doi/{archive.doi}", timeout=timeout
            )
        return str(repository.download_url(archive.file_name))
    except requests.ConnectionError as error:
        raise MlffError(
            f"cannot reach doi:{archive.doi}: no network; fetch {archive.file_name} where there "
            "is one and pass it with --archive"
        ) from error
    except (requests.RequestException, ValueError, KeyError, IndexError) as error:
        raise MlffError(
            f"doi:{archive.doi} gives no address for {archive.file_name} "
            f"({' '.join(str(error).split())[:120]})"
        ) from error


def _download(
    archive: Archive,
    folder: Path,
    progress: Callable[[str, int, int], None] | None,
    timeout: float,
) -> Path:
    pooch = require_pooch()
    downloader = ResumingDownloader(
        folder / f"{archive.file_name}.part",
        progress=None
        if progress is None
        else lambda done, total: progress("download", done, total),
        timeout=timeout,
        resolve=None if archive.url is not None else lambda _: _resolve(archive, timeout),
    )
    keeper = pooch.create(
        path=folder,
        base_url=f"doi:{archive.doi}/",
        registry={archive.file_name: archive.known_hash},
        urls={} if archive.url is None else {archive.file_name: archive.url},
    )
    pooch.get_logger().setLevel("WARNING")
    try:
        return Path(keeper.fetch(archive.file_name, downloader=downloader))
    except ValueError as error:
        # Pooch's message holds both checksums over several sentences.
        raise MlffError(
            f"{archive.file_name}: the download does not have the published checksum "
            f"{archive.known_hash} and was discarded; run the command again"
        ) from error
    except OSError as error:
        raise MlffError(f"{folder}: cannot be written ({error.strerror or error})") from error


def _check_given(path: Path, known_hash: str) -> None:
    algorithm, _, expected = known_hash.partition(":")
    try:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, algorithm).hexdigest()
    except OSError as error:
        raise MlffError(f"{path}: cannot be read ({error.strerror})") from error
    if found != expected:
        raise MlffError(f"{path}: {algorithm} {found} is not the published checksum {expected}")


def unpack(
    archive: Path, folder: Path, progress: Callable[[str, int, int], None] | None = None
) -> tuple[Path, ...]:
    """Unpack the npz files and index sets of the rMD17 archive below ``folder/rmd17``.

    Only regular files with the archive's own names are written, each whole or not at all;
    paths inside the archive are never followed.

    Raises
    ------
    MlffError
        If the archive is damaged, holds no data, or the disk is full.
    """
    written: list[Path] = []
    total = archive.stat().st_size
    try:
        with (
            archive.open("rb") as raw,
            bz2.open(raw) as plain,
            tarfile.open(fileobj=plain, mode="r|") as members,
        ):
            for member in members:
                if progress is not None:
                    progress("unpack", raw.tell(), total)
                match = _MEMBER.match(member.name)
                if match is None or not member.isreg():
                    continue
                content = members.extractfile(member)
                assert content is not None
                target = folder / "rmd17" / match["folder"] / match["name"]
                _write(content, target)
                written.append(target)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise MlffError(f"{archive}: damaged archive ({error})") from error
    except OSError as error:
        raise MlffError(f"{archive}: cannot be unpacked to {folder} ({error})") from error
    arrays = [path for path in written if path.suffix == ".npz"]
    if not arrays:
        raise MlffError(f"{archive}: holds no rmd17/npz_data/rmd17_*.npz")
    for path in arrays:
        read_npz_numbers(path)
    if progress is not None:
        progress("unpack", total, total)
    return tuple(written)


def _write(content: IO[bytes], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with scratch.open("wb") as stream:
            shutil.copyfileobj(content, stream, 1 << 20)
        os.replace(scratch, target)
    finally:
        scratch.unlink(missing_ok=True)


def fetch_rmd17(
    folder: Path,
    *,
    progress: Callable[[str, int, int], None] | None = None,
    source: Archive = RMD17_ARCHIVE,
    given: Path | None = None,
    timeout: float = 30.0,
) -> tuple[Path, ...]:
    """Download rMD17 (1.1 GB), check it and unpack it below ``folder/rmd17``.

    A broken download leaves a ``.part`` file and goes on from there. The archive itself is
    removed once its files are unpacked.

    Parameters
    ----------
    folder : Path
        The data folder.
    progress : callable, optional
        Called with (``download`` or ``unpack``, bytes done, bytes in all).
    source : Archive
        What to download.
    given : Path, optional
        The archive, where it has been downloaded by other means; it is kept.
    timeout : float
        Seconds without data after which a connection counts as broken.

    Returns
    -------
    tuple of Path
        The files written.

    Raises
    ------
    MlffError
        If there is no network, the checksum does not fit, or the disk is full.
    MissingExtraError
        If pooch is not installed.
    """
    if given is not None:
        _check_given(given, source.known_hash)
        return unpack(given, folder, progress)
    archive = _download(source, folder, progress, timeout)
    written = unpack(archive, folder, progress)
    archive.unlink()
    return written
