"""Fetching the files of a dataset's record: by DOI or address, with checksum, resumable."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Final

from pytest_mlff.datasets.download import ResumingDownloader, require_pooch
from pytest_mlff.datasets.locations import find_system
from pytest_mlff.datasets.readers.npz import read_npz_numbers
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from pytest_mlff.datasets.record import DatasetRecord, SourceRecord

    Progress = Callable[[str, int, int], None]

_SWOLLEN: Final = 200


def missing_systems(record: DatasetRecord, folder: Path) -> tuple[str, ...]:
    """Systems of a dataset that have no file below ``folder``."""

    def absent(system: str) -> bool:
        try:
            find_system(record, system, folder)
        except MlffError:
            return True
        return False

    return tuple(system for system in record.systems if absent(system))


def sources_of(record: DatasetRecord, systems: Sequence[str]) -> tuple[SourceRecord, ...]:
    """Sources whose files are those of some systems; what serves none by name serves all."""
    wanted = {Path(one).name for system in systems for one in record.candidates(system)}
    known = {Path(one).name for system in record.systems for one in record.candidates(system)}

    def serves(source: SourceRecord, names: set[str]) -> bool:
        held = [PurePosixPath(one).name for one in source.members] or [source.file]
        return any(
            fnmatchcase(one, name) or fnmatchcase(name, one) for one in held for name in names
        )

    return tuple(one for one in record.sources if serves(one, wanted) or not serves(one, known))


def checksum_of(path: Path, algorithm: str = "sha256") -> str:
    """Checksum of a file as records write it.

    Raises
    ------
    MlffError
        If it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return f"{algorithm}:{hashlib.file_digest(stream, algorithm).hexdigest()}"
    except OSError as error:
        raise MlffError(f"{path}: cannot be read ({error.strerror})") from error


def _resolve(source: SourceRecord, timeout: float) -> str:
    """Address of a file, asked from the repository behind the DOI."""
    import requests
    from pooch.downloaders import FigshareRepository, doi_to_repository

    try:
        try:
            repository = doi_to_repository(source.doi, timeout=timeout)
        except (requests.HTTPError, ValueError):
            # Figshare's web page, to which the DOI leads, turns some programs away;
            # its programming interface does not.
            repository = FigshareRepository(
                source.doi, f"https://figshare.com/doi/{source.doi}", timeout=timeout
            )
        return str(repository.download_url(source.file))
    except requests.ConnectionError as error:
        raise MlffError(
            f"cannot reach doi:{source.doi}: no network; fetch {source.file} where there "
            "is one and pass it with --archive"
        ) from error
    except (requests.RequestException, ValueError, KeyError, IndexError) as error:
        raise MlffError(
            f"doi:{source.doi} gives no address for {source.file} "
            f"({' '.join(str(error).split())[:120]})"
        ) from error


def _download(
    source: SourceRecord, folder: Path, progress: Progress | None, timeout: float
) -> Path:
    pooch = require_pooch()
    downloader = ResumingDownloader(
        folder / f"{source.file}.part",
        progress=None
        if progress is None
        else lambda done, total: progress("download", done, total),
        timeout=timeout,
        resolve=None if source.url is not None else lambda _: _resolve(source, timeout),
    )
    keeper = pooch.create(
        path=folder,
        base_url=f"doi:{source.doi}/",
        registry={source.file: source.checksum},
        urls={} if source.url is None else {source.file: source.url},
    )
    pooch.get_logger().setLevel("WARNING")
    try:
        return Path(keeper.fetch(source.file, downloader=downloader))
    except ValueError as error:
        # Pooch's message holds both checksums over several sentences.
        raise MlffError(
            f"{source.file}: the download does not have the published checksum "
            f"{source.checksum} and was discarded; run the command again"
        ) from error
    except OSError as error:
        raise MlffError(f"{folder}: cannot be written ({error.strerror or error})") from error


def _members(archive: Path, progress: Progress | None) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and content of each regular file of an archive, one after the other."""
    total = archive.stat().st_size
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                if info.file_size > _SWOLLEN * max(info.compress_size, 1):
                    raise ValueError(f"{info.filename} would unpack to {info.file_size} bytes")
                if not info.is_dir():
                    yield info.filename, opened.open(info)
        return
    with archive.open("rb") as raw, tarfile.open(fileobj=raw, mode="r|*") as members:
        for member in members:
            if progress is not None:
                progress("unpack", raw.tell(), total)
            content = members.extractfile(member) if member.isreg() else None
            if content is not None:
                yield member.name, content


def unpack(
    archive: Path,
    folder: Path,
    record: DatasetRecord,
    wanted: Sequence[str],
    progress: Progress | None = None,
) -> tuple[Path, ...]:
    """Unpack the files of a dataset from an archive below ``folder/<name of the dataset>``.

    Only regular files that fit a pattern are written, each whole or not at all; paths inside
    the archive never lead elsewhere.

    Parameters
    ----------
    archive : Path
        tar, also compressed, or zip.
    folder : Path
        The data folder.
    record : DatasetRecord
    wanted : sequence of str
        Patterns of the names inside.
    progress : callable, optional
        See `fetch`.

    Raises
    ------
    MlffError
        If the archive is damaged, holds no data, or the disk is full.
    """
    written: list[Path] = []
    try:
        for name, content in _members(archive, progress):
            inside = PurePosixPath(name)
            fits = any(fnmatchcase(str(inside), pattern) for pattern in wanted)
            if not fits or inside.is_absolute() or ".." in inside.parts:
                continue
            own = inside.parts[0] == record.name
            target = folder.joinpath(*(() if own else (record.name,)), *inside.parts)
            _write(content, target)
            written.append(target)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, ValueError) as error:
        raise MlffError(f"{archive}: damaged archive ({error})") from error
    except OSError as error:
        raise MlffError(f"{archive}: cannot be unpacked to {folder} ({error})") from error
    if not written:
        raise MlffError(f"{archive}: holds no {' or '.join(wanted)}")
    _readable(written)
    if progress is not None:
        progress("unpack", archive.stat().st_size, archive.stat().st_size)
    return tuple(written)


def _readable(paths: Sequence[Path]) -> None:
    for path in paths:
        if path.suffix == ".npz":
            read_npz_numbers(path)


def _write(content: IO[bytes], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with scratch.open("wb") as stream:
            shutil.copyfileobj(content, stream, 1 << 20)
        os.replace(scratch, target)
    finally:
        scratch.unlink(missing_ok=True)


def fetch(
    record: DatasetRecord,
    folder: Path,
    systems: Sequence[str] = (),
    *,
    progress: Progress | None = None,
    given: Path | None = None,
    timeout: float = 30.0,
) -> tuple[Path, ...]:
    """Download what a record knows the place of, check it and put it below the data folder.

    A broken download leaves a ``.part`` file and goes on from there. An archive is removed
    once its files are unpacked.

    Parameters
    ----------
    record : DatasetRecord
    folder : Path
        The data folder.
    systems : sequence of str
        Those that are wanted; all if empty.
    progress : callable, optional
        Called with (``download`` or ``unpack``, bytes done, bytes in all).
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
        If no place is known, there is no network, the checksum does not fit, or the disk is
        full.
    MissingExtraError
        If pooch is not installed.
    """
    sources = sources_of(record, systems or tuple(record.systems))
    if given is not None:
        archives = [one for one in sources if one.members]
        if len(archives) != 1:
            raise MlffError(f"{record.name} is not published as one archive; leave --archive out")
        if archives[0].checksum is not None:
            algorithm = archives[0].checksum.partition(":")[0]
            if (found := checksum_of(given, algorithm)) != archives[0].checksum:
                raise MlffError(
                    f"{given}: {found} is not the published checksum {archives[0].checksum}"
                )
        return unpack(given, folder, record, archives[0].members, progress)
    written: list[Path] = []
    for source in sources:
        if source.place is None:
            continue
        if not source.members:
            written.append(_download(source, folder / record.name, progress, timeout))
            _readable(written[-1:])
            continue
        archive = _download(source, folder, progress, timeout)
        written += unpack(archive, folder, record, source.members, progress)
        archive.unlink()
    if not written:
        notes = "; ".join(f"{one.file}: {one.note}" for one in sources if one.note)
        raise MlffError(
            f"{record.name}: no address to fetch from is known ({notes or record.citation})"
        )
    return tuple(written)
